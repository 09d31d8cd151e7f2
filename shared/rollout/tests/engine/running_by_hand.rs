//! A task of a service by hand: what it runs, that it runs once, and how its end is told.

use std::collections::BTreeMap;

use longshore_events::longshore::{ContainerFailure, TaskFailure};
use longshore_events::manual::RunPayload;
use longshore_rollout::asked::AskError;
use longshore_rollout::ports::{ServiceDeployer, TaskState};
use longshore_rollout::triggers::run::{exit_code, run_task};
use longshore_testkit::{FakeCloud, subscriber, worker};

fn payload(service: &str, command: &[&str]) -> RunPayload {
    RunPayload {
        stack: "shop".to_owned(),
        service: service.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        environment: BTreeMap::new(),
        cpu: None,
        memory: None,
    }
}

#[tokio::test]
async fn a_task_by_hand_has_the_size_and_the_environment_that_were_asked_for() {
    let cloud = FakeCloud::with_services(&[subscriber("api")]);
    let payload = RunPayload {
        environment: [("MODE".to_owned(), "full".to_owned())].into(),
        cpu: Some(2048),
        memory: Some(8192),
        ..payload("api", &["report"])
    };
    run_task(&cloud, &payload, &worker("one", 0)).await.unwrap();
    let tasks = cloud.one_off_tasks();
    assert_eq!((tasks[0].cpu, tasks[0].memory), (Some(2048), Some(8192)));
    assert_eq!(tasks[0].environment["MODE"], "full");
}

#[tokio::test]
async fn a_task_by_hand_runs_what_the_service_runs_with_the_given_command() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let started = run_task(
        &cloud,
        &payload("api", &["migrate", "--dry-run"]),
        &worker("one", 0),
    )
    .await
    .unwrap();
    let tasks = cloud.one_off_tasks();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].command, ["migrate", "--dry-run"]);
    assert_eq!(tasks[0].service, api.service_name());
    assert_eq!(
        tasks[0].task_definition,
        cloud.service(&api).unwrap().task_definition
    );
    assert_eq!(tasks[0].started_by, "longshore-run/shop/api");
    assert_eq!(started.container, tasks[0].container);
    assert_eq!(
        cloud.describe_task(&started.cluster, &started.task).await,
        Ok(Some(TaskState::Running))
    );
    // It is not a deployment: nothing is written or published of it.
    assert!(cloud.record(&api).is_none());
    assert!(cloud.published().is_empty());
}

#[tokio::test]
async fn a_repeated_invocation_starts_no_second_task_and_another_one_does() {
    let cloud = FakeCloud::with_services(&[subscriber("api")]);
    let run = async |id: &str| {
        run_task(&cloud, &payload("api", &[]), &worker(id, 0))
            .await
            .unwrap()
            .task
    };
    let first = run("one").await;
    assert_eq!(run("one").await, first);
    assert_ne!(run("two").await, first);
    assert_eq!(cloud.one_off_tasks().len(), 2);
}

#[tokio::test]
async fn a_service_that_nobody_knows_and_a_command_that_is_too_long_are_refused() {
    let cloud = FakeCloud::with_services(&[subscriber("api")]);
    let unknown = run_task(&cloud, &payload("apj", &[]), &worker("one", 0)).await;
    let error = unknown.unwrap_err();
    assert!(matches!(error, AskError::Refused { .. }));
    assert!(
        error.to_string().contains("look whether the name is right"),
        "{error}"
    );
    let long = "x".repeat(9000);
    let refused = run_task(&cloud, &payload("api", &[&long]), &worker("two", 0)).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("at most 8192"), "{error}");
    assert!(cloud.one_off_tasks().is_empty());
}

#[test]
fn the_status_is_that_of_the_container_with_the_command() {
    let failure = |codes: &[(&str, Option<i64>)]| TaskFailure {
        task: "arn:aws:ecs:eu-west-1:111122223333:task/shop/1".to_owned(),
        stop_code: None,
        stopped_reason: None,
        containers: codes
            .iter()
            .map(|(name, exit_code)| ContainerFailure {
                name: (*name).to_owned(),
                exit_code: *exit_code,
                reason: None,
            })
            .collect(),
        stopped_at: None,
    };
    assert_eq!(
        exit_code(&failure(&[("proxy", Some(143)), ("api", Some(3))]), "api"),
        3
    );
    // It was never started, or ended well in a task that did not.
    assert_eq!(exit_code(&failure(&[("api", None)]), "api"), 1);
    assert_eq!(exit_code(&failure(&[("api", Some(0))]), "api"), 1);
    assert_eq!(exit_code(&failure(&[]), "api"), 1);
}
