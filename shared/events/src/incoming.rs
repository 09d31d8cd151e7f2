//! What a function was woken by, distinguished before anything is done.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::arn::{self, ServiceName};
use crate::cloudformation::{STACK_STATUS_CHANGE, StackStatus, StackStatusChange};
use crate::ecr::{
    IMAGE_ACTION, ImageAction, PULL_THROUGH_CACHE_ACTION, PullThroughCacheAction,
    REPLICATION_ACTION,
};
use crate::ecs::{
    DEPLOYMENT_STATE_CHANGE, DeploymentStateChange, TASK_STATE_CHANGE, TaskStateChange, why_stopped,
};
use crate::image::{Digest, Image};
use crate::longshore::{
    ActionRequested, ButtonAction, LongshoreEvent, ReconcileShard, SOURCE, StackFailed, StackReady,
    StackSummary, SyncShardCompleted, TaskFailure,
};
use crate::manual::{self, DeployRequest, ProvisionRequest, SyncRequest};
use crate::s3::{OBJECT_CREATED, ObjectCreated};
use crate::scheduler::{Batch, RefusedRun};
use crate::{EventBridgeEvent, Malformed, parse};

/// What wakes `deploy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeployEvent {
    /// An image with a tag was pushed.
    Push(Push),
    /// A release file was written.
    ReleaseFile(ReleaseFile),
    /// A person, a pipeline or a schedule asks.
    Request(DeployRequest),
    /// A stack has settled, whether it is as it was asked for or not.
    SettledStack {
        stack: String,
        /// The change that is over.
        operation_id: String,
    },
    /// A deployment of a service ended, or waits for its tasks: what waited for that may go on.
    DeploymentChanged { stack: String, service: String },
    /// A one-off task of a deployment has stopped.
    TaskStopped(DeployTaskStopped),
    /// Somebody pressed a button in Slack.
    Action(RequestedAction),
    /// A part of a reconcile.
    ReconcileShard(ReconcileShard),
    /// Nothing that could be deployed, and why.
    Nothing(&'static str),
}

/// What somebody asks for by a button in Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedAction {
    /// The id of the press.
    pub id: String,
    /// When it was pressed.
    pub at: DateTime<Utc>,
    pub action: ButtonAction,
    /// The same, as a payload.
    pub request: DeployRequest,
}

/// A one-off task of a deployment has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployTaskStopped {
    pub stack: String,
    pub service: String,
    /// The task's ARN.
    pub task: String,
    /// Why it failed; `None` when it did what it was started for: see [`crate::ecs::has_ended_well`].
    pub failure: Option<TaskFailure>,
}

/// An image with a tag was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// EventBridge's id of the event.
    pub event_id: String,
    /// When the image was pushed.
    pub at: DateTime<Utc>,
    /// The image; its tag is there.
    pub image: Image,
}

/// A release file was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFile {
    /// EventBridge's id of the event.
    pub event_id: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Where.
    pub bucket: String,
    pub key: String,
    /// Its version, in a versioned bucket.
    pub version_id: Option<String>,
    /// A hexadecimal number that grows with each write of the same key.
    pub sequencer: String,
}

/// What wakes `provision`.
#[derive(Debug, Clone, PartialEq)]
pub enum ProvisionEvent {
    /// A stack file was written.
    StackFile(StackFile),
    /// A person, a pipeline or a schedule asks.
    Request(ProvisionRequest),
    /// A stack has settled, whether it is as it was asked for or not.
    SettledStack {
        stack: String,
        /// The change that is over.
        operation_id: String,
    },
    /// What an earlier stack left behind was adopted; the rest of the change is to follow.
    StackImported(StackChange),
    /// Nothing that concerns provisioning, and why.
    Nothing(&'static str),
}

/// A stack file was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackFile {
    /// EventBridge's id of the event.
    pub event_id: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Where.
    pub bucket: String,
    pub key: String,
    /// Its version, in a versioned bucket.
    pub version_id: Option<String>,
    /// A hexadecimal number that grows with each write of the same key.
    pub sequencer: String,
}

