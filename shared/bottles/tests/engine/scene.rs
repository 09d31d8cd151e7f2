use std::collections::BTreeSet;

use chrono::Duration;
use longshore_bottles::layout;
use longshore_bottles::ports::Transferrer;
use longshore_bottles::progress::ProgressCounter;
use longshore_bottles::settings::RunnerSettings;
use longshore_bottles::sync::record::{SyncRecord, SyncState};
use longshore_bottles::sync::shard::{self, Taken};
use longshore_bottles::sync::{
    Advanced, Engine, RunOutcome, RunRequest, SyncError, SyncOptions, SyncPlan, advance, plan, run,
};
use longshore_events::longshore::{LongshoreEvent, SyncSource};
use longshore_state::lease::Clock;
use longshore_state::{EventPublisher, Worker};
use longshore_testkit::{FakeFormula, FakeMirror, MIRROR_BUCKET, MIRROR_STACK, bottle_sha256};

pub const INDEX: &str = "api/formula.json";

/// A function that has as much time as it wants.
pub fn runner() -> RunnerSettings {
    RunnerSettings {
        threshold_bytes: 1_000_000,
        time_left: None,
        region: None,
    }
}

/// `count` formulae of this version, each with one bottle.
pub fn formulae(count: u64, version: u64) -> Vec<FakeFormula> {
    (1..=count)
        .map(|number| {
            FakeFormula::new(
                &format!("formula{number}"),
                &format!("{version}.0"),
                version * 1_000 + number,
            )
        })
        .collect()
}

/// Homebrew publishes them and the mirror is made of them.
pub async fn mirrored(formulae: &[FakeFormula]) -> FakeMirror {
    let mirror = FakeMirror::new();
    mirror.publish_index(formulae);
    let outcome = synced(&mirror, "first").await.unwrap();
    assert!(
        matches!(outcome, RunOutcome::Completed { .. }),
        "{outcome:?}"
    );
    assert_is(&mirror, formulae);
    mirror
}

/// The same with a place for tasks, and a threshold below which nothing is.
pub fn with_tasks(formulae: &[FakeFormula]) -> FakeMirror {
    let mirror = FakeMirror::with_tasks();
    mirror.change_settings(|settings| settings.max_tasks = 2);
    mirror.publish_index(formulae);
    mirror
}

pub fn request(options: SyncOptions) -> RunRequest {
    RunRequest {
        source: SyncSource::Schedule,
        requested_at: longshore_testkit::noon(0),
        options,
    }
}

pub async fn synced(mirror: &FakeMirror, id: &str) -> Result<RunOutcome, SyncError> {
    synced_with(mirror, id, &runner(), SyncOptions::default()).await
}

/// A sync that runs in tasks, however small it is.
pub async fn synced_in_tasks(mirror: &FakeMirror, id: &str) -> Result<RunOutcome, SyncError> {
    let options = SyncOptions {
        threshold_bytes: Some(2),
        ..SyncOptions::default()
    };
    synced_with(mirror, id, &runner(), options).await
}

pub async fn synced_with(
    mirror: &FakeMirror,
    id: &str,
    runner: &RunnerSettings,
    options: SyncOptions,
) -> Result<RunOutcome, SyncError> {
    let worker = worker(mirror, id);
    let engine = engine(mirror, runner, &worker);
    run(&engine, MIRROR_STACK, &request(options)).await
}

pub async fn woken(mirror: &FakeMirror, id: &str) -> Result<Advanced, SyncError> {
    let worker = worker(mirror, id);
    advance(&engine(mirror, &runner(), &worker), MIRROR_STACK).await
}

pub async fn planned(mirror: &FakeMirror, options: SyncOptions) -> Result<SyncPlan, SyncError> {
    plan(mirror, mirror, &runner(), MIRROR_STACK, &options).await
}

pub fn engine<'a>(
    mirror: &'a FakeMirror,
    runner: &'a RunnerSettings,
    worker: &'a Worker,
) -> Engine<'a, FakeMirror, FakeMirror, FakeMirror> {
    Engine {
        cloud: mirror,
        source: mirror,
        transferrer: mirror,
        runner,
        worker,
    }
}

