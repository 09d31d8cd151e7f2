use std::path::Path;
use std::time::Duration;

use longshore_events::longshore::{ChangeCounts, OperationKind, SkipReason, StackSource};
use longshore_policy::route::Subscriber;
use longshore_policy::settings::{Approval, OneOffTask, RolloutSettings};
use longshore_rollout::record::State;
use longshore_rollout::stack_record::{Operation, Preserved, StackRecord};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

use super::*;

/// A sample of `events/deploy`, sent to a service that follows the repository which it names.
fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../events/deploy")
        .join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn invocation() -> Invocation {
    Invocation {
        request_id: "request-1".to_owned(),
        remaining: Duration::from_secs(30),
    }
}

async fn send(cloud: &FakeCloud, payload: &Value) -> Result<Value, Failure> {
    handle(cloud, payload, &invocation(), noon(0)).await
}

fn cloud() -> FakeCloud {
    let cloud = FakeCloud::with_services(&[subscriber("api")]);
    cloud.add_image("shop/api", "v2", digest('2'));
    cloud
}

fn push_event() -> Value {
    let mut event = sample("push-tag.json");
    event["detail"]["repository-name"] = json!("shop/api");
    event["detail"]["image-tag"] = json!("v2");
    event["detail"]["image-digest"] = json!(digest('2').as_str());
    event
}

#[tokio::test]
async fn a_push_starts_a_deployment_and_the_answer_names_it() {
    let cloud = cloud();
    let event = push_event();
    let answer = send(&cloud, &event).await.unwrap();
    assert_eq!(answer["services"][0]["outcome"], "started");
    let id = answer["services"][0]["deployment_id"].as_str().unwrap();
    assert_eq!(id, format!("{}-1", event["id"].as_str().unwrap()));
    assert_eq!(
        cloud.record(&subscriber("api")).unwrap().deployment.state,
        State::Deploying
    );
}

