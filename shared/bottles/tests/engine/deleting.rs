//! What is deleted, and when nothing is.

use chrono::Duration;
use longshore_bottles::layout;
use longshore_bottles::settings::DeletionSettings;
use longshore_bottles::sync::RunOutcome;
use longshore_events::longshore::LongshoreEvent;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeFormula, FakeMirror, Fault, bottle_sha256};

use crate::scene::{assert_is, bottles, calls_of, formulae, mirrored, planned, synced};

async fn deleting(grace_days: u32, count: u64) -> FakeMirror {
    let mirror = mirrored(&formulae(count, 1)).await;
    mirror.change_settings(|settings| {
        settings.deletion = Some(DeletionSettings {
            grace_days,
            max_files: 3,
            max_share_percent: 50,
        });
    });
    mirror
}

/// `count` formulae; the first `changed` have a new version.
fn changed(count: u64, changed: u64) -> Vec<FakeFormula> {
    let mut all = formulae(count, 1);
    for (place, formula) in formulae(changed, 2).into_iter().enumerate() {
        all[place] = formula;
    }
    all
}

#[tokio::test]
async fn what_is_gone_is_deleted_when_its_grace_time_is_over_although_the_index_is_the_same() {
    let mirror = deleting(7, 6).await;
    let next = changed(6, 2);
    mirror.publish_index(&next);
    synced(&mirror, "second").await.unwrap();
    mirror.pass(Duration::days(6));
    synced(&mirror, "third").await.unwrap();
    assert_eq!(bottles(&mirror).len(), 8);
    mirror.pass(Duration::days(1));
    mirror.forget();
    let outcome = synced(&mirror, "fourth").await.unwrap();
    let RunOutcome::Completed { result, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(result.deleted, 2);
    assert_eq!(bottles(&mirror).len(), 6);
    assert_is(&mirror, &next);
    let planned = mirror
        .published()
        .into_iter()
        .filter_map(|event| match event {
            LongshoreEvent::SyncPlanned(planned) => Some(planned),
            _ => None,
        })
        .next_back()
        .unwrap();
    assert_eq!(planned.to_delete, 2);
    assert_eq!(planned.deleted_keys.len(), 2);
    assert_eq!(mirror.text(layout::GONE).as_deref(), Some("{}"));
    let inventory = mirror.text(layout::INVENTORY).unwrap();
    assert_eq!(inventory.lines().count(), 6);
}

#[tokio::test]
async fn too_many_at_once_are_refused_and_not_cut() {
    let mirror = deleting(0, 6).await;
    mirror.publish_index(&changed(6, 4));
    let plan = planned(&mirror, Default::default()).await.unwrap();
    assert!(plan.to_delete.is_empty());
    assert!(plan.deletion_refused.is_some());
    synced(&mirror, "second").await.unwrap();
    assert_eq!(bottles(&mirror).len(), 10);
    let report = mirror.text(&layout::report("second")).unwrap();
    assert!(report.contains("nothing is deleted"), "{report}");
}

#[tokio::test]
async fn nothing_is_deleted_when_a_file_could_not_be_brought_over() {
    let mirror = deleting(0, 6).await;
    let next = changed(6, 2);
    mirror.publish_index(&next);
    mirror.corrupt(&next[0], 2_001, false);
    let outcome = synced(&mirror, "second").await.unwrap();
    assert!(matches!(outcome, RunOutcome::Failed { .. }), "{outcome:?}");
    assert_eq!(bottles(&mirror).len(), 7);
    mirror.corrupt(&next[0], 2_001, true);
    synced(&mirror, "third").await.unwrap();
    assert_eq!(bottles(&mirror).len(), 6);
    assert_is(&mirror, &next);
}

#[tokio::test]
async fn the_second_copy_in_the_registry_layout_goes_with_its_file() {
    let mirror = FakeMirror::new();
    mirror.change_settings(|settings| {
        settings.registry_layout = true;
        settings.deletion = Some(DeletionSettings {
            grace_days: 0,
            max_files: 3,
            max_share_percent: 50,
        });
    });
    mirror.publish_index(&formulae(6, 1));
    synced(&mirror, "first").await.unwrap();
    let blobs = |mirror: &FakeMirror| {
        let keys = mirror.keys().into_iter();
        keys.filter(|key| key.contains("/blobs/")).count()
    };
    assert_eq!(blobs(&mirror), 6);
    mirror.publish_index(&changed(6, 2));
    synced(&mirror, "second").await.unwrap();
    assert_eq!((bottles(&mirror).len(), blobs(&mirror)), (6, 6));
    assert_is(&mirror, &changed(6, 2));
    // And so do the manifests, in either place.
    let keys = mirror.keys().into_iter();
    let manifests = keys.filter(|key| key.contains("/manifests/"));
    assert_eq!(manifests.count(), 12);
}

#[tokio::test]
async fn a_bottle_that_a_failed_sync_left_behind_goes_like_any_other() {
    let mirror = deleting(7, 6).await;
    // It had come, and its second copy had not: the next index no longer names it.
    mirror.put_bottle("left-1.0.all.bottle.tar.gz", Some(bottle_sha256(9)), 1_000);
    mirror.put_bottle("foreign-1.0.all.bottle.tar.gz", None, 1_000);
    let next = changed(6, 1);
    mirror.publish_index(&next);
    synced(&mirror, "second").await.unwrap();
    assert_eq!(bottles(&mirror).len(), 9);
    mirror.pass(Duration::days(7));
    synced(&mirror, "third").await.unwrap();
    let bottles = bottles(&mirror);
    assert_eq!(bottles.len(), 7, "{bottles:?}");
    // Nobody knows what this is.
    assert!(bottles.contains("foreign-1.0.all.bottle.tar.gz"));
    assert_is(&mirror, &next);
}

#[tokio::test]
async fn a_deletion_that_s3_refuses_costs_nothing_but_the_deletion() {
    let new = async || {
        let mirror = deleting(0, 6).await;
        mirror.publish_index(&changed(6, 2));
        mirror.forget();
        mirror
    };
    let twin = new().await;
    synced(&twin, "second").await.unwrap();
    let deletions = calls_of(&twin, "DeleteObjects");
    // What the last sync needed while it was under way, and the bottles.
    assert_eq!(deletions.len(), 2);
    for (place, call) in deletions.into_iter().enumerate() {
        let mirror = new().await;
        mirror.inject(call, Fault::Fails(ErrorClass::Denied));
        let outcome = synced(&mirror, "second").await.unwrap();
        let RunOutcome::Completed { result, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_is(&mirror, &changed(6, 2));
        let is_of_bottles = place == 1;
        assert_eq!(result.deletion_refused.is_some(), is_of_bottles);
        assert_eq!(result.deleted, if is_of_bottles { 0 } else { 2 });
        // The next one deletes them.
        synced(&mirror, "third").await.unwrap();
        assert_eq!(bottles(&mirror).len(), 6);
    }
}

#[tokio::test]
async fn an_object_of_somebody_s_that_s3_refuses_to_show_is_left_alone_and_reported() {
    let foreign = "foreign-1.0.all.bottle.tar.gz";
    let new = async || {
        let mirror = deleting(0, 6).await;
        mirror.put_bottle(foreign, Some(bottle_sha256(9)), 1_000);
        mirror.publish_index(&changed(6, 2));
        mirror.forget();
        mirror
    };
    let twin = new().await;
    synced(&twin, "second").await.unwrap();
    let mirror = new().await;
    let look = calls_of(&twin, "HeadObject").pop().unwrap();
    mirror.inject(look, Fault::Fails(ErrorClass::Denied));
    let outcome = synced(&mirror, "second").await.unwrap();
    let RunOutcome::Completed { result, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(result.warnings[0].contains("HeadObject"), "{result:?}");
    assert!(bottles(&mirror).contains(foreign));
    assert_is(&mirror, &changed(6, 2));
}
