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
