//! A push to a repository.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all, join3};
use longshore_events::incoming::Push;
use longshore_events::longshore::Source;
use longshore_events::sequence::Sequence;
use longshore_policy::route::{Route, ServiceId, Subscriber};
use longshore_state::{CallError, Version, Worker};

use super::follow::{Known, Wake, follow_knowing};
use super::named::{Held, held_after_push};
use crate::decide::is_likely_news;
use crate::documents::{RecordKey, RecordStore, RouteStore};
use crate::engine::{
    Ahead, DeployError, Engine, Inspected, Outcome, ServiceOutcome, publish_refusal,
    refused_or_failed,
};
use crate::ports::Cloud;
use crate::record::{Record, Request};

type Stored = Option<(Record, Version)>;

/// Follows a push: each subscriber of its repository whose policy allows its tag, side by side.
///
/// Four times something is waited for until a service is updated: for the route and the records, where this process has
/// seen the route before; for the registry and for all that a deployment needs besides; for the claim; and for the
/// revision. The registry is asked after the records: see [`super::follow`].
///
/// # Errors
/// When the route cannot be read. What fails for one service is in its own result and does not keep
/// the others back.
pub async fn deploy_push<C: Cloud>(
    cloud: &C,
    push: &Push,
    worker: &Worker,
) -> Result<Vec<Result<ServiceOutcome, DeployError>>, CallError> {
    let repository = &push.image.repository;
    let last_route = cloud.last_route(repository);
    let expected = last_route.iter().flat_map(|route| woken(route, push));
    let expected: BTreeSet<ServiceId> = expected.map(Subscriber::service_id).collect();
    // An image of one architecture says in three calls, one after the other, what it is.
    let is_newest = cloud
        .last_push(repository)
        .is_none_or(|last| push.at > last);
    let is_inspected = is_newest && !expected.is_empty();
    let (asked, inspected) = join(
        // On the heap: what is asked at once is large for a stack.
        Box::pin(ask(cloud, push, expected, is_inspected, worker)),
        Box::pin(inspect(cloud, push, is_inspected)),
    )
    .await;
    cloud.was_pushed(repository, push.at);
    let Asked {
        route,
        records,
        answers,
    } = asked?;
    let inspected = inspected.or(answers.inspected);
    let subscribers = route.iter().flat_map(|route| woken(route, push));
    let outcomes = subscribers.zip(answers.ahead).map(|(subscriber, ahead)| {
        let held = &answers.held;
        let inspected = inspected.clone();
        let stored = records.get(&subscriber.service_id());
        async move {
            let known = match (stored, held) {
                (Some(Ok(stored)), Ok(held)) => Ok(Known {
                    stored: stored.clone(),
                    held,
                    ahead,
                    inspected,
                }),
                (Some(Err(error)), _) | (_, Err(error)) => Err(error.clone()),
                (None, _) => Err(CallError::lost_race(&RecordKey(&subscriber.service_id()))),
            };
            let followed = match known {
                Ok(known) => {
                    let wake = Wake::Push(push);
                    let known = Some(known);
                    Box::pin(follow_knowing(
                        cloud, repository, subscriber, wake, worker, known,
                    ))
                    .await
                }
                Err(error) => Err(refused_or_failed(
                    &subscriber.service_id(),
                    &push.image,
                    error,
                )),
            };
            or_publish_refusal(cloud, subscriber, push, followed, worker).await
        }
    });
    Ok(join_all(outcomes).await)
}

/// What was asked before anything is decided.
struct Asked {
    route: Option<Route>,
    /// Of the services that are to hear of the push.
    records: BTreeMap<ServiceId, Result<Stored, CallError>>,
    answers: Answers,
}

/// What was asked once the records were there.
struct Answers {
    /// Of the registry, once for all subscribers, however many they are.
    held: Result<Held, CallError>,
    /// What the image says of itself that was pushed.
    inspected: Option<Inspected>,
    /// For each subscriber, where a deployment is likely.
    ahead: Vec<Option<Ahead>>,
}

