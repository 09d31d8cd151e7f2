//! What became of a service's deployments: the history, and what the tasks wrote that died.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
pub use longshore_events::longshore::{ContainerLog, LogStream};
use longshore_events::longshore::{FailedService, Source, TaskFailure};
use longshore_policy::route::ServiceId;
use longshore_state::CallError;
use serde::Serialize;
use serde_json::Value;

use crate::documents::{HistoryStore, RecordStore, ScheduleRecordStore, StackRecordStore};
use crate::ports::{Cloud, TaskDefinition, TaskLogs};
use crate::record::{Deployment, Record};
use crate::schedule_record::ScheduleRecord;
use crate::stack_record::{Operation, StackRecord};

/// How many deployments are read side by side.
const SIDE_BY_SIDE: usize = 16;

/// The last `limit` deployments of a service, newest first, the one that is open included. Empty for a service
/// that nothing was deployed to.
///
/// # Errors
/// [`CallError`].
pub async fn history<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    limit: usize,
) -> Result<Vec<Deployment>, CallError> {
    let stored = cloud.load(service_id).await?;
    let past = Past::of(cloud, service_id, stored.as_ref().map(|(record, _)| record)).await?;
    let wanted: Vec<u32> = past.numbers().take(limit).collect();
    let mut deployments = Vec::new();
    for numbers in wanted.chunks(SIDE_BY_SIDE) {
        deployments.extend(past.deployments(numbers).await?);
    }
    Ok(deployments)
}

/// What is written of a service's deployments: those of the record, and those of the history.
pub(crate) struct Past<'a, C> {
    cloud: &'a C,
    service_id: &'a ServiceId,
    /// By number; `None` for one that is in the history only.
    deployments: BTreeMap<u32, Option<Deployment>>,
}

impl<'a, C: Cloud> Past<'a, C> {
    pub(crate) async fn of(
        cloud: &'a C,
        service_id: &'a ServiceId,
        record: Option<&Record>,
    ) -> Result<Self, CallError> {
        let archived = cloud.archived(service_id).await?;
        let mut deployments: BTreeMap<u32, Option<Deployment>> =
            archived.into_iter().map(|number| (number, None)).collect();
        let written = record
            .into_iter()
            .flat_map(|record| record.finished.iter().chain([&record.deployment]));
        for deployment in written {
            deployments.insert(deployment.number, Some(deployment.clone()));
        }
        Ok(Self {
            cloud,
            service_id,
            deployments,
        })
    }

    /// The numbers of all deployments, the newest first.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.deployments.keys().rev().copied()
    }

    /// The deployments of these numbers, in this order.
    pub(crate) async fn deployments(&self, numbers: &[u32]) -> Result<Vec<Deployment>, CallError> {
        let deployments = numbers.iter().map(|number| async move {
            match self.deployments.get(number) {
                Some(Some(deployment)) => Ok(Some(deployment.clone())),
                _ => {
                    self.cloud
                        .archived_deployment(self.service_id, *number)
                        .await
                }
            }
        });
        let deployments: Vec<Option<Deployment>> = try_join_all(deployments).await?;
        Ok(deployments.into_iter().flatten().collect())
    }
}

/// What the tasks of a service wrote that died last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ServiceLogs {
    /// They died of a deployment.
    Deployment(Box<DeploymentLogs>),
    /// They died of a change of the service's stack, such as its first start.
    Change(Box<ChangeLogs>),
}

/// What the tasks wrote that died of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentLogs {
    pub deployment: Deployment,
    /// What each container of each task wrote that can be read.
    pub logs: Vec<ContainerLog>,
}

/// What the tasks of a service wrote that died of a change of its stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeLogs {
    pub stack: String,
    /// The change, as far as it is known how it ended.
    pub change: FailedChange,
    /// What each container of each task wrote that can be read: where the log is gone, what was kept of it.
    pub logs: Vec<ContainerLog>,
}

/// A change of a stack of which tasks of a service died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedChange {
    /// Its id.
    pub operation_id: String,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it had failed; `None` while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// The tasks that died.
    #[serde(flatten)]
    pub failed: FailedService,
}

