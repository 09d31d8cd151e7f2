//! A sync that its function does itself.

use chrono::Duration;
use longshore_bottles::layout;
use longshore_bottles::settings::RunnerSettings;
use longshore_bottles::sync::record::SyncState;
use longshore_bottles::sync::{PublishedIndex, RunOutcome, SyncOptions, advance, status, verify};
use longshore_events::longshore::LongshoreEvent;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeFormula, FakeMirror, Fault, INDEX_URL, MIRROR_STACK, bottle_sha256};

use crate::scene::{
    INDEX, alive, assert_is, bottles, calls_of, engine, formulae, index_of, last_reason, minutes,
    mirrored, record, runner, state, synced, synced_in_tasks, synced_with, task_works, with_tasks,
    woken, worker,
};

#[tokio::test]
async fn an_empty_mirror_gets_every_bottle_its_manifests_and_the_index() {
    let mirror = mirrored(&formulae(3, 1)).await;
    assert_eq!(mirror.detail_types(), ["Sync Planned", "Sync Completed"]);
    assert_eq!(mirror.downloads().len(), 3);
    let verification = verify(&mirror, &mirror, MIRROR_STACK).await.unwrap();
    assert!(verification.is_right(), "{verification:?}");
    assert_eq!(verification.right, 3);
    assert_eq!(verification.index, PublishedIndex::Same);
    let status = status(&mirror, MIRROR_STACK).await.unwrap();
    assert_eq!(status.sync.unwrap().state, SyncState::Completed);
    assert_eq!(status.done.files, 3);
    let report = mirror.text(&layout::report("first")).unwrap();
    assert!(report.contains("\"files\":3"), "{report}");
}

#[tokio::test]
async fn the_index_files_are_published_after_all_they_name_and_the_index_last() {
    let mirror = mirrored(&formulae(3, 1)).await;
    let written = mirror.written();
    let place = |key: &str| written.iter().position(|written| written == key).unwrap();
    let first_index = place("api/formula.jws.json");
    for formula in formulae(3, 1) {
        assert!(place(&formula.key()) < first_index);
        assert!(place(&formula.manifest_key()) < first_index);
    }
    assert!(first_index < place(INDEX));
    let after = &written[place(INDEX) + 1..];
    assert!(
        after.iter().all(|key| key.starts_with(layout::OWN_PREFIX)),
        "{after:?}"
    );
}

#[tokio::test]
async fn an_unchanged_index_costs_one_request_for_each_index_file() {
    let mirror = mirrored(&formulae(3, 1)).await;
    mirror.forget();
    let outcome = synced(&mirror, "second").await.unwrap();
    assert!(
        matches!(outcome, RunOutcome::Unchanged { .. }),
        "{outcome:?}"
    );
    let requests = mirror.requests();
    assert_eq!(requests.first().map(String::as_str), Some(INDEX_URL));
    let once: std::collections::BTreeSet<&String> = requests.iter().collect();
    assert_eq!(once.len(), requests.len());
    assert!(
        requests.iter().all(|url| url.contains("/api/")),
        "{requests:?}"
    );
    assert_eq!(mirror.detail_types().last(), Some(&"Sync Unchanged"));
}

#[tokio::test]
async fn only_what_has_changed_is_brought_over_and_only_its_manifests_are_asked_for() {
    let mirror = mirrored(&formulae(5, 1)).await;
    let mut next = formulae(5, 1);
    next[2] = FakeFormula::new("formula3", "2.0", 2_003);
    mirror.publish_index(&next);
    mirror.forget();
    synced(&mirror, "second").await.unwrap();
    assert_is(&mirror, &next);
    assert_eq!(mirror.downloads(), [next[2].url(2_003)]);
    let manifests = mirror
        .requests()
        .into_iter()
        .filter(|url| url.contains("/manifests/"));
    assert_eq!(manifests.count(), 1);
    let Some(LongshoreEvent::SyncPlanned(planned)) = mirror.published().into_iter().rev().nth(1)
    else {
        panic!("{:?}", mirror.detail_types());
    };
    assert_eq!(
        (planned.new.files, planned.removed, planned.unchanged),
        (1, 1, 4)
    );
    assert_eq!((planned.new.bytes, planned.new.estimated_bytes), (1_000, 0));
    assert_eq!(planned.to_delete, 0);
    // What the index names no more stays: deleting is off where nothing is said.
    assert_eq!(bottles(&mirror).len(), 6);
}

