//! `longshore hold`, `resume`, `approve` and `reject`.

use longshore_events::manual::{ApprovalPayload, HoldPayload, ResumePayload};
use longshore_policy::route::ServiceId;
use longshore_report::words::minute;
use longshore_rollout::dry_run::{DryRun, Would};
use longshore_rollout::engine::Outcome;
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::record::Hold;
use longshore_rollout::service_view::ServiceViews;
use longshore_rollout::triggers::hold::{
    Approved, HoldError, HoldOutcome, approve, hold, reject, resume,
};
use serde_json::{Value, json};

use crate::answer::{Answer, Status};
use crate::arguments::{ApproveArguments, HoldArguments, Output, RejectArguments, ResumeArguments};
use crate::caller::caller;
use crate::outcome::{self, DRY_RUN, in_words, waits_for, with_note, worker, would_in_words};
use crate::until::Until;
use crate::wait::{Waiter, answer, followed, status_of};

/// Lets no deployment of the service or the stack begin.
pub async fn run_hold<C: Cloud>(cloud: &C, arguments: HoldArguments) -> anyhow::Result<Answer> {
    let HoldArguments {
        subject,
        until,
        dry_run,
        note,
        output,
    } = arguments;
    let payload = HoldPayload {
        stack: subject.stack,
        service: subject.service,
        until: until.map(|Until(until)| until),
        note,
        by: caller(),
    };
    if dry_run {
        let dry_run = DryRun::of(cloud);
        let held = hold(&dry_run, &payload, &worker()).await?;
        return would(&dry_run, held, output).await;
    }
    reported(hold(cloud, &payload, &worker()).await?, output)
}

/// Lets deployments of the service or the stack begin again, and waits for the outcome of those that begin where that is
/// asked for.
pub async fn run_resume<C: Cloud + TaskLogs + ServiceViews>(
    cloud: &C,
    arguments: ResumeArguments,
) -> anyhow::Result<Answer> {
    let ResumeArguments {
        subject,
        dry_run,
        note,
        wait,
        output,
    } = arguments;
    let payload = ResumePayload {
        held_since: None,
        stack: subject.stack,
        service: subject.service,
        note,
        by: caller(),
    };
    if dry_run {
        let dry_run = DryRun::of(cloud);
        let resumed = resume(&dry_run, &payload, &worker()).await?;
        return would(&dry_run, resumed, output).await;
    }
    let resumed = resume(cloud, &payload, &worker()).await?;
    match wait.wait {
        true => waited_for(cloud, resumed, Waiter::here(wait), output).await,
        false => reported(resumed, output),
    }
}

/// What became of all that had waited: of one service after the other, each of which goes on meanwhile.
async fn waited_for<C: Cloud + TaskLogs + ServiceViews>(
    cloud: &C,
    resumed: Vec<Result<HoldOutcome, HoldError>>,
    mut waiter: Waiter,
    output: Output,
) -> anyhow::Result<Answer> {
    let mut status = Status::Good;
    let mut lines = Vec::new();
    let mut values = Vec::new();
    for resumed in resumed {
        let said = line(&resumed);
        let outcome = match resumed {
            Ok(outcome) => outcome,
            Err(error) => {
                status = status.max(Status::Bad);
                lines.push(said);
                values.push(json!({"error": error.to_string()}));
                continue;
            }
        };
        let service_id = ServiceId {
            stack: outcome.stack.clone(),
            service: outcome.service.clone(),
        };
        let mut ends = Vec::new();
        for id in followed(cloud, &service_id, &outcome.waited).await? {
            let interrupted = tokio::signal::ctrl_c();
            let end = waiter.follow(cloud, &service_id, id, interrupted).await?;
            status = status.max(end.status);
            lines.push(end.text.clone());
            ends.push(end);
        }
        if ends.is_empty() {
            let waited = outcome.waited.iter().map(status_of);
            status = waited.chain([status]).max().unwrap_or(status);
            lines.push(said);
        }
        let mut value = serde_json::to_value(&outcome)?;
        value["ends"] = serde_json::to_value(&ends)?;
        values.push(value);
    }
    Ok(Answer {
        text: match output {
            Output::Json => serde_json::to_string_pretty(&values)?,
            Output::Text => lines.join("\n"),
        },
        status,
    })
}

/// Lets go out what waits to be approved.
pub async fn run_approve<C: Cloud + TaskLogs + ServiceViews>(
    cloud: &C,
    arguments: ApproveArguments,
) -> anyhow::Result<Answer> {
    let ApproveArguments {
        service,
        digest,
        dry_run,
        wait,
        output,
    } = arguments;
    let payload = ApprovalPayload {
        stack: service.stack,
        service: service.service,
        digest,
        by: caller(),
    };
    if dry_run {
        let dry_run = DryRun::of(cloud);
        let Approved { outcome, .. } = approve(&dry_run, &payload, &worker()).await?;
        return outcome::would(&dry_run, &outcome, &"what waits", output).await;
    }
    let Approved {
        request_id,
        outcome,
    } = approve(cloud, &payload, &worker()).await?;
    answer(cloud, &outcome, &request_id, &"what waited", wait, output).await
}

