//! Whatever is sent, a function must be able to say what is wrong with it.

use longshore_events::Malformed;
use longshore_events::incoming::{parse_deploy, parse_provision, parse_sync, parse_watch};
use longshore_events::longshore::LongshoreEvent;
use longshore_events::release::{parse_body, parse_key};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::support::{pointers, sample, samples_in};

/// Any JSON, of few levels.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("STOPPED")),
        Just(Value::from("2026-11-20T09:30:05Z")),
        Just(Value::from("sha256:")),
    ];
    let name = prop_oneof![
        any::<String>(),
        Just("detail-type".to_owned()),
        Just("detail".to_owned()),
        Just("source".to_owned()),
        Just("action".to_owned()),
        Just("schedule_arn".to_owned()),
        Just("stack".to_owned()),
        Just("image".to_owned()),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A sample with one value, at any depth, replaced by any JSON.
fn spoiled_sample() -> impl Strategy<Value = Value> {
    let samples: Vec<Value> = samples_in("").iter().map(|path| sample(path)).collect();
    (
        prop::sample::select(samples),
        any::<prop::sample::Index>(),
        json(),
    )
        .prop_map(|(mut sample, place, replacement)| {
            let pointers = pointers(&sample);
            if let Some(value) = sample.pointer_mut(place.get::<String>(&pointers)) {
                *value = replacement;
            }
            sample
        })
}

fn says_what_is_wrong<T>(result: Result<T, Malformed>) -> bool {
    result
        .err()
        .is_none_or(|malformed| !malformed.what.is_empty() && !malformed.problem.is_empty())
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused_with_words(value in json()) {
        prop_assert!(says_what_is_wrong(parse_deploy(&value)));
        prop_assert!(says_what_is_wrong(parse_watch(&value)));
        prop_assert!(says_what_is_wrong(parse_provision(&value)));
        prop_assert!(says_what_is_wrong(parse_sync(&value)));
        prop_assert!(says_what_is_wrong(parse_body(value.to_string().as_bytes())));
        prop_assert!(says_what_is_wrong(LongshoreEvent::from_envelope("Deployment Failed", &value)));
    }

    #[test]
    fn a_spoiled_sample_is_read_or_refused_with_words(value in spoiled_sample()) {
        prop_assert!(says_what_is_wrong(parse_deploy(&value)));
        prop_assert!(says_what_is_wrong(parse_watch(&value)));
        prop_assert!(says_what_is_wrong(parse_provision(&value)));
        prop_assert!(says_what_is_wrong(parse_sync(&value)));
        if let Some(detail) = value.get("detail") {
            let detail_type = value.get("detail-type").and_then(Value::as_str).unwrap_or("");
            prop_assert!(says_what_is_wrong(LongshoreEvent::from_envelope(detail_type, detail)));
        }
    }

    #[test]
    fn any_bytes_are_a_release_file_or_refused_with_words(
        body in prop::collection::vec(any::<u8>(), 0..64),
        key in any::<String>(),
    ) {
        prop_assert!(says_what_is_wrong(parse_body(&body)));
        prop_assert!(says_what_is_wrong(parse_key(&key)));
    }

    #[test]
    fn a_key_that_is_read_is_made_of_the_names_that_were_read(
        key in "(releases/)?[a-z/.]{0,12}(/)?[a-z/.]{0,12}(\\.json)?",
    ) {
        if let Ok(name) = parse_key(&key) {
            prop_assert_eq!(format!("releases/{}/{}.json", name.stack, name.service), key);
        }
    }
}
