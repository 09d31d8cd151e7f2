//! What came of a request, in words.

use chrono::{DateTime, Utc};
use longshore_events::longshore::WaitReason;
use longshore_report::words::{self, image_name, short_name, skipped};
use longshore_rollout::dry_run::{DryRun, Runs, Step, Would};
use longshore_rollout::engine::{Outcome, ServiceOutcome};
use longshore_rollout::ports::Cloud;
use longshore_state::Worker;
use uuid::Uuid;

use crate::answer::{Answer, Status};
use crate::output::Output;

/// This process, as it writes itself into records.
pub fn worker() -> Worker {
    Worker {
        id: Uuid::new_v4().to_string(),
        now: Utc::now(),
    }
}

/// What came of asking for `what` to be deployed to a service. Nothing to do is as good as done; what ECS
/// refuses is not.
pub fn answer(
    outcome: &ServiceOutcome,
    what: &impl std::fmt::Display,
    output: Output,
) -> anyhow::Result<Answer> {
    let text = match output {
        Output::Json => serde_json::to_string_pretty(outcome)?,
        Output::Text => {
            let ServiceOutcome {
                stack,
                service,
                outcome,
            } = outcome;
            in_words(outcome, &format!("{stack}/{service}"), what)
        }
    };
    Ok(Answer {
        text,
        status: Status::of(!matches!(outcome.outcome, Outcome::Failed { .. })),
    })
}

/// What came of asking for `what` to be deployed to the service `name`.
pub fn in_words(outcome: &Outcome, name: &str, what: &impl std::fmt::Display) -> String {
    match outcome {
        Outcome::Started { deployment_id, .. } => format!(
            "deployment {deployment_id} of {what} to {name} started; follow it with: longshore status {name}"
        ),
        Outcome::Nothing => format!("nothing to do for {name}: {what} was asked for before"),
        Outcome::Skipped { reason } => format!("nothing to do for {name}: {}", skipped(*reason)),
        Outcome::Waiting { reason, until } => format!(
            "deployment of {what} to {name} waits for {}",
            waits_for(reason, *until)
        ),
        Outcome::Pending => {
            format!("deployment of {what} to {name} waits for the end of the stack's change")
        }
        Outcome::Failed { reason } => format!("deploy {what} to {name}: {reason}"),
    }
}

/// What a dry run says at the end of a line.
pub const DRY_RUN: &str = "(dry run: nothing was done)";

/// What would come of asking for `what`, by the outcome of a dry run.
pub async fn would<C: Cloud>(
    dry_run: &DryRun<'_, C>,
    outcome: &ServiceOutcome,
    what: &impl std::fmt::Display,
    output: Output,
) -> anyhow::Result<Answer> {
    let would = dry_run.would(outcome).await?;
    let name = format!("{}/{}", would.stack, would.service);
    Ok(Answer {
        text: match output {
            Output::Json => serde_json::to_string_pretty(&would)?,
            Output::Text => format!("{} {DRY_RUN}", would_in_words(&would.would, &name, what)),
        },
        status: Status::of(!matches!(would.would, Would::Failed { .. })),
    })
}

/// What would come of asking for `what` to be deployed to the service `name`.
pub fn would_in_words(would: &Would, name: &str, what: &impl std::fmt::Display) -> String {
    match would {
        Would::WouldStart(step) => step_in_words(step, name),
        Would::WouldWait { reason, until } => format!(
            "deployment of {what} to {name} would wait for {}",
            waits_for(reason, *until)
        ),
        Would::WouldBePending => {
            format!("deployment of {what} to {name} would wait for the end of the stack's change")
        }
        Would::Nothing => in_words(&Outcome::Nothing, name, what),
        Would::Skipped { reason } => in_words(&Outcome::Skipped { reason: *reason }, name, what),
        Would::Failed { reason } => {
            let reason = reason.clone();
            in_words(&Outcome::Failed { reason }, name, what)
        }
    }
}

