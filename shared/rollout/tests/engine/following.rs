//! Which image is deployed to a subscriber, by what its policy names and by what people asked for.

use std::collections::BTreeMap;

use longshore_events::longshore::{LongshoreEvent, SkipReason, Source};
use longshore_events::manual::DeployPayload;
use longshore_events::sequence::Sequence;
use longshore_policy::image_policy::{ImagePolicy, Order};
use longshore_policy::route::{CpuArchitecture, Subscriber};
use longshore_rollout::engine::{DeployError, Outcome};
use longshore_rollout::ports::ImageContents;
use longshore_rollout::record::State;
use longshore_rollout::triggers::adopt::adopt;
use longshore_rollout::triggers::follow::{Wake, follow};
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

fn by(policy: ImagePolicy) -> Subscriber {
    Subscriber {
        image_policy: policy,
        ..subscriber("api")
    }
}

fn tags(tags: &[&str]) -> ImagePolicy {
    ImagePolicy {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..ImagePolicy::default()
    }
}

fn cloud(api: &Subscriber) -> FakeCloud {
    FakeCloud::with_services(std::slice::from_ref(api))
}

/// A push is made and heard of at once.
async fn push(cloud: &FakeCloud, tag: &str, digit: char, seconds: i64) -> Outcome {
    cloud.set_now(noon(seconds));
    let event = cloud.push(tag, digest(digit), noon(seconds));
    let worker = worker(&format!("push-{seconds}"), seconds);
    let mut results = deploy_push(cloud, &event, &worker).await.unwrap();
    results.remove(0).unwrap().outcome
}

/// The reconcile comes to the service.
async fn look(cloud: &FakeCloud, api: &Subscriber, seconds: i64) -> Outcome {
    cloud.set_now(noon(seconds));
    let worker = worker(&format!("look-{seconds}"), seconds);
    let answer = follow(cloud, "shop/api", api, Wake::Look, &worker).await;
    answer.unwrap().outcome
}

/// A person asks.
async fn ask(
    cloud: &FakeCloud,
    id: &str,
    image: &str,
    at: i64,
    now: i64,
) -> Result<Outcome, DeployError> {
    cloud.set_now(noon(now));
    let payload = DeployPayload {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        image: image.parse().unwrap(),
        note: None,
        by: None,
    };
    let asked = Asked {
        id: id.to_owned(),
        at: noon(at),
        sequence: Sequence::of_time(noon(at)),
        source: Source::Manual {
            note: None,
            by: None,
        },
    };
    let outcome = deploy_explicitly(cloud, &payload, asked, &worker(id, now)).await?;
    Ok(outcome.outcome)
}

/// ECS finishes, and Longshore hears of it.
async fn settle(cloud: &FakeCloud, api: &Subscriber, seconds: i64) {
    cloud.complete(api);
    let worker = worker("settle", seconds);
    reconcile(cloud, &worker).await.unwrap();
}

fn runs(cloud: &FakeCloud, api: &Subscriber, digit: char) -> bool {
    let running = cloud.running_image(api).unwrap();
    running.ends_with(digest(digit).as_str())
}

fn is_started(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Started { .. })
}

#[tokio::test]
async fn an_exact_tag_that_is_moved_onto_an_older_image_brings_that_back() {
    let api = by(tags(&["release"]));
    let cloud = cloud(&api);
    assert!(is_started(&push(&cloud, "release", '2', 0).await));
    settle(&cloud, &api, 10).await;
    assert!(is_started(&push(&cloud, "release", '3', 20).await));
    settle(&cloud, &api, 30).await;
    assert!(is_started(&push(&cloud, "release", '2', 40).await));
    settle(&cloud, &api, 50).await;
    assert!(runs(&cloud, &api, '2'));
    assert_eq!(cloud.updates(&api), 3);
}

