//! Whatever the order in which pushes are heard of, however often, and whatever fails meanwhile: the
//! service ends with the newest, and the record says so.

use std::collections::BTreeSet;

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_rollout::deploy::deploy_push;
use longshore_rollout::ports::ErrorClass;
use longshore_rollout::record::State;
use longshore_rollout::route::Follower;
use longshore_rollout::watch::{deployment_changed, reconcile};
use longshore_testkit::{FakeCloud, Fault, digest, follower, noon, push, worker};
use proptest::prelude::*;

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// The push of this number is heard of; something may go wrong at a call.
    Push(usize, Option<(usize, Fault)>),
    /// Two pushes are heard of at once, and their calls have their effects in any order.
    Together(usize, usize, Vec<u8>),
    /// ECS finishes what it works towards.
    Complete,
    /// The schedule fires.
    Reconcile,
}

fn fault() -> impl Strategy<Value = Option<(usize, Fault)>> {
    prop_oneof![
        3 => Just(None),
        1 => (0_usize..12, prop_oneof![
            Just(Fault::Fails(ErrorClass::Transient)),
            Just(Fault::Fails(ErrorClass::Denied)),
            Just(Fault::Fails(ErrorClass::LostRace)),
            Just(Fault::AnswerLost),
            Just(Fault::Dies),
            Just(Fault::DiesAfter),
        ])
        .prop_map(Some),
    ]
}

/// Mostly none, so that one invocation can do all its work while another waits for one call.
fn delay() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0_u8..3, 1 => 3_u8..40]
}

fn steps(pushes: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..pushes, fault()).prop_map(|(number, fault)| Step::Push(number, fault)),
        2 => (0..pushes, 0..pushes, prop::collection::vec(delay(), 40))
            .prop_map(|(one, other, delays)| Step::Together(one, other, delays)),
        2 => Just(Step::Complete),
        1 => Just(Step::Reconcile),
    ];
    prop::collection::vec(step, 1..25)
}

async fn run(pushes: usize, steps: Vec<Step>) {
    let api = follower("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let event = |number: usize| {
        let digit = char::from_digit(u32::try_from(number).unwrap() + 2, 16).unwrap();
        push(
            &format!("v{number}"),
            digest(digit),
            // Two and two in the same second.
            noon(i64::try_from(number / 2).unwrap()),
        )
    };
    // Every step happens a minute after the one before, as Lambda's retries do at the earliest.
    let mut seconds = 100;
    let mut pending: BTreeSet<usize> = BTreeSet::new();
    for step in steps {
        seconds += 60;
        let now = noon(seconds);
        cloud.set_now(now);
        match step {
            Step::Push(number, fault) => {
                if let Some((call, fault)) = fault {
                    cloud.inject(call, fault);
                }
                let succeeded = deploy_push(
                    &cloud,
                    &event(number),
                    &worker(&format!("invocation-{number}"), seconds),
                )
                .await
                .is_ok_and(|results| results.iter().all(Result::is_ok))
                    && !cloud.is_dead();
                cloud.recover();
                if succeeded {
                    pending.remove(&number);
                } else {
                    pending.insert(number);
                }
            }
            Step::Together(one, other, delays) => {
                cloud.set_delays(&delays);
                let (one_event, other_event) = (event(one), event(other));
                let results = futures_util::future::join(
                    deploy_push(&cloud, &one_event, &worker("one", seconds)),
                    deploy_push(&cloud, &other_event, &worker("other", seconds)),
                )
                .await;
                cloud.set_delays(&[]);
                for (number, result) in [(one, results.0), (other, results.1)] {
                    if !result.is_ok_and(|results| results.iter().all(Result::is_ok)) {
                        pending.insert(number);
                    }
                }
            }
            Step::Complete => cloud.complete(&api),
            Step::Reconcile => {
                reconcile(&cloud, &worker("reconcile", seconds))
                    .await
                    .unwrap();
            }
        }
    }
    // Lambda retries what failed, and in the end every push has been heard of.
    for number in pending.into_iter().chain(0..pushes) {
        seconds += 60;
        cloud.set_now(noon(seconds));
        let results = deploy_push(
            &cloud,
            &event(number),
            &worker(&format!("invocation-{number}"), seconds),
        )
        .await
        .unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    cloud.complete(&api);
    reconcile(&cloud, &worker("reconcile", seconds + 60))
        .await
        .unwrap();

    let newest = event(pushes - 1).image;
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.image, newest);
    assert_eq!(record.deployment.state, State::Succeeded, "{record:#?}");
    assert!(record.outbox.is_empty());
    let running = cloud.running_image(&api).unwrap();
    assert!(running.ends_with(newest.digest.as_str()), "{running}");
    assert!(
        cloud
            .told()
            .iter()
            .all(|told| *told != "Deployment Failed" && *told != "Deployment Rolled Back"),
        "{:?}",
        cloud.told()
    );
}

/// ECS tells again and again that what it works towards began; what it tells may not be known yet.
async fn hear_of_what_begins(cloud: &FakeCloud, api: &Follower) {
    for number in 0..6 {
        let change = DeploymentStateChange {
            event_name: DeploymentEventName::InProgress,
            deployment_id: cloud.primary_id(api),
            updated_at: noon(6),
            reason: String::new(),
        };
        let watch = worker(&format!("watch-{number}"), 6);
        let _ = deployment_changed(cloud, &api.service_name(), &change, &watch).await;
    }
}

/// Two pushes are heard of at once while an older one is rolled out.
async fn race(delays: &[u8]) {
    let api = follower("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let event = |number: i64, digit| push(&format!("v{number}"), digest(digit), noon(number));
    let first = deploy_push(&cloud, &event(2, '2'), &worker("first", 2))
        .await
        .unwrap();
    assert!(first.iter().all(Result::is_ok), "{first:?}");
    let (older, newer) = (event(3, '3'), event(4, '4'));
    cloud.set_delays(delays);
    let results = futures_util::future::join3(
        deploy_push(&cloud, &older, &worker("older", 5)),
        deploy_push(&cloud, &newer, &worker("newer", 5)),
        hear_of_what_begins(&cloud, &api),
    )
    .await;
    let (older, newer) = (results.0.unwrap().remove(0), results.1.unwrap().remove(0));
    assert!(older.is_ok() && newer.is_ok(), "{older:?} {newer:?}");

    let record = cloud.record(&api).unwrap();
    assert!(record.outbox.is_empty(), "{record:#?}");
    assert!(
        cloud
            .running_image(&api)
            .unwrap()
            .ends_with(digest('4').as_str())
    );
    let published = cloud.published();
    for (index, event) in published.iter().enumerate() {
        assert!(
            !published[..index].contains(event),
            "told twice: {event:#?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_order_of_pushes_ends_with_the_newest(
        (pushes, steps) in (1_usize..5).prop_flat_map(|pushes| (Just(pushes), steps(pushes)))
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(pushes, steps));
    }

    #[test]
    fn whoever_loses_a_race_leaves_nothing_untold_and_tells_nothing_twice(
        delays in prop::collection::vec(delay(), 60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(race(&delays));
    }
}
