//! How the number of tasks follows the load.

use super::checked::Checked;
use super::findings::Findings;
use super::observation::percentage;
use crate::path::Path;
use crate::spec::CustomMetric;

/// ECS's limit for the tasks of a service.
const MOST_TASKS: u32 = 5000;

/// CloudWatch looks back at most a day, and the periods have a minute.
const MOST_PERIODS: u32 = 1440;

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    let Some(scaling) = &service.spec.scaling else {
        if let Some(count) = service.spec.desired_count {
            findings.range(
                service.at("desired_count"),
                count,
                0,
                MOST_TASKS,
                "ECS does not run this many tasks of a service",
            );
        }
        return;
    };
    let path = service.at("scaling");
    if scaling.min_capacity > scaling.max_capacity {
        findings.error(
            path.key("min_capacity"),
            scaling.min_capacity,
            format!(
                "the fewest tasks are more than the most, expected at most `max_capacity`, {}",
                scaling.max_capacity
            ),
        );
    }
    findings.range(
        path.key("max_capacity"),
        scaling.max_capacity,
        1,
        MOST_TASKS,
        "the service would have no task, or more than ECS runs",
    );
    let cpu = scaling.target_cpu_utilization;
    let memory = scaling.target_memory_utilization;
    let requests = scaling.target_requests_per_task;
    for (field, percent) in [
        ("target_cpu_utilization", cpu),
        ("target_memory_utilization", memory),
    ] {
        if let Some(percent) = percent {
            percentage(&path.key(field), percent, findings);
        }
    }
    if let Some(requests) = requests.filter(|requests| *requests <= 0.0) {
        findings.error(
            path.key("target_requests_per_task"),
            requests,
            "a task cannot stay at less than one request, expected more than 0",
        );
    }
    for (index, metric) in scaling.custom_metrics.iter().enumerate() {
        check_metric(&path.key("custom_metrics").index(index), metric, findings);
    }
    let by_tasks = cpu.is_some() || memory.is_some() || requests.is_some();
    if !by_tasks && scaling.custom_metrics.is_empty() {
        findings.error_without_value(
            &path,
            "there is nothing to scale by, expected at least one of `target_cpu_utilization`, \
             `target_memory_utilization`, `target_requests_per_task` and `custom_metrics`",
        );
    } else if scaling.min_capacity == 0 && scaling.custom_metrics.is_empty() {
        findings.warning(
            path.key("min_capacity"),
            0,
            "a service without tasks has no CPU, memory and requests that could bring it back; add one of \
             `custom_metrics`, or let `min_capacity` be 1",
        );
    }
    for (field, periods) in [
        (
            "scale_out_evaluation_periods",
            scaling.scale_out_evaluation_periods,
        ),
        (
            "scale_in_evaluation_periods",
            scaling.scale_in_evaluation_periods,
        ),
    ] {
        if let Some(periods) = periods {
            findings.range(
                path.key(field),
                periods,
                1,
                MOST_PERIODS,
                "CloudWatch does not evaluate this many minutes",
            );
        }
    }
}

fn check_metric(path: &Path, metric: &CustomMetric, findings: &mut Findings) {
    for (field, name) in [
        ("namespace", &metric.namespace),
        ("metric_name", &metric.metric_name),
    ] {
        if name.is_empty() || name.len() > 255 || !name.is_ascii() {
            findings.error(
                path.key(field),
                name,
                "CloudWatch does not allow this name, expected 1 to 255 letters, digits and signs of ASCII",
            );
        }
    }
    if metric.dimensions.len() > 30 {
        findings.error(
            path.key("dimensions"),
            metric.dimensions.len(),
            "these are too many dimensions for CloudWatch, expected at most 30",
        );
    }
    if metric.target_value <= 0.0 {
        findings.error(
            path.key("target_value"),
            metric.target_value,
            "nothing can be tracked at this, expected more than 0",
        );
    }
}
