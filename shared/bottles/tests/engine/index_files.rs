//! Which index files are published beside the index, and when none is.

use chrono::Duration;
use longshore_bottles::settings::DeletionSettings;
use longshore_bottles::sync::record::SyncState;
use longshore_bottles::sync::verify;
use longshore_bottles::sync::{RunOutcome, SyncOptions};
use longshore_events::longshore::{LongshoreEvent, SyncOutcome};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeFormula, FakeMirror, Fault, INDEX_URL, MIRROR_STACK};

use crate::scene::{
    INDEX, assert_is, bottles, calls_of, formulae, index_of, minutes, mirrored, planned, state,
    synced, woken,
};

fn page(file: &str) -> String {
    INDEX_URL.replace("formula.json", file)
}

fn packages(platform: &str) -> String {
    format!("internal/packages.{platform}.jws.json")
}

/// A signed file that names no package, and differs by `generation`.
fn signed(generation: u32) -> String {
    format!(r#"{{"payload":"{{\"generation\":{generation}}}","signatures":[{{}}]}}"#)
}

fn completed(outcome: RunOutcome) -> SyncOutcome {
    match outcome {
        RunOutcome::Completed { result, .. } => *result,
        other => panic!("{other:?}"),
    }
}

/// One formula with a bottle for macOS 27, and one without.
fn of_macos_27() -> [FakeFormula; 2] {
    let mut wget = FakeFormula::new("wget", "1.25.0", 1);
    let mut old = FakeFormula::new("oldie", "1.0", 4);
    let bottle = |tag: &str, content| (tag.to_owned(), content, 1_000);
    wget.bottles = vec![
        bottle("arm64_golden_gate", 1),
        bottle("arm64_tahoe", 2),
        bottle("arm64_sequoia", 3),
    ];
    old.bottles = vec![bottle("arm64_tahoe", 4), bottle("arm64_sequoia", 5)];
    [old, wget]
}

#[tokio::test]
async fn a_new_macos_gets_its_index_file_and_what_brew_pours_there() {
    let tags = ["arm64_golden_gate", "arm64_tahoe", "arm64_sequoia"];
    for selected in [vec![], vec!["arm64_golden_gate".to_owned()]] {
        let mirror = FakeMirror::new();
        mirror.change_settings(|settings| settings.selection.platforms = selected.clone());
        mirror.publish_index(&of_macos_27());
        for tag in tags {
            mirror.set_page(&page(&packages(tag)), &signed(1));
        }
        let result = completed(synced(&mirror, "first").await.unwrap());
        let published = format!("api/{}", packages("arm64_golden_gate"));
        assert!(mirror.text(&published).is_some(), "{:?}", mirror.keys());
        // Of both formulae there is what that macOS pours.
        for key in [
            "wget-1.25.0.arm64_golden_gate.bottle.tar.gz",
            "oldie-1.0.arm64_tahoe.bottle.tar.gz",
        ] {
            assert!(bottles(&mirror).contains(key), "{:?}", mirror.keys());
        }
        assert_eq!(
            bottles(&mirror).len(),
            if selected.is_empty() { 5 } else { 2 }
        );
        assert_eq!(result.warnings, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_macos_without_a_file_yet_gets_that_of_the_newest_before_it_and_that_is_reported() {
    let mirror = FakeMirror::new();
    mirror.change_settings(|settings| {
        settings.selection.platforms = vec!["arm64_golden_gate".to_owned()];
    });
    mirror.publish_index(&of_macos_27());
    mirror.set_page(&page(&packages("arm64_tahoe")), &signed(1));
    let result = completed(synced(&mirror, "first").await.unwrap());
    assert!(
        mirror
            .text(&format!("api/{}", packages("arm64_tahoe")))
            .is_some()
    );
    let [warning] = result.warnings.as_slice() else {
        panic!("{result:?}");
    };
    assert!(
        warning.contains("no internal/packages.arm64_golden_gate"),
        "{warning}"
    );
    assert!(warning.contains("that of arm64_tahoe"), "{warning}");
}

#[tokio::test]
async fn a_named_platform_that_brew_6_cannot_use_is_reported() {
    let mirror = FakeMirror::new();
    mirror.change_settings(|settings| {
        settings.selection.platforms = vec!["arm64_tahoe".to_owned()];
    });
    mirror.publish_index(&formulae(2, 1));
    let result = completed(synced(&mirror, "first").await.unwrap());
    assert!(!result.is_clean());
    assert!(
        result.warnings[0].contains("no brew 6 or later can use this mirror's index there"),
        "{result:?}"
    );
    let Some(LongshoreEvent::SyncCompleted(published)) = mirror.published().pop() else {
        panic!("{:?}", mirror.detail_types());
    };
    assert_eq!(published.outcome.warnings, result.warnings);
}

#[tokio::test]
async fn a_new_platform_of_the_index_without_a_file_is_reported() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&of_macos_27());
    for tag in ["arm64_tahoe", "arm64_sequoia"] {
        mirror.set_page(&page(&packages(tag)), &signed(1));
    }
    let result = completed(synced(&mirror, "first").await.unwrap());
    let [warning] = result.warnings.as_slice() else {
        panic!("{result:?}");
    };
    assert!(
        warning.contains("packages.arm64_golden_gate.jws.json"),
        "{warning}"
    );
}

#[tokio::test]
async fn packages_of_another_generation_are_never_published() {
    let mirror = mirrored(&formulae(3, 1)).await;
    mirror.publish_index(&formulae(3, 2));
    let other = format!(
        r#"{{"payload":"{{\"formulae\":{{\"formula1\":{{\"stable_version\":\"3.0\",\"bottle_checksums\":[{{\"cellar\":\"any\",\"all\":\"{:064x}\"}}]}}}}}}","signatures":[{{"signature":"c2lnbmVk"}}]}}"#,
        3_001
    );
    let file = packages("arm64_tahoe");
    for wrong in [other.as_str(), "", "<html>502</html>", "{}"] {
        mirror.set_page(&page(&file), wrong);
        let error = synced(&mirror, "second").await.unwrap_err().to_string();
        assert!(error.contains(&format!("index file {file}: ")), "{error}");
        assert_eq!(mirror.text(&format!("api/{file}")), None, "{wrong}");
        assert_eq!(
            mirror.text(INDEX).unwrap(),
            index_of(&formulae(3, 1)),
            "{wrong}"
        );
    }
    let right = other.replace(&format!("{:064x}", 3_001), &format!("{:064x}", 2_001));
    mirror.set_page(&page(&file), &right);
    completed(synced(&mirror, "third").await.unwrap());
    assert_is(&mirror, &formulae(3, 2));
    assert_eq!(mirror.text(&format!("api/{file}")).unwrap(), right);
}

#[tokio::test]
async fn an_index_file_that_is_refused_once_keeps_the_old_generation_whole_and_is_asked_for_again()
{
    for class in [
        ErrorClass::Refused,
        ErrorClass::Denied,
        ErrorClass::NotFound,
    ] {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(2, 1));
        let file = packages("arm64_tahoe");
        mirror.set_page(&page(&file), &signed(1));
        completed(synced(&mirror, "first").await.unwrap());
        mirror.publish_index(&formulae(2, 2));
        mirror.set_page(&page(&file), &signed(2));
        mirror.fail_page(&page(&file), Some(class));
        synced(&mirror, "second").await.unwrap_err();
        assert_eq!(mirror.text(INDEX).unwrap(), index_of(&formulae(2, 1)));
        mirror.fail_page(&page(&file), None);
        mirror.pass(minutes(6));
        woken(&mirror, "later").await.unwrap();
        assert_eq!(state(&mirror), SyncState::Completed);
        assert_is(&mirror, &formulae(2, 2));
        assert_eq!(mirror.text(&format!("api/{file}")).unwrap(), signed(2));
    }
}

#[tokio::test]
async fn a_file_that_its_source_has_stopped_publishing_is_withdrawn_after_days() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(2, 1));
    let (new, old) = (packages("arm64_tahoe"), packages("catalina"));
    mirror.set_page(&page(&new), &signed(1));
    mirror.set_page(&page(&old), &signed(1));
    completed(synced(&mirror, "first").await.unwrap());
    mirror.publish_index(&formulae(2, 2));
    mirror.fail_page(&page(&old), Some(ErrorClass::NotFound));
    for day in 0..3 {
        let error = synced(&mirror, &format!("day{day}")).await.unwrap_err();
        assert!(error.to_string().contains(&old), "{error}");
        mirror.pass(Duration::days(1));
    }
    completed(synced(&mirror, "last").await.unwrap());
    assert_is(&mirror, &formulae(2, 2));
    assert_eq!(mirror.text(&format!("api/{old}")), None);
    assert!(mirror.text(&format!("api/{new}")).is_some());
}

