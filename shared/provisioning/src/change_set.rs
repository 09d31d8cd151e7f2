//! The change sets of plans and of applies.

use std::collections::BTreeMap;

use longshore_stack::spec::Stack;
use longshore_state::CallError;

use crate::ports::{
    ChangeSetKind, ChangeSetRequest, ParameterValue, ProvisioningCloud, ResourceToImport,
    TemplateSource,
};
use crate::prepare::Prepared;
use crate::settings::Settings;

/// The tag by which a CloudFormation stack is known as Longshore's.
const STACK_TAG: &str = "longshore:stack";

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

/// The stack's own tags, which CloudFormation gives to every resource that takes tags: also to those
/// whose type has no property for them, such as listeners.
pub(crate) fn tags(stack: &Stack) -> BTreeMap<String, String> {
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
