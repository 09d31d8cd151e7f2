//! What Longshore publishes: events of source [`SOURCE`] on its own bus.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Malformed;
use crate::image::Image;
use crate::malformed::parse;

mod action;
mod caller;
mod digest;
mod scaled;
mod stack;
mod sync;
mod task;

pub use action::{ActionRefused, ActionRequested, ButtonAction};
pub use caller::Caller;
pub use digest::{DeploymentFigures, DeploymentsDigest, ServiceFailures, ServiceOfStack, Times};
pub use scaled::ServiceScaled;
pub use stack::{
    ChangeCounts, FailedResource, FailedService, OperationKind, Problem, Severity, StackApplying,
    StackFailed, StackFileRefused, StackReady, StackSource, StackSummary, StackUnchanged,
};
pub use sync::{
    FileCount, RefusedEntry, RunsOn, SyncCompleted, SyncFailed, SyncOutcome, SyncPlanned,
    SyncProgressed, SyncRefused, SyncShardCompleted, SyncSource, SyncSummary, SyncUnchanged,
};
pub use task::{ContainerFailure, ContainerLog, LogLine, LogStream, TaskFailure};

/// The source of every event of ours.
pub const SOURCE: &str = "longshore";

/// An event of ours, in the form in which it is kept until it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "detail-type", content = "detail")]
pub enum LongshoreEvent {
    /// A rolling deployment began.
    #[serde(rename = "Deployment Started")]
    DeploymentStarted(DeploymentStarted),
    /// Something asked for a deployment, and there was good reason not to start one.
    #[serde(rename = "Deployment Skipped")]
    DeploymentSkipped(DeploymentSkipped),
    /// The service is stable on what was deployed.
    #[serde(rename = "Deployment Succeeded")]
    DeploymentSucceeded(DeploymentSucceeded),
    /// The deployment failed; the service may be on its way back.
    #[serde(rename = "Deployment Failed")]
    DeploymentFailed(DeploymentFailed),
    /// The service is stable again on what ran before.
    #[serde(rename = "Deployment Rolled Back")]
    DeploymentRolledBack(DeploymentRolledBack),
    /// Another deployment took this one's place before it ended.
    #[serde(rename = "Deployment Superseded")]
    DeploymentSuperseded(DeploymentSuperseded),
    /// A deployment is asked for and may not begin yet.
    #[serde(rename = "Deployment Waiting")]
    DeploymentWaiting(DeploymentWaiting),
    /// The service is stable on what was deployed, and tasks are to run before that counts as a success.
    /// `deploy` wakes on it; nobody is notified.
    #[serde(rename = "Deployment Stabilized")]
    DeploymentStabilized(DeploymentStabilized),
    /// ECS is at another stage of a deployment that shifts requests step by step.
    #[serde(rename = "Deployment Progressed")]
    DeploymentProgressed(DeploymentProgressed),
    /// Somebody holds the deployments of services.
    #[serde(rename = "Deployments Held")]
    DeploymentsHeld(DeploymentsHeld),
    /// Somebody lets deployments of services begin again.
    #[serde(rename = "Deployments Resumed")]
    DeploymentsResumed(DeploymentsResumed),
    /// What came of the deployments of some days, in figures: somebody asked, or a schedule.
    #[serde(rename = "Deployments Digest")]
    DeploymentsDigest(DeploymentsDigest),
    /// An image that a service needs is not in its repository any more.
    #[serde(rename = "Image Missing")]
    ImageMissing(ImageMissing),
    /// A task that a schedule of a stack file started has failed.
    #[serde(rename = "Scheduled Task Failed")]
    ScheduledTaskFailed(ScheduledTaskFailed),
    /// Somebody set how many tasks of a service run.
    #[serde(rename = "Service Scaled")]
    ServiceScaled(ServiceScaled),
    /// A document of the state cannot be read.
    #[serde(rename = "Document Unreadable")]
    DocumentUnreadable(DocumentUnreadable),
    /// Somebody pressed a button in Slack, and may; `deploy` wakes on it.
    #[serde(rename = "Action Requested")]
    ActionRequested(ActionRequested),
    /// What somebody asked for by a button was refused; they have no other way to hear of it.
    #[serde(rename = "Action Refused")]
    ActionRefused(ActionRefused),
    /// A part of a reconcile of more services than one invocation can look at; `deploy` wakes on it.
    #[serde(rename = "Reconcile Shard")]
    ReconcileShard(ReconcileShard),
    /// A release file was refused; its writer has no other way to hear of it.
    #[serde(rename = "Release Refused")]
    ReleaseRefused(ReleaseRefused),
    /// A change of a stack began.
    #[serde(rename = "Stack Applying")]
    StackApplying(StackApplying),
    /// The stack has settled as it was asked for.
    #[serde(rename = "Stack Ready")]
    StackReady(StackReady),
    /// The stack has settled otherwise than it was asked for.
    #[serde(rename = "Stack Failed")]
    StackFailed(StackFailed),
    /// A stack file was written that changes nothing.
    #[serde(rename = "Stack Unchanged")]
    StackUnchanged(StackUnchanged),
    /// A stack file was refused; its writer has no other way to hear of it.
    #[serde(rename = "Stack File Refused")]
    StackFileRefused(StackFileRefused),
    /// A sync knows what it has to do, and begins.
    #[serde(rename = "Sync Planned")]
    SyncPlanned(SyncPlanned),
    /// A sync had nothing to do.
    #[serde(rename = "Sync Unchanged")]
    SyncUnchanged(SyncUnchanged),
    /// A long sync goes on.
    #[serde(rename = "Sync Progressed")]
    SyncProgressed(SyncProgressed),
    /// A task has done its part of a sync.
    #[serde(rename = "Sync Shard Completed")]
    SyncShardCompleted(SyncShardCompleted),
    /// The mirror holds what the index names.
    #[serde(rename = "Sync Completed")]
    SyncCompleted(SyncCompleted),
    /// The mirror lacks something that the index names.
    #[serde(rename = "Sync Failed")]
    SyncFailed(SyncFailed),
    /// A sync did not begin.
    #[serde(rename = "Sync Refused")]
    SyncRefused(SyncRefused),
}

