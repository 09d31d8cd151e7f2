//! What the engine needs of the world, as traits. `longshore-aws` implements them on AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::image::{Digest, Image, ImageReference};
use longshore_events::incoming::ReleaseFile;
pub use longshore_events::longshore::LogLine;
use longshore_events::longshore::{RolloutProgress, TaskFailure};
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::{CpuArchitecture, Route};
use longshore_state::store::{DocumentListing, DocumentVersions};
use longshore_state::{CallError, DocumentStore, EventPublisher};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A service as ECS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcsService {
    /// The ARN of the task definition that its primary deployment runs.
    pub task_definition: String,
    pub deployments: Vec<EcsDeployment>,
    /// What ECS last said of it, newest first: the service's event messages.
    pub messages: Vec<String>,
    /// How many tasks it should run.
    pub desired_count: i32,
    /// How many tasks it runs.
    pub running_count: i32,
}

impl EcsService {
    /// The deployment that ECS is working towards.
    pub fn primary(&self) -> Option<&EcsDeployment> {
        self.deployments
            .iter()
            .find(|deployment| deployment.primary)
    }

    /// The deployment of this id, while ECS shows it.
    pub fn deployment(&self, id: &str) -> Option<&EcsDeployment> {
        self.deployments
            .iter()
            .find(|deployment| deployment.id == id)
    }
}

/// A deployment as ECS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcsDeployment {
    /// `ecs-svc/...`.
    pub id: String,
    /// Whether it is the one that ECS is working towards.
    pub primary: bool,
    /// The ARN of its task definition.
    pub task_definition: String,
    /// How far it is.
    pub rollout_state: RolloutState,
    /// Why, in ECS's words.
    pub rollout_state_reason: String,
    /// When it began.
    pub created_at: Option<DateTime<Utc>>,
}

/// A service deployment: ECS's own account of one change of a service, from its first stage to its outcome, with the
/// rollback that may belong to it. The Amazon ECS API Reference, ServiceDeployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDeployment {
    pub arn: String,
    /// How far it is.
    pub status: ServiceDeploymentStatus,
    /// Why, in ECS's words: of the rollback, where there is one.
    pub reason: String,
    /// Whether ECS goes on watching after all tasks run: a strategy that shifts requests, a bake time or alarms.
    pub bakes: bool,
    /// Whether ECS restores what ran before when it fails: the circuit breaker or the alarms say so.
    pub rolls_back: bool,
    /// What it is doing now, where its strategy shifts requests.
    pub progress: Option<RolloutProgress>,
}

/// How far a service deployment is. The Amazon ECS Developer Guide, "View service history using Amazon ECS service
/// deployments".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceDeploymentStatus {
    /// Its outcome is open: PENDING, IN_PROGRESS, STOP_REQUESTED, and whatever comes to be known later.
    InProgress,
    /// It has done all that it had to do, baking included.
    Successful,
    /// Somebody stopped it, another one took its place, or it failed where nothing is rolled back.
    Stopped,
    /// ECS is restoring what ran before: ROLLBACK_REQUESTED, ROLLBACK_IN_PROGRESS.
    RollingBack,
    /// What ran before is back.
    RolledBack,
    /// What ran before could not be restored.
    RollbackFailed,
}

/// How far a deployment is, as ECS says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// Under way; also for services whose state ECS does not report.
    InProgress,
    /// The service is stable on it.
    Completed,
    /// The circuit breaker or an alarm stopped it.
    Failed,
}

/// A task definition exactly as ECS describes it, with fields that Longshore never heard of.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDefinition {
    /// The `taskDefinition` object of DescribeTaskDefinition's answer.
    pub document: Value,
    /// The `tags` array beside it.
    pub tags: Vec<Tag>,
}

/// A tag of an AWS resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub key: String,
    #[serde(default)]
    pub value: String,
}

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageContents {
    /// The processor architectures that it can run on; others than ECS's are left out.
    pub architectures: BTreeSet<CpuArchitecture>,
    /// The commit that it was built from: the label `org.opencontainers.image.revision`.
    pub commit: Option<String>,
    /// The page of the repository that has the commit: the label `org.opencontainers.image.source`.
    pub source_url: Option<String>,
}

