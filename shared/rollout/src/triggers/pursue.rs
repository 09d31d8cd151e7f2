//! From a request to what is decided about it, whichever way it came in.

use std::collections::BTreeMap;

use futures_util::future::{join, try_join, try_join_all};
use longshore_events::longshore::{OperationKind, SkipReason, Source};
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, ErrorClass, Version, change, load};

use crate::decide::{Decision, Progress, Situation, decide, progress, while_changing};
use crate::documents::{RecordKey, RecordStore, RouteStore, StackKey, StackRecordStore};
use crate::engine::{Ahead, Engine, Outcome, Stop, Written};
use crate::outbox::change_and_publish;
use crate::ports::Cloud;
use crate::record::{Deployment, PassedOver, Record, Request, refusal};
use crate::stack_record::{Operation, OperationState};

impl<C: Cloud> Engine<'_, C> {
    /// Decides about `request` and does what is decided. `followed` is what the policies of these containers are to count as followed with that.
    pub(crate) async fn pursue(
        &self,
        stored: Option<(Record, Version)>,
        request: &Request,
        followed: &BTreeMap<String, RegistryImage>,
    ) -> Result<Outcome, Stop> {
        let (stack, predecessors, shown) = match self.take_ahead() {
            Some(Ahead { stack, shown }) => (stack, self.predecessors(request).await, shown),
            None => {
                let record = stored.as_ref().map(|(record, _)| record);
                let (Ahead { stack, shown }, predecessors) = join(
                    Box::pin(self.look_ahead(record)),
                    self.predecessors(request),
                )
                .await;
                (stack, predecessors, shown)
            }
        };
        let written = Written {
            stored,
            stack: stack?,
        };
        if written.is_changing() {
            return self.remember(request, written).await;
        }
        let shown = shown.map_err(|stop| explain(stop, &written))?;
        let rollout = &self.subscriber.rollout;
        let decision = decide(&Situation {
            record: written.record(),
            request,
            container: &self.subscriber.container,
            running: &shown.running,
            rollout,
            frozen_until: rollout
                .frozen_until(self.worker.now)
                .map_err(|invalid| Stop::Refused(invalid.to_string()))?,
            predecessors: &predecessors?,
            worker: self.worker,
        });
        match decision {
            Decision::Skip(reason) => self.skip(written, &shown, request, followed, reason).await,
            Decision::ComeAgain => Err(Stop::Call(self.claimed_already())),
            Decision::Later if request.is_explicit() => Err(Stop::Call(self.is_busy())),
            Decision::Later => self.put_off(written, request).await,
            // What a person asks for takes the place of nothing here: the deployment is the policy's still.
            Decision::Resume if !request.is_explicit() && written.has_not_followed(followed) => {
                // Then it is looked at again.
                let change = |record: &mut Record| record.follows(followed);
                self.note(written.stored, &shown, Some(&request.image), change)
                    .await?;
                Err(CallError::lost_race(&RecordKey(&self.service_id)).into())
            }
            Decision::Resume => self.resume(&written, &shown).await,
            Decision::Wait(wait) => self.wait(written, &shown, request, followed, wait).await,
            Decision::Deploy => {
                let contents = match self.inspect(request).await? {
                    Ok(contents) => contents,
                    Err(reason) => {
                        return self.skip(written, &shown, request, followed, reason).await;
                    }
                };
                let last = written.last();
                let claim =
                    Deployment::claim(last, self.subscriber, request, &shown.running, self.worker);
                let waiting = written.record().and_then(|record| {
                    record.waits_already(&request.id, &self.subscriber.container)
                });
                let approved_by = waiting.and_then(|waiting| waiting.approved_by.clone());
                let deployment = claim.built_from(contents).approved_by(approved_by);
                let change = |record: &mut Record| {
                    let containers = self.subscriber.containers();
                    record.goes_out(request, containers, followed, self.worker);
                };
                self.take(&written, &shown, deployment, change).await
            }
        }
    }

    /// Decides anew about the request that waits. One that cannot be deployed any more is given up, and that is published.
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

    /// Publishes once that the request waited in vain, also where it waits for the end of the stack's change as well,
    /// because its turn came meanwhile.
    pub(super) async fn give_up_waiting(
        &self,
        request: &Request,
        reason: String,
    ) -> Result<Outcome, Stop> {
        if let Some(stored) = self.cloud.load(&self.service_id).await? {
            let refused = refusal(request.summary(self.subscriber), &reason, self.worker);
            let container = &self.subscriber.container;
            change_and_publish(
                self.cloud,
                &self.service_id,
                stored,
                self.worker,
                |record| {
                    if record.waits_already(&request.id, container).is_some() {
                        record.waited_in_vain(container, refused.clone(), self.worker);
                    }
                },
            )
            .await?;
        }
        let key = StackKey(&self.service_id.stack);
        if let Some(stored) = load(self.cloud, &key).await? {
            change(self.cloud, &key, stored, |stack| {
                stack.forget(&request.id, self.subscriber);
            })
            .await?;
        }
        Ok(Outcome::Failed { reason })
    }

    /// Writes down that the request waits for the end of the stack's change. Of what a policy names only the wake-up
    /// waits: the policy is asked again. What a reconcile has found the next one finds again, if it is news still once
    /// the stack's change is written down: what the registry held before that change was asked for is none.
    async fn remember(&self, request: &Request, written: Written) -> Result<Outcome, Stop> {
        let container = &self.subscriber.container;
        if let Some(reason) = while_changing(written.record(), request, container) {
            return self.publish_skipped(written, request, reason).await;
        }
        if request.source == Source::Reconcile {
            return Ok(Outcome::Pending);
        }
        let last = written.last().cloned();
        if let Some((mut record, version)) = written.stack
            && record.remember(self.subscriber, request, last.as_ref())
        {
            self.cloud.save_stack(&record, Some(&version)).await?;
        }
        Ok(Outcome::Pending)
    }

    /// What comes after the deployment of other containers finds the request again, and when its tag was put.
    async fn put_off(&self, written: Written, request: &Request) -> Result<Outcome, Stop> {
        if let Some((mut record, version)) = written.stored {
            let passed_over = PassedOver {
                image: request.image.clone(),
                at: request.at,
                reason: SkipReason::OthersDeploying,
                selected: None,
            };
            if record.passes_over(&self.subscriber.container, &passed_over) {
                self.note_survey(&mut record);
                self.cloud.save(&record, Some(&version)).await?;
            }
        }
        Ok(Outcome::Nothing)
    }

    fn is_busy(&self) -> CallError {
        CallError {
            operation: format!("deploy to container {} of {}", self.subscriber.container, self.service_id),
            class: ErrorClass::Transient,
            code: None,
            message: "a deployment of other containers is under way that has one-off tasks: try again when \
                      it has ended"
                .to_owned(),
        }
    }

    /// How far the services are that get the image before this one.
    pub(crate) async fn predecessors(
        &self,
        request: &Request,
    ) -> Result<Vec<(String, Progress)>, Stop> {
        if self.subscriber.rollout.after.is_empty() {
            return Ok(Vec::new());
        }
        let all = try_join_all(self.subscriber.rollout.after.iter().map(|service| async {
            let service_id = ServiceId {
                stack: self.service_id.stack.clone(),
                service: service.clone(),
            };
            let stored = self.cloud.load(&service_id).await?;
            let record = stored.as_ref().map(|(record, _)| record);
            Ok((service.clone(), progress(record, &request.image.digest)))
        }));
        let (route, all) = try_join(self.cloud.route(&request.image.repository), all).await?;
        if let Some(route) = route {
            route.check_order(self.subscriber).map_err(Stop::Refused)?;
        }
        Ok(all)
    }
}

/// A service that is not there is missing for a reason that the stack's record may know.
fn explain(stop: Stop, written: &Written) -> Stop {
    let (Stop::Call(error), Some((record, _))) = (&stop, &written.stack) else {
        return stop;
    };
    if error.class != ErrorClass::NotFound {
        return stop;
    }
    match absence(&record.operation) {
        Some(reason) => Stop::Refused(format!("{error}; {reason}")),
        None => stop,
    }
}

/// Why a service of a stack may not be there, by the stack's last change.
fn absence(operation: &Operation) -> Option<String> {
    match (operation.kind, operation.state) {
        (OperationKind::Destroy, OperationState::Ready) => {
            Some("its stack was destroyed: apply the stack file again first".to_owned())
        }
        (_, OperationState::Failed) => Some(format!(
            "the last change of its stack failed: {}",
            operation.reason.as_deref().unwrap_or("for no known reason")
        )),
        _ => None,
    }
}
