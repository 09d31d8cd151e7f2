//! Tasks that a schedule of a stack file starts.

use longshore_events::ecs::{
    Container, ContainerOverride, RUN_LIMITS, RunLimits, TaskOverrides, TaskStateChange, Variable,
    group_of_scheduled,
};
use longshore_events::incoming::ScheduledTaskChange;
use longshore_events::longshore::LongshoreEvent;
use longshore_events::scheduler::RefusedRun;
use longshore_rollout::course::WatchOutcome;
use longshore_rollout::course::scheduled::{
    run_refused, scheduled_task_runs, scheduled_task_stopped,
};
use longshore_rollout::history::schedule_logs;
use longshore_rollout::ports::{LogLine, ScheduledTask};
use longshore_rollout::status::status;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};
use serde_json::json;

const TASK_DEFINITION: &str = "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:1";

/// A task of the nightly schedule that stopped this many seconds after noon, with the exit codes of its containers.
fn stopped(task: &str, seconds: i64, codes: &[(&str, Option<i64>)]) -> ScheduledTaskChange {
    ScheduledTaskChange {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        schedule: "nightly".to_owned(),
        change: TaskStateChange {
            started_at: None,
            task_arn: format!("arn:aws:ecs:eu-west-1:111122223333:task/shop/{task}"),
            cluster_arn: "arn:aws:ecs:eu-west-1:111122223333:cluster/shop".to_owned(),
            task_definition_arn: TASK_DEFINITION.to_owned(),
            group: group_of_scheduled("shop", "api", "nightly"),
            started_by: None,
            last_status: "STOPPED".to_owned(),
            stop_code: Some("EssentialContainerExited".to_owned()),
            stopped_reason: Some("Essential container in task exited".to_owned()),
            created_at: None,
            stopped_at: Some(noon(seconds)),
            containers: codes
                .iter()
                .map(|(name, exit_code)| Container {
                    name: (*name).to_owned(),
                    exit_code: *exit_code,
                    reason: None,
                })
                .collect(),
            overrides: TaskOverrides {
                container_overrides: vec![ContainerOverride {
                    name: "app".to_owned(),
                    command: vec!["clean".to_owned()],
                    environment: Vec::new(),
                }],
                ..TaskOverrides::default()
            },
            version: 1,
        },
    }
}

async fn hear(cloud: &FakeCloud, stopped: &ScheduledTaskChange, seconds: i64) -> WatchOutcome {
    let worker = worker(&format!("watch-{seconds}"), seconds);
    scheduled_task_stopped(cloud, stopped, &worker)
        .await
        .unwrap()
}

/// How many failures in a row each of the messages reports.
fn published(cloud: &FakeCloud) -> Vec<u32> {
    let events = cloud.published();
    let failed = events.iter().filter_map(|event| match event {
        LongshoreEvent::ScheduledTaskFailed(event) => Some(event.in_a_row),
        _ => None,
    });
    failed.collect()
}

#[tokio::test]
async fn a_scheduled_task_that_failed_is_published_once_with_its_exit_code() {
    let cloud = FakeCloud::default();
    let failed = stopped("one", 10, &[("app", Some(3))]);
    for seconds in [11, 12] {
        assert_eq!(hear(&cloud, &failed, seconds).await, WatchOutcome::Failed);
    }
    let [LongshoreEvent::ScheduledTaskFailed(event)] = &cloud.published()[..] else {
        panic!("{:?}", cloud.published());
    };
    assert_eq!((event.schedule.as_str(), event.in_a_row), ("nightly", 1));
    assert_eq!(event.failure.containers[0].exit_code, Some(3));
    assert_eq!(
        event.failure.stop_code.as_deref(),
        Some("EssentialContainerExited")
    );
}

#[tokio::test]
async fn a_task_that_never_started_is_published() {
    let cloud = FakeCloud::default();
    let mut failed = stopped("one", 10, &[("app", None)]);
    failed.change.stop_code = Some("TaskFailedToStart".to_owned());
    assert_eq!(hear(&cloud, &failed, 11).await, WatchOutcome::Failed);
    assert_eq!(published(&cloud), [1]);
}

