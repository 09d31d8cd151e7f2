//! Messages of any event, with any texts in it.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::LongshoreEvent;
use longshore_report::{Console, Message, message, transfer_message};
use longshore_testkit::AnyEvent;
use proptest::prelude::*;

/// Texts as nobody should send them, and as somebody will.
fn hostile() -> BoxedStrategy<String> {
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

fn time() -> BoxedStrategy<DateTime<Utc>> {
    prop_oneof![
        Just(DateTime::<Utc>::MIN_UTC),
        Just(DateTime::<Utc>::MAX_UTC),
        (0i64..4_000_000_000)
            .prop_map(|seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)),
    ]
    .boxed()
}

const ANY: AnyEvent = AnyEvent {
    text: hostile,
    time,
    most: 30,
};

pub fn any_event() -> BoxedStrategy<LongshoreEvent> {
    ANY.event()
}

/// Every message that Longshore sends: of an event, or of a list of files.
pub fn any_message() -> BoxedStrategy<Message> {
    prop_oneof![
        9 => any_event().prop_filter_map("not posted", |event| {
            let message = message(&event, &Console::of_region("eu-west-1"))?;
            Some(message.with_buttons(&event, |_| true))
        }),
        1 => (hostile(), ANY.transfer_report())
            .prop_map(|(bucket, report)| transfer_message(&bucket, &report)),
    ]
    .boxed()
}
