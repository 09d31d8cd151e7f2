//! What the provisioning engine needs of the world besides `longshore_rollout::ports`, as traits.
//! `longshore-aws` implements them on AWS.

use std::collections::BTreeMap;
use std::future::Future;

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::cloudformation::StackStatus;
use longshore_events::longshore::FailedResource;
use longshore_policy::template::TemplateMetadata;
use longshore_rollout::dry_run::DryRun;
use longshore_rollout::ports::Cloud;
use longshore_stack::check::{Needs, Surroundings};
use longshore_stack::spec::Sensitive;
use longshore_state::CallError;
use serde::Serialize;

/// How the client request token begins with which what is left of a stack is deleted, so that it can be
/// made anew: that is a step of another change and not a change of its own.
pub const REMAINS_TOKEN: &str = "longshore-remains";

/// A CloudFormation stack as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedStack {
    /// Its ARN.
    pub stack_id: String,
    /// How it is.
    pub status: StackStatus,
    /// Why, in CloudFormation's words.
    pub status_reason: Option<String>,
    /// Its outputs, by CloudFormation's names.
    pub outputs: BTreeMap<String, String>,
    /// Whether CloudFormation refuses to delete it.
    pub termination_protection: bool,
}

/// What a change set is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSetKind {
    /// Make the stack.
    Create,
    /// Change it.
    Update,
    /// Take resources up that exist.
    Import,
}

/// Where CloudFormation finds a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateSource {
    /// In the request.
    Body(String),
    /// At this URL of S3.
    Url(String),
}

/// The value of a template's parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    New(Sensitive),
    /// That of the stack as it is.
    Previous,
}

/// A resource that exists and is to belong to the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceToImport {
    /// Its name in the template.
    pub logical_id: String,
    /// `AWS::EFS::FileSystem`, for example.
    pub resource_type: String,
    /// The property that identifies it.
    pub identifier: String,
    /// That property's value.
    pub value: String,
}

/// A change set to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetRequest {
    pub stack: String,
    /// The change set's name.
    pub name: String,
    /// What it is to do.
    pub kind: ChangeSetKind,
    pub template: TemplateSource,
    /// The template's parameters.
    pub parameters: BTreeMap<String, ParameterValue>,
    /// The stack's own tags; none leave them as they are.
    pub tags: BTreeMap<String, String>,
    /// With [`ChangeSetKind::Import`]: what is adopted.
    pub resources_to_import: Vec<ResourceToImport>,
    /// The role that CloudFormation works with; without one it works as the caller.
    pub role_arn: Option<String>,
}

/// A change set that CloudFormation has worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSet {
    /// It can be executed.
    Ready(Vec<ResourceChange>),
    /// There is nothing to do.
    Empty,
    /// CloudFormation does not accept it; in its words.
    Refused(String),
}

/// What would become of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceChange {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name in AWS, if it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    /// `AWS::ECS::Service`, for example.
    pub resource_type: String,
    /// What would be done.
    pub action: Action,
    /// Property by property.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<PropertyChange>,
}

impl ResourceChange {
    /// Whether this is the next revision of a task definition: for CloudFormation another resource, and for everybody
    /// else the same one.
    pub fn is_new_revision(&self) -> bool {
        self.resource_type == "AWS::ECS::TaskDefinition"
            && matches!(self.action, Action::Replace | Action::ReplaceAndKeep)
    }
}

/// What would be done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Add,
    /// It is adopted without a change.
    Import,
    /// It is changed in place.
    Change,
    /// CloudFormation knows only when it is at work whether it is replaced.
    MayReplace,
    /// Another one is made and this one is deleted.
    Replace,
    /// Another one is made and this one stays, outside of the stack.
    ReplaceAndKeep,
    /// It is deleted.
    Remove,
    /// It stays, outside of the stack.
    RemoveAndKeep,
}