#[tokio::test]
async fn what_cannot_be_deployed_is_ignored_with_no_call_at_all() {
    for name in [
        "delete.json",
        "push-failed.json",
        "push-index-child.json",
        "push-signature.json",
        "push-soci-index.json",
        "push-helm-chart.json",
    ] {
        let cloud = cloud();
        let answer = send(&cloud, &sample(name)).await.unwrap();
        assert_eq!(answer["outcome"], "ignored", "{name}");
        assert!(cloud.calls().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_malformed_event_is_acknowledged_with_what_is_wrong() {
    let mut without_digest = push_event();
    without_digest["detail"]
        .as_object_mut()
        .unwrap()
        .remove("image-digest");
    let mut odd_digest = push_event();
    odd_digest["detail"]["image-digest"] = json!("sha256:short");
    let mut unknown = push_event();
    unknown["detail-type"] = json!("ECR Image Scan");
    for (event, expected) in [
        (without_digest, "image-digest"),
        (odd_digest, "sha256:short"),
        (unknown, "ECR Image Scan"),
        (json!({"detail-type": 3}), "detail-type"),
    ] {
        let cloud = cloud();
        let answer = send(&cloud, &event).await.unwrap();
        assert_eq!(answer["outcome"], "malformed");
        assert!(
            answer["reason"].as_str().unwrap().contains(expected),
            "{answer}"
        );
        assert!(cloud.calls().is_empty());
    }
}

#[tokio::test]
async fn a_wrong_manual_payload_is_an_error_that_names_the_field_and_what_is_expected() {
    let cases = [
        (
            json!({}),
            "field `action`: found nothing, expected `deploy`, `rollback`, `hold`, `resume`, `approve`, `reject`, `run`, `digest` or `reconcile`",
        ),
        (
            json!({"action": "deplyo"}),
            "found `\"deplyo\"`, expected `deploy`",
        ),
        (
            json!({"action": "deploy", "stack": "shop", "service": "api"}),
            "missing field `image`",
        ),
        (
            json!({"action": "deploy", "stack": 1, "service": "api", "image": "shop/api:v2"}),
            "field `stack`: invalid type: integer `1`, expected a string",
        ),
        (
            json!({"action": "deploy", "stack": "shop", "service": "api", "image": "shop/api:v2", "tag": "v2"}),
            "unknown field `tag`, expected one of",
        ),
        (
            json!({"action": "deploy", "stack": "shop", "service": "api", "image": "shop/api"}),
            "expected <repository>:<tag> or <repository>@sha256:<digest>",
        ),
        (json!([]), "field `action`"),
        (json!("deploy"), "field `action`"),
    ];
    for (payload, expected) in cases {
        let cloud = cloud();
        let failure = send(&cloud, &payload).await.unwrap_err();
        assert_eq!(failure.kind, "MalformedPayload");
        assert!(
            failure.message.contains(expected),
            "{payload}: {}",
            failure.message
        );
        assert!(cloud.calls().is_empty());
    }
}

#[tokio::test]
async fn a_manual_payload_deploys_under_the_id_of_its_invocation() {
    let cloud = cloud();
    let payload =
        json!({"action": "deploy", "stack": "shop", "service": "api", "image": "shop/api:v2"});
    let answer = send(&cloud, &payload).await.unwrap();
    assert_eq!(answer["services"][0]["deployment_id"], "request-1");
}

#[tokio::test]
async fn a_manual_payload_with_an_unknown_image_is_refused_to_its_caller() {
    let cloud = cloud();
    let payload =
        json!({"action": "deploy", "stack": "shop", "service": "api", "image": "shop/api:v9"});
    let failure = send(&cloud, &payload).await.unwrap_err();
    assert_eq!(failure.kind, "Refused");
    assert!(
        failure.message.contains("shop/api:v9"),
        "{}",
        failure.message
    );
    assert!(cloud.detail_types().is_empty());
}

#[tokio::test]
async fn a_call_that_fails_is_handed_back_to_lambda() {
    for class in [ErrorClass::Transient, ErrorClass::Denied] {
        let cloud = cloud();
        cloud.inject(0, Fault::Fails(class));
        let failure = send(&cloud, &push_event()).await.unwrap_err();
        assert_eq!(failure.kind, "CallFailed");
    }
}

#[tokio::test]
async fn a_refused_release_file_is_acknowledged_and_reported() {
    let cloud = cloud();
    let mut event = sample("release-file.json");
    event["detail"]["object"]["key"] = json!("releases/shop/api.json");
    cloud.add_release("releases/shop/api.json", "{}");
    let answer = send(&cloud, &event).await.unwrap();
    assert_eq!(answer["outcome"], "refused");
    assert_eq!(cloud.detail_types(), ["Release Refused"]);
}

#[tokio::test]
async fn the_schedule_reconciles() {
    for name in ["schedule-reconcile.json", "request-reconcile.json"] {
        let cloud = cloud();
        send(&cloud, &push_event()).await.unwrap();
        cloud.complete(&subscriber("api"));
        let answer = send(&cloud, &sample(name)).await.unwrap();
        assert_eq!(answer["closed"], 1, "{name}");
    }
}

#[tokio::test]
async fn a_route_that_cannot_be_read_is_reported_once_however_often_the_schedule_fails_at_it() {
    let cloud = FakeCloud::default();
    cloud.objects().put_bytes("routes/shop/api.json", "{");
    for _ in 0..2 {
        let failure = send(&cloud, &sample("schedule-reconcile.json"))
            .await
            .unwrap_err();
        assert!(
            failure.message.contains("routes/shop/api.json"),
            "{failure:?}"
        );
    }
    assert_eq!(cloud.detail_types(), ["Document Unreadable"]);
}

#[tokio::test]
async fn the_parts_of_a_reconcile_deploy_what_no_event_reported_together_once() {
    let cloud = cloud();
    let mut event = sample("reconcile-shard.json");
    let mut followed = Vec::new();
    for shard in 0..3 {
        event["detail"]["shard"] = json!(shard);
        let answer = send(&cloud, &event).await.unwrap();
        followed.extend(answer["followed"].as_array().unwrap().clone());
    }
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[0]["outcome"], "started");
    assert_eq!(cloud.updates(&subscriber("api")), 1);
}

#[tokio::test]
async fn a_reconcile_is_not_tried_again_because_of_what_somebody_must_mend() {
    let cloud = cloud();
    let mut broken = subscriber("api");
    broken.image_policy.tags = vec!["feature/x".to_owned()];
    cloud.set_route("shop/api", vec![broken]);
    let answer = send(&cloud, &sample("request-reconcile.json"))
        .await
        .unwrap();
    let refused = answer["refused"][0].as_str().unwrap();
    assert!(
        refused.contains("image_policy.tags: `feature/x`"),
        "{refused}"
    );
    cloud.inject_at("DescribeImages", Fault::Fails(ErrorClass::Transient));
    cloud.set_route("shop/api", vec![subscriber("api")]);
    let failure = send(&cloud, &sample("request-reconcile.json"))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, "CallFailed");
}

/// A change of the stack begins which preserves what runs.
fn begin_change(cloud: &FakeCloud) {
    let operation = Operation {
        services: vec![Preserved {
            subscriber: subscriber("api"),
            image: None,
            also: std::collections::BTreeMap::new(),
            is_named: false,
        }],
        ..Operation::begin(
            "change-1",
            OperationKind::Apply,
            StackSource::CloudFormation,
            noon(-60),
        )
    };
    let provision = worker("provision", -60);
    let mut record =
        StackRecord::begin("shop", None, operation, ChangeCounts::default(), &provision);
    record.outbox.clear();
    cloud.set_stack_record(record);
}

/// The change ends; the sample that reports it.
fn end_change(cloud: &FakeCloud, name: &str) -> Value {
    let mut event = sample(name);
    let status = event["detail"]["status"].as_str().unwrap().into();
    let mut record = cloud.stack_record("shop").unwrap();
    record.finished(&status, None, None, noon(60), &worker("watch", 60));
    record.outbox.clear();
    cloud.set_stack_record(record);
    event["detail"]["stack"]["stack"] = json!("shop");
    event["detail"]["stack"]["operation_id"] = json!("change-1");
    event
}

#[tokio::test]
async fn a_push_while_the_stack_changes_is_answered_as_pending_and_goes_out_at_its_end() {
    for name in ["stack-ready.json", "stack-failed.json"] {
        let cloud = cloud();
        begin_change(&cloud);
        let answer = send(&cloud, &push_event()).await.unwrap();
        assert_eq!(answer["services"][0]["outcome"], "pending");
        assert_eq!(cloud.updates(&subscriber("api")), 0);
        assert!(cloud.detail_types().is_empty());
        let event = end_change(&cloud, name);
        let answer = send(&cloud, &event).await.unwrap();
        assert_eq!(answer["stack"], "shop");
        assert_eq!(answer["services"][0]["service"], "api");
        assert_eq!(answer["services"][0]["waited"][0]["outcome"], "started");
        // The same event again finds nothing to do.
        let answer = send(&cloud, &event).await.unwrap();
        assert_eq!(answer["services"], json!([]));
        assert_eq!(cloud.updates(&subscriber("api")), 1);
    }
}

#[tokio::test]
async fn the_schedule_looks_after_a_stack_whose_end_nobody_heard_of() {
    let cloud = cloud();
    begin_change(&cloud);
    send(&cloud, &push_event()).await.unwrap();
    end_change(&cloud, "stack-ready.json");
    let answer = send(&cloud, &sample("schedule-reconcile.json"))
        .await
        .unwrap();
    assert_eq!(answer["stacks"], 1);
    assert_eq!(answer["reconciled_services"], 1);
    assert_eq!(cloud.updates(&subscriber("api")), 1);
}

#[tokio::test]
async fn a_service_that_cannot_be_looked_after_brings_the_event_again() {
    let cloud = cloud();
    begin_change(&cloud);
    let event = end_change(&cloud, "stack-ready.json");
    cloud.inject_at("DescribeServices", Fault::Fails(ErrorClass::Transient));
    let failure = send(&cloud, &event).await.unwrap_err();
    assert_eq!(failure.kind, "CallFailed");
    assert!(
        failure
            .message
            .starts_with("reconcile service api of stack shop after its stack changed: "),
        "{}",
        failure.message
    );
    assert!(send(&cloud, &event).await.is_ok());
}

#[tokio::test]
async fn a_hold_keeps_pushes_back_until_somebody_resumes() {
    let cloud = cloud();
    let mut payload = sample("request-hold.json");
    // The tests' day is before the sample's.
    payload["until"] = json!(noon(3600).to_rfc3339());
    let answer = send(&cloud, &payload).await.unwrap();
    assert_eq!(answer["services"][0]["hold"]["note"], "the sale");
    let answer = send(&cloud, &push_event()).await.unwrap();
    assert_eq!(answer["services"][0]["outcome"], "waiting");
    assert_eq!(answer["services"][0]["reason"]["kind"], "held");
    assert_eq!(cloud.updates(&subscriber("api")), 0);
    let answer = send(&cloud, &sample("request-resume.json")).await.unwrap();
    assert_eq!(answer["services"][0]["waited"][0]["outcome"], "started");
    assert_eq!(cloud.updates(&subscriber("api")), 1);
}

#[tokio::test]
async fn an_approval_lets_go_what_waits_for_it_and_is_refused_when_nothing_does() {
    let api = Subscriber {
        rollout: RolloutSettings {
            approval: Some(Approval {
                expires_after_minutes: 60,
            }),
            ..RolloutSettings::default()
        },
        ..subscriber("api")
    };
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "v2", digest('2'));
    let mut payload = sample("request-approve.json");
    payload["digest"] = json!(digest('2').as_str());
    let failure = send(&cloud, &payload).await.unwrap_err();
    assert_eq!(failure.kind, "Refused");
    let answer = send(&cloud, &push_event()).await.unwrap();
    assert_eq!(answer["services"][0]["reason"]["kind"], "approval");
    let answer = send(&cloud, &payload).await.unwrap();
    assert_eq!(answer["services"][0]["outcome"], "started");
    assert_eq!(cloud.updates(&api), 1);
}

