//! Metrics in CloudWatch's embedded metric format: a line of the log that becomes a metric, without a
//! call. Shape: the Amazon CloudWatch User Guide, "Specification: Embedded metric format".

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Something that is counted, in the namespace `Longshore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Events that did not have the shape they must have, and were acknowledged.
    MalformedEvents,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::MalformedEvents => "MalformedEvents",
        }
    }
}

/// Counts one for `metric` of a function.
pub fn count(metric: Metric, function: &str) {
    let milliseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    // A metric that cannot be written is no reason to fail an event.
    let _ = writeln!(io::stdout(), "{}", line(metric, function, milliseconds));
}

fn line(metric: Metric, function: &str, milliseconds: u128) -> Value {
    json!({
        "_aws": {
            "Timestamp": u64::try_from(milliseconds).unwrap_or_default(),
            "CloudWatchMetrics": [{
                "Namespace": "Longshore",
                "Dimensions": [["Function"]],
                "Metrics": [{"Name": metric.name(), "Unit": "Count"}],
            }],
        },
        "Function": function,
        metric.name(): 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_line_that_cloudwatch_reads() {
        assert_eq!(
            line(Metric::MalformedEvents, "deploy", 1_700_000_000_000),
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
}