#[tokio::test]
async fn several_files_that_are_no_longer_published_are_withdrawn_together() {
    for class in [ErrorClass::NotFound, ErrorClass::Denied] {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(2, 1));
        let old = ["mojave", "catalina", "big_sur"].map(packages);
        mirror.set_page(&page(&packages("arm64_tahoe")), &signed(1));
        for file in &old {
            mirror.set_page(&page(file), &signed(1));
        }
        completed(synced(&mirror, "first").await.unwrap());
        for file in &old {
            assert!(mirror.text(&format!("api/{file}")).is_some(), "{file}");
        }
        mirror.publish_index(&formulae(2, 2));
        for file in &old {
            mirror.fail_page(&page(file), Some(class));
        }
        for day in 0..3 {
            synced(&mirror, &format!("day{day}")).await.unwrap_err();
            mirror.pass(Duration::days(1));
        }
        completed(synced(&mirror, "last").await.unwrap());
        assert_is(&mirror, &formulae(2, 2));
        for file in &old {
            assert_eq!(mirror.text(&format!("api/{file}")), None, "{file}");
        }
    }
}

#[tokio::test]
async fn a_sync_that_fails_does_not_forget_how_long_a_file_was_not_published() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(2, 1));
    let old = packages("catalina");
    mirror.set_page(&page(&old), &signed(1));
    completed(synced(&mirror, "first").await.unwrap());
    let next = formulae(2, 2);
    mirror.publish_index(&next);
    mirror.fail_page(&page(&old), Some(ErrorClass::NotFound));
    synced(&mirror, "day0").await.unwrap_err();
    mirror.pass(Duration::days(3));
    mirror.corrupt(&next[1], 2_002, false);
    let outcome = synced(&mirror, "failing").await.unwrap();
    assert!(matches!(outcome, RunOutcome::Failed { .. }), "{outcome:?}");
    mirror.corrupt(&next[1], 2_002, true);
    completed(synced(&mirror, "last").await.unwrap());
    assert_is(&mirror, &next);
    assert_eq!(mirror.text(&format!("api/{old}")), None);
}

