//! What is planned, and what is not to be trusted.

use longshore_bottles::layout;
use longshore_bottles::sync::record::SyncState;
use longshore_bottles::sync::{RunOutcome, SyncError, SyncOptions};
use longshore_events::longshore::{FileCount, RunsOn};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeMirror, Fault, INDEX_URL, bottle_sha256};

use crate::scene::{
    INDEX, assert_is, bottles, formulae, index_of, last_reason, minutes, mirrored, planned, runner,
    state, synced, synced_with, with_tasks, woken,
};

#[tokio::test]
async fn a_plan_says_what_a_sync_would_do_and_changes_nothing() {
    let mirror = mirrored(&formulae(3, 1)).await;
    let mut next = formulae(4, 1);
    next.remove(0);
    mirror.publish_index(&next);
    mirror.forget();
    let before = mirror.keys();
    let plan = planned(&mirror, SyncOptions::default()).await.unwrap();
    assert_eq!((mirror.keys(), mirror.written()), (before, Vec::new()));
    let files = |files| FileCount {
        files,
        bytes: files * 1_000,
        estimated_bytes: 0,
    };
    assert_eq!(
        (plan.new, plan.removed, plan.unchanged),
        (files(1), files(1), files(2))
    );
    assert_eq!(plan.by_platform["all"], files(1));
    assert_eq!(plan.runs_on, RunsOn::Function);
    assert!(plan.registry_layout_in_micro_usd_a_month <= plan.storage_in_micro_usd_a_month);
    assert_eq!(mirror.detail_types().len(), 2);
}

#[tokio::test]
async fn a_plan_says_in_how_many_tasks_it_would_run() {
    let mirror = with_tasks(&formulae(9, 1));
    let options = SyncOptions {
        threshold_bytes: Some(9_000),
        ..SyncOptions::default()
    };
    let plan = planned(&mirror, options).await.unwrap();
    assert_eq!(plan.runs_on, RunsOn::Tasks { tasks: 2 });
    let options = SyncOptions {
        threshold_bytes: Some(9_001),
        ..SyncOptions::default()
    };
    let plan = planned(&mirror, options).await.unwrap();
    assert_eq!(plan.runs_on, RunsOn::Function);
}

#[tokio::test]
async fn an_index_that_is_not_to_be_trusted_is_refused_and_reported_and_nothing_changes() {
    let good = formulae(6, 1);
    let half = index_of(&formulae(2, 1));
    let whole = index_of(&good);
    let bad = [
        ("empty", ""),
        ("no formula", "[]"),
        ("truncated", &whole[..whole.len() / 2]),
        ("a page", "<html>502 Bad Gateway</html>"),
        ("less than half", half.as_str()),
    ];
    for (name, index) in bad {
        let mirror = mirrored(&good).await;
        mirror.set_page(INDEX_URL, index);
        let bottles_before = bottles(&mirror);
        let outcome = synced(&mirror, "second").await.unwrap();
        assert!(
            matches!(outcome, RunOutcome::Refused { .. }),
            "{name}: {outcome:?}"
        );
        assert_eq!(
            mirror.detail_types().last(),
            Some(&"Sync Refused"),
            "{name}"
        );
        assert_eq!(bottles(&mirror), bottles_before, "{name}");
        assert_eq!(mirror.text(INDEX).unwrap(), whole, "{name}");
        mirror.publish_index(&formulae(6, 2));
        synced(&mirror, "third").await.unwrap();
        assert_is(&mirror, &formulae(6, 2));
    }
}

#[tokio::test]
async fn an_index_that_is_not_one_is_asked_for_once_more() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(3, 1));
    mirror.inject_at("Fetch", Fault::Fails(ErrorClass::Refused));
    synced(&mirror, "first").await.unwrap();
    assert_is(&mirror, &formulae(3, 1));
}

/// A source that publishes, or a cache before it, may have none for a while.
#[tokio::test]
async fn an_index_that_is_not_there_is_asked_for_again_for_half_an_hour() {
    for class in [
        ErrorClass::NotFound,
        ErrorClass::Denied,
        ErrorClass::Transient,
    ] {
        for (minutes_out, expected) in [(20, SyncState::Completed), (60, SyncState::Failed)] {
            let mirror = mirrored(&formulae(3, 1)).await;
            mirror.publish_index(&formulae(3, 2));
            mirror.fail_page(INDEX_URL, Some(class));
            let id = format!("{class:?}");
            let error = synced(&mirror, &id).await.unwrap_err().to_string();
            assert!(error.contains(INDEX_URL), "{error}");
            for minute in 1..=40 {
                mirror.pass(minutes(1));
                if minute == minutes_out {
                    mirror.fail_page(INDEX_URL, None);
                }
                let _ = woken(&mirror, &format!("{id}-{minute}")).await;
            }
            assert_eq!(state(&mirror), expected, "{class:?}");
            if expected == SyncState::Failed {
                assert!(last_reason(&mirror).contains(INDEX_URL));
            } else {
                assert_is(&mirror, &formulae(3, 2));
            }
        }
    }
}

