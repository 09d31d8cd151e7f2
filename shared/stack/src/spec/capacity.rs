//! EC2 capacity.

use longshore_policy::route::CpuArchitecture;
use schemars::JsonSchema;
use serde::Deserialize;

/// An Auto Scaling group of ECS container instances behind a capacity provider with managed scaling
/// and managed draining.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// The EC2 instance type: either this or `instance_types`.
    pub instance_type: Option<String>,
    /// Several EC2 instance types, of about one size: Spot instances come from those that EC2 has most of, others
    /// from the first one that it has.
    #[serde(default)]
    pub instance_types: Vec<String>,
    /// How many percent of the instances are Spot instances, beyond `on_demand_base_capacity`. Two minutes
    /// before EC2 takes one back, its tasks are stopped and started elsewhere. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub spot_percentage: u32,
    /// How many instances are on demand before `spot_percentage` counts. Default: 0.
    #[serde(default)]
    pub on_demand_base_capacity: u32,
    /// From which of the `instance_types` Spot instances come. Default: price-capacity-optimized.
    #[serde(default)]
    pub spot_allocation_strategy: SpotAllocationStrategy,
    /// The fewest instances. Default: 1.
    #[serde(default = "one")]
    pub min_size: u32,
    /// The most instances. Default: 4.
    #[serde(default = "four")]
    #[schemars(range(min = 1))]
    pub max_size: u32,
    /// The instances' architecture, which the ECS-optimised image must have. Default: X86_64.
    #[serde(default)]
    pub cpu_architecture: CpuArchitecture,
    /// The SSM parameter that names the image. Default: that of the recommended ECS-optimised Amazon
    /// Linux 2023 image of the architecture; with GPUs where a service on it has `gpu`.
    pub image_ssm_parameter: Option<String>,
    /// The subnets of the instances. Default: `network.subnet_ids`.
    pub subnet_ids: Option<Vec<String>>,
    /// Security groups of the instances. Default: one of its own that lets nothing in.
    #[serde(default)]
    pub security_group_ids: Vec<String>,
    /// How full, in percent, the instances are kept by managed scaling. Default: 100.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100))]
    pub target_capacity: u32,
    /// After how many seconds a new instance counts in metrics. Default: 300.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 0, max = 3600))]
    pub instance_warmup_period: u32,
    /// The size of the root volume in GiB; it is encrypted. Default: 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1, max = 16_384))]
    pub volume_size: u32,
    /// How many instances run in a month of 730 hours on average; only the estimate of costs reads it.
    /// Default: `min_size`.
    #[schemars(range(min = 0.0))]
    pub expected_instance_count: Option<f64>,
}

/// From which of several instance types Spot instances come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpotAllocationStrategy {
    /// From those that EC2 is least likely to take back, and of these the cheapest.
    #[default]
    PriceCapacityOptimized,
    /// From those that EC2 is least likely to take back.
    CapacityOptimized,
    /// From those, but the first ones of the list before others.
    CapacityOptimizedPrioritized,
    /// From the cheapest ones, which EC2 takes back most often.
    LowestPrice,
}

impl SpotAllocationStrategy {
    /// As EC2 Auto Scaling names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PriceCapacityOptimized => "price-capacity-optimized",
            Self::CapacityOptimized => "capacity-optimized",
            Self::CapacityOptimizedPrioritized => "capacity-optimized-prioritized",
            Self::LowestPrice => "lowest-price",
        }
    }
}

impl Capacity {
    /// The types of its instances, the first choice first.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        let types = self.instance_type.iter().chain(&self.instance_types);
        types.map(String::as_str)
    }

    /// Whether its instances are not simply all of one type and on demand.
    pub fn is_mixed(&self) -> bool {
        !self.instance_types.is_empty() || self.spot_percentage > 0
    }
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
