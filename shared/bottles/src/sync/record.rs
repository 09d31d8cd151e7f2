//! The sync record: `.longshore/current.json` in the mirror's bucket.
//!
//! It is changed only by conditional writes. Each change of state puts the event that reports it into
//! the record's outbox in the same write, so that none is lost when a function dies.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use longshore_events::longshore::{
    FileCount, LongshoreEvent, RefusedEntry, RunsOn, SyncCompleted, SyncFailed, SyncOutcome,
    SyncPlanned, SyncProgressed, SyncRefused, SyncSource, SyncSummary, SyncUnchanged,
};
use longshore_events::transfer::{Sha256, TransferProgress, TransferReport};
use longshore_state::outbox::Unpublished;
use longshore_state::store::Address;
use longshore_state::{Document, Key, Worker};
use serde::{Deserialize, Serialize};

use crate::layout;
use crate::selection::Selection;
use crate::settings::MirrorSettings;
use crate::sync::engine::{RunRequest, SyncOptions};

/// How long a worker has a sync for itself without renewing its lease; shorter than the minute after
/// which Lambda tries a failed asynchronous invocation again.
pub const LEASE: Duration = Duration::seconds(50);

/// How often a worker renews it.
pub const RENEWAL: Duration = Duration::seconds(15);

/// A mirror's record: its last sync, what is published, and what is still to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRecord {
    /// The last sync.
    pub sync: Sync,
    /// The index that clients of the mirror see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// Throughput of the file system that was raised for a run and is still to be lowered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised_throughput: Option<RaisedThroughput>,
    /// Events that are not known to have been published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<Unpublished>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// The id of the invocation that began it.
    pub id: String,
    pub stack: String,
    /// The bucket that is the mirror.
    pub bucket: String,
    /// Who or what asked.
    pub source: SyncSource,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// How it was asked for: whoever plans it again has to know.
    #[serde(default, skip_serializing_if = "SyncOptions::is_default")]
    pub options: SyncOptions,
    /// How far it is.
    pub state: SyncState,
    /// The worker that plans, publishes or closes it.
    pub worker_id: String,
    /// Until when that worker has it for itself. Shards have leases of their own.
    pub lease_until: DateTime<Utc>,
    /// When it was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_at: Option<DateTime<Utc>>,
    /// Where it runs.
    pub runs_on: RunsOn,
    /// What is to be transferred.
    #[serde(default)]
    pub total: FileCount,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardRecord>,
    /// When its progress was published last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<DateTime<Utc>>,
    /// How many shards had ended then.
    #[serde(default)]
    pub told_shards: u32,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it failed or was refused; of an open one, what last went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What became of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<SyncOutcome>,
}

/// How far a sync is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// An invocation finds out what is to be done; nothing was published of it yet.
    Planning,
    /// Its files are transferred.
    Transferring,
    /// All its shards have ended; the index is being published, or its failure written down.
    Publishing,
    /// The mirror is what the index names.
    Completed,
    /// The mirror was what the index names already.
    Unchanged,
    /// It did not transfer everything; the index is not published.
    Failed,
    /// Its index is not to be trusted.
    Refused,
}

impl SyncState {
    /// Whether an outcome is still to come.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Planning | Self::Transferring | Self::Publishing)
    }
}

/// serde hands over a reference.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A shard, as far as the sync sees to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Its number, from 1.
    pub shard: u32,
    /// How many tasks were started for it, or are about to be.
    pub starts: u32,
    /// The task that was started last; `None` while it is not known to have been started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_arn: Option<String>,
    /// When that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When the first of its tasks was begun since one has got further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_started_at: Option<DateTime<Utc>>,
    /// How many of its tasks ended because AWS had no capacity for them, without having got further.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub excused: u32,
    /// How many of its tasks were begun since one has got further.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fruitless: u32,
    /// How many of its workers had got further when the last task was begun.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub got_further: u32,
    /// Why it has no task, or why its last one died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Why nobody is to work on it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
}