/// A one-off task to be run with a service's network, capacity and security groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRequest {
    pub service: ServiceName,
    /// The ARN of the task definition.
    pub task_definition: String,
    /// The container whose command is replaced.
    pub container: String,
    /// Empty: the container's own.
    pub command: Vec<String>,
    /// Environment variables besides the container's own.
    pub environment: BTreeMap<String, String>,
    /// CPU units of the task. `None`: as the task definition says.
    pub cpu: Option<u32>,
    /// MiB of memory of the task. `None`: as the task definition says.
    pub memory: Option<u32>,
    /// Makes a second call start no second task: at most 64 characters (the Amazon ECS API Reference,
    /// RunTask).
    pub client_token: String,
    /// By which the task's events are found; at most 128 characters.
    pub started_by: String,
    /// The task's group. `None`: ECS calls it after the family.
    pub group: Option<String>,
}

/// A one-off task as ECS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// It has not ended.
    Running,
    /// All its containers ended well.
    Succeeded,
    /// It ended otherwise.
    Failed(TaskFailure),
}

/// How many images one call is asked for that names them: DescribeImages in the Amazon ECR API Reference.
pub const IMAGES_A_CALL: usize = 100;

/// The images of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedImages {
    /// One for each tag.
    pub images: Vec<RegistryImage>,
    /// How many calls listed them, one after the other.
    pub calls: usize,
}

/// Where images are kept.
pub trait ImageRegistry {
    /// Pins the image that `reference` means now. [`longshore_state::ErrorClass::NotFound`] when there is none.
    fn resolve(&self, reference: &ImageReference)
    -> impl Future<Output = Result<Image, CallError>>;

    /// What a tag holds now; `None` when the repository has no such tag, or it names nothing that a
    /// container can be started from.
    fn tagged(
        &self,
        repository: &str,
        tag: &str,
    ) -> impl Future<Output = Result<Option<RegistryImage>, CallError>>;

    /// What these tags hold now, however many they are, without those under which there is nothing that a container can
    /// be started from; `None` when the repository lacks one of the tags. One call for each [`IMAGES_A_CALL`] of them.
    fn all_tagged(
        &self,
        repository: &str,
        tags: &BTreeSet<String>,
    ) -> impl Future<Output = Result<Option<Vec<RegistryImage>>, CallError>>;

    /// All tags of a repository under which there is something that a container can be started from.
    /// [`longshore_state::ErrorClass::NotFound`] when there is no such repository.
    fn images(&self, repository: &str) -> impl Future<Output = Result<ListedImages, CallError>>;

    /// Which of these images the repository does not hold any more; all, where there is no such repository.
    fn missing(
        &self,
        repository: &str,
        digests: &[Digest],
    ) -> impl Future<Output = Result<Vec<Digest>, CallError>>;

    /// What an image says of itself. [`longshore_state::ErrorClass::NotFound`] when it is not there any more.
    fn inspect(&self, image: &Image) -> impl Future<Output = Result<ImageContents, CallError>>;
}

/// What runs services.
pub trait ServiceDeployer {
    /// The service as it is now. [`longshore_state::ErrorClass::NotFound`] when there is none that is active.
    fn describe_service(
        &self,
        service: &ServiceName,
    ) -> impl Future<Output = Result<EcsService, CallError>>;

    /// A task definition with its tags.
    fn describe_task_definition(
        &self,
        arn: &str,
    ) -> impl Future<Output = Result<TaskDefinition, CallError>>;

    /// The same; `None` when it was deleted, which ECS answers as it answers a wrong name: it refuses the call.
    fn find_task_definition(
        &self,
        arn: &str,
    ) -> impl Future<Output = Result<Option<TaskDefinition>, CallError>> {
        async move {
            match self.describe_task_definition(arn).await {
                Err(error) if error.class.is_refusal() => Ok(None),
                described => described.map(Some),
            }
        }
    }

    /// Registers `request`, the body of a RegisterTaskDefinition call, and gives the new ARN.
    fn register_task_definition(
        &self,
        request: &Value,
    ) -> impl Future<Output = Result<String, CallError>>;

    /// Points the service at a task definition and nothing else, and gives the id of the deployment
    /// that this began. Only a service that has waited for its first image gets a `desired_count` with it.
    fn update_service(
        &self,
        service: &ServiceName,
        task_definition: &str,
        desired_count: Option<u32>,
    ) -> impl Future<Output = Result<String, CallError>>;

    /// ECS's account of the newest service deployment that deploys `task_definition` to a service and began since then;
    /// `None` where ECS keeps none. Where its ARN is `known`, it need not be looked for.
    fn service_deployment(
        &self,
        service: &ServiceName,
        task_definition: &str,
        since: DateTime<Utc>,
        known: Option<&str>,
    ) -> impl Future<Output = Result<Option<ServiceDeployment>, CallError>>;

