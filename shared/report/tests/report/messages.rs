//! Every message as it is sent, and what holds for all of them.

mod all;
mod any;
mod deployments;
mod digest;
mod scaled;
mod scene;
mod stacks;
mod syncs;
