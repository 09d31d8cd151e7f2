//! `ECS Deployment State Change` and `ECS Task State Change`, source `aws.ecs`.
//!
//! Shapes: the Amazon ECS Developer Guide, "Amazon ECS service deployment state change events" and
//! "Amazon ECS task state change events". Delivered at least once and in any order. `ECS Service
//! Action` repeats some of it and is not read.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::longshore::{ContainerFailure, TaskFailure};

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

/// What `startedBy` of a task that was run by hand begins with; the stack's name and the service's follow, as in
/// `longshore-run/shop-prod/api`.
pub const RUN_TASKS: &str = "longshore-run/";

/// What the group of a task that a schedule of a stack file started begins with; the stack's name, the service's and
/// the schedule's follow, as in `longshore-schedule:shop-prod:api:nightly`. EventBridge Scheduler chooses `startedBy`
/// itself and cuts it at 36 characters, but takes a group: the EventBridge Scheduler API Reference, EcsParameters. ECS
/// asks of a group's name only that it has at most 255 characters: the Amazon ECS Developer Guide, "Group related
/// Amazon ECS tasks".
pub const SCHEDULED_TASKS: &str = "longshore-schedule:";

/// The group of the tasks that a schedule of a stack file starts.
pub fn group_of_scheduled(stack: &str, service: &str, schedule: &str) -> String {
    format!("{SCHEDULED_TASKS}{stack}:{service}:{schedule}")
}

/// The stack, the service and the name of the schedule of a stack file that starts tasks in this group; `None` for
/// other groups. The opposite of [`group_of_scheduled`].
pub fn schedule_of(group: &str) -> Option<(&str, &str, &str)> {
    let mut names = group.strip_prefix(SCHEDULED_TASKS)?.split(':');
    let (stack, service, schedule) = (names.next()?, names.next()?, names.next()?);
    // They become parts of a key.
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
    };
    let are_names = [stack, service, schedule].into_iter().all(is_name);
    (names.next().is_none() && are_names).then_some((stack, service, schedule))
}

/// What `startedBy` of a scheduled task that is started again begins with; the stack's name and the service's follow, as
/// in `longshore-retry/shop-prod/api`.
pub const RETRY_TASKS: &str = "longshore-retry/";

/// The environment variable in which a scheduled task has its [`RunLimits`]. The events of a task say with which variables
/// it was started, and nothing else of whoever started it but its group.
pub const RUN_LIMITS: &str = "LONGSHORE_RUN";

/// What Longshore does about a scheduled task that was started. In JSON, such as
/// `{"service":"shop-api","timeout":3600,"retries":2,"attempt":1}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// The ECS service whose network and capacity the task has when it is started again.
    pub service: String,
    /// For how many seconds it may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// How often it is started again when it fails.
    #[serde(default)]
    pub retries: u32,
    /// Which attempt it is, from 1.
    pub attempt: u32,
}

impl fmt::Display for RunLimits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&json!(self).to_string())
    }
}

/// The most characters of a task's `startedBy`: the Amazon ECS API Reference, RunTask.
pub const LONGEST_STARTED_BY: usize = 128;

/// The most characters of a task's overrides, "including the JSON formatting characters of the override
/// structure": the Amazon ECS API Reference, RunTask.
pub const LONGEST_OVERRIDES: usize = 8192;

/// `startedBy` of the one-off tasks of a service's deployments.
pub fn started_by_deploy(stack: &str, service: &str) -> String {
    format!("{DEPLOY_TASKS}{stack}/{service}")
}

/// `startedBy` of the tasks of a service that were run by hand.
pub fn started_by_run(stack: &str, service: &str) -> String {
    format!("{RUN_TASKS}{stack}/{service}")
}

/// `startedBy` of the tasks of a service's schedules that were started again.
pub fn started_by_retry(stack: &str, service: &str) -> String {
    format!("{RETRY_TASKS}{stack}/{service}")
}

/// How many characters the overrides have that give a container this command and these variables besides its
/// own.
pub fn length_of_overrides(
    container: &str,
    command: &[String],
    environment: &BTreeMap<String, String>,
) -> usize {
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let container = json!({"name": container, "command": command, "environment": environment});
    json!({"containerOverrides": [container]})
        .to_string()
        .chars()
        .count()
}

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
    /// In words; the only place where a rollback's beginning can be distinguished from any other.
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
    pub task_arn: String,
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
    /// When it began to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub containers: Vec<Container>,
    /// What the one who started it changed of its task definition.
    #[serde(default)]
    pub overrides: TaskOverrides,
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

