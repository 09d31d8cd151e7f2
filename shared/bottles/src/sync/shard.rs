//! A shard of a sync: its items are in one object, who works on them and what became of it in another,
//! which is changed only by conditional writes.
//!
//! This needs nothing but the mirror's bucket, so that a task that knows only the bucket can take a shard.

use chrono::{DateTime, Duration, Utc};
use longshore_events::longshore::{LongshoreEvent, SyncShardCompleted};
use longshore_events::transfer::{TransferItem, TransferProgress, TransferReport};
use longshore_state::store::Address;
use longshore_state::{
    CallError, Document, ErrorClass, Key, Version, Worker, load, save, unless_lost,
};
use serde::{Deserialize, Serialize};

use crate::layout;
use crate::ports::{MirrorStore, SyncCloud, Transferred};
use crate::shards;
use crate::sync::record::{ShardRecord, Sync, SyncKey, SyncState};

/// How long a worker keeps others away from a shard without renewing its lease.
pub const LEASE: Duration = Duration::seconds(60);

/// How often a worker renews it, and says how far it is.
pub const RENEWAL: Duration = Duration::seconds(10);

/// How many workers may die of a shard before it may be given up, as its sync's record says.
pub const MAX_ATTEMPTS: u32 = 3;

/// How many failures a report keeps.
pub(crate) const FAILURES_KEPT: usize = 100;

/// How far a shard is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardState {
    /// The stack whose sync it is.
    pub stack: String,
    pub sync_id: String,
    /// The shard's number, from 1.
    pub shard: u32,
    /// How many items it has.
    pub files: u64,
    /// Their bytes, as far as they are known.
    pub bytes: u64,
    /// Who works on it.
    #[serde(flatten)]
    pub phase: ShardPhase,
    /// How often a worker took it.
    pub attempts: u32,
    /// How often a worker got further with it before it gave it back in order, or died.
    pub given_back: u32,
    /// How far the worker is, or was.
    pub progress: TransferProgress,
    /// How many files the workers before it had done, of those that did not give it back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reached: u64,
    /// When a worker last got further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub further_at: Option<DateTime<Utc>>,
    /// What the last worker that gave it back had failed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What became of it so far; of all of it once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<TransferReport>,
}

/// Who works on a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum ShardPhase {
    /// Nobody.
    Pending,
    /// A worker.
    Leased {
        /// A task's ARN, or an invocation's id.
        worker_id: String,
        /// Until when it has the shard for itself.
        lease_until: DateTime<Utc>,
    },
    /// Nobody any more.
    Done,
}

impl ShardState {
    /// A shard that nobody has taken yet.
    pub fn new(stack: &str, sync_id: &str, shard: u32, items: &[TransferItem]) -> Self {
        Self {
            stack: stack.to_owned(),
            sync_id: sync_id.to_owned(),
            shard,
            files: items.len() as u64,
            bytes: sum(items.iter().filter_map(|item| item.size)),
            phase: ShardPhase::Pending,
            attempts: 0,
            given_back: 0,
            progress: TransferProgress::default(),
            reached: 0,
            further_at: None,
            problem: None,
            report: None,
        }
    }

    /// Whether the last worker, which did not give it back, got further than those before it: then it did
    /// not die of the shard.
    pub(crate) fn got_further(&self) -> bool {
        self.progress.files > self.reached
    }

    /// How many of its workers have got further, the last one counted as well.
    pub(crate) fn further(&self) -> u32 {
        self.given_back
            .saturating_add(u32::from(self.got_further()))
    }

    /// Nobody works on it any more, and nobody has given it back.
    fn note_death(&mut self) {
        if self.got_further() {
            self.reached = self.progress.files;
            if let ShardPhase::Leased { lease_until, .. } = self.phase {
                self.further_at = Some(lease_until);
            }
            // Its files are in the bucket, and need not come again.
            self.given_back = self.given_back.saturating_add(1);
        }
        self.progress = TransferProgress::default();
    }

    /// Whether all of it was tried.
    pub fn is_done(&self) -> bool {
        self.phase == ShardPhase::Done
    }

    /// Whether a worker has it and may still be alive.
    pub fn is_leased(&self, now: DateTime<Utc>) -> bool {
        matches!(self.phase, ShardPhase::Leased { lease_until, .. } if lease_until > now)
    }

    /// How many workers have died of it, the one that has it now counted as well.
    pub fn deaths(&self) -> u32 {
        self.attempts.saturating_sub(self.given_back)
    }

