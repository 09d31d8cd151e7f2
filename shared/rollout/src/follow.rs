//! Following: from a wake-up to the image that a follower's policy names.
//!
//! A wake-up says that something may have changed, and nothing more. The record is loaded first and the
//! registry is asked afterwards: who decides by an old answer of the registry has an old record, too, and
//! loses the race for writing it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::{join, join_all};
use longshore_events::image::Image;
use longshore_events::incoming::Push;
use longshore_events::longshore::Source;
use longshore_events::sequence::Sequence;
use longshore_policy::image_policy::{ImagePolicy, Policy, RegistryImage};
use longshore_policy::route::Follower;
use longshore_state::{CallError, Version, Worker, decide_again};

use crate::decide::{Due, due};
use crate::deploy::{
    DeployError, Engine, Outcome, ServiceOutcome, Stop, Written, call_failed, refused_or_failed,
    tell_refusal,
};
use crate::documents::{RecordKey, RecordStore, RouteStore, StackRecordStore};
use crate::outbox::flush;
use crate::ports::Cloud;
use crate::record::{Record, Request};

/// What woke a follower.
#[derive(Debug, Clone, Copy)]
pub enum Wake<'a> {
    /// A push was heard of.
    Push(&'a Push),
    /// The stack is at rest, while whose change this was asked for.
    AtRest(&'a Request),
    /// The schedule, or the end of what a request waits for.
    Look,
}

/// What is known of a follower before it is followed. The record was loaded before the registry was asked.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The service's record.
    pub stored: Option<(Record, Version)>,
    /// What the repository holds, as far as the follower's policy is concerned.
    pub images: &'a [RegistryImage],
}

/// Follows a push: each follower of its repository whose policy allows its tag, side by side.
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
    let followers: Vec<&Follower> = route
        .followers
        .iter()
        .filter(|follower| {
            // Of a policy that says nothing that can be understood, the follower is to hear.
            let policy = follower.image_policy.compile();
            policy.is_err() || policy.is_ok_and(|policy| policy.allows(tag))
        })
        .collect();
    if followers.is_empty() {
        tracing::debug!(repository, tag, "no service subscribes to this tag");
        return Ok(Vec::new());
    }
    let stored = join_all(followers.iter().map(|follower| async {
        let owner = follower.owner();
        cloud.load(&owner).await
    }))
    .await;
    // Asked once for all of them, however many they are.
    let images = holdings(cloud, repository, &followers).await;
    let outcomes = followers.into_iter().zip(stored).map(|(follower, stored)| {
        let images = &images;
        async move {
            let known = stored.and_then(|stored| match images {
                Ok(images) => Ok(Known { stored, images }),
                Err(error) => Err(error.clone()),
            });
            let followed = match known {
                Ok(known) => {
                    let wake = Wake::Push(push);
                    follow_knowing(cloud, repository, follower, wake, worker, Some(known)).await
                }
                Err(error) => Err(call_failed(&follower.owner(), &push.image, error)),
            };
            told(cloud, follower, push, followed, worker).await
        }
    });
    Ok(join_all(outcomes).await)
}

/// Nobody waits for an answer to a push, so a refusal is told as a failure.
async fn told<C: Cloud>(
    cloud: &C,
    follower: &Follower,
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
    tell_refusal(cloud, request.summary(follower), &reason, worker)
        .await
        .map_err(|error| call_failed(&follower.owner(), &push.image, error))?;
    Ok(Outcome::Failed { reason }.of(follower))
}

/// Brings a follower of `repository` to the image that its policy names, or to what waits for it. Harmless
/// at any time.
///
/// # Errors
/// [`DeployError`].
pub async fn follow<C: Cloud>(
    cloud: &C,
    repository: &str,
    follower: &Follower,
    wake: Wake<'_>,
    worker: &Worker,
) -> Result<ServiceOutcome, DeployError> {
    follow_knowing(cloud, repository, follower, wake, worker, None).await
}

/// The same as [`follow`], without asking again for what is known already.
///
/// # Errors
/// [`DeployError`].
pub async fn follow_knowing<C: Cloud>(
    cloud: &C,
    repository: &str,
    follower: &Follower,
    wake: Wake<'_>,
    worker: &Worker,
    known: Option<Known<'_>>,
) -> Result<ServiceOutcome, DeployError> {
    let owner = follower.owner();
    let engine = Engine {
        cloud,
        follower,
        owner: &owner,
        worker,
    };
    engine
        .follow(repository, wake, known)
        .await
        .map(|outcome| outcome.of(follower))
        .map_err(|stop| match wake {
            Wake::Push(push) => refused_or_failed(&owner, &push.image, stop),
            Wake::AtRest(request) => refused_or_failed(&owner, &request.image, stop),
            Wake::Look => refused_or_failed(&owner, &repository, stop),
        })
}

