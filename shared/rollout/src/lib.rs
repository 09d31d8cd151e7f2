//! The deployment engine: what a deployment does next, and the record that makes duplicates,
//! disorder and races harmless.
//!
//! [`decide`] holds every decision as a pure function of what is known. [`follow`], [`deploy`] and [`watch`]
//! carry the decisions out through the [`ports`]. Time and ids come in as arguments.

pub mod adopt;
pub mod at_rest;
pub mod decide;
pub mod deploy;
pub mod documents;
pub mod follow;
pub mod history;
pub mod hold;
pub mod ports;
pub mod reconcile;
pub mod record;
pub mod release;
pub mod rollback;
pub mod stack_record;
pub mod status;
pub mod task_definition;
pub mod tasks;
pub mod watch;

mod course;
mod outbox;
mod transitions;
mod waiting;
