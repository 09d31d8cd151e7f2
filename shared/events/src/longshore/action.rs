//! What somebody asks for by a button in Slack, and that it was refused.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::Caller;

/// What a button asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonAction {
    /// Let the deployment begin that waits for it.
    Approve,
    /// Never let it begin.
    Reject,
    /// Go back to an earlier deployment.
    Rollback,
    /// Let no deployment begin.
    Hold,
    /// Let deployments begin again.
    Resume,
}

impl ButtonAction {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Approve,
        Self::Reject,
        Self::Rollback,
        Self::Hold,
        Self::Resume,
    ];

    /// As a payload names it in `action`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Rollback => "rollback",
            Self::Hold => "hold",
            Self::Resume => "resume",
        }
    }

    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

impl fmt::Display for ButtonAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Somebody pressed a button in Slack, and may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRequested {
    /// Of the press: whoever sends the same press again has the same id.
    pub request_id: String,
    /// When it was pressed, as Slack signed it.
    pub requested_at: DateTime<Utc>,
    /// What `deploy` is asked for, with who asks: a payload as [`crate::manual::parse_deploy`] reads it.
    pub payload: Value,
}

/// What somebody asked for by a button was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRefused {
    pub stack: String,
    /// The stack's service, where it was about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What they asked for.
    pub action: ButtonAction,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Caller>,
    /// What is wrong, and what to do.
    pub reason: String,
    /// When they asked.
    pub requested_at: DateTime<Utc>,
}