#[tokio::test]
async fn only_a_mirror_all_of_whose_index_files_are_what_they_were_is_unchanged() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(2, 1));
    let file = packages("arm64_tahoe");
    mirror.set_page(&page(&file), &signed(1));
    completed(synced(&mirror, "first").await.unwrap());
    let unchanged = synced(&mirror, "second").await.unwrap();
    assert!(
        matches!(unchanged, RunOutcome::Unchanged { .. }),
        "{unchanged:?}"
    );
    // A cask has changed, and no formula.
    mirror.set_page(&page(&file), &signed(2));
    completed(synced(&mirror, "third").await.unwrap());
    assert_eq!(mirror.text(&format!("api/{file}")).unwrap(), signed(2));
    // A file that was not there is.
    let casks = r#"{"payload":"[]","signatures":[{}]}"#;
    mirror.set_page(&page("cask.jws.json"), casks);
    completed(synced(&mirror, "fourth").await.unwrap());
    assert_eq!(mirror.text("api/cask.jws.json").unwrap(), casks);
    let unchanged = synced(&mirror, "fifth").await.unwrap();
    assert!(
        matches!(unchanged, RunOutcome::Unchanged { .. }),
        "{unchanged:?}"
    );
}

#[tokio::test]
async fn files_of_platforms_that_are_no_longer_selected_are_withdrawn() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(2, 1));
    for tag in ["arm64_tahoe", "arm64_sequoia"] {
        mirror.set_page(&page(&packages(tag)), &signed(1));
    }
    completed(synced(&mirror, "first").await.unwrap());
    mirror.change_settings(|settings| {
        settings.selection.platforms = vec!["arm64_tahoe".to_owned()];
    });
    completed(synced(&mirror, "second").await.unwrap());
    assert!(
        mirror
            .text(&format!("api/{}", packages("arm64_tahoe")))
            .is_some()
    );
    assert_eq!(
        mirror.text(&format!("api/{}", packages("arm64_sequoia"))),
        None
    );
}

