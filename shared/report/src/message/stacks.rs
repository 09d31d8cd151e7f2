//! What Slack is told of stacks.

use longshore_events::longshore::{
    ChangeCounts, FailedResource, OperationKind, Problem, Severity, StackApplying, StackFailed,
    StackFileRefused, StackReady, StackSource, StackSummary, StackUnchanged,
};
use longshore_events::words::counted;

use super::{
    KEY, NAME, NOTE, NOTE_LINES, SUBJECT, asked_at, duration, fact, lines, reason, sentence,
};
use crate::blocks::{Block, Message};
use crate::text::{code, line, more, quote, sent_width};

/// Room for the problems of one section.
const PROBLEMS: usize = 2_700;
/// So many sections of problems leave room for the rest of the message.
const PROBLEM_SECTIONS: usize = 3;
/// Room for where a problem is, for what stands there, and for what is wrong with it.
const PATH: usize = 160;
const VALUE: usize = 120;
const PROBLEM: usize = 500;

pub(super) fn applying(event: &StackApplying) -> Message {
    let stack = &event.stack;
    let (headline, what) = match event.kind {
        OperationKind::Apply => (
            format!("🏗️ Stack applying: {}", line(&stack.stack, SUBJECT)),
            fact("Changes", &changes(event.changes)),
        ),
        OperationKind::Destroy => (
            format!(
                "🧨 Stack is being destroyed: {}",
                line(&stack.stack, SUBJECT)
            ),
            fact("Removes", &counted(event.changes.remove, "resource")),
        ),
    };
    let text = match event.kind {
        OperationKind::Apply => format!("{headline}: {}", changes(event.changes)),
        OperationKind::Destroy => headline.clone(),
    };
    told(
        text,
        headline,
        &[what, asked_for_by(stack)],
        Vec::new(),
        stack,
    )
}

pub(super) fn ready(event: &StackReady) -> Message {
    let stack = &event.stack;
    let name = line(&stack.stack, SUBJECT);
    let headline = match event.kind {
        OperationKind::Apply => format!("✅ Stack ready: {name}"),
        OperationKind::Destroy => format!("🗑️ Stack destroyed: {name}"),
    };
    let took = duration(stack.requested_at, event.finished_at);
    let facts = [
        fact("Status", &code(&event.status, NAME)),
        fact("Took", &took),
        asked_for_by(stack),
    ];
    told(
        format!("{headline}, in {took}"),
        headline,
        &facts,
        Vec::new(),
        stack,
    )
}

pub(super) fn failed(event: &StackFailed) -> Message {
    let stack = &event.stack;
    let name = line(&stack.stack, SUBJECT);
    let headline = match event.kind {
        OperationKind::Apply => format!("❌ Stack failed: {name}"),
        OperationKind::Destroy => format!("❌ Stack not destroyed: {name}"),
    };
    let now = now(&event.status);
    let mut facts = Vec::new();
    if !event.status.is_empty() {
        facts.push(fact("Status", &code(&event.status, NAME)));
    }
    facts.push(fact(
        "After",
        &duration(stack.requested_at, event.finished_at),
    ));
    facts.push(fact("Now", now));
    facts.push(asked_for_by(stack));
    let mut why = vec![Block::section(fact("Why", &reason(&event.reason)))];
    why.extend(
        event
            .failed_resource
            .as_ref()
            .map(|resource| Block::section(first_failure(resource))),
    );
    let cause = event.failed_resource.as_ref().map_or_else(
        || reason(&event.reason),
        |resource| {
            format!(
                "{}: {}",
                line(&resource.logical_id, NAME),
                reason(&resource.reason)
            )
        },
    );
    told(
        format!(
            "{headline}: {}. {}",
            cause.trim_end_matches('.'),
            sentence(now)
        ),
        headline,
        &facts,
        why,
        stack,
    )
}

pub(super) fn unchanged(event: &StackUnchanged) -> Message {
    let stack = &event.stack;
    let headline = format!("⏭️ Stack unchanged: {}", line(&stack.stack, SUBJECT));
    let why = "the stack is already as the stack file says";
    let facts = [
        format!("*{headline}*"),
        fact("Why", why),
        asked_for_by(stack),
    ];
    let mut blocks = vec![lines(&facts)];
    blocks.extend(note(&stack.source));
    blocks.push(Block::context(asked_at(stack.requested_at)));
    Message::new(format!("{headline}: {why}"), blocks)
}