impl LongshoreEvent {
    /// EventBridge's detail-type.
    pub fn detail_type(&self) -> &'static str {
        match self {
            Self::DeploymentStarted(_) => "Deployment Started",
            Self::DeploymentSkipped(_) => "Deployment Skipped",
            Self::DeploymentSucceeded(_) => "Deployment Succeeded",
            Self::DeploymentFailed(_) => "Deployment Failed",
            Self::DeploymentRolledBack(_) => "Deployment Rolled Back",
            Self::DeploymentSuperseded(_) => "Deployment Superseded",
            Self::DeploymentWaiting(_) => "Deployment Waiting",
            Self::DeploymentStabilized(_) => "Deployment Stabilized",
            Self::DeploymentProgressed(_) => "Deployment Progressed",
            Self::DeploymentsHeld(_) => "Deployments Held",
            Self::DeploymentsResumed(_) => "Deployments Resumed",
            Self::DeploymentsDigest(_) => "Deployments Digest",
            Self::ImageMissing(_) => "Image Missing",
            Self::ScheduledTaskFailed(_) => "Scheduled Task Failed",
            Self::ServiceScaled(_) => "Service Scaled",
            Self::DocumentUnreadable(_) => "Document Unreadable",
            Self::ActionRequested(_) => "Action Requested",
            Self::ActionRefused(_) => "Action Refused",
            Self::ReconcileShard(_) => "Reconcile Shard",
            Self::ReleaseRefused(_) => "Release Refused",
            Self::StackApplying(_) => "Stack Applying",
            Self::StackReady(_) => "Stack Ready",
            Self::StackFailed(_) => "Stack Failed",
            Self::StackUnchanged(_) => "Stack Unchanged",
            Self::StackFileRefused(_) => "Stack File Refused",
            Self::SyncPlanned(_) => "Sync Planned",
            Self::SyncUnchanged(_) => "Sync Unchanged",
            Self::SyncProgressed(_) => "Sync Progressed",
            Self::SyncShardCompleted(_) => "Sync Shard Completed",
            Self::SyncCompleted(_) => "Sync Completed",
            Self::SyncFailed(_) => "Sync Failed",
            Self::SyncRefused(_) => "Sync Refused",
        }
    }

    /// EventBridge's detail, as JSON.
    ///
    /// # Errors
    /// Never for the types of this module; serde's signature has one.
    pub fn detail(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::DeploymentStarted(detail) => serde_json::to_string(detail),
            Self::DeploymentSkipped(detail) => serde_json::to_string(detail),
            Self::DeploymentSucceeded(detail) => serde_json::to_string(detail),
            Self::DeploymentFailed(detail) => serde_json::to_string(detail),
            Self::DeploymentRolledBack(detail) => serde_json::to_string(detail),
            Self::DeploymentSuperseded(detail) => serde_json::to_string(detail),
            Self::DeploymentWaiting(detail) => serde_json::to_string(detail),
            Self::DeploymentStabilized(detail) => serde_json::to_string(detail),
            Self::DeploymentProgressed(detail) => serde_json::to_string(detail),
            Self::DeploymentsHeld(detail) => serde_json::to_string(detail),
            Self::DeploymentsResumed(detail) => serde_json::to_string(detail),
            Self::DeploymentsDigest(detail) => serde_json::to_string(detail),
            Self::ImageMissing(detail) => serde_json::to_string(detail),
            Self::ScheduledTaskFailed(detail) => serde_json::to_string(detail),
            Self::ServiceScaled(detail) => serde_json::to_string(detail),
            Self::DocumentUnreadable(detail) => serde_json::to_string(detail),
            Self::ActionRequested(detail) => serde_json::to_string(detail),
            Self::ActionRefused(detail) => serde_json::to_string(detail),
            Self::ReconcileShard(detail) => serde_json::to_string(detail),
            Self::ReleaseRefused(detail) => serde_json::to_string(detail),
            Self::StackApplying(detail) => serde_json::to_string(detail),
            Self::StackReady(detail) => serde_json::to_string(detail),
            Self::StackFailed(detail) => serde_json::to_string(detail),
            Self::StackUnchanged(detail) => serde_json::to_string(detail),
            Self::StackFileRefused(detail) => serde_json::to_string(detail),
            Self::SyncPlanned(detail) => serde_json::to_string(detail),
            Self::SyncUnchanged(detail) => serde_json::to_string(detail),
            Self::SyncProgressed(detail) => serde_json::to_string(detail),
            Self::SyncShardCompleted(detail) => serde_json::to_string(detail),
            Self::SyncCompleted(detail) => serde_json::to_string(detail),
            Self::SyncFailed(detail) => serde_json::to_string(detail),
            Self::SyncRefused(detail) => serde_json::to_string(detail),
        }
    }

    /// Reads an event of ours as EventBridge delivered it.
    ///
    /// # Errors
    /// [`Malformed`] for a detail-type that is not ours or a detail that does not fit it.
    pub fn from_envelope(detail_type: &str, detail: &Value) -> Result<Self, Malformed> {
        parse(
            &format!("{detail_type} event"),
            &json!({"detail-type": detail_type, "detail": detail}),
        )
    }
}

