//! Deployments that began, and what became of them.

use longshore_events::image::Image;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentProgressed, DeploymentRolledBack, DeploymentStarted,
    DeploymentSucceeded, DeploymentSummary, DeploymentSuperseded, FailedPhase, ImageMissing,
    ImageNeed, Source, TaskFailure,
};

use super::blocks::Message;
use super::console::Console;
use super::draft::{
    Draft, NAME, SUBJECT, asked_at, asked_for_by, command, fact, note, place, reason, sentence,
    shell_name, who, without_stop,
};
use super::failures;
use super::logs;
use super::text::{code, date, line, link};
use crate::words::{duration, image_name, rollout_progress, short_name, version_name};

/// How many containers of a deployment are shown with what they wrote.
const LOGS: usize = 2;
/// How much of a commit is shown: as much as Git shows.
const SHORT_COMMIT: usize = 12;

pub(super) fn started(event: &DeploymentStarted, console: &Console) -> Message {
    let deployment = &event.deployment;
    let what = match deployment.source {
        Source::Rollback { .. } => "⏪ Rollback started",
        Source::Restart { .. } => "🔄 Restart started",
        _ => "🚀 Deployment started",
    };
    let previous = version_name(&event.previous_image, &deployment.image.repository);
    let mut facts = vec![
        fact("Image", &image(&deployment.image)),
        fact("Replaces", &code(&previous, NAME)),
    ];
    facts.extend(origin(deployment));
    Draft {
        headline: headline(what, deployment),
        rest: format!(", replacing {}", line(&previous, NAME)),
        facts,
        note: note(&deployment.source),
        context: context(deployment, console),
        ..Draft::default()
    }
    .message()
}

pub(super) fn progressed(event: &DeploymentProgressed, console: &Console) -> Message {
    let deployment = &event.deployment;
    let now = line(&rollout_progress(&event.progress), NAME);
    Draft {
        headline: headline("🚀 Deployment goes on", deployment),
        rest: format!(": {now}"),
        facts: [
            vec![
                fact("Image", &image(&deployment.image)),
                fact("Now", &now),
                fact("Since", &duration(deployment.requested_at, event.at)),
            ],
            origin(deployment),
        ]
        .concat(),
        note: note(&deployment.source),
        context: context(deployment, console),
        ..Draft::default()
    }
    .message()
}

pub(super) fn succeeded(event: &DeploymentSucceeded, console: &Console) -> Message {
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
        facts: [
            vec![
                fact("Runs now", &image(&deployment.image)),
                fact("Took", &took),
            ],
            origin(deployment),
        ]
        .concat(),
        note: note(&deployment.source),
        context: context(deployment, console),
        ..Draft::default()
    }
    .message()
}

pub(super) fn failed(event: &DeploymentFailed, console: &Console) -> Message {
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
    paragraphs.extend(failures::list(&event.failures, console));
    paragraphs.extend(logs::last_lines(&event.logs, LOGS, console));
    let is_stuck = !event.rolling_back && event.phase != FailedPhase::Before;
    Draft {
        headline: headline("❌ Deployment failed", deployment),
        rest: format!(": {}. {rest}", without_stop(&why)),
        facts: [
            vec![
                fact("Failed", &image(&deployment.image)),
                fact(
                    "After",
                    &duration(deployment.requested_at, event.finished_at),
                ),
                fact("Now", now),
            ],
            origin(deployment),
            what_next(deployment, !event.failures.is_empty(), is_stuck),
        ]
        .concat(),
        paragraphs,
        note: note(&deployment.source),
        context: context(deployment, console),
    }
    .message()
}

