//! Tasks that die while CloudFormation makes or changes their service: nobody else would say why.

use std::collections::BTreeMap;

use longshore_events::ecs::{Container, TaskStateChange};
use longshore_events::longshore::{
    ContainerFailure, FailedService, LongshoreEvent, OperationKind, StackSource, TaskFailure,
};
use longshore_policy::route::Subscriber;
use longshore_rollout::course::WatchOutcome;
use longshore_rollout::course::watch::task_stopped;
use longshore_rollout::history::{ChangeLogs, ServiceLogs, logs};
use longshore_rollout::ports::LogLine;
use longshore_rollout::record::State;
use longshore_rollout::stack_record::{Operation, Preserved, StackRecord};
use longshore_rollout::status::{ServiceStatus, status};
use longshore_rollout::task_definition::STACK_TAG;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};
use serde_json::json;

const GROUP: &str = "/ecs/shop/api";

/// CloudFormation makes the services, which have no record yet.
fn making(services: &[Subscriber]) -> FakeCloud {
    let cloud = FakeCloud::with_services(services);
    for service in services {
        cloud.tag_task_definition(service, STACK_TAG, "shop");
        writes_its_log(&cloud, service);
        cloud.set_beginning(service, 1);
    }
    begin(&cloud, services, OperationKind::Apply, 0);
    cloud
}

fn writes_its_log(cloud: &FakeCloud, service: &Subscriber) {
    let options = json!({"awslogs-group": GROUP, "awslogs-stream-prefix": "ecs"});
    cloud.change_task_definition(service, |document| {
        document["containerDefinitions"][0]["logConfiguration"] =
            json!({"logDriver": "awslogs", "options": options});
    });
}

/// A change of the stack begins.
fn begin(cloud: &FakeCloud, services: &[Subscriber], kind: OperationKind, seconds: i64) {
    let preserved = services.iter().map(|subscriber| Preserved {
        subscriber: subscriber.clone(),
        image: None,
        also: BTreeMap::new(),
        is_named: false,
    });
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    let operation = Operation {
        services: preserved.collect(),
        ..Operation::begin(&format!("change-{seconds}"), kind, source, noon(seconds))
    };
    cloud.set_stack_record(StackRecord::follow("shop", None, operation));
}

/// A task that ECS could not start.
fn never_ran(cloud: &FakeCloud, api: &Subscriber, task: &str, reason: &str) -> TaskStateChange {
    TaskStateChange {
        started_at: None,
        stop_code: Some("TaskFailedToStart".to_owned()),
        stopped_reason: Some(reason.to_owned()),
        containers: vec![Container {
            name: "app".to_owned(),
            exit_code: None,
            reason: None,
        }],
        ..cloud.died(api, task, 20)
    }
}

async fn hear(cloud: &FakeCloud, api: &Subscriber, stopped: &TaskStateChange) -> WatchOutcome {
    task_stopped(cloud, &api.service_name(), stopped, &worker("watch", 60))
        .await
        .unwrap()
}

fn wrote(cloud: &FakeCloud, task: &str, message: &str) {
    let line = LogLine {
        at: noon(19),
        message: message.to_owned(),
    };
    cloud.add_log_line(GROUP, &format!("ecs/app/{task}"), line);
}

fn failed_services(cloud: &FakeCloud) -> Vec<FailedService> {
    cloud
        .stack_record("shop")
        .unwrap()
        .operation
        .failed_services
}

fn messages(failed: &FailedService) -> Vec<&str> {
    let lines = failed
        .logs
        .iter()
        .flat_map(|log| log.lines.iter().flatten());
    lines.map(|line| line.message.as_str()).collect()
}

/// The change has ended with this status, and `watch` has written it down.
fn ended(cloud: &FakeCloud, status: &str) {
    let mut record = cloud.stack_record("shop").unwrap();
    record.finished(&status.into(), None, None, noon(300), &worker("watch", 300));
    record.outbox.clear();
    cloud.set_stack_record(record);
}

async fn change_logs(cloud: &FakeCloud, api: &Subscriber, lines: u32) -> ChangeLogs {
    match logs(cloud, &api.service_id(), None, lines).await.unwrap() {
        Some(ServiceLogs::Change(found)) => *found,
        other => panic!("{other:?}"),
    }
}

async fn only_status(cloud: &FakeCloud) -> ServiceStatus {
    let mut statuses = status(cloud, |_| true, noon(400)).await.unwrap();
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    statuses.remove(0)
}

