//! How far a deployment is.

use longshore_events::longshore::FailedPhase;
use serde::{Deserialize, Serialize};

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// An invocation took it up; the service may or may not be updated already.
    Claimed,
    /// Tasks run that come before the service is updated.
    Preparing,
    /// The service was updated; ECS is rolling it out.
    Deploying,
    /// The service is stable on it; tasks run that come afterwards.
    Verifying,
    /// It failed, and that was published; ECS is rolling back to what ran before.
    RollingBack,
    /// The service is stable on it.
    Succeeded,
    /// It failed, and nothing was restored.
    Failed,
    /// It failed, and the service is stable again on what ran before.
    RolledBack,
    /// Another deployment took its place before it ended.
    Superseded,
}

/// When a one-off task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskPhase {
    /// Before the service is updated.
    Before,
    /// When the service is stable on the deployment.
    After,
}

impl TaskPhase {
    /// What it means for a deployment that `task` did not do its work: `why` says what became of it.
    pub(crate) fn failure(self, task: &str, why: &str) -> String {
        match self {
            Self::Before => format!(
                "task `{task}`, which runs before the update, {why}; the service was not updated"
            ),
            Self::After => format!(
                "task `{task}`, which runs after the update, {why}; the service runs the new image"
            ),
        }
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Claimed,
        Self::Preparing,
        Self::Deploying,
        Self::Verifying,
        Self::RollingBack,
        Self::Succeeded,
        Self::Failed,
        Self::RolledBack,
        Self::Superseded,
    ];

    /// The states that may follow on this one; none on one that has ended.
    pub fn successors(self) -> &'static [Self] {
        match self {
            Self::Claimed => &[
                Self::Preparing,
                Self::Deploying,
                Self::Failed,
                Self::Superseded,
            ],
            // Claimed again, to update the service.
            Self::Preparing => &[Self::Claimed, Self::Failed, Self::Superseded],
            Self::Deploying => &[
                Self::Verifying,
                Self::RollingBack,
                Self::Succeeded,
                Self::Failed,
                Self::RolledBack,
                Self::Superseded,
            ],
            Self::Verifying => &[Self::Succeeded, Self::Failed, Self::Superseded],
            Self::RollingBack => &[Self::Failed, Self::RolledBack, Self::Superseded],
            Self::Succeeded | Self::Failed | Self::RolledBack | Self::Superseded => &[],
        }
    }

    /// Whether an outcome is still to come.
    pub fn is_open(self) -> bool {
        !self.successors().is_empty()
    }

    /// Whether it failed, though what ran before may not be back yet.
    pub fn has_failed(self) -> bool {
        matches!(self, Self::RollingBack | Self::Failed | Self::RolledBack)
    }

    /// Whether it is still to do what it was claimed for. What ECS takes back is open, and is not.
    pub fn is_under_way(self) -> bool {
        self.is_open() && self != Self::RollingBack
    }

    /// The one-off tasks that it waits for, if any.
    pub fn task_phase(self) -> Option<TaskPhase> {
        match self {
            Self::Preparing => Some(TaskPhase::Before),
            Self::Verifying => Some(TaskPhase::After),
            _ => None,
        }
    }

    /// Where it fails, if it does now.
    pub(super) fn failed_phase(self) -> FailedPhase {
        match self {
            Self::Claimed | Self::Preparing => FailedPhase::Before,
            Self::Verifying => FailedPhase::After,
            _ => FailedPhase::Rollout,
        }
    }

    /// What is missing when a deployment has stayed in it for longer than its settings allow. `None` where nothing is,
    /// and where its one-off tasks have limits of their own.
    pub(super) fn missing(self) -> Option<&'static str> {
        match self {
            Self::Claimed => Some("the deployment was claimed and never started"),
            Self::Deploying => Some(
                "the deployment has no outcome: ECS reports a failure only where the service has a deployment circuit \
                 breaker or alarms",
            ),
            Self::RollingBack => Some("the rollback did not end"),
            _ => None,
        }
    }
}
