//! Following: from a wake-up to the image that a subscriber's policy names.
//!
//! A wake-up says that something may have changed, and nothing more. The record is loaded first and the
//! registry is asked afterwards: who decides by an old answer of the registry has an old record, too, and
//! loses the race for writing it.

use futures_util::future::join;
use longshore_events::image::Image;
use longshore_events::incoming::Push;
use longshore_events::longshore::{SkipReason, Source};
use longshore_events::sequence::Sequence;
use longshore_policy::image_policy::{Policy, RegistryImage};
use longshore_policy::route::Subscriber;
use longshore_state::{CallError, ErrorClass, Version, Worker, decide_again, unless_lost};

use super::named::{Held, held_after_push, holdings};
use crate::decide::{Heard, WakeUp, can_be_surveyed, due, find, learn, note};
use crate::documents::{RecordKey, RecordStore, StackRecordStore};
use crate::engine::{
    Ahead, DeployError, Engine, Inspected, Outcome, ServiceOutcome, Stop, Written,
    refused_or_failed,
};
use crate::outbox::flush;
use crate::ports::Cloud;
use crate::record::{PassedOver, Record, Request, Survey};

/// What woke a subscriber.
#[derive(Debug, Clone, Copy)]
pub enum Wake<'a> {
    /// A push was heard of.
    Push(&'a Push),
    /// The stack has settled, while whose change this was asked for.
    Settled(&'a Request),
    /// The schedule, or the end of what a request waits for.
    Look,
}

/// What is known of a subscriber before it is followed. The record was loaded before the registry was asked.
pub(super) struct Known<'a> {
    /// The service's record.
    pub(super) stored: Option<(Record, Version)>,
    /// What the repository holds, as far as the subscriber's policy is concerned.
    pub(super) held: &'a Held,
    /// What was asked ahead for the service.
    pub(super) ahead: Option<Ahead>,
    /// What the image says of itself that was pushed, where that was asked ahead.
    pub(super) inspected: Option<Inspected>,
}

/// Deploys to a subscriber of `repository` the image that its policy names, or to what waits for it. Harmless
/// at any time.
///
/// # Errors
/// [`DeployError`].
pub async fn follow<C: Cloud>(
    cloud: &C,
    repository: &str,
    subscriber: &Subscriber,
    wake: Wake<'_>,
    worker: &Worker,
) -> Result<ServiceOutcome, DeployError> {
    follow_knowing(cloud, repository, subscriber, wake, worker, None).await
}

/// The same as [`follow`], without asking again for what is known already.
///
/// # Errors
/// [`DeployError`].
pub(super) async fn follow_knowing<C: Cloud>(
    cloud: &C,
    repository: &str,
    subscriber: &Subscriber,
    wake: Wake<'_>,
    worker: &Worker,
    known: Option<Known<'_>>,
) -> Result<ServiceOutcome, DeployError> {
    let service_id = subscriber.service_id();
    let engine = Engine::new(cloud, subscriber, worker);
    let (engine, known) = match known {
        Some(known) => (
            engine.knowing(known.ahead, known.inspected),
            Some((known.stored, known.held)),
        ),
        None => (engine, None),
    };
    engine
        .follow(repository, wake, known)
        .await
        .map(|outcome| outcome.of(subscriber))
        .map_err(|stop| match wake {
            Wake::Push(push) => refused_or_failed(&service_id, &push.image, stop),
            Wake::Settled(request) => refused_or_failed(&service_id, &request.image, stop),
            Wake::Look => refused_or_failed(&service_id, &repository, stop),
        })
}

