//! What Longshore itself is told of services: whose pushes they follow, and how their deployments go.

use std::collections::BTreeMap;

use longshore_policy::image_policy;
use longshore_policy::settings::{OneOffTask, RolloutSettings};
use longshore_policy::template::{TemplateContainer, TemplateService};

use crate::spec::{ImagePolicy, Service};

use super::image::Image;
use super::named::{NamedService, NamedStack};

/// How long a deployment may take where nothing is said, besides the bake times of its strategy.
const DEADLINE_MINUTES: u32 = 30;

/// A policy in the words of a route.
pub fn policy(spec: &ImagePolicy) -> image_policy::ImagePolicy {
    let chooses = spec.tags.is_some() || spec.tag_pattern.is_some() || spec.semver.is_some();
    let every = || vec!["*".to_owned()];
    image_policy::ImagePolicy {
        tags: match &spec.tags {
            Some(tags) => tags.clone(),
            None if chooses => Vec::new(),
            None => every(),
        },
        tag_pattern: spec.tag_pattern.clone(),
        semver: spec.semver.clone(),
        moved_tags: spec.moved_tags,
        minimum_age_minutes: spec.minimum_age_minutes,
    }
}

/// How a service's deployments go, in the words of a route.
pub fn settings(spec: &Service) -> RolloutSettings {
    let rollout = spec.rollout.clone();
    RolloutSettings {
        deadline_minutes: rollout.deadline_minutes.unwrap_or_else(|| {
            DEADLINE_MINUTES.saturating_add(spec.deployment_configuration.waiting_minutes())
        }),
        after: rollout.after,
        before_tasks: rollout.before_tasks.into_iter().map(plain).collect(),
        after_tasks: rollout.after_tasks.into_iter().map(plain).collect(),
        freeze_windows: rollout.freeze_windows,
        approval: rollout.approval,
    }
}

/// CloudFormation does not see these tasks, so it fills nothing in: what looks like that is refused when the file is
/// checked, and `$${` is a plain `${`.
fn plain(mut task: OneOffTask) -> OneOffTask {
    for text in task.command.iter_mut().chain(task.environment.values_mut()) {
        *text = text.replace("$${", "${");
    }
    task
}

pub(super) fn metadata(named_stack: &NamedStack, named_service: NamedService) -> TemplateService {
    let spec = named_service.spec;
    let named =
        |policy: Option<&ImagePolicy>| policy.filter(|policy| policy.follows()).map(self::policy);
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
