//! A service's record.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use chrono::{DateTime, Utc};
use longshore_events::arn::location;
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::ImageNeed;
use longshore_events::registry::ImageName;
use longshore_policy::image_policy::RegistryImage;
use longshore_state::outbox::Unpublished;
use serde::{Deserialize, Serialize};

use super::deployment::Deployment;
use super::request::Request;
use super::scaled::Scaled;
use super::survey::Survey;
use super::waiting::{Hold, PassedOver, Waiting};

/// A service's record. Everybody reads its [fields](RecordFields); only the transitions of this module write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(pub(super) RecordFields);

impl Deref for Record {
    type Target = RecordFields;

    fn deref(&self) -> &RecordFields {
        &self.0
    }
}

/// What a service's record holds: its last deployment, and what is still to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordFields {
    /// The last deployment.
    pub deployment: Deployment,
    /// What the image policy asked for last, by container, whatever became of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub followed: BTreeMap<String, RegistryImage>,
    /// What came of listing a repository that is too large to be listed at each push, by container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub surveyed: BTreeMap<String, Survey>,
    /// Digests that were rolled back here, oldest first: no policy deploys them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Digest>,
    /// What a person or a pipeline asked for last, by container: duplicates of that, and what was asked for
    /// before, come too late, whatever was deployed since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, Request>,
    /// Somebody holds all deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The numbers of tasks that people set, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaled: Vec<Scaled>,
    /// The newest request that may not go out yet, by container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<String, Waiting>,
    /// The last push that an image policy allows and that did not go out, by container, until something newer does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub passed_over: BTreeMap<String, PassedOver>,
    /// Images that the service needs and that were not in their repository when it was last looked, as was published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Digest>,
    /// Deployments that ended and are not known to be written to the history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finished: Vec<Deployment>,
    /// Events that are not known to have been published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<Unpublished>,
}

impl Record {
    /// The hold that keeps deployments back at `now`.
    pub fn holds(&self, now: DateTime<Utc>) -> Option<&Hold> {
        self.hold
            .as_ref()
            .filter(|hold| hold.until.is_none_or(|until| until > now))
    }

    /// Whether there may be something to do about it but to follow what the image policies name.
    pub(crate) fn is_busy(&self) -> bool {
        self.deployment.state.is_open() || !self.outbox.is_empty() || !self.finished.is_empty()
    }

    /// The images without which the service cannot start a task, or cannot be rolled back: what it holds, and what ran
    /// before. Only those that are known by their digest, and that this account and region's ECR is to hold.
    pub(crate) fn needed_images(&self) -> Vec<(Image, ImageNeed)> {
        let deployment = &self.deployment;
        let previous = ImageName::of(&deployment.previous_image);
        // A container goes on pulling from the registry that it was made with.
        let is_elsewhere = previous.registry.is_some_and(|_| {
            let of_service = location(&deployment.previous_task_definition);
            previous
                .ecr()
                .zip(of_service.ok())
                .is_none_or(|(registry, location)| {
                    (registry.account, registry.region) != (&location.account, &location.region)
                })
        });
        let held = deployment.images().filter(|_| deployment.holds());
        let mut needed: Vec<(Image, ImageNeed)> = held
            .map(|(_, image)| (image.clone(), ImageNeed::Running))
            .collect();
        let need = match deployment.holds() {
            true => ImageNeed::Rollback,
            false => ImageNeed::Running,
        };
        let digest = previous.digest.and_then(|digest| digest.parse().ok());
        needed.extend(digest.map(|digest| {
            let image = Image {
                repository: previous.repository.to_owned(),
                tag: previous.tag.map(str::to_owned),
                digest,
            };
            (image, need)
        }));
        let mut seen = BTreeSet::new();
        needed.retain(|(image, _)| {
            image.digest != Digest::unknown()
                && !(is_elsewhere && image.repository == previous.repository)
                && seen.insert(image.digest.clone())
        });
        needed
    }

    /// The request that waits for a container, if it is this one.
    pub(crate) fn waits_already(&self, request_id: &str, container: &str) -> Option<&Waiting> {
        self.waiting
            .get(container)
            .filter(|waiting| waiting.request.id == request_id)
    }

    /// Whether a person's or a pipeline's request comes too late: a retry or a late delivery may ask for an older
    /// one after a newer one, or one once more. What a policy names has an order of its own.
    pub(crate) fn is_outdated(&self, request: &Request, container: &str) -> bool {
        if !request.is_explicit() || self.waits_already(&request.id, container).is_some() {
            return false;
        }
        let is_behind =
            |other: &Request| other.id == request.id || request.is_before_request(other);
        let last = &self.deployment;
        let concerns_it = last.image_in(container).is_some();
        last.id == request.id
            || concerns_it && last.was_asked_for_after(request)
            || self.asked.get(container).is_some_and(is_behind)
            || self
                .waiting
                .get(container)
                .is_some_and(|waiting| is_behind(&waiting.request))
    }
}
