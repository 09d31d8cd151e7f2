//! What happens when Slack does not take a message. The fake refuses the next post whosever it is, so these tests
//! run one after the other, and in a program of their own.

use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use longshore_local::scene::serves;
use longshore_local::wait::{Seen, stays_so};
use longshore_tests::{QUIET, Scene};

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
