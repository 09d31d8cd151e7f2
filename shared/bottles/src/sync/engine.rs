//! What a sync is asked for, what executes it, and why something is not done.

use chrono::{DateTime, Utc};
use longshore_events::ecs::SYNC_TASKS;
use longshore_events::longshore::SyncSource;
use longshore_state::{CallError, Race, Worker};
use serde::{Deserialize, Serialize};

use crate::ports::SyncCloud;
use crate::settings::{MirrorLocation, MirrorSettings, RunnerSettings};

/// `startedBy` of a sync's tasks: by it an event of a task that stopped finds its mirror and its shard.
pub fn started_by(stack: &str, shard: u32) -> String {
    format!("{SYNC_TASKS}{stack}/{shard}")
}

/// What executes a sync.
#[derive(Debug)]
pub struct Engine<'a, C, S, T> {
    /// AWS and the time.
    pub cloud: &'a C,
    /// Where the index and the image indexes come from.
    pub source: &'a S,
    /// What transfers files in this process.
    pub transferrer: &'a T,
    /// What this process comes with.
    pub runner: &'a RunnerSettings,
    /// This invocation: `id` names the syncs that it begins, `now` is when it began, from which
    /// [`RunnerSettings::time_left`] counts.
    pub worker: &'a Worker,
}

/// What asks for a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    /// Who or what.
    pub source: SyncSource,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// How.
    pub options: SyncOptions,
}

/// How a sync is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncOptions {
    /// Compare with a listing of the bucket, instead of the inventory that the last sync has left.
    #[serde(default)]
    pub check_listing: bool,
    /// From how many bytes on it runs in tasks, instead of the runner's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_bytes: Option<u64>,
}

impl SyncOptions {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Why something was not done about a mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// The mirror, or its index, does not allow it; trying again changes nothing.
    #[error("{operation} the mirror of stack {stack}: {reason}")]
    Refused {
        /// What was asked for.
        operation: &'static str,
        stack: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A call failed. Trying again may help.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Race for SyncError {
    fn is_lost(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_lost())
    }
}

/// What the stack says of its mirror.
pub(crate) async fn mirror<C: SyncCloud>(
    cloud: &C,
    operation: &'static str,
    stack: &str,
) -> Result<(MirrorSettings, MirrorLocation), SyncError> {
    match cloud.mirror(stack).await {
        Err(error) if error.class.is_refusal() => Err(SyncError::Refused {
            operation,
            stack: stack.to_owned(),
            reason: error.to_string(),
        }),
        found => Ok(found?),
    }
}
