//! From what ECS says to a call of the deployment engine, and from its answer to Lambda's.

use chrono::{DateTime, Utc};
use longshore_events::incoming::{WatchEvent, parse_watch};
use longshore_rollout::ports::Cloud;
use longshore_rollout::record::Worker;
use longshore_rollout::watch::{WatchOutcome, deployment_changed, task_stopped};
use longshore_runtime::lambda::{Failure, Invocation};
use longshore_runtime::metrics::{self, Metric};
use serde_json::{Value, json};

/// Handles one invocation.
///
/// # Errors
/// [`Failure`] for what Lambda should try again.
pub async fn handle<C: Cloud>(
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
    let outcome = outcome.map_err(|error| Failure {
        kind: "CallFailed",
        message: error.to_string(),
    })?;
    let (cluster, ecs_service) = (service.cluster, service.ecs_service);
    match outcome {
        WatchOutcome::Ignored | WatchOutcome::Noted => {
            tracing::debug!(cluster, ecs_service, ?outcome, "no outcome yet");
        }
        _ => tracing::info!(cluster, ecs_service, ?outcome, "deployment closed"),
    }
    Ok(json!({"outcome": outcome}))
}

#[cfg(test)]
mod tests;