#[tokio::test]
async fn a_service_that_crashes_at_its_first_start_says_what_it_died_of_and_wrote() {
    let api = subscriber("api");
    let cloud = making(std::slice::from_ref(&api));
    for line in 1..=12 {
        wrote(&cloud, "one", &format!("line {line}"));
    }
    wrote(&cloud, "one", &"x".repeat(10_000));
    let one = cloud.died(&api, "one", 20);
    assert_eq!(hear(&cloud, &api, &one).await, WatchOutcome::Noted);
    let services = failed_services(&cloud);
    let [failed] = services.as_slice() else {
        panic!("{services:?}");
    };
    assert_eq!(failed.service, "api");
    assert_eq!(failed.ecs_deployment_id, cloud.primary_id(&api));
    assert_eq!(
        failed.failures,
        [TaskFailure {
            task: one.task_arn.clone(),
            stop_code: one.stop_code.clone(),
            stopped_reason: one.stopped_reason.clone(),
            containers: vec![ContainerFailure {
                name: "app".to_owned(),
                exit_code: Some(1),
                reason: None,
            }],
            stopped_at: Some(noon(20)),
        }]
    );
    // The last ten lines, each within its room.
    let kept = messages(failed);
    assert_eq!(kept.len(), 10);
    assert_eq!(kept[8], "line 12");
    assert_eq!(kept[9].len(), 500);
    // Nobody is notified of each task: the end of the change reports all.
    assert!(cloud.detail_types().is_empty());
    let seen = only_status(&cloud).await;
    assert_eq!((seen.deployment, seen.service_id), (None, api.service_id()));
    assert_eq!(seen.failed_change.unwrap().finished_at, None);
}

#[tokio::test]
async fn what_the_last_task_of_a_deployment_wrote_is_told_with_its_failure() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    writes_its_log(&cloud, &api);
    let push = cloud.push("v2", digest('2'), noon(0));
    let started = deploy_push(&cloud, &push, &worker("deploy", 0)).await;
    assert!(started.unwrap().iter().all(Result::is_ok));
    for (task, line) in [("one", "the first"), ("two", "KeyError: 'DATABASE_URL'")] {
        wrote(&cloud, task, line);
        hear(&cloud, &api, &cloud.died(&api, task, 20)).await;
    }
    cloud.roll_back(&api, 90);
    reconcile(&cloud, &worker("reconcile", 100)).await.unwrap();
    let published = cloud.published();
    let logs = published.iter().rev().find_map(|event| match event {
        LongshoreEvent::DeploymentRolledBack(event) => Some(&event.logs),
        LongshoreEvent::DeploymentFailed(event) => Some(&event.logs),
        _ => None,
    });
    let lines: Vec<&str> = logs
        .into_iter()
        .flatten()
        .flat_map(|log| log.lines.iter().flatten())
        .map(|line| line.message.as_str())
        .collect();
    assert_eq!(lines, ["KeyError: 'DATABASE_URL'"]);
}

#[tokio::test]
async fn after_the_rollback_took_service_and_log_the_kept_lines_are_shown() {
    let api = subscriber("api");
    let cloud = making(std::slice::from_ref(&api));
    wrote(&cloud, "one", "KeyError: 'DATABASE_URL'");
    hear(&cloud, &api, &cloud.died(&api, "one", 20)).await;
    wrote(&cloud, "two", "the same again");
    wrote(&cloud, "two", "KeyError: 'DATABASE_URL'");
    hear(&cloud, &api, &cloud.died(&api, "two", 30)).await;
    ended(&cloud, "ROLLBACK_COMPLETE");
    cloud.remove_service(&api);

    // Where the log group outlives the failed creation, all of it can be read.
    let found = change_logs(&cloud, &api, 100).await;
    assert_eq!(found.change.finished_at, Some(noon(300)));
    let read: Vec<usize> = found
        .logs
        .iter()
        .map(|log| log.lines.as_ref().unwrap().len())
        .collect();
    assert_eq!(read, [1, 2]);

    cloud.remove_log_group(GROUP);
    let found = change_logs(&cloud, &api, 100).await;
    let [one, two] = found.logs.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(one.lines, None);
    assert_eq!(two.lines.as_ref().unwrap().len(), 2);

    let seen = only_status(&cloud).await;
    assert_eq!(seen.running, None);
    assert_eq!(seen.failed_change.unwrap().failed.failures.len(), 2);
}