/// What wakes `watch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// A deployment of a service went on.
    Deployment {
        service: ServiceName,
        /// What ECS says of the deployment.
        change: DeploymentStateChange,
    },
    /// A task of a service stopped.
    TaskStopped {
        service: ServiceName,
        /// What ECS says of the task.
        change: TaskStateChange,
    },
    /// A task that a schedule of a stack file started runs.
    ScheduledTaskRuns(ScheduledTaskChange),
    /// A task that a schedule of a stack file started has stopped.
    ScheduledTaskStopped(ScheduledTaskChange),
    /// Runs that schedules could not begin.
    RunsRefused(Vec<RefusedRun>),
    /// A stack has another status.
    Stack(StackChange),
    /// Nothing that concerns a deployment, and why.
    Nothing(&'static str),
}

/// A task that a schedule of a stack file started runs, or has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledTaskChange {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The schedule's name in the stack file.
    pub schedule: String,
    /// What ECS says of the task.
    pub change: TaskStateChange,
}

/// What wakes `sync`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncEvent {
    /// A person, a pipeline or a schedule asks.
    Request(SyncRequest),
    /// A task has ended its shard.
    ShardCompleted(SyncShardCompleted),
    /// A task that works on a shard has stopped, whether it has ended the shard or not.
    TaskStopped(SyncTaskStopped),
    /// Nothing that concerns a sync, and why.
    Nothing(&'static str),
}

/// A task that works on a shard has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncTaskStopped {
    /// The stack whose `bottle_sync` it works for.
    pub stack: String,
    /// The shard's number, from 1.
    pub shard: u32,
    pub task_arn: String,
    /// Why, in ECS's words, with what its containers exited with.
    pub reason: Option<String>,
}

/// A stack has another status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackChange {
    /// EventBridge's id of the event.
    pub event_id: String,
    /// When it got that status.
    pub at: DateTime<Utc>,
    pub stack: String,
    /// The stack's ARN.
    pub stack_id: String,
    /// How it is now.
    pub status: StackStatus,
    /// Why, if CloudFormation says.
    pub reason: Option<String>,
    /// The token that the change was asked for with, if there was one.
    pub client_request_token: Option<String>,
}

/// Reads what woke `deploy`.
///
/// # Errors
/// [`Malformed`] when it is none of the ways in, or does not have their shape.
pub fn parse_deploy(payload: &Value) -> Result<DeployEvent, Malformed> {
    if payload.get("detail-type").is_none() {
        return manual::parse_deploy(payload).map(DeployEvent::Request);
    }
    let envelope: EventBridgeEvent = parse("EventBridge event", payload)?;
    match (envelope.source.as_str(), envelope.detail_type.as_str()) {
        ("aws.ecr", IMAGE_ACTION) => push::<ImageAction>("ECR Image Action event", &envelope),
        ("aws.ecr", REPLICATION_ACTION) => {
            push::<ImageAction>("ECR Replication Action event", &envelope)
        }
        ("aws.ecr", PULL_THROUGH_CACHE_ACTION) => {
            push::<PullThroughCacheAction>("ECR Pull Through Cache Action event", &envelope)
        }
        ("aws.s3", OBJECT_CREATED) => release_file(&envelope),
        ("aws.ecs", TASK_STATE_CHANGE) => deploy_task(&envelope),
        (SOURCE, _) => deploy_event_of(LongshoreEvent::from_envelope(
            &envelope.detail_type,
            &envelope.detail,
        )?),
        _ => Err(unexpected(
            &envelope,
            "ECR Image Action, Object Created, ECS Task State Change or an event of Longshore's own",
        )),
    }
}

