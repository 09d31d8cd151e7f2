//! The one-off tasks of a deployment: those that run before its service is updated, and those that run when
//! the service is stable on it.
//!
//! A task is started once whatever is repeated, because ECS knows the request by its token. Its end wakes
//! `deploy`; where that was lost, the reconcile asks ECS. Each step is one conditional write, and taken
//! again after a crash it does the same.

use chrono::{DateTime, Duration, Utc};
use longshore_events::ecs::{
    Container, LONGEST_OVERRIDES, LONGEST_STARTED_BY, length_of_overrides, started_by_deploy,
    why_stopped,
};
use longshore_events::incoming::DeployTaskStopped;
use longshore_events::longshore::TaskFailure;
use longshore_events::words::counted;
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::{Follower, Owner};
use longshore_policy::settings::OneOffTask;
use longshore_state::{CallError, ErrorClass, Version, Worker, decide_again};
use sha2::{Digest, Sha256};

use crate::deploy::{Engine, Outcome, Stop, claimed_already};
use crate::documents::{RecordKey, RecordStore};
use crate::outbox::flush;
use crate::ports::{Cloud, TaskRequest, TaskState};
use crate::record::{Deployment, Record, RunningTask, State};
use crate::watch::WatchOutcome;

/// When a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    After,
}

impl Phase {
    fn of(deployment: &Deployment) -> Option<Self> {
        match deployment.state {
            State::Preparing => Some(Self::Before),
            State::Verifying => Some(Self::After),
            _ => None,
        }
    }

    fn tasks(self, deployment: &Deployment) -> &[OneOffTask] {
        match self {
            Self::Before => &deployment.settings.before_tasks,
            Self::After => &deployment.settings.after_tasks,
        }
    }

    fn failed(self, task: &str, why: &str) -> String {
        match self {
            Self::Before => format!(
                "task `{task}`, which runs before the update, {why}; the service was not updated"
            ),
            Self::After => format!(
                "task `{task}`, which runs after the update, {why}; the service runs the new image"
            ),
        }
    }
}

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
    let owner = Owner {
        stack: stopped.stack.clone(),
        service: stopped.service.clone(),
    };
    let tasks = Tasks {
        cloud,
        owner: &owner,
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
    owner: &Owner,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let tasks = Tasks {
        cloud,
        owner,
        stopped: None,
        worker,
    };
    tasks.go_on().await
}

/// Starts the first of the tasks that the service's deployment waits for.
pub(crate) async fn begin<C: Cloud>(
    cloud: &C,
    owner: &Owner,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let tasks = Tasks {
        cloud,
        owner,
        stopped: None,
        worker,
    };
    decide_again(&RecordKey(owner), async || {
        let Some((record, version)) = cloud.load(owner).await? else {
            return Ok(WatchOutcome::Ignored);
        };
        let phase = match Phase::of(&record.deployment) {
            Some(phase) if record.deployment.task.is_none() => phase,
            _ => {
                flush(cloud, record, version, worker).await?;
                return Ok(WatchOutcome::Ignored);
            }
        };
        let started = tasks.start(record, version, phase, 0).await?;
        Ok(started.unwrap_or(WatchOutcome::Noted))
    })
    .await
}

struct Tasks<'a, C> {
    cloud: &'a C,
    owner: &'a Owner,
    /// What an event has said.
    stopped: Option<&'a DeployTaskStopped>,
    worker: &'a Worker,
}

