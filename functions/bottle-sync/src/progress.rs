//! How far a transfer is, in the log and in the health.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use longshore_events::transfer::TransferProgress;
use longshore_transfer::ProgressCounter;
use tokio::time::MissedTickBehavior;

use crate::health::{Health, Work};

/// How often the health looks.
const LOOK: Duration = Duration::from_secs(1);

/// How often the log says.
const SAY: Duration = Duration::from_secs(30);

/// Looks at the counter until it is dropped.
pub async fn watch(counter: &ProgressCounter, health: &Health, work: &Work) -> Infallible {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said_at = began;
    let mut moved_then = 0;
    loop {
        ticks.tick().await;
        let (done, moved) = (counter.snapshot(), counter.moved_bytes());
        health.observe(done, moved.saturating_add(counter.tried_again()));
        let since = said_at.elapsed();
        if since >= SAY {
            say(work, done, moved - moved_then, since);
            said_at = Instant::now();
            moved_then = moved;
        }
    }
}

fn say(work: &Work, done: TransferProgress, moved: u64, since: Duration) {
    tracing::info!(
        shard = work.shard,
        files = done.files,
        bytes = done.bytes,
        failed = done.failed,
        files_in_all = work.files,
        bytes_in_all = work.bytes,
        bytes_per_second = moved / since.as_secs().max(1),
        "transferring files"
    );
}
