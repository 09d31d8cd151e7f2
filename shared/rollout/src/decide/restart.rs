//! Whether a restart by hand begins.

use chrono::{DateTime, Utc};
use longshore_events::image::Image;
use longshore_state::Worker;

use crate::record::{Record, Running};
use crate::task_definition::{is_pinned_to, pinned_image};

/// What to do about a restart that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restart {
    /// New tasks of this image take the place of those that run it.
    Begin(Box<Image>),
    /// Not now, or not at all: why, and what to do.
    Refuse(String),
}

/// Decides about the restart of a container that `worker` asks for. Whoever wants new tasks now does not want them
/// hours later: what keeps deployments back refuses a restart, and it waits for nothing.
pub fn restart(
    record: &Record,
    container: &str,
    running: &Running,
    frozen_until: Option<DateTime<Utc>>,
    worker: &Worker,
) -> Restart {
    let last = &record.deployment;
    if last.state.is_open() {
        return Restart::Refuse(format!(
            "deployment {} is under way, which starts new tasks anyway: wait for its end with `longshore status \
             {}/{} --watch`",
            last.number, last.stack, last.service
        ));
    }
    if let Some(hold) = record.holds(worker.now) {
        let note = hold.note.as_ref().map(|note| format!(" ({note})"));
        return Restart::Refuse(format!(
            "it is held{}: resume it first with `longshore resume {}/{}`",
            note.unwrap_or_default(),
            last.stack,
            last.service
        ));
    }
    if let Some(until) = frozen_until {
        return Restart::Refuse(format!(
            "a freeze window is open until {}: restart it afterwards",
            until.format("%Y-%m-%d %H:%M UTC")
        ));
    }
    // The record knows the tag, too.
    let deployed = last.image_in(container).cloned();
    let runs = deployed
        .filter(|image| is_pinned_to(&running.image, image))
        .or_else(|| pinned_image(&running.image));
    match runs {
        Some(image) => Restart::Begin(Box::new(image)),
        None => Restart::Refuse(format!(
            "container {container} runs {}, which names no digest of an ECR repository, so that new tasks might run \
             something else: name the image with `longshore deploy`",
            running.image
        )),
    }
}
