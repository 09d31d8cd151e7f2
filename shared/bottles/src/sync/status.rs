//! What a person asks first: how far the last sync is.

use chrono::{DateTime, Utc};
use longshore_events::transfer::TransferProgress;
use serde::Serialize;

use crate::ports::SyncCloud;
use crate::sync::SyncError;
use crate::sync::record::{Published, RaisedThroughput, Sync};

/// A mirror's last sync, and what its clients see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    /// The stack.
    pub stack: String,
    /// The bucket that is the mirror.
    pub bucket: String,
    /// The last sync; nothing when there was none.
    pub sync: Option<Sync>,
    /// How far it is.
    pub done: TransferProgress,
    /// Its shards, while it is open.
    pub shards: Vec<ShardStatus>,
    /// The index that is published.
    pub published: Option<Published>,
    /// Throughput that is still to be lowered.
    pub raised_throughput: Option<RaisedThroughput>,
}

/// A shard of an open sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardStatus {
    /// Its number.
    pub shard: u32,
    /// How many items it has.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How far it is.
    pub done: TransferProgress,
    /// Whether all of it was tried.
    pub is_done: bool,
    /// Who has it: a task's ARN, or an invocation's id.
    pub worker_id: Option<String>,
    /// Until when, unless it says again that it is alive.
    pub lease_until: Option<DateTime<Utc>>,
    /// How many workers took it.
    pub attempts: u32,
    /// The task that was started last for it.
    pub task_arn: Option<String>,
    /// What last went wrong.
    pub problem: Option<String>,
}

/// How far the last sync of a stack's mirror is.
///
/// # Errors
/// [`SyncError`].
pub async fn status<C: SyncCloud>(_cloud: &C, _stack: &str) -> Result<SyncStatus, SyncError> {
    todo!()
}
