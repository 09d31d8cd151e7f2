//! Which files go, and when none do.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::settings::DeletionSettings;

/// When each file that is still there was first missed in the index.
pub type Gone = BTreeMap<String, DateTime<Utc>>;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The files whose grace time is over.
    pub keys: Vec<String>,
    /// Why none of them are deleted all the same: too many at once.
    pub refused: Option<String>,
    /// What is missed from now on.
    pub gone: Gone,
}

/// Decides; `removed` is what the index names no more, `held` how many files the mirror holds.
pub fn decide(
    _settings: Option<&DeletionSettings>,
    _removed: &[String],
    _before: &Gone,
    _held: u64,
    _now: DateTime<Utc>,
) -> Deletion {
    todo!()
}
