//! What an account holds; the files that are named after parts of it say how they behave.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::image::Digest;
use longshore_events::longshore::{FailedResource, LongshoreEvent, TaskFailure};
use longshore_policy::route::Route;
use longshore_provisioning::ports::{
    ChangeSetKind, Drift, FoundBucket, FoundFileSystem, ObservedStack, ServiceSettings,
    ServingGroup,
};
use longshore_rollout::ports::{
    EcsService, ImageContents, LogLine, ScheduledTask, ServiceDeployment, TaskDefinition,
    TaskRequest, TaskState,
};
use longshore_rollout::service_view::ServiceView;
use longshore_rollout::shells::RunningTask;

use crate::calls::{Called, Calls};
use crate::documents::Objects;
use crate::installed::FakeInstallation;
use crate::queues::Queues;

#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) now: Option<DateTime<Utc>>,
    pub(crate) objects: Objects,
    pub(crate) observed_stacks: BTreeMap<String, ObservedStack>,
    pub(crate) first_failures: BTreeMap<String, FailedResource>,
    pub(crate) releases: BTreeMap<String, Vec<u8>>,
    pub(crate) registry: Registry,
    /// The routes that the process has read, by repository, and when the newest push was that it has heard of.
    pub(crate) last_routes: BTreeMap<String, Route>,
    pub(crate) last_pushes: BTreeMap<String, DateTime<Utc>>,
    pub(crate) services: BTreeMap<ServiceName, EcsService>,
    pub(crate) service_settings: BTreeMap<ServiceName, ServiceSettings>,
    pub(crate) task_definitions: BTreeMap<String, TaskDefinition>,
    pub(crate) stopped_tasks: Vec<(String, TaskFailure)>,
    pub(crate) one_off_tasks: Vec<OneOffTask>,
    pub(crate) installation: FakeInstallation,
    pub(crate) queues: Queues,
    /// What somebody sees who looks on, where a test has said it.
    pub(crate) views: BTreeMap<ServiceName, ServiceView>,
    pub(crate) shells: BTreeMap<ServiceName, Vec<RunningTask>>,
    /// The services whose number of tasks Application Auto Scaling sets.
    pub(crate) scaling: BTreeSet<ServiceName>,
    pub(crate) schedules: BTreeMap<String, ScheduledTask>,
    pub(crate) logs: BTreeMap<(String, String), Vec<LogLine>>,
    pub(crate) published: Vec<LongshoreEvent>,
    pub(crate) calls: Calls,
    /// What UpdateService was asked for: the service, the task definition, and the deployment that it led to.
    pub(crate) updates: Vec<(String, String, String)>,
    pub(crate) provisioning: Provisioning,
    pub(crate) deployments: u64,
    pub(crate) accounts: Vec<KeptAccount>,
    pub(crate) keeps_no_accounts: bool,
}

impl Called for Account {
    fn calls(&mut self) -> &mut Calls {
        &mut self.calls
    }
}

/// What ECS keeps of one service deployment.
#[derive(Debug, Clone)]
pub(crate) struct KeptAccount {
    pub(crate) service: ServiceName,
    pub(crate) task_definition: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) shown: ServiceDeployment,
}

/// ECR in memory.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// What each tag holds, by repository and tag.
    pub(crate) tags: BTreeMap<(String, String), Digest>,
    /// When each image was first pushed, by repository and digest.
    pub(crate) pushed_at: BTreeMap<(String, String), DateTime<Utc>>,
    /// What images say of themselves, where a test has said it.
    pub(crate) contents: BTreeMap<String, ImageContents>,
    /// The images of one architecture, whose configuration says what their manifest does not.
    pub(crate) plain: BTreeSet<String>,
    /// How many tags a call lists; as many as there are, unless a test says otherwise.
    pub(crate) tags_a_call: Option<NonZeroUsize>,
}

/// A one-off task that ECS was asked for.
#[derive(Debug, Clone)]
pub(crate) struct OneOffTask {
    pub(crate) request: TaskRequest,
    pub(crate) task: String,
    /// `None` when ECS does not remember it any more.
    pub(crate) state: Option<TaskState>,
}

/// CloudFormation and what else provisioning needs, in memory.
#[derive(Debug, Default)]
pub(crate) struct Provisioning {
    pub(crate) stacks: BTreeMap<String, FakeStack>,
    pub(crate) made: u64,
    pub(crate) files: BTreeMap<String, (Vec<u8>, u64)>,
    pub(crate) templates: BTreeMap<String, String>,
    pub(crate) missing_repositories: BTreeSet<String>,
    /// Images that their repositories do not hold, as stack files name them.
    pub(crate) missing_images: BTreeSet<String>,
    pub(crate) file_systems: BTreeMap<String, Vec<FoundFileSystem>>,
    pub(crate) buckets: BTreeMap<String, Vec<FoundBucket>>,
    pub(crate) drifts: BTreeMap<String, Vec<Drift>>,
    /// When stacks were compared last.
    pub(crate) compared: BTreeMap<String, DateTime<Utc>>,
    pub(crate) serving_groups: BTreeMap<ServiceName, ServingGroup>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FakeStack {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) protected: bool,
    pub(crate) template: Option<String>,
    /// The template before the change that is under way.
    pub(crate) previous: Option<String>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) change_sets: BTreeMap<String, (ChangeSetKind, String, BTreeMap<String, String>)>,
    pub(crate) token: Option<String>,
}
