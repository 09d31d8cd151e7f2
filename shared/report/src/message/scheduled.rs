//! Tasks that the schedules of stack files start.

use longshore_events::longshore::ScheduledTaskFailed;

use super::blocks::Message;
use super::draft::{Draft, NAME, SUBJECT, fact, place};
use super::failures;
use super::text::{code, line};
use crate::words::second;

pub(super) fn failed(event: &ScheduledTaskFailed) -> Message {
    let ScheduledTaskFailed {
        stack,
        service,
        schedule,
        failure,
        in_a_row,
    } = event;
    let failure = std::slice::from_ref(failure);
    let cause = failures::headline(failure).unwrap_or_else(|| "ECS gave no reason".to_owned());
    let logs = format!("longshore logs {stack}/{service} --schedule {schedule}");
    let mut facts = vec![
        fact("Schedule", &code(schedule, NAME)),
        fact("Log", &code(&logs, 3 * NAME)),
    ];
    if *in_a_row > 1 {
        facts.insert(1, fact("Failed in a row", &in_a_row.to_string()));
    }
    let mut context = vec![place("stack", stack), place("service", service)];
    context.extend(
        failure[0]
            .stopped_at
            .map(|at| format!("stopped at {}", second(at))),
    );
    Draft {
        headline: format!(
            "❌ Scheduled task failed: {}",
            line(&format!("{stack}/{service} {schedule}"), SUBJECT)
        ),
        rest: format!(": {cause}"),
        facts,
        paragraphs: failures::list(failure).into_iter().collect(),
        context,
        ..Draft::default()
    }
    .message()
}
