//! What goes over the wire: which calls, how many, and with what in them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use longshore_events::image::Image;
use longshore_events::incoming::Push;
use longshore_events::longshore::{ChangeCounts, OperationKind, StackSource};
use longshore_rollout::documents::{RecordStore, RouteStore, StackRecordStore};
use longshore_rollout::engine::Outcome;
use longshore_rollout::ports::{ImageRegistry, ServiceDeployer};
use longshore_rollout::record::Record;
use longshore_rollout::stack_record::{Operation, StackRecord};
use longshore_rollout::triggers::push::deploy_push;
use longshore_state::{ErrorClass, Worker};
use serde_json::{Value, json};

use crate::support::{APPLICATION, Answer, Call, NO_SUCH_KEY, Wire, ok};

/// Every field of a task definition, as DescribeTaskDefinition gives it.
const EVERY_FIELD: &str =
    include_str!("../../../rollout/tests/engine/fixtures/task-definition-with-every-field.json");

const DIGEST: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

pub fn push() -> Push {
    Push {
        event_id: "event-1".to_owned(),
        at: noon(),
        image: Image {
            repository: "shop/api".to_owned(),
            tag: Some("v2".to_owned()),
            digest: DIGEST.parse().unwrap(),
        },
    }
}

pub fn worker() -> Worker {
    Worker {
        id: "invocation-1".to_owned(),
        now: noon(),
    }
}

/// A record of an earlier deployment, as `deploy` wrote it.
pub fn record() -> Value {
    json!({"deployment": {
        "id": "event-0", "stack": "shop", "service": "api", "cluster": "shop",
        "ecs_service": "api", "container": "app",
        "image": {"repository": "shop/api", "tag": "v1",
                  "digest": format!("sha256:{}", "1".repeat(64))},
        "source": {"kind": "push"}, "requested_at": "2026-01-01T00:00:00Z",
        "state": "succeeded", "claimed_at": "2026-01-01T00:00:00Z", "claimed_by": "invocation-0", "sequence": {"series": "tag v#", "position": "0011 "},
        "lease_until": "2026-01-01T00:00:50Z",
        "previous_task_definition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:40",
        "previous_image": "busybox",
    }})
}

/// AWS as a service that is deployed to for the second time meets it.
pub fn aws(call: &Call) -> Answer {
    let task_definition = "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:41";
    let next = "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:42";
    match call.name.as_str() {
        "GET /state/routes/shop/api.json" => ok(&json!({
            "repository": "shop/api",
            "subscribers": [{"stack": "shop", "service": "api", "cluster": "shop",
                           "ecs_service": "api", "container": "app", "image_policy": {"tags": ["v*"]}}],
        })),
        "GET /state/deployments/shop/api/current.json" => ok(&record()),
        "GET /state/provisions/shop/current.json" => (404, NO_SUCH_KEY.to_owned()),
        "DescribeServices" => ok(&json!({"services": [{
            "status": "ACTIVE", "taskDefinition": task_definition, "desiredCount": 2,
            "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY",
                             "taskDefinition": task_definition, "rolloutState": "COMPLETED"}],
        }]})),
        "DescribeTaskDefinition" => (200, EVERY_FIELD.to_owned()),
        "DescribeImages" => ok(&json!({"imageDetails": [{
            "imageDigest": DIGEST, "imageTags": ["v2"], "imagePushedAt": noon().timestamp(),
        }]})),
        "BatchGetImage" => ok(&json!({"images": [{"imageManifest": json!({
            "schemaVersion": 2, "manifests": [],
            "annotations": {"org.opencontainers.image.revision": "0123abc"},
        }).to_string()}]})),
        "RegisterTaskDefinition" => ok(&json!({"taskDefinition": {"taskDefinitionArn": next}})),
        "UpdateService" => ok(&json!({"service": {
            "status": "ACTIVE", "taskDefinition": next,
            "deployments": [{"id": "ecs-svc/2", "status": "PRIMARY", "taskDefinition": next}],
        }})),
        "PUT /state/deployments/shop/api/current.json" => (200, String::new()),
        "PutEvents" => ok(&json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})),
        other => panic!("unexpected call {other}"),
    }
}

