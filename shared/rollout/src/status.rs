//! What a person asks first: what was deployed last, and what runs now.

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::arn::ServiceName;
use longshore_events::image::Digest;
use longshore_events::longshore::{RolloutProgress, TaskFailure};
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, ErrorClass};
use serde::Serialize;

use crate::course::watch::account;
use crate::documents::{RecordStore, RouteStore, ScheduleRecordStore};
use crate::ports::Cloud;
use crate::record::{Deployment, Hold, Record, State, Waiting};

/// How many services are asked for side by side.
const SIDE_BY_SIDE: usize = 8;

/// A service's last deployment, what it waits for, and what ECS runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// The last deployment.
    pub deployment: Deployment,
    /// The hold that keeps its deployments back.
    pub hold: Option<Hold>,
    /// The requests that wait: one for each container at most.
    pub waiting: Vec<Waiting>,
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

/// The status at `now` of every service that was ever deployed to and that `wanted` lets through, by name.
///
/// # Errors
/// [`CallError`].
pub async fn status<C: Cloud>(
    cloud: &C,
    wanted: impl Fn(&ServiceId) -> bool,
    now: DateTime<Utc>,
) -> Result<Vec<ServiceStatus>, CallError> {
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
    service_ids.sort_by(|(_, one), (_, other)| one.cmp(other));
    let statuses: Vec<Option<ServiceStatus>> = stream::iter(service_ids)
        .map(|(service_name, service_id)| async move {
            match cloud.load(&service_id).await? {
                Some((record, _)) => status_of(cloud, &service_name, &record, now)
                    .await
                    .map(Some),
                None => Ok(None),
            }
        })
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    Ok(statuses.into_iter().flatten().collect())
}

/// The status at `now` of the service with this name and record.
pub(crate) async fn status_of<C: Cloud>(
    cloud: &C,
    service_name: &ServiceName,
    record: &Record,
    now: DateTime<Utc>,
) -> Result<ServiceStatus, CallError> {
    let running = match cloud.describe_service(service_name).await {
        Ok(service) => Some(RunningTasks {
            task_definition: service.task_definition,
            desired_count: service.desired_count,
            running_count: service.running_count,
        }),
        Err(error) if error.class == ErrorClass::NotFound => None,
        Err(error) => return Err(error),
    };
    let progress = match record.deployment.state {
        State::Deploying if running.is_some() => account(cloud, &record.deployment).await?,
        _ => None,
    }
    .and_then(|account| account.progress);
    let failed_schedules = cloud
        .schedules(&record.deployment.service_id())
        .await?
        .into_iter()
        .filter(|record| record.in_a_row > 0)
        .map(|record| FailedSchedule {
            schedule: record.schedule,
            in_a_row: record.in_a_row,
            failure: record.failure,
        })
        .collect();
    Ok(ServiceStatus {
        failed_schedules,
        progress,
        hold: record.holds(now).cloned(),
        waiting: record.waiting.values().cloned().collect(),
        blocked: record.blocked.clone(),
        deployment: record.deployment.clone(),
        running,
    })
}
