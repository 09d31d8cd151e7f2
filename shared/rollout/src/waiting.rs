//! What becomes of a request that does not go out: it waits, or nothing is done about it. Both are written
//! down in the record, with the event that tells of it.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};
use longshore_events::longshore::{
    DeploymentFailed, DeploymentSkipped, DeploymentWaiting, FailedPhase, LongshoreEvent,
    SkipReason, WaitReason,
};
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::Owner;
use longshore_state::{CallError, Version, Worker};

use crate::decide::{Progress, Wait, is_same_kind, progress};
use crate::deploy::{Engine, Outcome, Shown, Stop, Written};
use crate::documents::{RecordStore, RouteStore};
use crate::outbox::{change_and_publish, flush};
use crate::ports::Cloud;
use crate::record::{Record, Request, Waiting};

/// Whether a route names the container that a request waits for.
pub(crate) struct Routed {
    pub(crate) container: String,
    pub(crate) request_id: String,
    pub(crate) is_routed: bool,
}

impl Record {
    /// The request that waits for a container, if it is this one.
    fn waits_already(&self, request: &Request, container: &str) -> Option<&Waiting> {
        self.waiting
            .get(container)
            .filter(|waiting| waiting.request.id == request.id)
    }

    /// Whether a person's or a pipeline's request comes too late: a retry or a late delivery may bring an older
    /// one after a newer one, or one once more. What a policy names has an order of its own.
    pub(crate) fn is_outdated(&self, request: &Request, container: &str) -> bool {
        if !request.is_explicit() || self.waits_already(request, container).is_some() {
            return false;
        }
        let is_behind =
            |other: &Request| other.id == request.id || request.is_before_request(other);
        let last = &self.deployment;
        let concerns_it = last.image_in(container).is_some();
        last.id == request.id
            || concerns_it && request.is_before(last)
            || self.asked.get(container).is_some_and(is_behind)
            || self
                .waiting
                .get(container)
                .is_some_and(|waiting| is_behind(&waiting.request))
    }

    /// A person or a pipeline asked for this, and is heard.
    fn is_asked(&mut self, request: &Request, container: &str) {
        if request.is_explicit() {
            self.asked.insert(container.to_owned(), request.clone());
        }
    }

