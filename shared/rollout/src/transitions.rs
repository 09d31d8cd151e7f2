//! How a record changes from state to state. Each change puts what tells of it into the outbox.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use longshore_events::image::Digest;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentRolledBack, DeploymentStabilized, DeploymentStarted,
    DeploymentSucceeded, DeploymentSuperseded, FailedPhase, LongshoreEvent, TaskFailure,
};
use longshore_state::Worker;
use longshore_state::outbox::Unpublished;

use crate::record::{Deployment, Record, RunningTask, State};

/// How many dead tasks a record keeps; a service that cannot start makes hundreds.
const FAILURES_KEPT: usize = 10;

/// How many digests a record keeps that were rolled back.
const BLOCKED_KEPT: usize = 50;

impl Deployment {
    /// Whether tasks are still to run before the service is updated.
    pub(crate) fn must_prepare(&self) -> bool {
        let is_prepared = self.task_definition.is_some() || self.settings.before_tasks.is_empty();
        self.state == State::Preparing || self.state == State::Claimed && !is_prepared
    }

    /// Whether its beginning was told.
    fn is_told(&self) -> bool {
        self.task_definition.is_some()
    }
}

impl Record {
    /// The record after `deployment` was claimed: what was under way before is superseded, what was
    /// not yet told stays to be told.
    pub fn claim(before: Option<&Self>, deployment: Deployment, worker: &Worker) -> Self {
        let mut record = Self {
            deployment,
            followed: before.map_or_else(BTreeMap::new, |record| record.followed.clone()),
            blocked: before.map_or_else(Vec::new, |record| record.blocked.clone()),
            asked: before.map_or_else(BTreeMap::new, |record| record.asked.clone()),
            hold: before.and_then(|record| record.hold.clone()),
            waiting: before.map_or_else(BTreeMap::new, |record| record.waiting.clone()),
            finished: before.map_or_else(Vec::new, |record| record.finished.clone()),
            outbox: before.map_or_else(Vec::new, |record| record.outbox.clone()),
        };
        if let Some(previous) = before.map(|record| &record.deployment)
            && previous.number != record.deployment.number
        {
            record.replace(previous.clone(), worker);
        }
        record.keep_if_ended();
        record
    }

    /// The record's deployment has just taken the place of `previous`.
    fn replace(&mut self, mut previous: Deployment, worker: &Worker) {
        if !previous.state.is_open() {
            return;
        }
        let is_told = previous.is_told();
        if previous.state == State::RollingBack {
            // That it failed was told; what ECS was bringing back is nobody's question any more.
            previous.state = State::Failed;
        } else {
            previous.state = State::Superseded;
            previous.finished_at = Some(worker.now);
            if is_told {
                let superseded = DeploymentSuperseded {
                    deployment: previous.summary(),
                    finished_at: worker.now,
                    superseded_by: self.deployment.image.to_string(),
                };
                self.tell(LongshoreEvent::DeploymentSuperseded(superseded), worker);
            }
        }
        self.finished.push(previous);
    }

    /// The next revision is registered, and the tasks that come before the update are to run.
    pub(crate) fn preparing(&mut self, task_definition: &str, worker: &Worker) {
        self.tell_started(task_definition, worker);
        let deployment = &mut self.deployment;
        deployment.state = State::Preparing;
        deployment.task_definition = Some(task_definition.to_owned());
    }

    /// A one-off task was started.
    pub(crate) fn task_started(&mut self, name: &str, task: &str, worker: &Worker) {
        self.deployment.task = Some(RunningTask {
            name: name.to_owned(),
            task: task.to_owned(),
            started_at: worker.now,
        });
    }

    /// The service was updated `at` that time.
    pub fn started(
        &mut self,
        task_definition: &str,
        ecs_deployment_id: &str,
        at: DateTime<Utc>,
        worker: &Worker,
    ) {
        self.tell_started(task_definition, worker);
        let deployment = &mut self.deployment;
        deployment.state = State::Deploying;
        deployment.task = None;
        deployment.task_definition = Some(task_definition.to_owned());
        deployment.ecs_deployment_id = Some(ecs_deployment_id.to_owned());
        deployment.started_at = Some(at);
    }

    /// Of a deployment with tasks before the update, it was told when these began.
    fn tell_started(&mut self, task_definition: &str, worker: &Worker) {
        if self.deployment.is_told() {
            return;
        }
        let started = DeploymentStarted {
            deployment: self.deployment.summary(),
            task_definition: task_definition.to_owned(),
            previous_task_definition: self.deployment.previous_task_definition.clone(),
            previous_image: self.deployment.previous_image.clone(),
        };
        self.tell(LongshoreEvent::DeploymentStarted(started), worker);
    }

    /// The service is stable on the deployment: it has succeeded, unless tasks come afterwards.
    pub(crate) fn completed(&mut self, worker: &Worker) {
        if self.deployment.settings.after_tasks.is_empty() {
            self.succeeded(worker);
        } else {
            self.stabilized(worker);
        }
    }

