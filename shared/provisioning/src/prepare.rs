//! From a stack file to the template that would be sent, with nothing changed yet.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join3;
use longshore_events::longshore::{Problem, Severity};
use longshore_policy::template::TemplateMetadata;
use longshore_rollout::documents::{RecordStore, StackRecordStore};
use longshore_rollout::stack_record::{Preserved, StackRecord};
use longshore_rollout::task_definition::STACK_TAG;
use longshore_stack::check::{self, Installation};
use longshore_stack::read::Reading;
use longshore_stack::render::{self, Context, Rendered};
use longshore_stack::spec::Stack;
use longshore_state::store::Address;
use longshore_state::{CallError, ErrorClass, Version};

use crate::error::ProvisioningError;
use crate::ports::{DescribedStack, ProvisioningCloud};
use crate::preserve::preserved_images;
use crate::requests::{Requests, as_in, where_tasks_are};
use crate::settings::Settings;
use crate::template::{Retained, Template};

/// A stack file, looked at together with the account and the stack as it is.
pub(crate) struct Prepared {
    pub stack: String,
    /// Warnings about the stack file.
    pub warnings: Vec<Problem>,
    /// The stack as it is.
    pub described: Option<DescribedStack>,
    /// The stack record.
    pub stored: Option<(StackRecord, Version)>,
    /// The template that is to be sent, with its parameters.
    pub rendered: Rendered,
    /// The images that are preserved for its services.
    pub services: Vec<Preserved>,
    /// Why the stack cannot be changed now, though its own state allows it.
    pub obstacle: Option<String>,
    /// Whether the stack's template is the same but for preserved images.
    pub same_template: bool,
    /// What an earlier stack of this name has left behind.
    pub retained: Vec<Retained>,
    /// The services that wait for their first image, each with the image.
    pub waits_for_images: BTreeMap<String, String>,
    /// The stack's own tags.
    pub tags: BTreeMap<String, String>,
    /// Whether CloudFormation is to refuse to delete the stack.
    pub protected: bool,
}

/// How a stack gets its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// There is no stack, or one that was only planned.
    Create,
    /// There is what a failed creation left, which must go first.
    Recreate,
    /// There is a stack.
    Update,
}

/// Who sends the template to CloudFormation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppliedBy {
    /// Longshore, by change sets that import what is there by its name.
    Longshore,
    /// Terraform and others, which import nothing.
    Others,
}

/// Looks at all that a stack file needs and at the stack as it is, and renders the template.
///
/// # Errors
/// [`ProvisioningError::Refused`] with every problem.
pub(crate) async fn prepare<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    reading: &Reading,
    applied_by: AppliedBy,
) -> Result<Prepared, ProvisioningError> {
    let mut spec = settings.with_own_images(&reading.stack);
    let stack = spec.stack_name();
    let installation = installation(cloud).await?;
    let beyond = installation.map(|installation| check::check_installation(&spec, &installation));
    let mut problems = reading.locate(beyond.unwrap_or_default());
    // What is asked of AWS next may not be allowed to be asked.
    if has_errors(&problems) {
        problems.extend(reading.warnings.iter().cloned());
        return Err(ProvisioningError::Refused { stack, problems });
    }
    let needs = check::needs(&spec);
    let (mut surroundings, described, stored) = try_join3(
        cloud.surroundings(&needs),
        cloud.describe(&stack),
        cloud.load_stack(&stack),
    )
    .await?;
    let exists = described.as_ref().is_some_and(|described| {
        !described.status.is_shell() && !described.status.is_failed_creation()
    });
    let deployed = if exists {
        cloud.template(&stack).await?
    } else {
        None
    };
    let present = deployed.as_deref().and_then(Template::parse);
    let deployed_metadata = present.as_ref().and_then(Template::metadata);
    if applied_by == AppliedBy::Others {
        // Terraform makes the repository with the same apply as the service, before anybody can have pushed to it.
        let deployed = deployed_metadata.as_ref();
        let may_wait = new_or_waiting(cloud, &spec, deployed).await?;
        let may_wait = |service: &str| may_wait.contains(service);
        let waiting = check::wait_for_images(&mut spec, &mut surroundings, may_wait);
        problems.extend(reading.locate(waiting));
    }
    problems.extend(reading.locate(check::check_surroundings(&spec, &surroundings)));
    problems.extend(reading.warnings.iter().cloned());
    if has_errors(&problems) {
        return Err(ProvisioningError::Refused { stack, problems });
    }
    let last = stored.as_ref().map(|(record, _)| &record.operation);
    let metadata = render::metadata(&spec);
    let preserved = preserved_images(cloud, &metadata, deployed_metadata.as_ref(), last).await?;
    let mut context = Context {
        permissions_boundary_arn: settings.permissions_boundary_arn.clone(),
        images: preserved.images,
        secrets: surroundings.secrets,
        imports_log_groups: applied_by == AppliedBy::Longshore,
        ..Context::default()
    };
    let present = present.as_ref().zip(deployed_metadata.as_ref());
    let (mut rendered, requests) = rendered(cloud, &spec, &mut context, present).await?;
    problems.extend(reading.locate(requests.findings));
    let same_template = deployed_metadata.as_ref() == Some(&metadata)
        && deployed.as_deref().map(render::without_images)
            == Some(render::without_images(&rendered.body));
    if let (true, Some(deployed)) = (same_template, &deployed) {
        // A difference only in preserved images is not a change: the stack's own template is sent again.
        rendered.body.clone_from(deployed);
    } else if let (Some(before), Some(deployed)) = (&deployed_metadata, &deployed)
        && named_images(before) == named_images(&metadata)
        && let Some(body) = render::with_images_of(&rendered.body, deployed)
    {
        // Nor is it one that is worth a deployment beside what only Longshore reads.
        rendered.body = body;
    }
    let retained = if exists {
        Vec::new()
    } else {
        retained(cloud, &stack, &spec).await?
    };
    Ok(Prepared {
        waits_for_images: waits_for_images(&metadata),
        tags: tags(&spec),
        protected: spec.is_protected(),
        warnings: problems,
        described,
        stored,
        rendered,
        services: preserved.services,
        obstacle: requests.obstacle,
        same_template,
        retained,
        stack,
    })
}

