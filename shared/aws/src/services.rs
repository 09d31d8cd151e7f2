//! ECS: services, their deployments and their tasks.

use aws_sdk_ecs::config::Builder;
use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, DesiredStatus, Service, Task};
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::arn::ServiceName;
use longshore_events::longshore::TaskFailure;
use longshore_rollout::course::watch::is_death;
use longshore_rollout::ports::{
    EcsDeployment, EcsService, RolloutState, ServiceDeployer, ServiceDeployment, TaskDefinition,
    TaskRequest, TaskState,
};
use longshore_state::CallError;
use serde_json::Value;

use crate::ecs::{in_words, task_failure, timestamp};
use crate::error::{failed, not_found, unreadable};
use crate::{AwsCloud, one_off_tasks, one_slow_attempt, service_deployments, task_definitions};

/// DescribeTasks takes this many tasks at once.
const TASKS_ALLOWED: i32 = 100;

/// DescribeServices takes this many services at once.
const SERVICES_ALLOWED: usize = 10;

/// This many calls of DescribeServices are under way at once. ECS allows 20 reads of services a second, 100 for
/// a moment: the Amazon ECS API Reference, "Request throttling for the Amazon ECS API".
const PAGES_AT_ONCE: usize = 2;

impl ServiceDeployer for AwsCloud {
    async fn describe_services(
        &self,
        cluster: &str,
        ecs_services: &[String],
    ) -> Result<Vec<(ServiceName, EcsService)>, CallError> {
        let pages = stream::iter(ecs_services.chunks(SERVICES_ALLOWED))
            .map(|names| self.active_services(cluster, names))
            .buffered(PAGES_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(pages.into_iter().flatten().collect())
    }

    async fn run_task(&self, request: &TaskRequest) -> Result<String, CallError> {
        let service = self.active_service(&request.service).await?;
        one_off_tasks::run(self, request, service).await
    }

    async fn describe_task(
        &self,
        cluster: &str,
        task: &str,
    ) -> Result<Option<TaskState>, CallError> {
        one_off_tasks::describe(self, cluster, task).await
    }

    async fn stop_task(&self, cluster: &str, task: &str, reason: &str) -> Result<(), CallError> {
        let call = self.ecs().stop_task().cluster(cluster).task(task);
        let answer = call.reason(reason).send().await;
        match answer.map_err(failed(format!("stop task {task}"))) {
            // "The referenced task was not found.": it stopped long ago.
            Err(error) if error.message.contains("task was not found") => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn describe_service(&self, service: &ServiceName) -> Result<EcsService, CallError> {
        self.active_service(service).await.map(ecs_service)
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
        desired_count: Option<u32>,
    ) -> Result<String, CallError> {
        let operation = format!("update {}", in_words(service));
        let answer = self
            .ecs()
            .update_service()
            .cluster(&service.cluster)
            .service(&service.ecs_service)
            .task_definition(task_definition)
            .set_desired_count(desired_count.and_then(|count| i32::try_from(count).ok()))
            .customize()
            // A second request would undo what came between: a newer deployment, or ECS's rollback.
            .config_override(Builder::new().timeout_config(one_slow_attempt()))
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

    async fn service_deployment(
        &self,
        service: &ServiceName,
        task_definition: &str,
        since: DateTime<Utc>,
        known: Option<&str>,
    ) -> Result<Option<ServiceDeployment>, CallError> {
        if let Some(arn) = known
            && let Some(found) = service_deployments::of_arn(self, service, arn).await?
        {
            return Ok(Some(found));
        }
        service_deployments::newest(self, service, task_definition, since).await
    }

    async fn stopped_tasks(
        &self,
        service: &ServiceName,
        deployment_id: &str,
    ) -> Result<Vec<TaskFailure>, CallError> {
        let stopped = self.tasks_of(service, DesiredStatus::Stopped).await?;
        Ok(stopped
            .iter()
            .filter(|task| task.started_by() == Some(deployment_id))
            .map(task_failure)
            .filter(is_death)
            .collect())
    }
}

impl AwsCloud {
    /// The tasks of a service that are to run, or that have stopped within the last hour: 100 at most, as DescribeTasks
    /// takes.
    pub(crate) async fn tasks_of(
        &self,
        service: &ServiceName,
        status: DesiredStatus,
    ) -> Result<Vec<Task>, CallError> {
        let kind = status.as_str().to_lowercase();
        let operation = format!("list {kind} tasks of {}", in_words(service));
        let listed = self
            .ecs()
            .list_tasks()
            .cluster(&service.cluster)
            .service_name(&service.ecs_service)
            .desired_status(status)
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
            .map_err(failed(&operation))?;
        Ok(described.tasks.unwrap_or_default())
    }

    pub(crate) async fn active_service(&self, service: &ServiceName) -> Result<Service, CallError> {
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
            Some(found) if found.status() == Some("ACTIVE") => Ok(found),
            Some(found) => Err(not_found(
                operation,
                format!("the service is {}", found.status().unwrap_or("gone")),
            )),
            None => Err(not_found(
                operation,
                "the cluster does not have this service",
            )),
        }
    }

    async fn active_services(
        &self,
        cluster: &str,
        names: &[String],
    ) -> Result<Vec<(ServiceName, EcsService)>, CallError> {
        let answer = self
            .ecs()
            .describe_services()
            .cluster(cluster)
            .set_services(Some(names.to_vec()))
            .send()
            .await
            .map_err(failed(format!(
                "describe {} ECS services of cluster {cluster}",
                names.len()
            )));
        let described = match answer {
            Ok(answer) => answer.services.unwrap_or_default(),
            // Where there is no cluster, there is no service.
            Err(error) if error.code.as_deref() == Some("ClusterNotFoundException") => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(described
            .into_iter()
            .filter(|service| service.status() == Some("ACTIVE"))
            .filter_map(|service| {
                let name = ServiceName {
                    cluster: cluster.to_owned(),
                    ecs_service: service.service_name.clone()?,
                };
                Some((name, ecs_service(service)))
            })
            .collect())
    }
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
