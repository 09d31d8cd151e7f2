//! How a record changes from state to state. Each change puts what reports it into the outbox.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{
    ContainerLog, DeploymentFailed, DeploymentProgressed, DeploymentRolledBack,
    DeploymentStabilized, DeploymentStarted, DeploymentSucceeded, DeploymentSuperseded,
    DeploymentsHeld, DeploymentsResumed, ImageMissing, ImageNeed, LongshoreEvent, TaskFailure,
};
use longshore_policy::image_policy::RegistryImage;
use longshore_state::Worker;
use longshore_state::outbox::Unpublished;

use crate::ports::ServiceDeployment;
use crate::record::deployment::{Deployment, DeploymentFields, Running, RunningTask};
use crate::record::document::{Record, RecordFields};
use crate::record::state::State;
use crate::record::survey::Survey;
use crate::record::waiting::{Hold, PassedOver};

/// How many dead tasks a record keeps; a service that cannot start makes hundreds.
const FAILURES_KEPT: usize = 10;

/// How many digests a record keeps that were rolled back.
const BLOCKED_KEPT: usize = 50;

impl Record {
    /// The record after `deployment` was claimed: what was under way before is superseded, what was
    /// not yet published stays to be published.
    pub fn claim(before: Option<&Self>, deployment: Deployment, worker: &Worker) -> Self {
        let mut record = Self(match before {
            Some(before) => RecordFields {
                deployment,
                ..before.0.clone()
            },
            None => RecordFields {
                deployment,
                followed: BTreeMap::new(),
                surveyed: BTreeMap::new(),
                blocked: Vec::new(),
                asked: BTreeMap::new(),
                hold: None,
                scaled: Vec::new(),
                waiting: BTreeMap::new(),
                passed_over: BTreeMap::new(),
                missing: Vec::new(),
                finished: Vec::new(),
                outbox: Vec::new(),
            },
        });
        if let Some(previous) = before.map(|record| &record.deployment)
            && previous.number != record.deployment.number
        {
            record.replace(previous.clone(), worker);
        }
        record.keep_if_ended();
        record
    }

    /// The record's deployment has just taken the place of `previous`.
    fn replace(&mut self, mut previous: Deployment, worker: &Worker) {
        if !previous.state.is_open() {
            return;
        }
        let is_published = previous.is_published();
        if previous.state == State::RollingBack {
            // That it failed was published; what ECS was restoring is nobody's question any more.
            previous.enter(State::Failed);
        } else {
            previous.enter(State::Superseded);
            previous.0.finished_at = Some(worker.now);
            if is_published {
                let superseded = DeploymentSuperseded {
                    deployment: previous.summary(),
                    finished_at: worker.now,
                    superseded_by: self.deployment.image.to_string(),
                };
                self.publish(LongshoreEvent::DeploymentSuperseded(superseded), worker);
            }
        }
        self.0.finished.push(previous);
    }

    /// The next revision is registered, and the tasks that come before the update are to run.
    pub(crate) fn preparing(&mut self, task_definition: &str, worker: &Worker) {
        self.publish_started(task_definition, worker);
        self.0.deployment.enter(State::Preparing);
        self.last().task_definition = Some(task_definition.to_owned());
    }

    /// A one-off task was started.
    pub(crate) fn task_started(&mut self, name: &str, task: &str, worker: &Worker) {
        self.last().task = Some(RunningTask {
            name: name.to_owned(),
            task: task.to_owned(),
            started_at: worker.now,
        });
    }

    /// The service was updated `at` that time.
    pub fn started(
        &mut self,
        task_definition: &str,
        ecs_deployment_id: &str,
        at: DateTime<Utc>,
        worker: &Worker,
    ) {
        self.publish_started(task_definition, worker);
        self.0.deployment.enter(State::Deploying);
        let deployment = self.last();
        deployment.task = None;
        deployment.task_definition = Some(task_definition.to_owned());
        deployment.ecs_deployment_id = Some(ecs_deployment_id.to_owned());
        deployment.started_at = Some(at);
    }

