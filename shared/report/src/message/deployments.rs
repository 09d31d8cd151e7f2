//! Deployments that began, and what became of them.

use longshore_events::image::Image;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentProgressed, DeploymentRolledBack, DeploymentStarted,
    DeploymentSucceeded, DeploymentSummary, DeploymentSuperseded, FailedPhase, ImageMissing,
    ImageNeed, Source, TaskFailure,
};

use super::blocks::Message;
use super::draft::{
    Draft, NAME, SUBJECT, asked_at, asked_for_by, fact, note, place, reason, sentence, without_stop,
};
use super::failures;
use super::text::{code, line};
use crate::words::{duration, image_name, rollout_progress, second, short_name};

pub(super) fn started(event: &DeploymentStarted) -> Message {
    let deployment = &event.deployment;
    let what = match deployment.source {
        Source::Rollback { .. } => "⏪ Rollback started",
        Source::Restart { .. } => "🔄 Restart started",
        _ => "🚀 Deployment started",
    };
    let previous = short_name(&event.previous_image);
    let mut context = context(deployment);
    let revision = short_name(&event.task_definition);
    context.insert(2, place("task definition", &revision));
    Draft {
        headline: headline(what, deployment),
        rest: format!(", replacing {}", line(&previous, NAME)),
        facts: vec![
            fact("Image", &image(&deployment.image)),
            fact("Replaces", &code(&previous, NAME)),
            asked_for_by(&deployment.source),
        ],
        note: note(&deployment.source),
        context,
        ..Draft::default()
    }
    .message()
}

pub(super) fn progressed(event: &DeploymentProgressed) -> Message {
    let deployment = &event.deployment;
    let now = line(&rollout_progress(&event.progress), NAME);
    Draft {
        headline: headline("🚀 Deployment goes on", deployment),
        rest: format!(": {now}"),
        facts: vec![
            fact("Image", &image(&deployment.image)),
            fact("Now", &now),
            fact("Since", &duration(deployment.requested_at, event.at)),
            asked_for_by(&deployment.source),
        ],
        note: note(&deployment.source),
        context: context(deployment),
        ..Draft::default()
    }
    .message()
}

pub(super) fn succeeded(event: &DeploymentSucceeded) -> Message {
    let deployment = &event.deployment;
    let what = match deployment.source {
        Source::Rollback { .. } => "✅ Rollback succeeded",
        Source::Restart { .. } => "✅ Restart succeeded",
        _ => "✅ Deployment succeeded",
    };
    let took = duration(deployment.requested_at, event.finished_at);
    Draft {
        headline: headline(what, deployment),
        rest: format!(", in {took}"),
        facts: vec![
            fact("Runs now", &image(&deployment.image)),
            fact("Took", &took),
            asked_for_by(&deployment.source),
        ],
        note: note(&deployment.source),
        context: context(deployment),
        ..Draft::default()
    }
    .message()
}

pub(super) fn failed(event: &DeploymentFailed) -> Message {
    let deployment = &event.deployment;
    let now = match event.phase {
        _ if event.rolling_back => "ECS is rolling back to the previous image",
        FailedPhase::Before => "the service was not updated and still runs the previous image",
        FailedPhase::Rollout => "ECS does not roll back, so somebody must look at the service",
        FailedPhase::After => {
            "the service runs this image and is stable; somebody must decide whether it may stay"
        }
    };
    // The reason of what failed beside ECS's rollout says how its task died, and what became of the service.
    let rest = match event.phase {
        FailedPhase::Rollout => format!("{}{}", died_of(&event.failures), sentence(now)),
        FailedPhase::Before => "The service still runs the previous image".to_owned(),
        FailedPhase::After => "Somebody must decide whether it may stay".to_owned(),
    };
    let why = reason(&event.reason);
    let mut paragraphs = vec![fact("Why", &why)];
    paragraphs.extend(failures::list(&event.failures));
    Draft {
        headline: headline("❌ Deployment failed", deployment),
        rest: format!(": {}. {rest}", without_stop(&why)),
        facts: vec![
            fact("Failed", &image(&deployment.image)),
            fact(
                "After",
                &duration(deployment.requested_at, event.finished_at),
            ),
            fact("Now", now),
            asked_for_by(&deployment.source),
        ],
        paragraphs,
        note: note(&deployment.source),
        context: context(deployment),
    }
    .message()
}

