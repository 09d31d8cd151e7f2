//! What goes over the wire.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod calls;
#[cfg(test)]
mod destination;
#[cfg(test)]
mod installations;
#[cfg(test)]
mod repeated;
#[cfg(test)]
mod rollouts;
#[cfg(test)]
mod stacks;
#[cfg(test)]
mod support;
#[cfg(test)]
mod syncs;