    /// Of a deployment with tasks before the update, it was published when these began.
    fn publish_started(&mut self, task_definition: &str, worker: &Worker) {
        if self.deployment.is_published() {
            return;
        }
        let started = DeploymentStarted {
            deployment: self.deployment.summary(),
            task_definition: task_definition.to_owned(),
            previous_task_definition: self.deployment.previous_task_definition.clone(),
            previous_image: self.deployment.previous_image.clone(),
        };
        self.publish(LongshoreEvent::DeploymentStarted(started), worker);
    }

    /// ECS's account of the deployment says this now; a stage is published where it is news.
    pub(crate) fn accounted(&mut self, account: ServiceDeployment, worker: &Worker) {
        self.last().service_deployment = Some(account.arn);
        let Some(progress) = account.progress else {
            return;
        };
        if self.deployment.progress.as_ref() == Some(&progress) {
            return;
        }
        self.last().progress = Some(progress.clone());
        let progressed = DeploymentProgressed {
            deployment: self.deployment.summary(),
            progress,
            at: worker.now,
        };
        self.publish(LongshoreEvent::DeploymentProgressed(progressed), worker);
    }

    /// The service is stable on the deployment: it has succeeded, unless tasks come afterwards.
    pub(crate) fn completed(&mut self, worker: &Worker) {
        if self.deployment.settings.after_tasks.is_empty() {
            self.succeeded(worker);
        } else {
            self.stabilized(worker);
        }
    }

    fn stabilized(&mut self, worker: &Worker) {
        self.0.deployment.enter(State::Verifying);
        let stabilized = DeploymentStabilized {
            deployment: self.deployment.summary(),
        };
        self.publish(LongshoreEvent::DeploymentStabilized(stabilized), worker);
    }

    /// The service is stable on the deployment, and the tasks that come afterwards have done their work.
    pub fn succeeded(&mut self, worker: &Worker) {
        self.finish(State::Succeeded, worker);
        let succeeded = DeploymentSucceeded {
            deployment: self.deployment.summary(),
            finished_at: worker.now,
        };
        self.publish(LongshoreEvent::DeploymentSucceeded(succeeded), worker);
        self.keep_if_ended();
    }

    /// The deployment failed; with `rolling_back`, ECS is rolling back to what ran before.
    pub fn failed(&mut self, reason: &str, rolling_back: bool, worker: &Worker) {
        let state = if rolling_back {
            State::RollingBack
        } else {
            State::Failed
        };
        let phase = self.deployment.state.failed_phase();
        let reason = match &self.deployment.reason {
            // Its rollback fails as well, which says nothing of why it had to be rolled back.
            Some(first) if self.deployment.state == State::RollingBack => {
                format!("{first}; {reason}")
            }
            _ => reason.to_owned(),
        };
        self.finish(state, worker);
        self.last().reason = Some(reason.clone());
        let failed = DeploymentFailed {
            deployment: self.deployment.summary(),
            finished_at: worker.now,
            reason,
            failures: self.deployment.failures.clone(),
            logs: self.deployment.logs.clone(),
            rolling_back,
            phase,
        };
        self.publish(LongshoreEvent::DeploymentFailed(failed), worker);
        self.keep_if_ended();
    }

    /// The deployment failed and the service is stable again on `running_task_definition`.
    pub fn rolled_back(&mut self, reason: &str, running_task_definition: &str, worker: &Worker) {
        self.finish(State::RolledBack, worker);
        let reason = self
            .last()
            .reason
            .get_or_insert_with(|| reason.to_owned())
            .clone();
        let deployment = &self.deployment;
        let is_previous = running_task_definition == deployment.previous_task_definition;
        let rolled_back = DeploymentRolledBack {
            deployment: deployment.summary(),
            finished_at: worker.now,
            reason,
            failures: deployment.failures.clone(),
            logs: deployment.logs.clone(),
            running_task_definition: running_task_definition.to_owned(),
            running_image: is_previous.then(|| deployment.previous_image.clone()),
        };
        self.publish(LongshoreEvent::DeploymentRolledBack(rolled_back), worker);
        self.keep_if_ended();
    }