    /// How far all workers together are.
    pub fn done(&self) -> TransferProgress {
        let before = self.report.as_ref().map(progress_of).unwrap_or_default();
        if self.is_done() {
            return before;
        }
        TransferProgress {
            files: before.files.saturating_add(self.progress.files),
            bytes: before.bytes.saturating_add(self.progress.bytes),
            failed: before.failed.saturating_add(self.progress.failed),
        }
    }

    /// Whether the lease is that of the task that was started last for the shard; a worker that does not
    /// know its ARN counts as that.
    pub(crate) fn is_leased_by_task_of(&self, shard: &ShardRecord) -> bool {
        match &self.phase {
            ShardPhase::Leased { worker_id, .. } => {
                shard.task_arn.as_ref() == Some(worker_id) || !worker_id.starts_with("arn:")
            }
            _ => false,
        }
    }

    fn is_held_by(&self, lease: &Self) -> bool {
        match (&self.phase, &lease.phase) {
            (
                ShardPhase::Leased { worker_id, .. },
                ShardPhase::Leased {
                    worker_id: holder, ..
                },
            ) => worker_id == holder && self.attempts == lease.attempts,
            _ => false,
        }
    }
}

/// Sizes are what registries say, which may be anything.
pub(crate) fn sum(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// serde hands over a reference.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(crate) fn progress_of(report: &TransferReport) -> TransferProgress {
    TransferProgress {
        files: report.files.saturating_add(report.already_there),
        bytes: report.bytes,
        failed: report.failed,
    }
}

/// A shard that a worker has for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The shard's state as last written.
    pub state: Box<ShardState>,
    version: Version,
}

/// What came of asking for a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is this worker's, until it does not renew the lease.
    Leased(Lease),
    /// Another worker has it.
    Busy {
        /// Until when, if that one is dead.
        until: DateTime<Utc>,
    },
    /// There is nothing left to be done.
    Done,
    /// There is no such shard: its sync is over and cleared away.
    NotFound,
}

/// Whether a worker still has a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// It does.
    Held,
    /// Somebody else has it: stop.
    Lost,
}

/// A shard that a task may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingShard {
    /// The stack whose sync it is.
    pub stack: String,
    pub sync_id: String,
    /// The shard's number.
    pub shard: u32,
}

/// The sync and the number of a shard whose items are under `key`; `None` for any other object.
pub fn of_key(key: &str) -> Option<(String, u32)> {
    let rest = key
        .strip_prefix(layout::OWN_PREFIX)?
        .strip_prefix("syncs/")?;
    let (sync_id, rest) = rest.split_once('/')?;
    let number: u32 = rest
        .strip_prefix("shards/")?
        .strip_suffix(".jsonl")?
        .parse()
        .ok()?;
    (layout::shard(sync_id, number) == key).then(|| (sync_id.to_owned(), number))
}

/// The shards that wait for a worker: of the sync in the mirror's record, those that nobody
/// has, or whose worker is dead. Their number is what a service of tasks is scaled by.
///
/// # Errors
/// [`CallError`].
pub async fn pending<M: MirrorStore>(
    store: &M,
    bucket: &str,
    now: DateTime<Utc>,
) -> Result<Vec<PendingShard>, CallError> {
    let Some((record, _)) = load(store, &SyncKey(bucket)).await? else {
        return Ok(Vec::new());
    };
    let sync = record.sync;
    if sync.state != SyncState::Transferring {
        return Ok(Vec::new());
    }
    let mut pending = Vec::new();
    for shard in sync.shards.iter().filter(|shard| shard.given_up.is_none()) {
        let waits = read(store, bucket, &sync.id, shard.shard)
            .await?
            .is_some_and(|(state, _)| !state.is_done() && !state.is_leased(now));
        if waits {
            pending.push(PendingShard {
                stack: sync.stack.clone(),
                sync_id: sync.id.clone(),
                shard: shard.shard,
            });
        }
    }
    Ok(pending)
}

impl Document for ShardState {}

/// Names the state of a shard.
#[derive(Debug, Clone, Copy)]
pub struct ShardKey<'a> {
    /// The mirror's bucket.
    pub bucket: &'a str,
    pub sync_id: &'a str,
    /// The shard's number, from 1.
    pub shard: u32,
}

impl Key for ShardKey<'_> {
    type Document = ShardState;

    fn address(&self) -> Address {
        Address::of_bucket(self.bucket, layout::shard_state(self.sync_id, self.shard))
    }

    fn subject(&self) -> String {
        let Self {
            bucket,
            sync_id,
            shard,
        } = self;
        format!("shard {shard} of sync {sync_id} of mirror {bucket}")
    }
}