/// What would become of a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PropertyChange {
    /// Where it is in the resource: `/Properties/Cpu`.
    pub path: String,
    /// Its value now, if CloudFormation says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Its value then, if CloudFormation says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether this is why the resource is replaced.
    pub replaces: bool,
}

/// Something that happened to a resource of a stack, or to the stack itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackEvent {
    /// The event's own id.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The resource's name in the template.
    pub logical_id: String,
    /// Its name in AWS; that of the stack's own events is the stack's id.
    pub physical_id: Option<String>,
    pub resource_type: String,
    /// How it is now.
    pub status: StackStatus,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The token of the change that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
}

/// A resource that is not as the template says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    pub resource_type: String,
    /// Whether it is gone altogether.
    pub deleted: bool,
    /// What differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<PropertyDrift>,
}

/// What a comparison of a stack with its template found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// When that was.
    pub at: DateTime<Utc>,
    /// What was not as the template says.
    pub drifted: Vec<Drift>,
}

/// A property that is not as the template says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PropertyDrift {
    /// Where it is: `/RetentionInDays`.
    pub path: String,
    /// As the template has it.
    pub expected: String,
    pub actual: String,
}

/// A file system that a stack made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundFileSystem {
    /// Its name in the stack file.
    pub name: String,
    /// `fs-…`.
    pub file_system_id: String,
    /// How much it holds.
    pub size_in_bytes: u64,
}

/// A bucket that a stack made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBucket {
    /// Its name in the stack file.
    pub name: String,
    /// Its name in S3.
    pub bucket_name: String,
}

/// CloudFormation.
pub trait StackProvisioner {
    /// A stack, by name or id; `None` when there is none or it is deleted.
    fn describe(
        &self,
        stack: &str,
    ) -> impl Future<Output = Result<Option<DescribedStack>, CallError>>;

    /// The template of a stack as it was given.
    fn template(&self, stack: &str) -> impl Future<Output = Result<Option<String>, CallError>>;

    /// Makes a change set and waits the seconds until CloudFormation has worked it out.
    fn create_change_set(
        &self,
        request: &ChangeSetRequest,
    ) -> impl Future<Output = Result<ChangeSet, CallError>>;

