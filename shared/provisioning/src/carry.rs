//! Which image a template carries for each service: the one that runs, not the one of the first day.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use longshore_events::image::{Image, ImageReference};
use longshore_rollout::ports::{CallError, ErrorClass, TemplateMetadata, TemplateService};
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::route::Follower;
use longshore_rollout::stack_record::{Carried, Operation, OperationState};

use crate::ports::ProvisioningCloud;

/// Which image a template is to carry for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    /// The one that the stack file names.
    Named,
    /// This one.
    Pinned(Image),
    /// The one that the service runs.
    Running,
}

/// Decides which image the template carries for a service.
///
/// `deployed` is the service as the stack's present template has it, `record` its last deployment,
/// `last` what was carried the last time if that failed.
fn choose(
    service: &TemplateService,
    deployed: Option<&TemplateService>,
    record: Option<&Deployment>,
    failed: Option<&Image>,
) -> Choice {
    // A stack file that names another image than before asks for it.
    if deployed.is_none_or(|deployed| deployed.image != service.image) {
        return Choice::Named;
    }
    match (record, failed) {
        (Some(record), _)
            if matches!(
                record.state,
                State::Claimed | State::Deploying | State::Succeeded
            ) =>
        {
            Choice::Pinned(record.image.clone())
        }
        // CloudFormation went back to an older template, and nobody has put the image back yet.
        (_, Some(image)) => Choice::Pinned(image.clone()),
        _ => Choice::Running,
    }
}

/// What the services of a template carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CarriedImages {
    /// By service: the image, as the renderer takes it.
    pub images: BTreeMap<String, String>,
    /// The same for the stack record.
    pub services: Vec<Carried>,
}

/// Looks up the images that the services of `metadata` are to carry, side by side.
pub(crate) async fn carried_images<C: ProvisioningCloud>(
    cloud: &C,
    metadata: &TemplateMetadata,
    deployed: Option<&TemplateMetadata>,
    last: Option<&Operation>,
) -> Result<CarriedImages, CallError> {
    let failed = last.filter(|operation| operation.state == OperationState::Failed);
    let services = metadata.services.iter().map(|(name, service)| {
        let deployed = deployed.and_then(|deployed| deployed.services.get(name));
        let failed = failed.and_then(|operation| {
            operation
                .services
                .iter()
                // An image that the stack file asked for and that failed is nothing to hold on to.
                .find(|carried| carried.follower.service == *name && !carried.is_named)
                .and_then(|carried| carried.image.as_ref())
        });
        let follower = service.follower(&metadata.stack, name);
        async move {
            let image = carried_image(cloud, service, &follower, deployed, failed).await?;
            let carried = Carried {
                follower,
                image: image.pinned,
                is_named: image.is_named,
            };
            Ok::<_, CallError>((name.clone(), image.text, carried))
        }
    });
    let mut carried = CarriedImages::default();
    for (name, text, service) in try_join_all(services).await? {
        if let Some(text) = text {
            carried.images.insert(name, text);
        }
        carried.services.push(service);
    }
    Ok(carried)
}

/// An image that a template is to carry.
#[derive(Default)]
struct CarriedImage {
    /// As the renderer takes it; without one the stack file's own text stays.
    text: Option<String>,
    /// Where it is one of ECR's and pinned.
    pinned: Option<Image>,
    /// Whether the stack file asks for it anew.
    is_named: bool,
}

async fn carried_image<C: ProvisioningCloud>(
    cloud: &C,
    service: &TemplateService,
    follower: &Follower,
    deployed: Option<&TemplateService>,
    failed: Option<&Image>,
) -> Result<CarriedImage, CallError> {
    if service.repository.is_none() {
        // An image of somebody else's registry is nobody's to pin. Where one of ours ran before, the
        // stack file asks for it anew.
        return Ok(CarriedImage {
            is_named: deployed.is_some_and(|deployed| deployed.repository.is_some()),
            ..CarriedImage::default()
        });
    }
    let stored = match deployed {
        Some(_) => cloud.load(&follower.owner()).await?,
        None => None,
    };
    let record = stored.as_ref().map(|(record, _)| &record.deployment);
    match choose(service, deployed, record, failed) {
        Choice::Pinned(image) => Ok(CarriedImage {
            text: Some(text(&image)),
            pinned: Some(image),
            is_named: false,
        }),
        Choice::Running => match running(cloud, follower).await? {
            Some(image) => Ok(CarriedImage {
                pinned: pinned(&image),
                text: Some(in_repository(&image, service.repository.as_deref()).to_owned()),
                is_named: false,
            }),
            None => named(cloud, service).await,
        },
        Choice::Named => named(cloud, service).await,
    }
}

