//! From what ECS and CloudFormation say to a call of the deployment engine, and from its answer to Lambda's.

use chrono::{DateTime, Utc};
use longshore_events::incoming::{ScheduledTaskChange, StackChange, WatchEvent, parse_watch};
use longshore_events::scheduler::RefusedRun;
use longshore_provisioning::ports::StackObserver;
use longshore_provisioning::watch::{StackOutcome, stack_changed};
use longshore_rollout::course::WatchOutcome;
use longshore_rollout::course::scheduled::{
    run_refused, scheduled_task_runs, scheduled_task_stopped,
};
use longshore_rollout::course::watch::{deployment_changed, task_stopped};
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_runtime::lambda::{Failure, Invocation};
use longshore_runtime::metrics::{self, Metric};
use longshore_state::{CallError, Worker};
use serde_json::{Value, json};

/// Handles one invocation.
///
/// # Errors
/// [`Failure`] for what Lambda should try again.
pub async fn handle<C: Cloud + StackObserver + TaskLogs>(
    cloud: &C,
    payload: &Value,
    invocation: &Invocation,
    now: DateTime<Utc>,
) -> Result<Value, Failure> {
    let worker = Worker {
        id: invocation.request_id.clone(),
        now,
    };
    let (service, outcome) = match parse_watch(payload) {
        Ok(WatchEvent::Deployment { service, change }) => {
            let outcome = deployment_changed(cloud, &service, &change, &worker).await;
            (service, outcome)
        }
        Ok(WatchEvent::TaskStopped { service, change }) => {
            let outcome = task_stopped(cloud, &service, &change, &worker).await;
            (service, outcome)
        }
        Ok(WatchEvent::ScheduledTaskRuns(runs)) => {
            let outcome = scheduled_task_runs(cloud, &runs, &worker)
                .await
                .map_err(call_failed)?;
            return Ok(json!({"outcome": outcome}));
        }
        Ok(WatchEvent::ScheduledTaskStopped(stopped)) => {
            return handle_scheduled(cloud, &stopped, &worker).await;
        }
        Ok(WatchEvent::RunsRefused(runs)) => return handle_refused(cloud, &runs, &worker).await,
        Ok(WatchEvent::Stack(change)) => return handle_stack(cloud, &change, &worker).await,
        Ok(WatchEvent::Nothing(reason)) => {
            tracing::debug!(reason, "ignored");
            return Ok(json!({"outcome": "ignored", "reason": reason}));
        }
        Err(malformed) => {
            tracing::error!(error = %malformed, "malformed event, acknowledged");
            metrics::count(Metric::MalformedEvents, "watch");
            return Ok(json!({"outcome": "malformed", "reason": malformed.to_string()}));
        }
    };
    let outcome = outcome.map_err(call_failed)?;
    let (cluster, ecs_service) = (service.cluster, service.ecs_service);
    match outcome {
        WatchOutcome::Ignored | WatchOutcome::Noted => {
            tracing::debug!(cluster, ecs_service, ?outcome, "no outcome yet");
        }
        WatchOutcome::Verifying => {
            tracing::info!(cluster, ecs_service, "service stable, tasks are to follow");
        }
        _ => tracing::info!(cluster, ecs_service, ?outcome, "deployment closed"),
    }
    Ok(json!({"outcome": outcome}))
}

async fn handle_scheduled<C: Cloud>(
    cloud: &C,
    stopped: &ScheduledTaskChange,
    worker: &Worker,
) -> Result<Value, Failure> {
    let outcome = scheduled_task_stopped(cloud, stopped, worker)
        .await
        .map_err(call_failed)?;
    let ScheduledTaskChange {
        stack,
        service,
        schedule,
        ..
    } = stopped;
    tracing::info!(stack, service, schedule, ?outcome, "scheduled task stopped");
    Ok(json!({"outcome": outcome}))
}

/// All or none: a batch whose messages come again is counted once.
async fn handle_refused<C: Cloud>(
    cloud: &C,
    runs: &[RefusedRun],
    worker: &Worker,
) -> Result<Value, Failure> {
    let mut outcomes = Vec::new();
    for run in runs {
        let outcome = run_refused(cloud, run, worker).await.map_err(call_failed)?;
        let (schedule, reason) = (&run.schedule_name, &run.error_message);
        tracing::warn!(
            schedule,
            ?reason,
            ?outcome,
            "a scheduled task could not be started"
        );
        outcomes.push(outcome);
    }
    Ok(json!({"outcomes": outcomes}))
}

async fn handle_stack<C: Cloud + StackObserver>(
    cloud: &C,
    change: &StackChange,
    worker: &Worker,
) -> Result<Value, Failure> {
    let outcome = stack_changed(cloud, change, worker)
        .await
        .map_err(call_failed)?;
    let (stack, status) = (&change.stack, change.status.as_str());
    match outcome {
        StackOutcome::Ignored => tracing::debug!(stack, status, "nothing new of a stack"),
        StackOutcome::Failed => tracing::warn!(stack, status, "change of a stack failed"),
        _ => tracing::info!(stack, status, ?outcome, "change of a stack"),
    }
    Ok(json!({"outcome": outcome}))
}

fn call_failed(error: CallError) -> Failure {
    Failure {
        kind: "CallFailed",
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
