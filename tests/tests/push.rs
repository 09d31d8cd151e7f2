//! The way of a push, of a release file and of a payload, on the local cloud: the real functions behind the real
//! rules, with their real permissions.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use longshore_local::environment::Environment;
use longshore_local::images::move_tag;
use longshore_local::queues::Queues;
use longshore_local::scene::{
    FIRST_TAG, Service, dead_letters, fails, function_log, push_image, push_index, put_route,
    serves,
};
use longshore_local::terraform::QUEUES;
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_local::workspace::Workspace;
use longshore_tests::{PATIENCE, QUIET, Scene};
use serde_json::{Value, json};

/// The event of a push, as the cloud sent it.
fn push_event(scene: &Scene, tag: &str) -> Result<Value> {
    scene
        .environment
        .control()
        .events()?
        .into_iter()
        .find(|event| {
            event["source"] == "aws.ecr"
                && event["detail"]["repository-name"] == scene.service.repository.as_str()
                && event["detail"]["image-tag"] == tag
        })
        .with_context(|| format!("no event reports the push of {tag}"))
}

/// AWS's events have the second of a push and no more.
fn wait_for_the_next_second() -> Result<()> {
    let pushed = SystemTime::now();
    wait_until("the next second", PATIENCE, || {
        let passed = pushed.elapsed().context("the clock was set back")?;
        Ok(if passed > Duration::from_secs(1) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{passed:?} passed"))
        })
    })
}

/// Puts each tag in turn on an image that is there already, and waits until that is deployed.
fn promote(scene: &Scene, releases: &[(&str, &str)]) -> Result<()> {
    for (tag, digest) in releases {
        wait_for_the_next_second()?;
        let client = scene.environment.client();
        move_tag(&client, &scene.service.repository, tag, digest)?;
        scene.wait_until_published(&["succeeded", tag])?;
        scene.wait_until_runs(digest)?;
    }
    Ok(())
}

/// Two builds that nobody follows, and three release tags on them, of which the last is on the older build. Gives that.
fn promoted(scene: &Scene) -> Result<String> {
    let older = scene.push("build-1", &serves("one"))?;
    wait_for_the_next_second()?;
    let newer = scene.push("build-2", &serves("two"))?;
    promote(
        scene,
        &[("v1.0.1", &older), ("v1.0.2", &newer), ("v1.0.3", &older)],
    )?;
    Ok(older)
}

