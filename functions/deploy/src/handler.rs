//! From what woke `deploy` to a call of the deployment engine, and from its answer to Lambda's.

use chrono::{DateTime, Utc};
use longshore_events::incoming::{
    DeployEvent, DeployTaskStopped, Push, ReleaseFile, RequestedAction, parse_deploy,
};
use longshore_events::longshore::{ActionRefused, Caller, LongshoreEvent, Source};
use longshore_events::manual::{
    ApprovalPayload, DeployPayload, DeployRequest, HoldPayload, ResumePayload, RollbackPayload,
    RunPayload,
};
use longshore_events::sequence::Sequence;
use longshore_policy::route::ServiceId;
use longshore_rollout::asked::AskError;
use longshore_rollout::course::tasks::{go_on, task_stopped};
use longshore_rollout::digest::{DigestRequest, publish_digest};
use longshore_rollout::doctor::report_unreadable;
use longshore_rollout::engine::{DeployError, Outcome, ServiceOutcome};
use longshore_rollout::ports::Cloud;
use longshore_rollout::triggers::hold::{
    HoldError, HoldOutcome, approve, has_begun, hold, reject, resume,
};
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::predecessor::predecessor_ended;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::{Reconciled, reconcile, reconcile_shard};
use longshore_rollout::triggers::release::{ReleaseOutcome, deploy_release};
use longshore_rollout::triggers::rollback::{RollbackError, rollback};
use longshore_rollout::triggers::run::run_task;
use longshore_rollout::triggers::settled::{
    Done, ReconciledStacks, SettledService, reconcile_settled_stacks, stack_settled,
};
use longshore_runtime::lambda::{Failure, Invocation};
use longshore_runtime::metrics::{self, Metric};
use longshore_state::store::DocumentListing;
use longshore_state::{CallError, Worker};
use serde_json::{Value, json};

/// The kind of a failure that no retry helps.
const REFUSED: &str = "Refused";

/// Handles one invocation.
///
/// # Errors
/// [`Failure`] for what Lambda should try again, and for a manual payload that is refused: its caller
/// reads why.
pub async fn handle<C: Cloud + DocumentListing>(
    cloud: &C,
    payload: &Value,
    invocation: &Invocation,
    now: DateTime<Utc>,
) -> Result<Value, Failure> {
    let worker = Worker {
        id: invocation.request_id.clone(),
        now,
    };
    match parse_deploy(payload) {
        Ok(DeployEvent::Push(push)) => handle_push(cloud, &push, &worker).await,
        Ok(DeployEvent::ReleaseFile(file)) => handle_release(cloud, &file, &worker).await,
        Ok(DeployEvent::Request(request)) => handle_request(cloud, request, &worker).await,
        Ok(DeployEvent::SettledStack {
            stack,
            operation_id,
        }) => handle_settled_stack(cloud, &stack, &operation_id, &worker).await,
        Ok(DeployEvent::DeploymentChanged { stack, service }) => {
            handle_deployment_changed(cloud, ServiceId { stack, service }, &worker).await
        }
        Ok(DeployEvent::TaskStopped(stopped)) => {
            handle_task_stopped(cloud, &stopped, &worker).await
        }
        Ok(DeployEvent::Action(action)) => handle_action(cloud, action, &worker).await,
        Ok(DeployEvent::ReconcileShard(shard)) => {
            let reconciled = reconcile_shard(cloud, shard, &worker)
                .await
                .map_err(call_failed)?;
            all_reconciled(cloud, reconciled, ReconciledStacks::default(), &worker).await
        }
        Ok(DeployEvent::Nothing(reason)) => {
            tracing::debug!(reason, "ignored");
            Ok(json!({"outcome": "ignored", "reason": reason}))
        }
        Err(malformed) if payload.get("detail-type").is_some() => {
            tracing::error!(error = %malformed, "malformed event, acknowledged");
            metrics::count(Metric::MalformedEvents, "deploy");
            Ok(json!({"outcome": "malformed", "reason": malformed.to_string()}))
        }
        Err(malformed) => Err(Failure {
            kind: "MalformedPayload",
            message: malformed.to_string(),
        }),
    }
}

