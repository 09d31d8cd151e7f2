//! A shard of a sync: leased, so that nobody else transfers the same files, and published when it is done.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Utc;
use longshore_bottles::ports::Transferred;
use longshore_bottles::sync::shard::{self, Lease, Renewed, Taken};
use longshore_events::transfer::TransferItem;
use longshore_state::{CallError, ErrorClass, EventPublisher, Worker};
use longshore_transfer::{ProgressCounter, Stop};

use crate::arguments::{Location, SyncShard};
use crate::outcome::Outcome;
use crate::task::Task;

/// How often writing down what became of a shard is tried, beside the tries of each call: the work of
/// hours hangs on it.
const ATTEMPTS: u32 = 4;

/// How long between these.
const PAUSE: Duration = Duration::from_secs(3);

/// Works on a shard that others may have.
///
/// # Errors
/// When it cannot be taken or read, or what became of it cannot be written down; its lease expires then,
/// and the next one takes it.
pub async fn work(task: &Task, shard: &SyncShard) -> Result<Outcome> {
    let mut waited_until = None;
    loop {
        match take(task, shard).await? {
            Taken::Leased(lease) => return Box::pin(work_on(task, shard, lease)).await,
            Taken::Done => {
                say(shard, "shard is done already");
                return Ok(Outcome::Done);
            }
            // Who has it may have died: its lease expires then, and is not renewed.
            Taken::Busy { until } if waited_until.is_none() => {
                say(shard, "shard is leased, waiting for the lease to expire");
                waited_until = Some(until);
                let wait = (until - Utc::now()).to_std().unwrap_or_default() + PAUSE;
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = task.stop.requested() => return Ok(Outcome::Interrupted),
                }
            }
            Taken::Busy { .. } => {
                say(shard, "another worker has the shard");
                return Ok(Outcome::Done);
            }
            Taken::NotFound => bail!("take {}: there is no such shard", location(shard)),
        }
    }
}

/// Takes a shard for this task, if nobody has it.
///
/// # Errors
/// [`CallError`].
pub async fn take(task: &Task, shard: &SyncShard) -> Result<Taken, CallError> {
    let worker = Worker {
        id: task.id.clone(),
        now: Utc::now(),
    };
    shard::take(
        &task.cloud,
        &shard.bucket,
        &shard.sync_id,
        shard.shard,
        &worker,
    )
    .await
}

/// Works on a shard that this task has.
///
/// # Errors
/// As [`work`].
pub async fn work_on(task: &Task, shard: &SyncShard, mut lease: Lease) -> Result<Outcome> {
    let items = shard::items(&task.cloud, &shard.bucket, &shard.sync_id, shard.shard).await?;
    let counter = ProgressCounter::new();
    let (transferred, is_held) = transfer(task, shard, &mut lease, items, &counter).await;
    if !is_held {
        say(shard, "another worker has taken the shard: stopped");
        return Ok(Outcome::Failed);
    }
    let outcome = close(task, shard, &mut lease, &transferred).await?;
    if let Some(summaries) = &task.summaries {
        summaries.post(&task.bucket_name, &transferred.report).await;
    }
    Ok(outcome)
}

/// Transfers the items for as long as the shard is this task's; whether it still is at the end.
async fn transfer(
    task: &Task,
    shard: &SyncShard,
    lease: &mut Lease,
    items: Vec<TransferItem>,
    counter: &ProgressCounter,
) -> (Transferred, bool) {
    let stop = Stop::new();
    let name = location(shard);
    let run = task.transfer(&name, items, counter, &stop);
    let keep = keep(task, shard, lease, counter);
    tokio::pin!(run, keep);
    let mut is_held = true;
    loop {
        tokio::select! {
            transferred = &mut run => return (transferred, is_held),
            () = &mut keep, if is_held => {
                is_held = false;
                stop.request();
            }
            () = task.stop.requested(), if !stop.is_requested() => stop.request(),
        }
    }
}

/// Renews the lease; returns when it is lost.
async fn keep(task: &Task, shard: &SyncShard, lease: &mut Lease, counter: &ProgressCounter) {
    let renewal = shard::RENEWAL.to_std().unwrap_or_default();
    let mut held_until = Utc::now() + shard::LEASE;
    loop {
        tokio::time::sleep(renewal).await;
        let now = Utc::now();
        match shard::renew(&task.cloud, &shard.bucket, lease, counter.snapshot(), now).await {
            Ok(Renewed::Held) => held_until = now + shard::LEASE,
            Ok(Renewed::Lost) => return,
            Err(error) if Utc::now() < held_until => {
                tracing::warn!(
                    sync_id = shard.sync_id,
                    shard = shard.shard,
                    error = error.to_string(),
                    "renew the shard's lease"
                );
            }
            Err(error) => {
                tracing::error!(
                    sync_id = shard.sync_id,
                    shard = shard.shard,
                    error = error.to_string(),
                    "the shard's lease has expired"
                );
                return;
            }
        }
    }
}

/// Writes down what became of the shard: that it is done, and publishes that, or what is left for the next one.
async fn close(
    task: &Task,
    shard: &SyncShard,
    lease: &mut Lease,
    transferred: &Transferred,
) -> Result<Outcome> {
    let was_stopped = task.stop.is_requested();
    let Transferred { report, left, .. } = transferred;
    // A shard that breaks its workers is not given back to break the next one: its attempts are counted.
    if !left.is_empty() && !was_stopped {
        bail!(
            "work on {}: {} files were neither transferred nor given up",
            location(shard),
            left.len()
        );
    }
    let (cloud, bucket) = (&task.cloud, &shard.bucket);
    let mut attempt = 1;
    loop {
        let closed = if left.is_empty() {
            shard::finish(cloud, bucket, lease, report)
                .await
                .map(|event| (event.is_some(), event))
        } else {
            shard::give_back(cloud, bucket, lease, transferred)
                .await
                .map(|renewed| (renewed == Renewed::Held, None))
        };
        match closed {
            Ok((false, _)) => {
                say(shard, "another worker has taken the shard: stopped");
                return Ok(Outcome::Failed);
            }
            Ok((true, event)) => {
                if let Some(event) = event.filter(|_| task.has_event_bus)
                    && let Err(error) = cloud.publish(&[event]).await
                {
                    // The end of this task wakes the one who waits for it, too, and so does the clock.
                    tracing::warn!(
                        sync_id = shard.sync_id,
                        shard = shard.shard,
                        error = error.to_string(),
                        "publish that the shard is done"
                    );
                }
                return Ok(Outcome::of(transferred, was_stopped));
            }
            Err(error) if attempt < ATTEMPTS && error.class == ErrorClass::Transient => {
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("write down what became of {}", location(shard)));
            }
        }
    }
}

fn location(shard: &SyncShard) -> String {
    Location::Object {
        bucket: shard.bucket.clone(),
        key: longshore_bottles::layout::shard(&shard.sync_id, shard.shard),
    }
    .to_string()
}

fn say(shard: &SyncShard, what: &str) {
    tracing::info!(sync_id = shard.sync_id, shard = shard.shard, "{what}");
}