/// `shop/api would go from shop/api:v1 (#1) to shop/api:v2 (#2)`.
fn step_in_words(step: &Step, name: &str) -> String {
    let Step {
        from,
        number,
        to,
        goes_on,
        first_task,
    } = step;
    let to = format!("{} (#{number})", image_name(to));
    let first = first_task
        .as_ref()
        .map(|task| format!(", once its task {task} has succeeded"));
    let how = match goes_on {
        true => "would go on",
        false => "would go",
    };
    let from = runs_in_words(from);
    format!(
        "{name} {how} from {from} to {to}{}",
        first.unwrap_or_default()
    )
}

/// `shop/api:v1 (#1)`, or what the task definition names where nothing else is known.
fn runs_in_words(runs: &Runs) -> String {
    let image = short_name(&runs.image);
    let name = match (&runs.tag, image.split_once('@')) {
        (Some(tag), Some((repository, _))) => format!("{repository}:{tag}"),
        _ => image,
    };
    match runs.number {
        Some(number) => format!("{name} (#{number})"),
        None => name,
    }
}

/// What a request waits for, with what is said of it.
pub fn waits_for(reason: &WaitReason, until: Option<DateTime<Utc>>) -> String {
    let note = match reason {
        WaitReason::Held { note, .. } => note.as_deref(),
        _ => None,
    };
    let waits_for = words::waits_for(reason, until, str::to_owned);
    format!("{waits_for}{}", with_note(note))
}

/// A note in parentheses.
pub fn with_note(note: Option<&str>) -> String {
    note.map_or_else(String::new, |note| format!(" ({note})"))
}

#[cfg(test)]
mod tests {
    use longshore_events::longshore::SkipReason;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_skipped_or_waits_is_reported_in_the_words_of_slack() {
        for (outcome, expected) in [
            (
                Outcome::Skipped {
                    reason: SkipReason::AlreadyRunning,
                },
                "nothing to do for shop/api: the service already runs this image",
            ),
            (
                Outcome::Waiting {
                    reason: WaitReason::Held {
                        note: Some("the sale".to_owned()),
                        by: None,
                    },
                    until: None,
                },
                "deployment of shop/api:v3 to shop/api waits for somebody to end the hold (the sale)",
            ),
            (
                Outcome::Waiting {
                    reason: WaitReason::Predecessors {
                        services: vec!["migrate".to_owned()],
                    },
                    until: None,
                },
                "deployment of shop/api:v3 to shop/api waits for migrate to run this image first",
            ),
        ] {
            assert_eq!(in_words(&outcome, "shop/api", &"shop/api:v3"), expected);
        }
    }

    #[test]
    fn a_dry_run_names_both_images_their_numbers_and_the_task_that_comes_first() {
        let step = |tag: Option<&str>, number, first_task: Option<&str>| {
            let digest = "a".repeat(64);
            Would::WouldStart(Box::new(Step {
                from: Runs {
                    image: format!(
                        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@sha256:{digest}"
                    ),
                    number,
                    tag: tag.map(str::to_owned),
                },
                number: 2,
                to: serde_json::from_value(json!({
                    "repository": "shop/api",
                    "tag": "v2",
                    "digest": format!("sha256:{digest}"),
                }))
                .unwrap(),
                goes_on: false,
                first_task: first_task.map(str::to_owned),
            }))
        };
        for (would, expected) in [
            (
                step(Some("v1"), Some(1), None),
                "shop/api would go from shop/api:v1 (#1) to shop/api:v2 (#2)",
            ),
            (
                step(None, None, Some("migrate")),
                "shop/api would go from shop/api@aaaaaaaaaaaa to shop/api:v2 (#2), once its task migrate has succeeded",
            ),
            (
                Would::WouldBePending,
                "deployment of v2 to shop/api would wait for the end of the stack's change",
            ),
        ] {
            assert_eq!(would_in_words(&would, "shop/api", &"v2"), expected);
        }
    }
}
