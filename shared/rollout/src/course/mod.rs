//! The course of a deployment, from the claim to its end.
//!
//! `claimed -> [preparing] -> deploying -> [verifying] -> succeeded`. [`deploying`] claims and updates the service,
//! [`tasks`] goes on with the one-off tasks that come before or after that, and [`watch`] sees how it ends.
//! [`scheduled`] is beside it: tasks that a schedule starts.

mod deploying;
mod outcome;
mod task;

pub mod scheduled;
pub mod tasks;
pub mod watch;

pub use outcome::WatchOutcome;
pub(crate) use task::{client_token, impossible};
