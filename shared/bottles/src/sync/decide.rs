//! What to do next about a sync's shards, as a pure function of what the record and the shards' states
//! say and what ECS shows.

use chrono::{DateTime, Duration, Utc};
use longshore_events::longshore::RunsOn;
use longshore_events::transfer::TransferProgress;

use crate::ports::ObservedTask;
use crate::sync::record::{ShardRecord, Sync};
use crate::sync::shard::{MAX_ATTEMPTS, ShardPhase, ShardState};

/// How long a task that ECS shows as alive may be silent before another one is started: Fargate takes
/// minutes to find capacity, and a task that has lost its lease takes it again.
pub(crate) const SILENCE: Duration = Duration::minutes(30);

/// How long a task may not be had before its shard is given up: capacity comes and goes.
pub(crate) const NO_CAPACITY: Duration = Duration::hours(6);

/// How often the progress of a sync is told while no shard ends.
pub(crate) const TOLD_EVERY: Duration = Duration::minutes(5);

/// What to do about a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has ended, one way or the other.
    Ended,
    /// Somebody works on it, or will.
    Wait,
    /// Work on it in this process.
    WorkHere,
    /// Start a task for it; a lease that a dead task still has is taken from it.
    StartTask {
        /// The task that is dead, with why, where there was one.
        dead: Option<String>,
    },
    /// A task may or may not have been started: ask for the same once more.
    AskAgain,
    /// Nobody is to work on it any more.
    GiveUp(String),
}

/// Where work can be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hands {
    /// Whether this process has the time.
    pub(crate) here: bool,
    /// Whether the stack has a place for tasks.
    pub(crate) tasks: bool,
}

/// Decides about a shard; `task` is what ECS shows of its last task, if it shows it.
pub(crate) fn step(
    sync: &Sync,
    shard: &ShardRecord,
    state: Option<&ShardState>,
    task: Option<&ObservedTask>,
    hands: Hands,
    now: DateTime<Utc>,
) -> Step {
    if shard.given_up.is_some() {
        return Step::Ended;
    }
    let Some(state) = state else {
        return Step::GiveUp("its state is gone from the bucket".to_owned());
    };
    if state.is_done() {
        return Step::Ended;
    }
    let is_stopped = shard.task_arn.is_some() && task.is_none_or(|task| task.is_stopped);
    if state.is_leased(now) && !(is_stopped && state.is_leased_by_task_of(shard)) {
        return Step::Wait;
    }
    let deaths = state
        .deaths()
        .max(shard.starts.saturating_sub(state.given_back));
    let reason = task
        .and_then(|task| task.stopped_reason.clone())
        .or_else(|| shard.problem.clone());
    match &shard.task_arn {
        Some(_) if !is_stopped => {
            let silent_since = match state.phase {
                ShardPhase::Leased { lease_until, .. } => Some(lease_until),
                _ => None,
            };
            if silent_since.max(shard.started_at) > Some(now - SILENCE) {
                Step::Wait
            } else {
                again(deaths, Some("it was silent for half an hour".to_owned()))
            }
        }
        Some(_) => again(deaths, reason),
        None if shard.starts > 0 => {
            let is_over = shard
                .started_at
                .is_some_and(|started_at| started_at + NO_CAPACITY <= now);
            match (is_over, &shard.problem) {
                (true, Some(problem)) => Step::GiveUp(format!(
                    "no task could be started for {} hours: {problem}",
                    NO_CAPACITY.num_hours()
                )),
                _ => Step::AskAgain,
            }
        }
        None if deaths >= MAX_ATTEMPTS => Step::GiveUp(format!(
            "{deaths} workers died while they worked on it; see their logs"
        )),
        None if hands.tasks && (sync.runs_on != RunsOn::Function || !hands.here) => {
            Step::StartTask { dead: None }
        }
        None if hands.here => Step::WorkHere,
        None => Step::Wait,
    }
}

fn again(deaths: u32, reason: Option<String>) -> Step {
    let reason = reason.unwrap_or_else(|| "ECS has forgotten it".to_owned());
    if deaths >= MAX_ATTEMPTS {
        Step::GiveUp(format!(
            "{deaths} tasks died while they worked on it; the last one: {reason}"
        ))
    } else {
        Step::StartTask { dead: Some(reason) }
    }
}

/// How far all shards together are, and how many have ended.
pub(crate) fn progress(sync: &Sync, states: &[Option<ShardState>]) -> (TransferProgress, u32) {
    let mut done = TransferProgress::default();
    let mut ended = 0;
    for (shard, state) in sync.shards.iter().zip(states) {
        let Some(state) = state else {
            continue;
        };
        let progress = state.done();
        done.files += progress.files;
        done.bytes += progress.bytes;
        done.failed += progress.failed;
        ended += u32::from(state.is_done() || shard.given_up.is_some());
    }
    (done, ended)
}

/// Whether progress is to be told.
pub(crate) fn is_news(sync: &Sync, ended: u32, now: DateTime<Utc>) -> bool {
    ended > sync.told_shards
        || sync
            .told_at
            .max(sync.planned_at)
            .is_some_and(|told_at| told_at + TOLD_EVERY <= now)
}
