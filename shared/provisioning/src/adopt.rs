//! Adopting: a service that somebody else's tool made is deployed to from now on.
//!
//! Only a route, an service and a record are written. The service itself, and the tool that made it, stay as
//! they are.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::arn::ServiceName;
use longshore_events::ecs::{LONGEST_STARTED_BY, started_by_deploy};
use longshore_events::image::Image;
use longshore_events::longshore::OperationKind;
use longshore_events::registry::ImageName;
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::{CpuArchitecture, ServiceId, Subscriber};
use longshore_policy::settings::RolloutSettings;
use longshore_rollout::documents::{RouteStore, StackRecordStore};
use longshore_rollout::engine::DeployError;
use longshore_rollout::ports::{Cloud, TaskDefinition};
use longshore_rollout::task_definition::named_image;
use longshore_state::{CallError, Worker};
use serde::Serialize;
use serde_json::Value;

use crate::ports::{ServiceInspector, ServiceSettings};
use crate::routes::{AT_ONCE, add_subscribers};

/// What is to be adopted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptRequest {
    pub ecs_service: ServiceName,
    /// The stack that people are to know it by. Default: the cluster's name.
    pub stack: Option<String>,
    /// The service that people are to know it by. Default: its name in ECS.
    pub service: Option<String>,
    /// The container whose image is replaced. Default: the only one, or the only one whose image is in ECR.
    pub container: Option<String>,
    /// The repository to follow. Default: that of the container's image.
    pub repository: Option<String>,
    /// Which of its images. Default: the tag that the container's image is named by.
    pub image_policy: Option<ImagePolicy>,
}

/// A service that was adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// The repository that it follows.
    pub repository: String,
    /// How it follows it: what stands in the route now.
    pub subscriber: Subscriber,
    /// The ARN of the task definition that it runs.
    pub task_definition: String,
    /// The container's image, as that task definition names it.
    pub running_image: String,
    /// The image that the policy names now, which is not deployed.
    pub newest: Option<Image>,
    /// The ARNs of the roles that `deploy` must be allowed to pass.
    pub roles: Vec<String>,
    /// What does not keep it from being adopted, and should be fixed.
    pub warnings: Vec<String>,
}

