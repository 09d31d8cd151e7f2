//! A deployment's course: the tasks before the update, the update, and the tasks after it. Whatever fails or comes
//! twice, a task is started once, and the service is updated once, after the tasks that come before.

use std::collections::BTreeMap;

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::image::Image;
use longshore_events::incoming::DeployTaskStopped;
use longshore_events::longshore::{
    ChangeCounts, FailedPhase, LongshoreEvent, OperationKind, StackSource,
};
use longshore_policy::route::Subscriber;
use longshore_policy::settings::OneOffTask;
use longshore_rollout::course::WatchOutcome;
use longshore_rollout::course::tasks::{go_on, task_stopped};
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::engine::Outcome;
use longshore_rollout::ports::ServiceDeployer;
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::stack_record::{Operation, OperationState, Preserved, StackRecord};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_rollout::triggers::settled::{Done, stack_settled};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, push, subscriber, worker};

use crate::support::stable;

const FAULTS: [Fault; 6] = [
    Fault::Fails(ErrorClass::Transient),
    Fault::Fails(ErrorClass::Denied),
    Fault::Fails(ErrorClass::LostRace),
    Fault::AnswerLost,
    Fault::Dies,
    Fault::DiesAfter,
];

fn task(name: &str) -> OneOffTask {
    OneOffTask {
        name: name.to_owned(),
        command: vec!["bin/run".to_owned(), name.to_owned()],
        environment: [("TASK".to_owned(), name.to_owned())].into(),
        timeout_minutes: 15,
    }
}

/// A service whose deployments run these tasks.
fn service(before: &[&str], after: &[&str]) -> Subscriber {
    let mut api = subscriber("api");
    api.rollout.before_tasks = before.iter().map(|name| task(name)).collect();
    api.rollout.after_tasks = after.iter().map(|name| task(name)).collect();
    api
}

fn cloud(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    cloud.add_image("shop/api", "v2", digest('2'));
    cloud
}

async fn deployed(api: &Subscriber) -> FakeCloud {
    let cloud = cloud(api);
    assert!(pushed(&cloud, "v2", '2', 0).await);
    cloud
}

async fn pushed(cloud: &FakeCloud, tag: &str, digit: char, seconds: i64) -> bool {
    let push = push(tag, digest(digit), noon(0));
    deploy_push(cloud, &push, &worker("deploy", seconds))
        .await
        .is_ok_and(|results| results.iter().all(Result::is_ok))
}

fn now(cloud: &FakeCloud, api: &Subscriber) -> Deployment {
    cloud.record(api).unwrap().deployment.clone()
}

fn state(cloud: &FakeCloud, api: &Subscriber) -> State {
    now(cloud, api).state
}

/// The tasks that were started, by what their command is to run.
fn started(cloud: &FakeCloud) -> Vec<String> {
    let tasks = cloud.one_off_tasks();
    tasks.iter().map(|task| task.command[1].clone()).collect()
}

