//! `CloudFormation Stack Status Change`, source `aws.cloudformation`, and what a status says.
//!
//! Shape: the AWS CloudFormation User Guide, "Managing events with CloudFormation and Amazon
//! EventBridge".

use std::fmt;

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
    pub status: StackStatus,
    /// Why; mostly empty.
    #[serde(default)]
    pub status_reason: String,
}

/// The status of a stack, or of a resource of one, as CloudFormation writes it: `UPDATE_COMPLETE`, for example. Empty
/// where CloudFormation has not begun.
///
/// This is the one place that reads a status: the AWS CloudFormation User Guide, "Stack status codes".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StackStatus(String);

/// How far a change of a stack is, by the stack's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackPhase {
    /// The stack is a shell without resources: only a change set was made that would create it.
    Planned,
    /// CloudFormation is at work, and refuses other changes.
    Changing,
    /// The stack is settled, and as it was asked for.
    Ready,
    /// The stack is settled, and not as it was asked for.
    Failed,
}

impl StackStatus {
    /// As CloudFormation writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How far the change is.
    pub fn phase(&self) -> StackPhase {
        match self.as_str() {
            "REVIEW_IN_PROGRESS" => StackPhase::Planned,
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "DELETE_COMPLETE" => {
                StackPhase::Ready
            }
            status if status.ends_with("_IN_PROGRESS") => StackPhase::Changing,
            _ => StackPhase::Failed,
        }
    }

    /// Whether CloudFormation is at work on the stack, so that it refuses other changes.
    pub fn is_changing(&self) -> bool {
        self.phase() == StackPhase::Changing
    }

    /// Whether the stack is a shell without resources: only a change set was made that would create it.
    pub fn is_shell(&self) -> bool {
        self.phase() == StackPhase::Planned
    }

    /// Whether no change is planned or under way.
    pub fn is_settled(&self) -> bool {
        matches!(self.phase(), StackPhase::Ready | StackPhase::Failed)
    }

    /// Whether CloudFormation has not begun.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the stack takes updates.
    pub fn takes_updates(&self) -> bool {
        matches!(
            self.as_str(),
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE"
        ) || self.is_restored()
    }

    /// Whether CloudFormation takes a change back, or has done so.
    pub fn is_rollback(&self) -> bool {
        self.0.contains("ROLLBACK")
    }

    /// Whether a change of an existing stack failed and the stack is as it was before it.
    pub fn is_restored(&self) -> bool {
        matches!(
            self.as_str(),
            "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE"
        )
    }

    /// Whether the creation of the stack failed and nothing of it is left.
    pub fn is_undone_creation(&self) -> bool {
        self.0 == "ROLLBACK_COMPLETE"
    }

    /// Whether the creation of the stack failed: what is left can only be deleted.
    pub fn is_failed_creation(&self) -> bool {
        self.is_undone_creation() || matches!(self.as_str(), "ROLLBACK_FAILED" | "CREATE_FAILED")
    }

    /// Whether an update failed and CloudFormation could not take it back.
    pub fn is_failed_rollback(&self) -> bool {
        self.0 == "UPDATE_ROLLBACK_FAILED"
    }

    /// Whether existing resources were imported.
    pub fn is_imported(&self) -> bool {
        self.0 == "IMPORT_COMPLETE"
    }

    /// Whether the stack is being deleted, is deleted, or could not be.
    pub fn is_deletion(&self) -> bool {
        self.0.starts_with("DELETE_")
    }

    /// Whether the stack is deleted.
    pub fn is_deleted(&self) -> bool {
        self.0 == "DELETE_COMPLETE"
    }

    /// Whether the stack could not be deleted.
    pub fn is_failed_deletion(&self) -> bool {
        self.0 == "DELETE_FAILED"
    }

    /// Whether a resource could not be made, changed or deleted.
    pub fn is_failed_resource(&self) -> bool {
        self.0.ends_with("_FAILED")
    }

