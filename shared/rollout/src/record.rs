//! The deployment record: `deployments/<stack>/<service>/current.json` in the state bucket.
//!
//! It is changed only by conditional writes. Each change of state puts the event that tells of it
//! into the record's outbox in the same write, so that none is lost when a function dies.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{DeploymentSummary, Source, TaskFailure, WaitReason};
use longshore_events::sequence::Sequence;
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::{Follower, Owner};
use longshore_policy::settings::RolloutSettings;
use longshore_state::Worker;
use longshore_state::lease::LEASE;
use longshore_state::outbox::Unpublished;
use serde::{Deserialize, Serialize};

/// A service's record: its last deployment, and what is still to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The last deployment.
    pub deployment: Deployment,
    /// What the image policy asked for last, by container, whatever became of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub followed: BTreeMap<String, RegistryImage>,
    /// Digests that were rolled back here, oldest first: no policy deploys them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Digest>,
    /// What a person or a pipeline asked for last, by container: duplicates of that, and what was asked for
    /// before, come too late, whatever was deployed since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, Request>,
    /// Somebody holds all deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The newest request that may not go out yet, by container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<String, Waiting>,
    /// Deployments that ended and are not known to be written to the history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finished: Vec<Deployment>,
    /// Events that are not known to have been published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<Unpublished>,
}

/// Somebody holds all deployments of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; without it, until somebody resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// A request that may not go out yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The request.
    pub request: Request,
    /// The container whose image it replaces.
    pub container: String,
    /// What it waits for.
    pub why: WaitReason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When that ends, where it is known: the hold, the freeze window, or the time in which it can be
    /// approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Until when it can be approved, once it has waited for that, whatever it waits for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve_by: Option<DateTime<Utc>>,
    /// Whether somebody has approved it.
    #[serde(default)]
    pub approved: bool,
    /// What it was told to wait for: each is told once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<WaitReason>,
    /// Since when no route names the service any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrouted_since: Option<DateTime<Utc>>,
}

/// How long a request waits for its route to come back: somebody may be editing it.
const ROUTE_RETURNS: Duration = Duration::hours(1);

impl Waiting {
    /// When it is given up because no route names the service any more.
    pub fn given_up_at(&self) -> Option<DateTime<Utc>> {
        self.unrouted_since.map(|since| since + ROUTE_RETURNS)
    }
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The id of the event or request that asked for it, and so the same for its duplicates.
    pub id: String,
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The ECS cluster's name.
    pub cluster: String,
    /// The ECS service's name.
    pub ecs_service: String,
    /// The container whose image is replaced.
    pub container: String,
    /// Which of the service's deployments it is, from 1.
    #[serde(default)]
    pub number: u32,
    /// More containers that run the same image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_containers: Vec<String>,
    /// Images of other containers that go out with it: those that the open deployment whose place it took
    /// was bringing, and those of the deployment that a rollback goes back to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, Image>,
    /// The commit that the image was built from, where the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How it goes.
    #[serde(default)]
    pub settings: RolloutSettings,
    /// The one-off task that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<RunningTask>,
    /// What is deployed.
    pub image: Image,
    /// Who or what asked.
    pub source: Source,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// How far it is.
    pub state: State,
    /// Where its request stands among those of its second.
    pub sequence: Sequence,
    /// The requests of its second that it took the place of: their duplicates must not bring them back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced_requests: Vec<String>,
    /// When it was claimed. What ECS dates before that has nothing to do with it.
    pub claimed_at: DateTime<Utc>,
    /// The worker that claimed it last.
    pub claimed_by: String,
    /// Until when that worker has it for itself.
    pub lease_until: DateTime<Utc>,
    /// The ARN of the task definition that ran before.
    pub previous_task_definition: String,
    /// The image that ran before, as its task definition named it.
    pub previous_image: String,
    /// The ARN of the task definition that is rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<String>,
    /// The id that ECS gave the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs_deployment_id: Option<String>,
    /// When the service was updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When the outcome was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The tasks that died of it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<TaskFailure>,
}

/// A one-off task of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningTask {
    /// Its name in the deployment's settings.
    pub name: String,
    /// Its ARN.
    pub task: String,
    /// When it was started.
    pub started_at: DateTime<Utc>,
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// An invocation took it up; the service may or may not be updated already.
    Claimed,
    /// Tasks run that come before the service is updated.
    Preparing,
    /// The service was updated; ECS is rolling it out.
    Deploying,
    /// The service is stable on it; tasks run that come afterwards.
    Verifying,
    /// It failed, and that was told; ECS is rolling back to what ran before.
    RollingBack,
    /// The service is stable on it.
    Succeeded,
    /// It failed, and nothing was brought back.
    Failed,
    /// It failed, and the service is stable again on what ran before.
    RolledBack,
    /// Another deployment took its place before it ended.
    Superseded,
}

