//! Runs of a service's task by the clock.

use std::collections::BTreeMap;

use longshore_events::ecs::RunLimits;
use schemars::JsonSchema;
use serde::Deserialize;

use super::values::Text;

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
    #[schemars(range(min = 1, max = 10))]
    pub task_count: u32,
    /// Takes the place of the container's command.
    #[serde(default)]
    pub command: Vec<String>,
    /// Environment variables of a run, besides the container's own. Secrets do not belong here.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// CPU units of a run's task, 1024 a vCPU. Default: the service's.
    pub cpu: Option<u32>,
    /// MiB of memory of a run's task. Default: the service's.
    pub memory: Option<u32>,
    /// For how long EventBridge Scheduler tries to start a run that ECS refuses, for lack of capacity for example. It knows
    /// nothing of a task that was started: `retries` is for those.
    #[serde(default)]
    pub retry_policy: RetryPolicy,
    /// For how many seconds a task may run. Longshore looks every 15 minutes, stops one that has run longer, and reports it.
    /// Default: as long as it likes.
    #[schemars(range(min = 60, max = 1_209_600))]
    pub timeout: Option<u32>,
    /// How often Longshore starts a task again that failed: whose container exited with another code than 0, or that never
    /// started. One that was stopped, by its timeout or by somebody, is not started again. Only the last failure is
    /// reported. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10))]
    pub retries: u32,
    /// How many minutes a run takes; only the estimate of costs reads it.
    pub expected_minutes: Option<u32>,
}

/// For how long EventBridge Scheduler tries to start a run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// How often it tries again, 0 to 185. Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 185))]
    pub maximum_retry_attempts: u32,
    /// For how many seconds after its time a run may still start, 60 to 86,400. Default: 3600.
    #[serde(default = "an_hour")]
    #[schemars(range(min = 60, max = 86_400))]
    pub maximum_event_age_in_seconds: u32,
}

impl Default for RetryPolicy {
    /// A run that could not be started for a while is not made up for: the next one comes.
    fn default() -> Self {
        Self {
            maximum_retry_attempts: ten(),
            maximum_event_age_in_seconds: an_hour(),
        }
    }
}

impl Schedule {
    /// What Longshore does about a task that was started; nothing, where nothing is said. `ecs_service` is the service
    /// whose network and capacity a task has that is started again.
    pub fn limits(&self, ecs_service: &str) -> Option<RunLimits> {
        (self.timeout.is_some() || self.retries > 0).then(|| RunLimits {
            service: ecs_service.to_owned(),
            timeout: self.timeout,
            retries: self.retries,
            attempt: 1,
        })
    }
}

fn one() -> u32 {
    1
}

fn ten() -> u32 {
    10
}

fn an_hour() -> u32 {
    3600
}

fn utc() -> String {
    "UTC".to_owned()
}
