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
/// anything is above its target, one less when nothing is. While no task runs, only `custom_metrics`,
/// `queues`, `steps` and `scheduled` can start one.
///
/// `steps` come on top of the targets: each has alarms and policies of its own. Of all that ask for more
/// tasks at once, Application Auto Scaling takes what leads to the most. `scheduled` moves `min_capacity` and
/// `max_capacity`, between which all the others work.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// The fewest tasks; 0 is allowed. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 5000))]
    pub min_capacity: u32,
    /// The most tasks.
    #[schemars(range(min = 1, max = 5000))]
    pub max_capacity: u32,
    /// Percent of the CPU to stay at.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub target_cpu_utilization: Option<f64>,
    /// Percent of the memory to stay at.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub target_memory_utilization: Option<f64>,
    /// Requests a minute and task to stay at; only behind the stack's load balancer.
    #[schemars(range(min = 0.0))]
    pub target_requests_per_task: Option<f64>,
    /// Metrics of one's own.
    #[serde(default)]
    pub custom_metrics: Vec<CustomMetric>,
    /// SQS queues whose messages the tasks work off; the number of running tasks comes from Container
    /// Insights.
    #[serde(default)]
    pub queues: Vec<QueueBacklog>,
    /// Steps by the value of a metric.
    #[serde(default)]
    pub steps: Vec<StepScaling>,
    /// Other bounds by the clock, by name.
    #[serde(default)]
    pub scheduled: BTreeMap<String, ScheduledCapacity>,
    /// How many seconds lie at least between two steps out. Default: 60.
    #[serde(default = "minute")]
    pub scale_out_cooldown: u32,
    /// How many seconds lie at least between two steps in. Default: 300.
    #[serde(default = "five_minutes")]
    pub scale_in_cooldown: u32,
    /// After how many minutes above a target tasks are added. Default of step scaling: 3.
    #[schemars(range(min = 1, max = 1440))]
    pub scale_out_evaluation_periods: Option<u32>,
    /// After how many minutes below all of it tasks are taken away. Default of step scaling: 15.
    #[schemars(range(min = 1, max = 1440))]
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
    #[schemars(range(min = 0.0))]
    pub target_value: f64,
}

/// An SQS queue whose messages a service works off.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueBacklog {
    /// The queue's name.
    pub queue_name: Text,
    /// How many visible messages a running task stays at: about the seconds that a message may wait, divided
    /// by the seconds that it takes.
    #[schemars(range(min = 0.0))]
    pub target_messages_per_task: f64,
}

/// Tasks that are added or taken away in steps, the more the farther a metric is from its threshold.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepScaling {
    /// The metric's namespace. Default: AWS/ECS, and the metric of this service there.
    pub namespace: Option<String>,
    /// The metric's name; `CPUUtilization` or `MemoryUtilization` without a `namespace`.
    pub metric_name: String,
    /// The metric's dimensions.
    #[serde(default)]
    pub dimensions: BTreeMap<String, Text>,
    /// Default: Average.
    #[serde(default)]
    pub statistic: Statistic,
    /// The steps. Those with `above` count from the lowest one on, those with `below` from the highest one down.
    pub step_adjustments: Vec<StepAdjustment>,
    /// What `scaling_adjustment` is. Default: ChangeInCapacity.
    #[serde(default)]
    pub adjustment_type: AdjustmentType,
    /// The fewest tasks that a step adds or takes away; with `PercentChangeInCapacity` only.
    #[schemars(range(min = 1))]
    pub min_adjustment_magnitude: Option<u32>,
    /// For how many minutes the metric must be there. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1440))]
    pub evaluation_periods: u32,
    /// How many seconds lie at least between two steps. Default: `scale_out_cooldown` for `above`,
    /// `scale_in_cooldown` for `below`.
    pub cooldown: Option<u32>,
}

/// What happens at a value of a metric: exactly one of `above` and `below`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepAdjustment {
    /// Above this value, up to the next higher `above`.
    pub above: Option<f64>,
    /// Below this value, down to the next lower `below`.
    pub below: Option<f64>,
    /// How many tasks are added, or with a minus taken away; percent with `PercentChangeInCapacity`; with
    /// `ExactCapacity` how many there are then.
    #[schemars(range(min = -5000, max = 2_147_483_647))]
    pub scaling_adjustment: i32,
}

/// What a step's number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum AdjustmentType {
    /// A number of tasks.
    #[default]
    ChangeInCapacity,
    /// Percent of the tasks that there are.
    PercentChangeInCapacity,
    /// How many tasks there are then.
    ExactCapacity,
}

impl AdjustmentType {
    /// As Application Auto Scaling names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChangeInCapacity => "ChangeInCapacity",
            Self::PercentChangeInCapacity => "PercentChangeInCapacity",
            Self::ExactCapacity => "ExactCapacity",
        }
    }
}

/// Bounds that a service gets at a time, and has until another entry changes them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduledCapacity {
    /// `rate(…)`, `cron(…)` or `at(…)`, as in `schedules`.
    pub schedule_expression: String,
    /// The time zone of `cron` and `at`. Default: UTC.
    #[serde(default = "utc")]
    pub schedule_expression_timezone: String,
    /// The fewest tasks from then on. Default: as before.
    #[schemars(range(min = 0, max = 5000))]
    pub min_capacity: Option<u32>,
    /// The most tasks from then on. Default: as before.
    #[schemars(range(min = 0, max = 5000))]
    pub max_capacity: Option<u32>,
}

impl Scaling {
    /// The most tasks that it ever allows.
    pub fn most_tasks(&self) -> u32 {
        let scheduled = self.scheduled.values();
        scheduled
            .filter_map(|scheduled| scheduled.max_capacity)
            .fold(self.max_capacity, u32::max)
    }
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

fn utc() -> String {
    "UTC".to_owned()
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
