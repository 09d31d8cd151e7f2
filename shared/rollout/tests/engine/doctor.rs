//! Documents that cannot be read: reported once, and restored.

use longshore_events::longshore::{DocumentUnreadable, LongshoreEvent};
use longshore_policy::route::Subscriber;
use longshore_rollout::doctor::{DOCUMENTS, report_unreadable};
use longshore_rollout::documents::{RecordKey, RouteKey};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_state::ErrorClass;
use longshore_state::doctor::Damaged;
use longshore_state::store::Address;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};
use serde_json::{Value, json};

const RECORD: &str = "deployments/shop/api/current.json";
const ROUTE: &str = "routes/shop/api.json";

/// Services whose first deployment succeeded and is in the history.
async fn deployed(subscribers: &[Subscriber]) -> FakeCloud {
    let cloud = FakeCloud::with_services(subscribers);
    let push = cloud.push("v1", digest('1'), noon(0));
    deploy_push(&cloud, &push, &worker("push", 0))
        .await
        .unwrap();
    for subscriber in subscribers {
        cloud.complete(subscriber);
    }
    reconcile(&cloud, &worker("reconcile", 60)).await.unwrap();
    cloud
}

/// What the schedule does: the failures of the reconcile, and what they lead to.
async fn scheduled(cloud: &FakeCloud, seconds: i64) -> Vec<String> {
    let worker = worker(&format!("reconcile-{seconds}"), seconds);
    let failures = reconcile(cloud, &worker).await.unwrap().failures;
    report_unreadable(cloud, !failures.is_empty(), &worker)
        .await
        .unwrap();
    failures
}