#[tokio::test]
async fn an_index_file_that_s3_refuses_to_delete_keeps_no_other_back_and_its_bottles_stay() {
    let new = async || {
        let mirror = mirrored(&formulae(4, 1)).await;
        mirror.put(&format!("api/{}", packages("catalina")), &signed(1));
        mirror.change_settings(|settings| {
            settings.selection.platforms = vec!["all".to_owned()];
            settings.deletion = Some(DeletionSettings {
                grace_days: 0,
                max_files: 10,
                max_share_percent: 100,
            });
        });
        mirror.publish_index(&formulae(4, 2));
        mirror.forget();
        mirror
    };
    let twin = new().await;
    completed(synced(&twin, "second").await.unwrap());
    assert_eq!(bottles(&twin).len(), 4);
    let deletions = calls_of(&twin, "DeleteObjects");
    let mirror = new().await;
    mirror.inject(deletions[1], Fault::Fails(ErrorClass::Denied));
    let result = completed(synced(&mirror, "second").await.unwrap());
    assert!(result.deletion_refused.unwrap().contains("DeleteObjects"));
    assert_is(&mirror, &formulae(4, 2));
    assert_eq!(bottles(&mirror).len(), 8);
}

#[tokio::test]
async fn a_manifest_that_was_refused_is_reported_and_asked_for_by_every_sync_until_it_is_there() {
    let mirror = FakeMirror::new();
    let all = formulae(3, 1);
    mirror.publish_index(&all);
    mirror.set_page(&page(&packages("arm64_tahoe")), &signed(1));
    mirror.fail_manifest(&all[1], Some(ErrorClass::Denied));
    let result = completed(synced(&mirror, "first").await.unwrap());
    assert_eq!(result.missing_manifests, 1);
    assert!(!result.is_clean());
    assert!(
        !verify(&mirror, &mirror, MIRROR_STACK)
            .await
            .unwrap()
            .is_right()
    );
    // The index is the same: the manifest is asked for all the same.
    let result = completed(synced(&mirror, "second").await.unwrap());
    assert_eq!(result.missing_manifests, 1);
    mirror.fail_manifest(&all[1], None);
    let result = completed(synced(&mirror, "third").await.unwrap());
    assert_eq!(result.missing_manifests, 0);
    assert!(result.is_clean(), "{result:?}");
    assert_is(&mirror, &all);
    assert!(
        verify(&mirror, &mirror, MIRROR_STACK)
            .await
            .unwrap()
            .is_right()
    );
    let unchanged = synced(&mirror, "fourth").await.unwrap();
    assert!(
        matches!(unchanged, RunOutcome::Unchanged { .. }),
        "{unchanged:?}"
    );
}

#[tokio::test]
async fn a_source_without_any_manifest_is_not_taken_for_a_complete_mirror() {
    let mirror = FakeMirror::new();
    let all = formulae(25, 1);
    mirror.publish_index(&all);
    for formula in &all {
        mirror.fail_manifest(formula, Some(ErrorClass::NotFound));
    }
    let result = completed(synced(&mirror, "first").await.unwrap());
    assert_eq!(result.missing_manifests, 25);
    for formula in &all {
        mirror.fail_manifest(formula, None);
    }
    let result = completed(synced(&mirror, "second").await.unwrap());
    assert_eq!(result.missing_manifests, 0);
    assert_is(&mirror, &all);
}

