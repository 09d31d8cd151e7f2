//! What a sync would do.

use std::collections::BTreeMap;

use longshore_events::longshore::{FileCount, RefusedEntry, RunsOn};
use serde::Serialize;

use crate::ports::{Source, SyncCloud};
use crate::settings::RunnerSettings;
use crate::sync::{SyncError, SyncOptions};

/// What a sync would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SyncPlan {
    /// The stack.
    pub stack: String,
    /// What would be brought over.
    pub new: FileCount,
    /// The same by platform.
    pub by_platform: BTreeMap<String, FileCount>,
    /// What the index names no more.
    pub removed: FileCount,
    /// What stays as it is.
    pub unchanged: FileCount,
    /// What would be deleted.
    pub to_delete: Vec<String>,
    /// Why nothing would be deleted, although grace times are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_refused: Option<String>,
    /// Entries of the index that are refused.
    pub refused: Vec<RefusedEntry>,
    /// Where it would run.
    pub runs_on: RunsOn,
    /// How long it would take, about, in seconds.
    pub estimated_seconds: i64,
    /// What it would cost once, in millionths of a USD.
    pub estimated_cost_in_micro_usd: u64,
    /// What all files of the mirror would cost a month, in millionths of a USD.
    pub storage_in_micro_usd_a_month: u64,
    /// What the registry's layout, a second copy of every file, costs a month, or would cost if it were
    /// kept.
    pub registry_layout_in_micro_usd_a_month: u64,
    /// What is odd.
    pub warnings: Vec<String>,
}

/// Says what a sync would do. Nothing is changed.
///
/// # Errors
/// [`SyncError`]; an index that is not to be trusted is one.
pub async fn plan<C: SyncCloud, S: Source>(
    _cloud: &C,
    _source: &S,
    _runner: &RunnerSettings,
    _stack: &str,
    _options: &SyncOptions,
) -> Result<SyncPlan, SyncError> {
    todo!()
}
