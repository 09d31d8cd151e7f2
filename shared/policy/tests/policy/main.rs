//! What image policies name, and when freeze windows keep deployments back.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod choosing;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod freezing;