#[tokio::test]
async fn a_secret_and_an_image_that_are_missing_are_kept_with_ecs_own_words() {
    for reason in [
        "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: \
         ResourceNotFoundException: Secrets Manager can't find the specified secret.",
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref shop/api:v9: \
         not found",
    ] {
        let api = subscriber("api");
        let cloud = making(std::slice::from_ref(&api));
        let stopped = never_ran(&cloud, &api, "one", reason);
        assert_eq!(hear(&cloud, &api, &stopped).await, WatchOutcome::Noted);
        let failed = &failed_services(&cloud)[0];
        assert_eq!(failed.failures[0].stopped_reason.as_deref(), Some(reason));
        assert!(
            failed.logs.is_empty(),
            "nothing ran, so nothing was written"
        );
    }
}

#[tokio::test]
async fn a_log_that_watch_may_not_read_keeps_nobody_from_hearing_what_the_task_died_of() {
    let api = subscriber("api");
    let cloud = making(std::slice::from_ref(&api));
    wrote(&cloud, "one", "secret words");
    cloud.inject_at("GetLogEvents", Fault::Fails(ErrorClass::Denied));
    let one = cloud.died(&api, "one", 20);
    assert_eq!(hear(&cloud, &api, &one).await, WatchOutcome::Noted);
    assert!(failed_services(&cloud)[0].logs.is_empty());
    // The next one brings its lines.
    wrote(&cloud, "two", "no DATABASE_URL");
    hear(&cloud, &api, &cloud.died(&api, "two", 30)).await;
    let services = failed_services(&cloud);
    assert_eq!(messages(&services[0]), ["no DATABASE_URL"]);
}

/// `v2` was deployed by Longshore; then a change of the stack begins another deployment of the service.
async fn changing(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    let push = cloud.push("v2", digest('2'), noon(0));
    deploy_push(&cloud, &push, &worker("deploy", 0))
        .await
        .unwrap();
    cloud.complete(api);
    reconcile(&cloud, &worker("reconcile", 60)).await.unwrap();
    begin(&cloud, std::slice::from_ref(api), OperationKind::Apply, 100);
    cloud.deploy_outside(api, "shop/api:v2", 110);
    writes_its_log(&cloud, api);
    cloud
}

#[tokio::test]
async fn tasks_of_a_service_that_a_change_updates_are_the_changes_and_no_deployments() {
    let api = subscriber("api");
    let cloud = changing(&api).await;
    let before = cloud.record(&api).unwrap();
    assert_eq!(before.deployment.state, State::Succeeded);
    wrote(&cloud, "new", "no such option: --workers");
    let new = cloud.died(&api, "new", 130);
    let mut old = cloud.died(&api, "old", 140);
    old.started_by = before.deployment.ecs_deployment_id.clone();
    let mut earlier = cloud.died(&api, "earlier", 105);
    earlier.started_by = Some("ecs-svc/77".to_owned());
    for (stopped, expected) in [
        (&old, WatchOutcome::Ignored),
        (&earlier, WatchOutcome::Ignored),
        (&new, WatchOutcome::Noted),
        (&new, WatchOutcome::Ignored),
    ] {
        assert_eq!(
            hear(&cloud, &api, stopped).await,
            expected,
            "{}",
            stopped.task_arn
        );
    }
    // The rollback is another deployment, whose tasks say nothing of the change.
    cloud.roll_back(&api, 200);
    let back = cloud.died(&api, "back", 220);
    assert_eq!(hear(&cloud, &api, &back).await, WatchOutcome::Ignored);
    let services = failed_services(&cloud);
    let [failed] = services.as_slice() else {
        panic!("{services:?}");
    };
    assert_eq!(failed.failures.len(), 1);
    assert_eq!(messages(failed), ["no such option: --workers"]);
    assert_eq!(cloud.record(&api).unwrap(), before);

    // What comes late is kept, but of a deployment that nothing is known of.
    ended(&cloud, "UPDATE_ROLLBACK_COMPLETE");
    let mut late = cloud.died(&api, "late", 150);
    late.started_by = new.started_by.clone();
    assert_eq!(hear(&cloud, &api, &late).await, WatchOutcome::Noted);
    assert_eq!(hear(&cloud, &api, &back).await, WatchOutcome::Ignored);

    let found = change_logs(&cloud, &api, 10).await;
    assert_eq!(found.change.operation_id, "change-100");
    let seen = only_status(&cloud).await;
    assert!(seen.deployment.is_some() && seen.failed_change.is_some());
    // Until something is deployed again.
    let push = cloud.push("v3", digest('3'), noon(500));
    deploy_push(&cloud, &push, &worker("deploy", 500))
        .await
        .unwrap();
    assert_eq!(only_status(&cloud).await.failed_change, None);
}

