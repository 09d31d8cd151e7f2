//! What becomes of stack files as CloudFormation templates.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod effects;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod rollouts;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod stability;
#[cfg(test)]
mod support;
#[cfg(test)]
mod systems;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod whole;