    /// Whether a change of a stack begins with this status.
    pub fn begins_change(&self) -> bool {
        matches!(
            self.as_str(),
            "CREATE_IN_PROGRESS"
                | "UPDATE_IN_PROGRESS"
                | "DELETE_IN_PROGRESS"
                | "IMPORT_IN_PROGRESS"
        ) || self.is_shell()
    }

    /// The status of a stack that is deleted, for a stack that CloudFormation does not show any more.
    pub fn deleted() -> Self {
        Self::from("DELETE_COMPLETE")
    }
}

impl From<&str> for StackStatus {
    fn from(status: &str) -> Self {
        Self(status.to_owned())
    }
}

impl From<String> for StackStatus {
    fn from(status: String) -> Self {
        Self(status)
    }
}

impl fmt::Display for StackStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every status of a stack.
    const ALL: [&str; 23] = [
        "CREATE_COMPLETE",
        "CREATE_FAILED",
        "CREATE_IN_PROGRESS",
        "DELETE_COMPLETE",
        "DELETE_FAILED",
        "DELETE_IN_PROGRESS",
        "IMPORT_COMPLETE",
        "IMPORT_IN_PROGRESS",
        "IMPORT_ROLLBACK_COMPLETE",
        "IMPORT_ROLLBACK_FAILED",
        "IMPORT_ROLLBACK_IN_PROGRESS",
        "REVIEW_IN_PROGRESS",
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "ROLLBACK_IN_PROGRESS",
        "UPDATE_COMPLETE",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_FAILED",
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_FAILED",
        "UPDATE_ROLLBACK_IN_PROGRESS",
    ];

    fn those(is: impl Fn(&StackStatus) -> bool) -> Vec<&'static str> {
        let mut found = ALL.to_vec();
        found.retain(|status| is(&StackStatus::from(*status)));
        found
    }

    #[test]
    fn a_stack_is_planned_changing_ready_or_failed() {
        let in_phase = |phase| those(|status| status.phase() == phase);
        assert_eq!(in_phase(StackPhase::Planned), ["REVIEW_IN_PROGRESS"]);
        assert_eq!(
            in_phase(StackPhase::Ready),
            [
                "CREATE_COMPLETE",
                "DELETE_COMPLETE",
                "IMPORT_COMPLETE",
                "UPDATE_COMPLETE"
            ]
        );
        assert_eq!(
            in_phase(StackPhase::Failed),
            [
                "CREATE_FAILED",
                "DELETE_FAILED",
                "IMPORT_ROLLBACK_COMPLETE",
                "IMPORT_ROLLBACK_FAILED",
                "ROLLBACK_COMPLETE",
                "ROLLBACK_FAILED",
                "UPDATE_FAILED",
                "UPDATE_ROLLBACK_COMPLETE",
                "UPDATE_ROLLBACK_FAILED"
            ]
        );
        assert_eq!(in_phase(StackPhase::Changing).len(), 9);
    }

    #[test]
    fn a_settled_stack_takes_updates_or_must_be_deleted_first_or_needs_somebody() {
        let updates = those(StackStatus::takes_updates);
        assert_eq!(
            updates,
            [
                "CREATE_COMPLETE",
                "IMPORT_COMPLETE",
                "IMPORT_ROLLBACK_COMPLETE",
                "UPDATE_COMPLETE",
                "UPDATE_ROLLBACK_COMPLETE"
            ]
        );
        assert_eq!(
            those(StackStatus::is_failed_creation),
            ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"]
        );
    }

    #[test]
    fn a_change_begins_with_a_status_that_is_neither_a_rollback_nor_a_cleanup() {
        assert_eq!(
            those(StackStatus::begins_change),
            [
                "CREATE_IN_PROGRESS",
                "DELETE_IN_PROGRESS",
                "IMPORT_IN_PROGRESS",
                "REVIEW_IN_PROGRESS",
                "UPDATE_IN_PROGRESS"
            ]
        );
    }

    #[test]
    fn a_status_is_written_as_cloudformation_writes_it() {
        let status = StackStatus::from("UPDATE_COMPLETE");
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            r#""UPDATE_COMPLETE""#
        );
        assert_eq!(format!("{status:<17}|"), "UPDATE_COMPLETE  |");
    }
}
