//! How the number of a service's tasks follows its load.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::Text;

/// Between how many tasks the service scales, and by what.
///
/// Each target is tracked by CloudWatch alarms that AWS makes (three minutes to scale out, fifteen to
/// scale in). With `scale_out_evaluation_periods` or `scale_in_evaluation_periods`, or a `min_capacity`
/// of 0, the stack has step scaling and alarms of its own instead, which go by minutes: a task more when
/// anything is above its target, one less when nothing is. While no task runs, only `custom_metrics` can
/// start one.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// The fewest tasks; 0 is allowed. Default: 1.
    #[serde(default = "one")]
    pub min_capacity: u32,
    /// The most tasks.
    pub max_capacity: u32,
    /// Percent of the CPU to stay at.
    pub target_cpu_utilization: Option<f64>,
    /// Percent of the memory to stay at.
    pub target_memory_utilization: Option<f64>,
    /// Requests a minute and task to stay at; only behind the stack's load balancer.
    pub target_requests_per_task: Option<f64>,
    /// Metrics of one's own.
    #[serde(default)]
    pub custom_metrics: Vec<CustomMetric>,
    /// How many seconds lie at least between two steps out. Default: 60.
    #[serde(default = "minute")]
    pub scale_out_cooldown: u32,
    /// How many seconds lie at least between two steps in. Default: 300.
    #[serde(default = "five_minutes")]
    pub scale_in_cooldown: u32,
    /// After how many minutes above a target tasks are added. Default of step scaling: 3.
    pub scale_out_evaluation_periods: Option<u32>,
    /// After how many minutes below all of it tasks are taken away. Default of step scaling: 15.
    pub scale_in_evaluation_periods: Option<u32>,
}

/// A CloudWatch metric of one's own that a service scales by.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomMetric {
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name.
    pub metric_name: String,
    /// The metric's dimensions.
    #[serde(default)]
    pub dimensions: BTreeMap<String, Text>,
    /// Default: Average.
    #[serde(default)]
    pub statistic: Statistic,
    /// The value to stay at.
    pub target_value: f64,
}

/// What is made of a metric's values in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Statistic {
    /// Their average.
    #[default]
    Average,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// How many there were.
    SampleCount,
    /// Their sum.
    Sum,
}

fn one() -> u32 {
    1
}

fn minute() -> u32 {
    60
}

fn five_minutes() -> u32 {
    300
}