/// The image that the stack file names, as its registry has it now.
async fn named<C: ProvisioningCloud>(
    cloud: &C,
    service: &TemplateService,
) -> Result<CarriedImage, CallError> {
    let Ok(reference) = service.image.parse::<ImageReference>() else {
        return Ok(CarriedImage::default());
    };
    let image = cloud.resolve(&reference).await?;
    Ok(CarriedImage {
        text: Some(text(&image)),
        pinned: Some(image),
        is_named: true,
    })
}

/// The image of the task definition that ECS works towards; `None` when there is no such service.
async fn running<C: ProvisioningCloud>(
    cloud: &C,
    follower: &Follower,
) -> Result<Option<String>, CallError> {
    let service = match cloud.describe_service(&follower.service_name()).await {
        Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
        service => service?,
    };
    let task_definition = cloud
        .describe_task_definition(&service.task_definition)
        .await?;
    Ok(task_definition
        .image_of(&follower.container)
        .ok()
        .map(str::to_owned))
}

fn text(image: &Image) -> String {
    format!("{}@{}", image.repository, image.digest)
}

/// An image as the stack file would name it: without the registry, when it is of the service's own
/// repository.
fn in_repository<'a>(text: &'a str, repository: Option<&str>) -> &'a str {
    let (Some((_, name)), Some(repository)) = (text.split_once('/'), repository) else {
        return text;
    };
    let is_own = name
        .strip_prefix(repository)
        .is_some_and(|rest| rest.starts_with([':', '@']));
    if is_own { name } else { text }
}

/// An image as a task definition names it, `<registry>/<repository>@<digest>`, if it is pinned.
fn pinned(text: &str) -> Option<Image> {
    let (_, name) = text.split_once('/')?;
    let (repository, digest) = name.split_once('@')?;
    Some(Image {
        repository: repository.to_owned(),
        tag: None,
        digest: digest.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(image: &str) -> TemplateService {
        TemplateService {
            repository: Some("shop/api".to_owned()),
            cluster: "shop".to_owned(),
            ecs_service: "shop-api".to_owned(),
            container: "api".to_owned(),
            other_containers: Vec::new(),
            image_policy: None,
            cpu_architecture: None,
            rollout: longshore_rollout::settings::RolloutSettings::default(),
            image: image.to_owned(),
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
    fn a_new_service_and_a_changed_stack_file_get_the_image_that_is_named() {
        let service_now = service("shop/api:v2");
        assert_eq!(choose(&service_now, None, None, None), Choice::Named);
        let before = service("shop/api:v1");
        assert_eq!(
            choose(&service_now, Some(&before), None, Some(&image("a"))),
            Choice::Named
        );
    }

    #[test]
    fn after_a_failed_change_the_image_that_was_carried_is_carried_again() {
        let service = service("shop/api:v1");
        assert_eq!(
            choose(&service, Some(&service), None, Some(&image("a"))),
            Choice::Pinned(image("a"))
        );
    }

    #[test]
    fn without_a_record_the_image_that_runs_is_carried() {
        let service = service("shop/api:v1");
        assert_eq!(
            choose(&service, Some(&service), None, None),
            Choice::Running
        );
    }

    #[test]
    fn a_pinned_image_is_known_again_in_a_task_definition() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let registry = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
        assert_eq!(
            pinned(&format!("{registry}/shop/api@{digest}")),
            Some(image("a"))
        );
        assert_eq!(pinned(&format!("{registry}/shop/api:v1")), None);
        assert_eq!(
            in_repository(&format!("{registry}/shop/api:v1"), Some("shop/api")),
            "shop/api:v1"
        );
        assert_eq!(
            in_repository("docker.io/library/nginx:1", Some("shop/api")),
            "docker.io/library/nginx:1"
        );
    }
}
