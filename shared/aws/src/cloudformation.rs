//! CloudFormation: stacks, change sets, events and drift.

use std::time::Duration;

use aws_sdk_cloudformation::types::{
    Capability, Change, ChangeAction, ChangeSetStatus, ChangeSetType, Parameter, PolicyAction,
    Replacement, RequiresRecreation, ResourceChange as SdkResourceChange, ResourceChangeDetail,
    ResourceToImport, Stack, StackDriftDetectionStatus, StackEvent as SdkStackEvent,
    StackResourceDrift, StackResourceDriftStatus, Tag, TemplateStage,
};
use chrono::DateTime;
use longshore_events::longshore::FailedResource;
use longshore_provisioning::ports::{
    Action, ChangeSet, ChangeSetKind, ChangeSetRequest, DescribedStack, Drift, ParameterValue,
    PropertyChange, PropertyDrift, ResourceChange, StackEvent, StackProvisioner, StackStatus,
    TemplateSource,
};
use longshore_rollout::ports::{ObservedStack, StackObserver};
use longshore_rollout::stack_record::REMAINS_TOKEN;
use longshore_state::{CallError, ErrorClass};
use serde_json::Value;

use crate::AwsCloud;
use crate::error::failed;

/// How long CloudFormation may take to work out a change set, to compare resources, or to delete what a
/// failed creation left; each takes seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long lies between two questions whether it is done.
const PAUSE: Duration = Duration::from_millis(500);

impl StackProvisioner for AwsCloud {
    async fn describe(&self, stack: &str) -> Result<Option<DescribedStack>, CallError> {
        Ok(self
            .stack(stack)
            .await?
            .map(|stack| DescribedStack {
                status: StackStatus(
                    stack
                        .stack_status()
                        .map_or_else(String::new, |status| status.as_str().to_owned()),
                ),
                status_reason: stack.stack_status_reason().map(str::to_owned),
                outputs: stack
                    .outputs()
                    .iter()
                    .filter_map(|output| {
                        Some((
                            output.output_key()?.to_owned(),
                            output.output_value()?.to_owned(),
                        ))
                    })
                    .collect(),
                termination_protection: stack.enable_termination_protection().unwrap_or(false),
                stack_id: stack.stack_id.unwrap_or_default(),
            })
            .filter(|stack| stack.status.0 != "DELETE_COMPLETE"))
    }

    async fn template(&self, stack: &str) -> Result<Option<String>, CallError> {
        let answer = self
            .cloudformation()
            .get_template()
            .stack_name(stack)
            .template_stage(TemplateStage::Original)
            .send()
            .await
            .map_err(failed(format!("get the template of stack {stack}")));
        none_if_missing(answer).map(|answer| answer.and_then(|answer| answer.template_body))
    }

    async fn create_change_set(&self, request: &ChangeSetRequest) -> Result<ChangeSet, CallError> {
        let operation = format!(
            "create change set {} of stack {}",
            request.name, request.stack
        );
        let call = self
            .cloudformation()
            .create_change_set()
            .stack_name(&request.stack)
            .change_set_name(&request.name)
            .change_set_type(match request.kind {
                ChangeSetKind::Create => ChangeSetType::Create,
                ChangeSetKind::Update => ChangeSetType::Update,
                ChangeSetKind::Import => ChangeSetType::Import,
            })
            .capabilities(Capability::CapabilityIam)
            .set_role_arn(request.role_arn.clone())
            .set_parameters(Some(
                request
                    .parameters
                    .iter()
                    .map(|(key, value)| parameter(key, value))
                    .collect(),
            ));
        // An empty list would take the stack's tags away.
        let tags: Vec<Tag> = request
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect();
        let call = call.set_tags((!tags.is_empty()).then_some(tags));
        let call = match &request.template {
            TemplateSource::Body(body) => call.template_body(body),
            TemplateSource::Url(url) => call.template_url(url),
        };
        let call = if request.kind == ChangeSetKind::Import {
            call.set_resources_to_import(Some(
                request
                    .resources_to_import
                    .iter()
                    .map(|resource| {
                        ResourceToImport::builder()
                            .logical_resource_id(&resource.logical_id)
                            .resource_type(&resource.resource_type)
                            .resource_identifier(&resource.identifier, &resource.value)
                            .build()
                    })
                    .collect(),
            ))
        } else {
            // What an earlier stack of this name left behind, such as its log groups, is taken up.
            call.import_existing_resources(true)
        };
        if let Err(error) = call.clone().send().await.map_err(failed(&operation)) {
            // An attempt that died has left it; what it holds may be out of date.
            if error.code.as_deref() != Some("AlreadyExistsException") {
                return Err(error);
            }
            self.delete_change_set(&request.stack, &request.name)
                .await?;
            call.send().await.map_err(failed(operation))?;
        }
        self.worked_out(&request.stack, &request.name).await
    }