async fn stop(cloud: &FakeCloud, exit_code: i64, seconds: i64) -> WatchOutcome {
    let stopped = cloud.stop_task(exit_code).unwrap();
    task_stopped(cloud, &stopped, &worker("stopped", seconds))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_task_that_ecs_would_refuse_fails_the_deployment_before_ecs_is_asked() {
    let mut long_command = service(&["migrate"], &[]);
    let command = &mut long_command.rollout.before_tasks[0].command;
    command.push("x".repeat(8192));
    let mut long_name = service(&["migrate"], &[]);
    long_name.service = "x".repeat(128);
    for (api, says) in [
        (long_command, "ECS takes at most 8192"),
        (long_name, "ECS takes at most 128 characters"),
    ] {
        let cloud = deployed(&api).await;
        let deployment = now(&cloud, &api);
        assert_eq!(deployment.state, State::Failed);
        let reason = deployment.reason.clone().unwrap();
        assert!(
            reason.contains("task `migrate`") && reason.contains(says),
            "{reason}"
        );
        assert_eq!(started(&cloud), [""; 0]);
    }
}

#[tokio::test]
async fn a_service_is_updated_when_the_tasks_before_that_have_exited_with_0() {
    let api = service(&["migrate", "warm-up"], &[]);
    let cloud = deployed(&api).await;
    assert_eq!(state(&cloud, &api), State::Preparing);
    assert_eq!(started(&cloud), ["migrate"]);
    assert_eq!(cloud.updates(&api), 0);

    assert_eq!(stop(&cloud, 0, 60).await, WatchOutcome::Noted);
    assert_eq!(started(&cloud), ["migrate", "warm-up"]);
    assert_eq!(cloud.updates(&api), 0);

    assert_eq!(stop(&cloud, 0, 120).await, WatchOutcome::Noted);
    assert_eq!(state(&cloud, &api), State::Deploying);
    assert_eq!(cloud.updates(&api), 1);
    assert_eq!(stable(&cloud, &api, 180).await, WatchOutcome::Succeeded);
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
}

#[tokio::test]
async fn a_task_runs_the_revision_that_the_service_is_updated_to() {
    let api = service(&["migrate"], &["smoke"]);
    let cloud = deployed(&api).await;
    stop(&cloud, 0, 60).await;
    stable(&cloud, &api, 120).await;
    go_on(&cloud, &api.service_id(), &worker("deploy", 121))
        .await
        .unwrap();
    let running = cloud.service(&api).unwrap().task_definition;
    let tasks = cloud.one_off_tasks();
    let [migrate, smoke] = tasks.as_slice() else {
        panic!("{tasks:?}");
    };
    for task in [migrate, smoke] {
        assert_eq!(task.task_definition, running);
        assert_eq!(task.service, api.service_name());
        assert_eq!(task.container, "app");
        assert_eq!(task.started_by, "longshore-deploy/shop/api");
        assert_eq!(task.client_token.len(), 64);
    }
    assert_eq!(migrate.command, ["bin/run", "migrate"]);
    assert_eq!(migrate.environment["TASK"], "migrate");
    assert_ne!(migrate.client_token, smoke.client_token);
    assert!(
        cloud
            .describe_task_definition(&running)
            .await
            .unwrap()
            .image_of("app")
            .unwrap()
            .ends_with(digest('2').as_str())
    );
}

#[tokio::test]
async fn services_that_one_push_is_deployed_to_have_tasks_of_their_own() {
    let mut worker_service = service(&["migrate"], &[]);
    "worker".clone_into(&mut worker_service.service);
    "worker".clone_into(&mut worker_service.ecs_service);
    let api = service(&["migrate"], &[]);
    let cloud = FakeCloud::with_services(&[api.clone(), worker_service.clone()]);
    cloud.add_image("shop/api", "v2", digest('2'));
    assert!(pushed(&cloud, "v2", '2', 0).await);
    assert_eq!(started(&cloud), ["migrate", "migrate"]);
    for service in [&api, &worker_service] {
        assert_eq!(state(&cloud, service), State::Preparing);
    }
}

#[tokio::test]
async fn a_deployment_whose_task_before_the_update_fails_has_failed_and_the_service_was_not_touched()
 {
    let api = service(&["migrate", "warm-up"], &[]);
    let cloud = deployed(&api).await;
    let before = cloud.service(&api).unwrap();
    assert_eq!(stop(&cloud, 3, 60).await, WatchOutcome::Failed);
    assert_eq!(started(&cloud), ["migrate"]);
    assert_eq!(cloud.service(&api).unwrap(), before);
    let failed = now(&cloud, &api);
    assert_eq!(failed.state, State::Failed);
    let reason = failed.reason.clone().unwrap();
    for words in [
        "`migrate`",
        "EssentialContainerExited",
        "container app exited with 3",
        "was not updated",
    ] {
        assert!(reason.contains(words), "{reason}");
    }
    let published = cloud.published();
    let Some(LongshoreEvent::DeploymentFailed(published)) = published.last() else {
        panic!("{published:?}");
    };
    assert_eq!(published.phase, FailedPhase::Before);
    assert_eq!(published.failures[0].containers[0].exit_code, Some(3));
    assert!(!published.rolling_back);
    // The same again changes nothing.
    assert_eq!(stop(&cloud, 3, 61).await, WatchOutcome::Ignored);
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Failed"]
    );
}

