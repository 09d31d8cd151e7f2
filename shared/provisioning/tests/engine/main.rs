//! What provisioning promises: what a stack file leads to, what is preserved, and what no failure can lose.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod adopting;
#[cfg(test)]
mod applying;
#[cfg(test)]
mod destroying;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod installation;
#[cfg(test)]
mod planning;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod watching;
