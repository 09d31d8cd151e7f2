//! What Slack is told of bottle syncs, and of lists of files that a task transferred by itself.

use longshore_events::longshore::{
    RefusedEntry, RunsOn, SyncCompleted, SyncFailed, SyncOutcome, SyncPlanned, SyncProgressed,
    SyncRefused, SyncSource, SyncSummary, SyncUnchanged,
};
use longshore_events::transfer::{TransferFailure, TransferReport};
use longshore_events::words::{counted, number};

use super::amounts::{bytes, cost, files, files_briefly, share, speed};
use super::{
    KEY, NAME, NOTE, NOTE_LINES, SUBJECT, asked_at, duration, fact, given, lines, reason, sentence,
};
use crate::blocks::{Block, Message};
use crate::text::{code, line, quote, sent_width};

/// Room for a list of keys, of entries or of failures.
const LIST: usize = 2_000;
/// Room for one key in a list; those of bottles are shorter.
const LISTED_KEY: usize = 160;
/// Room for one reason in a list.
const LISTED_REASON: usize = 220;

pub(super) fn planned(event: &SyncPlanned) -> Message {
    let sync = &event.sync;
    let headline = headline("📦 Sync planned", sync);
    let mut facts = vec![
        fact("To transfer", &files(event.new)),
        fact("Unchanged", &counted(event.unchanged, "file")),
        fact("No longer in the index", &counted(event.removed, "file")),
        fact("To delete", &counted(event.to_delete, "file")),
    ];
    facts.extend(deletion_refused(event.deletion_refused.as_deref()));
    facts.extend(refused_count(event.refused));
    facts.push(fact("Runs", &place(event.runs_on)));
    facts.push(fact(
        "Expected cost",
        &format!(
            "{}, once, without storage",
            cost(event.estimated_cost_in_micro_usd)
        ),
    ));
    facts.push(asked_for_by(sync));
    let mut blocks = vec![Block::header(headline.clone()), lines(&facts)];
    blocks.extend(
        list(
            "Files that will be deleted",
            event
                .deleted_keys
                .iter()
                .map(|key| code(key, LISTED_KEY))
                .collect(),
            event.to_delete,
        )
        .map(Block::section),
    );
    blocks.extend(refused_entries(&event.refused_entries, event.refused));
    blocks.extend(warnings(&event.warnings));
    blocks.extend(note(&sync.source));
    blocks.push(context(sync));
    let deletes = match event.to_delete {
        0 => String::new(),
        count => format!("; {} to delete", counted(count, "file")),
    };
    Message::new(
        format!(
            "{headline}: {} to transfer{deletes}; {}",
            files_briefly(event.new),
            place(event.runs_on)
        ),
        blocks,
    )
}

pub(super) fn unchanged(event: &SyncUnchanged) -> Message {
    let headline = headline("⏭️ Sync unchanged", &event.sync);
    let why = "the mirror holds what the index names";
    Message::new(
        format!("{headline}: {why}"),
        vec![Block::context(format!("{headline}: {why}"))],
    )
}

pub(super) fn progressed(event: &SyncProgressed) -> Message {
    let sync = &event.sync;
    let headline = headline("⏳ Sync progressed", sync);
    let done = share(event.done.bytes, event.total.bytes);
    let so_far = format!(
        "{} and {}",
        counted(event.done.files, "file"),
        bytes(event.done.bytes)
    );
    let mut facts = vec![
        fact("Done", &format!("{so_far}, {done}")),
        fact("In all", &files(event.total)),
    ];
    if event.done.failed > 0 {
        facts.push(fact("Given up", &counted(event.done.failed, "file")));
    }
    facts.push(fact(
        "Ended",
        &format!(
            "{} of {}",
            event.shards_ended,
            counted(u64::from(event.shards), "shard")
        ),
    ));
    facts.push(fact("For", &duration(sync.requested_at, event.at)));
    facts.push(asked_for_by(sync));
    let mut blocks = vec![Block::header(headline.clone()), lines(&facts)];
    blocks.extend(note(&sync.source));
    blocks.push(context(sync));
    Message::new(
        format!(
            "{headline}: {so_far} of {}: {done}",
            files_briefly(event.total)
        ),
        blocks,
    )
}

