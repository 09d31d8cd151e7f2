//! Routes: which services follow a repository.

use longshore_events::arn::ServiceName;
use serde::{Deserialize, Serialize};

use crate::policy::ImagePolicy;
use crate::settings::RolloutSettings;

/// `routes/<repository>.json` in the state bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The ECR repository's name; the same as in the key.
    pub repository: String,
    /// Who follows it.
    pub followers: Vec<Follower>,
}

/// A service that follows a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follower {
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The ECS cluster's name.
    pub cluster: String,
    /// The ECS service's name.
    pub ecs_service: String,
    /// The container whose image is replaced.
    pub container: String,
    /// More containers of the task that run the same image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_containers: Vec<String>,
    /// Which images are deployed.
    pub image_policy: ImagePolicy,
    /// The processor architecture of the service's tasks, `X86_64` or `ARM64`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_architecture: Option<Architecture>,
    /// How its deployments go.
    #[serde(default)]
    pub rollout: RolloutSettings,
}

/// A processor architecture, as ECS names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Architecture {
    /// Intel and AMD: `amd64` in images.
    #[serde(rename = "X86_64")]
    X86,
    /// Graviton: `arm64` in images.
    #[serde(rename = "ARM64")]
    Arm,
}

/// Whose an ECS service is: `services/<cluster>/<ECS service>.json` in the state bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
}

impl Route {
    /// The follower that is `service` of `stack`.
    pub fn follower(&self, stack: &str, service: &str) -> Option<&Follower> {
        self.followers
            .iter()
            .find(|follower| follower.stack == stack && follower.service == service)
    }
}

impl Follower {
    /// The service's names in ECS.
    pub fn service_name(&self) -> ServiceName {
        ServiceName {
            cluster: self.cluster.clone(),
            ecs_service: self.ecs_service.clone(),
        }
    }

    /// The containers whose image is replaced.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.container)
            .chain(&self.other_containers)
            .map(String::as_str)
    }

    /// The service's names in Longshore.
    pub fn owner(&self) -> Owner {
        Owner {
            stack: self.stack.clone(),
            service: self.service.clone(),
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::X86 => "X86_64",
            Self::Arm => "ARM64",
        })
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "service {} of stack {}",
            self.service, self.stack
        )
    }
}
