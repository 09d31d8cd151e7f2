//! Deployments that ECS keeps an account of: blue/green, linear and canary, and what DescribeServices alone
//! would lead astray.

use chrono::TimeDelta;
use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::longshore::{LongshoreEvent, RolloutProgress};
use longshore_policy::route::Subscriber;
use longshore_rollout::course::WatchOutcome;
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::ports::ServiceDeploymentStatus;
use longshore_rollout::record::State;
use longshore_rollout::status::status;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_state::{CallError, ErrorClass};
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

async fn deployed(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    let push = cloud.push("v2", digest('2'), noon(0));
    let results = deploy_push(&cloud, &push, &worker("deploy", 0)).await;
    assert!(results.unwrap().iter().all(Result::is_ok));
    cloud
}

async fn hear(
    cloud: &FakeCloud,
    api: &Subscriber,
    id: &str,
    event_name: DeploymentEventName,
    seconds: i64,
) -> WatchOutcome {
    try_hear(cloud, api, id, event_name, seconds).await.unwrap()
}

async fn try_hear(
    cloud: &FakeCloud,
    api: &Subscriber,
    id: &str,
    event_name: DeploymentEventName,
    seconds: i64,
) -> Result<WatchOutcome, CallError> {
    let change = DeploymentStateChange {
        event_name,
        deployment_id: id.to_owned(),
        updated_at: noon(seconds),
        reason: String::new(),
    };
    let watch = worker("watch", seconds);
    deployment_changed(cloud, &api.service_name(), &change, &watch).await
}

async fn look(cloud: &FakeCloud, seconds: i64) {
    let reconciled = reconcile(cloud, &worker("schedule", seconds))
        .await
        .unwrap();
    assert_eq!(reconciled.failures, Vec::<String>::new());
}

fn bakes(cloud: &FakeCloud, api: &Subscriber, stage: &str, percent: u8) {
    cloud.change_account(api, |account| {
        account.bakes = true;
        account.progress = Some(RolloutProgress {
            stage: stage.to_owned(),
            shifted_percent: Some(percent),
        });
    });
}

#[tokio::test]
async fn a_deployment_whose_tasks_all_run_is_not_a_success_while_ecs_still_watches_it() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    cloud.complete(&api);
    cloud.change_account(&api, |account| {
        account.status = ServiceDeploymentStatus::InProgress;
    });
    bakes(&cloud, &api, "BAKE_TIME", 100);
    let heard = hear(&cloud, &api, &ours, DeploymentEventName::Completed, 60).await;
    assert_eq!(heard, WatchOutcome::Noted);
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Progressed"]
    );

    // An alarm goes off while it bakes.
    cloud.roll_back(&api, 120);
    look(&cloud, 130).await;
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::RollingBack
    );
    cloud.complete(&api);
    look(&cloud, 200).await;
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::RolledBack
    );
    assert_eq!(
        cloud.detail_types()[2..],
        ["Deployment Failed", "Deployment Rolled Back"]
    );
}

#[tokio::test]
async fn a_failure_whose_event_was_lost_is_found_though_the_old_deployment_is_the_primary_one() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    // ECS brings the old revision back under a deployment that began earlier, and shows ours no more.
    cloud.roll_back(&api, 30);
    cloud.complete(&api);
    cloud.change_service(&api, |service| {
        service.messages.clear();
        for deployment in &mut service.deployments {
            deployment.created_at = Some(noon(-60));
            deployment.rollout_state_reason.clear();
        }
    });
    look(&cloud, 60).await;
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::RolledBack);
    let reason = record.deployment.reason.clone().unwrap();
    assert!(reason.contains("circuit breaker"), "{reason}");
}

#[tokio::test]
async fn a_rollback_within_the_same_service_deployment_is_not_published_as_a_failure_that_stays() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    // ECS says that ours failed before it shows what it goes back to: the event comes again.
    let error = try_hear(&cloud, &api, &ours, DeploymentEventName::Failed, 30).await;
    assert_eq!(error.unwrap_err().class, ErrorClass::Transient);
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);
    cloud.roll_back(&api, 31);
    let heard = hear(&cloud, &api, &ours, DeploymentEventName::Failed, 32).await;
    assert_eq!(heard, WatchOutcome::Failed);
    let published = cloud.published();
    let Some(LongshoreEvent::DeploymentFailed(failed)) = published.last() else {
        panic!("{published:?}");
    };
    assert!(failed.rolling_back);
}

#[tokio::test]
async fn a_failure_of_a_service_that_rolls_nothing_back_is_published_at_once() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    cloud.change_account(&api, |account| account.rolls_back = false);
    let heard = hear(&cloud, &api, &ours, DeploymentEventName::Failed, 30).await;
    assert_eq!(heard, WatchOutcome::Failed);
    assert_eq!(cloud.record(&api).unwrap().deployment.state, State::Failed);
}

#[tokio::test]
async fn an_event_of_success_that_comes_before_ecs_own_account_says_so_comes_again() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    cloud.complete(&api);
    cloud.change_account(&api, |account| {
        account.status = ServiceDeploymentStatus::InProgress;
        account.bakes = true;
    });
    let error = try_hear(&cloud, &api, &ours, DeploymentEventName::Completed, 30).await;
    assert_eq!(error.unwrap_err().class, ErrorClass::Transient);
    cloud.change_account(&api, |account| {
        account.status = ServiceDeploymentStatus::Successful
    });
    let heard = hear(&cloud, &api, &ours, DeploymentEventName::Completed, 90).await;
    assert_eq!(heard, WatchOutcome::Succeeded);
}

