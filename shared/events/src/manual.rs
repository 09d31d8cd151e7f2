//! Payloads that a person, a pipeline or a schedule invokes a function with.

use std::collections::BTreeMap;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::Malformed;
use crate::image::{DigestPrefix, ImageReference};
use crate::longshore::Caller;
use crate::malformed::parse;
use crate::scheduler::ScheduledRun;

/// What `deploy` can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeployRequest {
    /// Deploy an image to a service.
    Deploy(DeployPayload),
    /// Go back to an earlier deployment.
    Rollback(RollbackPayload),
    /// Let no deployment begin.
    Hold(HoldPayload),
    /// Let deployments begin again.
    Resume(ResumePayload),
    /// Let the deployment begin that waits for it.
    Approve(ApprovalPayload),
    /// Never let the deployment begin that waits to be approved.
    Reject(ApprovalPayload),
    /// Run a task of a service.
    Run(RunPayload),
    /// Say what came of the deployments of some days.
    Digest(DigestPayload),
    /// The same of the last seven days, by a schedule.
    ScheduledDigest(ScheduledRun),
    /// Close what events failed to close, and publish what was not published: by hand.
    Reconcile,
    /// The same, by a schedule.
    ScheduledReconcile(ScheduledRun),
}

/// `{"action": "deploy", ...}`, without the action, as all of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployPayload {
    /// The stack that the service belongs to.
    pub stack: String,
    pub service: String,
    /// What to deploy.
    pub image: ImageReference,
    /// Why, for people; shown in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who asks, as they say themselves; shown in Slack and kept in the history.
    #[serde(
        default,
        deserialize_with = "caller",
        skip_serializing_if = "Option::is_none"
    )]
    pub by: Option<Caller>,
}

/// `{"action": "rollback", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackPayload {
    /// The stack that the service belongs to.
    pub stack: String,
    pub service: String,
    /// The number of the deployment to go back to. Default: the last that succeeded with another image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// The number of the deployment to go back from: whoever looked at an older one is refused. Default: whatever is
    /// the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// Why, for people; shown in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who asks, as they say themselves; shown in Slack and kept in the history.
    #[serde(
        default,
        deserialize_with = "caller",
        skip_serializing_if = "Option::is_none"
    )]
    pub by: Option<Caller>,
}

/// `{"action": "hold", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldPayload {
    pub stack: String,
    /// The service. Default: all services of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Until when. Default: until somebody resumes.
    #[serde(
        default,
        deserialize_with = "time",
        skip_serializing_if = "Option::is_none"
    )]
    pub until: Option<DateTime<Utc>>,
    /// Why, for people; shown in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who asks, as they say themselves; shown in Slack and kept in the history.
    #[serde(
        default,
        deserialize_with = "caller",
        skip_serializing_if = "Option::is_none"
    )]
    pub by: Option<Caller>,
}

/// `{"action": "resume", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumePayload {
    pub stack: String,
    /// The service. Default: all services of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// When the hold began that is to end: one that began later stays. Default: whatever hold there is.
    #[serde(
        default,
        deserialize_with = "time",
        skip_serializing_if = "Option::is_none"
    )]
    pub held_since: Option<DateTime<Utc>>,
    /// Why, for people; shown in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who asks, as they say themselves; shown in Slack and kept in the history.
    #[serde(
        default,
        deserialize_with = "caller",
        skip_serializing_if = "Option::is_none"
    )]
    pub by: Option<Caller>,
}

/// `{"action": "approve", ...}` and `{"action": "reject", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalPayload {
    /// The stack that the service belongs to.
    pub stack: String,
    pub service: String,
    /// The image's digest, or its beginning as Slack shows it. Default: whatever waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestPrefix>,
    /// Who asks, as they say themselves; shown in Slack and kept in the history.
    #[serde(
        default,
        deserialize_with = "caller",
        skip_serializing_if = "Option::is_none"
    )]
    pub by: Option<Caller>,
}

/// `{"action": "run", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPayload {
    /// The stack that the service belongs to.
    pub stack: String,
    pub service: String,
    /// Takes the place of the container's command. Default: the container's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Environment variables besides the container's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// CPU units of the task, 1024 a vCPU. Default: the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// MiB of memory of the task. Default: the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
}

/// `{"action": "digest", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestPayload {
    /// The stack whose deployments are counted. Default: all stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// How many days, up to now: 1 to [`MOST_DAYS`]. Default: [`WEEK`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// How many days a digest is of where nobody says it.
pub const WEEK: u32 = 7;

/// How many days a digest is of at most.
pub const MOST_DAYS: u32 = 90;

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
            stack: stack.to_owned(),
            service: service.to_owned(),
            image,
            note,
            by: None,
        }
    }
}

const WHAT: &str = "manual payload";

const SCHEDULE: &str = "schedule's input";

