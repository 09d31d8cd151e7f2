//! Services of a stack that has settled, with one that is not done yet: the others are reconciled once, and what ECS
//! gave up is not restored.

use std::collections::BTreeMap;

use longshore_events::image::Image;
use longshore_events::longshore::{ChangeCounts, OperationKind, Source, StackSource};
use longshore_events::manual::DeployPayload;
use longshore_events::sequence::Sequence;
use longshore_policy::route::Subscriber;
use longshore_policy::settings::OneOffTask;
use longshore_rollout::course::tasks::task_stopped;
use longshore_rollout::engine::Outcome;
use longshore_rollout::record::State;
use longshore_rollout::stack_record::{Operation, OperationState, Preserved, StackRecord};
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::settled::{Done, SettledStack, stack_settled};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

fn image(digit: char) -> Image {
    Image {
        repository: "shop/api".to_owned(),
        tag: Some(format!("v{digit}")),
        digest: digest(digit),
    }
}

async fn pushed(cloud: &FakeCloud, digit: char, seconds: i64) {
    cloud.set_now(noon(seconds));
    let push = cloud.push(&format!("v{digit}"), digest(digit), noon(seconds));
    let results = deploy_push(cloud, &push, &worker(&format!("push-{digit}"), seconds)).await;
    assert!(results.unwrap().iter().all(Result::is_ok));
}

/// A change of the stack that ended so, whose template preserved these images.
fn ended(cloud: &FakeCloud, state: OperationState, preserved: &[(&Subscriber, Option<Image>)]) {
    let services = preserved.iter().map(|(subscriber, image)| Preserved {
        subscriber: (*subscriber).clone(),
        image: image.clone(),
        also: BTreeMap::new(),
        is_named: false,
    });
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    let operation = Operation {
        state,
        services: services.collect(),
        ..Operation::begin("operation-1", OperationKind::Apply, source, noon(200))
    };
    let changes = ChangeCounts::default();
    let record = StackRecord::begin("shop", None, operation, changes, &worker("provision", 200));
    cloud.set_stack_record(record);
}

async fn settled(cloud: &FakeCloud, seconds: i64) -> SettledStack {
    cloud.set_now(noon(seconds));
    stack_settled(cloud, "shop", &worker("at-rest", seconds))
        .await
        .unwrap()
}

/// A person asks for an image of the service while the stack changes.
async fn asked_by_hand(cloud: &FakeCloud, image: &str) -> Outcome {
    let payload = DeployPayload {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        image: image.parse().unwrap(),
        note: None,
        by: None,
    };
    let asked = Asked {
        id: "by-hand".to_owned(),
        at: noon(210),
        sequence: Sequence::of_time(noon(210)),
        source: Source::Manual {
            note: None,
            by: None,
        },
    };
    let answer = deploy_explicitly(cloud, &payload, asked, &worker("by-hand", 210)).await;
    answer.unwrap().outcome
}

#[tokio::test]
async fn a_service_is_looked_after_once_while_another_ones_task_runs() {
    let web = subscriber("web");
    let mut api = subscriber("api");
    api.rollout.before_tasks = vec![OneOffTask {
        name: "migrate".to_owned(),
        command: vec!["migrate".to_owned()],
        environment: BTreeMap::new(),
        timeout_minutes: 15,
    }];
    let cloud = FakeCloud::with_services(&[api.clone(), web.clone()]);
    pushed(&cloud, '2', 100).await;
    cloud.complete(&web);
    ended(
        &cloud,
        OperationState::Ready,
        &[(&api, None), (&web, Some(image('2')))],
    );
    let first = settled(&cloud, 300).await;
    let services: Vec<_> = first.services.iter().flatten().collect();
    assert_eq!(services.len(), 2);
    assert_eq!(services[0].done, Done::Later);
    let operation = cloud.stack_record("shop").unwrap().operation;
    assert!(!operation.settled);

    // Only what is left is looked at, and when that is done, all is.
    let second = settled(&cloud, 400).await;
    let services: Vec<_> = second.services.iter().flatten().collect();
    assert_eq!(services.len(), 1, "{second:?}");
    assert_eq!(services[0].service, "api");
    let stopped = cloud.stop_task(0).unwrap();
    task_stopped(&cloud, &stopped, &worker("stopped", 410))
        .await
        .unwrap();
    settled(&cloud, 500).await;
    let operation = cloud.stack_record("shop").unwrap().operation;
    assert!(operation.settled);
    assert!(operation.reconciled_services.is_empty());
    assert!(settled(&cloud, 600).await.services.is_empty());
}

