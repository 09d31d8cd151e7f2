//! From a push, a release file or a payload to an updated service.

use longshore_events::incoming::ReleaseFile;
use longshore_events::longshore::{LongshoreEvent, SkipReason, Source};
use longshore_events::manual::DeployPayload;
use longshore_events::sequence::Sequence;
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::Subscriber;
use longshore_rollout::engine::{DeployError, Outcome};
use longshore_rollout::record::State;
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::release::{ReleaseOutcome, deploy_release};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

async fn deploy(cloud: &FakeCloud, tag: &str, digit: char, seconds: i64) -> Vec<Outcome> {
    deploy_push(
        cloud,
        &cloud.push(tag, digest(digit), noon(seconds)),
        &worker("invocation", seconds),
    )
    .await
    .unwrap()
    .into_iter()
    .map(|result| result.unwrap().outcome)
    .collect()
}

fn pinned(digit: char) -> Option<String> {
    Some(format!(
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@{}",
        digest(digit)
    ))
}

fn skipped(reason: SkipReason) -> Vec<Outcome> {
    vec![Outcome::Skipped { reason }]
}

fn asked(id: &str, seconds: i64) -> Asked {
    Asked {
        id: id.to_owned(),
        at: noon(seconds),
        sequence: Sequence::of_time(noon(seconds)),
        source: Source::Manual {
            note: None,
            by: None,
        },
    }
}

fn payload(service: &str, image: &str) -> DeployPayload {
    DeployPayload::new("shop", service, image.parse().unwrap(), None)
}

#[tokio::test]
async fn a_push_is_rolled_out_pinned_by_digest_and_published_once() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let outcomes = deploy(&cloud, "v2", '2', 0).await;
    assert!(
        matches!(outcomes.as_slice(), [Outcome::Started { .. }]),
        "{outcomes:?}"
    );
    assert_eq!(cloud.running_image(&api), pinned('2'));
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::Deploying);
    assert_eq!(
        record.deployment.ecs_deployment_id,
        Some(cloud.primary_id(&api))
    );
    assert!(record.outbox.is_empty());
}

#[tokio::test]
async fn a_push_takes_eleven_calls_to_update_a_service_with_a_record() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, "v2", '2', 0).await;
    cloud.forget_calls();
    deploy(&cloud, "v3", '3', 10).await;
    let calls = cloud.calls();
    let update = calls
        .iter()
        .position(|call| call == "UpdateService")
        .unwrap();
    let mut until_update = calls[..=update].to_vec();
    until_update.sort();
    assert_eq!(
        until_update,
        [
            "BatchGetImage",
            "DescribeImages",
            "DescribeServices",
            "DescribeTaskDefinition",
            "GetObject deployments",
            "GetObject provisions",
            "GetObject provisions",
            "GetObject routes",
            "PutObject deployments",
            "RegisterTaskDefinition",
            "UpdateService",
        ]
    );
    assert_eq!(
        calls[update + 1..],
        [
            "PutObject deployments",
            "PutEvents",
            "PutObject history",
            "PutObject deployments"
        ]
    );
}

#[tokio::test]
async fn every_subscriber_of_the_tag_is_deployed_and_no_other() {
    let other = Subscriber {
        image_policy: ImagePolicy {
            tags: vec!["main".to_owned()],
            ..ImagePolicy::default()
        },
        ..subscriber("other")
    };
    let subscribers = [subscriber("api"), subscriber("worker"), other.clone()];
    let cloud = FakeCloud::with_services(&subscribers);
    assert_eq!(deploy(&cloud, "v2", '2', 0).await.len(), 2);
    assert_eq!(cloud.running_image(&subscribers[0]), pinned('2'));
    assert_eq!(cloud.running_image(&subscribers[1]), pinned('2'));
    assert_eq!(cloud.record(&other), None);
}

