//! The local cloud, seen from outside: it is started and stopped here, Terraform is applied to it, and a small
//! client of its own looks at what happened. The demo and the end-to-end tests see the system through this crate
//! only, so that nothing of Longshore's own code judges Longshore.
//!
//! Everything is blocking and stays on loopback.

pub mod archive;
pub mod client;
pub mod cloud;
pub mod control;
pub mod environment;
pub mod files;
pub mod homebrew;
pub mod images;
pub mod mirror;
pub mod process;
pub mod programs;
pub mod python;
pub mod queues;
pub mod scene;
pub mod task_roles;
pub mod terraform;
pub mod wait;
pub mod workspace;
