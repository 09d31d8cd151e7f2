//! The wake-up that is never lost.

use serde::Serialize;

use crate::ports::{CallError, Source, SyncCloud, Transferrer};
use crate::sync::{Advanced, Engine, advance};

/// What a reconcile has found and done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Reconciled {
    /// Mirrors looked at.
    pub mirrors: usize,
    /// What their syncs came to.
    pub advanced: Vec<Advanced>,
    /// Mirrors that could not be looked after, with the reason.
    pub failures: Vec<String>,
}

/// Goes on with every mirror's open sync, tells what was not told, and lowers throughput that was raised
/// a day ago.
///
/// # Errors
/// When the mirrors cannot be listed. What fails for one mirror is in the answer.
pub async fn reconcile<C: SyncCloud, S: Source, T: Transferrer>(
    engine: &Engine<'_, C, S, T>,
) -> Result<Reconciled, CallError> {
    let mut answer = Reconciled::default();
    for stack in engine.cloud.mirrors().await? {
        answer.mirrors += 1;
        match advance(engine, &stack).await {
            Ok(advanced) => answer.advanced.push(advanced),
            Err(error) => answer.failures.push(error.to_string()),
        }
    }
    Ok(answer)
}