impl FailedChange {
    /// The last change of a stack, if tasks of the service died of it and it has not succeeded.
    pub fn of(operation: &Operation, service: &str) -> Option<Self> {
        Some(Self {
            operation_id: operation.id.clone(),
            requested_at: operation.requested_at,
            finished_at: operation.finished_at,
            failed: operation.failed_service(service)?.clone(),
        })
    }

    /// Whether it came after `deployment`. What follows from it, such as the image that is restored, is a part of it.
    pub fn is_after(&self, deployment: &Deployment) -> bool {
        deployment.claimed_at < self.requested_at
            || matches!(&deployment.source, Source::Stack { operation_id, .. } if *operation_id == self.operation_id)
    }
}

/// The last `lines` lines of each container of the tasks that died of the deployment `number`, or of the newest
/// one that failed or is about to, or of the stack's last change where that is newer. `None` when there is no such
/// deployment.
///
/// # Errors
/// [`CallError`].
pub async fn logs<C: Cloud + TaskLogs>(
    cloud: &C,
    service_id: &ServiceId,
    number: Option<u32>,
    lines: u32,
) -> Result<Option<ServiceLogs>, CallError> {
    let stored = cloud.load(service_id).await?;
    let past = Past::of(cloud, service_id, stored.as_ref().map(|(record, _)| record)).await?;
    let deployment = deployment_of(&past, number).await?;
    if number.is_none()
        && let Some((StackRecord { operation, .. }, _)) =
            cloud.load_stack(&service_id.stack).await?
        && let Some(change) = FailedChange::of(&operation, &service_id.service)
        && deployment.as_ref().is_none_or(|deployment| {
            // Of what follows from the change, only what failed by itself is newer.
            deployment.claimed_at < change.requested_at
        })
    {
        let stack = service_id.stack.clone();
        return change_logs(cloud, stack, change, lines)
            .await
            .map(|logs| Some(ServiceLogs::Change(Box::new(logs))));
    }
    let Some(deployment) = deployment else {
        return Ok(None);
    };
    let logs = match &deployment.task_definition {
        Some(task_definition) if !deployment.failures.is_empty() => {
            container_logs(cloud, task_definition, &deployment.failures, lines).await?
        }
        _ => Vec::new(),
    };
    let found = DeploymentLogs { deployment, logs };
    Ok(Some(ServiceLogs::Deployment(Box::new(found))))
}

/// The log group may have gone with the stack, and the task definition, too.
async fn change_logs<C: Cloud + TaskLogs>(
    cloud: &C,
    stack: String,
    change: FailedChange,
    lines: u32,
) -> Result<ChangeLogs, CallError> {
    let FailedService {
        task_definition,
        failures,
        logs: kept,
        ..
    } = &change.failed;
    let mut logs = match cloud.find_task_definition(task_definition).await? {
        Some(task_definition) => logs_of(cloud, &task_definition, failures, lines).await?,
        None => Vec::new(),
    };
    for kept in kept {
        match logs.iter_mut().find(|log| log.stream == kept.stream) {
            Some(log) if log.lines.is_some() => {}
            Some(log) => log.clone_from(kept),
            None => logs.push(kept.clone()),
        }
    }
    Ok(ChangeLogs {
        stack,
        change,
        logs,
    })
}

/// What the last task of a schedule wrote that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduleLogs {
    /// How the tasks of the schedule ended.
    pub record: ScheduleRecord,
    /// What each container of the task wrote that can be read.
    pub logs: Vec<ContainerLog>,
}

/// The last `lines` lines of each container of the last task of a schedule that failed; `None` when none has.
///
/// # Errors
/// [`CallError`].
pub async fn schedule_logs<C: Cloud + TaskLogs>(
    cloud: &C,
    service_id: &ServiceId,
    schedule: &str,
    lines: u32,
) -> Result<Option<ScheduleLogs>, CallError> {
    let record = cloud.load_schedule(service_id, schedule).await?;
    let record = record.map(|(record, _)| record);
    // It may be there for a task that runs.
    let Some(record) = record.filter(ScheduleRecord::has_failed) else {
        return Ok(None);
    };
    let logs = if record.failure.task.is_empty() {
        Vec::new()
    } else {
        let failures = std::slice::from_ref(&record.failure);
        container_logs(cloud, &record.task_definition, failures, lines).await?
    };
    Ok(Some(ScheduleLogs { record, logs }))
}

