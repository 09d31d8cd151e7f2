//! What to do next about a sync's shards, as a pure function of what the record and the shards' states
//! say and what ECS shows.

use chrono::{DateTime, Duration, Utc};
use longshore_events::longshore::RunsOn;
use longshore_events::transfer::TransferProgress;

use crate::ports::ObservedTask;
use crate::sync::record::{ShardRecord, Sync, is_no_capacity};
use crate::sync::shard::{MAX_ATTEMPTS, ShardPhase, ShardState};

/// How long a task that ECS shows as alive may be silent before another one is started: Fargate takes
/// minutes to find capacity, and a task that has lost its lease takes it again.
pub(crate) const SILENCE: Duration = Duration::minutes(30);

/// How long a task may not be had before its shard is given up, since one has got further: capacity comes
/// and goes.
pub(crate) const NO_CAPACITY: Duration = Duration::hours(6);

/// How long at least a shard whose tasks die is not given up, since one has got further, however many die: what
/// kills them may be over by then. Where an outage is to be waited out for longer, so is this.
pub(crate) const DYING: Duration = Duration::minutes(30);

/// The longest pause between two tasks of a shard.
const LONGEST_PAUSE: Duration = Duration::minutes(10);

/// How often the progress of a sync is published while no shard ends.
pub(crate) const PUBLISHED_EVERY: Duration = Duration::minutes(5);

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
pub(crate) struct Workers {
    /// Whether this process has the time.
    pub(crate) here: bool,
    /// Whether the stack has a place for tasks.
    pub(crate) tasks: bool,
}

/// Decides about a shard; `task` is what ECS shows of its last task, if it shows it, and `outage` is how long an
/// outage is waited out.
pub(crate) fn step(
    sync: &Sync,
    shard: &ShardRecord,
    state: Option<&ShardState>,
    task: Option<&ObservedTask>,
    (hands, outage): (Workers, Duration),
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
    let deaths = deaths(shard, state);
    let is_long =
        |since: Option<DateTime<Utc>>| since.is_none_or(|since| since + DYING.max(outage) <= now);
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
                let reason = Some("it was silent for half an hour".to_owned());
                again(shard, state, reason, outage, now)
            }
        }
        Some(_) => again(shard, state, reason, outage, now),
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
        None if deaths >= MAX_ATTEMPTS && is_long(state.further_at.or(sync.planned_at)) => {
            Step::GiveUp(format!(
                "{deaths} workers ended without having got further; {}",
                match &state.problem {
                    Some(problem) => format!("the last one with {problem}"),
                    None => "see their logs".to_owned(),
                }
            ))
        }
        None if hands.tasks && (sync.runs_on != RunsOn::Function || !hands.here) => {
            Step::StartTask { dead: None }
        }
        None if hands.here => Step::WorkHere,
        None => Step::Wait,
    }
}

/// How many workers have died of a shard: not those that were taken away, or that got further than
/// those before them.
fn deaths(shard: &ShardRecord, state: &ShardState) -> u32 {
    let tasks = shard.starts.saturating_sub(state.given_back);
    let deaths = state.deaths().max(tasks).saturating_sub(shard.excused);
    deaths.saturating_sub(u32::from(state.got_further()))
}

/// How long the next task waits after the last one was started, when this many were since one got further: the
/// first two do not.
fn pause(fruitless: u32) -> Duration {
    match fruitless.checked_sub(2) {
        None => Duration::zero(),
        Some(doublings) => Duration::minutes(1 << doublings.min(4)).min(LONGEST_PAUSE),
    }
}

fn again(
    shard: &ShardRecord,
    state: &ShardState,
    reason: Option<String>,
    outage: Duration,
    now: DateTime<Utc>,
) -> Step {
    let deaths = deaths(shard, state);
    let reason = reason.unwrap_or_else(|| "ECS has forgotten it".to_owned());
    // One that got further begins anew.
    let is_further = state.further() > shard.got_further;
    let first = shard
        .first_started_at
        .or(shard.started_at)
        .filter(|_| !is_further);
    let fruitless = if is_further { 0 } else { shard.fruitless };
    let is_after = |patience: Duration| first.is_some_and(|first| first + patience <= now);
    if is_no_capacity(&reason) && is_after(NO_CAPACITY) {
        return Step::GiveUp(format!(
            "no task could stay for {} hours; the last one: {reason}",
            NO_CAPACITY.num_hours()
        ));
    }
    if deaths >= MAX_ATTEMPTS && !is_no_capacity(&reason) && is_after(DYING.max(outage)) {
        return Step::GiveUp(format!(
            "{deaths} tasks died while they worked on it; the last one: {reason}"
        ));
    }
    let is_early = shard
        .started_at
        .is_some_and(|started_at| started_at + pause(fruitless) > now);
    if is_early {
        Step::Wait
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
        done.files = done.files.saturating_add(progress.files);
        done.bytes = done.bytes.saturating_add(progress.bytes);
        done.failed = done.failed.saturating_add(progress.failed);
        ended += u32::from(state.is_done() || shard.given_up.is_some());
    }
    (done, ended)
}

/// Whether progress is to be published.
pub(crate) fn is_news(sync: &Sync, ended: u32, now: DateTime<Utc>) -> bool {
    ended > sync.told_shards
        || sync
            .told_at
            .max(sync.planned_at)
            .is_some_and(|told_at| told_at + PUBLISHED_EVERY <= now)
}