impl State {
    /// Whether an outcome is still to come.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Claimed | Self::Preparing | Self::Deploying | Self::Verifying | Self::RollingBack
        )
    }
}

/// What asks for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The id of the event or invocation; duplicates and retries share it.
    pub id: String,
    /// When the image was pushed, the file written or the payload sent.
    pub at: DateTime<Utc>,
    /// Where it stands among those of its second.
    pub sequence: Sequence,
    /// What to deploy.
    pub image: Image,
    /// Who or what asks.
    pub source: Source,
    /// The requests of its second that it took the place of while all of them waited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced_requests: Vec<String>,
}

impl Request {
    /// Whether a person or a pipeline chose this image, rather than the image policy.
    pub fn is_explicit(&self) -> bool {
        !matches!(self.source, Source::Push | Source::Reconcile)
    }

    /// Whether it was made before the one that `last` was asked for by.
    pub fn is_before(&self, last: &Deployment) -> bool {
        self.comes_before(
            last.requested_at,
            &last.sequence,
            &last.id,
            &last.replaced_requests,
        )
    }

    /// Whether it was made before `other`, which waits.
    pub fn is_before_request(&self, other: &Self) -> bool {
        self.comes_before(
            other.at,
            &other.sequence,
            &other.id,
            &other.replaced_requests,
        )
    }

    fn comes_before(
        &self,
        at: DateTime<Utc>,
        sequence: &Sequence,
        id: &str,
        replaced_requests: &[String],
    ) -> bool {
        match self.at.timestamp().cmp(&at.timestamp()) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => {
                replaced_requests.contains(&self.id)
                    || self.sequence.series == sequence.series
                        && (self.sequence.position.as_str(), self.id.as_str())
                            < (sequence.position.as_str(), id)
            }
        }
    }

    /// Takes the place of another request: if that is of the same second, its duplicates must not bring
    /// it back, nor those of the requests that it took the place of itself.
    pub(crate) fn replace(&mut self, at: DateTime<Utc>, id: &str, replaced_requests: &[String]) {
        if at.timestamp() != self.at.timestamp() {
            return;
        }
        for replaced in replaced_requests.iter().map(String::as_str).chain([id]) {
            if replaced != self.id && !self.replaced_requests.iter().any(|known| known == replaced)
            {
                self.replaced_requests.push(replaced.to_owned());
            }
        }
    }

    /// The deployment that it asks for, as events name it.
    pub fn summary(&self, follower: &Follower) -> DeploymentSummary {
        DeploymentSummary {
            deployment_id: self.id.clone(),
            stack: follower.stack.clone(),
            service: follower.service.clone(),
            cluster: follower.cluster.clone(),
            ecs_service: follower.ecs_service.clone(),
            image: self.image.clone(),
            source: self.source.clone(),
            requested_at: self.at,
        }
    }
}

/// What a service runs, as seen before it is updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The ARN of its task definition.
    pub task_definition: String,
    /// The image of the container in question, as the task definition names it.
    pub image: String,
    /// The Longshore deployment that made the task definition, if one did.
    pub deployment_id: Option<String>,
    /// The id of ECS's primary deployment.
    pub ecs_deployment_id: Option<String>,
}

impl Record {
    /// The hold that keeps deployments back at `now`.
    pub fn holds(&self, now: DateTime<Utc>) -> Option<&Hold> {
        self.hold
            .as_ref()
            .filter(|hold| hold.until.is_none_or(|until| until > now))
    }
}