#[tokio::test]
async fn eleven_calls_lead_from_a_push_to_an_updated_service() {
    let wire = Wire::new(aws);
    let results = deploy_push(&wire.cloud(), &push(), &worker())
        .await
        .unwrap();
    assert!(
        matches!(results.as_slice(), [Ok(answer)] if matches!(answer.outcome, Outcome::Started { .. })),
        "{results:?}"
    );
    let names = wire.names();
    let update = names
        .iter()
        .position(|name| name == "UpdateService")
        .unwrap();
    // The records and the service are asked for side by side, in any order.
    let until_update: BTreeSet<&str> = names[..=update].iter().map(String::as_str).collect();
    assert_eq!(
        until_update,
        BTreeSet::from([
            "BatchGetImage",
            "DescribeImages",
            "DescribeServices",
            "DescribeTaskDefinition",
            "GET /state/deployments/shop/api/current.json",
            "GET /state/provisions/shop/current.json",
            "GET /state/routes/shop/api.json",
            "PUT /state/deployments/shop/api/current.json",
            "RegisterTaskDefinition",
            "UpdateService",
        ])
    );
    assert_eq!(update, 10, "{names:?}");
    assert_eq!(
        names[update + 1..],
        [
            "PUT /state/deployments/shop/api/current.json",
            "PutEvents",
            "PUT /state/deployments/shop/api/current.json",
        ]
    );
}

#[tokio::test]
async fn every_signed_call_says_who_asks() {
    let wire = Wire::new(aws);
    deploy_push(&wire.cloud(), &push(), &worker())
        .await
        .unwrap();
    let application = format!("app/{APPLICATION}");
    for call in wire.calls() {
        let program = call.header("user-agent").unwrap_or_default();
        assert!(program.contains(&application), "{}: {program}", call.name);
    }
}

#[tokio::test]
async fn what_is_registered_is_what_ecs_described_with_one_image_replaced() {
    let wire = Wire::new(aws);
    deploy_push(&wire.cloud(), &push(), &worker())
        .await
        .unwrap();
    let calls = wire.calls();
    let register = calls
        .iter()
        .find(|call| call.name == "RegisterTaskDefinition")
        .unwrap();
    assert_eq!(
        register.header("content-length"),
        Some(register.body.len().to_string().as_str())
    );

    let described: Value = serde_json::from_str(EVERY_FIELD).unwrap();
    let mut expected = described["taskDefinition"].clone();
    for name in [
        "taskDefinitionArn",
        "revision",
        "status",
        "requiresAttributes",
        "compatibilities",
        "registeredAt",
        "registeredBy",
        "deregisteredAt",
        "deleteRequestedAt",
    ] {
        assert!(
            expected.as_object_mut().unwrap().remove(name).is_some(),
            "{name}"
        );
    }
    expected["containerDefinitions"][1]["image"] = json!(format!(
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@{DIGEST}"
    ));
    let mut registered = register.json();
    let tags = registered.as_object_mut().unwrap().remove("tags").unwrap();
    assert_eq!(registered, expected);
    assert_eq!(tags[0], json!({"key": "team", "value": "shop"}));
    assert_eq!(
        tags[1],
        json!({"key": "longshore:deployment", "value": "event-1-1"})
    );
}

/// The SDK's types name every field that ECS had when they were generated; their `Debug` lists them.
#[test]
fn the_fixture_has_every_field_that_the_sdk_knows() {
    use aws_sdk_ecs::types::{ContainerDefinition, LinuxParameters, TaskDefinition, Volume};
    let described: Value = serde_json::from_str(EVERY_FIELD).unwrap();
    let task_definition = &described["taskDefinition"];
    let container = &task_definition["containerDefinitions"][1];
    let volumes = task_definition["volumes"].as_array().unwrap();
    let all_volumes = volumes.iter().fold(json!({}), |mut all, volume| {
        all.as_object_mut()
            .unwrap()
            .extend(volume.as_object().unwrap().clone());
        all
    });
    let cases = [
        (
            format!("{:#?}", TaskDefinition::builder().build()),
            task_definition,
        ),
        (
            format!("{:#?}", ContainerDefinition::builder().build()),
            container,
        ),
        (
            format!("{:#?}", LinuxParameters::builder().build()),
            &container["linuxParameters"],
        ),
        (format!("{:#?}", Volume::builder().build()), &all_volumes),
    ];
    for (debug, fixture) in cases {
        let fields: Vec<&str> = debug
            .lines()
            .filter_map(|line| line.strip_prefix("    ")?.split_once(": "))
            .map(|(name, _)| name)
            .filter(|name| !name.starts_with(' '))
            .collect();
        assert!(fields.len() > 4, "{debug}");
        for field in fields {
            let name = camel_case(field);
            assert!(fixture.get(&name).is_some(), "the fixture lacks {name}");
        }
    }
}

