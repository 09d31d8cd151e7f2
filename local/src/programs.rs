//! The programs of Longshore.

use std::path::PathBuf;

/// What is installed into a local cloud.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The architecture that they were built for, as Lambda names it.
    pub architecture: &'static str,
    /// The folder of the functions' packages: a folder an architecture, with `longshore.zip` in it.
    pub packages: PathBuf,
    /// The program of the task that transfers bottles.
    pub bottle_sync: PathBuf,
}
