//! CloudFormation: stacks, change sets, events and drift.

use std::time::Duration;

use chrono::{DateTime, Utc};
use longshore_events::cloudformation::StackStatus;
use longshore_events::longshore::FailedResource;
use longshore_provisioning::ports::{
    Action, ChangeSet, ChangeSetKind, ChangeSetRequest, Comparison, DescribedStack, Drift,
    ObservedStack, ParameterValue, PropertyChange, PropertyDrift, REMAINS_TOKEN, ResourceChange,
    StackEvent, StackObserver, StackProvisioner, TemplateSource,
};
use longshore_state::{CallError, ErrorClass};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::AwsCloud;
use crate::signed::Query;
use crate::xml::{boolean, or_blank};

/// The version of CloudFormation's API: the AWS CloudFormation API Reference, from which the shapes below are taken.
const VERSION: &str = "2010-05-15";

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
                status: stack.stack_status,
                status_reason: stack.stack_status_reason,
                outputs: stack
                    .outputs
                    .into_iter()
                    .map(|output| (output.output_key, output.output_value))
                    .collect(),
                termination_protection: stack.enable_termination_protection,
                stack_id: stack.stack_id,
            })
            .filter(|stack| !stack.status.is_deleted()))
    }

    async fn template(&self, stack: &str) -> Result<Option<String>, CallError> {
        let answer = self
            .cloudformation::<GotTemplate>(
                of_stack("GetTemplate", stack).with("TemplateStage", "Original"),
                &format!("get the template of stack {stack}"),
            )
            .await;
        none_if_missing(answer).map(|answer| answer.and_then(|answer| answer.template_body))
    }

    async fn create_change_set(&self, request: &ChangeSetRequest) -> Result<ChangeSet, CallError> {
        let operation = format!(
            "create change set {} of stack {}",
            request.name, request.stack
        );
        let create = || self.cloudformation::<IgnoredAny>(change_set_query(request), &operation);
        if let Err(error) = create().await {
            // An attempt that died has left it; what it holds may be out of date.
            if error.code.as_deref() != Some("AlreadyExistsException") {
                return Err(error);
            }
            self.delete_change_set(&request.stack, &request.name)
                .await?;
            create().await?;
        }
        self.worked_out(&request.stack, &request.name).await
    }

    async fn execute_change_set(
        &self,
        stack: &str,
        name: &str,
        token: &str,
    ) -> Result<(), CallError> {
        self.cloudformation::<IgnoredAny>(
            of_stack("ExecuteChangeSet", stack)
                .with("ChangeSetName", name)
                .with("ClientRequestToken", token),
            &format!("execute change set {name} of stack {stack}"),
        )
        .await
        .map(drop)
    }

    async fn delete_change_set(&self, stack: &str, name: &str) -> Result<(), CallError> {
        let answer = self
            .cloudformation::<IgnoredAny>(
                of_stack("DeleteChangeSet", stack).with("ChangeSetName", name),
                &format!("delete change set {name} of stack {stack}"),
            )
            .await;
        none_if_missing(answer).map(drop)
    }

    async fn delete_stack(
        &self,
        stack: &str,
        role_arn: Option<&str>,
        token: &str,
    ) -> Result<(), CallError> {
        self.begin_to_delete(stack, role_arn, token, &format!("delete stack {stack}"))
            .await
    }

    async fn delete_remains(
        &self,
        stack_id: &str,
        role_arn: Option<&str>,
    ) -> Result<(), CallError> {
        let operation = format!("delete what is left of stack {stack_id}");
        // Whoever hears of the deletion knows by the token that it is a step of something else.
        let token = format!("{REMAINS_TOKEN}-{}", digits_of(stack_id));
        self.begin_to_delete(stack_id, role_arn, &token, &operation)
            .await?;
        patiently(&operation, async || match self.stack(stack_id).await? {
            None => Ok(Some(())),
            Some(stack) if stack.stack_status.is_deleted() => Ok(Some(())),
            Some(stack) if stack.stack_status.is_failed_deletion() => Err(CallError {
                operation: operation.clone(),
                class: ErrorClass::Refused,
                code: Some(stack.stack_status.to_string()),
                message: stack.stack_status_reason.unwrap_or_default(),
            }),
            Some(_) => Ok(None),
        })
        .await
    }

    async fn set_termination_protection(
        &self,
        stack: &str,
        protected: bool,
    ) -> Result<(), CallError> {
        let query = of_stack("UpdateTerminationProtection", stack)
            .with("EnableTerminationProtection", &protected.to_string());
        self.cloudformation::<IgnoredAny>(
            query,
            &format!("set termination protection of stack {stack}"),
        )
        .await
        .map(drop)
    }

    async fn events(&self, stack: &str) -> Result<Vec<StackEvent>, CallError> {
        let operation = format!("describe the events of stack {stack}");
        let mut events = Vec::new();
        let mut next_token = None;
        'pages: loop {
            let page: Events = self
                .cloudformation(
                    of_stack("DescribeStackEvents", stack)
                        .with_some("NextToken", next_token.as_deref()),
                    &operation,
                )
                .await?;
            for event in page.stack_events {
                let event = stack_event(event);
                let begins = is_beginning(&event);
                events.push(event);
                if begins {
                    break 'pages;
                }
            }
            next_token = page.next_token;
            if next_token.is_none() {
                break;
            }
        }
        events.reverse();
        Ok(events)
    }

    async fn drift(&self, stack: &str) -> Result<Vec<Drift>, CallError> {
        let operation = format!("detect the drift of stack {stack}");
        let detection: Detection = self
            .cloudformation(of_stack("DetectStackDrift", stack), &operation)
            .await?;
        patiently(&operation, async || {
            let answer: DetectionStatus = self
                .cloudformation(
                    Query::new("DescribeStackDriftDetectionStatus", VERSION)
                        .with("StackDriftDetectionId", &detection.stack_drift_detection_id),
                    &operation,
                )
                .await?;
            match answer.detection_status.as_str() {
                "DETECTION_COMPLETE" => Ok(Some(())),
                "DETECTION_FAILED" => Err(CallError {
                    operation: operation.clone(),
                    class: ErrorClass::Refused,
                    code: Some(answer.detection_status),
                    message: answer.detection_status_reason.unwrap_or_default(),
                }),
                _ => Ok(None),
            }
        })
        .await?;
        self.found_drifts(stack, &operation).await
    }

    async fn last_comparison(&self, stack: &str) -> Result<Option<Comparison>, CallError> {
        let described = self.stack(stack).await?;
        let known = described.and_then(|described| described.drift_information);
        let Some((at, status)) = known.and_then(|known| {
            let status = known.stack_drift_status;
            known.last_check_timestamp.map(|at| (at, status))
        }) else {
            return Ok(None);
        };
        match status.as_str() {
            "DRIFTED" => {
                let operation = format!("look at the drift of stack {stack}");
                let drifted = self.found_drifts(stack, &operation).await?;
                Ok(Some(Comparison { at, drifted }))
            }
            "IN_SYNC" => Ok(Some(Comparison {
                at,
                drifted: Vec::new(),
            })),
            // NOT_CHECKED, UNKNOWN: the stack has changed since.
            _ => Ok(None),
        }
    }
}

