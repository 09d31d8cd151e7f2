//! Lists of files that belong to no sync, and what is said before anything begins.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use longshore_bottles::shards;
use longshore_events::transfer::TransferItem;
use serde_json::Value;

use crate::process::{Start, scratch};
use crate::world::{World, content, wait_until};

const LARGE: usize = 70 * 1024 * 1024;
const HALF: usize = 40 * 1024 * 1024;

fn list(name: &str, items: &[TransferItem]) -> PathBuf {
    let path = scratch(name).join("list.jsonl");
    fs::write(&path, shards::write(items)).unwrap();
    path
}

/// The line that reports what became of all files.
fn last_line(log: &str) -> Value {
    let line = log
        .lines()
        .find(|line| line.contains("\"transferred files\""))
        .unwrap_or_else(|| panic!("no last line: {log}"));
    serde_json::from_str(line).unwrap()
}

#[test]
fn every_file_of_a_list_is_brought_over_under_its_raw_name() {
    let world = World::new();
    let items = [
        world.publish(
            "boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz",
            content(300_000, 1),
        ),
        world.publish("gtk+-2.24.33_2.x86_64_linux.bottle.tar.gz", content(10, 2)),
    ];
    let list = list("every-file", &items);
    let (status, log) = Start::new(&world).on(&list).start().end();
    assert!(status.success(), "{log}");
    for item in &items {
        let object = world.object(&item.key).unwrap();
        assert_eq!(crate::world::sha256(&object), item.sha256.as_str());
    }
    let line = last_line(&log);
    assert_eq!((&line["files"], &line["failed"]), (&2.into(), &0.into()));
    assert!(world.events().is_empty(), "a list is nobody's business");
}

#[test]
fn a_list_in_s3_is_read_from_there() {
    let world = World::new();
    let item = world.publish("a", content(1000, 1));
    world.put("lists/today.jsonl", shards::write(&[item]));
    let start = Start::new(&world).on("s3://bottles/lists/today.jsonl");
    let (status, log) = start.start().end();
    assert!(status.success(), "{log}");
    assert!(world.object("a").is_some());
}

#[test]
fn a_corrupted_file_is_given_up_and_named_and_the_others_arrive() {
    let world = World::new();
    let items = [
        world.publish("good", content(100_000, 1)),
        world.publish("corrupted", content(100_000, 2)),
        world.publish("also-good", content(100_000, 3)),
    ];
    world.corrupt("corrupted");
    let list = list("corrupted", &items);
    let (status, log) = Start::new(&world).on(&list).start().end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(world.object("good").is_some());
    assert!(world.object("also-good").is_some());
    assert_eq!(world.object("corrupted"), None);
    assert_eq!(world.asked("corrupted").len(), 2, "tried once more");
    assert_eq!(last_line(&log)["failed"], 1);
    let given_up = log.lines().filter(|line| line.contains("file is given up"));
    let given_up: Vec<&str> = given_up.collect();
    assert_eq!(given_up.len(), 1, "{log}");
    assert!(given_up[0].contains(r#""key":"corrupted""#), "{log}");
}

#[test]
fn a_line_that_cannot_be_read_is_named_by_its_number_and_nothing_is_brought() {
    let world = World::new();
    let item = world.publish("a", content(1000, 1));
    let list = list("unreadable", &[item]);
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{text}{{\"key\": \"b\"}}\n")).unwrap();
    let (status, log) = Start::new(&world).on(&list).start().end();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("line 2"), "{log}");
    assert!(world.asked("a").is_empty());
}

#[test]
fn a_wrong_environment_and_wrong_arguments_are_reported_before_anything_is_done() {
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootstrap"));
        command.env_clear();
        command
    };
    let output = program().env("DOWNLOAD_CONCURRENCY", "many").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("S3_BUCKET_NAME"), "{said}");
    assert!(said.contains("found `many`"), "{said}");

    let output = program().arg("--shards").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--shards"), "{said}");

    let output = program().arg("--help").output().unwrap();
    assert!(output.status.success());
}