#[tokio::test]
async fn equal_content_is_downloaded_once() {
    let mirror = FakeMirror::new();
    let mut formula = FakeFormula::new("actionlint", "1.7", 7);
    formula.bottles = vec![
        ("arm64_tahoe".to_owned(), 7, 10),
        ("arm64_sequoia".to_owned(), 7, 10),
        ("x86_64_linux".to_owned(), 8, 10),
    ];
    mirror.publish_index(&[formula]);
    synced(&mirror, "first").await.unwrap();
    assert_eq!(mirror.downloads().len(), 2);
    assert_eq!(bottles(&mirror).len(), 3);
    let sequoia = "actionlint-1.7.arm64_sequoia.bottle.tar.gz";
    assert_eq!(mirror.sha256(sequoia), Some(bottle_sha256(7)));
}

#[tokio::test]
async fn the_registry_layout_is_made_of_what_is_there_without_a_download() {
    let mirror = mirrored(&formulae(3, 1)).await;
    mirror.change_settings(|settings| settings.registry_layout = true);
    mirror.forget();
    let outcome = synced(&mirror, "second").await.unwrap();
    assert!(
        matches!(outcome, RunOutcome::Completed { .. }),
        "{outcome:?}"
    );
    assert!(mirror.downloads().is_empty());
    let requests = mirror.requests();
    assert!(
        !requests.iter().any(|url| url.contains("/manifests/")),
        "{requests:?}"
    );
    for formula in formulae(3, 1) {
        let blob = formula.url(formula.bottles[0].1);
        let blob = blob.strip_prefix("https://ghcr.io/").unwrap();
        assert_eq!(
            mirror.sha256(blob),
            Some(bottle_sha256(formula.bottles[0].1))
        );
        let manifest = format!("v2/homebrew/core/{}", formula.manifest_key());
        assert_eq!(mirror.text(&manifest), mirror.text(&formula.manifest_key()));
    }
    let third = synced(&mirror, "third").await.unwrap();
    assert!(matches!(third, RunOutcome::Unchanged { .. }), "{third:?}");
}

#[tokio::test]
async fn a_second_run_is_refused_while_one_runs_and_takes_over_when_its_lease_is_over() {
    let mirror = mirrored(&formulae(3, 1)).await;
    mirror.publish_index(&formulae(3, 2));
    let calls = mirror.calls().len();
    mirror.inject_at("Fetch", Fault::Dies);
    synced(&mirror, "dying").await.unwrap_err();
    assert!(mirror.calls().len() > calls);
    mirror.recover();
    assert_eq!(state(&mirror), SyncState::Planning);
    let refused = synced(&mirror, "other").await.unwrap();
    assert!(matches!(refused, RunOutcome::Refused { .. }), "{refused:?}");
    assert!(last_reason(&mirror).starts_with("sync dying of "));
    assert_eq!(record(&mirror).sync.id, "dying");
    mirror.pass(minutes(1));
    synced(&mirror, "third").await.unwrap();
    assert_is(&mirror, &formulae(3, 2));
    // The one whose planning nobody ended is published as well.
    assert!(
        mirror.detail_types().contains(&"Sync Failed"),
        "{:?}",
        mirror.detail_types()
    );
}