pub(super) fn rolled_back(event: &DeploymentRolledBack, console: &Console) -> Message {
    let deployment = &event.deployment;
    let runs_now = event.running_image.as_ref().map_or_else(
        || short_name(&event.running_task_definition),
        |image| version_name(image, &deployment.image.repository),
    );
    let why = reason(&event.reason);
    let mut paragraphs = vec![fact("Why it failed", &why)];
    paragraphs.extend(failures::list(&event.failures, console));
    paragraphs.extend(logs::last_lines(&event.logs, LOGS, console));
    Draft {
        headline: headline("↩️ Deployment rolled back", deployment),
        rest: format!(
            " failed: {}. {}{} runs now",
            without_stop(&why),
            died_of(&event.failures),
            line(&runs_now, NAME)
        ),
        facts: [
            vec![
                fact("Failed", &image(&deployment.image)),
                fact(
                    "Runs now",
                    &format!("{}, and is stable", code(&runs_now, NAME)),
                ),
                fact(
                    "Back after",
                    &duration(deployment.requested_at, event.finished_at),
                ),
            ],
            origin(deployment),
            what_next(deployment, !event.failures.is_empty(), false),
        ]
        .concat(),
        paragraphs,
        note: note(&deployment.source),
        context: context(deployment, console),
    }
    .message()
}

pub(super) fn superseded(event: &DeploymentSuperseded, console: &Console) -> Message {
    let deployment = &event.deployment;
    let successor = version_name(&event.superseded_by, &deployment.image.repository);
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
        context: context(deployment, console),
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
            format!("seen {}", date(event.at)),
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

/// The image by its tag; by a short digest where no tag is known.
pub(super) fn image(image: &Image) -> String {
    match &image.tag {
        Some(_) => code(&image_name(image), NAME),
        None => code(
            &format!("{}@{}", image.repository, image.digest.short()),
            NAME,
        ),
    }
}

/// Where the image comes from, and who wanted it.
fn origin(deployment: &DeploymentSummary) -> Vec<String> {
    let mut facts: Vec<String> = commit(deployment).into_iter().collect();
    facts.push(asked_for_by(&deployment.source));
    let approved_by = deployment.approved_by.as_ref();
    facts.extend(approved_by.map(|by| fact("Approved by", &who(by))));
    facts
}

/// The commit, as a link where the image says which repository has it.
fn commit(deployment: &DeploymentSummary) -> Option<String> {
    let commit = deployment.commit.as_deref()?;
    let short: String = commit.chars().take(SHORT_COMMIT).collect();
    // Not as code: Slack shows no link in it.
    let label = line(&short, NAME);
    let linked = match &deployment.source_url {
        // Pages of commits are under the same path at GitHub, at GitLab (which redirects) and at Gitea.
        Some(page) => link(&format!("{page}/commit/{commit}"), &label),
        None => label,
    };
    Some(fact("Commit", &linked))
}

/// The commands that somebody needs next.
fn what_next(deployment: &DeploymentSummary, has_logs: bool, is_stuck: bool) -> Vec<String> {
    let name = shell_name(&deployment.stack, &deployment.service);
    let mut facts = Vec::new();
    if has_logs {
        let number = deployment.number;
        let which = number.map_or_else(String::new, |number| format!(" --deployment {number}"));
        let logs = format!("longshore logs {name}{which}");
        facts.push(fact("Log", &command(&logs)));
    }
    if is_stuck {
        let rollback = format!("longshore rollback {name}");
        facts.push(fact("Go back", &command(&rollback)));
    }
    facts
}

/// The most frequent cause as a sentence; nothing where no task died.
fn died_of(failures: &[TaskFailure]) -> String {
    failures::headline(failures)
        .map_or_else(String::new, |cause| format!("{}. ", without_stop(&cause)))
}

fn context(deployment: &DeploymentSummary, console: &Console) -> Vec<String> {
    let (cluster, service) = (&deployment.cluster, &deployment.ecs_service);
    let number = deployment.number;
    let mut context = vec![
        console.service(
            cluster,
            service,
            &line(&format!("ECS service {service}"), NAME),
        ),
        place("cluster", cluster),
    ];
    context.extend(number.map(|number| format!("deployment {number}")));
    context.push(asked_at(deployment.requested_at));
    context
}
