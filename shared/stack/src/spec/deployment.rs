//! How ECS replaces tasks.

use schemars::JsonSchema;
use serde::Deserialize;

use super::circuit_breaker::DeploymentCircuitBreaker;

/// How deployments replace tasks.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentConfiguration {
    /// Default: ROLLING.
    #[serde(default)]
    pub strategy: DeploymentStrategy,
    /// Percent of the wanted tasks that stay healthy; for `ROLLING`. Default: 100.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0, max = 100))]
    pub minimum_healthy_percent: u32,
    /// Percent of the wanted tasks that may run at once; for `ROLLING`. Default: 200.
    #[serde(default = "two_hundred")]
    #[schemars(range(min = 100, max = 200))]
    pub maximum_percent: u32,
    /// Whether a deployment whose tasks keep failing is given up and rolled back. Default: true. A map says
    /// how many may fail.
    #[serde(default)]
    pub deployment_circuit_breaker: DeploymentCircuitBreaker,
    /// For how many minutes the old tasks stay when all requests go to the new ones, so that going back
    /// takes no time; for all strategies but `ROLLING`. Default: 5.
    #[schemars(range(min = 0, max = 1440))]
    pub bake_time_in_minutes: Option<u32>,
    /// The steps of `LINEAR`.
    pub linear: Option<Linear>,
    /// The first step of `CANARY`.
    pub canary: Option<Canary>,
    /// CloudWatch alarms that roll a deployment back, by name. `target_5xx_count` is the stack's own alarm
    /// for the service's errors behind the load balancer.
    #[serde(default)]
    pub alarms: Vec<String>,
}

/// How new tasks take the place of old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeploymentStrategy {
    /// Some tasks at a time.
    #[default]
    Rolling,
    /// All new tasks are started beside the old ones, then requests go to them at once.
    BlueGreen,
    /// As `BLUE_GREEN`, but requests go to the new tasks step by step.
    Linear,
    /// As `BLUE_GREEN`, but only some requests go to the new tasks at first.
    Canary,
}

/// Equal steps in which requests go to the new tasks.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// How many percent of the requests are added in each step, 3.0 to 100.0. Default: 10.
    #[serde(default = "ten_percent")]
    #[schemars(range(min = 3.0, max = 100.0))]
    pub step_percent: f64,
    /// How many minutes lie between two steps. Default: 6.
    #[serde(default = "six")]
    #[schemars(range(min = 0, max = 1440))]
    pub step_bake_time_in_minutes: u32,
}

/// Some requests go to the new tasks first.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// How many percent of the requests, 0.1 to 100.0. Default: 5.
    #[serde(default = "five_percent")]
    #[schemars(range(min = 0.1, max = 100.0))]
    pub percent: f64,
    /// For how many minutes, before all go there. Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 1440))]
    pub bake_time_in_minutes: u32,
}

impl DeploymentConfiguration {
    /// The name by which `alarms` means the stack's own alarm for errors behind the load balancer.
    pub const TARGET_ERRORS: &str = "target_5xx_count";

    /// For how many minutes the old tasks stay when all requests go to the new ones; none of `ROLLING`.
    pub fn bake_time(&self) -> Option<u32> {
        match self.strategy {
            DeploymentStrategy::Rolling => None,
            _ => Some(self.bake_time_in_minutes.unwrap_or(5)),
        }
    }

    /// The steps of `LINEAR`, and of no other strategy.
    pub fn steps(&self) -> Option<Linear> {
        (self.strategy == DeploymentStrategy::Linear)
            .then(|| self.linear.clone().unwrap_or_default())
    }

    /// The first step of `CANARY`, and of no other strategy.
    pub fn first_step(&self) -> Option<Canary> {
        (self.strategy == DeploymentStrategy::Canary)
            .then(|| self.canary.clone().unwrap_or_default())
    }

    /// How many minutes a deployment waits at least, by its bake times.
    pub fn waiting_minutes(&self) -> u32 {
        let steps = self.steps().map_or(0, |linear| {
            // After the last step ECS does not wait (the Amazon ECS API Reference, LinearConfiguration).
            let steps = (100.0 / linear.step_percent.clamp(1.0, 100.0)).ceil() as u32;
            (steps - 1).saturating_mul(linear.step_bake_time_in_minutes)
        });
        let first = self
            .first_step()
            .map_or(0, |canary| canary.bake_time_in_minutes);
        self.bake_time()
            .unwrap_or(0)
            .saturating_add(steps)
            .saturating_add(first)
    }
}

impl DeploymentStrategy {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rolling => "ROLLING",
            Self::BlueGreen => "BLUE_GREEN",
            Self::Linear => "LINEAR",
            Self::Canary => "CANARY",
        }
    }
}

impl Default for DeploymentConfiguration {
    fn default() -> Self {
        Self {
            strategy: DeploymentStrategy::default(),
            minimum_healthy_percent: hundred(),
            maximum_percent: two_hundred(),
            deployment_circuit_breaker: DeploymentCircuitBreaker::default(),
            bake_time_in_minutes: None,
            linear: None,
            canary: None,
            alarms: Vec::new(),
        }
    }
}

impl Default for Linear {
    fn default() -> Self {
        Self {
            step_percent: ten_percent(),
            step_bake_time_in_minutes: six(),
        }
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            percent: five_percent(),
            bake_time_in_minutes: ten(),
        }
    }
}

fn hundred() -> u32 {
    100
}

fn two_hundred() -> u32 {
    200
}

fn ten_percent() -> f64 {
    10.0
}

fn five_percent() -> f64 {
    5.0
}

fn six() -> u32 {
    6
}

fn ten() -> u32 {
    10
}
