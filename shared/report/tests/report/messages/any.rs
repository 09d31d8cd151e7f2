//! Messages of any event, with any texts in it.

mod deployments;
mod stacks;
mod syncs;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::LongshoreEvent;
use longshore_report::{Message, transfer_message};
use proptest::prelude::*;

use super::scene::message;
use deployments::any_deployment_event;
use stacks::any_stack_event;
use syncs::{any_sync_event, any_transfer};

/// Texts as nobody should send them, and as somebody will.
///
/// Boxed, as all that follow: without it their type is as large as the tree of them, and the stack too small.
pub fn hostile() -> BoxedStrategy<String> {
    prop_oneof![
        Just(String::new()),
        "[a-z][a-z0-9-]{0,40}",
        "(?s).{0,80}",
        (
            prop_oneof![
                Just("<"),
                Just("&"),
                Just("`"),
                Just("\""),
                Just("\\"),
                Just("\n"),
                Just("> \n"),
                Just("\u{0}"),
                Just("🚀"),
                Just("👩‍👩‍👧"),
                Just("é"),
                Just("<!channel> "),
                Just("arn:aws:ecs/"),
                Just("@sha256:"),
                Just("{}"),
                Just("*_~"),
                Just("\u{2028}"),
                Just("\u{202e}"),
                Just("\u{200b}"),
                Just("@here https://evil.example "),
            ],
            0usize..6_000
        )
            .prop_map(|(piece, times)| piece.repeat(times)),
    ]
    .boxed()
}

pub fn hostile_option() -> BoxedStrategy<Option<String>> {
    prop::option::of(hostile()).boxed()
}

pub fn any_time() -> BoxedStrategy<DateTime<Utc>> {
    prop_oneof![
        Just(DateTime::<Utc>::MIN_UTC),
        Just(DateTime::<Utc>::MAX_UTC),
        (0i64..4_000_000_000)
            .prop_map(|seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)),
    ]
    .boxed()
}

pub fn any_event() -> BoxedStrategy<LongshoreEvent> {
    prop_oneof![any_deployment_event(), any_stack_event(), any_sync_event()].boxed()
}

/// Every message that Longshore sends: of an event, or of a list of files.
pub fn any_message() -> BoxedStrategy<Message> {
    prop_oneof![
        9 => any_event().prop_map(|event| message(&event)),
        1 => (hostile(), any_transfer())
            .prop_map(|(bucket, report)| transfer_message(&bucket, &report)),
    ]
    .boxed()
}