fn published(cloud: &FakeCloud) -> Vec<DocumentUnreadable> {
    let events = cloud.published().into_iter();
    events
        .filter_map(|event| match event {
            LongshoreEvent::DocumentUnreadable(event) => Some(event),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_damaged_document_is_published_once_with_its_key_and_its_last_good_version() {
    let api = subscriber("api");
    let cloud = deployed(std::slice::from_ref(&api)).await;
    let good = cloud.objects().versions(RECORD)[0].clone();
    cloud.objects().put_bytes(RECORD, r#"{"deployment": {"id"#);
    for seconds in [900, 1_800, 2_700] {
        assert_eq!(scheduled(&cloud, seconds).await.len(), 1);
    }
    let [event] = &published(&cloud)[..] else {
        panic!("{:?}", published(&cloud));
    };
    assert_eq!(event.key, RECORD);
    assert!(
        event.problem.starts_with("it is not JSON"),
        "{}",
        event.problem
    );
    let last_good = event.last_good.as_ref().unwrap();
    assert_eq!(last_good.version_id, good.version_id);
    assert_eq!(last_good.written_at, good.written_at);
}

#[tokio::test]
async fn a_document_that_is_damaged_again_after_it_was_restored_is_published_again() {
    let api = subscriber("api");
    let cloud = deployed(std::slice::from_ref(&api)).await;
    for round in 0..2 {
        cloud.objects().put_bytes(RECORD, "");
        scheduled(&cloud, 900 + 3_600 * round).await;
        for damaged in DOCUMENTS.examine(&cloud).await.unwrap() {
            DOCUMENTS.repair(&cloud, &damaged).await.unwrap();
        }
        assert!(scheduled(&cloud, 1_800 + 3_600 * round).await.is_empty());
    }
    assert_eq!(published(&cloud).len(), 2);
    assert_eq!(cloud.record(&api).unwrap().deployment.number, 1);
}

#[tokio::test]
async fn damage_to_the_list_of_what_was_reported_silences_nothing() {
    let api = subscriber("api");
    let cloud = deployed(std::slice::from_ref(&api)).await;
    cloud.objects().put_bytes(RECORD, "{");
    scheduled(&cloud, 900).await;
    cloud.objects().put_bytes("doctor/told.json", "{");
    for seconds in [1_800, 2_700] {
        scheduled(&cloud, seconds).await;
    }
    let events = published(&cloud);
    let keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    assert_eq!(keys, [RECORD, RECORD, "doctor/told.json"]);
}

#[tokio::test]
async fn what_could_not_be_published_is_published_by_the_next_reconcile() {
    let api = subscriber("api");
    let cloud = deployed(std::slice::from_ref(&api)).await;
    cloud.objects().put_bytes(RECORD, "[]");
    cloud.inject_at("PutEvents", Fault::Fails(ErrorClass::Transient));
    let worker = worker("reconcile", 900);
    assert!(report_unreadable(&cloud, true, &worker).await.is_err());
    scheduled(&cloud, 1_800).await;
    scheduled(&cloud, 2_700).await;
    assert_eq!(published(&cloud).len(), 1);
}

#[tokio::test]
async fn a_bucket_that_keeps_no_versions_is_reported_to_have_none() {
    let api = subscriber("api");
    let cloud = deployed(std::slice::from_ref(&api)).await;
    cloud.objects().put_bytes(RECORD, "7");
    cloud.objects().keep_no_versions();
    scheduled(&cloud, 900).await;
    assert_eq!(published(&cloud)[0].last_good, None);
    let [damaged] = &DOCUMENTS.examine(&cloud).await.unwrap()[..] else {
        panic!("one document is damaged");
    };
    let error = DOCUMENTS.repair(&cloud, damaged).await.unwrap_err();
    assert!(error.to_string().contains("keeps no version"), "{error}");
}

/// Every kind of damage, at every kind of document.
#[tokio::test]
async fn every_kind_of_damage_is_found_and_restored() {
    let large = "x".repeat(5 * 1024 * 1024);
    let bodies = [
        ("empty", ""),
        ("cut", r#"{"repository": "shop/api", "subscr"#),
        ("not JSON", "<xml/>"),
        ("of another type", "[1, 2]"),
        ("without members", "{}"),
        (
            "newer",
            r#"{"format_version": 99, "longshore_version": "9.0.0"}"#,
        ),
        ("too large", large.as_str()),
        ("of another kind", r#"{"colour": "red", "stack": 7}"#),
    ];
    let api = subscriber("api");
    for key in [
        RECORD,
        ROUTE,
        "deployments/shop/api/history/00000001.json",
        "services/shop/api.json",
    ] {
        for (damage, body) in bodies {
            let cloud = deployed(std::slice::from_ref(&api)).await;
            let good = cloud.objects().versions(key)[0].clone();
            cloud.objects().put_bytes(key, body);
            let found = DOCUMENTS.examine(&cloud).await.unwrap();
            let [damaged] = &found[..] else {
                panic!("{key} {damage}: {found:?}");
            };
            assert_eq!(damaged.key, key, "{damage}");
            assert_eq!(
                damaged
                    .last_good
                    .as_ref()
                    .map(|version| &version.version_id),
                Some(&good.version_id),
                "{key} {damage}"
            );
            DOCUMENTS.repair(&cloud, damaged).await.unwrap();
            assert!(
                DOCUMENTS.examine(&cloud).await.unwrap().is_empty(),
                "{key} {damage}"
            );
        }
    }
}

#[tokio::test]
async fn a_record_of_another_service_and_a_key_of_no_document_are_named() {
    let (api, web) = (subscriber("api"), subscriber("web"));
    let cloud = deployed(&[api, web]).await;
    let other = cloud
        .objects()
        .read(&Address::of_state("deployments/shop/web/current.json"))
        .unwrap()
        .0;
    cloud.objects().put_bytes(RECORD, other);
    cloud
        .objects()
        .put_bytes("services/shop/api/more.json", "{}");
    cloud.objects().put_bytes("routes/shop/", "");
    let found = DOCUMENTS.examine(&cloud).await.unwrap();
    let problems: Vec<(&str, &str)> = found
        .iter()
        .map(|damaged| (damaged.key.as_str(), damaged.problem.as_str()))
        .collect();
    assert_eq!(
        problems,
        [
            (
                RECORD,
                "it is of service web of stack shop; restore an earlier version of the object"
            ),
            (
                "services/shop/api/more.json",
                "this is not the key of a document: delete the object"
            ),
        ]
    );
}

#[tokio::test]
async fn what_somebody_wrote_meanwhile_is_not_overwritten() {
    let api = subscriber("api");
    let cloud = deployed(std::slice::from_ref(&api)).await;
    let good = cloud.record(&api).unwrap();
    cloud.objects().put_bytes(RECORD, "");
    let found: Vec<Damaged> = DOCUMENTS.examine(&cloud).await.unwrap();
    cloud.objects().put(&RecordKey(&api.service_id()), &good);
    let before = cloud.objects().versions(RECORD).len();
    DOCUMENTS.repair(&cloud, &found[0]).await.unwrap();
    assert_eq!(cloud.objects().versions(RECORD).len(), before);
}

/// Changes the route as a person does who misspells a field of one subscriber.
fn misspell(cloud: &FakeCloud, service: &str) {
    let address = Address::of_state(ROUTE);
    let (body, _) = cloud.objects().read(&address).unwrap();
    let mut route: Value = serde_json::from_slice(&body).unwrap();
    for subscriber in route["subscribers"].as_array_mut().unwrap() {
        if subscriber["service"] == service {
            subscriber["image_polcy"] = json!({});
        }
    }
    cloud.objects().put_bytes(ROUTE, route.to_string());
}

#[tokio::test]
async fn one_bad_subscriber_harms_itself_only_and_is_published_once() {
    let (api, web) = (subscriber("api"), subscriber("web"));
    let cloud = deployed(&[api.clone(), web.clone()]).await;
    misspell(&cloud, "api");
    let push = cloud.push("v2", digest('2'), noon(100));
    let pushed = deploy_push(&cloud, &push, &worker("push-2", 100))
        .await
        .unwrap();
    assert_eq!(pushed.len(), 1);
    let v2 = digest('2');
    assert!(cloud.running_image(&web).unwrap().contains(v2.as_str()));
    assert!(!cloud.running_image(&api).unwrap().contains(v2.as_str()));
    cloud.complete(&web);
    for seconds in [900, 1_800] {
        let failures = scheduled(&cloud, seconds).await;
        let [failure] = &failures[..] else {
            panic!("{failures:?}");
        };
        assert!(
            failure.contains("service api of stack shop")
                && failure.contains("unknown field `image_polcy`"),
            "{failure}"
        );
    }
    let [event] = &published(&cloud)[..] else {
        panic!("{:?}", published(&cloud));
    };
    assert_eq!(event.key, ROUTE);
    assert!(event.problem.contains("image_polcy"), "{}", event.problem);
    // Corrected, it gets what it missed.
    cloud.set_route("shop/api", vec![api.clone(), web]);
    assert!(scheduled(&cloud, 2_700).await.is_empty());
    assert!(cloud.running_image(&api).unwrap().contains(v2.as_str()));
    assert_eq!(
        cloud
            .objects()
            .get(&RouteKey("shop/api"))
            .unwrap()
            .subscribers
            .len(),
        2
    );
}
