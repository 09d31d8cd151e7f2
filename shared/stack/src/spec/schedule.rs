//! Runs of a service's task by the clock.

use schemars::JsonSchema;
use serde::Deserialize;

/// Runs of the service's task by the clock, beside the service, always with its newest revision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// `rate(…)`, `cron(…)` or `at(…)`, as EventBridge Scheduler takes it.
    pub schedule_expression: String,
    /// The time zone of `cron` and `at`. Default: UTC.
    #[serde(default = "utc")]
    pub schedule_expression_timezone: String,
    /// How many tasks are started. Default: 1.
    #[serde(default = "one")]
    pub task_count: u32,
    /// Takes the place of the container's command.
    #[serde(default)]
    pub command: Vec<String>,
    /// How many minutes a run takes; only the estimate of costs reads it.
    pub expected_minutes: Option<u32>,
}

fn one() -> u32 {
    1
}

fn utc() -> String {
    "UTC".to_owned()
}
