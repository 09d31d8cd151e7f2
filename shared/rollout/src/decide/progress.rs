//! How far a service is that gets an image before others.

use longshore_events::image::Digest;

use crate::record::{Record, State};

/// How far a service is with an image that it gets before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It runs it.
    Done,
    /// It is still to come, or under way.
    Pending,
    /// It did not get it to run, or does not run it any more.
    Failed,
}

/// How far the service of this record is with the image of this digest.
pub fn progress(record: Option<&Record>, digest: &Digest) -> Progress {
    let Some(record) = record else {
        return Progress::Pending;
    };
    let waits = record
        .waiting
        .values()
        .any(|waiting| waiting.request.image.digest == *digest);
    let last = &record.deployment;
    if last.images().any(|(_, image)| image.digest == *digest) {
        return match last.state {
            State::Succeeded => Progress::Done,
            State::Superseded if !waits => Progress::Failed,
            state if state.has_failed() && !waits => Progress::Failed,
            _ => Progress::Pending,
        };
    }
    let was_followed = record
        .followed
        .values()
        .any(|followed| followed.digest == *digest);
    if !waits && (was_followed || record.blocked.contains(digest)) {
        return Progress::Failed;
    }
    Progress::Pending
}