#[tokio::test]
async fn a_planning_that_nobody_resumes_is_published_as_failed() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(3, 1));
    mirror.fail_page(INDEX_URL, Some(ErrorClass::Transient));
    synced(&mirror, "first").await.unwrap_err();
    mirror.pass(minutes(2));
    assert_eq!(woken(&mirror, "early").await.unwrap().outcome, None);
    assert_eq!(state(&mirror), SyncState::Planning);
    mirror.pass(minutes(30));
    woken(&mirror, "late").await.unwrap();
    assert_eq!(mirror.detail_types(), ["Sync Failed"]);
    assert!(last_reason(&mirror).contains("GET https://formulae.brew.sh/api/formula.json"));
}

#[tokio::test]
async fn an_outage_at_the_time_of_the_schedule_is_waited_out_and_what_was_asked_for_is_kept() {
    let formulae = formulae(3, 1);
    let mirror = with_tasks(&formulae);
    mirror.fail_page(INDEX_URL, Some(ErrorClass::Transient));
    synced_in_tasks(&mirror, "first").await.unwrap_err();
    for minute in 0..20 {
        mirror.pass(minutes(1));
        // Every fifth minute it is asked again.
        let _ = woken(&mirror, &format!("wake-{minute}")).await;
        assert_eq!(state(&mirror), SyncState::Planning);
    }
    mirror.fail_page(INDEX_URL, None);
    mirror.pass(minutes(5));
    woken(&mirror, "later").await.unwrap();
    assert_eq!(mirror.detail_types(), ["Sync Planned"]);
    let tasks = alive(&mirror);
    assert_eq!(tasks.len(), 2);
    for task in tasks {
        task_works(&mirror, &task, None).await;
    }
    woken(&mirror, "last").await.unwrap();
    assert_is(&mirror, &formulae);
}

#[tokio::test]
async fn an_outage_is_waited_out_for_as_long_as_the_stack_file_says() {
    for (patience, expected) in [(0, SyncState::Failed), (60, SyncState::Completed)] {
        let mirror = FakeMirror::new();
        mirror.change_settings(|settings| settings.outage_patience_minutes = Some(patience));
        mirror.publish_index(&formulae(3, 1));
        mirror.fail_page(INDEX_URL, Some(ErrorClass::Transient));
        synced(&mirror, "first").await.unwrap_err();
        mirror.fail_page(INDEX_URL, None);
        mirror.pass(minutes(40));
        woken(&mirror, "later").await.unwrap();
        assert_eq!(state(&mirror), expected);
    }
}

#[tokio::test]
async fn the_lease_is_kept_as_long_as_a_transfer_takes() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(60, 1));
    mirror.set_seconds_per_file(10);
    let first = synced(&mirror, "first");
    let second = async {
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
        synced(&mirror, "second").await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(
        matches!(first, Ok(RunOutcome::Completed { .. })),
        "{first:?}"
    );
    assert!(
        matches!(second, Ok(RunOutcome::Refused { .. })),
        "{second:?}"
    );
    assert_eq!(mirror.downloads().len(), 60);
    assert_eq!(
        mirror
            .detail_types()
            .iter()
            .filter(|published| **published == "Sync Completed")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_function_whose_time_is_over_leaves_the_rest_to_the_next_wake_up() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(20, 1));
    mirror.set_seconds_per_file(60);
    let hurried = RunnerSettings {
        time_left: Some(Duration::minutes(15)),
        ..runner()
    };
    let outcome = synced_with(&mirror, "first", &hurried, SyncOptions::default())
        .await
        .unwrap();
    assert!(matches!(outcome, RunOutcome::Running { .. }), "{outcome:?}");
    assert_eq!(mirror.downloads().len(), 14);
    assert_eq!(mirror.text(INDEX), None);
    let advanced = woken(&mirror, "wake").await.unwrap();
    let Some(RunOutcome::Completed { result, .. }) = advanced.outcome else {
        panic!("{advanced:?}");
    };
    assert_eq!(result.transfer.files, 20);
    assert_eq!(mirror.downloads().len(), 20);
    assert_is(&mirror, &formulae(20, 1));
}

