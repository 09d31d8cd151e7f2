//! Documents of the state that cannot be read.

use longshore_events::longshore::DocumentUnreadable;

use super::blocks::Message;
use super::draft::{Draft, KEY, NAME, SUBJECT, fact, reason};
use super::text::{code, date, line};

pub(super) fn unreadable(event: &DocumentUnreadable) -> Message {
    let mut facts = vec![fact("Document", &code(&event.key, KEY))];
    facts.push(fact(
        "Last good version",
        &match &event.last_good {
            Some(version) => format!("that of {}", date(version.written_at)),
            None => "the bucket keeps none".to_owned(),
        },
    ));
    let what_to_do = match &event.last_good {
        Some(_) => format!("restore it: {}", code("longshore doctor --repair", NAME)),
        None => "correct the object, or delete it".to_owned(),
    };
    facts.push(fact(
        "Now",
        "what it is about waits; everything else goes on",
    ));
    facts.push(fact("What to do", &what_to_do));
    Draft {
        headline: format!("🛑 Document unreadable: {}", line(&event.key, SUBJECT)),
        rest: format!(": {}", reason(&event.problem)),
        facts,
        paragraphs: vec![format!("*Why:* {}", reason(&event.problem))],
        context: vec![format!("seen {}", date(event.at))],
        ..Draft::default()
    }
    .message()
}
