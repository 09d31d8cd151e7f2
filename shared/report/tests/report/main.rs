//! What the report crate promises: messages that Slack takes, whatever an event holds, and a client that
//! tries for as long as it may and no longer.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod announcer;
#[cfg(test)]
mod api;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod slack;
#[cfg(test)]
mod topics;
