//! A service that is worked on, and what comes of that.
//!
//! [`Engine`] holds what every way in needs: the service, its record, what ECS shows, and who works on it. What is
//! decided about is in [`crate::decide`], what is done in [`crate::course`] and [`crate::triggers`].

mod outcome;
mod service;
mod write;

pub use outcome::{DeployError, Outcome, ServiceOutcome};
pub(crate) use outcome::{Stop, refused_or_failed};
pub(crate) use service::{Ahead, Engine, Inspected, Shown, Written, claimed_already};
pub(crate) use write::publish_refusal;
