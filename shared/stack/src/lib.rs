//! Stack files: what they may say, how they are read and checked, and what follows from them.

pub mod check;
pub mod cost;
pub mod nearest;
pub mod outputs;
pub mod read;
pub mod render;
pub mod scheduled;
pub mod spec;

mod instances;
mod path;
mod properties;
mod references;
mod schedule_expression;
mod shown;
