//! Which calls are sent again when AWS answers slowly, and what a second request must not do.

use std::sync::Mutex;
use std::time::Duration;

use longshore_events::arn::ServiceName;
use longshore_rollout::ports::{ErrorClass, ServiceDeployer};
use serde_json::json;

use crate::support::{Answer, Call, Wire, ok};

/// Longer than one attempt may take.
const SLOW: Duration = Duration::from_secs(6);

/// Longer than a call may take.
const TOO_SLOW: Duration = Duration::from_secs(60);

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
    let request = json!({"family": "shop-api"});
    let registered = cloud.register_task_definition(&request).await;
    assert_eq!(registered.unwrap(), revision(42));
    let updated = cloud.update_service(&service(), &revision(42)).await;
    assert_eq!(updated.unwrap(), "ecs-svc/2");
    assert_eq!(wire.names(), ["RegisterTaskDefinition", "UpdateService"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_ecs_does_not_answer_is_a_transient_error_and_is_not_sent_again() {
    let wire = Wire::new(ecs).delayed(|_| TOO_SLOW);
    let cloud = wire.patient_cloud();
    let error = cloud
        .update_service(&service(), &revision(42))
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
    let updated = cloud.update_service(&service(), &revision(42)).await;
    assert_eq!(updated.unwrap(), "ecs-svc/2");
    assert_eq!(wire.names(), ["UpdateService", "UpdateService"]);
}