/// Somebody presses a button that asks for this.
fn pressed(id: &str, payload: &Value) -> Value {
    let mut event = sample("action-requested.json");
    event["detail"]["request_id"] = json!(id);
    event["detail"]["payload"] = payload.clone();
    event["detail"]["payload"]["by"] = json!("ada (U024BE7LH)");
    event
}

fn refused_actions(cloud: &FakeCloud) -> Vec<ActionRefused> {
    let published = cloud
        .published()
        .into_iter()
        .filter_map(|event| match event {
            LongshoreEvent::ActionRefused(refused) => Some(refused),
            _ => None,
        });
    published.collect()
}

fn to_be_approved() -> (Subscriber, FakeCloud) {
    let api = Subscriber {
        rollout: RolloutSettings {
            approval: Some(Approval {
                expires_after_minutes: 60,
            }),
            ..RolloutSettings::default()
        },
        ..subscriber("api")
    };
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "v2", digest('2'));
    (api, cloud)
}

fn about(action: &str, digit: char) -> Value {
    json!({"action": action, "stack": "shop", "service": "api", "digest": digest(digit).as_str()})
}

#[tokio::test]
async fn a_press_approves_with_the_name_of_who_pressed_and_again_does_nothing_and_tells_nobody() {
    let (api, cloud) = to_be_approved();
    send(&cloud, &push_event()).await.unwrap();
    let answer = send(&cloud, &pressed("press-1", &about("approve", '2')))
        .await
        .unwrap();
    assert_eq!(answer["services"][0]["outcome"], "started");
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(
        deployment.approved_by,
        Some(Caller::named("ada (U024BE7LH)"))
    );
    // The same press, and that of somebody else who pressed at the same time.
    for id in ["press-1", "press-2"] {
        let answer = send(&cloud, &pressed(id, &about("approve", '2')))
            .await
            .unwrap();
        assert_eq!(answer["outcome"], "done already", "{answer}");
    }
    assert_eq!(cloud.updates(&api), 1);
    assert!(refused_actions(&cloud).is_empty());
}

