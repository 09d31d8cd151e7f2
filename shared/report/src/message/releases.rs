//! Release files that are refused.

use longshore_events::longshore::ReleaseRefused;

use super::blocks::Message;
use super::draft::{Draft, SUBJECT, fact, file, place, reason};
use super::text::{line, quote};
use crate::words::reason_or_none;

/// Room for everything that is wrong with a release file.
const REFUSAL: usize = 2_400;
const REFUSAL_LINES: usize = 40;

pub(super) fn refused(event: &ReleaseRefused) -> Message {
    let mut facts = file(&event.key, event.version_id.as_deref());
    facts.push(fact(
        "Now",
        "nothing was deployed; correct the file and write it again",
    ));
    let reasons: Vec<&str> = event.reason.lines().map(str::trim).collect();
    Draft {
        headline: format!("🚫 Release refused: {}", line(&event.key, SUBJECT)),
        rest: format!(": {}", reason(&reasons.join("; "))),
        facts,
        paragraphs: vec![format!(
            "*Why:*\n{}",
            quote(reason_or_none(&event.reason), REFUSAL, REFUSAL_LINES)
        )],
        context: vec![place("bucket", &event.bucket)],
        ..Draft::default()
    }
    .message()
}
