//! One one-off task of a deployment: it is started, once whatever is repeated, because ECS knows the request by its
//! token.

use longshore_events::ecs::{
    LONGEST_OVERRIDES, LONGEST_STARTED_BY, length_of_overrides, started_by_deploy,
};
use longshore_events::incoming::DeployTaskStopped;
use longshore_policy::route::ServiceId;
use longshore_policy::settings::OneOffTask;
use longshore_state::{CallError, ErrorClass, Version, Worker, decide_again};
use sha2::{Digest, Sha256};

use super::outcome::WatchOutcome;
use crate::documents::{RecordKey, RecordStore};
use crate::outbox::flush;
use crate::ports::{Cloud, TaskRequest};
use crate::record::{Deployment, Record, TaskPhase};

/// The one-off tasks of a service's deployment.
pub(super) struct Tasks<'a, C> {
    pub(super) cloud: &'a C,
    pub(super) service_id: &'a ServiceId,
    /// What an event has said.
    pub(super) stopped: Option<&'a DeployTaskStopped>,
    pub(super) worker: &'a Worker,
}

impl<C: Cloud> Tasks<'_, C> {
    pub(super) async fn start(
        &self,
        mut record: Record,
        version: Version,
        phase: TaskPhase,
        place: usize,
    ) -> Result<Option<WatchOutcome>, CallError> {
        let deployment = &record.deployment;
        let Some((task, request)) = request(deployment, phase, place) else {
            // Nothing of the kind is written; the deadline closes it.
            return Ok(Some(WatchOutcome::Noted));
        };
        if let Some(why) = impossible(&request) {
            let reason = phase.failure(&task.name, &format!("cannot be started: {why}"));
            return self.fail(record, version, &reason).await;
        }
        let started = match self.cloud.run_task(&request).await {
            Ok(started) => started,
            Err(error) if matches!(error.class, ErrorClass::Refused | ErrorClass::NotFound) => {
                let why = format!("could not be started: {error}");
                let reason = phase.failure(&task.name, &why);
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

    pub(super) async fn fail(
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

/// Starts the first of the tasks that the service's deployment waits for.
pub(crate) async fn begin<C: Cloud>(
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
    decide_again(&RecordKey(service_id), async || {
        let Some((record, version)) = cloud.load(service_id).await? else {
            return Ok(WatchOutcome::Ignored);
        };
        let phase = match record.deployment.state.task_phase() {
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

/// The task at this place, and the request that starts it.
fn request(
    deployment: &Deployment,
    phase: TaskPhase,
    place: usize,
) -> Option<(OneOffTask, TaskRequest)> {
    let task = deployment.tasks(phase).get(place)?.clone();
    let request = TaskRequest {
        group: None,
        service: deployment.service_name(),
        task_definition: deployment.task_definition.clone()?,
        container: deployment.container.clone(),
        command: task.command.clone(),
        environment: task.environment.clone(),
        cpu: None,
        memory: None,
        client_token: token_of(deployment, phase, place),
        started_by: started_by_deploy(&deployment.stack, &deployment.service),
    };
    Some((task, request))
}

/// Why ECS would refuse a task, whatever the task definition says.
pub(crate) fn impossible(request: &TaskRequest) -> Option<String> {
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
            "its command and environment have {length} characters as ECS gets them, and ECS takes at most \
             {LONGEST_OVERRIDES}; put a script into the image, or values into the task definition"
        )
    })
}

/// The same for each attempt to start this task, and for no other task: several services share the id of a
/// deployment that one push has led to.
fn token_of(deployment: &Deployment, phase: TaskPhase, place: usize) -> String {
    client_token(&format!(
        "{}/{}/{}/{}/{phase:?}/{place}",
        deployment.stack, deployment.service, deployment.number, deployment.id
    ))
}

/// The same for each attempt at the same thing; ECS takes at most 64 characters.
pub(crate) fn client_token(what: &str) -> String {
    hex::encode(Sha256::digest(what.as_bytes()))
}