/// What one of our own events is to `deploy`.
fn deploy_event_of(event: LongshoreEvent) -> Result<DeployEvent, Malformed> {
    let deployment = match event {
        LongshoreEvent::StackReady(StackReady { stack, .. })
        | LongshoreEvent::StackFailed(StackFailed { stack, .. }) => {
            return Ok(DeployEvent::SettledStack {
                stack: stack.stack,
                operation_id: stack.operation_id,
            });
        }
        LongshoreEvent::ReconcileShard(shard) => return Ok(DeployEvent::ReconcileShard(shard)),
        LongshoreEvent::ActionRequested(event) => {
            return requested_action(event).map(DeployEvent::Action);
        }
        LongshoreEvent::DeploymentStabilized(event) => event.deployment,
        LongshoreEvent::DeploymentSucceeded(event) => event.deployment,
        LongshoreEvent::DeploymentFailed(event) => event.deployment,
        LongshoreEvent::DeploymentRolledBack(event) => event.deployment,
        LongshoreEvent::DeploymentSuperseded(event) => event.deployment,
        _ => return Ok(DeployEvent::Nothing("nothing waits for such an event")),
    };
    Ok(DeployEvent::DeploymentChanged {
        stack: deployment.stack,
        service: deployment.service,
    })
}

/// What a button may ask `deploy` for: a few of its payloads, and not all.
fn requested_action(event: ActionRequested) -> Result<RequestedAction, Malformed> {
    let request = manual::parse_deploy(&event.payload)?;
    let action = match &request {
        DeployRequest::Approve(_) => ButtonAction::Approve,
        DeployRequest::Reject(_) => ButtonAction::Reject,
        DeployRequest::Rollback(_) => ButtonAction::Rollback,
        DeployRequest::Hold(_) => ButtonAction::Hold,
        DeployRequest::Resume(_) => ButtonAction::Resume,
        DeployRequest::Deploy(_)
        | DeployRequest::Run(_)
        | DeployRequest::Digest(_)
        | DeployRequest::ScheduledDigest(_)
        | DeployRequest::Reconcile
        | DeployRequest::ScheduledReconcile(_) => {
            return Err(Malformed::new(
                "Action Requested event",
                format!(
                    "field `payload.action`: found {}, which no button asks for",
                    event.payload["action"]
                ),
            ));
        }
    };
    Ok(RequestedAction {
        id: event.request_id,
        at: event.requested_at,
        action,
        request,
    })
}

fn deploy_task(envelope: &EventBridgeEvent) -> Result<DeployEvent, Malformed> {
    let change: TaskStateChange = parse("ECS Task State Change event", &envelope.detail)?;
    if change.last_status != "STOPPED" {
        return Ok(DeployEvent::Nothing("the task has not stopped"));
    }
    let Some((stack, service)) = change.deploy_task() else {
        return Ok(DeployEvent::Nothing("the task belongs to no deployment"));
    };
    Ok(DeployEvent::TaskStopped(DeployTaskStopped {
        stack: stack.to_owned(),
        service: service.to_owned(),
        failure: change.one_off_failure(),
        task: change.task_arn,
    }))
}

/// Reads what woke `provision`.
///
/// # Errors
/// [`Malformed`] when it is none of the ways in, or does not have their shape.
pub fn parse_provision(payload: &Value) -> Result<ProvisionEvent, Malformed> {
    if payload.get("detail-type").is_none() {
        return manual::parse_provision(payload).map(ProvisionEvent::Request);
    }
    let envelope: EventBridgeEvent = parse("EventBridge event", payload)?;
    match (envelope.source.as_str(), envelope.detail_type.as_str()) {
        ("aws.s3", OBJECT_CREATED) => stack_file(&envelope),
        ("aws.cloudformation", STACK_STATUS_CHANGE) => {
            let change = stack_change(&envelope)?;
            Ok(if change.status.is_imported() {
                ProvisionEvent::StackImported(change)
            } else {
                ProvisionEvent::Nothing("it does not end an import")
            })
        }
        (SOURCE, _) => Ok(stack_settled(&envelope)?.map_or(
            ProvisionEvent::Nothing("it does not end a change of a stack"),
            |stack| ProvisionEvent::SettledStack {
                stack: stack.stack,
                operation_id: stack.operation_id,
            },
        )),
        _ => Err(unexpected(
            &envelope,
            "Object Created, CloudFormation Stack Status Change, Stack Ready or Stack Failed",
        )),
    }
}

