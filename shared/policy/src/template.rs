//! What a template says about its services, for whoever reads it back from CloudFormation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::image_policy::ImagePolicy;
use crate::route::{CpuArchitecture, Subscriber};
use crate::settings::RolloutSettings;

/// What a template that Longshore rendered says about its services: `Metadata.Longshore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemplateMetadata {
    /// 1.
    pub version: u32,
    pub stack: String,
    /// The chosen environment of a stack file that has some.
    #[serde(default)]
    pub environment: Option<String>,
    /// The services, by name.
    pub services: BTreeMap<String, TemplateService>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemplateService {
    /// The ECR repository whose pushes it follows; `None` for an image of another registry.
    #[serde(default)]
    pub repository: Option<String>,
    /// The ECS cluster's name.
    pub cluster: String,
    pub ecs_service: String,
    /// The container whose image is replaced.
    pub container: String,
    /// More containers that run the same image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_containers: Vec<String>,
    /// Which images are deployed, in the words of a route; `None`: none.
    #[serde(default)]
    pub image_policy: Option<ImagePolicy>,
    /// The processor architecture of the service's tasks.
    #[serde(default)]
    pub cpu_architecture: Option<CpuArchitecture>,
    /// How its deployments go, in the words of a route.
    #[serde(default)]
    pub rollout: RolloutSettings,
    /// The image as the stack file names it.
    pub image: String,
    /// The containers that run other images, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sidecars: BTreeMap<String, TemplateContainer>,
}

/// A container of a template that runs another image than the service's own container does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemplateContainer {
    /// The ECR repository of its image; `None` for an image of another registry.
    #[serde(default)]
    pub repository: Option<String>,
    /// More containers that run the same image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_containers: Vec<String>,
    /// Which images are deployed, in the words of a route; `None`: none.
    #[serde(default)]
    pub image_policy: Option<ImagePolicy>,
    /// The image as the stack file names it.
    pub image: String,
}

impl TemplateService {
    /// Its own container as a subscriber of its repository.
    pub fn subscriber(&self, stack: &str, service: &str) -> Subscriber {
        Subscriber {
            stack: stack.to_owned(),
            service: service.to_owned(),
            cluster: self.cluster.clone(),
            ecs_service: self.ecs_service.clone(),
            container: self.container.clone(),
            other_containers: self.other_containers.clone(),
            image_policy: self.image_policy.clone().unwrap_or_default(),
            cpu_architecture: self.cpu_architecture,
            rollout: self.rollout.clone(),
        }
    }

    /// The subscribers that it asks for, each with its repository: one at most for each repository.
    pub fn subscribers(
        &self,
        stack: &str,
        service: &str,
    ) -> impl Iterator<Item = (&str, Subscriber)> {
        let own = self.subscriber(stack, service);
        let sidecars = self.sidecars.iter().map({
            let own = own.clone();
            move |(name, sidecar)| {
                let subscriber = Subscriber {
                    container: name.clone(),
                    other_containers: sidecar.other_containers.clone(),
                    image_policy: sidecar.image_policy.clone().unwrap_or_default(),
                    rollout: RolloutSettings {
                        // What comes before and after concerns the service's own image.
                        after: Vec::new(),
                        before_tasks: Vec::new(),
                        after_tasks: Vec::new(),
                        ..own.rollout.clone()
                    },
                    ..own.clone()
                };
                (&sidecar.repository, &sidecar.image_policy, subscriber)
            }
        });
        std::iter::once((&self.repository, &self.image_policy, own))
            .chain(sidecars)
            .filter_map(|(repository, policy, subscriber)| {
                policy.as_ref()?;
                Some((repository.as_deref()?, subscriber))
            })
    }
}