#[tokio::test]
async fn a_deployment_with_tasks_after_the_update_has_succeeded_when_they_have() {
    let api = service(&[], &["smoke", "announce"]);
    let cloud = deployed(&api).await;
    assert_eq!(state(&cloud, &api), State::Deploying);
    assert_eq!(stable(&cloud, &api, 60).await, WatchOutcome::Verifying);
    assert_eq!(state(&cloud, &api), State::Verifying);
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Stabilized"]
    );
    assert!(started(&cloud).is_empty());

    // The event of that wakes `deploy`, and may come twice.
    for _ in 0..2 {
        let outcome = go_on(&cloud, &api.service_id(), &worker("deploy", 61)).await;
        assert_eq!(outcome.unwrap(), WatchOutcome::Noted);
    }
    assert_eq!(started(&cloud), ["smoke"]);
    assert_eq!(stop(&cloud, 0, 90).await, WatchOutcome::Noted);
    assert_eq!(started(&cloud), ["smoke", "announce"]);
    assert_eq!(stop(&cloud, 0, 120).await, WatchOutcome::Succeeded);
    assert_eq!(
        cloud.detail_types(),
        [
            "Deployment Started",
            "Deployment Stabilized",
            "Deployment Succeeded"
        ]
    );
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn a_deployment_whose_task_after_the_update_fails_has_failed_and_runs() {
    let api = service(&[], &["smoke"]);
    let cloud = deployed(&api).await;
    stable(&cloud, &api, 60).await;
    let running = cloud.service(&api).unwrap();
    go_on(&cloud, &api.service_id(), &worker("deploy", 61))
        .await
        .unwrap();
    assert_eq!(stop(&cloud, 1, 90).await, WatchOutcome::Failed);
    let failed = now(&cloud, &api);
    assert_eq!(failed.state, State::Failed);
    let reason = failed.reason.clone().unwrap();
    assert!(reason.contains("`smoke`"), "{reason}");
    assert!(reason.contains("runs the new image"), "{reason}");
    assert_eq!(cloud.service(&api).unwrap(), running);
    let published = cloud.published();
    let Some(LongshoreEvent::DeploymentFailed(published)) = published.last() else {
        panic!("{published:?}");
    };
    assert_eq!(published.phase, FailedPhase::After);
}

#[tokio::test]
async fn a_superseded_deployment_never_updates_the_service() {
    let api = service(&["migrate"], &[]);
    let cloud = deployed(&api).await;
    let old = cloud.stop_task(0).unwrap();
    cloud.add_image("shop/api", "v3", digest('3'));
    let newer = push("v3", digest('3'), noon(30));
    deploy_push(&cloud, &newer, &worker("newer", 30))
        .await
        .unwrap();
    assert_eq!(started(&cloud), ["migrate", "migrate"]);
    assert_eq!(
        cloud.detail_types(),
        [
            "Deployment Started",
            "Deployment Superseded",
            "Deployment Started"
        ]
    );
    // The end of the task of the old one says nothing about the new one.
    let outcome = task_stopped(&cloud, &old, &worker("stopped", 60))
        .await
        .unwrap();
    assert_eq!(outcome, WatchOutcome::Noted);
    assert_eq!(cloud.updates(&api), 0);
    assert_eq!(stop(&cloud, 0, 90).await, WatchOutcome::Noted);
    assert_eq!(cloud.updates(&api), 1);
    assert!(
        cloud
            .running_image(&api)
            .unwrap()
            .ends_with(digest('3').as_str())
    );
}

