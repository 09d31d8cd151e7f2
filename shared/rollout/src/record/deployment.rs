//! A deployment: what it deploys to which service, and how far it is.

use std::collections::BTreeMap;
use std::ops::Deref;

use chrono::{DateTime, Duration, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{
    Caller, ContainerLog, DeploymentSummary, RolloutProgress, Source, TaskFailure,
};
use longshore_events::registry::ImageName;
use longshore_events::sequence::Sequence;
use longshore_events::words::counted;
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_policy::settings::{OneOffTask, RolloutSettings};
use longshore_state::Worker;
use longshore_state::lease::LEASE;
use serde::{Deserialize, Serialize};

use super::request::Request;
use super::state::{State, TaskPhase};
use crate::ports::ImageContents;

/// A deployment. Everybody reads its [fields](DeploymentFields); only the transitions of this module write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Deployment(pub(super) DeploymentFields);

impl Deref for Deployment {
    type Target = DeploymentFields;

    fn deref(&self) -> &DeploymentFields {
        &self.0
    }
}

/// What is known of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFields {
    /// The id of the event or request that asked for it, and so the same for its duplicates.
    pub id: String,
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The ECS cluster's name.
    pub cluster: String,
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
    /// was deploying, and those of the deployment that a rollback goes back to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, Image>,
    /// The commit that the image was built from, where the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The page of the repository that has the commit, where the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Caller>,
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
    /// The requests of its second that it took the place of: their duplicates must not restore them.
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
    /// The image that ran before, as its task definition named it, with the tag that it was asked for by.
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
    /// The ARN of ECS's service deployment, once it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_deployment: Option<String>,
    /// What ECS was doing when it was last looked at, where its strategy shifts requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RolloutProgress>,
    /// When the outcome was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The tasks that died of it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<TaskFailure>,
    /// What the containers of the last of them wrote that wrote anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<ContainerLog>,
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

impl Deployment {
    /// A deployment that has just been claimed for `request` and takes the place of `last`.
    pub fn claim(
        last: Option<&Self>,
        subscriber: &Subscriber,
        request: &Request,
        running: &Running,
        worker: &Worker,
    ) -> Self {
        let mut request = request.clone();
        let mut also = BTreeMap::new();
        // Whoever asks again for what ran already says nothing new of it.
        let same = last.filter(|last| last.image.digest == request.image.digest);
        let (commit, source_url) = same.map_or((None, None), |last| {
            (last.commit.clone(), last.source_url.clone())
        });
        let previous_image = last.map_or_else(
            || running.image.clone(),
            |last| last.name_of(&running.image),
        );
        if let Some(last) = last {
            request.replace(last.requested_at, &last.id, &last.replaced_requests);
            also = last.unfinished_images();
            also.retain(|container, _| !subscriber.containers().any(|known| known == container));
        }
        let mut settings = subscriber.rollout.clone();
        if matches!(
            request.source,
            Source::Rollback { .. } | Source::Restart { .. } | Source::Stack { .. }
        ) {
            // What ran already is restored as it is; migrations are for what is new.
            settings.before_tasks.clear();
            settings.after_tasks.clear();
        }
        Self(DeploymentFields {
            id: request.id,
            stack: subscriber.stack.clone(),
            service: subscriber.service.clone(),
            cluster: subscriber.cluster.clone(),
            ecs_service: subscriber.ecs_service.clone(),
            container: subscriber.container.clone(),
            number: last.map_or(0, |last| last.number).saturating_add(1),
            other_containers: subscriber.other_containers.clone(),
            also,
            commit,
            source_url,
            approved_by: None,
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
            previous_image,
            task_definition: None,
            ecs_deployment_id: None,
            service_deployment: None,
            progress: None,
            started_at: None,
            finished_at: None,
            reason: None,
            failures: Vec::new(),
            logs: Vec::new(),
        })
    }

    /// The same deployment, resumed by another worker after the one that had claimed it died.
    pub(crate) fn resumed(&self, worker: &Worker) -> Self {
        Self(DeploymentFields {
            claimed_by: worker.id.clone(),
            lease_until: worker.now + LEASE,
            ..self.0.clone()
        })
    }

    /// The same deployment, whose tasks before the update have done their work: it is claimed again, since others must
    /// reckon with an update from here on.
    pub(crate) fn prepared(&self, worker: &Worker) -> Self {
        let mut prepared = self.resumed(worker);
        if prepared.state == State::Preparing {
            prepared.enter(State::Claimed);
        }
        prepared
    }

    /// The same deployment, of an image that says this of itself.
    pub(crate) fn built_from(mut self, contents: ImageContents) -> Self {
        self.0.commit = contents.commit;
        self.0.source_url = contents.source_url;
        self
    }

    /// The same deployment, of the image that `other` deployed.
    pub(crate) fn built_as(mut self, other: &Self) -> Self {
        self.0.commit.clone_from(&other.commit);
        self.0.source_url.clone_from(&other.source_url);
        self
    }

    /// The same deployment, which somebody has approved.
    pub(crate) fn approved_by(mut self, by: Option<Caller>) -> Self {
        self.0.approved_by = by;
        self
    }

    /// The name of an image that runs, with the tag that is known of it: task definitions name images by their digests
    /// alone.
    pub(super) fn name_of(&self, running: &str) -> String {
        let name = ImageName::of(running);
        let (Some(digest), None) = (name.digest, name.tag) else {
            return running.to_owned();
        };
        let previous = ImageName::of(&self.previous_image);
        let known = self
            .images()
            .find(|(_, image)| {
                image.digest.as_str() == digest && image.repository == name.repository
            })
            .and_then(|(_, image)| image.tag.as_deref())
            .or_else(|| {
                let is_it =
                    previous.digest == Some(digest) && previous.repository == name.repository;
                previous.tag.filter(|_| is_it)
            });
        match (known, running.strip_suffix(&format!("@{digest}"))) {
            (Some(tag), Some(repository)) => format!("{repository}:{tag}@{digest}"),
            _ => running.to_owned(),
        }
    }

    /// The same deployment, which deploys these images to other containers as well.
    pub(crate) fn also_deploying(mut self, mut images: BTreeMap<String, Image>) -> Self {
        images.retain(|container, _| !self.asked_for().any(|known| known == container));
        self.0.also.extend(images);
        self
    }

    /// The same deployment, which deploys these images to other containers, and no others.
    pub(crate) fn only_deploying(mut self, images: BTreeMap<String, Image>) -> Self {
        self.0.also.clear();
        self.also_deploying(images)
    }

    /// The same deployment, as one that ECS has carried out already, since `started_at` if that is known.
    pub(crate) fn found_running(
        mut self,
        running: &Running,
        started_at: Option<DateTime<Utc>>,
        worker: &Worker,
    ) -> Self {
        let fields = &mut self.0;
        fields.state = State::Succeeded;
        fields.lease_until = worker.now;
        fields.task_definition = Some(running.task_definition.clone());
        fields.ecs_deployment_id = running.ecs_deployment_id.clone();
        fields.started_at = started_at;
        fields.finished_at = Some(worker.now);
        self
    }

    /// The same deployment, as one that came after `last`, whose images it keeps in other containers only where it
    /// deploys the same image.
    pub(crate) fn found_after(mut self, last: &Self) -> Self {
        let is_same = last.container == self.container && last.image == self.image;
        let fields = &mut self.0;
        fields.also = if is_same {
            last.also.clone()
        } else {
            BTreeMap::new()
        };
        // What was taken back, or never began, is not what ran.
        let deployed = last.task_definition.as_ref().filter(|_| last.holds());
        let (task_definition, image) = match deployed {
            Some(task_definition) => (task_definition.clone(), last.image.to_string()),
            None => (
                last.previous_task_definition.clone(),
                last.previous_image.clone(),
            ),
        };
        fields.previous_task_definition = task_definition;
        fields.previous_image = image;
        self
    }

    /// Goes on to a state that may follow on the one that it is in.
    pub(super) fn enter(&mut self, state: State) {
        debug_assert!(
            self.state.successors().contains(&state),
            "{:?} does not follow on {:?}",
            state,
            self.state
        );
        self.0.state = state;
    }

    /// The same deployment under another number.
    pub(crate) fn numbered(mut self, number: u32) -> Self {
        self.0.number = number;
        self
    }

    /// Whether an invocation is to go on with it, rather than ECS.
    pub fn is_resumable(&self) -> bool {
        match self.state {
            State::Claimed => true,
            State::Preparing => self.task.is_none(),
            _ => false,
        }
    }

    /// What goes out with it, by container; first the image that was asked for.
    pub fn images(&self) -> impl Iterator<Item = (&str, &Image)> {
        let asked_for = self.asked_for().map(|container| (container, &self.image));
        asked_for
            .chain(&self.also)
            .map(|(container, image)| (container.as_str(), image))
    }

    /// The containers for which its image was asked for.
    fn asked_for(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.container).chain(&self.other_containers)
    }

    /// What it deploys to a container, if anything.
    pub fn image_in(&self, container: &str) -> Option<&Image> {
        self.images()
            .find(|(of, _)| *of == container)
            .map(|(_, image)| image)
    }

    /// Whether the service runs what it deploys, or is about to. While tasks run that come before the update, the
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

    /// The task definition that the service runs, unless somebody has changed it past this deployment.
    pub(crate) fn running_task_definition(&self) -> Option<&str> {
        match self.state {
            State::Deploying | State::Verifying | State::Succeeded => {
                self.task_definition.as_deref()
            }
            State::Claimed
            | State::Preparing
            | State::RollingBack
            | State::RolledBack
            | State::Failed
            | State::Superseded => Some(&self.previous_task_definition),
        }
    }

    /// The image that a container of the service holds because of this deployment; `None` where it deployed none
    /// into that container, where what it deployed is taken back, and where only the tag of what runs was known
    /// when the service was adopted.
    pub fn held_image(&self, container: &str) -> Option<&Image> {
        self.image_in(container)
            .filter(|image| self.holds() && image.digest != Digest::unknown())
    }

    /// Whether it is under way and has tasks that run before or after the update.
    pub fn has_tasks_to_run(&self) -> bool {
        let settings = &self.settings;
        let has_tasks = !settings.before_tasks.is_empty() || !settings.after_tasks.is_empty();
        has_tasks && self.state.is_under_way()
    }

    /// Whether `request` was made before the one that this deployment was asked for by.
    pub(crate) fn was_asked_for_after(&self, request: &Request) -> bool {
        request.comes_before(
            self.requested_at,
            &self.sequence,
            &self.id,
            &self.replaced_requests,
        )
    }

    /// Whether its beginning was published.
    pub(super) fn is_published(&self) -> bool {
        self.task_definition.is_some()
    }

    /// Whether ECS dates something before it was claimed: then that is of another one.
    pub(crate) fn is_claimed_after(&self, at: Option<DateTime<Utc>>) -> bool {
        at.is_some_and(|at| at < self.claimed_at)
    }

    /// Whether its claim's lease is over, so that anybody may go on with it.
    pub(crate) fn is_free(&self, now: DateTime<Utc>) -> bool {
        self.lease_until <= now
    }

    /// Whether whoever had claimed it died, or gave up, before all of it was done, so that anybody may go on with it.
    pub(crate) fn is_abandoned(&self, now: DateTime<Utc>) -> bool {
        self.is_resumable() && self.is_free(now)
    }

    /// Whether ECS must be asked about the service to see how far it is.
    pub(crate) fn needs_ecs(&self, now: DateTime<Utc>) -> bool {
        match self.state {
            State::Claimed => self.is_free(now),
            State::Deploying | State::RollingBack => true,
            _ => false,
        }
    }

    /// Why its time is up, if it is: what is missing, and how long that was waited for. Of one-off tasks,
    /// [`Self::tasks_over_at`] reports.
    pub(crate) fn overdue(&self, now: DateTime<Utc>) -> Option<String> {
        let since = match self.state {
            State::Claimed => Some(self.lease_until),
            State::RollingBack => self.finished_at,
            _ => self.started_at,
        };
        let missing = self.state.missing()?;
        let minutes = self.settings.deadline_minutes;
        since
            .filter(|since| *since + Duration::minutes(i64::from(minutes)) < now)
            .map(|_| format!("{missing} within {}", counted(minutes, "minute")))
    }

    /// Its one-off tasks of this phase, in their order.
    pub(crate) fn tasks(&self, phase: TaskPhase) -> &[OneOffTask] {
        match phase {
            TaskPhase::Before => &self.settings.before_tasks,
            TaskPhase::After => &self.settings.after_tasks,
        }
    }

    /// When its tasks must be over: what each may take, and what a deployment may take besides. `None` when it
    /// does not wait for tasks.
    pub(crate) fn tasks_over_at(&self) -> Option<DateTime<Utc>> {
        let phase = self.state.task_phase()?;
        let since = match phase {
            TaskPhase::Before => self.claimed_at,
            TaskPhase::After => self.started_at?,
        };
        let minutes: u32 = self
            .tasks(phase)
            .iter()
            .map(|task| task.timeout_minutes)
            .fold(self.settings.deadline_minutes, u32::saturating_add);
        Some(since + Duration::minutes(i64::from(minutes)))
    }

    /// Whether tasks are still to run before the service is updated.
    pub(crate) fn must_prepare(&self) -> bool {
        let is_prepared = self.task_definition.is_some() || self.settings.before_tasks.is_empty();
        self.state == State::Preparing || self.state == State::Claimed && !is_prepared
    }

    /// The last of the tasks before the update, when these have done their work and the service is about to be
    /// updated. Whoever was to do that may have died.
    pub(crate) fn last_task_before(&self) -> Option<&RunningTask> {
        self.task.as_ref().filter(|_| self.state == State::Claimed)
    }

    /// Whether it waits for its tasks, or for whoever takes it up after them.
    pub(crate) fn waits_for_tasks(&self, now: DateTime<Utc>) -> bool {
        match self.tasks_over_at() {
            Some(over_at) => over_at > now,
            None => self.last_task_before().is_some() && self.is_free(now),
        }
    }

    /// What it was deploying, when another takes its place before its outcome is known.
    fn unfinished_images(&self) -> BTreeMap<String, Image> {
        if !self.state.is_under_way() {
            return BTreeMap::new();
        }
        self.images()
            .map(|(container, image)| (container.to_owned(), image.clone()))
            .collect()
    }

    /// Whose it is.
    pub fn service_id(&self) -> ServiceId {
        ServiceId {
            stack: self.stack.clone(),
            service: self.service.clone(),
        }
    }

    /// Where its service runs. A deployment that goes on needs no route: it keeps what its route said when it
    /// began.
    pub(crate) fn subscriber(&self) -> Subscriber {
        Subscriber {
            stack: self.stack.clone(),
            service: self.service.clone(),
            cluster: self.cluster.clone(),
            ecs_service: self.ecs_service.clone(),
            container: self.container.clone(),
            other_containers: self.other_containers.clone(),
            image_policy: ImagePolicy::default(),
            cpu_architecture: None,
            rollout: self.settings.clone(),
        }
    }

    /// The service's names in ECS.
    pub fn service_name(&self) -> ServiceName {
        ServiceName {
            cluster: self.cluster.clone(),
            ecs_service: self.ecs_service.clone(),
        }
    }

    /// When it was asked for. What follows from a stack's change has the place of an older request, and began by itself.
    pub fn asked_at(&self) -> DateTime<Utc> {
        match self.source {
            Source::Stack { .. } => self.claimed_at,
            _ => self.requested_at,
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
            requested_at: self.asked_at(),
            number: Some(self.number).filter(|number| *number > 0),
            commit: self.commit.clone(),
            source_url: self.source_url.clone(),
            approved_by: self.approved_by.clone(),
        }
    }
}
