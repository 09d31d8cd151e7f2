//! How often AWS is asked on the way from a push to an updated service, and how often one answer is waited for before the
//! next question. What costs more than it did is seen here first.

use std::pin::pin;
use std::task::{Context, Waker};

use longshore_events::incoming::Push;
use longshore_policy::route::Subscriber;
use longshore_rollout::triggers::push::deploy_push;
use longshore_testkit::{FakeCloud, digest, noon, subscriber, worker};

use super::support::stable;

/// The calls that something makes, each with the round trip in which it is answered.
#[derive(Debug)]
struct Course(Vec<(usize, String)>);

impl Course {
    /// Of calls that are all answered after the same time.
    fn of(cloud: &FakeCloud, work: impl Future) -> Self {
        cloud.forget_calls();
        let mut work = pin!(work);
        let mut context = Context::from_waker(Waker::noop());
        let mut course = Vec::new();
        for round_trip in 0.. {
            let polled = work.as_mut().poll(&mut context);
            let calls = cloud.calls();
            let answered = calls[course.len()..].iter();
            course.extend(answered.map(|call| (round_trip, call.clone())));
            if polled.is_ready() {
                break;
            }
        }
        Self(course)
    }

    /// How many round trips come before the first call of this operation.
    fn round_trips_before(&self, operation: &str) -> usize {
        let found = self.0.iter().find(|(_, call)| call == operation);
        found.unwrap_or_else(|| panic!("{self:?}")).0 - 1
    }

    fn round_trips(&self) -> usize {
        self.0.last().map_or(0, |(round_trip, _)| *round_trip)
    }

    fn calls_until(&self, operation: &str) -> usize {
        1 + self
            .0
            .iter()
            .position(|(_, call)| call == operation)
            .unwrap()
    }

    fn in_round_trip(&self, number: usize) -> Vec<&str> {
        let calls = self
            .0
            .iter()
            .filter(|(round_trip, _)| *round_trip == number);
        let mut calls: Vec<&str> = calls.map(|(_, call)| call.as_str()).collect();
        calls.sort_unstable();
        calls
    }
}

fn course_of(cloud: &FakeCloud, event: &Push, seconds: i64) -> Course {
    let worker = worker(&event.event_id, seconds);
    Course::of(cloud, async {
        let results = deploy_push(cloud, event, &worker).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    })
}

/// Services of one route that were deployed to, and run that.
async fn deployed(subscribers: &[Subscriber]) -> FakeCloud {
    let cloud = FakeCloud::with_services(subscribers);
    let event = cloud.push("v2", digest('2'), noon(0));
    course_of(&cloud, &event, 0);
    for subscriber in subscribers {
        stable(&cloud, subscriber, 60).await;
    }
    cloud
}

#[tokio::test]
async fn a_push_updates_its_service_after_four_round_trips() {
    let cloud = deployed(&[subscriber("api")]).await;
    let event = cloud.push("v3", digest('3'), noon(100));
    let course = course_of(&cloud, &event, 100);
    let expected: [&[&str]; 5] = [
        &["BatchGetImage", "GetObject deployments", "GetObject routes"],
        &[
            "DescribeImages",
            "DescribeServices",
            "DescribeTaskDefinition",
            "GetObject provisions",
        ],
        &["PutObject deployments"],
        &["GetObject provisions", "RegisterTaskDefinition"],
        &["UpdateService"],
    ];
    for (number, calls) in expected.into_iter().enumerate() {
        assert_eq!(course.in_round_trip(number + 1), calls, "{course:?}");
    }
    assert_eq!(course.round_trips_before("UpdateService"), 4, "{course:?}");
    assert_eq!(course.calls_until("UpdateService"), 11, "{course:?}");
    assert_eq!(course.0.len(), 14, "{course:?}");
}

#[tokio::test]
async fn a_process_that_has_not_read_the_route_yet_waits_once_more() {
    let cloud = deployed(&[subscriber("api")]).await;
    cloud.forget();
    let event = cloud.push("v3", digest('3'), noon(100));
    let course = course_of(&cloud, &event, 100);
    assert_eq!(course.round_trips_before("UpdateService"), 5, "{course:?}");
    assert_eq!(course.calls_until("UpdateService"), 11, "{course:?}");
}