#[tokio::test]
async fn a_manifest_that_somebody_deleted_comes_back_after_the_next_index() {
    let all = formulae(3, 1);
    let mirror = mirrored(&all).await;
    mirror.remove(&all[0].manifest_key());
    let mut next = formulae(4, 1);
    mirror.publish_index(&next);
    // The listing at its end shows that it is missing; the sync after it transfers it.
    let result = completed(synced(&mirror, "second").await.unwrap());
    assert_eq!(result.missing_manifests, 1);
    completed(synced(&mirror, "third").await.unwrap());
    assert_is(&mirror, &next);
    next.clear();
}

#[tokio::test]
async fn a_refused_deletion_is_reported_with_its_reason() {
    let mirror = FakeMirror::new();
    mirror.change_settings(|settings| {
        settings.deletion = Some(DeletionSettings {
            grace_days: 0,
            max_files: 1,
            max_share_percent: 100,
        });
    });
    mirror.publish_index(&formulae(6, 1));
    synced(&mirror, "first").await.unwrap();
    let mut rest = formulae(6, 1);
    rest.truncate(3);
    mirror.publish_index(&rest);
    let result = completed(synced(&mirror, "second").await.unwrap());
    let reason = result.deletion_refused.clone().unwrap();
    assert!(reason.contains('3'), "{reason}");
    assert!(!result.is_clean());
    let published = mirror.published();
    let planned_event = published.iter().rev().find_map(|event| match event {
        LongshoreEvent::SyncPlanned(planned) => Some(planned),
        _ => None,
    });
    assert_eq!(
        planned_event.unwrap().deletion_refused,
        Some(reason.clone())
    );
    let plan = planned(&mirror, SyncOptions::default()).await.unwrap();
    assert_eq!(plan.deletion_refused, Some(reason));
}

#[tokio::test]
async fn the_rubies_that_brews_pin_are_there_under_each_path_whatever_is_selected() {
    let mirror = FakeMirror::new();
    mirror.change_settings(|settings| {
        settings.portable_ruby = Some(vec!["4.0.5_1".to_owned(), "3.3.8".to_owned()]);
        settings.selection.formulae = vec!["formula1".to_owned()];
        settings.selection.platforms = vec!["x86_64_linux".to_owned()];
        settings.registry_layout = true;
    });
    mirror.publish_index(&formulae(2, 1));
    let mut ruby = FakeFormula::new("portable-ruby", "4.0.5_1", 0);
    ruby.bottles = vec![
        ("arm64_big_sur".to_owned(), 71, 1_000),
        ("x86_64_linux".to_owned(), 72, 1_000),
    ];
    mirror.publish_bottles(&ruby);
    let result = completed(synced(&mirror, "first").await.unwrap());
    let file = "portable-ruby-4.0.5_1.x86_64_linux.bottle.tar.gz";
    let blob = format!(
        "v2/homebrew/core/portable-ruby/blobs/sha256:{}",
        longshore_testkit::bottle_sha256(72)
    );
    for key in [file, &format!("bottles-portable-ruby/{file}"), &blob] {
        assert!(mirror.sha256(key).is_some(), "{key}: {:?}", mirror.keys());
    }
    assert!(mirror.text(&ruby.manifest_key()).is_some());
    // Nobody here asks for that of a Mac.
    assert!(
        !mirror
            .keys()
            .iter()
            .any(|key| key.contains("arm64_big_sur"))
    );
    // The other one cannot be had: that is reported, and asked about again.
    assert!(
        result.warnings[0].starts_with("portable-ruby 3.3.8 cannot be had"),
        "{result:?}"
    );
    let mut old = FakeFormula::new("portable-ruby", "3.3.8", 0);
    old.bottles = vec![("x86_64_linux".to_owned(), 73, 1_000)];
    mirror.publish_bottles(&old);
    let result = completed(synced(&mirror, "second").await.unwrap());
    assert!(result.is_clean(), "{result:?}");
    assert!(
        mirror
            .sha256("portable-ruby-3.3.8.x86_64_linux.bottle.tar.gz")
            .is_some()
    );
    assert_eq!(mirror.downloads().len(), 3);
    assert!(
        verify(&mirror, &mirror, MIRROR_STACK)
            .await
            .unwrap()
            .is_right()
    );
    let unchanged = synced(&mirror, "third").await.unwrap();
    assert!(
        matches!(unchanged, RunOutcome::Unchanged { .. }),
        "{unchanged:?}"
    );
}