#[tokio::test]
async fn a_task_that_stops_before_its_start_is_written_down_is_taken_in() {
    let api = service(&["migrate"], &[]);
    let cloud = cloud(&api);
    // RunTask had its effect, and the process died.
    cloud.inject_at("RunTask", Fault::DiesAfter);
    assert!(!pushed(&cloud, "v2", '2', 0).await);
    cloud.recover();
    assert_eq!(now(&cloud, &api).task, None);
    assert_eq!(stop(&cloud, 0, 30).await, WatchOutcome::Noted);
    assert_eq!(started(&cloud), ["migrate"]);
    assert_eq!(state(&cloud, &api), State::Deploying);
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn a_task_whose_events_were_lost_is_asked_for_by_the_reconcile() {
    let api = service(&["migrate"], &["smoke"]);
    let cloud = deployed(&api).await;
    cloud.stop_task(0).unwrap();
    let reconciled = reconcile(&cloud, &worker("reconcile", 300)).await.unwrap();
    assert!(reconciled.failures.is_empty(), "{reconciled:?}");
    assert_eq!(state(&cloud, &api), State::Deploying);
    stable(&cloud, &api, 400).await;
    reconcile(&cloud, &worker("reconcile", 600)).await.unwrap();
    assert_eq!(started(&cloud), ["migrate", "smoke"]);
    cloud.stop_task(0).unwrap();
    reconcile(&cloud, &worker("reconcile", 900)).await.unwrap();
    assert_eq!(state(&cloud, &api), State::Succeeded);
}

#[tokio::test]
async fn a_task_that_ecs_does_not_remember_has_failed() {
    let api = service(&["migrate"], &[]);
    let cloud = deployed(&api).await;
    cloud.forget_tasks();
    reconcile(&cloud, &worker("reconcile", 600)).await.unwrap();
    let failed = now(&cloud, &api);
    assert_eq!(failed.state, State::Failed);
    let reason = failed.reason.clone().unwrap();
    assert!(reason.contains("does not know"), "{reason}");
    assert!(reason.contains("one-off-1"), "{reason}");
    assert_eq!(cloud.updates(&api), 0);
}

#[tokio::test]
async fn a_task_that_does_not_end_in_its_time_has_failed() {
    let api = service(&["migrate"], &[]);
    let cloud = deployed(&api).await;
    reconcile(&cloud, &worker("reconcile", 15 * 60 - 1))
        .await
        .unwrap();
    assert_eq!(state(&cloud, &api), State::Preparing);
    reconcile(&cloud, &worker("reconcile", 15 * 60))
        .await
        .unwrap();
    let failed = now(&cloud, &api);
    assert_eq!(failed.state, State::Failed);
    let reason = failed.reason.clone().unwrap();
    assert!(reason.contains("within 15 minutes"), "{reason}");
    assert!(reason.contains("one-off-1"), "{reason}");
}

#[tokio::test]
async fn a_task_that_could_never_be_started_is_given_up() {
    let api = service(&["migrate"], &[]);
    let cloud = cloud(&api);
    cloud.inject_at("RunTask", Fault::Fails(ErrorClass::Denied));
    assert!(!pushed(&cloud, "v2", '2', 0).await);
    assert_eq!(state(&cloud, &api), State::Preparing);
    cloud.inject_at("RunTask", Fault::Fails(ErrorClass::Denied));
    let reconciled = reconcile(&cloud, &worker("reconcile", 600)).await.unwrap();
    assert_eq!(reconciled.failures.len(), 1);
    // A task's quarter of an hour, and the deployment's half.
    reconcile(&cloud, &worker("reconcile", 45 * 60))
        .await
        .unwrap();
    assert_eq!(state(&cloud, &api), State::Failed);
    assert!(started(&cloud).is_empty());
}

#[tokio::test]
async fn a_task_that_ecs_refuses_fails_the_deployment_with_its_words() {
    let api = service(&["migrate"], &[]);
    let cloud = cloud(&api);
    cloud.inject_at("RunTask", Fault::Fails(ErrorClass::Refused));
    let push = push("v2", digest('2'), noon(0));
    let results = deploy_push(&cloud, &push, &worker("deploy", 0))
        .await
        .unwrap();
    let [Ok(answer)] = results.as_slice() else {
        panic!("{results:?}");
    };
    assert!(
        matches!(answer.outcome, Outcome::Failed { .. }),
        "{answer:?}"
    );
    let failed = now(&cloud, &api);
    assert_eq!(failed.state, State::Failed);
    let reason = failed.reason.clone().unwrap();
    assert!(reason.contains("could not be started: RunTask"), "{reason}");
}

#[tokio::test]
async fn a_service_that_was_changed_while_a_task_ran_keeps_that_change() {
    let api = service(&["migrate"], &[]);
    let cloud = deployed(&api).await;
    cloud.deploy_outside(
        &api,
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1-hotfix",
        20,
    );
    let changed = cloud.service(&api).unwrap().task_definition;
    stop(&cloud, 0, 60).await;
    let deployment = now(&cloud, &api);
    assert_eq!(deployment.state, State::Deploying);
    assert_eq!(deployment.previous_task_definition, changed);
    let running = cloud.service(&api).unwrap().task_definition;
    // Not the one that the task ran with: that was made before the change.
    assert_ne!(running, cloud.one_off_tasks()[0].task_definition);
    assert_eq!(deployment.task_definition, Some(running));
    assert!(
        cloud
            .running_image(&api)
            .unwrap()
            .ends_with(digest('2').as_str())
    );
}

#[tokio::test]
async fn a_service_whose_stack_is_being_changed_is_updated_when_that_is_over() {
    let api = service(&["migrate"], &[]);
    let cloud = deployed(&api).await;
    cloud.set_stack_record(stack(&api, OperationState::Changing));
    assert_eq!(stop(&cloud, 0, 60).await, WatchOutcome::Noted);
    assert_eq!(cloud.updates(&api), 0);
    let claimed = now(&cloud, &api);
    assert_eq!(claimed.state, State::Claimed);
    // Free at once for whoever sees that the stack has settled.
    assert_eq!(claimed.lease_until, noon(60));
    // Until then not even the reconcile gives it up.
    reconcile(&cloud, &worker("reconcile", 7200)).await.unwrap();
    assert_eq!(state(&cloud, &api), State::Claimed);
}

#[tokio::test]
async fn a_claim_that_waited_for_its_stack_is_taken_up_when_that_is_settled() {
    let api = service(&["migrate"], &[]);
    let cloud = deployed(&api).await;
    cloud.set_stack_record(stack(&api, OperationState::Changing));
    stop(&cloud, 0, 60).await;
    // CloudFormation gave the service more CPU.
    let more = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1";
    cloud.deploy_outside(&api, more, 70);
    cloud.complete(&api);
    cloud.set_stack_record(stack(&api, OperationState::Ready));
    let settled = stack_settled(&cloud, "shop", &worker("at-rest", 80))
        .await
        .unwrap();
    assert!(settled.services.iter().all(Result::is_ok), "{settled:?}");
    let deployment = now(&cloud, &api);
    assert_eq!(deployment.state, State::Deploying);
    assert_eq!(deployment.number, 1);
    assert!(
        cloud
            .running_image(&api)
            .unwrap()
            .ends_with(digest('2').as_str())
    );
    // The migration is not run again.
    assert_eq!(started(&cloud), ["migrate"]);
}

#[tokio::test]
async fn a_settled_stack_leaves_a_deployment_alone_whose_task_runs() {
    let api = service(&["migrate"], &[]);
    let cloud = deployed(&api).await;
    cloud.deploy_outside(
        &api,
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1",
        20,
    );
    cloud.complete(&api);
    for state in [OperationState::Ready, OperationState::Failed] {
        cloud.set_stack_record(stack(&api, state));
        stack_settled(&cloud, "shop", &worker("at-rest", 30))
            .await
            .unwrap();
        assert_eq!(now(&cloud, &api).state, State::Preparing);
    }
    stop(&cloud, 0, 60).await;
    assert_eq!(state(&cloud, &api), State::Deploying);
}

#[tokio::test]
async fn an_image_that_cloudformation_took_back_while_a_task_ran_is_restored_when_the_task_fails() {
    let api = service(&["migrate"], &[]);
    let cloud = deployed(&api).await;
    // v1 ran; CloudFormation goes back to the template's v0.
    let older = format!(
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@{}",
        digest('0')
    );
    cloud.deploy_outside(&api, &older, 20);
    cloud.complete(&api);
    let mut record = stack(&api, OperationState::Failed);
    record.operation.services[0].image = Some(Image {
        repository: "shop/api".to_owned(),
        tag: Some("v1".to_owned()),
        digest: digest('1'),
    });
    cloud.set_stack_record(record);
    let settled = async |seconds| {
        let settled = stack_settled(&cloud, "shop", &worker("at-rest", seconds)).await;
        let services = settled.unwrap().services;
        services.into_iter().map(|service| service.unwrap().done)
    };
    assert_eq!(settled(30).await.collect::<Vec<_>>(), [Done::Later]);
    assert_eq!(stop(&cloud, 1, 60).await, WatchOutcome::Failed);
    let done = settled(900).await.next();
    assert!(matches!(done, Some(Done::Restore { .. })), "{done:?}");
    assert!(
        cloud
            .running_image(&api)
            .unwrap()
            .ends_with(digest('1').as_str())
    );
    // What is restored runs no migration.
    assert_eq!(started(&cloud), ["migrate"]);
}

/// The record of a stack whose last change is that far.
fn stack(api: &Subscriber, state: OperationState) -> StackRecord {
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    let operation = Operation {
        state,
        services: vec![Preserved {
            subscriber: api.clone(),
            image: None,
            also: BTreeMap::new(),
            is_named: false,
        }],
        ..Operation::begin("operation-1", OperationKind::Apply, source, noon(10))
    };
    let changes = ChangeCounts::default();
    StackRecord::begin("shop", None, operation, changes, &worker("provision", 10))
}

/// What wakes Longshore during a deployment with a task before and one after the update, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    Pushed,
    Migrated,
    Completed,
    Stabilized,
    Verified,
}