#[tokio::test]
async fn a_late_duplicate_of_a_tags_earlier_push_deploys_what_the_tag_holds_now() {
    let api = by(tags(&["release"]));
    let cloud = cloud(&api);
    push(&cloud, "release", '2', 0).await;
    let late = cloud.push("release", digest('2'), noon(0));
    cloud.push("release", digest('3'), noon(20));
    let results = deploy_push(&cloud, &late, &worker("late", 30)).await;
    let outcome = results.unwrap().remove(0).unwrap().outcome;
    assert!(is_started(&outcome), "{outcome:?}");
    assert!(runs(&cloud, &api, '3'));
    // Each deployment has an id of its own, whatever woke it.
    assert_ne!(
        cloud.record(&api).unwrap().deployment.id,
        format!("{}-1", late.event_id)
    );
    assert_eq!(look(&cloud, &api, 40).await, Outcome::Nothing);
}

#[tokio::test]
async fn a_higher_version_that_was_pushed_earlier_is_not_replaced_by_a_lower_one() {
    let api = by(ImagePolicy {
        semver: Some(">=1, <2".to_owned()),
        ..ImagePolicy::default()
    });
    let cloud = cloud(&api);
    assert!(is_started(&push(&cloud, "v1.10.0", '2', 0).await));
    assert_eq!(push(&cloud, "v1.9.9", '3', 10).await, Outcome::Nothing);
    assert!(is_started(&push(&cloud, "v1.11.0", '4', 20).await));
    assert!(runs(&cloud, &api, '4'));
}

/// A tag is put on an image at one time, and that is heard of at another.
async fn put(cloud: &FakeCloud, tag: &str, digit: char, at: i64, heard_at: i64) -> Outcome {
    cloud.set_now(noon(heard_at));
    let event = cloud.push(tag, digest(digit), noon(at));
    let worker = worker(&format!("put-{tag}-{heard_at}"), heard_at);
    let mut results = deploy_push(cloud, &event, &worker).await.unwrap();
    results.remove(0).unwrap().outcome
}

/// What the record says of the last push that was not deployed.
fn passed_over(cloud: &FakeCloud, api: &Subscriber) -> Option<(String, SkipReason)> {
    let record = cloud.record(api).unwrap();
    let passed_over = record.passed_over.get(&api.container)?;
    Some((passed_over.image.tag.clone()?, passed_over.reason))
}

#[tokio::test]
async fn a_release_tag_that_is_put_on_an_older_image_promotes_it() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.push("main-1", digest('2'), noon(-20));
    cloud.push("main-2", digest('3'), noon(-10));
    assert!(is_started(&put(&cloud, "v1.0.1", '2', 0, 0).await));
    settle(&cloud, &api, 5).await;
    assert!(is_started(&put(&cloud, "v1.0.2", '3', 10, 10).await));
    settle(&cloud, &api, 15).await;
    assert!(is_started(&put(&cloud, "v1.0.3", '2', 20, 20).await));
    settle(&cloud, &api, 25).await;
    assert!(runs(&cloud, &api, '2'));
    // Nobody but the record knows any more when the tag was put.
    assert_eq!(look(&cloud, &api, 900).await, Outcome::Nothing);
    assert!(runs(&cloud, &api, '2'));
    assert_eq!(cloud.updates(&api), 3);
}

#[tokio::test]
async fn a_late_event_of_an_older_tag_deploys_nothing_and_publishes_nothing() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.push("main-1", digest('2'), noon(-20));
    cloud.push("main-2", digest('3'), noon(-10));
    cloud.push("main-3", digest('4'), noon(-5));
    put(&cloud, "v1.0.3", '2', 20, 20).await;
    settle(&cloud, &api, 25).await;
    let before = cloud.published().len();
    for (tag, digit, at) in [("v1.0.2", '3', 10), ("v1.0.1", '4', 5), ("v1.0.2", '3', 10)] {
        assert_eq!(put(&cloud, tag, digit, at, 30).await, Outcome::Nothing);
    }
    assert_eq!(look(&cloud, &api, 900).await, Outcome::Nothing);
    assert!(runs(&cloud, &api, '2'));
    assert_eq!(cloud.published().len(), before);
    assert_eq!(passed_over(&cloud, &api), None);
}

