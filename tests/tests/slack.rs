//! What happens when Slack does not take a message. The fake refuses the next post whosever it is, so these tests
//! run one after the other, and in a program of their own.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use longshore_local::control::{Fault, FaultyCalls};
use longshore_local::scene::serves;
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_local::workspace::Workspace;
use longshore_tests::{PATIENCE, QUIET, Scene};
use serde_json::{Value, json};

static ALONE: Mutex<()> = Mutex::new(());

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_message_that_slack_is_too_busy_for_arrives_once() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let scene = Scene::new("busy")?;
    let control = scene.environment.control();
    let refused = control.slack_refused()?.len();
    control.slack_answers(429, Some("1"), 2)?;
    let digest = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["started", "v2"])?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    ensure!(
        control.slack_refused()?.len() == refused + 2,
        "two posts should have been refused"
    );
    scene.wait_until_runs(&digest)?;
    stays_so("each message arrived once", QUIET, || {
        let reported = (
            scene.count_published(&["started"])?,
            scene.count_published(&["succeeded"])?,
        );
        Ok(if reported == (1, 1) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{reported:?}"))
        })
    })
}

/// The sample of this event, about deployment `number` of the scene's service.
fn event(scene: &Scene, sample: &str, number: usize) -> Result<Value> {
    let path = Workspace::of_this_build().path(&format!("events/notify/{sample}.json"));
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {sample}"))?;
    let mut event: Value = serde_json::from_str(&text)?;
    event["id"] = json!(format!("{sample}-{number}"));
    let deployment = &mut event["detail"]["deployment"];
    deployment["stack"] = json!(scene.service.stack);
    deployment["deployment_id"] = json!(format!("deployment-{number}"));
    deployment["image"]["tag"] = json!(format!("v{number:03}"));
    Ok(event)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn two_hundred_events_are_all_told_once_while_slack_refuses_each_third_post() -> Result<()> {
    const DEPLOYMENTS: usize = 100;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let scene = Scene::new("crowd")?;
    let control = scene.environment.control();
    control.fail_calls(&FaultyCalls {
        action: "slack:*".to_owned(),
        fault: Fault::Throttled,
        every: 3,
        of_functions: false,
        times: None,
        per_event: None,
        seconds: 0.0,
    })?;
    let client = scene.environment.client();
    let notify = scene.environment.applied.function_name("notify")?;
    for (sample, word) in [
        ("deployment-started", "started"),
        ("deployment-succeeded", "succeeded"),
    ] {
        for number in 0..DEPLOYMENTS {
            client.invoke_later(notify, &event(&scene, sample, number)?)?;
        }
        // The ends are sent when all beginnings are told, as they come in life: minutes later.
        wait_until("all of it to be told", PATIENCE * 2, || {
            Ok(match scene.count_published(&[word])? {
                DEPLOYMENTS => Seen::Yes(()),
                told => Seen::NotYet(format!("{told} of {DEPLOYMENTS} {word}")),
            })
        })?;
    }
    let refused = control.count_faults()?;
    control.forget_faults()?;
    ensure!(refused >= 66, "only {refused} posts were refused");
    stays_so("each message arrived once", QUIET, || {
        for number in 0..DEPLOYMENTS {
            for word in ["started", "succeeded"] {
                let told = scene.count_published(&[word, &format!("v{number:03}")])?;
                ensure!(told == 1, "v{number:03} {word} was told {told} times");
            }
        }
        Ok(Seen::Yes(()))
    })
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn an_event_that_cannot_be_reported_is_in_the_dead_letter_queue() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let scene = Scene::new("unpublished")?;
    let control = scene.environment.control();
    // No retry helps against this status, so each of Lambda's three attempts posts once.
    control.slack_answers(400, None, 3)?;
    let key = scene
        .service
        .put_release(&scene.environment, &serde_json::json!({"image": 7}))?;
    let letter = scene.wait_for_dead_letter("notify", &[&key])?;
    ensure!(
        !letter.contains("hooks.slack.com"),
        "the webhook is in the dead-letter queue"
    );
    ensure!(
        !letter.contains("/slack/services/"),
        "the webhook is in the dead-letter queue"
    );
    ensure!(scene.messages()?.is_empty(), "it was reported all the same");
    Ok(())
}
