//! Lost events: they go back to their functions, oldest first, and leave their queues only when they were accepted.

use longshore_rollout::lost_events::{FUNCTIONS, Fate, Replayed, replay};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault};
use serde_json::json;

const QUEUE: &str = "longshore-deploy-dead-letters";

fn cloud() -> FakeCloud {
    let cloud = FakeCloud::default();
    for function in FUNCTIONS {
        cloud.add_queue(&format!("longshore-{function}-dead-letters"));
    }
    cloud
}

fn event(number: u32) -> String {
    json!({"action": "reconcile", "number": number}).to_string()
}

async fn replayed(cloud: &FakeCloud, dry_run: bool) -> Replayed {
    replay(cloud, "longshore", &FUNCTIONS, dry_run)
        .await
        .unwrap()
}

fn numbers(cloud: &FakeCloud) -> Vec<u64> {
    let given = cloud.given().into_iter();
    given
        .filter_map(|(_, event)| event["number"].as_u64())
        .collect()
}

#[tokio::test]
async fn every_event_goes_back_to_its_function_in_the_order_in_which_it_was_lost() {
    let cloud = cloud();
    for (number, seconds) in [(1, 30), (2, 10), (3, 20)] {
        cloud.add_message(QUEUE, &event(number), None, seconds);
    }
    cloud.add_message(
        "longshore-notify-dead-letters",
        &json!({"detail-type": "Stack Ready", "detail": {"stack": "shop"}}).to_string(),
        None,
        0,
    );
    let replayed = replayed(&cloud, false).await;
    assert_eq!(replayed.events.len(), 4);
    assert!(
        replayed
            .events
            .iter()
            .all(|event| event.fate == Fate::Replayed)
    );
    assert_eq!(numbers(&cloud), [2, 3, 1]);
    let last = cloud.given().pop().unwrap();
    assert_eq!(last.0, "longshore-notify");
    assert_eq!(cloud.messages(QUEUE), Vec::<String>::new());
    assert_eq!(replayed.events[3].subject, "Stack Ready shop");
}

#[tokio::test]
async fn a_dry_run_shows_what_lies_there_and_leaves_it_for_others_to_see() {
    let cloud = cloud();
    for number in 0..5 {
        cloud.add_message(QUEUE, &event(number), None, i64::from(number));
    }
    let shown = replayed(&cloud, true).await;
    assert_eq!(shown.events.len(), 5);
    assert!(shown.events.iter().all(|event| event.fate == Fate::Waits));
    assert_eq!(cloud.given(), []);
    assert_eq!(cloud.messages(QUEUE).len(), 5);
}

#[tokio::test]
async fn what_a_function_does_not_accept_stays_in_the_queue_and_is_named_with_the_reason() {
    let cloud = cloud();
    cloud.add_message(QUEUE, &event(1), None, 1);
    cloud.add_message(QUEUE, &event(2), None, 2);
    cloud.inject_at("Invoke", Fault::Fails(ErrorClass::Denied));
    let first = replayed(&cloud, false).await;
    assert!(
        matches!(&first.events[0].fate, Fate::Failed { error } if error.contains("Denied")),
        "{first:?}"
    );
    assert_eq!(first.events[1].fate, Fate::Replayed);
    assert_eq!(cloud.messages(QUEUE), [event(1)]);
    replayed(&cloud, false).await;
    assert_eq!(numbers(&cloud), [2, 1]);
}

#[tokio::test]
async fn an_event_that_cannot_be_deleted_may_come_twice_and_is_never_lost() {
    let cloud = cloud();
    cloud.add_message(QUEUE, &event(1), None, 1);
    cloud.inject_at("DeleteMessage", Fault::Fails(ErrorClass::Transient));
    let first = replayed(&cloud, false).await;
    assert!(matches!(first.events[0].fate, Fate::Failed { .. }));
    replayed(&cloud, false).await;
    assert_eq!(numbers(&cloud), [1, 1]);
    assert_eq!(cloud.messages(QUEUE), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_an_event_stays_where_it_is() {
    let cloud = cloud();
    cloud.add_message(QUEUE, "hello", None, 1);
    let replayed = replayed(&cloud, false).await;
    assert!(matches!(replayed.events[0].fate, Fate::Failed { .. }));
    assert_eq!(cloud.messages(QUEUE), ["hello"]);
}

#[tokio::test]
async fn what_sqs_took_from_another_queue_goes_back_there_as_it_came() {
    let cloud = cloud();
    cloud.add_queue("longshore-schedule-dead-letters");
    let arn = "arn:aws:sqs:eu-west-1:111122223333:longshore-schedule-dead-letters";
    let queue = "longshore-watch-dead-letters";
    cloud.add_message(queue, &event(7), Some(arn), 1);
    let replayed = replayed(&cloud, false).await;
    assert_eq!(replayed.events[0].fate, Fate::Replayed);
    assert_eq!(cloud.given(), []);
    assert_eq!(cloud.messages(queue), Vec::<String>::new());
}

#[tokio::test]
async fn a_function_without_a_queue_is_named() {
    let cloud = FakeCloud::default();
    cloud.add_queue(QUEUE);
    let replayed = replayed(&cloud, false).await;
    assert_eq!(
        replayed.without_queue,
        ["provision", "watch", "sync", "notify"]
    );
}
