//! The ways in: what asks for deployments, or wakes what waits.
//!
//! | what | where |
//! | --- | --- |
//! | a push | [`push`] |
//! | a release file | [`release`] |
//! | a payload that names an image | [`payload`] |
//! | hold, resume and approve | [`hold`] |
//! | a rollback by hand | [`rollback`] |
//! | a restart by hand | [`restart`] |
//! | a number of tasks by hand, which is not a deployment | [`scale`] |
//! | a task by hand, which is not a deployment | [`run`] |
//! | a service that somebody else made | [`adopt`] |
//! | the end of a deployment that others wait for | [`predecessor`] |
//! | the end of a stack's change | [`settled`] |
//! | the schedule | [`reconcile`] |
//!
//! What the schedule reads is in `reading`. All that a policy is asked about goes through [`follow`], and every request through `pursue`, which does what
//! [`crate::decide`] decides. What does not go out is `set_aside`: it waits, or is skipped.

pub mod adopt;
pub mod follow;
pub mod hold;
pub mod payload;
pub mod predecessor;
pub mod push;
pub mod reconcile;
pub mod release;
pub mod restart;
pub mod rollback;
pub mod run;
pub mod scale;
pub mod settled;

mod named;
mod pursue;
mod reading;
mod set_aside;
