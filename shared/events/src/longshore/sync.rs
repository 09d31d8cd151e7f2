//! What Longshore publishes about bottle syncs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::caller::Caller;

use crate::transfer::{TransferProgress, TransferReport};

/// A sync, as every event about it names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSummary {
    /// The stack whose `bottle_sync` it is.
    pub stack: String,
    /// The sync's id: that of the invocation that began it.
    pub sync_id: String,
    /// The bucket that is the mirror.
    pub bucket: String,
    /// Who or what asked.
    pub source: SyncSource,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
}

/// Who or what asked for a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncSource {
    /// The stack's schedule.
    Schedule,
    /// A payload was sent, or the command line asked.
    Manual {
        /// What its sender says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Who it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Caller>,
    },
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileCount {
    /// How many.
    pub files: u64,
    pub bytes: u64,
    /// How many of the bytes are estimated, because the registry did not give them.
    pub estimated_bytes: u64,
}

/// Where the files of a sync are transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunsOn {
    /// In the function itself, or in the command line.
    Function,
    /// In Fargate tasks.
    Tasks {
        /// How many.
        tasks: u32,
    },
}

/// A part of the index, or of the mirror, that is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedEntry {
    /// Which: `wget (arm64_sequoia)`.
    pub entry: String,
    /// Why.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPlanned {
    pub sync: SyncSummary,
    /// What is to be transferred.
    pub new: FileCount,
    /// How many files of the mirror the index names no more.
    pub removed: u64,
    /// How many files stay as they are.
    pub unchanged: u64,
    /// How many files are going to be deleted.
    pub to_delete: u64,
    /// The first twenty of them.
    pub deleted_keys: Vec<String>,
    /// Entries of the index that are refused: how many.
    pub refused: u64,
    /// The first twenty of them.
    pub refused_entries: Vec<RefusedEntry>,
    /// Where it runs.
    pub runs_on: RunsOn,
    /// What it is expected to cost once, in millionths of a USD: transfer, requests, tasks; not storage.
    pub estimated_cost_in_micro_usd: u64,
    /// Why nothing is deleted, although grace times are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_refused: Option<String>,
    /// The first twenty warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// `Sync Unchanged`: the index names what the mirror holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncUnchanged {
    pub sync: SyncSummary,
    /// When that was known.
    pub finished_at: DateTime<Utc>,
}

/// `Sync Progressed`: a long sync goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncProgressed {
    pub sync: SyncSummary,
    /// What is done of all shards.
    pub done: TransferProgress,
    /// What is to be done in all.
    pub total: FileCount,
    /// How many shards have ended.
    pub shards_ended: u32,
    /// How many there are.
    pub shards: u32,
    /// When it was so.
    pub at: DateTime<Utc>,
}

/// `Sync Shard Completed`: published by the task that worked on it, to wake `sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncShardCompleted {
    pub stack: String,
    pub sync_id: String,
    /// The shard's number, from 1.
    pub shard: u32,
    /// What became of it.
    pub report: TransferReport,
}

/// `Sync Completed`: every file that the index names is there, and the index is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncCompleted {
    pub sync: SyncSummary,
    /// What became of its files.
    pub outcome: SyncOutcome,
}

/// `Sync Failed`: the index is not published; what was transferred stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncFailed {
    pub sync: SyncSummary,
    /// Why.
    pub reason: String,
    /// What became of its files.
    pub outcome: SyncOutcome,
}

/// `Sync Refused`: it did not begin; another one runs, or its index is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRefused {
    pub sync: SyncSummary,
    /// Why.
    pub reason: String,
}

/// What became of a sync's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncOutcome {
    /// Where it ran.
    pub runs_on: RunsOn,
    /// What was transferred, and what was given up with the first reasons.
    pub transfer: TransferReport,
    /// How many files were deleted because the index names them no more.
    pub deleted: u64,
    /// Entries of the index that were refused: how many.
    pub refused: u64,
    /// The first twenty of them.
    pub refused_entries: Vec<RefusedEntry>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// What it cost, about, in millionths of a USD.
    pub cost_in_micro_usd: u64,
    /// The key of the whole report in the mirror's bucket, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_key: Option<String>,
    /// How many manifests that the index names are not there: brew 6 cannot install their formulae, nor
    /// what depends on them. The next sync asks for them again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_manifests: u64,
    /// Why nothing was deleted, although grace times are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_refused: Option<String>,
    /// The first twenty warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl SyncOutcome {
    /// Whether there is nothing that somebody should look at.
    pub fn is_clean(&self) -> bool {
        self.transfer.failed == 0
            && self.missing_manifests == 0
            && self.deletion_refused.is_none()
            && self.warnings.is_empty()
    }
}

/// serde hands over a reference.
fn is_zero(number: &u64) -> bool {
    *number == 0
}
