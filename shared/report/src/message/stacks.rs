//! What Slack shows of stacks.

use longshore_events::longshore::{
    FailedResource, FailedService, OperationKind, Severity, StackApplying, StackFailed,
    StackFileRefused, StackReady, StackSummary, StackUnchanged,
};

use super::blocks::Message;
use super::console::Console;
use super::draft::{
    Draft, KEY, NAME, SUBJECT, asked_at, asked_for_by, command, fact, file, note, place, reason,
    sentence, shell_name, without_stop,
};
use super::failures;
use super::logs;
use super::problems;
use super::text::{code, date, line, quote};
use crate::words::{
    changes, counted, duration, left, more, reason_or_none, remedy, stack_unchanged,
};

/// At most this many services whose tasks died are shown, each with what its containers wrote.
const SERVICES: usize = 3;
/// How many containers of each are shown.
const LOGS: usize = 3;
/// Room for what to do.
const WHAT_TO_DO: usize = 500;

pub(super) fn applying(event: &StackApplying, console: &Console) -> Message {
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
        context: context(stack, console),
        ..Draft::default()
    }
    .message()
}

pub(super) fn ready(event: &StackReady, console: &Console) -> Message {
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
        context: context(stack, console),
        ..Draft::default()
    }
    .message()
}

pub(super) fn failed(event: &StackFailed, console: &Console) -> Message {
    let stack = &event.stack;
    let what = match event.kind {
        OperationKind::Apply => "❌ Stack failed",
        OperationKind::Destroy => "❌ Stack not destroyed",
    };
    let services = &event.failed_services;
    let now = left(&event.status, !services.is_empty());
    let mut facts = Vec::new();
    if !event.status.is_empty() {
        facts.push(fact("Status", &code(event.status.as_str(), NAME)));
    }
    facts.push(fact(
        "After",
        &duration(stack.requested_at, event.finished_at),
    ));
    facts.push(fact("Now", now));
    facts.extend(services.first().and_then(|first| what_to_do("", first)));
    for service in services.iter().take(SERVICES) {
        let name = shell_name(&stack.stack, &service.service);
        let logs = format!("longshore logs {name}");
        facts.push(fact("Log", &command(&logs)));
    }
    facts.push(asked_for_by(&stack.source));
    let mut paragraphs = vec![fact("Why", &reason(&event.reason))];
    paragraphs.extend(event.failed_resource.as_ref().map(first_failure));
    for (number, service) in services.iter().take(SERVICES).enumerate() {
        paragraphs.extend(failures::list_of(
            &service.service,
            &service.failures,
            console,
        ));
        paragraphs.extend(logs::last_lines(&service.logs, LOGS, console));
        if number > 0 {
            let about = format!(" about {}", code(&service.service, NAME));
            paragraphs.extend(what_to_do(&about, service));
        }
    }
    if services.len() > SERVICES {
        paragraphs.push(more(services.len() - SERVICES, "service"));
    }
    Draft {
        headline: headline(what, stack),
        rest: format!(": {}. {}", without_stop(&cause(event)), sentence(now)),
        facts,
        paragraphs,
        note: note(&stack.source),
        context: context(stack, console),
    }
    .message()
}

/// What the change failed of, in a sentence: what the tasks of a service died of says more than the resource that
/// CloudFormation gave up for it.
fn cause(event: &StackFailed) -> String {
    if let Some(service) = event.failed_services.first()
        && let Some(cause) = failures::headline(&service.failures)
    {
        return format!("{}: {cause}", line(&service.service, NAME));
    }
    event.failed_resource.as_ref().map_or_else(
        || reason(&event.reason),
        |resource| {
            let name = line(&resource.logical_id, NAME);
            format!("{name}: {}", reason(&resource.reason))
        },
    )
}

fn what_to_do(about: &str, service: &FailedService) -> Option<String> {
    let remedy = remedy(service)?;
    let what = format!("{remedy}; then apply the stack file again");
    Some(fact(
        &format!("What to do{about}"),
        &line(&what, WHAT_TO_DO),
    ))
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
        context: vec![format!("refused {}", date(event.at))],
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

fn context(stack: &StackSummary, console: &Console) -> Vec<String> {
    let events = console.stack_events(stack.stack_id.as_deref(), "events of CloudFormation");
    let mut context = vec![place("stack", &stack.stack)];
    context.extend(stack.stack_id.is_some().then_some(events));
    context.push(asked_at(stack.requested_at));
    context
}
