//! The one-off tasks of a deployment: those that run before its service is updated, and those that run when
//! the service is stable on it.
//!
//! A task is started once whatever is repeated, because ECS knows the request by its token. Its end wakes
//! `deploy`; where that was lost, the reconcile asks ECS. Each step is one conditional write, and taken
//! again after a crash it does the same.

use longshore_events::incoming::DeployTaskStopped;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, ErrorClass, Version, Worker, decide_again};

use super::outcome::WatchOutcome;
use super::task::Tasks;
use crate::decide::{NextStep, next_step};
use crate::documents::{RecordKey, RecordStore};
use crate::engine::{Engine, Outcome, Stop, claimed_already};
use crate::outbox::flush;
use crate::ports::{Cloud, TaskState};
use crate::record::{Deployment, Record, RunningTask, State};

/// Takes in that a one-off task of a deployment has stopped: the next one is started, or the deployment goes
/// on, or has failed.
///
/// # Errors
/// [`CallError`]; trying again may help.
pub async fn task_stopped<C: Cloud>(
    cloud: &C,
    stopped: &DeployTaskStopped,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let service_id = ServiceId {
        stack: stopped.stack.clone(),
        service: stopped.service.clone(),
    };
    let tasks = Tasks {
        cloud,
        service_id: &service_id,
        stopped: Some(stopped),
        worker,
    };
    tasks.go_on().await
}

/// Goes on with a service's deployment, where that is for its one-off tasks to do. Harmless twice, at any
/// time, and for a service whose deployment has nothing to do with tasks.
///
/// # Errors
/// [`CallError`]; trying again may help.
pub async fn go_on<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let tasks = Tasks {
        cloud,
        service_id,
        stopped: None,
        worker,
    };
    tasks.go_on().await
}

impl<C: Cloud> Tasks<'_, C> {
    async fn go_on(&self) -> Result<WatchOutcome, CallError> {
        decide_again(&RecordKey(self.service_id), async || {
            let Some((record, version)) = self.cloud.load(self.service_id).await? else {
                return Ok(WatchOutcome::Ignored);
            };
            let outcome = self.step(record, version).await?;
            // There may be another step at once.
            outcome.ok_or_else(|| CallError::lost_race(&RecordKey(self.service_id)))
        })
        .await
    }

    /// Takes the next step; `None` when there may be another one at once.
    async fn step(
        &self,
        mut record: Record,
        version: Version,
    ) -> Result<Option<WatchOutcome>, CallError> {
        let deployment = &record.deployment;
        if let Some(ended) = deployment.last_task_before().cloned() {
            if deployment.is_free(self.worker.now) {
                return self.update_service(&ended).await;
            }
            if deployment.claimed_by == self.worker.id {
                // An earlier attempt of this very invocation may still run.
                return Err(claimed_already(self.service_id));
            }
        }
        let Some(phase) = deployment.state.task_phase() else {
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(Some(WatchOutcome::Ignored));
        };
        let Some(running) = deployment.task.clone() else {
            return self.start(record, version, phase, 0).await;
        };
        let shown = self.state_of(deployment, &running).await?;
        match next_step(deployment, phase, &running, shown, self.worker.now) {
            NextStep::Wait => {
                flush(self.cloud, record, version, self.worker).await?;
                Ok(Some(WatchOutcome::Noted))
            }
            NextStep::Start(place) => self.start(record, version, phase, place).await,
            NextStep::UpdateService => self.update_service(&running).await,
            NextStep::Succeed => {
                record.succeeded(self.worker);
                let version = self.cloud.save(&record, Some(&version)).await?;
                flush(self.cloud, record, version, self.worker).await?;
                Ok(Some(WatchOutcome::Succeeded))
            }
            NextStep::Fail { reason, failure } => {
                if let Some(failure) = failure {
                    record.add_failure(failure);
                }
                self.fail(record, version, &reason).await
            }
        }
    }

    /// How the task is, as the event says that woke us, or else ECS.
    async fn state_of(
        &self,
        deployment: &Deployment,
        running: &RunningTask,
    ) -> Result<Option<TaskState>, CallError> {
        match self.stopped.filter(|stopped| stopped.task == running.task) {
            Some(stopped) => Ok(Some(match stopped.failure.clone() {
                None => TaskState::Succeeded,
                Some(failure) => TaskState::Failed(failure),
            })),
            None => {
                self.cloud
                    .describe_task(&deployment.cluster, &running.task)
                    .await
            }
        }
    }

    /// The tasks before the update have done their work: `ended` was the last of them.
    async fn update_service(&self, ended: &RunningTask) -> Result<Option<WatchOutcome>, CallError> {
        let Some((record, version)) = self.cloud.load(self.service_id).await? else {
            return Ok(Some(WatchOutcome::Ignored));
        };
        let subscriber = record.deployment.subscriber();
        let engine = Engine::new(self.cloud, &subscriber, self.worker);
        let (written, shown) = match engine.look().await {
            Ok(seen) => seen,
            Err(Stop::Call(error)) => return Err(error),
            Err(Stop::Refused(reason)) => return self.fail(record, version, &reason).await,
        };
        let Some((mut record, version)) = written.stored.clone() else {
            return Ok(Some(WatchOutcome::Ignored));
        };
        let is_prepared = record.deployment.last_task_before().is_some();
        let is_due = is_prepared && record.deployment.is_free(self.worker.now)
            || record.deployment.state == State::Preparing;
        if !is_due || record.deployment.task.as_ref() != Some(ended) {
            return Err(CallError::lost_race(&RecordKey(self.service_id)));
        }
        if is_prepared && written.is_changing() {
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(Some(WatchOutcome::Noted));
        }
        if written.is_changing() {
            // CloudFormation has the service now. When the stack has settled, the claim is resumed.
            record.prepared(self.worker);
            let version = self.cloud.save(&record, Some(&version)).await?;
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(Some(WatchOutcome::Noted));
        }
        let taken = match shown {
            Ok(shown) => {
                let claimed = record.deployment.prepared(self.worker);
                engine.take(&written, &shown, claimed, |_| ()).await
            }
            Err(Stop::Call(error)) if error.class == ErrorClass::NotFound => {
                Err(Stop::Refused(error.to_string()))
            }
            Err(stop) => Err(stop),
        };
        match taken {
            Ok(Outcome::Failed { .. }) => Ok(Some(WatchOutcome::Failed)),
            Ok(_) => Ok(Some(WatchOutcome::Noted)),
            Err(Stop::Refused(reason)) => self.fail(record, version, &reason).await,
            Err(Stop::Call(error)) => Err(error),
        }
    }
}
