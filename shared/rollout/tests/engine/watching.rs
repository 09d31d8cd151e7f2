//! From what ECS says to an outcome. A stable service is not a deployment that succeeded.

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange, TaskStateChange};
use longshore_events::longshore::{LongshoreEvent, TaskFailure};
use longshore_policy::route::Subscriber;
use longshore_rollout::course::WatchOutcome;
use longshore_rollout::course::watch::{deployment_changed, task_stopped};
use longshore_rollout::ports::ServiceDeploymentStatus;
use longshore_rollout::record::State;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

const BROKEN: &str = "ECS deployment circuit breaker: tasks failed to start.";

/// By default a deployment must have an outcome within half an hour.
const DEADLINE: i64 = 30 * 60;

async fn deployed(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    let results = deploy_push(
        &cloud,
        &cloud.push("v2", digest('2'), noon(0)),
        &worker("deploy", 0),
    )
    .await
    .unwrap();
    assert!(results.iter().all(Result::is_ok));
    cloud
}

fn change(id: &str, name: DeploymentEventName, reason: &str) -> DeploymentStateChange {
    DeploymentStateChange {
        event_name: name,
        deployment_id: id.to_owned(),
        updated_at: noon(30),
        reason: reason.to_owned(),
    }
}

async fn hear(
    cloud: &FakeCloud,
    api: &Subscriber,
    id: &str,
    name: DeploymentEventName,
    reason: &str,
) -> WatchOutcome {
    deployment_changed(
        cloud,
        &api.service_name(),
        &change(id, name, reason),
        &worker("watch", 60),
    )
    .await
    .unwrap()
}

fn stopped(
    cloud: &FakeCloud,
    api: &Subscriber,
    task: &str,
    code: &str,
    reason: &str,
) -> TaskStateChange {
    TaskStateChange {
        started_at: None,
        task_definition_arn: "arn:aws:ecs:eu-west-1:111122223333:task-definition/api:2".to_owned(),
        stop_code: Some(code.to_owned()),
        stopped_reason: Some(reason.to_owned()),
        ..cloud.died(api, task, 20)
    }
}

#[tokio::test]
async fn our_deployment_completed_is_success() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    cloud.complete(&api);
    assert_eq!(
        hear(&cloud, &api, &ours, DeploymentEventName::Completed, "").await,
        WatchOutcome::Succeeded
    );
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
    assert_eq!(
        hear(&cloud, &api, &ours, DeploymentEventName::Completed, "").await,
        WatchOutcome::Ignored
    );
    assert_eq!(cloud.detail_types().len(), 2);
}

#[tokio::test]
async fn a_rollback_that_completes_is_never_success_in_whatever_order_its_events_come() {
    use DeploymentEventName::{Completed, Failed, InProgress};
    let api = subscriber("api");
    let prepare = async || {
        let cloud = deployed(&api).await;
        let ours = cloud.primary_id(&api);
        cloud.roll_back(&api, 30);
        let rollback = cloud.primary_id(&api);
        cloud.complete(&api);
        let events = vec![
            (ours, Failed, BROKEN.to_owned()),
            (
                rollback.clone(),
                InProgress,
                format!("ECS deployment circuit breaker: rolling back to deploymentId {rollback}."),
            ),
            (
                rollback.clone(),
                Completed,
                format!("ECS deployment {rollback} completed."),
            ),
        ];
        (cloud, events)
    };
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        // Each event comes twice.
        let (cloud, events) = prepare().await;
        for index in order.iter().flat_map(|index| [*index, *index]) {
            let (id, name, reason) = &events[index];
            hear(&cloud, &api, id, *name, reason).await;
        }
        assert_eq!(
            cloud.record(&api).unwrap().deployment.state,
            State::RolledBack,
            "{order:?}"
        );
        assert_eq!(
            cloud.detail_types(),
            ["Deployment Started", "Deployment Rolled Back"],
            "{order:?}"
        );
        let reason = cloud
            .record(&api)
            .unwrap()
            .deployment
            .reason
            .clone()
            .unwrap();
        assert!(
            reason.contains("tasks failed to start"),
            "{order:?}: {reason}"
        );
    }
}

