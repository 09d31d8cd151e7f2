//! Metrics in CloudWatch's embedded metric format: a line of the log that becomes a metric, without a
//! call. Shape: the Amazon CloudWatch User Guide, "Specification: Embedded metric format".

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Something that is counted or measured, in the namespace `Longshore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Events that did not have the shape they must have, and were acknowledged.
    MalformedEvents,
    /// Shards of a bottle sync that wait or are worked on: what a service of tasks scales by.
    PendingShards,
    /// Files that a bottle sync has transferred.
    SyncedFiles,
    SyncedBytes,
    /// Files that a bottle sync has given up.
    SyncFailedFiles,
    /// Seconds from a bottle sync's beginning to its end.
    SyncDuration,
    DeploymentsSucceeded,
    /// Seconds from the request of a deployment that succeeded, such as the push, to its end.
    DeploymentLeadTime,
    DeploymentsFailed,
    /// Those that failed, and whose service is stable again on what ran before.
    DeploymentsRolledBack,
    StackChangesFailed,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::MalformedEvents => "MalformedEvents",
            Self::PendingShards => "PendingShards",
            Self::SyncedFiles => "SyncedFiles",
            Self::SyncedBytes => "SyncedBytes",
            Self::SyncFailedFiles => "SyncFailedFiles",
            Self::SyncDuration => "SyncDuration",
            Self::DeploymentsSucceeded => "DeploymentsSucceeded",
            Self::DeploymentLeadTime => "DeploymentLeadTime",
            Self::DeploymentsFailed => "DeploymentsFailed",
            Self::DeploymentsRolledBack => "DeploymentsRolledBack",
            Self::StackChangesFailed => "StackChangesFailed",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::SyncedBytes => "Bytes",
            Self::SyncDuration | Self::DeploymentLeadTime => "Seconds",
            Self::MalformedEvents
            | Self::PendingShards
            | Self::SyncedFiles
            | Self::SyncFailedFiles
            | Self::DeploymentsSucceeded
            | Self::DeploymentsFailed
            | Self::DeploymentsRolledBack
            | Self::StackChangesFailed => "Count",
        }
    }
}

/// Counts one for `metric` of a function.
pub fn count(metric: Metric, function: &str) {
    write(("Function", function), &[(metric, 1)]);
}

/// What was measured of a stack.
pub fn measure(stack: &str, values: &[(Metric, u64)]) {
    write(("Stack", stack), values);
}

fn write(dimension: (&str, &str), values: &[(Metric, u64)]) {
    let milliseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    // A metric that cannot be written is not a reason to fail an event.
    let _ = writeln!(io::stdout(), "{}", line(dimension, values, milliseconds));
}

fn line(dimension: (&str, &str), values: &[(Metric, u64)], milliseconds: u128) -> Value {
    let (name, value) = dimension;
    let metrics: Vec<Value> = values
        .iter()
        .map(|(metric, _)| json!({"Name": metric.name(), "Unit": metric.unit()}))
        .collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": u64::try_from(milliseconds).unwrap_or_default(),
            "CloudWatchMetrics": [{
                "Namespace": "Longshore",
                "Dimensions": [[name]],
                "Metrics": metrics,
            }],
        },
        name: value,
    });
    for (metric, value) in values {
        line[metric.name()] = json!(value);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_line_that_cloudwatch_reads() {
        assert_eq!(
            line(
                ("Function", "deploy"),
                &[(Metric::MalformedEvents, 1)],
                1_700_000_000_000
            ),
            json!({
                "_aws": {
                    "Timestamp": 1_700_000_000_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Longshore",
                        "Dimensions": [["Function"]],
                        "Metrics": [{"Name": "MalformedEvents", "Unit": "Count"}],
                    }],
                },
                "Function": "deploy",
                "MalformedEvents": 1,
            })
        );
    }

    #[test]
    fn what_is_measured_together_is_one_line_with_units() {
        assert_eq!(
            line(
                ("Stack", "bottles"),
                &[
                    (Metric::SyncedFiles, 3),
                    (Metric::SyncedBytes, 4096),
                    (Metric::SyncDuration, 61),
                ],
                1_700_000_000_000
            ),
            json!({
                "_aws": {
                    "Timestamp": 1_700_000_000_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Longshore",
                        "Dimensions": [["Stack"]],
                        "Metrics": [
                            {"Name": "SyncedFiles", "Unit": "Count"},
                            {"Name": "SyncedBytes", "Unit": "Bytes"},
                            {"Name": "SyncDuration", "Unit": "Seconds"},
                        ],
                    }],
                },
                "Stack": "bottles",
                "SyncedFiles": 3,
                "SyncedBytes": 4096,
                "SyncDuration": 61,
            })
        );
    }
}