#[tokio::test]
async fn a_task_that_did_its_work_is_not_published_and_leaves_no_record() {
    let cloud = FakeCloud::default();
    let done = stopped("one", 10, &[("app", Some(0))]);
    assert_eq!(hear(&cloud, &done, 11).await, WatchOutcome::Succeeded);
    assert!(cloud.published().is_empty());
    assert!(cloud.objects().keys("schedules/").is_empty());
}

#[tokio::test]
async fn a_schedule_that_fails_every_minute_is_published_every_hour() {
    let cloud = FakeCloud::default();
    for minute in 0..=60 {
        let failed = stopped(&minute.to_string(), 60 * minute, &[("app", Some(1))]);
        hear(&cloud, &failed, 60 * minute).await;
    }
    assert_eq!(published(&cloud), [1, 61]);
    hear(&cloud, &stopped("good", 3_700, &[("app", Some(0))]), 3_700).await;
    hear(&cloud, &stopped("bad", 3_800, &[("app", Some(1))]), 3_800).await;
    assert_eq!(published(&cloud), [1, 61, 1]);
}

#[tokio::test]
async fn the_containers_beside_the_one_that_works_do_not_decide() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let definition = cloud.service(&api).unwrap().task_definition;
    let mut done = stopped("one", 10, &[("app", Some(0)), ("proxy", Some(143))]);
    assert_eq!(hear(&cloud, &done, 11).await, WatchOutcome::Succeeded);
    // Without a command, the work is that of the first container of the definition.
    done.change.overrides = TaskOverrides::default();
    done.change.task_definition_arn = definition.clone();
    assert_eq!(hear(&cloud, &done, 12).await, WatchOutcome::Succeeded);
    let mut failed = stopped("two", 20, &[("proxy", Some(0)), ("app", Some(1))]);
    failed.change.overrides = TaskOverrides::default();
    failed.change.task_definition_arn = definition;
    assert_eq!(hear(&cloud, &failed, 21).await, WatchOutcome::Failed);
}

#[tokio::test]
async fn a_failure_that_could_not_be_published_is_published_by_the_retry() {
    let cloud = FakeCloud::default();
    cloud.inject_at("PutEvents", Fault::Fails(ErrorClass::Transient));
    let failed = stopped("one", 10, &[("app", Some(1))]);
    let worker = worker("watch", 11);
    assert!(
        scheduled_task_stopped(&cloud, &failed, &worker)
            .await
            .is_err()
    );
    scheduled_task_stopped(&cloud, &failed, &worker)
        .await
        .unwrap();
    assert_eq!(published(&cloud), [1]);
}

#[tokio::test]
async fn the_status_says_that_a_schedule_fails_until_it_succeeds_and_its_log_is_found() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.change_task_definition(&api, |document| {
        document["containerDefinitions"][0]["logConfiguration"] = json!({
            "logDriver": "awslogs",
            "options": {"awslogs-group": "/shop/api", "awslogs-stream-prefix": "api"},
        });
    });
    let push = cloud.push("v1", digest('1'), noon(0));
    deploy_push(&cloud, &push, &worker("push", 0))
        .await
        .unwrap();
    let mut failed = stopped("one", 10, &[("app", Some(3))]);
    failed.change.task_definition_arn = cloud.service(&api).unwrap().task_definition;
    cloud.add_log_line(
        "/shop/api",
        "api/app/one",
        LogLine {
            at: noon(9),
            message: "out of disk".to_owned(),
        },
    );
    hear(&cloud, &failed, 11).await;
    let statuses = status(&cloud, |_| true, noon(20)).await.unwrap();
    let [failing] = &statuses[0].failed_schedules[..] else {
        panic!("{statuses:?}");
    };
    assert_eq!(
        (failing.schedule.as_str(), failing.in_a_row),
        ("nightly", 1)
    );
    let found = schedule_logs(&cloud, &api.service_id(), "nightly", 10)
        .await
        .unwrap()
        .unwrap();
    let lines = found.logs[0].lines.as_ref().unwrap();
    assert_eq!(lines[0].message, "out of disk");
    hear(&cloud, &stopped("two", 30, &[("app", Some(0))]), 31).await;
    let statuses = status(&cloud, |_| true, noon(40)).await.unwrap();
    assert!(statuses[0].failed_schedules.is_empty());
}

