//! What Slack shows of bottle syncs.

use longshore_events::longshore::{
    RefusedEntry, SyncCompleted, SyncFailed, SyncOutcome, SyncPlanned, SyncProgressed, SyncRefused,
    SyncSummary, SyncUnchanged,
};

use super::blocks::{Block, Message};
use super::draft::{
    Draft, KEY, SUBJECT, asked_at, asked_for_by, fact, note, place, reason, sentence, without_stop,
};
use super::text::{code, line};
use super::transfers::{LISTED_KEY, LISTED_REASON, failures, list, transferred};
use crate::words::{
    MANIFESTS_MISSING, NOT_PUBLISHED, bytes, cost, counted, duration, files, files_briefly,
    mirror_unchanged, number, place as runs, reason_or_none, share,
};

pub(super) fn planned(event: &SyncPlanned) -> Message {
    let sync = &event.sync;
    let runs = runs(event.runs_on);
    let mut facts = vec![
        fact("To transfer", &files(event.new)),
        fact("Unchanged", &counted(event.unchanged, "file")),
        fact("No longer in the index", &counted(event.removed, "file")),
        fact("To delete", &counted(event.to_delete, "file")),
    ];
    facts.extend(deletion_refused(event.deletion_refused.as_deref()));
    facts.extend(refused_count(event.refused));
    facts.push(fact("Runs", &runs));
    let cost = cost(event.estimated_cost_in_micro_usd);
    facts.push(fact(
        "Expected cost",
        &format!("{cost}, once, without storage"),
    ));
    facts.push(asked_for_by(&sync.source));
    let keys = event.deleted_keys.iter();
    let keys = keys.map(|key| code(key, LISTED_KEY)).collect();
    let to_delete = list("Files that will be deleted", keys, event.to_delete, "file");
    let deletes = match event.to_delete {
        0 => String::new(),
        count => format!("; {} to delete", counted(count, "file")),
    };
    Draft {
        headline: headline("📦 Sync planned", sync),
        rest: format!(
            ": {} to transfer{deletes}; {runs}",
            files_briefly(event.new)
        ),
        facts,
        paragraphs: to_delete
            .into_iter()
            .chain(refused_entries(&event.refused_entries, event.refused))
            .chain(warnings(&event.warnings))
            .collect(),
        note: note(&sync.source),
        context: context(sync),
    }
    .message()
}

pub(super) fn unchanged(event: &SyncUnchanged) -> Message {
    let headline = headline("⏭️ Sync unchanged", &event.sync);
    let text = format!("{headline}: {}", mirror_unchanged("the mirror"));
    Message::new(text.clone(), vec![Block::context(text)])
}

pub(super) fn progressed(event: &SyncProgressed) -> Message {
    let sync = &event.sync;
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
    let shards = counted(event.shards, "shard");
    facts.push(fact(
        "Ended",
        &format!("{} of {shards}", event.shards_ended),
    ));
    facts.push(fact("For", &duration(sync.requested_at, event.at)));
    facts.push(asked_for_by(&sync.source));
    Draft {
        headline: headline("⏳ Sync progressed", sync),
        rest: format!(": {so_far} of {}: {done}", files_briefly(event.total)),
        facts,
        note: note(&sync.source),
        context: context(sync),
        ..Draft::default()
    }
    .message()
}

pub(super) fn completed(event: &SyncCompleted) -> Message {
    let (sync, outcome) = (&event.sync, &event.outcome);
    let took = duration(sync.requested_at, outcome.finished_at);
    let refused = match outcome.refused {
        0 => String::new(),
        count => format!("; {} of the index refused", counted(count, "entry")),
    };
    // An interrupted task's files are there when the next one looks.
    let already_there = match outcome.transfer.already_there {
        0 => String::new(),
        count => format!(", {} more were already there", number(count)),
    };
    Draft {
        headline: headline(
            match outcome.is_clean() {
                true => "✅ Sync completed",
                false => "⚠️ Sync completed with warnings",
            },
            sync,
        ),
        rest: format!(
            ": {} and {} transferred in {took}{already_there}{refused}",
            counted(outcome.transfer.files, "file"),
            bytes(outcome.transfer.bytes)
        ),
        facts: [
            transferred(&outcome.transfer),
            vec![fact("Took", &took)],
            outcome_facts(outcome),
            vec![asked_for_by(&sync.source)],
        ]
        .concat(),
        paragraphs: refused_entries(&outcome.refused_entries, outcome.refused)
            .into_iter()
            .chain(warnings(&outcome.warnings))
            .collect(),
        note: note(&sync.source),
        context: context(sync),
    }
    .message()
}

