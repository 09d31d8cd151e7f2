//! What image policies name of what a repository holds.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use longshore_policy::image_policy::{ImagePolicy, RegistryImage};
use longshore_policy::route::Subscriber;
use longshore_state::{CallError, Worker};

use crate::ports::Cloud;
use crate::record::Record;

/// What the policies of these containers name of what was pushed until `at`: a person who asks for another
/// image has seen it, so it does not take that one's place.
pub(crate) async fn baseline<C: Cloud>(
    cloud: &C,
    repository: &str,
    subscribers: &[&Subscriber],
    at: DateTime<Utc>,
    worker: &Worker,
) -> Result<BTreeMap<String, RegistryImage>, CallError> {
    // A policy that cannot be understood names nothing, and keeps no person from deploying.
    let subscribers: Vec<&Subscriber> = subscribers
        .iter()
        .copied()
        .filter(|subscriber| {
            subscriber.image_policy != ImagePolicy::default()
                && subscriber.image_policy.compile().is_ok()
        })
        .collect();
    if subscribers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut images = holdings(cloud, repository, &subscribers).await?;
    images.retain(|image| image.pushed_at <= at);
    let named = subscribers.iter().filter_map(|subscriber| {
        let policy = subscriber.image_policy.compile().ok()?;
        let mut newest = policy.newest(&images, worker.now)?.clone();
        if policy.is_by_tag() {
            // Whatever tag was put until then has been seen, whether ECR's event of it has come or not.
            newest.tagged_at = Some(at);
        }
        Some((subscriber.container.clone(), newest))
    });
    Ok(named.collect())
}

/// Takes out of `named` what does not come after what the record says was followed: that only moves on.
pub(crate) fn only_news(
    named: &mut BTreeMap<String, RegistryImage>,
    record: &Record,
    subscribers: &[&Subscriber],
) {
    named.retain(|container, image| {
        let subscriber = subscribers
            .iter()
            .find(|subscriber| subscriber.container == *container);
        subscriber
            .and_then(|subscriber| subscriber.image_policy.compile().ok())
            .is_some_and(|policy| policy.moves_on(image, record.followed.get(container)))
    });
}

/// What the repository holds, as far as the policies of these subscribers are concerned.
///
/// # Errors
/// [`CallError`].
pub async fn holdings<C: Cloud>(
    cloud: &C,
    repository: &str,
    subscribers: &[&Subscriber],
) -> Result<Vec<RegistryImage>, CallError> {
    let mut tags: Vec<Option<String>> = subscribers
        .iter()
        .filter_map(|subscriber| subscriber.image_policy.compile().ok())
        .map(|policy| policy.exact_tag().map(str::to_owned))
        .collect();
    tags.sort();
    tags.dedup();
    match tags.as_slice() {
        [] => Ok(Vec::new()),
        [Some(tag)] => Ok(cloud.tagged(repository, tag).await?.into_iter().collect()),
        _ => cloud.images(repository).await,
    }
}