#[tokio::test]
async fn a_file_that_cannot_be_had_keeps_the_index_back_and_the_others_stay() {
    let mirror = mirrored(&formulae(3, 1)).await;
    let next = formulae(3, 2);
    mirror.publish_index(&next);
    mirror.corrupt(&next[1], 2_002, false);
    let outcome = synced(&mirror, "second").await.unwrap();
    let RunOutcome::Failed { reason, result, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        reason.starts_with("1 file could not be transferred; the first, formula2-2.0.all"),
        "{reason}"
    );
    assert_eq!(result.transfer.failed, 1);
    assert_eq!(mirror.detail_types().last(), Some(&"Sync Failed"));
    assert_eq!(mirror.text(INDEX).unwrap(), index_of(&formulae(3, 1)));
    assert!(bottles(&mirror).contains(&next[0].key()));
    assert!(!bottles(&mirror).contains(&next[1].key()));
    mirror.corrupt(&next[1], 2_002, true);
    mirror.forget();
    synced(&mirror, "third").await.unwrap();
    assert_is(&mirror, &next);
    assert_eq!(mirror.downloads(), [next[1].url(2_002)]);
}

#[tokio::test]
async fn a_file_that_somebody_deletes_meanwhile_is_not_published() {
    let mirror = mirrored(&formulae(3, 1)).await;
    let mut next = formulae(3, 1);
    next.push(FakeFormula::new("formula4", "1.0", 1_004));
    mirror.publish_index(&next);
    mirror.remove(&next[0].key());
    let outcome = synced(&mirror, "second").await.unwrap();
    assert!(matches!(outcome, RunOutcome::Failed { .. }), "{outcome:?}");
    assert!(last_reason(&mirror).contains("it is not in the bucket any more"));
    assert_eq!(mirror.text(INDEX).unwrap(), index_of(&formulae(3, 1)));
    let third = synced(&mirror, "third").await.unwrap();
    assert!(matches!(third, RunOutcome::Completed { .. }), "{third:?}");
    assert_is(&mirror, &next);
}

#[tokio::test]
async fn while_one_manifest_cannot_be_had_nothing_is_planned() {
    for count in [1, 3, 40] {
        let mirror = FakeMirror::new();
        let formulae = formulae(count, 1);
        mirror.publish_index(&formulae);
        // The last one of those in the order of their keys.
        let failing = &formulae[formulae.len().min(9) - 1];
        mirror.fail_manifest(failing, Some(ErrorClass::Transient));
        let error = synced(&mirror, "first").await.unwrap_err().to_string();
        assert!(error.contains(&failing.manifest_key()), "{error}");
        assert_eq!(state(&mirror), SyncState::Planning);
        mirror.fail_manifest(failing, None);
        mirror.forget();
        mirror.pass(minutes(6));
        woken(&mirror, "later").await.unwrap();
        assert_is(&mirror, &formulae);
        // Those that are there already are not asked for again.
        let requests = mirror.requests().into_iter();
        let asked = requests.filter(|url| url.contains("/manifests/")).count();
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn a_manifest_that_cannot_be_had_for_half_an_hour_fails_the_sync_with_the_reason() {
    let mirror = FakeMirror::new();
    let formulae = formulae(3, 1);
    mirror.publish_index(&formulae);
    mirror.fail_manifest(&formulae[1], Some(ErrorClass::Transient));
    synced(&mirror, "first").await.unwrap_err();
    for minute in 1..=36 {
        mirror.pass(minutes(1));
        let _ = woken(&mirror, &format!("wake-{minute}")).await;
    }
    assert_eq!(state(&mirror), SyncState::Failed);
    let reason = last_reason(&mirror);
    assert!(reason.contains("formula2/manifests/1.0"), "{reason}");
    assert_eq!(mirror.text(INDEX), None);
    mirror.fail_manifest(&formulae[1], None);
    synced(&mirror, "second").await.unwrap();
    assert_is(&mirror, &formulae);
}

#[tokio::test]
async fn a_manifest_that_does_not_exist_is_a_warning_and_its_bottles_size_an_estimate() {
    let mirror = FakeMirror::new();
    let formulae = formulae(2, 1);
    mirror.publish_index(&formulae);
    mirror.fail_manifest(&formulae[1], Some(ErrorClass::NotFound));
    let outcome = synced(&mirror, "first").await.unwrap();
    assert!(
        matches!(outcome, RunOutcome::Completed { .. }),
        "{outcome:?}"
    );
    let Some(LongshoreEvent::SyncPlanned(planned)) = mirror.published().into_iter().next() else {
        panic!("{:?}", mirror.detail_types());
    };
    assert!(planned.new.estimated_bytes > 0);
    let report = mirror.text(&layout::report("first")).unwrap();
    assert!(
        report.contains("manifest formula2/manifests/1.0"),
        "{report}"
    );
    // The inventory has the size that the bucket gives.
    let inventory = mirror.text(layout::INVENTORY).unwrap();
    assert!(!inventory.contains("estimated"), "{inventory}");
}

#[tokio::test]
async fn a_sync_of_which_no_invocation_brings_anything_ends() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(1, 1));
    mirror.set_seconds_per_file(3_600);
    let runner = RunnerSettings {
        time_left: Some(Duration::minutes(15)),
        ..runner()
    };
    synced_with(&mirror, "first", &runner, SyncOptions::default())
        .await
        .unwrap();
    let mut wakes = 0;
    while state(&mirror) == SyncState::Transferring {
        // As long as an invocation takes until it gives up.
        mirror.pass(minutes(14));
        let worker = worker(&mirror, &format!("wake{wakes}"));
        advance(&engine(&mirror, &runner, &worker), MIRROR_STACK)
            .await
            .unwrap();
        wakes += 1;
        assert!(wakes < 10);
    }
    assert_eq!(state(&mirror), SyncState::Failed);
    let reason = last_reason(&mirror);
    // With what kept it from it.
    let expected =
        "without having got further; the last one with formula1-1.0.all.bottle.tar.gz: it is late";
    assert!(reason.contains(expected), "{reason}");
}