    /// `request` goes out in these containers. What waited for them gives way to it.
    pub(crate) fn goes_out<'a>(
        &mut self,
        request: &Request,
        containers: impl IntoIterator<Item = &'a str>,
        followed: &BTreeMap<String, RegistryImage>,
        worker: &Worker,
    ) {
        self.followed.extend(followed.clone());
        self.unblock(request);
        for container in containers {
            self.is_asked(request, container);
            self.replace_waiting(request, container, worker);
        }
    }

    /// What a person asks for may be deployed again.
    fn unblock(&mut self, request: &Request) {
        if request.is_explicit() {
            self.blocked
                .retain(|digest| *digest != request.image.digest);
        }
    }

    /// `request` waits. What waited before gives way to it.
    fn waits(&mut self, request: &Request, container: &str, wait: &Wait, worker: &Worker) {
        let last = &self.deployment;
        let mut request = request.clone();
        request.replace(last.requested_at, &last.id, &last.replaced_requests);
        let before = self.waits_already(&request, container).cloned();
        if before.is_none()
            && let Some(waiting) = self.waiting.get(container)
        {
            let waiting = &waiting.request;
            request.replace(waiting.at, &waiting.id, &waiting.replaced_requests);
        }
        self.unblock(&request);
        self.is_asked(&request, container);
        self.replace_waiting(&request, container, worker);
        let mut told = before
            .as_ref()
            .map_or_else(Vec::new, |before| before.told.clone());
        if !told.iter().any(|told| is_same_kind(told, &wait.why)) {
            told.push(wait.why.clone());
            let waiting = DeploymentWaiting {
                stack: self.deployment.stack.clone(),
                service: self.deployment.service.clone(),
                deployment_id: request.id.clone(),
                image: request.image.clone(),
                source: request.source.clone(),
                requested_at: request.at,
                reason: wait.why.clone(),
                since: wait.since,
                until: wait.until,
            };
            self.tell(LongshoreEvent::DeploymentWaiting(waiting), worker);
        }
        let asked_to_approve = wait.until.filter(|_| wait.why == WaitReason::Approval);
        let waiting = Waiting {
            request,
            container: container.to_owned(),
            why: wait.why.clone(),
            since: wait.since,
            until: wait.until,
            approve_by: before
                .as_ref()
                .and_then(|before| before.approve_by)
                .or(asked_to_approve),
            approved: before.is_some_and(|before| before.approved),
            told,
            unrouted_since: None,
        };
        self.waiting.insert(container.to_owned(), waiting);
    }

    /// Nothing is done about `request`, and that is told.
    fn skipped(&mut self, request: &Request, reason: SkipReason, worker: &Worker) {
        let is_told = self
            .waiting
            .values()
            .any(|waiting| waiting.request.id == request.id);
        let told = DeploymentSkipped {
            stack: self.deployment.stack.clone(),
            service: self.deployment.service.clone(),
            image: request.image.clone(),
            source: request.source.clone(),
            requested_at: request.at,
            reason,
            deployment_id: is_told.then(|| request.id.clone()),
        };
        self.tell(LongshoreEvent::DeploymentSkipped(told), worker);
    }

    /// Notes of requests that wait whether a route names their container: they are given up when it has not done so for
    /// a while.
    pub(crate) fn note_routes(&mut self, noted: &[Routed], worker: &Worker) {
        for Routed {
            container,
            request_id,
            is_routed,
        } in noted
        {
            let Some(waiting) = self
                .waiting
                .get_mut(container)
                .filter(|waiting| waiting.request.id == *request_id)
            else {
                continue;
            };
            if *is_routed {
                waiting.unrouted_since = None;
                continue;
            }
            waiting.unrouted_since.get_or_insert(worker.now);
            if waiting.given_up_at().is_some_and(|end| end <= worker.now) {
                let request = waiting.request.clone();
                self.skipped(&request, SkipReason::RouteRemoved, worker);
                self.waiting.remove(container);
            }
        }
    }

    /// Nothing waits for the container any more, because `request` takes its place or is what has waited.
    pub(crate) fn replace_waiting(&mut self, request: &Request, container: &str, worker: &Worker) {
        let Some(waiting) = self.waiting.get(container) else {
            return;
        };
        if waiting.request.id != request.id {
            let replaced = waiting.request.clone();
            self.skipped(&replaced, SkipReason::NewerRequested, worker);
        }
        self.waiting.remove(container);
    }
}