#[tokio::test]
async fn subscribers_are_deployed_side_by_side() {
    let subscribers: Vec<_> = (0..3)
        .map(|number| subscriber(&format!("api-{number}")))
        .collect();
    let cloud = FakeCloud::with_services(&subscribers);
    deploy(&cloud, "v2", '2', 0).await;
    let calls = cloud.calls();
    let first_update = calls
        .iter()
        .position(|call| call == "UpdateService")
        .unwrap();
    let last_look = calls
        .iter()
        .rposition(|call| call == "DescribeServices")
        .unwrap();
    assert!(last_look < first_update, "one after the other: {calls:?}");
}

#[tokio::test]
async fn a_service_that_cannot_be_deployed_does_not_keep_the_others_back() {
    let subscribers = [subscriber("api"), subscriber("worker")];
    let cloud = FakeCloud::with_services(&subscribers);
    cloud.remove_service(&subscribers[0]);
    let outcomes = deploy(&cloud, "v2", '2', 0).await;
    assert!(
        matches!(outcomes[0], Outcome::Failed { .. }),
        "{outcomes:?}"
    );
    assert!(
        matches!(outcomes[1], Outcome::Started { .. }),
        "{outcomes:?}"
    );
    assert_eq!(cloud.running_image(&subscribers[1]), pinned('2'));
    let mut published = cloud.detail_types();
    published.sort_unstable();
    assert_eq!(published, ["Deployment Failed", "Deployment Started"]);
}

#[tokio::test]
async fn a_push_that_nobody_follows_does_nothing() {
    let cloud = FakeCloud::default();
    assert!(deploy(&cloud, "v2", '2', 0).await.is_empty());
    assert_eq!(cloud.calls(), ["GetObject routes"]);
}

#[tokio::test]
async fn the_same_event_again_is_not_news_and_takes_three_calls() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, "v2", '2', 0).await;
    for seconds in [0, 60] {
        cloud.forget_calls();
        assert_eq!(deploy(&cloud, "v2", '2', 0).await, [Outcome::Nothing]);
        assert_eq!(
            cloud.calls(),
            [
                "GetObject routes",
                "GetObject deployments",
                "DescribeImages"
            ]
        );
        settle(&cloud, &api, seconds + 30).await;
    }
    assert_eq!(cloud.updates(&api), 1);
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Deployment Succeeded"]
    );
}

#[tokio::test]
async fn an_older_push_that_comes_late_does_not_replace_a_newer_one() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, "v3", '3', 10).await;
    assert_eq!(deploy(&cloud, "v2", '2', 0).await, [Outcome::Nothing]);
    settle(&cloud, &api, 60).await;
    assert_eq!(deploy(&cloud, "v2", '2', 0).await, [Outcome::Nothing]);
    assert_eq!(cloud.running_image(&api), pinned('3'));
}

#[tokio::test]
async fn a_push_whose_event_comes_before_that_of_a_newer_one_deploys_the_newer_one_at_once() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let (older, newer) = (
        cloud.push("v2", digest('2'), noon(0)),
        cloud.push("v3", digest('3'), noon(1)),
    );
    for event in [older, newer] {
        deploy_push(&cloud, &event, &worker(&event.event_id, 5))
            .await
            .unwrap()
            .remove(0)
            .unwrap();
    }
    assert_eq!(cloud.running_image(&api), pinned('3'));
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn of_pushes_of_the_same_second_the_highest_tag_wins_in_whatever_order_they_come() {
    let tags = [("v9", '2'), ("v10", '3'), ("v11", '4')];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        // Every event comes twice, and once more when all is over.
        for index in order.iter().chain(order.iter()) {
            let (tag, digit) = tags[*index];
            deploy(&cloud, tag, digit, 0).await;
        }
        settle(&cloud, &api, 60).await;
        for (tag, digit) in tags {
            let outcomes = deploy(&cloud, tag, digit, 0).await;
            assert_eq!(outcomes, [Outcome::Nothing], "{order:?} {tag}");
        }
        assert_eq!(cloud.running_image(&api), pinned('4'), "{order:?}");
        assert!(cloud.updates(&api) <= 3, "{order:?}");
    }
}

