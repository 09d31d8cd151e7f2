//! Payloads that a person, a pipeline or a schedule invokes a function with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Malformed;
use crate::image::ImageReference;
use crate::malformed::parse;
use crate::scheduler::ScheduledRun;

/// What `deploy` can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeployRequest {
    /// Deploy an image to a service.
    Deploy(DeployPayload),
    /// Close what events failed to close, and tell what was not told: by hand.
    Reconcile,
    /// The same, by a schedule.
    ScheduledReconcile(ScheduledRun),
}

/// `{"action": "deploy", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployPayload {
    action: DeployAction,
    /// The stack that the service belongs to.
    pub stack: String,
    /// The service.
    pub service: String,
    /// What to deploy.
    pub image: ImageReference,
    /// Why, for people; told in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeployAction {
    Deploy,
}

/// `{"action": "reconcile"}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReconcilePayload {
    #[serde(rename = "action")]
    _action: String,
}

impl DeployPayload {
    /// Asks for `image` to be deployed to `service` of `stack`.
    pub fn new(stack: &str, service: &str, image: ImageReference, note: Option<String>) -> Self {
        Self {
            action: DeployAction::Deploy,
            stack: stack.to_owned(),
            service: service.to_owned(),
            image,
            note,
        }
    }
}

const WHAT: &str = "manual payload";

/// Reads a payload for `deploy`, whose field `action` says what the others are.
///
/// # Errors
/// [`Malformed`], naming the field and what is expected there.
pub fn parse_deploy(value: &Value) -> Result<DeployRequest, Malformed> {
    match value.get("action").and_then(Value::as_str) {
        Some("deploy") => parse(WHAT, value).map(DeployRequest::Deploy),
        Some("reconcile") if value.get("schedule_arn").is_some() => {
            parse("schedule's input", value).map(DeployRequest::ScheduledReconcile)
        }
        Some("reconcile") => {
            parse::<ReconcilePayload>(WHAT, value).map(|_| DeployRequest::Reconcile)
        }
        _ => {
            let found = value
                .get("action")
                .map_or_else(|| "nothing".to_owned(), |found| format!("`{found}`"));
            Err(Malformed::new(
                WHAT,
                format!("field `action`: found {found}, expected `deploy` or `reconcile`"),
            ))
        }
    }
}
