//! Shards of a sync: leased, kept, lost, given back, published.

use chrono::{Duration, Utc};
use longshore_bottles::layout;
use longshore_bottles::shards;
use longshore_bottles::sync::shard::ShardPhase;
use serde_json::Value;

use crate::process::{Start, scratch};
use crate::world::{STACK, SYNC, World, content, wait_until};

const TASK_ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/sync/1";

fn with_ecs(world: &World) -> Start {
    Start::new(world)
        .with(
            "ECS_CONTAINER_METADATA_URI_V4",
            format!("http://{}/metadata", world.aws),
        )
        .with("EVENT_BUS_NAME", "longshore")
}

fn holder(phase: &ShardPhase) -> Option<&str> {
    match phase {
        ShardPhase::Leased { worker_id, .. } => Some(worker_id),
        ShardPhase::Pending | ShardPhase::Done => None,
    }
}

#[test]
fn a_shard_is_leased_transferred_and_reported() {
    let world = World::new();
    let items = [
        world.publish("a", content(100_000, 1)),
        world.publish("b", content(100_000, 2)),
    ];
    world.hold("b", 50_000);
    let shard = world.begin_shard(&items);
    let task = with_ecs(&world).on(shard).start();
    wait_until("the first file", || world.object("a"));
    assert_eq!(holder(&world.shard().phase), Some(TASK_ARN));
    world.release("b");
    let (status, log) = task.end();
    assert!(status.success(), "{log}");
    let state = world.shard();
    assert!(state.is_done());
    assert_eq!(state.report.unwrap().files, 2);
    let events = world.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["DetailType"], "Sync Shard Completed");
    let detail: Value = serde_json::from_str(events[0]["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail["stack"], STACK);
    assert_eq!(detail["sync_id"], SYNC);
    assert_eq!(detail["shard"], 1);
    assert_eq!(detail["report"]["bytes"], 200_000);
}

#[test]
fn a_shard_with_files_that_were_given_up_is_reported_with_them_and_the_task_fails() {
    let world = World::new();
    let items = [
        world.publish("good", content(100_000, 1)),
        world.publish("corrupted", content(100_000, 2)),
    ];
    world.corrupt("corrupted");
    let shard = world.begin_shard(&items);
    let (status, log) = with_ecs(&world).on(shard).start().end();
    assert_eq!(status.code(), Some(1), "{log}");
    let state = world.shard();
    assert!(
        state.is_done(),
        "it was tried: another try is for the next sync"
    );
    let report = state.report.unwrap();
    assert_eq!((report.files, report.failed), (1, 1));
    assert_eq!(report.failures[0].key, "corrupted");
    assert_eq!(world.events().len(), 1);
}

#[test]
fn a_task_that_is_asked_to_stop_gives_its_shard_back_and_the_next_one_goes_on_at_once() {
    let world = World::new();
    let items = [
        world.publish("large", content(70 * 1024 * 1024, 1)),
        world.publish("small", content(1000, 2)),
    ];
    let half = 40 * 1024 * 1024;
    world.hold("large", half);
    let shard = world.begin_shard(&items);
    let mounted = scratch("given-back");
    let start = || with_ecs(&world).with("EFS_MOUNT_PATH", &mounted).on(&shard);
    let task = start().start();
    wait_until("the small file", || world.object("small"));
    wait_until("half of the large one", || {
        (world.asked("large").first()?.sent == half).then_some(())
    });
    task.terminate();
    let (status, log) = task.end();
    assert_eq!(status.code(), Some(143), "{log}");
    let state = world.shard();
    assert_eq!(state.phase, ShardPhase::Pending);
    assert_eq!((state.attempts, state.given_back), (1, 1));
    let left = world.object(&layout::shard(SYNC, 1)).unwrap();
    let left = shards::read(&left).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].key, "large");
    assert!(world.events().is_empty());

    world.release("large");
    let (status, log) = start().start().end();
    assert!(status.success(), "{log}");
    let report = world.shard().report.unwrap();
    assert_eq!((report.files, report.resumed_bytes), (2, half as u64));
    assert_eq!(world.asked("large").last().unwrap().from, half);
    assert_eq!(world.asked("small").len(), 1);
}