#[tokio::test]
async fn what_ecs_gave_up_is_closed_and_not_restored_though_its_events_were_lost() {
    let api = subscriber("api");
    for state in [OperationState::Ready, OperationState::Failed] {
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        pushed(&cloud, '2', 210).await;
        cloud.roll_back(&api, 250);
        cloud.complete(&api);
        ended(&cloud, state, &[(&api, None)]);
        let updates = cloud.updates(&api);
        settled(&cloud, 300).await;
        let record = cloud.record(&api).unwrap();
        assert_eq!(record.deployment.state, State::RolledBack, "{state:?}");
        assert_eq!(record.deployment.number, 1, "{state:?}");
        assert_eq!(record.blocked, [digest('2')], "{state:?}");
        assert_eq!(cloud.updates(&api), updates, "{state:?}");
        assert!(cloud.running_image(&api).unwrap().ends_with(":v1"));
        assert_eq!(
            cloud.detail_types().last(),
            Some(&"Deployment Rolled Back"),
            "{state:?}"
        );
    }
}

/// What had waited for the end of the change is asked for once, though the service is to be looked at again.
#[tokio::test]
async fn a_request_that_waited_is_taken_in_once_while_the_services_task_runs() {
    let mut api = subscriber("api");
    api.rollout.before_tasks = vec![OneOffTask {
        name: "migrate".to_owned(),
        command: vec!["migrate".to_owned()],
        environment: BTreeMap::new(),
        timeout_minutes: 15,
    }];
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    pushed(&cloud, '2', 100).await;
    ended(&cloud, OperationState::Changing, &[(&api, None)]);
    // The same image once more, by hand.
    assert_eq!(asked_by_hand(&cloud, "shop/api:v2").await, Outcome::Pending);
    let mut record = cloud.stack_record("shop").unwrap();
    assert_eq!(record.pending_pushes.len(), 1);
    record.operation.state = OperationState::Failed;
    cloud.set_stack_record(record);
    let first = settled(&cloud, 300).await;
    let first: Vec<_> = first.services.into_iter().map(Result::unwrap).collect();
    assert_eq!(first[0].done, Done::Later, "{first:?}");
    assert_eq!(first[0].waited.len(), 1);
    let published = cloud.detail_types();
    let second = settled(&cloud, 400).await;
    let second: Vec<_> = second.services.into_iter().map(Result::unwrap).collect();
    assert!(second[0].waited.is_empty(), "{second:?}");
    assert_eq!(cloud.detail_types(), published);
}

/// The image that was asked for meanwhile is gone, and what comes afterwards fails at each of its calls in turn.
#[tokio::test]
async fn what_waited_and_is_refused_is_published_once_whatever_fails_for_its_service_afterwards() {
    for call in 1..40 {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        pushed(&cloud, '2', 100).await;
        cloud.complete(&api);
        ended(&cloud, OperationState::Changing, &[(&api, None)]);
        cloud.push("v3", digest('3'), noon(205));
        assert_eq!(asked_by_hand(&cloud, "shop/api:v3").await, Outcome::Pending);
        cloud.delete_image("shop/api", &digest('3'));
        let mut record = cloud.stack_record("shop").unwrap();
        record.operation.state = OperationState::Failed;
        cloud.set_stack_record(record);
        let before = cloud.calls().len();
        cloud.inject(call, Fault::Fails(ErrorClass::Transient));
        for attempt in 0..3 {
            let at = worker("at-rest", 300 + attempt);
            let _ = stack_settled(&cloud, "shop", &at).await;
        }
        cloud.recover();
        settled(&cloud, 400).await;
        let calls = cloud.calls();
        if calls
            .get(before + call - 1)
            .is_some_and(|call| call == "PutEvents")
        {
            // It was published, and that this was done could not be written down: then it is published again.
            continue;
        }
        let published = cloud.detail_types();
        let failures = published
            .iter()
            .filter(|published| **published == "Deployment Failed");
        assert_eq!(failures.count(), 1, "call {call}: {published:?}");
    }
}
