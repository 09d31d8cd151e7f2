//! A restart by hand: new tasks of what runs, told as what it is, and what keeps it back.

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::longshore::Source;
use longshore_events::manual::HoldPayload;
use longshore_policy::route::Subscriber;
use longshore_rollout::asked::AskError;
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::engine::{Outcome, ServiceOutcome};
use longshore_rollout::record::State;
use longshore_rollout::triggers::hold::hold;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::restart::{RestartAsked, restart};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

use crate::support::stable;

async fn restarted(
    cloud: &FakeCloud,
    id: &str,
    seconds: i64,
) -> Result<Option<ServiceOutcome>, AskError> {
    cloud.set_now(noon(seconds));
    let api = subscriber("api").service_id();
    restart(
        cloud,
        &api,
        RestartAsked {
            note: Some("a leak"),
            by: None,
        },
        false,
        &worker(id, seconds),
    )
    .await
}

/// A service whose first deployment is under way.
async fn deploying(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    cloud.set_now(noon(0));
    let push = cloud.push("v1", digest('1'), noon(0));
    for result in deploy_push(&cloud, &push, &worker("push-v1", 0))
        .await
        .unwrap()
    {
        result.unwrap();
    }
    cloud
}

/// A service that runs v1.
async fn running(api: &Subscriber) -> FakeCloud {
    let cloud = deploying(api).await;
    stable(&cloud, api, 50).await;
    cloud
}

fn reason(refused: Result<Option<ServiceOutcome>, AskError>) -> String {
    let error = refused.unwrap_err();
    assert!(matches!(error, AskError::Refused { .. }), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_restart_starts_new_tasks_of_the_same_image_and_is_told_as_a_restart() {
    let api = subscriber("api");
    let cloud = running(&api).await;
    let image = cloud.running_image(&api);
    let primary = cloud.primary_id(&api);
    let outcome = restarted(&cloud, "again", 100).await.unwrap().unwrap();
    assert!(matches!(outcome.outcome, Outcome::Started { .. }));
    assert_ne!(cloud.primary_id(&api), primary);
    assert_eq!(cloud.running_image(&api), image);
    let last = cloud.record(&api).unwrap().deployment.clone();
    let note = Some("a leak".to_owned());
    assert_eq!(last.source, Source::Restart { note, by: None });
    assert_eq!((last.number, last.image.tag.as_deref()), (2, Some("v1")));
    stable(&cloud, &api, 150).await;
    let last = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(last.state, State::Succeeded);
    assert_eq!(cloud.detail_types().last(), Some(&"Deployment Succeeded"));
}

#[tokio::test]
async fn a_repeated_invocation_restarts_once_and_another_one_again() {
    let api = subscriber("api");
    let cloud = running(&api).await;
    restarted(&cloud, "one", 100).await.unwrap();
    restarted(&cloud, "one", 101).await.unwrap();
    assert_eq!(cloud.updates(&api), 2);
    stable(&cloud, &api, 150).await;
    restarted(&cloud, "two", 200).await.unwrap();
    assert_eq!(cloud.updates(&api), 3);
}

#[tokio::test]
async fn nothing_is_restarted_while_a_deployment_is_under_way() {
    let api = subscriber("api");
    let cloud = deploying(&api).await;
    let said = reason(restarted(&cloud, "again", 10).await);
    assert!(said.contains("deployment 1 is under way"), "{said}");
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn nothing_is_restarted_that_is_held() {
    let api = subscriber("api");
    let cloud = running(&api).await;
    let payload = HoldPayload {
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        until: None,
        note: Some("the sale".to_owned()),
        by: None,
    };
    hold(&cloud, &payload, &worker("hold", 60)).await.unwrap();
    let said = reason(restarted(&cloud, "again", 100).await);
    assert!(said.contains("it is held (the sale): resume it"), "{said}");
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn what_longshore_never_deployed_is_not_restarted() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let said = reason(restarted(&cloud, "again", 100).await);
    assert!(said.contains("has deployed nothing to it yet"), "{said}");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let api = subscriber("api");
    let cloud = running(&api).await;
    let id = api.service_id();
    let outcome = restart(
        &cloud,
        &id,
        RestartAsked::default(),
        true,
        &worker("dry", 100),
    )
    .await;
    assert_eq!(outcome.unwrap(), None);
    assert_eq!(cloud.updates(&api), 1);
    assert_eq!(cloud.record(&api).unwrap().deployment.number, 1);
}

#[tokio::test]
async fn whatever_fails_the_next_attempt_of_the_same_invocation_restarts_it_once() {
    let api = subscriber("api");
    for operation in [
        "DescribeServices",
        "RegisterTaskDefinition",
        "UpdateService",
    ] {
        let cloud = running(&api).await;
        cloud.inject_at(operation, Fault::Fails(ErrorClass::Transient));
        let failed = restarted(&cloud, "again", 100).await.unwrap_err();
        assert!(matches!(failed, AskError::Call { .. }), "{failed}");
        restarted(&cloud, "again", 101).await.unwrap();
        assert_eq!(cloud.updates(&api), 2, "{operation}");
        let last = cloud.record(&api).unwrap().deployment.clone();
        assert_eq!((last.number, last.state), (2, State::Deploying));
    }
}

#[tokio::test]
async fn the_image_of_a_restart_that_failed_is_still_one_that_policies_may_deploy() {
    let api = subscriber("api");
    let cloud = running(&api).await;
    restarted(&cloud, "again", 100).await.unwrap();
    let ours = cloud.primary_id(&api);
    cloud.roll_back(&api, 115);
    let change = DeploymentStateChange {
        event_name: DeploymentEventName::Failed,
        deployment_id: ours,
        updated_at: noon(120),
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
    };
    cloud.set_now(noon(120));
    deployment_changed(&cloud, &api.service_name(), &change, &worker("watch", 120))
        .await
        .unwrap();
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::RollingBack);
    assert!(record.blocked.is_empty(), "{:?}", record.blocked);
}