impl ShardRecord {
    /// A shard for which nothing was started.
    pub fn new(shard: u32) -> Self {
        Self {
            shard,
            starts: 0,
            task_arn: None,
            started_at: None,
            first_started_at: None,
            excused: 0,
            fruitless: 0,
            got_further: 0,
            problem: None,
            given_up: None,
        }
    }
}

/// The index that clients of a mirror see, and what it was made with: with other settings the same
/// index leads to other files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The sync that published it.
    pub sync_id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Where it came from.
    pub index_url: String,
    /// Its entity tag there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// What it hashes to.
    pub sha256: Sha256,
    /// How many bottles it names.
    pub bottles: u64,
    /// Which of them were wanted.
    pub selection: Selection,
    /// Whether the registry's layout was kept beside the flat files.
    pub registry_layout: bool,
    /// All index files, with their entity tags at the source; nothing in records of earlier versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Option<String>>,
    /// The index files that the source did not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// The versions of brew's own Ruby that it was made with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub portable_ruby: Vec<String>,
}

impl Published {
    /// Whether a mirror with these settings would be made of this index as it was.
    pub fn is_with(&self, settings: &MirrorSettings) -> bool {
        self.index_url == settings.index_url
            && self.selection == settings.selection
            && self.portable_ruby == settings.portable_ruby()
            && (self.registry_layout || !settings.registry_layout)
    }
}

/// Throughput that was raised for a run. EFS refuses to lower it for 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaisedThroughput {
    pub file_system_id: String,
    /// What it had before, in MiB/s.
    pub before_in_mibps: u32,
    /// When it was raised.
    pub raised_at: DateTime<Utc>,
}

/// What a sync is going to do, as far as finishing it needs it: an object of its own, because it is long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StagedPlan {
    /// What is published when all is there.
    pub published: Published,
    /// The index files that wait, in the order in which they are published.
    pub index_files: Vec<String>,
    /// The files to be deleted.
    pub to_delete: Vec<String>,
    /// Why none of the files whose grace time is over are deleted.
    pub deletion_refused: Option<String>,
    /// What is missed in the index, and since when.
    pub gone: BTreeMap<String, DateTime<Utc>>,
    /// The files that the index names no more, whether they are deleted or not.
    pub removed: Vec<String>,
    /// How many stay as they are.
    pub unchanged: u64,
    /// Entries of the index that are refused.
    pub refused: Vec<RefusedEntry>,
    /// Keys of all manifests that clients may ask for.
    #[serde(default)]
    pub manifests: BTreeSet<String>,
    /// Those that the registry refuses for good, as far as it was asked.
    #[serde(default)]
    pub missing_manifests: BTreeSet<String>,
    /// What is odd and does not keep the sync from being done.
    pub warnings: Vec<String>,
}

impl Sync {
    /// A sync that `worker` has just begun.
    pub fn begin(stack: &str, bucket: &str, request: &RunRequest, worker: &Worker) -> Self {
        Self {
            id: worker.id.clone(),
            stack: stack.to_owned(),
            bucket: bucket.to_owned(),
            source: request.source.clone(),
            requested_at: request.requested_at,
            options: request.options.clone(),
            state: SyncState::Planning,
            worker_id: worker.id.clone(),
            lease_until: worker.now + LEASE,
            planned_at: None,
            runs_on: RunsOn::Function,
            total: FileCount::default(),
            shards: Vec::new(),
            told_at: None,
            told_shards: 0,
            finished_at: None,
            reason: None,
            outcome: None,
        }
    }

    /// It as events name it.
    pub fn summary(&self) -> SyncSummary {
        SyncSummary {
            stack: self.stack.clone(),
            sync_id: self.id.clone(),
            bucket: self.bucket.clone(),
            source: self.source.clone(),
            requested_at: self.requested_at,
        }
    }

    /// Whether a worker has it for itself and may still be alive.
    pub fn is_leased(&self, now: DateTime<Utc>) -> bool {
        self.lease_until > now
    }

