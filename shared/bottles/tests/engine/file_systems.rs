//! The file system that tasks resume from.

use chrono::Duration;
use longshore_bottles::ports::FileSystems;
use longshore_bottles::sync::RunOutcome;
use longshore_bottles::sync::record::SyncState;
use longshore_testkit::{FakeMirror, Fault};

use crate::scene::{
    INDEX, alive, assert_is, formulae, last_reason, record, state, synced, synced_in_tasks,
    task_works, with_tasks, woken,
};

fn provisioned() -> FakeMirror {
    let mirror = with_tasks(&formulae(4, 1));
    mirror.change_settings(|settings| settings.raised_throughput_in_mibps = Some(200));
    mirror.change_file_system(|file_system| {
        file_system.throughput_mode = "provisioned".to_owned();
        file_system.provisioned_throughput_in_mibps = Some(20);
    });
    mirror
}

fn throughput(mirror: &FakeMirror) -> u32 {
    mirror
        .file_system()
        .provisioned_throughput_in_mibps
        .unwrap()
}

async fn all_work(mirror: &FakeMirror) {
    for task in alive(mirror) {
        task_works(mirror, &task, None).await;
    }
    woken(mirror, "ended").await.unwrap();
}

#[tokio::test]
async fn elastic_throughput_needs_nothing() {
    let mirror = with_tasks(&formulae(4, 1));
    mirror.change_settings(|settings| settings.raised_throughput_in_mibps = Some(200));
    synced_in_tasks(&mirror, "first").await.unwrap();
    assert!(!mirror.calls().contains(&"UpdateFileSystem".to_owned()));
    assert_eq!(record(&mirror).raised_throughput, None);
}

#[tokio::test]
async fn raised_throughput_is_lowered_by_a_wake_up_a_day_later_and_not_before() {
    let mirror = provisioned();
    synced_in_tasks(&mirror, "first").await.unwrap();
    assert_eq!(throughput(&mirror), 200);
    all_work(&mirror).await;
    assert_is(&mirror, &formulae(4, 1));
    mirror.pass(Duration::hours(23));
    woken(&mirror, "early").await.unwrap();
    synced(&mirror, "second").await.unwrap();
    let updates = || {
        let calls = mirror.calls().into_iter();
        calls.filter(|call| call == "UpdateFileSystem").count()
    };
    assert_eq!((throughput(&mirror), updates()), (200, 1));
    mirror.pass(Duration::hours(1));
    synced(&mirror, "third").await.unwrap();
    assert_eq!(throughput(&mirror), 20);
    assert_eq!(record(&mirror).raised_throughput, None);
    woken(&mirror, "later").await.unwrap();
    assert_eq!(updates(), 2);
}

#[tokio::test]
async fn an_attempt_that_efs_refuses_as_too_early_is_kept_for_later() {
    let mirror = provisioned();
    synced_in_tasks(&mirror, "first").await.unwrap();
    all_work(&mirror).await;
    mirror.pass(Duration::hours(20));
    // Somebody raises it once more, past Longshore.
    mirror.set_provisioned_throughput("fs", 300).await.unwrap();
    mirror.pass(Duration::hours(5));
    woken(&mirror, "early").await.unwrap();
    assert_eq!(throughput(&mirror), 300);
    assert!(record(&mirror).raised_throughput.is_some());
    mirror.pass(Duration::hours(20));
    woken(&mirror, "later").await.unwrap();
    assert_eq!(throughput(&mirror), 20);
    assert_eq!(record(&mirror).raised_throughput, None);
}

#[tokio::test]
async fn throughput_that_another_run_needs_is_not_lowered() {
    let mirror = provisioned();
    synced_in_tasks(&mirror, "first").await.unwrap();
    all_work(&mirror).await;
    mirror.pass(Duration::hours(30));
    mirror.publish_index(&formulae(4, 2));
    synced_in_tasks(&mirror, "second").await.unwrap();
    assert_eq!(throughput(&mirror), 200);
    all_work(&mirror).await;
    assert_eq!(throughput(&mirror), 20);
}

#[tokio::test]
async fn throughput_that_cannot_be_raised_keeps_nobody_from_running() {
    let mirror = provisioned();
    mirror.inject_at(
        "UpdateFileSystem",
        Fault::Fails(longshore_state::ErrorClass::Refused),
    );
    synced_in_tasks(&mirror, "first").await.unwrap();
    all_work(&mirror).await;
    assert_is(&mirror, &formulae(4, 1));
}

#[tokio::test]
async fn a_file_system_that_tasks_could_not_mount_fails_the_sync_before_any_starts() {
    type Change = fn(&mut longshore_bottles::ports::ObservedFileSystem);
    let changes: [(Change, &str); 3] = [
        (
            |observed| observed.life_cycle_state = "creating".to_owned(),
            "is creating",
        ),
        (
            |observed| observed.mount_targets.clear(),
            "has no mount target in subnet subnet-1",
        ),
        (
            |observed| observed.mount_targets[0].1 = "error".to_owned(),
            "has a mount target in subnet subnet-1 that is error",
        ),
    ];
    for (change, words) in changes {
        let mirror = with_tasks(&formulae(4, 1));
        mirror.change_file_system(change);
        let outcome = synced_in_tasks(&mirror, "first").await.unwrap();
        assert!(matches!(outcome, RunOutcome::Failed { .. }), "{outcome:?}");
        assert_eq!(state(&mirror), SyncState::Failed);
        assert!(mirror.tasks().is_empty());
        let reason = last_reason(&mirror);
        assert!(reason.contains(words), "{reason}");
        assert!(reason.contains("run the sync again"), "{reason}");
        assert_eq!(mirror.text(INDEX), None);
    }
}
