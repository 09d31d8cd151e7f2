//! The end of a sync.

use chrono::{DateTime, Utc};
use longshore_events::longshore::SyncOutcome;
use longshore_events::transfer::TransferReport;

use crate::sync::record::Sync;

/// The outcome of a sync that has brought nothing over.
pub(crate) fn nothing(sync: &Sync, now: DateTime<Utc>) -> SyncOutcome {
    SyncOutcome {
        runs_on: sync.runs_on,
        transfer: TransferReport {
            files: 0,
            bytes: 0,
            already_there: 0,
            copies: 0,
            downloaded_bytes: 0,
            resumed_bytes: 0,
            failed: 0,
            failures: Vec::new(),
            started_at: now,
            finished_at: now,
        },
        deleted: 0,
        refused: 0,
        refused_entries: Vec::new(),
        finished_at: now,
        cost_in_micro_usd: 0,
        report_key: None,
    }
}
