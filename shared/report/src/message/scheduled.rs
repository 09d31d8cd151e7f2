//! Tasks that the schedules of stack files start.

use longshore_events::longshore::ScheduledTaskFailed;

use super::blocks::Message;
use super::console::Console;
use super::draft::{Draft, NAME, SUBJECT, command, fact, place, shell_name, shell_word};
use super::failures;
use super::text::{code, date, line};

pub(super) fn failed(event: &ScheduledTaskFailed, console: &Console) -> Message {
    let ScheduledTaskFailed {
        stack,
        service,
        schedule,
        failure,
        in_a_row,
        attempts,
    } = event;
    let has_started = !failure.task.is_empty();
    let code_of_refusal = failure.stop_code.as_deref();
    let failure = std::slice::from_ref(failure);
    let cause = failures::headline(failure).unwrap_or_else(|| "ECS gave no reason".to_owned());
    let logs = format!(
        "longshore logs {} --schedule {}",
        shell_name(stack, service),
        shell_word(schedule)
    );
    let mut facts = vec![fact("Schedule", &code(schedule, NAME))];
    if has_started {
        facts.push(fact("Log", &command(&logs)));
    } else {
        facts.extend(code_of_refusal.map(|refusal| fact("Refused with", &code(refusal, NAME))));
    }
    if *attempts > 1 {
        facts.insert(1, fact("Attempts", &attempts.to_string()));
    }
    if *in_a_row > 1 {
        facts.insert(1, fact("Failed in a row", &in_a_row.to_string()));
    }
    let mut context = vec![place("stack", stack), place("service", service)];
    context.extend(failure[0].stopped_at.map(|at| {
        format!(
            "{} {}",
            if has_started { "stopped" } else { "due" },
            date(at)
        )
    }));
    let what = if has_started {
        "Scheduled task failed"
    } else {
        "Scheduled task not started"
    };
    Draft {
        headline: format!(
            "❌ {what}: {}",
            line(&format!("{stack}/{service} {schedule}"), SUBJECT)
        ),
        rest: format!(": {cause}"),
        facts,
        paragraphs: match has_started {
            true => failures::list(failure, console).into_iter().collect(),
            false => vec![format!("*ECS says:* {cause}")],
        },
        context,
        ..Draft::default()
    }
    .message()
}