    /// The services of one cluster that are there and active, however many are asked for.
    fn describe_services(
        &self,
        cluster: &str,
        ecs_services: &[String],
    ) -> impl Future<Output = Result<Vec<(ServiceName, EcsService)>, CallError>>;

    /// Starts a one-off task, or finds the one that the same request has started, and gives its ARN.
    fn run_task(&self, request: &TaskRequest) -> impl Future<Output = Result<String, CallError>>;

    /// How a one-off task is; `None` when ECS does not remember it, about an hour after its end.
    fn describe_task(
        &self,
        cluster: &str,
        task: &str,
    ) -> impl Future<Output = Result<Option<TaskState>, CallError>>;

    /// Stops a one-off task, and says why. One that ECS does not remember any more is stopped.
    fn stop_task(
        &self,
        cluster: &str,
        task: &str,
        reason: &str,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// The tasks of a deployment that stopped lately; ECS remembers them for about an hour.
    fn stopped_tasks(
        &self,
        service: &ServiceName,
        deployment_id: &str,
    ) -> impl Future<Output = Result<Vec<TaskFailure>, CallError>>;
}

/// What sets how many tasks of a service run.
pub trait ServiceScaler {
    /// Whether Application Auto Scaling sets the number.
    fn scales_itself(&self, service: &ServiceName)
    -> impl Future<Output = Result<bool, CallError>>;

    /// Sets the number, and nothing else: the tasks that run stay.
    fn set_desired_count(
        &self,
        service: &ServiceName,
        count: u32,
    ) -> impl Future<Output = Result<(), CallError>>;
}

/// Where containers' output is kept.
pub trait TaskLogs {
    /// The last `lines` lines of a log stream, oldest first; `None` when there is no such stream.
    fn log_lines(
        &self,
        log_group: &str,
        log_stream: &str,
        lines: u32,
    ) -> impl Future<Output = Result<Option<Vec<LogLine>>, CallError>>;

    /// What the streams whose names begin with `stream_prefix` hold since then, oldest first; `None` when there is no
    /// such log group. Of very much, the oldest: whoever asks again from the last line on gets the rest.
    fn lines_since(
        &self,
        log_group: &str,
        stream_prefix: &str,
        since: DateTime<Utc>,
    ) -> impl Future<Output = Result<Option<Vec<StreamLine>>, CallError>>;
}

/// A line of one of several log streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLine {
    /// CloudWatch's id of it, which no other line has.
    pub id: String,
    pub log_stream: String,
    pub line: LogLine,
}

/// What starts tasks by the clock.
pub trait TaskSchedules {
    /// What a schedule of EventBridge Scheduler starts; `None` when there is no such schedule, or it starts no task.
    fn scheduled_task(
        &self,
        schedule_group: &str,
        schedule_name: &str,
    ) -> impl Future<Output = Result<Option<ScheduledTask>, CallError>>;
}

/// What a schedule of EventBridge Scheduler starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledTask {
    /// The group of its tasks: see [`longshore_events::ecs::schedule_of`].
    pub group: String,
    /// The ARN of the task definition, with or without its revision.
    pub task_definition: String,
}

/// What this process has seen. It may be outdated, or not be there: it says what is worth asking for ahead, and nothing
/// is decided by it.
pub trait ProcessMemory {
    /// The route of a repository as this process has read it last.
    fn last_route(&self, repository: &str) -> Option<Route>;

    /// The route of a repository as it is; `None` where it has none.
    fn route_was_read(&self, repository: &str, route: Option<&Route>);

    /// When the newest push to a repository with a route happened that this process has heard of.
    fn last_push(&self, repository: &str) -> Option<DateTime<Utc>>;

    /// A push to a repository happened at this time.
    fn was_pushed(&self, repository: &str, at: DateTime<Utc>);
}

/// Where release files are.
pub trait ReleaseStore {
    /// The bytes of a release file, in the version that the event named.
    fn release(&self, file: &ReleaseFile) -> impl Future<Output = Result<Vec<u8>, CallError>>;
}

/// All that the engine needs.
pub trait Cloud:
    ImageRegistry
    + ServiceDeployer
    + TaskSchedules
    + DocumentStore
    + DocumentListing
    + DocumentVersions
    + ReleaseStore
    + ProcessMemory
    + EventPublisher
{
}

impl<T> Cloud for T where
    T: ImageRegistry
        + ServiceDeployer
        + TaskSchedules
        + DocumentStore
        + DocumentListing
        + DocumentVersions
        + ReleaseStore
        + ProcessMemory
        + EventPublisher
{
}