pub(super) fn file_refused(event: &StackFileRefused) -> Message {
    let headline = format!("🚫 Stack file refused: {}", line(&event.key, SUBJECT));
    let count = |severity| {
        event
            .problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let errors = counted(count(Severity::Error), "error");
    let found = match count(Severity::Warning) {
        0 => errors,
        warnings => format!("{errors}, {}", counted(warnings, "warning")),
    };
    let mut facts = vec![fact("File", &code(&event.key, KEY))];
    facts.extend(
        event
            .version_id
            .as_deref()
            .map(|version| fact("Version", &code(version, NAME))),
    );
    facts.extend(
        event
            .stack
            .as_deref()
            .map(|stack| fact("Stack", &code(stack, NAME))),
    );
    facts.push(fact("Found", &found));
    facts.push(fact(
        "Now",
        "nothing was changed; correct the file and write it again",
    ));
    let first = errors_first(&event.problems).next();
    let text = match first {
        Some(problem) => format!("{headline}: {found}. First: {}", in_words(problem)),
        None => headline.clone(),
    };
    let mut blocks = vec![Block::header(headline), lines(&facts)];
    blocks.extend(problems(&event.problems).into_iter().map(Block::section));
    blocks.push(Block::context(format!(
        "refused at {}",
        event.at.format("%Y-%m-%d %H:%M:%S UTC")
    )));
    Message::new(text, blocks)
}

fn told(
    text: String,
    headline: String,
    facts: &[String],
    more: Vec<Block>,
    stack: &StackSummary,
) -> Message {
    let mut blocks = vec![Block::header(headline), lines(facts)];
    blocks.extend(more);
    blocks.extend(note(&stack.source));
    blocks.push(context(stack));
    Message::new(text, blocks)
}

/// "3 added, 1 changed, 1 replaced"; what is nothing is left out.
fn changes(counts: ChangeCounts) -> String {
    let parts: Vec<String> = [
        (counts.add, "added"),
        (counts.change, "changed"),
        (counts.replace, "replaced"),
        (counts.remove, "removed"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    if parts.is_empty() {
        "no resource is touched".to_owned()
    } else {
        parts.join(", ")
    }
}

/// What a failed change left: the AWS CloudFormation User Guide, "Stack status codes".
fn now(status: &str) -> &'static str {
    match status {
        "" => "CloudFormation did not begin, so the stack is as it was",
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            "CloudFormation took everything back, so the stack is as it was; images that were pushed \
             since are put back"
        }
        "ROLLBACK_COMPLETE" => {
            "CloudFormation took everything back, so nothing was built; correct the stack file and \
             write it again"
        }
        "DELETE_FAILED" => {
            "what could not be deleted is still there; fix what keeps it and destroy the stack again"
        }
        _ => {
            "CloudFormation could not take it back either, so the stack needs somebody to look at it"
        }
    }
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
    format!(
        "{text}\n{}",
        quote(super::given(&resource.reason), 1_200, 20)
    )
}

fn asked_for_by(stack: &StackSummary) -> String {
    let who = match &stack.source {
        StackSource::File {
            key,
            version_id: Some(version),
        } => format!(
            "stack file {}, version {}",
            code(key, KEY),
            code(version, NAME)
        ),
        StackSource::File { key, .. } => format!("stack file {}", code(key, KEY)),
        StackSource::Manual { .. } => "a manual payload".to_owned(),
        StackSource::CloudFormation => {
            "somebody who changes it past Longshore, such as Terraform".to_owned()
        }
    };
    fact("Asked for by", &who)
}

fn note(source: &StackSource) -> Option<Block> {
    match source {
        StackSource::Manual { note: Some(note) } if !note.trim().is_empty() => {
            Some(Block::section(quote(note, NOTE, NOTE_LINES)))
        }
        _ => None,
    }
}

fn context(stack: &StackSummary) -> Block {
    let mut parts = vec![format!("stack {}", code(&stack.stack, NAME))];
    parts.push(format!("change {}", code(&stack.operation_id, NAME)));
    parts.push(asked_at(stack.requested_at));
    Block::context(parts.join("  ·  "))
}

fn errors_first(problems: &[Problem]) -> impl Iterator<Item = &Problem> {
    let of = |severity| {
        problems
            .iter()
            .filter(move |problem| problem.severity == severity)
    };
    of(Severity::Error).chain(of(Severity::Warning))
}

/// The problems, errors first, in as many texts as it takes, each within the room of a section. Those for
/// which there is no room are counted.
fn problems(problems: &[Problem]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut room = 0;
    for (told, problem) in errors_first(problems).enumerate() {
        let text = listed(problem);
        let width = sent_width(&text) + 2;
        if width > room {
            if texts.len() == PROBLEM_SECTIONS {
                texts.push(more(problems.len() - told, "problem"));
                return texts;
            }
            texts.push(String::new());
            room = PROBLEMS;
        }
        room -= width;
        if let Some(section) = texts.last_mut() {
            if !section.is_empty() {
                section.push('\n');
            }
            section.push_str(&text);
        }
    }
    texts
}

/// "• line 12, column 10, `services.api.cpu`: `300`: Fargate has no such size".
fn listed(problem: &Problem) -> String {
    let mut parts = Vec::new();
    match (problem.line, problem.column) {
        (Some(line), Some(column)) => parts.push(format!("line {line}, column {column}")),
        (Some(line), None) => parts.push(format!("line {line}")),
        _ => {}
    }
    if !problem.path.is_empty() {
        parts.push(code(&problem.path, PATH));
    }
    let place = parts.join(", ");
    let mut text = match problem.severity {
        Severity::Error => "• ".to_owned(),
        Severity::Warning => "• warning: ".to_owned(),
    };
    if !place.is_empty() {
        text.push_str(&format!("{place}: "));
    }
    if let Some(value) = &problem.value {
        text.push_str(&format!("{}: ", code(value, VALUE)));
    }
    text.push_str(&line(&problem.message, PROBLEM));
    text
}

fn in_words(problem: &Problem) -> String {
    let place = match (problem.line, problem.path.as_str()) {
        (Some(number), _) => format!("line {number}: "),
        (None, "") => String::new(),
        (None, path) => format!("{}: ", line(path, PATH)),
    };
    format!("{place}{}", line(&problem.message, PROBLEM))
}