#[tokio::test]
async fn of_a_push_and_a_release_file_of_the_same_second_the_later_to_come_wins_for_good() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "hotfix", digest('4'));
    cloud.add_release("releases/shop/api.json", r#"{"image": "shop/api:hotfix"}"#);
    deploy(&cloud, "v3", '3', 0).await;
    for seconds in [0, 1] {
        deploy_release(
            &cloud,
            &release_file("releases/shop/api.json"),
            &worker("release", seconds),
        )
        .await
        .unwrap();
        assert_eq!(cloud.running_image(&api), pinned('4'));
        // Duplicates restore nothing.
        deploy(&cloud, "v3", '3', 0).await;
        assert_eq!(cloud.running_image(&api), pinned('4'));
    }
    assert_eq!(cloud.updates(&api), 2);
}

#[tokio::test]
async fn of_two_writes_of_a_release_file_in_the_same_second_the_later_one_wins() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "v2", digest('2'));
    cloud.add_image("shop/api", "v3", digest('3'));
    let write = |event_id: &str, sequencer: &str| ReleaseFile {
        event_id: event_id.to_owned(),
        sequencer: sequencer.to_owned(),
        ..release_file("releases/shop/api.json")
    };
    // Sequencers are hexadecimal numbers, and this one has a digit less.
    let (first, second) = (write("b", "FF"), write("a", "100"));
    cloud.add_release("releases/shop/api.json", r#"{"image": "shop/api:v3"}"#);
    deploy_release(&cloud, &second, &worker("second", 1))
        .await
        .unwrap();
    cloud.add_release("releases/shop/api.json", r#"{"image": "shop/api:v2"}"#);
    deploy_release(&cloud, &first, &worker("first", 2))
        .await
        .unwrap();
    assert_eq!(cloud.running_image(&api), pinned('3'));
}

#[tokio::test]
async fn a_duplicate_that_comes_while_the_first_is_worked_on_does_nothing() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let event = cloud.push("v2", digest('2'), noon(0));
    let (one, other) = futures_util::future::join(
        deploy_push(&cloud, &event, &worker("one", 0)),
        deploy_push(&cloud, &event, &worker("other", 0)),
    )
    .await;
    let outcomes = [
        one.unwrap().remove(0).unwrap().outcome,
        other.unwrap().remove(0).unwrap().outcome,
    ];
    assert!(outcomes.contains(&Outcome::Nothing), "{outcomes:?}");
    assert_eq!(cloud.updates(&api), 1);
    assert_eq!(cloud.detail_types(), ["Deployment Started"]);
}

#[tokio::test]
async fn a_newer_push_supersedes_a_rollout_and_says_so() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, "v2", '2', 0).await;
    deploy(&cloud, "v3", '3', 10).await;
    assert_eq!(cloud.running_image(&api), pinned('3'));
    assert_eq!(
        cloud.detail_types(),
        [
            "Deployment Started",
            "Deployment Superseded",
            "Deployment Started"
        ]
    );
}

#[tokio::test]
async fn an_image_that_was_rolled_back_is_not_deployed_again_by_a_push_but_by_a_person() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "v2", digest('2'));
    deploy(&cloud, "v2", '2', 0).await;
    cloud.roll_back(&api, 60);
    cloud.complete(&api);
    reconcile(&cloud, 90).await;
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::RolledBack
    );
    assert_eq!(deploy(&cloud, "v2", '2', 120).await, [Outcome::Nothing]);
    // Under another tag it is news, and the same image.
    deploy(&cloud, "v3", '3', 121).await;
    settle(&cloud, &api, 122).await;
    assert_eq!(
        deploy(&cloud, "v4", '2', 123).await,
        [Outcome::Skipped {
            reason: SkipReason::FailedBefore
        }],
        "a newer tag on it does not lift that"
    );
    let again = deploy_explicitly(
        &cloud,
        &payload("api", "shop/api:v2"),
        asked("by-hand", 130),
        &worker("by-hand", 130),
    )
    .await
    .unwrap();
    assert!(
        matches!(again.outcome, Outcome::Started { .. }),
        "{again:?}"
    );
    assert_eq!(cloud.running_image(&api), pinned('2'));
}