#[tokio::test]
async fn where_the_event_of_a_promotion_is_lost_what_ecr_knows_counts_until_the_next_tag() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.push("main-1", digest('2'), noon(-20));
    cloud.push("main-2", digest('3'), noon(-10));
    cloud.push("v1.0.1", digest('2'), noon(0));
    cloud.push("v1.0.2", digest('3'), noon(10));
    cloud.push("v1.0.3", digest('2'), noon(20));
    assert!(is_started(&look(&cloud, &api, 30).await));
    assert!(runs(&cloud, &api, '3'));
    settle(&cloud, &api, 35).await;
    // It was not lost but late, and newer than what is known of the others.
    assert!(is_started(&put(&cloud, "v1.0.3", '2', 20, 40).await));
    settle(&cloud, &api, 45).await;
    assert_eq!(put(&cloud, "v1.0.2", '3', 10, 50).await, Outcome::Nothing);
    assert!(runs(&cloud, &api, '2'));
}

#[tokio::test]
async fn a_promotion_that_is_too_young_is_remembered_until_it_is_old_enough() {
    let api = by(ImagePolicy {
        minimum_age_minutes: 10,
        ..tags(&["v*"])
    });
    let cloud = cloud(&api);
    cloud.push("main-1", digest('2'), noon(-7200));
    cloud.push("main-2", digest('3'), noon(0));
    assert!(is_started(&put(&cloud, "v1.0.1", '2', 100, 100).await));
    settle(&cloud, &api, 105).await;
    assert_eq!(put(&cloud, "v1.0.2", '3', 110, 110).await, Outcome::Nothing);
    let expected = Some(("v1.0.2".to_owned(), SkipReason::TooYoung));
    assert_eq!(passed_over(&cloud, &api), expected);
    assert!(is_started(&look(&cloud, &api, 600).await));
    assert!(runs(&cloud, &api, '3'));
    assert_eq!(passed_over(&cloud, &api), None);
}

#[tokio::test]
async fn of_two_tags_that_were_put_in_one_second_and_are_too_young_the_same_one_goes_out_whichever_is_heard_of_first()
 {
    for order in [
        [("v1.0.2", '3'), ("v1.1.0", '2')],
        [("v1.1.0", '2'), ("v1.0.2", '3')],
    ] {
        let api = by(ImagePolicy {
            minimum_age_minutes: 10,
            ..tags(&["v*"])
        });
        let cloud = cloud(&api);
        cloud.push("main-1", digest('4'), noon(-7200));
        cloud.push("main-2", digest('2'), noon(0));
        cloud.push("main-3", digest('3'), noon(0));
        assert!(is_started(&put(&cloud, "v1.0.1", '4', 50, 50).await));
        settle(&cloud, &api, 55).await;
        for (tag, digit) in order {
            assert_eq!(put(&cloud, tag, digit, 110, 110).await, Outcome::Nothing);
        }
        let expected = Some(("v1.1.0".to_owned(), SkipReason::TooYoung));
        assert_eq!(passed_over(&cloud, &api), expected);
        assert!(is_started(&look(&cloud, &api, 800).await));
        assert!(runs(&cloud, &api, '2'));
    }
}

#[tokio::test]
async fn after_a_person_went_back_a_new_tag_on_what_ran_before_promotes_it_again() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    put(&cloud, "v1", '2', 0, 0).await;
    settle(&cloud, &api, 5).await;
    put(&cloud, "v2", '3', 10, 10).await;
    settle(&cloud, &api, 15).await;
    let asked = ask(&cloud, "by-hand", "shop/api:v1", 20, 20).await;
    assert!(is_started(&asked.unwrap()));
    settle(&cloud, &api, 25).await;
    assert_eq!(put(&cloud, "v2", '3', 10, 30).await, Outcome::Nothing);
    assert!(is_started(&put(&cloud, "v3", '3', 40, 40).await));
    assert!(runs(&cloud, &api, '3'));
}

#[tokio::test]
async fn a_late_event_of_a_tag_that_was_put_before_a_person_asked_does_not_undo_that() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.push("main-1", digest('2'), noon(-20));
    cloud.push("main-2", digest('3'), noon(-10));
    put(&cloud, "v1", '2', 0, 0).await;
    settle(&cloud, &api, 5).await;
    cloud.push("v2", digest('3'), noon(10));
    let asked = ask(&cloud, "by-hand", "shop/api:v1", 20, 20).await;
    assert!(asked.is_ok(), "{asked:?}");
    assert_eq!(put(&cloud, "v2", '3', 10, 30).await, Outcome::Nothing);
    assert_eq!(look(&cloud, &api, 900).await, Outcome::Nothing);
    assert!(runs(&cloud, &api, '2'));
}

