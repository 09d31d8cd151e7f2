//! What a wake-up is about.

use longshore_events::longshore::{SkipReason, Source};
use longshore_policy::image_policy::{Policy, RegistryImage};
use longshore_state::Worker;

use crate::record::{Record, Waiting};

/// What a wake-up of a subscriber is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeUp<'a> {
    /// Nothing: what the policy names was followed already, and nothing waits.
    Nothing,
    /// The policy names an image that was not followed yet.
    News(&'a RegistryImage),
    /// A request waits: whether it may go out is decided anew.
    Waiting(&'a Waiting),
    /// The invocation that had claimed the record's deployment died before it had done its work: take that
    /// up.
    Resume,
    /// An attempt of this very invocation has the claim and may still run: come again.
    ComeAgain,
}

/// Decides what there is to do for a subscriber by `container`: `record` was loaded before the registry was
/// asked, and `newest` is what the policy then named.
pub fn due<'a>(
    record: Option<&'a Record>,
    container: &str,
    policy: &Policy,
    newest: Option<&'a RegistryImage>,
    worker: &Worker,
) -> WakeUp<'a> {
    let followed = record.and_then(|record| record.followed.get(container));
    let is_news = |newest: &&RegistryImage| {
        policy.is_news(newest, followed)
            || record.is_some_and(|record| was_put_since(record, container, policy, newest))
    };
    if let Some(newest) = newest.filter(is_news) {
        return WakeUp::News(newest);
    }
    let Some(record) = record else {
        return WakeUp::Nothing;
    };
    let last = &record.deployment;
    if last.is_abandoned(worker.now) {
        return WakeUp::Resume;
    }
    if last.is_resumable() && last.claimed_by == worker.id {
        return WakeUp::ComeAgain;
    }
    let waiting = record.waiting.get(container);
    waiting.map_or(WakeUp::Nothing, WakeUp::Waiting)
}

/// Whether a tag was put after a person had asked for another image, though the registry held it already when that was
/// heard of: so it was taken for one that the person had seen.
fn was_put_since(
    record: &Record,
    container: &str,
    policy: &Policy,
    newest: &RegistryImage,
) -> bool {
    let followed = record.followed.get(container);
    let Some(followed) = followed else {
        return false;
    };
    let last = &record.deployment;
    let is_policys = matches!(last.source, Source::Push | Source::Reconcile);
    // What a stack was made with or changed to counts as asked for, too.
    let of_stack = last
        .image_in(container)
        .filter(|_| !is_policys)
        .map(|image| (last.requested_at, image));
    let asked = record.asked.get(container);
    let asked = asked.map(|asked| (asked.at, &asked.image));
    policy.moves_on(newest, Some(followed))
        && asked.into_iter().chain(of_stack).any(|(at, image)| {
            (followed.tagged_since()..newest.tagged_since()).contains(&at)
                && image.digest != newest.digest
        })
}

/// What to note of a request that waits, by whether a route still names its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AboutRoute {
    IsThere,
    /// None does; it may come back.
    IsMissing,
    /// None has for too long: nothing is done about the request any more.
    GiveUp(SkipReason),
}

/// Decides about a request that waits, by whether a route of its repository names its container now.
pub fn about_route(waiting: &Waiting, is_routed: bool, worker: &Worker) -> AboutRoute {
    if is_routed {
        AboutRoute::IsThere
    } else if waiting.given_up_at().is_some_and(|end| end <= worker.now) {
        AboutRoute::GiveUp(SkipReason::RouteRemoved)
    } else {
        AboutRoute::IsMissing
    }
}
