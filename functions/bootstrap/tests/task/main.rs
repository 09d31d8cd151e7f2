//! The `bottle-sync` process as ECS runs it, with fakes of S3, EventBridge, Secrets Manager, Slack and
//! the place where files are published.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod lists;
#[cfg(test)]
mod process;
#[cfg(test)]
mod server;
#[cfg(test)]
mod shards;
#[cfg(test)]
mod world;
