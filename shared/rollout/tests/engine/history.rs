//! What became of a service's deployments, and what their tasks wrote.

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::longshore::{ContainerFailure, TaskFailure};
use longshore_policy::route::Subscriber;
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::documents::RecordKey;
use longshore_rollout::history::{DeploymentLogs, ServiceLogs, history, log_streams, logs};
use longshore_rollout::ports::{LogLine, TaskDefinition};
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::status::status;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_rollout::whereabouts::{Whereabouts, whereabouts};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};
use serde_json::{Value, json};

async fn pushed(cloud: &FakeCloud, tag: &str, digit: char, seconds: i64) {
    cloud.set_now(noon(seconds));
    let push = cloud.push(tag, digest(digit), noon(seconds));
    let results = deploy_push(cloud, &push, &worker(&format!("push-{tag}"), seconds))
        .await
        .unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

async fn hear(cloud: &FakeCloud, api: &Subscriber, name: DeploymentEventName, seconds: i64) {
    let deployment = cloud.record(api).unwrap().deployment.clone();
    let change = DeploymentStateChange {
        event_name: name,
        deployment_id: deployment.ecs_deployment_id.clone().unwrap(),
        updated_at: noon(seconds),
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
    };
    let service = api.service_name();
    deployment_changed(cloud, &service, &change, &worker("watch", seconds))
        .await
        .unwrap();
}

async fn succeeded(cloud: &FakeCloud, api: &Subscriber, seconds: i64) {
    cloud.complete(api);
    hear(cloud, api, DeploymentEventName::Completed, seconds).await;
}

/// A service: deployment 1 succeeded, 2 was superseded, 3 was rolled back and 4 is under way.
async fn deployed(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    pushed(&cloud, "v1", '1', 0).await;
    succeeded(&cloud, api, 50).await;
    pushed(&cloud, "v2", '2', 100).await;
    pushed(&cloud, "v3", '3', 110).await;
    let ours = cloud.primary_id(api);
    cloud.add_stopped_task(&ours, died("dead", &["app"]));
    cloud.roll_back(api, 150);
    hear(&cloud, api, DeploymentEventName::Failed, 160).await;
    cloud.complete(api);
    hear(&cloud, api, DeploymentEventName::Failed, 170).await;
    pushed(&cloud, "v4", '4', 200).await;
    cloud
}

fn died(task: &str, containers: &[&str]) -> TaskFailure {
    TaskFailure {
        task: format!("arn:aws:ecs:eu-west-1:111122223333:task/shop/{task}"),
        stop_code: Some("EssentialContainerExited".to_owned()),
        stopped_reason: Some("Essential container in task exited".to_owned()),
        containers: containers
            .iter()
            .map(|name| ContainerFailure {
                name: (*name).to_owned(),
                exit_code: Some(1),
                reason: None,
            })
            .collect(),
        stopped_at: Some(noon(120)),
    }
}

#[tokio::test]
async fn the_history_holds_every_deployment_that_ended_with_its_outcome() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let kept: Vec<_> = cloud
        .history(&api)
        .into_iter()
        .map(|kept| (kept.number, kept.state, kept.image.tag.clone().unwrap()))
        .collect();
    assert_eq!(
        kept,
        [
            (1, State::Succeeded, "v1".to_owned()),
            (2, State::Superseded, "v2".to_owned()),
            (3, State::RolledBack, "v3".to_owned()),
        ]
    );
    let record = cloud.record(&api).unwrap();
    assert!(record.finished.is_empty());
    assert_eq!(record.deployment.number, 4);
    let rolled_back = &cloud.history(&api)[2];
    assert!(rolled_back.reason.is_some());
    assert!(rolled_back.finished_at.is_some());
    assert_eq!(rolled_back.failures.len(), 1);
}

#[tokio::test]
async fn the_history_is_read_newest_first_with_the_deployment_that_is_open() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let numbers = async |limit| -> Vec<u32> {
        let deployments = history(&cloud, &api.service_id(), limit).await.unwrap();
        deployments.iter().map(|past| past.number).collect()
    };
    assert_eq!(numbers(100).await, [4, 3, 2, 1]);
    assert_eq!(numbers(2).await, [4, 3]);
    let nobody = history(&cloud, &subscriber("nobody").service_id(), 5)
        .await
        .unwrap();
    assert!(nobody.is_empty());
}

