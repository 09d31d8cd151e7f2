//! `CloudFormation Stack Status Change`, source `aws.cloudformation`.
//!
//! Shape: the AWS CloudFormation User Guide, "Managing events with CloudFormation and Amazon
//! EventBridge".

use serde::{Deserialize, Serialize};

/// The detail-type of [`StackStatusChange`].
pub const STACK_STATUS_CHANGE: &str = "CloudFormation Stack Status Change";

/// The detail of a `CloudFormation Stack Status Change` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StackStatusChange {
    /// The stack's ARN: `arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>`.
    pub stack_id: String,
    /// How the stack is now.
    pub status_details: StatusDetails,
    /// The token that the change was asked for with; empty when it was asked for without one.
    #[serde(default)]
    pub client_request_token: String,
}

/// How a stack is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusDetails {
    /// `CREATE_IN_PROGRESS`, `UPDATE_COMPLETE` and so on.
    pub status: String,
    /// Why; mostly empty.
    #[serde(default)]
    pub status_reason: String,
}
