//! A push to a repository.

use futures_util::future::join_all;
use longshore_events::incoming::Push;
use longshore_events::longshore::Source;
use longshore_events::sequence::Sequence;
use longshore_policy::route::Subscriber;
use longshore_state::{CallError, Worker};

use super::follow::{Known, Wake, follow_knowing};
use super::named::holdings;
use crate::documents::{RecordStore, RouteStore};
use crate::engine::{DeployError, Outcome, ServiceOutcome, publish_refusal, refused_or_failed};
use crate::ports::Cloud;
use crate::record::Request;

/// Follows a push: each subscriber of its repository whose policy allows its tag, side by side.
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
    let Some(route) = cloud.route(repository).await? else {
        tracing::debug!(
            repository,
            "no route: no service subscribes to this repository"
        );
        return Ok(Vec::new());
    };
    let tag = push.image.tag.as_deref().unwrap_or_default();
    let subscribers: Vec<&Subscriber> = route
        .subscribers
        .iter()
        .filter(|subscriber| {
            // Of a policy that says nothing that can be understood, the subscriber is to hear.
            let policy = subscriber.image_policy.compile();
            policy.is_err() || policy.is_ok_and(|policy| policy.allows(tag))
        })
        .collect();
    if subscribers.is_empty() {
        tracing::debug!(repository, tag, "no service subscribes to this tag");
        return Ok(Vec::new());
    }
    let stored = join_all(subscribers.iter().map(|subscriber| async {
        let service_id = subscriber.service_id();
        cloud.load(&service_id).await
    }))
    .await;
    // Asked once for all of them, however many they are.
    let images = holdings(cloud, repository, &subscribers).await;
    let outcomes = subscribers
        .into_iter()
        .zip(stored)
        .map(|(subscriber, stored)| {
            let images = &images;
            async move {
                let known = stored.and_then(|stored| match images {
                    Ok(images) => Ok(Known { stored, images }),
                    Err(error) => Err(error.clone()),
                });
                let followed = match known {
                    Ok(known) => {
                        let wake = Wake::Push(push);
                        follow_knowing(cloud, repository, subscriber, wake, worker, Some(known))
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
