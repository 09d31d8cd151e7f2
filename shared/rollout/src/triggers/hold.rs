//! What people say about requests that wait: that none may go out, that they may again, and that one may.

use std::cell::RefCell;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use longshore_events::image::{DigestPrefix, Image};
use longshore_events::longshore::{DeploymentsHeld, DeploymentsResumed};
use longshore_events::manual::{ApprovalPayload, HoldPayload, ResumePayload};
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_state::{CallError, Worker, decide_again, unless_lost};
use serde::Serialize;

use super::follow::{Wake, follow};
use crate::decide::to_be_approved;
use crate::documents::{RecordKey, RecordStore, RouteStore};
use crate::engine::{DeployError, Engine, Outcome, ServiceOutcome, Stop};
use crate::outbox::{change_and_publish, flush};
use crate::ports::Cloud;
use crate::record::{Hold, Record, Waiting};

/// How many routes or services are looked at side by side.
const SIDE_BY_SIDE: usize = 16;

/// What came of holding or resuming a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldOutcome {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The hold that is on it now.
    pub hold: Option<Hold>,
    /// The hold that was on it before, which the new one replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Hold>,
    /// What came of the requests that had waited, when the service was resumed: of one for each container at
    /// most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waited: Vec<Outcome>,
}

/// Why what a person said about a service led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// It cannot be done. Trying again does not help.
    #[error("{action} {subject}: {reason}")]
    Refused {
        /// `hold`, `resume`, `approve` or `reject`.
        action: &'static str,
        /// The service or the stack.
        subject: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A call failed. Trying again may help.
    #[error("{action} {subject}: {source}")]
    Call {
        /// `hold`, `resume`, `approve` or `reject`.
        action: &'static str,
        /// The service or the stack.
        subject: String,
        /// The call.
        source: CallError,
    },
    /// What had waited met an error.
    #[error(transparent)]
    Deploy(DeployError),
}

/// Lets no deployment of a service, or of any service of a stack, begin until somebody resumes it. A hold that
/// is there already is replaced.
///
/// # Errors
/// [`HoldError`] when nobody knows the service, or none of the stack's, and when these cannot be found out.
/// What fails for one service is in its own result.
pub async fn hold<C: Cloud>(
    cloud: &C,
    payload: &HoldPayload,
    worker: &Worker,
) -> Result<Vec<Result<HoldOutcome, HoldError>>, HoldError> {
    let hold = Hold {
        note: payload.note.clone(),
        since: worker.now,
        until: payload.until,
        by: payload.by.clone(),
    };
    if hold.until.is_some_and(|until| until <= worker.now) {
        return Err(HoldError::Refused {
            action: "hold",
            subject: subject(&payload.stack, payload.service.as_deref()),
            reason: "`until` is in the past: give a future time, or omit it".to_owned(),
        });
    }
    let asked = HoldRequest {
        cloud,
        action: "hold",
        worker,
    };
    let services = asked
        .services(&payload.stack, payload.service.as_deref())
        .await?;
    let published = DeploymentsHeld {
        stack: payload.stack.clone(),
        services: services.names(),
        at: worker.now,
        until: hold.until,
        note: hold.note.clone(),
        by: hold.by.clone(),
    };
    let held = services
        .found
        .iter()
        .enumerate()
        .map(async |(place, service)| {
            let replaced = RefCell::new(None);
            asked
                .change(service, |record| {
                    let before = record.holds(worker.now).cloned();
                    let is_news = !before.as_ref().is_some_and(|before| before.says(&hold));
                    replaced.replace(before);
                    if !is_news {
                        return;
                    }
                    record.held(hold.clone());
                    if place == 0 {
                        // Written with the hold itself, and so published whoever dies meanwhile.
                        record.publish_held(published.clone(), worker);
                    }
                })
                .await?;
            Ok(HoldOutcome {
                stack: service.service_id.stack.clone(),
                service: service.service_id.service.clone(),
                hold: Some(hold.clone()),
                replaced: replaced.into_inner(),
                waited: Vec::new(),
            })
        });
    let held = join_all(held).await;
    Ok(services.with_unread(held))
}