#[tokio::test]
async fn a_tag_that_was_put_between_a_persons_request_and_its_being_heard_of_is_newer_than_the_request()
 {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.push("main-1", digest('2'), noon(-20));
    cloud.push("main-2", digest('3'), noon(-10));
    cloud.push("v2", digest('3'), noon(20));
    let asked = ask(&cloud, "by-hand", "shop/api:main-1", 10, 30).await;
    assert!(is_started(&asked.unwrap()));
    assert!(is_started(&put(&cloud, "v2", '3', 20, 40).await));
    assert_eq!(put(&cloud, "v2", '3', 20, 50).await, Outcome::Nothing);
    assert!(runs(&cloud, &api, '3'));
}

#[tokio::test]
async fn a_release_that_is_lower_than_what_runs_is_noted_and_published_once() {
    let api = by(ImagePolicy {
        semver: Some("*".to_owned()),
        ..ImagePolicy::default()
    });
    let cloud = cloud(&api);
    put(&cloud, "v2.0.0", '2', 0, 0).await;
    settle(&cloud, &api, 5).await;
    let before = cloud.published().len();
    for heard_at in [10, 20] {
        assert_eq!(
            put(&cloud, "v1.9.9", '3', 10, heard_at).await,
            Outcome::Nothing
        );
    }
    let expected = Some(("v1.9.9".to_owned(), SkipReason::AnotherSelected));
    assert_eq!(passed_over(&cloud, &api), expected);
    let published = cloud.published().split_off(before);
    let [LongshoreEvent::DeploymentSkipped(skipped)] = published.as_slice() else {
        panic!("{published:#?}");
    };
    assert_eq!(skipped.reason, SkipReason::AnotherSelected);
    assert_eq!(skipped.selected.as_deref(), Some("v2.0.0"));
    // Once something newer goes out, nobody asks for it any more.
    put(&cloud, "v2.0.1", '4', 30, 30).await;
    assert_eq!(passed_over(&cloud, &api), None);
}

#[tokio::test]
async fn another_tag_on_what_runs_on_what_failed_or_on_what_waits_is_told_apart() {
    let api = by(ImagePolicy {
        order: Some(Order::Pushed),
        ..tags(&["v*"])
    });
    let cloud = cloud(&api);
    put(&cloud, "v1", '2', 0, 0).await;
    // Everybody has heard that it is being deployed.
    assert_eq!(put(&cloud, "v1.0", '2', 1, 1).await, Outcome::Nothing);
    let expected = |tag: &str, reason| Some((tag.to_owned(), reason));
    assert_eq!(
        passed_over(&cloud, &api),
        expected("v1.0", SkipReason::AlreadyDeploying)
    );
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);
    settle(&cloud, &api, 5).await;
    let before = cloud.published().len();
    assert_eq!(put(&cloud, "v1.1", '2', 10, 10).await, Outcome::Nothing);
    assert_eq!(
        passed_over(&cloud, &api),
        expected("v1.1", SkipReason::AlreadyRunning)
    );
    assert_eq!(
        cloud.detail_types().split_off(before),
        ["Deployment Skipped"]
    );
    put(&cloud, "v2", '3', 20, 20).await;
    assert_eq!(passed_over(&cloud, &api), None);
    cloud.roll_back(&api, 30);
    cloud.complete(&api);
    settle(&cloud, &api, 40).await;
    assert_eq!(put(&cloud, "v2.1", '3', 50, 50).await, Outcome::Nothing);
    assert_eq!(
        passed_over(&cloud, &api),
        expected("v2.1", SkipReason::FailedBefore)
    );
    // An older one that comes late changes nothing of that.
    assert_eq!(put(&cloud, "v1.1", '2', 10, 60).await, Outcome::Nothing);
    assert_eq!(
        passed_over(&cloud, &api),
        expected("v2.1", SkipReason::FailedBefore)
    );
}

