//! The scenes of a mirror of Homebrew's bottles.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use longshore_local::homebrew::{Formula, Homebrew, Published};
use longshore_local::mirror::{Mirror, check_bottle, check_manifest};
use longshore_local::process::kill;
use longshore_local::scene::put_stack_file;
use longshore_local::wait::{Seen, wait_until};
use serde_json::{Value, json};

use crate::demo::stage::{PATIENCE, Slack, Stage};
use crate::terminal::Terminal;

/// The stack.
const NAME: &str = "mirror";

const MEGABYTE: u64 = 1_000_000;
/// What the source sends of the large files in a second, so that a task can be killed half way.
const SLOW: u64 = 8 * MEGABYTE;
/// How much of each large file was sent when a task is killed.
const HALF_WAY: u64 = 20 * MEGABYTE;

fn mirror() -> Mirror {
    Mirror {
        tasks: Some(2),
        file_system: true,
        registry_layout: true,
        ..Mirror::new(NAME)
    }
}

/// Thirty bottles, some with the oddest names that Homebrew has.
fn small() -> Vec<Formula> {
    let both = [("arm64_sequoia", 60_000), ("x86_64_linux", 50_000)];
    let mut formulae = vec![
        Formula::new("boost@1.85", "1.85.0", &both).built(3, 2),
        Formula::new("libsigc++@2", "2.12.1", &both),
        Formula::new("gtk+", "2.24.33", &both).built(2, 0),
        Formula::new("crf++", "0.58", &both).built(0, 3),
        Formula::new("passt", "2026_07_28.f8df3f1", &both),
    ];
    formulae.extend((0..10).map(|number| Formula::new(&format!("small-{number}"), "1.0", &both)));
    formulae
}

fn large() -> Vec<Formula> {
    ["large-a", "large-b"]
        .iter()
        .map(|name| Formula::new(name, "1.0", &[("arm64_sequoia", 40 * MEGABYTE)]))
        .collect()
}

fn source(stage: &Stage) -> Homebrew {
    Homebrew::new(stage.environment.control(), NAME)
}

/// Syncs by hand; the outcome must be this one.
fn run(stage: &Stage, members: &Value, outcome: &str) -> Result<()> {
    let (found, answer) = mirror().run(&stage.environment, members)?;
    ensure!(
        found == outcome,
        "the outcome should be {outcome}: {answer}"
    );
    Ok(())
}

pub fn mirrors(terminal: &mut Terminal, stage: &mut Stage, slack: &Slack<'_>) -> Result<String> {
    let mirror = mirror();
    let published = source(stage).publish(&small())?;
    terminal.progress("pushing the task's image, writing the stack file");
    Mirror::push_image(&stage.environment, &stage.environment.bottle_sync)?;
    let file = mirror.file(&stage.network, &published);
    put_stack_file(&stage.environment, NAME, &file)?;
    slack.wait_for(terminal, &["stack ready", NAME])?;
    terminal.progress("invoking sync with action plan");
    let plan = mirror.answer(&stage.environment, "plan", &json!({}))?;
    ensure!(
        plan["new"]["files"] == 30,
        "thirty files should be new: {plan}"
    );
    terminal.progress("invoking sync with action run");
    run(stage, &json!({}), "completed")?;
    slack.wait_for(terminal, &["sync planned", NAME, "30"])?;
    slack.wait_for(terminal, &["sync completed", NAME])?;
    mirror.check_identical(&stage.environment.client(), &published)?;
    source(stage).forget_requests()?;
    run(stage, &json!({}), "unchanged")?;
    let again = source(stage).requests()?;
    // One for each index file, of which the source has none for some platforms.
    let files: BTreeSet<&str> = again.iter().map(|request| request.path.as_str()).collect();
    ensure!(
        again.len() == files.len()
            && again
                .iter()
                .all(|request| matches!(request.status, Some(304 | 404))),
        "an unchanged index should cost one small request for each of its files: {again:#?}"
    );
    Ok(format!(
        "30 bottles read back by their SHA-256 from {}; asked again: {} small requests, one for each index file",
        mirror.bucket(),
        again.len()
    ))
}

