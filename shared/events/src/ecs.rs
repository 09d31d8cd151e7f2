//! `ECS Deployment State Change` and `ECS Task State Change`, source `aws.ecs`.
//!
//! Shapes: the Amazon ECS Developer Guide, "Amazon ECS service deployment state change events" and
//! "Amazon ECS task state change events". Delivered at least once and in any order. `ECS Service
//! Action` repeats some of it and is not read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The detail-type of [`DeploymentStateChange`].
pub const DEPLOYMENT_STATE_CHANGE: &str = "ECS Deployment State Change";

/// The detail-type of [`TaskStateChange`].
pub const TASK_STATE_CHANGE: &str = "ECS Task State Change";

/// What `startedBy` of a task that works on a shard of a bottle sync begins with; the stack's name and
/// the shard's number follow, as in `longshore-sync/homebrew-bottles-sync-prod/1`.
pub const SYNC_TASKS: &str = "longshore-sync/";

/// What `startedBy` of a deployment's one-off task begins with; the stack's name and the service's follow, as
/// in `longshore-deploy/shop-prod/api`.
pub const DEPLOY_TASKS: &str = "longshore-deploy/";

/// The detail of an `ECS Deployment State Change` event. The service is the event's first resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStateChange {
    /// What happened to the deployment.
    pub event_name: DeploymentEventName,
    /// `ecs-svc/...`. A rollback has an id of its own.
    pub deployment_id: String,
    /// When.
    pub updated_at: DateTime<Utc>,
    /// In words; the only place where a rollback's beginning can be told from any other.
    #[serde(default)]
    pub reason: String,
}

/// What happened to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentEventName {
    /// It began.
    #[serde(rename = "SERVICE_DEPLOYMENT_IN_PROGRESS")]
    InProgress,
    /// The service is stable on it.
    #[serde(rename = "SERVICE_DEPLOYMENT_COMPLETED")]
    Completed,
    /// The circuit breaker or an alarm stopped it. Without either, ECS never says so.
    #[serde(rename = "SERVICE_DEPLOYMENT_FAILED")]
    Failed,
    /// A name that AWS added later.
    #[serde(other)]
    Unknown,
}

/// The detail of an `ECS Task State Change` event: what Longshore reads of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStateChange {
    /// The task.
    pub task_arn: String,
    /// Its cluster.
    pub cluster_arn: String,
    /// Its task definition, with the revision.
    pub task_definition_arn: String,
    /// `service:<name>` for a service's task, `family:<name>` for others.
    #[serde(default)]
    pub group: String,
    /// The deployment (`ecs-svc/...`) that started it, for a service's task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// `PROVISIONING` to `STOPPED`.
    pub last_status: String,
    /// Why it stopped, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_code: Option<String>,
    /// Why it stopped, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_reason: Option<String>,
    /// When it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<DateTime<Utc>>,
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<Container>,
    /// Grows with each change of the task; duplicates of an event share it.
    #[serde(default)]
    pub version: u64,
}

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name in the task definition.
    pub name: String,
    /// What its process exited with, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Why it stopped or never started, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl TaskStateChange {
    /// The name of the service that the task belongs to, if it belongs to one.
    pub fn ecs_service(&self) -> Option<&str> {
        self.group.strip_prefix("service:")
    }
    /// The stack and the number of the shard that the task works on, if it works on one of a bottle sync.
    pub fn sync_shard(&self) -> Option<(&str, u32)> {
        let (stack, shard) = self
            .started_by
            .as_deref()?
            .strip_prefix(SYNC_TASKS)?
            .rsplit_once('/')?;
        Some((stack, shard.parse().ok()?)).filter(|(stack, _)| !stack.is_empty())
    }
}

/// Why a task stopped, in ECS's words, with what its containers exited with; `None` where ECS says
/// nothing.
pub fn why_stopped(
    stop_code: Option<&str>,
    stopped_reason: Option<&str>,
    containers: &[Container],
) -> Option<String> {
    let mut parts: Vec<String> = [stop_code, stopped_reason]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    for container in containers {
        let exited = container
            .exit_code
            .filter(|code| *code != 0)
            .map(|code| format!("container {} exited with {code}", container.name));
        parts.extend(exited);
        parts.extend(container.reason.clone());
    }
    Some(parts.join(": ")).filter(|words| !words.is_empty())
}