/// Its manifest does not say for which architecture it is: its configuration does, and that is downloaded.
#[tokio::test]
async fn an_image_of_one_architecture_takes_one_round_trip_more() {
    let cloud = deployed(&[subscriber("api")]).await;
    cloud.set_plain(&digest('3'));
    let event = cloud.push("v3", digest('3'), noon(100));
    let course = course_of(&cloud, &event, 100);
    assert_eq!(course.round_trips_before("UpdateService"), 5, "{course:?}");
    assert_eq!(course.calls_until("UpdateService"), 13, "{course:?}");
}

#[tokio::test]
async fn many_subscribers_take_no_more_round_trips_and_the_image_is_looked_into_once() {
    let subscribers: Vec<Subscriber> = (0..5)
        .map(|number| subscriber(&format!("api-{number}")))
        .collect();
    let cloud = deployed(&subscribers).await;
    let event = cloud.push("v3", digest('3'), noon(100));
    let course = course_of(&cloud, &event, 100);
    assert_eq!(course.round_trips_before("UpdateService"), 4, "{course:?}");
    let count = |operation: &str| {
        course
            .0
            .iter()
            .filter(|(_, call)| call == operation)
            .count()
    };
    assert_eq!(count("UpdateService"), 5, "{course:?}");
    assert_eq!(count("DescribeImages"), 1, "{course:?}");
    assert_eq!(count("BatchGetImage"), 1, "{course:?}");
    assert_eq!(count("GetObject routes"), 1, "{course:?}");
}

#[tokio::test]
async fn a_duplicate_and_an_older_push_ask_for_nothing_that_only_a_deployment_needs() {
    let cloud = deployed(&[subscriber("api")]).await;
    let older = cloud.push("v2.5", digest('5'), noon(90));
    let event = cloud.push("v3", digest('3'), noon(100));
    course_of(&cloud, &event, 100);
    for event in [older, event] {
        let course = course_of(&cloud, &event, 110);
        let calls: Vec<&str> = course.0.iter().map(|(_, call)| call.as_str()).collect();
        assert_eq!(
            calls,
            [
                "GetObject routes",
                "GetObject deployments",
                "DescribeImages"
            ]
        );
        assert_eq!(course.round_trips(), 2);
    }
}

#[tokio::test]
async fn what_was_expected_wrongly_costs_a_call_and_is_not_believed() {
    let (api, worker) = (subscriber("api"), subscriber("worker"));
    let cloud = deployed(&[api.clone(), worker.clone()]).await;
    // Somebody has changed the service past Longshore, and another one the route.
    cloud.deploy_outside(
        &api,
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:by-hand",
        70,
    );
    cloud.complete(&api);
    cloud.set_route("shop/api", vec![api.clone()]);
    let event = cloud.push("v3", digest('3'), noon(100));
    let course = course_of(&cloud, &event, 100);
    assert_eq!(course.round_trips_before("UpdateService"), 5, "{course:?}");
    let shown = cloud.record(&api).unwrap();
    assert!(
        shown.deployment.previous_image.ends_with(":by-hand"),
        "{shown:#?}"
    );
    assert_eq!(cloud.updates(&api), 2);
    assert_eq!(cloud.updates(&worker), 1);
}

#[tokio::test]
async fn a_subscriber_that_is_new_to_the_route_is_deployed_to_as_well() {
    let (api, worker) = (subscriber("api"), subscriber("worker"));
    let cloud = deployed(std::slice::from_ref(&api)).await;
    cloud.add_service(
        &worker,
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1",
    );
    cloud.set_route("shop/api", vec![api.clone(), worker.clone()]);
    let event = cloud.push("v3", digest('3'), noon(100));
    course_of(&cloud, &event, 100);
    for subscriber in [&api, &worker] {
        let running = cloud.running_image(subscriber).unwrap();
        assert!(running.ends_with(digest('3').as_str()), "{running}");
    }
}
