//! The runs of a schedule of a stack file: the end of a task, or that none could be started. No deployment waits for it.
//!
//! A task whose schedule has `retries` is started again when it fails, and only the last attempt is published. One with a
//! `timeout` is in the schedule's record while it runs, where the reconcile finds it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::arn::{ServiceName, cluster_name};
use longshore_events::ecs::{RUN_LIMITS, RunLimits, schedule_of, started_by_retry};
use longshore_events::incoming::ScheduledTaskChange;
use longshore_events::longshore::TaskFailure;
use longshore_events::scheduler::RefusedRun;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, Version, Worker, decide_again, load, outbox, save};

use super::outcome::WatchOutcome;
use super::task::client_token;
use crate::ports::{Cloud, TaskRequest, TaskState};
use crate::schedule_record::{FailedRun, LimitedRun, ScheduleKey, ScheduleRecord};

/// Writes down how a task of a schedule ended, and publishes it if it failed.
///
/// # Errors
/// [`CallError`].
pub async fn scheduled_task_stopped<C: Cloud>(
    cloud: &C,
    stopped: &ScheduledTaskChange,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let change = &stopped.change;
    let limits = change.run_limits().map(|(_, limits)| limits);
    let mut ended = match failure(cloud, stopped).await? {
        Some(failure) => Err(FailedRun {
            id: change.task_arn.clone(),
            failure,
            task_definition: change.task_definition_arn.clone(),
            attempt: limits.map_or(1, |limits| limits.attempt),
        }),
        None => Ok(Ended {
            task: change.task_arn.clone(),
            at: change.stopped_at,
        }),
    };
    let service_id = &service_id_of(stopped);
    let key = ScheduleKey {
        service_id,
        schedule: &stopped.schedule,
    };
    if let Err(run) = &mut ended {
        match try_again(cloud, &key, stopped, run, worker).await? {
            Retry::Started => return Ok(WatchOutcome::Noted),
            Retry::Refused(reason) => {
                let said = run.failure.stopped_reason.take().unwrap_or_default();
                run.failure.stopped_reason =
                    Some(format!("{said}; it could not be started again: {reason}"));
            }
            Retry::None => {}
        }
    }
    write_down(cloud, &key, ended, worker).await
}

/// Writes down that a task of a schedule runs, if it may not run for ever.
///
/// # Errors
/// [`CallError`].
pub async fn scheduled_task_runs<C: Cloud>(
    cloud: &C,
    runs: &ScheduledTaskChange,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let change = &runs.change;
    let limits = change.run_limits();
    let timeout = limits.and_then(|(_, limits)| limits.timeout);
    let (Some(timeout), Ok(cluster)) = (timeout, cluster_name(&change.cluster_arn)) else {
        return Ok(WatchOutcome::Ignored);
    };
    let started_at = change.started_at.unwrap_or(worker.now);
    let run = LimitedRun {
        task: change.task_arn.clone(),
        cluster,
        timeout,
        overdue_at: started_at + TimeDelta::seconds(timeout.into()),
    };
    let service_id = &service_id_of(runs);
    let key = ScheduleKey {
        service_id,
        schedule: &runs.schedule,
    };
    let is_noted = rewrite(cloud, &key, |before| {
        // Its end may have come first.
        let is_over = before.is_some_and(|before| before.tasks.contains(&run.task));
        let task_definition = &change.task_definition_arn;
        (!is_over).then(|| ScheduleRecord::runs(before, &key, &run, task_definition, worker))
    });
    Ok(match is_noted.await? {
        true => WatchOutcome::Noted,
        false => WatchOutcome::Ignored,
    })
}

/// Looks at the tasks of a schedule that have run for longer than they may: stops those that still run, and writes down how
/// the others ended, of which no event has told. Gives how many it stopped.
///
/// # Errors
/// [`CallError`].
pub async fn look_at_overdue<C: Cloud>(
    cloud: &C,
    key: &ScheduleKey<'_>,
    worker: &Worker,
) -> Result<usize, CallError> {
    let Some((record, _)) = load(cloud, key).await? else {
        return Ok(0);
    };
    let mut stopped = 0;
    for run in record.running {
        if worker.now < run.overdue_at {
            continue;
        }
        let ended = match cloud.describe_task(&run.cluster, &run.task).await? {
            Some(TaskState::Running) => {
                // Its end has an event, which says why.
                cloud
                    .stop_task(&run.cluster, &run.task, &run.reason())
                    .await?;
                stopped += 1;
                continue;
            }
            Some(TaskState::Failed(failure)) => Err(FailedRun {
                id: run.task.clone(),
                failure,
                task_definition: record.task_definition.clone(),
                attempt: 1,
            }),
            Some(TaskState::Succeeded) => Ok(Ended {
                task: run.task.clone(),
                at: Some(worker.now),
            }),
            // Nobody knows how it ended.
            None => Ok(Ended {
                task: run.task.clone(),
                at: None,
            }),
        };
        write_down(cloud, key, ended, worker).await?;
    }
    Ok(stopped)
}

/// What became of a task that failed and that might be started again.
enum Retry {
    /// It was started again, now or by an earlier event.
    Started,
    /// ECS does not start it.
    Refused(String),
    /// It is not to be started again.
    None,
}