/// Takes a shard, if nobody has it.
///
/// # Errors
/// [`CallError`].
pub async fn take<M: MirrorStore>(
    store: &M,
    bucket: &str,
    sync_id: &str,
    shard: u32,
    worker: &Worker,
) -> Result<Taken, CallError> {
    let Some((mut state, version)) = read(store, bucket, sync_id, shard).await? else {
        return Ok(Taken::NotFound);
    };
    match state.phase {
        ShardPhase::Done => return Ok(Taken::Done),
        ShardPhase::Leased { lease_until, .. } if lease_until > worker.now => {
            return Ok(Taken::Busy { until: lease_until });
        }
        _ => state.note_death(),
    }
    let lease_until = worker.now + LEASE;
    state.phase = ShardPhase::Leased {
        worker_id: worker.id.clone(),
        lease_until,
    };
    state.attempts = state.attempts.saturating_add(1);
    let written = unless_lost(write(store, bucket, &state, &version).await)?;
    Ok(match written {
        Some(version) => Taken::Leased(Lease {
            state: Box::new(state),
            version,
        }),
        None => Taken::Busy { until: lease_until },
    })
}

/// The items of a shard that this worker has.
///
/// # Errors
/// [`CallError`]; [`ErrorClass::Refused`] for items that cannot be read.
pub async fn items<M: MirrorStore>(
    store: &M,
    bucket: &str,
    sync_id: &str,
    shard: u32,
) -> Result<Vec<TransferItem>, CallError> {
    let key = layout::shard(sync_id, shard);
    let failed = |class, message: String| CallError {
        operation: format!("read shard {key} of bucket {bucket}"),
        class,
        code: None,
        message,
    };
    let Some(body) = store.read(bucket, &key).await? else {
        return Err(failed(
            ErrorClass::NotFound,
            "there is no such object".to_owned(),
        ));
    };
    shards::read(&body).map_err(|problem| failed(ErrorClass::Refused, problem))
}

/// Keeps a shard for another [`LEASE`], and says how far it is. A worker that has lost it stops.
///
/// # Errors
/// [`CallError`]: the lease may be renewed a little later, while it lasts.
pub async fn renew<M: MirrorStore>(
    store: &M,
    bucket: &str,
    lease: &mut Lease,
    progress: TransferProgress,
    now: DateTime<Utc>,
) -> Result<Renewed, CallError> {
    change(store, bucket, lease, |state| {
        if let ShardPhase::Leased { lease_until, .. } = &mut state.phase {
            *lease_until = now + LEASE;
        }
        state.progress = progress;
    })
    .await
}

/// Writes down that all items of the shard were tried, and gives the event that reports it; `None` when
/// somebody else has the shard.
///
/// # Errors
/// [`CallError`]: it is not known whether that was written; do it again.
pub async fn finish<M: MirrorStore>(
    store: &M,
    bucket: &str,
    lease: &mut Lease,
    report: &TransferReport,
) -> Result<Option<LongshoreEvent>, CallError> {
    let before = lease.state.report.clone();
    let report = merged(before.as_ref(), report);
    let renewed = change(store, bucket, lease, |state| {
        state.phase = ShardPhase::Done;
        state.progress = progress_of(&report);
        state.problem = None;
        state.report = Some(report.clone());
    })
    .await?;
    Ok((renewed == Renewed::Held).then(|| {
        LongshoreEvent::SyncShardCompleted(SyncShardCompleted {
            stack: lease.state.stack.clone(),
            sync_id: lease.state.sync_id.clone(),
            shard: lease.state.shard,
            report,
        })
    }))
}

/// Gives a shard back in order, because the worker's time is over: the next one has to do what is left. If
/// nothing was done, it counts as a death, so that it ends.
///
/// # Errors
/// [`CallError`]: the lease expires by itself.
pub async fn give_back<M: MirrorStore>(
    store: &M,
    bucket: &str,
    lease: &mut Lease,
    transferred: &Transferred,
) -> Result<Renewed, CallError> {
    let Transferred {
        report,
        left,
        problem,
    } = transferred;
    let ended_at = report.finished_at;
    let TransferProgress { files, failed, .. } = progress_of(report);
    let got_on = files > 0 || failed > 0;
    let before = lease.state.report.clone();
    let report = merged(before.as_ref(), report);
    // The items first would lose the failures of those that are not left, if this died in between.
    let renewed = change(store, bucket, lease, |state| {
        state.phase = ShardPhase::Pending;
        if got_on {
            state.given_back = state.given_back.saturating_add(1);
            state.further_at = Some(ended_at);
        }
        state.problem = problem.clone();
        state.progress = TransferProgress::default();
        state.report = Some(report.clone());
    })
    .await?;
    if renewed == Renewed::Held {
        let (sync_id, shard) = (&lease.state.sync_id, lease.state.shard);
        store
            .write(
                bucket,
                &layout::shard(sync_id, shard),
                JSON_LINES,
                shards::write(left),
            )
            .await?;
    }
    Ok(renewed)
}

