//! From a stack to its CloudFormation template.
//!
//! The same stack gives the same bytes. What a resource is called follows from names in the stack file
//! alone, so adding, removing or reordering something changes nothing else.

mod alarms;
mod bucket;
mod capacity;
mod cluster;
mod container_details;
mod context;
mod dashboard;
mod events;
mod existing;
mod grants;
mod iam;
mod image;
mod image_policy;
mod load_balancer;
mod logs;
mod messaging;
mod metadata;
mod metric;
mod mirror;
mod named;
mod names;
mod network;
pub(crate) mod output_names;
mod outputs;
pub(crate) mod overrides;
mod peers;
mod placement;
mod role;
mod roles;
mod rollout;
mod scaling;
mod schedule;
mod scheduler;
mod secret;
mod service;
mod service_connect;
mod service_discovery;
mod sorted;
mod storage;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use longshore_policy::template::TemplateMetadata;
use serde_json::Value;

use crate::spec::{Sensitive, Stack};

use metadata::Metadata;
use named::NamedStack;
use template::Template;

pub use context::Context;
pub use image_policy::policy;
pub(crate) use load_balancer::LAST_PRIORITY;
pub use names::logical_id;
pub use rollout::settings;
pub(crate) use secret::ends_as_complete_arns_do;
pub(crate) use storage::volume_name;

/// A template and what it is applied with.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The template, as JSON. CloudFormation takes 51,200 bytes directly and 1 MB from S3.
    pub body: String,
    /// What the template says about its services.
    pub metadata: TemplateMetadata,
    /// The values of its parameters, which are those of the stack file's secrets.
    pub parameters: BTreeMap<String, Sensitive>,
    /// The types of its resources, by logical id. CloudFormation takes 500.
    pub resource_types: BTreeMap<String, String>,
    /// The names of its outputs. CloudFormation takes 200.
    pub outputs: BTreeSet<String>,
    /// Logical ids that more than one thing of the stack has, because their names differ only in characters that
    /// logical ids do not have. A checked stack has none.
    pub clashes: BTreeSet<String>,
}

/// Renders a stack that was read and checked. What a check would refuse is rendered as it is.
pub fn render(stack: &Stack, context: &Context) -> Rendered {
    let (template, parameters, metadata) = build(stack, context);
    Rendered {
        body: template.body(),
        metadata,
        parameters,
        resource_types: template.types(),
        outputs: template.output_names(),
        clashes: template.clashes(),
    }
}

/// What the template of a stack says about its services, whatever images it is rendered with.
pub fn metadata(stack: &Stack) -> TemplateMetadata {
    metadata::of_stack(&NamedStack::new(stack, &Context::default()))
}

/// By parameter of a stack's template, the path of its value in the stack file.
pub fn parameter_sources(stack: &Stack) -> BTreeMap<String, String> {
    secret::parameter_sources(stack)
}

fn build(
    stack: &Stack,
    context: &Context,
) -> (Template, BTreeMap<String, Sensitive>, TemplateMetadata) {
    let named_stack = NamedStack::new(stack, context);
    let services = metadata::of_stack(&named_stack);
    let metadata = Metadata {
        services: &services,
        bottle_sync: mirror::Metadata::of(&named_stack),
    };
    let description = if stack.has_cluster() {
        format!("ECS cluster {} and its services", named_stack.cluster_name)
    } else {
        format!(
            "Mirror of Homebrew's bottles of stack {}",
            named_stack.stack_name
        )
    };
    let mut template = Template::new(description, &metadata);
    cluster::render(&named_stack, &mut template);
    capacity::render(&named_stack, &mut template);
    network::render(&named_stack, &mut template);
    peers::render(&named_stack, &mut template);
    load_balancer::render(&named_stack, &mut template);
    service_discovery::render(&named_stack, &mut template);
    storage::render(&named_stack, &mut template);
    bucket::render(&named_stack, &mut template);
    messaging::render(&named_stack, &mut template);
    logs::render(&named_stack, &mut template);
    roles::render(&named_stack, &mut template);
    let parameters = secret::render(&named_stack, &mut template);
    service::render(&named_stack, &mut template);
    scaling::render(&named_stack, &mut template);
    schedule::render(&named_stack, &mut template);
    mirror::render(&named_stack, &mut template);
    alarms::render(&named_stack, &mut template);
    dashboard::render(&named_stack, &mut template);
    events::render(&named_stack, &mut template);
    outputs::render(&named_stack, &mut template);
    overrides::render(stack, &mut template);
    existing::render(stack, &mut template);
    (template, parameters, services)
}

/// A template with the images of its task definitions blanked: two templates that are equal after this
/// differ in nothing else. What is not a template is returned as null.
pub fn without_images(body: &str) -> Value {
    let mut template: Value = serde_json::from_str(body).unwrap_or_default();
    for image in images(&mut template) {
        *image = Value::Null;
    }
    template
}

/// `body` with the images of `deployed`, if the two differ in nothing but these and what Longshore itself
/// reads, so that CloudFormation has nothing to do.
pub fn with_images_of(body: &str, deployed: &str) -> Option<String> {
    let substance = |body: &str| {
        let mut template = without_images(body);
        let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
        let resources = resources
            .into_iter()
            .flat_map(|resources| resources.values_mut());
        for resource in resources {
            resource["Metadata"]["Longshore"] = Value::Null;
        }
        template["Metadata"] = Value::Null;
        template
    };
    if substance(body) != substance(deployed) {
        return None;
    }
    let mut template: Value = serde_json::from_str(body).ok()?;
    let mut deployed: Value = serde_json::from_str(deployed).ok()?;
    for (image, deployed) in images(&mut template).zip(images(&mut deployed)) {
        *image = deployed.take();
    }
    Some(template.to_string())
}

/// The images of a template's task definitions, in an order of their own.
fn images(template: &mut Value) -> impl Iterator<Item = &mut Value> {
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    let resources = resources
        .into_iter()
        .flat_map(|resources| resources.values_mut());
    resources
        .filter(|resource| resource["Type"] == "AWS::ECS::TaskDefinition")
        .filter_map(|resource| resource.pointer_mut("/Properties/ContainerDefinitions"))
        .filter_map(Value::as_array_mut)
        .flatten()
        .map(|container| &mut container["Image"])
}