async fn handle_request<C: Cloud + DocumentListing>(
    cloud: &C,
    request: DeployRequest,
    worker: &Worker,
) -> Result<Value, Failure> {
    match request {
        DeployRequest::Deploy(payload) => handle_payload(cloud, &payload, worker).await,
        DeployRequest::Rollback(payload) => handle_rollback(cloud, &payload, worker).await,
        DeployRequest::Hold(payload) => handle_hold(cloud, &payload, worker).await,
        DeployRequest::Resume(payload) => handle_resume(cloud, &payload, worker).await,
        DeployRequest::Approve(payload) => handle_approve(cloud, &payload, worker).await,
        DeployRequest::Reject(payload) => handle_reject(cloud, &payload, worker).await,
        DeployRequest::Run(payload) => handle_run(cloud, &payload, worker).await,
        DeployRequest::Digest(payload) => {
            handle_digest(cloud, &DigestRequest::of_payload(&payload, worker)).await
        }
        DeployRequest::ScheduledDigest(run) => {
            handle_digest(cloud, &DigestRequest::of_schedule(&run)).await
        }
        DeployRequest::Reconcile | DeployRequest::ScheduledReconcile(_) => {
            handle_reconcile(cloud, worker).await
        }
    }
}

/// Does what somebody asks for by a button. Nobody waits for an answer, and nothing is fixed by trying again what is
/// refused: that is published, unless it is what they want that is so already.
async fn handle_action<C: Cloud>(
    cloud: &C,
    action: RequestedAction,
    worker: &Worker,
) -> Result<Value, Failure> {
    let reason = match handle_request(cloud, action.request.clone(), worker).await {
        Err(failure) if failure.kind == REFUSED => failure.message,
        outcome => return outcome,
    };
    let asked = about(&action.request);
    let (stack, service) = (asked.stack, asked.service.unwrap_or_default());
    if is_done(cloud, &action.request).await.map_err(call_failed)? {
        tracing::info!(stack, service, press = action.id, action = %action.action, reason, "pressed again");
        return Ok(json!({"outcome": "done already", "reason": reason}));
    }
    tracing::warn!(stack, service, press = action.id, action = %action.action, reason, "button refused");
    let refused = LongshoreEvent::ActionRefused(ActionRefused {
        stack: stack.to_owned(),
        service: asked.service.map(str::to_owned),
        action: action.action,
        by: asked.by.cloned(),
        reason: reason.clone(),
        requested_at: action.at,
    });
    cloud.publish(&[refused]).await.map_err(call_failed)?;
    Ok(json!({"outcome": "refused", "reason": reason}))
}

/// Whom and what a request is about.
#[derive(Default)]
struct About<'a> {
    stack: &'a str,
    service: Option<&'a str>,
    by: Option<&'a Caller>,
}

fn about(request: &DeployRequest) -> About<'_> {
    let (stack, service, by) = match request {
        DeployRequest::Approve(asked) | DeployRequest::Reject(asked) => {
            (&asked.stack, Some(&asked.service), &asked.by)
        }
        DeployRequest::Rollback(asked) => (&asked.stack, Some(&asked.service), &asked.by),
        DeployRequest::Hold(asked) => (&asked.stack, asked.service.as_ref(), &asked.by),
        DeployRequest::Resume(asked) => (&asked.stack, asked.service.as_ref(), &asked.by),
        DeployRequest::Deploy(_)
        | DeployRequest::Run(_)
        | DeployRequest::Digest(_)
        | DeployRequest::ScheduledDigest(_)
        | DeployRequest::Reconcile
        | DeployRequest::ScheduledReconcile(_) => return About::default(),
    };
    About {
        stack,
        service: service.map(String::as_str),
        by: by.as_ref(),
    }
}

/// Whether what was refused is what whoever asked wants: two people approve, or reject, at once.
async fn is_done<C: Cloud>(cloud: &C, request: &DeployRequest) -> Result<bool, CallError> {
    let (asked, wants_it_to_begin) = match request {
        DeployRequest::Approve(asked) => (asked, true),
        DeployRequest::Reject(asked) => (asked, false),
        _ => return Ok(false),
    };
    let Some(digest) = &asked.digest else {
        return Ok(false);
    };
    let service_id = ServiceId {
        stack: asked.stack.clone(),
        service: asked.service.clone(),
    };
    Ok(has_begun(cloud, &service_id, digest).await? == wants_it_to_begin)
}

