//! The same operations as the functions', by a person.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use longshore_local::environment::Environment;
use longshore_local::scene::{Network, fails, push_image, serves};
use longshore_local::wait::{Seen, wait_until};
use longshore_tests::{PATIENCE, Scene};
use serde_json::Value;

use super::longshore;

fn run(scene: &Scene, arguments: &[&str]) -> Result<Output> {
    longshore()
        .args(arguments)
        .envs(scene.environment.variables())
        .output()
        .context("run longshore")
}

fn json(scene: &Scene, arguments: &[&str]) -> Result<Value> {
    let output = run(scene, arguments)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("read what longshore printed")
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_person_deploys_and_sees_what_became_of_it() -> Result<()> {
    let scene = Scene::new("by-hand")?;
    let digest = scene.push("candidate", &serves("candidate"))?;
    let image = format!("{}:candidate", scene.service.repository);
    let name = "by-hand/api";

    let none = run(&scene, &["status", name])?;
    ensure!(
        String::from_utf8_lossy(&none.stdout).contains("nothing was deployed to by-hand/api yet")
    );

    let answer = json(
        &scene,
        &[
            "deploy",
            name,
            "--image",
            &image,
            "--note",
            "for the sale",
            "--output",
            "json",
        ],
    )?;
    ensure!(answer["outcome"] == "started", "{answer}");
    scene.wait_until_published(&["started", "for the sale"])?;
    scene.wait_until_published(&["succeeded", "candidate"])?;
    scene.wait_until_runs(&digest)?;

    let status = json(&scene, &["status", name, "--output", "json"])?;
    ensure!(status[0]["deployment"]["state"] == "succeeded", "{status}");
    ensure!(
        status[0]["deployment"]["image"]["digest"] == digest.as_str(),
        "{status}"
    );
    ensure!(status[0]["running"]["running_count"] == 2, "{status}");

    let table = run(&scene, &["status", "by-hand"])?;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    for word in [name, "succeeded", "candidate", "2/2"] {
        ensure!(table.contains(word), "{table}");
    }

    let again = run(&scene, &["deploy", name, "--image", &image])?;
    ensure!(String::from_utf8_lossy(&again.stdout).contains("nothing to do"));

    // A task by hand ends as its program does.
    for (script, status) in [("exit 0", 0), ("exit 3", 3)] {
        let ran = run(&scene, &["run", name, "--", "/bin/sh", "-c", script])?;
        ensure!(ran.status.code() == Some(status), "{ran:?}");
    }

    let from = format!("{}/{}", scene.environment.cluster, scene.service.ecs_name());
    let subnets = [
        "--vpc",
        "vpc-0a1b2c3d",
        "--subnet",
        "subnet-0a1b",
        "--subnet",
        "subnet-2c3d",
    ];
    let made = run(
        &scene,
        &[&["init", "--from-service", &from][..], &subnets].concat(),
    )?;
    ensure!(made.status.success(), "{made:?}");
    let made = String::from_utf8_lossy(&made.stdout).into_owned();
    for expected in ["services:", "image: by-hand/api", "desired_count: 2"] {
        ensure!(made.contains(expected), "{made}");
    }

    let unknown = run(
        &scene,
        &[
            "deploy",
            name,
            "--image",
            &format!("{}:none", scene.service.repository),
        ],
    )?;
    ensure!(!unknown.status.success());
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    ensure!(
        said.contains("ImageNotFoundException") && said.contains(":none"),
        "{said}"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_person_goes_back_keeps_deployments_back_and_looks_at_the_history() -> Result<()> {
    let scene = Scene::new("by-hand-back")?;
    let name = "by-hand-back/api";
    let first = scene.push("v1", &serves("v1"))?;
    scene.wait_until_published(&["succeeded", "v1"])?;
    let second = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    scene.wait_until_runs(&second)?;

    let unasked = run(&scene, &["rollback", name, "--output", "json"])?;
    ensure!(!unasked.status.success());
    let refused: Value = serde_json::from_slice(&unasked.stdout)?;
    let refused = refused["error"].as_str().unwrap_or_default();
    for expected in ["v2 (#2)", "v1 (#1)", "--yes"] {
        ensure!(refused.contains(expected), "{refused}");
    }
    let dry = json(&scene, &["rollback", name, "--dry-run", "--output", "json"])?;
    ensure!(dry["from"]["number"] == 2, "{dry}");
    ensure!(dry["to"]["number"] == 1, "{dry}");
    let history = json(&scene, &["history", name, "--output", "json"])?;
    ensure!(history.as_array().is_some_and(|all| all.len() == 2));

    let back = json(
        &scene,
        &[
            "rollback",
            name,
            "--note",
            "v2 is slow",
            "--yes",
            "--output",
            "json",
        ],
    )?;
    ensure!(back["outcome"] == "started", "{back}");
    scene.wait_until_published(&["Rollback succeeded", "v1"])?;
    scene.wait_until_runs(&first)?;
    let history = json(&scene, &["history", name, "--output", "json"])?;
    ensure!(history[0]["number"] == 3, "{history}");
    ensure!(history[0]["source"]["kind"] == "rollback", "{history}");
    ensure!(history[0]["source"]["to"] == 1, "{history}");
    ensure!(
        history[1]["image"]["digest"] == second.as_str(),
        "{history}"
    );
    ensure!(history[2]["state"] == "succeeded", "{history}");
    let unknown = run(&scene, &["rollback", name, "--to", "9", "--yes"])?;
    ensure!(!unknown.status.success());
    ensure!(String::from_utf8_lossy(&unknown.stderr).contains("no deployment 9"));

    let held = run(&scene, &["hold", "by-hand-back", "--note", "audit"])?;
    ensure!(String::from_utf8_lossy(&held.stdout).contains("is held"));
    let again = run(&scene, &["hold", name, "--until", "2h", "--note", "longer"])?;
    let again = String::from_utf8_lossy(&again.stdout).into_owned();
    ensure!(
        again.contains("replaces a hold without an end (audit)"),
        "{again}"
    );
    run(&scene, &["hold", name, "--note", "audit"])?;
    let mistyped = run(&scene, &["status", "by-hand-bakc/api"])?;
    let mistyped = String::from_utf8_lossy(&mistyped.stdout).into_owned();
    ensure!(
        mistyped.contains("did you mean by-hand-back/api?"),
        "{mistyped}"
    );
    let third = scene.push("v3", &serves("v3"))?;
    scene.wait_until_published(&["held", "v3"])?;
    let table = run(&scene, &["status", name])?;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    for word in ["held", "audit", "by-hand-back/api:v3"] {
        ensure!(table.contains(word), "{table}");
    }
    let nothing = run(&scene, &["approve", name])?;
    ensure!(!nothing.status.success());
    let resumed = run(&scene, &["resume", name])?;
    ensure!(resumed.status.success());
    scene.wait_until_published(&["succeeded", "v3"])?;
    scene.wait_until_runs(&third)?;

    let logs = run(&scene, &["logs", name])?;
    ensure!(
        String::from_utf8_lossy(&logs.stdout).contains("no deployment of by-hand-back/api failed")
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_pipeline_that_waits_is_green_only_if_the_image_runs() -> Result<()> {
    let scene = Scene::new("by-pipeline")?;
    let name = "by-pipeline/api";
    scene.push("good", &serves("good"))?;
    scene.push("bad", &fails("no database"))?;
    let image = |tag| format!("{}:{tag}", scene.service.repository);
    let good = run(
        &scene,
        &["deploy", name, "--image", &image("good"), "--wait"],
    )?;
    ensure!(good.status.code() == Some(0), "{good:?}");
    ensure!(String::from_utf8_lossy(&good.stdout).contains("succeeded, in"));

    let bad = run(
        &scene,
        &["deploy", name, "--image", &image("bad"), "--wait"],
    )?;
    ensure!(bad.status.code() == Some(1), "{bad:?}");
    let (said, progress) = (
        String::from_utf8_lossy(&bad.stdout).into_owned(),
        String::from_utf8_lossy(&bad.stderr).into_owned(),
    );
    // The containers of this service have no log that could be read.
    for expected in ["rolled back", "tasks failed to start", "awslogs"] {
        ensure!(said.contains(expected), "{said}");
    }
    for expected in ["exited with 1", "deploying; tasks: "] {
        ensure!(progress.contains(expected), "{progress}");
    }

    run(&scene, &["hold", name])?;
    let held = run(
        &scene,
        &["deploy", name, "--image", &image("bad"), "--wait"],
    )?;
    ensure!(held.status.code() == Some(3), "{held:?}");
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_service_that_another_tool_made_is_adopted_and_follows_what_is_pushed_then() -> Result<()> {
    let scene = Scene::new("by-hand-adopted")?;
    let before = scene.push("w1", &serves("w1"))?;
    let service = format!("{}/{}", scene.environment.cluster, scene.service.ecs_name());
    let adopt = [
        "adopt",
        &service,
        "--stack",
        "by-hand-adopted",
        "--service",
        "api",
        "--tags",
        "w*",
        "--output",
        "json",
    ];
    let adopted = json(&scene, &adopt)?;
    ensure!(adopted["newest"]["digest"] == before.as_str(), "{adopted}");
    ensure!(adopted["warnings"] == serde_json::json!([]), "{adopted}");
    let roles = [
        &scene.environment.task_roles.execution,
        &scene.environment.task_roles.task,
    ];
    for role in roles {
        let named = adopted["roles"]
            .as_array()
            .is_some_and(|roles| roles.iter().any(|named| named == role.as_str()));
        ensure!(named, "{adopted}");
    }
    let next = scene.push("w2", &serves("w2"))?;
    scene.wait_until_published(&["succeeded", "w2"])?;
    scene.wait_until_runs(&next)?;
    ensure!(scene.count_published(&["started"])? == 1);

    let elsewhere = run(
        &scene,
        &["adopt", &service, "--stack", "another", "--tags", "w*"],
    )?;
    ensure!(!elsewhere.status.success());
    // Where lines end depends on the lengths of names.
    let said = String::from_utf8_lossy(&elsewhere.stderr).into_owned();
    let words: Vec<&str> = said
        .split_whitespace()
        .filter(|word| *word != "│")
        .collect();
    ensure!(
        words.join(" ").contains("by-hand-adopted/api already"),
        "{said}"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_first_start_that_crashes_says_why_to_whoever_applies_and_looks() -> Result<()> {
    let environment = Environment::of_this_process()?;
    let run = |arguments: &[&str]| {
        longshore()
            .args(arguments)
            .envs(environment.variables())
            .output()
            .context("run longshore")
    };
    let name = "by-hand-first/api";
    let crashes = ["/bin/sh", "-c", "echo no DATABASE_URL; exit 3"].map(str::to_owned);
    push_image(&environment.client(), name, "v1", &crashes)?;
    let network = Network::create(&environment)?;
    let text = format!(
        "name: by-hand-first\nnetwork:\n  vpc_id: {}\n  subnet_ids: [{}]\nservices:\n  api:\n    image: {name}:v1\n    \
         cpu: 256\n    memory: 512\n    stop_timeout: 2\n",
        network.vpc,
        network.subnets.join(", ")
    );
    let path = std::env::temp_dir().join(format!("by-hand-first-{}.yaml", std::process::id()));
    std::fs::write(&path, text).context("write the stack file")?;
    let file = path.to_string_lossy();
    // AWS's circuit breaker gives up after minutes, that of the local cloud before a task's end is heard of.
    environment.control().pause_before_restarts(
        "by-hand-first/by-hand-first-api",
        std::time::Duration::from_secs(3),
    )?;
    let applied = run(&["apply", &file])?;
    std::fs::remove_file(&path).context("remove the stack file")?;

    ensure!(applied.status.code() == Some(1), "{applied:?}");
    let said = String::from_utf8_lossy(&applied.stderr).into_owned();
    for words in [
        "ROLLBACK_COMPLETE",
        "of by-hand-first/api died",
        "api exited with 3",
        "what to do: the container api exited with 3 at its start: see its last log lines",
        "no DATABASE_URL",
        "more: longshore logs by-hand-first/api",
    ] {
        ensure!(said.contains(words), "no {words} in {said}");
    }

    // CloudFormation shows the end a little before `watch` has written it down.
    let status = wait_until("the end to be written down", PATIENCE, || {
        let status = run(&["status", name, "--output", "json"])?;
        let status: Value = serde_json::from_slice(&status.stdout).context("read the status")?;
        let is_over = status[0]["failed_change"]["finished_at"].is_string();
        Ok(match is_over {
            true => Seen::Yes(status),
            false => Seen::NotYet(status.to_string()),
        })
    })?;
    let failure = &status[0]["failed_change"]["failures"][0];
    ensure!(status[0]["deployment"].is_null(), "{status}");
    ensure!(failure["containers"][0]["exit_code"] == 3, "{status}");
    let status = run(&["status", name])?;
    let shown = String::from_utf8_lossy(&status.stdout).into_owned();
    ensure!(status.status.success(), "{status:?}");
    // The table breaks long cells into lines.
    ensure!(shown.contains(name) && shown.contains("first"), "{shown}");

    let logs = run(&["logs", name])?;
    let shown = String::from_utf8_lossy(&logs.stdout).into_owned();
    ensure!(logs.status.success(), "{logs:?}");
    for words in [
        "of stack by-hand-first failed",
        "api exited with 3",
        "no DATABASE_URL",
    ] {
        ensure!(shown.contains(words), "no {words} in {shown}");
    }
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_person_follows_scales_and_looks_into_what_a_stack_runs() -> Result<()> {
    let environment = Environment::of_this_process()?;
    let run = |arguments: &[&str]| {
        longshore()
            .args(arguments)
            .envs(environment.variables())
            .output()
            .context("run longshore")
    };
    let said = |output: &Output| {
        let (text, notes) = (&output.stdout, &output.stderr);
        String::from_utf8_lossy(&[text.as_slice(), notes].concat()).into_owned()
    };
    let name = "by-hand-looks/api";
    let script = "while :; do echo tick; sleep 1; done";
    let ticks = ["/bin/sh", "-c", script].map(str::to_owned);
    push_image(&environment.client(), name, "v1", &ticks)?;
    let network = Network::create(&environment)?;
    let text = format!(
        "name: by-hand-looks\nnetwork:\n  vpc_id: {}\n  subnet_ids: [{}]\nservices:\n  api:\n    image: {name}:v1\n    \
         cpu: 256\n    memory: 512\n    stop_timeout: 2\n",
        network.vpc,
        network.subnets.join(", ")
    );
    let path = std::env::temp_dir().join(format!("by-hand-looks-{}.yaml", std::process::id()));
    std::fs::write(&path, text).context("write the stack file")?;
    let applied = run(&["apply", &path.to_string_lossy()])?;
    std::fs::remove_file(&path).context("remove the stack file")?;
    ensure!(applied.status.success(), "{applied:?}");

    // What runs is followed until Ctrl-C, which is not a failure.
    wait_until("the service writes", PATIENCE, || {
        let shown = run(&["logs", name, "--since", "10m", "--output", "json"])?;
        let lines = String::from_utf8_lossy(&shown.stdout).into_owned();
        Ok(match lines.contains("\"message\":\"tick") {
            true => Seen::Yes(()),
            false => Seen::NotYet(said(&shown)),
        })
    })?;
    let mut following = longshore()
        .args(["logs", name, "--follow", "--container", "api"])
        .envs(environment.variables())
        .stdout(Stdio::piped())
        .spawn()
        .context("follow the logs")?;
    let output = following.stdout.take().context("what it prints")?;
    let first = BufReader::new(output).lines().next();
    let first = first.context("a line")?.context("read a line")?;
    ensure!(
        first.contains("  api ") && first.ends_with("tick"),
        "{first}"
    );
    let interrupt = Command::new("kill")
        .args(["-INT", &following.id().to_string()])
        .status()
        .context("interrupt it")?;
    ensure!(interrupt.success());
    let ended = following.wait().context("wait for it")?;
    ensure!(ended.code() == Some(0), "{ended:?}");

    let dry = run(&["scale", name, "2", "--dry-run"])?;
    ensure!(said(&dry).contains("would go from 1 to 2 tasks"), "{dry:?}");
    let scaled = run(&["scale", name, "2"])?;
    ensure!(scaled.status.success(), "{scaled:?}");
    let again = run(&["scale", name, "2"])?;
    ensure!(said(&again).contains("nothing to do"), "{again:?}");

    let restarted = run(&["restart", name, "--wait", "--output", "json"])?;
    let status = restarted.status.code();
    ensure!(status == Some(0), "{restarted:?}");
    let restarted: Value = serde_json::from_slice(&restarted.stdout).context("read the restart")?;
    ensure!(restarted["end"] == "succeeded", "{restarted}");
    let kind = &restarted["deployment"]["source"]["kind"];
    ensure!(kind == "restart", "{restarted}");

    let stack_of = |output: &Output| -> Result<Value> {
        let listed: Value = serde_json::from_slice(&output.stdout).context("read the stacks")?;
        let stacks = listed.as_array().context("stacks")?.iter();
        let mut ours = stacks.filter(|stack| stack["stack"] == "by-hand-looks");
        Ok(ours.next().cloned().unwrap_or_default())
    };
    let listed = stack_of(&run(&["ls", "--output", "json"])?)?;
    ensure!(listed["last_change"]["state"] == "ready", "{listed}");
    ensure!(listed["services"][0]["tasks"] == "2/2", "{listed}");
    ensure!(listed["drift"].is_null(), "{listed}");
    let drift = run(&["drift", "by-hand-looks"])?;
    ensure!(drift.status.success(), "{drift:?}");
    let listed = stack_of(&run(&["ls", "--output", "json"])?)?;
    ensure!(listed["drift"]["at"].is_string(), "{listed}");
    let table = said(&run(&["ls"])?);
    for expected in ["by-hand-looks", "drift"] {
        ensure!(table.contains(expected), "{table}");
    }

    let looked = run(&["doctor", "--output", "json"])?;
    let looked: Value = serde_json::from_slice(&looked.stdout).context("read what doctor says")?;
    let findings = looked["installation"]["findings"].as_array();
    let findings = findings.context("what it found")?;
    // Other tests may have lost events.
    let is_of_a_queue = |finding: &Value| {
        let about = finding["about"].as_str().unwrap_or_default();
        about.starts_with("queue ") && finding["is_known"] == true
    };
    ensure!(findings.iter().all(is_of_a_queue), "{looked}");
    let whole = run(&["doctor", "--prefix", "another"])?;
    ensure!(!whole.status.success());
    let missing = said(&whole);
    ensure!(
        missing.contains("function another-deploy\n  it is not there"),
        "{missing}"
    );
    let shell = run(&["exec", name, "--", "sh"])?;
    ensure!(!shell.status.success());
    let refused = said(&shell);
    let is_said = ["install-plugin.html", "enable_execute_command: true"];
    ensure!(
        is_said.iter().any(|words| refused.contains(words)),
        "{refused}"
    );
    let lost = run(&["replay", "--dry-run", "--output", "json"])?;
    ensure!(lost.status.success(), "{lost:?}");
    Ok(())
}