const COURSE: [Wake; 5] = [
    Wake::Pushed,
    Wake::Migrated,
    Wake::Completed,
    Wake::Stabilized,
    Wake::Verified,
];

/// One attempt of Lambda's; whether it succeeded.
async fn attempt(
    cloud: &FakeCloud,
    api: &Subscriber,
    wake: Wake,
    stopped: Option<&DeployTaskStopped>,
    seconds: i64,
) -> bool {
    let invocation = worker(&format!("{wake:?}"), seconds);
    match wake {
        Wake::Pushed => deploy_push(cloud, &push("v2", digest('2'), noon(0)), &invocation)
            .await
            .is_ok_and(|results| results.iter().all(Result::is_ok)),
        Wake::Migrated | Wake::Verified => match stopped {
            Some(stopped) => task_stopped(cloud, stopped, &invocation).await.is_ok(),
            None => true,
        },
        Wake::Completed => {
            let change = DeploymentStateChange {
                event_name: DeploymentEventName::Completed,
                deployment_id: cloud.primary_id(api),
                updated_at: noon(seconds),
                reason: String::new(),
            };
            deployment_changed(cloud, &api.service_name(), &change, &invocation)
                .await
                .is_ok()
        }
        Wake::Stabilized => go_on(cloud, &api.service_id(), &invocation).await.is_ok(),
    }
}

