//! On which instances tasks are placed.

use schemars::JsonSchema;
use serde::Deserialize;

/// Of what a service has as many tasks as it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SchedulingStrategy {
    /// As many as `desired_count` or `scaling` say.
    #[default]
    Replica,
    /// One on each of the stack's EC2 instances that its `placement_constraints` allow: an agent. Without
    /// `capacity_provider_strategy`, which ECS does not take with it.
    Daemon,
}

/// By what ECS chooses an instance for a task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlacementStrategy {
    /// How it chooses.
    pub r#type: PlacementStrategyType,
    /// Of `spread`: `instanceId` or an attribute, such as `attribute:ecs.availability-zone`. Of `binpack`: `cpu`
    /// or `memory`.
    pub field: Option<String>,
}

/// How ECS chooses an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlacementStrategyType {
    /// The one with the least left of `field`, so that few instances are needed.
    Binpack,
    /// Any.
    Random,
    /// As many tasks for each value of `field`.
    Spread,
}

impl PlacementStrategyType {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binpack => "binpack",
            Self::Random => "random",
            Self::Spread => "spread",
        }
    }
}

/// On which instances tasks may be placed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlacementConstraint {
    /// What it asks for.
    pub r#type: PlacementConstraintType,
    /// Of `memberOf`: an expression of ECS's cluster query language, such as
    /// `attribute:ecs.instance-type =~ g4dn.*`.
    pub expression: Option<String>,
}

/// What a constraint asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlacementConstraintType {
    /// Each task on an instance of its own.
    DistinctInstance,
    /// Instances that the expression is true of.
    MemberOf,
}

impl PlacementConstraintType {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DistinctInstance => "distinctInstance",
            Self::MemberOf => "memberOf",
        }
    }
}