/// Lets deployments of a service, or of every service of a stack, begin again. What waited goes out, unless
/// something else keeps it back.
///
/// # Errors
/// As [`hold`].
pub async fn resume<C: Cloud>(
    cloud: &C,
    payload: &ResumePayload,
    worker: &Worker,
) -> Result<Vec<Result<HoldOutcome, HoldError>>, HoldError> {
    let asked = HoldRequest {
        cloud,
        action: "resume",
        worker,
    };
    let services = asked
        .services(&payload.stack, payload.service.as_deref())
        .await?;
    let published = DeploymentsResumed {
        stack: payload.stack.clone(),
        services: services.names(),
        at: worker.now,
        held_note: None,
        held_by: None,
        held_since: None,
        note: payload.note.clone(),
        by: payload.by.clone(),
    };
    let published = &published;
    let resumed = services
        .found
        .iter()
        .enumerate()
        .map(async |(place, service)| {
            let service_id = &service.service_id;
            let record = match asked.stored(service_id).await? {
                // Nothing of it was ever held.
                None => None,
                Some(_) => {
                    asked
                        .change(service, |record| {
                            // Of a hold that has ended by itself nobody needs to hear.
                            if let Some(hold) = record.holds(worker.now).cloned()
                                && payload.held_since.is_none_or(|since| hold.since <= since)
                                && place == 0
                            {
                                let resumed = DeploymentsResumed {
                                    held_note: hold.note,
                                    held_by: hold.by,
                                    held_since: Some(hold.since),
                                    ..published.clone()
                                };
                                record.publish_resumed(resumed, worker);
                            }
                            let is_meant = |hold: &Hold| {
                                payload.held_since.is_none_or(|since| hold.since <= since)
                            };
                            if record.hold.as_ref().is_some_and(is_meant) {
                                record.released();
                            }
                        })
                        .await?;
                    asked.stored(service_id).await?
                }
            };
            let mut waited = Vec::new();
            if let Some(record) = &record {
                let taken_up = asked.take_up(service_id, record).await?;
                waited.extend(taken_up.map(|(_, outcome)| outcome));
                let waiting = record.waiting.values();
                waited.extend(asked.look_at_all_again(service_id, waiting).await?);
            }
            Ok(HoldOutcome {
                stack: service_id.stack.clone(),
                service: service_id.service.clone(),
                hold: record.and_then(|record| record.holds(worker.now).cloned()),
                replaced: None,
                waited,
            })
        });
    let resumed = join_all(resumed).await;
    Ok(services.with_unread(resumed))
}

/// What was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The id of the request, which its deployment has too.
    pub request_id: String,
    /// What came of it.
    pub outcome: ServiceOutcome,
}

/// Lets the request go out that waits to be approved; with a digest, only if that is what waits.
///
/// # Errors
/// [`HoldError`]; when nothing waits for that, with what the record holds.
pub async fn approve<C: Cloud>(
    cloud: &C,
    payload: &ApprovalPayload,
    worker: &Worker,
) -> Result<Approved, HoldError> {
    let asked = HoldRequest {
        cloud,
        action: "approve",
        worker,
    };
    let service_id = ServiceId {
        stack: payload.stack.clone(),
        service: payload.service.clone(),
    };
    let approved: Result<_, CallError> = decide_again(&RecordKey(&service_id), async || {
        let Some((mut record, version)) = cloud.load(&service_id).await? else {
            let reason = "it has no record: nothing waits".to_owned();
            return Ok(Err(asked.refused(&service_id, reason)));
        };
        let waiting = match to_be_approved(&record, payload.digest.as_ref()) {
            Ok(waiting) => waiting.clone(),
            Err(reason) => {
                let last = &record.deployment.image.digest;
                let taken_up = match payload
                    .digest
                    .as_ref()
                    .is_none_or(|meant| meant.is_of(last))
                {
                    true => asked.take_up(&service_id, &record).await,
                    false => Ok(None),
                };
                return Ok(match taken_up {
                    Ok(Some((request_id, outcome))) => Ok(Approved {
                        request_id,
                        outcome: outcome.of(&record.deployment.subscriber()),
                    }),
                    Ok(None) => Err(asked.refused(&service_id, reason)),
                    Err(error) => Err(error),
                });
            }
        };
        let subscriber = match asked.subscriber(&service_id, &waiting).await {
            Ok((_, subscriber)) => subscriber,
            Err(error) => return Ok(Err(error)),
        };
        let engine = Engine::new(cloud, &subscriber, worker);
        let is_over = waiting.approve_by.is_some_and(|end| end <= worker.now);
        let is_said = is_over || waiting.approved;
        let version = if is_said {
            version
        } else {
            record.approved(&waiting.container, payload.by.as_ref());
            cloud.save(&record, Some(&version)).await?
        };
        let stored = Some((record, version));
        let outcome = match unless_lost(engine.pursue_waiting(stored, &waiting.request).await) {
            Ok(Some(outcome)) => Ok(outcome.of(&subscriber)),
            // It is approved already: whoever won the race, or comes next, sees that.
            Ok(None) => asked.look_again(&service_id, &waiting).await,
            Err(stop) => Err(asked.stopped(&service_id, stop)),
        };
        Ok(outcome.map(|outcome| Approved {
            request_id: waiting.request.id,
            outcome,
        }))
    })
    .await;
    match approved {
        Ok(approved) => approved,
        Err(error) => Err(asked.failed(&service_id, error)),
    }
}

