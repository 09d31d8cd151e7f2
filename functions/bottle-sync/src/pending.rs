//! A task that belongs to a service: it works on whatever shards wait, and is idle in between.

use std::convert::Infallible;
use std::time::Duration;

use chrono::Utc;
use longshore_bottles::layout::RECORD;
use longshore_bottles::ports::MirrorStore;
use longshore_bottles::sync::record::{Sync, SyncRecord};
use longshore_bottles::sync::shard::{self, PendingShard, Taken};
use longshore_runtime::metrics::{self, Metric};
use longshore_state::CallError;

use crate::arguments::SyncShard;
use crate::outcome::Outcome;
use crate::shard as work;
use crate::{identity, task::Task};

/// How often a task that has nothing to do looks for work; each time up to half of it more, so that tasks
/// that were started together do not look together.
const LOOK: Duration = Duration::from_secs(30);

/// How often the number of waiting shards is written down as a metric while a sync runs.
const MEASURE: Duration = Duration::from_secs(60);

/// Works until it is asked to stop.
pub async fn serve(task: &Task) -> Outcome {
    tracing::info!(bucket = task.bucket_name, "wait for shards");
    tokio::select! {
        () = serve_shards(task) => {}
        never = measure(task) => match never {},
    }
    tracing::info!("stopped");
    // A shard that is not done was given back: nothing is owed by this task.
    Outcome::Done
}

async fn serve_shards(task: &Task) {
    while !task.stop.is_requested() {
        if work_on_one(task).await {
            continue;
        }
        let half = u64::try_from(LOOK.as_millis() / 2).unwrap_or(1);
        let wait = LOOK + Duration::from_millis(identity::random() % half);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = task.stop.requested() => {}
        }
    }
}

/// Works on one of the shards that wait; whether there was one.
async fn work_on_one(task: &Task) -> bool {
    let mut shards = look(task).await;
    // Tasks that look at the same time begin with different ones.
    let count = shards.len().max(1) as u64;
    let first = usize::try_from(identity::random() % count).unwrap_or_default();
    shards.rotate_left(first);
    for shard in shards {
        let shard = SyncShard {
            bucket: task.bucket_name.clone(),
            sync_id: shard.sync_id,
            shard: shard.shard,
        };
        let worked = match work::take(task, &shard).await {
            Ok(Taken::Leased(lease)) => Box::pin(work::work_on(task, &shard, lease)).await,
            // Somebody was faster.
            Ok(_) => continue,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = worked {
            tracing::error!(
                sync_id = shard.sync_id,
                shard = shard.shard,
                error = format!("{error:#}"),
                "work on a shard"
            );
            // Whatever it is, trying at once again would not help.
            return false;
        }
        return true;
    }
    false
}

async fn look(task: &Task) -> Vec<PendingShard> {
    match shard::pending(&task.cloud, &task.bucket_name, Utc::now()).await {
        Ok(shards) => {
            task.health.set_pending_shards(shards.len() as u64);
            shards
        }
        Err(error) => {
            tracing::warn!(error = error.to_string(), "look for shards that wait");
            Vec::new()
        }
    }
}

/// Measures the shards that wait, for as long as a sync runs.
async fn measure(task: &Task) -> Infallible {
    loop {
        let shards = look(task).await.len() as u64;
        match open_sync(task).await {
            Ok(Some(sync)) => metrics::measure(&sync.stack, &[(Metric::PendingShards, shards)]),
            Ok(None) => {}
            Err(error) => tracing::warn!(error = error.to_string(), "look for a sync that runs"),
        }
        tokio::time::sleep(MEASURE).await;
    }
}

async fn open_sync(task: &Task) -> Result<Option<Sync>, CallError> {
    let record = task.cloud.read(&task.bucket_name, RECORD).await?;
    // A record that cannot be read is reported by those who write it.
    Ok(record
        .and_then(|body| serde_json::from_slice::<SyncRecord>(&body).ok())
        .map(|record| record.sync)
        .filter(|sync| sync.state.is_open()))
}