#[test]
fn a_task_that_loses_its_lease_stops_and_changes_nothing() {
    let world = World::new();
    let item = world.publish("a", content(100_000, 1));
    world.hold("a", 50_000);
    let shard = world.begin_shard(&[item]);
    let task = with_ecs(&world).on(shard).start();
    wait_until("the lease", || holder(&world.shard().phase).map(|_| ()));
    let other = ShardPhase::Leased {
        worker_id: "another".to_owned(),
        lease_until: Utc::now() + Duration::hours(1),
    };
    world.set_phase(other.clone());
    let (status, log) = task.end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("another worker has taken the shard"), "{log}");
    assert_eq!(world.shard().phase, other);
    assert!(world.events().is_empty());
}

#[test]
fn a_task_waits_for_the_lease_of_one_that_may_be_dead() {
    let world = World::new();
    let item = world.publish("a", content(1000, 1));
    let shard = world.begin_shard(&[item]);
    world.set_phase(ShardPhase::Leased {
        worker_id: "dead".to_owned(),
        lease_until: Utc::now() + Duration::seconds(2),
    });
    let (status, log) = with_ecs(&world).on(shard).start().end();
    assert!(status.success(), "{log}");
    assert!(world.shard().is_done());
    assert_eq!(world.shard().attempts, 2);
}

#[test]
fn a_shard_that_is_done_or_somebody_elses_leaves_nothing_to_do() {
    let world = World::new();
    let item = world.publish("a", content(1000, 1));
    let shard = world.begin_shard(&[item]);
    world.set_phase(ShardPhase::Done);
    let (status, log) = with_ecs(&world).on(&shard).start().end();
    assert!(status.success(), "{log}");

    let lease = |seconds| ShardPhase::Leased {
        worker_id: "alive".to_owned(),
        lease_until: Utc::now() + Duration::seconds(seconds),
    };
    world.set_phase(lease(10));
    let task = with_ecs(&world).on(&shard).start();
    wait_until("it to wait", || {
        task.log().contains("waiting for the lease").then_some(())
    });
    world.set_phase(lease(60));
    let (status, log) = task.end();
    assert!(status.success(), "{log}");
    assert!(log.contains("another worker has the shard"), "{log}");
    assert!(world.asked("a").is_empty());
}

#[test]
fn a_shard_that_is_not_there_is_an_error() {
    let world = World::new();
    let shard = format!("s3://bottles/{}", layout::shard(SYNC, 7));
    let (status, log) = with_ecs(&world).on(shard).start().end();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("there is no such shard"), "{log}");
}

#[test]
fn a_task_without_a_shard_waits_in_good_health_and_ends_when_it_is_asked_to() {
    let world = World::new();
    let task = with_ecs(&world).start();
    let (is_well, health) = wait_until("its health", || task.health());
    assert!(is_well);
    assert_eq!(health["status"], "idle");
    wait_until("it to have looked", || {
        (task.health()?.1["pending_shards"] == 0).then_some(())
    });
    task.terminate();
    let (status, log) = task.end();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_task_without_a_shard_takes_one_that_waits_and_measures_how_many_do() {
    let world = World::new();
    let item = world.publish("a", content(100_000, 1));
    world.hold("a", 50_000);
    world.begin_shard(&[item]);
    world.begin_sync();
    let task = with_ecs(&world).start();
    let metric = wait_until("its metric", || {
        let log = task.log();
        let line = log.lines().find(|line| line.contains("_aws"))?;
        serde_json::from_str::<Value>(line).ok()
    });
    assert_eq!(metric["Stack"], STACK);
    assert!(metric["PendingShards"].is_u64(), "{metric}");
    world.release("a");
    wait_until("the shard", || world.shard().is_done().then_some(()));
    wait_until("its event", || (!world.events().is_empty()).then_some(()));
    wait_until("its health", || {
        (task.health()?.1["status"] == "idle").then_some(())
    });
    task.terminate();
    let (status, log) = task.end();
    assert_eq!(status.code(), Some(0), "{log}");
}
