//! What to do about a service whose stack has settled.

use std::collections::BTreeMap;

use longshore_events::image::{Digest, Image};
use longshore_events::longshore::Source;
use longshore_state::Worker;

use crate::record::{Deployment, Running, State};
use crate::stack_record::{Operation, OperationState, Preserved};
use crate::task_definition::{is_of_repository, is_pinned_to, pinned_image};

/// What to do about a service whose stack has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The record and ECS agree, or somebody else sees to it.
    Nothing,
    /// Take up the record's own deployment, whose invocation died before it had done its work.
    Resume,
    /// An image is being restored, and whoever has the claim may still run: come again.
    Wait,
    /// Tasks run that come before an update: look again when they have ended.
    Later,
    /// CloudFormation's deployment runs the image that the record's deployment was rolling out: the
    /// record's deployment goes on as that one.
    Follow,
    /// ECS runs this image in this container by a deployment that no record reports: it is the stack's.
    Adopt(String, Image),
    /// ECS runs other images than it should: these are restored, by container.
    Restore(BTreeMap<String, Image>),
}

/// Decides about a service whose stack has settled after `operation`. The record reports `last`, and ECS
/// runs `running`, with these images by container.
pub fn settled(
    operation: &Operation,
    preserved: &Preserved,
    last: Option<&Deployment>,
    running: &Running,
    images: &BTreeMap<String, String>,
    worker: &Worker,
) -> Settled {
    if let Some(last) = last.filter(|last| last.is_resumable()) {
        let is_restored = matches!(last.source, Source::Stack { restored: true, .. });
        return match (last.is_free(worker.now), is_restored) {
            (true, _) => Settled::Resume,
            // What was to restore it may have been for a change that nobody asks about any more.
            (false, true) => Settled::Wait,
            // It comes again by itself.
            (false, false) => Settled::Nothing,
        };
    }
    if last.is_some_and(|last| last.state == State::Preparing) {
        // When they have ended it updates what is there then, or fails, and what ran is to be restored.
        return Settled::Later;
    }
    // Of a container that is gone nothing can be asked.
    let runs = |container: &str, image: &Image| {
        images
            .get(container)
            .is_none_or(|running| is_pinned_to(running, image))
    };
    let restore: BTreeMap<String, Image> = images
        .iter()
        .filter_map(|(container, running)| {
            let owed = owed(operation, preserved, last, container, running)?;
            Some((container.clone(), owed.clone()))
        })
        .filter(|(container, owed)| !runs(container, owed))
        .collect();
    if !restore.is_empty() {
        return Settled::Restore(restore);
    }
    let is_ready = operation.state == OperationState::Ready;
    let container = &preserved.subscriber.container;
    let is_published =
        |last: &Deployment| last.task_definition.as_ref() == Some(&running.task_definition);
    let template = preserved
        .image
        .clone()
        .filter(|image| runs(container, image));
    let alive = last.filter(|last| last.holds());
    if let Some(alive) = alive.filter(|alive| alive.images().all(|(of, image)| runs(of, image))) {
        return match alive.state {
            State::Deploying
                if !is_published(alive) || alive.ecs_deployment_id != running.ecs_deployment_id =>
            {
                Settled::Follow
            }
            State::Succeeded if is_ready && !is_published(alive) => match template {
                // The last deployment was of another container; this one the stack file asked for anew.
                Some(image) if preserved.is_named && alive.image_in(container).is_none() => {
                    Settled::Adopt(container.clone(), image)
                }
                _ => Settled::Adopt(alive.container.clone(), alive.image.clone()),
            },
            _ => Settled::Nothing,
        };
    }
    let is_known = last.is_some_and(|last| {
        // While ECS takes a deployment back, the outcome of that is still to be published.
        last.state == State::RollingBack
            || is_published(last)
            || last.previous_task_definition == running.task_definition
    });
    if !is_ready || is_known {
        return Settled::Nothing;
    }
    template
        .or_else(|| pinned_image(images.get(container)?))
        .map_or(Settled::Nothing, |image| {
            Settled::Adopt(container.clone(), image)
        })
}

/// The image that a container, which runs `running`, must run for nobody's request to be lost; `None` when
/// what CloudFormation made of it is right.
fn owed<'a>(
    operation: &Operation,
    preserved: &'a Preserved,
    last: Option<&'a Deployment>,
    container: &str,
    running: &str,
) -> Option<&'a Image> {
    let is_ready = operation.state == OperationState::Ready;
    let subscriber = &preserved.subscriber;
    let is_main = subscriber.containers().any(|known| known == container);
    let (template, is_named) = if is_main {
        (preserved.image.as_ref(), preserved.is_named)
    } else {
        (preserved.also.get(container), false)
    };
    // What ran by its tag alone when it was adopted cannot be restored.
    let is_known = |image: &&Image| image.digest != Digest::unknown();
    let deployed = last.and_then(|last| last.image_in(container));
    let Some((alive, image)) = last.filter(|last| last.holds()).zip(deployed) else {
        // The record's deployment failed, or was of another container. What the stack file named anew has
        // just failed with the rest of the change.
        return template.filter(is_known).filter(|image| {
            !is_ready
                && !is_named
                && deployed.is_none_or(|deployed| deployed.digest != image.digest)
        });
    };
    // A deployment that the template knows nothing of was claimed after the template was made, whatever
    // the clocks say; unless the service has left the repository, or the stack file names another image.
    let is_in_template = is_named
        || match template {
            Some(template) => template.digest == image.digest,
            None => !is_main || !is_of_repository(running, &image.repository),
        };
    let is_newer = alive.claimed_at >= operation.requested_at;
    (is_newer || !is_ready || !is_in_template)
        .then_some(image)
        .filter(is_known)
}