#[tokio::test]
async fn a_build_that_is_older_than_what_runs_is_noted_without_a_word_in_slack() {
    let api = by(ImagePolicy {
        tag_pattern: Some("main-([0-9]+)".to_owned()),
        order: Some(Order::Number),
        ..ImagePolicy::default()
    });
    let cloud = cloud(&api);
    put(&cloud, "main-103", '2', 0, 0).await;
    settle(&cloud, &api, 5).await;
    let before = cloud.published().len();
    assert_eq!(put(&cloud, "main-102", '3', 10, 10).await, Outcome::Nothing);
    let expected = Some(("main-102".to_owned(), SkipReason::AnotherSelected));
    assert_eq!(passed_over(&cloud, &api), expected);
    assert_eq!(cloud.published().len(), before);
}

#[tokio::test]
async fn a_push_that_nobody_reported_is_found_by_looking_and_called_so() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.push("v2", digest('2'), noon(0));
    assert!(is_started(&look(&cloud, &api, 60).await));
    assert_eq!(look(&cloud, &api, 120).await, Outcome::Nothing);
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(deployment.source, Source::Reconcile);
    assert_eq!(deployment.requested_at, noon(0));
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn an_image_goes_out_when_it_is_old_enough() {
    let api = by(ImagePolicy {
        minimum_age_minutes: 10,
        ..tags(&["v*"])
    });
    let cloud = cloud(&api);
    assert_eq!(push(&cloud, "v2", '2', 0).await, Outcome::Nothing);
    assert_eq!(look(&cloud, &api, 599).await, Outcome::Nothing);
    assert!(is_started(&look(&cloud, &api, 600).await));
    assert!(runs(&cloud, &api, '2'));
}

#[tokio::test]
async fn a_tag_that_names_what_runs_already_is_published_once() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.deploy_outside(
        &api,
        &format!(
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@{}",
            digest('2')
        ),
        -60,
    );
    cloud.complete(&api);
    let expected = Outcome::Skipped {
        reason: SkipReason::AlreadyRunning,
    };
    assert_eq!(push(&cloud, "v2", '2', 0).await, expected);
    assert_eq!(push(&cloud, "v2", '2', 0).await, Outcome::Nothing);
    assert_eq!(cloud.detail_types(), ["Deployment Skipped"]);
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::Succeeded);
    // ECS shows its digest only.
    assert_eq!(record.deployment.image.digest, digest('2'));
    assert_eq!(record.deployment.image.tag.as_deref(), Some("v2"));
    assert_eq!(cloud.updates(&api), 0);
}

#[tokio::test]
async fn an_image_that_lacks_the_architecture_is_skipped_and_published_once_and_a_person_reads_why()
{
    let api = Subscriber {
        cpu_architecture: Some(CpuArchitecture::Arm),
        ..by(tags(&["v*"]))
    };
    let cloud = cloud(&api);
    cloud.set_contents(
        &digest('2'),
        ImageContents {
            source_url: None,
            architectures: [CpuArchitecture::X86].into(),
            commit: None,
        },
    );
    let expected = Outcome::Skipped {
        reason: SkipReason::ArchitectureMissing,
    };
    assert_eq!(push(&cloud, "v2", '2', 0).await, expected);
    assert_eq!(push(&cloud, "v2", '2', 0).await, Outcome::Nothing);
    assert_eq!(look(&cloud, &api, 900).await, Outcome::Nothing);
    assert_eq!(cloud.detail_types(), ["Deployment Skipped"]);
    let refused = ask(&cloud, "by-hand", "shop/api:v2", 1000, 1000).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        format!(
            "deploy shop/api:v2@{} to service api of stack shop: the image was built for X86_64, and the \
             service's tasks run on ARM64: build it for that",
            digest('2')
        )
    );
    assert_eq!(cloud.updates(&api), 0);
}