/// A run of the nightly schedule that ECS refused to start, due this many seconds after noon.
fn refused(id: &str, seconds: i64) -> RefusedRun {
    RefusedRun {
        schedule_group: "default".to_owned(),
        schedule_name: "shop-Nightly-1A2B".to_owned(),
        id: id.to_owned(),
        error_code: Some("InvalidParameterException".to_owned()),
        error_message: Some("No Container Instances were found in your cluster.".to_owned()),
        scheduled_time: Some(noon(seconds)),
    }
}

fn with_schedule(group: &str) -> FakeCloud {
    let cloud = FakeCloud::default();
    let starts = ScheduledTask {
        group: group.to_owned(),
        task_definition: TASK_DEFINITION.to_owned(),
    };
    cloud.put_schedule("shop-Nightly-1A2B", starts);
    cloud
}

async fn hear_refused(cloud: &FakeCloud, run: &RefusedRun, seconds: i64) -> WatchOutcome {
    let worker = worker(&format!("watch-{seconds}"), seconds);
    run_refused(cloud, run, &worker).await.unwrap()
}

#[tokio::test]
async fn a_task_that_could_not_even_be_started_is_published_once_with_the_reason() {
    let cloud = with_schedule(&group_of_scheduled("shop", "api", "nightly"));
    for seconds in [11, 12] {
        let outcome = hear_refused(&cloud, &refused("run-1", 10), seconds).await;
        assert_eq!(outcome, WatchOutcome::Failed);
    }
    let [LongshoreEvent::ScheduledTaskFailed(event)] = &cloud.published()[..] else {
        panic!("{:?}", cloud.published());
    };
    let names = [&event.stack, &event.service, &event.schedule];
    assert_eq!(names, ["shop", "api", "nightly"]);
    assert_eq!(event.failure.task, "");
    let reason = event.failure.stopped_reason.as_deref().unwrap();
    assert!(reason.starts_with("No Container Instances"), "{reason}");
    assert_eq!(event.failure.stopped_at, Some(noon(10)));
}

#[tokio::test]
async fn runs_that_could_not_be_started_and_tasks_that_failed_are_one_row() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.put_schedule(
        "shop-Nightly-1A2B",
        ScheduledTask {
            group: group_of_scheduled("shop", "api", "nightly"),
            task_definition: cloud.service(&api).unwrap().task_definition,
        },
    );
    let push = cloud.push("v1", digest('1'), noon(0));
    deploy_push(&cloud, &push, &worker("push", 0))
        .await
        .unwrap();
    hear(&cloud, &stopped("one", 10, &[("app", Some(3))]), 11).await;
    hear_refused(&cloud, &refused("run-2", 70), 71).await;
    let statuses = status(&cloud, |_| true, noon(80)).await.unwrap();
    let [failing] = &statuses[0].failed_schedules[..] else {
        panic!("{statuses:?}");
    };
    assert_eq!(failing.in_a_row, 2);
    let found = schedule_logs(&cloud, &api.service_id(), "nightly", 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.logs, []);
    hear(&cloud, &stopped("two", 130, &[("app", Some(0))]), 131).await;
    let statuses = status(&cloud, |_| true, noon(140)).await.unwrap();
    assert!(statuses[0].failed_schedules.is_empty());
}

#[tokio::test]
async fn a_schedule_that_is_gone_or_not_of_a_stack_file_concerns_nobody() {
    for cloud in [
        FakeCloud::default(),
        with_schedule("backups"),
        with_schedule(""),
    ] {
        let outcome = hear_refused(&cloud, &refused("run-1", 10), 11).await;
        assert_eq!(outcome, WatchOutcome::Ignored);
        assert!(cloud.published().is_empty());
    }
}

