//! Beginning a sync.

use longshore_events::longshore::{FileCount, RunsOn, SyncOutcome};
use serde::Serialize;

use crate::ports::{Source, SyncCloud, Transferrer};
use crate::sync::{Engine, RunRequest, SyncError};

/// What came of asking for a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RunOutcome {
    /// The mirror was what the index names already.
    Unchanged {
        /// The sync.
        sync_id: String,
    },
    /// It did not begin: another one runs, or its index is not to be trusted. That is told.
    Refused {
        /// Why.
        reason: String,
    },
    /// It goes on without this process: in tasks, or at the next wake-up.
    Running {
        /// The sync.
        sync_id: String,
        /// Where it runs.
        runs_on: RunsOn,
        /// What is to be brought over.
        total: FileCount,
    },
    /// It is done, and the index is published.
    Completed {
        /// The sync.
        sync_id: String,
        /// What became of its files.
        result: Box<SyncOutcome>,
    },
    /// It failed; the index is not published. That is told.
    Failed {
        /// The sync.
        sync_id: String,
        /// Why.
        reason: String,
        /// What became of its files.
        result: Box<SyncOutcome>,
    },
}

/// Brings a stack's mirror to what the index names, or begins to. The same worker may ask again: it goes
/// on where it died.
///
/// # Errors
/// [`SyncError`]: of a call, the invocation should come again.
pub async fn run<C: SyncCloud, S: Source, T: Transferrer>(
    _engine: &Engine<'_, C, S, T>,
    _stack: &str,
    _request: &RunRequest,
) -> Result<RunOutcome, SyncError> {
    todo!()
}
