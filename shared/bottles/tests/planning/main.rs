//! What planning promises: what is read of an index, what is refused of it, and what a mirror lacks.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod index_of_a_day;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod real_index;
#[cfg(test)]
mod signed;

/// Reads an index in pieces of `size` bytes, by the rules for public hosts.
#[cfg(test)]
fn read(
    bytes: &[u8],
    size: usize,
) -> Result<longshore_bottles::index::Index, longshore_bottles::index::IndexError> {
    let mut reader = longshore_bottles::index::IndexReader::new(&[]);
    for piece in bytes.chunks(size) {
        reader.feed(piece)?;
    }
    reader.finish()
}
