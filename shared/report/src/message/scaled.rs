//! Numbers of tasks that people set.

use longshore_events::longshore::ServiceScaled;

use super::blocks::Message;
use super::draft::{Draft, SUBJECT, asked_at, fact, place, quoted_note, who};
use super::text::line;
use crate::words::counted;

pub(super) fn scaled(event: &ServiceScaled) -> Message {
    let ServiceScaled {
        stack,
        service,
        from,
        to,
        at,
        by,
        note,
    } = event;
    let tasks = counted(*to, "task");
    let by = by.as_ref();
    Draft {
        headline: format!(
            "⚖️ Service scaled: {} from {from} to {tasks}",
            line(&format!("{stack}/{service}"), SUBJECT)
        ),
        rest: by.map_or_else(String::new, |by| {
            format!(", by {}", line(&by.name, SUBJECT))
        }),
        facts: by.map(|by| fact("Set by", &who(by))).into_iter().collect(),
        note: note.as_deref().map(quoted_note),
        context: vec![
            place("stack", stack),
            place("service", service),
            asked_at(*at),
        ],
        ..Draft::default()
    }
    .short_message()
}