    async fn execute_change_set(
        &self,
        stack: &str,
        name: &str,
        token: &str,
    ) -> Result<(), CallError> {
        self.cloudformation()
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .client_request_token(token)
            .send()
            .await
            .map(drop)
            .map_err(failed(format!(
                "execute change set {name} of stack {stack}"
            )))
    }

    async fn delete_change_set(&self, stack: &str, name: &str) -> Result<(), CallError> {
        let answer = self
            .cloudformation()
            .delete_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .send()
            .await
            .map_err(failed(format!("delete change set {name} of stack {stack}")));
        none_if_missing(answer).map(drop)
    }

    async fn delete_stack(
        &self,
        stack: &str,
        role_arn: Option<&str>,
        token: &str,
    ) -> Result<(), CallError> {
        self.cloudformation()
            .delete_stack()
            .stack_name(stack)
            .set_role_arn(role_arn.map(str::to_owned))
            .client_request_token(token)
            .send()
            .await
            .map(drop)
            .map_err(failed(format!("delete stack {stack}")))
    }

    async fn delete_remains(
        &self,
        stack_id: &str,
        role_arn: Option<&str>,
    ) -> Result<(), CallError> {
        let operation = format!("delete what is left of stack {stack_id}");
        // Whoever hears of the deletion knows by the token that it is a step of something else.
        let token = format!("{REMAINS_TOKEN}-{}", digits_of(stack_id));
        self.cloudformation()
            .delete_stack()
            .stack_name(stack_id)
            .set_role_arn(role_arn.map(str::to_owned))
            .client_request_token(token)
            .send()
            .await
            .map_err(failed(&operation))?;
        patiently(&operation, async || match self.stack(stack_id).await? {
            None => Ok(Some(())),
            Some(stack) => match stack.stack_status().map(|status| status.as_str()) {
                Some("DELETE_COMPLETE") => Ok(Some(())),
                Some("DELETE_FAILED") => Err(CallError {
                    operation: operation.clone(),
                    class: ErrorClass::Refused,
                    code: Some("DELETE_FAILED".to_owned()),
                    message: stack.stack_status_reason.unwrap_or_default(),
                }),
                _ => Ok(None),
            },
        })
        .await
    }

    async fn set_termination_protection(
        &self,
        stack: &str,
        protected: bool,
    ) -> Result<(), CallError> {
        self.cloudformation()
            .update_termination_protection()
            .stack_name(stack)
            .enable_termination_protection(protected)
            .send()
            .await
            .map(drop)
            .map_err(failed(format!(
                "set termination protection of stack {stack}"
            )))
    }

    async fn events(&self, stack: &str) -> Result<Vec<StackEvent>, CallError> {
        let operation = format!("describe the events of stack {stack}");
        let mut pages = self
            .cloudformation()
            .describe_stack_events()
            .stack_name(stack)
            .into_paginator()
            .send();
        let mut events = Vec::new();
        'pages: while let Some(page) = pages.next().await {
            for event in page
                .map_err(failed(&operation))?
                .stack_events
                .unwrap_or_default()
            {
                let event = stack_event(event);
                let begins = is_beginning(&event);
                events.push(event);
                if begins {
                    break 'pages;
                }
            }
        }
        events.reverse();
        Ok(events)
    }

    async fn drift(&self, stack: &str) -> Result<Vec<Drift>, CallError> {
        let operation = format!("detect the drift of stack {stack}");
        let detection = self
            .cloudformation()
            .detect_stack_drift()
            .stack_name(stack)
            .send()
            .await
            .map_err(failed(&operation))?
            .stack_drift_detection_id
            .unwrap_or_default();
        patiently(&operation, async || {
            let answer = self
                .cloudformation()
                .describe_stack_drift_detection_status()
                .stack_drift_detection_id(&detection)
                .send()
                .await
                .map_err(failed(&operation))?;
            match answer.detection_status {
                Some(StackDriftDetectionStatus::DetectionComplete) => Ok(Some(())),
                Some(StackDriftDetectionStatus::DetectionFailed) => Err(CallError {
                    operation: operation.clone(),
                    class: ErrorClass::Refused,
                    code: Some("DETECTION_FAILED".to_owned()),
                    message: answer.detection_status_reason.unwrap_or_default(),
                }),
                _ => Ok(None),
            }
        })
        .await?;
        let mut drifts = Vec::new();
        let mut next_token = None;
        loop {
            let page = self
                .cloudformation()
                .describe_stack_resource_drifts()
                .stack_name(stack)
                .stack_resource_drift_status_filters(StackResourceDriftStatus::Modified)
                .stack_resource_drift_status_filters(StackResourceDriftStatus::Deleted)
                .set_next_token(next_token)
                .send()
                .await
                .map_err(failed(&operation))?;
            drifts.extend(
                page.stack_resource_drifts
                    .unwrap_or_default()
                    .iter()
                    .map(drift),
            );
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(drifts);
            }
        }
    }
}

