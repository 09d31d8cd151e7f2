//! When ECS gives a deployment up.

use schemars::JsonSchema;
use serde::Deserialize;

/// Whether a deployment whose tasks keep failing is given up, or how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DeploymentCircuitBreaker {
    /// On, with a rollback, or off.
    Switch(bool),
    /// On or off, in all its parts.
    Settings(CircuitBreaker),
}

/// A deployment circuit breaker as ECS has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CircuitBreaker {
    /// Whether a deployment whose tasks keep failing is given up. Default: true.
    #[serde(default = "yes")]
    pub enable: bool,
    /// Whether ECS then goes back to the last deployment that succeeded. Default: true.
    #[serde(default = "yes")]
    pub rollback: bool,
    /// Whether a task that becomes healthy sets the count of failed tasks back to 0. Default: true.
    pub reset_on_healthy_task: Option<bool>,
    /// How many tasks may fail. Default: half the wanted ones, at least 3 and at most 200.
    pub threshold_configuration: Option<CircuitBreakerThreshold>,
}

/// How many tasks of a deployment may fail before it is given up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CircuitBreakerThreshold {
    /// What `value` counts.
    pub r#type: CircuitBreakerThresholdType,
    /// The number of tasks, or the percentage of the wanted ones.
    #[schemars(range(min = 1))]
    pub value: u32,
}

/// What a threshold counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CircuitBreakerThresholdType {
    /// Tasks.
    Count,
    /// Percent of the wanted tasks, at least 3 and at most 200 of them.
    BoundedPercent,
    /// Percent of the wanted tasks.
    UnboundedPercent,
}

impl CircuitBreakerThresholdType {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::BoundedPercent => "BOUNDED_PERCENT",
            Self::UnboundedPercent => "UNBOUNDED_PERCENT",
        }
    }
}

impl DeploymentCircuitBreaker {
    /// In all its parts.
    pub fn settings(&self) -> CircuitBreaker {
        match self {
            Self::Switch(enable) => CircuitBreaker {
                enable: *enable,
                rollback: *enable,
                reset_on_healthy_task: None,
                threshold_configuration: None,
            },
            Self::Settings(settings) => settings.clone(),
        }
    }
}

impl Default for DeploymentCircuitBreaker {
    fn default() -> Self {
        Self::Switch(true)
    }
}

fn yes() -> bool {
    true
}