/// A deployment, as every event about it names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSummary {
    /// Longshore's own id of the deployment; it is also a tag of the task definition.
    pub deployment_id: String,
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The ECS cluster's name.
    pub cluster: String,
    pub ecs_service: String,
    /// What is deployed.
    pub image: Image,
    /// Who or what asked.
    pub source: Source,
    /// When it was asked for, or when it began, where it follows from the change of a stack.
    pub requested_at: DateTime<Utc>,
    /// Which of the service's deployments it is, from 1; absent before it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// The commit that the image was built from, where the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The page of the repository that has the commit, where the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Caller>,
}

/// Who or what asked for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// An image was pushed.
    Push,
    /// A release file was put into the state bucket.
    Release {
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_id: Option<String>,
        /// What its writer says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A payload was sent by hand or by a pipeline.
    Manual {
        /// What its sender says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Who it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Caller>,
    },
    /// No event named the image; the reconcile found it.
    Reconcile,
    /// Somebody went back to an earlier deployment.
    Rollback {
        /// The number of that deployment.
        to: u32,
        /// What they say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Who they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Caller>,
    },
    /// Somebody asked for new tasks of what runs.
    Restart {
        /// What they say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Who they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Caller>,
    },
    /// The service's stack was changed.
    Stack {
        /// The id of the change.
        operation_id: String,
        /// Whether the image is restored after CloudFormation went back to an older one; else the
        /// deployment is CloudFormation's own.
        restored: bool,
        /// What whoever asked for the change says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Who they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Caller>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStarted {
    pub deployment: DeploymentSummary,
    /// The ARN of the task definition that is rolled out.
    pub task_definition: String,
    /// The ARN of the one that ran before.
    pub previous_task_definition: String,
    /// The image that ran before, as its task definition named it.
    pub previous_image: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSkipped {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// What was asked for.
    pub image: Image,
    /// Who or what asked.
    pub source: Source,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// Why nothing was done.
    pub reason: SkipReason,
    /// The id of the deployment, where it was published before that it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// The tag that the image policy selects instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<String>,
    /// Who rejected it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_by: Option<Caller>,
}

/// Why a deployment was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The service runs this digest.
    AlreadyRunning,
    /// A deployment of this digest is under way.
    AlreadyDeploying,
    /// Something newer was asked for since.
    NewerRequested,
    /// This digest failed here and was taken back, or somebody went back from it.
    FailedBefore,
    /// The image cannot run on the service's processor architecture.
    ArchitectureMissing,
    /// Nobody approved it in time.
    ApprovalExpired,
    /// Somebody rejected it.
    Rejected,
    /// A service that comes first did not get this image to run.
    PredecessorFailed,
    /// No route names the service any more.
    RouteRemoved,
    /// The image policy selects another image, which is newer or higher.
    AnotherSelected,
    /// The image was pushed too short a time ago for the image policy.
    TooYoung,
    /// A deployment of other containers is under way, with one-off tasks that must not be lost.
    OthersDeploying,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSucceeded {
    pub deployment: DeploymentSummary,
    /// When the outcome was known.
    pub finished_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFailed {
    pub deployment: DeploymentSummary,
    /// When the outcome was known.
    pub finished_at: DateTime<Utc>,
    /// Why, in the words of ECS or of what refused it.
    pub reason: String,
    /// The tasks that died of it, oldest first.
    pub failures: Vec<TaskFailure>,
    /// What the containers of the last of them wrote that wrote anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<ContainerLog>,
    /// Whether ECS is rolling back to what ran before.
    pub rolling_back: bool,
    /// When in its course it failed, and so what the service runs.
    #[serde(default)]
    pub phase: FailedPhase,
}

/// When in its course a deployment failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedPhase {
    /// Before the service was updated: it runs what it ran before.
    Before,
    /// While ECS rolled it out.
    #[default]
    Rollout,
    /// When the service was stable on it already, which it still is.
    After,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRolledBack {
    /// The deployment that failed.
    pub deployment: DeploymentSummary,
    /// When the service was stable again.
    pub finished_at: DateTime<Utc>,
    /// Why the deployment failed.
    pub reason: String,
    /// The tasks that died of it, oldest first.
    pub failures: Vec<TaskFailure>,
    /// What the containers of the last of them wrote that wrote anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<ContainerLog>,
    /// The ARN of the task definition that runs now.
    pub running_task_definition: String,
    /// The image that runs now, as its task definition names it, where it is the one that ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_image: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSuperseded {
    /// The deployment that ended before its time.
    pub deployment: DeploymentSummary,
    /// When.
    pub finished_at: DateTime<Utc>,
    /// What took its place.
    pub superseded_by: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentWaiting {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The id of the request; the deployment will have it, too.
    pub deployment_id: String,
    /// What was asked for.
    pub image: Image,
    /// Who or what asked.
    pub source: Source,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// What it waits for.
    pub reason: WaitReason,
    /// Since when it waits for that.
    pub since: DateTime<Utc>,
    /// When that ends, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// What a deployment waits for before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WaitReason {
    /// Somebody holds the service's deployments.
    Held {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Who holds them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Caller>,
    },
    /// A freeze window is open.
    Frozen,
    /// Somebody must approve it.
    Approval,
    /// Other services of the stack get the image first.
    Predecessors {
        /// Those that do not run it yet.
        services: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStabilized {
    pub deployment: DeploymentSummary,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentProgressed {
    pub deployment: DeploymentSummary,
    /// What ECS is doing.
    pub progress: RolloutProgress,
    /// When that was seen.
    pub at: DateTime<Utc>,
}

/// How far ECS is with a blue/green, linear or canary deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutProgress {
    /// The lifecycle stage in ECS's words, such as `BAKE_TIME`: the Amazon ECS API Reference, ServiceDeployment.
    pub stage: String,
    /// How many of a hundred requests go to the new tasks, where ECS says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifted_percent: Option<u8>,
}

impl RolloutProgress {
    /// Whether all new tasks run, and what is left is to shift requests and to watch.
    pub fn is_shifting(&self) -> bool {
        self.stage.contains("TRAFFIC_SHIFT")
            || self.stage == "BAKE_TIME"
            || self.stage == "CLEAN_UP"
    }
}

/// One for each time that somebody asks, however many services that is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentsHeld {
    pub stack: String,
    /// The services of the stack that are held; at least one.
    pub services: Vec<String>,
    /// When somebody asked.
    pub at: DateTime<Utc>,
    /// Until when; without it, until somebody resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Caller>,
}

/// One for each time that somebody asks, however many services that is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentsResumed {
    pub stack: String,
    /// The services of the stack that are resumed; at least one.
    pub services: Vec<String>,
    /// When somebody asked.
    pub at: DateTime<Utc>,
    /// Why they were held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_note: Option<String>,
    /// Who held them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Caller>,
    /// Since when they were held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<DateTime<Utc>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Caller>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageMissing {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    pub image: Image,
    /// What the service needs it for.
    pub needed_for: ImageNeed,
    /// When that was seen.
    pub at: DateTime<Utc>,
}

/// What a service needs an image for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageNeed {
    /// Its tasks run it: none can be started anew.
    Running,
    /// It ran before: a rollback would go back to it.
    Rollback,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledTaskFailed {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The schedule's name in the stack file.
    pub schedule: String,
    /// How the task ended, or why none could be started.
    pub failure: TaskFailure,
    /// How many runs of the schedule have failed since one succeeded, this one included.
    pub in_a_row: u32,
    /// How many tasks were started for the run, one after another, each of which failed.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
}

fn one() -> u32 {
    1
}

fn is_one(number: &u32) -> bool {
    *number == 1
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentUnreadable {
    /// The key in the state bucket.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// The newest version that can be read; `None` when the bucket keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<DocumentVersion>,
    /// When that was seen.
    pub at: DateTime<Utc>,
}

/// A version of an object, as S3 keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentVersion {
    /// S3's id of it.
    pub version_id: String,
    /// When it was written.
    pub written_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcileShard {
    /// Which part, from 0.
    pub shard: u32,
    /// Of how many.
    pub shards: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRefused {
    pub bucket: String,
    /// The release file's key.
    pub key: String,
    /// The release file's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}