/// The change of a stack that one of our own events ends, if it does.
fn stack_settled(envelope: &EventBridgeEvent) -> Result<Option<StackSummary>, Malformed> {
    let event = LongshoreEvent::from_envelope(&envelope.detail_type, &envelope.detail)?;
    Ok(match event {
        LongshoreEvent::StackReady(event) => Some(event.stack),
        LongshoreEvent::StackFailed(event) => Some(event.stack),
        _ => None,
    })
}

/// Reads what woke `watch`.
///
/// # Errors
/// [`Malformed`] when it is none of the ways in, or does not have their shape.
pub fn parse_watch(payload: &Value) -> Result<WatchEvent, Malformed> {
    if payload.get("Records").is_some() {
        let batch: Batch = parse("batch of an SQS queue", payload)?;
        return batch.refused_runs().map(WatchEvent::RunsRefused);
    }
    let envelope: EventBridgeEvent = parse("EventBridge event", payload)?;
    match (envelope.source.as_str(), envelope.detail_type.as_str()) {
        ("aws.ecs", DEPLOYMENT_STATE_CHANGE) => {
            let change = parse("ECS Deployment State Change event", &envelope.detail)?;
            let service_arn = envelope
                .resources
                .as_deref()
                .and_then(<[String]>::first)
                .ok_or_else(|| {
                    Malformed::new(
                        "ECS Deployment State Change event",
                        "field `resources`: empty, expected the service's ARN",
                    )
                })?;
            Ok(WatchEvent::Deployment {
                service: arn::service_name(service_arn)?,
                change,
            })
        }
        ("aws.ecs", TASK_STATE_CHANGE) => {
            let change: TaskStateChange = parse("ECS Task State Change event", &envelope.detail)?;
            let has_stopped = change.last_status == "STOPPED";
            if let Some((stack, service, schedule)) = change.scheduled_task()
                && (has_stopped || change.last_status == "RUNNING")
            {
                let scheduled = ScheduledTaskChange {
                    stack: stack.to_owned(),
                    service: service.to_owned(),
                    schedule: schedule.to_owned(),
                    change,
                };
                return Ok(if has_stopped {
                    WatchEvent::ScheduledTaskStopped(scheduled)
                } else {
                    WatchEvent::ScheduledTaskRuns(scheduled)
                });
            }
            if !has_stopped {
                return Ok(WatchEvent::Nothing("the task has not stopped"));
            }
            let Some(ecs_service) = change.ecs_service() else {
                return Ok(WatchEvent::Nothing("the task belongs to no service"));
            };
            Ok(WatchEvent::TaskStopped {
                service: ServiceName {
                    cluster: arn::cluster_name(&change.cluster_arn)?,
                    ecs_service: ecs_service.to_owned(),
                },
                change,
            })
        }
        ("aws.cloudformation", STACK_STATUS_CHANGE) => {
            stack_change(&envelope).map(WatchEvent::Stack)
        }
        _ => Err(unexpected(
            &envelope,
            "ECS Deployment State Change, ECS Task State Change or CloudFormation Stack Status Change",
        )),
    }
}

/// Reads what woke `sync`.
///
/// # Errors
/// [`Malformed`] when it is none of the ways in, or does not have their shape.
pub fn parse_sync(payload: &Value) -> Result<SyncEvent, Malformed> {
    if payload.get("detail-type").is_none() {
        return manual::parse_sync(payload).map(SyncEvent::Request);
    }
    let envelope: EventBridgeEvent = parse("EventBridge event", payload)?;
    match (envelope.source.as_str(), envelope.detail_type.as_str()) {
        ("aws.ecs", TASK_STATE_CHANGE) => {
            let change: TaskStateChange = parse("ECS Task State Change event", &envelope.detail)?;
            if change.last_status != "STOPPED" {
                return Ok(SyncEvent::Nothing("the task has not stopped"));
            }
            let Some((stack, shard)) = change.sync_shard() else {
                return Ok(SyncEvent::Nothing("the task works on no shard of a sync"));
            };
            Ok(SyncEvent::TaskStopped(SyncTaskStopped {
                stack: stack.to_owned(),
                shard,
                task_arn: change.task_arn.clone(),
                reason: why_stopped(
                    change.stop_code.as_deref(),
                    change.stopped_reason.as_deref(),
                    &change.containers,
                ),
            }))
        }
        (SOURCE, _) => {
            let event = LongshoreEvent::from_envelope(&envelope.detail_type, &envelope.detail)?;
            Ok(match event {
                LongshoreEvent::SyncShardCompleted(event) => SyncEvent::ShardCompleted(event),
                _ => SyncEvent::Nothing("it does not end a shard of a sync"),
            })
        }
        _ => Err(unexpected(
            &envelope,
            "ECS Task State Change or Sync Shard Completed",
        )),
    }
}