pub(super) fn failed(event: &SyncFailed) -> Message {
    let (sync, outcome) = (&event.sync, &event.outcome);
    let why = reason(&event.reason);
    let given_up = match outcome.transfer.failed {
        0 => String::new(),
        count => format!("{} given up. ", counted(count, "file")),
    };
    let mut paragraphs = vec![fact("Why", &why)];
    paragraphs.extend(failures(&outcome.transfer));
    paragraphs.extend(refused_entries(&outcome.refused_entries, outcome.refused));
    paragraphs.extend(warnings(&outcome.warnings));
    Draft {
        headline: headline("❌ Sync failed", sync),
        rest: format!(
            ": {}. {given_up}{}",
            without_stop(&why),
            sentence(NOT_PUBLISHED)
        ),
        facts: [
            vec![fact("Given up", &counted(outcome.transfer.failed, "file"))],
            transferred(&outcome.transfer),
            vec![fact(
                "After",
                &duration(sync.requested_at, outcome.finished_at),
            )],
            outcome_facts(outcome),
            vec![fact("Now", NOT_PUBLISHED), asked_for_by(&sync.source)],
        ]
        .concat(),
        paragraphs,
        note: note(&sync.source),
        context: context(sync),
    }
    .message()
}

pub(super) fn refused(event: &SyncRefused) -> Message {
    let sync = &event.sync;
    let why = reason(&event.reason);
    Draft {
        headline: headline("🚫 Sync refused", sync),
        rest: format!(": {why}"),
        facts: vec![
            fact("Now", "nothing was changed, and nothing was deleted"),
            asked_for_by(&sync.source),
        ],
        paragraphs: vec![fact("Why", &why)],
        note: note(&sync.source),
        context: context(sync),
    }
    .message()
}

fn headline(what: &str, sync: &SyncSummary) -> String {
    format!("{what}: {}", line(&sync.stack, SUBJECT))
}

fn outcome_facts(outcome: &SyncOutcome) -> Vec<String> {
    let mut facts = Vec::new();
    if outcome.deleted > 0 {
        facts.push(fact("Deleted", &counted(outcome.deleted, "file")));
    }
    facts.extend(deletion_refused(outcome.deletion_refused.as_deref()));
    if outcome.missing_manifests > 0 {
        let manifests = counted(outcome.missing_manifests, "manifest");
        facts.push(fact(
            "Missing",
            &format!("{manifests}: {MANIFESTS_MISSING}"),
        ));
    }
    facts.extend(refused_count(outcome.refused));
    facts.push(fact("Ran", &runs(outcome.runs_on)));
    facts.push(fact("Cost", &cost(outcome.cost_in_micro_usd)));
    let report = outcome.report_key.as_deref();
    facts.extend(report.map(|key| fact("Report", &code(key, KEY))));
    facts
}

fn deletion_refused(reason: Option<&str>) -> Option<String> {
    let reason = line(reason_or_none(reason?), LISTED_REASON);
    Some(fact("Nothing is deleted", &reason))
}

fn warnings(warnings: &[String]) -> Option<String> {
    let lines = warnings
        .iter()
        .map(|warning| line(reason_or_none(warning), LISTED_REASON))
        .collect();
    list("Warnings", lines, warnings.len() as u64, "warning")
}

fn refused_count(refused: u64) -> Option<String> {
    let entries = counted(refused, "entry");
    (refused > 0).then(|| fact("Refused", &format!("{entries} of the index")))
}

fn refused_entries(refused: &[RefusedEntry], count: u64) -> Option<String> {
    let shown = refused
        .iter()
        .map(|refused| {
            format!(
                "{}: {}",
                code(&refused.entry, LISTED_KEY),
                line(reason_or_none(&refused.reason), LISTED_REASON)
            )
        })
        .collect();
    list("Refused entries of the index", shown, count, "entry")
}

fn context(sync: &SyncSummary) -> Vec<String> {
    vec![
        place("stack", &sync.stack),
        place("bucket", &sync.bucket),
        asked_at(sync.requested_at),
    ]
}
