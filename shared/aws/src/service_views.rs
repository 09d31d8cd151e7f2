//! Services as somebody sees them who looks on at a rollout.

use aws_sdk_ecs::types::{DesiredStatus, HealthStatus, Service, Task};
use longshore_events::arn::ServiceName;
use longshore_rollout::service_view::{ServiceMessage, ServiceTask, ServiceView, ServiceViews};
use longshore_state::CallError;

use crate::AwsCloud;
use crate::ecs::timestamp;

impl ServiceViews for AwsCloud {
    async fn view_service(
        &self,
        service: &ServiceName,
        ecs_deployment_id: Option<&str>,
    ) -> Result<ServiceView, CallError> {
        let shown = self.active_service(service).await?;
        let mut tasks = Vec::new();
        for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
            tasks.extend(self.tasks_of(service, status).await?);
        }
        let is_seen = |task: &&Task| {
            task.last_status() != Some("STOPPED")
                || ecs_deployment_id.is_some_and(|id| task.started_by() == Some(id))
        };
        Ok(ServiceView {
            tasks: tasks.iter().filter(is_seen).map(service_task).collect(),
            ..view_of(&shown)
        })
    }
}

fn view_of(service: &Service) -> ServiceView {
    let configuration = service.deployment_configuration();
    let strategy = configuration.and_then(|configuration| configuration.strategy());
    let messages = service.events().iter().filter_map(|event| {
        Some(ServiceMessage {
            id: event.id()?.to_owned(),
            at: timestamp(event.created_at()?)?,
            text: event.message()?.to_owned(),
        })
    });
    let mut messages: Vec<ServiceMessage> = messages.collect();
    // ECS gives the newest first.
    messages.reverse();
    ServiceView {
        strategy: strategy.map(|strategy| strategy.as_str().to_owned()),
        desired_count: service.desired_count(),
        messages,
        tasks: Vec::new(),
    }
}

fn service_task(task: &Task) -> ServiceTask {
    let status = task.last_status().unwrap_or_default();
    // The stages of a task: the Amazon ECS Developer Guide, "Amazon ECS task lifecycle".
    let since = match status {
        "RUNNING" => task.started_at(),
        "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" => task.stopping_at(),
        "STOPPED" => task.stopped_at(),
        _ => task.created_at(),
    };
    let health = task.health_status();
    ServiceTask {
        arn: task.task_arn().unwrap_or_default().to_owned(),
        task_definition: task.task_definition_arn().unwrap_or_default().to_owned(),
        status: status.to_owned(),
        health: health
            // The third is UNKNOWN: no check has answered, or there is none.
            .filter(|health| matches!(health, HealthStatus::Healthy | HealthStatus::Unhealthy))
            .map(|health| health.as_str().to_owned()),
        since: since.and_then(timestamp),
    }
}