impl StackObserver for AwsCloud {
    async fn describe_stack(&self, stack: &str) -> Result<Option<ObservedStack>, CallError> {
        let Some(described) = self.stack(stack).await? else {
            return Ok(None);
        };
        let metadata = self.template_metadata(&described.stack_id).await?;
        let changed_at = [
            described.creation_time,
            described.last_updated_time,
            described.deletion_time,
        ];
        Ok(Some(ObservedStack {
            stack_id: described.stack_id,
            status: described.stack_status,
            status_reason: described.stack_status_reason,
            changed_at: changed_at.into_iter().flatten().max(),
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
    event.status.is_failed_resource()
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

/// The request of an operation on a stack, by its name or its id.
fn of_stack(action: &str, stack: &str) -> Query {
    Query::new(action, VERSION).with("StackName", stack)
}

fn change_set_query(request: &ChangeSetRequest) -> Query {
    let mut query = of_stack("CreateChangeSet", &request.stack)
        .with("ChangeSetName", &request.name)
        .with(
            "ChangeSetType",
            match request.kind {
                ChangeSetKind::Create => "CREATE",
                ChangeSetKind::Update => "UPDATE",
                ChangeSetKind::Import => "IMPORT",
            },
        )
        .with("Capabilities.member.1", "CAPABILITY_IAM")
        .with_some("RoleARN", request.role_arn.as_deref());
    for (number, (key, value)) in (1..).zip(&request.parameters) {
        let member = format!("Parameters.member.{number}");
        query = query.with(&format!("{member}.ParameterKey"), key);
        query = match value {
            ParameterValue::New(value) => {
                query.with(&format!("{member}.ParameterValue"), value.reveal())
            }
            ParameterValue::Previous => query.with(&format!("{member}.UsePreviousValue"), "true"),
        };
    }
    for (number, (key, value)) in (1..).zip(&request.tags) {
        query = query
            .with(&format!("Tags.member.{number}.Key"), key)
            .with(&format!("Tags.member.{number}.Value"), value);
    }
    query = match &request.template {
        TemplateSource::Body(body) => query.with("TemplateBody", body),
        TemplateSource::Url(url) => query.with("TemplateURL", url),
    };
    if request.kind != ChangeSetKind::Import {
        // What an earlier stack of this name left behind, such as its log groups, is adopted.
        return query.with("ImportExistingResources", "true");
    }
    for (number, resource) in (1..).zip(&request.resources_to_import) {
        let member = format!("ResourcesToImport.member.{number}");
        query = query
            .with(&format!("{member}.LogicalResourceId"), &resource.logical_id)
            .with(&format!("{member}.ResourceType"), &resource.resource_type)
            .with(
                &format!("{member}.ResourceIdentifier.entry.1.key"),
                &resource.identifier,
            )
            .with(
                &format!("{member}.ResourceIdentifier.entry.1.value"),
                &resource.value,
            );
    }
    query
}

impl AwsCloud {
    async fn cloudformation<T: DeserializeOwned>(
        &self,
        query: Query,
        operation: &str,
    ) -> Result<T, CallError> {
        query
            .send(&self.configuration, operation, "cloudformation")
            .await
    }

    /// The differences that CloudFormation found last.
    async fn found_drifts(&self, stack: &str, operation: &str) -> Result<Vec<Drift>, CallError> {
        let mut drifts = Vec::new();
        let mut next_token = None;
        loop {
            let page: Drifts = self
                .cloudformation(
                    of_stack("DescribeStackResourceDrifts", stack)
                        .with("StackResourceDriftStatusFilters.member.1", "MODIFIED")
                        .with("StackResourceDriftStatusFilters.member.2", "DELETED")
                        .with_some("NextToken", next_token.as_deref()),
                    operation,
                )
                .await?;
            drifts.extend(page.stack_resource_drifts.into_iter().map(drift));
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(drifts);
            }
        }
    }

    async fn stack(&self, stack: &str) -> Result<Option<Stack>, CallError> {
        let answer = self
            .cloudformation::<Stacks>(
                of_stack("DescribeStacks", stack),
                &format!("describe stack {stack}"),
            )
            .await;
        Ok(none_if_missing(answer)?.and_then(|answer| answer.stacks.into_iter().next()))
    }

    async fn begin_to_delete(
        &self,
        stack: &str,
        role_arn: Option<&str>,
        token: &str,
        operation: &str,
    ) -> Result<(), CallError> {
        self.cloudformation::<IgnoredAny>(
            of_stack("DeleteStack", stack)
                .with_some("RoleARN", role_arn)
                .with("ClientRequestToken", token),
            operation,
        )
        .await
        .map(drop)
    }

    /// The `Metadata` section of a stack's template; `None` when there is no such stack, or nothing in it.
    pub(crate) async fn template_metadata(&self, stack: &str) -> Result<Option<Value>, CallError> {
        let summary = self
            .cloudformation::<TemplateSummary>(
                of_stack("GetTemplateSummary", stack),
                &format!("summarise the template of stack {stack}"),
            )
            .await;
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
                let page: DescribedChangeSet = self
                    .cloudformation(
                        of_stack("DescribeChangeSet", stack)
                            .with("ChangeSetName", name)
                            .with("IncludePropertyValues", "true")
                            .with_some("NextToken", next_token.as_deref()),
                        &operation,
                    )
                    .await?;
                match page.status.as_str() {
                    "CREATE_COMPLETE" => {}
                    "FAILED" => {
                        return Ok(Some(unsuccessful(page.status_reason.unwrap_or_default())));
                    }
                    _ => return Ok(None),
                }
                changes.extend(page.changes);
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
        && event.status.begins_change()
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

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stacks {
    #[serde(default, deserialize_with = "or_blank")]
    stacks: Vec<Stack>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stack {
    #[serde(default)]
    stack_id: String,
    #[serde(default)]
    stack_status: StackStatus,
    stack_status_reason: Option<String>,
    creation_time: Option<DateTime<Utc>>,
    last_updated_time: Option<DateTime<Utc>>,
    deletion_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "or_blank")]
    outputs: Vec<Output>,
    #[serde(default, deserialize_with = "boolean")]
    enable_termination_protection: bool,
    drift_information: Option<DriftInformation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DriftInformation {
    stack_drift_status: String,
    last_check_timestamp: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    output_key: String,
    #[serde(default)]
    output_value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GotTemplate {
    template_body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TemplateSummary {
    metadata: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedChangeSet {
    #[serde(default)]
    status: String,
    status_reason: Option<String>,
    #[serde(default, deserialize_with = "or_blank")]
    changes: Vec<Change>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    #[serde(default, deserialize_with = "or_blank")]
    resource_change: Option<ChangeOfResource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ChangeOfResource {
    action: String,
    replacement: String,
    policy_action: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    resource_type: String,
    #[serde(deserialize_with = "or_blank")]
    details: Vec<ChangeDetail>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeDetail {
    #[serde(default, deserialize_with = "or_blank")]
    target: Option<ChangeTarget>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeTarget {
    attribute: Option<String>,
    name: Option<String>,
    path: Option<String>,
    before_value: Option<String>,
    after_value: Option<String>,
    requires_recreation: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Events {
    #[serde(default, deserialize_with = "or_blank")]
    stack_events: Vec<EventOfStack>,
    next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EventOfStack {
    event_id: String,
    timestamp: DateTime<Utc>,
    resource_status: StackStatus,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    resource_type: String,
    resource_status_reason: Option<String>,
    client_request_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Detection {
    stack_drift_detection_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DetectionStatus {
    detection_status: String,
    detection_status_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Drifts {
    #[serde(default, deserialize_with = "or_blank")]
    stack_resource_drifts: Vec<DriftOfResource>,
    next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DriftOfResource {
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    resource_type: String,
    stack_resource_drift_status: String,
    #[serde(deserialize_with = "or_blank")]
    property_differences: Vec<PropertyDifference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PropertyDifference {
    property_path: String,
    expected_value: String,
    actual_value: String,
}

fn resource_change(change: Change) -> Option<ResourceChange> {
    let change = change.resource_change?;
    Some(ResourceChange {
        action: action(&change),
        properties: change
            .details
            .into_iter()
            .filter_map(property_change)
            .collect(),
        logical_id: change.logical_resource_id,
        physical_id: change.physical_resource_id,
        resource_type: change.resource_type,
    })
}

fn action(change: &ChangeOfResource) -> Action {
    match (
        change.action.as_str(),
        change.replacement.as_str(),
        change.policy_action.as_str(),
    ) {
        ("Add", ..) => Action::Add,
        ("Import", ..) => Action::Import,
        ("Remove", _, "Retain") => Action::RemoveAndKeep,
        ("Remove", ..) => Action::Remove,
        (_, "True", "ReplaceAndRetain") => Action::ReplaceAndKeep,
        (_, "True", _) => Action::Replace,
        (_, "Conditional", _) => Action::MayReplace,
        _ => Action::Change,
    }
}

/// A property's change; CloudFormation lists one once for each of its causes.
fn property_change(detail: ChangeDetail) -> Option<PropertyChange> {
    let target = detail.target?;
    let attribute = target.attribute.as_deref().unwrap_or("Properties");
    let path = match (target.path, target.name) {
        (Some(path), _) => path,
        (None, Some(name)) => format!("/{attribute}/{name}"),
        (None, None) => format!("/{attribute}"),
    };
    Some(PropertyChange {
        path,
        before: target.before_value,
        after: target.after_value,
        replaces: target.requires_recreation.as_deref() == Some("Always"),
    })
}

fn stack_event(event: EventOfStack) -> StackEvent {
    StackEvent {
        at: event.timestamp,
        status: event.resource_status,
        id: event.event_id,
        logical_id: event.logical_resource_id,
        physical_id: event.physical_resource_id,
        resource_type: event.resource_type,
        reason: event.resource_status_reason,
        client_request_token: event.client_request_token,
    }
}

fn drift(drift: DriftOfResource) -> Drift {
    Drift {
        logical_id: drift.logical_resource_id,
        physical_id: drift.physical_resource_id,
        resource_type: drift.resource_type,
        deleted: drift.stack_resource_drift_status == "DELETED",
        properties: drift
            .property_differences
            .into_iter()
            .map(|difference| PropertyDrift {
                path: difference.property_path,
                expected: difference.expected_value,
                actual: difference.actual_value,
            })
            .collect(),
    }
}
