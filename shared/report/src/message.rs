//! What Slack is told of each event.

mod amounts;
mod stacks;
mod syncs;
mod waiting;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentRolledBack, DeploymentStarted, DeploymentSucceeded,
    DeploymentSummary, DeploymentSuperseded, FailedPhase, LongshoreEvent, ReleaseRefused, Source,
};

use crate::blocks::{Block, Message};
use crate::failures;
use crate::text::{code, line, quote};

pub use syncs::transfer_message;

/// Room for what a headline is about; the rest of [`crate::HEADER_TEXT`] is for its symbol and words.
const SUBJECT: usize = 110;
/// Room for one name.
const NAME: usize = 180;
/// Room for a key of the state bucket.
const KEY: usize = 300;
/// Room for the reason of a failed deployment.
const REASON: usize = 700;
/// Room for everything that is wrong with a release file.
const REFUSAL: usize = 2_400;
const REFUSAL_LINES: usize = 40;
/// Room for what the one who asked says.
const NOTE: usize = 600;
const NOTE_LINES: usize = 10;

/// What Slack is told of `event`; nothing of what only Longshore itself must know. Within all of Slack's
/// limits and never empty, whatever the event holds.
pub fn message(event: &LongshoreEvent) -> Option<Message> {
    Some(match event {
        LongshoreEvent::DeploymentStarted(event) => started(event),
        LongshoreEvent::DeploymentSkipped(event) => waiting::skipped(event),
        LongshoreEvent::DeploymentSucceeded(event) => succeeded(event),
        LongshoreEvent::DeploymentFailed(event) => failed(event),
        LongshoreEvent::DeploymentRolledBack(event) => rolled_back(event),
        LongshoreEvent::DeploymentSuperseded(event) => superseded(event),
        LongshoreEvent::DeploymentWaiting(event) => waiting::waiting(event),
        LongshoreEvent::DeploymentStabilized(_) | LongshoreEvent::ReconcileShard(_) => return None,
        LongshoreEvent::ReleaseRefused(event) => release_refused(event),
        LongshoreEvent::StackApplying(event) => stacks::applying(event),
        LongshoreEvent::StackReady(event) => stacks::ready(event),
        LongshoreEvent::StackFailed(event) => stacks::failed(event),
        LongshoreEvent::StackUnchanged(event) => stacks::unchanged(event),
        LongshoreEvent::StackFileRefused(event) => stacks::file_refused(event),
        LongshoreEvent::SyncPlanned(event) => syncs::planned(event),
        LongshoreEvent::SyncUnchanged(event) => syncs::unchanged(event),
        LongshoreEvent::SyncProgressed(event) => syncs::progressed(event),
        LongshoreEvent::SyncShardCompleted(_) => return None,
        LongshoreEvent::SyncCompleted(event) => syncs::completed(event),
        LongshoreEvent::SyncFailed(event) => syncs::failed(event),
        LongshoreEvent::SyncRefused(event) => syncs::refused(event),
    })
}

fn started(event: &DeploymentStarted) -> Message {
    let deployment = &event.deployment;
    let headline = headline(
        if is_rollback(deployment) {
            "⏪ Rollback started"
        } else {
            "🚀 Deployment started"
        },
        deployment,
    );
    let facts = [
        fact("Image", &image(&deployment.image)),
        fact("Replaces", &code(&short_name(&event.previous_image), NAME)),
        asked_for_by(&deployment.source, &deployment.image),
    ];
    let mut blocks = vec![Block::header(headline.clone()), lines(&facts)];
    blocks.extend(note(&deployment.source));
    blocks.push(context(
        deployment,
        Some(("task definition", &event.task_definition)),
    ));
    Message::new(
        format!(
            "{headline}, replacing {}",
            line(&short_name(&event.previous_image), NAME)
        ),
        blocks,
    )
}

fn succeeded(event: &DeploymentSucceeded) -> Message {
    let deployment = &event.deployment;
    let headline = headline(
        if is_rollback(deployment) {
            "✅ Rollback succeeded"
        } else {
            "✅ Deployment succeeded"
        },
        deployment,
    );
    let took = duration(deployment.requested_at, event.finished_at);
    let facts = [
        fact("Runs now", &image(&deployment.image)),
        fact("Took", &took),
        asked_for_by(&deployment.source, &deployment.image),
    ];
    let mut blocks = vec![Block::header(headline.clone()), lines(&facts)];
    blocks.extend(note(&deployment.source));
    blocks.push(context(deployment, None));
    Message::new(format!("{headline}, in {took}"), blocks)
}