async fn handle_push<C: Cloud>(cloud: &C, push: &Push, worker: &Worker) -> Result<Value, Failure> {
    let results = deploy_push(cloud, push, worker)
        .await
        .map_err(call_failed)?;
    Ok(json!({"services": all_logged(results)?}))
}

/// What came of several services; if one failed, the event comes again.
fn all_logged(
    results: Vec<Result<ServiceOutcome, DeployError>>,
) -> Result<Vec<ServiceOutcome>, Failure> {
    let mut services = Vec::new();
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(outcome) => services.push(logged(outcome)),
            Err(error) => errors.push(error.to_string()),
        }
    }
    none_failed(&errors).map(|()| services)
}

fn none_failed(errors: &[String]) -> Result<(), Failure> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure {
        kind: "CallFailed",
        message: errors.join("; "),
    })
}

/// A deployment ended, or is stable: it may have tasks to run, and others may have waited for it.
async fn handle_deployment_changed<C: Cloud>(
    cloud: &C,
    service_id: ServiceId,
    worker: &Worker,
) -> Result<Value, Failure> {
    let outcome = go_on(cloud, &service_id, worker)
        .await
        .map_err(call_failed)?;
    let ServiceId { stack, service } = service_id;
    tracing::info!(stack, service, ?outcome, "deployment went on");
    let followed = predecessor_ended(cloud, &stack, &service, worker)
        .await
        .map_err(call_failed)?;
    // Nobody waits for an answer, and nothing is fixed by trying again what was refused.
    let (refused, others) = followed
        .into_iter()
        .partition(|result| matches!(result, Err(DeployError::Refused { .. })));
    let refused: Vec<Result<ServiceOutcome, DeployError>> = refused;
    for error in refused.into_iter().filter_map(Result::err) {
        tracing::warn!(stack, service, %error, "not deployed after its predecessor");
    }
    Ok(json!({"outcome": outcome, "services": all_logged(others)?}))
}

async fn handle_task_stopped<C: Cloud>(
    cloud: &C,
    stopped: &DeployTaskStopped,
    worker: &Worker,
) -> Result<Value, Failure> {
    let outcome = task_stopped(cloud, stopped, worker)
        .await
        .map_err(call_failed)?;
    let DeployTaskStopped {
        stack,
        service,
        task,
        ..
    } = stopped;
    tracing::info!(stack, service, task, ?outcome, "one-off task stopped");
    Ok(json!({"outcome": outcome}))
}

async fn handle_rollback<C: Cloud>(
    cloud: &C,
    payload: &RollbackPayload,
    worker: &Worker,
) -> Result<Value, Failure> {
    match rollback(cloud, payload, worker).await {
        Ok(outcome) => Ok(json!({"services": [logged(outcome)]})),
        Err(error) => Err(Failure {
            kind: match error {
                RollbackError::Refused { .. } => REFUSED,
                RollbackError::Call { .. } => "CallFailed",
            },
            message: error.to_string(),
        }),
    }
}

/// Answers when the task is started: its end may be hours away.
async fn handle_run<C: Cloud>(
    cloud: &C,
    payload: &RunPayload,
    worker: &Worker,
) -> Result<Value, Failure> {
    match run_task(cloud, payload, worker).await {
        Ok(started) => {
            let (stack, service, task) = (&started.stack, &started.service, &started.task);
            tracing::info!(stack, service, task, "task run by hand");
            Ok(json!(started))
        }
        Err(error) => Err(Failure {
            kind: match error {
                AskError::Refused { .. } => REFUSED,
                AskError::Call { .. } => "CallFailed",
            },
            message: error.to_string(),
        }),
    }
}

async fn handle_digest<C: Cloud + DocumentListing>(
    cloud: &C,
    request: &DigestRequest,
) -> Result<Value, Failure> {
    let digest = publish_digest(cloud, request).await.map_err(call_failed)?;
    tracing::info!(
        digest_id = digest.digest_id,
        stack = digest.stack,
        since = %digest.since,
        until = %digest.until,
        deployments = digest.figures.deployments(),
        counted_in_part = digest.counted_in_part,
        "digest published"
    );
    Ok(json!(digest))
}

