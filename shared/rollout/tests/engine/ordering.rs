//! Whatever the order in which pushes are heard of, however often, and whatever fails meanwhile: the
//! service ends with the newest, and the record says so.

use std::collections::BTreeSet;

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::incoming::Push;
use longshore_events::longshore::{ChangeCounts, OperationKind, StackSource};
use longshore_rollout::at_rest::{reconcile_stacks_at_rest, stack_at_rest};
use longshore_rollout::deploy::deploy_push;
use longshore_rollout::ports::{ErrorClass, RecordStore, ServiceDeployer, StackRecordStore};
use longshore_rollout::record::State;
use longshore_rollout::route::Follower;
use longshore_rollout::stack_record::{Carried, Operation, StackRecord};
use longshore_rollout::stacks::stack_changed;
use longshore_rollout::watch::{deployment_changed, reconcile};
use longshore_testkit::{FakeCloud, Fault, digest, follower, noon, push, worker};
use proptest::prelude::*;

use crate::stacks;

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
    /// Somebody applies the stack, and a push may be heard of at the same time.
    Apply(Option<usize>, Vec<u8>),
    /// CloudFormation ends the change, and a push may be heard of at the same time.
    End {
        succeeds: bool,
        push: Option<usize>,
        delays: Vec<u8>,
    },
    /// `deploy` is woken by the end of the change; something may go wrong at a call, and a push may be
    /// heard of at the same time.
    LookAfter {
        push: Option<usize>,
        delays: Vec<u8>,
        fault: Option<(usize, Fault)>,
    },
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

fn delays() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(delay(), 40)
}

fn stack_step(pushes: usize) -> impl Strategy<Value = Step> {
    let push = move || prop::option::of(0..pushes);
    prop_oneof![
        (push(), delays()).prop_map(|(push, delays)| Step::Apply(push, delays)),
        (any::<bool>(), push(), delays()).prop_map(|(succeeds, push, delays)| Step::End {
            succeeds,
            push,
            delays
        }),
        (push(), delays(), fault()).prop_map(|(push, delays, fault)| Step::LookAfter {
            push,
            delays,
            fault
        }),
    ]
}

fn steps(pushes: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => stack_step(pushes),
        5 => (0..pushes, fault()).prop_map(|(number, fault)| Step::Push(number, fault)),
        2 => (0..pushes, 0..pushes, prop::collection::vec(delay(), 40))
            .prop_map(|(one, other, delays)| Step::Together(one, other, delays)),
        2 => Just(Step::Complete),
        1 => Just(Step::Reconcile),
    ];
    prop::collection::vec(step, 1..25)
}

/// Hears of a push while something else happens; whether that needs no other attempt.
async fn push_beside(cloud: &FakeCloud, event: Option<Push>, seconds: i64) -> bool {
    let Some(event) = event else {
        return true;
    };
    deploy_push(cloud, &event, &worker("beside", seconds))
        .await
        .is_ok_and(|results| results.iter().all(Result::is_ok))
}

/// What `provision` and CloudFormation do with the stack.
struct Stack {
    changes: usize,
    /// The image of the present template, as task definitions name it.
    template: String,
    /// The image of the template that CloudFormation works on.
    next_template: Option<String>,
}