#[test]
fn without_a_bus_a_summary_is_posted_and_the_secret_is_not_logged() {
    let world = World::new();
    let item = world.publish("a", content(1000, 1));
    let list = list("summary", &[item]);
    let start = Start::new(&world)
        .with("SLACK_WEBHOOK_SECRET_NAME", "slack")
        .with("LOG_LEVEL", "DEBUG");
    let (status, log) = start.on(&list).start().end();
    assert!(status.success(), "{log}");
    assert_eq!(world.messages().len(), 1, "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_killed_task_with_a_file_system_goes_on_where_it_stopped() {
    let world = World::new();
    let items = [
        world.publish("large", content(LARGE, 1)),
        world.publish("small", content(1000, 2)),
    ];
    world.hold("large", HALF);
    let list = list("killed", &items);
    let mounted = scratch("killed-mounted");
    let start = || {
        Start::new(&world)
            .with("EFS_MOUNT_PATH", &mounted)
            .with("TEMP_STORAGE_PATH", mounted.join("parts"))
            .on(&list)
    };
    let killed = start().start();
    wait_until("half of the large file and the small one", || {
        let kept = fs::read_dir(mounted.join("parts")).ok()?;
        let kept: u64 = kept
            .map(|part| part.unwrap().metadata().unwrap().len())
            .sum();
        (kept == HALF as u64 && world.object("small").is_some()).then_some(())
    });
    killed.kill();
    assert_eq!(world.object("large"), None);

    world.release("large");
    let (status, log) = start().start().end();
    assert!(status.success(), "{log}");
    assert_eq!(world.object("large"), Some(content(LARGE, 1)));
    let asked = world.asked("large");
    assert_eq!(asked.last().unwrap().from, HALF);
    assert_eq!(asked.last().unwrap().sent, LARGE - HALF);
    assert_eq!(world.asked("small").len(), 1, "it was there already");
    let line = last_line(&log);
    assert_eq!(line["resumed_bytes"], HALF);
    assert_eq!(line["downloaded_bytes"], LARGE - HALF);
    assert_eq!(
        fs::read_dir(mounted.join("parts")).unwrap().count(),
        0,
        "nothing stays on the file system"
    );
}

#[test]
fn a_killed_task_without_a_file_system_begins_the_file_again() {
    let world = World::new();
    let item = world.publish("large", content(LARGE, 1));
    world.hold("large", HALF);
    let list = list("killed-without", &[item]);
    let killed = Start::new(&world).on(&list).start();
    wait_until("half of the file", || {
        (world.asked("large").first()?.sent == HALF).then_some(())
    });
    killed.kill();
    world.release("large");
    let (status, log) = Start::new(&world).on(&list).start().end();
    assert!(status.success(), "{log}");
    assert_eq!(world.asked("large").last().unwrap().from, 0);
    assert_eq!(world.object("large"), Some(content(LARGE, 1)));
}

#[test]
fn a_task_that_is_asked_to_stop_ends_within_thirty_seconds_and_says_that_files_are_left() {
    let world = World::new();
    let items = [
        world.publish("large", content(LARGE, 1)),
        world.publish("small", content(1000, 2)),
    ];
    world.hold("large", HALF);
    let list = list("stopped", &items);
    let mounted = scratch("stopped-mounted");
    let start = || {
        Start::new(&world)
            .with("EFS_MOUNT_PATH", &mounted)
            .on(&list)
    };
    let task = start().start();
    wait_until("the small file", || world.object("small"));
    wait_until("half of the large one", || {
        (world.asked("large").first()?.sent == HALF).then_some(())
    });
    let (is_well, health) = wait_until("its health", || task.health());
    assert!(is_well);
    assert_eq!(health["status"], "working");
    assert_eq!(health["files"], 2);
    task.terminate();
    wait_until("its health to say so", || {
        (task.health()?.1["status"] == "stopping").then_some(())
    });
    let asked = std::time::Instant::now();
    let (status, log) = task.end();
    assert!(asked.elapsed().as_secs() < 30);
    assert_eq!(status.code(), Some(143), "{log}");
    assert_eq!(last_line(&log)["left"], 1);

    world.release("large");
    let (status, log) = start().start().end();
    assert!(status.success(), "{log}");
    assert_eq!(world.asked("large").last().unwrap().from, HALF);
}
