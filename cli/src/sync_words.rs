//! What `longshore sync` says of a mirror and of files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use longshore_bottles::sync::record::{Sync, SyncState};
use longshore_bottles::sync::{
    PublishedIndex, RunOutcome, ShardStatus, SyncPlan, SyncStatus, Verification,
};
use longshore_events::longshore::{FileCount, RefusedEntry, RunsOn, SyncOutcome};
use longshore_events::transfer::TransferFailure;
use longshore_report::words::{
    MANIFESTS_MISSING, NOT_PUBLISHED, bytes, cost, counted, duration, files, mirror_unchanged,
    more, number, place, second,
};

/// How many of something are listed for people.
const SHOWN: usize = 20;

/// How far a sync is.
pub fn progress(status: &SyncStatus, sync: &Sync) -> String {
    let ended = status.shards.iter().filter(|shard| shard.is_done).count();
    format!(
        "{} of {}, {} of {}, {} failed, {ended} of {} ended",
        number(status.done.files),
        counted(sync.total.files, "file"),
        bytes(status.done.bytes),
        bytes(sync.total.bytes),
        status.done.failed,
        counted(status.shards.len(), "shard"),
    )
}

/// What a sync would do.
pub fn plan_in_words(plan: &SyncPlan) -> String {
    let mut text = warnings_in_words(&plan.warnings);
    text.push_str(&files_in_words(&plan.new, &plan.by_platform));
    let _ = writeln!(text, "removed:   {}", files(plan.removed));
    let _ = writeln!(text, "unchanged: {}", files(plan.unchanged));
    match &plan.deletion_refused {
        Some(reason) => {
            let _ = writeln!(text, "deleted:   none, {reason}");
        }
        None => {
            let _ = writeln!(text, "deleted:   {}", counted(plan.to_delete.len(), "file"));
            list(&mut text, &plan.to_delete, "file", Clone::clone);
        }
    }
    text.push_str(&entries_in_words(&plan.refused));
    text.push_str(&run_in_words(plan.runs_on, plan.estimated_seconds));
    text.push_str(&costs_in_words(
        plan.estimated_cost_in_micro_usd,
        plan.storage_in_micro_usd_a_month,
        plan.registry_layout_in_micro_usd_a_month,
    ));
    text
}

/// What is odd, a line each.
pub fn warnings_in_words(warnings: &[String]) -> String {
    let lines = warnings
        .iter()
        .map(|warning| format!("warning: {warning}\n"));
    lines.collect()
}

/// What is new, in all and by platform.
pub fn files_in_words(new: &FileCount, by_platform: &BTreeMap<String, FileCount>) -> String {
    let mut text = format!("new:       {}\n", files(*new));
    for (platform, count) in by_platform {
        let _ = writeln!(text, "  {platform:<16} {}", files(*count));
    }
    text
}

/// Entries of the index that are refused.
pub fn entries_in_words(refused: &[RefusedEntry]) -> String {
    let mut text = format!("refused:   {}\n", counted(refused.len(), "entry"));
    list(&mut text, refused, "entry", |refused| {
        format!("{}: {}", refused.entry, refused.reason)
    });
    text
}

/// Where a sync would run, and for how long.
pub fn run_in_words(runs_on: RunsOn, estimated_seconds: i64) -> String {
    let minutes = estimated_seconds.div_euclid(60) + 1;
    format!(
        "runs {}; one process would take about {}\n",
        place(runs_on),
        counted(minutes, "minute")
    )
}

/// What a sync would cost once, all files in a month, and the registry's layout besides: millionths of a USD.
pub fn costs_in_words(once: u64, storage: u64, registry_layout: u64) -> String {
    format!(
        "costs {} once; all files cost {} a month, the registry's layout {} more\n",
        cost(once),
        cost(storage),
        cost(registry_layout),
    )
}

/// What came of a sync.
pub fn outcome_in_words(stack: &str, outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Unchanged { .. } => {
            let mirror = format!("the mirror of stack {stack}");
            format!("nothing to do: {}", mirror_unchanged(&mirror))
        }
        RunOutcome::Refused { reason } => {
            format!("sync of the mirror of stack {stack} refused: {reason}")
        }
        RunOutcome::Running {
            sync_id,
            runs_on,
            total,
        } => format!(
            "sync {sync_id} of {} runs {}; follow it with: longshore sync status {stack}",
            files(*total),
            place(*runs_on)
        ),
        RunOutcome::Completed { sync_id, result } => {
            let result_in_words = result_in_words(result);
            let mut text = format!("sync {sync_id} completed: {result_in_words}\n");
            text.push_str(&troubles_in_words(result));
            text
        }
        RunOutcome::Failed {
            sync_id,
            reason,
            result,
        } => {
            let mut text = format!(
                "sync {sync_id} failed: {reason}; {NOT_PUBLISHED}\n{}\n",
                result_in_words(result)
            );
            text.push_str(&troubles_in_words(result));
            text
        }
    }
}

