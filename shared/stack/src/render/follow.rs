//! What Longshore itself is told of services: whose pushes they follow, and how their deployments go.

use std::collections::BTreeMap;

use longshore_rollout::policy;
use longshore_rollout::ports::{TemplateContainer, TemplateService};
use longshore_rollout::route::Architecture;
use longshore_rollout::settings::{Approval, FreezeWindow, OneOffTask, RolloutSettings};

use crate::spec::{CpuArchitecture, ImagePolicy, Service};

use super::frame::{Frame, Member};
use super::image::Image;

/// How long a deployment may take where nothing is said, besides the bake times of its strategy.
const DEADLINE_MINUTES: u32 = 30;

/// A policy in the words of a route.
pub fn policy(spec: &ImagePolicy) -> policy::ImagePolicy {
    let chooses = spec.tags.is_some() || spec.tag_pattern.is_some() || spec.semver.is_some();
    let every = || vec!["*".to_owned()];
    policy::ImagePolicy {
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
    let rollout = &spec.rollout;
    let tasks = |tasks: &[crate::spec::OneOffTask]| {
        let tasks = tasks.iter().map(|task| OneOffTask {
            name: task.name.clone(),
            command: task.command.iter().map(|word| plain(word)).collect(),
            environment: task
                .environment
                .iter()
                .map(|(name, value)| (name.clone(), plain(value.as_str())))
                .collect(),
            timeout_minutes: task.timeout_minutes,
        });
        tasks.collect()
    };
    RolloutSettings {
        deadline_minutes: rollout.deadline_minutes.unwrap_or_else(|| {
            DEADLINE_MINUTES.saturating_add(spec.deployment_configuration.waiting_minutes())
        }),
        after: rollout.after.clone(),
        before_tasks: tasks(&rollout.before_tasks),
        after_tasks: tasks(&rollout.after_tasks),
        freeze_windows: rollout
            .freeze_windows
            .iter()
            .map(|window| FreezeWindow {
                cron: window.cron.clone(),
                time_zone: window.time_zone.clone(),
                duration_minutes: window.duration_minutes,
            })
            .collect(),
        approval: rollout.approval.as_ref().map(|approval| Approval {
            expires_after_minutes: approval.expires_after_minutes,
        }),
    }
}

/// What CloudFormation does not see is not filled in by it: what looks like that is refused when the
/// file is checked.
fn plain(text: &str) -> String {
    text.replace("$${", "${")
}

pub(super) fn metadata(frame: &Frame, member: Member) -> TemplateService {
    let spec = member.spec;
    let named =
        |policy: Option<&ImagePolicy>| policy.filter(|policy| policy.follows()).map(self::policy);
    let mut service = TemplateService {
        repository: repository(&spec.image),
        cluster: frame.cluster_name.clone(),
        ecs_service: frame.ecs_service_name(member),
        container: member.container_name().to_owned(),
        other_containers: Vec::new(),
        image_policy: named(Some(&spec.image_policy)),
        cpu_architecture: Some(match spec.cpu_architecture {
            CpuArchitecture::X86 => Architecture::X86,
            CpuArchitecture::Arm => Architecture::Arm,
        }),
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