impl StackObserver for AwsCloud {
    async fn describe_stack(&self, stack: &str) -> Result<Option<ObservedStack>, CallError> {
        let Some(described) = self.stack(stack).await? else {
            return Ok(None);
        };
        let stack_id = described.stack_id().unwrap_or_default().to_owned();
        let metadata = self.template_metadata(&stack_id).await?;
        let changed_at = [
            described.creation_time(),
            described.last_updated_time(),
            described.deletion_time(),
        ]
        .into_iter()
        .flatten()
        .filter_map(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()))
        .max();
        Ok(Some(ObservedStack {
            stack_id,
            status: described
                .stack_status()
                .map_or_else(String::new, |status| status.as_str().to_owned()),
            status_reason: described.stack_status_reason().map(str::to_owned),
            changed_at,
            longshore: metadata
                .and_then(|metadata| serde_json::from_value(metadata["Longshore"].clone()).ok()),
        }))
    }

    async fn first_failure(
        &self,
        stack_id: &str,
        client_request_token: Option<&str>,
    ) -> Result<Option<FailedResource>, CallError> {
        let events = self.events(stack_id).await?;
        Ok(events
            .into_iter()
            .find(|event| is_first_failure(event, stack_id, client_request_token))
            .map(|event| FailedResource {
                logical_id: event.logical_id,
                resource_type: event.resource_type,
                physical_id: event.physical_id.filter(|id| !id.is_empty()),
                reason: event.reason.unwrap_or_default(),
            }))
    }
}

/// What fails after the first failure is cancelled because of it.
fn is_first_failure(event: &StackEvent, stack_id: &str, token: Option<&str>) -> bool {
    event.status.ends_with("_FAILED")
        && event.physical_id.as_deref() != Some(stack_id)
        && (token.is_none() || event.client_request_token.as_deref() == token)
        && !event
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains("cancelled"))
}

/// The unique part of a stack's id: tokens take no colons and no slashes.
fn digits_of(stack_id: &str) -> &str {
    stack_id.rsplit('/').next().unwrap_or(stack_id)
}

impl AwsCloud {
    async fn stack(&self, stack: &str) -> Result<Option<Stack>, CallError> {
        let answer = self
            .cloudformation()
            .describe_stacks()
            .stack_name(stack)
            .send()
            .await
            .map_err(failed(format!("describe stack {stack}")));
        Ok(none_if_missing(answer)?
            .and_then(|answer| answer.stacks)
            .and_then(|stacks| stacks.into_iter().next()))
    }

    /// The `Metadata` section of a stack's template; `None` when there is no such stack, or nothing in it.
    pub(crate) async fn template_metadata(&self, stack: &str) -> Result<Option<Value>, CallError> {
        let summary = self
            .cloudformation()
            .get_template_summary()
            .stack_name(stack)
            .send()
            .await
            .map_err(failed(format!("summarise the template of stack {stack}")));
        // GetTemplateSummary gives it as JSON text.
        Ok(none_if_missing(summary)?
            .and_then(|summary| serde_json::from_str(&summary.metadata?).ok()))
    }

    /// The change set, once CloudFormation has worked it out.
    async fn worked_out(&self, stack: &str, name: &str) -> Result<ChangeSet, CallError> {
        let operation = format!("describe change set {name} of stack {stack}");
        patiently(&operation, async || {
            let mut changes = Vec::new();
            let mut next_token = None;
            loop {
                let page = self
                    .cloudformation()
                    .describe_change_set()
                    .stack_name(stack)
                    .change_set_name(name)
                    .include_property_values(true)
                    .set_next_token(next_token)
                    .send()
                    .await
                    .map_err(failed(&operation))?;
                match page.status {
                    Some(ChangeSetStatus::CreateComplete) => {}
                    Some(ChangeSetStatus::Failed) => {
                        return Ok(Some(unsuccessful(page.status_reason.unwrap_or_default())));
                    }
                    _ => return Ok(None),
                }
                changes.extend(page.changes.unwrap_or_default());
                next_token = page.next_token;
                if next_token.is_none() {
                    break;
                }
            }
            Ok(Some(ChangeSet::Ready(
                changes.into_iter().filter_map(resource_change).collect(),
            )))
        })
        .await
    }
}