impl<C: Cloud> Engine<'_, C> {
    async fn follow(
        &self,
        repository: &str,
        wake: Wake<'_>,
        known: Option<(Option<(Record, Version)>, &Held)>,
    ) -> Result<Outcome, Stop> {
        let policy = self.subscriber.image_policy.compile().map_err(|invalid| {
            Stop::Refused(format!(
                "{} in routes/{repository}.json: {invalid}",
                self.service_id
            ))
        })?;
        let mut known = known;
        decide_again(&RecordKey(&self.service_id), async || match known.take() {
            Some((stored, held)) => {
                self.follow_once(&policy, repository, wake, stored, held)
                    .await
            }
            None => {
                let stored = self.cloud.load(&self.service_id).await?;
                let held = match wake {
                    Wake::Push(push) => {
                        let record = stored.as_ref().map(|(record, _)| record);
                        let subscribers = [(self.subscriber, record)];
                        Box::pin(held_after_push(self.cloud, push, &subscribers)).await?
                    }
                    Wake::Settled(_) | Wake::Look => {
                        holdings(self.cloud, repository, &[self.subscriber]).await?
                    }
                };
                self.follow_once(&policy, repository, wake, stored, &held)
                    .await
            }
        })
        .await
    }

    async fn follow_once(
        &self,
        policy: &Policy,
        repository: &str,
        wake: Wake<'_>,
        stored: Option<(Record, Version)>,
        held: &Held,
    ) -> Result<Outcome, Stop> {
        let container = &self.subscriber.container;
        let record = stored.as_ref().map(|(record, _)| record);
        let heard = heard(record, container, wake);
        let images = &learned(&held.images, record, container, &heard);
        let newest = policy.newest(images, self.worker.now);
        let image_policy = &self.subscriber.image_policy;
        let is_surveyed = held.is_large && can_be_surveyed(image_policy, policy);
        self.survey_is(newest.filter(|_| is_surveyed).map(|newest| Survey {
            policy: image_policy.clone(),
            newest: newest.clone(),
        }));
        let due = due(record, container, policy, newest, self.worker);
        if !matches!(due, WakeUp::News(_))
            && self
                .note_heard(policy, &stored, images, newest, heard.as_ref())
                .await?
        {
            // Then it is looked at again.
            return Err(CallError::lost_race(&RecordKey(&self.service_id)).into());
        }
        match due {
            WakeUp::Nothing => {
                if let Wake::Push(push) = wake {
                    tracing::debug!(
                        stack = self.service_id.stack,
                        service = self.service_id.service,
                        image = %push.image,
                        selected = newest.map(|newest| newest.tag.as_str()),
                        "nothing to do: what the image policy selects was followed before"
                    );
                }
                if let Some((record, version)) = stored {
                    flush(self.cloud, record, version, self.worker).await?;
                }
                Ok(Outcome::Nothing)
            }
            WakeUp::ComeAgain => Err(Stop::Call(self.claimed_already())),
            WakeUp::Resume => Box::pin(self.resume_settled(stored)).await,
            WakeUp::News(image) => {
                let request = self.request(repository, wake, image, record);
                let followed = [(self.subscriber.container.clone(), image.clone())].into();
                let surveyed = stored.clone().filter(|_| self.has_survey());
                let outcome = Box::pin(self.pursue(stored, &request, &followed)).await;
                let is_refused = outcome.as_ref().is_err_and(Stop::is_refusal);
                if let Some(stored) = surveyed.filter(|_| is_refused) {
                    // The event will not come again, and it is what the policy names still.
                    self.keep_survey(stored).await?;
                }
                outcome
            }
            WakeUp::Waiting(waiting) => {
                let request = waiting.request.clone();
                Box::pin(self.pursue_waiting(stored, &request)).await
            }
        }
    }

    /// Writes down what was heard of a push that does not go out; whether anything was to be written.
    async fn note_heard(
        &self,
        policy: &Policy,
        stored: &Option<(Record, Version)>,
        images: &[RegistryImage],
        newest: Option<&RegistryImage>,
        heard: Option<&Heard>,
    ) -> Result<bool, Stop> {
        let container = &self.subscriber.container;
        let Some((record, version)) = stored else {
            return self.note_first(policy, images, heard).await;
        };
        let note = note(
            record,
            container,
            policy,
            images,
            newest,
            heard,
            self.worker.now,
        );
        let before = record;
        let mut record = before.clone();
        if let Some(followed) = note.followed {
            record.follows(&[(container.clone(), followed)].into());
        }
        if let Some(passed_over) = note.passed_over
            && record.passes_over(container, &passed_over)
        {
            tracing::debug!(
                stack = self.service_id.stack,
                service = self.service_id.service,
                image = %passed_over.image,
                reason = ?passed_over.reason,
                selected = passed_over.selected,
                "a push that the image policy allows is not deployed"
            );
            if note.is_published {
                record.publish_passed_over(&passed_over, self.worker);
            }
        }
        if record == *before {
            self.keep_survey((record, version.clone())).await?;
            return Ok(false);
        }
        self.note_survey(&mut record);
        self.cloud.save(&record, Some(version)).await?;
        Ok(true)
    }

    /// Writes down what came of listing the repository, where nothing else is to be written. That changes nothing of what
    /// is decided now; whoever loses the race for it finds it out again.
    async fn keep_survey(&self, (before, version): (Record, Version)) -> Result<(), CallError> {
        let mut record = before.clone();
        self.note_survey(&mut record);
        if record != before {
            unless_lost(self.cloud.save(&record, Some(&version)).await)?;
        }
        Ok(())
    }

    /// The same for a service without a record: it gets one where nothing but the event says when a tag was put.
    async fn note_first(
        &self,
        policy: &Policy,
        images: &[RegistryImage],
        heard: Option<&Heard>,
    ) -> Result<bool, Stop> {
        let image = heard.and_then(|heard| Some((heard, find(images, &heard.image)?)));
        let Some((heard, image)) = image else {
            return Ok(false);
        };
        if !(policy.is_by_tag() && policy.allows(&image.tag) && heard.at > image.pushed_at) {
            return Ok(false);
        }
        let shown = match self.look_at_service().await {
            Ok(shown) => shown,
            // Its stack may still make it.
            Err(Stop::Call(error)) if error.class != ErrorClass::NotFound => {
                return Err(Stop::Call(error));
            }
            Err(_) => return Ok(false),
        };
        let passed_over = PassedOver {
            image: heard.image.clone(),
            at: heard.at,
            reason: SkipReason::TooYoung,
            selected: None,
        };
        let change = |record: &mut Record| {
            record.passes_over(&self.subscriber.container, &passed_over);
        };
        self.note(None, &shown, Some(&heard.image), change).await?;
        Ok(true)
    }

    /// Takes up a claim whose invocation died, unless the stack is changing: then that is done at its end.
    pub(super) async fn resume_settled(
        &self,
        stored: Option<(Record, Version)>,
    ) -> Result<Outcome, Stop> {
        let (stack, shown) = join(
            self.cloud.load_stack(&self.service_id.stack),
            self.look_at_service(),
        )
        .await;
        let written = Written {
            stored,
            stack: stack?,
        };
        if written.is_changing() {
            return Ok(Outcome::Pending);
        }
        self.resume(&written, &shown?).await
    }

    /// What is asked for by a policy's naming an image. Its id is like that of no other deployment of the service: a
    /// revision that is tagged with it would count as the one that is to be rolled out. One event may lead to several
    /// requests, so the id ends with the number that the deployment will have if nothing else goes out before, and
    /// with the container where a request for another one waits under that id.
    fn request(
        &self,
        repository: &str,
        wake: Wake<'_>,
        image: &RegistryImage,
        record: Option<&Record>,
    ) -> Request {
        let is = |other: &Image| {
            other.digest == image.digest && other.tag.as_deref() == Some(image.tag.as_str())
        };
        let has_waited = match wake {
            Wake::Settled(request) => Some(request).filter(|request| is(&request.image)),
            Wake::Push(_) | Wake::Look => None,
        };
        let (event_id, at, source) = match wake {
            Wake::Push(push) if is(&push.image) => (&push.event_id, push.at, Source::Push),
            // The event named another image, and the one of this image is still to come.
            Wake::Push(push) => (&push.event_id, image.tagged_since(), Source::Push),
            Wake::Settled(request) => {
                let at = has_waited.map_or(image.tagged_since(), |request| request.at);
                (&request.id, at, request.source.clone())
            }
            Wake::Look => (&self.worker.id, image.tagged_since(), Source::Reconcile),
        };
        let last = record.map_or(0, |record| record.deployment.number);
        let number = format!("-{}", last.saturating_add(1));
        let mut id = match has_waited {
            // Somebody may ask for it by the id that it had. Once something else went out, that may have this id.
            Some(request) if request.id.ends_with(&number) => request.id.clone(),
            _ => format!("{event_id}{number}"),
        };
        let container = &self.subscriber.container;
        let is_taken = record.is_some_and(|record| {
            let mut waiting = record.waiting.values();
            waiting.any(|waiting| waiting.container != *container && waiting.request.id == id)
        });
        if is_taken {
            id = format!("{id}-{container}");
        }
        Request {
            id,
            at,
            sequence: Sequence::of_tag(&image.tag),
            image: image.in_repository(repository),
            source,
            replaced_requests: has_waited
                .map_or_else(Vec::new, |request| request.replaced_requests.clone()),
        }
    }
}

/// What was heard of: what woke the subscriber, or else what was put off before.
fn heard(record: Option<&Record>, container: &str, wake: Wake<'_>) -> Option<Heard> {
    match wake {
        Wake::Push(push) => Some(Heard {
            image: push.image.clone(),
            at: push.at,
        }),
        Wake::Settled(request) if !request.is_explicit() => Some(Heard {
            image: request.image.clone(),
            at: request.at,
        }),
        Wake::Settled(_) | Wake::Look => {
            let passed_over = record?.passed_over.get(container)?;
            passed_over.is_for_now().then(|| Heard {
                image: passed_over.image.clone(),
                at: passed_over.at,
            })
        }
    }
}

/// What the registry holds, with what is known of when the tags were put.
fn learned(
    images: &[RegistryImage],
    record: Option<&Record>,
    container: &str,
    heard: &Option<Heard>,
) -> Vec<RegistryImage> {
    let mut images = images.to_vec();
    for image in &mut images {
        if let Some(record) = record {
            learn(image, record, container);
        }
        if let Some(Heard { image: known, at }) = heard {
            image.hear(known.tag.as_deref().unwrap_or_default(), &known.digest, *at);
        }
    }
    images
}
