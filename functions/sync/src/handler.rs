//! From what woke `sync` to a call of the engine of bottle syncs, and from its answer to Lambda's.

use chrono::{DateTime, Duration, Utc};
use longshore_bottles::ports::{Source, SyncCloud, Transferrer};
use longshore_bottles::settings::{MirrorLocation, MirrorSettings, RunnerSettings};
use longshore_bottles::sync::{
    Advanced, Engine, RunOutcome, RunRequest, SyncError, SyncOptions, advance, plan, run, shard,
    status, verify,
};
use longshore_events::incoming::{SyncEvent, parse_sync};
use longshore_events::longshore::{SyncOutcome, SyncSource};
use longshore_events::manual::{ScheduledSync, SyncAction, SyncPayload, SyncRequest};
use longshore_runtime::lambda::{Failure, Invocation};
use longshore_runtime::metrics::{self, Metric};
use longshore_state::{CallError, Worker};
use serde::Serialize;
use serde_json::{Value, json};

/// What of an invocation's time is not given to the engine: the answer has to reach Lambda.
const MARGIN: Duration = Duration::seconds(5);

/// What the function works with.
#[derive(Debug)]
pub struct Function<'a, C, F> {
    /// AWS and the time.
    pub cloud: &'a C,
    /// Makes what asks sources and transfers files, as a mirror's settings say: each has its own private hosts,
    /// and its own patience.
    pub connect: F,
    /// From this many bytes on a sync runs in tasks.
    pub threshold_bytes: u64,
    /// The AWS region, by which costs are estimated.
    pub region: Option<String>,
}

/// Handles one invocation.
///
/// # Errors
/// [`Failure`] for what Lambda should try again, and for a manual payload that is refused or whose sync
/// has failed: its caller reads why.
pub async fn handle<C, F, S, T>(
    function: &Function<'_, C, F>,
    payload: &Value,
    invocation: &Invocation,
    now: DateTime<Utc>,
) -> Result<Value, Failure>
where
    C: SyncCloud,
    F: Fn(&MirrorSettings) -> Result<(S, T), CallError>,
    S: Source,
    T: Transferrer,
{
    let invoked = Invoked {
        function,
        runner: RunnerSettings {
            threshold_bytes: function.threshold_bytes,
            time_left: Duration::from_std(invocation.remaining)
                .ok()
                .map(|remaining| (remaining - MARGIN).max(Duration::zero())),
            region: function.region.clone(),
        },
        worker: Worker {
            id: invocation.request_id.clone(),
            now,
        },
    };
    match parse_sync(payload) {
        Ok(SyncEvent::Request(SyncRequest::Scheduled(scheduled))) => {
            invoked.scheduled(scheduled).await
        }
        Ok(SyncEvent::Request(SyncRequest::Sync(payload))) => invoked.payload(payload).await,
        Ok(SyncEvent::Request(SyncRequest::Reconcile | SyncRequest::ScheduledReconcile(_))) => {
            invoked.reconcile().await
        }
        Ok(SyncEvent::ShardCompleted(event)) => {
            tracing::info!(
                stack = event.stack,
                sync_id = event.sync_id,
                shard = event.shard,
                failed = event.report.failed,
                "a shard has ended"
            );
            invoked.woken(&event.stack).await
        }
        Ok(SyncEvent::TaskStopped(event)) => {
            tracing::info!(
                stack = event.stack,
                shard = event.shard,
                task = event.task_arn,
                reason = event.reason,
                "a task has stopped"
            );
            invoked.woken(&event.stack).await
        }
        Ok(SyncEvent::Nothing(reason)) => {
            tracing::debug!(reason, "ignored");
            Ok(json!({"outcome": "ignored", "reason": reason}))
        }
        Err(malformed) if payload.get("detail-type").is_some() => {
            tracing::error!(error = %malformed, "malformed event, acknowledged");
            metrics::count(Metric::MalformedEvents, "sync");
            Ok(json!({"outcome": "malformed", "reason": malformed.to_string()}))
        }
        Err(malformed) => Err(Failure {
            kind: "MalformedPayload",
            message: malformed.to_string(),
        }),
    }
}

/// The function, invoked.
struct Invoked<'a, C, F> {
    function: &'a Function<'a, C, F>,
    runner: RunnerSettings,
    worker: Worker,
}

