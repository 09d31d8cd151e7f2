//! Going on with a sync at a wake-up.

use serde::Serialize;

use crate::ports::{Source, SyncCloud, Transferrer};
use crate::sync::{Engine, RunOutcome, SyncError};

/// What came of a wake-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advanced {
    /// The stack.
    pub stack: String,
    /// What its open sync came to; `None` when none is open, or another worker sees to it.
    #[serde(flatten)]
    pub outcome: Option<RunOutcome>,
}

/// Goes on with a stack's open sync: starts what is dead again, tells how far it is, or finishes it.
/// Harmless twice, at any time, and for stacks that have no mirror. Wake-ups are: a shard or a task that
/// ended, and the schedule of [`crate::sync::reconcile()`].
///
/// # Errors
/// [`SyncError::Call`]: the invocation should come again.
pub async fn advance<C: SyncCloud, S: Source, T: Transferrer>(
    _engine: &Engine<'_, C, S, T>,
    _stack: &str,
) -> Result<Advanced, SyncError> {
    todo!()
}
