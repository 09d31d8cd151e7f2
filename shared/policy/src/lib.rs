//! What `provision` writes and `deploy` reads: which services subscribe to a repository, which images they get,
//! how their deployments go, and what a template says about its services.
//!
//! It is here, between stack files and the engine of deployments, so that neither depends on the other.

pub mod freeze;
pub mod image_policy;
pub mod route;
pub mod settings;
pub mod template;
