//! Which image a template has for each container: the one that runs, not the one of the first day.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use longshore_events::image::{Image, ImageReference};
use longshore_events::longshore::Source;
use longshore_events::registry::{EcrEndpoint, ImageName};
use longshore_policy::route::Subscriber;
use longshore_policy::template::{TemplateMetadata, TemplateService};
use longshore_rollout::documents::RecordStore;
use longshore_rollout::ports::TaskDefinition;
use longshore_rollout::record::Deployment;
use longshore_rollout::stack_record::{Operation, OperationState, Preserved};
use longshore_rollout::task_definition::pinned_image;
use longshore_state::{CallError, if_there};

use crate::ports::ProvisioningCloud;

/// Which image a template is to have for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    /// The one that the stack file names.
    Named,
    Pinned(Image),
    /// The one that the service runs.
    Running,
}

/// A container of a service in a template, with those that run the same image.
#[derive(Clone, Copy)]
struct Part<'a> {
    /// The container.
    name: &'a str,
    others: &'a [String],
    /// The ECR repository of its image; `None` for an image of another registry.
    repository: Option<&'a str>,
    /// Its image as the stack file names it.
    image: &'a str,
}

/// The containers of a service that run different images, its own first.
fn parts(service: &TemplateService) -> impl Iterator<Item = Part<'_>> {
    let own = Part {
        name: &service.container,
        others: &service.other_containers,
        repository: service.repository.as_deref(),
        image: &service.image,
    };
    let sidecars = service.sidecars.iter().map(|(name, sidecar)| Part {
        name,
        others: &sidecar.other_containers,
        repository: sidecar.repository.as_deref(),
        image: &sidecar.image,
    });
    std::iter::once(own).chain(sidecars)
}

/// The part of a service in an older template that has this container.
fn part_with<'a>(service: &'a TemplateService, container: &str) -> Option<Part<'a>> {
    parts(service)
        .find(|part| part.name == container || part.others.iter().any(|other| other == container))
}

/// Whether somebody has deployed since a change of the stack, so that what was preserved then says nothing any
/// more. Restoring the image after the change is not such a deployment.
fn came_after(deployment: &Deployment, operation: &Operation) -> bool {
    deployment.claimed_at >= operation.requested_at
        && !matches!(deployment.source, Source::Stack { restored: true, .. })
}

/// Decides which image the template has for a container.
///
/// `deployed` is the container's image as the stack's present template names it, `record` the service's last
/// deployment, `failed` what was preserved the last time if that failed.
fn choose(
    part: Part<'_>,
    deployed: Option<&str>,
    record: Option<&Deployment>,
    failed: Option<&Image>,
) -> Choice {
    // A stack file that names another image than before asks for it.
    if deployed != Some(part.image) {
        return Choice::Named;
    }
    match (record.filter(|record| record.holds()), failed) {
        (Some(record), _) => record
            .held_image(part.name)
            .map_or(Choice::Running, |image| Choice::Pinned(image.clone())),
        // CloudFormation went back to an older template, and nobody has put the image back yet.
        (None, Some(image)) => Choice::Pinned(image.clone()),
        (None, None) => Choice::Running,
    }
}

/// The images that are preserved for the services of a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PreservedImages {
    /// By service and container: the image, as the renderer takes it.
    pub images: BTreeMap<String, BTreeMap<String, String>>,
    /// The same for the stack record.
    pub services: Vec<Preserved>,
}

/// Looks up the images that the services of `metadata` are to have, side by side.
pub(crate) async fn preserved_images<C: ProvisioningCloud>(
    cloud: &C,
    metadata: &TemplateMetadata,
    deployed: Option<&TemplateMetadata>,
    last: Option<&Operation>,
) -> Result<PreservedImages, CallError> {
    let failed = last.filter(|operation| operation.state == OperationState::Failed);
    let services = metadata.services.iter().map(|(name, service)| {
        let service = Service {
            described: service,
            subscriber: service.subscriber(&metadata.stack, name),
            deployed: deployed.and_then(|deployed| deployed.services.get(name)),
            failed: failed.and_then(|operation| {
                let mut services = operation.services.iter();
                let preserved = services.find(|preserved| preserved.subscriber.service == *name)?;
                Some((operation, preserved))
            }),
        };
        async move {
            let (images, preserved) = service.preserved(cloud).await?;
            Ok::<_, CallError>((name.clone(), images, preserved))
        }
    });
    let mut preserved = PreservedImages::default();
    for (name, images, service) in try_join_all(services).await? {
        if !images.is_empty() {
            preserved.images.insert(name, images);
        }
        preserved.services.push(service);
    }
    Ok(preserved)
}

