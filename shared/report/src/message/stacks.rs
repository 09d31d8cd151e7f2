//! What Slack shows of stacks.

use longshore_events::longshore::{
    FailedResource, OperationKind, Severity, StackApplying, StackFailed, StackFileRefused,
    StackReady, StackSummary, StackUnchanged,
};

use super::blocks::Message;
use super::draft::{
    Draft, KEY, NAME, SUBJECT, asked_at, asked_for_by, fact, file, note, place, reason, sentence,
    without_stop,
};
use super::problems;
use super::text::{code, line, quote};
use crate::words::{changes, counted, duration, left, reason_or_none, second, stack_unchanged};

pub(super) fn applying(event: &StackApplying) -> Message {
    let stack = &event.stack;
    let (what, rest, changes) = match event.kind {
        OperationKind::Apply => {
            let changes = changes(event.changes);
            let fact = fact("Changes", &changes);
            ("🏗️ Stack applying", format!(": {changes}"), fact)
        }
        OperationKind::Destroy => (
            "🧨 Stack is being destroyed",
            String::new(),
            fact("Removes", &counted(event.changes.remove, "resource")),
        ),
    };
    Draft {
        headline: headline(what, stack),
        rest,
        facts: vec![changes, asked_for_by(&stack.source)],
        note: note(&stack.source),
        context: context(stack),
        ..Draft::default()
    }
    .message()
}

pub(super) fn ready(event: &StackReady) -> Message {
    let stack = &event.stack;
    let what = match event.kind {
        OperationKind::Apply => "✅ Stack ready",
        OperationKind::Destroy => "🗑️ Stack destroyed",
    };
    let took = duration(stack.requested_at, event.finished_at);
    Draft {
        headline: headline(what, stack),
        rest: format!(", in {took}"),
        facts: vec![
            fact("Status", &code(event.status.as_str(), NAME)),
            fact("Took", &took),
            asked_for_by(&stack.source),
        ],
        note: note(&stack.source),
        context: context(stack),
        ..Draft::default()
    }
    .message()
}

pub(super) fn failed(event: &StackFailed) -> Message {
    let stack = &event.stack;
    let what = match event.kind {
        OperationKind::Apply => "❌ Stack failed",
        OperationKind::Destroy => "❌ Stack not destroyed",
    };
    let now = left(&event.status);
    let mut facts = Vec::new();
    if !event.status.is_empty() {
        facts.push(fact("Status", &code(event.status.as_str(), NAME)));
    }
    facts.push(fact(
        "After",
        &duration(stack.requested_at, event.finished_at),
    ));
    facts.push(fact("Now", now));
    facts.push(asked_for_by(&stack.source));
    let mut paragraphs = vec![fact("Why", &reason(&event.reason))];
    paragraphs.extend(event.failed_resource.as_ref().map(first_failure));
    let cause = event.failed_resource.as_ref().map_or_else(
        || reason(&event.reason),
        |resource| {
            let name = line(&resource.logical_id, NAME);
            format!("{name}: {}", reason(&resource.reason))
        },
    );
    Draft {
        headline: headline(what, stack),
        rest: format!(": {}. {}", without_stop(&cause), sentence(now)),
        facts,
        paragraphs,
        note: note(&stack.source),
        context: context(stack),
    }
    .message()
}

pub(super) fn unchanged(event: &StackUnchanged) -> Message {
    let stack = &event.stack;
    let why = stack_unchanged("the stack");
    Draft {
        headline: headline("⏭️ Stack unchanged", stack),
        rest: format!(": {why}"),
        facts: vec![fact("Why", &why), asked_for_by(&stack.source)],
        note: note(&stack.source),
        context: vec![asked_at(stack.requested_at)],
        ..Draft::default()
    }
    .short_message()
}

pub(super) fn file_refused(event: &StackFileRefused) -> Message {
    let count = |severity| {
        let problems = event.problems.iter();
        problems
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let errors = counted(count(Severity::Error), "error");
    let found = match count(Severity::Warning) {
        0 => errors,
        warnings => format!("{errors}, {}", counted(warnings, "warning")),
    };
    let mut facts = file(&event.key, event.version_id.as_deref());
    let stack = event.stack.as_deref();
    facts.extend(stack.map(|stack| fact("Stack", &code(stack, NAME))));
    facts.push(fact("Found", &found));
    facts.push(fact(
        "Now",
        "nothing was changed; correct the file and write it again",
    ));
    let first = problems::errors_first(&event.problems).next();
    Draft {
        headline: format!("🚫 Stack file refused: {}", line(&event.key, SUBJECT)),
        rest: first.map_or_else(String::new, |problem| {
            format!(": {found}. First: {}", problems::in_words(problem))
        }),
        facts,
        paragraphs: problems::list(&event.problems),
        context: vec![format!("refused at {}", second(event.at))],
        ..Draft::default()
    }
    .message()
}

fn headline(what: &str, stack: &StackSummary) -> String {
    format!("{what}: {}", line(&stack.stack, SUBJECT))
}

fn first_failure(resource: &FailedResource) -> String {
    let mut text = format!(
        "*First failure:* {} ({})",
        code(&resource.logical_id, NAME),
        line(&resource.resource_type, NAME),
    );
    if let Some(physical_id) = &resource.physical_id {
        text.push_str(&format!(", {}", code(physical_id, KEY)));
    }
    let reason = quote(reason_or_none(&resource.reason), 1_200, 20);
    format!("{text}\n{reason}")
}

fn context(stack: &StackSummary) -> Vec<String> {
    vec![
        place("stack", &stack.stack),
        place("change", &stack.operation_id),
        asked_at(stack.requested_at),
    ]
}
