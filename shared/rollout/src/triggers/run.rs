//! A task of a service by hand: with its newest revision, network, capacity and roles, and a command of its own.
//!
//! Nothing is written of it, and no deployment waits for it: whoever asked follows it.

use longshore_events::arn::ServiceName;
use longshore_events::ecs::started_by_run;
use longshore_events::longshore::TaskFailure;
use longshore_events::manual::RunPayload;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, ErrorClass, Worker};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::course::impossible;
use crate::documents::{RecordStore, RouteStore};
use crate::ports::{Cloud, TaskRequest};

/// Why no task was started.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot be started. Trying again does not help.
    #[error("run a task of {service_id}: {reason}")]
    Refused {
        service_id: ServiceId,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A call failed. Trying again may help.
    #[error("run a task of {service_id}: {source}")]
    Call {
        service_id: ServiceId,
        /// The call.
        source: CallError,
    },
}

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
/// [`RunError`].
pub async fn run_task<C: Cloud>(
    cloud: &C,
    payload: &RunPayload,
    worker: &Worker,
) -> Result<StartedTask, RunError> {
    let service_id = ServiceId {
        stack: payload.stack.clone(),
        service: payload.service.clone(),
    };
    match start(cloud, &service_id, payload, worker).await {
        Ok(Ok(started)) => Ok(started),
        Ok(Err(reason)) => Err(RunError::Refused { service_id, reason }),
        Err(error) => Err(match error.refusal() {
            Ok(reason) => RunError::Refused { service_id, reason },
            Err(source) => RunError::Call { service_id, source },
        }),
    }
}

async fn start<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    payload: &RunPayload,
    worker: &Worker,
) -> Result<Result<StartedTask, String>, CallError> {
    let Some(service) = find(cloud, service_id).await? else {
        return Ok(Err(
            "no route names it, and nothing was ever deployed to it: look whether the name is right".to_owned(),
        ));
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

/// Which ECS service it is: its record says so, or else a route.
async fn find<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
) -> Result<Option<ServiceName>, CallError> {
    if let Some((record, _)) = cloud.load(service_id).await? {
        return Ok(Some(record.deployment.service_name()));
    }
    for repository in cloud.repositories().await? {
        let route = match cloud.route(&repository).await {
            // It harms no other that one cannot be read.
            Err(error) if error.class == ErrorClass::Unreadable => continue,
            route => route?,
        };
        let mut subscribers = route.into_iter().flat_map(|route| route.subscribers);
        let found = subscribers.find(|subscriber| subscriber.service_id() == *service_id);
        if let Some(subscriber) = found {
            return Ok(Some(subscriber.service_name()));
        }
    }
    Ok(None)
}

/// The same for each attempt at the same thing; ECS takes at most 64 characters.
pub(crate) fn client_token(what: &str) -> String {
    let digest = Sha256::digest(what.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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