impl Deployment {
    /// A deployment that has just been claimed for `request` and takes the place of `last`.
    pub fn claim(
        last: Option<&Self>,
        follower: &Follower,
        request: &Request,
        running: &Running,
        worker: &Worker,
    ) -> Self {
        let mut request = request.clone();
        let mut also = BTreeMap::new();
        if let Some(last) = last {
            request.replace(last.requested_at, &last.id, &last.replaced_requests);
            also = last.unfinished_images();
            also.retain(|container, _| {
                *container != follower.container && !follower.other_containers.contains(container)
            });
        }
        let mut settings = follower.rollout.clone();
        if matches!(
            request.source,
            Source::Rollback { .. } | Source::Stack { .. }
        ) {
            // What ran already is put back as it is; migrations are for what is new.
            settings.before_tasks.clear();
            settings.after_tasks.clear();
        }
        Self {
            id: request.id,
            stack: follower.stack.clone(),
            service: follower.service.clone(),
            cluster: follower.cluster.clone(),
            ecs_service: follower.ecs_service.clone(),
            container: follower.container.clone(),
            number: last.map_or(0, |last| last.number) + 1,
            other_containers: follower.other_containers.clone(),
            also,
            commit: None,
            settings,
            task: None,
            image: request.image,
            source: request.source,
            requested_at: request.at,
            state: State::Claimed,
            sequence: request.sequence,
            replaced_requests: request.replaced_requests,
            claimed_at: worker.now,
            claimed_by: worker.id.clone(),
            lease_until: worker.now + LEASE,
            previous_task_definition: running.task_definition.clone(),
            previous_image: running.image.clone(),
            task_definition: None,
            ecs_deployment_id: None,
            started_at: None,
            finished_at: None,
            reason: None,
            failures: Vec::new(),
        }
    }

    /// The same deployment, taken up by another worker after the one that had claimed it died.
    pub(crate) fn resumed(&self, worker: &Worker) -> Self {
        Self {
            claimed_by: worker.id.clone(),
            lease_until: worker.now + LEASE,
            ..self.clone()
        }
    }

    /// Whether an invocation is to go on with it, rather than ECS.
    pub fn is_taken_up(&self) -> bool {
        match self.state {
            State::Claimed => true,
            State::Preparing => self.task.is_none(),
            _ => false,
        }
    }

    /// What goes out with it, by container; first the image that was asked for.
    pub fn images(&self) -> impl Iterator<Item = (&str, &Image)> {
        let asked_for = std::iter::once(&self.container)
            .chain(&self.other_containers)
            .map(|container| (container, &self.image));
        asked_for
            .chain(&self.also)
            .map(|(container, image)| (container.as_str(), image))
    }

    /// What it brings into a container, if anything.
    pub fn image_in(&self, container: &str) -> Option<&Image> {
        self.images()
            .find(|(of, _)| *of == container)
            .map(|(_, image)| image)
    }

    /// Whether the service runs what it brings, or is about to. While tasks run that come before the update, the
    /// service is not sure to.
    pub fn holds(&self) -> bool {
        match self.state {
            State::Claimed => self.settings.before_tasks.is_empty(),
            State::Deploying | State::Verifying | State::Succeeded => true,
            State::Preparing
            | State::RollingBack
            | State::Failed
            | State::RolledBack
            | State::Superseded => false,
        }
    }

    /// The image that a container of the service holds because of this deployment; `None` where it brought none
    /// into that container, where what it brought is taken back, and where only the tag of what runs was known
    /// when the service was adopted.
    pub fn held_image(&self, container: &str) -> Option<&Image> {
        self.image_in(container)
            .filter(|image| self.holds() && image.digest != Digest::unknown())
    }

    /// Whether it is under way and has tasks that run before or after the update.
    pub fn has_tasks_to_run(&self) -> bool {
        let settings = &self.settings;
        let has_tasks = !settings.before_tasks.is_empty() || !settings.after_tasks.is_empty();
        has_tasks && self.state.is_open() && self.state != State::RollingBack
    }

    /// What it was bringing, when another takes its place before its outcome is known.
    fn unfinished_images(&self) -> BTreeMap<String, Image> {
        if !self.state.is_open() || self.state == State::RollingBack {
            return BTreeMap::new();
        }
        self.images()
            .map(|(container, image)| (container.to_owned(), image.clone()))
            .collect()
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        Owner {
            stack: self.stack.clone(),
            service: self.service.clone(),
        }
    }

    /// The service's names in ECS.
    pub fn service_name(&self) -> ServiceName {
        ServiceName {
            cluster: self.cluster.clone(),
            ecs_service: self.ecs_service.clone(),
        }
    }

    /// The deployment as events name it.
    pub fn summary(&self) -> DeploymentSummary {
        DeploymentSummary {
            deployment_id: self.id.clone(),
            stack: self.stack.clone(),
            service: self.service.clone(),
            cluster: self.cluster.clone(),
            ecs_service: self.ecs_service.clone(),
            image: self.image.clone(),
            source: self.source.clone(),
            // What follows from a stack's change has the place of an older request, and began now.
            requested_at: match self.source {
                Source::Stack { .. } => self.claimed_at,
                _ => self.requested_at,
            },
        }
    }
}