/// Reads a payload for `deploy`, whose field `action` says what the others are.
///
/// # Errors
/// [`Malformed`], naming the field and what is expected there.
pub fn parse_deploy(value: &Value) -> Result<DeployRequest, Malformed> {
    match value.get("action").and_then(Value::as_str) {
        Some("deploy") => {
            let payload: DeployPayload = without_action(value)?;
            check_names(&payload.stack, Some(&payload.service))?;
            Ok(DeployRequest::Deploy(payload))
        }
        Some("rollback") => {
            let payload: RollbackPayload = without_action(value)?;
            check_names(&payload.stack, Some(&payload.service))?;
            if payload.to == Some(0) {
                return Err(Malformed::new(
                    WHAT,
                    "field `to`: found `0`, expected the number of a deployment, from 1",
                ));
            }
            Ok(DeployRequest::Rollback(payload))
        }
        Some("hold") => {
            let payload: HoldPayload = without_action(value)?;
            check_names(&payload.stack, payload.service.as_deref())?;
            Ok(DeployRequest::Hold(payload))
        }
        Some("resume") => {
            let payload: ResumePayload = without_action(value)?;
            check_names(&payload.stack, payload.service.as_deref())?;
            Ok(DeployRequest::Resume(payload))
        }
        Some("approve") => {
            let payload: ApprovalPayload = without_action(value)?;
            check_names(&payload.stack, Some(&payload.service))?;
            Ok(DeployRequest::Approve(payload))
        }
        Some("reject") => {
            let payload: ApprovalPayload = without_action(value)?;
            check_names(&payload.stack, Some(&payload.service))?;
            Ok(DeployRequest::Reject(payload))
        }
        Some("run") => {
            let payload: RunPayload = without_action(value)?;
            check_names(&payload.stack, Some(&payload.service))?;
            Ok(DeployRequest::Run(payload))
        }
        Some("digest") if value.get("schedule_arn").is_some() => {
            parse(SCHEDULE, value).map(DeployRequest::ScheduledDigest)
        }
        Some("digest") => {
            let payload: DigestPayload = without_action(value)?;
            if let Some(stack) = &payload.stack {
                check_names(stack, None)?;
            }
            if let Some(found) = payload.days
                && !(1..=MOST_DAYS).contains(&found)
            {
                return Err(Malformed::new(
                    WHAT,
                    format!("field `days`: found `{found}`, expected 1 to {MOST_DAYS}"),
                ));
            }
            Ok(DeployRequest::Digest(payload))
        }
        Some("reconcile") if value.get("schedule_arn").is_some() => {
            parse(SCHEDULE, value).map(DeployRequest::ScheduledReconcile)
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
                format!(
                    "field `action`: found {found}, expected `deploy`, `rollback`, `hold`, `resume`, \
                     `approve`, `reject`, `run`, `digest` or `reconcile`"
                ),
            ))
        }
    }
}

/// Reads the fields beside `action`, which has said what they are.
fn without_action<T: DeserializeOwned>(value: &Value) -> Result<T, Malformed> {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("action");
    }
    parse(WHAT, &value)
}

/// The names become a part of keys: one that is none must not name another object.
fn check_names(stack: &str, service: Option<&str>) -> Result<(), Malformed> {
    for (field, name) in [("stack", Some(stack)), ("service", service)] {
        let Some(name) = name else { continue };
        if name.is_empty() || name.contains('/') || name.chars().any(char::is_control) {
            return Err(Malformed::new(
                WHAT,
                format!(
                    "field `{field}`: found `{name}`, expected the name of a {field}, without a slash"
                ),
            ));
        }
    }
    Ok(())
}

/// Reads who asks: a name is all that most have to say.
fn caller<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Caller>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        name: String,
        #[serde(default)]
        run_url: Option<String>,
    }

    let value = Option::<Value>::deserialize(deserializer)?;
    let form = match value {
        None => return Ok(None),
        Some(Value::String(name)) => Ok(Caller::named(&name)),
        Some(Value::Object(fields)) => serde_json::from_value(Value::Object(fields))
            .map(|Fields { name, run_url }| Caller { name, run_url })
            .map_err(|error| error.to_string()),
        Some(other) => Err(format!("found `{other}`")),
    };
    form.map(Some).map_err(|problem| {
        D::Error::custom(format!(
            "{problem}, expected a name, or an object with `name` and `run_url`"
        ))
    })
}

/// Reads a time that a person wrote.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => Ok(Some(time.to_utc())),
        Err(_) => Err(D::Error::custom(format!(
            "found `{text}`, expected a time such as 2026-12-24T18:00:00+01:00"
        ))),
    }
}

