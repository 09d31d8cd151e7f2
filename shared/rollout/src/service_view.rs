//! What somebody sees who looks on at a rollout: the service's tasks, and what ECS says of it.

use std::future::Future;

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_state::CallError;

/// A task of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTask {
    pub arn: String,
    /// The ARN of its task definition.
    pub task_definition: String,
    /// ECS's word for how far it is: `PENDING`, `RUNNING`, `STOPPED`.
    pub status: String,
    /// `HEALTHY` or `UNHEALTHY`; `None` while no health check of its containers has answered, or there is none.
    pub health: Option<String>,
    /// Since when its status is this.
    pub since: Option<DateTime<Utc>>,
}

impl ServiceTask {
    /// Whether it does its work, as far as ECS says.
    pub fn works(&self) -> bool {
        self.status == "RUNNING" && self.health.as_deref() != Some("UNHEALTHY")
    }
}

/// What ECS said of a service: one of its event messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceMessage {
    /// ECS's id of it, which no other message has.
    pub id: String,
    pub at: DateTime<Utc>,
    pub text: String,
}

/// A service as somebody sees it who looks on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceView {
    /// How ECS replaces its tasks: `ROLLING`, `BLUE_GREEN`, `LINEAR`, `CANARY`; `None` where ECS does not say.
    pub strategy: Option<String>,
    /// How many tasks it should run.
    pub desired_count: i32,
    /// Its last messages, the oldest first.
    pub messages: Vec<ServiceMessage>,
    /// Its tasks that have not stopped, and those of the deployment that is looked at that stopped lately: 100 of each at
    /// most.
    pub tasks: Vec<ServiceTask>,
}

/// What shows services to somebody who looks on.
pub trait ServiceViews {
    /// A service with its tasks; `ecs_deployment_id` is the deployment whose stopped tasks are meant, too.
    /// [`longshore_state::ErrorClass::NotFound`] when there is no such service that is active.
    fn view_service(
        &self,
        service: &ServiceName,
        ecs_deployment_id: Option<&str>,
    ) -> impl Future<Output = Result<ServiceView, CallError>>;
}