    fn stabilized(&mut self, worker: &Worker) {
        self.deployment.state = State::Verifying;
        let stabilized = DeploymentStabilized {
            deployment: self.deployment.summary(),
        };
        self.tell(LongshoreEvent::DeploymentStabilized(stabilized), worker);
    }

    /// The service is stable on the deployment, and the tasks that come afterwards have done their work.
    pub fn succeeded(&mut self, worker: &Worker) {
        self.finish(State::Succeeded, worker);
        let succeeded = DeploymentSucceeded {
            deployment: self.deployment.summary(),
            finished_at: worker.now,
        };
        self.tell(LongshoreEvent::DeploymentSucceeded(succeeded), worker);
        self.keep_if_ended();
    }

    /// The deployment failed; with `rolling_back`, ECS is rolling back to what ran before.
    pub fn failed(&mut self, reason: &str, rolling_back: bool, worker: &Worker) {
        let state = if rolling_back {
            State::RollingBack
        } else {
            State::Failed
        };
        let phase = match self.deployment.state {
            State::Claimed | State::Preparing => FailedPhase::Before,
            State::Verifying => FailedPhase::After,
            _ => FailedPhase::Rollout,
        };
        let reason = match self.deployment.reason.take() {
            // Its rollback fails as well, which says nothing of why it had to be rolled back.
            Some(first) if self.deployment.state == State::RollingBack => {
                format!("{first}; {reason}")
            }
            _ => reason.to_owned(),
        };
        self.finish(state, worker);
        self.deployment.reason = Some(reason.clone());
        let failed = DeploymentFailed {
            deployment: self.deployment.summary(),
            finished_at: worker.now,
            reason,
            failures: self.deployment.failures.clone(),
            rolling_back,
            phase,
        };
        self.tell(LongshoreEvent::DeploymentFailed(failed), worker);
        self.keep_if_ended();
    }

    /// The deployment failed and the service is stable again on `running_task_definition`.
    pub fn rolled_back(&mut self, reason: &str, running_task_definition: &str, worker: &Worker) {
        self.finish(State::RolledBack, worker);
        let deployment = &mut self.deployment;
        let reason = deployment
            .reason
            .get_or_insert_with(|| reason.to_owned())
            .clone();
        let is_previous = running_task_definition == deployment.previous_task_definition;
        let rolled_back = DeploymentRolledBack {
            deployment: deployment.summary(),
            finished_at: worker.now,
            reason,
            failures: deployment.failures.clone(),
            running_task_definition: running_task_definition.to_owned(),
            running_image: is_previous.then(|| deployment.previous_image.clone()),
        };
        self.tell(LongshoreEvent::DeploymentRolledBack(rolled_back), worker);
        self.keep_if_ended();
    }

    /// Somebody else deployed over it.
    pub fn superseded(&mut self, superseded_by: &str, worker: &Worker) {
        self.finish(State::Superseded, worker);
        let superseded = DeploymentSuperseded {
            deployment: self.deployment.summary(),
            finished_at: worker.now,
            superseded_by: superseded_by.to_owned(),
        };
        self.tell(LongshoreEvent::DeploymentSuperseded(superseded), worker);
        self.keep_if_ended();
    }

    /// CloudFormation's deployment took the place of the record's own one, with the same image: that is
    /// the one whose outcome counts.
    pub(crate) fn follow(
        &mut self,
        task_definition: &str,
        ecs_deployment_id: Option<&str>,
        at: DateTime<Utc>,
    ) {
        let deployment = &mut self.deployment;
        deployment.task_definition = Some(task_definition.to_owned());
        deployment.ecs_deployment_id = ecs_deployment_id.map(str::to_owned);
        deployment.started_at = Some(at);
    }

    /// Keeps why a task died; whether that was news.
    pub fn add_failure(&mut self, failure: TaskFailure) -> bool {
        let failures = &mut self.deployment.failures;
        if failures.len() >= FAILURES_KEPT
            || failures.iter().any(|known| known.task == failure.task)
        {
            return false;
        }
        let place = failures.partition_point(|known| known.stopped_at <= failure.stopped_at);
        failures.insert(place, failure);
        true
    }

    /// No policy deploys this digest again: it was rolled back.
    pub(crate) fn block(&mut self, digest: &Digest) {
        self.blocked.retain(|known| known != digest);
        self.blocked.push(digest.clone());
        if self.blocked.len() > BLOCKED_KEPT {
            self.blocked.remove(0);
        }
    }

    /// A deployment that has ended goes into the history.
    fn keep_if_ended(&mut self) {
        if !self.deployment.state.is_open() {
            self.finished.push(self.deployment.clone());
        }
    }

    fn finish(&mut self, state: State, worker: &Worker) {
        self.deployment.state = state;
        self.deployment.task = None;
        self.deployment.finished_at = Some(worker.now);
    }

    pub(crate) fn tell(&mut self, event: LongshoreEvent, worker: &Worker) {
        self.outbox.push(Unpublished::new(event, worker));
    }
}
