use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use longshore_events::longshore::{ChangeCounts, OperationKind, StackSource};
use longshore_policy::route::Subscriber;
use longshore_policy::settings::OneOffTask;
use longshore_rollout::ports::ScheduledTask;
use longshore_rollout::stack_record::{Operation, StackRecord};
use longshore_rollout::triggers::push::deploy_push;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

use super::*;

fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../events/watch")
        .join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn send(cloud: &FakeCloud, payload: &Value) -> Result<Value, Failure> {
    let invocation = Invocation {
        request_id: "request-1".to_owned(),
        remaining: Duration::from_secs(30),
    };
    handle(cloud, payload, &invocation, noon(60)).await
}

/// A deployment under way, and a sample that reports it.
async fn deploying(name: &str) -> (FakeCloud, Value) {
    deploying_as(subscriber("api"), name).await
}

async fn deploying_as(api: Subscriber, name: &str) -> (FakeCloud, Value) {
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy_push(
        &cloud,
        &cloud.push("v2", digest('2'), noon(0)),
        &worker("deploy", 0),
    )
    .await
    .unwrap();
    let mut event = sample(name);
    event["resources"] = json!(["arn:aws:ecs:eu-west-1:111122223333:service/shop/api"]);
    event["detail"]["deploymentId"] = json!(cloud.primary_id(&api));
    (cloud, event)
}

#[tokio::test]
async fn a_completed_deployment_is_answered_as_succeeded() {
    let (cloud, event) = deploying("deployment-completed.json").await;
    cloud.complete(&subscriber("api"));
    assert_eq!(
        send(&cloud, &event).await.unwrap(),
        json!({"outcome": "succeeded"})
    );
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
}

#[tokio::test]
async fn a_completed_deployment_with_tasks_to_follow_is_answered_as_verifying() {
    let mut api = subscriber("api");
    api.rollout.after_tasks = vec![OneOffTask {
        name: "smoke".to_owned(),
        command: vec!["bin/smoke".to_owned()],
        environment: BTreeMap::new(),
        timeout_minutes: 5,
    }];
    let (cloud, event) = deploying_as(api.clone(), "deployment-completed.json").await;
    cloud.complete(&api);
    assert_eq!(
        send(&cloud, &event).await.unwrap(),
        json!({"outcome": "verifying"})
    );
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Stabilized"]
    );
}

#[tokio::test]
async fn a_failed_deployment_is_answered_as_failed() {
    let (cloud, event) = deploying("deployment-failed.json").await;
    cloud.roll_back(&subscriber("api"), 30);
    assert_eq!(
        send(&cloud, &event).await.unwrap(),
        json!({"outcome": "failed"})
    );
}

#[tokio::test]
async fn what_concerns_no_deployment_is_ignored_with_no_call_at_all() {
    let cloud = FakeCloud::default();
    let answer = send(&cloud, &sample("task-of-no-service.json"))
        .await
        .unwrap();
    assert_eq!(answer["outcome"], "ignored");
    assert!(cloud.calls().is_empty());
}

#[tokio::test]
async fn a_malformed_event_is_acknowledged_with_what_is_wrong() {
    let (cloud, mut event) = deploying("deployment-completed.json").await;
    event["resources"] = json!([]);
    let answer = send(&cloud, &event).await.unwrap();
    assert_eq!(answer["outcome"], "malformed");
    assert!(
        answer["reason"].as_str().unwrap().contains("resources"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_call_that_fails_is_handed_back_to_lambda() {
    for class in [ErrorClass::Transient, ErrorClass::Denied] {
        let (cloud, event) = deploying("deployment-completed.json").await;
        cloud.inject(0, Fault::Fails(class));
        assert_eq!(send(&cloud, &event).await.unwrap_err().kind, "CallFailed");
    }
}

/// A change of the stack that the sample reports.
fn changing(name: &str) -> (FakeCloud, Value) {
    let cloud = FakeCloud::default();
    let event = sample(name);
    let token = event["detail"]["client-request-token"].as_str().unwrap();
    let operation = Operation::begin(
        token,
        OperationKind::Apply,
        StackSource::Manual {
            note: None,
            by: None,
        },
        noon(0),
    );
    let mut record = StackRecord::begin(
        "shop-prod",
        None,
        operation,
        ChangeCounts::default(),
        &worker("provision", 0),
    );
    record.outbox.clear();
    cloud.set_stack_record(record);
    (cloud, event)
}

#[tokio::test]
async fn a_change_of_a_stack_is_answered_with_what_has_become_of_it() {
    for (name, outcome, published) in [
        ("stack-changing.json", "changing", None),
        ("stack-complete.json", "ready", Some("Stack Ready")),
        ("stack-rolling-back.json", "changing", None),
        ("stack-rolled-back.json", "failed", Some("Stack Failed")),
    ] {
        let (cloud, event) = changing(name);
        assert_eq!(
            send(&cloud, &event).await.unwrap(),
            json!({"outcome": outcome}),
            "{name}"
        );
        assert_eq!(
            cloud.detail_types(),
            published.into_iter().collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_stack_of_somebody_elses_is_ignored() {
    let cloud = FakeCloud::default();
    for name in ["stack-changing.json", "stack-complete.json"] {
        assert_eq!(
            send(&cloud, &sample(name)).await.unwrap(),
            json!({"outcome": "ignored"})
        );
    }
    assert_eq!(cloud.stack_record("shop-prod"), None);
}

#[tokio::test]
async fn a_stacks_call_that_fails_is_handed_back_to_lambda() {
    let (cloud, event) = changing("stack-complete.json");
    cloud.inject_at("PutObject provisions", Fault::Fails(ErrorClass::Denied));
    assert_eq!(send(&cloud, &event).await.unwrap_err().kind, "CallFailed");
}

#[tokio::test]
async fn a_scheduled_task_that_failed_is_reported() {
    let cloud = FakeCloud::default();
    assert_eq!(
        send(&cloud, &sample("task-scheduled-failed.json"))
            .await
            .unwrap(),
        json!({"outcome": "failed"})
    );
    assert_eq!(cloud.detail_types(), ["Scheduled Task Failed"]);
}

#[tokio::test]
async fn a_scheduled_task_that_could_not_be_started_is_published_with_the_reason() {
    let cloud = FakeCloud::default();
    cloud.put_schedule(
        "shop-prod-ApiNightlySchedule-1A2B3C4D5E6F",
        ScheduledTask {
            group: "longshore-schedule:shop-prod:api:nightly".to_owned(),
            task_definition: "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-prod-api"
                .to_owned(),
        },
    );
    assert_eq!(
        send(&cloud, &sample("run-refused.json")).await.unwrap(),
        json!({"outcomes": ["failed"]})
    );
    assert_eq!(cloud.detail_types(), ["Scheduled Task Failed"]);
}