pub fn worker(mirror: &FakeMirror, id: &str) -> Worker {
    Worker {
        id: id.to_owned(),
        now: mirror.now(),
    }
}

/// What a task does with the shard of its URL: all of it, or as many items as it lives to do.
pub async fn task_works(mirror: &FakeMirror, task_arn: &str, items: Option<usize>) {
    let task = mirror
        .tasks()
        .into_iter()
        .find(|task| task.task_arn == task_arn)
        .unwrap();
    let key = task
        .shard_url
        .strip_prefix(&format!("s3://{MIRROR_BUCKET}/"))
        .unwrap();
    let (sync_id, number) = shard::of_key(key).unwrap();
    let worker = worker(mirror, task_arn);
    let taken = shard::take(mirror, MIRROR_BUCKET, &sync_id, number, &worker)
        .await
        .unwrap();
    let Taken::Leased(mut lease) = taken else {
        mirror.stop_task(task_arn, "Essential container in task exited (0)");
        return;
    };
    let mut work = shard::items(mirror, MIRROR_BUCKET, &sync_id, number)
        .await
        .unwrap();
    if let Some(items) = items {
        work.truncate(items);
        mirror
            .transfer(MIRROR_BUCKET, work, None, &ProgressCounter::new())
            .await;
        mirror.stop_task(task_arn, "Essential container in task exited (137)");
        return;
    }
    let transferred = mirror
        .transfer(MIRROR_BUCKET, work, None, &ProgressCounter::new())
        .await;
    let event = shard::finish(mirror, MIRROR_BUCKET, &mut lease, &transferred.report)
        .await
        .unwrap()
        .unwrap();
    mirror.publish(&[event]).await.unwrap();
    mirror.stop_task(task_arn, "Essential container in task exited (0)");
}

/// Where among the calls of a mirror those of an operation are.
pub fn calls_of(mirror: &FakeMirror, operation: &str) -> Vec<usize> {
    let calls = mirror.calls();
    let found = (0..calls.len()).filter(|call| calls[*call] == operation);
    found.collect()
}

/// The tasks that are alive.
pub fn alive(mirror: &FakeMirror) -> Vec<String> {
    mirror
        .tasks()
        .into_iter()
        .filter(|task| task.stopped.is_none())
        .map(|task| task.task_arn)
        .collect()
}

pub fn record(mirror: &FakeMirror) -> SyncRecord {
    serde_json::from_str(&mirror.text(layout::RECORD).unwrap()).unwrap()
}

pub fn state(mirror: &FakeMirror) -> SyncState {
    record(mirror).sync.state
}

/// The bottles that the mirror holds.
pub fn bottles(mirror: &FakeMirror) -> BTreeSet<String> {
    mirror
        .keys()
        .into_iter()
        .filter(|key| layout::is_bottle(key))
        .collect()
}

/// Whether the bottles of `formulae` are there with their manifests.
pub fn holds(mirror: &FakeMirror, formulae: &[FakeFormula]) -> bool {
    formulae.iter().all(|formula| {
        formula
            .bottles
            .iter()
            .all(|(_, content, _)| mirror.sha256(&formula.key()) == Some(bottle_sha256(*content)))
            && mirror.text(&formula.manifest_key()).is_some()
    })
}

/// The mirror is what the index of `formulae` names, and clients see that index.
pub fn assert_is(mirror: &FakeMirror, formulae: &[FakeFormula]) {
    assert!(holds(mirror, formulae), "{:?}", mirror.keys());
    assert_eq!(mirror.text(INDEX).unwrap(), index_of(formulae));
}

/// The index of formulae as Homebrew publishes it.
pub fn index_of(formulae: &[FakeFormula]) -> String {
    let mirror = FakeMirror::new();
    mirror.publish_index(formulae);
    mirror.page(longshore_testkit::INDEX_URL).unwrap()
}

/// The reason of the last event, if it is a failure or a refusal.
pub fn last_reason(mirror: &FakeMirror) -> String {
    match mirror.published().pop() {
        Some(LongshoreEvent::SyncFailed(failed)) => failed.reason,
        Some(LongshoreEvent::SyncRefused(refused)) => refused.reason,
        other => panic!("{other:?}"),
    }
}

pub fn minutes(minutes: i64) -> Duration {
    Duration::minutes(minutes)
}
