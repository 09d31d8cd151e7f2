//! What came of a request, in words.

use chrono::{DateTime, Utc};
use longshore_events::longshore::{SkipReason, WaitReason};
use longshore_rollout::deploy::{Outcome, ServiceOutcome};
use longshore_state::Worker;
use uuid::Uuid;

use crate::answer::Answer;
use crate::arguments::Output;

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
        is_good: !matches!(outcome.outcome, Outcome::Failed { .. }),
    })
}

/// What came of asking for `what` to be deployed to the service `name`.
pub fn in_words(outcome: &Outcome, name: &str, what: &impl std::fmt::Display) -> String {
    match outcome {
        Outcome::Started { deployment_id, .. } => format!(
            "deployment {deployment_id} of {what} to {name} started; follow it with: longshore status {name}"
        ),
        Outcome::Nothing => format!("nothing to do: {name} has been asked for {what} before"),
        Outcome::Skipped { reason } => format!("nothing to do: {name} {}", why(*reason, what)),
        Outcome::Waiting { reason, until } => {
            format!(
                "{what} waits to go to {name}: for {}",
                waits_for(reason, *until)
            )
        }
        Outcome::Pending => {
            format!("the stack of {name} is being changed; {what} goes there when that is over")
        }
        Outcome::Failed { reason } => format!("deploy {what} to {name}: {reason}"),
    }
}

fn why(reason: SkipReason, what: &impl std::fmt::Display) -> String {
    match reason {
        SkipReason::AlreadyRunning => format!("already runs {what}"),
        SkipReason::AlreadyDeploying => format!("is already being deployed with {what}"),
        SkipReason::NewerRequested => format!("was asked for something newer than {what}"),
        SkipReason::FailedBefore => format!("failed with {what} before"),
        SkipReason::ArchitectureMissing => format!("cannot run {what} on its processors"),
        SkipReason::ApprovalExpired => format!("was not approved for {what} in time"),
        SkipReason::PredecessorFailed => {
            format!("waited for a service that did not get {what} to run")
        }
        SkipReason::RouteRemoved => format!("is named by no route any more; {what} was given up"),
    }
}

/// What a request waits for, in words.
pub fn waits_for(reason: &WaitReason, until: Option<DateTime<Utc>>) -> String {
    let until = until.map(|until| format!(", until {}", minute(until)));
    let until = until.unwrap_or_default();
    match reason {
        WaitReason::Held { note } => {
            format!("the end of a hold{until}{}", with_note(note.as_deref()))
        }
        WaitReason::Frozen => format!("the end of a freeze window{until}"),
        WaitReason::Approval => format!("approval{until}"),
        WaitReason::Predecessors { services } => format!("{} to run it first", services.join(", ")),
    }
}

/// A note in parentheses.
pub fn with_note(note: Option<&str>) -> String {
    note.map_or_else(String::new, |note| format!(" ({note})"))
}

/// A time to come: seconds do not matter.
pub fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A time that was.
pub fn second(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
