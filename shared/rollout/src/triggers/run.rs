//! A task of a service by hand: with its newest revision, network, capacity and roles, and a command of its own.
//!
//! Nothing is written of it, and no deployment waits for it: whoever asked follows it.

use longshore_events::ecs::started_by_run;
use longshore_events::longshore::TaskFailure;
use longshore_events::manual::RunPayload;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, Worker};
use serde::Serialize;
use serde_json::Value;

use crate::asked::AskError;
use crate::course::{client_token, impossible};
use crate::known::{UNKNOWN, ecs_service};
use crate::ports::{Cloud, TaskRequest};

/// A task that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StartedTask {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The ECS cluster's name.
    pub cluster: String,
    /// The task's ARN.
    pub task: String,
    /// The ARN of its definition.
    pub task_definition: String,
    /// The container that has the command.
    pub container: String,
}

/// Starts a task of a service, once for each id of a worker, and says which.
///
/// # Errors
/// [`AskError`].
pub async fn run_task<C: Cloud>(
    cloud: &C,
    payload: &RunPayload,
    worker: &Worker,
) -> Result<StartedTask, AskError> {
    let service_id = ServiceId {
        stack: payload.stack.clone(),
        service: payload.service.clone(),
    };
    let what = format!("run a task of {service_id}");
    match start(cloud, &service_id, payload, worker).await {
        Ok(started) => started.map_err(|reason| AskError::refused(what, reason)),
        Err(error) => Err(AskError::of(what, error.refusal())),
    }
}

async fn start<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    payload: &RunPayload,
    worker: &Worker,
) -> Result<Result<StartedTask, String>, CallError> {
    let Some(service) = ecs_service(cloud, service_id).await? else {
        return Ok(Err(UNKNOWN.to_owned()));
    };
    let task_definition = cloud.describe_service(&service).await?.task_definition;
    let described = cloud.describe_task_definition(&task_definition).await?;
    // The service's own container is the first one.
    let container = described
        .document
        .pointer("/containerDefinitions/0/name")
        .and_then(Value::as_str);
    let Some(container) = container.map(str::to_owned) else {
        return Ok(Err(format!(
            "its task definition {task_definition} has no container"
        )));
    };
    let request = TaskRequest {
        group: None,
        service,
        task_definition,
        container,
        command: payload.command.clone(),
        environment: payload.environment.clone(),
        cpu: payload.cpu,
        memory: payload.memory,
        client_token: client_token(&format!("run/{}", worker.id)),
        started_by: started_by_run(&service_id.stack, &service_id.service),
    };
    if let Some(why) = impossible(&request) {
        return Ok(Err(why));
    }
    let task = cloud.run_task(&request).await?;
    Ok(Ok(StartedTask {
        stack: service_id.stack.clone(),
        service: service_id.service.clone(),
        cluster: request.service.cluster,
        task,
        task_definition: request.task_definition,
        container: request.container,
    }))
}

/// With which status a program ends that stands for this task: that of the container with the command, or else 1.
pub fn exit_code(failure: &TaskFailure, container: &str) -> u8 {
    let mut containers = failure.containers.iter();
    let own = containers.find(|one| one.name == container);
    let code = own.and_then(|own| own.exit_code);
    // A process ends with 0 to 255, and what failed did not end with 0.
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.filter(|code| *code > 0).unwrap_or(1)
}