/// Never lets the request go out that waits to be approved; with a digest, only if that is what waits. Answers its image.
///
/// # Errors
/// [`HoldError`]; when nothing waits for that, with what the record holds.
pub async fn reject<C: Cloud>(
    cloud: &C,
    payload: &ApprovalPayload,
    worker: &Worker,
) -> Result<Image, HoldError> {
    let asked = HoldRequest {
        cloud,
        action: "reject",
        worker,
    };
    let service_id = ServiceId {
        stack: payload.stack.clone(),
        service: payload.service.clone(),
    };
    let rejected: Result<_, CallError> = decide_again(&RecordKey(&service_id), async || {
        let Some((mut record, version)) = cloud.load(&service_id).await? else {
            let reason = "it has no record: nothing waits".to_owned();
            return Ok(Err(asked.refused(&service_id, reason)));
        };
        let waiting = match to_be_approved(&record, payload.digest.as_ref()) {
            Ok(waiting) => waiting.clone(),
            Err(reason) => return Ok(Err(asked.refused(&service_id, reason))),
        };
        record.rejected(&waiting.container, payload.by.as_ref(), worker);
        let version = cloud.save(&record, Some(&version)).await?;
        Ok(Ok((waiting.request.image, record, version)))
    })
    .await;
    let (image, record, version) = rejected.map_err(|error| asked.failed(&service_id, error))??;
    flush(cloud, record, version, worker)
        .await
        .map_err(|error| asked.failed(&service_id, error))?;
    Ok(image)
}

/// Whether the service's last deployment is of this image: what waited to be approved has begun.
///
/// # Errors
/// [`CallError`] when its record cannot be read.
pub async fn has_begun<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    digest: &DigestPrefix,
) -> Result<bool, CallError> {
    let stored = cloud.load(service_id).await?;
    Ok(stored.is_some_and(|(record, _)| digest.is_of(&record.deployment.image.digest)))
}

/// A service that something is said about.
struct Service {
    service_id: ServiceId,
    /// Where a route names it; a service that has a record needs none.
    subscriber: Option<Subscriber>,
}

/// What something is said about.
struct Services {
    /// At least one.
    found: Vec<Service>,
    /// Objects that cannot be read, and may name more of them.
    unread: Vec<HoldError>,
}

impl Services {
    fn names(&self) -> Vec<String> {
        let found = self.found.iter();
        found.map(|one| one.service_id.service.clone()).collect()
    }

    /// What came of it, with what could not be looked at.
    fn with_unread(
        self,
        outcomes: Vec<Result<HoldOutcome, HoldError>>,
    ) -> Vec<Result<HoldOutcome, HoldError>> {
        let unread = self.unread.into_iter().map(Err);
        outcomes.into_iter().chain(unread).collect()
    }
}

/// A hold, a release of it or an approval, while it is done.
struct HoldRequest<'a, C> {
    cloud: &'a C,
    action: &'static str,
    worker: &'a Worker,
}