#[tokio::test]
async fn two_events_at_once_act_once() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let (one, other) = (
        cloud.push("v2", digest('2'), noon(0)),
        cloud.push("v2.0", digest('2'), noon(0)),
    );
    let (one, other) = futures_util::future::join(
        deploy_push(&cloud, &one, &worker("one", 0)),
        deploy_push(&cloud, &other, &worker("other", 0)),
    )
    .await;
    let outcomes = [
        one.unwrap().remove(0).unwrap(),
        other.unwrap().remove(0).unwrap(),
    ];
    let started = outcomes
        .iter()
        .filter(|outcome| matches!(outcome.outcome, Outcome::Started { .. }))
        .count();
    assert_eq!(started, 1, "{outcomes:?}");
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn of_two_images_at_once_the_service_ends_with_the_one_that_the_record_names() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let (older, newer) = (
        cloud.push("v2", digest('2'), noon(0)),
        cloud.push("v3", digest('3'), noon(1)),
    );
    for _ in 0..2 {
        let results = futures_util::future::join(
            deploy_push(&cloud, &older, &worker("older", 1)),
            deploy_push(&cloud, &newer, &worker("newer", 1)),
        )
        .await;
        assert!(results.0.unwrap().remove(0).is_ok());
        assert!(results.1.unwrap().remove(0).is_ok());
    }
    assert_eq!(
        cloud.record(&api).unwrap().deployment.image.digest,
        digest('3')
    );
    assert_eq!(cloud.running_image(&api), pinned('3'));
    assert_eq!(
        cloud.record(&api).unwrap().deployment.ecs_deployment_id,
        Some(cloud.primary_id(&api))
    );
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_refused_before_anything_is_registered() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let error = deploy_explicitly(
        &cloud,
        &payload("api", "shop/api:v9"),
        asked("by-hand", 0),
        &worker("by-hand", 0),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, DeployError::Refused { .. }), "{error}");
    let calls = cloud.calls();
    assert!(
        !calls
            .iter()
            .any(|call| call.starts_with("Register") || call.starts_with("Put")),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_service_that_does_not_follow_the_repository_is_refused_with_what_to_do() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "v2", digest('2'));
    let error = deploy_explicitly(
        &cloud,
        &payload("web", "shop/api:v2"),
        asked("by-hand", 0),
        &worker("by-hand", 0),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "deploy shop/api:v2 to service web of stack shop: routes/shop/api.json does not name this service: \
         add it there, or name an image of a repository that the service follows"
    );
}

#[tokio::test]
async fn what_ecs_refuses_after_the_claim_is_closed_and_published() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, "v2", '2', 0).await;
    cloud.inject_at("RegisterTaskDefinition", Fault::Fails(ErrorClass::Refused));
    let outcomes = deploy(&cloud, "v3", '3', 10).await;
    assert!(
        matches!(outcomes.as_slice(), [Outcome::Failed { .. }]),
        "{outcomes:?}"
    );
    assert_eq!(cloud.record(&api).unwrap().deployment.state, State::Failed);
    assert_eq!(cloud.detail_types().last(), Some(&"Deployment Failed"));
}

