//! The same operations as the functions', by a person.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use longshore_local::scene::serves;
use longshore_tests::Scene;
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
    scene.wait_until_told(&["started", "for the sale"])?;
    scene.wait_until_told(&["succeeded", "candidate"])?;
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