/// What happens in ECS before that wakes Longshore.
fn happens(cloud: &FakeCloud, api: &Subscriber, wake: Wake) -> Option<DeployTaskStopped> {
    match wake {
        Wake::Migrated | Wake::Verified => cloud.stop_task(0),
        Wake::Completed => {
            cloud.complete(api);
            None
        }
        Wake::Pushed | Wake::Stabilized => None,
    }
}

/// Attempts as Lambda does until one succeeds: after one minute, and after two more.
async fn wake(
    cloud: &FakeCloud,
    api: &Subscriber,
    wake: Wake,
    stopped: Option<&DeployTaskStopped>,
    at: i64,
) -> bool {
    for seconds in [0, 60, 180] {
        cloud.set_now(noon(at + seconds));
        let succeeded = attempt(cloud, api, wake, stopped, at + seconds).await && !cloud.is_dead();
        cloud.recover();
        if succeeded {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_course_with_tasks_survives_any_failure_of_any_call_and_takes_each_step_once() {
    let api = service(&["migrate"], &["smoke"]);
    let mut cases = 0;
    for broken in COURSE {
        let calls = {
            let undisturbed = cloud(&api);
            let mut calls = Vec::new();
            for (step, at) in COURSE.into_iter().zip((0..).step_by(300)) {
                undisturbed.forget_calls();
                let stopped = happens(&undisturbed, &api, step);
                assert!(wake(&undisturbed, &api, step, stopped.as_ref(), at).await);
                if step == broken {
                    calls = undisturbed.calls();
                }
            }
            assert_eq!(state(&undisturbed, &api), State::Succeeded);
            calls
        };
        for (call, operation) in calls.iter().enumerate() {
            for fault in FAULTS {
                let case = format!("{broken:?}, call {call} {operation}, {fault:?}");
                let cloud = cloud(&api);
                for (step, at) in COURSE.into_iter().zip((0..).step_by(300)) {
                    if step == broken {
                        cloud.inject(call, fault);
                    }
                    let stopped = happens(&cloud, &api, step);
                    let succeeded = wake(&cloud, &api, step, stopped.as_ref(), at).await;
                    assert!(succeeded, "{case}: never succeeded");
                    // Every step is taken twice: a duplicate changes nothing.
                    let written = now(&cloud, &api).state;
                    let again = attempt(&cloud, &api, step, stopped.as_ref(), at + 200).await;
                    assert!(again, "{case}: the duplicate of {step:?} failed");
                    assert_eq!(now(&cloud, &api).state, written, "{case}: {step:?}");
                }
                let record = cloud.record(&api).unwrap();
                assert_eq!(record.deployment.state, State::Succeeded, "{case}");
                assert!(record.outbox.is_empty(), "{case}");
                assert!(record.finished.is_empty(), "{case}");
                assert_eq!(started(&cloud), ["migrate", "smoke"], "{case}");
                assert_eq!(cloud.updates(&api), 1, "{case}");
                let history = cloud.history(&api);
                assert_eq!(history.len(), 1, "{case}");
                assert_eq!(history[0].state, State::Succeeded, "{case}");
                let mut published = cloud.detail_types();
                published.dedup();
                assert_eq!(
                    published,
                    [
                        "Deployment Started",
                        "Deployment Stabilized",
                        "Deployment Succeeded"
                    ],
                    "{case}"
                );
                cases += 1;
            }
        }
    }
    assert!(cases > 150, "only {cases} cases were run");
}

/// Lambda gives up after the first attempt, so that only the reconcile is left.
#[tokio::test]
async fn a_course_that_a_process_died_in_for_good_is_ended_by_the_reconcile() {
    let api = service(&["migrate"], &["smoke"]);
    for broken in COURSE {
        for call in 0..16 {
            for fault in [Fault::Dies, Fault::DiesAfter] {
                let case = format!("{broken:?}, call {call}, {fault:?}");
                let cloud = cloud(&api);
                for (step, at) in COURSE.into_iter().zip((0..).step_by(600)) {
                    let stopped = happens(&cloud, &api, step);
                    if step == broken {
                        cloud.inject(call, fault);
                    }
                    cloud.set_now(noon(at));
                    attempt(&cloud, &api, step, stopped.as_ref(), at).await;
                    cloud.recover();
                    cloud.set_now(noon(at + 500));
                    reconcile(&cloud, &worker("reconcile", at + 500))
                        .await
                        .unwrap();
                }
                let record = cloud.record(&api);
                let Some(record) = record else {
                    // It died before anything was written: nobody knows of it.
                    assert_eq!(broken, Wake::Pushed, "{case}");
                    continue;
                };
                let deployment = record.deployment.clone();
                if deployment.state == State::Failed {
                    // A claim that was never carried out has no outcome in its time.
                    assert_eq!(broken, Wake::Pushed, "{case}");
                    let reason = deployment.reason.clone();
                    assert_eq!(cloud.updates(&api), 0, "{case}: {reason:?}");
                } else {
                    assert_eq!(deployment.state, State::Succeeded, "{case}");
                    assert_eq!(started(&cloud), ["migrate", "smoke"], "{case}");
                    assert_eq!(cloud.updates(&api), 1, "{case}");
                }
                assert!(record.outbox.is_empty(), "{case}");
                assert_eq!(cloud.history(&api).len(), 1, "{case}");
            }
        }
    }
}

/// A deployment without tasks was claimed first, and its update comes late: the service must not run it while the
/// newer one's task decides whether that goes out at all.
#[tokio::test]
async fn a_service_runs_what_it_ran_while_the_task_of_a_newer_deployment_runs() {
    let plain = service(&[], &[]);
    let migrating = service(&["migrate"], &[]);
    let undisturbed = deployed(&plain).await;
    let calls = undisturbed.calls();
    let registers = calls
        .iter()
        .position(|call| call == "RegisterTaskDefinition");
    let mut late_updates = 0;
    for late in 0..60 {
        let cloud = cloud(&plain);
        let before = cloud.service(&plain).unwrap().task_definition;
        // The older one has claimed, and its next call takes its time.
        let mut delays = vec![1; registers.unwrap()];
        delays.push(late);
        cloud.set_delays(&delays);
        let older = async {
            let older = push("v2", digest('2'), noon(0));
            deploy_push(&cloud, &older, &worker("older", 5)).await
        };
        let newer = async {
            while cloud.record(&plain).is_none() {
                tokio::task::yield_now().await;
            }
            cloud.set_route("shop/api", vec![migrating.clone()]);
            let newer = cloud.push("v3", digest('3'), noon(1));
            deploy_push(&cloud, &newer, &worker("newer", 6)).await
        };
        let (older, newer) = futures_util::future::join(older, newer).await;
        assert!(older.unwrap().iter().all(Result::is_ok), "{late}");
        assert!(newer.unwrap().iter().all(Result::is_ok), "{late}");
        let deployment = now(&cloud, &plain);
        assert_eq!(deployment.image.digest, digest('3'), "{late}");
        assert_eq!(deployment.state, State::Preparing, "{late}");
        let runs = cloud.service(&plain).unwrap().task_definition;
        if cloud.detail_types().contains(&"Deployment Superseded") {
            // The older one was under way already: it goes on until the newer one may take its place.
            assert_ne!(runs, before, "{late}");
        } else {
            assert_eq!(runs, before, "{late}");
            late_updates += usize::from(cloud.updates(&plain) > 0);
        }
    }
    assert!(late_updates > 0, "no update came late");
}
