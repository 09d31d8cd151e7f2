//! What Longshore itself reads from a template: how it deploys the services, and the mirror.

use std::collections::BTreeMap;

use longshore_policy::template::{TemplateContainer, TemplateMetadata, TemplateService};
use serde::Serialize;

use crate::spec::ImagePolicy;

use super::image::Image;
use super::image_policy::policy;
use super::mirror;
use super::named::{NamedService, NamedStack};
use super::rollout::settings;

/// What Longshore itself reads from a template.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metadata<'a> {
    /// None where the stack has no mirror.
    pub(super) bottle_sync: Option<mirror::Metadata<'a>>,
    #[serde(flatten)]
    pub(super) services: &'a TemplateMetadata,
}

pub(super) fn of_stack(named_stack: &NamedStack) -> TemplateMetadata {
    TemplateMetadata {
        version: 1,
        stack: named_stack.stack_name.clone(),
        environment: named_stack.stack.environment.clone(),
        services: named_stack
            .members()
            .map(|named_service| {
                (
                    named_service.name.to_owned(),
                    of_service(named_stack, named_service),
                )
            })
            .collect(),
    }
}

pub(super) fn of_service(named_stack: &NamedStack, named_service: NamedService) -> TemplateService {
    let spec = named_service.spec;
    let named = |spec: Option<&ImagePolicy>| spec.filter(|spec| spec.follows()).map(policy);
    let mut service = TemplateService {
        repository: repository(&spec.image),
        cluster: named_stack.cluster_name.clone(),
        ecs_service: named_stack.ecs_service_name(named_service),
        container: named_service.container_name().to_owned(),
        other_containers: Vec::new(),
        image_policy: named(Some(&spec.image_policy)),
        cpu_architecture: Some(spec.cpu_architecture),
        rollout: settings(spec),
        image: spec.image.clone(),
        sidecars: BTreeMap::new(),
    };
    for (name, sidecar) in &spec.sidecars {
        if sidecar.image == spec.image {
            service.other_containers.push(name.clone());
            continue;
        }
        let image_policy = named(sidecar.image_policy.as_ref());
        let same = service
            .sidecars
            .values_mut()
            .find(|first| first.image == sidecar.image && first.image_policy == image_policy);
        match same {
            Some(first) => first.other_containers.push(name.clone()),
            None => {
                let container = TemplateContainer {
                    repository: repository(&sidecar.image),
                    other_containers: Vec::new(),
                    image_policy,
                    image: sidecar.image.clone(),
                };
                service.sidecars.insert(name.clone(), container);
            }
        }
    }
    service
}

/// The repository of this account's ECR that an image is of.
fn repository(image: &str) -> Option<String> {
    match Image::of(image) {
        Image::Own(image) => Some(image.repository),
        Image::OtherEcr(_) | Image::Public => None,
    }
}