#[tokio::test]
async fn a_failure_is_published_at_once_and_the_rollback_when_it_is_done() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    let stop = stopped(
        &cloud,
        &api,
        "1",
        "EssentialContainerExited",
        "Essential container in task exited",
    );
    assert_eq!(
        task_stopped(&cloud, &api.service_name(), &stop, &worker("watch", 25))
            .await
            .unwrap(),
        WatchOutcome::Noted
    );
    cloud.roll_back(&api, 30);
    assert_eq!(
        hear(&cloud, &api, &ours, DeploymentEventName::Failed, BROKEN).await,
        WatchOutcome::Failed
    );
    let rollback = cloud.primary_id(&api);
    assert_eq!(
        hear(
            &cloud,
            &api,
            &rollback,
            DeploymentEventName::InProgress,
            "rolling back"
        )
        .await,
        WatchOutcome::Noted
    );
    cloud.complete(&api);
    assert_eq!(
        hear(
            &cloud,
            &api,
            &rollback,
            DeploymentEventName::Completed,
            "completed"
        )
        .await,
        WatchOutcome::RolledBack
    );
    let published = cloud.published();
    let [
        _,
        LongshoreEvent::DeploymentFailed(failed),
        LongshoreEvent::DeploymentRolledBack(rolled_back),
    ] = published.as_slice()
    else {
        panic!("{published:?}");
    };
    assert!(failed.rolling_back);
    assert_eq!(failed.reason, BROKEN);
    assert_eq!(rolled_back.reason, BROKEN);
    assert!(rolled_back.running_task_definition.ends_with(":1"));
    assert!(
        rolled_back
            .running_image
            .as_deref()
            .unwrap()
            .ends_with("/shop/api:v1")
    );
    for failures in [&failed.failures, &rolled_back.failures] {
        assert_eq!(failures.len(), 1);
        assert_eq!(
            failures[0].stop_code.as_deref(),
            Some("EssentialContainerExited")
        );
        assert_eq!(failures[0].containers[0].exit_code, Some(1));
    }
}

#[tokio::test]
async fn reasons_whose_events_are_late_are_asked_for() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    cloud.add_stopped_task(
        &ours,
        TaskFailure {
            task: "arn:aws:ecs:eu-west-1:111122223333:task/shop/9".to_owned(),
            stop_code: Some("TaskFailedToStart".to_owned()),
            stopped_reason: Some("CannotPullContainerError: not found".to_owned()),
            containers: Vec::new(),
            stopped_at: Some(noon(10)),
        },
    );
    cloud.roll_back(&api, 30);
    hear(&cloud, &api, &ours, DeploymentEventName::Failed, BROKEN).await;
    let published = cloud.published();
    let Some(LongshoreEvent::DeploymentFailed(failed)) = published.last() else {
        panic!("{published:?}");
    };
    assert_eq!(
        failed.failures[0].stop_code.as_deref(),
        Some("TaskFailedToStart")
    );
}

#[tokio::test]
async fn a_failure_with_nothing_to_go_back_to_is_failed() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    cloud.change_account(&api, |account| {
        account.status = ServiceDeploymentStatus::Stopped;
    });
    assert_eq!(
        hear(&cloud, &api, &ours, DeploymentEventName::Failed, BROKEN).await,
        WatchOutcome::Failed
    );
    assert_eq!(cloud.record(&api).unwrap().deployment.state, State::Failed);
}

#[tokio::test]
async fn an_event_that_comes_before_the_id_is_stored_is_matched_by_the_task_definitions_tags() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    // The process dies right after UpdateService: the id that it gave is stored nowhere.
    cloud.inject_at("UpdateService", Fault::DiesAfter);
    let _ = deploy_push(
        &cloud,
        &cloud.push("v2", digest('2'), noon(0)),
        &worker("deploy", 0),
    )
    .await;
    cloud.recover();
    let record = cloud.record(&api).unwrap();
    assert_eq!(
        (
            record.deployment.state,
            &record.deployment.ecs_deployment_id
        ),
        (State::Claimed, &None)
    );

    let ours = cloud.primary_id(&api);
    let stop = stopped(
        &cloud,
        &api,
        "1",
        "EssentialContainerExited",
        "Essential container in task exited",
    );
    task_stopped(&cloud, &api.service_name(), &stop, &worker("watch", 25))
        .await
        .unwrap();
    cloud.complete(&api);
    assert_eq!(
        hear(&cloud, &api, &ours, DeploymentEventName::Completed, "").await,
        WatchOutcome::Succeeded
    );
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.ecs_deployment_id, Some(ours));
    assert_eq!(record.deployment.failures.len(), 1);
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
}

