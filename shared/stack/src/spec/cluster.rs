//! The ECS cluster.

use schemars::JsonSchema;
use serde::Deserialize;

/// The ECS cluster: one of the stack's own, or one that exists.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The cluster's name. Default: the stack's.
    pub cluster_name: Option<String>,
    /// The name of a cluster that exists, such as another stack's. The stack makes none then.
    pub existing: Option<String>,
    /// CloudWatch Container Insights; of a cluster that exists, what that one has. Default: enabled.
    #[serde(default)]
    pub container_insights: ContainerInsights,
}

/// How much Container Insights sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerInsights {
    /// Metrics of cluster, services and tasks.
    #[default]
    Enabled,
    /// Metrics of containers as well.
    Enhanced,
    /// None; nothing is charged.
    Disabled,
}