#[tokio::test]
async fn a_press_on_an_image_that_does_not_wait_any_more_is_refused_once_and_in_slack() {
    let (api, cloud) = to_be_approved();
    send(&cloud, &push_event()).await.unwrap();
    let answer = send(&cloud, &pressed("press-1", &about("approve", '3')))
        .await
        .unwrap();
    assert_eq!(answer["outcome"], "refused");
    assert_eq!(cloud.updates(&api), 0);
    let [refused] = refused_actions(&cloud).try_into().unwrap();
    assert_eq!(refused.service.as_deref(), Some("api"));
    assert_eq!(refused.by, Some(Caller::named("ada (U024BE7LH)")));
    assert!(
        refused.reason.contains("waits for approval, and not"),
        "{}",
        refused.reason
    );
}

/// Both begin at once; the first has written down that it started and is slow to publish it.
#[tokio::test]
async fn of_two_presses_at_once_only_the_one_that_rolls_back_publishes_that() {
    let cloud = cloud();
    let api = subscriber("api");
    let (v2, v3) = (push_event(), {
        let mut event = push_event();
        event["id"] = json!("push-of-v3");
        event["detail"]["image-tag"] = json!("v3");
        event["detail"]["image-digest"] = json!(digest('3').as_str());
        event
    });
    for push in [v2, v3] {
        cloud.add_image("shop/api", "v3", digest('3'));
        send(&cloud, &push).await.unwrap();
        cloud.complete(&api);
        let reconcile = sample("request-reconcile.json");
        send(&cloud, &reconcile).await.unwrap();
    }
    let rollback = pressed(
        "press-1",
        &json!({"action": "rollback", "stack": "shop", "service": "api", "from": 2}),
    );
    let by = async |request_id: &str| {
        let invocation = Invocation {
            request_id: request_id.to_owned(),
            ..invocation()
        };
        handle(&cloud, &rollback, &invocation, noon(0)).await
    };
    let before = cloud.published().len();
    cloud.inject_at("PutEvents", Fault::Fails(ErrorClass::Transient));
    by("request-2").await.unwrap_err();
    let answer = by("request-3").await.unwrap();
    assert_eq!(answer["services"][0]["outcome"], "skipped", "{answer}");
    assert_eq!(cloud.published().len(), before);
    by("request-2").await.unwrap();
    assert_eq!(cloud.detail_types()[before..], ["Deployment Started"]);
    assert_eq!(cloud.updates(&api), 3);
}