    /// The shard of this number.
    pub fn shard(&self, number: u32) -> Option<&ShardRecord> {
        self.shards.iter().find(|shard| shard.shard == number)
    }
}

impl SyncRecord {
    /// The record after `sync` was begun: what is published stays, what was not yet published stays to be published.
    /// A sync whose planning nobody has ended is published as failed.
    pub fn begin(before: Option<&Self>, sync: Sync, worker: &Worker) -> Self {
        let Some(before) = before else {
            return Self {
                sync,
                published: None,
                raised_throughput: None,
                outbox: Vec::new(),
            };
        };
        let mut record = before.clone();
        if record.sync.state.is_open() && record.sync.id != sync.id {
            let reason = record.interruption();
            record.failed(&reason, None, worker);
        }
        record.sync = sync;
        record
    }

    /// What was asked for.
    pub(crate) fn request(&self) -> RunRequest {
        RunRequest {
            source: self.sync.source.clone(),
            requested_at: self.sync.requested_at,
            options: self.sync.options.clone(),
        }
    }

    /// Why a sync whose worker is gone did not get to its end.
    pub(crate) fn interruption(&self) -> String {
        match &self.sync.reason {
            Some(reason) => reason.clone(),
            None => "what planned it ended before it had done so; run it again".to_owned(),
        }
    }

    /// What is to be done is known.
    pub(crate) fn planned(&mut self, planned: SyncPlanned, worker: &Worker) {
        self.sync.state = SyncState::Transferring;
        self.sync.planned_at = Some(worker.now);
        self.sync.runs_on = planned.runs_on;
        self.sync.total = planned.new;
        self.sync.reason = None;
        self.publish(LongshoreEvent::SyncPlanned(planned), worker);
    }

    /// A task is about to be started for a shard, in place of one that is dead; `got_further` is how many
    /// of its workers so far have got further.
    pub(crate) fn start(
        &mut self,
        number: u32,
        dead: Option<String>,
        got_further: u32,
        worker: &Worker,
    ) {
        if self.sync.runs_on == RunsOn::Function {
            let tasks = u32::try_from(self.sync.shards.len()).unwrap_or(u32::MAX);
            self.sync.runs_on = RunsOn::Tasks { tasks };
        }
        if let Some(shard) = self.shard_mut(number) {
            shard.starts = shard.starts.saturating_add(1);
            let is_further = got_further > shard.got_further;
            shard.got_further = got_further;
            shard.fruitless = if is_further {
                1
            } else {
                shard.fruitless.saturating_add(1)
            };
            // One that got further counts as none that died already.
            let is_excused = !is_further && dead.as_deref().is_some_and(is_no_capacity);
            shard.excused = shard.excused.saturating_add(u32::from(is_excused));
            shard.task_arn = None;
            // Of records of earlier versions, the last one is the first that is known.
            let first = shard.first_started_at.or(shard.started_at);
            let first = first.filter(|_| !is_further);
            shard.first_started_at = Some(first.unwrap_or(worker.now));
            shard.started_at = Some(worker.now);
            shard.problem = dead;
        }
    }

    /// ECS has started it.
    pub(crate) fn started(&mut self, number: u32, task_arn: String) {
        if let Some(shard) = self.shard_mut(number) {
            shard.task_arn = Some(task_arn);
        }
    }

    /// ECS has not, or has not said so.
    pub(crate) fn not_started(&mut self, number: u32, problem: &str) {
        if let Some(shard) = self.shard_mut(number) {
            shard.problem = Some(problem.to_owned());
        }
    }

    /// Nobody is to work on a shard any more.
    pub(crate) fn give_up(&mut self, number: u32, reason: &str) {
        if let Some(shard) = self.shard_mut(number) {
            shard.given_up = Some(reason.to_owned());
        }
    }

    fn shard_mut(&mut self, number: u32) -> Option<&mut ShardRecord> {
        self.sync
            .shards
            .iter_mut()
            .find(|shard| shard.shard == number)
    }

