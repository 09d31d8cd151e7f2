//! Limits of CloudFormation, and of what it makes.

use longshore_policy::freeze::MOST_WINDOWS;
use longshore_policy::settings::FreezeWindow;

use super::findings::Findings;
use super::lengths::{self, EXECUTION_ROLE, TASK_DEFINITION, TASK_ROLE};
use crate::path::Path;
use crate::render::{Rendered, logical_id};
use crate::spec::Stack;

const MOST_RESOURCES: usize = 500;
const MOST_PARAMETERS: usize = 200;

/// In bytes, by way of S3.
const LARGEST_BODY: usize = 1024 * 1024;

/// The image that runs takes the place of the stack file's and may have a longer name; a permissions
/// boundary is named in every role.
const ROOM_TO_GROW: usize = 64 * 1024;

/// ECS's limit for a task definition, in bytes: the Amazon ECS Developer Guide, "Amazon ECS service quotas".
const LARGEST_TASK_DEFINITION: usize = 64 * 1024;

/// What a container's image may grow by: a digest, and the host of another registry.
const ROOM_OF_AN_IMAGE: usize = 150;

/// IAM's limit for all inline policies of a role together, in characters without blanks: the IAM User Guide, "IAM
/// and AWS STS quotas".
const LARGEST_POLICIES: usize = 10_240;

/// Each service is at least a resource of [`MOST_RESOURCES`].
const MOST_SERVICES: usize = MOST_RESOURCES;

/// ECS's limit for the containers of a task: the Amazon ECS Developer Guide, "Amazon ECS service quotas".
const MOST_CONTAINERS: usize = 10;

/// The most lists of freeze windows that differ: for each of them it is worked out whether they leave a pause.
const MOST_LISTS_OF_WINDOWS: usize = 20;

/// How many there are of what other checks compare with each other. They do so only where this finds nothing.
pub(super) fn check_numbers(stack: &Stack, findings: &mut Findings) {
    let services = Path::default().key("services");
    if stack.services.len() > MOST_SERVICES {
        findings.error(
            &services,
            stack.services.len(),
            format!(
                "these are too many services for a template, expected at most {MOST_SERVICES}; divide them among \
                 several stacks"
            ),
        );
    }
    let mut lists: Vec<&[FreezeWindow]> = Vec::new();
    for service in stack.services.values() {
        let windows = service.rollout.freeze_windows.as_slice();
        if lists.len() <= MOST_LISTS_OF_WINDOWS && !lists.contains(&windows) {
            lists.push(windows);
        }
    }
    if lists.len() > MOST_LISTS_OF_WINDOWS {
        findings.error_without_value(
            &services,
            format!(
                "the services have more than {MOST_LISTS_OF_WINDOWS} lists of freeze windows that differ; let \
                 several services have the same"
            ),
        );
    }
    for (name, service) in &stack.services {
        let path = services.key(name);
        if service.sidecars.len() >= MOST_CONTAINERS {
            findings.error(
                path.key("sidecars"),
                service.sidecars.len(),
                format!("a task has at most {MOST_CONTAINERS} containers, with the service's own"),
            );
        }
        if service.rollout.freeze_windows.len() > MOST_WINDOWS {
            findings.error(
                path.key("rollout").key("freeze_windows"),
                service.rollout.freeze_windows.len(),
                format!("these are too many freeze windows, expected at most {MOST_WINDOWS}"),
            );
        }
    }
}

/// Checks how large the template is.
pub(super) fn check(stack: &Stack, rendered: &Rendered, findings: &mut Findings) {
    let advice = "divide the stack's services among several stacks";
    if rendered.resource_types.len() > MOST_RESOURCES {
        findings.error(
            "services",
            rendered.resource_types.len(),
            format!(
                "the template has {} resources, expected at most the {MOST_RESOURCES} that CloudFormation \
                 takes; {advice}",
                rendered.resource_types.len()
            ),
        );
    }
    if rendered.parameters.len() > MOST_PARAMETERS {
        findings.error(
            "services",
            rendered.parameters.len(),
            format!(
                "the stack file holds {} values of secrets, expected at most the {MOST_PARAMETERS} \
                 parameters that CloudFormation takes; put some into Secrets Manager and name them with \
                 `value_from`",
                rendered.parameters.len()
            ),
        );
    }
    if rendered.body.len() > LARGEST_BODY - ROOM_TO_GROW {
        findings.error(
            "services",
            rendered.body.len(),
            format!(
                "the template has {} bytes, expected at most {}, since CloudFormation takes {LARGEST_BODY} \
                 and it still grows; {advice}",
                rendered.body.len(),
                LARGEST_BODY - ROOM_TO_GROW
            ),
        );
    }
    check_resources(stack, &rendered.body, findings);
}

/// What services have of their own, as it is when CloudFormation has filled everything in.
fn check_resources(stack: &Stack, body: &str, findings: &mut Findings) {
    let lengths = lengths::of_resources(body);
    let length = |kind: &str, name: &str| {
        let id = format!("{kind}{}", logical_id(name));
        lengths.get(&id).copied().unwrap_or_default()
    };
    for (name, service) in &stack.services {
        let path = Path::default().key("services").key(name);
        let containers = service.containers(name).count();
        let size = length(TASK_DEFINITION, name).properties + containers * ROOM_OF_AN_IMAGE;
        if size > LARGEST_TASK_DEFINITION {
            findings.error(
                &path,
                size,
                format!(
                    "its task definition has about {size} bytes, expected at most {LARGEST_TASK_DEFINITION}, which \
                     ECS takes; let the containers read large values from a file of the image, a secret or a \
                     bucket"
                ),
            );
        }
        for (kind, field) in [
            (EXECUTION_ROLE, "secrets"),
            (TASK_ROLE, "task_role_statements"),
        ] {
            let size = length(kind, name).policies;
            if size > LARGEST_POLICIES {
                findings.error(
                    path.key(field),
                    size,
                    format!(
                        "the policies of the role that follow from this have about {size} characters, expected at \
                         most {LARGEST_POLICIES}, which IAM takes; name a role that exists, or use fewer and wider \
                         names"
                    ),
                );
            }
        }
    }
}
