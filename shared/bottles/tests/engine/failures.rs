//! A failure at every call; the retry, or the next wake-up, completes everything.

use longshore_bottles::layout;
use longshore_bottles::settings::DeletionSettings;
use longshore_bottles::sync::record::SyncState;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeFormula, FakeMirror, Fault};

use crate::scene::{
    INDEX, alive, assert_is, bottles, calls_of, formulae, index_of, minutes, mirrored, record,
    state, synced, synced_in_tasks, task_works, with_tasks, woken,
};

const FAULTS: [Fault; 4] = [
    Fault::Fails(ErrorClass::Transient),
    Fault::AnswerLost,
    Fault::Dies,
    Fault::DiesAfter,
];

/// A mirror of four formulae; the index has one in a new version; what is gone is deleted at once.
async fn mirror_to_change() -> (FakeMirror, Vec<FakeFormula>) {
    let mirror = mirrored(&formulae(4, 1)).await;
    mirror.change_settings(|settings| {
        // Without one call for each platform's index file.
        settings.selection.platforms = vec!["all".to_owned()];
        settings.registry_layout = true;
        settings.deletion = Some(DeletionSettings {
            grace_days: 0,
            max_files: 10,
            max_share_percent: 50,
        });
    });
    let mut next = formulae(4, 1);
    next[0] = FakeFormula::new("formula1", "2.0", 2_001);
    mirror.publish_index(&next);
    mirror.forget();
    (mirror, next)
}

fn count(mirror: &FakeMirror, detail_type: &str) -> usize {
    let published = mirror.detail_types().into_iter();
    published
        .filter(|published| *published == detail_type)
        .count()
}

/// What may never be, whatever fails: clients see an index that names a file that is not there.
fn assert_nothing_is_named_in_vain(mirror: &FakeMirror, indexes: &[&[FakeFormula]], what: &str) {
    let Some(seen) = mirror.text(INDEX) else {
        return;
    };
    let formulae = indexes
        .iter()
        .find(|formulae| index_of(formulae) == seen)
        .unwrap_or_else(|| panic!("{what}: clients see an index that nobody has published"));
    let held = bottles(mirror);
    for formula in *formulae {
        assert!(held.contains(&formula.key()), "{what}: {}", formula.key());
    }
}

#[tokio::test]
async fn a_sync_that_fails_at_any_call_is_brought_to_its_end_by_its_retry() {
    let calls = {
        let (mirror, next) = mirror_to_change().await;
        synced(&mirror, "second").await.unwrap();
        assert_is(&mirror, &next);
        mirror.calls().len()
    };
    assert!(calls >= 40, "{calls}");
    for fault in FAULTS {
        for call in 0..calls {
            let (mirror, next) = mirror_to_change().await;
            mirror.inject(call, fault);
            let first = synced(&mirror, "second").await;
            mirror.recover();
            let what = format!("{fault:?} at call {call}: {first:?}");
            assert_nothing_is_named_in_vain(&mirror, &[&formulae(4, 1), &next], &what);
            // The lease of a shard that a dead function had is over after a minute.
            mirror.pass(minutes(2));
            let second = synced(&mirror, "second").await;
            assert!(second.is_ok(), "{what}, then {second:?}");
            let published_failed = count(&mirror, "Sync Failed");
            if state(&mirror) == SyncState::Failed {
                // One call of the transfer itself failed: that file is reported, and comes the next time.
                assert!(published_failed >= 1, "{what}");
                synced(&mirror, "third").await.unwrap();
            } else {
                assert_eq!(published_failed, 0, "{what}");
            }
            assert_eq!(state(&mirror), SyncState::Completed, "{what}");
            assert_is(&mirror, &next);
            assert!(count(&mirror, "Sync Planned") >= 2, "{what}");
            // One is the first sync's; an event whose answer was lost is published again.
            let completed = count(&mirror, "Sync Completed");
            assert!(
                (2..=3).contains(&completed),
                "{what}: {:?}",
                mirror.detail_types()
            );
            let deleted = mirror.deleted();
            let mut once = deleted.clone();
            once.sort();
            once.dedup();
            assert_eq!(deleted.len(), once.len(), "{what}: {deleted:?}");
            assert_eq!(bottles(&mirror).len(), 4, "{what}");
            let reports = mirror.keys().into_iter();
            let reports = reports.filter(|key| *key == layout::report("second"));
            assert_eq!(reports.count(), 1, "{what}");
            assert!(record(&mirror).outbox.is_empty(), "{what}");
            assert_eq!(
                mirror.downloads().len(),
                1,
                "{what}: {:?}",
                mirror.downloads()
            );
        }
    }
}

