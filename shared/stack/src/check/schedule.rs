//! Runs by the clock.

use std::collections::BTreeMap;

use longshore_events::ecs::{LONGEST_OVERRIDES, length_of_overrides};

use super::checked::Checked;
use super::findings::Findings;
use super::rollout::too_long;
use crate::path::Path;
use crate::schedule_expression::{ScheduleExpression, is_time_zone};

/// RunTask starts this many tasks at once.
const MOST_TASKS: u32 = 10;

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    for (name, schedule) in &service.spec.schedules {
        let path = service.at("schedules").key(name);
        if !super::forms::is_name(name) || name.len() > 64 {
            findings.error(
                &path,
                name,
                "this is not a name, expected letters, digits, hyphens and underscores, at most 64",
            );
        }
        check_when(
            &path,
            Some(&schedule.schedule_expression),
            &schedule.schedule_expression_timezone,
            findings,
        );
        findings.range(
            path.key("task_count"),
            schedule.task_count,
            1,
            MOST_TASKS,
            "this many tasks cannot be started at once",
        );
        let container = service.spec.container_name.as_deref();
        let length = length_of_overrides(
            container.unwrap_or(service.name),
            &schedule.command,
            &BTreeMap::new(),
        );
        if length > LONGEST_OVERRIDES {
            findings.error(path.key("command"), length, too_long(length));
        }
    }
}

/// Checks when something runs by the clock.
pub(super) fn check_when(
    path: &Path,
    expression: Option<&String>,
    time_zone: &str,
    findings: &mut Findings,
) {
    if let Some(expression) = expression
        && let Err(message) = ScheduleExpression::parse(expression)
    {
        findings.error(path.key("schedule_expression"), expression, message);
    }
    if !is_time_zone(time_zone) {
        findings.error(
            path.key("schedule_expression_timezone"),
            time_zone,
            "this is not a time zone, expected a name of the IANA's, such as UTC or Europe/Berlin",
        );
    }
}
