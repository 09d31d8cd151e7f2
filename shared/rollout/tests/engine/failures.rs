//! Every call of every flow fails once in every way, the process dies before and after every call,
//! and Lambda's retry always ends where an undisturbed run ends.

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::incoming::ReleaseFile;
use longshore_events::manual::DeployPayload;
use longshore_events::sequence::Sequence;
use longshore_policy::route::Subscriber;
use longshore_rollout::course::watch::{deployment_changed, task_stopped};
use longshore_rollout::record::State;
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_rollout::triggers::release::deploy_release;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, push, subscriber, worker};

/// Lambda tries an asynchronous invocation again after one minute and then after two.
const ATTEMPTS: [i64; 3] = [0, 60, 180];

const FAULTS: [Fault; 6] = [
    Fault::Fails(ErrorClass::Transient),
    Fault::Fails(ErrorClass::Denied),
    Fault::Fails(ErrorClass::LostRace),
    Fault::AnswerLost,
    Fault::Dies,
    Fault::DiesAfter,
];

/// The ways into a deployment, each as Lambda would run it.
#[derive(Debug, Clone, Copy)]
enum Way {
    Push,
    Release,
    Manual,
}

/// One attempt of Lambda's; whether it succeeded.
async fn attempt(cloud: &FakeCloud, way: Way, seconds: i64) -> bool {
    let worker = worker("invocation", seconds);
    match way {
        Way::Push => deploy_push(cloud, &push("v2", digest('2'), noon(0)), &worker)
            .await
            .is_ok_and(|results| results.iter().all(Result::is_ok)),
        Way::Release => {
            let file = ReleaseFile {
                event_id: "event-release".to_owned(),
                at: noon(0),
                bucket: "state".to_owned(),
                key: "releases/shop/api.json".to_owned(),
                version_id: None,
                sequencer: "0055AED6DCD90281E5".to_owned(),
            };
            deploy_release(cloud, &file, &worker).await.is_ok()
        }
        Way::Manual => {
            let image = "shop/api:v2".parse().unwrap();
            let payload = DeployPayload::new("shop", "api", image, None);
            let asked = Asked {
                id: "request-1".to_owned(),
                at: noon(0),
                sequence: Sequence::of_time(noon(0)),
                source: longshore_events::longshore::Source::Manual {
                    note: None,
                    by: None,
                },
            };
            deploy_explicitly(cloud, &payload, asked, &worker)
                .await
                .is_ok()
        }
    }
}

/// Attempts until one succeeds; a process that died is a new one at the next attempt.
async fn run(cloud: &FakeCloud, way: Way) -> bool {
    for seconds in ATTEMPTS {
        cloud.set_now(noon(seconds));
        let succeeded = attempt(cloud, way, seconds).await && !cloud.is_dead();
        cloud.recover();
        if succeeded {
            return true;
        }
    }
    false
}