/// The last `lines` lines of each container of one task, whether it has ended or not.
///
/// # Errors
/// [`CallError`].
pub async fn task_logs<C: Cloud + TaskLogs>(
    cloud: &C,
    task_definition: &str,
    task: &str,
    lines: u32,
) -> Result<Vec<ContainerLog>, CallError> {
    let of_all = TaskFailure {
        task: task.to_owned(),
        stop_code: None,
        stopped_reason: None,
        containers: Vec::new(),
        stopped_at: None,
    };
    container_logs(cloud, task_definition, &[of_all], lines).await
}

/// The last `lines` lines of the containers that a task of this definition died of.
///
/// # Errors
/// [`CallError`].
pub async fn failure_logs<C: Cloud + TaskLogs>(
    cloud: &C,
    task_definition: &str,
    failure: &TaskFailure,
    lines: u32,
) -> Result<Vec<ContainerLog>, CallError> {
    container_logs(cloud, task_definition, std::slice::from_ref(failure), lines).await
}

/// The last `lines` lines of each container of these tasks of one definition, which is there.
async fn container_logs<C: Cloud + TaskLogs>(
    cloud: &C,
    task_definition: &str,
    failures: &[TaskFailure],
    lines: u32,
) -> Result<Vec<ContainerLog>, CallError> {
    let task_definition = cloud.describe_task_definition(task_definition).await?;
    logs_of(cloud, &task_definition, failures, lines).await
}

async fn logs_of<C: TaskLogs>(
    cloud: &C,
    task_definition: &TaskDefinition,
    failures: &[TaskFailure],
    lines: u32,
) -> Result<Vec<ContainerLog>, CallError> {
    let streams = failures
        .iter()
        .flat_map(|failure| log_streams(task_definition, failure));
    try_join_all(streams.map(|stream| async move {
        let lines = cloud
            .log_lines(&stream.log_group, &stream.log_stream, lines)
            .await?;
        Ok(ContainerLog { stream, lines })
    }))
    .await
}

async fn deployment_of<C: Cloud>(
    past: &Past<'_, C>,
    number: Option<u32>,
) -> Result<Option<Deployment>, CallError> {
    if let Some(number) = number {
        return Ok(past.deployments(&[number]).await?.pop());
    }
    let numbers: Vec<u32> = past.numbers().collect();
    for numbers in numbers.chunks(SIDE_BY_SIDE) {
        let failed = past.deployments(numbers).await?.into_iter().find(|past| {
            // Tasks of one that is under way may die again and again before ECS gives it up.
            past.state.has_failed() || past.state.is_open() && !past.failures.is_empty()
        });
        if failed.is_some() {
            return Ok(failed);
        }
    }
    Ok(None)
}

/// Where the containers of a task wrote that died: those that ECS says something of, or else all. Only containers
/// with the log driver `awslogs` and a prefix have a stream whose name is known: `<prefix>/<container>/<task id>`
/// (the Amazon ECS Developer Guide, "Send Amazon ECS logs to CloudWatch").
pub fn log_streams(task_definition: &TaskDefinition, failure: &TaskFailure) -> Vec<LogStream> {
    let task_id = failure.task.rsplit('/').next().unwrap_or_default();
    let definitions = task_definition
        .document
        .get("containerDefinitions")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let streams = definitions.iter().filter_map(|definition| {
        let container = definition.get("name")?.as_str()?;
        let configuration = definition.get("logConfiguration")?;
        let option = |name: &str| configuration.pointer(&format!("/options/{name}"))?.as_str();
        if configuration.get("logDriver")?.as_str()? != "awslogs" {
            return None;
        }
        Some(LogStream {
            task: failure.task.clone(),
            container: container.to_owned(),
            log_group: option("awslogs-group")?.to_owned(),
            log_stream: format!("{}/{container}/{task_id}", option("awslogs-stream-prefix")?),
        })
    });
    let is_published = |container: &str| {
        failure
            .containers
            .iter()
            .any(|published| published.name == container)
    };
    let streams: Vec<LogStream> = streams.collect();
    if streams.iter().any(|stream| is_published(&stream.container)) {
        streams
            .into_iter()
            .filter(|stream| is_published(&stream.container))
            .collect()
    } else {
        streams
    }
}
