use std::cell::RefCell;
use std::path::Path;

use longshore_events::longshore::LongshoreEvent;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeFormula, FakeMirror, Fault, MIRROR_STACK, noon};

use super::*;

/// A sample of `events/sync`, about the mirror of these tests.
fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../events/sync")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text.replace("homebrew-bottles-sync-prod", MIRROR_STACK)).unwrap()
}

fn invocation(id: &str) -> Invocation {
    Invocation {
        request_id: id.to_owned(),
        remaining: std::time::Duration::from_secs(900),
    }
}

async fn send(mirror: &FakeMirror, id: &str, payload: &Value) -> Result<Value, Failure> {
    let function = Function {
        cloud: mirror,
        connect: |_: &MirrorSettings| Ok((mirror, mirror)),
        threshold_bytes: 1_000_000_000,
        region: None,
    };
    handle(&function, payload, &invocation(id), mirror.time()).await
}

fn formulae(count: u64) -> Vec<FakeFormula> {
    (1..=count)
        .map(|number| FakeFormula::new(&format!("formula{number}"), "1.0", number))
        .collect()
}

fn mirror(count: u64) -> FakeMirror {
    let mirror = FakeMirror::new();
    mirror.publish_index(&formulae(count));
    mirror
}

fn in_tasks(count: u64) -> FakeMirror {
    let mirror = FakeMirror::with_tasks();
    mirror.publish_index(&formulae(count));
    mirror
}

/// A payload that asks for a sync in tasks, however small it is.
fn run_in_tasks() -> Value {
    json!({"action": "run", "stack": MIRROR_STACK, "threshold_bytes": 2})
}

#[tokio::test]
async fn the_schedule_of_a_stack_syncs_its_mirror() {
    let mirror = mirror(3);
    let answer = send(&mirror, "request-1", &sample("schedule-run.json"))
        .await
        .unwrap();
    assert_eq!(answer["outcome"], "completed", "{answer}");
    assert_eq!(answer["sync_id"], "request-1");
    assert_eq!(answer["result"]["transfer"]["files"], 3);
    assert!(mirror.keys().contains(&"api/formula.json".to_owned()));
    assert_eq!(mirror.detail_types(), ["Sync Planned", "Sync Completed"]);
    let again = send(&mirror, "request-2", &sample("schedule-run.json"))
        .await
        .unwrap();
    assert_eq!(again["outcome"], "unchanged", "{again}");
}