#[tokio::test]
async fn tasks_are_started_once_whatever_fails_when_they_are() {
    let calls = {
        let mirror = with_tasks(&formulae(4, 1));
        synced_in_tasks(&mirror, "first").await.unwrap();
        mirror.calls().len()
    };
    for fault in FAULTS {
        for call in 0..calls {
            let mirror = with_tasks(&formulae(4, 1));
            mirror.inject(call, fault);
            let first = synced_in_tasks(&mirror, "first").await;
            mirror.recover();
            mirror.pass(minutes(1));
            let second = synced_in_tasks(&mirror, "first").await;
            let what = format!("{fault:?} at call {call}: {first:?}, then {second:?}");
            assert!(second.is_ok(), "{what}");
            woken(&mirror, "reconcile").await.unwrap();
            assert_eq!(mirror.tasks().len(), 2, "{what}");
            for task in alive(&mirror) {
                task_works(&mirror, &task, None).await;
            }
            woken(&mirror, "done").await.unwrap();
            if state(&mirror) == SyncState::Failed {
                synced(&mirror, "second").await.unwrap();
            }
            assert_is(&mirror, &formulae(4, 1));
            assert_eq!(mirror.downloads().len(), 4, "{what}");
        }
    }
}

#[tokio::test]
async fn a_wake_up_that_fails_at_any_call_is_followed_by_one_that_finishes() {
    let ready = async || {
        let mirror = with_tasks(&formulae(4, 1));
        synced_in_tasks(&mirror, "first").await.unwrap();
        let tasks = alive(&mirror);
        task_works(&mirror, &tasks[0], Some(1)).await;
        task_works(&mirror, &tasks[1], None).await;
        woken(&mirror, "again").await.unwrap();
        for task in alive(&mirror) {
            task_works(&mirror, &task, None).await;
        }
        mirror.forget();
        mirror
    };
    let calls = {
        let mirror = ready().await;
        woken(&mirror, "last").await.unwrap();
        mirror.calls().len()
    };
    assert!(calls >= 15, "{calls}");
    for fault in FAULTS {
        for call in 0..calls {
            let mirror = ready().await;
            mirror.inject(call, fault);
            let first = woken(&mirror, "last").await;
            mirror.recover();
            mirror.pass(minutes(1));
            let second = woken(&mirror, "reconcile").await;
            let what = format!("{fault:?} at call {call}: {first:?}, then {second:?}");
            assert!(second.is_ok(), "{what}");
            assert_eq!(state(&mirror), SyncState::Completed, "{what}");
            assert_is(&mirror, &formulae(4, 1));
            assert!(
                (1..=2).contains(&count(&mirror, "Sync Completed")),
                "{what}"
            );
            assert!(record(&mirror).outbox.is_empty(), "{what}");
            assert_eq!(mirror.tasks().len(), 3, "{what}");
        }
    }
}

#[tokio::test]
async fn every_step_can_be_done_twice() {
    let (mirror, next) = mirror_to_change().await;
    for _ in 0..2 {
        synced(&mirror, "second").await.unwrap();
        woken(&mirror, "wake").await.unwrap();
    }
    assert_is(&mirror, &next);
    assert_eq!(count(&mirror, "Sync Completed"), 2);
    assert_eq!(mirror.downloads().len(), 1);
}

/// Clients would see index files of two generations until the next night.
#[tokio::test]
async fn a_copy_that_is_refused_in_the_middle_of_publishing_is_made_by_the_next_wake_up() {
    let copies = {
        let (mirror, _) = mirror_to_change().await;
        synced(&mirror, "second").await.unwrap();
        calls_of(&mirror, "CopyObject")
    };
    assert!(copies.len() >= 2, "{copies:?}");
    for (place, call) in copies.into_iter().enumerate() {
        for class in [ErrorClass::Denied, ErrorClass::Refused] {
            let (mirror, next) = mirror_to_change().await;
            mirror.inject(call, Fault::Fails(class));
            let outcome = synced(&mirror, "second").await;
            if place == 0 {
                // Nothing has been published yet.
                assert_eq!(state(&mirror), SyncState::Failed, "{outcome:?}");
                assert_eq!(mirror.text(INDEX), Some(index_of(&formulae(4, 1))));
                continue;
            }
            outcome.unwrap_err();
            assert_eq!(state(&mirror), SyncState::Publishing);
            assert!(record(&mirror).sync.reason.unwrap().contains("CopyObject"));
            mirror.pass(minutes(1));
            woken(&mirror, "reconcile").await.unwrap();
            assert_eq!(state(&mirror), SyncState::Completed);
            assert_is(&mirror, &next);
        }
    }
}
