//! Whether a mirror is what the index names.

use serde::Serialize;

use crate::ports::{Source, SyncCloud};
use crate::sync::SyncError;

/// What of a mirror is not as the index says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The stack.
    pub stack: String,
    /// Bottles that the index names and that are wanted.
    pub wanted: u64,
    /// How many of them are there with the content that the index says.
    pub right: u64,
    /// Those that are not there.
    pub missing: Vec<String>,
    /// Those that are there with another content, or with one that S3 knows no SHA-256 of.
    pub wrong: Vec<String>,
    /// Bottles that are there and that the index does not name.
    pub extra: Vec<String>,
    /// Manifests that clients ask for before the bottles and that are not there.
    pub missing_manifests: Vec<String>,
    /// The index that clients see.
    pub index: PublishedIndex,
}

/// The index in a mirror, compared with where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedIndex {
    /// The same.
    Same,
    /// Another one.
    Other,
    /// None.
    Missing,
}

impl Verification {
    /// Whether every bottle is there with the right content, and the index is the same.
    pub fn is_right(&self) -> bool {
        self.missing.is_empty() && self.wrong.is_empty() && self.index == PublishedIndex::Same
    }
}

/// Compares a mirror with the index as it is now. Nothing is changed.
///
/// # Errors
/// [`SyncError`]; a bucket that cannot be listed is one.
pub async fn verify<C: SyncCloud, S: Source>(
    _cloud: &C,
    _source: &S,
    _stack: &str,
) -> Result<Verification, SyncError> {
    todo!()
}