fn has_errors(problems: &[Problem]) -> bool {
    let mut problems = problems.iter();
    problems.any(|problem| problem.severity == Severity::Error)
}

/// The services that can wait for an image: those that the stack does not have yet, and those that have waited since it
/// was made. Once an image was deployed, there are tasks that must not be taken away.
async fn new_or_waiting<C: ProvisioningCloud>(
    cloud: &C,
    spec: &Stack,
    deployed: Option<&TemplateMetadata>,
) -> Result<BTreeSet<String>, CallError> {
    let mut found = BTreeSet::new();
    for name in spec.services.keys() {
        let before = deployed.and_then(|deployed| Some((deployed, deployed.services.get(name)?)));
        let can_wait = match before {
            None => true,
            Some((deployed, service)) if service.rollout.first_tasks.is_some() => {
                let service_id = service.subscriber(&deployed.stack, name).service_id();
                cloud.load(&service_id).await?.is_none()
            }
            Some(_) => false,
        };
        if can_wait {
            found.insert(name.clone());
        }
    }
    Ok(found)
}

fn waits_for_images(metadata: &TemplateMetadata) -> BTreeMap<String, String> {
    let services = metadata.services.iter();
    let waiting = services.filter(|(_, service)| service.rollout.first_tasks.is_some());
    waiting
        .map(|(name, service)| (name.clone(), service.image.clone()))
        .collect()
}

/// What the installation lets its stacks have; nothing where its Terraform is older and has not written that.
async fn installation<C: ProvisioningCloud>(cloud: &C) -> Result<Option<Installation>, CallError> {
    let address = Address::of_state(check::INSTALLATION_KEY);
    let Some((document, _)) = cloud.read_document(&address).await? else {
        return Ok(None);
    };
    let installation = Installation::parse(&document);
    installation.map(Some).map_err(|error| CallError {
        operation: format!("read {}", check::INSTALLATION_KEY),
        class: ErrorClass::Unreadable,
        code: None,
        message: format!("{error}; apply Longshore's Terraform again"),
    })
}

/// The images that a stack file names, by service and container.
fn named_images(metadata: &TemplateMetadata) -> BTreeMap<(&str, &str), &str> {
    let services = metadata.services.iter();
    services
        .flat_map(|(name, service)| {
            let own = (service.container.as_str(), service.image.as_str());
            let sidecars = service.sidecars.iter();
            let sidecars =
                sidecars.map(|(container, sidecar)| (container.as_str(), sidecar.image.as_str()));
            std::iter::once(own)
                .chain(sidecars)
                .map(move |(container, image)| ((name.as_str(), container), image))
        })
        .collect()
}