    /// It goes on.
    pub(crate) fn progressed(&mut self, done: TransferProgress, ended: u32, worker: &Worker) {
        self.sync.told_at = Some(worker.now);
        self.sync.told_shards = ended;
        let progressed = SyncProgressed {
            sync: self.sync.summary(),
            done,
            total: self.sync.total,
            shards_ended: ended,
            shards: u32::try_from(self.sync.shards.len()).unwrap_or(u32::MAX),
            at: worker.now,
        };
        self.publish(LongshoreEvent::SyncProgressed(progressed), worker);
    }

    /// Everything is there and the index is published.
    pub(crate) fn completed(
        &mut self,
        published: Published,
        outcome: SyncOutcome,
        worker: &Worker,
    ) {
        self.end(SyncState::Completed, None, worker);
        self.sync.outcome = Some(outcome.clone());
        self.published = Some(published);
        let completed = SyncCompleted {
            sync: self.sync.summary(),
            outcome,
        };
        self.publish(LongshoreEvent::SyncCompleted(completed), worker);
    }

    /// The mirror was what the index names already.
    pub(crate) fn unchanged(&mut self, worker: &Worker) {
        self.end(SyncState::Unchanged, None, worker);
        let unchanged = SyncUnchanged {
            sync: self.sync.summary(),
            finished_at: worker.now,
        };
        self.publish(LongshoreEvent::SyncUnchanged(unchanged), worker);
    }

    /// Its index is not to be trusted.
    pub(crate) fn refused(&mut self, reason: &str, worker: &Worker) {
        self.end(SyncState::Refused, Some(reason), worker);
        let refused = SyncRefused {
            sync: self.sync.summary(),
            reason: reason.to_owned(),
        };
        self.publish(LongshoreEvent::SyncRefused(refused), worker);
    }

    /// It did not transfer everything; without an outcome, nothing.
    pub(crate) fn failed(&mut self, reason: &str, outcome: Option<SyncOutcome>, worker: &Worker) {
        self.end(SyncState::Failed, Some(reason), worker);
        let outcome = outcome.unwrap_or_else(|| nothing(&self.sync, worker.now));
        self.sync.outcome = Some(outcome.clone());
        let failed = SyncFailed {
            sync: self.sync.summary(),
            reason: reason.to_owned(),
            outcome,
        };
        self.publish(LongshoreEvent::SyncFailed(failed), worker);
    }

    fn end(&mut self, state: SyncState, reason: Option<&str>, worker: &Worker) {
        self.sync.state = state;
        self.sync.finished_at = Some(worker.now);
        self.sync.reason = reason.map(str::to_owned);
        self.sync.lease_until = worker.now;
    }

    fn publish(&mut self, event: LongshoreEvent, worker: &Worker) {
        self.outbox.push(Unpublished::new(event, worker));
    }
}

impl Document for SyncRecord {}

/// Names a mirror's record by its bucket.
#[derive(Debug, Clone, Copy)]
pub struct SyncKey<'a>(pub &'a str);

impl Key for SyncKey<'_> {
    type Document = SyncRecord;

    fn address(&self) -> Address {
        Address::of_bucket(self.0, layout::RECORD)
    }

    fn subject(&self) -> String {
        format!("the sync record of mirror {}", self.0)
    }
}

/// Whether a task stopped because AWS took its capacity back or had none, as ECS words it (Amazon ECS
/// Developer Guide, "Stopped task error messages"): that says nothing of its shard.
pub(crate) fn is_no_capacity(reason: &str) -> bool {
    reason.contains("SpotInterruption") || reason.contains("Capacity is unavailable")
}

/// The outcome of a sync that has transferred nothing.
pub(crate) fn nothing(sync: &Sync, now: DateTime<Utc>) -> SyncOutcome {
    SyncOutcome {
        runs_on: sync.runs_on,
        transfer: TransferReport::of_nothing(now, now),
        deleted: 0,
        refused: 0,
        refused_entries: Vec::new(),
        finished_at: now,
        cost_in_micro_usd: 0,
        report_key: None,
        missing_manifests: 0,
        deletion_refused: None,
        warnings: Vec::new(),
    }
}
