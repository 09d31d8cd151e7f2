//! EC2 capacity.

use longshore_policy::route::CpuArchitecture;
use schemars::JsonSchema;
use serde::Deserialize;

/// An Auto Scaling group of ECS container instances behind a capacity provider with managed scaling
/// and managed draining.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// The EC2 instance type.
    pub instance_type: String,
    /// The fewest instances. Default: 1.
    #[serde(default = "one")]
    pub min_size: u32,
    /// The most instances. Default: 4.
    #[serde(default = "four")]
    pub max_size: u32,
    /// The instances' architecture, which the ECS-optimised image must have. Default: X86_64.
    #[serde(default)]
    pub cpu_architecture: CpuArchitecture,
    /// The SSM parameter that names the image. Default: that of the recommended ECS-optimised Amazon
    /// Linux 2023 image of the architecture.
    pub image_ssm_parameter: Option<String>,
    /// The subnets of the instances. Default: `network.subnet_ids`.
    pub subnet_ids: Option<Vec<String>>,
    /// Security groups of the instances. Default: one of its own that lets nothing in.
    #[serde(default)]
    pub security_group_ids: Vec<String>,
    /// How full, in percent, the instances are kept by managed scaling. Default: 100.
    #[serde(default = "hundred")]
    pub target_capacity: u32,
    /// After how many seconds a new instance counts in metrics. Default: 300.
    #[serde(default = "five_minutes")]
    pub instance_warmup_period: u32,
    /// The size of the root volume in GiB; it is encrypted. Default: 30.
    #[serde(default = "thirty")]
    pub volume_size: u32,
    /// How many instances run in a month of 730 hours on average; only the estimate of costs reads it.
    /// Default: `min_size`.
    pub expected_instance_count: Option<f64>,
}

fn one() -> u32 {
    1
}

fn four() -> u32 {
    4
}

fn hundred() -> u32 {
    100
}

fn five_minutes() -> u32 {
    300
}

fn thirty() -> u32 {
    30
}

/// The capacity providers that every account has.
pub(crate) const FARGATE: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// Whether tasks of this capacity provider run on Fargate, and not on instances.
pub(crate) fn is_fargate(capacity_provider: &str) -> bool {
    FARGATE.contains(&capacity_provider)
}
