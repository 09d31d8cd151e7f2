//! What image policies name of what a repository holds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use longshore_events::incoming::Push;
use longshore_policy::image_policy::{ImagePolicy, RegistryImage};
use longshore_policy::route::Subscriber;
use longshore_state::{CallError, Worker};

use crate::decide::question;
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
    let mut images = holdings(cloud, repository, &subscribers).await?.images;
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

/// What a repository holds, as far as some policies are concerned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    pub(crate) images: Vec<RegistryImage>,
    /// Whether it holds more than one call lists.
    pub(crate) is_large: bool,
}

/// What the repository of a push holds, as far as the policies of these subscribers are concerned, whose records were
/// loaded before: of a large one no more than what decides.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn held_after_push<C: Cloud>(
    cloud: &C,
    push: &Push,
    subscribers: &[(&Subscriber, Option<&Record>)],
) -> Result<Held, CallError> {
    let repository = &push.image.repository;
    if let Some(images) = in_question(cloud, push, subscribers).await? {
        return Ok(Held {
            images,
            is_large: true,
        });
    }
    let subscribers: Vec<&Subscriber> = subscribers.iter().map(|(it, _)| *it).collect();
    holdings(cloud, repository, &subscribers).await
}

/// What the repository holds under the tags that decide; `None` where any tag may, or what is there leaves it open.
async fn in_question<C: Cloud>(
    cloud: &C,
    push: &Push,
    subscribers: &[(&Subscriber, Option<&Record>)],
) -> Result<Option<Vec<RegistryImage>>, CallError> {
    let mut tags = BTreeSet::new();
    let mut questions = Vec::new();
    for (subscriber, record) in subscribers {
        let Ok(policy) = subscriber.image_policy.compile() else {
            continue;
        };
        if policy.exact_tag().is_some() {
            tags.extend(push.image.tag.clone());
            continue;
        }
        let Some(question) = question(*record, subscriber, push) else {
            return Ok(None);
        };
        tags.extend(question.tags.iter().cloned());
        questions.push((question, policy));
    }
    if questions.is_empty() {
        return Ok(None);
    }
    let images = cloud.all_tagged(&push.image.repository, &tags).await?;
    Ok(images.filter(|images| {
        questions
            .iter()
            .all(|(question, policy)| question.is_answered(policy, images))
    }))
}

/// What the repository holds, as far as the policies of these subscribers are concerned.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn holdings<C: Cloud>(
    cloud: &C,
    repository: &str,
    subscribers: &[&Subscriber],
) -> Result<Held, CallError> {
    let mut tags: Vec<Option<String>> = subscribers
        .iter()
        .filter_map(|subscriber| subscriber.image_policy.compile().ok())
        .map(|policy| policy.exact_tag().map(str::to_owned))
        .collect();
    tags.sort();
    tags.dedup();
    match tags.as_slice() {
        [] => Ok(Held::default()),
        [Some(tag)] => Ok(Held {
            images: cloud.tagged(repository, tag).await?.into_iter().collect(),
            is_large: false,
        }),
        _ => {
            let listed = cloud.images(repository).await?;
            Ok(Held {
                images: listed.images,
                is_large: listed.calls > 1,
            })
        }
    }
}
