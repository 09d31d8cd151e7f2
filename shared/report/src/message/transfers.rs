//! Files that were transferred, as a sync or by a task that works on a list of files by itself.

use longshore_events::transfer::{TransferFailure, TransferReport};

use super::blocks::Message;
use super::draft::{Draft, SUBJECT, fact, place};
use super::text::{code, date, line, sent_width};
use crate::words::{bytes, counted, duration, more, reason_or_none, speed};

/// Room for a list of keys, of entries or of failures.
const LIST: usize = 2_000;
/// Room for one key in a list; those of bottles are shorter.
pub(super) const LISTED_KEY: usize = 160;
/// Room for one reason in a list.
pub(super) const LISTED_REASON: usize = 220;

/// What Slack shows of a list of files that a task transferred into `bucket`, and that is not part of a sync.
/// Within all of Slack's limits and never empty, whatever the report holds.
pub fn transfer_message(bucket: &str, report: &TransferReport) -> Message {
    let what = match report.failed {
        0 => "✅ Files transferred",
        _ => "❌ Files missing",
    };
    let took = duration(report.started_at, report.finished_at);
    let mut facts = Vec::new();
    let mut rest = format!(
        "{} and {} transferred in {took}",
        counted(report.files, "file"),
        bytes(report.bytes)
    );
    if report.failed > 0 {
        let given_up = counted(report.failed, "file");
        facts.push(fact("Given up", &given_up));
        rest = format!("{given_up} given up, {rest}");
    }
    facts.extend(transferred(report));
    facts.push(fact("Took", &took));
    Draft {
        headline: format!("{what}: {}", line(bucket, SUBJECT)),
        rest: format!(": {rest}"),
        facts,
        paragraphs: failures(report).into_iter().collect(),
        context: vec![
            place("bucket", bucket),
            format!("ended {}", date(report.finished_at)),
        ],
        ..Draft::default()
    }
    .message()
}

/// What was transferred, how fast, and what did not have to be.
pub(super) fn transferred(report: &TransferReport) -> Vec<String> {
    let mut facts = vec![fact(
        "Transferred",
        &format!("{}, {}", counted(report.files, "file"), bytes(report.bytes)),
    )];
    if report.already_there > 0 {
        facts.push(fact(
            "Already there",
            &counted(report.already_there, "file"),
        ));
    }
    if report.copies > 0 {
        facts.push(fact(
            "Copied",
            &format!("{}, within the bucket", counted(report.copies, "file")),
        ));
    }
    if report.downloaded_bytes > report.bytes {
        facts.push(fact(
            "Downloaded",
            &format!(
                "{}, including failed attempts",
                bytes(report.downloaded_bytes)
            ),
        ));
    }
    if report.resumed_bytes > 0 {
        facts.push(fact(
            "Resumed",
            &format!("{} were not downloaded again", bytes(report.resumed_bytes)),
        ));
    }
    facts.extend(
        speed(
            report.downloaded_bytes,
            report.started_at,
            report.finished_at,
        )
        .filter(|_| report.downloaded_bytes > 0)
        .map(|speed| fact("Speed", &speed)),
    );
    facts
}

pub(super) fn failures(report: &TransferReport) -> Option<String> {
    let shown = report.failures.iter().map(failure).collect();
    list("Files that were given up", shown, report.failed, "file")
}

fn failure(failure: &TransferFailure) -> String {
    format!(
        "{}, after {}: {}",
        code(&failure.key, LISTED_KEY),
        counted(failure.attempts, "attempt"),
        line(reason_or_none(&failure.reason), LISTED_REASON)
    )
}

/// A list of as many of `items` as there is room for. The others of `count`, whether they are among the
/// items or not, are counted.
pub(super) fn list(title: &str, items: Vec<String>, count: u64, noun: &str) -> Option<String> {
    let count = count.max(u64::try_from(items.len()).unwrap_or(u64::MAX));
    if items.is_empty() {
        return None;
    }
    let mut text = format!("*{title}:*");
    let mut room = LIST;
    let mut shown = 0;
    for item in &items {
        let width = sent_width(item) + "\\n• ".len();
        if width > room {
            break;
        }
        room -= width;
        shown += 1;
        text.push_str("\n• ");
        text.push_str(item);
    }
    if shown < count {
        text.push_str(&format!("\n{}", more(count - shown, noun)));
    }
    Some(text)
}
