//! The way of a bottle sync on the local cloud: the stack's schedule, the real function and real tasks, with their real
//! permissions, from a fake Homebrew that fails in every way that the real one does.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longshore_local::homebrew::Formula;
use longshore_local::mirror::Mirror;
use longshore_local::process::kill;
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_tests::{MirrorScene, PATIENCE, QUIET};
use serde_json::{Value, json};
use ureq::http::Method;

const MEGABYTE: u64 = 1_000_000;

/// Names as odd as Homebrew's oddest: with `@` and `+`, a revision, a rebuild, an underscore in the version, and bottles
/// of several platforms with the same content.
fn odd_formulae() -> Vec<Formula> {
    vec![
        Formula::new(
            "wget",
            "1.25.0",
            &[("arm64_sequoia", 300_000), ("x86_64_linux", 200_000)],
        ),
        Formula::new("boost@1.85", "1.85.0", &[("arm64_sequoia", 400_000)]).built(3, 2),
        Formula::new("libsigc++@2", "2.12.1", &[("sonoma", 100_000)]),
        Formula::new("gtk+", "2.24.33", &[("arm64_sequoia", 100_000)]).built(2, 0),
        Formula::new("ca-certificates", "2026-08-21", &[("all", 100_000)]),
        Formula::new("passt", "2026_07_28.f8df3f1", &[("x86_64_linux", 1)]),
        Formula::new(
            "actionlint",
            "1.7.7",
            &[("arm64_sequoia", 50_000), ("arm64_sonoma", 50_000)],
        )
        .with_content("actionlint"),
        Formula::new("no-bottle", "1.0", &[]),
    ]
}

/// A few small bottles.
fn small_formulae(count: usize) -> Vec<Formula> {
    (0..count)
        .map(|number| {
            Formula::new(
                &format!("small-{number}"),
                "1.0",
                &[("arm64_sequoia", 100_000)],
            )
        })
        .collect()
}

