//! Deployments that may not begin yet, and those that did not begin at all.

use longshore_events::longshore::{DeploymentSkipped, DeploymentWaiting, WaitReason};

use super::blocks::Message;
use super::deployments::{headline_of, image};
use super::draft::{
    Draft, NAME, asked_at, asked_for_by, command, fact, note, quoted_note, shell_name, who,
};
use super::text::{code, date};
use crate::words::{minute, skipped as why_skipped, waits_for, waits_until};

pub(super) fn waiting(event: &DeploymentWaiting) -> Message {
    let what = match event.reason {
        WaitReason::Held { .. } => "⏸️ Deployment held",
        WaitReason::Frozen => "🧊 Deployment frozen",
        WaitReason::Approval => "✋ Deployment needs approval",
        WaitReason::Predecessors { .. } => "🚦 Deployment queued",
    };
    let name = |name: &str| code(name, NAME);
    let for_now = waits_for(&event.reason, event.until, name);
    let rest = match (&event.reason, event.until) {
        (WaitReason::Approval, Some(until)) => format!(", until {}", minute(until)),
        (WaitReason::Approval, None) => String::new(),
        _ => format!(" waits for {for_now}"),
    };
    Draft {
        headline: headline_of(what, &event.stack, &event.service, &event.image),
        rest,
        facts: vec![
            fact("Image", &image(&event.image)),
            fact(
                "Waits for",
                &waits_until(&event.reason, event.until, name, date),
            ),
            asked_for_by(&event.source),
        ],
        paragraphs: hold_note(&event.reason)
            .into_iter()
            .chain(way_out(event))
            .collect(),
        note: note(&event.source),
        context: vec![asked_at(event.requested_at)],
    }
    .message()
}

/// What whoever holds deployments says of it.
fn hold_note(reason: &WaitReason) -> Option<String> {
    let WaitReason::Held {
        note: Some(note), ..
    } = reason
    else {
        return None;
    };
    (!note.trim().is_empty()).then(|| format!("*The hold:*\n{}", quoted_note(note)))
}

/// What a person can do about it: a command to copy. An approval names the image that this message shows, so that
/// nobody approves another one that came in its place.
fn way_out(event: &DeploymentWaiting) -> Option<String> {
    let name = shell_name(&event.stack, &event.service);
    let (what, text) = match event.reason {
        WaitReason::Approval => (
            "Approve it",
            format!(
                "longshore approve {name} --digest {}",
                event.image.digest.short()
            ),
        ),
        WaitReason::Held { .. } => ("End the hold", format!("longshore resume {name}")),
        WaitReason::Frozen | WaitReason::Predecessors { .. } => return None,
    };
    Some(fact(what, &command(&text)))
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
            event
                .rejected_by
                .as_ref()
                .map(|by| fact("Rejected by", &who(by))),
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