#[tokio::test]
async fn an_event_of_an_unknown_deployment_during_a_claim_is_handed_back_not_dropped() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.inject_at("PutObject deployments", Fault::DiesAfter);
    let _ = deploy_push(
        &cloud,
        &cloud.push("v2", digest('2'), noon(0)),
        &worker("deploy", 0),
    )
    .await;
    cloud.recover();
    let event = change("ecs-svc/999", DeploymentEventName::Failed, BROKEN);
    let error = deployment_changed(&cloud, &api.service_name(), &event, &worker("watch", 1))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
}

#[tokio::test]
async fn what_ecs_dates_before_the_claim_is_not_taken_for_ours() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.inject_at("PutObject deployments", Fault::DiesAfter);
    let _ = deploy_push(
        &cloud,
        &cloud.push("v2", digest('2'), noon(0)),
        &worker("deploy", 0),
    )
    .await;
    cloud.recover();
    cloud.forget_calls();
    let mut event = change("ecs-svc/999", DeploymentEventName::Completed, "");
    event.updated_at = noon(-1);
    assert_eq!(
        deployment_changed(&cloud, &api.service_name(), &event, &worker("watch", 1))
            .await
            .unwrap(),
        WatchOutcome::Ignored
    );
    let mut stop = stopped(
        &cloud,
        &api,
        "1",
        "EssentialContainerExited",
        "Essential container in task exited",
    );
    stop.created_at = Some(noon(-1));
    assert_eq!(
        task_stopped(&cloud, &api.service_name(), &stop, &worker("watch", 1))
            .await
            .unwrap(),
        WatchOutcome::Ignored
    );
    assert!(
        !cloud
            .calls()
            .iter()
            .any(|call| call.starts_with("Describe")),
        "{:?}",
        cloud.calls()
    );
}

#[tokio::test]
async fn a_late_event_of_the_deployment_before_changes_nothing() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let before = cloud.primary_id(&api);
    deploy_push(
        &cloud,
        &cloud.push("v2", digest('2'), noon(0)),
        &worker("deploy", 0),
    )
    .await
    .unwrap();
    for name in [
        DeploymentEventName::Completed,
        DeploymentEventName::Failed,
        DeploymentEventName::InProgress,
    ] {
        assert_eq!(
            hear(&cloud, &api, &before, name, "").await,
            WatchOutcome::Noted
        );
    }
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Deploying
    );
}

#[tokio::test]
async fn a_service_of_somebody_else_is_ignored() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    assert_eq!(
        hear(
            &cloud,
            &api,
            "ecs-svc/1",
            DeploymentEventName::Completed,
            ""
        )
        .await,
        WatchOutcome::Ignored
    );
    assert_eq!(cloud.calls(), ["GetObject services"]);
}

#[tokio::test]
async fn a_deployment_past_longshore_supersedes_ours_and_is_not_called_our_success() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    cloud.deploy_outside(&api, "busybox", 20);
    let theirs = cloud.primary_id(&api);
    cloud.complete(&api);
    assert_eq!(
        hear(&cloud, &api, &theirs, DeploymentEventName::Completed, "").await,
        WatchOutcome::Superseded
    );
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Superseded"]
    );
}

#[tokio::test]
async fn tasks_that_somebody_stopped_on_purpose_are_not_failures() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let on_purpose = [
        ("UserInitiated", "Task stopped by user"),
        (
            "ServiceSchedulerInitiated",
            "Scaling activity initiated by (deployment ecs-svc/1)",
        ),
    ];
    for (code, reason) in on_purpose {
        let stop = stopped(&cloud, &api, code, code, reason);
        assert_eq!(
            task_stopped(&cloud, &api.service_name(), &stop, &worker("watch", 25))
                .await
                .unwrap(),
            WatchOutcome::Ignored
        );
    }
    let died = [
        (
            "ServiceSchedulerInitiated",
            "Task failed ELB health checks in (target-group arn:x)",
        ),
        ("TaskFailedToStart", "CannotPullContainerError: not found"),
        (
            "EssentialContainerExited",
            "Essential container in task exited",
        ),
        ("SpotInterruption", "Your Spot Task was interrupted."),
    ];
    for (code, reason) in died {
        let stop = stopped(&cloud, &api, reason, code, reason);
        assert_eq!(
            task_stopped(&cloud, &api.service_name(), &stop, &worker("watch", 25))
                .await
                .unwrap(),
            WatchOutcome::Noted,
            "{code} {reason}"
        );
    }
}