#[tokio::test]
async fn the_commit_that_an_image_names_is_written_down() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.set_contents(
        &digest('2'),
        ImageContents {
            source_url: None,
            architectures: [CpuArchitecture::X86].into(),
            commit: Some("0a1b2c3".to_owned()),
        },
    );
    push(&cloud, "v2", '2', 0).await;
    let commit = cloud.record(&api).unwrap().deployment.commit.clone();
    assert_eq!(commit.as_deref(), Some("0a1b2c3"));
}

#[tokio::test]
async fn what_was_rolled_back_is_skipped_under_another_tag_until_a_person_asks_for_it() {
    let api = by(tags(&["release"]));
    let cloud = cloud(&api);
    push(&cloud, "release", '2', 0).await;
    settle(&cloud, &api, 10).await;
    push(&cloud, "release", '3', 20).await;
    cloud.roll_back(&api, 30);
    cloud.complete(&api);
    settle(&cloud, &api, 40).await;
    assert_eq!(cloud.record(&api).unwrap().blocked, [digest('3')]);
    push(&cloud, "release", '2', 50).await;
    let expected = Outcome::Skipped {
        reason: SkipReason::FailedBefore,
    };
    assert_eq!(push(&cloud, "release", '3', 60).await, expected);
    assert_eq!(push(&cloud, "release", '3', 60).await, Outcome::Nothing);
    let asked = ask(&cloud, "by-hand", "shop/api:release", 70, 70).await;
    assert!(is_started(&asked.unwrap()));
    assert!(cloud.record(&api).unwrap().blocked.is_empty());
    assert!(runs(&cloud, &api, '3'));
}

#[tokio::test]
async fn what_a_person_asked_for_stays_until_something_newer_is_pushed() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    push(&cloud, "v3", '3', 10).await;
    assert!(is_started(
        &ask(&cloud, "by-hand", "shop/api:v2", 20, 20).await.unwrap()
    ));
    settle(&cloud, &api, 30).await;
    assert_eq!(push(&cloud, "v3", '3', 10).await, Outcome::Nothing);
    assert_eq!(look(&cloud, &api, 40).await, Outcome::Nothing);
    assert!(runs(&cloud, &api, '2'));
    assert!(is_started(&push(&cloud, "v4", '4', 50).await));
}

#[tokio::test]
async fn a_push_between_a_persons_request_and_its_being_heard_of_is_newer_than_the_request() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.push("v2", digest('2'), noon(0));
    cloud.push("v3", digest('3'), noon(20));
    assert!(is_started(
        &ask(&cloud, "by-hand", "shop/api:v2", 10, 30).await.unwrap()
    ));
    assert!(is_started(&look(&cloud, &api, 40).await));
    assert!(runs(&cloud, &api, '3'));
}

#[tokio::test]
async fn a_duplicate_of_what_a_person_asked_for_is_not_deployed_over_what_came_since() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.add_image("shop/api", "hotfix", digest('5'));
    // Pushed before the person asked, and heard of afterwards.
    ask(&cloud, "by-hand", "shop/api:hotfix", 20, 20)
        .await
        .unwrap();
    cloud.roll_back(&api, 25);
    cloud.complete(&api);
    settle(&cloud, &api, 30).await;
    cloud.push("v3", digest('3'), noon(10));
    look(&cloud, &api, 40).await;
    let again = ask(&cloud, "by-hand", "shop/api:hotfix", 20, 50)
        .await
        .unwrap();
    let expected = Outcome::Skipped {
        reason: SkipReason::NewerRequested,
    };
    assert_eq!(again, expected);
    assert!(runs(&cloud, &api, '3'));
}

#[tokio::test]
async fn what_was_followed_only_moves_on_when_a_person_asks_for_something_older() {
    let api = Subscriber {
        cpu_architecture: Some(CpuArchitecture::Arm),
        ..by(tags(&["v*"]))
    };
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    cloud.set_contents(
        &digest('3'),
        ImageContents {
            source_url: None,
            architectures: [CpuArchitecture::X86].into(),
            commit: None,
        },
    );
    push(&cloud, "v3", '3', 20).await;
    cloud.add_image("shop/api", "hotfix", digest('5'));
    ask(&cloud, "by-hand", "shop/api:hotfix", 10, 30)
        .await
        .unwrap();
    assert_eq!(look(&cloud, &api, 40).await, Outcome::Nothing);
    let skips = cloud
        .detail_types()
        .iter()
        .filter(|published| **published == "Deployment Skipped")
        .count();
    assert_eq!(skips, 1);
}

