//! What people and stack files say about rollouts, on the local cloud: back by hand, hold, approve, tasks before, one
//! service after another.

use anyhow::{Context, Result, ensure};
use longshore_local::client::JsonService;
use longshore_local::control::SlackMessage;
use longshore_local::scene::{Service, fails, serves};
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_tests::{PATIENCE, QUIET, Scene};
use serde_json::{Value, json};

/// The image that the service's present task definition names.
fn image_of(scene: &Scene) -> Result<String> {
    let definition = scene.service.task_definition_in_use(&scene.environment)?;
    let image = definition["containerDefinitions"][0]["image"].as_str();
    image.map(str::to_owned).context("there is no image")
}

/// Nothing changes in the service's image for a while.
fn keeps(scene: &Scene, what: &str, digest: &str) -> Result<()> {
    stays_so(what, QUIET, || {
        let image = image_of(scene)?;
        Ok(if image.ends_with(digest) {
            Seen::Yes(())
        } else {
            Seen::NotYet(image)
        })
    })
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_rollback_by_hand_brings_the_last_good_image_back_and_keeps_it_until_something_newer_comes()
-> Result<()> {
    let scene = Scene::new("undone")?;
    let second = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    scene.push("v3", &serves("v3"))?;
    scene.wait_until_published(&["succeeded", "v3"])?;

    let mut payload = scene.about("rollback");
    payload["note"] = json!("ticket 411");
    scene.ask(&payload)?;
    scene.wait_until_runs(&second)?;
    scene.wait_until_published(&["Rollback succeeded", "v2"])?;

    // Neither the event once more nor the reconcile restores what was rolled back.
    let events = scene.environment.control().events()?;
    let push = events.iter().find(|event| {
        event["source"] == "aws.ecr"
            && event["detail"]["repository-name"] == scene.service.repository.as_str()
            && event["detail"]["image-tag"] == "v3"
    });
    scene
        .environment
        .control()
        .send_event(push.context("no event reports the push of v3")?)?;
    scene.ask(&json!({"action": "reconcile"}))?;
    keeps(&scene, "what was rolled back to", &second)?;

    let fourth = scene.push("v4", &serves("v4"))?;
    scene.wait_until_runs(&fourth)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn of_the_pushes_to_a_service_that_is_held_the_newest_goes_out_when_it_is_resumed() -> Result<()> {
    let scene = Scene::new("held")?;
    let first = scene.push("v1", &serves("v1"))?;
    scene.wait_until_runs(&first)?;
    let mut payload = scene.about("hold");
    payload["note"] = json!("a trade fair");
    scene.ask(&payload)?;

    scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["v2", "hold", "a trade fair"])?;
    let third = scene.push("v3", &serves("v3"))?;
    scene.wait_until_published(&["v3", "hold"])?;
    keeps(&scene, "the image of before the hold", &first)?;

    let definitions = scene.service.count_task_definitions(&scene.environment)?;
    scene.ask(&scene.about("resume"))?;
    scene.wait_until_runs(&third)?;
    scene.wait_until_published(&["succeeded", "v3"])?;
    ensure!(
        scene.service.count_task_definitions(&scene.environment)? == definitions + 1,
        "more than the newest went out"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_deployment_that_needs_approval_waits_for_that_very_image_to_be_approved() -> Result<()> {
    let scene = Scene::new("approved")?;
    let before = image_of(&scene)?;
    scene.put_route(&[(
        &scene.service,
        json!({"approval": {"expires_after_minutes": 60}}),
    )])?;
    let second = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["v2", "approv"])?;
    keeps(&scene, "what nobody has approved", &before)?;

    let mut other = scene.about("approve");
    other["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    let refusal = scene.ask(&other);
    ensure!(refusal.is_err(), "another image was approved: {refusal:?}");

    let mut payload = scene.about("approve");
    payload["digest"] = json!(second);
    scene.ask(&payload)?;
    scene.wait_until_runs(&second)?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    let again = scene.ask(&payload);
    ensure!(again.is_err(), "it was approved twice: {again:?}");
    Ok(())
}

/// A task that runs before the update, with this end.
fn migration(script: &str) -> Value {
    json!({
        "before_tasks": [{"name": "migrate", "command": ["/bin/sh", "-c", script]}],
    })
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_migration_that_fails_stops_the_rollout_before_the_service_is_touched() -> Result<()> {
    let scene = Scene::new("unmigrated")?;
    let first = scene.push("v1", &serves("v1"))?;
    scene.wait_until_runs(&first)?;
    scene.put_route(&[(
        &scene.service,
        migration("echo 'no such table' >&2; exit 3"),
    )])?;
    scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["failed", "v2", "migrate", "exited with 3"])?;
    scene.wait_until_runs(&first)?;
    keeps(&scene, "the image of before the migration", &first)?;

    scene.put_route(&[(&scene.service, migration("exit 0"))])?;
    let third = scene.push("v3", &serves("v3"))?;
    scene.wait_until_runs(&third)?;
    scene.wait_until_published(&["succeeded", "v3"])?;
    scene.check_no_dead_letter("deploy", &scene.service.stack)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn services_of_one_push_are_deployed_one_after_the_other() -> Result<()> {
    let scene = Scene::new("ordered")?;
    let worker = Service {
        name: "worker".to_owned(),
        ..scene.service.clone()
    };
    worker.create(&scene.environment)?;
    scene.put_route(&[
        (&scene.service, migration("exit 0")),
        (&worker, json!({"after": ["api"]})),
    ])?;
    let second = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "ordered/worker", "v2"])?;
    scene.wait_until_runs(&second)?;

    let messages = scene.messages()?;
    let place = |words: &[&str]| {
        messages
            .iter()
            .position(|message| message.says(words))
            .with_context(|| format!("nothing was reported of {words:?}"))
    };
    let first_is_done = place(&["succeeded", "ordered/api", "v2"])?;
    let next_began = place(&["started", "ordered/worker", "v2"])?;
    ensure!(
        first_is_done < next_began,
        "the second began before the first had succeeded"
    );

    // What the first does not get to run, the second does not get at all.
    scene.put_route(&[
        (&scene.service, migration("exit 4")),
        (&worker, json!({"after": ["api"]})),
    ])?;
    scene.push("v3", &serves("v3"))?;
    scene.wait_until_published(&["failed", "ordered/api", "v3"])?;
    scene.wait_until_published(&["skipped", "ordered/worker", "v3"])?;
    let described = scene.environment.client().json(
        JsonService::Ecs,
        "DescribeServices",
        &json!({"cluster": scene.environment.cluster, "services": [worker.ecs_name()]}),
    )?;
    let definition = worker.task_definition_in_use(&scene.environment)?;
    let image = definition["containerDefinitions"][0]["image"].as_str();
    ensure!(
        image.is_some_and(|image| image.ends_with(&second)),
        "{image:?} runs in {described}"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_digest_says_how_deployments_went_and_is_posted_once_however_often_the_schedule_asks()
-> Result<()> {
    let scene = Scene::new("digested")?;
    let nothing = scene.ask(&json!({"action": "digest", "stack": "digested"}))?;
    ensure!(nothing["figures"]["succeeded"] == 0, "{nothing}");
    scene.wait_until_published(&["No deployment ended in these 7 days."])?;

    scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    scene.push("v3", &fails("cannot reach the database"))?;
    scene.wait_until_published(&["rolled back", "v3"])?;
    scene.push("v4", &serves("v4"))?;
    scene.wait_until_published(&["succeeded", "v4"])?;

    let asked = json!({"action": "digest", "stack": "digested", "days": 1});
    let digest = scene.ask(&asked)?;
    let figures = &digest["figures"];
    for (figure, expected) in [
        ("services", 1),
        ("succeeded", 2),
        ("rolled_back", 1),
        ("failed", 0),
        ("rollbacks_asked_for", 0),
        ("not_restored", 0),
    ] {
        ensure!(
            figures[figure] == expected,
            "{figure} is not {expected}: {digest}"
        );
    }
    ensure!(figures["lead_time"]["count"] == 2, "{digest}");
    ensure!(figures["time_to_restore"]["count"] == 1, "{digest}");
    ensure!(
        figures["time_to_restore"]["longest_of"]["service"] == "api",
        "{digest}"
    );
    ensure!(digest["failed_most"][0]["failed"] == 1, "{digest}");
    ensure!(digest["before"]["succeeded"] == 0, "{digest}");
    scene.wait_until_published(&[
        "Deployments digest of 1 day: digested",
        "3 to 1 service",
        "66 % (2 of 3)",
        "1 by ECS",
        "digested/api` 1 of 3",
    ])?;

    // Scheduler's runs come more than once, and each attempt has an id of its own.
    let run = |attempt: &str| {
        json!({
            "action": "digest",
            "schedule_arn": "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/longshore-digest",
            "scheduled_time": digest["until"],
            "execution_id": format!("run-{attempt}"),
            "attempt_number": attempt,
        })
    };
    let first = scene.ask(&run("1"))?;
    ensure!(
        first["figures"]["succeeded"].as_u64() >= Some(2) && first.get("stack").is_none(),
        "all stacks are counted: {first}"
    );
    let posted = || {
        let messages = scene.environment.control().slack_messages()?;
        let of_week = |message: &&SlackMessage| {
            message.says(&["Deployments digest of 7 days"])
                && !message.says(&["of 7 days: digested"])
        };
        anyhow::Ok(messages.iter().filter(of_week).count())
    };
    wait_until("the digest of all stacks", PATIENCE, || {
        Ok(match posted()? {
            0 => Seen::NotYet("no message".to_owned()),
            _ => Seen::Yes(()),
        })
    })?;
    scene.ask(&run("2"))?;
    stays_so("the digest was posted once", QUIET, || {
        Ok(match posted()? {
            1 => Seen::Yes(()),
            count => Seen::NotYet(format!("{count} messages")),
        })
    })
}
