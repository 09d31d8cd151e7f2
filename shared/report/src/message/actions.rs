//! What somebody asked for by a button, and did not get.

use longshore_events::longshore::{ActionRefused, ButtonAction};

use super::blocks::Message;
use super::draft::{Draft, SUBJECT, asked_at, fact, reason, who, without_stop};
use super::text::line;

pub(super) fn refused(event: &ActionRefused) -> Message {
    let subject = match &event.service {
        Some(service) => format!("{}/{service}", event.stack),
        None => event.stack.clone(),
    };
    let what = match event.action {
        ButtonAction::Approve => "🚫 Approval refused",
        ButtonAction::Reject => "🚫 Rejection refused",
        ButtonAction::Rollback => "🚫 Rollback refused",
        ButtonAction::Hold => "🚫 Hold refused",
        ButtonAction::Resume => "🚫 Resume refused",
    };
    let why = reason(&event.reason);
    let asked_by = event.by.as_ref().map(|by| fact("Asked for by", &who(by)));
    Draft {
        headline: format!("{what}: {}", line(&subject, SUBJECT)),
        rest: format!(": {}", without_stop(&why)),
        facts: [Some(fact("Why", &why)), asked_by]
            .into_iter()
            .flatten()
            .collect(),
        context: vec![asked_at(event.requested_at)],
        ..Draft::default()
    }
    .short_message()
}