fn key(formula: &str) -> String {
    format!("{formula}-1.0.arm64_sequoia.bottle.tar.gz")
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_schedule_begins_a_sync_that_the_function_does_and_slack_is_notified_of_once() -> Result<()> {
    let mirror = Mirror {
        schedule: Some("rate(1 minute)".to_owned()),
        ..Mirror::new("nightly")
    };
    let scene = MirrorScene::new(mirror, &odd_formulae())?;
    scene.wait_until_published(&["sync planned"])?;
    scene.wait_until_published(&["sync completed"])?;
    scene.check_identical()?;
    stays_so("each is reported once", QUIET, || {
        let counts = (
            scene.count_published(&["sync planned"])?,
            scene.count_published(&["sync completed"])?,
            scene.count_published(&["sync failed"])? + scene.count_published(&["sync refused"])?,
        );
        Ok(if counts == (1, 1, 0) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{counts:?}"))
        })
    })
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn only_what_is_new_is_brought_and_nothing_is_deleted_unless_that_is_asked() -> Result<()> {
    let mut scene = MirrorScene::new(Mirror::new("changing"), &small_formulae(6))?;
    scene.complete()?;

    scene.source.forget_requests()?;
    scene.run(&json!({}), "unchanged")?;
    let requests = scene.source.requests()?;
    // Each index file is asked for, and the source has none for some platforms.
    ensure!(
        requests
            .iter()
            .all(|request| matches!(request.status, Some(304 | 404))
                && request.path.starts_with("/api/")),
        "an unchanged index should cost one small request for each file: {requests:#?}"
    );
    let files: BTreeSet<&str> = requests
        .iter()
        .map(|request| request.path.as_str())
        .collect();
    ensure!(
        files.len() == requests.len(),
        "no index file should be asked for twice: {requests:#?}"
    );

    let mut formulae = small_formulae(6);
    formulae[0].version = "1.1".to_owned();
    formulae.push(Formula::new("added", "1.0", &[("arm64_sequoia", 100_000)]));
    let before = scene.published.clone();
    scene.publish(&formulae)?;
    scene.source.forget_requests()?;
    scene.run(&json!({}), "completed")?;
    let mut transferred: Vec<String> = Vec::new();
    for bottle in &scene.published.bottles {
        if !scene.downloads(&bottle.key)?.is_empty() {
            transferred.push(bottle.key.clone());
        }
    }
    let expected = [
        key("added"),
        "small-0-1.1.arm64_sequoia.bottle.tar.gz".to_owned(),
    ];
    ensure!(transferred == expected, "transferred {transferred:?}");
    let client = scene.environment.client();
    let flat = scene.mirror.flat_files(&client)?;
    ensure!(
        before
            .bottles
            .iter()
            .all(|bottle| flat.contains_key(&bottle.key)),
        "something was deleted: {flat:#?}"
    );
    let manifests = scene.source.requests()?;
    let manifests = manifests
        .iter()
        .filter(|request| request.path.contains("/manifests/"))
        .count();
    ensure!(
        manifests == 2,
        "{manifests} manifests were asked for two formulae"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn what_the_index_names_no_more_is_deleted_where_that_is_asked_and_never_too_much() -> Result<()> {
    let mirror = Mirror {
        further: vec!["deletion: {grace_days: 0, max_files: 1, max_share_percent: 50}".to_owned()],
        ..Mirror::new("forgetful")
    };
    let mut scene = MirrorScene::new(mirror, &small_formulae(6))?;
    scene.complete()?;
    // More than it may delete: nothing is deleted.
    scene.publish(&small_formulae(4))?;
    scene.run(&json!({}), "completed")?;
    let client = scene.environment.client();
    let flat = scene.mirror.flat_files(&client)?;
    ensure!(flat.len() == 6, "something was deleted: {flat:#?}");
    // One, which is reported before.
    scene.publish(&small_formulae(5))?;
    scene.run(&json!({}), "completed")?;
    scene.wait_until_published(&["sync planned", "to delete", &key("small-5")])?;
    scene.check_identical()
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn two_tasks_bring_what_is_large_and_a_killed_one_is_gone_on_with_where_it_was() -> Result<()> {
    let mirror = Mirror {
        tasks: Some(2),
        file_system: true,
        // For as long as the tasks run.
        further: vec!["raised_throughput_in_mibps: 128".to_owned()],
        ..Mirror::new("two-tasks")
    };
    let mut formulae: Vec<Formula> = (0..10)
        .map(|number| {
            let size = 4 * MEGABYTE + number;
            Formula::new(
                &format!("medium-{number}"),
                "1.0",
                &[("arm64_sequoia", size)],
            )
        })
        .collect();
    for name in ["large-a", "large-b"] {
        formulae.push(Formula::new(
            name,
            "1.0",
            &[("arm64_sequoia", 64 * MEGABYTE)],
        ));
    }
    let scene = MirrorScene::new(mirror, &formulae)?;
    let large = [key("large-a"), key("large-b")];
    for key in &large {
        let fault = json!({"path": scene.store_path(key)?, "bytes_per_second": 6 * MEGABYTE});
        scene.source.fail(&fault)?;
    }
    let answer = scene.run(&json!({"threshold_bytes": 1}), "running")?;
    ensure!(
        answer.to_string().contains("\"tasks\":2"),
        "it should run in two tasks: {answer}"
    );

    // Both have begun with their large files, and one is far enough to have kept something of it.
    wait_until("two tasks that are half way", PATIENCE, || {
        let workers = scene.mirror.workers(&scene.environment)?.len();
        let mut sent = Vec::new();
        for key in &large {
            sent.push(
                scene
                    .downloads(key)?
                    .first()
                    .map_or(0, |request| request.sent),
            );
        }
        Ok(
            if workers == 2 && sent.iter().all(|sent| *sent > 30 * MEGABYTE) {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{workers} tasks, {sent:?} bytes sent"))
            },
        )
    })?;
    let killed = scene.mirror.workers(&scene.environment)?;
    let killed = killed.first().and_then(|container| container.pid);
    kill(killed.context("no task has a process")?)?;
    let at_kill = scene.source.requests()?;
    scene.source.heal()?;

    scene.wait_until_published(&["sync completed"])?;
    scene.check_identical()?;
    ensure!(
        scene.count_published(&["sync planned"])? == 1
            && scene.count_published(&["sync completed"])? == 1,
        "each should be reported once"
    );
    // What was finished when the task was killed is not downloaded again.
    let mut resumed = 0;
    for bottle in &scene.published.bottles {
        let path = scene.store_path(&bottle.key)?;
        let was_finished = at_kill
            .iter()
            .any(|request| request.path == path && request.sent == bottle.size);
        let downloads = scene.downloads(&bottle.key)?;
        let sent: u64 = downloads.iter().map(|request| request.sent).sum();
        if was_finished {
            ensure!(
                sent == bottle.size,
                "{}: {sent} bytes were sent for {}: {downloads:#?}",
                bottle.key,
                bottle.size
            );
        }
        if large.contains(&bottle.key) {
            resumed += downloads
                .iter()
                .filter(|request| request.status == Some(206))
                .count();
            // What was on its way, or not yet written down, comes again.
            ensure!(
                sent < bottle.size + 20 * MEGABYTE,
                "{}: {sent} bytes were sent for {}: {downloads:#?}",
                bottle.key,
                bottle.size
            );
        }
    }
    ensure!(
        resumed == 1,
        "one large file should have been resumed, {resumed} were"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_corrupted_bottle_is_refused_and_the_others_arrive() -> Result<()> {
    let scene = MirrorScene::new(Mirror::new("corrupted"), &small_formulae(5))?;
    let bad = key("small-3");
    scene
        .source
        .fail(&json!({"path": scene.store_path(&bad)?, "corrupt_at": 50_000}))?;
    scene.run(&json!({}), "failed")?;
    scene.wait_until_published(&["sync failed", &bad, "hashes to"])?;
    let client = scene.environment.client();
    let flat = scene.mirror.flat_files(&client)?;
    ensure!(
        flat.len() == 4 && !flat.contains_key(&bad),
        "the other four should be there: {flat:#?}"
    );
    let attempts = scene.downloads(&bad)?.len();
    ensure!(
        attempts == 2,
        "it should be tried once more, not {attempts} times"
    );
    let index = client.get_object(&scene.mirror.bucket(), "api/formula.json")?;
    ensure!(
        index.is_none(),
        "an index that names a missing bottle is published"
    );

    scene.source.heal()?;
    scene.source.forget_requests()?;
    scene.complete()?;
    ensure!(
        scene.downloads(&key("small-0"))?.is_empty(),
        "what had arrived was downloaded again"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_source_that_fails_now_and_then_is_asked_until_everything_is_there() -> Result<()> {
    let scene = MirrorScene::new(Mirror::new("stumbling"), &small_formulae(12))?;
    let store = |name: &str| scene.store_path(&key(name));
    for fault in [
        json!({"path": "*/blobs/*", "status": 429, "retry_after": "985.86µs", "times": 3}),
        json!({"path": "*/manifests/*", "status": 429, "retry_after": "1", "times": 1}),
        json!({"path": "*/blobs/*", "status": 500, "every": 5}),
        json!({"path": "/api/formula.json", "status": 503, "times": 1}),
        json!({"path": store("small-1")?, "cut_after": 40_000, "times": 2}),
        json!({"path": store("small-2")?, "stall_after": 40_000, "times": 1}),
        json!({"path": store("small-4")?, "corrupt_at": 99_999, "times": 1}),
    ] {
        scene.source.fail(&fault)?;
    }
    scene.complete()?;
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_second_sync_is_refused_while_one_runs() -> Result<()> {
    let scene = MirrorScene::new(Mirror::new("doubled"), &small_formulae(2))?;
    for name in ["small-0", "small-1"] {
        let path = scene.store_path(&key(name))?;
        scene
            .source
            .fail(&json!({"path": path, "bytes_per_second": 10_000}))?;
    }
    std::thread::scope(|scope| {
        let first = scope.spawn(|| scene.run(&json!({}), "completed"));
        let refused = (|| {
            wait_until("the first sync to download", PATIENCE, || {
                Ok(if scene.downloads(&key("small-0"))?.is_empty() {
                    Seen::NotYet("nothing is downloaded".to_owned())
                } else {
                    Seen::Yes(())
                })
            })?;
            scene.run(&json!({"note": "in a hurry"}), "refused")
        })();
        let first = first
            .join()
            .map_err(|_| anyhow::anyhow!("the first sync panicked"))?;
        refused?;
        first
    })?;
    scene.wait_until_published(&["sync refused", "in a hurry"])?;
    scene.wait_until_published(&["sync completed"])?;
    scene.check_identical()
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn the_index_is_published_after_everything_that_it_names() -> Result<()> {
    let mirror = Mirror {
        registry_layout: true,
        ..Mirror::new("ordered")
    };
    let scene = MirrorScene::new(mirror, &odd_formulae())?;
    let bucket = scene.mirror.bucket();
    let notification =
        "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>";
    scene
        .environment
        .client()
        .s3(
            "PutBucketNotificationConfiguration",
            Method::PUT,
            &format!("/{bucket}?notification"),
            notification,
        )
        .with_context(|| format!("send the events of {bucket}"))?;
    scene.complete()?;
    let written: Vec<String> = scene
        .environment
        .control()
        .events()?
        .iter()
        .filter(|event| {
            event["source"] == "aws.s3" && event["detail"]["bucket"]["name"] == bucket.as_str()
        })
        .filter_map(|event| event["detail"]["object"]["key"].as_str().map(str::to_owned))
        .filter(|key| !key.starts_with(longshore_local::mirror::OWN_PREFIX))
        .collect();
    let first_of_index = written
        .iter()
        .position(|key| key.starts_with("api/"))
        .context("no index file was written")?;
    let (before, index) = written.split_at(first_of_index);
    ensure!(
        index.iter().all(|key| key.starts_with("api/")),
        "something was written after an index file: {index:?}"
    );
    for bottle in &scene.published.bottles {
        ensure!(before.contains(&bottle.key), "{} came later", bottle.key);
    }
    ensure!(
        index.last().is_some_and(|key| key == "api/formula.json"),
        "formula.json should be the last: {index:?}"
    );
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn an_index_that_is_not_to_be_trusted_is_refused_and_nothing_changes() -> Result<()> {
    let mut scene = MirrorScene::new(Mirror::new("distrusted"), &small_formulae(6))?;
    scene.complete()?;
    let client = scene.environment.client();
    let before = scene.mirror.contents(&client)?;
    let whole = client
        .get_object(&scene.mirror.bucket(), "api/formula.json")?
        .context("the index is not published")?;
    let cut = whole.get(..whole.len() / 2).unwrap_or_default().to_owned();
    for text in ["", "<html>502 Bad Gateway</html>", "[]", "{}", &cut] {
        let files = json!({"files": {"api/formula.json": text}});
        scene.source.publish_with(&small_formulae(6), &files)?;
        scene.run(&json!({}), "refused")?;
    }
    scene.publish(&small_formulae(2))?;
    scene.run(&json!({}), "refused")?;
    scene.wait_until_published(&["sync refused"])?;
    let after = scene.mirror.contents(&client)?;
    ensure!(before == after, "the mirror was changed: {after:#?}");
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn bad_entries_are_reported_and_the_rest_of_the_index_goes_on() -> Result<()> {
    let scene = MirrorScene::new(Mirror::new("partly-bad"), &small_formulae(3))?;
    let digest = "ab".repeat(32);
    let entry = |name: &str, file: Value| {
        json!({
            "name": name,
            "full_name": name,
            "versions": {"stable": "1.0", "head": null, "bottle": true},
            "revision": 0,
            "deprecated": false,
            "disabled": false,
            "bottle": {"stable": {
                "rebuild": 0,
                "root_url": format!("{}/v2/homebrew/core", scene.published.address),
                "files": {"arm64_sequoia": file},
            }},
        })
    };
    let url = format!(
        "{}/v2/homebrew/core/x/blobs/sha256:{digest}",
        scene.published.address
    );
    let entries = [
        entry("z-no-url", json!({"cellar": ":any", "sha256": digest})),
        entry("z-no-digest", json!({"cellar": ":any", "url": url})),
        entry(
            "z-odd-digest",
            json!({"cellar": ":any", "url": url, "sha256": "xyz"}),
        ),
        entry(
            "../../z-climbs",
            json!({"cellar": ":any", "url": url, "sha256": digest}),
        ),
        entry(
            "z-metadata",
            json!({"cellar": ":any", "url": "http://169.254.169.254/latest/meta-data", "sha256": digest}),
        ),
    ];
    scene
        .source
        .publish_with(&small_formulae(3), &json!({"entries": entries}))?;
    scene.run(&json!({}), "completed")?;
    scene.wait_until_published(&["sync completed", "z-no-url", "z-climbs", "z-metadata"])?;
    let flat = scene.mirror.flat_files(&scene.environment.client())?;
    ensure!(flat.len() == 3, "three bottles should be there: {flat:#?}");
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn the_dry_run_says_what_a_sync_would_do_and_changes_nothing() -> Result<()> {
    let scene = MirrorScene::new(Mirror::new("dry-run"), &small_formulae(4))?;
    let plan = scene
        .mirror
        .answer(&scene.environment, "plan", &json!({}))?;
    ensure!(
        plan["new"]["files"] == 4 && plan["new"]["bytes"] == 400_000,
        "{plan:#}"
    );
    let contents = scene.mirror.contents(&scene.environment.client())?;
    ensure!(contents.is_empty(), "something was written: {contents:#?}");
    stays_so("nothing is reported", Duration::from_secs(2), || {
        let reported = scene.count_published(&["sync planned"])?
            + scene.count_published(&["sync completed"])?;
        Ok(if reported == 0 {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{reported} messages"))
        })
    })?;
    scene.complete()?;
    let client = scene.environment.client();
    client.delete_object(&scene.mirror.bucket(), &key("small-1"))?;
    let verification = scene
        .mirror
        .answer(&scene.environment, "verify", &json!({}))?;
    ensure!(
        verification.to_string().contains(&key("small-1")),
        "the missing bottle should be named: {verification:#}"
    );
    scene.run(&json!({"check_listing": true}), "completed")?;
    scene.check_identical()
}
