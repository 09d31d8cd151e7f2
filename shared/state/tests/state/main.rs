//! What the state crate promises: a change is never lost, an event is published at least once, and programs of different
//! versions do each other no harm.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod documents;
