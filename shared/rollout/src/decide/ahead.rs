//! What to ask before it is known whether it will be needed, and what need not be asked. A wrong guess costs a call, or
//! the time of one.

use std::collections::BTreeSet;

use longshore_events::incoming::Push;
use longshore_policy::image_policy::{ImagePolicy, Policy, RegistryImage};
use longshore_policy::route::Subscriber;

use crate::record::Record;

/// Whether a push looks like one that goes out, by the record alone.
pub fn is_likely_news(record: Option<&Record>, container: &str, push: &Push) -> bool {
    let Some(record) = record else {
        return true;
    };
    let is_old = |followed: &RegistryImage| {
        followed.digest == push.image.digest || push.at < followed.tagged_since()
    };
    !record.blocked.contains(&push.image.digest)
        && !record.followed.get(container).is_some_and(is_old)
}

/// What the registry need be asked after a push, to know what a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// What it holds under these tags.
    pub tags: BTreeSet<String>,
    /// Of all that it held besides, nothing came after this one.
    newest: &'a RegistryImage,
    record: &'a Record,
    container: &'a str,
}

/// Which tags decide what a policy names after a push, of a repository that one call does not list; `None` where any
/// tag may.
///
/// Of all that was there when the repository was listed, and of what was heard of since, nothing comes after the image
/// of the survey. What else has come to the repository has an event of its own, as the tag has that was pushed; if that
/// is lost, the reconcile finds it, which lists everything. So the policy names one of two: what it named last, or what
/// was pushed.
pub fn question<'a>(
    record: Option<&'a Record>,
    subscriber: &'a Subscriber,
    push: &Push,
) -> Option<Question<'a>> {
    let record = record?;
    let container = subscriber.container.as_str();
    let surveyed = record.surveyed.get(container)?;
    let tags = [Some(&surveyed.newest.tag), push.image.tag.as_ref()];
    (surveyed.policy == subscriber.image_policy).then(|| Question {
        tags: tags.into_iter().flatten().cloned().collect(),
        newest: &surveyed.newest,
        record,
        container,
    })
}

/// Whether a survey can say what a policy names later. An exact tag needs none. With a minimum age, an image that was too
/// young comes to be named without any event.
pub fn can_be_surveyed(image_policy: &ImagePolicy, policy: &Policy) -> bool {
    policy.exact_tag().is_none() && image_policy.minimum_age_minutes == 0
}

impl Question<'_> {
    /// Whether what the registry holds answers it: what the policy named last is still there, or its tag is on an image
    /// that comes after it. Where it is not, the policy may name any of those that came before it.
    pub fn is_answered(&self, policy: &Policy, images: &[RegistryImage]) -> bool {
        let held = images.iter().find(|image| image.tag == self.newest.tag);
        held.is_some_and(|held| {
            let mut held = held.clone();
            learn(&mut held, self.record, self.container);
            !policy.comes_after(self.newest, &held)
        })
    }
}

/// Takes in what the record says of when an image's tag was put.
pub fn learn(image: &mut RegistryImage, record: &Record, container: &str) {
    if let Some(followed) = record.followed.get(container) {
        image.learn(followed);
    }
    if let Some(passed_over) = record.passed_over.get(container) {
        let tag = passed_over.image.tag.as_deref().unwrap_or_default();
        image.hear(tag, &passed_over.image.digest, passed_over.at);
    }
}