/// Asks for the route, and for the records of its subscribers and of those that are `expected` at the same time. Then for
/// the rest.
async fn ask<C: Cloud>(
    cloud: &C,
    push: &Push,
    expected: BTreeSet<ServiceId>,
    is_inspected: bool,
    worker: &Worker,
) -> Result<Asked, CallError> {
    let repository = &push.image.repository;
    let (route, mut records) = join(cloud.route(repository), load_all(cloud, expected)).await;
    let route = route?;
    cloud.route_was_read(repository, route.as_ref());
    let subscribers: Vec<&Subscriber> = route.iter().flat_map(|route| woken(route, push)).collect();
    if subscribers.is_empty() {
        let tag = push.image.tag.as_deref().unwrap_or_default();
        let has_route = route.is_some();
        tracing::debug!(
            repository,
            tag,
            has_route,
            "no service subscribes to this tag"
        );
        let answers = Answers {
            held: Ok(Held::default()),
            inspected: None,
            ahead: Vec::new(),
        };
        return Ok(Asked {
            route,
            records,
            answers,
        });
    }
    let unexpected: BTreeSet<ServiceId> = subscribers
        .iter()
        .map(|subscriber| subscriber.service_id())
        .filter(|service_id| !records.contains_key(service_id))
        .collect();
    records.extend(load_all(cloud, unexpected).await);
    let rest = ask_the_rest(cloud, push, &subscribers, &records, is_inspected, worker);
    let answers = Box::pin(rest).await;
    Ok(Asked {
        route,
        records,
        answers,
    })
}

/// The subscribers that are to hear of a push.
fn woken<'a>(route: &'a Route, push: &Push) -> impl Iterator<Item = &'a Subscriber> {
    let tag = push.image.tag.as_deref().unwrap_or_default();
    route.subscribers.iter().filter(move |subscriber| {
        // Of a policy that says nothing that can be understood, the subscriber is to hear.
        let policy = subscriber.image_policy.compile();
        policy.is_err() || policy.is_ok_and(|policy| policy.allows(tag))
    })
}

async fn load_all<C: Cloud>(
    cloud: &C,
    service_ids: BTreeSet<ServiceId>,
) -> BTreeMap<ServiceId, Result<Stored, CallError>> {
    let loaded = service_ids
        .into_iter()
        .map(|service_id| async move { (cloud.load(&service_id).await, service_id) });
    let loaded = join_all(loaded).await.into_iter();
    loaded
        .map(|(stored, service_id)| (service_id, stored))
        .collect()
}

/// Asks the registry, and at the same time for what a deployment needs besides, where the records say that one is likely.
async fn ask_the_rest<C: Cloud>(
    cloud: &C,
    push: &Push,
    subscribers: &[&Subscriber],
    records: &BTreeMap<ServiceId, Result<Stored, CallError>>,
    is_inspected: bool,
    worker: &Worker,
) -> Answers {
    let record_of = |subscriber: &Subscriber| match records.get(&subscriber.service_id()) {
        Some(Ok(stored)) => Some(stored.as_ref().map(|(record, _)| record)),
        _ => None,
    };
    let is_likely = |subscriber: &Subscriber, record: Option<&Record>| {
        subscriber.image_policy.compile().is_ok()
            && is_likely_news(record, &subscriber.container, push)
    };
    let loaded: Vec<(&Subscriber, Option<&Record>)> = subscribers
        .iter()
        .filter_map(|subscriber| Some((*subscriber, record_of(subscriber)?)))
        .collect();
    let is_needed = !is_inspected && loaded.iter().any(|(it, record)| is_likely(it, *record));
    let ahead = subscribers.iter().map(|subscriber| async move {
        match record_of(subscriber) {
            Some(record) if is_likely(subscriber, record) => {
                let engine = Engine::new(cloud, subscriber, worker);
                Some(engine.look_ahead(record).await)
            }
            _ => None,
        }
    });
    let (held, inspected, ahead) = join3(
        Box::pin(held_after_push(cloud, push, &loaded)),
        Box::pin(inspect(cloud, push, is_needed)),
        join_all(ahead),
    )
    .await;
    Answers {
        held,
        inspected,
        ahead,
    }
}

/// What the image says of itself that was pushed, if that is wanted.
async fn inspect<C: Cloud>(cloud: &C, push: &Push, is_wanted: bool) -> Option<Inspected> {
    match is_wanted {
        true => Some(Inspected {
            image: push.image.clone(),
            contents: cloud.inspect(&push.image).await,
        }),
        false => None,
    }
}

/// Nobody waits for an answer to a push, so a refusal is published as a failure.
async fn or_publish_refusal<C: Cloud>(
    cloud: &C,
    subscriber: &Subscriber,
    push: &Push,
    followed: Result<ServiceOutcome, DeployError>,
    worker: &Worker,
) -> Result<ServiceOutcome, DeployError> {
    let Err(DeployError::Refused { reason, .. }) = followed else {
        return followed;
    };
    let request = Request {
        id: push.event_id.clone(),
        at: push.at,
        sequence: Sequence::of_tag(push.image.tag.as_deref().unwrap_or_default()),
        image: push.image.clone(),
        source: Source::Push,
        replaced_requests: Vec::new(),
    };
    publish_refusal(cloud, request.summary(subscriber), &reason, worker)
        .await
        .map_err(|error| refused_or_failed(&subscriber.service_id(), &push.image, error))?;
    Ok(Outcome::Failed { reason }.of(subscriber))
}
