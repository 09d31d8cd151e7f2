//! What syncs promise: what a mirror holds after one, what clients see meanwhile, and what no failure can
//! lose.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod deleting;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod file_systems;
#[cfg(test)]
mod index_files;
#[cfg(test)]
mod interleaving;
#[cfg(test)]
mod planning;
#[cfg(test)]
mod running;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod tasks;