pub(super) fn completed(event: &SyncCompleted) -> Message {
    let (sync, outcome) = (&event.sync, &event.outcome);
    let headline = match outcome.is_clean() {
        true => headline("✅ Sync completed", sync),
        false => headline("⚠️ Sync completed with warnings", sync),
    };
    let took = duration(sync.requested_at, outcome.finished_at);
    let facts = [
        transferred(&outcome.transfer),
        vec![fact("Took", &took)],
        outcome_facts(outcome),
        vec![asked_for_by(sync)],
    ]
    .concat();
    let mut blocks = vec![Block::header(headline.clone()), lines(&facts)];
    blocks.extend(refused_entries(&outcome.refused_entries, outcome.refused));
    blocks.extend(warnings(&outcome.warnings));
    blocks.extend(note(&sync.source));
    blocks.push(context(sync));
    let refused = match outcome.refused {
        0 => String::new(),
        count => format!("; {} of the index refused", counted(count, "entry")),
    };
    // An interrupted task's files are there when the next one looks.
    let already_there = match outcome.transfer.already_there {
        0 => String::new(),
        count => format!(", {count} more were there already"),
    };
    Message::new(
        format!(
            "{headline}: {} and {} transferred in {took}{already_there}{refused}",
            counted(outcome.transfer.files, "file"),
            bytes(outcome.transfer.bytes)
        ),
        blocks,
    )
}

pub(super) fn failed(event: &SyncFailed) -> Message {
    let (sync, outcome) = (&event.sync, &event.outcome);
    let headline = headline("❌ Sync failed", sync);
    let now = "the index is not published, so clients see the mirror as it was; what was transferred stays";
    let facts = [
        vec![fact("Given up", &counted(outcome.transfer.failed, "file"))],
        transferred(&outcome.transfer),
        vec![fact(
            "After",
            &duration(sync.requested_at, outcome.finished_at),
        )],
        outcome_facts(outcome),
        vec![fact("Now", now), asked_for_by(sync)],
    ]
    .concat();
    let mut blocks = vec![
        Block::header(headline.clone()),
        lines(&facts),
        Block::section(fact("Why", &reason(&event.reason))),
    ];
    blocks.extend(failures(&outcome.transfer));
    blocks.extend(refused_entries(&outcome.refused_entries, outcome.refused));
    blocks.extend(warnings(&outcome.warnings));
    blocks.extend(note(&sync.source));
    blocks.push(context(sync));
    let given_up = match outcome.transfer.failed {
        0 => String::new(),
        count => format!("{} given up. ", counted(count, "file")),
    };
    Message::new(
        format!(
            "{headline}: {}. {given_up}{}",
            reason(&event.reason).trim_end_matches('.'),
            sentence(now)
        ),
        blocks,
    )
}

pub(super) fn refused(event: &SyncRefused) -> Message {
    let sync = &event.sync;
    let headline = headline("🚫 Sync refused", sync);
    let facts = [
        fact("Now", "nothing was changed, and nothing was deleted"),
        asked_for_by(sync),
    ];
    let mut blocks = vec![
        Block::header(headline.clone()),
        lines(&facts),
        Block::section(fact("Why", &reason(&event.reason))),
    ];
    blocks.extend(note(&sync.source));
    blocks.push(context(sync));
    Message::new(format!("{headline}: {}", reason(&event.reason)), blocks)
}

/// What Slack is told of a list of files that a task brought into `bucket`, and that is no part of a
/// sync. Within all of Slack's limits and never empty, whatever the report holds.
pub fn transfer_message(bucket: &str, report: &TransferReport) -> Message {
    let name = line(bucket, SUBJECT);
    let headline = match report.failed {
        0 => format!("✅ Files transferred: {name}"),
        _ => format!("❌ Files missing: {name}"),
    };
    let took = duration(report.started_at, report.finished_at);
    let mut facts = Vec::new();
    let mut result = format!(
        "{} and {} transferred in {took}",
        counted(report.files, "file"),
        bytes(report.bytes)
    );
    if report.failed > 0 {
        let given_up = counted(report.failed, "file");
        facts.push(fact("Given up", &given_up));
        result = format!("{given_up} given up, {result}");
    }
    facts.extend(transferred(report));
    facts.push(fact("Took", &took));
    let mut blocks = vec![Block::header(headline.clone()), lines(&facts)];
    blocks.extend(failures(report));
    blocks.push(Block::context(format!(
        "bucket {}  ·  ended at {}",
        code(bucket, NAME),
        report.finished_at.format("%Y-%m-%d %H:%M:%S UTC")
    )));
    Message::new(format!("{headline}: {result}"), blocks)
}

fn headline(what: &str, sync: &SyncSummary) -> String {
    format!("{what}: {}", line(&sync.stack, SUBJECT))
}

fn place(runs_on: RunsOn) -> String {
    match runs_on {
        RunsOn::Function => "where it was asked for, without a task".to_owned(),
        RunsOn::Tasks { tasks } => {
            format!("in {}", counted(u64::from(tasks), "Fargate task"))
        }
    }
}