impl<C, F, S, T> Invoked<'_, C, F>
where
    C: SyncCloud,
    F: Fn(&MirrorSettings) -> Result<(S, T), CallError>,
    S: Source,
    T: Transferrer,
{
    async fn scheduled(&self, scheduled: ScheduledSync) -> Result<Value, Failure> {
        let request = RunRequest {
            source: SyncSource::Schedule,
            requested_at: scheduled.scheduled_time,
            options: SyncOptions::default(),
        };
        match self.run(&scheduled.stack, &request).await {
            Ok(outcome) => Ok(answer(&outcome)),
            // Scheduler and Lambda would only ask again for what stays as it is.
            Err(error) if is_final(&error) => {
                tracing::error!(stack = scheduled.stack, %error, "scheduled sync refused");
                Ok(json!({"outcome": "refused", "reason": error.to_string()}))
            }
            Err(error) => Err(failure(&error)),
        }
    }

    async fn payload(&self, payload: SyncPayload) -> Result<Value, Failure> {
        let SyncPayload {
            action,
            stack,
            note,
            check_listing,
            threshold_bytes,
            by,
        } = payload;
        let options = SyncOptions {
            check_listing,
            threshold_bytes,
        };
        let cloud = self.function.cloud;
        let answered = match action {
            SyncAction::Run => {
                let request = RunRequest {
                    source: SyncSource::Manual { note, by },
                    requested_at: self.worker.now,
                    options,
                };
                return match self.run(&stack, &request).await {
                    Ok(outcome) => answer_to_its_caller(&stack, &outcome),
                    Err(error) => Err(failure(&error)),
                };
            }
            SyncAction::Plan => {
                let (_, source, _) = self.mirror(&stack).await.map_err(|error| failure(&error))?;
                plan(cloud, &source, &self.runner, &stack, &options)
                    .await
                    .map(|plan| answer(&plan))
            }
            SyncAction::Status => status(cloud, &stack).await.map(|status| answer(&status)),
            SyncAction::Verify => {
                let (_, source, _) = self.mirror(&stack).await.map_err(|error| failure(&error))?;
                verify(cloud, &source, &stack).await.map(|verification| {
                    let mut answer = answer(&verification);
                    answer["is_right"] = json!(verification.is_right());
                    answer
                })
            }
        };
        answered.map_err(|error| failure(&error))
    }

    async fn run(&self, stack: &str, request: &RunRequest) -> Result<RunOutcome, SyncError> {
        let (place, source, transferrer) = self.mirror(stack).await?;
        let outcome = run(&self.engine(&source, &transferrer), stack, request).await?;
        log(stack, &outcome);
        self.measure(&place, Some(&outcome)).await;
        Ok(outcome)
    }

    /// Goes on with the open sync of a stack.
    async fn advance(&self, stack: &str) -> Result<Advanced, SyncError> {
        let (place, source, transferrer) = self.mirror(stack).await?;
        let advanced = advance(&self.engine(&source, &transferrer), stack).await?;
        if let Some(outcome) = &advanced.outcome {
            log(stack, outcome);
        }
        self.measure(&place, advanced.outcome.as_ref()).await;
        Ok(advanced)
    }

    /// An event reports that something has ended; the record says what that means.
    async fn woken(&self, stack: &str) -> Result<Value, Failure> {
        match self.advance(stack).await {
            Ok(advanced) => Ok(answer(&advanced)),
            // The stack was deleted, or its mirror taken out of it, while tasks were at work.
            Err(error) if is_final(&error) => {
                tracing::warn!(stack, %error, "ignored");
                Ok(json!({"outcome": "ignored", "reason": error.to_string()}))
            }
            Err(error) => Err(failure(&error)),
        }
    }

    async fn reconcile(&self) -> Result<Value, Failure> {
        let stacks = self
            .function
            .cloud
            .mirrors()
            .await
            .map_err(|error| failure(&error.into()))?;
        let mut advanced = Vec::new();
        let mut failures = Vec::new();
        for stack in &stacks {
            match self.advance(stack).await {
                Ok(outcome) => advanced.push(outcome),
                Err(error) if is_final(&error) => {
                    tracing::debug!(stack, %error, "no mirror any more");
                }
                Err(error) => failures.push(error.to_string()),
            }
        }
        advanced.retain(|advanced| advanced.outcome.is_some());
        // It comes every minute: what goes on has logged itself.
        tracing::debug!(
            mirrors = stacks.len(),
            advanced = advanced.len(),
            failures = failures.len(),
            "reconciled"
        );
        if failures.is_empty() {
            Ok(json!({"mirrors": stacks.len(), "advanced": advanced}))
        } else {
            Err(Failure {
                kind: "CallFailed",
                message: failures.join("; "),
            })
        }
    }

    /// A stack's mirror, and what transfers files to it.
    async fn mirror(&self, stack: &str) -> Result<(MirrorLocation, S, T), SyncError> {
        let found = self.function.cloud.mirror(stack).await;
        let (settings, place) = found.map_err(|error| match error.class {
            class if class.is_refusal() => SyncError::Refused {
                operation: "find",
                stack: stack.to_owned(),
                reason: error.message,
            },
            _ => SyncError::Call(error),
        })?;
        let (source, transferrer) = (self.function.connect)(&settings)?;
        Ok((place, source, transferrer))
    }

    fn engine<'b>(&'b self, source: &'b S, transferrer: &'b T) -> Engine<'b, C, S, T> {
        Engine {
            cloud: self.function.cloud,
            source,
            transferrer,
            runner: &self.runner,
            worker: &self.worker,
        }
    }

    /// What an invocation leaves: how many shards wait, for a service of tasks that scales by their
    /// number, and the figures of a sync that is over.
    async fn measure(&self, place: &MirrorLocation, outcome: Option<&RunOutcome>) {
        if let Some(RunOutcome::Completed { result, .. } | RunOutcome::Failed { result, .. }) =
            outcome
        {
            metrics::measure(&place.stack, &figures(result));
        }
        if place.tasks.is_none() {
            return;
        }
        match shard::pending(self.function.cloud, &place.bucket, self.worker.now).await {
            Ok(pending) => metrics::measure(
                &place.stack,
                &[(Metric::PendingShards, pending.len() as u64)],
            ),
            // What was done is done: a figure that is missing is not a reason to do it again.
            Err(error) => {
                tracing::warn!(stack = place.stack, %error, "pending shards not counted");
            }
        }
    }
}

