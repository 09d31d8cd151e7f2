//! Runs by the clock.

use std::collections::BTreeMap;

use longshore_events::ecs::{LONGEST_OVERRIDES, RUN_LIMITS, length_of_overrides};

use super::checked::Checked;
use super::findings::Findings;
use super::rollout::too_long;
use super::service::{check_ec2_size, check_fargate_size};
use crate::path::Path;
use crate::schedule_expression::{ScheduleExpression, is_time_zone};
use crate::spec::Schedule;

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    for (name, schedule) in &service.spec.schedules {
        let path = service.at("schedules").key(name);
        check_named(
            &path,
            name,
            &schedule.schedule_expression,
            &schedule.schedule_expression_timezone,
            findings,
        );
        check_size(&path, service, schedule, findings);
        let environment = schedule.environment.iter();
        let mut environment: BTreeMap<String, String> = environment
            .map(|(name, value)| (name.clone(), value.as_str().to_owned()))
            .collect();
        if environment.contains_key(RUN_LIMITS) {
            findings.error_without_value(
                path.key("environment").key(RUN_LIMITS),
                "Longshore gives runs this variable, for `timeout` and `retries`; choose another name",
            );
        }
        let ecs_service = service.stack.ecs_service_name(service.name);
        if let Some(limits) = schedule.limits(&ecs_service) {
            environment.insert(RUN_LIMITS.to_owned(), limits.to_string());
        }
        for name in environment.keys() {
            if service.spec.secrets.contains_key(name) {
                findings.error_without_value(
                    path.key("environment").key(name),
                    "this variable is in the service's `secrets`, too; remove one of them",
                );
            }
        }
        let container = service.spec.container_name.as_deref();
        let length = length_of_overrides(
            container.unwrap_or(service.name),
            &schedule.command,
            &environment,
        );
        if length > LONGEST_OVERRIDES {
            findings.error(path.key("command"), length, too_long(length));
        }
    }
}

/// Checks the size of a run's task, where it is not the service's.
fn check_size(path: &Path, service: &Checked<'_>, schedule: &Schedule, findings: &mut Findings) {
    if schedule.cpu.is_none() && schedule.memory.is_none() {
        return;
    }
    let cpu = schedule.cpu.unwrap_or(service.spec.cpu);
    let memory = schedule.memory.unwrap_or(service.spec.memory);
    if service.spec.is_on_fargate() {
        check_fargate_size(path, cpu, memory, findings);
    } else {
        check_ec2_size(path, cpu, memory, findings);
    }
    let sidecars = service.spec.sidecars.values();
    let of_sidecars: u64 = sidecars
        .map(|sidecar| u64::from(sidecar.memory_reservation.or(sidecar.memory).unwrap_or(0)))
        .sum();
    if of_sidecars >= u64::from(memory) {
        findings.error(
            path.key("memory"),
            memory,
            format!(
                "the sidecars alone have {of_sidecars} MiB, so that nothing is left for the service's own container; \
                 give the run more memory"
            ),
        );
    }
}

/// Checks the name of what runs by the clock, and when that is.
pub(super) fn check_named(
    path: &Path,
    name: &str,
    expression: &String,
    time_zone: &str,
    findings: &mut Findings,
) {
    if !super::forms::is_name(name) || name.len() > 64 {
        findings.error(
            path,
            name,
            "this is not a name, expected letters, digits, hyphens and underscores, at most 64",
        );
    }
    check_when(path, Some(expression), time_zone, findings);
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