fn cloud_with_images(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    cloud.add_image("shop/api", "v2", digest('2'));
    cloud.add_release("releases/shop/api.json", r#"{"image": "shop/api:v2"}"#);
    cloud
}

#[tokio::test]
async fn a_deployment_survives_any_failure_of_any_call_and_is_begun_once() {
    let api = subscriber("api");
    let mut cases = 0;
    for way in [Way::Push, Way::Release, Way::Manual] {
        let undisturbed = cloud_with_images(&api);
        assert!(run(&undisturbed, way).await);
        for call in 0..undisturbed.calls().len() {
            for fault in FAULTS {
                let case = format!(
                    "{way:?}, call {call} {}, {fault:?}",
                    undisturbed.calls()[call]
                );
                let cloud = cloud_with_images(&api);
                cloud.inject(call, fault);
                assert!(run(&cloud, way).await, "{case}: never succeeded");
                // Every flow is run twice: a duplicate changes nothing.
                assert!(run(&cloud, way).await, "{case}: the duplicate failed");

                let record = cloud.record(&api).unwrap();
                assert_eq!(record.deployment.state, State::Deploying, "{case}");
                assert_eq!(record.deployment.image.digest, digest('2'), "{case}");
                assert_eq!(
                    record.deployment.ecs_deployment_id,
                    Some(cloud.primary_id(&api)),
                    "{case}"
                );
                assert!(record.outbox.is_empty(), "{case}");
                assert_eq!(cloud.updates(&api), 1, "{case}");
                assert!(
                    cloud
                        .detail_types()
                        .iter()
                        .all(|published| *published == "Deployment Started"),
                    "{case}"
                );
                assert!(!cloud.detail_types().is_empty(), "{case}: never published");
                cases += 1;
            }
        }
    }
    assert!(cases > 150, "only {cases} cases were run");
}

fn change(cloud: &FakeCloud, api: &Subscriber, name: DeploymentEventName) -> DeploymentStateChange {
    DeploymentStateChange {
        event_name: name,
        deployment_id: cloud.primary_id(api),
        updated_at: noon(30),
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
    }
}

async fn watch(cloud: &FakeCloud, api: &Subscriber, change: &DeploymentStateChange) -> bool {
    for seconds in ATTEMPTS {
        let succeeded = deployment_changed(
            cloud,
            &api.service_name(),
            change,
            &worker("watch", 60 + seconds),
        )
        .await
        .is_ok()
            && !cloud.is_dead();
        cloud.recover();
        if succeeded {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn an_outcome_survives_any_failure_of_any_call() {
    let api = subscriber("api");
    for outcome in [State::Succeeded, State::RollingBack] {
        let prepare = async || {
            let cloud = cloud_with_images(&api);
            assert!(run(&cloud, Way::Push).await);
            let change = match outcome {
                State::Succeeded => {
                    cloud.complete(&api);
                    change(&cloud, &api, DeploymentEventName::Completed)
                }
                _ => {
                    let change = change(&cloud, &api, DeploymentEventName::Failed);
                    cloud.roll_back(&api, 30);
                    change
                }
            };
            cloud.forget_calls();
            (cloud, change)
        };
        let (undisturbed, event) = prepare().await;
        assert!(watch(&undisturbed, &api, &event).await);
        for call in 0..undisturbed.calls().len() {
            for fault in FAULTS {
                let case = format!(
                    "{outcome:?}, call {call} {}, {fault:?}",
                    undisturbed.calls()[call]
                );
                let (cloud, event) = prepare().await;
                cloud.inject(call, fault);
                assert!(watch(&cloud, &api, &event).await, "{case}: never succeeded");
                assert!(
                    watch(&cloud, &api, &event).await,
                    "{case}: the duplicate failed"
                );
                let record = cloud.record(&api).unwrap();
                assert_eq!(record.deployment.state, outcome, "{case}");
                assert!(record.outbox.is_empty(), "{case}");
                let expected = match outcome {
                    State::Succeeded => "Deployment Succeeded",
                    _ => "Deployment Failed",
                };
                let published = cloud.detail_types();
                assert!(published.contains(&expected), "{case}: {published:?}");
                assert!(
                    published
                        .iter()
                        .all(|published| *published == expected
                            || *published == "Deployment Started"),
                    "{case}: {published:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_could_never_be_published_is_published_by_the_reconcile() {
    let api = subscriber("api");
    let cloud = cloud_with_images(&api);
    cloud.inject_at("PutEvents", Fault::Dies);
    assert!(!attempt(&cloud, Way::Push, 0).await);
    cloud.recover();
    assert!(cloud.detail_types().is_empty());
    assert!(
        reconcile(&cloud, &worker("reconcile", 900))
            .await
            .unwrap()
            .failures
            .is_empty()
    );
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);
    assert!(cloud.record(&api).unwrap().outbox.is_empty());
}

#[tokio::test]
async fn a_claim_that_failed_is_free_at_once_for_the_retry() {
    let api = subscriber("api");
    let cloud = cloud_with_images(&api);
    cloud.inject_at("UpdateService", Fault::Fails(ErrorClass::Transient));
    assert!(!attempt(&cloud, Way::Push, 0).await);
    assert!(attempt(&cloud, Way::Push, 1).await);
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Deploying
    );
}

#[tokio::test]
async fn a_claim_that_is_held_makes_the_same_event_wait_until_its_invocation_must_be_over() {
    let api = subscriber("api");
    let cloud = cloud_with_images(&api);
    cloud.inject_at("PutObject deployments", Fault::DiesAfter);
    assert!(!attempt(&cloud, Way::Push, 0).await);
    cloud.recover();
    assert!(!attempt(&cloud, Way::Push, 49).await);
    assert_eq!(cloud.updates(&api), 0);
    assert!(attempt(&cloud, Way::Push, 50).await);
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn a_claim_whose_invocation_died_for_good_is_taken_up_by_the_reconcile() {
    let api = subscriber("api");
    let cloud = cloud_with_images(&api);
    cloud.inject_at("PutObject deployments", Fault::DiesAfter);
    attempt(&cloud, Way::Push, 0).await;
    cloud.recover();
    reconcile(&cloud, &worker("reconcile", 49)).await.unwrap();
    assert_eq!(cloud.record(&api).unwrap().deployment.state, State::Claimed);
    for _ in 0..2 {
        reconcile(&cloud, &worker("reconcile", 600)).await.unwrap();
        assert_eq!(
            cloud.record(&api).unwrap().deployment.state,
            State::Deploying
        );
        assert_eq!(cloud.updates(&api), 1);
        assert_eq!(cloud.detail_types(), ["Deployment Started"]);
    }
}

#[tokio::test]
async fn a_claim_that_nobody_took_up_in_time_is_closed_by_the_reconcile() {
    let api = subscriber("api");
    let cloud = cloud_with_images(&api);
    cloud.inject_at("PutObject deployments", Fault::DiesAfter);
    attempt(&cloud, Way::Push, 0).await;
    cloud.recover();
    for _ in 0..2 {
        reconcile(&cloud, &worker("reconcile", 3600)).await.unwrap();
        assert_eq!(cloud.record(&api).unwrap().deployment.state, State::Failed);
        assert_eq!(cloud.detail_types(), ["Deployment Failed"]);
        assert_eq!(cloud.updates(&api), 0);
    }
}

#[tokio::test]
async fn a_stopped_task_is_kept_whatever_fails() {
    let api = subscriber("api");
    let stopped = serde_json::json!({
        "taskArn": "arn:aws:ecs:eu-west-1:111122223333:task/shop/1",
        "clusterArn": "arn:aws:ecs:eu-west-1:111122223333:cluster/shop",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/api:2",
        "group": "service:api",
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "app", "exitCode": 1}],
    });
    for call in 0..4 {
        for fault in FAULTS {
            let cloud = cloud_with_images(&api);
            assert!(run(&cloud, Way::Push).await);
            let mut change: longshore_events::ecs::TaskStateChange =
                serde_json::from_value(stopped.clone()).unwrap();
            change.started_by = Some(cloud.primary_id(&api));
            cloud.inject(call, fault);
            for _ in 0..3 {
                let _ =
                    task_stopped(&cloud, &api.service_name(), &change, &worker("watch", 30)).await;
                cloud.recover();
            }
            let failures = cloud.record(&api).unwrap().deployment.failures.clone();
            assert_eq!(failures.len(), 1, "call {call}, {fault:?}");
            assert_eq!(failures[0].containers[0].exit_code, Some(1));
        }
    }
}