fn figures(result: &SyncOutcome) -> [(Metric, u64); 4] {
    let transfer = &result.transfer;
    let seconds = (result.finished_at - transfer.started_at).num_seconds();
    [
        (Metric::SyncedFiles, transfer.files),
        (Metric::SyncedBytes, transfer.bytes),
        (Metric::SyncFailedFiles, transfer.failed),
        (
            Metric::SyncDuration,
            u64::try_from(seconds).unwrap_or_default(),
        ),
    ]
}

/// Whether asking again changes nothing: there is no such mirror, or it does not allow it.
fn is_final(error: &SyncError) -> bool {
    matches!(error, SyncError::Refused { .. })
}

fn failure(error: &SyncError) -> Failure {
    Failure {
        kind: if is_final(error) {
            "Refused"
        } else {
            "CallFailed"
        },
        message: error.to_string(),
    }
}

fn answer_to_its_caller(stack: &str, outcome: &RunOutcome) -> Result<Value, Failure> {
    match outcome {
        RunOutcome::Refused { reason } => Err(Failure {
            kind: "Refused",
            message: format!("sync the mirror of stack {stack}: {reason}"),
        }),
        RunOutcome::Failed { reason, .. } => Err(Failure {
            kind: "SyncFailed",
            message: format!("sync the mirror of stack {stack}: {reason}"),
        }),
        outcome => Ok(answer(outcome)),
    }
}

fn answer<A: Serialize>(answered: &A) -> Value {
    json!(answered)
}

fn log(stack: &str, outcome: &RunOutcome) {
    match outcome {
        RunOutcome::Unchanged { sync_id } => {
            tracing::info!(stack, sync_id, "nothing to sync");
        }
        RunOutcome::Refused { reason } => tracing::warn!(stack, reason, "sync refused"),
        RunOutcome::Running {
            sync_id,
            runs_on,
            total,
        } => tracing::info!(
            stack,
            sync_id,
            ?runs_on,
            files = total.files,
            bytes = total.bytes,
            "sync goes on"
        ),
        RunOutcome::Completed { sync_id, result } => tracing::info!(
            stack,
            sync_id,
            files = result.transfer.files,
            bytes = result.transfer.bytes,
            missing_manifests = result.missing_manifests,
            deletion_refused = result.deletion_refused.is_some(),
            warnings = result.warnings.len(),
            "sync completed"
        ),
        RunOutcome::Failed {
            sync_id,
            reason,
            result,
        } => tracing::warn!(
            stack,
            sync_id,
            reason,
            failed = result.transfer.failed,
            "sync failed"
        ),
    }
}

#[cfg(test)]
mod tests;