impl<C: Cloud> Tasks<'_, C> {
    async fn go_on(&self) -> Result<WatchOutcome, CallError> {
        decide_again(&RecordKey(self.owner), async || {
            let Some((record, version)) = self.cloud.load(self.owner).await? else {
                return Ok(WatchOutcome::Ignored);
            };
            let outcome = self.step(record, version).await?;
            // There may be another step at once.
            outcome.ok_or_else(|| CallError::lost_race(&RecordKey(self.owner)))
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
        if let Some(ended) = prepared(deployment).cloned() {
            if deployment.lease_until <= self.worker.now {
                return self.update_service(&ended).await;
            }
            if deployment.claimed_by == self.worker.id {
                // An earlier attempt of this very invocation may still run.
                return Err(claimed_already(self.owner));
            }
        }
        let Some(phase) = Phase::of(deployment) else {
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(Some(WatchOutcome::Ignored));
        };
        let Some(running) = deployment.task.clone() else {
            return self.start(record, version, phase, 0).await;
        };
        let place = phase
            .tasks(deployment)
            .iter()
            .rposition(|task| task.name == running.name);
        match self.state_of(deployment, &running).await? {
            Some(TaskState::Running) => {
                let minutes =
                    place.map_or(0, |place| phase.tasks(deployment)[place].timeout_minutes);
                if running.started_at + Duration::minutes(i64::from(minutes)) > self.worker.now {
                    flush(self.cloud, record, version, self.worker).await?;
                    return Ok(Some(WatchOutcome::Noted));
                }
                let why = format!(
                    "has not ended within {}; ECS may still run it as {}",
                    counted(minutes, "minute"),
                    running.task
                );
                self.fail(record, version, &phase.failed(&running.name, &why))
                    .await
            }
            Some(TaskState::Succeeded) => {
                let next = place.map_or(0, |place| place + 1);
                if next < phase.tasks(deployment).len() {
                    return self.start(record, version, phase, next).await;
                }
                match phase {
                    Phase::Before => self.update_service(&running).await,
                    Phase::After => {
                        record.succeeded(self.worker);
                        let version = self.cloud.save(&record, Some(&version)).await?;
                        flush(self.cloud, record, version, self.worker).await?;
                        Ok(Some(WatchOutcome::Succeeded))
                    }
                }
            }
            Some(TaskState::Failed(failure)) => {
                let why = format!("failed: {}", why(&failure));
                record.add_failure(failure);
                self.fail(record, version, &phase.failed(&running.name, &why))
                    .await
            }
            None => {
                let why = format!(
                    "has an unknown end: ECS does not know {} any more",
                    running.task
                );
                self.fail(record, version, &phase.failed(&running.name, &why))
                    .await
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

    async fn start(
        &self,
        mut record: Record,
        version: Version,
        phase: Phase,
        place: usize,
    ) -> Result<Option<WatchOutcome>, CallError> {
        let deployment = &record.deployment;
        let Some((task, request)) = request(deployment, phase, place) else {
            // Nothing of the kind is written; the deadline closes it.
            return Ok(Some(WatchOutcome::Noted));
        };
        if let Some(why) = impossible(&request) {
            let reason = phase.failed(&task.name, &format!("cannot be started: {why}"));
            return self.fail(record, version, &reason).await;
        }
        let started = match self.cloud.run_task(&request).await {
            Ok(started) => started,
            Err(error) if matches!(error.class, ErrorClass::Refused | ErrorClass::NotFound) => {
                let why = format!("could not be started: {error}");
                let reason = phase.failed(&task.name, &why);
                return self.fail(record, version, &reason).await;
            }
            Err(error) => return Err(error),
        };
        record.task_started(&task.name, &started, self.worker);
        let version = self.cloud.save(&record, Some(&version)).await?;
        flush(self.cloud, record, version, self.worker).await?;
        // It may have stopped, and woken us, before that was written.
        let has_stopped = self.stopped.is_some_and(|stopped| stopped.task == started);
        Ok((!has_stopped).then_some(WatchOutcome::Noted))
    }

    /// The tasks before the update have done their work: `ended` was the last of them.
    async fn update_service(&self, ended: &RunningTask) -> Result<Option<WatchOutcome>, CallError> {
        let Some((record, version)) = self.cloud.load(self.owner).await? else {
            return Ok(Some(WatchOutcome::Ignored));
        };
        let follower = follower(&record.deployment);
        let engine = Engine {
            cloud: self.cloud,
            follower: &follower,
            owner: self.owner,
            worker: self.worker,
        };
        let (written, shown) = match engine.look().await {
            Ok(seen) => seen,
            Err(Stop::Call(error)) => return Err(error),
            Err(Stop::Refused(reason)) => return self.fail(record, version, &reason).await,
        };
        let Some((mut record, version)) = written.stored.clone() else {
            return Ok(Some(WatchOutcome::Ignored));
        };
        let is_prepared = prepared(&record.deployment).is_some();
        let is_due = is_prepared && record.deployment.lease_until <= self.worker.now
            || record.deployment.state == State::Preparing;
        if !is_due || record.deployment.task.as_ref() != Some(ended) {
            return Err(CallError::lost_race(&RecordKey(self.owner)));
        }
        if is_prepared && written.is_changing() {
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(Some(WatchOutcome::Noted));
        }
        // From here on others must reckon with an update: it is claimed again.
        let claimed = Deployment {
            state: State::Claimed,
            ..record.deployment.resumed(self.worker)
        };
        if written.is_changing() {
            // CloudFormation has the service now. When the stack is at rest, the claim is taken up.
            record.deployment = Deployment {
                lease_until: self.worker.now,
                ..claimed
            };
            let version = self.cloud.save(&record, Some(&version)).await?;
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(Some(WatchOutcome::Noted));
        }
        let taken = match shown {
            Ok(shown) => engine.take(&written, &shown, claimed, |_| ()).await,
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

    async fn fail(
        &self,
        mut record: Record,
        version: Version,
        reason: &str,
    ) -> Result<Option<WatchOutcome>, CallError> {
        record.failed(reason, false, self.worker);
        let version = self.cloud.save(&record, Some(&version)).await?;
        flush(self.cloud, record, version, self.worker).await?;
        Ok(Some(WatchOutcome::Failed))
    }
}

/// The last of the tasks before the update, when these have done their work and the service is about to be
/// updated. Whoever was to do that may have died.
fn prepared(deployment: &Deployment) -> Option<&RunningTask> {
    deployment
        .task
        .as_ref()
        .filter(|_| deployment.state == State::Claimed)
}

/// Whether the deployment waits for its tasks, or for whoever takes it up after them.
pub(crate) fn goes_on(deployment: &Deployment, worker: &Worker) -> bool {
    match over_at(deployment) {
        Some(over_at) => over_at > worker.now,
        None => prepared(deployment).is_some() && deployment.lease_until <= worker.now,
    }
}

/// When the tasks of the deployment must be over: what each may take, and what a deployment may take besides.
/// `None` when it does not wait for tasks.
pub(crate) fn over_at(deployment: &Deployment) -> Option<DateTime<Utc>> {
    let phase = Phase::of(deployment)?;
    let since = match phase {
        Phase::Before => deployment.claimed_at,
        Phase::After => deployment.started_at?,
    };
    let minutes: u32 = phase
        .tasks(deployment)
        .iter()
        .map(|task| task.timeout_minutes)
        .fold(deployment.settings.deadline_minutes, u32::saturating_add);
    Some(since + Duration::minutes(i64::from(minutes)))
}

/// The task at this place, and the request that starts it.
fn request(
    deployment: &Deployment,
    phase: Phase,
    place: usize,
) -> Option<(OneOffTask, TaskRequest)> {
    let task = phase.tasks(deployment).get(place)?.clone();
    let request = TaskRequest {
        service: deployment.service_name(),
        task_definition: deployment.task_definition.clone()?,
        container: deployment.container.clone(),
        command: task.command.clone(),
        environment: task.environment.clone(),
        client_token: client_token(deployment, phase, place),
        started_by: started_by_deploy(&deployment.stack, &deployment.service),
    };
    Some((task, request))
}

/// Why ECS would refuse a task, whatever the task definition says.
fn impossible(request: &TaskRequest) -> Option<String> {
    let name = &request.started_by;
    if name.chars().count() > LONGEST_STARTED_BY {
        return Some(format!(
            "it would be started by `{name}`, and ECS takes at most {LONGEST_STARTED_BY} characters there; give \
             the service another name in its route (`longshore adopt --stack --service`)"
        ));
    }
    let length = length_of_overrides(&request.container, &request.command, &request.environment);
    (length > LONGEST_OVERRIDES).then(|| {
        format!(
            "its command and environment have {length} characters as ECS is told them, and ECS takes at most \
             {LONGEST_OVERRIDES}; put a script into the image, or values into the task definition"
        )
    })
}

/// The same for each attempt to start this task, and for no other task: several services share the id of a
/// deployment that one push has led to.
fn client_token(deployment: &Deployment, phase: Phase, place: usize) -> String {
    let text = format!(
        "{}/{}/{}/{}/{phase:?}/{place}",
        deployment.stack, deployment.service, deployment.number, deployment.id
    );
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn why(failure: &TaskFailure) -> String {
    let containers: Vec<Container> = failure
        .containers
        .iter()
        .map(|container| Container {
            name: container.name.clone(),
            exit_code: container.exit_code,
            reason: container.reason.clone(),
        })
        .collect();
    why_stopped(
        failure.stop_code.as_deref(),
        failure.stopped_reason.as_deref(),
        &containers,
    )
    .unwrap_or_else(|| "ECS does not say why".to_owned())
}

/// Where the deployment's service runs. A deployment that goes on needs no route: it keeps what its route said
/// when it began.
pub(crate) fn follower(deployment: &Deployment) -> Follower {
    Follower {
        stack: deployment.stack.clone(),
        service: deployment.service.clone(),
        cluster: deployment.cluster.clone(),
        ecs_service: deployment.ecs_service.clone(),
        container: deployment.container.clone(),
        other_containers: deployment.other_containers.clone(),
        image_policy: ImagePolicy::default(),
        cpu_architecture: None,
        rollout: deployment.settings.clone(),
    }
}
