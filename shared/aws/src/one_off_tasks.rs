//! ECS: the one-off tasks of a deployment.

use aws_sdk_ecs::error::BuildError;
use aws_sdk_ecs::types::{
    ContainerOverride, EbsTagSpecification, KeyValuePair, PropagateTags, Service,
    ServiceManagedEbsVolumeConfiguration, Task, TaskManagedEbsVolumeConfiguration, TaskOverride,
    TaskVolumeConfiguration,
};
use longshore_events::ecs::has_ended_well;
use longshore_rollout::ports::{TaskRequest, TaskState};
use longshore_state::CallError;

use crate::AwsCloud;
use crate::ecs::task_failure;
use crate::error::{failed, unreadable};
use crate::tasks::{containers_of, start};

/// Starts a task where `service` runs its own: in the same subnets and security groups, on the same
/// capacity, with volumes of its own like those of its primary deployment.
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
        .set_command((!request.command.is_empty()).then(|| request.command.clone()))
        .set_environment(Some(environment))
        .build();
    let call = cloud
        .ecs()
        .run_task()
        .cluster(&request.service.cluster)
        .task_definition(&request.task_definition)
        .started_by(&request.started_by)
        .client_token(&request.client_token)
        .set_group(request.group.clone())
        .set_volume_configurations(volumes(&operation, &service)?)
        .set_network_configuration(service.network_configuration)
        .set_platform_version(service.platform_version)
        .set_placement_constraints(service.placement_constraints)
        .set_placement_strategy(service.placement_strategy)
        .overrides(
            TaskOverride::builder()
                .container_overrides(container)
                .set_cpu(request.cpu.map(|cpu| cpu.to_string()))
                .set_memory(request.memory.map(|memory| memory.to_string()))
                .build(),
        );
    let strategy = service.capacity_provider_strategy.unwrap_or_default();
    start(operation, call, strategy, service.launch_type).await
}

/// EBS volumes that a task definition leaves to whoever starts its tasks: the Amazon ECS API Reference,
/// TaskVolumeConfiguration. Without a termination policy, ECS deletes a task's volume with the task.
fn volumes(
    operation: &str,
    service: &Service,
) -> Result<Option<Vec<TaskVolumeConfiguration>>, CallError> {
    let primary = service
        .deployments()
        .iter()
        .find(|deployment| deployment.status() == Some("PRIMARY"));
    let volumes = primary
        .map(|primary| primary.volume_configurations())
        .unwrap_or_default()
        .iter()
        .map(|volume| {
            let ebs = volume.managed_ebs_volume().map(task_volume).transpose()?;
            TaskVolumeConfiguration::builder()
                .name(volume.name())
                .set_managed_ebs_volume(ebs)
                .build()
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(operation, error.to_string()))?;
    Ok((!volumes.is_empty()).then_some(volumes))
}

fn task_volume(
    volume: &ServiceManagedEbsVolumeConfiguration,
) -> Result<TaskManagedEbsVolumeConfiguration, BuildError> {
    let volume = volume.clone();
    TaskManagedEbsVolumeConfiguration::builder()
        .set_encrypted(volume.encrypted)
        .set_kms_key_id(volume.kms_key_id)
        .set_volume_type(volume.volume_type)
        .set_size_in_gib(volume.size_in_gib)
        .set_snapshot_id(volume.snapshot_id)
        .set_volume_initialization_rate(volume.volume_initialization_rate)
        .set_iops(volume.iops)
        .set_throughput(volume.throughput)
        .set_tag_specifications(volume.tag_specifications.map(of_task_definition))
        .role_arn(volume.role_arn)
        .set_filesystem_type(volume.filesystem_type)
        .build()
}

/// Tags of volumes: what a service takes from itself, a task takes from its task definition. ECS refuses a task that
/// names the service: the Amazon ECS API Reference, EBSTagSpecification.
fn of_task_definition(specifications: Vec<EbsTagSpecification>) -> Vec<EbsTagSpecification> {
    let propagated = |mut specification: EbsTagSpecification| {
        if specification.propagate_tags == Some(PropagateTags::Service) {
            specification.propagate_tags = Some(PropagateTags::TaskDefinition);
        }
        specification
    };
    specifications.into_iter().map(propagated).collect()
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
