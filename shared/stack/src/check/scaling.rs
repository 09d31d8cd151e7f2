//! How the number of tasks follows the load.

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_open, listed};
use super::observation::percentage;
use super::schedule::check_named;
use crate::path::Path;
use crate::spec::{AdjustmentType, ContainerInsights, CustomMetric, Scaling, StepScaling};

/// ECS's limit for the tasks of a service.
const MOST_TASKS: u32 = 5000;

/// The Application Auto Scaling User Guide, "Quotas for Application Auto Scaling": of a policy, and of a target.
const MOST_STEPS: usize = 20;
const MOST_SCHEDULED: usize = 200;

/// The metrics that ECS has of each service: the Amazon ECS Developer Guide, "Amazon ECS CloudWatch metrics".
const OF_SERVICES: [&str; 2] = ["CPUUtilization", "MemoryUtilization"];

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    let Some(scaling) = &service.spec.scaling else {
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
    check_queues(service, scaling, &path, findings);
    check_steps(scaling, &path, findings);
    check_scheduled(scaling, &path, findings);
    let by_tasks = cpu.is_some() || memory.is_some() || requests.is_some();
    let mut steps = scaling.steps.iter();
    // What can be there while no task is.
    let by_others = !scaling.custom_metrics.is_empty()
        || !scaling.queues.is_empty()
        || steps.any(|step| step.namespace.is_some())
        || !scaling.scheduled.is_empty();
    if !by_tasks && !by_others && scaling.steps.is_empty() {
        findings.error_without_value(
            &path,
            "there is nothing to scale by, expected at least one of `target_cpu_utilization`, \
             `target_memory_utilization`, `target_requests_per_task`, `custom_metrics`, `queues`, `steps` and \
             `scheduled`",
        );
    } else if scaling.min_capacity == 0 && !by_others {
        findings.warning(
            path.key("min_capacity"),
            0,
            "a service without tasks has no CPU, memory and requests that could bring it back; add one of \
             `custom_metrics` or `queues`, or let `min_capacity` be 1",
        );
    }
}

/// The Amazon SQS API Reference, CreateQueue: a queue's name has at most 80 characters, and that of a FIFO queue ends in
/// `.fifo`.
fn check_queues(service: &Checked<'_>, scaling: &Scaling, path: &Path, findings: &mut Findings) {
    for (index, queue) in scaling.queues.iter().enumerate() {
        let path = path.key("queues").index(index);
        let name = queue.queue_name.as_str();
        let plain = name.strip_suffix(".fifo").unwrap_or(name);
        let is_name = !plain.is_empty()
            && name.len() <= 80
            && plain
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_name && !is_open(name) {
            findings.error(
                path.key("queue_name"),
                name,
                "this is not a name of an SQS queue, expected letters, digits, hyphens and underscores, at most \
                 80; not its URL or ARN",
            );
        }
        check_target(
            path.key("target_messages_per_task"),
            queue.target_messages_per_task,
            findings,
        );
        if service.stack.cluster.container_insights == ContainerInsights::Disabled {
            findings.error(
                path.key("queue_name"),
                name,
                "how many tasks run is a metric of Container Insights, which the cluster does not have; leave \
                 `cluster.container_insights` out, or use `custom_metrics`",
            );
        }
    }
}

fn check_steps(scaling: &Scaling, path: &Path, findings: &mut Findings) {
    for (index, step) in scaling.steps.iter().enumerate() {
        let path = path.key("steps").index(index);
        match &step.namespace {
            Some(namespace) => check_names(
                &path,
                namespace,
                &step.metric_name,
                step.dimensions.len(),
                findings,
            ),
            None if !OF_SERVICES.contains(&step.metric_name.as_str()) => findings.error(
                path.key("metric_name"),
                &step.metric_name,
                format!(
                    "ECS does not have this metric of a service, expected {}, or the `namespace` of another one",
                    listed(&OF_SERVICES)
                ),
            ),
            None if !step.dimensions.is_empty() => findings.error(
                path.key("dimensions"),
                step.dimensions.len(),
                "without a `namespace` the metric is that of this service; leave them out",
            ),
            None => {}
        }
        if let Some(least) = step.min_adjustment_magnitude
            && (step.adjustment_type != AdjustmentType::PercentChangeInCapacity || least == 0)
        {
            findings.error(
                path.key("min_adjustment_magnitude"),
                least,
                "this is the fewest tasks of a step in percent, expected 1 or more, with `adjustment_type: \
                 PercentChangeInCapacity`",
            );
        }
        check_adjustments(scaling, step, &path, findings);
    }
}

