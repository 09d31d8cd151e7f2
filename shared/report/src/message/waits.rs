//! Deployments that may not begin yet, and those that did not begin at all.

use longshore_events::longshore::{DeploymentSkipped, DeploymentWaiting, WaitReason};
use serde_json::json;

use super::blocks::Message;
use super::deployments::{headline_of, image};
use super::draft::{Draft, NAME, asked_at, asked_for_by, fact, note, place, quoted_note};
use super::text::code;
use crate::words::{minute, skipped as why_skipped, waits_for};

/// Room for a command or a payload that is to be copied: both hold a digest and two names.
const COMMAND: usize = 500;

pub(super) fn waiting(event: &DeploymentWaiting) -> Message {
    let what = match event.reason {
        WaitReason::Held { .. } => "⏸️ Deployment held",
        WaitReason::Frozen => "🧊 Deployment frozen",
        WaitReason::Approval => "✋ Deployment needs approval",
        WaitReason::Predecessors { .. } => "🚦 Deployment queued",
    };
    let waits_for = waits_for(&event.reason, event.until, |name| code(name, NAME));
    let rest = match (&event.reason, event.until) {
        (WaitReason::Approval, Some(until)) => format!(", until {}", minute(until)),
        (WaitReason::Approval, None) => String::new(),
        _ => format!(" waits for {waits_for}"),
    };
    Draft {
        headline: headline_of(what, &event.stack, &event.service, &event.image),
        rest,
        facts: vec![
            fact("Image", &image(&event.image)),
            fact("Waits for", &waits_for),
            asked_for_by(&event.source),
        ],
        paragraphs: hold_note(&event.reason)
            .into_iter()
            .chain(way_out(event))
            .collect(),
        note: note(&event.source),
        context: vec![
            place("deployment", &event.deployment_id),
            asked_at(event.requested_at),
        ],
    }
    .message()
}

/// What whoever holds deployments says of it.
fn hold_note(reason: &WaitReason) -> Option<String> {
    let WaitReason::Held { note: Some(note) } = reason else {
        return None;
    };
    (!note.trim().is_empty()).then(|| format!("*The hold:*\n{}", quoted_note(note)))
}

/// What a person can do about it: a command to copy, and a payload.
fn way_out(event: &DeploymentWaiting) -> Option<String> {
    let DeploymentWaiting {
        stack,
        service,
        image,
        ..
    } = event;
    let name = shell_word(&format!("{stack}/{service}"));
    let (what, command, payload) = match event.reason {
        WaitReason::Approval => (
            "Approve it",
            format!("longshore approve {name} --digest {}", image.digest),
            json!({
                "action": "approve", "stack": stack, "service": service, "digest": image.digest,
            }),
        ),
        WaitReason::Held { .. } => (
            "End the hold",
            format!("longshore resume {name}"),
            json!({"action": "resume", "stack": stack, "service": service}),
        ),
        WaitReason::Frozen | WaitReason::Predecessors { .. } => return None,
    };
    Some(format!(
        "*{what}:*\n{}\nor, to the function `deploy`:\n{}",
        code(&command, COMMAND),
        code(&payload.to_string(), COMMAND)
    ))
}

/// A name as a shell reads it: what is copied must not do anything else.
fn shell_word(name: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '/' | '.' | '-' | '_')
    };
    if name.chars().all(is_plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}

pub(super) fn skipped(event: &DeploymentSkipped) -> Message {
    let why = why_skipped(event.reason);
    Draft {
        headline: headline_of(
            "⏭️ Deployment skipped",
            &event.stack,
            &event.service,
            &event.image,
        ),
        rest: format!(": {why}"),
        facts: [
            Some(fact("Why", why)),
            Some(fact("Image", &image(&event.image))),
            event
                .selected
                .as_deref()
                .map(|tag| fact("Selected instead", &code(tag, NAME))),
            Some(asked_for_by(&event.source)),
        ]
        .into_iter()
        .flatten()
        .collect(),
        note: note(&event.source),
        context: vec![asked_at(event.requested_at)],
        ..Draft::default()
    }
    .short_message()
}