#[tokio::test]
async fn an_account_that_may_not_be_read_keeps_no_deployment_open() {
    let api = subscriber("api");
    for class in [
        ErrorClass::Denied,
        ErrorClass::Refused,
        ErrorClass::NotFound,
    ] {
        let cloud = deployed(&api).await;
        cloud.complete(&api);
        cloud.inject_at("ListServiceDeployments", Fault::Fails(class));
        look(&cloud, 60).await;
        assert_eq!(
            cloud.detail_types(),
            ["Deployment Started", "Deployment Succeeded"]
        );
    }
}

#[tokio::test]
async fn what_ran_before_and_is_deployed_again_by_hand_is_not_a_rollback_of_ecs() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let before = cloud
        .record(&api)
        .unwrap()
        .deployment
        .previous_task_definition
        .clone();
    cloud.update_outside(&api, &before, 30);
    look(&cloud, 60).await;
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::Superseded);
    assert!(record.blocked.is_empty());
}

#[tokio::test]
async fn status_shows_every_service_though_one_is_gone_while_it_is_deployed() {
    let services = [subscriber("api"), subscriber("web")];
    let cloud = FakeCloud::with_services(&services);
    let push = cloud.push("v2", digest('2'), noon(0));
    deploy_push(&cloud, &push, &worker("deploy", 0))
        .await
        .unwrap();
    cloud.remove_service(&services[0]);
    let statuses = status(&cloud, |_| true, noon(60)).await.unwrap();
    assert_eq!(statuses.len(), 2);
    assert!(statuses[0].running.is_none() && statuses[1].running.is_some());
}

#[tokio::test]
async fn a_rollback_that_fails_is_published_with_the_first_reason() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    cloud.roll_back(&api, 30);
    look(&cloud, 31).await;
    cloud.change_account(&api, |account| {
        account.status = ServiceDeploymentStatus::RollbackFailed;
    });
    look(&cloud, 60).await;
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::Failed);
    let reason = record.deployment.reason.clone().unwrap();
    assert!(reason.contains("tasks failed to start"), "{reason}");
    let published = cloud.published();
    let Some(LongshoreEvent::DeploymentFailed(failed)) = published.last() else {
        panic!("{published:?}");
    };
    assert!(!failed.rolling_back);
}

#[tokio::test]
async fn somebody_who_stops_a_deployment_by_hand_has_failed_it() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    cloud.change_account(&api, |account| {
        account.status = ServiceDeploymentStatus::Stopped;
        account.reason = "Service deployment stopped by user.".to_owned();
    });
    look(&cloud, 60).await;
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::Failed);
    assert_eq!(
        record.deployment.reason.as_deref(),
        Some("Service deployment stopped by user.")
    );
}

#[tokio::test]
async fn each_stage_of_a_canary_is_published_once_and_shown_by_status() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    bakes(&cloud, &api, "SCALE_UP", 0);
    look(&cloud, 20).await;
    look(&cloud, 30).await;
    bakes(&cloud, &api, "PRODUCTION_TRAFFIC_SHIFT", 10);
    look(&cloud, 40).await;
    look(&cloud, 50).await;
    assert_eq!(
        cloud.detail_types(),
        [
            "Deployment Started",
            "Deployment Progressed",
            "Deployment Progressed"
        ]
    );
    let statuses = status(&cloud, |_| true, noon(60)).await.unwrap();
    let progress = statuses[0].progress.clone().unwrap();
    assert_eq!(progress.stage, "PRODUCTION_TRAFFIC_SHIFT");
    assert_eq!(progress.shifted_percent, Some(10));
}

#[tokio::test]
async fn the_deadline_is_for_tasks_that_do_not_start_and_not_for_the_time_that_a_canary_bakes() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let minutes = i64::from(api.rollout.deadline_minutes);
    let late = TimeDelta::minutes(minutes + 60).num_seconds();
    bakes(&cloud, &api, "BAKE_TIME", 10);
    look(&cloud, late).await;
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Deploying
    );

    bakes(&cloud, &api, "SCALE_UP", 0);
    look(&cloud, late + 60).await;
    assert_eq!(cloud.record(&api).unwrap().deployment.state, State::Failed);
}

#[tokio::test]
async fn a_success_in_ecs_own_account_is_one_though_the_service_has_been_changed_since() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    cloud.complete(&api);
    cloud.deploy_outside(
        &api,
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v9",
        90,
    );
    look(&cloud, 100).await;
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
}

#[tokio::test]
async fn where_ecs_keeps_no_account_what_the_service_shows_decides() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    cloud.keep_no_accounts();
    cloud.roll_back(&api, 30);
    look(&cloud, 40).await;
    cloud.complete(&api);
    look(&cloud, 60).await;
    assert_eq!(
        cloud.detail_types(),
        [
            "Deployment Started",
            "Deployment Failed",
            "Deployment Rolled Back"
        ]
    );
}
