//! Where a rollback by hand goes.

use std::collections::BTreeMap;

use longshore_events::image::Image;
use longshore_events::longshore::SkipReason;
use longshore_state::Worker;

use crate::ports::TaskDefinition;
use crate::record::{Deployment, Record, State};
use crate::task_definition::{is_pinned_to, pinned_image};

/// Which attempt it is at a rollback or a restart that an invocation asks for, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It is the first one.
    First,
    /// An attempt before this one has done it.
    Started,
    /// An attempt before this one has claimed it and died: take that up.
    Resume,
    /// An attempt before this one has claimed it and may still run: come again.
    ComeAgain,
    /// It went out, and something newer since.
    Skip(SkipReason),
}

/// Decides which attempt this is at what `worker` asks for.
pub fn attempt(record: &Record, worker: &Worker) -> Attempt {
    let last = &record.deployment;
    if last.id == worker.id {
        return if !last.is_resumable() {
            Attempt::Started
        } else if last.is_free(worker.now) {
            Attempt::Resume
        } else {
            Attempt::ComeAgain
        };
    }
    if record.asked.values().any(|asked| asked.id == worker.id) {
        return Attempt::Skip(SkipReason::NewerRequested);
    }
    Attempt::First
}

/// Whether a deployment can be gone back to, as far as is written of it: the one whose number is `to`, or without
/// that any.
///
/// # Errors
/// Why the one that is named cannot be.
pub fn is_candidate(
    deployment: &Deployment,
    record: &Record,
    to: Option<u32>,
) -> Result<bool, String> {
    let is_named = to == Some(deployment.number);
    if is_named {
        check_named(deployment)?;
    }
    let is_newer = to.is_some_and(|to| deployment.number > to);
    let is_blocked = record.blocked.contains(&deployment.image.digest);
    Ok(!is_newer && deployment.state == State::Succeeded && (!is_blocked || is_named))
}

/// Whether somebody may go back to a deployment by its number.
fn check_named(deployment: &Deployment) -> Result<(), String> {
    if deployment.state == State::Succeeded {
        return Ok(());
    }
    let number = deployment.number;
    Err(if deployment.state.is_open() {
        format!("deployment {number} is under way")
    } else {
        format!(
            "deployment {number} did not succeed: deploy its image {} by name, if that is what you want",
            deployment.image
        )
    })
}

/// Why nothing is done about a rollback to what runs, or is being rolled out.
pub fn nothing_to_roll_back(last: &Deployment) -> SkipReason {
    if last.state.is_open() {
        SkipReason::AlreadyDeploying
    } else {
        SkipReason::AlreadyRunning
    }
}

/// What runs now, or is being rolled out, where that is another image than in `images`; `None` when it is
/// the same everywhere. An image that only a tag names is another one, and has no digest to report.
pub fn goes_back_from(
    last: &Deployment,
    running: &TaskDefinition,
    images: &BTreeMap<String, Image>,
) -> Option<Vec<Image>> {
    let is_open = last.state.is_open();
    let coming: BTreeMap<&str, &Image> = last.images().filter(|_| is_open).collect();
    let mut is_same = true;
    let mut others = Vec::new();
    for (container, image) in images {
        if let Some(coming) = coming.get(container.as_str()) {
            if coming.digest != image.digest {
                is_same = false;
                others.push((*coming).clone());
            }
        } else if let Ok(runs) = running.image_of(container)
            && !is_pinned_to(runs, image)
        {
            is_same = false;
            others.extend(pinned_image(runs));
        }
    }
    (!is_same).then_some(others)
}
