//! ECS: services, their deployments and their tasks.

use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, DesiredStatus, Service, Task};
use aws_smithy_types::DateTime as SdkDateTime;
use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::longshore::{ContainerFailure, TaskFailure};
use longshore_rollout::ports::{
    CallError, EcsDeployment, EcsService, RolloutState, ServiceDeployer, TaskDefinition,
    TaskRequest, TaskState,
};
use longshore_rollout::watch::is_death;
use serde_json::Value;

use crate::error::{failed, not_found, unreadable};
use crate::{AwsCloud, task_definitions};

/// DescribeTasks takes so many tasks at once.
const TASKS_ALLOWED: i32 = 100;

impl ServiceDeployer for AwsCloud {
    async fn describe_services(
        &self,
        _cluster: &str,
        _ecs_services: &[String],
    ) -> Result<Vec<(ServiceName, EcsService)>, CallError> {
        unimplemented!("DescribeServices of many")
    }

    async fn run_task(&self, _request: &TaskRequest) -> Result<String, CallError> {
        unimplemented!("RunTask")
    }

    async fn describe_task(
        &self,
        _cluster: &str,
        _task: &str,
    ) -> Result<Option<TaskState>, CallError> {
        unimplemented!("DescribeTasks")
    }

    async fn describe_service(&self, service: &ServiceName) -> Result<EcsService, CallError> {
        let operation = format!("describe {}", in_words(service));
        let answer = self
            .ecs()
            .describe_services()
            .cluster(&service.cluster)
            .services(&service.ecs_service)
            .send()
            .await
            .map_err(failed(&operation))?;
        match answer.services.unwrap_or_default().into_iter().next() {
            Some(found) if found.status() == Some("ACTIVE") => Ok(ecs_service(found)),
            Some(found) => Err(not_found(
                operation,
                format!("the service is {}", found.status().unwrap_or("gone")),
            )),
            None => Err(not_found(operation, "the cluster has no such service")),
        }
    }

    async fn describe_task_definition(&self, arn: &str) -> Result<TaskDefinition, CallError> {
        task_definitions::describe(self, arn).await
    }

    async fn register_task_definition(&self, request: &Value) -> Result<String, CallError> {
        task_definitions::register(self, request).await
    }

    async fn update_service(
        &self,
        service: &ServiceName,
        task_definition: &str,
    ) -> Result<String, CallError> {
        let operation = format!("update {}", in_words(service));
        let answer = self
            .ecs()
            .update_service()
            .cluster(&service.cluster)
            .service(&service.ecs_service)
            .task_definition(task_definition)
            .send()
            .await
            .map_err(failed(&operation))?;
        answer
            .service
            .map(ecs_service)
            .as_ref()
            .and_then(EcsService::primary)
            .map(|primary| primary.id.clone())
            .ok_or_else(|| unreadable(operation, "ECS named no primary deployment"))
    }

    async fn stopped_tasks(
        &self,
        service: &ServiceName,
        deployment_id: &str,
    ) -> Result<Vec<TaskFailure>, CallError> {
        let operation = format!("list stopped tasks of {}", in_words(service));
        let listed = self
            .ecs()
            .list_tasks()
            .cluster(&service.cluster)
            .service_name(&service.ecs_service)
            .desired_status(DesiredStatus::Stopped)
            .max_results(TASKS_ALLOWED)
            .send()
            .await
            .map_err(failed(&operation))?;
        if listed.task_arns().is_empty() {
            return Ok(Vec::new());
        }
        let described = self
            .ecs()
            .describe_tasks()
            .cluster(&service.cluster)
            .set_tasks(listed.task_arns)
            .send()
            .await
            .map_err(failed(format!(
                "describe stopped tasks of {}",
                in_words(service)
            )))?;
        Ok(described
            .tasks()
            .iter()
            .filter(|task| task.started_by() == Some(deployment_id))
            .map(task_failure)
            .filter(is_death)
            .collect())
    }
}

fn in_words(service: &ServiceName) -> String {
    format!(
        "ECS service {} of cluster {}",
        service.ecs_service, service.cluster
    )
}

fn ecs_service(service: Service) -> EcsService {
    EcsService {
        task_definition: service.task_definition.unwrap_or_default(),
        deployments: service
            .deployments
            .unwrap_or_default()
            .into_iter()
            .map(ecs_deployment)
            .collect(),
        messages: service
            .events
            .unwrap_or_default()
            .into_iter()
            .filter_map(|event| event.message)
            .collect(),
        desired_count: service.desired_count,
        running_count: service.running_count,
    }
}

fn ecs_deployment(deployment: Deployment) -> EcsDeployment {
    EcsDeployment {
        primary: deployment.status() == Some("PRIMARY"),
        rollout_state: match deployment.rollout_state {
            Some(DeploymentRolloutState::Completed) => RolloutState::Completed,
            Some(DeploymentRolloutState::Failed) => RolloutState::Failed,
            _ => RolloutState::InProgress,
        },
        id: deployment.id.unwrap_or_default(),
        task_definition: deployment.task_definition.unwrap_or_default(),
        rollout_state_reason: deployment.rollout_state_reason.unwrap_or_default(),
        created_at: deployment.created_at.as_ref().and_then(timestamp),
    }
}

fn task_failure(task: &Task) -> TaskFailure {
    TaskFailure {
        task: task.task_arn().unwrap_or_default().to_owned(),
        stop_code: task.stop_code().map(|code| code.as_str().to_owned()),
        stopped_reason: task.stopped_reason().map(str::to_owned),
        containers: task
            .containers()
            .iter()
            .filter(|container| {
                container.reason().is_some() || container.exit_code().is_some_and(|code| code != 0)
            })
            .map(|container| ContainerFailure {
                name: container.name().unwrap_or_default().to_owned(),
                exit_code: container.exit_code().map(i64::from),
                reason: container.reason().map(str::to_owned),
            })
            .collect(),
        stopped_at: task.stopped_at().and_then(timestamp),
    }
}

fn timestamp(time: &SdkDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}