    /// Executes a change set; all that follows carries `token`.
    fn execute_change_set(
        &self,
        stack: &str,
        name: &str,
        token: &str,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// Deletes a change set, if it is there.
    fn delete_change_set(
        &self,
        stack: &str,
        name: &str,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// Begins to delete a stack; all that follows carries `token`.
    fn delete_stack(
        &self,
        stack: &str,
        role_arn: Option<&str>,
        token: &str,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// Deletes what is left of a stack whose creation failed, or was only planned, and waits until it is
    /// gone. Its events carry a token that begins with [`REMAINS_TOKEN`].
    fn delete_remains(
        &self,
        stack_id: &str,
        role_arn: Option<&str>,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// Sets whether CloudFormation refuses to delete a stack.
    fn set_termination_protection(
        &self,
        stack: &str,
        protected: bool,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// What happened to a stack since its last change began, oldest first.
    fn events(&self, stack: &str) -> impl Future<Output = Result<Vec<StackEvent>, CallError>>;

    /// Compares every resource with the template and waits for the result.
    fn drift(&self, stack: &str) -> impl Future<Output = Result<Vec<Drift>, CallError>>;

    /// What the last comparison found; `None` when there was none, or there is no such stack.
    fn last_comparison(
        &self,
        stack: &str,
    ) -> impl Future<Output = Result<Option<Comparison>, CallError>>;
}

/// A stack as CloudFormation shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedStack {
    /// Its ARN.
    pub stack_id: String,
    /// How it is.
    pub status: StackStatus,
    /// Why, if CloudFormation says.
    pub status_reason: Option<String>,
    /// When its last change began: the latest of its times of creation, update and deletion.
    pub changed_at: Option<DateTime<Utc>>,
    /// What its template says about its services; `None` for one that Longshore did not render.
    pub longshore: Option<TemplateMetadata>,
}

/// What CloudFormation shows of stacks.
pub trait StackObserver {
    /// A stack, by name or ARN. By its ARN, a stack that is deleted is still shown for 90 days.
    fn describe_stack(
        &self,
        stack: &str,
    ) -> impl Future<Output = Result<Option<ObservedStack>, CallError>>;

    /// The first resource that failed in the change with this token; without a token, in the last change.
    /// What failed only because something else had failed is passed over.
    fn first_failure(
        &self,
        stack_id: &str,
        client_request_token: Option<&str>,
    ) -> impl Future<Output = Result<Option<FailedResource>, CallError>>;
}

/// Where templates and stack files are, and the routes, to be written.
pub trait ProvisioningStore {
    /// The stack file of a stack as it is now, with its key and its version.
    fn stack_file(
        &self,
        stack: &str,
    ) -> impl Future<Output = Result<Option<StoredStackFile>, CallError>>;

    /// Keeps a template under its own hash, and gives the URL at which CloudFormation reads it.
    fn put_template(
        &self,
        stack: &str,
        body: &str,
    ) -> impl Future<Output = Result<String, CallError>>;
}

/// What of a service's settings decides how its deployments go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// The ARN of the task definition that it points at.
    pub task_definition: String,
    /// The type of its deployment controller: `ECS`, `CODE_DEPLOY` or `EXTERNAL`.
    pub controller: String,
    /// Whether its deployment circuit breaker is on.
    pub circuit_breaker: bool,
    /// Whether that restores what ran before.
    pub rolls_back: bool,
}

/// What ECS shows of a service's settings.
pub trait ServiceInspector {
    /// The settings of a service. [`longshore_rollout::ports::ErrorClass::NotFound`] when there is none that
    /// is active.
    fn service_settings(
        &self,
        service: &ServiceName,
    ) -> impl Future<Output = Result<ServiceSettings, CallError>>;
}

impl<C: ServiceInspector> ServiceInspector for DryRun<'_, C> {
    async fn service_settings(&self, service: &ServiceName) -> Result<ServiceSettings, CallError> {
        self.cloud().service_settings(service).await
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStackFile {
    pub key: String,
    pub version_id: Option<String>,
    pub content: Vec<u8>,
}

/// Behind which of its two target groups the tasks of a service are, where ECS moves requests from one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServingGroup {
    /// The first one. A service that is not there has its first tasks behind it, as far as a template can say.
    #[default]
    First,
    Alternate,
    /// One, the other or both: a deployment is under way, also while it bakes or goes back.
    Both,
}

/// What is in the account besides stacks.
pub trait Inventory {
    /// Whether what a stack file names is there.
    fn surroundings(&self, needs: &Needs) -> impl Future<Output = Result<Surroundings, CallError>>;

    /// The file systems that stacks of this name made, also those that outlived one.
    fn file_systems(
        &self,
        stack: &str,
    ) -> impl Future<Output = Result<Vec<FoundFileSystem>, CallError>>;

    /// The buckets that stacks of this name made, also those that outlived one. `names` are the names in S3
    /// by those in the stack file, with `${AWS::AccountId}` and the like as CloudFormation fills them in.
    fn buckets(
        &self,
        stack: &str,
        names: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<Vec<FoundBucket>, CallError>>;

    /// Behind which of its two target groups the tasks of a service are.
    fn serving_group(
        &self,
        service: &ServiceName,
    ) -> impl Future<Output = Result<ServingGroup, CallError>>;

    /// The ARNs of scalable targets, by their resource ids `service/<cluster>/<service>`.
    fn scalable_target_arns(
        &self,
        resource_ids: &[String],
    ) -> impl Future<Output = Result<BTreeMap<String, String>, CallError>>;
}

/// All that the provisioning engine needs.
pub trait ProvisioningCloud: Cloud + StackProvisioner + ProvisioningStore + Inventory {}

impl<T> ProvisioningCloud for T where T: Cloud + StackProvisioner + ProvisioningStore + Inventory {}
