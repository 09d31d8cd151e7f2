//! What the events crate promises to the functions: that it reads what AWS sends, what people send
//! and what Longshore itself publishes, and that it says which field is wrong when it cannot.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod longshore;
#[cfg(test)]
mod names;
#[cfg(test)]
mod people;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod support;
