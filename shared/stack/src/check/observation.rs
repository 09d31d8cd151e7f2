//! Logs, flow logs, events and alarms.

use super::findings::Findings;
use super::forms::{is_arn, is_open, listed};
use crate::path::Path;
use crate::spec::{ContainerInsights, LogEncryption, Stack};

/// CloudWatch Logs keeps logs for this many days; other numbers it refuses.
const RETENTIONS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    let root = Path::default();
    let logs = root.key("logs");
    check_retention(&logs, stack.logs.retention_in_days, findings);
    if let Some(days) = stack
        .network
        .flow_logs
        .as_ref()
        .and_then(|logs| logs.retention_in_days)
    {
        check_retention(&root.key("network").key("flow_logs"), days, findings);
    }
    if let Some(days) = stack
        .events
        .as_ref()
        .and_then(|events| events.retention_in_days)
    {
        check_retention(&root.key("events"), days, findings);
    }
    match (&stack.logs.kms_key_id, stack.logs.encryption) {
        (None, LogEncryption::KmsKey) => findings.error(
            logs.key("encryption"),
            "kms_key",
            "the key is not named; add `kms_key_id`, or let `encryption` be `stack_key`",
        ),
        (Some(key), LogEncryption::KmsKey) if !is_arn(key, "kms", "") => findings.error(
            logs.key("kms_key_id"),
            key,
            "CloudWatch Logs takes the ARN of a key, expected one such as \
             arn:aws:kms:eu-west-1:111122223333:key/<id>",
        ),
        (Some(key), LogEncryption::AwsOwned | LogEncryption::StackKey) => findings.error(
            logs.key("kms_key_id"),
            key,
            "a key is named but not used; add `encryption: kms_key`, or leave it out",
        ),
        _ => {}
    }
    check_expectations(stack, findings);
    let Some(alarms) = &stack.alarms else {
        return;
    };
    let path = root.key("alarms");
    if stack.cluster.container_insights == ContainerInsights::Disabled {
        findings.warning(
            root.key("cluster").key("container_insights"),
            "disabled",
            "without Container Insights nothing reports how many tasks run, so the alarm for fewer than \
             wanted stays silent",
        );
    }
    for (index, action) in alarms.alarm_actions.iter().enumerate() {
        if !is_open(action) && !action.starts_with("arn:") {
            findings.error(
                path.key("alarm_actions").index(index),
                action,
                "this is not an ARN, expected one such as arn:aws:sns:eu-west-1:111122223333:alarms",
            );
        }
    }
    for (field, percent) in [
        ("cpu_utilization", alarms.cpu_utilization),
        ("memory_utilization", alarms.memory_utilization),
    ] {
        percentage(&path.key(field), percent, findings);
    }
    if alarms.target_5xx_count < 0.0 {
        findings.error(
            path.key("target_5xx_count"),
            alarms.target_5xx_count,
            "there are never fewer answers than none, expected 0 or more",
        );
    }
}

fn check_expectations(stack: &Stack, findings: &mut Findings) {
    let root = Path::default();
    let network = &stack.network;
    let flow_logs = network.flow_logs.as_ref();
    let events = stack.events.as_ref();
    let load_balancer = stack.load_balancer.as_ref();
    for (part, field, number) in [
        (
            "logs",
            "expected_gib_per_month",
            stack.logs.expected_gib_per_month,
        ),
        (
            "events",
            "expected_gib_per_month",
            events.and_then(|events| events.expected_gib_per_month),
        ),
        (
            "load_balancer",
            "expected_capacity_units",
            load_balancer.and_then(|load_balancer| load_balancer.expected_capacity_units),
        ),
        (
            "network",
            "expected_data_out_gib_per_month",
            network.expected_data_out_gib_per_month,
        ),
        (
            "network",
            "expected_cross_zone_gib_per_month",
            network.expected_cross_zone_gib_per_month,
        ),
    ] {
        expected(&root.key(part).key(field), number, findings);
    }
    expected(
        &root
            .key("network")
            .key("flow_logs")
            .key("expected_gib_per_month"),
        flow_logs.and_then(|logs| logs.expected_gib_per_month),
        findings,
    );
}

fn check_retention(path: &Path, days: u32, findings: &mut Findings) {
    if !RETENTIONS.contains(&days) {
        findings.error(
            path.key("retention_in_days"),
            days,
            format!(
                "CloudWatch Logs does not keep logs for {days} days, expected {}",
                listed(&RETENTIONS)
            ),
        );
    }
}

/// Checks a percentage of use, which is above 0 and at most 100.
pub(super) fn percentage(path: &Path, percent: f64, findings: &mut Findings) {
    if percent <= 0.0 || percent > 100.0 {
        findings.error(
            path,
            percent,
            "this is not a share of the whole, expected more than 0, at most 100",
        );
    }
}

/// Checks what only the estimate of costs reads.
pub(super) fn expected(path: &Path, number: Option<f64>, findings: &mut Findings) {
    if let Some(number) = number.filter(|number| *number < 0.0) {
        findings.error(
            path,
            number,
            "less than nothing cannot be expected, expected 0 or more",
        );
    }
}
