//! Repositories that one call does not list: a push asks for what decides, and no more.

use std::num::NonZeroUsize;

use longshore_events::image::Digest;
use longshore_policy::image_policy::{ImagePolicy, Order};
use longshore_policy::route::Subscriber;
use longshore_rollout::engine::Outcome;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_testkit::{FakeCloud, digest, noon, subscriber, worker};
use proptest::prelude::*;

/// How many tags a call of ECR lists.
const PAGE: usize = 1_000;

fn by(image_policy: ImagePolicy) -> Subscriber {
    Subscriber {
        image_policy,
        ..subscriber("api")
    }
}

fn tags(tags: &[&str]) -> ImagePolicy {
    ImagePolicy {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..ImagePolicy::default()
    }
}

fn pattern(pattern: &str, order: Order) -> ImagePolicy {
    ImagePolicy {
        tag_pattern: Some(pattern.to_owned()),
        order: Some(order),
        ..ImagePolicy::default()
    }
}

fn semver(range: &str) -> ImagePolicy {
    ImagePolicy {
        semver: Some(range.to_owned()),
        ..ImagePolicy::default()
    }
}

fn numbered(number: usize) -> Digest {
    format!("sha256:{number:064x}").parse().unwrap()
}

fn cloud(api: &Subscriber, tags_a_call: usize) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    cloud.set_tags_a_call(NonZeroUsize::new(tags_a_call).unwrap());
    cloud
}

async fn push(cloud: &FakeCloud, tag: &str, digest: Digest, seconds: i64) -> Outcome {
    cloud.set_now(noon(seconds));
    let event = cloud.push(tag, digest, noon(seconds));
    let worker = worker(&format!("push-{seconds}"), seconds);
    let mut results = deploy_push(cloud, &event, &worker).await.unwrap();
    results.remove(0).unwrap().outcome
}

async fn look(cloud: &FakeCloud, seconds: i64) {
    cloud.set_now(noon(seconds));
    let worker = worker(&format!("look-{seconds}"), seconds);
    let reconciled = reconcile(cloud, &worker).await.unwrap();
    assert!(reconciled.failures.is_empty(), "{reconciled:?}");
}

fn runs(cloud: &FakeCloud, api: &Subscriber, digest: &Digest) -> bool {
    let running = cloud.running_image(api).unwrap();
    running.ends_with(digest.as_str())
}

fn asked(cloud: &FakeCloud) -> usize {
    let calls = cloud.calls();
    cloud.forget_calls();
    calls
        .iter()
        .filter(|call| *call == "DescribeImages")
        .count()
}

#[tokio::test]
async fn a_push_to_twenty_thousand_images_takes_as_many_calls_as_one_to_twenty() {
    // Twenty pages are twenty pages, however long they are.
    let policies = [
        (tags(&["1.*"]), PAGE),
        (pattern("1\\.0\\.([0-9]+)", Order::Number), PAGE / 20),
        (pattern(".*", Order::Pushed), PAGE / 20),
        (semver(">=1"), PAGE / 20),
    ];
    for (policy, page) in policies {
        let mut counts = Vec::new();
        for images in [20, 20 * page] {
            let api = by(policy.clone());
            let cloud = cloud(&api, page);
            for number in 0..images {
                cloud.push_to(
                    "shop/api",
                    &format!("1.0.{number}"),
                    numbered(number),
                    noon(i64::try_from(number).unwrap() - 30_000),
                );
            }
            // The first push of a service finds out how large its repository is.
            push(&cloud, "1.0.30000", numbered(30_000), 10).await;
            cloud.complete(&api);
            look(&cloud, 20).await;
            cloud.forget_calls();
            let started = push(&cloud, "1.0.30001", numbered(30_001), 30).await;
            assert!(matches!(started, Outcome::Started { .. }), "{started:?}");
            assert!(runs(&cloud, &api, &numbered(30_001)));
            counts.push(cloud.calls());
        }
        assert_eq!(counts[0], counts[1], "{policy:?}");
    }
}

#[tokio::test]
async fn a_large_repository_whose_newest_image_was_deleted_is_listed_again() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api, 2);
    for (tag, digit) in [("v1", '1'), ("v2", '2'), ("v3", '3'), ("v5", '5')] {
        push(&cloud, tag, digest(digit), 10 * i64::from(digit as u32)).await;
    }
    cloud.complete(&api);
    cloud.delete_image("shop/api", &digest('5'));
    asked(&cloud);
    push(&cloud, "v6", digest('6'), 700).await;
    assert!(runs(&cloud, &api, &digest('6')));
    // What was in question was not there, and then two pages.
    assert_eq!(asked(&cloud), 1 + 2);
    push(&cloud, "v7", digest('7'), 710).await;
    assert_eq!(asked(&cloud), 1);
    assert!(runs(&cloud, &api, &digest('7')));
}

#[tokio::test]
async fn the_newest_tag_of_a_large_repository_moved_back_leads_to_what_it_leads_to_in_a_small_one()
{
    for tags_a_call in [2, PAGE] {
        let api = by(pattern("main-.*", Order::Pushed));
        let cloud = cloud(&api, tags_a_call);
        for (tag, digit) in [("main-a", 'a'), ("main-b", 'b'), ("main-c", 'c')] {
            push(&cloud, tag, digest(digit), i64::from(digit as u32)).await;
        }
        cloud.complete(&api);
        let outcome = push(&cloud, "main-c", digest('a'), 700).await;
        assert_eq!(outcome, Outcome::Nothing, "{tags_a_call}");
        assert!(runs(&cloud, &api, &digest('c')), "{tags_a_call}");
    }
}