fn failed(event: &DeploymentFailed) -> Message {
    let deployment = &event.deployment;
    let headline = headline("❌ Deployment failed", deployment);
    let now = match event.phase {
        _ if event.rolling_back => "ECS is rolling back to what ran before",
        FailedPhase::Before => "the service was not touched and runs what it ran before",
        FailedPhase::Rollout => "ECS does not roll back, so somebody must look at the service",
        FailedPhase::After => {
            "the service runs this image and is stable; somebody must look whether it may stay"
        }
    };
    // The reason of what failed beside ECS's rollout says how its task died, and what became of the service.
    let rest = match event.phase {
        FailedPhase::Rollout => format!(
            "{}{}",
            died_of(failures::headline(&event.failures)),
            sentence(now)
        ),
        FailedPhase::Before => "What ran before runs on".to_owned(),
        FailedPhase::After => "Somebody must look whether it may stay".to_owned(),
    };
    let facts = [
        fact("Failed", &image(&deployment.image)),
        fact(
            "After",
            &duration(deployment.requested_at, event.finished_at),
        ),
        fact("Now", now),
        asked_for_by(&deployment.source, &deployment.image),
    ];
    let mut blocks = vec![
        Block::header(headline.clone()),
        lines(&facts),
        Block::section(fact("Why", &reason(&event.reason))),
    ];
    blocks.extend(failures::list(&event.failures).map(Block::section));
    blocks.extend(note(&deployment.source));
    blocks.push(context(deployment, None));
    Message::new(
        format!(
            "{headline}: {}. {rest}",
            reason(&event.reason).trim_end_matches('.'),
        ),
        blocks,
    )
}

fn rolled_back(event: &DeploymentRolledBack) -> Message {
    let deployment = &event.deployment;
    let headline = headline("↩️ Deployment rolled back", deployment);
    let runs_now = short_name(
        event
            .running_image
            .as_ref()
            .unwrap_or(&event.running_task_definition),
    );
    let facts = [
        fact("Failed", &image(&deployment.image)),
        fact(
            "Runs now",
            &format!("{}, and is stable", code(&runs_now, NAME)),
        ),
        fact(
            "Back after",
            &duration(deployment.requested_at, event.finished_at),
        ),
        asked_for_by(&deployment.source, &deployment.image),
    ];
    let mut blocks = vec![
        Block::header(headline.clone()),
        lines(&facts),
        Block::section(fact("Why it failed", &reason(&event.reason))),
    ];
    blocks.extend(failures::list(&event.failures).map(Block::section));
    blocks.extend(note(&deployment.source));
    blocks.push(context(deployment, None));
    Message::new(
        format!(
            "{headline} failed: {}. {}{} runs now",
            reason(&event.reason).trim_end_matches('.'),
            died_of(failures::headline(&event.failures)),
            line(&runs_now, NAME)
        ),
        blocks,
    )
}

fn superseded(event: &DeploymentSuperseded) -> Message {
    let deployment = &event.deployment;
    let headline = headline("⏩ Deployment superseded", deployment);
    let superseded_by = short_name(&event.superseded_by);
    let facts = [
        format!("*{headline}*"),
        fact("Image", &image(&deployment.image)),
        fact(
            "Given up for",
            &format!(
                "{}, after {}",
                code(&superseded_by, NAME),
                duration(deployment.requested_at, event.finished_at)
            ),
        ),
    ];
    Message::new(
        format!("{headline} was given up for {}", line(&superseded_by, NAME)),
        vec![lines(&facts), context(deployment, None)],
    )
}

fn release_refused(event: &ReleaseRefused) -> Message {
    let headline = format!("🚫 Release refused: {}", line(&event.key, SUBJECT));
    let mut facts = vec![fact("File", &code(&event.key, KEY))];
    facts.extend(
        event
            .version_id
            .as_deref()
            .map(|version| fact("Version", &code(version, NAME))),
    );
    facts.push(fact(
        "Now",
        "nothing was deployed; correct the file and write it again",
    ));
    let reasons: Vec<&str> = event.reason.lines().map(str::trim).collect();
    Message::new(
        format!("{headline}: {}", reason(&reasons.join("; "))),
        vec![
            Block::header(headline),
            lines(&facts),
            Block::section(format!(
                "*Why:*\n{}",
                quote(given(&event.reason), REFUSAL, REFUSAL_LINES)
            )),
            Block::context(format!("bucket {}", code(&event.bucket, NAME))),
        ],
    )
}

/// "✅ Deployment succeeded: shop/api v3". What happened comes first, so that a cut never takes it away.
fn headline(what: &str, deployment: &DeploymentSummary) -> String {
    format!(
        "{what}: {}",
        subject(&deployment.stack, &deployment.service, &deployment.image)
    )
}

fn is_rollback(deployment: &DeploymentSummary) -> bool {
    matches!(deployment.source, Source::Rollback { .. })
}

fn subject(stack: &str, service: &str, image: &Image) -> String {
    let version = image.tag.as_deref().unwrap_or(image.digest.short());
    line(&format!("{stack}/{service} {version}"), SUBJECT)
}

/// "*Image:* `shop/api:v3`".
fn fact(name: &str, value: &str) -> String {
    format!("*{name}:* {value}")
}

fn lines(facts: &[String]) -> Block {
    Block::section(facts.join("\n"))
}

