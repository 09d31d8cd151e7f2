//! `longshore hold`, `resume` and `approve`.

use longshore_events::manual::{ApprovePayload, HoldPayload, ResumePayload};
use longshore_report::words::minute;
use longshore_rollout::engine::Outcome;
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::triggers::hold::{Approved, HoldError, HoldOutcome, approve, hold, resume};
use serde_json::{Value, json};

use crate::answer::{Answer, Status};
use crate::arguments::{ApproveArguments, HoldArguments, Output, ResumeArguments};
use crate::outcome::{in_words, waits_for, with_note, worker};
use crate::until::Until;
use crate::wait::answer;

/// Lets no deployment of the service or the stack begin.
pub async fn run_hold<C: Cloud>(cloud: &C, arguments: HoldArguments) -> anyhow::Result<Answer> {
    let HoldArguments {
        subject,
        until,
        note,
        output,
    } = arguments;
    let payload = HoldPayload {
        stack: subject.stack,
        service: subject.service,
        until: until.map(|Until(until)| until),
        note,
    };
    reported(hold(cloud, &payload, &worker()).await?, output)
}

/// Lets deployments of the service or the stack begin again.
pub async fn run_resume<C: Cloud>(cloud: &C, arguments: ResumeArguments) -> anyhow::Result<Answer> {
    let ResumeArguments { subject, output } = arguments;
    let payload = ResumePayload {
        stack: subject.stack,
        service: subject.service,
    };
    reported(resume(cloud, &payload, &worker()).await?, output)
}

/// Lets go out what waits to be approved.
pub async fn run_approve<C: Cloud + TaskLogs>(
    cloud: &C,
    arguments: ApproveArguments,
) -> anyhow::Result<Answer> {
    let ApproveArguments {
        service,
        digest,
        wait,
        output,
    } = arguments;
    let payload = ApprovePayload {
        stack: service.stack,
        service: service.service,
        digest,
    };
    let Approved {
        request_id,
        outcome,
    } = approve(cloud, &payload, &worker()).await?;
    answer(cloud, &outcome, &request_id, &"what waited", wait, output).await
}

/// What came of it for each service; not good when it went wrong for one.
fn reported(
    outcomes: Vec<Result<HoldOutcome, HoldError>>,
    output: Output,
) -> anyhow::Result<Answer> {
    let is_good = outcomes.iter().all(|outcome| {
        outcome.as_ref().is_ok_and(|outcome| {
            let mut waited = outcome.waited.iter();
            !waited.any(|waited| matches!(waited, Outcome::Failed { .. }))
        })
    });
    let text = match output {
        Output::Json => {
            let outcomes = outcomes
                .iter()
                .map(|outcome| match outcome {
                    Ok(outcome) => serde_json::to_value(outcome),
                    Err(error) => Ok(json!({"error": error.to_string()})),
                })
                .collect::<Result<Vec<Value>, _>>()?;
            serde_json::to_string_pretty(&outcomes)?
        }
        Output::Text => {
            let lines: Vec<String> = outcomes.iter().map(line).collect();
            lines.join("\n")
        }
    };
    Ok(Answer {
        text,
        status: Status::of(is_good),
    })
}

fn line(outcome: &Result<HoldOutcome, HoldError>) -> String {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return format!("error: {error}"),
    };
    let name = format!("{}/{}", outcome.stack, outcome.service);
    if let Some(hold) = &outcome.hold {
        let end = hold.until.map_or_else(
            || format!("until somebody says: longshore resume {name}"),
            |until| format!("until {}", minute(until)),
        );
        let note = with_note(hold.note.as_deref());
        let replaced = outcome.replaced.as_ref().map(|before| {
            let end = before.until.map_or_else(
                || "without an end".to_owned(),
                |end| format!("until {}", minute(end)),
            );
            let note = with_note(before.note.as_deref());
            format!(
                "; this replaces a hold {end}{note}, of {}",
                minute(before.since)
            )
        });
        return format!("{name} is held {end}{note}{}", replaced.unwrap_or_default());
    }
    if outcome.waited.is_empty() {
        return format!("{name} is resumed; nothing waited");
    }
    let waited: Vec<String> = outcome
        .waited
        .iter()
        .map(|waited| match waited {
            Outcome::Waiting { reason, until } => format!(
                "{name} is resumed; what waited still waits for {}",
                waits_for(reason, *until)
            ),
            waited => format!(
                "{name} is resumed: {}",
                in_words(waited, &name, &"what waited")
            ),
        })
        .collect();
    waited.join("\n")
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use longshore_events::longshore::WaitReason;
    use longshore_rollout::record::Hold;

    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-12-24T12:00:00Z".parse().unwrap()
    }

    fn held(service: &str, until: Option<DateTime<Utc>>) -> HoldOutcome {
        HoldOutcome {
            stack: "shop".to_owned(),
            service: service.to_owned(),
            hold: Some(Hold {
                note: Some("the sale".to_owned()),
                since: noon(),
                until,
            }),
            replaced: None,
            waited: Vec::new(),
        }
    }

    fn resumed(waited: Vec<Outcome>) -> HoldOutcome {
        HoldOutcome {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
            hold: None,
            replaced: None,
            waited,
        }
    }

    fn refused() -> HoldError {
        HoldError::Refused {
            action: "hold",
            subject: "service worker of stack shop".to_owned(),
            reason: "the cluster does not have this service".to_owned(),
        }
    }

    #[test]
    fn each_service_that_is_held_or_resumed_is_a_line() {
        let waiting = Outcome::Waiting {
            reason: WaitReason::Approval,
            until: Some(noon()),
        };
        let replacing = HoldOutcome {
            replaced: held("jobs", Some(noon())).hold,
            ..held("jobs", None)
        };
        let answer = reported(
            vec![
                Ok(held("api", None)),
                Ok(held("web", Some(noon()))),
                Ok(replacing),
                Ok(resumed(Vec::new())),
                Ok(resumed(vec![waiting])),
            ],
            Output::Text,
        )
        .unwrap();
        assert!(answer.is_good());
        assert_eq!(
            answer.text.lines().collect::<Vec<_>>(),
            [
                "shop/api is held until somebody says: longshore resume shop/api (the sale)",
                "shop/web is held until 2026-12-24 12:00 UTC (the sale)",
                "shop/jobs is held until somebody says: longshore resume shop/jobs (the sale); this replaces a hold \
                 until 2026-12-24 12:00 UTC (the sale), of 2026-12-24 12:00 UTC",
                "shop/api is resumed; nothing waited",
                "shop/api is resumed; what waited still waits for approval, until 2026-12-24 12:00 UTC",
            ]
        );
    }

    #[test]
    fn what_goes_wrong_for_one_service_is_reported_beside_the_others_and_by_the_exit_status() {
        for output in [Output::Text, Output::Json] {
            let answer = reported(vec![Ok(held("api", None)), Err(refused())], output).unwrap();
            assert!(!answer.is_good());
            for expected in ["the sale", "hold service worker of stack shop: the cluster"] {
                assert!(answer.text.contains(expected), "{}", answer.text);
            }
        }
    }
}