/// Starts a task again that has failed, as it was started before, if its schedule says so.
async fn try_again<C: Cloud>(
    cloud: &C,
    key: &ScheduleKey<'_>,
    stopped: &ScheduledTaskChange,
    run: &FailedRun,
    worker: &Worker,
) -> Result<Retry, CallError> {
    let change = &stopped.change;
    let Some((container, limits)) = change.run_limits() else {
        return Ok(Retry::None);
    };
    // Somebody stopped it, or its timeout: that is not an accident.
    let was_stopped = change.stop_code.as_deref() == Some("UserInitiated");
    if was_stopped || limits.attempt > limits.retries {
        return Ok(Retry::None);
    }
    if let Some((record, _)) = load(cloud, key).await?
        && record.knows(run)
    {
        return Ok(Retry::Started);
    }
    let Ok(cluster) = cluster_name(&change.cluster_arn) else {
        return Ok(Retry::None);
    };
    let next = RunLimits {
        attempt: limits.attempt + 1,
        ..limits.clone()
    };
    let environment = container.environment.iter();
    let mut environment: BTreeMap<String, String> = environment
        .map(|variable| (variable.name.clone(), variable.value.clone()))
        .collect();
    environment.insert(RUN_LIMITS.to_owned(), next.to_string());
    let size = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
    let request = TaskRequest {
        service: ServiceName {
            cluster,
            ecs_service: limits.service,
        },
        task_definition: change.task_definition_arn.clone(),
        container: container.name.clone(),
        command: container.command.clone(),
        environment,
        cpu: size(&change.overrides.cpu),
        memory: size(&change.overrides.memory),
        client_token: client_token(&format!("retry/{}", change.task_arn)),
        started_by: started_by_retry(&stopped.stack, &stopped.service),
        group: Some(change.group.clone()),
    };
    match cloud.run_task(&request).await {
        Ok(_) => {}
        Err(error) => return error.refusal().map(Retry::Refused),
    }
    let retried = rewrite(cloud, key, |before| {
        let is_known = before.is_some_and(|before| before.knows(run));
        (!is_known).then(|| ScheduleRecord::retried(before, key, run, worker))
    });
    retried.await?;
    Ok(Retry::Started)
}

fn service_id_of(scheduled: &ScheduledTaskChange) -> ServiceId {
    ServiceId {
        stack: scheduled.stack.clone(),
        service: scheduled.service.clone(),
    }
}

/// The end of a task that has not failed, as far as anybody knows.
struct Ended {
    task: String,
    at: Option<DateTime<Utc>>,
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
        attempt: 1,
    };
    write_down(cloud, &key, Err(run), worker).await
}

/// Writes down how a run of a schedule ended: well, or not.
async fn write_down<C: Cloud>(
    cloud: &C,
    key: &ScheduleKey<'_>,
    ended: Result<Ended, FailedRun>,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let after = |before: Option<&ScheduleRecord>| match (&ended, before) {
        (Err(run), Some(before)) if before.knows(run) => Some(before.clone()),
        (Err(run), before) => Some(ScheduleRecord::failed(before, key, run, worker)),
        (Ok(ended), Some(before)) => {
            let mut after = before.clone();
            after.ended(&ended.task);
            if ended.at.is_some() {
                after.succeeded(ended.at);
            }
            Some(after)
        }
        (Ok(_), None) => None,
    };
    decide_again(key, async || {
        if let Some(stored) = rewrite_once(cloud, key, after).await? {
            outbox::flush(cloud, key, stored, worker).await?;
        }
        Ok(match ended {
            Err(_) => WatchOutcome::Failed,
            Ok(_) => WatchOutcome::Succeeded,
        })
    })
    .await
}

/// Makes the record what `after` says it becomes, whoever else changes it meanwhile; answers whether it says anything.
async fn rewrite<C: Cloud>(
    cloud: &C,
    key: &ScheduleKey<'_>,
    after: impl Fn(Option<&ScheduleRecord>) -> Option<ScheduleRecord>,
) -> Result<bool, CallError> {
    decide_again(key, async || {
        let stored = rewrite_once(cloud, key, &after).await?;
        Ok(stored.is_some())
    })
    .await
}

/// The same where nobody else changes it; answers the record as it is stored now.
async fn rewrite_once<C: Cloud>(
    cloud: &C,
    key: &ScheduleKey<'_>,
    after: impl Fn(Option<&ScheduleRecord>) -> Option<ScheduleRecord>,
) -> Result<Option<(ScheduleRecord, Version)>, CallError> {
    let stored = load(cloud, key).await?;
    let Some(after) = after(stored.as_ref().map(|(record, _)| record)) else {
        return Ok(None);
    };
    let version = match &stored {
        Some((before, version)) if *before == after => version.clone(),
        stored => {
            let version = stored.as_ref().map(|(_, version)| version);
            save(cloud, key, &after, version).await?
        }
    };
    Ok(Some((after, version)))
}

/// Why the task failed, if it did. Where the schedule gives no command, its work is that of the service's own container,
/// the first one of the task definition: ECS kills the others when that has ended.
async fn failure<C: Cloud>(
    cloud: &C,
    stopped: &ScheduledTaskChange,
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