/// The files that failed, and what somebody should look at although it kept no file back: a line each.
fn troubles_in_words(result: &SyncOutcome) -> String {
    let mut text = String::new();
    list(
        &mut text,
        &result.transfer.failures,
        "file",
        failure_in_words,
    );
    let mut warnings = result.warnings.clone();
    warnings.extend(
        result
            .deletion_refused
            .as_deref()
            .map(|reason| format!("nothing is deleted: {reason}")),
    );
    if result.missing_manifests > 0 {
        let manifests = counted(result.missing_manifests, "manifest");
        warnings.push(format!("{manifests} missing: {MANIFESTS_MISSING}"));
    }
    text.push_str(&warnings_in_words(&warnings));
    text
}

fn result_in_words(result: &SyncOutcome) -> String {
    let transfer = &result.transfer;
    format!(
        "{} transferred, {}, in {}; {} were already there, {} copied, {} failed, {} deleted; cost: {}",
        counted(transfer.files, "file"),
        bytes(transfer.bytes),
        duration(transfer.started_at, transfer.finished_at),
        number(transfer.already_there),
        number(transfer.copies),
        number(transfer.failed),
        number(result.deleted),
        cost(result.cost_in_micro_usd),
    )
}

/// How far the last sync is, and what clients see.
pub fn status_in_words(status: &SyncStatus) -> String {
    let mut text = String::new();
    match &status.sync {
        None => {
            let _ = writeln!(
                text,
                "the mirror of stack {} was never synced",
                status.stack
            );
        }
        Some(sync) => {
            let _ = writeln!(
                text,
                "sync {}, asked for {}: {}",
                sync.id,
                second(sync.requested_at),
                state_in_words(sync)
            );
            if sync.state.is_open() {
                let _ = writeln!(text, "{}", progress(status, sync));
            } else if let Some(result) = &sync.outcome {
                let _ = writeln!(text, "{}", result_in_words(result));
                text.push_str(&troubles_in_words(result));
            }
        }
    }
    for shard in &status.shards {
        let _ = writeln!(text, "  {}", shard_in_words(shard));
    }
    match &status.published {
        Some(published) => {
            let _ = writeln!(
                text,
                "clients see the index of {}: {}",
                second(published.at),
                counted(published.bottles, "bottle")
            );
        }
        None => text.push_str("clients see no index yet\n"),
    }
    if let Some(raised) = &status.raised_throughput {
        let _ = writeln!(
            text,
            "throughput of {} is raised since {}, and lowered to {} MiB/s when EFS allows it",
            raised.file_system_id,
            second(raised.raised_at),
            raised.before_in_mibps
        );
    }
    text
}

fn state_in_words(sync: &Sync) -> String {
    let state = match sync.state {
        SyncState::Planning => "planning",
        SyncState::Transferring => "transferring files",
        SyncState::Publishing => "publishing",
        SyncState::Completed => "completed",
        SyncState::Unchanged => "nothing to do",
        SyncState::Failed => "failed",
        SyncState::Refused => "refused",
    };
    match &sync.reason {
        Some(reason) => format!("{state}: {reason}"),
        None => state.to_owned(),
    }
}

fn shard_in_words(shard: &ShardStatus) -> String {
    let worker = match (&shard.worker_id, shard.is_done) {
        (_, true) => "ended".to_owned(),
        (Some(worker), false) => format!("worked on by {worker}"),
        (None, false) => "waits".to_owned(),
    };
    let problem = match &shard.problem {
        Some(problem) => format!("; {problem}"),
        None => String::new(),
    };
    format!(
        "shard {}: {} of {}, {} of {}; {worker}{problem}",
        shard.shard,
        number(shard.done.files),
        counted(shard.files, "file"),
        bytes(shard.done.bytes),
        bytes(shard.bytes),
    )
}

/// What of a mirror is not as its index says.
pub fn verification_in_words(verification: &Verification) -> String {
    let mut text = format!(
        "{} of {} bottles are there as the index says\n",
        verification.right, verification.wanted
    );
    for (what, keys) in [
        ("missing", &verification.missing),
        ("wrong", &verification.wrong),
        ("not in the index", &verification.extra),
        ("manifests missing", &verification.missing_manifests),
    ] {
        if !keys.is_empty() {
            let _ = writeln!(text, "{what}: {}", keys.len());
            list(&mut text, keys, "file", Clone::clone);
        }
    }
    for refused in &verification.wrong_index_files {
        let _ = writeln!(text, "wrong: {}: {}", refused.entry, refused.reason);
    }
    text.push_str(match verification.index {
        PublishedIndex::Same => "the index is the one that its source publishes",
        PublishedIndex::Other => "the index is another one than its source publishes",
        PublishedIndex::Missing => "no index is published",
    });
    text
}

fn failure_in_words(failure: &TransferFailure) -> String {
    format!("{}: {}", failure.key, failure.reason)
}

/// The first ones, a line each.
fn list<I>(text: &mut String, items: &[I], noun: &str, in_words: impl Fn(&I) -> String) {
    for item in items.iter().take(SHOWN) {
        let _ = writeln!(text, "  {}", in_words(item));
    }
    if items.len() > SHOWN {
        let _ = writeln!(text, "  {}", more(items.len() - SHOWN, noun));
    }
}
