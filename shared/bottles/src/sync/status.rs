//! What a person asks first: how far the last sync is.

use chrono::{DateTime, Utc};
use longshore_events::transfer::TransferProgress;
use serde::Serialize;

use crate::ports::SyncCloud;
use crate::sync::decide::progress;
use crate::sync::engine::{SyncError, mirror};
use crate::sync::held::load;
use crate::sync::record::{Published, RaisedThroughput, ShardRecord, Sync};
use crate::sync::shard::states;
use crate::sync::shard::{self, ShardPhase, ShardState};

/// A mirror's last sync, and what its clients see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
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
pub async fn status<C: SyncCloud>(cloud: &C, stack: &str) -> Result<SyncStatus, SyncError> {
    let (_, place) = mirror(cloud, "look at", stack).await?;
    let mut status = SyncStatus {
        stack: stack.to_owned(),
        bucket: place.bucket.clone(),
        sync: None,
        done: TransferProgress::default(),
        shards: Vec::new(),
        published: None,
        raised_throughput: None,
    };
    let Some(held) = load(cloud, &place.bucket).await? else {
        return Ok(status);
    };
    let record = held.record;
    if let (false, Some(outcome)) = (record.sync.state.is_open(), &record.sync.outcome) {
        status.done = shard::progress_of(&outcome.transfer);
    } else {
        let states = states(cloud, &record.sync).await?;
        status.done = progress(&record.sync, &states).0;
        status.shards = record
            .sync
            .shards
            .iter()
            .zip(states)
            .filter_map(|(shard, state)| Some(ShardStatus::of(shard, state?)))
            .collect();
    }
    status.sync = Some(record.sync);
    status.published = record.published;
    status.raised_throughput = record.raised_throughput;
    Ok(status)
}

impl ShardStatus {
    fn of(shard: &ShardRecord, state: ShardState) -> Self {
        let done = state.done();
        let is_done = state.is_done();
        let (worker_id, lease_until) = match state.phase {
            ShardPhase::Leased {
                worker_id,
                lease_until,
            } => (Some(worker_id), Some(lease_until)),
            ShardPhase::Pending | ShardPhase::Done => (None, None),
        };
        Self {
            shard: shard.shard,
            files: state.files,
            bytes: state.bytes,
            done,
            is_done,
            worker_id,
            lease_until,
            attempts: state.attempts,
            task_arn: shard.task_arn.clone(),
            problem: shard
                .given_up
                .clone()
                .or_else(|| shard.problem.clone())
                .or(state.problem),
        }
    }
}