/// What `sync` can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncRequest {
    /// Do something with a mirror.
    Sync(SyncPayload),
    /// Update a mirror to what the index names: asked by its stack's schedule.
    Scheduled(ScheduledSync),
    /// Close what events failed to close, and publish what was not published.
    Reconcile,
    /// The same, by a schedule.
    ScheduledReconcile(ScheduledRun),
}

/// `{"action": "run", "stack": "homebrew-bottles-sync-prod", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncPayload {
    /// What to do.
    pub action: SyncAction,
    /// The name of the stack whose `bottle_sync` is meant.
    pub stack: String,
    /// Why, for people; shown in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Compare with a listing of the bucket, instead of the inventory that the last sync has left.
    #[serde(default)]
    pub check_listing: bool,
    /// From how many bytes on the sync runs in tasks, instead of the function's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_bytes: Option<u64>,
    /// Who asks, as they say themselves; shown in Slack and kept in the history.
    #[serde(
        default,
        deserialize_with = "caller",
        skip_serializing_if = "Option::is_none"
    )]
    pub by: Option<Caller>,
}

/// What a stack's schedule sends: `{"action": "run", "stack": ...}` with the context attributes of
/// EventBridge Scheduler beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledSync {
    /// [`SyncAction::Run`].
    pub action: SyncAction,
    /// The name of the stack whose `bottle_sync` is meant.
    pub stack: String,
    /// `<aws.scheduler.schedule-arn>`.
    pub schedule_arn: String,
    /// `<aws.scheduler.scheduled-time>`.
    pub scheduled_time: DateTime<Utc>,
    /// `<aws.scheduler.execution-id>`: another one for each attempt of one run.
    pub execution_id: String,
    /// `<aws.scheduler.attempt-number>`; Scheduler fills it in as text.
    pub attempt_number: String,
}

/// What can be done with a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncAction {
    /// Say what a sync would do; nothing is changed.
    Plan,
    /// Update the mirror to what the index names.
    Run,
    /// Say how far the last sync is.
    Status,
    /// Say which files of the mirror are not what the index names.
    Verify,
}

impl fmt::Display for SyncAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plan => "plan",
            Self::Run => "run",
            Self::Status => "status",
            Self::Verify => "verify",
        })
    }
}

/// Reads a payload for `sync`, whose field `action` says what the others are.
///
/// # Errors
/// [`Malformed`], naming the field and what is expected there.
pub fn parse_sync(value: &Value) -> Result<SyncRequest, Malformed> {
    let is_schedule = value.get("schedule_arn").is_some();
    match value.get("action").and_then(Value::as_str) {
        Some("reconcile") if is_schedule => {
            parse(SCHEDULE, value).map(SyncRequest::ScheduledReconcile)
        }
        Some("reconcile") => parse::<ReconcilePayload>(WHAT, value).map(|_| SyncRequest::Reconcile),
        Some("run") if is_schedule => {
            let scheduled: ScheduledSync = parse(SCHEDULE, value)?;
            check_stack_name(SCHEDULE, &scheduled.stack)?;
            Ok(SyncRequest::Scheduled(scheduled))
        }
        Some("plan" | "run" | "status" | "verify") => {
            let payload: SyncPayload = parse(WHAT, value)?;
            check_stack_name(WHAT, &payload.stack)?;
            check_sync(&payload)?;
            Ok(SyncRequest::Sync(payload))
        }
        _ => {
            let found = value
                .get("action")
                .map_or_else(|| "nothing".to_owned(), |found| format!("`{found}`"));
            Err(Malformed::new(
                WHAT,
                format!(
                    "field `action`: found {found}, expected `plan`, `run`, `status`, `verify` or \
                     `reconcile`"
                ),
            ))
        }
    }
}

/// A stack's name becomes a part of keys: one that is none must not name another object.
fn check_stack_name(what: &str, stack: &str) -> Result<(), Malformed> {
    let is_name = stack
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_name && !stack.is_empty() {
        return Ok(());
    }
    Err(Malformed::new(
        what,
        format!(
            "field `stack`: found `{stack}`, expected the name of a stack: letters, digits and hyphens"
        ),
    ))
}

/// What no single field says.
fn check_sync(payload: &SyncPayload) -> Result<(), Malformed> {
    let action = payload.action;
    let takes_note = action == SyncAction::Run;
    let compares = matches!(action, SyncAction::Plan | SyncAction::Run);
    for (field, is_given, takes, expected) in [
        ("note", payload.note.is_some(), takes_note, "`run`"),
        ("by", payload.by.is_some(), takes_note, "`run`"),
        (
            "check_listing",
            payload.check_listing,
            compares,
            "`plan` or `run`",
        ),
        (
            "threshold_bytes",
            payload.threshold_bytes.is_some(),
            compares,
            "`plan` or `run`",
        ),
    ] {
        if is_given && !takes {
            return Err(Malformed::new(
                WHAT,
                format!("field `{field}`: expected only with {expected}, found it with `{action}`"),
            ));
        }
    }
    Ok(())
}