/// What came, how fast, and what did not have to come.
fn transferred(report: &TransferReport) -> Vec<String> {
    let mut facts = vec![fact(
        "Transferred",
        &format!("{}, {}", counted(report.files, "file"), bytes(report.bytes)),
    )];
    if report.already_there > 0 {
        facts.push(fact(
            "There already",
            &counted(report.already_there, "file"),
        ));
    }
    if report.copies > 0 {
        facts.push(fact(
            "Copied",
            &format!("{}, by the bucket itself", counted(report.copies, "file")),
        ));
    }
    if report.downloaded_bytes > report.bytes {
        facts.push(fact(
            "Downloaded",
            &format!("{}, with what came in vain", bytes(report.downloaded_bytes)),
        ));
    }
    if report.resumed_bytes > 0 {
        facts.push(fact(
            "Resumed",
            &format!("{} did not have to come again", bytes(report.resumed_bytes)),
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

fn outcome_facts(outcome: &SyncOutcome) -> Vec<String> {
    let mut facts = Vec::new();
    if outcome.deleted > 0 {
        facts.push(fact("Deleted", &counted(outcome.deleted, "file")));
    }
    facts.extend(deletion_refused(outcome.deletion_refused.as_deref()));
    if outcome.missing_manifests > 0 {
        facts.push(fact(
            "Missing",
            &format!(
                "{}: brew 6 cannot install their formulae; the next sync asks for them again",
                counted(outcome.missing_manifests, "manifest")
            ),
        ));
    }
    facts.extend(refused_count(outcome.refused));
    facts.push(fact("Ran", &place(outcome.runs_on)));
    facts.push(fact("Cost", &cost(outcome.cost_in_micro_usd)));
    facts.extend(
        outcome
            .report_key
            .as_deref()
            .map(|key| fact("Report", &code(key, KEY))),
    );
    facts
}

fn deletion_refused(reason: Option<&str>) -> Option<String> {
    let reason = line(given(reason?), LISTED_REASON);
    Some(fact("Nothing is deleted", &reason))
}

fn warnings(warnings: &[String]) -> Option<Block> {
    let told: Vec<String> = warnings
        .iter()
        .map(|warning| line(given(warning), LISTED_REASON))
        .collect();
    let count = told.len() as u64;
    list("Warnings", told, count).map(Block::section)
}

fn refused_count(refused: u64) -> Option<String> {
    (refused > 0).then(|| {
        fact(
            "Refused",
            &format!("{} of the index", counted(refused, "entry")),
        )
    })
}

fn refused_entries(refused: &[RefusedEntry], count: u64) -> Option<Block> {
    let told = refused
        .iter()
        .map(|refused| {
            format!(
                "{}: {}",
                code(&refused.entry, LISTED_KEY),
                line(given(&refused.reason), LISTED_REASON)
            )
        })
        .collect();
    list("Refused entries of the index", told, count).map(Block::section)
}

fn failures(report: &TransferReport) -> Option<Block> {
    let told = report.failures.iter().map(failure).collect();
    list("Files that were given up", told, report.failed).map(Block::section)
}

fn failure(failure: &TransferFailure) -> String {
    format!(
        "{}, after {}: {}",
        code(&failure.key, LISTED_KEY),
        counted(u64::from(failure.attempts), "attempt"),
        line(given(&failure.reason), LISTED_REASON)
    )
}

/// A list of as many of `items` as there is room for. The others of `count`, whether they are among the
/// items or not, are counted.
fn list(title: &str, items: Vec<String>, count: u64) -> Option<String> {
    let count = count.max(u64::try_from(items.len()).unwrap_or(u64::MAX));
    if items.is_empty() {
        return None;
    }
    let mut text = format!("*{title}:*");
    let mut room = LIST;
    let mut told = 0;
    for item in &items {
        let width = sent_width(item) + "\\n• ".len();
        if width > room {
            break;
        }
        room -= width;
        told += 1;
        text.push_str("\n• ");
        text.push_str(item);
    }
    if told < count {
        text.push_str(&format!("\n… and {} more", number(count - told)));
    }
    Some(text)
}

fn asked_for_by(sync: &SyncSummary) -> String {
    fact(
        "Asked for by",
        match sync.source {
            SyncSource::Schedule => "the schedule of the stack",
            SyncSource::Manual { .. } => "a manual payload, or the command line",
        },
    )
}

fn note(source: &SyncSource) -> Option<Block> {
    match source {
        SyncSource::Manual { note: Some(note) } if !note.trim().is_empty() => {
            Some(Block::section(quote(note, NOTE, NOTE_LINES)))
        }
        _ => None,
    }
}

fn context(sync: &SyncSummary) -> Block {
    Block::context(
        [
            format!("stack {}", code(&sync.stack, NAME)),
            format!("bucket {}", code(&sync.bucket, NAME)),
            format!("sync {}", code(&sync.sync_id, NAME)),
            asked_at(sync.requested_at),
        ]
        .join("  ·  "),
    )
}
