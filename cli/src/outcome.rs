//! What came of a request, in words.

use chrono::{DateTime, Utc};
use longshore_events::longshore::WaitReason;
use longshore_report::words::{self, skipped};
use longshore_rollout::engine::{Outcome, ServiceOutcome};
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

/// What a request waits for, with what is said of it.
pub fn waits_for(reason: &WaitReason, until: Option<DateTime<Utc>>) -> String {
    let note = match reason {
        WaitReason::Held { note } => note.as_deref(),
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
}