/// What the one who started a task changed of its task definition: what Longshore reads of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskOverrides {
    /// By container; unchanged containers may be there as well.
    pub container_overrides: Vec<ContainerOverride>,
    /// CPU units of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// MiB of memory of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

/// What was changed of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerOverride {
    /// Its name in the task definition.
    pub name: String,
    /// Takes the place of its command; empty where it keeps that.
    pub command: Vec<String>,
    /// Variables besides its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
}

/// An environment variable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

impl TaskStateChange {
    /// The name of the service that the task belongs to, if it belongs to one.
    pub fn ecs_service(&self) -> Option<&str> {
        self.group.strip_prefix("service:")
    }

    /// The stack and the service of the deployment that the task was started for, if it is a one-off task.
    pub fn deploy_task(&self) -> Option<(&str, &str)> {
        self.started_by
            .as_deref()?
            .strip_prefix(DEPLOY_TASKS)?
            .split_once('/')
            .filter(|(stack, service)| {
                !stack.is_empty() && !service.is_empty() && !service.contains('/')
            })
    }

    /// The stack, the service and the name of the schedule that started the task, if a stack file's schedule did.
    pub fn scheduled_task(&self) -> Option<(&str, &str, &str)> {
        schedule_of(&self.group)
    }

    /// What Longshore does about the task, and the container that has it in its environment; `None` for tasks without
    /// limits.
    pub fn run_limits(&self) -> Option<(&ContainerOverride, RunLimits)> {
        let mut containers = self.overrides.container_overrides.iter();
        containers.find_map(|container| {
            let mut variables = container.environment.iter();
            let limits = variables.find(|variable| variable.name == RUN_LIMITS)?;
            Some((container, serde_json::from_str(&limits.value).ok()?))
        })
    }

    /// The containers that whoever started the task gave a command.
    pub fn commanded(&self) -> Vec<&str> {
        self.overrides
            .container_overrides
            .iter()
            .filter(|container| !container.command.is_empty())
            .map(|container| container.name.as_str())
            .collect()
    }

    /// Why a one-off task that has stopped has failed; `None` when it has not: see [`has_ended_well`].
    pub fn one_off_failure(&self) -> Option<TaskFailure> {
        self.failure_of(&self.commanded())
    }

    /// The same of a task whose work is that of these containers.
    pub fn failure_of(&self, deciding: &[&str]) -> Option<TaskFailure> {
        (!has_ended_well(self.stop_code.as_deref(), &self.containers, deciding))
            .then(|| self.failure())
    }

    /// How the task ended: as ECS says, with the containers that say something of it.
    pub fn failure(&self) -> TaskFailure {
        TaskFailure {
            task: self.task_arn.clone(),
            stop_code: self.stop_code.clone(),
            stopped_reason: self.stopped_reason.clone(),
            containers: self
                .containers
                .iter()
                .filter(|container| {
                    container.reason.is_some() || container.exit_code.is_some_and(|code| code != 0)
                })
                .map(|container| ContainerFailure {
                    name: container.name.clone(),
                    exit_code: container.exit_code,
                    reason: container.reason.clone(),
                })
                .collect(),
            stopped_at: self.stopped_at,
        }
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

/// Whether a one-off task that has stopped did what it was started for: it ended by itself, and the
/// containers that were given a command, `commanded`, exited with 0; without any, all of its containers.
///
/// Of other containers nothing is asked: ECS kills them when an essential one has ended. Exiting with 0 after
/// somebody, ECS or Fargate Spot has stopped the task is not the end of the work. Stop codes: the Amazon ECS
/// API Reference, "Task".
pub fn has_ended_well(
    stop_code: Option<&str>,
    containers: &[Container],
    commanded: &[&str],
) -> bool {
    let mut deciding = containers
        .iter()
        .filter(|container| commanded.is_empty() || commanded.contains(&container.name.as_str()))
        .peekable();
    stop_code.is_none_or(|code| code == "EssentialContainerExited")
        && deciding.peek().is_some()
        && deciding.all(|container| container.exit_code == Some(0))
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
