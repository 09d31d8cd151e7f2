//! Going on with a sync at a wake-up.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use longshore_state::lease::{RenewedLease, renewing};
use longshore_state::{CallError, Worker, decide_again};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::layout;
use crate::ports::{ObservedTask, Source, SyncCloud, Transferrer};
use crate::progress::ProgressCounter;
use crate::settings::{MirrorLocation, MirrorSettings};
use crate::sync::decide::{Step, Workers, is_news, progress, step};
use crate::sync::engine::{Engine, SyncError, mirror, started_by};
use crate::sync::file_system::lower;
use crate::sync::finish::finish;
use crate::sync::held::{Held, load};
use crate::sync::manifests::is_lasting;
use crate::sync::outcome::RunOutcome;
use crate::sync::outcome::outcome_of;
use crate::sync::plan::FINISHING;
use crate::sync::record::{LEASE, Sync, SyncKey, SyncState};
use crate::sync::shard::ShardKey;
use crate::sync::shard::{self, Lease, Renewed, ShardState, Taken, states};

/// Time that a process must have left to resume a shard.
const WORTH_BEGINNING: Duration = Duration::seconds(30);

/// For so long after a worker has given up or died while it planned, Lambda may try its invocation again.
const RETRIES: Duration = Duration::minutes(5);

/// What came of a wake-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advanced {
    pub stack: String,
    /// What its open sync came to, which this wake-up has closed, or how far it is; `None` when none is
    /// open, or another worker sees to it.
    #[serde(flatten)]
    pub outcome: Option<RunOutcome>,
}

/// Goes on with a stack's open sync: starts what is dead again, publishes how far it is, or finishes it; publishes
/// what was not published, and lowers throughput that was raised a day ago. Harmless twice, at any time, and
/// for stacks that have no mirror. Wake-ups are: a shard or a task that ended, and a schedule, which is
/// never lost.
///
/// # Errors
/// [`SyncError::Call`]: the invocation should come again.
pub async fn advance<C: SyncCloud, S: Source, T: Transferrer>(
    engine: &Engine<'_, C, S, T>,
    stack: &str,
) -> Result<Advanced, SyncError> {
    let none = Advanced {
        stack: stack.to_owned(),
        outcome: None,
    };
    let (settings, place) = match mirror(engine.cloud, "go on with", stack).await {
        Ok(found) => found,
        Err(SyncError::Refused { .. }) => return Ok(none),
        Err(error) => return Err(error),
    };
    let Some(mut held) = load(engine.cloud, &place.bucket).await? else {
        return Ok(none);
    };
    let outcome = engine.proceed(&mut held, &settings, &place).await?;
    lower(&mut held).await?;
    Ok(Advanced {
        stack: stack.to_owned(),
        outcome,
    })
}