/// The image by its tag, for a person, and by its digest, for certainty.
fn image(image: &Image) -> String {
    let digest = image.digest.short();
    match &image.tag {
        Some(tag) => format!(
            "{}  `{digest}`",
            code(&format!("{}:{tag}", image.repository), NAME)
        ),
        None => code(&format!("{}@{digest}", image.repository), NAME),
    }
}

fn asked_for_by(source: &Source, image: &Image) -> String {
    let who = match source {
        Source::Push => format!("a push to {}", code(&image.repository, NAME)),
        Source::Release {
            key,
            version_id: Some(version),
            ..
        } => format!(
            "release file {}, version {}",
            code(key, KEY),
            code(version, NAME)
        ),
        Source::Release { key, .. } => format!("release file {}", code(key, KEY)),
        Source::Manual { .. } => "a manual payload".to_owned(),
        Source::Reconcile => format!(
            "the reconcile, which found it in {}",
            code(&image.repository, NAME)
        ),
        Source::Rollback { to, .. } => format!("a rollback to deployment {to}"),
        Source::Stack {
            operation_id,
            restored: true,
        } => format!(
            "Longshore, which puts the image back after change {} of the stack",
            code(operation_id, NAME)
        ),
        Source::Stack { operation_id, .. } => {
            format!("change {} of the stack", code(operation_id, NAME))
        }
    };
    fact("Asked for by", &who)
}

/// What the one who asked says of it, as a quotation.
fn note(source: &Source) -> Option<Block> {
    let note = match source {
        Source::Push | Source::Reconcile | Source::Stack { .. } => None,
        Source::Release { note, .. } | Source::Manual { note } | Source::Rollback { note, .. } => {
            note.as_deref()
        }
    };
    note.filter(|note| !note.trim().is_empty())
        .map(|note| Block::section(quote(note, NOTE, NOTE_LINES)))
}

/// Where to look further.
fn context(deployment: &DeploymentSummary, more: Option<(&str, &str)>) -> Block {
    let mut parts = vec![
        format!("cluster {}", code(&deployment.cluster, NAME)),
        format!("ECS service {}", code(&deployment.ecs_service, NAME)),
    ];
    parts.extend(more.map(|(name, value)| format!("{name} {}", code(&short_name(value), NAME))));
    parts.push(format!(
        "deployment {}",
        code(&deployment.deployment_id, NAME)
    ));
    parts.push(asked_at(deployment.requested_at));
    Block::context(parts.join("  ·  "))
}

/// A message can be late: it may have waited for Slack, or in a dead-letter queue.
fn asked_at(at: DateTime<Utc>) -> String {
    format!("asked for at {}", at.format("%Y-%m-%d %H:%M:%S UTC"))
}

fn reason(reason: &str) -> String {
    line(given(reason), REASON)
}

fn given(reason: &str) -> &str {
    if reason.trim().is_empty() {
        "no reason was given"
    } else {
        reason
    }
}

fn died_of(cause: Option<String>) -> String {
    cause.map_or_else(String::new, |cause| {
        format!("{}. ", cause.trim_end_matches('.'))
    })
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// The part of a name that tells: of an ARN its last part, of an image no registry and a short digest.
fn short_name(name: &str) -> String {
    if name.starts_with("arn:") {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    let name = match name.split_once('/') {
        // As in container runtimes: only the host of a registry has a dot or a port before the first slash.
        Some((host, rest)) if host.contains(['.', ':']) => rest,
        _ => name,
    };
    match name.split_once("@sha256:") {
        Some((image, digest)) => {
            let digest: String = digest.chars().take(12).collect();
            format!("{image}@{digest}")
        }
        None => name.to_owned(),
    }
}

/// "45 s", "3 min 2 s", "1 h 0 min". Two clocks are compared, so it may seem negative: then it is nothing.
fn duration(from: DateTime<Utc>, until: DateTime<Utc>) -> String {
    let seconds = until
        .signed_duration_since(from)
        .max(TimeDelta::zero())
        .num_seconds();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_enough_to_be_read() {
        let digest = "0123456789ab".repeat(6);
        for (name, expected) in [
            (
                "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:41",
                "shop-api:41",
            ),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2",
                "shop/api:v2",
            ),
            ("localhost:5000/api", "api"),
            ("shop/api:v2", "shop/api:v2"),
            ("nginx", "nginx"),
            ("", ""),
        ] {
            assert_eq!(short_name(name), expected);
        }
        assert_eq!(
            short_name(&format!("registry.example/shop/api:v2@sha256:{digest}")),
            "shop/api:v2@0123456789ab"
        );
    }

    #[test]
    fn durations_are_told_in_two_units_at_most() {
        let start = DateTime::UNIX_EPOCH;
        for (seconds, expected) in [
            (-5, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (182, "3 min 2 s"),
            (3_600, "1 h 0 min"),
            (90_061, "25 h 1 min"),
        ] {
            assert_eq!(
                duration(start, start + TimeDelta::seconds(seconds)),
                expected
            );
        }
        assert_eq!(
            duration(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC),
            "4595796695 h 59 min"
        );
    }
}