/// Why a service was not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It cannot be, as it is or as it was asked for. Nothing was changed.
    #[error("adopt service {} of cluster {}: {reason}", .service.ecs_service, .service.cluster)]
    Refused {
        service: ServiceName,
        /// Why, and what to do.
        reason: String,
    },
    /// The record could not be written.
    #[error(transparent)]
    Record(#[from] DeployError),
    /// A call failed. Trying again may help, and does no harm.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Writes down what a service runs, whose it is, and then its route: what its repository holds already is
/// not deployed, what comes is. The same again changes the policy and nothing else.
///
/// # Errors
/// [`AdoptError`].
pub async fn adopt<C: Cloud + ServiceInspector>(
    cloud: &C,
    request: &AdoptRequest,
    worker: &Worker,
) -> Result<Adoption, AdoptError> {
    let name = &request.ecs_service;
    let refused = |reason: String| AdoptError::Refused {
        service: name.clone(),
        reason,
    };
    let settings = cloud.service_settings(name).await?;
    if settings.controller != "ECS" {
        return Err(refused(format!(
            "its deployment controller is {}, only services of the controller ECS can be deployed to",
            settings.controller
        )));
    }
    let definition = cloud
        .describe_task_definition(&settings.task_definition)
        .await?;
    let container = container(&definition, request.container.as_deref()).map_err(refused)?;
    let repository = match &request.repository {
        Some(repository) => repository.clone(),
        None if is_ecr(&container.image) => named_image(&container.image).0,
        None => {
            return Err(refused(format!(
                "container {} runs {}, which is not in ECR: say with --repository what it is to follow",
                container.name, container.image
            )));
        }
    };
    let image_policy = match &request.image_policy {
        Some(policy) => policy.clone(),
        None => policy_of(&container).map_err(refused)?,
    };
    image_policy
        .compile()
        .map_err(|invalid| refused(invalid.to_string()))?;
    let subscriber = Subscriber {
        stack: request.stack.as_ref().unwrap_or(&name.cluster).clone(),
        service: request
            .service
            .as_ref()
            .unwrap_or(&name.ecs_service)
            .clone(),
        cluster: name.cluster.clone(),
        ecs_service: name.ecs_service.clone(),
        container: container.name.clone(),
        other_containers: container.twins.clone(),
        image_policy,
        cpu_architecture: architecture(&definition),
        rollout: RolloutSettings::default(),
    };
    check_stack(cloud, &subscriber.stack)
        .await?
        .map_err(refused)?;
    let before = subscribers(cloud).await?;
    check_names(&subscriber, &before).map_err(refused)?;
    let subscriber = Subscriber {
        rollout: before
            .iter()
            .find(|(followed, before)| {
                *followed == repository && before.service_id() == subscriber.service_id()
            })
            .map_or_else(RolloutSettings::default, |(_, before)| {
                before.rollout.clone()
            }),
        ..subscriber
    };
    // The record first: a route without it would have the newest image deployed at once.
    let record =
        longshore_rollout::triggers::adopt::adopt(cloud, &repository, &subscriber, worker).await?;
    add_subscribers(cloud, &repository, std::slice::from_ref(&subscriber)).await?;
    Ok(Adoption {
        newest: record
            .followed
            .get(&subscriber.container)
            .map(|followed| Image {
                repository: repository.clone(),
                tag: Some(followed.tag.clone()),
                digest: followed.digest.clone(),
            }),
        roles: roles(&definition),
        warnings: warnings(&settings, &subscriber),
        task_definition: settings.task_definition,
        running_image: container.image,
        repository,
        subscriber,
    })
}

/// A container of a task definition.
struct Container {
    name: String,
    /// Its image, as it stands there.
    image: String,
    /// The other containers with the same image.
    twins: Vec<String>,
}

/// The container that is meant.
fn container(definition: &TaskDefinition, wanted: Option<&str>) -> Result<Container, String> {
    let all: Vec<(&str, &str)> = definition.document["containerDefinitions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|container| Some((container["name"].as_str()?, container["image"].as_str()?)))
        .collect();
    let found = || {
        let names: Vec<String> = all
            .iter()
            .map(|(name, image)| format!("{name} ({image})"))
            .collect();
        names.join(", ")
    };
    let candidates: Vec<(&str, &str)> = match wanted {
        Some(wanted) => all
            .iter()
            .copied()
            .filter(|(name, _)| *name == wanted)
            .collect(),
        None if all.len() == 1 => all.clone(),
        None => {
            let mut of_ecr: Vec<(&str, &str)> = Vec::new();
            for (name, image) in &all {
                // Containers that run the same image go out together: the first stands for them.
                if is_ecr(image) && !of_ecr.iter().any(|(_, known)| known == image) {
                    of_ecr.push((*name, *image));
                }
            }
            of_ecr
        }
    };
    match (candidates.as_slice(), wanted) {
        ([(name, image)], _) => Ok(Container {
            name: (*name).to_owned(),
            image: (*image).to_owned(),
            twins: all
                .iter()
                .filter(|(other, of)| of == image && other != name)
                .map(|(other, _)| (*other).to_owned())
                .collect(),
        }),
        (_, Some(wanted)) => Err(format!(
            "its task definition has no container {wanted}, it has {}",
            found()
        )),
        (_, None) => Err(format!(
            "its task definition has several containers, {}: say with --container which one is meant",
            found()
        )),
    }
}

/// The tag that the container's image is named by, followed exactly.
fn policy_of(container: &Container) -> Result<ImagePolicy, String> {
    match named_image(&container.image) {
        (_, Some(tag)) if !container.image.contains('@') => Ok(ImagePolicy {
            tags: vec![tag],
            ..ImagePolicy::default()
        }),
        _ => Err(format!(
            "container {} runs {}, which no tag names: say with --tags, --semver or --tag-pattern which \
             images it is to follow",
            container.name, container.image
        )),
    }
}

fn is_ecr(image: &str) -> bool {
    ImageName::of(image).ecr().is_some()
}

/// What the task definition says of its processors. ECS takes `X86_64` where a task of Fargate says nothing:
/// the Amazon ECS API Reference, `RuntimePlatform`.
fn architecture(definition: &TaskDefinition) -> Option<CpuArchitecture> {
    let document = &definition.document;
    match document["runtimePlatform"]["cpuArchitecture"].as_str() {
        Some("ARM64") => Some(CpuArchitecture::Arm),
        Some("X86_64") => Some(CpuArchitecture::X86),
        _ => document["requiresCompatibilities"]
            .as_array()
            .is_some_and(|launch_types| launch_types.contains(&Value::from("FARGATE")))
            .then_some(CpuArchitecture::X86),
    }
}

/// All subscribers, with the repositories that they follow.
async fn subscribers<C: Cloud>(cloud: &C) -> Result<Vec<(String, Subscriber)>, CallError> {
    let routes: Vec<Option<_>> = stream::iter(cloud.repositories().await?)
        .map(|repository| async move { cloud.route(&repository).await })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(routes
        .into_iter()
        .flatten()
        .flat_map(|route| {
            let repository = route.repository;
            route
                .subscribers
                .into_iter()
                .map(move |subscriber| (repository.clone(), subscriber))
        })
        .collect())
}

/// The routes of a stack that Longshore builds follow from its template, and hold nothing else.
async fn check_stack<C: Cloud>(cloud: &C, stack: &str) -> Result<Result<(), String>, CallError> {
    let is_built = cloud.load_stack(stack).await?.is_some_and(|(record, _)| {
        record.operation.kind == OperationKind::Apply || record.operation.finished_at.is_none()
    });
    Ok(if is_built {
        Err(format!(
            "stack {stack} is built from a stack file, which says what its services follow: choose another \
             name with --stack"
        ))
    } else {
        Ok(())
    })
}

/// Neither may the names mean another service, nor the service have other names.
fn check_names(subscriber: &Subscriber, others: &[(String, Subscriber)]) -> Result<(), String> {
    for (field, name) in [
        ("stack", &subscriber.stack),
        ("service", &subscriber.service),
    ] {
        if name.is_empty() || name.contains('/') || name.chars().any(char::is_control) {
            return Err(format!(
                "`{name}` is not a name of a {field}: expected one without a slash"
            ));
        }
    }
    let (service_id, service) = (subscriber.service_id(), subscriber.service_name());
    for (repository, other) in others {
        let in_route = format!("in routes/{repository}.json");
        if other.service_name() == service && other.service_id() != service_id {
            let ServiceId { stack, service } = other.service_id();
            return Err(format!(
                "it is known as {stack}/{service} already, {in_route}: adopt it by these names, or remove it \
                 there"
            ));
        }
        if other.service_id() == service_id && other.service_name() != service {
            return Err(format!(
                "{}/{} is service {} of cluster {} already, {in_route}: choose other names with --stack and \
                 --service",
                service_id.stack, service_id.service, other.ecs_service, other.cluster
            ));
        }
    }
    Ok(())
}

/// The roles of the tasks, which whoever registers the next revision must be allowed to pass.
fn roles(definition: &TaskDefinition) -> Vec<String> {
    let mut roles: Vec<String> = ["executionRoleArn", "taskRoleArn"]
        .iter()
        .filter_map(|field| definition.document[field].as_str())
        .map(str::to_owned)
        .collect();
    roles.sort();
    roles.dedup();
    roles
}

/// Without its circuit breaker ECS never says that a deployment has failed: the Amazon ECS Developer Guide,
/// "Amazon ECS service deployment state change events".
fn warnings(settings: &ServiceSettings, subscriber: &Subscriber) -> Vec<String> {
    let mut warnings = Vec::new();
    if !settings.circuit_breaker {
        warnings.push(
            "its deployment circuit breaker is off: ECS tries for ever to start an image that fails, until the \
             deployment's deadline closes it as failed, and restores nothing. Switch it on, with rollback"
                .to_owned(),
        );
    } else if !settings.rolls_back {
        warnings.push(
            "its deployment circuit breaker does not roll back: a deployment that fails leaves the service \
             without what ran before. Switch rollback on"
                .to_owned(),
        );
    }
    let started_by = started_by_deploy(&subscriber.stack, &subscriber.service);
    if started_by.chars().count() > LONGEST_STARTED_BY {
        warnings.push(format!(
            "no tasks can run before and after its deployments: they would be started by `{started_by}`, and ECS \
             takes at most {LONGEST_STARTED_BY} characters there. Give it a shorter --stack or --service if it is \
             to have such tasks"
        ));
    }
    warnings
}
