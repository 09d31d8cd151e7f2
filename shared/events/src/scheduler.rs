//! What EventBridge Scheduler sends: the schedule's own input, with Scheduler's context filled in.
//!
//! Context attributes: the EventBridge Scheduler User Guide, "Adding context attributes". The input
//! is written in Terraform, so an unknown field in it is a mistake of ours and refused.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The input of every schedule that Longshore makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledRun {
    /// What to do.
    pub action: ScheduledAction,
    /// `<aws.scheduler.schedule-arn>`.
    pub schedule_arn: String,
    /// `<aws.scheduler.scheduled-time>`.
    pub scheduled_time: DateTime<Utc>,
    /// `<aws.scheduler.execution-id>`: another one for each attempt of one run.
    pub execution_id: String,
    /// `<aws.scheduler.attempt-number>`; Scheduler fills it in as text.
    pub attempt_number: String,
}

/// What a schedule can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduledAction {
    /// Close what events failed to close, and publish what was not published.
    Reconcile,
}
