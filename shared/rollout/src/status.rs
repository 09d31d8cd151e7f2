//! What a person asks first: what was deployed last, and what runs now.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::arn::ServiceName;
use longshore_events::image::Digest;
use longshore_events::longshore::{RolloutProgress, TaskFailure};
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, if_there};
use serde::Serialize;

use crate::course::watch::account;
use crate::documents::{RecordStore, RouteStore, ScheduleRecordStore, StackRecordStore};
use crate::history::FailedChange;
use crate::ports::Cloud;
use crate::record::{Deployment, Hold, PassedOver, Record, Scaled, State, Waiting};
use crate::stack_record::StackRecord;

/// How many services are asked for side by side.
const SIDE_BY_SIDE: usize = 8;

/// A service's last deployment, what it waits for, and what ECS runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// The service.
    #[serde(flatten)]
    pub service_id: ServiceId,
    /// The last deployment; `None` where none began: the service's first start failed, or goes on.
    pub deployment: Option<Deployment>,
    /// The last change of its stack, where tasks of the service died of it and nothing was deployed since.
    pub failed_change: Option<FailedChange>,
    /// The hold that keeps its deployments back.
    pub hold: Option<Hold>,
    /// The number of tasks that somebody set last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaled: Option<Scaled>,
    /// The requests that wait: one for each container at most.
    pub waiting: Vec<Waiting>,
    /// The last pushes that image policies allow and that were not deployed: one for each container at most.
    pub passed_over: Vec<PassedOver>,
    /// Digests that were rolled back, oldest first: no image policy deploys them again.
    pub blocked: Vec<Digest>,
    /// What ECS runs; nothing when the service is gone.
    pub running: Option<RunningTasks>,
    /// What ECS is doing with an open deployment, where its strategy shifts requests.
    pub progress: Option<RolloutProgress>,
    /// The schedules whose last task failed.
    pub failed_schedules: Vec<FailedSchedule>,
}

/// A schedule whose last task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedSchedule {
    /// Its name in the stack file.
    pub schedule: String,
    /// How many tasks of it have failed since one succeeded.
    pub in_a_row: u32,
    /// How the last one ended.
    pub failure: TaskFailure,
}

/// What ECS runs of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunningTasks {
    /// The ARN of the task definition that the service points at.
    pub task_definition: String,
    /// How many tasks it should run.
    pub desired_count: i32,
    /// How many tasks it runs.
    pub running_count: i32,
}

/// The services that were ever deployed to, or whose tasks died of their stack's last change, by name. ECS is not asked.
///
/// # Errors
/// [`CallError`].
pub async fn known_services<C: Cloud>(cloud: &C) -> Result<Vec<ServiceId>, CallError> {
    let (service_ids, _) = known(cloud, &|_| true).await?;
    Ok(service_ids.into_iter().map(|(_, id)| id).collect())
}

/// Those that `wanted` lets through, by name, and the changes that tasks of theirs died of.
async fn known<C: Cloud>(
    cloud: &C,
    wanted: &impl Fn(&ServiceId) -> bool,
) -> Result<(Vec<(ServiceName, ServiceId)>, BTreeMap<ServiceId, Failed>), CallError> {
    let mut service_ids = Vec::new();
    for (name, service_id) in cloud.service_ids().await? {
        match service_id {
            Ok(service_id) if wanted(&service_id) => service_ids.push((name, service_id)),
            Ok(_) => {}
            Err(error) => tracing::warn!(
                cluster = name.cluster,
                ecs_service = name.ecs_service,
                %error,
                "it cannot be read whose service this is"
            ),
        }
    }
    let failed_changes = failed_changes(cloud, wanted).await?;
    for (service_id, (service_name, _)) in &failed_changes {
        if !service_ids.iter().any(|(_, known)| known == service_id) {
            service_ids.push((service_name.clone(), service_id.clone()));
        }
    }
    service_ids.sort_by(|(_, one), (_, other)| one.cmp(other));
    Ok((service_ids, failed_changes))
}

/// The status at `now` of every service that `wanted` lets through and that was ever deployed to, or whose tasks died of
/// its stack's last change, by name.
///
/// # Errors
/// [`CallError`].
pub async fn status<C: Cloud>(
    cloud: &C,
    wanted: impl Fn(&ServiceId) -> bool,
    now: DateTime<Utc>,
) -> Result<Vec<ServiceStatus>, CallError> {
    let (service_ids, failed_changes) = known(cloud, &wanted).await?;
    let failed_changes = &failed_changes;
    let statuses: Vec<Option<ServiceStatus>> = stream::iter(service_ids)
        .map(|(service_name, service_id)| async move {
            let failed_change = failed_changes.get(&service_id);
            let failed_change = failed_change.map(|(_, failed_change)| failed_change.clone());
            let record = cloud.load(&service_id).await?.map(|(record, _)| record);
            if record.is_none() && failed_change.is_none() {
                return Ok(None);
            }
            status_of(cloud, &service_name, service_id, record, failed_change, now)
                .await
                .map(Some)
        })
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    Ok(statuses.into_iter().flatten().collect())
}

