use std::time::Duration;

use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon};

use super::*;

fn invocation(id: &str) -> Invocation {
    Invocation {
        request_id: id.to_owned(),
        remaining: Duration::from_secs(300),
    }
}

async fn send(cloud: &FakeCloud, payload: &Value) -> Result<Value, Failure> {
    let settings = Settings::default();
    handle(cloud, &settings, payload, &invocation("request-1"), noon(0)).await
}

fn cloud() -> FakeCloud {
    let cloud = FakeCloud::default();
    cloud.add_image("shop/api", "v1", digest('1'));
    cloud
}

fn stack() -> Value {
    json!({
        "name": "shop",
        "network": {
            "vpc_id": "vpc-0a1b2c3d4e5f60718",
            "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0b1c2d3e4f5061728"],
        },
        "services": {"api": {"image": "shop/api:v1", "container_port": 8080}},
    })
}

fn file_event(version: &str) -> Value {
    json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-21T12:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:s3:::state"],
        "detail": {
            "version": "0",
            "bucket": {"name": "state"},
            "object": {
                "key": "stacks/shop.yaml",
                "size": 5,
                "etag": "b1946ac92492d2347c6235b4d2611184",
                "version-id": version,
                "sequencer": "617f08299329d189",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "111122223333",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    })
}

#[tokio::test]
async fn a_stack_file_is_applied_and_its_duplicate_is_not() {
    let cloud = cloud();
    let version = cloud.put_stack_file("stacks/shop.yaml", &stack().to_string());
    let answer = send(&cloud, &file_event(&version)).await.unwrap();
    assert_eq!(answer["outcome"], "applying");
    assert_eq!(answer["stack"], "shop");
    let answer = send(&cloud, &file_event(&version)).await.unwrap();
    assert_eq!(answer["outcome"], "taken_before");
}

#[tokio::test]
async fn a_wrong_stack_file_is_acknowledged_because_its_refusal_was_published() {
    let cloud = cloud();
    let version = cloud.put_stack_file("stacks/shop.yaml", "name: shop\nservices: 1\n");
    let answer = send(&cloud, &file_event(&version)).await.unwrap();
    assert_eq!(answer["key"], "stacks/shop.yaml");
    assert!(!answer["problems"].as_array().unwrap().is_empty());
    assert_eq!(cloud.detail_types(), ["Stack File Refused"]);
}

#[tokio::test]
async fn each_action_answers_its_caller() {
    let cloud = cloud();
    let ask = async |action: &str, stack: Value| {
        send(&cloud, &json!({"action": action, "stack": stack})).await
    };
    let plan = ask("plan", stack()).await.unwrap();
    assert_eq!(plan["outcome"], "create");
    assert!(plan["changes"].as_array().unwrap().len() > 5);
    let rendered = ask("render", stack()).await.unwrap();
    assert_eq!(rendered["stack"], "shop");
    assert_eq!(rendered["capabilities"], json!(["CAPABILITY_IAM"]));
    let cost = ask("cost", stack()).await.unwrap();
    assert!(cost.is_object());
    let applied = ask("apply", stack()).await.unwrap();
    assert_eq!(applied["outcome"], "applying");
    assert_eq!(applied["operation_id"], "request-1");
    cloud.finish_stack("shop");
    assert_eq!(
        ask("drift", json!("shop")).await.unwrap()["drifted"],
        json!([])
    );
    assert!(ask("outputs", json!("shop")).await.unwrap().is_object());
}

#[tokio::test]
async fn a_refused_payload_names_every_problem_with_its_path() {
    let cloud = cloud();
    let mut wrong = stack();
    wrong["services"]["api"]["cpu"] = json!(300);
    wrong["services"]["api"]["imagee"] = json!("x");
    let failure = send(&cloud, &json!({"action": "apply", "stack": wrong}))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, "Refused");
    assert!(
        failure.message.contains("services.api.imagee"),
        "{failure:?}"
    );
    assert_eq!(cloud.stack_status("shop"), None);
}

#[tokio::test]
async fn what_is_in_the_way_and_what_failed_are_distinguished() {
    let cloud = cloud();
    let failure = send(&cloud, &json!({"action": "destroy", "stack": "shop"}))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, "Conflict");
    cloud.inject(0, Fault::Fails(ErrorClass::Transient));
    let failure = send(&cloud, &json!({"action": "drift", "stack": "shop"}))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, "CallFailed");
}

#[tokio::test]
async fn a_malformed_event_is_acknowledged_and_a_malformed_payload_refused() {
    let cloud = cloud();
    let event = json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {}});
    let answer = send(&cloud, &event).await.unwrap();
    assert_eq!(answer["outcome"], "malformed");
    let failure = send(&cloud, &json!({"action": "aply"})).await.unwrap_err();
    assert_eq!(failure.kind, "MalformedPayload");
    assert!(failure.message.contains("`apply`"), "{failure:?}");
    assert!(cloud.calls().is_empty());
}

#[tokio::test]
async fn a_settled_stack_gets_its_routes() {
    let cloud = cloud();
    send(&cloud, &json!({"action": "apply", "stack": stack()}))
        .await
        .unwrap();
    cloud.finish_stack("shop");
    let reconciled = send(&cloud, &json!({"action": "reconcile"})).await.unwrap();
    assert_eq!(reconciled["operations"]["stacks"], 1);
    assert_eq!(reconciled["failures"], json!([]));
}
