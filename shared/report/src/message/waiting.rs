//! Deployments that may not begin yet, and those that did not begin at all.

use chrono::{DateTime, Utc};
use longshore_events::longshore::{DeploymentSkipped, DeploymentWaiting, SkipReason, WaitReason};
use serde_json::json;

use super::{NAME, NOTE, NOTE_LINES, asked_at, asked_for_by, fact, image, lines, note, subject};
use crate::blocks::{Block, Message};
use crate::text::{code, more, quote};

/// Room for a command or a payload that is to be copied: both hold a digest and two names.
const COMMAND: usize = 500;
/// How many services are named.
const SERVICES: usize = 10;

pub(super) fn waiting(event: &DeploymentWaiting) -> Message {
    let (what, waits_for) = match &event.reason {
        WaitReason::Held { .. } => (
            "⏸️ Deployment held",
            match event.until {
                Some(until) => format!("the end of a hold, at {}", minute(until)),
                None => "somebody to end the hold".to_owned(),
            },
        ),
        WaitReason::Frozen => (
            "🧊 Deployment frozen",
            match event.until {
                Some(until) => format!("the end of a freeze window, at {}", minute(until)),
                None => "the end of a freeze window".to_owned(),
            },
        ),
        WaitReason::Approval => (
            "✋ Deployment needs approval",
            match event.until {
                Some(until) => format!("approval, until {}", minute(until)),
                None => "approval".to_owned(),
            },
        ),
        WaitReason::Predecessors { services } => (
            "🚦 Deployment queued",
            format!("{} to run this image first", named(services)),
        ),
    };
    let headline = format!(
        "{what}: {}",
        subject(&event.stack, &event.service, &event.image)
    );
    let facts = [
        fact("Image", &image(&event.image)),
        fact("Waits for", &waits_for),
        asked_for_by(&event.source, &event.image),
    ];
    let mut blocks = vec![Block::header(headline.clone()), lines(&facts)];
    blocks.extend(note(&event.source));
    blocks.extend(hold_note(&event.reason));
    blocks.extend(way_out(event));
    blocks.push(Block::context(format!(
        "deployment {}  ·  {}",
        code(&event.deployment_id, NAME),
        asked_at(event.requested_at)
    )));
    let text = match (&event.reason, event.until) {
        (WaitReason::Approval, Some(until)) => format!("{headline}, until {}", minute(until)),
        (WaitReason::Approval, None) => headline,
        _ => format!("{headline} waits for {waits_for}"),
    };
    Message::new(text, blocks)
}

/// What whoever holds deployments says of it.
fn hold_note(reason: &WaitReason) -> Option<Block> {
    let WaitReason::Held { note: Some(note) } = reason else {
        return None;
    };
    (!note.trim().is_empty())
        .then(|| Block::section(format!("*The hold:*\n{}", quote(note, NOTE, NOTE_LINES))))
}

/// What a person can do about it: a command to copy, and a payload.
fn way_out(event: &DeploymentWaiting) -> Option<Block> {
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
    Some(Block::section(format!(
        "*{what}:*\n{}\nor, to the function `deploy`:\n{}",
        code(&command, COMMAND),
        code(&payload.to_string(), COMMAND)
    )))
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

fn named(services: &[String]) -> String {
    let mut names: Vec<String> = services
        .iter()
        .take(SERVICES)
        .map(|service| code(service, NAME))
        .collect();
    if services.len() > SERVICES {
        names.push(more(services.len() - SERVICES, "service"));
    }
    if names.is_empty() {
        "other services".to_owned()
    } else {
        names.join(", ")
    }
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

pub(super) fn skipped(event: &DeploymentSkipped) -> Message {
    let headline = format!(
        "⏭️ Deployment skipped: {}",
        subject(&event.stack, &event.service, &event.image)
    );
    let why = match event.reason {
        SkipReason::AlreadyRunning => "the service runs this image already",
        SkipReason::AlreadyDeploying => "a deployment of this image is under way already",
        SkipReason::NewerRequested => "something newer was asked for since",
        SkipReason::FailedBefore => {
            "this image failed here, or somebody went back from it; to deploy it again, ask for it by \
             a release file, a payload or the command line"
        }
        SkipReason::ArchitectureMissing => {
            "the image cannot run on the service's processor architecture"
        }
        SkipReason::ApprovalExpired => {
            "nobody approved it in time; to deploy it all the same, ask for it by a release file, a \
             payload or the command line"
        }
        SkipReason::PredecessorFailed => "a service that comes first did not get it to run",
        SkipReason::RouteRemoved => {
            "no route names the service any more; to deploy it all the same, write the route again and ask \
             for it by a payload or the command line"
        }
    };
    let facts = [
        format!("*{headline}*"),
        fact("Why", why),
        fact("Image", &image(&event.image)),
        asked_for_by(&event.source, &event.image),
    ];
    let mut blocks = vec![lines(&facts)];
    blocks.extend(note(&event.source));
    blocks.push(Block::context(asked_at(event.requested_at)));
    Message::new(format!("{headline}: {why}"), blocks)
}