/// What the policies of these containers name of what was pushed until `at`: a person who asks for another
/// image has seen it, so it does not take that one's place.
pub(crate) async fn baseline<C: Cloud>(
    cloud: &C,
    repository: &str,
    followers: &[&Follower],
    at: DateTime<Utc>,
    worker: &Worker,
) -> Result<BTreeMap<String, RegistryImage>, CallError> {
    // A policy that cannot be understood names nothing, and keeps no person from deploying.
    let followers: Vec<&Follower> = followers
        .iter()
        .copied()
        .filter(|follower| {
            follower.image_policy != ImagePolicy::default()
                && follower.image_policy.compile().is_ok()
        })
        .collect();
    if followers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut images = holdings(cloud, repository, &followers).await?;
    images.retain(|image| image.pushed_at <= at);
    let named = followers.iter().filter_map(|follower| {
        let policy = follower.image_policy.compile().ok()?;
        let newest = policy.newest(&images, worker.now)?;
        Some((follower.container.clone(), newest.clone()))
    });
    Ok(named.collect())
}

/// Takes out of `named` what does not come after what the record says was followed: that only moves on.
pub(crate) fn only_news(
    named: &mut BTreeMap<String, RegistryImage>,
    record: &Record,
    followers: &[&Follower],
) {
    named.retain(|container, image| {
        let follower = followers
            .iter()
            .find(|follower| follower.container == *container);
        follower
            .and_then(|follower| follower.image_policy.compile().ok())
            .is_some_and(|policy| policy.is_news(image, record.followed.get(container)))
    });
}

/// What the repository holds, as far as the policies of these followers are concerned.
///
/// # Errors
/// [`CallError`].
pub async fn holdings<C: Cloud>(
    cloud: &C,
    repository: &str,
    followers: &[&Follower],
) -> Result<Vec<RegistryImage>, CallError> {
    let mut tags: Vec<Option<String>> = followers
        .iter()
        .filter_map(|follower| follower.image_policy.compile().ok())
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

impl<C: Cloud> Engine<'_, C> {
    async fn follow(
        &self,
        repository: &str,
        wake: Wake<'_>,
        known: Option<Known<'_>>,
    ) -> Result<Outcome, Stop> {
        let policy = self.follower.image_policy.compile().map_err(|invalid| {
            Stop::Refused(format!(
                "{} in routes/{repository}.json: {invalid}",
                self.owner
            ))
        })?;
        let mut known = known;
        decide_again(&RecordKey(self.owner), async || match known.take() {
            Some(known) => {
                self.follow_once(&policy, repository, wake, known.stored, known.images)
                    .await
            }
            None => {
                let stored = self.cloud.load(self.owner).await?;
                let images = holdings(self.cloud, repository, &[self.follower]).await?;
                self.follow_once(&policy, repository, wake, stored, &images)
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
        images: &[RegistryImage],
    ) -> Result<Outcome, Stop> {
        let newest = policy.newest(images, self.worker.now);
        let record = stored.as_ref().map(|(record, _)| record);
        match due(
            record,
            &self.follower.container,
            policy,
            newest,
            self.worker,
        ) {
            Due::Nothing => {
                if let Some((record, version)) = stored {
                    flush(self.cloud, record, version, self.worker).await?;
                }
                Ok(Outcome::Nothing)
            }
            Due::ComeAgain => Err(Stop::Call(self.claimed_already())),
            Due::Resume => Box::pin(self.resume_at_rest(stored)).await,
            Due::News(image) => {
                let number = record.map_or(0, |record| record.deployment.number) + 1;
                let request = self.request(repository, wake, image, number);
                let followed = [(self.follower.container.clone(), image.clone())].into();
                Box::pin(self.pursue(stored, &request, &followed)).await
            }
            Due::Waiting(waiting) => {
                let request = waiting.request.clone();
                Box::pin(self.pursue_waiting(stored, &request)).await
            }
        }
    }

    /// Takes up a claim whose invocation died, unless the stack is changing: then that is done at its end.
    async fn resume_at_rest(&self, stored: Option<(Record, Version)>) -> Result<Outcome, Stop> {
        let (stack, shown) = join(
            self.cloud.load_stack(&self.owner.stack),
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

    /// What is asked for by a policy's naming an image. Its id is like that of no other deployment of the
    /// service: `number` is the one that it will have, if nothing else goes out before.
    fn request(
        &self,
        repository: &str,
        wake: Wake<'_>,
        image: &RegistryImage,
        number: u32,
    ) -> Request {
        let is = |other: &Image| {
            other.digest == image.digest && other.tag.as_deref() == Some(image.tag.as_str())
        };
        let (id, at, source) = match wake {
            Wake::AtRest(request) if is(&request.image) => return request.clone(),
            Wake::Push(push) if is(&push.image) => (&push.event_id, push.at, Source::Push),
            // The event told of another image, and the one of this image is still to come.
            Wake::Push(push) => (&push.event_id, image.pushed_at, Source::Push),
            Wake::AtRest(request) => (&request.id, image.pushed_at, request.source.clone()),
            Wake::Look => (&self.worker.id, image.pushed_at, Source::Reconcile),
        };
        Request {
            id: format!("{id}-{number}"),
            at,
            sequence: Sequence::of_tag(&image.tag),
            image: Image {
                repository: repository.to_owned(),
                tag: Some(image.tag.clone()),
                digest: image.digest.clone(),
            },
            source,
            replaced_requests: Vec::new(),
        }
    }
}
