//! Which calls are sent again when AWS answers slowly, and what a second request must not do.

use std::sync::Mutex;
use std::time::Duration;

use longshore_events::arn::ServiceName;
use longshore_rollout::documents::RecordStore;
use longshore_rollout::engine::Outcome;
use longshore_rollout::ports::ServiceDeployer;
use longshore_rollout::record::Record;
use longshore_rollout::triggers::push::deploy_push;
use longshore_state::{CallError, ErrorClass, Version};
use serde_json::json;

use crate::calls::{aws, push, record, worker};
use crate::support::{Answer, Call, Wire, ok};

/// Longer than one attempt may take.
const SLOW: Duration = Duration::from_secs(6);

/// Longer than a call may take.
const TOO_SLOW: Duration = Duration::from_secs(60);

const RECORD: &str = "/state/deployments/shop/api/current.json";

const LOST: &str = "<Error><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions \
                    you specified did not hold</Message></Error>";

fn service() -> ServiceName {
    ServiceName {
        cluster: "shop".to_owned(),
        ecs_service: "api".to_owned(),
    }
}

fn revision(number: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:{number}")
}

fn ecs(call: &Call) -> Answer {
    match call.name.as_str() {
        "DescribeServices" => ok(&json!({"services": [{
            "status": "ACTIVE", "taskDefinition": revision(42),
        }]})),
        "RegisterTaskDefinition" => {
            ok(&json!({"taskDefinition": {"taskDefinitionArn": revision(42)}}))
        }
        "UpdateService" => ok(&json!({"service": {
            "status": "ACTIVE", "taskDefinition": revision(42),
            "deployments": [{"id": "ecs-svc/2", "status": "PRIMARY"}],
        }})),
        other => panic!("unexpected call {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_revision_and_an_update_are_asked_for_once_even_if_ecs_answers_slowly() {
    let wire = Wire::new(ecs).delayed(|_| SLOW);
    let cloud = wire.patient_cloud();
    let request = json!({"family": "shop-api", "containerDefinitions": []});
    let registered = cloud.register_task_definition(&request).await;
    assert_eq!(registered.unwrap(), revision(42));
    let updated = cloud.update_service(&service(), &revision(42), None).await;
    assert_eq!(updated.unwrap(), "ecs-svc/2");
    assert_eq!(wire.names(), ["RegisterTaskDefinition", "UpdateService"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_ecs_does_not_answer_is_a_transient_error_and_is_not_sent_again() {
    let wire = Wire::new(ecs).delayed(|_| TOO_SLOW);
    let cloud = wire.patient_cloud();
    let error = cloud
        .update_service(&service(), &revision(42), None)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient, "{error}");
    assert_eq!(wire.names(), ["UpdateService"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_read_is_sent_again() {
    let is_first = Mutex::new(true);
    let wire = Wire::new(ecs).delayed(move |_| {
        if std::mem::take(&mut *is_first.lock().unwrap()) {
            SLOW
        } else {
            Duration::ZERO
        }
    });
    let shown = wire.patient_cloud().describe_service(&service()).await;
    assert_eq!(shown.unwrap().task_definition, revision(42));
    assert_eq!(wire.names(), ["DescribeServices", "DescribeServices"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_ecs_throttles_is_sent_again() {
    let is_first = Mutex::new(true);
    let wire = Wire::new(move |call| {
        if std::mem::take(&mut *is_first.lock().unwrap()) {
            let refusal = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
            return (400, refusal.to_string());
        }
        ecs(call)
    });
    let cloud = wire.patient_cloud();
    let updated = cloud.update_service(&service(), &revision(42), None).await;
    assert_eq!(updated.unwrap(), "ecs-svc/2");
    assert_eq!(wire.names(), ["UpdateService", "UpdateService"]);
}

/// S3 with one record. It carries out the first write at once, and answers slowly. `overwritten` is what somebody else
/// has written by then.
fn bucket(overwritten: Option<&'static str>) -> Wire {
    let object = Mutex::new(("e1", "{}".to_owned()));
    let is_first = Mutex::new(true);
    Wire::new(move |call| {
        let mut object = object.lock().unwrap();
        let name = call.name.split_once(' ').unwrap();
        match name {
            ("PUT", RECORD) if call.header("if-match") == Some(object.0) => {
                let written = overwritten.map_or(call.body.clone(), str::to_owned);
                *object = ("e2", written);
                (200, String::new())
            }
            ("PUT", RECORD) => (412, LOST.to_owned()),
            ("GET", RECORD) => (200, object.1.clone()),
            other => panic!("unexpected call {other:?}"),
        }
    })
    .delayed(move |_| {
        if std::mem::take(&mut *is_first.lock().unwrap()) {
            SLOW
        } else {
            Duration::ZERO
        }
    })
    .with_header("etag", "e2")
}

/// Writes the record where it was read as `e1`.
async fn save(wire: &Wire) -> Result<Version, CallError> {
    let record: Record = serde_json::from_value(record()).unwrap();
    let version = Version::new("e1");
    wire.patient_cloud().save(&record, Some(&version)).await
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_sent_again_does_not_lose_against_itself() {
    let wire = bucket(None);
    assert_eq!(save(&wire).await.unwrap(), Version::new("e2"));
    assert_eq!(
        wire.names(),
        ["PUT", "PUT", "GET"].map(|method| format!("{method} {RECORD}"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_sent_again_loses_against_another_one() {
    let wire = bucket(Some("{\"deployment\": {}}"));
    let error = save(&wire).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::LostRace, "{error}");
}

#[tokio::test]
async fn a_write_that_was_sent_once_and_refused_has_lost() {
    let wire = Wire::new(|_| (412, LOST.to_owned()));
    let error = save(&wire).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::LostRace, "{error}");
    // It cannot have lost against itself, so the object is not read.
    assert_eq!(wire.names(), [format!("PUT {RECORD}")]);
}

#[tokio::test(start_paused = true)]
async fn a_push_whose_claim_was_sent_twice_is_rolled_out_by_the_same_invocation() {
    let stored = Mutex::new(record().to_string());
    let writes = Mutex::new(0);
    let is_first = Mutex::new(true);
    let wire = Wire::new(move |call| {
        let mut stored = stored.lock().unwrap();
        match call.name.split_once(' ') {
            Some(("GET", RECORD)) => (200, stored.clone()),
            Some(("PUT", RECORD)) => {
                let mut writes = writes.lock().unwrap();
                *writes += 1;
                if *writes == 2 {
                    return (412, LOST.to_owned());
                }
                stored.clone_from(&call.body);
                (200, String::new())
            }
            _ => aws(call),
        }
    })
    .delayed(move |call| {
        let is_write = call.name.starts_with("PUT ");
        if is_write && std::mem::take(&mut *is_first.lock().unwrap()) {
            SLOW
        } else {
            Duration::ZERO
        }
    });
    let results = deploy_push(&wire.patient_cloud(), &push(), &worker()).await;
    let results = results.unwrap();
    assert!(
        matches!(results.as_slice(), [Ok(answer)] if matches!(answer.outcome, Outcome::Started { .. })),
        "{results:?}"
    );
    let names = wire.names();
    let updates = names.iter().filter(|name| *name == "UpdateService");
    assert_eq!(updates.count(), 1, "{names:?}");
}
