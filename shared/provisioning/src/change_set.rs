//! The change sets of plans and of applies.

use std::collections::BTreeMap;

use crate::ports::{
    ChangeSetKind, ChangeSetRequest, ParameterValue, ResourceToImport, TemplateSource,
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
    ChangeSetRequest {
        stack: prepared.stack.clone(),
        name: name.to_owned(),
        kind,
        template,
        parameters,
        tags: tags(&prepared.stack),
        resources_to_import,
        role_arn: settings.cloudformation_role_arn.clone(),
    }
}

/// The stack's own tags.
pub(crate) fn tags(stack: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(STACK_TAG.to_owned(), stack.to_owned())])
}