/// A cloud with a service `api`, and a task of its schedule that may run for an hour and is started again twice.
fn limited(task: &str, seconds: i64, code: i64) -> (FakeCloud, ScheduledTaskChange) {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let limits = RunLimits {
        service: api.service_name().ecs_service,
        timeout: Some(3600),
        retries: 2,
        attempt: 1,
    };
    let mut stopped = stopped(task, seconds, &[("app", Some(code))]);
    let container = &mut stopped.change.overrides.container_overrides[0];
    container.environment = [
        ("MODE", "full".to_owned()),
        (RUN_LIMITS, limits.to_string()),
    ]
    .map(|(name, value)| Variable {
        name: name.to_owned(),
        value,
    })
    .into();
    stopped.change.overrides.memory = Some("8192".to_owned());
    stopped.change.cluster_arn = format!(
        "arn:aws:ecs:eu-west-1:111122223333:cluster/{}",
        api.service_name().cluster
    );
    (cloud, stopped)
}

/// The same task, while it runs.
fn running(stopped: &ScheduledTaskChange, seconds: i64) -> ScheduledTaskChange {
    let mut runs = stopped.clone();
    runs.change.last_status = "RUNNING".to_owned();
    runs.change.stop_code = None;
    runs.change.stopped_at = None;
    runs.change.started_at = Some(noon(seconds));
    runs
}

/// What ECS says when the task that was started last has ended so.
fn next(cloud: &FakeCloud, stopped: &ScheduledTaskChange, seconds: i64) -> ScheduledTaskChange {
    let (request, task) = cloud.running_tasks().pop().unwrap();
    let mut next = stopped.clone();
    next.change.task_arn = task;
    next.change.stopped_at = Some(noon(seconds));
    let container = &mut next.change.overrides.container_overrides[0];
    container.environment = request
        .environment
        .into_iter()
        .map(|(name, value)| Variable { name, value })
        .collect();
    next
}

#[tokio::test]
async fn a_run_that_fails_is_started_again_as_it_was_and_told_once_in_the_end() {
    let (cloud, first) = limited("one", 10, 3);
    // The event comes twice.
    for seconds in [11, 12] {
        assert_eq!(hear(&cloud, &first, seconds).await, WatchOutcome::Noted);
    }
    let [again] = &cloud.one_off_tasks()[..] else {
        panic!("{:?}", cloud.one_off_tasks());
    };
    assert_eq!(again.command, ["clean"]);
    assert_eq!(again.environment["MODE"], "full");
    assert!(again.environment[RUN_LIMITS].contains("\"attempt\":2"));
    assert_eq!((again.cpu, again.memory), (None, Some(8192)));
    assert_eq!(again.task_definition, TASK_DEFINITION);
    // Its end must come back to the schedule.
    assert_eq!(
        again.group,
        Some(group_of_scheduled("shop", "api", "nightly"))
    );
    assert!(published(&cloud).is_empty());

    let second = next(&cloud, &first, 20);
    cloud.stop_task_of(&second.change.task_arn, 3);
    assert_eq!(hear(&cloud, &second, 21).await, WatchOutcome::Noted);
    let third = next(&cloud, &first, 30);
    cloud.stop_task_of(&third.change.task_arn, 3);
    assert_eq!(hear(&cloud, &third, 31).await, WatchOutcome::Failed);
    assert_eq!(cloud.one_off_tasks().len(), 2);
    let [LongshoreEvent::ScheduledTaskFailed(event)] = &cloud.published()[..] else {
        panic!("{:?}", cloud.published());
    };
    assert_eq!((event.attempts, event.in_a_row), (3, 1));
    assert_eq!(event.failure.task, third.change.task_arn);
    // A late event of an earlier attempt starts nothing and tells nothing.
    hear(&cloud, &first, 40).await;
    assert_eq!(
        (cloud.one_off_tasks().len(), published(&cloud).len()),
        (2, 1)
    );
}