/// An image that a template is to have.
#[derive(Default)]
struct PreservedImage {
    /// As the renderer takes it; without one the stack file's own text stays.
    text: Option<String>,
    /// Where it is one of ECR's and pinned.
    pinned: Option<Image>,
    /// Whether the stack file asks for it anew.
    is_named: bool,
}

/// A service whose images are looked up.
struct Service<'a> {
    described: &'a TemplateService,
    subscriber: Subscriber,
    /// The service as the stack's present template has it.
    deployed: Option<&'a TemplateService>,
    /// What was preserved the last time, if that failed.
    failed: Option<(&'a Operation, &'a Preserved)>,
}

impl Service<'_> {
    /// The images by container, and what the stack record says of them.
    async fn preserved<C: ProvisioningCloud>(
        &self,
        cloud: &C,
    ) -> Result<(BTreeMap<String, String>, Preserved), CallError> {
        let stored = match self.deployed {
            Some(_) => cloud.load(&self.subscriber.service_id()).await?,
            None => None,
        };
        let record = stored.as_ref().map(|(record, _)| &record.deployment);
        let failed = self.failed.filter(|(operation, _)| {
            !record.is_some_and(|deployment| came_after(deployment, operation))
        });
        let failed = failed.map(|(_, preserved)| preserved);
        let mut images = BTreeMap::new();
        let mut preserved = Preserved {
            subscriber: self.subscriber.clone(),
            image: None,
            also: BTreeMap::new(),
            is_named: false,
        };
        // Of a service of several containers, what runs is asked for once.
        let mut running = None;
        for part in parts(self.described) {
            let choice = choose(
                part,
                self.deployed_image(part),
                record,
                failed.and_then(|failed| self.failed_image(failed, part)),
            );
            if running.is_none() && part.repository.is_some() && choice == Choice::Running {
                running = Some(running_task_definition(cloud, &self.subscriber).await?);
            }
            let task_definition = running.iter().flatten().next();
            let image = self
                .preserved_image(cloud, part, choice, task_definition)
                .await?;
            let containers =
                std::iter::once(part.name).chain(part.others.iter().map(String::as_str));
            for container in containers {
                if let Some(text) = &image.text {
                    images.insert(container.to_owned(), text.clone());
                }
                if part.name == self.described.container || image.is_named {
                    continue;
                }
                if let Some(pinned) = &image.pinned {
                    preserved.also.insert(container.to_owned(), pinned.clone());
                }
            }
            if part.name == self.described.container {
                preserved.image = image.pinned;
                preserved.is_named = image.is_named;
            }
        }
        Ok((images, preserved))
    }

    /// The image of a container as the stack's present template names it.
    fn deployed_image(&self, part: Part<'_>) -> Option<&str> {
        let deployed = part_with(self.deployed?, part.name)?;
        Some(deployed.image)
    }

    /// What was preserved for a container the last time, if that failed. An image that the stack file asked
    /// for and that failed is nothing to hold on to.
    fn failed_image<'c>(&self, failed: &'c Preserved, part: Part<'_>) -> Option<&'c Image> {
        if part.name == self.described.container {
            failed.image.as_ref().filter(|_| !failed.is_named)
        } else {
            failed.also.get(part.name)
        }
    }

    async fn preserved_image<C: ProvisioningCloud>(
        &self,
        cloud: &C,
        part: Part<'_>,
        choice: Choice,
        running: Option<&TaskDefinition>,
    ) -> Result<PreservedImage, CallError> {
        if part.repository.is_none() {
            // An image of somebody else's registry is nobody's to pin. Where one of ours ran before, the
            // stack file asks for it anew.
            let deployed = self
                .deployed
                .and_then(|service| part_with(service, part.name));
            return Ok(PreservedImage {
                is_named: deployed.is_some_and(|deployed| deployed.repository.is_some()),
                ..PreservedImage::default()
            });
        }
        if self.described.rollout.first_tasks.is_some() && part.image == self.described.image {
            // It is not there yet; the service waits for it.
            return Ok(PreservedImage::default());
        }
        match choice {
            Choice::Pinned(image) => Ok(PreservedImage {
                text: Some(text(&image)),
                pinned: Some(image),
                is_named: false,
            }),
            Choice::Running => match running.and_then(|running| running.image_of(part.name).ok()) {
                Some(image) => Ok(PreservedImage {
                    pinned: pinned_image(image),
                    text: Some(in_repository(image, part.repository).to_owned()),
                    is_named: false,
                }),
                None => named(cloud, part).await,
            },
            Choice::Named => named(cloud, part).await,
        }
    }
}

