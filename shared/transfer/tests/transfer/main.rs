//! What a transfer promises, against a source that misbehaves and a bucket that verifies.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod night;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod server;
#[cfg(test)]
mod setting;
#[cfg(test)]
mod source;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod transferring;