/// `efs_volume_configuration` as the API spells it, `efsVolumeConfiguration`.
fn camel_case(field: &str) -> String {
    let mut parts = field.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let (initial, rest) = part.split_at(1);
        name + &initial.to_uppercase() + rest
    })
}

#[tokio::test]
async fn update_service_changes_the_task_definition_and_nothing_else() {
    let wire = Wire::new(aws);
    deploy_push(&wire.cloud(), &push(), &worker())
        .await
        .unwrap();
    let calls = wire.calls();
    let update = calls
        .iter()
        .find(|call| call.name == "UpdateService")
        .unwrap();
    assert_eq!(
        update.json(),
        json!({
            "cluster": "shop",
            "service": "api",
            "taskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:42",
        })
    );
}

#[tokio::test]
async fn a_record_is_replaced_only_in_the_version_that_was_read() {
    let wire = Wire::new(aws);
    deploy_push(&wire.cloud(), &push(), &worker())
        .await
        .unwrap();
    for call in wire
        .calls()
        .iter()
        .filter(|call| call.name.starts_with("PUT "))
    {
        assert_eq!(call.header("if-match"), Some("\"e1\""), "{call:?}");
    }
}

#[tokio::test]
async fn a_first_record_is_written_only_when_there_is_none() {
    let wire = Wire::new(|call| {
        match call.name.as_str() {
        "PUT /state/deployments/shop/api/current.json" => (
            412,
            "<Error><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you \
             specified did not hold</Message></Error>"
                .to_owned(),
        ),
        _ => aws(call),
    }
    });
    let record: Record = serde_json::from_value(record()).unwrap();
    let error = wire.cloud().save(&record, None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::LostRace);
    assert_eq!(wire.calls()[0].header("if-none-match"), Some("*"));
}

/// The stack record as `provision` wrote it when it began to change the stack.
fn stack_record() -> StackRecord {
    let operation = Operation::begin(
        "change-1",
        OperationKind::Apply,
        StackSource::Manual {
            note: None,
            by: None,
        },
        noon(),
    );
    StackRecord::begin("shop", None, operation, ChangeCounts::default(), &worker())
}

#[tokio::test]
async fn a_stack_record_is_read_as_it_was_written_and_replaces_only_what_was_read() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "GET /state/provisions/shop/current.json" => {
            (200, serde_json::to_string(&stack_record()).unwrap())
        }
        "PUT /state/provisions/shop/current.json" if call.header("if-none-match").is_some() => (
            412,
            "<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>".to_owned(),
        ),
        "PUT /state/provisions/shop/current.json" => (200, String::new()),
        other => panic!("unexpected call {other}"),
    });
    let cloud = wire.cloud();
    let (record, version) = cloud.load_stack("shop").await.unwrap().unwrap();
    assert_eq!(record, stack_record());
    cloud.save_stack(&record, Some(&version)).await.unwrap();
    let error = cloud.save_stack(&record, None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::LostRace);
    let calls = wire.calls();
    assert_eq!(calls[1].header("if-match"), Some("\"e1\""));
    assert_eq!(calls[1].json()["operation"]["state"], "changing");
    assert_eq!(calls[2].header("if-none-match"), Some("*"));
}