impl<C: Cloud> Engine<'_, C> {
    /// Writes down that the request waits.
    pub(crate) async fn wait(
        &self,
        written: Written,
        shown: &Shown,
        request: &Request,
        followed: &BTreeMap<String, RegistryImage>,
        wait: Wait,
    ) -> Result<Outcome, Stop> {
        let container = &self.follower.container;
        let has_waited = written
            .record()
            .is_some_and(|record| record.waits_already(request, container).is_some());
        // Nobody is to be asked about an image that cannot be deployed.
        if !has_waited && self.inspect(request).await?.is_none() {
            let reason = SkipReason::ArchitectureMissing;
            return self.skip(written, shown, request, followed, reason).await;
        }
        let change = |record: &mut Record| {
            record.followed.extend(followed.clone());
            record.waits(request, container, &wait, self.worker);
        };
        self.note(written.stored, shown, change).await?;
        Ok(Outcome::Waiting {
            reason: wait.why,
            until: wait.until,
        })
    }

    /// Writes down that nothing is done about the request.
    pub(crate) async fn skip(
        &self,
        written: Written,
        shown: &Shown,
        request: &Request,
        followed: &BTreeMap<String, RegistryImage>,
        reason: SkipReason,
    ) -> Result<Outcome, Stop> {
        let container = &self.follower.container;
        let is_outdated = written
            .record()
            .is_some_and(|record| record.is_outdated(request, container));
        // What the policy names takes the place of what waits, whatever becomes of it; so does what a
        // person asked for and has.
        let takes_place =
            !request.is_explicit() || reason == SkipReason::AlreadyRunning && !is_outdated;
        let change = |record: &mut Record| {
            let has_waited = record.waits_already(request, container).is_some();
            // Of a deployment that is under way everybody has heard already.
            if reason != SkipReason::AlreadyDeploying || has_waited {
                record.skipped(request, reason, self.worker);
            }
            if takes_place {
                record.followed.extend(followed.clone());
            }
            if !is_outdated {
                record.is_asked(request, container);
            }
            if takes_place || has_waited {
                record.replace_waiting(request, container, self.worker);
            }
        };
        self.note(written.stored, shown, change).await?;
        Ok(Outcome::Skipped { reason })
    }

    /// The same where nothing but the telling is to be written down, and ECS may show nothing.
    pub(crate) async fn tell_skipped(
        &self,
        written: Written,
        request: &Request,
        reason: SkipReason,
    ) -> Result<Outcome, Stop> {
        if let Some((mut record, version)) = written.stored {
            record.skipped(request, reason, self.worker);
            let version = self.cloud.save(&record, Some(&version)).await?;
            flush(self.cloud, record, version, self.worker).await?;
        }
        Ok(Outcome::Skipped { reason })
    }

    /// Decides anew about the request that waits. One that cannot be deployed any more is given up, and that is told.
    pub(crate) async fn pursue_waiting(
        &self,
        stored: Option<(Record, Version)>,
        request: &Request,
    ) -> Result<Outcome, Stop> {
        match self.pursue(stored, request, &BTreeMap::new()).await {
            Err(Stop::Refused(reason)) => self.give_up_waiting(request, reason).await,
            other => other,
        }
    }

    async fn give_up_waiting(&self, request: &Request, reason: String) -> Result<Outcome, Stop> {
        if let Some(stored) = self.cloud.load(self.owner).await? {
            let event = LongshoreEvent::DeploymentFailed(DeploymentFailed {
                deployment: request.summary(self.follower),
                finished_at: self.worker.now,
                reason: reason.clone(),
                failures: Vec::new(),
                rolling_back: false,
                phase: FailedPhase::Before,
            });
            let container = &self.follower.container;
            change_and_publish(self.cloud, self.owner, stored, self.worker, |record| {
                if record.waits_already(request, container).is_some() {
                    record.waiting.remove(container);
                    record.tell(event.clone(), self.worker);
                }
            })
            .await?;
        }
        Ok(Outcome::Failed { reason })
    }

    /// Writes the record with `change` and tells what it holds. A service that has no record gets one of what it runs.
    pub(crate) async fn note(
        &self,
        stored: Option<(Record, Version)>,
        shown: &Shown,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), CallError> {
        let (before, version) = match stored {
            Some((record, version)) => (record, Some(version)),
            None => {
                self.cloud
                    .set_owner(&self.follower.service_name(), self.owner)
                    .await?;
                (self.adopted(shown).await?, None)
            }
        };
        let mut record = before.clone();
        change(&mut record);
        let version = match version {
            Some(version) if record == before => version,
            version => self.cloud.save(&record, version.as_ref()).await?,
        };
        flush(self.cloud, record, version, self.worker).await
    }

    /// How far the services are that get the image before this one.
    pub(crate) async fn predecessors(
        &self,
        request: &Request,
    ) -> Result<Vec<(String, Progress)>, Stop> {
        if self.follower.rollout.after.is_empty() {
            return Ok(Vec::new());
        }
        let all = try_join_all(self.follower.rollout.after.iter().map(|service| async {
            let owner = Owner {
                stack: self.owner.stack.clone(),
                service: service.clone(),
            };
            let stored = self.cloud.load(&owner).await?;
            let record = stored.as_ref().map(|(record, _)| record);
            Ok((service.clone(), progress(record, &request.image.digest)))
        }));
        let (route, all) = try_join(self.cloud.route(&request.image.repository), all).await?;
        if let Some(route) = route {
            route.check_order(self.follower).map_err(Stop::Refused)?;
        }
        Ok(all)
    }
}