async fn handle_hold<C: Cloud>(
    cloud: &C,
    payload: &HoldPayload,
    worker: &Worker,
) -> Result<Value, Failure> {
    let held = hold(cloud, payload, worker).await.map_err(hold_failed)?;
    all_held(held)
}

async fn handle_resume<C: Cloud>(
    cloud: &C,
    payload: &ResumePayload,
    worker: &Worker,
) -> Result<Value, Failure> {
    let resumed = resume(cloud, payload, worker).await.map_err(hold_failed)?;
    all_held(resumed)
}

async fn handle_approve<C: Cloud>(
    cloud: &C,
    payload: &ApprovalPayload,
    worker: &Worker,
) -> Result<Value, Failure> {
    let approved = approve(cloud, payload, worker).await.map_err(hold_failed)?;
    Ok(json!({"services": [logged(approved.outcome)]}))
}

async fn handle_reject<C: Cloud>(
    cloud: &C,
    payload: &ApprovalPayload,
    worker: &Worker,
) -> Result<Value, Failure> {
    let image = reject(cloud, payload, worker).await.map_err(hold_failed)?;
    let ApprovalPayload { stack, service, .. } = payload;
    tracing::info!(stack, service, %image, "deployment rejected");
    Ok(json!({"stack": stack, "service": service, "rejected": image}))
}

/// Whoever asked reads what failed for any of the services.
fn all_held(results: Vec<Result<HoldOutcome, HoldError>>) -> Result<Value, Failure> {
    let mut services = Vec::new();
    let mut failure: Option<Failure> = None;
    for result in results {
        match result {
            Ok(outcome) => {
                let HoldOutcome { stack, service, .. } = &outcome;
                let is_held = outcome.hold.is_some();
                let waited = &outcome.waited;
                tracing::info!(
                    stack,
                    service,
                    is_held,
                    ?waited,
                    "deployments held or resumed"
                );
                services.push(outcome);
            }
            Err(error) => {
                let next = hold_failed(error);
                failure = Some(match failure {
                    None => next,
                    Some(failure) => Failure {
                        kind: failure.kind,
                        message: format!("{}; {}", failure.message, next.message),
                    },
                });
            }
        }
    }
    match failure {
        None => Ok(json!({"services": services})),
        Some(failure) => Err(failure),
    }
}

fn hold_failed(error: HoldError) -> Failure {
    Failure {
        kind: match error {
            HoldError::Refused { .. } | HoldError::Deploy(DeployError::Refused { .. }) => REFUSED,
            HoldError::Call { .. } | HoldError::Deploy(_) => "CallFailed",
        },
        message: error.to_string(),
    }
}

async fn handle_release<C: Cloud>(
    cloud: &C,
    file: &ReleaseFile,
    worker: &Worker,
) -> Result<Value, Failure> {
    match deploy_release(cloud, file, worker).await {
        Ok(ReleaseOutcome::Taken(outcome)) => Ok(json!({"services": [logged(outcome)]})),
        Ok(ReleaseOutcome::Refused(reason)) => {
            tracing::warn!(key = file.key, reason, "release file refused");
            Ok(json!({"outcome": "refused", "key": file.key, "reason": reason}))
        }
        Err(error) => Err(Failure {
            kind: "CallFailed",
            message: error.to_string(),
        }),
    }
}

async fn handle_payload<C: Cloud>(
    cloud: &C,
    payload: &DeployPayload,
    worker: &Worker,
) -> Result<Value, Failure> {
    let asked = Asked {
        id: worker.id.clone(),
        at: worker.now,
        sequence: Sequence::of_time(worker.now),
        source: Source::Manual {
            note: payload.note.clone(),
            by: payload.by.clone(),
        },
    };
    match deploy_explicitly(cloud, payload, asked, worker).await {
        Ok(outcome) => Ok(json!({"services": [logged(outcome)]})),
        Err(error) => Err(Failure {
            kind: match error {
                DeployError::Refused { .. } => REFUSED,
                DeployError::Call { .. } | DeployError::Settled { .. } => "CallFailed",
            },
            message: error.to_string(),
        }),
    }
}

