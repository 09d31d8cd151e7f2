//! Whatever happens, in whatever order and however often it is heard of, and whatever fails meanwhile: when all
//! is quiet, each service runs the image that its policy names, or its record says why not.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod orderings;
#[cfg(test)]
mod world;
