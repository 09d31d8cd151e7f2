//! What keys of stack files become in the template, and what is refused of them.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod capacity;
#[cfg(test)]
mod from_the_field;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod known_elsewhere;
mod network;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod scaling;
#[cfg(test)]
mod support;
#[cfg(test)]
mod worked_examples;