#[tokio::test]
async fn rubies_that_an_index_without_homebrew_s_registry_cannot_give_are_reported() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(2, 1));
    let index = mirror.page(INDEX_URL).unwrap();
    let root = r#""root_url":"https://ghcr.io/v2/homebrew/core""#;
    assert!(index.contains(root), "{index}");
    let elsewhere = index.replace(root, r#""root_url":"https://ghcr.io/v2/acme/tools""#);
    mirror.set_page(INDEX_URL, &elsewhere);
    mirror.set_signed(&elsewhere);
    let rubies = ["4.0.5_1", "3.3.8"].map(str::to_owned);
    mirror.change_settings(|settings| settings.portable_ruby = Some(rubies.to_vec()));
    let plan = planned(&mirror, SyncOptions::default()).await.unwrap();
    for ruby in rubies {
        let warnings = plan.warnings.iter();
        let published =
            warnings.filter(|warning| warning.contains(&format!("portable-ruby {ruby} ")));
        assert_eq!(published.count(), 1, "{:?}", plan.warnings);
    }
}

#[tokio::test]
async fn a_source_of_one_s_own_that_has_the_index_alone_is_clean_until_it_had_more() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(2, 1));
    let url = "https://bottles.example.com/api/formula.json";
    let own = |file: &str| url.replace("formula.json", file);
    for platforms in [vec![], vec!["arm64_tahoe".to_owned()]] {
        mirror.change_settings(|settings| {
            settings.index_url = url.to_owned();
            settings.selection.platforms = platforms;
        });
        mirror.set_page(url, &mirror.page(INDEX_URL).unwrap());
        let result = completed(synced(&mirror, "alone").await.unwrap());
        assert!(result.is_clean(), "{result:?}");
    }
    let signed_index = mirror.page(&page("formula.jws.json")).unwrap();
    mirror.set_page(&own("formula.jws.json"), &signed_index);
    mirror.set_page(&own(&packages("arm64_tahoe")), &signed(1));
    let result = completed(synced(&mirror, "with more").await.unwrap());
    assert!(result.is_clean(), "{result:?}");
    for file in ["formula.jws.json", &packages("arm64_tahoe")] {
        mirror.fail_page(&own(file), Some(ErrorClass::NotFound));
    }
    synced(&mirror, "without").await.unwrap_err();
    mirror.pass(Duration::days(3));
    let result = completed(synced(&mirror, "last").await.unwrap());
    let [signed_index, packages] = result.warnings.as_slice() else {
        panic!("{result:?}");
    };
    assert!(signed_index.contains("formula.jws.json"), "{signed_index}");
    assert!(packages.contains("packages.arm64_tahoe"), "{packages}");
}

#[tokio::test]
async fn a_new_mirror_is_not_greeted_by_a_warning() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(2, 1));
    mirror.set_page(&page(&packages("arm64_tahoe")), &signed(1));
    let result = completed(synced(&mirror, "first").await.unwrap());
    assert!(result.is_clean(), "{result:?}");
}

#[tokio::test]
async fn a_verification_sees_an_index_file_of_another_generation() {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(2, 1));
    let file = packages("arm64_tahoe");
    mirror.set_page(&page(&file), &signed(1));
    completed(synced(&mirror, "first").await.unwrap());
    let before = verify(&mirror, &mirror, MIRROR_STACK).await.unwrap();
    assert!(before.is_right(), "{before:?}");
    mirror.put(&format!("api/{file}"), "<html>");
    let after = verify(&mirror, &mirror, MIRROR_STACK).await.unwrap();
    assert_eq!(after.wrong_index_files[0].entry, format!("api/{file}"));
    assert!(!after.is_right());
    mirror.remove(&format!("api/{file}"));
    let gone = verify(&mirror, &mirror, MIRROR_STACK).await.unwrap();
    assert!(
        gone.wrong_index_files[0]
            .reason
            .contains("not there any more")
    );
}