/// Never lets go out what waits to be approved.
pub async fn run_reject<C: Cloud>(cloud: &C, arguments: RejectArguments) -> anyhow::Result<String> {
    let RejectArguments {
        service,
        digest,
        dry_run,
        output,
    } = arguments;
    let name = format!("{}/{}", service.stack, service.service);
    let payload = ApprovalPayload {
        stack: service.stack,
        service: service.service,
        digest,
        by: caller(),
    };
    let image = match dry_run {
        true => reject(&DryRun::of(cloud), &payload, &worker()).await?,
        false => reject(cloud, &payload, &worker()).await?,
    };
    Ok(match (output, dry_run) {
        (Output::Json, _) => serde_json::to_string_pretty(&json!({
            "stack": payload.stack, "service": payload.service, "rejected": image, "dry_run": dry_run,
        }))?,
        (Output::Text, true) => format!("{image} would be rejected on {name}\n{DRY_RUN}"),
        (Output::Text, false) => format!("{image} is rejected on {name}"),
    })
}

/// What would come of it for each service, by the outcomes of a dry run.
async fn would<C: Cloud>(
    dry_run: &DryRun<'_, C>,
    outcomes: Vec<Result<HoldOutcome, HoldError>>,
    output: Output,
) -> anyhow::Result<Answer> {
    let mut lines = Vec::new();
    let mut values = Vec::new();
    let mut is_good = true;
    for outcome in outcomes {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                is_good = false;
                lines.push(format!("error: {error}"));
                values.push(json!({"error": error.to_string()}));
                continue;
            }
        };
        let service_id = ServiceId {
            stack: outcome.stack.clone(),
            service: outcome.service.clone(),
        };
        let name = format!("{}/{}", outcome.stack, outcome.service);
        let mut waited = Vec::new();
        for one in &outcome.waited {
            waited.push(dry_run.would_be(&service_id, one).await?);
        }
        is_good &= !waited
            .iter()
            .any(|waited| matches!(waited, Would::Failed { .. }));
        lines.push(match (&outcome.hold, waited.is_empty()) {
            (Some(hold), _) => {
                held_in_words(&name, "would be held", hold, outcome.replaced.as_ref())
            }
            (None, true) => format!("{name} would be resumed; nothing waits"),
            (None, false) => {
                let waited = waited.iter();
                let waited = waited.map(|waited| would_in_words(waited, &name, &"what waits"));
                let waited: Vec<String> = waited.collect();
                format!("{name} would be resumed: {}", waited.join("; "))
            }
        });
        let mut value = serde_json::to_value(&outcome)?;
        value["dry_run"] = json!(true);
        if !waited.is_empty() {
            value["waited"] = serde_json::to_value(&waited)?;
        }
        values.push(value);
    }
    let text = match output {
        Output::Json => serde_json::to_string_pretty(&values)?,
        Output::Text => {
            lines.push(DRY_RUN.to_owned());
            lines.join("\n")
        }
    };
    Ok(Answer {
        text,
        status: Status::of(is_good),
    })
}

