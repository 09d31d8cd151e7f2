//! Logs, alarms and events.

use schemars::JsonSchema;
use serde::Deserialize;

/// The services' logs: a log group each, `/ecs/<stack>/<service>`, which stays when the stack goes.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// How many days logs are kept; one of the numbers that CloudWatch Logs takes. Default: 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1, max = 3653))]
    pub retention_in_days: u32,
    /// With which key they are encrypted. Default: CloudWatch's own.
    #[serde(default)]
    pub encryption: LogEncryption,
    /// The KMS key; needed with, and only with, `encryption: kms_key`.
    pub kms_key_id: Option<String>,
    /// How many GiB a month are expected; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_gib_per_month: Option<f64>,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            retention_in_days: thirty(),
            encryption: LogEncryption::default(),
            kms_key_id: None,
            expected_gib_per_month: None,
        }
    }
}

/// With which key log groups are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogEncryption {
    /// CloudWatch's own key.
    #[default]
    AwsOwned,
    /// A KMS key of the stack's own, rotated yearly, which stays when the stack goes.
    StackKey,
    /// The KMS key `kms_key_id`, whose policy must let CloudWatch Logs use it.
    KmsKey,
}

/// CloudWatch alarms: high CPU and memory of each service, fewer running tasks than wanted (which
/// Container Insights has to report), failing requests and unhealthy targets behind the stack's own load
/// balancer, a full file system's throughput, full capacity.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alarms {
    /// What happens when one goes off or is over: SNS topics, for example.
    #[serde(default)]
    pub alarm_actions: Vec<String>,
    /// Percent of CPU that is too much for five minutes. Default: 90.
    #[serde(default = "ninety")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub cpu_utilization: f64,
    /// Percent of memory that is too much for five minutes. Default: 90.
    #[serde(default = "ninety")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub memory_utilization: f64,
    /// How many answers 5xx in five minutes are too many. Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 0.0))]
    pub target_5xx_count: f64,
}

/// Events of the stack's tasks, services, targets and scaling, kept in a log group.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// How many days they are kept. Default: as the stack's `logs` say.
    #[schemars(range(min = 1, max = 3653))]
    pub retention_in_days: Option<u32>,
    /// How many GiB a month are expected; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_gib_per_month: Option<f64>,
}

fn thirty() -> u32 {
    30
}

fn ninety() -> f64 {
    90.0
}

fn ten() -> f64 {
    10.0
}
