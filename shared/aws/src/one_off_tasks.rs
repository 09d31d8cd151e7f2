//! ECS: the one-off tasks of a deployment.

use aws_sdk_ecs::types::{ContainerOverride, KeyValuePair, Service, Task, TaskOverride};
use longshore_events::ecs::has_ended_well;
use longshore_rollout::ports::{TaskRequest, TaskState};
use longshore_state::CallError;

use crate::AwsCloud;
use crate::error::failed;
use crate::services::task_failure;
use crate::tasks::{containers_of, started_task};

/// Starts a task where `service` runs its own: in the same subnets and security groups, on the same
/// capacity.
pub(crate) async fn run(
    cloud: &AwsCloud,
    request: &TaskRequest,
    service: Service,
) -> Result<String, CallError> {
    let operation = format!(
        "run a task of {} for ECS service {} of cluster {}",
        request.task_definition, request.service.ecs_service, request.service.cluster
    );
    let environment = request
        .environment
        .iter()
        .map(|(name, value)| KeyValuePair::builder().name(name).value(value).build())
        .collect();
    let container = ContainerOverride::builder()
        .name(&request.container)
        .set_command(Some(request.command.clone()))
        .set_environment(Some(environment))
        .build();
    let call = cloud
        .ecs()
        .run_task()
        .cluster(&request.service.cluster)
        .task_definition(&request.task_definition)
        .count(1)
        .started_by(&request.started_by)
        .client_token(&request.client_token)
        .set_network_configuration(service.network_configuration)
        .set_platform_version(service.platform_version)
        .set_placement_constraints(service.placement_constraints)
        .set_placement_strategy(service.placement_strategy)
        .overrides(
            TaskOverride::builder()
                .container_overrides(container)
                .build(),
        );
    // ECS takes one of both, not both; with neither, the cluster's default decides for it as for the service.
    let strategy = service.capacity_provider_strategy.unwrap_or_default();
    let call = if strategy.is_empty() {
        call.set_launch_type(service.launch_type)
    } else {
        call.set_capacity_provider_strategy(Some(strategy))
    };
    let answer = call.send().await.map_err(failed(&operation))?;
    started_task(operation, answer)
}

/// How a task is; `None` when ECS does not remember it.
pub(crate) async fn describe(
    cloud: &AwsCloud,
    cluster: &str,
    task: &str,
) -> Result<Option<TaskState>, CallError> {
    let answer = cloud
        .ecs()
        .describe_tasks()
        .cluster(cluster)
        .tasks(task)
        .send()
        .await
        .map_err(failed(format!("describe task {task}")))?;
    Ok(answer.tasks().first().map(state))
}

fn state(task: &Task) -> TaskState {
    if task.last_status() != Some("STOPPED") {
        return TaskState::Running;
    }
    let containers = containers_of(task);
    let overrides = task
        .overrides()
        .map(TaskOverride::container_overrides)
        .unwrap_or_default();
    let commanded: Vec<&str> = overrides
        .iter()
        .filter(|container| !container.command().is_empty())
        .filter_map(ContainerOverride::name)
        .collect();
    let stop_code = task.stop_code().map(|code| code.as_str());
    if has_ended_well(stop_code, &containers, &commanded) {
        TaskState::Succeeded
    } else {
        TaskState::Failed(task_failure(task))
    }
}