#[tokio::test]
async fn a_release_file_is_deployed_with_its_note() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "v2", digest('2'));
    cloud.add_release(
        "releases/shop/api.json",
        r#"{"image": "shop/api:v2", "note": "for the sale"}"#,
    );
    let outcome = deploy_release(
        &cloud,
        &release_file("releases/shop/api.json"),
        &worker("invocation", 0),
    )
    .await
    .unwrap();
    assert!(matches!(outcome, ReleaseOutcome::Taken(_)), "{outcome:?}");
    assert_eq!(cloud.running_image(&api), pinned('2'));
    let published = cloud.published();
    let [LongshoreEvent::DeploymentStarted(started)] = published.as_slice() else {
        panic!("{published:?}");
    };
    assert!(
        matches!(&started.deployment.source, Source::Release { note: Some(note), .. } if note == "for the sale"),
        "{started:?}"
    );
}

#[tokio::test]
async fn an_older_release_file_that_comes_late_does_not_replace_a_newer_push() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.add_image("shop/api", "v2", digest('2'));
    cloud.add_release("releases/shop/api.json", r#"{"image": "shop/api:v2"}"#);
    deploy(&cloud, "v3", '3', 10).await;
    let outcome = deploy_release(
        &cloud,
        &release_file("releases/shop/api.json"),
        &worker("invocation", 20),
    )
    .await
    .unwrap();
    let ReleaseOutcome::Taken(answer) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(vec![answer.outcome], skipped(SkipReason::NewerRequested));
    assert_eq!(cloud.running_image(&api), pinned('3'));
}

#[tokio::test]
async fn a_release_file_that_is_refused_is_published_with_its_key_and_the_reason() {
    let cases = [
        (
            "releases/shop/api.json",
            r#"{"image": "shop/api:v2", "nota": "x"}"#,
            "unknown field `nota`",
        ),
        (
            "releases/shop/api.json",
            r#"{"image": "shop/api"}"#,
            "expected <repository>:<tag>",
        ),
        ("releases/shop/api.json", r#"{"image": 3}"#, "field `image`"),
        ("releases/shop/api.json", "", "line 1 column 0"),
        (
            "releases/shop/api.json",
            r#"{"image": "shop/api:v9"}"#,
            "find image",
        ),
        (
            "releases/shop/web.json",
            r#"{"image": "shop/api:v2"}"#,
            "does not name this service",
        ),
        (
            "releases/shop.json",
            r#"{"image": "shop/api:v2"}"#,
            "releases/<stack>/<service>.json",
        ),
        ("releases/shop/gone.json", "", "line 1 column 0"),
    ];
    for (key, body, expected) in cases {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        cloud.add_image("shop/api", "v2", digest('2'));
        cloud.add_release(key, body);
        let outcome = deploy_release(&cloud, &release_file(key), &worker("invocation", 0))
            .await
            .unwrap();
        let published = cloud.published();
        let [LongshoreEvent::ReleaseRefused(refused)] = published.as_slice() else {
            panic!("{body}: {published:?}");
        };
        assert_eq!(outcome, ReleaseOutcome::Refused(refused.reason.clone()));
        assert_eq!(refused.key, key);
        assert!(
            refused.reason.contains(expected),
            "{body}: {}",
            refused.reason
        );
        assert_eq!(cloud.updates(&api), 0);
    }
}

fn release_file(key: &str) -> ReleaseFile {
    ReleaseFile {
        event_id: "event-release".to_owned(),
        at: noon(0),
        bucket: "state".to_owned(),
        key: key.to_owned(),
        version_id: None,
        sequencer: "0055AED6DCD90281E5".to_owned(),
    }
}

async fn reconcile(cloud: &FakeCloud, seconds: i64) {
    let reconciled =
        longshore_rollout::triggers::reconcile::reconcile(cloud, &worker("reconcile", seconds))
            .await
            .unwrap();
    assert!(reconciled.failures.is_empty(), "{reconciled:?}");
}

/// ECS finishes, and Longshore hears of it.
async fn settle(cloud: &FakeCloud, subscriber: &Subscriber, seconds: i64) {
    cloud.complete(subscriber);
    reconcile(cloud, seconds).await;
}
