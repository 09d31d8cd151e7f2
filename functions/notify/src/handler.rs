//! From an event of ours to a message in Slack, and from what became of it to Lambda's answer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use longshore_events::longshore::{LongshoreEvent, SOURCE};
use longshore_events::subject::Subject;
use longshore_events::{EventBridgeEvent, Malformed, parse};
use longshore_report::{
    AnnounceError, Announcer, MessagePoster, NotifyOutcome, PostError, SecretText,
};
use longshore_runtime::lambda::{Failure, Invocation};
use longshore_runtime::metrics::{self, Metric};
use longshore_state::DocumentStore;
use serde_json::{Value, json};

use crate::figures::figures;

/// Kept back from the time that is left, for answering Lambda: an invocation that Lambda has to end is
/// not distinguished from one that crashed.
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// Handles one invocation. The answer says what became of the event: `posted` as a message of its own,
/// `edited` into the message that is there, `outdated` by what that says already, or `ignored`.
///
/// # Errors
/// [`Failure`] for everything that could not be posted. A malformed event too, though trying it again is
/// in vain: only events of ours arrive here, so it is a fault of ours that must be found in the
/// dead-letter queue and not be lost.
pub async fn handle<Secret: SecretText, Poster: MessagePoster, Messages: DocumentStore>(
    announcer: &Announcer<Secret, Poster>,
    messages: &Messages,
    payload: &Value,
    invocation: &Invocation,
    now: DateTime<Utc>,
) -> Result<Value, Failure> {
    let event = read(payload).map_err(|malformed| {
        metrics::count(Metric::MalformedEvents, "notify");
        Failure {
            kind: "MalformedEvent",
            message: malformed.to_string(),
        }
    })?;
    let subject = Subject::of(&event);
    let time_left = invocation.remaining.saturating_sub(TIME_TO_ANSWER);
    let outcome = announcer
        .notify(&event, messages, now, time_left)
        .await
        .map_err(|error| Failure {
            kind: kind(&error),
            message: format!("post {} of {subject}: {error}", event.detail_type()),
        })?;
    // What the message says already was counted.
    if outcome != NotifyOutcome::Outdated
        && let Some((stack, figures)) = figures(&event)
    {
        metrics::measure(stack, &figures);
    }
    let outcome = match outcome {
        NotifyOutcome::Posted => "posted",
        NotifyOutcome::Edited => "edited",
        NotifyOutcome::Outdated => "outdated",
        NotifyOutcome::Ignored => "ignored",
    };
    tracing::info!(
        event = event.detail_type(),
        stack = subject.stack,
        service = subject.service,
        deployment_id = subject.deployment_id,
        operation_id = subject.operation_id,
        sync_id = subject.sync_id,
        key = subject.key,
        outcome,
        "notified in slack"
    );
    Ok(json!({"outcome": outcome, "event": event.detail_type()}))
}

fn read(payload: &Value) -> Result<LongshoreEvent, Malformed> {
    const WHAT: &str = "EventBridge event";
    let envelope: EventBridgeEvent = parse(WHAT, payload)?;
    if envelope.source != SOURCE {
        return Err(Malformed::new(
            WHAT,
            format!(
                "field `source`: found `{}`, expected `{SOURCE}`",
                envelope.source
            ),
        ));
    }
    LongshoreEvent::from_envelope(&envelope.detail_type, &envelope.detail)
}

fn kind(error: &AnnounceError) -> &'static str {
    match error {
        AnnounceError::Secret(_) | AnnounceError::SecretTimeout(_) => "SecretNotRead",
        AnnounceError::Destination { .. }
        | AnnounceError::Post(PostError::WebhookInvalid { .. }) => "WebhookInvalid",
        AnnounceError::Post(PostError::BotInvalid(_)) => "BotInvalid",
        AnnounceError::Post(
            PostError::Refused { .. } | PostError::MessageGone(_) | PostError::Unsendable(_),
        ) => "MessageRefused",
        AnnounceError::Post(PostError::GaveUp { .. } | PostError::NoTime) => "SlackUnavailable",
        AnnounceError::Store { .. } => "MessageNotKept",
        AnnounceError::Busy(_) => "MessageBusy",
    }
}

#[cfg(test)]
mod tests;
