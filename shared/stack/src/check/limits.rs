//! Limits of CloudFormation.

use super::Findings;
use crate::render::{Context, render};
use crate::spec::Stack;

const MOST_RESOURCES: usize = 500;
const MOST_PARAMETERS: usize = 200;

/// In bytes, by way of S3.
const LARGEST_BODY: usize = 1024 * 1024;

/// The image that runs takes the place of the stack file's and may have a longer name; a permissions
/// boundary is named in every role.
const ROOM_TO_GROW: usize = 64 * 1024;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    let rendered = render(stack, &Context::default());
    let advice = "divide the stack's services among several stacks";
    if rendered.resources > MOST_RESOURCES {
        findings.error(
            "services",
            rendered.resources,
            format!(
                "the template has {} resources, expected at most the {MOST_RESOURCES} that CloudFormation \
                 takes; {advice}",
                rendered.resources
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
}