#[tokio::test]
async fn a_policy_that_cannot_be_understood_is_published_with_its_field_and_keeps_no_other_back() {
    let broken = Subscriber {
        image_policy: ImagePolicy {
            semver: Some("one".to_owned()),
            ..ImagePolicy::default()
        },
        ..subscriber("broken")
    };
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(&[broken, api.clone()]);
    let event = cloud.push("v2", digest('2'), noon(0));
    let results = deploy_push(&cloud, &event, &worker("push", 0))
        .await
        .unwrap();
    let outcomes: Vec<Outcome> = results
        .into_iter()
        .map(|result| result.unwrap().outcome)
        .collect();
    assert!(
        matches!(&outcomes[0], Outcome::Failed { reason }
            if reason.contains("service broken of stack shop in routes/shop/api.json: image_policy.semver: `one`")),
        "{outcomes:?}"
    );
    assert!(is_started(&outcomes[1]), "{outcomes:?}");
    let mut published = cloud.detail_types();
    published.sort_unstable();
    assert_eq!(published, ["Deployment Failed", "Deployment Started"]);
    // No policy keeps a person from deploying.
    let payload = DeployPayload {
        stack: "shop".to_owned(),
        service: "broken".to_owned(),
        image: "shop/api:v2".parse().unwrap(),
        note: None,
        by: None,
    };
    let asked = Asked {
        id: "by-hand".to_owned(),
        at: noon(10),
        sequence: Sequence::of_time(noon(10)),
        source: Source::Manual {
            note: None,
            by: None,
        },
    };
    let outcome = deploy_explicitly(&cloud, &payload, asked, &worker("by-hand", 10)).await;
    assert!(is_started(&outcome.unwrap().outcome));
}

#[tokio::test]
async fn a_push_to_many_subscribers_asks_the_registry_once() {
    let subscribers: Vec<Subscriber> = (0..5)
        .map(|number| subscriber(&format!("api-{number}")))
        .collect();
    let cloud = FakeCloud::with_services(&subscribers);
    let event = cloud.push("v2", digest('2'), noon(0));
    deploy_push(&cloud, &event, &worker("push", 0))
        .await
        .unwrap();
    let lists = cloud
        .calls()
        .iter()
        .filter(|call| *call == "DescribeImages")
        .count();
    assert_eq!(lists, 1);
    assert!(subscribers.iter().all(|api| runs(&cloud, api, '2')));
}

#[tokio::test]
async fn a_claim_whose_invocation_died_is_taken_up_by_whoever_comes_after_the_lease() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.inject_at("RegisterTaskDefinition", Fault::Dies);
    let event = cloud.push("v2", digest('2'), noon(0));
    let died = deploy_push(&cloud, &event, &worker("push", 0))
        .await
        .unwrap();
    assert!(died[0].is_err());
    cloud.recover();
    let held = follow(&cloud, "shop/api", &api, Wake::Look, &worker("other", 10)).await;
    assert_eq!(held.unwrap().outcome, Outcome::Nothing);
    let retried = deploy_push(&cloud, &event, &worker("push", 20))
        .await
        .unwrap();
    assert!(
        matches!(&retried[0], Err(DeployError::Call { source, .. }) if source.class == ErrorClass::Transient),
        "{retried:?}"
    );
    assert!(is_started(&look(&cloud, &api, 60).await));
    assert_eq!(cloud.updates(&api), 1);
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);
}