#[tokio::test]
async fn another_policy_is_asked_about_all_that_a_large_repository_holds() {
    let narrow = by(semver(">=1, <2"));
    let cloud = cloud(&narrow, 2);
    cloud.add_image("shop/api", "2.0.0", digest('2'));
    cloud.add_image("shop/api", "0.9.0", digest('9'));
    for (tag, digit) in [("1.0.0", '1'), ("1.0.1", '3')] {
        push(&cloud, tag, digest(digit), i64::from(digit as u32)).await;
    }
    assert!(runs(&cloud, &narrow, &digest('3')));
    cloud.set_route("shop/api", vec![by(semver(">=1"))]);
    push(&cloud, "1.0.2", digest('4'), 700).await;
    assert!(runs(&cloud, &narrow, &digest('2')));
}

#[tokio::test]
async fn a_push_to_a_large_repository_that_no_event_reported_is_found_by_the_reconcile() {
    let api = by(semver(">=1"));
    let cloud = cloud(&api, 2);
    for (tag, digit) in [("1.0.0", '1'), ("1.0.1", '2'), ("1.0.2", '3')] {
        push(&cloud, tag, digest(digit), i64::from(digit as u32)).await;
    }
    cloud.push("2.0.0", digest('8'), noon(100));
    push(&cloud, "1.0.3", digest('4'), 110).await;
    assert!(runs(&cloud, &api, &digest('4')));
    look(&cloud, 120).await;
    assert!(runs(&cloud, &api, &digest('8')));
    // From then on, nothing less is deployed.
    push(&cloud, "1.0.4", digest('5'), 130).await;
    assert!(runs(&cloud, &api, &digest('8')));
}

const TAGS: [&str; 7] = [
    "v1.0.0",
    "v1.0.1",
    "v1.1.0",
    "v2.0.0-rc.1",
    "v2.0.0",
    "main-1",
    "main-2",
];
const DIGITS: [char; 7] = ['2', '3', '4', '5', '6', '7', '8'];

#[derive(Debug, Clone)]
enum Step {
    /// An image is pushed or a tag is moved, and that is heard of.
    Push {
        tag: usize,
        image: usize,
    },
    Delete {
        image: usize,
    },
    Complete,
    RollBack,
    Reconcile,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..TAGS.len(), 0..DIGITS.len()).prop_map(|(tag, image)| Step::Push { tag, image }),
        2 => (0..DIGITS.len()).prop_map(|image| Step::Delete { image }),
        2 => Just(Step::Complete),
        1 => Just(Step::RollBack),
        1 => Just(Step::Reconcile),
    ]
}

fn policy() -> impl Strategy<Value = ImagePolicy> {
    prop_oneof![
        Just(tags(&["v*"])),
        Just(tags(&["main-*", "v1.0.0"])),
        Just(pattern("(main-|v).*", Order::Tagged)),
        Just(pattern("(main-|v).*", Order::Pushed)),
        Just(pattern("(?:main-|v)([0-9]+).*", Order::Number)),
        Just(pattern("(?:main-|v)([0-9]+).*", Order::Alphabetical)),
        any::<bool>().prop_map(|moved_tags| ImagePolicy {
            moved_tags: Some(moved_tags),
            pre_releases: true,
            ..semver(">=1, <3")
        }),
    ]
}

/// The same happens in both; a call lists all that is in the one, and one tag of the other.
async fn live(policy: ImagePolicy, steps: Vec<(i64, Step)>) {
    let api = by(policy);
    let clouds = [cloud(&api, PAGE), cloud(&api, 1)];
    let mut seconds = 0;
    for (pause, step) in steps {
        seconds += pause;
        for cloud in &clouds {
            cloud.set_now(noon(seconds));
            match &step {
                Step::Push { tag, image } => {
                    let event = cloud.push(TAGS[*tag], digest(DIGITS[*image]), noon(seconds));
                    let worker = worker(&format!("push-{seconds}-{tag}-{image}"), seconds);
                    deploy_push(cloud, &event, &worker).await.unwrap();
                }
                Step::Delete { image } => {
                    cloud.delete_image("shop/api", &digest(DIGITS[*image]));
                }
                Step::Complete => cloud.complete(&api),
                Step::RollBack => cloud.roll_back(&api, seconds),
                Step::Reconcile => {
                    look(cloud, seconds).await;
                }
            }
        }
        let [small, large] = &clouds;
        assert_eq!(
            small.running_image(&api),
            large.running_image(&api),
            "{step:?}"
        );
        let (small, large) = (small.record(&api), large.record(&api));
        assert_eq!(
            small.as_ref().map(|record| &record.followed),
            large.as_ref().map(|record| &record.followed),
            "{step:?}"
        );
        assert_eq!(
            small
                .as_ref()
                .map(|record| (&record.passed_over, &record.deployment.image)),
            large
                .as_ref()
                .map(|record| (&record.passed_over, &record.deployment.image)),
            "{step:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_large_repository_leads_to_what_a_small_one_leads_to(
        policy in policy(),
        steps in prop::collection::vec((0_i64..40, step()), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Box::pin(live(policy, steps)));
    }
}
