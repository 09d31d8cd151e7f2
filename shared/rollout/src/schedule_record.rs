//! The record of a schedule: `schedules/<stack>/<service>/<schedule>.json` in the state bucket.
//!
//! It begins with the first run of the schedule that fails. A schedule whose tasks do their work has none.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::{LongshoreEvent, ScheduledTaskFailed, TaskFailure};
use longshore_policy::route::ServiceId;
use longshore_state::outbox::{Outbox, Unpublished};
use longshore_state::store::Address;
use longshore_state::{Document, Key, Worker};
use serde::{Deserialize, Serialize};

pub(crate) const SCHEDULE_RECORDS: &str = "schedules/";

/// How many runs a record remembers, so that duplicates of their events are not counted again.
const TASKS_KEPT: usize = 20;

/// How long after a failure was published another one of the same row is only counted: a schedule may run every minute.
const QUIET: TimeDelta = TimeDelta::hours(1);

/// How the tasks of a schedule ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The schedule's name in the stack file.
    pub schedule: String,
    /// How the last task ended that failed, or why it could not be started.
    pub failure: TaskFailure,
    /// The ARN of that task's definition.
    pub task_definition: String,
    /// How many runs have failed since one succeeded; 0 when one has succeeded since.
    pub in_a_row: u32,
    /// When a failure was published last.
    pub told_at: DateTime<Utc>,
    /// The ids of the runs that failed last, the oldest first: the ARN of the task, or Scheduler's id of a run without
    /// one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Tasks that run, and that are to be stopped when they have run for too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<LimitedRun>,
    /// Events that are not known to have been published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<Unpublished>,
}

/// A task of a schedule that runs, and that may not run for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitedRun {
    /// The task's ARN.
    pub task: String,
    /// The ECS cluster's name.
    pub cluster: String,
    /// For how many seconds it may run.
    pub timeout: u32,
    /// When it has.
    pub overdue_at: DateTime<Utc>,
}

impl LimitedRun {
    /// Why it is stopped, as ECS says it again of the task.
    pub(crate) fn reason(&self) -> String {
        format!(
            "it ran longer than its timeout of {} seconds, and Longshore stopped it",
            self.timeout
        )
    }
}

impl Document for ScheduleRecord {}

impl Outbox for ScheduleRecord {
    fn outbox(&mut self) -> &mut Vec<Unpublished> {
        &mut self.outbox
    }
}

/// Names a schedule's record.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleKey<'a> {
    pub service_id: &'a ServiceId,
    /// The schedule's name in the stack file.
    pub schedule: &'a str,
}

impl Key for ScheduleKey<'_> {
    type Document = ScheduleRecord;

    fn address(&self) -> Address {
        let ServiceId { stack, service } = self.service_id;
        Address::of_state(format!(
            "{SCHEDULE_RECORDS}{stack}/{service}/{}.json",
            self.schedule
        ))
    }

    fn subject(&self) -> String {
        format!(
            "the record of schedule {} of {}",
            self.schedule, self.service_id
        )
    }
}

/// A run of a schedule that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedRun {
    /// The same in each event about it.
    pub(crate) id: String,
    pub(crate) failure: TaskFailure,
    pub(crate) task_definition: String,
    /// Which attempt it was, from 1.
    pub(crate) attempt: u32,
}

impl ScheduleRecord {
    /// The record of a schedule of which no run has failed.
    fn empty(key: &ScheduleKey, task_definition: &str, worker: &Worker) -> Self {
        Self {
            stack: key.service_id.stack.clone(),
            service: key.service_id.service.clone(),
            schedule: key.schedule.to_owned(),
            failure: TaskFailure {
                task: String::new(),
                stop_code: None,
                stopped_reason: None,
                containers: Vec::new(),
                stopped_at: None,
            },
            task_definition: task_definition.to_owned(),
            in_a_row: 0,
            told_at: worker.now,
            tasks: Vec::new(),
            running: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Whether a run of the schedule has ever failed: the record may be there for one that runs.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failure.task.is_empty() || self.failure.stopped_at.is_some()
    }

    /// The record while a task with a timeout runs.
    pub(crate) fn runs(
        before: Option<&Self>,
        key: &ScheduleKey,
        run: &LimitedRun,
        task_definition: &str,
        worker: &Worker,
    ) -> Self {
        let empty = || Self::empty(key, task_definition, worker);
        let mut record = before.cloned().unwrap_or_else(empty);
        if !record.running.iter().any(|known| known.task == run.task) {
            record.running.push(run.clone());
        }
        record
    }

    /// A task has ended, well or not.
    pub(crate) fn ended(&mut self, task: &str) {
        self.running.retain(|run| run.task != task);
    }

    /// The record after a run has failed and was started again.
    pub(crate) fn retried(
        before: Option<&Self>,
        key: &ScheduleKey,
        run: &FailedRun,
        worker: &Worker,
    ) -> Self {
        let empty = || Self::empty(key, &run.task_definition, worker);
        let mut record = before.cloned().unwrap_or_else(empty);
        record.remember(run);
        record
    }

    fn remember(&mut self, run: &FailedRun) {
        self.ended(&run.id);
        self.tasks.push(run.id.clone());
        if self.tasks.len() > TASKS_KEPT {
            self.tasks.remove(0);
        }
    }

    /// The record after a run of the schedule has failed. That is published, unless the one before failed as well and
    /// was published a short while ago.
    pub(crate) fn failed(
        before: Option<&Self>,
        key: &ScheduleKey,
        run: &FailedRun,
        worker: &Worker,
    ) -> Self {
        let in_a_row = before.map_or(0, |before| before.in_a_row).saturating_add(1);
        let is_quiet =
            before.is_some_and(|before| before.in_a_row > 0 && worker.now < before.told_at + QUIET);
        let empty = || Self::empty(key, &run.task_definition, worker);
        let mut record = Self {
            failure: run.failure.clone(),
            task_definition: run.task_definition.clone(),
            in_a_row,
            ..before.cloned().unwrap_or_else(empty)
        };
        record.remember(run);
        if !is_quiet {
            record.told_at = worker.now;
            let event = LongshoreEvent::ScheduledTaskFailed(ScheduledTaskFailed {
                stack: record.stack.clone(),
                service: record.service.clone(),
                schedule: record.schedule.clone(),
                failure: record.failure.clone(),
                in_a_row,
                attempts: run.attempt,
            });
            record.outbox.push(Unpublished::new(event, worker));
        }
        record
    }

    /// A task of the schedule that stopped at this time has done its work. A late event of one that stopped before the
    /// last failure changes nothing.
    pub(crate) fn succeeded(&mut self, at: Option<DateTime<Utc>>) {
        if at >= self.failure.stopped_at {
            self.in_a_row = 0;
        }
    }

    /// Whether this run is counted already.
    pub(crate) fn knows(&self, run: &FailedRun) -> bool {
        self.tasks.contains(&run.id)
    }
}