#[tokio::test]
async fn a_deployment_is_kept_though_its_beginning_is_still_to_be_published_by_another_invocation()
{
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.set_now(noon(0));
    let push = cloud.push("v1", digest('1'), noon(0));
    cloud.inject_at("PutEvents", Fault::Fails(ErrorClass::Transient));
    let begun = deploy_push(&cloud, &push, &worker("push", 0))
        .await
        .unwrap();
    assert!(begun.iter().all(Result::is_err), "{begun:?}");
    succeeded(&cloud, &api, 20).await;
    let numbers: Vec<_> = cloud.history(&api).iter().map(|kept| kept.number).collect();
    assert_eq!(numbers, [1]);
    assert!(cloud.record(&api).unwrap().finished.is_empty());
}

#[tokio::test]
async fn a_deployment_that_could_not_be_kept_is_kept_by_the_reconcile_and_its_end_is_published_once()
 {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    pushed(&cloud, "v1", '1', 0).await;
    cloud.inject_at("PutObject history", Fault::Fails(ErrorClass::Denied));
    cloud.complete(&api);
    let change = DeploymentStateChange {
        event_name: DeploymentEventName::Completed,
        deployment_id: cloud.primary_id(&api),
        updated_at: noon(50),
        reason: String::new(),
    };
    let service = api.service_name();
    let heard = deployment_changed(&cloud, &service, &change, &worker("watch", 50)).await;
    assert!(heard.is_err());
    assert!(cloud.history(&api).is_empty());
    // What has no place yet can be read all the same.
    let past = history(&cloud, &api.service_id(), 5).await.unwrap();
    assert_eq!(past.len(), 1);
    reconcile(&cloud, &worker("reconcile", 900)).await.unwrap();
    assert_eq!(cloud.history(&api).len(), 1);
    assert!(cloud.record(&api).unwrap().finished.is_empty());
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
}

const RECORD: &str = "deployments/shop/api/current.json";

fn numbers_and_tags(deployments: &[Deployment]) -> Vec<(u32, String)> {
    deployments
        .iter()
        .map(|kept| (kept.number, kept.image.tag.clone().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_service_whose_record_was_deleted_goes_on_after_its_history() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    for (tag, digit, seconds) in [("v1", '1', 0), ("v2", '2', 100)] {
        pushed(&cloud, tag, digit, seconds).await;
        succeeded(&cloud, &api, seconds + 50).await;
    }
    cloud.objects().remove(RECORD);
    for (tag, digit, seconds) in [("v3", '3', 200), ("v4", '4', 300)] {
        pushed(&cloud, tag, digit, seconds).await;
        succeeded(&cloud, &api, seconds + 50).await;
    }
    let expected: Vec<_> = (1..=4).map(|n| (n, format!("v{n}"))).collect();
    assert_eq!(numbers_and_tags(&cloud.history(&api)), expected);
    let read = history(&cloud, &api.service_id(), 10).await.unwrap();
    assert_eq!(
        numbers_and_tags(&read),
        expected.into_iter().rev().collect::<Vec<_>>()
    );
    assert!(cloud.record(&api).unwrap().finished.is_empty());
}

/// A service whose three deployments succeeded, and whose record was then restored to what it was after the first.
async fn put_back(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    pushed(&cloud, "v1", '1', 0).await;
    succeeded(&cloud, api, 50).await;
    let after_the_first = cloud.record(api).unwrap();
    pushed(&cloud, "v2", '2', 100).await;
    succeeded(&cloud, api, 150).await;
    pushed(&cloud, "v3", '3', 200).await;
    succeeded(&cloud, api, 250).await;
    cloud
        .objects()
        .put(&RecordKey(&api.service_id()), &after_the_first);
    cloud
}

#[tokio::test]
async fn a_number_that_another_deployment_has_is_not_taken_twice() {
    let api = subscriber("api");
    let cloud = put_back(&api).await;
    for (tag, digit, seconds) in [("v4", '4', 300), ("v5", '5', 400)] {
        pushed(&cloud, tag, digit, seconds).await;
        succeeded(&cloud, &api, seconds + 50).await;
    }
    let expected: Vec<_> = (1..=5).map(|n| (n, format!("v{n}"))).collect();
    assert_eq!(numbers_and_tags(&cloud.history(&api)), expected);
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.number, 5);
    assert!(record.finished.is_empty());
}

#[tokio::test]
async fn a_deployment_that_got_another_number_is_kept_once_whatever_dies() {
    let api = subscriber("api");
    for fault in [Fault::Dies, Fault::DiesAfter] {
        let cloud = put_back(&api).await;
        pushed(&cloud, "v4", '4', 300).await;
        cloud.complete(&api);
        // It ends, is published and kept, and then the record is not written any more.
        cloud.inject_at("PutObject history", fault);
        let change = DeploymentStateChange {
            event_name: DeploymentEventName::Completed,
            deployment_id: cloud.primary_id(&api),
            updated_at: noon(350),
            reason: String::new(),
        };
        let service = api.service_name();
        let heard = deployment_changed(&cloud, &service, &change, &worker("watch", 350)).await;
        assert!(heard.is_err());
        cloud.recover();
        reconcile(&cloud, &worker("reconcile", 900)).await.unwrap();
        let expected: Vec<_> = (1..=4).map(|n| (n, format!("v{n}"))).collect();
        assert_eq!(numbers_and_tags(&cloud.history(&api)), expected);
        assert_eq!(cloud.record(&api).unwrap().deployment.number, 4);
    }
}

#[tokio::test]
async fn a_deployment_is_kept_beside_a_damaged_one_that_has_its_number() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let damaged = "deployments/shop/api/history/00000001.json";
    pushed(&cloud, "v1", '1', 0).await;
    cloud.objects().put_bytes(damaged, "{");
    succeeded(&cloud, &api, 50).await;
    assert_eq!(
        numbers_and_tags(&cloud.history(&api)),
        [(2, "v1".to_owned())]
    );
    assert_eq!(cloud.record(&api).unwrap().deployment.number, 2);
}