#[tokio::test]
async fn a_change_that_succeeds_in_the_end_got_over_its_dead_tasks() {
    let api = subscriber("api");
    let cloud = making(std::slice::from_ref(&api));
    hear(&cloud, &api, &cloud.died(&api, "one", 20)).await;
    ended(&cloud, "CREATE_COMPLETE");
    assert_eq!(
        logs(&cloud, &api.service_id(), None, 10).await.unwrap(),
        None
    );
    let statuses = status(&cloud, |_| true, noon(400)).await.unwrap();
    assert!(statuses.is_empty(), "{statuses:?}");
}

#[tokio::test]
async fn five_services_keep_five_tasks_each_and_each_task_once() {
    let services: Vec<Subscriber> = (0..7).map(|one| subscriber(&format!("api{one}"))).collect();
    let cloud = making(&services);
    for task in (0..8).chain(0..8) {
        for service in &services {
            let name = format!("{}-{task}", service.service);
            hear(&cloud, service, &cloud.died(service, &name, 20 + task)).await;
        }
    }
    let kept = failed_services(&cloud);
    let names: Vec<&str> = kept.iter().map(|one| one.service.as_str()).collect();
    assert_eq!(names, ["api0", "api1", "api2", "api3", "api4"]);
    assert!(kept.iter().all(|one| one.failures.len() == 5));
}

#[tokio::test]
async fn a_task_that_died_of_a_change_is_kept_once_whatever_fails() {
    let api = subscriber("api");
    for call in 0..8 {
        for fault in [
            Fault::Fails(ErrorClass::Transient),
            Fault::AnswerLost,
            Fault::Dies,
            Fault::DiesAfter,
        ] {
            let cloud = making(std::slice::from_ref(&api));
            wrote(&cloud, "one", "no DATABASE_URL");
            let one = cloud.died(&api, "one", 20);
            cloud.inject(call, fault);
            for _ in 0..3 {
                let watch = worker("watch", 60);
                let _ = task_stopped(&cloud, &api.service_name(), &one, &watch).await;
                cloud.recover();
            }
            let services = failed_services(&cloud);
            assert_eq!(services.len(), 1, "call {call}, {fault:?}");
            assert_eq!(services[0].failures.len(), 1, "call {call}, {fault:?}");
            assert_eq!(messages(&services[0]), ["no DATABASE_URL"]);
        }
    }
}

#[tokio::test]
async fn a_task_of_somebody_elses_costs_two_calls_and_changes_nothing() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let one = cloud.died(&api, "one", 20);
    assert_eq!(hear(&cloud, &api, &one).await, WatchOutcome::Ignored);
    assert_eq!(
        cloud.calls(),
        ["GetObject services", "DescribeTaskDefinition"]
    );
}

#[tokio::test]
async fn what_dies_while_a_stack_is_destroyed_or_is_none_of_its_services_is_not_kept() {
    let api = subscriber("api");
    let cloud = making(std::slice::from_ref(&api));
    begin(
        &cloud,
        std::slice::from_ref(&api),
        OperationKind::Destroy,
        0,
    );
    let one = cloud.died(&api, "one", 20);
    assert_eq!(hear(&cloud, &api, &one).await, WatchOutcome::Ignored);
    begin(&cloud, &[subscriber("web")], OperationKind::Apply, 0);
    assert_eq!(hear(&cloud, &api, &one).await, WatchOutcome::Ignored);
    assert!(failed_services(&cloud).is_empty());
}

#[tokio::test]
async fn a_task_of_a_deployment_that_began_before_the_change_did_not_die_of_it() {
    let api = subscriber("api");
    let cloud = making(std::slice::from_ref(&api));
    cloud.set_beginning(&api, -5);
    let dead = cloud.died(&api, "one", 20);
    assert_eq!(hear(&cloud, &api, &dead).await, WatchOutcome::Ignored);
    cloud.set_beginning(&api, 5);
    assert_eq!(hear(&cloud, &api, &dead).await, WatchOutcome::Noted);
}