#[tokio::test]
async fn what_is_rejected_never_begins_and_slack_says_who_rejected_it() {
    let (api, cloud) = to_be_approved();
    send(&cloud, &push_event()).await.unwrap();
    for id in ["press-1", "press-1", "press-2"] {
        assert!(
            send(&cloud, &pressed(id, &about("reject", '2')))
                .await
                .is_ok()
        );
    }
    let answer = send(&cloud, &pressed("press-3", &about("approve", '2')))
        .await
        .unwrap();
    assert_eq!(answer["outcome"], "refused");
    send(&cloud, &sample("request-reconcile.json"))
        .await
        .unwrap();
    assert_eq!(cloud.updates(&api), 0);
    let skipped = cloud
        .published()
        .into_iter()
        .filter_map(|event| match event {
            LongshoreEvent::DeploymentSkipped(skipped) => {
                Some((skipped.reason, skipped.rejected_by))
            }
            _ => None,
        });
    let skipped: Vec<_> = skipped.collect();
    let by = Some(Caller::named("ada (U024BE7LH)"));
    assert_eq!(skipped, [(SkipReason::Rejected, by)]);
    assert_eq!(refused_actions(&cloud).len(), 1);
}

#[tokio::test]
async fn what_has_begun_is_not_rejected() {
    let (_, cloud) = to_be_approved();
    send(&cloud, &push_event()).await.unwrap();
    send(&cloud, &about("approve", '2')).await.unwrap();
    let answer = send(&cloud, &pressed("press-1", &about("reject", '2')))
        .await
        .unwrap();
    assert_eq!(answer["outcome"], "refused");
    assert_eq!(refused_actions(&cloud).len(), 1);
}

