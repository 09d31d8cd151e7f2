//! Which requests are skipped for what is known of their image or their service alone, and what a skipped request
//! leaves behind.

use longshore_events::longshore::SkipReason;
use longshore_policy::route::CpuArchitecture;

use crate::ports::ImageContents;
use crate::record::{Record, Request};

/// Whether a service's tasks can run an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// They can.
    Fits,
    /// They cannot, and nobody waits for an answer.
    Skip(SkipReason),
    /// They cannot, and whoever asks gets the reason.
    Refuse(String),
}

/// Decides whether an image with these contents can run on tasks that need this architecture, where that is known.
pub fn fit(contents: &ImageContents, needed: Option<CpuArchitecture>, request: &Request) -> Fit {
    let needed = match needed {
        Some(needed) if !contents.architectures.contains(&needed) => needed,
        _ => return Fit::Fits,
    };
    if !request.is_explicit() {
        return Fit::Skip(SkipReason::ArchitectureMissing);
    }
    let found: Vec<String> = contents
        .architectures
        .iter()
        .map(ToString::to_string)
        .collect();
    let found = match found.as_slice() {
        [] => "nothing that ECS has".to_owned(),
        found => found.join(" and "),
    };
    Fit::Refuse(format!(
        "the image was built for {found}, and the service's tasks run on {needed}: build it for that"
    ))
}

/// Decides about a request while the stack of its service is being changed: why it is skipped. `None` where it is
/// remembered until the stack has settled.
///
/// A skip is decided as if the stack had settled, and for good: the record only ever moves on to newer requests.
pub fn while_changing(
    record: Option<&Record>,
    request: &Request,
    container: &str,
) -> Option<SkipReason> {
    record
        .is_some_and(|record| record.is_outdated(request, container))
        .then_some(SkipReason::NewerRequested)
}

/// What is written down of a request that is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// Whether that is published.
    pub is_published: bool,
    /// Whether what the policies name now counts as followed with it.
    pub is_taken_in: bool,
    /// Whether it counts as what a person or a pipeline asked for last, if one did.
    pub is_heard: bool,
    /// Whether what waits for the container gives way to it.
    pub ends_waiting: bool,
}

/// Decides what is written down of a request that is skipped for this reason.
pub fn skipped(
    record: Option<&Record>,
    request: &Request,
    container: &str,
    reason: SkipReason,
) -> Skipped {
    let is_outdated = record.is_some_and(|record| record.is_outdated(request, container));
    let has_waited =
        record.is_some_and(|record| record.waits_already(&request.id, container).is_some());
    // What the policy names takes the place of what waits, whatever becomes of it; so does what a person asked for
    // and has.
    let takes_place =
        !request.is_explicit() || reason == SkipReason::AlreadyRunning && !is_outdated;
    Skipped {
        reason,
        // Of a deployment that is under way everybody has heard already.
        is_published: reason != SkipReason::AlreadyDeploying || has_waited,
        is_taken_in: takes_place,
        is_heard: !is_outdated,
        ends_waiting: takes_place || has_waited,
    }
}