impl<C: SyncCloud, S: Source, T: Transferrer> Engine<'_, C, S, T> {
    /// This invocation, now.
    pub(crate) fn worker_now(&self) -> Worker {
        Worker {
            id: self.worker.id.clone(),
            now: self.cloud.now(),
        }
    }

    /// How long this process may still run.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let time_left = self.runner.time_left?;
        Some(time_left - (self.cloud.now() - self.worker.now))
    }

    /// Goes on with the record's sync as far as it goes. `None` when another worker has it, or it was over
    /// already.
    pub(crate) async fn proceed(
        &self,
        held: &mut Held<'_, C>,
        settings: &MirrorSettings,
        place: &MirrorLocation,
    ) -> Result<Option<RunOutcome>, CallError> {
        let mut is_stale = false;
        // Where somebody else moves it on, it is decided again.
        decide_again(&SyncKey(&place.bucket), async || {
            if is_stale && !held.reload().await? {
                return Err(CallError::lost_race(&SyncKey(&place.bucket)));
            }
            is_stale = true;
            self.move_on(held, settings, place).await
        })
        .await
    }

    /// The same, as long as nobody else writes the record.
    async fn move_on(
        &self,
        held: &mut Held<'_, C>,
        settings: &MirrorSettings,
        place: &MirrorLocation,
    ) -> Result<Option<RunOutcome>, CallError> {
        let mut was_open = false;
        loop {
            let worker = self.worker_now();
            let sync = &held.record.sync;
            match sync.state {
                SyncState::Planning if sync.lease_until + RETRIES > worker.now => return Ok(None),
                SyncState::Planning if is_waiting(sync, settings, worker.now) => {
                    self.plan_again(held, settings, place, &worker).await?;
                }
                SyncState::Planning => self.interrupt(held, &worker).await?,
                SyncState::Transferring => {
                    match self.transfer(held, settings, place, &worker).await? {
                        Moved::On => {}
                        Moved::Waiting => {
                            held.flush(&worker).await?;
                            return Ok(Some(outcome_of(&held.record.sync)));
                        }
                    }
                }
                SyncState::Publishing
                    if sync.is_leased(worker.now) && sync.worker_id != worker.id =>
                {
                    return Ok(None);
                }
                SyncState::Publishing => finish(self, held, place).await?,
                SyncState::Completed
                | SyncState::Unchanged
                | SyncState::Failed
                | SyncState::Refused => {
                    held.flush(&worker).await?;
                    return Ok(was_open.then(|| outcome_of(&held.record.sync)));
                }
            }
            was_open = true;
        }
    }

    /// What kept it from being planned may be over.
    async fn plan_again(
        &self,
        held: &mut Held<'_, C>,
        settings: &MirrorSettings,
        place: &MirrorLocation,
        worker: &Worker,
    ) -> Result<(), CallError> {
        let mut record = held.record.clone();
        record.sync.worker_id = worker.id.clone();
        record.sync.lease_until = worker.now + LEASE;
        held.save(record).await?;
        let request = held.record.request();
        self.plan(held, settings, place, &request).await
    }

    /// Nobody plans it any more.
    async fn interrupt(&self, held: &mut Held<'_, C>, worker: &Worker) -> Result<(), CallError> {
        let mut record = held.record.clone();
        let reason = record.interruption();
        record.failed(&reason, None, worker);
        held.save(record).await
    }

    async fn transfer(
        &self,
        held: &mut Held<'_, C>,
        settings: &MirrorSettings,
        place: &MirrorLocation,
        worker: &Worker,
    ) -> Result<Moved, CallError> {
        let tasks = self.tasks(&held.record.sync, place).await?;
        // After the tasks: a task that has stopped writes nothing any more.
        let states = states(self.cloud, &held.record.sync).await?;
        let hands = Workers {
            here: self
                .time_left()
                .is_none_or(|left| left >= FINISHING + WORTH_BEGINNING),
            tasks: place.tasks.is_some(),
        };
        let steps: Vec<Step> = held
            .record
            .sync
            .shards
            .iter()
            .zip(&states)
            .map(|(shard, state)| {
                let task = shard
                    .task_arn
                    .as_ref()
                    .and_then(|arn| tasks.get(arn.as_str()));
                step(
                    &held.record.sync,
                    shard,
                    state.as_ref(),
                    task,
                    (hands, settings.outage_patience()),
                    worker.now,
                )
            })
            .collect();
        if steps.iter().all(|step| *step == Step::Ended) {
            let mut record = held.record.clone();
            record.sync.state = SyncState::Publishing;
            record.sync.worker_id = worker.id.clone();
            record.sync.lease_until = worker.now + LEASE;
            held.save(record).await?;
            return Ok(Moved::On);
        }
        let numbers: Vec<u32> = held
            .record
            .sync
            .shards
            .iter()
            .map(|shard| shard.shard)
            .collect();
        let mut moved = Moved::Waiting;
        for ((number, step), state) in numbers.into_iter().zip(steps).zip(&states) {
            match step {
                Step::Ended | Step::Wait => {}
                Step::GiveUp(reason) => {
                    let mut record = held.record.clone();
                    record.give_up(number, &reason);
                    held.save(record).await?;
                    moved = Moved::On;
                }
                Step::WorkHere => {
                    if self.work(&held.record.sync, number).await? == Worked::Here {
                        moved = Moved::On;
                    }
                }
                Step::StartTask { dead } => {
                    if dead.is_some() {
                        self.take_from_dead(&held.record.sync, number).await?;
                    }
                    let mut record = held.record.clone();
                    let further = state.as_ref().map_or(0, ShardState::further);
                    record.start(number, dead, further, worker);
                    held.save(record).await?;
                    moved = moved.max(self.start_task(held, place, number, false).await?);
                }
                Step::AskAgain => {
                    moved = moved.max(self.start_task(held, place, number, true).await?);
                }
            }
        }
        if moved == Moved::Waiting {
            let (done, ended) = progress(&held.record.sync, &states);
            if is_news(&held.record.sync, ended, worker.now) {
                let mut record = held.record.clone();
                record.progressed(done, ended, worker);
                held.save(record).await?;
            }
        }
        Ok(moved)
    }

    /// What ECS shows of the shards' tasks, by ARN.
    async fn tasks(
        &self,
        sync: &Sync,
        place: &MirrorLocation,
    ) -> Result<BTreeMap<String, ObservedTask>, CallError> {
        let arns: Vec<String> = sync
            .shards
            .iter()
            .filter(|shard| shard.given_up.is_none())
            .filter_map(|shard| shard.task_arn.clone())
            .collect();
        let Some(tasks) = place.tasks.as_ref().filter(|_| !arns.is_empty()) else {
            return Ok(BTreeMap::new());
        };
        let observed = self.cloud.describe_tasks(&tasks.cluster_arn, &arns).await?;
        Ok(observed
            .into_iter()
            .map(|task| (task.task_arn.clone(), task))
            .collect())
    }

    /// Starts the task that the record says is about to be started. The same token starts no second one;
    /// with `again` it may be known already, from a request that was another one because the task
    /// definition has changed since, which ECS refuses.
    async fn start_task(
        &self,
        held: &mut Held<'_, C>,
        place: &MirrorLocation,
        number: u32,
        again: bool,
    ) -> Result<Moved, CallError> {
        let sync = &held.record.sync;
        let (Some(tasks), Some(shard)) = (&place.tasks, sync.shard(number)) else {
            let mut record = held.record.clone();
            record.give_up(number, "the stack has no place for tasks any more");
            held.save(record).await?;
            return Ok(Moved::On);
        };
        let shard_url = format!("s3://{}/{}", sync.bucket, layout::shard(&sync.id, number));
        let (starts, further) = (shard.starts, shard.got_further);
        let token = client_token(&sync.id, number, starts);
        let started = self
            .cloud
            .run_task(tasks, &shard_url, &started_by(&sync.stack, number), &token)
            .await;
        let mut record = held.record.clone();
        let moved = match started {
            Ok(task_arn) => {
                record.started(number, task_arn);
                Moved::Waiting
            }
            Err(error) if is_lasting(error.class) => {
                if again && starts < shard::MAX_ATTEMPTS {
                    let reason = Some(error.to_string());
                    record.start(number, reason, further, &self.worker_now());
                } else {
                    record.give_up(number, &error.to_string());
                }
                Moved::On
            }
            // No capacity, most likely: the next wake-up asks for the same again.
            Err(error) => {
                record.not_started(number, &error.to_string());
                Moved::Waiting
            }
        };
        held.save(record).await?;
        Ok(moved)
    }

    async fn take_from_dead(&self, sync: &Sync, number: u32) -> Result<(), CallError> {
        match sync.shard(number) {
            Some(shard) => shard::take_from_dead(self.cloud, &sync.bucket, &sync.id, shard).await,
            None => Ok(()),
        }
    }

    /// Works on a shard in this process.
    async fn work(&self, sync: &Sync, number: u32) -> Result<Worked, CallError> {
        let cloud = self.cloud;
        let taken = shard::take(cloud, &sync.bucket, &sync.id, number, &self.worker_now()).await?;
        let mut lease = match taken {
            Taken::Leased(lease) => lease,
            Taken::Busy { .. } | Taken::NotFound => return Ok(Worked::Elsewhere),
            Taken::Done => return Ok(Worked::Here),
        };
        let items = shard::items(cloud, &sync.bucket, &sync.id, number).await?;
        let before = items.len();
        let deadline = self.time_left().map(|left| cloud.now() + left - FINISHING);
        let progress = ProgressCounter::new();
        let work = async {
            Ok(self
                .transferrer
                .transfer(&sync.bucket, items, deadline, &progress)
                .await)
        };
        let mut renewed = ShardLease {
            cloud,
            bucket: &sync.bucket,
            lease: &mut lease,
            progress: &progress,
        };
        let transferred = renewing(cloud, &mut renewed, work).await?;
        if transferred.left.is_empty() {
            shard::finish(cloud, &sync.bucket, &mut lease, &transferred.report).await?;
        } else {
            shard::give_back(cloud, &sync.bucket, &mut lease, &transferred).await?;
            if transferred.left.len() >= before {
                return Ok(Worked::Elsewhere);
            }
        }
        Ok(Worked::Here)
    }
}

