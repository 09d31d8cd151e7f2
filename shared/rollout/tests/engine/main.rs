//! What the engine promises: to whom a push goes, what becomes of it, and what no failure can change.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod course;
#[cfg(test)]
mod deploying;
#[cfg(test)]
mod digest;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod expired;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod first_start;
#[cfg(test)]
mod following;
#[cfg(test)]
mod history;
#[cfg(test)]
mod installation;
#[cfg(test)]
mod large_repositories;
#[cfg(test)]
mod letting_go;
#[cfg(test)]
mod lost_events;
#[cfg(test)]
mod restarting;
#[cfg(test)]
mod resting;
#[cfg(test)]
mod rollback;
#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod running_by_hand;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod scaling;
#[cfg(test)]
mod scheduled;
#[cfg(test)]
mod sidecars;
#[cfg(test)]
mod stacks;
#[cfg(test)]
mod states;
#[cfg(test)]
mod strategies;
#[cfg(test)]
mod support;
#[cfg(test)]
mod task_definitions;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod watching;
