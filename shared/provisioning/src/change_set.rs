//! The change sets of plans and of applies.

use std::collections::BTreeMap;

use longshore_state::CallError;

use crate::ports::{
    ChangeSetKind, ChangeSetRequest, ParameterValue, ProvisioningCloud, ResourceToImport,
    TemplateSource,
};
use crate::prepare::Prepared;
use crate::settings::Settings;

/// The most bytes of a template that CloudFormation takes in a request; a larger one goes through S3.
const LARGEST_BODY: usize = 51_200;

/// A change set of a stack.
pub(crate) fn request(
    settings: &Settings,
    prepared: &Prepared,
    name: &str,
    kind: ChangeSetKind,
    template: TemplateSource,
    resources_to_import: Vec<ResourceToImport>,
) -> ChangeSetRequest {
    let parameters = prepared
        .rendered
        .parameters
        .iter()
        .map(|(key, value)| (key.clone(), ParameterValue::New(value.clone())))
        .collect();
    let tags = match kind {
        // CloudFormation: "As part of the import operation, you cannot modify or add [Tags]".
        ChangeSetKind::Import => BTreeMap::new(),
        ChangeSetKind::Create | ChangeSetKind::Update => prepared.tags.clone(),
    };
    ChangeSetRequest {
        stack: prepared.stack.clone(),
        name: name.to_owned(),
        kind,
        template,
        parameters,
        tags,
        resources_to_import,
        role_arn: settings.cloudformation_role_arn.clone(),
    }
}

/// The name of the change set whose execution has this token.
pub(crate) fn name(token: &str) -> String {
    format!("longshore-{token}")
}

/// Deletes a change set that is not to be executed, and the empty stack that the first change set of a
/// stack makes.
pub(crate) async fn discard<C: ProvisioningCloud>(
    cloud: &C,
    request: &ChangeSetRequest,
) -> Result<(), CallError> {
    cloud
        .delete_change_set(&request.stack, &request.name)
        .await?;
    if request.kind == ChangeSetKind::Update {
        return Ok(());
    }
    match cloud.describe(&request.stack).await? {
        Some(shell) if shell.status.is_shell() => {
            cloud
                .delete_remains(&shell.stack_id, request.role_arn.as_deref())
                .await
        }
        _ => Ok(()),
    }
}

/// A template as CloudFormation takes it: in the request, or through S3 when it is large.
pub(crate) async fn source<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
    body: &str,
) -> Result<TemplateSource, CallError> {
    if body.len() <= LARGEST_BODY {
        return Ok(TemplateSource::Body(body.to_owned()));
    }
    let url = cloud.put_template(stack, body).await?;
    Ok(TemplateSource::Url(url))
}