#[tokio::test]
async fn what_ecs_rolled_back_is_blocked() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    assert_eq!(cloud.record(&api).unwrap().blocked, [digest('3')]);
}

#[tokio::test]
async fn only_the_last_fifty_digests_that_were_rolled_back_are_kept() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let image = |number: u32| -> longshore_events::image::Digest {
        format!("sha256:{number:064x}").parse().unwrap()
    };
    pushed(&cloud, "v0", '0', 0).await;
    succeeded(&cloud, &api, 10).await;
    for number in 1..=52 {
        let at = 100 * i64::from(number);
        cloud.set_now(noon(at));
        let push = cloud.push(&format!("v{number}"), image(number), noon(at));
        deploy_push(&cloud, &push, &worker(&format!("push-{number}"), at))
            .await
            .unwrap();
        cloud.roll_back(&api, at + 20);
        hear(&cloud, &api, DeploymentEventName::Failed, at + 30).await;
        cloud.complete(&api);
        hear(&cloud, &api, DeploymentEventName::Failed, at + 40).await;
    }
    let blocked = cloud.record(&api).unwrap().blocked.clone();
    assert_eq!(blocked.len(), 50);
    assert_eq!(blocked.first(), Some(&image(3)));
    assert_eq!(blocked.last(), Some(&image(52)));
}

fn container(name: &str, driver: &str, options: Value) -> Value {
    json!({"name": name, "logConfiguration": {"logDriver": driver, "options": options}})
}

fn definition(containers: &[Value]) -> TaskDefinition {
    TaskDefinition {
        document: json!({"containerDefinitions": containers}),
        tags: Vec::new(),
    }
}

#[test]
fn a_log_stream_is_found_from_the_prefix_the_container_and_the_task() {
    let options = json!({"awslogs-group": "/shop/api", "awslogs-stream-prefix": "api"});
    let definition = definition(&[
        container("app", "awslogs", options.clone()),
        container("proxy", "awslogs", options),
    ]);
    let streams = log_streams(&definition, &died("f00d", &["app"]));
    let [stream] = streams.as_slice() else {
        panic!("{streams:?}");
    };
    assert_eq!(stream.container, "app");
    assert_eq!(stream.log_group, "/shop/api");
    assert_eq!(stream.log_stream, "api/app/f00d");
    assert!(stream.task.ends_with("/f00d"));
}

#[test]
fn all_containers_of_a_task_are_read_of_which_ecs_says_nothing() {
    let options = json!({"awslogs-group": "/shop/api", "awslogs-stream-prefix": "api"});
    let definition = definition(&[
        container("app", "awslogs", options.clone()),
        container("proxy", "awslogs", options),
    ]);
    let streams = log_streams(&definition, &died("f00d", &[]));
    let containers: Vec<_> = streams
        .iter()
        .map(|stream| stream.container.as_str())
        .collect();
    assert_eq!(containers, ["app", "proxy"]);
}

