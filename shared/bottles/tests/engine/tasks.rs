//! A sync that runs in tasks.

use chrono::Duration;
use longshore_bottles::layout;
use longshore_bottles::ports::Transferrer as _;
use longshore_bottles::progress::ProgressCounter;
use longshore_bottles::settings::RunnerSettings;
use longshore_bottles::sync::record::SyncState;
use longshore_bottles::sync::shard::{self, Renewed, Taken, pending};
use longshore_bottles::sync::{RunOutcome, SyncOptions, status};
use longshore_events::longshore::{LongshoreEvent, RunsOn};
use longshore_events::transfer::TransferProgress;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeMirror, Fault, MIRROR_BUCKET, MIRROR_STACK};

use crate::scene::{
    INDEX, alive, assert_is, formulae, last_reason, minutes, record, runner, state, synced,
    synced_in_tasks, synced_with, task_works, with_tasks, woken, worker,
};

#[tokio::test]
async fn the_work_is_split_between_tasks_and_the_last_one_s_end_publishes() {
    let mirror = with_tasks(&formulae(8, 1));
    let outcome = synced_in_tasks(&mirror, "first").await.unwrap();
    let RunOutcome::Running { runs_on, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(runs_on, RunsOn::Tasks { tasks: 2 });
    let tasks = mirror.tasks();
    assert_eq!(tasks.len(), 2);
    assert_eq!(tasks[0].started_by, "longshore-sync/bottles/1");
    assert!(tasks.iter().all(|task| task.client_token.len() <= 64));
    task_works(&mirror, &tasks[0].task_arn, None).await;
    let advanced = woken(&mirror, "wake-1").await.unwrap();
    assert!(matches!(advanced.outcome, Some(RunOutcome::Running { .. })));
    assert_eq!(mirror.text(INDEX), None);
    task_works(&mirror, &tasks[1].task_arn, None).await;
    let advanced = woken(&mirror, "wake-2").await.unwrap();
    assert!(matches!(
        advanced.outcome,
        Some(RunOutcome::Completed { .. })
    ));
    assert_is(&mirror, &formulae(8, 1));
    assert_eq!(
        mirror.detail_types(),
        [
            "Sync Planned",
            "Sync Shard Completed",
            "Sync Progressed",
            "Sync Shard Completed",
            "Sync Completed"
        ]
    );
    assert_eq!(woken(&mirror, "wake-3").await.unwrap().outcome, None);
    assert_eq!(mirror.detail_types().len(), 5);
}

#[tokio::test]
async fn duplicate_wake_ups_at_once_finish_once() {
    let mirror = with_tasks(&formulae(8, 1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    for task in alive(&mirror) {
        task_works(&mirror, &task, None).await;
    }
    let (one, two, three) = tokio::join!(
        woken(&mirror, "one"),
        woken(&mirror, "two"),
        woken(&mirror, "three")
    );
    let closed = [one.unwrap(), two.unwrap(), three.unwrap()]
        .into_iter()
        .filter(|advanced| matches!(advanced.outcome, Some(RunOutcome::Completed { .. })));
    assert_eq!(closed.count(), 1);
    let completed = mirror
        .detail_types()
        .into_iter()
        .filter(|published| *published == "Sync Completed");
    assert_eq!(completed.count(), 1);
}

#[tokio::test]
async fn a_task_that_is_killed_is_started_again_at_once_and_nothing_comes_twice() {
    let mirror = with_tasks(&formulae(8, 1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    let tasks = alive(&mirror);
    task_works(&mirror, &tasks[0], Some(2)).await;
    task_works(&mirror, &tasks[1], None).await;
    woken(&mirror, "stopped").await.unwrap();
    let again = alive(&mirror);
    assert_eq!(again.len(), 1);
    task_works(&mirror, &again[0], None).await;
    woken(&mirror, "done").await.unwrap();
    assert_is(&mirror, &formulae(8, 1));
    assert_eq!(mirror.downloads().len(), 8);
}

#[tokio::test]
async fn a_shard_whose_tasks_die_for_half_an_hour_is_given_up_and_the_sync_has_failed_with_the_reason()
 {
    let mirror = with_tasks(&formulae(8, 1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    let tasks = alive(&mirror);
    task_works(&mirror, &tasks[1], None).await;
    task_works(&mirror, &tasks[0], Some(0)).await;
    let mut passed = 0;
    while state(&mirror) == SyncState::Transferring {
        for task in alive(&mirror) {
            task_works(&mirror, &task, Some(1)).await;
        }
        mirror.pass(minutes(1));
        passed += 1;
        woken(&mirror, &format!("wake-{passed}")).await.unwrap();
        assert!(passed < 60);
    }
    assert!(passed >= 30, "{passed} min");
    // With a pause before each but the first two.
    assert!(
        (6..10).contains(&mirror.tasks().len()),
        "{}",
        mirror.tasks().len()
    );
    let reason = last_reason(&mirror);
    assert!(
        reason.starts_with("3 files could not be transferred"),
        "{reason}"
    );
    assert!(
        reason.contains(
            " tasks died while they worked on it; the last one: Essential container in task exited (137)"
        ),
        "{reason}"
    );
    assert_eq!(mirror.text(INDEX), None);
    // What is there is known: the next sync transfers the rest.
    mirror.forget();
    let next = synced(&mirror, "next").await.unwrap();
    assert!(matches!(next, RunOutcome::Completed { .. }), "{next:?}");
    assert_eq!(mirror.downloads().len(), 3);
    assert_is(&mirror, &formulae(8, 1));
}

#[tokio::test]
async fn tasks_that_die_are_replaced_for_as_long_as_the_stack_file_says() {
    let mirror = with_tasks(&formulae(1, 1));
    mirror.change_settings(|settings| settings.outage_patience_minutes = Some(360));
    synced_in_tasks(&mirror, "first").await.unwrap();
    let mut passed = 0;
    while passed < 350 {
        for task in alive(&mirror) {
            task_works(&mirror, &task, Some(0)).await;
        }
        mirror.pass(minutes(2));
        passed += 2;
        woken(&mirror, &format!("wake-{passed}")).await.unwrap();
        assert_eq!(state(&mirror), SyncState::Transferring, "{passed} min");
    }
    // Then the outage is over.
    while alive(&mirror).is_empty() {
        mirror.pass(minutes(1));
        woken(&mirror, "wake").await.unwrap();
    }
    for task in alive(&mirror) {
        task_works(&mirror, &task, None).await;
    }
    woken(&mirror, "done").await.unwrap();
    assert_is(&mirror, &formulae(1, 1));
}

#[tokio::test]
async fn three_stops_within_minutes_are_not_the_end_of_a_shard() {
    for reason in [
        "TaskFailedToStart: ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: mount.nfs4: Connection reset by peer : unsuccessful EFS utils command execution; code: 32",
        "SpotInterruption: Your Spot Task was interrupted.",
        "TaskFailedToStart: Capacity is unavailable at this time. Please try again later or in a different availability zone",
    ] {
        let mirror = with_tasks(&formulae(4, 1));
        synced_in_tasks(&mirror, "first").await.unwrap();
        for wake in 0..8 {
            for arn in alive(&mirror) {
                mirror.stop_task(&arn, reason);
            }
            mirror.pass(minutes(2));
            woken(&mirror, &format!("wake{wake}")).await.unwrap();
            assert_eq!(state(&mirror), SyncState::Transferring, "{reason}");
        }
        // Somebody who looks for it sees what it waits for.
        let status = status(&mirror, MIRROR_STACK).await.unwrap();
        assert_eq!(status.shards[0].problem.as_deref(), Some(reason));
        mirror.pass(minutes(10));
        woken(&mirror, "then").await.unwrap();
        for task in alive(&mirror) {
            task_works(&mirror, &task, None).await;
        }
        woken(&mirror, "done").await.unwrap();
        assert_is(&mirror, &formulae(4, 1));
    }
}

#[tokio::test]
async fn a_lack_of_capacity_is_waited_out_for_six_hours_and_no_longer() {
    let mirror = with_tasks(&formulae(1, 1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    let mut passed = 0;
    while state(&mirror) == SyncState::Transferring {
        for arn in alive(&mirror) {
            mirror.stop_task(&arn, "SpotInterruption: Your Spot Task was interrupted.");
        }
        mirror.pass(minutes(5));
        passed += 5;
        woken(&mirror, &format!("wake{passed}")).await.unwrap();
        assert!(passed < 400);
    }
    assert!(passed >= 355, "{passed} min");
    assert!(last_reason(&mirror).contains("SpotInterruption"));
}

#[tokio::test]
async fn tasks_that_are_killed_again_and_again_come_to_the_end_if_each_gets_further() {
    let mirror = with_tasks(&formulae(40, 1));
    mirror.change_settings(|settings| settings.max_tasks = 1);
    synced_in_tasks(&mirror, "first").await.unwrap();
    let mut kills = 0;
    while state(&mirror) == SyncState::Transferring {
        mirror.pass(minutes(10));
        woken(&mirror, &format!("wake-{kills}")).await.unwrap();
        let Some(arn) = alive(&mirror).pop() else {
            continue;
        };
        kills += 1;
        let me = worker(&mirror, &arn);
        let taken = shard::take(&mirror, MIRROR_BUCKET, "first", 1, &me)
            .await
            .unwrap();
        let Taken::Leased(mut lease) = taken else {
            panic!("{kills}: {taken:?}");
        };
        let items = shard::items(&mirror, MIRROR_BUCKET, "first", 1)
            .await
            .unwrap();
        // One more than the one before, and the lease says so.
        let done = items.len().min(kills);
        let transferred = mirror
            .transfer(
                MIRROR_BUCKET,
                items[..done].to_vec(),
                None,
                &ProgressCounter::new(),
            )
            .await;
        if done == items.len() {
            let report = &transferred.report;
            shard::finish(&mirror, MIRROR_BUCKET, &mut lease, report)
                .await
                .unwrap();
        } else {
            let progress = TransferProgress {
                files: done as u64,
                ..TransferProgress::default()
            };
            let now = worker(&mirror, &arn).now;
            shard::renew(&mirror, MIRROR_BUCKET, &mut lease, progress, now)
                .await
                .unwrap();
        }
        mirror.stop_task(&arn, "Essential container in task exited (137)");
        assert!(kills < 60);
    }
    assert_eq!(kills, 40);
    assert_is(&mirror, &formulae(40, 1));
    assert_eq!(mirror.downloads().len(), 40);
}

#[tokio::test]
async fn a_task_for_which_there_is_no_capacity_is_asked_for_again() {
    let mirror = with_tasks(&formulae(8, 1));
    mirror.set_capacity(Some(1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    assert_eq!(mirror.tasks().len(), 1);
    woken(&mirror, "early").await.unwrap();
    assert_eq!(mirror.tasks().len(), 1);
    mirror.set_capacity(None);
    woken(&mirror, "later").await.unwrap();
    assert_eq!(mirror.tasks().len(), 2);
    for task in alive(&mirror) {
        task_works(&mirror, &task, None).await;
    }
    woken(&mirror, "done").await.unwrap();
    assert_is(&mirror, &formulae(8, 1));
}

#[tokio::test]
async fn a_task_that_can_never_be_started_fails_the_sync_with_the_reason() {
    for (class, hours) in [(ErrorClass::Denied, 0), (ErrorClass::Transient, 7)] {
        let mirror = with_tasks(&formulae(1, 1));
        mirror.inject_at("RunTask", Fault::Fails(class));
        mirror.set_capacity(Some(0));
        synced_in_tasks(&mirror, "first").await.unwrap();
        mirror.pass(Duration::hours(hours));
        woken(&mirror, "wake").await.unwrap();
        assert_eq!(state(&mirror), SyncState::Failed);
        assert!(
            last_reason(&mirror).contains("RunTask"),
            "{}",
            last_reason(&mirror)
        );
        assert_eq!(mirror.text(INDEX), None);
    }
}

#[tokio::test]
async fn a_task_that_is_silent_for_half_an_hour_is_replaced() {
    let mirror = with_tasks(&formulae(1, 1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    mirror.pass(minutes(29));
    woken(&mirror, "early").await.unwrap();
    assert_eq!(mirror.tasks().len(), 1);
    mirror.pass(minutes(2));
    woken(&mirror, "late").await.unwrap();
    assert_eq!(mirror.tasks().len(), 2);
    // The one that was silent comes back: one of them does the work.
    for task in alive(&mirror) {
        task_works(&mirror, &task, None).await;
    }
    woken(&mirror, "done").await.unwrap();
    assert_is(&mirror, &formulae(1, 1));
    assert_eq!(mirror.downloads().len(), 1);
}

/// A task transfers one file of the only shard, gives the rest back and ends.
async fn one_file_and_back(mirror: &FakeMirror, reason: &str) {
    let task = alive(mirror).remove(0);
    let taken = shard::take(mirror, MIRROR_BUCKET, "first", 1, &worker(mirror, &task))
        .await
        .unwrap();
    let Taken::Leased(mut lease) = taken else {
        panic!("{taken:?}");
    };
    let items = shard::items(mirror, MIRROR_BUCKET, "first", 1)
        .await
        .unwrap();
    let (now, left) = items.split_at(1);
    let mut transferred = mirror
        .transfer(MIRROR_BUCKET, now.to_vec(), None, &ProgressCounter::new())
        .await;
    transferred.left = left.to_vec();
    shard::give_back(mirror, MIRROR_BUCKET, &mut lease, &transferred)
        .await
        .unwrap();
    mirror.stop_task(&task, reason);
}

#[tokio::test]
async fn a_lack_of_capacity_is_counted_from_when_a_task_last_got_further() {
    let mirror = with_tasks(&formulae(8, 1));
    mirror.change_settings(|settings| settings.max_tasks = 1);
    synced_in_tasks(&mirror, "first").await.unwrap();
    for round in 0..6 {
        mirror.pass(Duration::hours(5));
        one_file_and_back(&mirror, "SpotInterruption").await;
        woken(&mirror, &format!("wake{round}")).await.unwrap();
        assert_eq!(state(&mirror), SyncState::Transferring, "{round}");
    }
    let task = alive(&mirror).remove(0);
    task_works(&mirror, &task, None).await;
    woken(&mirror, "done").await.unwrap();
    assert_is(&mirror, &formulae(8, 1));
}

#[tokio::test]
async fn a_task_that_was_taken_away_after_it_got_further_excuses_no_other() {
    let mirror = with_tasks(&formulae(8, 1));
    mirror.change_settings(|settings| settings.max_tasks = 1);
    synced_in_tasks(&mirror, "first").await.unwrap();
    for round in 0..6 {
        one_file_and_back(&mirror, "SpotInterruption").await;
        mirror.pass(minutes(10));
        woken(&mirror, &format!("wake{round}")).await.unwrap();
    }
    let mut passed = 0;
    while state(&mirror) == SyncState::Transferring {
        for arn in alive(&mirror) {
            mirror.stop_task(&arn, "Essential container in task exited (137)");
        }
        mirror.pass(minutes(1));
        passed += 1;
        woken(&mirror, &format!("dying{passed}")).await.unwrap();
        assert!(passed < 100);
    }
    // Half an hour of dying, and the pause before one task.
    assert!((30..=41).contains(&passed), "{passed} min");
}

#[tokio::test]
async fn a_shard_that_is_given_back_in_order_counts_no_death() {
    let mirror = with_tasks(&formulae(8, 1));
    mirror.change_settings(|settings| settings.max_tasks = 1);
    synced_in_tasks(&mirror, "first").await.unwrap();
    for round in 0..5 {
        one_file_and_back(&mirror, "SpotInterruption").await;
        mirror.pass(minutes(10));
        woken(&mirror, &format!("wake{round}")).await.unwrap();
    }
    let last = alive(&mirror).remove(0);
    task_works(&mirror, &last, None).await;
    let advanced = woken(&mirror, "done").await.unwrap();
    let Some(RunOutcome::Completed { result, .. }) = advanced.outcome else {
        panic!("{advanced:?}");
    };
    assert_eq!(result.transfer.files, 8);
    assert_eq!(mirror.downloads().len(), 8);
    assert_is(&mirror, &formulae(8, 1));
}

#[tokio::test]
async fn a_worker_that_has_lost_its_shard_learns_it() {
    let mirror = with_tasks(&formulae(2, 1));
    mirror.change_settings(|settings| settings.max_tasks = 1);
    synced_in_tasks(&mirror, "first").await.unwrap();
    let take = async |id: &str| {
        shard::take(&mirror, MIRROR_BUCKET, "first", 1, &worker(&mirror, id))
            .await
            .unwrap()
    };
    let Taken::Leased(mut slow) = take("slow").await else {
        panic!("nobody has it");
    };
    assert!(matches!(take("other").await, Taken::Busy { .. }));
    let progress = TransferProgress {
        files: 1,
        bytes: 1_000,
        failed: 0,
    };
    mirror.pass(Duration::seconds(50));
    let renewed = shard::renew(&mirror, MIRROR_BUCKET, &mut slow, progress, mirror.time()).await;
    assert_eq!(renewed.unwrap(), Renewed::Held);
    let shown = status(&mirror, MIRROR_STACK).await.unwrap();
    assert_eq!(shown.done, progress);
    assert_eq!(shown.shards[0].worker_id.as_deref(), Some("slow"));
    mirror.pass(Duration::seconds(50));
    assert!(matches!(take("other").await, Taken::Busy { .. }));
    mirror.pass(Duration::seconds(11));
    let waiting = pending(&mirror, MIRROR_BUCKET, mirror.time())
        .await
        .unwrap();
    assert_eq!(waiting.len(), 1);
    assert!(matches!(take("other").await, Taken::Leased(_)));
    let renewed = shard::renew(&mirror, MIRROR_BUCKET, &mut slow, progress, mirror.time()).await;
    assert_eq!(renewed.unwrap(), Renewed::Lost);
    let report = serde_json::from_value(serde_json::json!({
        "files": 2, "bytes": 1, "already_there": 0, "copies": 0, "downloaded_bytes": 1,
        "resumed_bytes": 0, "failed": 0, "failures": [],
        "started_at": mirror.time(), "finished_at": mirror.time(),
    }))
    .unwrap();
    let event = shard::finish(&mirror, MIRROR_BUCKET, &mut slow, &report).await;
    assert_eq!(event.unwrap(), None);
    assert!(
        pending(&mirror, MIRROR_BUCKET, mirror.time())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_is_not_a_loss_of_the_shard() {
    let mirror = with_tasks(&formulae(2, 1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    let taken = shard::take(&mirror, MIRROR_BUCKET, "first", 1, &worker(&mirror, "task")).await;
    let Ok(Taken::Leased(mut lease)) = taken else {
        panic!("{taken:?}");
    };
    mirror.inject_at("PutObject", Fault::AnswerLost);
    let progress = TransferProgress::default();
    mirror.pass(Duration::seconds(20));
    shard::renew(&mirror, MIRROR_BUCKET, &mut lease, progress, mirror.time())
        .await
        .unwrap_err();
    mirror.pass(Duration::seconds(5));
    let renewed = shard::renew(&mirror, MIRROR_BUCKET, &mut lease, progress, mirror.time()).await;
    assert_eq!(renewed.unwrap(), Renewed::Held);
}

#[tokio::test]
async fn what_a_function_has_no_time_for_goes_on_in_a_task() {
    let mirror = with_tasks(&formulae(20, 1));
    mirror.set_seconds_per_file(60);
    let hurried = RunnerSettings {
        time_left: Some(Duration::minutes(15)),
        ..runner()
    };
    synced_with(&mirror, "first", &hurried, SyncOptions::default())
        .await
        .unwrap();
    assert_eq!(record(&mirror).sync.runs_on, RunsOn::Tasks { tasks: 1 });
    let task = alive(&mirror).remove(0);
    let waiting = pending(&mirror, MIRROR_BUCKET, mirror.time())
        .await
        .unwrap();
    assert_eq!(waiting.len(), 1);
    task_works(&mirror, &task, None).await;
    woken(&mirror, "done").await.unwrap();
    assert_is(&mirror, &formulae(20, 1));
    assert_eq!(mirror.downloads().len(), 20);
}

#[tokio::test]
async fn an_estimate_that_does_not_fit_into_the_time_left_goes_to_tasks() {
    let mirror = with_tasks(&formulae(8, 1));
    let hurried = RunnerSettings {
        time_left: Some(Duration::seconds(60)),
        ..runner()
    };
    let outcome = synced_with(&mirror, "first", &hurried, SyncOptions::default())
        .await
        .unwrap();
    let RunOutcome::Running { runs_on, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(runs_on, RunsOn::Tasks { .. }));
}

#[tokio::test]
async fn a_long_sync_reports_how_far_it_is_every_five_minutes() {
    let mirror = with_tasks(&formulae(1, 1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    for minute in 1..=12 {
        mirror.pass(minutes(1));
        woken(&mirror, &format!("minute-{minute}")).await.unwrap();
    }
    let published = mirror.detail_types();
    assert_eq!(
        published,
        ["Sync Planned", "Sync Progressed", "Sync Progressed"]
    );
    let Some(LongshoreEvent::SyncProgressed(progressed)) = mirror.published().pop() else {
        panic!("{published:?}");
    };
    assert_eq!((progressed.shards_ended, progressed.shards), (0, 1));
}

#[tokio::test]
async fn a_run_while_tasks_work_is_refused_and_one_after_their_end_finishes_the_sync_first() {
    let mirror = with_tasks(&formulae(8, 1));
    synced_in_tasks(&mirror, "first").await.unwrap();
    let refused = synced(&mirror, "second").await.unwrap();
    assert!(matches!(refused, RunOutcome::Refused { .. }), "{refused:?}");
    for task in alive(&mirror) {
        task_works(&mirror, &task, None).await;
    }
    // No event has reported their end.
    mirror.publish_index(&formulae(8, 2));
    let third = synced(&mirror, "third").await.unwrap();
    assert!(matches!(third, RunOutcome::Completed { .. }), "{third:?}");
    let completed = mirror
        .detail_types()
        .into_iter()
        .filter(|published| *published == "Sync Completed");
    assert_eq!(completed.count(), 2);
    assert_is(&mirror, &formulae(8, 2));
    let left = mirror.keys();
    assert!(
        !left
            .iter()
            .any(|key| key.starts_with(".longshore/syncs/first/")),
        "{left:?}"
    );
}

#[tokio::test]
async fn nobody_is_woken_by_a_stack_without_a_mirror_or_one_that_was_never_synced() {
    let mirror = FakeMirror::new();
    assert_eq!(woken(&mirror, "wake").await.unwrap().outcome, None);
    assert!(mirror.keys().is_empty());
    assert!(
        pending(&mirror, MIRROR_BUCKET, mirror.time())
            .await
            .unwrap()
            .is_empty()
    );
    let worker = worker(&mirror, "other");
    let runner = runner();
    let engine = crate::scene::engine(&mirror, &runner, &worker);
    let advanced = longshore_bottles::sync::advance(&engine, "another")
        .await
        .unwrap();
    assert_eq!(advanced.outcome, None);
}

#[tokio::test]
async fn the_key_of_a_shard_names_its_sync() {
    assert_eq!(
        shard::of_key(&layout::shard("sync-1", 12)),
        Some(("sync-1".to_owned(), 12))
    );
    for key in [
        "lists/mine.jsonl",
        ".longshore/syncs/sync-1/shards/12.jsonl",
        ".longshore/syncs/sync-1/shards/0012.json",
        ".longshore/syncs/sync-1/plan.json",
    ] {
        assert_eq!(shard::of_key(key), None, "{key}");
    }
}