#[tokio::test]
async fn an_image_of_another_container_that_is_under_way_goes_out_with_the_one_that_takes_its_place()
 {
    let api = subscriber("api");
    let proxy = Subscriber {
        container: "proxy".to_owned(),
        image_policy: tags(&["p*"]),
        ..subscriber("api")
    };
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_container(
        &api,
        "proxy",
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/proxy:p1",
    );
    cloud.set_route("shop/proxy", vec![proxy.clone()]);
    // The claim is written, and the service is not updated.
    cloud.inject_at("RegisterTaskDefinition", Fault::Dies);
    cloud.push_to("shop/proxy", "p2", digest('a'), noon(0));
    let died = follow(
        &cloud,
        "shop/proxy",
        &proxy,
        Wake::Look,
        &worker("proxy", 0),
    )
    .await;
    assert!(died.is_err());
    cloud.recover();
    assert!(is_started(&push(&cloud, "v2", '2', 10).await));
    assert!(runs(&cloud, &api, '2'));
    assert!(runs(&cloud, &proxy, 'a'));
    assert_eq!(
        cloud
            .record(&api)
            .unwrap()
            .deployment
            .also
            .keys()
            .collect::<Vec<_>>(),
        ["proxy"]
    );
}

#[tokio::test]
async fn a_person_deploys_to_all_containers_that_follow_the_repository() {
    let api = Subscriber {
        other_containers: vec!["worker".to_owned()],
        ..subscriber("api")
    };
    let cloud = cloud(&api);
    cloud.add_container(
        &api,
        "worker",
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1",
    );
    cloud.add_image("shop/api", "v2", digest('2'));
    ask(&cloud, "by-hand", "shop/api:v2", 0, 0).await.unwrap();
    let worker = Subscriber {
        container: "worker".to_owned(),
        ..api.clone()
    };
    assert!(runs(&cloud, &api, '2') && runs(&cloud, &worker, '2'));
}

#[tokio::test]
async fn an_adopted_service_runs_what_it_ran_until_something_newer_is_pushed() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    cloud.add_image("shop/api", "v1", digest('1'));
    cloud.push("v2", digest('2'), noon(-60));
    let record = adopt(&cloud, "shop/api", &api, &worker("adopt", 0))
        .await
        .unwrap();
    assert_eq!(record.deployment.image.digest, digest('1'));
    assert_eq!(record.deployment.number, 1);
    assert_eq!(look(&cloud, &api, 10).await, Outcome::Nothing);
    assert_eq!(cloud.updates(&api), 0);
    assert!(cloud.detail_types().is_empty());
    assert!(is_started(&push(&cloud, "v3", '3', 20).await));
    let again = adopt(&cloud, "shop/api", &api, &worker("adopt", 30))
        .await
        .unwrap();
    assert_eq!(again.deployment.image.digest, digest('3'));
}

#[tokio::test]
async fn a_container_that_is_adopted_later_keeps_what_it_runs_as_well() {
    let api = subscriber("api");
    let proxy = Subscriber {
        container: "proxy".to_owned(),
        image_policy: tags(&["p*"]),
        ..subscriber("api")
    };
    let cloud = cloud(&api);
    cloud.add_container(
        &api,
        "proxy",
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/proxy:p1",
    );
    push(&cloud, "v2", '2', 0).await;
    cloud.push_to("shop/proxy", "p2", digest('a'), noon(0));
    let record = adopt(&cloud, "shop/proxy", &proxy, &worker("adopt", 10))
        .await
        .unwrap();
    let followed: BTreeMap<String, String> = record
        .followed
        .clone()
        .into_iter()
        .map(|(container, image)| (container, image.tag))
        .collect();
    assert_eq!(
        followed,
        [("app", "v2"), ("proxy", "p2")]
            .map(|(container, tag)| (container.to_owned(), tag.to_owned()))
            .into()
    );
}

#[tokio::test]
async fn an_image_that_is_deleted_before_it_goes_out_is_published_as_a_failure() {
    let api = by(tags(&["v*"]));
    let cloud = cloud(&api);
    let event = cloud.push("v2", digest('2'), noon(0));
    cloud.inject_at("BatchGetImage", Fault::Fails(ErrorClass::NotFound));
    let results = deploy_push(&cloud, &event, &worker("push", 0))
        .await
        .unwrap();
    assert!(
        matches!(&results[0], Ok(answer) if matches!(answer.outcome, Outcome::Failed { .. })),
        "{results:?}"
    );
    let published = cloud.published();
    assert!(
        matches!(published.as_slice(), [LongshoreEvent::DeploymentFailed(_)]),
        "{published:?}"
    );
    assert_eq!(cloud.record(&api), None);
}
