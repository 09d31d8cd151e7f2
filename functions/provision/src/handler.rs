//! From what woke `provision` to a call of the provisioning engine, and from its answer to Lambda's.

use chrono::{DateTime, Utc};
use longshore_events::incoming::{ProvisionEvent, parse_provision};
use longshore_events::longshore::StackSource;
use longshore_events::manual::{ProvisionRequest, StackAction, StackArgument, StackPayload};
use longshore_provisioning::apply::{StackRequest, apply};
use longshore_provisioning::destroy::destroy;
use longshore_provisioning::drift::drift;
use longshore_provisioning::error::ProvisioningError;
use longshore_provisioning::file::apply_file;
use longshore_provisioning::outputs::outputs;
use longshore_provisioning::plan::plan;
use longshore_provisioning::ports::{ProvisioningCloud, StackObserver};
use longshore_provisioning::render::render;
use longshore_provisioning::settings::Settings;
use longshore_provisioning::settled::{reconcile, stack_imported, stack_settled};
use longshore_runtime::lambda::{Failure, Invocation};
use longshore_runtime::metrics::{self, Metric};
use longshore_stack::cost::estimate;
use longshore_stack::read::{Reading, Selection, read_value};
use longshore_state::Worker;
use serde::Serialize;
use serde_json::{Value, json};

/// Handles one invocation.
///
/// # Errors
/// [`Failure`] for what Lambda should try again, and for a manual payload that is refused: its caller
/// reads why.
pub async fn handle<C: ProvisioningCloud + StackObserver>(
    cloud: &C,
    settings: &Settings,
    payload: &Value,
    invocation: &Invocation,
    now: DateTime<Utc>,
) -> Result<Value, Failure> {
    let worker = Worker {
        id: invocation.request_id.clone(),
        now,
    };
    match parse_provision(payload) {
        Ok(ProvisionEvent::StackFile(file)) => {
            let outcome = apply_file(cloud, settings, &file, &worker).await;
            answer(
                outcome.inspect(|outcome| tracing::info!(key = file.key, ?outcome, "stack file")),
            )
        }
        Ok(ProvisionEvent::Request(ProvisionRequest::Stack(payload))) => {
            handle_payload(cloud, settings, payload, &worker).await
        }
        Ok(ProvisionEvent::Request(
            ProvisionRequest::Reconcile | ProvisionRequest::ScheduledReconcile(_),
        )) => handle_reconcile(cloud, settings, &worker).await,
        Ok(ProvisionEvent::SettledStack { stack, .. }) => {
            answer(stack_settled(cloud, settings, &stack, &worker).await)
        }
        Ok(ProvisionEvent::StackImported(change)) => {
            answer(stack_imported(cloud, settings, &change.stack, &worker).await)
        }
        Ok(ProvisionEvent::Nothing(reason)) => {
            tracing::debug!(reason, "ignored");
            Ok(json!({"outcome": "ignored", "reason": reason}))
        }
        Err(malformed) if payload.get("detail-type").is_some() => {
            tracing::error!(error = %malformed, "malformed event, acknowledged");
            metrics::count(Metric::MalformedEvents, "provision");
            Ok(json!({"outcome": "malformed", "reason": malformed.to_string()}))
        }
        Err(malformed) => Err(Failure {
            kind: "MalformedPayload",
            message: malformed.to_string(),
        }),
    }
}

async fn handle_reconcile<C: ProvisioningCloud + StackObserver>(
    cloud: &C,
    settings: &Settings,
    worker: &Worker,
) -> Result<Value, Failure> {
    let reconciled = reconcile(cloud, settings, worker).await.map_err(failure)?;
    let failures: Vec<&str> = reconciled
        .operations
        .failures
        .iter()
        .chain(&reconciled.failures)
        .map(String::as_str)
        .collect();
    if failures.is_empty() {
        Ok(json!(reconciled))
    } else {
        Err(Failure {
            kind: "CallFailed",
            message: failures.join("; "),
        })
    }
}

async fn handle_payload<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    payload: StackPayload,
    worker: &Worker,
) -> Result<Value, Failure> {
    let request = StackRequest {
        id: worker.id.clone(),
        at: worker.now,
        source: StackSource::Manual {
            note: payload.note.clone(),
            by: payload.by.clone(),
        },
    };
    let stack = named(&payload)?;
    match payload.action {
        StackAction::Destroy => {
            let confirmation = payload.confirm.as_deref();
            answer(
                destroy(
                    cloud,
                    settings,
                    &stack.name()?,
                    confirmation,
                    &request,
                    worker,
                )
                .await,
            )
        }
        StackAction::Drift => answer(drift(cloud, &stack.name()?).await),
        StackAction::Outputs => answer(outputs(cloud, &stack.name()?).await),
        StackAction::Render => answer(render(cloud, settings, &stack.content()?).await),
        StackAction::Plan => answer(plan(cloud, settings, &stack.content()?, &worker.id).await),
        StackAction::Apply => {
            answer(apply(cloud, settings, &stack.content()?, &request, worker).await)
        }
        StackAction::Cost => answer(Ok(estimate(&stack.content()?.stack))),
    }
}

/// A payload's stack: a name, or the content of a stack file.
enum Named {
    Name(String),
    Content(Box<Reading>),
}

impl Named {
    fn name(self) -> Result<String, Failure> {
        Ok(match self {
            Self::Name(name) => name,
            Self::Content(reading) => reading.stack.stack_name(),
        })
    }

    fn content(self) -> Result<Reading, Failure> {
        match self {
            Self::Content(reading) => Ok(*reading),
            Self::Name(name) => Err(Failure {
                kind: "MalformedPayload",
                message: format!(
                    "manual payload: field `stack`: found `{name}`, expected what the stack file holds"
                ),
            }),
        }
    }
}

fn named(payload: &StackPayload) -> Result<Named, Failure> {
    match &payload.stack {
        StackArgument::Name(name) => Ok(Named::Name(name.clone())),
        StackArgument::Content(content) => {
            let selection = Selection::Environment(payload.environment.as_deref());
            match read_value(&Value::Object(content.clone()), &selection) {
                Ok(reading) => Ok(Named::Content(Box::new(reading))),
                Err(problems) => Err(failure(ProvisioningError::Refused {
                    stack: content
                        .get("name")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                    problems,
                })),
            }
        }
    }
}

fn answer<T: Serialize>(outcome: Result<T, ProvisioningError>) -> Result<Value, Failure> {
    outcome.map(|outcome| json!(outcome)).map_err(failure)
}

fn failure(error: ProvisioningError) -> Failure {
    Failure {
        kind: match error {
            ProvisioningError::Refused { .. } => "Refused",
            ProvisioningError::Conflict { .. } => "Conflict",
            ProvisioningError::Call(_) => "CallFailed",
        },
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