    /// Somebody else deployed over it.
    pub fn superseded(&mut self, superseded_by: &str, worker: &Worker) {
        self.finish(State::Superseded, worker);
        let superseded = DeploymentSuperseded {
            deployment: self.deployment.summary(),
            finished_at: worker.now,
            superseded_by: superseded_by.to_owned(),
        };
        self.publish(LongshoreEvent::DeploymentSuperseded(superseded), worker);
        self.keep_if_ended();
    }

    /// CloudFormation's deployment took the place of the record's own one, with the same image: that is
    /// the one whose outcome counts.
    pub(crate) fn follow(
        &mut self,
        task_definition: &str,
        ecs_deployment_id: Option<&str>,
        at: DateTime<Utc>,
    ) {
        let deployment = self.last();
        deployment.task_definition = Some(task_definition.to_owned());
        deployment.ecs_deployment_id = ecs_deployment_id.map(str::to_owned);
        deployment.service_deployment = None;
        deployment.started_at = Some(at);
    }

    /// The service was pointed once more at the deployment's revision, and ECS works towards it under another id.
    pub(crate) fn pointed_again(&mut self, ecs_deployment_id: &str) {
        let deployment = self.last();
        if deployment.ecs_deployment_id.as_deref() != Some(ecs_deployment_id) {
            deployment.ecs_deployment_id = Some(ecs_deployment_id.to_owned());
            deployment.service_deployment = None;
        }
    }

    /// While its tasks ran, the service was changed past Longshore: it takes the place of what runs now.
    pub(crate) fn replaces(&mut self, running: &Running) {
        let previous_image = self.deployment.name_of(&running.image);
        let deployment = self.last();
        deployment
            .previous_task_definition
            .clone_from(&running.task_definition);
        deployment.previous_image = previous_image;
    }

    /// The claim is given back, for whoever comes next to go on with it.
    pub(crate) fn free_claim(&mut self, worker: &Worker) {
        self.last().lease_until = worker.now;
    }

    /// The tasks before the update have done their work, and somebody else is to update the service.
    pub(crate) fn prepared(&mut self, worker: &Worker) {
        self.0.deployment = self.deployment.prepared(worker);
        self.free_claim(worker);
    }

    /// Somebody holds all deployments; a hold that is there already is replaced.
    pub(crate) fn held(&mut self, hold: Hold) {
        self.0.hold = Some(hold);
    }

    /// Nobody holds deployments any more.
    pub(crate) fn released(&mut self) {
        self.0.hold = None;
    }

    /// These count as what the image policies named last, by container.
    pub(crate) fn follows(&mut self, followed: &BTreeMap<String, RegistryImage>) {
        self.0.followed.extend(followed.clone());
        // What was passed over before is nobody's question any more.
        self.0.passed_over.retain(|container, passed_over| {
            followed
                .get(container)
                .is_none_or(|image| passed_over.at > image.tagged_since())
        });
    }

    /// The repository of a container's image was listed.
    pub(crate) fn surveyed(&mut self, container: &str, survey: &Survey) {
        self.0.surveyed.insert(container.to_owned(), survey.clone());
    }

    /// A push that a policy allows did not go out for now, or for good; unless a later one is noted already.
    /// Whether that is news.
    pub(crate) fn passes_over(&mut self, container: &str, passed_over: &PassedOver) -> bool {
        let known = self.passed_over.get(container);
        let is_news = known.is_none_or(|known| {
            let is_same = known.at == passed_over.at && known.image == passed_over.image;
            known.at <= passed_over.at
                && (!is_same || known.is_for_now() && known.reason != passed_over.reason)
        });
        if is_news {
            self.0
                .passed_over
                .insert(container.to_owned(), passed_over.clone());
        }
        is_news
    }

