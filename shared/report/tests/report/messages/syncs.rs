//! Messages of syncs, and of lists of files.

use longshore_events::longshore::{
    LongshoreEvent, RunsOn, SyncShardCompleted, SyncSource, SyncUnchanged,
};
use longshore_report::{Console, transfer_message};

use super::scene::{
    after, message, sync, sync_completed, sync_failed, sync_planned, sync_progressed, sync_refused,
    texts, transfer, transfer_failure,
};

#[test]
fn a_sync_that_is_planned() {
    insta::assert_json_snapshot!(message(&sync_planned(
        SyncSource::Manual {
            note: Some("before the release of macOS".to_owned()),
            by: None,
        },
        RunsOn::Tasks { tasks: 4 },
        2
    )));
}

#[test]
fn a_sync_that_is_planned_without_tasks_and_deletes_nothing() {
    let reported = message(&sync_planned(SyncSource::Schedule, RunsOn::Function, 0));
    assert_eq!(
        reported.text,
        "📦 Sync planned: homebrew-bottles-prod: 1,204 files, about 12.3 GB to transfer; in one \
         process, without a task"
    );
    let reported = texts(&reported).join("\n");
    assert!(reported.contains("*To delete:* 0 files"), "{reported}");
    assert!(!reported.contains("will be deleted"), "{reported}");
}

#[test]
fn of_what_will_be_deleted_the_first_are_named_and_the_rest_is_counted() {
    let reported = texts(&message(&sync_planned(
        SyncSource::Schedule,
        RunsOn::Function,
        1_500,
    )))
    .join("\n");
    assert!(
        reported.contains("• `old-1.0_19.sonoma.bottle.tar.gz`"),
        "{reported}"
    );
    assert!(reported.contains("… and 1,480 more"), "{reported}");
}

#[test]
fn what_a_completed_sync_did_without_stands_in_its_headline_and_in_its_facts() {
    let mut event = sync_completed();
    let LongshoreEvent::SyncCompleted(completed) = &mut event else {
        panic!("{event:?}");
    };
    completed.outcome.missing_manifests = 2;
    completed.outcome.deletion_refused = Some("the index lost half of its files".to_owned());
    completed.outcome.warnings = vec!["platform `macos` is not known".to_owned()];
    let reported = message(&event);
    assert!(
        reported
            .text
            .starts_with("⚠️ Sync completed with warnings: "),
        "{}",
        reported.text
    );
    let reported = texts(&reported).join("\n");
    for words in [
        "*Missing:* 2 manifests: brew 6 cannot install their formulae",
        "*Nothing is deleted:* the index lost half of its files",
        "• platform `macos` is not known",
    ] {
        assert!(reported.contains(words), "{reported}");
    }
}

#[test]
fn a_sync_that_has_nothing_to_do_is_reported_in_one_short_line() {
    let reported = message(&LongshoreEvent::SyncUnchanged(SyncUnchanged {
        sync: sync(SyncSource::Schedule),
        finished_at: after(1),
    }));
    assert_eq!(
        texts(&reported),
        ["⏭️ Sync unchanged: homebrew-bottles-prod: the mirror already holds what its index names";
            2]
    );
}

#[test]
fn a_long_sync_that_goes_on() {
    insta::assert_json_snapshot!(message(&sync_progressed(0)));
    let reported = texts(&message(&sync_progressed(7))).join("\n");
    assert!(reported.contains("*Given up:* 7 files"), "{reported}");
}

#[test]
fn a_sync_that_completed() {
    insta::assert_json_snapshot!(message(&sync_completed()));
}

#[test]
fn a_sync_that_failed() {
    insta::assert_json_snapshot!(message(&sync_failed(2)));
}

#[test]
fn of_the_files_that_a_sync_gave_up_the_first_are_named_and_the_rest_is_counted() {
    let reported = texts(&message(&sync_failed(100))).join("\n");
    let listed = reported.matches("• `boost@1.85-1.85.0_").count();
    assert!(listed > 10, "{reported}");
    assert!(
        reported.contains(&format!("… and {} more", 100 - listed)),
        "{reported}"
    );
}

#[test]
fn a_sync_that_was_refused() {
    insta::assert_json_snapshot!(message(&sync_refused()));
}

#[test]
fn the_end_of_a_shard_is_not_posted() {
    let event = LongshoreEvent::SyncShardCompleted(SyncShardCompleted {
        stack: "homebrew-bottles-prod".to_owned(),
        sync_id: "0d9c8a52".to_owned(),
        shard: 1,
        report: transfer(Vec::new()),
    });
    assert_eq!(longshore_report::message(&event, &Console::default()), None);
}

#[test]
fn a_list_of_files_that_a_task_transferred_by_itself() {
    insta::assert_json_snapshot!(transfer_message("assets", &transfer(Vec::new())));
    let missing = transfer_message("assets", &transfer(vec![transfer_failure(3)]));
    assert_eq!(
        missing.text,
        "❌ Files missing: assets: 1 file given up, 1,204 files and 12.3 GB transferred in 3 min 20 s"
    );
    let reported = texts(&missing).join("\n");
    assert!(reported.contains("• `boost@1.85-1.85.0_3."), "{reported}");
    assert!(!reported.contains('✅'), "{reported}");
}