#[tokio::test]
async fn a_rollback_to_what_was_never_deployed_is_refused_to_its_caller() {
    let cloud = cloud();
    send(&cloud, &push_event()).await.unwrap();
    let failure = send(&cloud, &sample("request-rollback.json"))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, "Refused");
    assert!(
        failure.message.contains("service api of stack shop"),
        "{}",
        failure.message
    );
    assert_eq!(cloud.updates(&subscriber("api")), 1);
}

#[tokio::test]
async fn the_end_of_a_deployment_wakes_the_services_that_come_after_it() {
    let web = Subscriber {
        rollout: RolloutSettings {
            after: vec!["api".to_owned()],
            ..RolloutSettings::default()
        },
        ..subscriber("web")
    };
    let cloud = FakeCloud::with_services(&[subscriber("api"), web.clone()]);
    cloud.add_image("shop/api", "v2", digest('2'));
    let answer = send(&cloud, &push_event()).await.unwrap();
    assert_eq!(answer["services"][1]["reason"]["kind"], "predecessors");
    cloud.complete(&subscriber("api"));
    send(&cloud, &sample("request-reconcile.json"))
        .await
        .unwrap();
    assert_eq!(cloud.updates(&web), 1);
    // An event that comes late, or again, finds nothing to do.
    let answer = send(&cloud, &sample("deployment-succeeded.json"))
        .await
        .unwrap();
    assert_eq!(answer["services"][0]["service"], "web");
    assert_eq!(answer["services"][0]["outcome"], "nothing");
}

#[tokio::test]
async fn the_end_of_a_one_off_task_goes_on_with_its_deployment() {
    let api = Subscriber {
        rollout: RolloutSettings {
            before_tasks: vec![OneOffTask {
                name: "migrate".to_owned(),
                command: vec!["migrate".to_owned()],
                environment: [].into(),
                timeout_minutes: 15,
            }],
            ..RolloutSettings::default()
        },
        ..subscriber("api")
    };
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "v2", digest('2'));
    send(&cloud, &push_event()).await.unwrap();
    assert_eq!(cloud.updates(&api), 0);
    let stopped = cloud.stop_task(0).unwrap();
    let mut event = sample("task-succeeded.json");
    event["detail"]["taskArn"] = json!(stopped.task);
    event["detail"]["startedBy"] = json!("longshore-deploy/shop/api");
    send(&cloud, &event).await.unwrap();
    assert_eq!(cloud.updates(&api), 1);
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Deploying
    );
}

#[tokio::test]
async fn a_digest_answers_what_is_published_for_slack() {
    let cloud = cloud();
    send(&cloud, &push_event()).await.unwrap();
    cloud.complete(&subscriber("api"));
    let payload = json!({"action": "digest", "days": 1});
    let answer = send(&cloud, &payload).await.unwrap();
    assert_eq!(answer["digest_id"], "request-1");
    assert_eq!(answer["until"], json!(noon(0)));
    assert_eq!(answer["since"], json!(noon(-86_400)));
    // The deployment is under way.
    assert_eq!(answer["figures"]["succeeded"], 0);
    let published = cloud.published();
    let event = published.last().unwrap();
    assert_eq!(event.detail_type(), "Deployments Digest");
    let detail: Value = serde_json::from_str(&event.detail().unwrap()).unwrap();
    assert_eq!(detail, answer);
}

#[tokio::test]
async fn each_attempt_of_a_scheduled_digest_publishes_the_same() {
    let cloud = cloud();
    let first = send(&cloud, &sample("schedule-digest.json")).await.unwrap();
    let mut again = sample("schedule-digest.json");
    again["execution_id"] = json!("another");
    again["attempt_number"] = json!("2");
    assert_eq!(send(&cloud, &again).await.unwrap(), first);
    assert_eq!(first["digest_id"], "20261123T080000Z");
    assert_eq!(first["since"], "2026-11-16T08:00:00Z");
    assert_eq!(cloud.published().len(), 2);
}

#[tokio::test]
async fn a_digest_that_cannot_be_published_is_asked_for_again() {
    let cloud = cloud();
    cloud.inject_at("PutEvents", Fault::Fails(ErrorClass::Transient));
    let failure = send(&cloud, &json!({"action": "digest"}))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, "CallFailed");
}