#[tokio::test]
async fn the_stacks_are_those_that_have_a_record() {
    let wire = Wire::new(|_| {
        (
            200,
            "<ListBucketResult><IsTruncated>false</IsTruncated>\
             <Contents><Key>provisions/shop-prod/current.json</Key></Contents>\
             <Contents><Key>provisions/README.md</Key></Contents>\
             <Contents><Key>provisions/shop/current.json</Key></Contents></ListBucketResult>"
                .to_owned(),
        )
    });
    assert_eq!(wire.cloud().stacks().await.unwrap(), ["shop-prod", "shop"]);
}

/// A push while the stack changes asks for no more than one that has settled, and changes the stack's record only.
#[tokio::test]
async fn a_push_while_the_stack_changes_is_written_into_the_stacks_record() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "GET /state/provisions/shop/current.json" => {
            (200, serde_json::to_string(&stack_record()).unwrap())
        }
        "PUT /state/provisions/shop/current.json" => (200, String::new()),
        _ => aws(call),
    });
    let results = deploy_push(&wire.cloud(), &push(), &worker())
        .await
        .unwrap();
    assert!(
        matches!(results.as_slice(), [Ok(answer)] if answer.outcome == Outcome::Pending),
        "{results:?}"
    );
    let calls = wire.calls();
    let writes: Vec<&Call> = calls
        .iter()
        .filter(|call| {
            let reads = ["GET ", "Describe", "BatchGet"];
            !reads.iter().any(|read| call.name.starts_with(read))
        })
        .collect();
    let [write] = writes.as_slice() else {
        panic!("{writes:?}");
    };
    assert_eq!(write.name, "PUT /state/provisions/shop/current.json");
    let waiting = &write.json()["pending_pushes"]["api/app"];
    assert_eq!(waiting["request"]["id"], "event-1-1");
    assert_eq!(waiting["request"]["image"]["digest"], DIGEST);
    assert_eq!(waiting["subscriber"]["ecs_service"], "api");
}

#[tokio::test]
async fn a_missing_key_is_nothing_and_a_forbidden_one_is_an_error_with_its_code() {
    let missing = Wire::new(|_| (404, NO_SUCH_KEY.to_owned()));
    assert_eq!(missing.cloud().route("shop/api").await.unwrap(), None);

    let forbidden = Wire::new(|_| {
        (
            403,
            "<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_owned(),
        )
    });
    let error = forbidden.cloud().route("shop/api").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert_eq!(
        error.to_string(),
        "read s3://state/routes/shop/api.json: AccessDenied: no"
    );
}

#[tokio::test]
async fn an_entry_that_put_events_refused_is_an_error_although_the_status_is_200() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "PutEvents" => ok(&json!({
            "FailedEntryCount": 1,
            "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}],
        })),
        _ => aws(call),
    });
    let results = deploy_push(&wire.cloud(), &push(), &worker())
        .await
        .unwrap();
    let error = results[0].as_ref().unwrap_err();
    assert!(
        error.to_string().contains("InternalFailure: try again"),
        "{error}"
    );
    // The event is still in the record.
    let calls = wire.calls();
    let record = calls
        .iter()
        .rfind(|call| call.name.starts_with("PUT "))
        .unwrap()
        .json();
    assert_eq!(
        record["outbox"][0]["event"]["detail-type"],
        "Deployment Started"
    );
}

#[tokio::test]
async fn a_tag_is_resolved_to_the_digest_that_it_has_now() {
    let wire = Wire::new(|_| {
        ok(&json!({"imageDetails": [{"imageDigest": DIGEST, "imageTags": ["v2", "latest"]}]}))
    });
    let image = wire
        .cloud()
        .resolve(&"shop/api:v2".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(image, push().image);
    assert_eq!(
        wire.calls()[0].json(),
        json!({"repositoryName": "shop/api", "imageIds": [{"imageTag": "v2"}]})
    );
}

#[tokio::test]
async fn a_service_that_is_gone_is_not_found() {
    for answer in [
        json!({"services": [], "failures": [{"reason": "MISSING"}]}),
        json!({"services": [{"status": "INACTIVE"}]}),
    ] {
        let wire = Wire::new(move |_| ok(&answer));
        let service = longshore_events::arn::ServiceName {
            cluster: "shop".to_owned(),
            ecs_service: "api".to_owned(),
        };
        let error = wire.cloud().describe_service(&service).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::NotFound, "{error}");
    }
}
