//! The deployment record: `deployments/<stack>/<service>/current.json` in the state bucket.
//!
//! It is changed only by conditional writes. Each change of state puts the event that reports it
//! into the record's outbox in the same write, so that none is lost when a function dies.
//!
//! Everybody reads a [`Record`] and a [`Deployment`]; only the transitions in this folder write them. What a state or
//! a deployment means (is it open, who goes on with it, when is its time up) is a method of [`State`] or
//! [`Deployment`].

mod deployment;
mod document;
mod request;
mod scaled;
mod state;
mod survey;
mod transitions;
mod waiting;

pub use deployment::{Deployment, DeploymentFields, Running, RunningTask};
pub use document::{Record, RecordFields};
pub use request::Request;
pub(crate) use request::refusal;
pub use scaled::Scaled;
pub use state::{State, TaskPhase};
pub use survey::Survey;
pub use waiting::{Hold, PassedOver, Wait, Waiting};