    /// ECR was asked for `asked`, and these of them are missing; each is published once. Of what was missing before and was not
    /// asked for now, nothing new is known.
    pub(crate) fn misses(
        &mut self,
        asked: &[Digest],
        missing: Vec<(Image, ImageNeed)>,
        worker: &Worker,
    ) {
        let needed = self.needed_images();
        let is_needed = |digest: &Digest| needed.iter().any(|(image, _)| image.digest == *digest);
        let before = std::mem::take(&mut self.0.missing);
        self.0.missing = before
            .iter()
            .filter(|digest| !asked.contains(digest) && is_needed(digest))
            .cloned()
            .collect();
        for (image, needed_for) in missing {
            let digest = image.digest.clone();
            // What was deployed meanwhile may need others.
            if !is_needed(&digest) {
                continue;
            }
            if !before.contains(&digest) {
                let missing = ImageMissing {
                    stack: self.deployment.stack.clone(),
                    service: self.deployment.service.clone(),
                    image,
                    needed_for,
                    at: worker.now,
                };
                self.publish(LongshoreEvent::ImageMissing(missing), worker);
            }
            self.0.missing.push(digest);
        }
    }

    /// These events were published, and these deployments are in the history, under these numbers.
    pub(crate) fn flushed(&mut self, published: &[Unpublished], archived: &[(Deployment, u32)]) {
        self.0.outbox.retain(|event| !published.contains(event));
        for (archived, number) in archived {
            self.0.finished.retain(|deployment| deployment != archived);
            let last = self.last();
            if last.id == archived.id && last.number == archived.number {
                last.number = *number;
            }
        }
    }

    /// Keeps why a task died; whether that was news.
    pub fn add_failure(&mut self, failure: TaskFailure) -> bool {
        let failures = &mut self.last().failures;
        if failures.len() >= FAILURES_KEPT
            || failures.iter().any(|known| known.task == failure.task)
        {
            return false;
        }
        let place = failures.partition_point(|known| known.stopped_at <= failure.stopped_at);
        failures.insert(place, failure);
        true
    }

    /// What the containers of a task that died wrote last; the newest task that wrote anything counts.
    pub(crate) fn add_logs(&mut self, logs: &[ContainerLog]) {
        if !logs.is_empty() {
            self.last().logs = logs.to_vec();
        }
    }

    /// Somebody has asked that deployments of these services be held.
    pub(crate) fn publish_held(&mut self, held: DeploymentsHeld, worker: &Worker) {
        self.publish(LongshoreEvent::DeploymentsHeld(held), worker);
    }

    /// Somebody has asked that deployments of these services begin again.
    pub(crate) fn publish_resumed(&mut self, resumed: DeploymentsResumed, worker: &Worker) {
        self.publish(LongshoreEvent::DeploymentsResumed(resumed), worker);
    }

    /// No policy deploys this digest again: it was rolled back.
    pub(crate) fn block(&mut self, digest: &Digest) {
        self.unblock(|known| known == digest);
        self.0.blocked.push(digest.clone());
        if self.blocked.len() > BLOCKED_KEPT {
            self.0.blocked.remove(0);
        }
    }

    /// Policies may deploy these digests again.
    pub(crate) fn unblock(&mut self, is_meant: impl Fn(&Digest) -> bool) {
        self.0.blocked.retain(|known| !is_meant(known));
    }

    /// A deployment that has ended goes into the history.
    fn keep_if_ended(&mut self) {
        if !self.deployment.state.is_open() {
            let ended = self.deployment.clone();
            self.0.finished.push(ended);
        }
    }

    fn finish(&mut self, state: State, worker: &Worker) {
        self.0.deployment.enter(state);
        let deployment = self.last();
        deployment.task = None;
        deployment.finished_at = Some(worker.now);
    }

    fn last(&mut self) -> &mut DeploymentFields {
        &mut self.0.deployment.0
    }

    pub(super) fn publish(&mut self, event: LongshoreEvent, worker: &Worker) {
        self.0.outbox.push(Unpublished::new(event, worker));
    }
}