fn check_adjustments(scaling: &Scaling, step: &StepScaling, path: &Path, findings: &mut Findings) {
    let path = path.key("step_adjustments");
    let (mut above, mut below): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for (index, adjustment) in step.step_adjustments.iter().enumerate() {
        let path = path.index(index);
        let (side, value, field) = match (adjustment.above, adjustment.below) {
            (Some(value), None) => (&mut above, value, "above"),
            (None, Some(value)) => (&mut below, value, "below"),
            _ => {
                findings.error_without_value(
                    &path,
                    "expected exactly one of `above` and `below`, a value of the metric",
                );
                continue;
            }
        };
        if side.contains(&value) {
            findings.error(
                path.key(field),
                value,
                "another step begins at this value; keep one of them",
            );
        }
        side.push(value);
        let change = adjustment.scaling_adjustment;
        let message = match step.adjustment_type {
            AdjustmentType::ExactCapacity if !(0..=MOST_TASKS as i32).contains(&change) => {
                "this is not a number of tasks, expected 0 to 5000"
            }
            AdjustmentType::PercentChangeInCapacity if change < -100 => {
                "there are not this many tasks to take away, expected at least -100 percent"
            }
            AdjustmentType::ChangeInCapacity | AdjustmentType::PercentChangeInCapacity
                if change == 0 =>
            {
                "the step changes nothing, expected more than 0 to add tasks, or less to take them away"
            }
            _ => continue,
        };
        findings.error(path.key("scaling_adjustment"), change, message);
    }
    if step.step_adjustments.is_empty() {
        findings.error_without_value(
            &path,
            "there is no step, expected at least one such as {above: 100, scaling_adjustment: 2}",
        );
    }
    for (side, field) in [(&above, "above"), (&below, "below")] {
        if side.len() > MOST_STEPS {
            findings.error(
                &path,
                side.len(),
                format!("these are too many steps with `{field}`, expected at most {MOST_STEPS}"),
            );
        }
    }
    let lowest = above.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if highest > lowest {
        findings.error(
            &path,
            highest,
            format!(
                "a value between {lowest} and {highest} is `above` one step and `below` another, so that both \
                 happen at once; expected every `below` to be at most the lowest `above`"
            ),
        );
    }
    let takes_away = step
        .step_adjustments
        .iter()
        .any(|adjustment| adjustment.scaling_adjustment < 0);
    let tracks = scaling.target_cpu_utilization.is_some()
        || scaling.target_memory_utilization.is_some()
        || scaling.target_requests_per_task.is_some()
        || !scaling.custom_metrics.is_empty()
        || !scaling.queues.is_empty();
    if takes_away && tracks {
        findings.warning_without_value(
            &path,
            "these steps take tasks away whatever the targets beside them say; leave that to the targets, or \
             the targets out",
        );
    }
}

fn check_scheduled(scaling: &Scaling, path: &Path, findings: &mut Findings) {
    let path = path.key("scheduled");
    if scaling.scheduled.len() > MOST_SCHEDULED {
        findings.error(
            &path,
            scaling.scheduled.len(),
            format!("these are too many for a service, expected at most {MOST_SCHEDULED}"),
        );
    }
    for (name, scheduled) in &scaling.scheduled {
        let path = path.key(name);
        check_named(
            &path,
            name,
            &scheduled.schedule_expression,
            &scheduled.schedule_expression_timezone,
            findings,
        );
        let (least, most) = (scheduled.min_capacity, scheduled.max_capacity);
        if least.is_none() && most.is_none() {
            findings.error_without_value(
                &path,
                "nothing would change, expected at least one of `min_capacity` and `max_capacity`",
            );
        }
        // What is left out stays as some other entry, or the service, says.
        let mut others = scaling.scheduled.values();
        let (field, value) = match (least, most) {
            (Some(least), Some(most)) if least > most => ("min_capacity", least),
            (Some(least), None) if least > scaling.most_tasks() => ("min_capacity", least),
            (None, Some(most))
                if most < scaling.min_capacity
                    && !others
                        .any(|other| other.min_capacity.is_some_and(|least| least <= most)) =>
            {
                ("max_capacity", most)
            }
            _ => continue,
        };
        findings.error(
            path.key(field),
            value,
            "the fewest tasks would be more than the most, expected `min_capacity` to be at most \
             `max_capacity`; say both",
        );
    }
    if let (Some((name, _)), true) = (
        scaling.scheduled.first_key_value(),
        scaling.scheduled.len() == 1,
    ) {
        findings.warning_without_value(
            path.key(name),
            "nothing sets these bounds back, so that the service keeps them after the first time; add another \
             entry that does",
        );
    }
}

fn check_metric(path: &Path, metric: &CustomMetric, findings: &mut Findings) {
    check_names(
        path,
        &metric.namespace,
        &metric.metric_name,
        metric.dimensions.len(),
        findings,
    );
    check_target(path.key("target_value"), metric.target_value, findings);
}

fn check_target(path: Path, value: f64, findings: &mut Findings) {
    if value <= 0.0 {
        findings.error(
            path,
            value,
            "nothing can be tracked at this, expected more than 0",
        );
    }
}

fn check_names(
    path: &Path,
    namespace: &String,
    metric_name: &String,
    dimensions: usize,
    findings: &mut Findings,
) {
    for (field, name) in [("namespace", namespace), ("metric_name", metric_name)] {
        if name.is_empty() || name.len() > 255 || !name.is_ascii() {
            findings.error(
                path.key(field),
                name,
                "CloudWatch does not allow this name, expected 1 to 255 letters, digits and signs of ASCII",
            );
        }
    }
    if dimensions > 30 {
        findings.error(
            path.key("dimensions"),
            dimensions,
            "these are too many dimensions for CloudWatch, expected at most 30",
        );
    }
}