/// What `provision` can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum ProvisionRequest {
    /// Do something with a stack.
    Stack(StackPayload),
    /// Close what events failed to close, and publish what was not published: by hand.
    Reconcile,
    /// The same, by a schedule.
    ScheduledReconcile(ScheduledRun),
}

/// `{"action": "plan", "stack": {...}, ...}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackPayload {
    /// What to do.
    pub action: StackAction,
    pub stack: StackArgument,
    /// The environment of a stack file that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Why, for people; shown in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// With [`StackAction::Destroy`]: the stack's name once more, when it holds data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// Who asks, as they say themselves; shown in Slack and kept in the history.
    #[serde(
        default,
        deserialize_with = "caller",
        skip_serializing_if = "Option::is_none"
    )]
    pub by: Option<Caller>,
}

/// What can be done with a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackAction {
    /// Give the template.
    Render,
    /// Say what applying it would change.
    Plan,
    /// Make the stack what the stack file says.
    Apply,
    /// Delete the stack.
    Destroy,
    /// Say what is not as the template says.
    Drift,
    /// Give the stack's outputs.
    Outputs,
    /// Say what it costs a month.
    Cost,
}

impl StackAction {
    /// Whether the name of a stack that exists says enough.
    pub fn takes_name(self) -> bool {
        matches!(self, Self::Destroy | Self::Drift | Self::Outputs)
    }
}

impl fmt::Display for StackAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Render => "render",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Destroy => "destroy",
            Self::Drift => "drift",
            Self::Outputs => "outputs",
            Self::Cost => "cost",
        })
    }
}

/// The stack that a payload is about. Its `Debug` shows no content, which may hold secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum StackArgument {
    /// What a stack file would hold.
    Content(Map<String, Value>),
    /// The name of a stack that exists: `shop-prod`.
    Name(String),
}

impl fmt::Debug for StackArgument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(_) => formatter.debug_tuple("Content").finish_non_exhaustive(),
            Self::Name(name) => formatter.debug_tuple("Name").field(name).finish(),
        }
    }
}

impl TryFrom<Value> for StackArgument {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::Object(content) => Ok(Self::Content(content)),
            Value::String(name) if !name.is_empty() => Ok(Self::Name(name)),
            other => Err(format!(
                "found `{other}`, expected the content of a stack file or the name of a stack"
            )),
        }
    }
}

impl From<StackArgument> for Value {
    fn from(argument: StackArgument) -> Self {
        match argument {
            StackArgument::Content(content) => Self::Object(content),
            StackArgument::Name(name) => Self::String(name),
        }
    }
}

/// Reads a payload for `provision`, whose field `action` says what the others are.
///
/// # Errors
/// [`Malformed`], naming the field and what is expected there.
pub fn parse_provision(value: &Value) -> Result<ProvisionRequest, Malformed> {
    match value.get("action").and_then(Value::as_str) {
        Some("reconcile") if value.get("schedule_arn").is_some() => {
            parse(SCHEDULE, value).map(ProvisionRequest::ScheduledReconcile)
        }
        Some("reconcile") => {
            parse::<ReconcilePayload>(WHAT, value).map(|_| ProvisionRequest::Reconcile)
        }
        Some("render" | "plan" | "apply" | "destroy" | "drift" | "outputs" | "cost") => {
            let payload: StackPayload = parse(WHAT, value)?;
            check(&payload)?;
            Ok(ProvisionRequest::Stack(payload))
        }
        _ => {
            let found = value
                .get("action")
                .map_or_else(|| "nothing".to_owned(), |found| format!("`{found}`"));
            Err(Malformed::new(
                WHAT,
                format!(
                    "field `action`: found {found}, expected `render`, `plan`, `apply`, `destroy`, \
                     `drift`, `outputs`, `cost` or `reconcile`"
                ),
            ))
        }
    }
}

/// What no single field says.
fn check(payload: &StackPayload) -> Result<(), Malformed> {
    let action = payload.action;
    if let StackArgument::Name(name) = &payload.stack {
        if !action.takes_name() {
            return Err(Malformed::new(
                WHAT,
                format!(
                    "field `stack`: found the name `{name}`, expected the content of a stack file: a \
                     name says enough only to `destroy`, `drift` and `outputs`"
                ),
            ));
        }
        if payload.environment.is_some() {
            return Err(Malformed::new(
                WHAT,
                format!(
                    "field `environment`: expected none beside the name `{name}`, which holds it already"
                ),
            ));
        }
    }
    if payload.confirm.is_some() && action != StackAction::Destroy {
        return Err(Malformed::new(
            WHAT,
            format!("field `confirm`: expected only with `destroy`, found it with `{action}`"),
        ));
    }
    Ok(())
}
