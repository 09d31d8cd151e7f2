//! What becomes of requests: they go out, they wait, or nothing is done about them. Each puts what reports it into the
//! outbox.

use std::collections::BTreeMap;

use longshore_events::longshore::{
    Caller, DeploymentSkipped, DeploymentWaiting, LongshoreEvent, SkipReason, Source, WaitReason,
};
use longshore_policy::image_policy::RegistryImage;
use longshore_state::Worker;

use crate::record::document::Record;
use crate::record::request::Request;
use crate::record::scaled::Scaled;
use crate::record::waiting::{PassedOver, Wait, Waiting};

impl Record {
    /// Somebody set how many tasks run; the record remembers the newest `remembered` numbers.
    pub(crate) fn scaled(&mut self, scaled: Scaled, remembered: usize, worker: &Worker) {
        let service_id = self.deployment.service_id();
        let event = scaled.event(&service_id);
        self.0.scaled.push(scaled);
        let too_many = self.0.scaled.len().saturating_sub(remembered);
        self.0.scaled.drain(..too_many);
        self.publish(event, worker);
    }

    /// A person or a pipeline asked for this, and is heard.
    pub(crate) fn is_asked(&mut self, request: &Request, container: &str) {
        if request.is_explicit() {
            self.0.asked.insert(container.to_owned(), request.clone());
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
        self.follows(followed);
        self.allow(request);
        for container in containers {
            let passed_over = self.passed_over.get(container);
            if passed_over.is_some_and(|passed_over| {
                passed_over.at <= request.at || passed_over.image.digest == request.image.digest
            }) {
                self.0.passed_over.remove(container);
            }
            self.is_asked(request, container);
            self.replace_waiting(request, container, worker);
        }
    }

    /// What a person asks for may be deployed again.
    fn allow(&mut self, request: &Request) {
        if request.is_explicit() {
            self.unblock(|digest| *digest == request.image.digest);
        }
    }

    /// `request` waits. What waited before gives way to it.
    pub(crate) fn waits(
        &mut self,
        request: &Request,
        container: &str,
        wait: &Wait,
        worker: &Worker,
    ) {
        let last = &self.deployment;
        let mut request = request.clone();
        request.replace(last.requested_at, &last.id, &last.replaced_requests);
        let before = self.waits_already(&request.id, container).cloned();
        if before.is_none()
            && let Some(waiting) = self.waiting.get(container)
        {
            let waiting = &waiting.request;
            request.replace(waiting.at, &waiting.id, &waiting.replaced_requests);
        }
        self.allow(&request);
        self.is_asked(&request, container);
        self.replace_waiting(&request, container, worker);
        let mut published = before
            .as_ref()
            .map_or_else(Vec::new, |before| before.told.clone());
        let is_published = before
            .as_ref()
            .is_some_and(|before| before.is_published(&wait.why));
        if !is_published {
            published.push(wait.why.clone());
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
            self.publish(LongshoreEvent::DeploymentWaiting(waiting), worker);
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
            approved: before.as_ref().is_some_and(|before| before.approved),
            approved_by: before.and_then(|before| before.approved_by),
            told: published,
            unrouted_since: None,
        };
        self.0.waiting.insert(container.to_owned(), waiting);
    }

    /// Nothing is done about `request`, and that is published. Of what a policy asked for it is kept as well.
    pub(crate) fn skipped(
        &mut self,
        request: &Request,
        container: &str,
        reason: SkipReason,
        worker: &Worker,
    ) {
        self.skipped_by(request, container, reason, None, worker);
    }

    /// The same, where somebody says so.
    fn skipped_by(
        &mut self,
        request: &Request,
        container: &str,
        reason: SkipReason,
        rejected_by: Option<&Caller>,
        worker: &Worker,
    ) {
        let is_over = matches!(
            reason,
            SkipReason::AlreadyDeploying | SkipReason::NewerRequested
        );
        if !request.is_explicit() && !is_over {
            let passed_over = PassedOver {
                image: request.image.clone(),
                at: request.at,
                reason,
                selected: None,
            };
            self.passes_over(container, &passed_over);
        }
        let is_published = self
            .waiting
            .values()
            .any(|waiting| waiting.request.id == request.id);
        let published = DeploymentSkipped {
            stack: self.deployment.stack.clone(),
            service: self.deployment.service.clone(),
            image: request.image.clone(),
            source: request.source.clone(),
            requested_at: request.at,
            reason,
            deployment_id: is_published.then(|| request.id.clone()),
            selected: None,
            rejected_by: rejected_by.cloned(),
        };
        self.publish(LongshoreEvent::DeploymentSkipped(published), worker);
    }

    /// It is published that a push was passed over.
    pub(crate) fn publish_passed_over(&mut self, passed_over: &PassedOver, worker: &Worker) {
        let skipped = DeploymentSkipped {
            stack: self.deployment.stack.clone(),
            service: self.deployment.service.clone(),
            image: passed_over.image.clone(),
            source: Source::Push,
            requested_at: passed_over.at,
            reason: passed_over.reason,
            deployment_id: None,
            selected: passed_over.selected.clone(),
            rejected_by: None,
        };
        self.publish(LongshoreEvent::DeploymentSkipped(skipped), worker);
    }

    /// Somebody has approved what waits for a container.
    pub(crate) fn approved(&mut self, container: &str, by: Option<&Caller>) {
        if let Some(waiting) = self.0.waiting.get_mut(container) {
            waiting.approved = true;
            waiting.approved_by = by.cloned();
        }
    }

    /// Somebody has rejected what waits for a container, and that is published.
    pub(crate) fn rejected(&mut self, container: &str, by: Option<&Caller>, worker: &Worker) {
        if let Some(waiting) = self.waiting.get(container) {
            let request = waiting.request.clone();
            self.skipped_by(&request, container, SkipReason::Rejected, by, worker);
            self.0.waiting.remove(container);
        }
    }

    /// A route names the service again for which a request waits.
    pub(crate) fn routed_again(&mut self, container: &str) {
        if let Some(waiting) = self.0.waiting.get_mut(container) {
            waiting.unrouted_since = None;
        }
    }

    /// No route names the service any more for which a request waits.
    pub(crate) fn unrouted(&mut self, container: &str, worker: &Worker) {
        if let Some(waiting) = self.0.waiting.get_mut(container) {
            waiting.unrouted_since.get_or_insert(worker.now);
        }
    }

    /// What waits for a container is not waited for any more, and that is published.
    pub(crate) fn given_up(&mut self, container: &str, reason: SkipReason, worker: &Worker) {
        if let Some(waiting) = self.waiting.get(container) {
            let request = waiting.request.clone();
            self.skipped(&request, container, reason, worker);
            self.0.waiting.remove(container);
        }
    }

    /// What waits for a container cannot be deployed any more, and that is published.
    pub(crate) fn waited_in_vain(
        &mut self,
        container: &str,
        refusal: LongshoreEvent,
        worker: &Worker,
    ) {
        self.0.waiting.remove(container);
        self.publish(refusal, worker);
    }

    /// Nothing waits for the container any more, because `request` takes its place or is what has waited.
    pub(crate) fn replace_waiting(&mut self, request: &Request, container: &str, worker: &Worker) {
        match self.waiting.get(container) {
            Some(waiting) if waiting.request.id != request.id => {
                self.given_up(container, SkipReason::NewerRequested, worker);
            }
            _ => drop(self.0.waiting.remove(container)),
        }
    }
}
