//! Routes follow from what stacks run: a push finds its services by them.

use std::collections::BTreeSet;

use futures_util::stream::{self, TryStreamExt};
use longshore_policy::route::{Route, Subscriber};
use longshore_policy::template::TemplateMetadata;
use longshore_rollout::documents::{RouteKey, RouteStore};
use longshore_state::{CallError, DocumentStore, decide_again, load, save};

use crate::ports::ProvisioningCloud;
use crate::template::{metadata_of, subscribers};

/// How many routes are read and written side by side.
pub(crate) const AT_ONCE: usize = 16;

/// Writes all routes as the stack's present template says of its services; those of a stack that is
/// gone are removed.
///
/// # Errors
/// The first call that failed; what was written is right, the rest is done the next time.
pub async fn write_routes<C: ProvisioningCloud>(cloud: &C, stack: &str) -> Result<(), CallError> {
    let described = cloud.describe(stack).await?;
    let body = match described {
        Some(described) if !described.status.is_failed_creation() => cloud.template(stack).await?,
        _ => None,
    };
    let wanted = body
        .as_deref()
        .and_then(metadata_of)
        .map(|metadata| subscribers(&metadata))
        .unwrap_or_default();
    let mut repositories: BTreeSet<String> = cloud.repositories().await?.into_iter().collect();
    repositories.extend(wanted.keys().cloned());
    stream::iter(repositories.iter().map(Ok))
        .try_for_each_concurrent(AT_ONCE, async |repository| {
            let wanted = wanted
                .get(repository)
                .map(Vec::as_slice)
                .unwrap_or_default();
            write_route(cloud, repository, |before| merged(before, stack, wanted)).await
        })
        .await
}

/// Adds the services of a template that is about to be applied, so that pushes find them and wait for the
/// end of the change. What the template has no more is removed when the change is over.
///
/// # Errors
/// The first call that failed; what was written is right.
pub(crate) async fn add_routes<C: ProvisioningCloud>(
    cloud: &C,
    metadata: &TemplateMetadata,
) -> Result<(), CallError> {
    let wanted = subscribers(metadata);
    stream::iter(wanted.iter().map(Ok))
        .try_for_each_concurrent(AT_ONCE, async |(repository, wanted)| {
            write_route(cloud, repository, |before| with(before, wanted)).await
        })
        .await
}

/// Adds subscribers of a repository, or replaces those of the same stacks and services.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn add_subscribers<C: DocumentStore>(
    cloud: &C,
    repository: &str,
    wanted: &[Subscriber],
) -> Result<(), CallError> {
    write_route(cloud, repository, |before| with(before, wanted)).await
}

async fn write_route<C: DocumentStore>(
    cloud: &C,
    repository: &str,
    change: impl Fn(&[Subscriber]) -> Vec<Subscriber>,
) -> Result<(), CallError> {
    let key = RouteKey(repository);
    decide_again(&key, async || {
        let stored = load(cloud, &key).await?;
        let (before, version) = match &stored {
            Some((route, version)) => (route.subscribers.as_slice(), Some(version)),
            None => (&[][..], None),
        };
        let subscribers = change(before);
        if subscribers == before {
            return Ok(());
        }
        let mut unreadable = stored
            .as_ref()
            .map_or_else(Vec::new, |(route, _)| route.unreadable.clone());
        // What cannot be read of a service gives way to what can.
        unreadable.retain(|damaged| {
            !subscribers
                .iter()
                .any(|subscriber| damaged.is_of(&subscriber.stack, &subscriber.service))
        });
        let route = Route {
            repository: repository.to_owned(),
            subscribers,
            unreadable,
        };
        save(cloud, &key, &route, version).await.map(drop)
    })
    .await
}

/// The subscribers with `wanted` in place of those of the same stacks and services, or added.
fn with(before: &[Subscriber], wanted: &[Subscriber]) -> Vec<Subscriber> {
    let mut subscribers = before.to_vec();
    for subscriber in wanted {
        let same = subscribers
            .iter_mut()
            .find(|before| before.service_id() == subscriber.service_id());
        match same {
            Some(before) => *before = subscriber.clone(),
            None => subscribers.push(subscriber.clone()),
        }
    }
    subscribers
}

/// The subscribers with those of `stack` replaced by `wanted`; other stacks', and those that people wrote
/// for stacks of other tools, stay where they are.
fn merged(before: &[Subscriber], stack: &str, wanted: &[Subscriber]) -> Vec<Subscriber> {
    let mut subscribers: Vec<Subscriber> = before
        .iter()
        .filter_map(|subscriber| {
            if subscriber.stack != stack {
                return Some(subscriber.clone());
            }
            wanted
                .iter()
                .find(|wanted| wanted.service == subscriber.service)
                .cloned()
        })
        .collect();
    for subscriber in wanted {
        if !subscribers.contains(subscriber) {
            subscribers.push(subscriber.clone());
        }
    }
    subscribers
}