#[tokio::test]
async fn who_asked_and_when_is_reported() {
    let mirror = mirror(1);
    send(&mirror, "request-1", &sample("schedule-run.json"))
        .await
        .unwrap();
    mirror.publish_index(&formulae(2));
    send(
        &mirror,
        "request-2",
        &json!({"action": "run", "stack": MIRROR_STACK, "note": "before the release"}),
    )
    .await
    .unwrap();
    let asked: Vec<(SyncSource, DateTime<Utc>)> = mirror
        .published()
        .into_iter()
        .filter_map(|event| match event {
            LongshoreEvent::SyncPlanned(planned) => {
                Some((planned.sync.source, planned.sync.requested_at))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        asked,
        [
            (
                SyncSource::Schedule,
                "2026-11-20T03:00:00Z".parse().unwrap()
            ),
            (
                SyncSource::Manual {
                    note: Some("before the release".to_owned()),
                    by: None,
                },
                noon(0)
            ),
        ]
    );
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let mirror = mirror(3);
    let answer = send(&mirror, "request-1", &sample("request-plan.json"))
        .await
        .unwrap();
    assert_eq!(answer["new"]["files"], 3, "{answer}");
    assert_eq!(answer["runs_on"]["kind"], "function");
    assert!(mirror.written().is_empty());
    assert!(mirror.detail_types().is_empty());
}

#[tokio::test]
async fn the_status_and_a_verification_are_answers() {
    let mirror = mirror(2);
    let verify = sample("request-verify.json");
    let before = send(&mirror, "request-1", &verify).await.unwrap();
    assert_eq!(before["is_right"], false, "{before}");
    assert_eq!(before["missing"].as_array().unwrap().len(), 2);
    send(&mirror, "request-2", &sample("schedule-run.json"))
        .await
        .unwrap();
    let after = send(&mirror, "request-3", &verify).await.unwrap();
    assert_eq!(after["is_right"], true, "{after}");
    let status = send(&mirror, "request-4", &sample("request-status.json"))
        .await
        .unwrap();
    assert_eq!(status["sync"]["state"], "completed", "{status}");
    assert_eq!(status["sync"]["id"], "request-2");
}

#[tokio::test]
async fn a_second_sync_is_an_error_to_who_asked_and_an_answer_to_the_schedule() {
    let mirror = in_tasks(4);
    let answer = send(&mirror, "request-1", &run_in_tasks()).await.unwrap();
    assert_eq!(answer["outcome"], "running", "{answer}");
    let failure = send(&mirror, "request-2", &run_in_tasks())
        .await
        .unwrap_err();
    assert_eq!(failure.kind, "Refused");
    assert!(
        failure
            .message
            .starts_with("sync the mirror of stack bottles: "),
        "{}",
        failure.message
    );
    let answer = send(&mirror, "request-3", &sample("schedule-run.json"))
        .await
        .unwrap();
    assert_eq!(answer["outcome"], "refused", "{answer}");
}

#[tokio::test]
async fn a_sync_that_fails_is_an_error_to_who_asked_and_an_answer_to_the_schedule() {
    for is_schedule in [false, true] {
        let mirror = mirror(3);
        mirror.corrupt(&formulae(3)[1], 2, false);
        let payload = if is_schedule {
            sample("schedule-run.json")
        } else {
            json!({"action": "run", "stack": MIRROR_STACK})
        };
        let answered = send(&mirror, "request-1", &payload).await;
        if is_schedule {
            assert_eq!(answered.unwrap()["outcome"], "failed");
        } else {
            assert_eq!(answered.unwrap_err().kind, "SyncFailed");
        }
        assert_eq!(mirror.detail_types(), ["Sync Planned", "Sync Failed"]);
        assert!(!mirror.keys().contains(&"api/formula.json".to_owned()));
    }
}

#[tokio::test]
async fn a_stack_without_a_mirror_is_refused_to_who_asked_and_acknowledged_otherwise() {
    let mirror = mirror(1);
    let of_another = |name: &str| {
        let text = sample(name).to_string();
        serde_json::from_str::<Value>(&text.replace(MIRROR_STACK, "shop")).unwrap()
    };
    for name in [
        "request-plan.json",
        "request-run.json",
        "request-status.json",
        "request-verify.json",
    ] {
        let failure = send(&mirror, "request-1", &of_another(name))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, "Refused", "{name}: {}", failure.message);
        assert!(failure.message.contains("shop"), "{}", failure.message);
    }
    let scheduled = send(&mirror, "request-2", &of_another("schedule-run.json"))
        .await
        .unwrap();
    assert_eq!(scheduled["outcome"], "refused", "{scheduled}");
    for name in ["shard-completed.json", "task-stopped.json"] {
        let woken = send(&mirror, "request-3", &of_another(name)).await.unwrap();
        assert_eq!(woken["outcome"], "ignored", "{name}: {woken}");
    }
    assert!(mirror.detail_types().is_empty());
}

#[tokio::test]
async fn a_task_that_stopped_is_started_again() {
    let mirror = in_tasks(4);
    send(&mirror, "request-1", &run_in_tasks()).await.unwrap();
    let tasks = mirror.tasks();
    let dead = tasks.first().unwrap();
    mirror.stop_task(&dead.task_arn, "SpotInterruption");
    let mut event = sample("task-stopped.json");
    event["detail"]["taskArn"] = json!(dead.task_arn);
    event["detail"]["startedBy"] = json!(dead.started_by);
    let answer = send(&mirror, "request-2", &event).await.unwrap();
    assert_eq!(answer["outcome"], "running", "{answer}");
    assert_eq!(mirror.tasks().len(), tasks.len() + 1);
    // A second delivery of the event finds it at work.
    send(&mirror, "request-3", &event).await.unwrap();
    assert_eq!(mirror.tasks().len(), tasks.len() + 1);
}

#[tokio::test]
async fn the_end_of_a_shard_and_the_schedule_go_on_with_an_open_sync() {
    for name in [
        "shard-completed.json",
        "request-reconcile.json",
        "schedule-reconcile.json",
    ] {
        let mirror = in_tasks(4);
        send(&mirror, "request-1", &run_in_tasks()).await.unwrap();
        let answer = send(&mirror, "request-2", &sample(name)).await.unwrap();
        let advanced = if name == "shard-completed.json" {
            answer
        } else {
            assert_eq!(answer["mirrors"], 1, "{answer}");
            answer["advanced"][0].clone()
        };
        assert_eq!(advanced["outcome"], "running", "{name}: {advanced}");
        assert_eq!(advanced["stack"], MIRROR_STACK);
    }
}

#[tokio::test]
async fn a_reconcile_with_nothing_open_says_so() {
    let mirror = mirror(1);
    let reconcile = sample("schedule-reconcile.json");
    let never = send(&mirror, "request-1", &reconcile).await.unwrap();
    assert_eq!(never, json!({"mirrors": 0, "advanced": []}));
    send(&mirror, "request-2", &sample("schedule-run.json"))
        .await
        .unwrap();
    let over = send(&mirror, "request-3", &reconcile).await.unwrap();
    assert_eq!(over, json!({"mirrors": 1, "advanced": []}));
}

#[tokio::test]
async fn a_call_that_fails_is_handed_back_to_lambda_and_its_retry_goes_on() {
    let mirror = mirror(2);
    mirror.inject_at("PutObject", Fault::Fails(ErrorClass::Transient));
    let schedule = sample("schedule-run.json");
    let failure = send(&mirror, "request-1", &schedule).await.unwrap_err();
    assert_eq!(failure.kind, "CallFailed", "{}", failure.message);
    mirror.recover();
    let answer = send(&mirror, "request-1", &schedule).await.unwrap();
    assert_eq!(answer["outcome"], "completed", "{answer}");
}

#[tokio::test]
async fn a_mirror_that_cannot_be_looked_after_keeps_no_other_from_it_and_brings_the_schedule_again()
{
    let mirror = in_tasks(4);
    send(&mirror, "request-1", &run_in_tasks()).await.unwrap();
    mirror.inject_at("GetObject", Fault::Fails(ErrorClass::Transient));
    let reconcile = sample("schedule-reconcile.json");
    let failure = send(&mirror, "request-2", &reconcile).await.unwrap_err();
    assert_eq!(failure.kind, "CallFailed", "{}", failure.message);
    mirror.recover();
    assert!(send(&mirror, "request-3", &reconcile).await.is_ok());
}

#[tokio::test]
async fn each_mirror_may_reach_its_own_private_hosts_and_no_others() {
    let mirror = mirror(1);
    mirror.change_settings(|settings| settings.private_hosts = vec!["mirror:8080".to_owned()]);
    let asked = RefCell::new(Vec::new());
    let function = Function {
        cloud: &mirror,
        connect: |settings: &MirrorSettings| {
            asked.borrow_mut().push(settings.private_hosts.clone());
            Ok((&mirror, &mirror))
        },
        threshold_bytes: 1_000_000_000,
        region: None,
    };
    let payload = sample("schedule-run.json");
    handle(&function, &payload, &invocation("request-1"), noon(0))
        .await
        .unwrap();
    assert_eq!(*asked.borrow(), [vec!["mirror:8080".to_owned()]]);
}

#[tokio::test]
async fn what_wakes_nobody_is_ignored_with_no_call_at_all() {
    let mirror = mirror(1);
    let answer = send(&mirror, "request-1", &sample("task-stopping.json"))
        .await
        .unwrap();
    assert_eq!(answer["outcome"], "ignored");
    assert!(mirror.calls().is_empty());
}

#[tokio::test]
async fn a_malformed_event_is_acknowledged_with_what_is_wrong() {
    let mut without_arn = sample("task-stopped.json");
    without_arn["detail"]
        .as_object_mut()
        .unwrap()
        .remove("taskArn");
    let mut unknown = sample("task-stopped.json");
    unknown["detail-type"] = json!("ECS Service Action");
    let mut without_report = sample("shard-completed.json");
    without_report["detail"]
        .as_object_mut()
        .unwrap()
        .remove("report");
    for (event, expected) in [
        (without_arn, "taskArn"),
        (unknown, "ECS Service Action"),
        (without_report, "report"),
        (json!({"detail-type": 3}), "detail-type"),
    ] {
        let mirror = mirror(1);
        let answer = send(&mirror, "request-1", &event).await.unwrap();
        assert_eq!(answer["outcome"], "malformed");
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{answer}");
        assert!(mirror.calls().is_empty());
    }
}

#[tokio::test]
async fn a_wrong_manual_payload_is_an_error_that_names_the_field_and_what_is_expected() {
    for (payload, expected) in [
        (json!({}), "found nothing, expected `plan`, `run`, `status`"),
        (json!({"action": "run"}), "missing field `stack`"),
        (
            json!({"action": "run", "stack": "a/b"}),
            "field `stack`: found `a/b`, expected the name of a stack",
        ),
    ] {
        let mirror = mirror(1);
        let failure = send(&mirror, "request-1", &payload).await.unwrap_err();
        assert_eq!(failure.kind, "MalformedPayload");
        assert!(
            failure.message.contains(expected),
            "{payload}: {}",
            failure.message
        );
        assert!(mirror.calls().is_empty());
    }
}