/// `shop/api is held until ... (the sale)`, and what hold that replaces.
fn held_in_words(name: &str, is_held: &str, hold: &Hold, replaced: Option<&Hold>) -> String {
    let end = hold.until.map_or_else(
        || format!("until somebody says: longshore resume {name}"),
        |until| format!("until {}", minute(until)),
    );
    let note = with_note(hold.note.as_deref());
    let replaced = replaced.map(|before| {
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
    format!(
        "{name} {is_held} {end}{note}{}",
        replaced.unwrap_or_default()
    )
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
        return held_in_words(&name, "is held", hold, outcome.replaced.as_ref());
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
    use longshore_policy::route::Subscriber;
    use longshore_policy::settings::{Approval, RolloutSettings};
    use longshore_rollout::triggers::push::deploy_push;
    use longshore_rollout::triggers::reconcile::reconcile;
    use longshore_testkit::{FakeCloud, digest, subscriber};

    use super::*;
    use crate::arguments::WaitArguments;

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
                by: None,
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

    #[tokio::test]
    async fn a_dry_run_says_what_would_be_held_and_what_would_come_of_what_waits() {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        let holding = |dry_run| HoldArguments {
            subject: "shop/api".parse().unwrap(),
            until: None,
            dry_run,
            note: Some("the sale".to_owned()),
            output: Output::Text,
        };
        let resuming = |output| ResumeArguments {
            subject: "shop".parse().unwrap(),
            dry_run: true,
            note: None,
            wait: WaitArguments {
                wait: false,
                timeout_minutes: 60,
            },
            output,
        };
        let held = run_hold(&cloud, holding(true)).await.unwrap();
        assert!(held.is_good());
        assert_eq!(
            held.text,
            "shop/api would be held until somebody says: longshore resume shop/api (the sale)\n(dry run: nothing was \
             done)"
        );
        assert!(cloud.record(&api).is_none());
        run_hold(&cloud, holding(false)).await.unwrap();
        let none = run_resume(&cloud, resuming(Output::Text)).await.unwrap();
        assert!(
            none.text.contains("resumed; nothing waits"),
            "{}",
            none.text
        );
        let push = cloud.push("v2", digest('2'), Utc::now());
        let waits = deploy_push(&cloud, &push, &worker()).await.unwrap();
        assert!(waits.iter().all(Result::is_ok), "{waits:?}");
        let resumed = run_resume(&cloud, resuming(Output::Text)).await.unwrap();
        let expected =
            "shop/api would be resumed: shop/api would go from shop/api:v1 to shop/api:v2 (#2)";
        assert!(resumed.text.starts_with(expected), "{}", resumed.text);
        let resumed = run_resume(&cloud, resuming(Output::Json)).await.unwrap();
        let resumed: Value = serde_json::from_str(&resumed.text).unwrap();
        assert_eq!(
            resumed[0]["waited"][0]["outcome"], "would_start",
            "{resumed}"
        );
        assert_eq!(cloud.updates(&api), 0);
        assert!(cloud.record(&api).unwrap().hold.is_some());
    }

    #[tokio::test]
    async fn what_waits_to_be_approved_is_rejected_after_a_dry_run_has_changed_nothing() {
        let rollout = RolloutSettings {
            approval: Some(Approval {
                expires_after_minutes: 60,
            }),
            ..RolloutSettings::default()
        };
        let api = Subscriber {
            rollout,
            ..subscriber("api")
        };
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        let push = cloud.push("v2", digest('2'), Utc::now());
        deploy_push(&cloud, &push, &worker()).await.unwrap();
        for (dry_run, expected) in [
            (true, "would be rejected on shop/api"),
            (false, "is rejected on shop/api"),
        ] {
            assert!(!cloud.record(&api).unwrap().waiting.is_empty());
            let rejecting = RejectArguments {
                service: "shop/api".parse().unwrap(),
                digest: None,
                dry_run,
                output: Output::Text,
            };
            let said = run_reject(&cloud, rejecting).await.unwrap();
            assert!(said.contains(expected), "{said}");
            assert!(said.starts_with("shop/api:v2@"), "{said}");
        }
        assert!(cloud.record(&api).unwrap().waiting.is_empty());
        assert_eq!(cloud.updates(&api), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_resumes_and_waits_gets_the_outcome_of_what_had_waited() {
        let (api, web) = (subscriber("api"), subscriber("web"));
        for output in [Output::Text, Output::Json] {
            let cloud = FakeCloud::with_services(&[api.clone(), web.clone()]);
            let holding = HoldArguments {
                subject: "shop".parse().unwrap(),
                until: None,
                dry_run: false,
                note: None,
                output: Output::Text,
            };
            run_hold(&cloud, holding).await.unwrap();
            let push = cloud.push("v2", digest('2'), Utc::now());
            let waits = deploy_push(&cloud, &push, &worker()).await.unwrap();
            assert!(waits.iter().all(Result::is_ok), "{waits:?}");
            let resuming = ResumeArguments {
                subject: "shop".parse().unwrap(),
                dry_run: false,
                note: None,
                wait: WaitArguments {
                    wait: true,
                    timeout_minutes: 60,
                },
                output,
            };
            cloud.set_now(Utc::now());
            let (resumed, ()) = tokio::join!(run_resume(&cloud, resuming), async {
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                // One succeeds, and ECS rolls the other one back.
                cloud.complete(&api);
                cloud.roll_back(&web, 150);
                cloud.complete(&web);
                reconcile(&cloud, &worker()).await.unwrap();
                reconcile(&cloud, &worker()).await.unwrap();
            });
            let resumed = resumed.unwrap();
            assert_eq!(resumed.status, Status::Bad, "{}", resumed.text);
            match output {
                Output::Text => {
                    let lines: Vec<&str> = resumed.text.lines().collect();
                    assert!(lines[0].contains("to shop/api: succeeded, in"), "{lines:?}");
                    assert!(lines[1].contains("to shop/web: rolled back: "), "{lines:?}");
                }
                Output::Json => {
                    let resumed: Value = serde_json::from_str(&resumed.text).unwrap();
                    assert_eq!(resumed[0]["ends"][0]["end"], "succeeded", "{resumed}");
                    assert_eq!(resumed[1]["ends"][0]["end"], "rolled_back", "{resumed}");
                }
            }
        }
    }
}
