//! ECS: the tasks that work for a bottle sync.

use aws_sdk_ecs::operation::run_task::builders::RunTaskFluentBuilder;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride, Failure,
    LaunchType, NetworkConfiguration, PropagateTags, Task, TaskOverride,
};
use longshore_bottles::ports::{ObservedTask, TaskRunner};
use longshore_bottles::settings::TaskLocation;
use longshore_events::ecs::{Container, why_stopped};
use longshore_state::{CallError, ErrorClass};

use crate::AwsCloud;
use crate::error::{failed, unreadable};

/// DescribeTasks takes this many tasks at once.
const TASKS_ALLOWED: usize = 100;

impl TaskRunner for AwsCloud {
    async fn run_task(
        &self,
        place: &TaskLocation,
        shard_url: &str,
        started_by: &str,
        client_token: &str,
    ) -> Result<String, CallError> {
        let operation = format!(
            "run a task of {} on {shard_url}",
            place.task_definition_family
        );
        let refused = |message: String| CallError {
            operation: operation.clone(),
            class: ErrorClass::Refused,
            code: None,
            message,
        };
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(place.subnet_ids.clone()))
            .set_security_groups(Some(place.security_group_ids.clone()))
            .assign_public_ip(if place.assign_public_ip {
                AssignPublicIp::Enabled
            } else {
                AssignPublicIp::Disabled
            })
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let container = ContainerOverride::builder()
            .name(&place.container_name)
            .command("--shard")
            .command(shard_url)
            .build();
        let strategy = place
            .capacity_provider_strategy
            .iter()
            .map(|share| {
                CapacityProviderStrategyItem::builder()
                    .capacity_provider(&share.capacity_provider)
                    .weight(share.weight)
                    .base(share.base)
                    .build()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| refused(error.to_string()))?;
        let request = self
            .ecs()
            .run_task()
            .cluster(&place.cluster_arn)
            .task_definition(&place.task_definition_family)
            .started_by(started_by)
            .client_token(client_token)
            .network_configuration(
                NetworkConfiguration::builder()
                    .awsvpc_configuration(network)
                    .build(),
            )
            .overrides(
                TaskOverride::builder()
                    .container_overrides(container)
                    .build(),
            );
        start(operation, request, strategy, Some(LaunchType::Fargate)).await
    }

    async fn describe_tasks(
        &self,
        cluster_arn: &str,
        task_arns: &[String],
    ) -> Result<Vec<ObservedTask>, CallError> {
        let mut observed = Vec::new();
        for task_arns in task_arns.chunks(TASKS_ALLOWED) {
            let answer = self
                .ecs()
                .describe_tasks()
                .cluster(cluster_arn)
                .set_tasks(Some(task_arns.to_vec()))
                .send()
                .await
                .map_err(failed(format!("describe tasks of cluster {cluster_arn}")))?;
            observed.extend(answer.tasks().iter().filter_map(observed_task));
        }
        Ok(observed)
    }
}

/// Starts one task, which carries the tags of its task definition as schedules' tasks do, and gives its ARN.
pub(crate) async fn start(
    operation: String,
    request: RunTaskFluentBuilder,
    strategy: Vec<CapacityProviderStrategyItem>,
    launch_type: Option<LaunchType>,
) -> Result<String, CallError> {
    let request = request
        .count(1)
        .propagate_tags(PropagateTags::TaskDefinition)
        .enable_ecs_managed_tags(true);
    // ECS takes one of both, not both; with neither, the cluster's default decides.
    let request = if strategy.is_empty() {
        request.set_launch_type(launch_type)
    } else {
        request.set_capacity_provider_strategy(Some(strategy))
    };
    let answer = request.send().await.map_err(failed(&operation))?;
    // RunTask answers 200 even when it started nothing.
    if let Some(failure) = answer.failures().first() {
        return Err(not_started(operation, failure));
    }
    answer
        .tasks
        .unwrap_or_default()
        .into_iter()
        .find_map(|task| task.task_arn)
        .ok_or_else(|| unreadable(operation, "ECS named no task"))
}

/// What keeps a task from being started is mostly that there is no room for it now.
fn not_started(operation: String, failure: &Failure) -> CallError {
    CallError {
        operation,
        class: ErrorClass::Transient,
        code: failure.reason().map(str::to_owned),
        message: failure.detail().unwrap_or("no task was started").to_owned(),
    }
}

/// A task's containers, as its events name them.
pub(crate) fn containers_of(task: &Task) -> Vec<Container> {
    task.containers()
        .iter()
        .map(|container| Container {
            name: container.name().unwrap_or_default().to_owned(),
            exit_code: container.exit_code().map(i64::from),
            reason: container.reason().map(str::to_owned),
        })
        .collect()
}

fn observed_task(task: &Task) -> Option<ObservedTask> {
    let containers = containers_of(task);
    Some(ObservedTask {
        task_arn: task.task_arn()?.to_owned(),
        is_stopped: task.last_status() == Some("STOPPED"),
        stopped_reason: why_stopped(
            task.stop_code().map(|code| code.as_str()),
            task.stopped_reason(),
            &containers,
        ),
    })
}
