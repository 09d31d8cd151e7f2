//! The deployment engine: what a deployment does next, and the record that makes duplicates,
//! disorder and races harmless.
//!
//! | folder | what |
//! | --- | --- |
//! | [`record`] | what is written of a service, and who may write it |
//! | [`decide`] | every decision, as a pure function of what is known |
//! | [`engine`] | a service that is worked on, and what comes of that |
//! | [`course`] | the course of a deployment, from the claim to its end |
//! | [`triggers`] | the ways in: pushes, people, files, the schedule |
//! | [`dry_run`] | the ways in, in a world that changes nothing |
//!
//! Each uses those above it. The world is behind the [`ports`]. Time and ids come in as arguments.

pub mod asked;
pub mod course;
pub mod decide;
pub mod digest;
pub mod doctor;
pub mod documents;
pub mod dry_run;
pub mod engine;
pub mod figures;
pub mod history;
pub mod installation;
pub mod known;
pub mod lost_events;
pub mod ports;
pub mod record;
pub mod running_logs;
pub mod schedule_record;
pub mod service_view;
pub mod shells;
pub mod stack_record;
pub mod status;
pub mod task_definition;
pub mod triggers;
pub mod whereabouts;

mod outbox;