#[tokio::test]
async fn a_signed_index_of_another_generation_is_asked_for_again_until_the_source_has_published() {
    let mirror = mirrored(&formulae(3, 1)).await;
    mirror.publish_index(&formulae(3, 2));
    mirror.set_signed(&index_of(&formulae(3, 1)));
    mirror.forget();
    let reason = synced(&mirror, "second").await.unwrap_err().to_string();
    assert!(
        reason.contains("index file formula.jws.json: it is of another generation"),
        "{reason}"
    );
    assert_eq!(mirror.text(INDEX).unwrap(), index_of(&formulae(3, 1)));
    assert!(mirror.downloads().is_empty());
    mirror.publish_index(&formulae(3, 2));
    mirror.pass(minutes(6));
    woken(&mirror, "later").await.unwrap();
    assert_is(&mirror, &formulae(3, 2));
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_is_an_error_and_never_empty() {
    for class in [ErrorClass::Denied, ErrorClass::Transient] {
        let mirror = mirrored(&formulae(3, 1)).await;
        mirror.remove(layout::INVENTORY);
        mirror.publish_index(&formulae(3, 2));
        mirror.forget();
        mirror.inject_at("ListObjectsV2", Fault::Fails(class));
        let outcome = synced(&mirror, "second").await;
        match class {
            ErrorClass::Denied => {
                let outcome = outcome.unwrap();
                assert!(matches!(outcome, RunOutcome::Failed { .. }), "{outcome:?}");
                assert_eq!(mirror.detail_types().last(), Some(&"Sync Failed"));
            }
            _ => assert!(matches!(outcome, Err(SyncError::Call(_))), "{outcome:?}"),
        }
        assert!(mirror.downloads().is_empty());
        assert_eq!(bottles(&mirror).len(), 3);
    }
}

#[tokio::test]
async fn a_missing_or_damaged_inventory_is_made_anew_and_nothing_is_copied_again() {
    for damage in [None, Some("{\"key\": \"formula1")] {
        let mirror = mirrored(&formulae(4, 1)).await;
        match damage {
            Some(damage) => mirror.put(layout::INVENTORY, damage),
            None => mirror.remove(layout::INVENTORY),
        }
        let mut next = formulae(4, 1);
        next.extend(formulae(5, 1).pop());
        mirror.publish_index(&next);
        mirror.forget();
        synced(&mirror, "second").await.unwrap();
        assert_is(&mirror, &next);
        assert_eq!(mirror.downloads().len(), 1);
        let inventory = mirror.text(layout::INVENTORY).unwrap();
        assert_eq!(inventory.lines().count(), 5);
    }
}

#[tokio::test]
async fn a_check_of_the_listing_finds_what_is_missing_and_what_is_another_content() {
    let mirror = mirrored(&formulae(4, 1)).await;
    let all = formulae(4, 1);
    mirror.remove(&all[0].key());
    mirror.put_bottle(&all[1].key(), Some(bottle_sha256(77)), 999);
    mirror.put_bottle(&all[2].key(), None, 998);
    mirror.remove(&all[3].manifest_key());
    mirror.forget();
    let unchecked = synced(&mirror, "second").await.unwrap();
    assert!(
        matches!(unchecked, RunOutcome::Unchanged { .. }),
        "{unchecked:?}"
    );
    let options = SyncOptions {
        check_listing: true,
        ..SyncOptions::default()
    };
    let outcome = synced_with(&mirror, "third", &runner(), options)
        .await
        .unwrap();
    assert!(
        matches!(outcome, RunOutcome::Completed { .. }),
        "{outcome:?}"
    );
    assert_is(&mirror, &all);
    assert_eq!(mirror.downloads().len(), 3);
}

#[tokio::test]
async fn a_first_index_that_has_lost_most_of_what_the_mirror_holds_is_refused() {
    let mirror = mirrored(&formulae(6, 1)).await;
    mirror.remove(layout::RECORD);
    mirror.publish_index(&formulae(1, 1));
    let outcome = synced(&mirror, "anew").await.unwrap();
    assert!(matches!(outcome, RunOutcome::Refused { .. }), "{outcome:?}");
    assert_eq!(bottles(&mirror).len(), 6);
}

#[tokio::test]
async fn a_selection_of_nothing_is_refused() {
    let mirror = mirrored(&formulae(3, 1)).await;
    mirror.change_settings(|settings| settings.selection.formulae = vec!["none*".to_owned()]);
    let outcome = synced(&mirror, "second").await.unwrap();
    let RunOutcome::Refused { reason } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(reason.contains("selects none"), "{reason}");
}