impl<C: Cloud> HoldRequest<'_, C> {
    /// The services of a stack that have a record or a route, or the one that is named.
    async fn services(&self, stack: &str, service: Option<&str>) -> Result<Services, HoldError> {
        let is_meant = |service_id: &ServiceId| {
            service_id.stack == stack && service.is_none_or(|service| service_id.service == service)
        };
        let mut unread = Vec::new();
        let found = async {
            if let Some(service) = service {
                let service_id = ServiceId {
                    stack: stack.to_owned(),
                    service: service.to_owned(),
                };
                if self.cloud.load(&service_id).await?.is_some() {
                    return Ok(vec![Service {
                        service_id,
                        subscriber: None,
                    }]);
                }
            }
            let mut services = Vec::new();
            for subscribers in self.subscribers().await? {
                match subscribers {
                    Ok(subscribers) => {
                        services.extend(subscribers.into_iter().map(|subscriber| Service {
                            service_id: subscriber.service_id(),
                            subscriber: Some(subscriber),
                        }));
                    }
                    Err(error) => unread.push(error),
                }
            }
            for (name, service_id) in self.cloud.service_ids().await? {
                match service_id {
                    Ok(service_id) => services.push(Service {
                        service_id,
                        subscriber: None,
                    }),
                    // A stack's cluster has its name, unless its file says otherwise.
                    Err(error) if name.cluster == stack => unread.push(error),
                    Err(error) => tracing::warn!(
                        cluster = name.cluster,
                        ecs_service = name.ecs_service,
                        %error,
                        "it cannot be read whose service this is"
                    ),
                }
            }
            services.retain(|service| is_meant(&service.service_id));
            services.sort_by(|one, other| one.service_id.cmp(&other.service_id));
            services.dedup_by(|one, other| one.service_id == other.service_id);
            Ok(services)
        };
        let found = found
            .await
            .map_err(|source| self.call_failed(subject(stack, service), source))?;
        let mut unread: Vec<HoldError> = unread
            .into_iter()
            .map(|source| self.call_failed(subject(stack, service), source))
            .collect();
        if !found.is_empty() {
            return Ok(Services { found, unread });
        }
        if !unread.is_empty() {
            return Err(unread.swap_remove(0));
        }
        Err(HoldError::Refused {
            action: self.action,
            subject: subject(stack, service),
            reason:
                "no route names it, and nothing was ever deployed to it: look whether the name is \
                     right"
                    .to_owned(),
        })
    }

    /// Of each route, who subscribes to it, or why it cannot be read.
    async fn subscribers(&self) -> Result<Vec<Result<Vec<Subscriber>, CallError>>, CallError> {
        let repositories = self.cloud.repositories().await?;
        let subscribers = stream::iter(&repositories)
            .map(|repository| async move {
                let route = self.cloud.route(repository).await?;
                Ok(route.map_or_else(Vec::new, |route| route.subscribers))
            })
            .buffered(SIDE_BY_SIDE);
        Ok(subscribers.collect().await)
    }

    /// The subscriber whose request waits.
    async fn subscriber(
        &self,
        service_id: &ServiceId,
        waiting: &Waiting,
    ) -> Result<(String, Subscriber), HoldError> {
        let repository = &waiting.request.image.repository;
        let route = self
            .cloud
            .route(repository)
            .await
            .map_err(|error| self.failed(service_id, error))?;
        route
            .into_iter()
            .flat_map(|route| route.subscribers)
            .find(|subscriber| subscriber.service_id() == *service_id && subscriber.container == waiting.container)
            .map(|subscriber| (repository.clone(), subscriber))
            .ok_or_else(|| {
                self.refused(
                    service_id,
                    format!(
                        "{} waits, and routes/{repository}.json does not name the service any more: \
                         deploy it by its name instead",
                        waiting.request.image
                    ),
                )
            })
    }

    /// Goes on with a deployment that an attempt before this one has claimed and could not carry out, as the next
    /// reconcile would: whoever asks again after an error means that. Answers its id, too.
    async fn take_up(
        &self,
        service_id: &ServiceId,
        record: &Record,
    ) -> Result<Option<(String, Outcome)>, HoldError> {
        if !record.deployment.is_abandoned(self.worker.now) {
            return Ok(None);
        }
        decide_again(&RecordKey(service_id), async || {
            let Some((record, version)) = self.cloud.load(service_id).await? else {
                return Ok(None);
            };
            let last = &record.deployment;
            if !last.is_abandoned(self.worker.now) {
                return Ok(None);
            }
            let (id, known) = (last.id.clone(), last.subscriber());
            let engine = Engine::new(self.cloud, &known, self.worker);
            let outcome = engine.resume_settled(Some((record, version))).await?;
            Ok(Some((id, outcome)))
        })
        .await
        .map_err(|stop| self.stopped(service_id, stop))
    }

    /// Decides anew about what waits.
    async fn look_again(
        &self,
        service_id: &ServiceId,
        waiting: &Waiting,
    ) -> Result<ServiceOutcome, HoldError> {
        let (repository, subscriber) = self.subscriber(service_id, waiting).await?;
        follow(
            self.cloud,
            &repository,
            &subscriber,
            Wake::Look,
            self.worker,
        )
        .await
        .map_err(HoldError::Deploy)
    }

    /// Decides anew about everything that waits. Where something comes of one request, an error of another one is
    /// reported beside it, so that nobody takes what went out for undone.
    async fn look_at_all_again<'a>(
        &self,
        service_id: &ServiceId,
        waiting: impl Iterator<Item = &'a Waiting>,
    ) -> Result<Vec<Outcome>, HoldError> {
        let mut outcomes = Vec::new();
        let mut errors = Vec::new();
        for waiting in waiting {
            match self.look_again(service_id, waiting).await {
                Ok(looked) => outcomes.push(looked.outcome),
                Err(error) => errors.push(error),
            }
        }
        if outcomes.is_empty() && !errors.is_empty() {
            return Err(errors.swap_remove(0));
        }
        outcomes.extend(errors.iter().map(|error| Outcome::Failed {
            reason: error.to_string(),
        }));
        Ok(outcomes)
    }

    async fn stored(&self, service_id: &ServiceId) -> Result<Option<Record>, HoldError> {
        let stored = self.cloud.load(service_id).await;
        let stored = stored.map_err(|error| self.failed(service_id, error))?;
        Ok(stored.map(|(record, _)| record))
    }

    /// Changes the record; a service that has none gets one of what it runs.
    async fn change(
        &self,
        service: &Service,
        change: impl Fn(&mut Record),
    ) -> Result<(), HoldError> {
        let service_id = &service.service_id;
        decide_again(&RecordKey(service_id), async || {
            match (self.cloud.load(service_id).await?, &service.subscriber) {
                (Some(stored), _) => {
                    Ok(
                        change_and_publish(self.cloud, service_id, stored, self.worker, &change)
                            .await?,
                    )
                }
                (None, Some(subscriber)) => {
                    let engine = Engine::new(self.cloud, subscriber, self.worker);
                    let shown = engine.look_at_service().await?;
                    Ok(engine.note(None, &shown, None, &change).await?)
                }
                // It was never deployed to, and nobody follows anything for it any more.
                (None, None) => Ok(()),
            }
        })
        .await
        .map_err(|stop| self.stopped(service_id, stop))
    }

    fn stopped(&self, service_id: &ServiceId, stop: Stop) -> HoldError {
        match stop {
            Stop::Refused(reason) => self.refused(service_id, reason),
            Stop::Call(error) => self.failed(service_id, error),
        }
    }

    fn refused(&self, service_id: &ServiceId, reason: String) -> HoldError {
        HoldError::Refused {
            action: self.action,
            subject: service_id.to_string(),
            reason,
        }
    }

    fn failed(&self, service_id: &ServiceId, error: CallError) -> HoldError {
        self.call_failed(service_id.to_string(), error)
    }

    fn call_failed(&self, subject: String, source: CallError) -> HoldError {
        let action = self.action;
        match source.refusal() {
            Ok(reason) => HoldError::Refused {
                action,
                subject,
                reason,
            },
            Err(source) => HoldError::Call {
                action,
                subject,
                source,
            },
        }
    }
}

fn subject(stack: &str, service: Option<&str>) -> String {
    match service {
        Some(service) => format!("service {service} of stack {stack}"),
        None => format!("stack {stack}"),
    }
}
