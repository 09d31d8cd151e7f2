//! The `notify` process as Lambda runs it, with fakes of Lambda, Secrets Manager and Slack.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod process;