async fn handle_settled_stack<C: Cloud>(
    cloud: &C,
    stack: &str,
    operation_id: &str,
    worker: &Worker,
) -> Result<Value, Failure> {
    let settled = stack_settled(cloud, stack, worker)
        .await
        .map_err(call_failed)?;
    let mut services = Vec::new();
    let mut errors = Vec::new();
    for result in settled.services {
        match result {
            Ok(service) => services.push(logged_settled(stack, operation_id, service)),
            Err(error) => errors.push(error.to_string()),
        }
    }
    none_failed(&errors)?;
    Ok(json!({"stack": stack, "services": services}))
}

async fn handle_reconcile<C: Cloud>(cloud: &C, worker: &Worker) -> Result<Value, Failure> {
    // First, because it closes deployments that the stacks' own have taken the place of.
    let stacks = reconcile_settled_stacks(cloud, worker)
        .await
        .map_err(call_failed)?;
    let reconciled = reconcile(cloud, worker).await.map_err(call_failed)?;
    all_reconciled(cloud, reconciled, stacks, worker).await
}

async fn all_reconciled<C: Cloud>(
    cloud: &C,
    reconciled: Reconciled,
    stacks: ReconciledStacks,
    worker: &Worker,
) -> Result<Value, Failure> {
    let mut failures = [stacks.failures, reconciled.failures].concat();
    // A document that cannot be read may be why.
    let published = report_unreadable(cloud, !failures.is_empty(), worker).await;
    failures.extend(published.err().map(|error| error.to_string()));
    tracing::info!(
        services = reconciled.services,
        shards = reconciled.shards,
        closed = reconciled.closed,
        followed = reconciled.followed.len(),
        refused = reconciled.refused.len(),
        stacks = stacks.stacks,
        reconciled_services = stacks.reconciled_services,
        failures = failures.len(),
        "reconciled"
    );
    // Nothing is fixed by trying these again: the next reconcile does.
    for reason in &reconciled.refused {
        tracing::warn!(reason, "not reconciled");
    }
    let followed: Vec<ServiceOutcome> = reconciled.followed.into_iter().map(logged).collect();
    none_failed(&failures)?;
    Ok(json!({
        "services": reconciled.services,
        "shards": reconciled.shards,
        "closed": reconciled.closed,
        "followed": followed,
        "refused": reconciled.refused,
        "stacks": stacks.stacks,
        "reconciled_services": stacks.reconciled_services,
    }))
}

fn call_failed(error: CallError) -> Failure {
    Failure {
        kind: "CallFailed",
        message: error.to_string(),
    }
}

fn logged_settled(stack: &str, operation_id: &str, answer: SettledService) -> SettledService {
    let service = &answer.service;
    match &answer.done {
        Done::NotRestored { reason } => tracing::warn!(
            stack,
            service,
            operation_id,
            reason,
            "image not restored after a change of the stack"
        ),
        done => tracing::info!(
            stack,
            service,
            operation_id,
            ?done,
            waited = ?answer.waited,
            "service reconciled after a change of its stack"
        ),
    }
    answer
}

fn logged(answer: ServiceOutcome) -> ServiceOutcome {
    let (stack, service) = (&answer.stack, &answer.service);
    match &answer.outcome {
        Outcome::Started {
            deployment_id,
            task_definition,
        } => tracing::info!(
            stack,
            service,
            deployment_id,
            task_definition,
            "deployment started"
        ),
        Outcome::Nothing => tracing::debug!(stack, service, "nothing new to deploy"),
        Outcome::Skipped { reason } => {
            tracing::info!(stack, service, ?reason, "deployment skipped");
        }
        Outcome::Waiting { reason, until } => {
            tracing::info!(stack, service, ?reason, ?until, "deployment waits");
        }
        Outcome::Pending => {
            tracing::info!(stack, service, "deployment waits, the stack is changing");
        }
        Outcome::Failed { reason } => tracing::warn!(stack, service, reason, "deployment failed"),
    }
    answer
}

#[cfg(test)]
mod tests;