/// This image goes on running, and nothing more is reported than was.
fn stays_quiet(scene: &Scene, digest: &str, reported: usize) -> Result<()> {
    stays_so("the same runs, and nothing is reported", QUIET, || {
        let now = scene.messages()?.len();
        if now != reported {
            return Ok(Seen::NotYet(format!(
                "{now} messages instead of {reported}"
            )));
        }
        Ok(match scene.service.runs(&scene.environment, digest)? {
            Seen::Yes(_) => Seen::Yes(()),
            Seen::NotYet(instead) => Seen::NotYet(instead),
        })
    })
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_release_tag_that_is_put_on_an_older_image_promotes_it() -> Result<()> {
    let scene = Scene::new("promoted")?;
    let older = promoted(&scene)?;
    let reported = scene.messages()?.len();
    stays_quiet(&scene, &older, reported)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_late_event_of_an_older_release_tag_does_no_harm() -> Result<()> {
    let scene = Scene::new("belated")?;
    let older = promoted(&scene)?;
    let reported = scene.messages()?.len();
    // By its id nobody knows it, so only its time says that it is late.
    let mut late = push_event(&scene, "v1.0.2")?;
    late["id"] = json!("6f1c2a1e-2b0d-4c55-9a77-0d3c5f6b7a10");
    scene.environment.control().send_event(&late)?;
    stays_quiet(&scene, &older, reported)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_push_of_a_followed_tag_rolls_out_both_tasks_and_slack_is_notified_once() -> Result<()> {
    let scene = Scene::new("pushed")?;
    let digest = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["started", "v2"])?;
    scene.wait_until_runs(&digest)?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    stays_so("each is reported once and nothing else is", QUIET, || {
        let counts = (
            scene.count_published(&["started"])?,
            scene.count_published(&["succeeded"])?,
            scene.messages()?.len(),
        );
        Ok(if counts == (1, 1, 2) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{counts:?}"))
        })
    })
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_registered_task_definition_differs_only_in_the_image_and_keeps_the_count() -> Result<()> {
    let scene = Scene::new("unchanged")?;
    let before = scene.service.task_definition_in_use(&scene.environment)?;
    let digest = scene.push("v2", &serves("v2"))?;
    scene.wait_until_runs(&digest)?;
    let after = scene.service.task_definition_in_use(&scene.environment)?;
    let image = after["containerDefinitions"][0]["image"].clone();
    ensure!(
        image
            .as_str()
            .is_some_and(|image| image.ends_with(&format!("@{digest}"))),
        "the image is not pinned: {image}"
    );
    let mut expected = before;
    expected["containerDefinitions"][0]["image"] = image;
    for given_by_ecs in [
        "taskDefinitionArn",
        "revision",
        "registeredAt",
        "registeredBy",
    ] {
        expected[given_by_ecs] = after[given_by_ecs].clone();
    }
    ensure!(expected == after, "expected {expected:#}, found {after:#}");
    ensure!(
        scene.service.describe(&scene.environment)?["desiredCount"] == 2,
        "the count was changed"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn the_same_push_again_changes_nothing_and_notifies_nobody() -> Result<()> {
    let scene = Scene::new("repeated")?;
    let digest = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    let definitions = scene.service.count_task_definitions(&scene.environment)?;
    let reported = scene.messages()?.len();
    scene
        .environment
        .control()
        .send_event(&push_event(&scene, "v2")?)?;
    stays_so("nothing is registered and nothing reported", QUIET, || {
        let now = (
            scene.service.count_task_definitions(&scene.environment)?,
            scene.messages()?.len(),
        );
        Ok(if now == (definitions, reported) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{now:?} instead of {:?}", (definitions, reported)))
        })
    })?;
    scene.wait_until_runs(&digest)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn events_of_ecs_that_come_again_and_in_the_wrong_order_change_nothing() -> Result<()> {
    let scene = Scene::new("disordered")?;
    scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    let third = scene.push("v3", &serves("v3"))?;
    scene.wait_until_published(&["succeeded", "v3"])?;
    let reported = scene.messages()?.len();
    let name = scene.service.ecs_name();
    let mut events = scene.environment.control().events()?;
    events.retain(|event| event["source"] == "aws.ecs" && event.to_string().contains(&name));
    ensure!(
        events.len() >= 4,
        "only {} events of ECS are about the service",
        events.len()
    );
    for event in events.iter().rev() {
        scene.environment.control().send_event(event)?;
    }
    stays_so("nothing more is reported", QUIET, || {
        let now = scene.messages()?.len();
        Ok(if now == reported {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{} more messages", now - reported))
        })
    })?;
    scene.wait_until_runs(&third)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_push_for_two_architectures_is_one_deployment_of_its_index() -> Result<()> {
    let scene = Scene::new("multiarch")?;
    let digest = push_index(
        &scene.environment.client(),
        &scene.service.repository,
        "v2",
        &serves("v2"),
    )?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    scene.wait_until_runs(&digest)?;
    let events = scene.environment.control().events()?;
    let pushes = events
        .iter()
        .filter(|event| {
            event["source"] == "aws.ecr"
                && event["detail"]["repository-name"] == scene.service.repository.as_str()
                && event["detail"]["image-tag"] != FIRST_TAG
        })
        .count();
    ensure!(
        pushes == 3,
        "two children and an index give three events, not {pushes}"
    );
    ensure!(
        scene.count_published(&["started"])? == 1,
        "it was started more than once"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn of_two_pushes_in_quick_succession_the_newer_one_stays() -> Result<()> {
    let scene = Scene::new("hasty")?;
    scene.push("v2", &serves("v2"))?;
    wait_for_the_next_second()?;
    let newer = scene.push("v3", &serves("v3"))?;
    scene.wait_until_published(&["succeeded", "v3"])?;
    scene.wait_until_runs(&newer)?;
    // The older push is delivered once more, late.
    let reported = scene.messages()?.len();
    scene
        .environment
        .control()
        .send_event(&push_event(&scene, "v2")?)?;
    stays_quiet(&scene, &newer, reported)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_failing_image_is_rolled_back_and_the_reason_is_reported() -> Result<()> {
    let scene = Scene::new("broken")?;
    let good = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    scene.push("v3", &fails("cannot reach the database"))?;
    let message = scene.wait_until_published(&["rolled back", "v3", "exited with 1"])?;
    ensure!(
        !message.says(&["succeeded"]),
        "a rollback reads like a success: {}",
        message.words()
    );
    scene.wait_until_runs(&good)?;
    stays_so("the rollback is not reported as a success", QUIET, || {
        let succeeded = scene.count_published(&["succeeded"])?;
        Ok(if succeeded == 1 {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{succeeded} successes"))
        })
    })
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn every_subscriber_of_a_repository_is_deployed() -> Result<()> {
    let scene = Scene::new("followed")?;
    let worker = Service {
        name: "worker".to_owned(),
        ..scene.service.clone()
    };
    worker.create(&scene.environment)?;
    put_route(
        &scene.environment,
        &scene.service.repository,
        &[&scene.service, &worker],
    )?;
    let digest = scene.push("v2", &serves("v2"))?;
    scene.wait_until_runs(&digest)?;
    wait_until("two tasks of the other subscriber", PATIENCE, || {
        worker.runs(&scene.environment, &digest)
    })?;
    scene.wait_until_published(&["succeeded", "followed/api"])?;
    scene.wait_until_published(&["succeeded", "followed/worker"])?;
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_push_that_nobody_follows_is_ignored() -> Result<()> {
    let scene = Scene::new("unfollowed")?;
    let definitions = scene.service.count_task_definitions(&scene.environment)?;
    scene.push("nightly", &serves("nightly"))?;
    push_image(
        &scene.environment.client(),
        "unfollowed/unknown",
        "v1",
        &serves("v1"),
    )?;
    scene.wait_until_logged("deploy", &["DEBUG", "unfollowed/unknown"])?;
    stays_so("nothing is registered or reported", QUIET, || {
        let registered = scene.service.count_task_definitions(&scene.environment)? - definitions;
        let reported = scene.messages()?.len();
        Ok(if (registered, reported) == (0, 0) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{registered} registered, {reported} reported"))
        })
    })?;
    scene.check_no_dead_letter("deploy", "unfollowed")
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_release_file_is_deployed_and_its_note_is_reported() -> Result<()> {
    let scene = Scene::new("released")?;
    let digest = scene.push("hotfix", &serves("hotfix"))?;
    let image = format!("{}@{digest}", scene.service.repository);
    scene.service.put_release(
        &scene.environment,
        &json!({"image": image, "note": "the database moved"}),
    )?;
    scene.wait_until_published(&["started", "the database moved"])?;
    scene.wait_until_runs(&digest)?;
    scene.wait_until_published(&["succeeded"])?;
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_refused_release_file_is_reported_with_its_key_and_the_reason() -> Result<()> {
    let scene = Scene::new("refused")?;
    let definitions = scene.service.count_task_definitions(&scene.environment)?;
    let key = scene
        .service
        .put_release(&scene.environment, &json!({"imgae": "refused/api:v2"}))?;
    scene.wait_until_published(&["refused", &key, "imgae"])?;
    // The same file once more, well formed, but of an image that is not there.
    scene
        .service
        .put_release(&scene.environment, &json!({"image": "refused/api:v9"}))?;
    scene.wait_until_published(&["refused", &key, "v9"])?;
    ensure!(
        scene.service.count_task_definitions(&scene.environment)? == definitions,
        "something was registered"
    );
    scene.check_no_dead_letter("deploy", &key)
}

/// What `deploy` answers to a payload, which must be an error.
fn error_of_deploy(scene: &Scene, payload: &Value) -> Result<String> {
    let function = scene.environment.applied.function_name("deploy")?;
    match scene.environment.client().invoke(function, payload)? {
        Ok(answer) => bail!("{payload} was taken: {answer}"),
        Err(error) => Ok(error.to_string()),
    }
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_manual_payload_is_deployed() -> Result<()> {
    let scene = Scene::new("manual")?;
    let digest = scene.push("hotfix", &serves("hotfix"))?;
    let payload = json!({"action": "deploy", "stack": "manual", "service": "api", "image": "manual/api:hotfix"});
    let function = scene.environment.applied.function_name("deploy")?;
    if let Err(error) = scene.environment.client().invoke(function, &payload)? {
        bail!("deploy answered {error}");
    }
    scene.wait_until_runs(&digest)?;
    scene.wait_until_published(&["succeeded", "hotfix"])?;
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_manual_payload_with_a_wrong_field_is_answered_with_its_name() -> Result<()> {
    let scene = Scene::new("mistyped")?;
    let unknown = json!({"action": "deploy", "stack": "mistyped", "service": "api", "image": "mistyped/api:v2", "notes": "x"});
    let error = error_of_deploy(&scene, &unknown)?;
    ensure!(error.contains("notes"), "{error}");
    let wrong = json!({"action": "deploy", "stack": "mistyped", "service": "api", "image": 7});
    let error = error_of_deploy(&scene, &wrong)?;
    ensure!(error.contains("image"), "{error}");
    let missing = json!({"action": "deploy", "stack": "mistyped", "image": "mistyped/api:v2"});
    let error = error_of_deploy(&scene, &missing)?;
    ensure!(error.contains("service"), "{error}");
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn an_image_that_does_not_exist_is_refused_before_anything_is_registered() -> Result<()> {
    let scene = Scene::new("absent")?;
    let definitions = scene.service.count_task_definitions(&scene.environment)?;
    let payload = json!({"action": "deploy", "stack": "absent", "service": "api", "image": "absent/api:v404"});
    let error = error_of_deploy(&scene, &payload)?;
    ensure!(error.contains("absent/api:v404"), "{error}");
    ensure!(
        scene.service.count_task_definitions(&scene.environment)? == definitions,
        "something was registered"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_malformed_event_is_logged_and_acknowledged() -> Result<()> {
    let scene = Scene::new("malformed")?;
    scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    let mut event = push_event(&scene, "v2")?;
    event["detail"]["image-digest"] = json!("malformed-digest");
    scene.environment.control().send_event(&event)?;
    scene.wait_until_logged("deploy", &["malformed event"])?;
    stays_so(
        "it was tried once and is in no dead-letter queue",
        QUIET,
        || {
            let lines = function_log(&scene.environment, "deploy")?;
            let tried = lines
                .iter()
                .filter(|line| line.contains("malformed event"))
                .count();
            let dead = dead_letters(&scene.environment, "deploy")?;
            let dead = dead
                .iter()
                .any(|letter| letter.contains("malformed-digest"));
            Ok(if tried == 1 && !dead {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("tried {tried} times, dead: {dead}"))
            })
        },
    )
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_first_apply_finds_each_queue_as_it_would_make_it() -> Result<()> {
    let environment = Environment::of_this_process()?;
    let made = Queues::at(&environment.client(), &environment.applied.queue_urls)?;
    let kept = Queues::read(&Workspace::of_this_build().path(QUEUES));
    ensure!(
        kept.as_ref() == Some(&made),
        "{QUEUES} says {kept:?}, and Terraform made {made:?}: copy target/local/queues.json there"
    );
    Ok(())
}
