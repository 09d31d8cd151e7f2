//! Rendering for others to apply: Terraform sends what this gives to CloudFormation.

use std::collections::BTreeMap;

use longshore_events::longshore::Problem;
use longshore_stack::outputs::names;
use longshore_stack::read::Reading;
use longshore_stack::render::parameter_sources;
use serde::Serialize;

use crate::error::ProvisioningError;
use crate::ports::ProvisioningCloud;
use crate::prepare::{AppliedBy, prepare};
use crate::settings::Settings;

/// What CloudFormation must be given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RenderedStack {
    pub stack: String,
    /// Where the template is.
    pub template_url: String,
    /// The parameters, each with the path of its value in the stack file. The values are not repeated
    /// here: whoever sent them has them.
    pub parameter_sources: BTreeMap<String, String>,
    /// What CloudFormation must be allowed to make.
    pub capabilities: [&'static str; 1],
    /// The role for CloudFormation to work with.
    pub cloudformation_role_arn: Option<String>,
    /// The stack's own tags.
    pub tags: BTreeMap<String, String>,
    /// Whether CloudFormation is to refuse to delete the stack.
    pub termination_protection: bool,
    /// CloudFormation's output for each name that people know: `cluster_name` is `ClusterName`.
    pub outputs: BTreeMap<String, String>,
    /// The services that wait without tasks because their image is not there yet, each with the image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waits_for_images: BTreeMap<String, String>,
    /// Warnings about the stack file.
    pub warnings: Vec<Problem>,
}

/// Renders the template that fits the stack as it is, with the images that run, and keeps it where
/// CloudFormation can read it. A difference only in images gives the template that the stack has.
///
/// # Errors
/// [`ProvisioningError`].
pub async fn render<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    reading: &Reading,
) -> Result<RenderedStack, ProvisioningError> {
    let prepared = prepare(cloud, settings, reading, AppliedBy::Others).await?;
    let body = &prepared.rendered.body;
    Ok(RenderedStack {
        template_url: cloud.put_template(&prepared.stack, body).await?,
        parameter_sources: parameter_sources(&reading.stack),
        capabilities: ["CAPABILITY_IAM"],
        cloudformation_role_arn: settings.cloudformation_role_arn.clone(),
        tags: prepared.tags,
        termination_protection: prepared.protected,
        outputs: names(&reading.stack, &prepared.rendered.outputs),
        waits_for_images: prepared.waits_for_images,
        warnings: prepared.warnings,
        stack: prepared.stack,
    })
}
