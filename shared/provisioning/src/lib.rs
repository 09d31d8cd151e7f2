//! The provisioning engine: stacks are planned, applied and destroyed through CloudFormation.

pub mod adopt;
pub mod apply;
mod change_set;
pub mod destroy;
pub mod drift;
pub mod error;
pub mod file;
pub mod outputs;
pub mod plan;
pub mod ports;
mod prepare;
mod preserve;
pub mod render;
mod requests;
pub mod routes;
pub mod settings;
pub mod settled;
mod template;
pub mod watch;