/// The image that the stack file names, as its registry has it now.
async fn named<C: ProvisioningCloud>(
    cloud: &C,
    part: Part<'_>,
) -> Result<PreservedImage, CallError> {
    let Ok(reference) = part.image.parse::<ImageReference>() else {
        return Ok(PreservedImage::default());
    };
    let image = cloud.resolve(&reference).await?;
    Ok(PreservedImage {
        text: Some(text(&image)),
        pinned: Some(image),
        is_named: true,
    })
}

/// The task definition that ECS works towards; `None` when there is no such service.
async fn running_task_definition<C: ProvisioningCloud>(
    cloud: &C,
    subscriber: &Subscriber,
) -> Result<Option<TaskDefinition>, CallError> {
    let service = cloud.describe_service(&subscriber.service_name()).await;
    let Some(service) = if_there(service)? else {
        return Ok(None);
    };
    cloud
        .describe_task_definition(&service.task_definition)
        .await
        .map(Some)
}

fn text(image: &Image) -> String {
    format!("{}@{}", image.repository, image.digest)
}

/// An image as the stack file would name it: without the registry, when that is the host that a template
/// names for the service's own repository.
fn in_repository<'a>(text: &'a str, repository: Option<&str>) -> &'a str {
    let name = ImageName::of(text);
    let is_selected = name.tag.is_some() || name.digest.is_some();
    let is_standard = name
        .ecr()
        .is_some_and(|registry| registry.endpoint == EcrEndpoint::Standard);
    match name.registry {
        Some(host) if is_standard && is_selected && Some(name.repository) == repository => {
            &text[host.len() + 1..]
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use longshore_events::image::Digest;
    use longshore_events::longshore::OperationKind;
    use longshore_rollout::record::State;
    use longshore_testkit::altered;
    use serde_json::json;

    use super::*;

    fn part(image: &str) -> Part<'_> {
        Part {
            name: "api",
            others: &[],
            repository: Some("shop/api"),
            image,
        }
    }

    fn image(digit: &str) -> Image {
        Image {
            repository: "shop/api".to_owned(),
            tag: None,
            digest: format!("sha256:{}", digit.repeat(64)).parse().unwrap(),
        }
    }

    #[test]
    fn a_new_container_and_a_changed_stack_file_get_the_image_that_is_named() {
        let now = part("shop/api:v2");
        assert_eq!(choose(now, None, None, None), Choice::Named);
        assert_eq!(
            choose(now, Some("shop/api:v1"), None, Some(&image("a"))),
            Choice::Named
        );
    }

    #[test]
    fn after_a_failed_change_the_image_that_was_preserved_is_preserved_again() {
        assert_eq!(
            choose(
                part("shop/api:v1"),
                Some("shop/api:v1"),
                None,
                Some(&image("a"))
            ),
            Choice::Pinned(image("a"))
        );
    }

    #[test]
    fn without_a_record_the_image_that_runs_is_preserved() {
        assert_eq!(
            choose(part("shop/api:v1"), Some("shop/api:v1"), None, None),
            Choice::Running
        );
    }

    /// The last deployment of a service, to its container `api`.
    fn deployment(image: &Image, state: State) -> Deployment {
        let at = "2026-03-02T12:00:00Z";
        serde_json::from_value(json!({
            "id": "one", "stack": "shop", "service": "api", "cluster": "shop", "ecs_service": "shop-api",
            "container": "api", "other_containers": ["worker"], "image": image, "state": state,
            "also": {"proxy": {"repository": "shop/proxy", "digest": Digest::unknown()}},
            "source": {"kind": "manual"}, "sequence": {"series": "", "position": ""},
            "requested_at": at, "claimed_at": at, "claimed_by": "worker", "lease_until": at,
            "previous_task_definition": "", "previous_image": "",
        }))
        .unwrap()
    }

    fn chosen(container: &'static str, deployment: &Deployment) -> Choice {
        let part = Part {
            name: container,
            ..part("shop/api:v1")
        };
        let failed = image("f");
        choose(part, Some("shop/api:v1"), Some(deployment), Some(&failed))
    }

    #[test]
    fn what_the_last_deployment_brings_is_preserved_in_each_of_its_containers() {
        for state in [State::Deploying, State::Verifying, State::Succeeded] {
            let last = deployment(&image("a"), state);
            for container in ["api", "worker"] {
                assert_eq!(chosen(container, &last), Choice::Pinned(image("a")));
            }
            assert_eq!(chosen("agent", &last), Choice::Running);
        }
    }

    #[test]
    fn an_image_whose_migration_has_not_ended_is_not_preserved() {
        let last = deployment(&image("a"), State::Preparing);
        assert_eq!(chosen("api", &last), Choice::Pinned(image("f")));
        let last = altered(&last, &json!({"state": State::Claimed}));
        assert_eq!(chosen("api", &last), Choice::Pinned(image("a")));
        let migrate = json!({"before_tasks": [{"name": "migrate", "command": ["migrate"]}]});
        let last = altered(&last, &json!({"settings": migrate}));
        assert_eq!(chosen("api", &last), Choice::Pinned(image("f")));
    }

    #[test]
    fn what_a_failed_change_preserved_counts_until_somebody_deploys() {
        let last = deployment(&image("a"), State::RolledBack);
        let begun = last.claimed_at;
        let change = |seconds| {
            let at = begun + chrono::Duration::seconds(seconds);
            let source = longshore_events::longshore::StackSource::CloudFormation;
            Operation::begin("change", OperationKind::Apply, source, at)
        };
        assert!(came_after(&last, &change(-1)));
        assert!(!came_after(&last, &change(1)));
        let source = Source::Stack {
            operation_id: "change".to_owned(),
            restored: true,
            note: None,
            by: None,
        };
        let last = altered(&last, &json!({"source": source}));
        assert!(!came_after(&last, &change(-1)));
    }

    #[test]
    fn a_digest_that_nobody_knows_is_not_preserved() {
        let unknown = Image {
            digest: Digest::unknown(),
            ..image("a")
        };
        let last = deployment(&unknown, State::Succeeded);
        for container in ["api", "proxy"] {
            assert_eq!(chosen(container, &last), Choice::Running);
        }
    }

    #[test]
    fn an_image_that_runs_is_preserved_with_the_host_that_it_is_pulled_from() {
        for (running, preserved) in [
            (
                "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1",
                "shop/api:v1",
            ),
            // A template names the standard host of the own registry, and no other.
            (
                "111122223333.dkr-ecr.eu-west-1.on.aws/shop/api:v1",
                "111122223333.dkr-ecr.eu-west-1.on.aws/shop/api:v1",
            ),
            ("docker.io/library/nginx:1", "docker.io/library/nginx:1"),
            ("docker.io/shop/api:v1", "docker.io/shop/api:v1"),
        ] {
            assert_eq!(in_repository(running, Some("shop/api")), preserved);
        }
    }
}