pub fn goes_on_after_a_kill(
    terminal: &mut Terminal,
    stage: &mut Stage,
    slack: &Slack<'_>,
) -> Result<String> {
    let source = source(stage);
    let published = source.publish(&[small(), large()].concat())?;
    for name in ["large-a", "large-b"] {
        let path = format!("/store/{}", published.bottle(&key(name))?.sha256);
        source.fail(&json!({"path": path, "bytes_per_second": SLOW}))?;
    }
    terminal.progress("invoking sync with a threshold of one byte");
    run(stage, &json!({"threshold_bytes": 1}), "running")?;
    slack.wait_for(terminal, &["sync planned", NAME, "2 fargate tasks"])?;
    let containers = wait_until("two tasks that are half way", PATIENCE, || {
        let containers = mirror().workers(&stage.environment)?;
        let sent = sent(&source, &published)?;
        let is_half_way = sent.iter().all(|sent| *sent >= HALF_WAY);
        Ok(if containers.len() == 2 && is_half_way {
            Seen::Yes(containers)
        } else {
            Seen::NotYet(format!("{} tasks, {sent:?} bytes sent", containers.len()))
        })
    })?;
    let killed = containers
        .first()
        .and_then(|container| container.pid)
        .context("no task has a process")?;
    terminal.progress(&format!("kill -9 {killed}"));
    kill(killed)?;
    source.heal()?;
    slack.wait_for(terminal, &["sync completed", NAME])?;
    mirror().check_identical(&stage.environment.client(), &published)?;
    let ranges: Vec<String> = source
        .requests()?
        .into_iter()
        .filter(|request| request.status == Some(206))
        .filter_map(|request| request.range)
        .collect();
    ensure!(
        ranges.len() == 1,
        "one file should have been resumed: {ranges:?}"
    );
    let sent: u64 = sent(&source, &published)?.iter().sum();
    Ok(format!(
        "process {killed} killed; the next task asked for {}; {} MB sent for 80 MB",
        ranges.join(", "),
        sent / MEGABYTE
    ))
}

pub fn serves_clients(terminal: &mut Terminal, stage: &mut Stage, _: &Slack<'_>) -> Result<String> {
    let client = stage.environment.client();
    let bucket = mirror().bucket();
    let published = source(stage).publish(&[small(), large()].concat())?;
    let mut asked = Vec::new();
    for name in ["boost@1.85", "libsigc++@2", "crf++"] {
        let bottle = published
            .bottles
            .iter()
            .find(|bottle| bottle.formula == name && bottle.tag == "arm64_sequoia")
            .with_context(|| format!("the index has no {name}"))?;
        terminal.progress(&format!("asking for {name} as brew does"));
        let manifest = format!("{}/manifests/{}", bottle.image, bottle.manifest_tag);
        check_manifest(&client, &bucket, &manifest, bottle)?;
        let file = bottle.key.replace('@', "%40").replace('+', "%2B");
        check_bottle(&client, &bucket, &file, bottle)?;
        let registry = "v2/homebrew/core";
        check_manifest(&client, &bucket, &format!("{registry}/{manifest}"), bottle)?;
        let blob = format!("{registry}/{}/blobs/sha256:{}", bottle.image, bottle.sha256);
        check_bottle(&client, &bucket, &blob, bottle)?;
        asked.extend([manifest, file]);
    }
    for file in [
        "api/formula.jws.json",
        "api/internal/packages.arm64_sequoia.jws.json",
    ] {
        let found = client
            .get_object(&bucket, file)
            .with_context(|| format!("read {file}"))?;
        ensure!(found.is_some(), "{file} is not published");
        asked.push(file.to_owned());
    }
    Ok(asked.join("\n"))
}

fn key(formula: &str) -> String {
    format!("{formula}-1.0.arm64_sequoia.bottle.tar.gz")
}

/// How many bytes the source sent of each large file.
fn sent(source: &Homebrew, published: &Published) -> Result<Vec<u64>> {
    let requests = source.requests()?;
    ["large-a", "large-b"]
        .iter()
        .map(|name| {
            let path = format!("/store/{}", published.bottle(&key(name))?.sha256);
            Ok(requests
                .iter()
                .filter(|request| request.path == path)
                .map(|request| request.sent)
                .sum())
        })
        .collect()
}
