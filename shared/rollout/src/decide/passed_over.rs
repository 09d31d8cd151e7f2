//! What to note of a push that a policy allows and that does not go out: why not, and when its tag was put.

use chrono::{DateTime, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::SkipReason;
use longshore_policy::image_policy::{Policy, RegistryImage, is_release_tag};

use crate::record::{PassedOver, Record, State};

/// What was heard of a tag, by an event of ECR's or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The image; its tag is there.
    pub image: Image,
    /// When the tag was put on it.
    pub at: DateTime<Utc>,
}

/// What to note where what a policy names now is no news.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// What was followed already, with a later time at which its tag was put.
    pub followed: Option<RegistryImage>,
    /// What was heard of and does not go out.
    pub passed_over: Option<PassedOver>,
    /// Whether that is published.
    pub is_published: bool,
}

/// Decides what to note for a container whose policy names `newest`, which is no news, of the `images` that the
/// registry holds.
pub fn note(
    record: &Record,
    container: &str,
    policy: &Policy,
    images: &[RegistryImage],
    newest: Option<&RegistryImage>,
    heard: Option<&Heard>,
    now: DateTime<Utc>,
) -> Note {
    let followed = record.followed.get(container);
    let passed_over = heard.and_then(|heard| {
        let image = find(images, &heard.image).filter(|image| policy.allows(&image.tag))?;
        let reason = why_not(record, container, policy, image, newest, heard.at, now)?;
        let selected = newest.filter(|_| reason == SkipReason::AnotherSelected);
        let gives_way = noted_at_once(record, container, images, heard)
            .is_some_and(|noted| policy.comes_after(noted, image));
        (!gives_way).then(|| PassedOver {
            image: heard.image.clone(),
            at: heard.at,
            reason,
            selected: selected.map(|newest| newest.tag.clone()),
        })
    });
    Note {
        followed: newest
            .filter(|newest| policy.moves_on(newest, followed))
            .cloned(),
        is_published: passed_over.as_ref().is_some_and(|passed_over| {
            let tag = passed_over.image.tag.as_deref();
            tag.is_some_and(is_release_tag)
                && !passed_over.is_for_now()
                && passed_over.reason != SkipReason::AlreadyDeploying
        }),
        passed_over,
    }
}

/// What was heard of, while the registry still holds it under this tag.
pub fn find<'a>(images: &'a [RegistryImage], heard: &Image) -> Option<&'a RegistryImage> {
    images.iter().find(|image| {
        Some(image.tag.as_str()) == heard.tag.as_deref() && image.digest == heard.digest
    })
}

/// What is noted already of another tag that was put in the same second, and that may go out yet: whichever of the two
/// was heard of first, the policy's order decides which one is to be found again.
fn noted_at_once<'a>(
    record: &Record,
    container: &str,
    images: &'a [RegistryImage],
    heard: &Heard,
) -> Option<&'a RegistryImage> {
    let noted = record
        .passed_over
        .get(container)
        .filter(|noted| noted.is_for_now() && noted.at == heard.at && noted.image != heard.image)?;
    find(images, &noted.image)
}

/// Why this image does not go out; `None` where that is said elsewhere, or it went out before.
fn why_not(
    record: &Record,
    container: &str,
    policy: &Policy,
    image: &RegistryImage,
    newest: Option<&RegistryImage>,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<SkipReason> {
    let followed = record.followed.get(container);
    // An event that comes late or twice: something put later went out, was skipped, or waits.
    if followed.is_some_and(|followed| at <= followed.tagged_since()) {
        return None;
    }
    if policy.is_too_young(image, now) {
        return Some(SkipReason::TooYoung);
    }
    let followed = followed.filter(|followed| followed.digest == image.digest);
    let Some(followed) = followed else {
        return newest.map(|_| SkipReason::AnotherSelected);
    };
    if followed.tag == image.tag {
        return None;
    }
    let waits = record.waiting.get(container);
    if waits.is_some_and(|waiting| waiting.request.image.digest == image.digest) {
        return None;
    }
    if record.blocked.contains(&image.digest) {
        return Some(SkipReason::FailedBefore);
    }
    let last = &record.deployment;
    let is_last = last
        .image_in(container)
        .is_some_and(|deployed| deployed.digest == image.digest);
    Some(match last.state {
        _ if !is_last => SkipReason::NewerRequested,
        State::Succeeded => SkipReason::AlreadyRunning,
        State::Failed | State::RolledBack | State::RollingBack => SkipReason::FailedBefore,
        _ => SkipReason::AlreadyDeploying,
    })
}