impl Stack {
    /// `provision` writes down that the stack is changing, with the image that runs; not while it is
    /// changing already.
    async fn apply(&mut self, cloud: &FakeCloud, api: &Follower, seconds: i64) {
        let stored = cloud.load_stack("shop").await.unwrap();
        let before = stored.as_ref().map(|(record, _)| record);
        if before.is_some_and(|record| record.operation.is_changing()) {
            return;
        }
        let deployed = cloud.load(&api.owner()).await.unwrap();
        let image = deployed
            .map(|(record, _)| record.deployment)
            .filter(|last| {
                matches!(
                    last.state,
                    State::Claimed | State::Deploying | State::Succeeded
                )
            })
            .map(|last| last.image);
        let template = match &image {
            Some(image) => format!("{REGISTRY}/shop/api@{}", image.digest),
            None => {
                let service = cloud.describe_service(&api.service_name()).await.unwrap();
                let running = cloud.describe_task_definition(&service.task_definition);
                running.await.unwrap().image_of("app").unwrap().to_owned()
            }
        };
        self.changes += 1;
        let operation = Operation {
            services: vec![Carried {
                follower: api.clone(),
                image,
                is_named: false,
            }],
            ..Operation::begin(
                &format!("change-{}", self.changes),
                OperationKind::Apply,
                StackSource::Manual { note: None },
                noon(seconds),
            )
        };
        let worker = worker("provision", seconds);
        let changes = ChangeCounts::default();
        let record = StackRecord::begin("shop", before, operation, changes, &worker);
        let version = stored.as_ref().map(|(_, version)| version);
        if cloud.save_stack(&record, version).await.is_ok() {
            self.next_template = Some(template);
        }
    }

    /// CloudFormation carries the change out, or takes it back, and `watch` hears of it.
    async fn end(&mut self, cloud: &FakeCloud, api: &Follower, succeeds: bool, seconds: i64) {
        let Some(next_template) = self.next_template.take() else {
            return;
        };
        cloud.deploy_outside(api, &next_template, seconds);
        let status = if succeeds {
            self.template = next_template;
            "UPDATE_COMPLETE"
        } else {
            cloud.deploy_outside(api, &self.template, seconds);
            "UPDATE_ROLLBACK_COMPLETE"
        };
        cloud.complete(api);
        let id = cloud.stack_record("shop").unwrap().operation.id;
        let worker = worker("watch", seconds);
        stack_changed(cloud, &stacks::event(&id, status, seconds), &worker)
            .await
            .unwrap();
    }
}

/// Whether everything was looked after; Lambda tries again what was not.
async fn look_after(cloud: &FakeCloud, seconds: i64) -> bool {
    stack_at_rest(cloud, "shop", &worker("at-rest", seconds))
        .await
        .is_ok_and(|at_rest| at_rest.services.iter().all(Result::is_ok))
}

const REGISTRY: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";

async fn run(pushes: usize, steps: Vec<Step>) {
    let api = follower("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let mut stack = Stack {
        changes: 0,
        template: format!("{REGISTRY}/shop/api:v1"),
        next_template: None,
    };
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
                let worker = worker("reconcile", seconds);
                reconcile_stacks_at_rest(&cloud, &worker).await.unwrap();
                reconcile(&cloud, &worker).await.unwrap();
            }
            Step::Apply(number, delays) => {
                cloud.set_delays(&delays);
                let pushed = push_beside(&cloud, number.map(event), seconds);
                let (is_done, ()) =
                    futures_util::future::join(pushed, stack.apply(&cloud, &api, seconds)).await;
                pending.extend(number.filter(|_| !is_done));
            }
            Step::End {
                succeeds,
                push,
                delays,
            } => {
                cloud.set_delays(&delays);
                let pushed = push_beside(&cloud, push.map(event), seconds);
                let ended = stack.end(&cloud, &api, succeeds, seconds);
                let (is_done, ()) = futures_util::future::join(pushed, ended).await;
                pending.extend(push.filter(|_| !is_done));
            }
            Step::LookAfter {
                push,
                delays,
                fault,
            } => {
                cloud.set_delays(&delays);
                if let (Some((call, fault)), None) = (fault, push) {
                    cloud.inject(call, fault);
                }
                let pushed = push_beside(&cloud, push.map(event), seconds);
                let (is_done, _) =
                    futures_util::future::join(pushed, look_after(&cloud, seconds)).await;
                cloud.recover();
                pending.extend(push.filter(|_| !is_done));
            }
        }
        cloud.set_delays(&[]);
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
    seconds += 60;
    cloud.set_now(noon(seconds));
    stack.end(&cloud, &api, seconds % 2 == 0, seconds).await;
    seconds += 60;
    cloud.set_now(noon(seconds));
    assert!(look_after(&cloud, seconds).await);
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
