//! The runs of a schedule of a stack file: the end of a task, or that none could be started. No deployment waits for it.

use chrono::{DateTime, Utc};
use longshore_events::ecs::schedule_of;
use longshore_events::incoming::ScheduledTaskStopped;
use longshore_events::longshore::TaskFailure;
use longshore_events::scheduler::RefusedRun;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, Worker, decide_again, load, outbox, save};

use super::outcome::WatchOutcome;
use crate::ports::Cloud;
use crate::schedule_record::{FailedRun, ScheduleKey, ScheduleRecord};

/// Writes down how a task of a schedule ended, and publishes it if it failed.
///
/// # Errors
/// [`CallError`].
pub async fn scheduled_task_stopped<C: Cloud>(
    cloud: &C,
    stopped: &ScheduledTaskStopped,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let change = &stopped.change;
    let ended = match failure(cloud, stopped).await? {
        Some(failure) => Err(FailedRun {
            id: change.task_arn.clone(),
            failure,
            task_definition: change.task_definition_arn.clone(),
        }),
        None => Ok(change.stopped_at),
    };
    let service_id = &ServiceId {
        stack: stopped.stack.clone(),
        service: stopped.service.clone(),
    };
    let key = ScheduleKey {
        service_id,
        schedule: &stopped.schedule,
    };
    write_down(cloud, &key, ended, worker).await
}

/// Writes down that ECS refused to start the task of a schedule, and publishes it. A schedule that is gone, or that no
/// stack file made, concerns nobody.
///
/// # Errors
/// [`CallError`].
pub async fn run_refused<C: Cloud>(
    cloud: &C,
    refused: &RefusedRun,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let scheduled = cloud
        .scheduled_task(&refused.schedule_group, &refused.schedule_name)
        .await?;
    let Some(scheduled) = scheduled else {
        return Ok(WatchOutcome::Ignored);
    };
    let Some((stack, service, schedule)) = schedule_of(&scheduled.group) else {
        return Ok(WatchOutcome::Ignored);
    };
    let service_id = &ServiceId {
        stack: stack.to_owned(),
        service: service.to_owned(),
    };
    let key = ScheduleKey {
        service_id,
        schedule,
    };
    let run = FailedRun {
        id: refused.id.clone(),
        failure: TaskFailure {
            task: String::new(),
            stop_code: refused.error_code.clone(),
            stopped_reason: refused.error_message.clone(),
            containers: Vec::new(),
            stopped_at: refused.scheduled_time,
        },
        task_definition: scheduled.task_definition,
    };
    write_down(cloud, &key, Err(run), worker).await
}

/// Writes down how a run of a schedule ended: well, at this time, or not.
async fn write_down<C: Cloud>(
    cloud: &C,
    key: &ScheduleKey<'_>,
    ended: Result<Option<DateTime<Utc>>, FailedRun>,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    decide_again(key, async || {
        let stored = load(cloud, key).await?;
        let before = stored.as_ref().map(|(record, _)| record);
        let after = match (&ended, before) {
            (Err(run), Some(before)) if before.knows(run) => before.clone(),
            (Err(run), before) => ScheduleRecord::failed(before, key, run, worker),
            (Ok(stopped_at), Some(before)) => {
                let mut after = before.clone();
                after.succeeded(*stopped_at);
                after
            }
            (Ok(_), None) => return Ok(WatchOutcome::Succeeded),
        };
        let version = stored.as_ref().map(|(_, version)| version);
        let version = match version {
            Some(version) if before == Some(&after) => version.clone(),
            version => save(cloud, key, &after, version).await?,
        };
        outbox::flush(cloud, key, (after, version), worker).await?;
        Ok(match ended {
            Err(_) => WatchOutcome::Failed,
            Ok(_) => WatchOutcome::Succeeded,
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
