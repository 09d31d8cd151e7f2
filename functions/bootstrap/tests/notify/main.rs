//! The `notify` process as Lambda runs it, with a stand-in for Lambda, Secrets Manager and Slack.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is told so.
#[cfg(test)]
mod process;