/// An image came into a repository, in whichever of ECR's ways.
fn push<Detail: DeserializeOwned + Into<ImageAction>>(
    what: &str,
    envelope: &EventBridgeEvent,
) -> Result<DeployEvent, Malformed> {
    let action: ImageAction = parse::<Detail>(what, &envelope.detail)?.into();
    if !action.is_successful_push() {
        return Ok(DeployEvent::Nothing("not a push that succeeded"));
    }
    if action.image_tag.is_empty() {
        return Ok(DeployEvent::Nothing("pushed without a tag"));
    }
    if !action.is_container_image() {
        return Ok(DeployEvent::Nothing(
            "not an image that a container can be started from",
        ));
    }
    if action.image_digest.is_empty() {
        return Err(Malformed::new(what, "field `image-digest`: missing"));
    }
    let digest: Digest = action
        .image_digest
        .parse()
        .map_err(|error| Malformed::new(what, format!("field `image-digest`: {error}")))?;
    Ok(DeployEvent::Push(Push {
        event_id: event_id(envelope, what)?,
        at: time(envelope, what)?,
        image: Image {
            repository: action.repository_name,
            tag: Some(action.image_tag),
            digest,
        },
    }))
}

fn release_file(envelope: &EventBridgeEvent) -> Result<DeployEvent, Malformed> {
    const WHAT: &str = "Object Created event";
    let created: ObjectCreated = parse(WHAT, &envelope.detail)?;
    Ok(DeployEvent::ReleaseFile(ReleaseFile {
        event_id: event_id(envelope, WHAT)?,
        at: time(envelope, WHAT)?,
        bucket: created.bucket.name,
        key: created.object.key,
        version_id: created.object.version_id,
        sequencer: created.object.sequencer,
    }))
}

fn stack_file(envelope: &EventBridgeEvent) -> Result<ProvisionEvent, Malformed> {
    const WHAT: &str = "Object Created event";
    let created: ObjectCreated = parse(WHAT, &envelope.detail)?;
    Ok(ProvisionEvent::StackFile(StackFile {
        event_id: event_id(envelope, WHAT)?,
        at: time(envelope, WHAT)?,
        bucket: created.bucket.name,
        key: created.object.key,
        version_id: created.object.version_id,
        sequencer: created.object.sequencer,
    }))
}

fn stack_change(envelope: &EventBridgeEvent) -> Result<StackChange, Malformed> {
    const WHAT: &str = "CloudFormation Stack Status Change event";
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let change: StackStatusChange = parse(WHAT, &envelope.detail)?;
    Ok(StackChange {
        event_id: event_id(envelope, WHAT)?,
        at: time(envelope, WHAT)?,
        stack: arn::stack_name(&change.stack_id)?,
        stack_id: change.stack_id,
        status: change.status_details.status,
        reason: given(change.status_details.status_reason),
        client_request_token: given(change.client_request_token),
    })
}

fn event_id(envelope: &EventBridgeEvent, what: &str) -> Result<String, Malformed> {
    envelope
        .id
        .clone()
        .ok_or_else(|| Malformed::new(what, "field `id`: missing"))
}

fn time(envelope: &EventBridgeEvent, what: &str) -> Result<DateTime<Utc>, Malformed> {
    envelope
        .time
        .ok_or_else(|| Malformed::new(what, "field `time`: missing"))
}

fn unexpected(envelope: &EventBridgeEvent, expected: &str) -> Malformed {
    Malformed::new(
        "EventBridge event",
        format!(
            "found `{}` of source `{}`, expected {expected}",
            envelope.detail_type, envelope.source
        ),
    )
}