#[test]
fn containers_whose_streams_have_no_known_name_are_left_out() {
    let definition = definition(&[
        json!({"name": "quiet"}),
        container("agent", "awsfirelens", json!({})),
        container("unnamed", "awslogs", json!({"awslogs-group": "/shop/api"})),
    ]);
    assert!(log_streams(&definition, &died("f00d", &[])).is_empty());
}

async fn deployment_logs(
    cloud: &FakeCloud,
    api: &Subscriber,
    number: Option<u32>,
) -> DeploymentLogs {
    match logs(cloud, &api.service_id(), number, 2).await.unwrap() {
        Some(ServiceLogs::Deployment(found)) => *found,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_logs_of_the_newest_deployment_that_failed_are_read() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let options = json!({"awslogs-group": "/shop/api", "awslogs-stream-prefix": "api"});
    cloud.change_task_definition(&api, |document| {
        document["containerDefinitions"][0]["logConfiguration"] =
            json!({"logDriver": "awslogs", "options": options});
    });
    for line in 1..=3 {
        let written = LogLine {
            at: noon(line),
            message: format!("line {line}"),
        };
        cloud.add_log_line("/shop/api", "api/app/dead", written);
    }
    pushed(&cloud, "v1", '1', 0).await;
    succeeded(&cloud, &api, 50).await;
    assert_eq!(
        logs(&cloud, &api.service_id(), None, 2).await.unwrap(),
        None
    );
    pushed(&cloud, "v2", '2', 100).await;
    cloud.add_stopped_task(&cloud.primary_id(&api), died("dead", &["app"]));
    cloud.roll_back(&api, 150);
    hear(&cloud, &api, DeploymentEventName::Failed, 160).await;

    let found = deployment_logs(&cloud, &api, None).await;
    assert_eq!(found.deployment.number, 2);
    let [log] = found.logs.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(log.stream.log_stream, "api/app/dead");
    let lines: Vec<_> = log
        .lines
        .iter()
        .flatten()
        .map(|line| line.message.as_str())
        .collect();
    assert_eq!(lines, ["line 2", "line 3"]);
    let first = deployment_logs(&cloud, &api, Some(1)).await;
    assert_eq!(first.deployment.number, 1);
    assert!(first.logs.is_empty());
    assert_eq!(
        logs(&cloud, &api.service_id(), Some(7), 2).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn the_status_of_a_service_says_what_is_blocked() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let statuses = status(&cloud, |_| true, noon(300)).await.unwrap();
    let [status] = statuses.as_slice() else {
        panic!("{statuses:?}");
    };
    assert_eq!(status.deployment.as_ref().unwrap().number, 4);
    assert_eq!(status.blocked, [digest('3')]);
    assert_eq!(status.hold, None);
    assert!(status.waiting.is_empty());
    assert_eq!(status.running.as_ref().unwrap().desired_count, 2);
}

#[tokio::test]
async fn whoever_waits_for_a_request_finds_its_deployment_also_when_others_came_since() {
    let api = subscriber("api");
    let cloud = deployed(&api).await;
    let service_id = api.service_id();
    for (number, expected) in [
        (1, State::Succeeded),
        (2, State::Superseded),
        (3, State::RolledBack),
        (4, State::Deploying),
    ] {
        let deployments = history(&cloud, &service_id, 10).await.unwrap();
        let wanted = deployments.into_iter().find(|one| one.number == number);
        let wanted = wanted.unwrap();
        let found = whereabouts(&cloud, &service_id, &wanted.id).await;
        match found.unwrap() {
            Whereabouts::Past(past) => assert_eq!(*past, wanted),
            Whereabouts::Deployment {
                deployment,
                running,
                ..
            } => {
                assert_eq!(*deployment, wanted);
                assert_eq!(running.unwrap().desired_count, 2);
            }
            other => panic!("deployment {number} is not found: {other:?}"),
        }
        assert_eq!(wanted.state, expected);
    }
    let unknown = whereabouts(&cloud, &service_id, "unknown").await;
    assert_eq!(unknown.unwrap(), Whereabouts::Gone);
}
