//! What EventBridge Scheduler sends: the schedule's own input, with Scheduler's context filled in; and what it could not
//! send, in a dead-letter queue.
//!
//! Context attributes: the EventBridge Scheduler User Guide, "Adding context attributes". The input
//! is written in Terraform, so an unknown field in it is a mistake of ours and refused.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::arn;
use crate::malformed::Malformed;

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
    /// Say what came of the deployments of the last seven days.
    Digest,
}

/// A run that a schedule could not begin: its target refused it until the retries of the schedule were over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRun {
    /// The schedule's group in EventBridge Scheduler.
    pub schedule_group: String,
    /// The schedule's name in EventBridge Scheduler.
    pub schedule_name: String,
    /// The same in each copy of the message: of the run, where Scheduler says it, and else of the message.
    pub id: String,
    /// The target's word for what is wrong, such as `AccessDeniedException`.
    pub error_code: Option<String>,
    /// What the target says of it.
    pub error_message: Option<String>,
    /// When the run should have begun, where that can be read.
    pub scheduled_time: Option<DateTime<Utc>>,
}

/// A batch of messages of a queue as Lambda hands it over: the AWS Lambda Developer Guide, "Using Lambda with Amazon
/// SQS".
#[derive(Debug, Deserialize)]
pub(crate) struct Batch {
    #[serde(rename = "Records")]
    records: Vec<QueueMessage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueueMessage {
    message_id: String,
    event_source: String,
    #[serde(default)]
    message_attributes: BTreeMap<String, MessageAttribute>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageAttribute {
    #[serde(default)]
    string_value: Option<String>,
}

impl Batch {
    /// The runs that the messages of a dead-letter queue of EventBridge Scheduler are about. What happened is in their
    /// attributes: the EventBridge Scheduler User Guide, "Configuring a schedule's dead-letter queue".
    ///
    /// # Errors
    /// [`Malformed`] when they are messages of something else.
    pub(crate) fn refused_runs(self) -> Result<Vec<RefusedRun>, Malformed> {
        self.records.into_iter().map(refused_run).collect()
    }
}

fn refused_run(message: QueueMessage) -> Result<RefusedRun, Malformed> {
    const DEAD_LETTER: &str = "dead letter of EventBridge Scheduler";
    if message.event_source != "aws:sqs" {
        let expected = format!(
            "event source `{}`, expected `aws:sqs`",
            message.event_source
        );
        return Err(Malformed::new(DEAD_LETTER, expected));
    }
    let mut attributes = message.message_attributes;
    let mut attribute = |name: &str| attributes.remove(name)?.string_value;
    let arn = attribute("SCHEDULE_ARN")
        .ok_or_else(|| Malformed::new(DEAD_LETTER, "no message attribute `SCHEDULE_ARN`"))?;
    let (schedule_group, schedule_name) = arn::schedule(&arn)?;
    Ok(RefusedRun {
        schedule_group,
        schedule_name,
        id: attribute("EXECUTION_ID").unwrap_or(message.message_id),
        error_code: attribute("ERROR_CODE"),
        error_message: attribute("ERROR_MESSAGE"),
        scheduled_time: attribute("SCHEDULED_TIME").and_then(|time| time.parse().ok()),
    })
}