/// Whether planning has failed, and may be tried again: an outage of the source or of S3 at the moment of the
/// schedule must not cost the night. In an outage of S3 nobody can write down what it failed at.
fn is_waiting(sync: &Sync, settings: &MirrorSettings, now: DateTime<Utc>) -> bool {
    now < sync.requested_at + settings.outage_patience()
}

/// Whether a wake-up can do more at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moved {
    /// No: others work.
    Waiting,
    /// Yes: decide again.
    On,
}

/// Who has worked on a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worked {
    Here,
    Elsewhere,
}

/// A token by which RunTask knows a request again; ECS takes at most 64 characters.
fn client_token(sync_id: &str, shard: u32, starts: u32) -> String {
    hex::encode(Sha256::digest(format!("{sync_id}/{shard}/{starts}")))
}

struct ShardLease<'a, C> {
    cloud: &'a C,
    bucket: &'a str,
    lease: &'a mut Lease,
    progress: &'a ProgressCounter,
}

impl<C: SyncCloud> RenewedLease for ShardLease<'_, C> {
    fn renewal(&self) -> Duration {
        shard::RENEWAL
    }

    fn until(&self) -> DateTime<Utc> {
        match self.lease.state.phase {
            shard::ShardPhase::Leased { lease_until, .. } => lease_until,
            _ => self.cloud.now(),
        }
    }

    async fn renew(&mut self) -> Result<(), CallError> {
        let now = self.cloud.now();
        let progress = self.progress.snapshot();
        match shard::renew(self.cloud, self.bucket, self.lease, progress, now).await? {
            Renewed::Held => Ok(()),
            Renewed::Lost => Err(CallError::lost_race(&ShardKey {
                bucket: self.bucket,
                sync_id: &self.lease.state.sync_id,
                shard: self.lease.state.shard,
            })),
        }
    }
}