pub(super) fn rolled_back(event: &DeploymentRolledBack) -> Message {
    let deployment = &event.deployment;
    let runs_now = short_name(
        event
            .running_image
            .as_ref()
            .unwrap_or(&event.running_task_definition),
    );
    let why = reason(&event.reason);
    let mut paragraphs = vec![fact("Why it failed", &why)];
    paragraphs.extend(failures::list(&event.failures));
    Draft {
        headline: headline("↩️ Deployment rolled back", deployment),
        rest: format!(
            " failed: {}. {}{} runs now",
            without_stop(&why),
            died_of(&event.failures),
            line(&runs_now, NAME)
        ),
        facts: vec![
            fact("Failed", &image(&deployment.image)),
            fact(
                "Runs now",
                &format!("{}, and is stable", code(&runs_now, NAME)),
            ),
            fact(
                "Back after",
                &duration(deployment.requested_at, event.finished_at),
            ),
            asked_for_by(&deployment.source),
        ],
        paragraphs,
        note: note(&deployment.source),
        context: context(deployment),
    }
    .message()
}

pub(super) fn superseded(event: &DeploymentSuperseded) -> Message {
    let deployment = &event.deployment;
    let successor = short_name(&event.superseded_by);
    Draft {
        headline: headline("⏩ Deployment superseded", deployment),
        rest: format!(", by {}", line(&successor, NAME)),
        facts: vec![
            fact("Image", &image(&deployment.image)),
            fact(
                "Superseded by",
                &format!(
                    "{}, after {}",
                    code(&successor, NAME),
                    duration(deployment.requested_at, event.finished_at)
                ),
            ),
        ],
        context: context(deployment),
        ..Draft::default()
    }
    .short_message()
}

pub(super) fn image_missing(event: &ImageMissing) -> Message {
    let (rest, now, what_to_do) = match event.needed_for {
        ImageNeed::Running => (
            "is not in ECR any more, and the service runs it",
            "its tasks run on, but ECS cannot start a new one: after a crash, when it scales out or moves",
            "push the image again, or deploy one that is there",
        ),
        ImageNeed::Rollback => (
            "is not in ECR any more, and a rollback would need it",
            "the service runs another image; a rollback to this one would be refused",
            "push the image again, if a rollback to it is to be possible",
        ),
    };
    Draft {
        headline: headline_of("⚠️ Image missing", &event.stack, &event.service, &event.image),
        rest: format!(" {rest}"),
        facts: vec![
            fact("Image", &image(&event.image)),
            fact("Now", now),
            fact("What to do", what_to_do),
        ],
        paragraphs: vec![
            "A lifecycle policy of the repository may have expired it: docs/operating.md shows one that keeps what runs."
                .to_owned(),
        ],
        context: vec![
            place("stack", &event.stack),
            place("service", &event.service),
            format!("seen at {}", second(event.at)),
        ],
        ..Draft::default()
    }
    .message()
}

/// "✅ Deployment succeeded: shop/api v3".
fn headline(what: &str, deployment: &DeploymentSummary) -> String {
    headline_of(
        what,
        &deployment.stack,
        &deployment.service,
        &deployment.image,
    )
}

pub(super) fn headline_of(what: &str, stack: &str, service: &str, image: &Image) -> String {
    let version = image.tag.as_deref().unwrap_or(image.digest.short());
    let subject = line(&format!("{stack}/{service} {version}"), SUBJECT);
    format!("{what}: {subject}")
}

/// The image by its tag, for a person, and by its digest, for certainty.
pub(super) fn image(image: &Image) -> String {
    let digest = image.digest.short();
    match &image.tag {
        Some(_) => format!("{}  `{digest}`", code(&image_name(image), NAME)),
        None => code(&format!("{}@{digest}", image.repository), NAME),
    }
}

/// The most frequent cause as a sentence; nothing where no task died.
fn died_of(failures: &[TaskFailure]) -> String {
    failures::headline(failures)
        .map_or_else(String::new, |cause| format!("{}. ", without_stop(&cause)))
}

fn context(deployment: &DeploymentSummary) -> Vec<String> {
    vec![
        place("cluster", &deployment.cluster),
        place("ECS service", &deployment.ecs_service),
        place("deployment", &deployment.deployment_id),
        asked_at(deployment.requested_at),
    ]
}