#[tokio::test]
async fn a_run_that_succeeds_when_it_is_started_again_tells_nobody() {
    let (cloud, first) = limited("one", 10, 3);
    hear(&cloud, &first, 11).await;
    let mut second = next(&cloud, &first, 20);
    second.change.containers[0].exit_code = Some(0);
    assert_eq!(hear(&cloud, &second, 21).await, WatchOutcome::Succeeded);
    assert!(cloud.published().is_empty());
    assert_eq!(
        schedule_logs(&cloud, &subscriber("api").service_id(), "nightly", 10)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_run_that_ecs_does_not_start_again_is_told_with_both_reasons() {
    let (cloud, first) = limited("one", 10, 3);
    cloud.inject_at("RunTask", Fault::Fails(ErrorClass::Refused));
    assert_eq!(hear(&cloud, &first, 11).await, WatchOutcome::Failed);
    let [LongshoreEvent::ScheduledTaskFailed(event)] = &cloud.published()[..] else {
        panic!("{:?}", cloud.published());
    };
    let reason = event.failure.stopped_reason.as_deref().unwrap();
    assert!(
        reason.starts_with("Essential container in task exited; it could not be started again"),
        "{reason}"
    );
    assert_eq!(event.attempts, 1);
}

#[tokio::test]
async fn a_task_that_somebody_stopped_is_not_started_again() {
    let (cloud, mut first) = limited("one", 10, 137);
    first.change.stop_code = Some("UserInitiated".to_owned());
    assert_eq!(hear(&cloud, &first, 11).await, WatchOutcome::Failed);
    assert!(cloud.one_off_tasks().is_empty());
    assert_eq!(published(&cloud), [1]);
}

#[tokio::test]
async fn a_task_that_runs_longer_than_its_timeout_is_stopped_by_the_reconcile_and_told_as_failed() {
    let (cloud, first) = limited("one", 10, 3);
    // The one that runs is the second attempt.
    hear(&cloud, &first, 11).await;
    let second = next(&cloud, &first, 20);
    let runs = running(&second, 100);
    let outcome = scheduled_task_runs(&cloud, &runs, &worker("runs", 101)).await;
    assert_eq!(outcome.unwrap(), WatchOutcome::Noted);

    let answer = reconcile(&cloud, &worker("early", 3_699)).await.unwrap();
    assert_eq!((answer.stopped_tasks, cloud.running_tasks().len()), (0, 1));
    let answer = reconcile(&cloud, &worker("late", 3_700)).await.unwrap();
    assert_eq!((answer.stopped_tasks, answer.failures.len()), (1, 0));
    assert!(cloud.running_tasks().is_empty());
    assert!(published(&cloud).is_empty());

    // ECS's event of its end is lost, and the next reconcile finds what became of it.
    let answer = reconcile(&cloud, &worker("later", 4_600)).await.unwrap();
    assert_eq!(answer.stopped_tasks, 0);
    let [LongshoreEvent::ScheduledTaskFailed(event)] = &cloud.published()[..] else {
        panic!("{:?}", cloud.published());
    };
    assert_eq!(
        event.failure.stopped_reason.as_deref(),
        Some("it ran longer than its timeout of 3600 seconds, and Longshore stopped it")
    );
    reconcile(&cloud, &worker("last", 5_500)).await.unwrap();
    assert_eq!(published(&cloud), [1]);
}

#[tokio::test]
async fn a_run_that_ends_in_time_is_looked_at_no_more() {
    let (cloud, first) = limited("one", 10, 0);
    let runs = running(&first, 5);
    scheduled_task_runs(&cloud, &runs, &worker("runs", 6))
        .await
        .unwrap();
    hear(&cloud, &first, 11).await;
    cloud.inject_at("DescribeTasks", Fault::Fails(ErrorClass::Denied));
    let answer = reconcile(&cloud, &worker("late", 4_000)).await.unwrap();
    assert_eq!((answer.stopped_tasks, answer.failures.len()), (0, 0));
}