/// Renders the template. A listener rule that only ECS has changed since the present one stays as it is there.
async fn rendered<C: ProvisioningCloud>(
    cloud: &C,
    spec: &Stack,
    context: &mut Context,
    present: Option<(&Template, &TemplateMetadata)>,
) -> Result<(Rendered, Requests), CallError> {
    let Some((present, metadata)) = present else {
        return Ok((render::render(spec, context), Requests::default()));
    };
    context.on_alternate = as_in(present, metadata).on_alternate;
    let mut rendered = render::render(spec, context);
    let Some(template) = Template::parse(&rendered.body) else {
        return Ok((rendered, Requests::default()));
    };
    let requests = where_tasks_are(cloud, present, metadata, &template).await?;
    if requests.on_alternate != context.on_alternate {
        context.on_alternate.clone_from(&requests.on_alternate);
        rendered = render::render(spec, context);
    }
    Ok((rendered, requests))
}

/// The stack's own tags, which CloudFormation gives to every resource that takes tags: also to those
/// whose type has no property for them, such as listeners.
fn tags(stack: &Stack) -> BTreeMap<String, String> {
    // Only templates can fill in what is known when CloudFormation is at work.
    let plain = stack
        .tags
        .iter()
        .filter(|(_, value)| !value.as_str().contains("${"))
        .map(|(key, value)| (key.clone(), value.as_str().to_owned()));
    let mut tags: BTreeMap<String, String> = plain.collect();
    tags.insert(STACK_TAG.to_owned(), stack.stack_name());
    tags
}

/// What an earlier stack of this name has left behind.
async fn retained<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
    spec: &Stack,
) -> Result<Vec<Retained>, CallError> {
    let mut retained = Vec::new();
    if !spec.file_systems.is_empty() {
        let found = cloud.file_systems(stack).await?;
        retained.extend(found.into_iter().map(Retained::from));
    }
    if !spec.buckets.is_empty() {
        let names = spec.buckets.keys();
        let names = names.map(|name| (name.clone(), spec.bucket_name(name)));
        let found = cloud.buckets(stack, &names.collect()).await?;
        retained.extend(found.into_iter().map(Retained::from));
    }
    Ok(retained)
}

impl Prepared {
    /// How the stack gets its template.
    ///
    /// # Errors
    /// [`ProvisioningError::Conflict`] when nothing can be done with the stack as it is.
    pub fn way(&self, operation: &'static str) -> Result<Way, ProvisioningError> {
        let Some(described) = &self.described else {
            return Ok(Way::Create);
        };
        let status = &described.status;
        if status.is_shell() {
            Ok(Way::Create)
        } else if status.is_failed_creation() {
            Ok(Way::Recreate)
        } else if status.takes_updates() {
            Ok(Way::Update)
        } else {
            Err(ProvisioningError::Conflict {
                operation,
                stack: self.stack.clone(),
                reason: obstacle(&self.stack, described),
            })
        }
    }
}

/// What keeps a stack from being changed, and what to do.
pub(crate) fn obstacle(stack: &str, described: &DescribedStack) -> String {
    let status = &described.status;
    let why = match &described.status_reason {
        Some(reason) => format!("it is {status}: {reason}"),
        None => format!("it is {status}"),
    };
    let remedy = if status.is_failed_rollback() {
        format!(
            "fix what CloudFormation could not roll back, and continue with: aws cloudformation \
             continue-update-rollback --stack-name {stack}"
        )
    } else if status.is_failed_deletion() {
        "fix what keeps its resources from being deleted, and destroy it again".to_owned()
    } else {
        "wait until CloudFormation has done its work".to_owned()
    };
    format!("{why}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_that_cannot_be_changed_is_refused_with_a_command_that_can_be_copied() {
        let described = DescribedStack {
            stack_id: "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop/1".to_owned(),
            status: "UPDATE_ROLLBACK_FAILED".into(),
            status_reason: None,
            outputs: BTreeMap::new(),
            termination_protection: false,
        };
        assert_eq!(
            obstacle("shop", &described),
            "it is UPDATE_ROLLBACK_FAILED; fix what CloudFormation could not roll back, and continue with: aws \
             cloudformation continue-update-rollback --stack-name shop"
        );
    }
}