/// A service in ECS, and the change of its stack that tasks of it died of.
type Failed = (ServiceName, FailedChange);

/// The services whose tasks died of their stack's last change.
async fn failed_changes<C: Cloud>(
    cloud: &C,
    wanted: &impl Fn(&ServiceId) -> bool,
) -> Result<BTreeMap<ServiceId, Failed>, CallError> {
    let mut found = BTreeMap::new();
    for record in stack_records(cloud).await? {
        let operation = &record.operation;
        for preserved in &operation.services {
            let service_id = preserved.subscriber.service_id();
            if wanted(&service_id)
                && let Some(failed_change) = FailedChange::of(operation, &service_id.service)
            {
                let service_name = preserved.subscriber.service_name();
                found.insert(service_id, (service_name, failed_change));
            }
        }
    }
    Ok(found)
}

/// The records of all stacks that can be read.
///
/// # Errors
/// [`CallError`], where it cannot be found out which there are.
pub async fn stack_records<C: Cloud>(cloud: &C) -> Result<Vec<StackRecord>, CallError> {
    let stacks = cloud.stacks().await?;
    let records: Vec<_> = stream::iter(&stacks)
        .map(|stack| async move {
            cloud.load_stack(stack).await.unwrap_or_else(|error| {
                tracing::warn!(stack, %error, "it cannot be read how the stack's last change went");
                None
            })
        })
        .buffered(SIDE_BY_SIDE)
        .collect()
        .await;
    let records = records.into_iter().flatten();
    Ok(records.map(|(record, _)| record).collect())
}

/// What ECS runs of a service, if it has such a service.
pub(crate) async fn running_tasks<C: Cloud>(
    cloud: &C,
    service_name: &ServiceName,
) -> Result<Option<RunningTasks>, CallError> {
    let service = if_there(cloud.describe_service(service_name).await)?;
    Ok(service.map(|service| RunningTasks {
        task_definition: service.task_definition,
        desired_count: service.desired_count,
        running_count: service.running_count,
    }))
}

/// What ECS is doing with an open deployment, where its strategy shifts requests.
pub(crate) async fn progress<C: Cloud>(
    cloud: &C,
    deployment: &Deployment,
) -> Result<Option<RolloutProgress>, CallError> {
    if deployment.state != State::Deploying {
        return Ok(None);
    }
    let account = account(cloud, deployment).await?;
    Ok(account.and_then(|account| account.progress))
}

/// The status at `now` of a service with this record, where it has one.
async fn status_of<C: Cloud>(
    cloud: &C,
    service_name: &ServiceName,
    service_id: ServiceId,
    record: Option<Record>,
    failed_change: Option<FailedChange>,
    now: DateTime<Utc>,
) -> Result<ServiceStatus, CallError> {
    let deployment = record.as_ref().map(|record| record.deployment.clone());
    let failed_change = failed_change.filter(|change| {
        deployment
            .as_ref()
            .is_none_or(|deployment| change.is_after(deployment))
    });
    let running = running_tasks(cloud, service_name).await?;
    let progress = match &deployment {
        Some(deployment) if running.is_some() => progress(cloud, deployment).await?,
        _ => None,
    };
    let failed_schedules = cloud
        .schedules(&service_id)
        .await?
        .into_iter()
        .filter(|record| record.in_a_row > 0)
        .map(|record| FailedSchedule {
            schedule: record.schedule,
            in_a_row: record.in_a_row,
            failure: record.failure,
        })
        .collect();
    let record = record.as_ref();
    Ok(ServiceStatus {
        service_id,
        failed_change,
        failed_schedules,
        progress,
        hold: record.and_then(|record| record.holds(now)).cloned(),
        scaled: record.and_then(|record| record.scaled.last()).cloned(),
        waiting: record.map_or_else(Vec::new, |record| {
            record.waiting.values().cloned().collect()
        }),
        passed_over: record.map_or_else(Vec::new, |record| {
            record.passed_over.values().cloned().collect()
        }),
        blocked: record.map_or_else(Vec::new, |record| record.blocked.clone()),
        deployment,
        running,
    })
}