/// Asks until there is an answer.
async fn patiently<T>(
    operation: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>, CallError>,
) -> Result<T, CallError> {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if begun.elapsed() > PATIENCE {
            return Err(CallError {
                operation: operation.to_owned(),
                class: ErrorClass::Transient,
                code: None,
                message: format!(
                    "CloudFormation was not done after {} seconds",
                    PATIENCE.as_secs()
                ),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// CloudFormation has one code, `ValidationError`, for a stack that is not there and for all else that
/// is wrong with a request.
fn none_if_missing<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error)
            if matches!(error.code.as_deref(), Some("ChangeSetNotFound"))
                || error.message.contains("does not exist") =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the last change of a stack begins with this event.
fn is_beginning(event: &StackEvent) -> bool {
    event.resource_type == "AWS::CloudFormation::Stack"
        && matches!(
            event.status.as_str(),
            "CREATE_IN_PROGRESS"
                | "UPDATE_IN_PROGRESS"
                | "DELETE_IN_PROGRESS"
                | "IMPORT_IN_PROGRESS"
                | "REVIEW_IN_PROGRESS"
        )
        // A nested stack would be a resource of the same type.
        && event.physical_id.as_deref().is_some_and(|id| id.contains(&format!("/{}/", event.logical_id)))
}

fn unsuccessful(reason: String) -> ChangeSet {
    if reason.contains("didn't contain changes")
        || reason.contains("No updates are to be performed")
    {
        ChangeSet::Empty
    } else {
        ChangeSet::Refused(reason)
    }
}

fn parameter(key: &str, value: &ParameterValue) -> Parameter {
    let parameter = Parameter::builder().parameter_key(key);
    match value {
        ParameterValue::New(value) => parameter.parameter_value(value.reveal()),
        ParameterValue::Previous => parameter.use_previous_value(true),
    }
    .build()
}

fn resource_change(change: Change) -> Option<ResourceChange> {
    let change = change.resource_change?;
    Some(ResourceChange {
        action: action(&change),
        properties: change
            .details()
            .iter()
            .filter_map(property_change)
            .collect(),
        logical_id: change.logical_resource_id.unwrap_or_default(),
        physical_id: change.physical_resource_id,
        resource_type: change.resource_type.unwrap_or_default(),
    })
}

fn action(change: &SdkResourceChange) -> Action {
    match (
        change.action(),
        change.replacement(),
        change.policy_action(),
    ) {
        (Some(ChangeAction::Add), ..) => Action::Add,
        (Some(ChangeAction::Import), ..) => Action::Import,
        (Some(ChangeAction::Remove), _, Some(PolicyAction::Retain)) => Action::RemoveAndKeep,
        (Some(ChangeAction::Remove), ..) => Action::Remove,
        (_, Some(Replacement::True), Some(PolicyAction::ReplaceAndRetain)) => {
            Action::ReplaceAndKeep
        }
        (_, Some(Replacement::True), _) => Action::Replace,
        (_, Some(Replacement::Conditional), _) => Action::MayReplace,
        _ => Action::Change,
    }
}

/// A property's change; CloudFormation lists one once for each of its causes.
fn property_change(detail: &ResourceChangeDetail) -> Option<PropertyChange> {
    let target = detail.target()?;
    let attribute = target
        .attribute()
        .map_or("Properties", |attribute| attribute.as_str());
    let path = match (target.path(), target.name()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => format!("/{attribute}/{name}"),
        (None, None) => format!("/{attribute}"),
    };
    Some(PropertyChange {
        path,
        before: target.before_value().map(str::to_owned),
        after: target.after_value().map(str::to_owned),
        replaces: matches!(
            target.requires_recreation(),
            Some(RequiresRecreation::Always)
        ),
    })
}

fn stack_event(event: SdkStackEvent) -> StackEvent {
    StackEvent {
        at: event
            .timestamp
            .and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()))
            .unwrap_or_default(),
        status: event
            .resource_status
            .map_or_else(String::new, |status| status.as_str().to_owned()),
        id: event.event_id.unwrap_or_default(),
        logical_id: event.logical_resource_id.unwrap_or_default(),
        physical_id: event.physical_resource_id,
        resource_type: event.resource_type.unwrap_or_default(),
        reason: event.resource_status_reason,
        client_request_token: event.client_request_token,
    }
}

fn drift(drift: &StackResourceDrift) -> Drift {
    Drift {
        logical_id: drift.logical_resource_id().unwrap_or_default().to_owned(),
        physical_id: drift.physical_resource_id().map(str::to_owned),
        resource_type: drift.resource_type().unwrap_or_default().to_owned(),
        deleted: drift.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted),
        properties: drift
            .property_differences()
            .iter()
            .map(|difference| PropertyDrift {
                path: difference.property_path().unwrap_or_default().to_owned(),
                expected: difference.expected_value().unwrap_or_default().to_owned(),
                actual: difference.actual_value().unwrap_or_default().to_owned(),
            })
            .collect(),
    }
}