#[tokio::test]
async fn a_task_that_dies_after_the_success_is_not_a_failure_of_the_deployment() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    cloud.complete(&api);
    reconcile(&cloud, &worker("reconcile", 60)).await.unwrap();
    let stop = stopped(
        &cloud,
        &api,
        "1",
        "SpotInterruption",
        "Your Spot Task was interrupted.",
    );
    assert_eq!(
        task_stopped(&cloud, &api.service_name(), &stop, &worker("watch", 3600))
            .await
            .unwrap(),
        WatchOutcome::Ignored
    );
    assert!(cloud.record(&api).unwrap().deployment.failures.is_empty());
}

#[tokio::test]
async fn a_record_keeps_ten_dead_tasks_and_each_once() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    for number in (0..15).chain(0..15) {
        let stop = stopped(&cloud, &api, &number.to_string(), "TaskFailedToStart", "x");
        task_stopped(&cloud, &api.service_name(), &stop, &worker("watch", 25))
            .await
            .unwrap();
    }
    assert_eq!(cloud.record(&api).unwrap().deployment.failures.len(), 10);
}

#[tokio::test]
async fn an_event_that_another_worker_is_about_to_publish_is_left_to_it() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    cloud.complete(&api);
    let event = change(&ours, DeploymentEventName::Completed, "");
    // The outcome is written down, and the first worker dies before it is published.
    cloud.inject(5, Fault::Dies);
    let first = worker("first", 60);
    assert!(
        deployment_changed(&cloud, &api.service_name(), &event, &first)
            .await
            .is_err()
    );
    cloud.recover();
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);

    let duplicate = worker("duplicate", 61);
    deployment_changed(&cloud, &api.service_name(), &event, &duplicate)
        .await
        .unwrap();
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);
    let retry = worker("first", 120);
    deployment_changed(&cloud, &api.service_name(), &event, &retry)
        .await
        .unwrap();
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
    deployment_changed(&cloud, &api.service_name(), &event, &worker("late", 900))
        .await
        .unwrap();
    assert_eq!(cloud.detail_types().len(), 2);
}

#[tokio::test]
async fn a_lost_outcome_is_found_by_the_reconcile() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    cloud.complete(&api);
    let reconciled = reconcile(&cloud, &worker("reconcile", 900)).await.unwrap();
    assert_eq!((reconciled.services, reconciled.closed), (1, 1));
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
}

#[tokio::test]
async fn a_deployment_without_an_outcome_is_failed_when_its_deadline_has_passed() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    reconcile(&cloud, &worker("reconcile", DEADLINE))
        .await
        .unwrap();
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Deploying
    );
    reconcile(&cloud, &worker("reconcile", DEADLINE + 1))
        .await
        .unwrap();
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::Failed);
    assert!(
        record
            .deployment
            .reason
            .clone()
            .unwrap()
            .contains("circuit breaker")
    );
}

#[tokio::test]
async fn a_service_that_is_gone_closes_its_deployment() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    cloud.remove_service(&api);
    let reconciled = reconcile(&cloud, &worker("reconcile", 900)).await.unwrap();
    assert_eq!((reconciled.closed, reconciled.failures.len()), (1, 0));
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Failed"]
    );
}

#[tokio::test]
async fn a_rollback_that_does_not_end_in_time_leaves_the_first_reason_to_be_read() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let ours = cloud.primary_id(&api);
    cloud.roll_back(&api, 30);
    hear(&cloud, &api, &ours, DeploymentEventName::Failed, BROKEN).await;
    let minutes = cloud
        .record(&api)
        .unwrap()
        .deployment
        .settings
        .deadline_minutes;
    let too_late = worker("reconcile", 60 * i64::from(minutes) + 3600);
    cloud.set_now(too_late.now);
    reconcile(&cloud, &too_late).await.unwrap();
    let both = format!("{BROKEN}; the rollback did not end within {minutes} minutes");
    let last = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(last.state, State::Failed);
    assert_eq!(last.reason.as_deref(), Some(both.as_str()));
    let published = cloud.published();
    let Some(LongshoreEvent::DeploymentFailed(failed)) = published.last() else {
        panic!("{published:?}");
    };
    assert_eq!(failed.reason, both);
}