/// Completes a sync whose invocations get no further; gives how many minutes that took.
async fn minutes_until_given_up(mirror: &FakeMirror) -> i64 {
    mirror.set_seconds_per_file(3_600);
    let runner = RunnerSettings {
        time_left: Some(Duration::minutes(15)),
        ..runner()
    };
    synced_with(mirror, "first", &runner, SyncOptions::default())
        .await
        .unwrap();
    let mut passed = 0;
    while state(mirror) == SyncState::Transferring {
        mirror.pass(minutes(14));
        passed += 14;
        let worker = worker(mirror, &format!("wake{passed}"));
        advance(&engine(mirror, &runner, &worker), MIRROR_STACK)
            .await
            .unwrap();
        assert!(passed < 600);
    }
    passed
}

#[tokio::test]
async fn a_function_waits_an_outage_out_for_as_long_as_the_stack_file_says() {
    for (patience, expected) in [(30, 42..=42), (240, 240..=254)] {
        let mirror = FakeMirror::new();
        mirror.change_settings(|settings| settings.outage_patience_minutes = Some(patience));
        mirror.publish_index(&formulae(1, 1));
        let passed = minutes_until_given_up(&mirror).await;
        assert!(expected.contains(&passed), "{patience}: {passed} min");
    }
}

#[tokio::test]
async fn a_function_that_loses_its_lease_has_got_as_far_as_it_said() {
    let new = || {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(20, 1));
        mirror.set_seconds_per_file(10);
        mirror
    };
    let transfers = {
        let mirror = new();
        synced(&mirror, "first").await.unwrap();
        calls_of(&mirror, "Transfer")
    };
    // In the middle of the transfer the process is gone.
    let mirror = new();
    mirror.inject(transfers[11], Fault::Dies);
    synced(&mirror, "first").await.unwrap_err();
    mirror.recover();
    let status = status(&mirror, MIRROR_STACK).await.unwrap();
    assert!(status.done.files >= 5, "{:?}", status.done);
}
