//! What has become of a sync.

use longshore_events::longshore::{FileCount, RunsOn, SyncOutcome};
use serde::Serialize;

use crate::sync::record::{Sync, SyncState, nothing};

/// What came of asking for a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RunOutcome {
    /// The mirror was what the index names already.
    Unchanged { sync_id: String },
    /// It did not begin: another one runs, or its index is not to be trusted. That is published.
    Refused {
        /// Why.
        reason: String,
    },
    /// It goes on without this process: in tasks, or at the next wake-up.
    Running {
        sync_id: String,
        /// Where it runs.
        runs_on: RunsOn,
        /// What is to be transferred.
        total: FileCount,
    },
    /// It is done, and the index is published.
    Completed {
        sync_id: String,
        /// What became of its files.
        result: Box<SyncOutcome>,
    },
    /// It failed; the index is not published. That is published.
    Failed {
        sync_id: String,
        /// Why.
        reason: String,
        /// What became of its files.
        result: Box<SyncOutcome>,
    },
}

/// What a sync has come to, or how far it is.
pub(crate) fn outcome_of(sync: &Sync) -> RunOutcome {
    let sync_id = sync.id.clone();
    let reason = sync.reason.clone().unwrap_or_default();
    let result = || {
        let outcome = sync.outcome.clone();
        Box::new(outcome.unwrap_or_else(|| nothing(sync, sync.requested_at)))
    };
    match sync.state {
        SyncState::Planning | SyncState::Transferring | SyncState::Publishing => {
            RunOutcome::Running {
                sync_id,
                runs_on: sync.runs_on,
                total: sync.total,
            }
        }
        SyncState::Unchanged => RunOutcome::Unchanged { sync_id },
        SyncState::Refused => RunOutcome::Refused { reason },
        SyncState::Completed => RunOutcome::Completed {
            sync_id,
            result: result(),
        },
        SyncState::Failed => RunOutcome::Failed {
            sync_id,
            reason,
            result: result(),
        },
    }
}
