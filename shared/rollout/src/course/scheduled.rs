//! The end of a task that a schedule of a stack file started. No deployment waits for it.

use longshore_events::incoming::ScheduledTaskStopped;
use longshore_events::longshore::TaskFailure;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, Worker, decide_again, outbox, save};

use super::outcome::WatchOutcome;
use crate::documents::{ScheduleKey, ScheduleRecordStore};
use crate::ports::Cloud;
use crate::schedule_record::ScheduleRecord;

/// Writes down how a task of a schedule ended, and publishes it if it failed.
///
/// # Errors
/// [`CallError`].
pub async fn scheduled_task_stopped<C: Cloud>(
    cloud: &C,
    stopped: &ScheduledTaskStopped,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let failure = failure(cloud, stopped).await?;
    let service_id = &ServiceId {
        stack: stopped.stack.clone(),
        service: stopped.service.clone(),
    };
    let key = ScheduleKey {
        service_id,
        schedule: &stopped.schedule,
    };
    decide_again(&key, async || {
        let stored = cloud.load_schedule(service_id, &stopped.schedule).await?;
        let before = stored.as_ref().map(|(record, _)| record);
        let after = match (&failure, before) {
            (Some(_), Some(before)) if before.knows(&stopped.change.task_arn) => before.clone(),
            (Some(failure), before) => {
                ScheduleRecord::failed(before, stopped, failure.clone(), worker)
            }
            (None, Some(before)) => {
                let mut after = before.clone();
                after.succeeded(stopped.change.stopped_at);
                after
            }
            (None, None) => return Ok(WatchOutcome::Succeeded),
        };
        let version = stored.as_ref().map(|(_, version)| version);
        let version = match version {
            Some(version) if before == Some(&after) => version.clone(),
            version => save(cloud, &key, &after, version).await?,
        };
        outbox::flush(cloud, &key, (after, version), worker).await?;
        Ok(match failure {
            Some(_) => WatchOutcome::Failed,
            None => WatchOutcome::Succeeded,
        })
    })
    .await
}

/// Why the task failed, if it did. Where the schedule gives no command, its work is that of the service's own container,
/// the first one of the task definition: ECS kills the others when that has ended.
async fn failure<C: Cloud>(
    cloud: &C,
    stopped: &ScheduledTaskStopped,
) -> Result<Option<TaskFailure>, CallError> {
    let change = &stopped.change;
    let failure = change.one_off_failure();
    if failure.is_none() || !change.commanded().is_empty() || change.containers.len() < 2 {
        return Ok(failure);
    }
    let task_definition = cloud
        .describe_task_definition(&change.task_definition_arn)
        .await?;
    let first = task_definition
        .document
        .pointer("/containerDefinitions/0/name")
        .and_then(serde_json::Value::as_str);
    Ok(match first {
        Some(first) => change.failure_of(&[first]),
        None => failure,
    })
}
