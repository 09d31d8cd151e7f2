//! What Longshore publishes about stacks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::task::{ContainerLog, TaskFailure};
use crate::cloudformation::StackStatus;

/// A change of a stack, as every event about it names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackSummary {
    pub stack: String,
    /// The id of the change: the client request token of CloudFormation's events.
    pub operation_id: String,
    /// The stack's ARN, once CloudFormation has given it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<String>,
    /// Who or what asked.
    pub source: StackSource,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
}

/// Who or what asked for a change of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StackSource {
    /// A stack file was put into the state bucket.
    File {
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_id: Option<String>,
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
    /// Somebody changed the stack past Longshore: Terraform, the console, another tool.
    #[serde(rename = "cloudformation")]
    CloudFormation,
}

/// What a change of a stack is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// The stack becomes what its template says.
    Apply,
    /// The stack is deleted.
    Destroy,
}

/// How many resources become what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Made.
    pub add: u32,
    /// Changed in place.
    pub change: u32,
    /// Made anew, with the old one deleted.
    pub replace: u32,
    /// Deleted.
    pub remove: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackApplying {
    /// The change.
    pub stack: StackSummary,
    /// What it is to do.
    pub kind: OperationKind,
    /// How many resources become what.
    pub changes: ChangeCounts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackReady {
    /// The change.
    pub stack: StackSummary,
    /// What it did.
    pub kind: OperationKind,
    /// When the stack had settled.
    pub finished_at: DateTime<Utc>,
    /// The stack's status: `UPDATE_COMPLETE`, for example.
    pub status: StackStatus,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackFailed {
    /// The change.
    pub stack: StackSummary,
    /// What it was to do.
    pub kind: OperationKind,
    /// When the stack had settled.
    pub finished_at: DateTime<Utc>,
    /// The stack's status: `UPDATE_ROLLBACK_COMPLETE`, for example. Empty when CloudFormation refused to begin.
    pub status: StackStatus,
    /// Why, in the words of CloudFormation or of what refused it.
    pub reason: String,
    /// The first resource that failed; what failed after it mostly failed because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_resource: Option<FailedResource>,
    /// The services whose tasks died of the change, in the order in which the first task of each died.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_services: Vec<FailedService>,
}

/// A service whose tasks died while its stack was being changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedService {
    /// The stack's service.
    pub service: String,
    /// The deployment of ECS (`ecs-svc/...`) that started the tasks: the one that CloudFormation began.
    pub ecs_deployment_id: String,
    /// The ARN of the tasks' task definition.
    pub task_definition: String,
    /// The tasks that died, oldest first.
    pub failures: Vec<TaskFailure>,
    /// What the containers of the last one of them wrote that wrote anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<ContainerLog>,
}

/// A resource that CloudFormation could not change to what its template says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedResource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type: `AWS::ECS::Service`, for example.
    pub resource_type: String,
    /// Its name in AWS, if it got one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    /// Why, in the words of the service that it belongs to.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackUnchanged {
    /// The request, for which there was nothing to do.
    pub stack: StackSummary,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackFileRefused {
    /// The stack file's key.
    pub key: String,
    /// The stack file's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The stack, where the key names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// When it was refused.
    pub at: DateTime<Utc>,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
}

/// Something that is wrong with a stack file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where it is in the file: `services.api.cpu`. Empty for the file as a whole.
    pub path: String,
    /// The line in the file, counted from 1, where it was read from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in that line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What is wrong and what is expected.
    pub message: String,
    /// Whether it keeps the stack from being applied.
    pub severity: Severity,
}

/// Whether a problem keeps a stack from being applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but somebody should look at it.
    Warning,
}
