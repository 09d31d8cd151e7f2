//! What first stack files are made of the files of other tools, of answers and in the documents.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod document;
#[cfg(test)]
mod first_files;
#[cfg(test)]
mod support;
