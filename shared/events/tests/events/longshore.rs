//! Longshore's own events, as they are kept, published and read again.

use chrono::DateTime;
use longshore_events::longshore::LongshoreEvent;
use longshore_testkit::AnyEvent;
use proptest::prelude::*;
use serde_json::{Value, json};

fn event() -> BoxedStrategy<LongshoreEvent> {
    AnyEvent {
        text: || {
            prop_oneof![
                any::<String>(),
                Just("ecs-svc/4719203847561029384".to_owned()),
                "[a-z]{1,12}",
            ]
            .boxed()
        },
        // The years 1970 to 9999, to the nanosecond.
        time: || {
            (0_i64..253_402_300_799, 0_u32..1_000_000_000)
                .prop_map(|(seconds, nanoseconds)| {
                    DateTime::from_timestamp(seconds, nanoseconds).unwrap()
                })
                .boxed()
        },
        most: 3,
    }
    .event()
}

proptest! {
    #[test]
    fn an_event_is_read_as_it_was_published(event in event()) {
        let detail: Value = serde_json::from_str(&event.detail().unwrap()).unwrap();
        prop_assert!(detail.is_object());
        prop_assert_eq!(LongshoreEvent::from_envelope(event.detail_type(), &detail), Ok(event));
    }

    /// An event is kept in the deployment's record until it is published.
    #[test]
    fn an_event_is_published_as_it_was_kept(event in event()) {
        let kept = serde_json::to_value(&event).unwrap();
        prop_assert_eq!(kept.get("detail-type"), Some(&Value::from(event.detail_type())));
        let detail: Value = serde_json::from_str(&event.detail().unwrap()).unwrap();
        prop_assert_eq!(kept.get("detail"), Some(&detail));
        prop_assert_eq!(serde_json::from_value::<LongshoreEvent>(kept).unwrap(), event);
    }
}

#[test]
fn a_detail_type_that_is_not_ours_is_refused_with_ours() {
    let refusal = LongshoreEvent::from_envelope("Deployment Paused", &json!({}))
        .unwrap_err()
        .to_string();
    assert!(
        refusal.starts_with("Deployment Paused event is malformed: "),
        "{refusal}"
    );
    assert!(refusal.contains("`Deployment Started`"), "{refusal}");
}

#[test]
fn a_detail_that_does_not_fit_its_detail_type_is_refused() {
    for detail in [
        json!(null),
        json!("text"),
        json!([]),
        json!({}),
        json!({"deployment": {}, "finished_at": "2026-11-20T09:32:50Z"}),
    ] {
        let refusal = LongshoreEvent::from_envelope("Deployment Succeeded", &detail)
            .unwrap_err()
            .to_string();
        assert!(
            refusal.starts_with("Deployment Succeeded event is malformed: "),
            "{refusal}"
        );
    }
}
