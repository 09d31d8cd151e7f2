//! Logs, metrics, alarms and dashboards.

use serde_json::Value;

use crate::render::{Context, render};
use crate::spec::{ContainerInsights, LogEncryption, Stack};

use super::amounts::Quantity;
use super::bill::Bill;
use super::estimate::HOURS_PER_MONTH;

pub(super) fn logs(stack: &Stack, bill: &mut Bill<'_>) {
    if stack.logs.encryption == LogEncryption::StackKey {
        bill.charge("logs", "KMS key", "kms_key", Quantity::whole(1));
        bill.assume("logs: the key is in its first year; each of its first two rotations adds a key's price".to_owned());
    }
    let kept = stack.logs.retention_in_days;
    let mut kinds = vec![(
        "logs",
        "logs_ingestion",
        stack.logs.expected_gib_per_month,
        kept,
    )];
    if let Some(flow_logs) = &stack.network.flow_logs {
        kinds.push((
            "network.flow_logs",
            "logs_delivery",
            flow_logs.expected_gib_per_month,
            flow_logs.retention_in_days.unwrap_or(kept),
        ));
    }
    if let Some(events) = &stack.events {
        kinds.push((
            "events",
            "logs_ingestion",
            events.expected_gib_per_month,
            events.retention_in_days.unwrap_or(kept),
        ));
    }
    for (resource, price, expected, days) in kinds {
        let field = format!("{resource}.expected_gib_per_month");
        bill.charge_expected(
            resource,
            "CloudWatch Logs, taken in",
            price,
            expected,
            &field,
            |gib| gib,
        );
        bill.charge_expected(
            resource,
            "CloudWatch Logs, kept",
            "logs_storage",
            expected,
            &field,
            // What comes in a month stays for this many of its hours.
            |gib| gib.scaled(u128::from(days) * 24, HOURS_PER_MONTH.into()),
        );
    }
    bill.assume(
        "logs are kept for their whole retention already, and are not compressed".to_owned(),
    );
}

pub(super) fn metrics(stack: &Stack, bill: &mut Bill<'_>) {
    container_insights(stack, bill);
    let alarms = Alarms::of(stack);
    bill.charge(
        "alarms",
        "alarms of the stack",
        "alarm",
        Quantity::whole(alarms.own),
    );
    bill.charge(
        "services",
        "alarms that scaling makes",
        "alarm",
        Quantity::whole(alarms.of_scaling),
    );
    if stack.dashboard {
        bill.charge("dashboard", "dashboard", "dashboard", Quantity::whole(1));
    }
}

fn container_insights(stack: &Stack, bill: &mut Bill<'_>) {
    let resource = "cluster";
    let item = "Container Insights metrics";
    match stack.cluster.container_insights {
        _ if !stack.has_cluster() => {}
        ContainerInsights::Disabled => {}
        ContainerInsights::Enhanced => bill.charge_unknown(
            resource,
            item,
            "metric",
            "how many metrics enhanced observability makes is not known here",
        ),
        ContainerInsights::Enabled => {
            let Some(counts) = &bill.prices.container_insights else {
                return bill.charge_unknown(
                    resource,
                    item,
                    "metric",
                    "how many metrics Container Insights makes is not among the prices",
                );
            };
            let services = stack.services.len() as u64;
            // Every service has a task definition's family of its own.
            let a_service = counts
                .metrics_per_service
                .saturating_add(counts.metrics_per_task_definition_family);
            // The metrics of a cluster that exists are paid for with that cluster.
            let of_cluster = match stack.cluster.existing {
                Some(_) => 0,
                None => counts.metrics_per_cluster,
            };
            let metrics = services
                .saturating_mul(a_service)
                .saturating_add(of_cluster);
            bill.charge(resource, item, "metric", Quantity::whole(metrics));
            bill.assume(
                "cluster: Container Insights makes its metrics in every hour, also where no task runs"
                    .to_owned(),
            );
        }
    }
}

/// How many metrics alarms look at, which is what is charged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Alarms {
    /// Those in the template.
    own: u64,
    /// Those that target tracking and managed scaling make by themselves, two each.
    of_scaling: u64,
}

impl Alarms {
    fn of(stack: &Stack) -> Self {
        let body = render(stack, &Context::default()).body;
        let template: Value = serde_json::from_str(&body).unwrap_or_default();
        let resources = template["Resources"].as_object();
        let mut alarms = Self::default();
        for resource in resources
            .into_iter()
            .flat_map(|resources| resources.values())
        {
            let properties = &resource["Properties"];
            match resource["Type"].as_str() {
                Some("AWS::CloudWatch::Alarm") => alarms.own += metrics_of(properties),
                Some("AWS::ApplicationAutoScaling::ScalingPolicy")
                    if properties["PolicyType"] == "TargetTrackingScaling" =>
                {
                    alarms.of_scaling += 2;
                }
                Some("AWS::ECS::CapacityProvider") => alarms.of_scaling += 2,
                _ => {}
            }
        }
        alarms
    }
}

/// An alarm on an expression is charged for every metric in it.
fn metrics_of(properties: &Value) -> u64 {
    let metrics = properties["Metrics"].as_array();
    metrics.map_or(1, |metrics| {
        let is_metric = |metric: &&Value| metric.get("MetricStat").is_some();
        metrics.iter().filter(is_metric).count() as u64
    })
}
