//! Stack files: what they may say, how they are read and checked, and what follows from them.

pub mod check;
pub mod read;
pub mod spec;