/// Takes a shard from its task, which ECS says has stopped, so that the next one need not wait until the
/// lease is over.
pub(crate) async fn take_from_dead<M: MirrorStore>(
    store: &M,
    bucket: &str,
    sync_id: &str,
    shard: &ShardRecord,
) -> Result<(), CallError> {
    let Some((mut state, version)) = read(store, bucket, sync_id, shard.shard).await? else {
        return Ok(());
    };
    if !state.is_leased_by_task_of(shard) {
        return Ok(());
    }
    state.note_death();
    state.phase = ShardPhase::Pending;
    unless_lost(write(store, bucket, &state, &version).await).map(drop)
}

/// The media type of JSON lines.
pub(crate) const JSON_LINES: &str = "application/jsonl";

/// Two reports as one.
pub fn merged(before: Option<&TransferReport>, report: &TransferReport) -> TransferReport {
    let Some(before) = before else {
        return report.clone();
    };
    let mut failures = before.failures.clone();
    failures.extend(report.failures.iter().cloned());
    failures.truncate(FAILURES_KEPT);
    TransferReport {
        files: before.files.saturating_add(report.files),
        bytes: before.bytes.saturating_add(report.bytes),
        already_there: before.already_there.saturating_add(report.already_there),
        copies: before.copies.saturating_add(report.copies),
        downloaded_bytes: before
            .downloaded_bytes
            .saturating_add(report.downloaded_bytes),
        resumed_bytes: before.resumed_bytes.saturating_add(report.resumed_bytes),
        failed: before.failed.saturating_add(report.failed),
        failures,
        started_at: before.started_at.min(report.started_at),
        finished_at: before.finished_at.max(report.finished_at),
    }
}

/// A shard's state and its version.
pub(crate) async fn read<M: MirrorStore>(
    store: &M,
    bucket: &str,
    sync_id: &str,
    shard: u32,
) -> Result<Option<(ShardState, Version)>, CallError> {
    let key = ShardKey {
        bucket,
        sync_id,
        shard,
    };
    load(store, &key).await
}

async fn write<M: MirrorStore>(
    store: &M,
    bucket: &str,
    state: &ShardState,
    version: &Version,
) -> Result<Version, CallError> {
    let key = ShardKey {
        bucket,
        sync_id: &state.sync_id,
        shard: state.shard,
    };
    save(store, &key, state, Some(version)).await
}

/// Changes the state of a shard that this worker has. A write whose answer was lost leaves a version
/// behind that the worker does not know: the state itself says whose it is.
async fn change<M: MirrorStore>(
    store: &M,
    bucket: &str,
    lease: &mut Lease,
    change: impl Fn(&mut ShardState),
) -> Result<Renewed, CallError> {
    let mut state = lease.state.clone();
    change(&mut state);
    if let Some(version) = unless_lost(write(store, bucket, &state, &lease.version).await)? {
        *lease = Lease { state, version };
        return Ok(Renewed::Held);
    }
    let (sync_id, shard) = (lease.state.sync_id.clone(), lease.state.shard);
    let Some((current, version)) = read(store, bucket, &sync_id, shard).await? else {
        return Ok(Renewed::Lost);
    };
    if current == *state {
        *lease = Lease { state, version };
        return Ok(Renewed::Held);
    }
    if !current.is_held_by(&lease.state) {
        return Ok(Renewed::Lost);
    }
    let mut state = Box::new(current);
    change(&mut state);
    let written = unless_lost(write(store, bucket, &state, &version).await)?;
    Ok(match written {
        Some(version) => {
            *lease = Lease { state, version };
            Renewed::Held
        }
        None => Renewed::Lost,
    })
}

/// The states of a sync's shards, in their order.
pub(crate) async fn states<C: SyncCloud>(
    cloud: &C,
    sync: &Sync,
) -> Result<Vec<Option<ShardState>>, CallError> {
    let mut states = Vec::new();
    for shard in &sync.shards {
        let found = read(cloud, &sync.bucket, &sync.id, shard.shard).await?;
        states.push(found.map(|(state, _)| state));
    }
    Ok(states)
}
