//! Where a request is: what somebody asks again and again who waits for its outcome.

use longshore_events::image::{Digest, Image};
use longshore_events::longshore::RolloutProgress;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, ErrorClass};

use crate::documents::{RecordStore, StackRecordStore};
use crate::history::Past;
use crate::ports::Cloud;
use crate::record::{Deployment, Waiting};
use crate::status::{RunningTasks, progress, running_tasks};

/// Among how many of a service's last deployments a request is looked for: more than any number of people start while
/// somebody waits.
const LOOKED_THROUGH: usize = 50;

/// Where a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// Its stack is being changed, and it goes on when that has ended.
    StackChanging(Image),
    /// It waits.
    Waiting(Box<Waiting>),
    /// It is the service's last deployment, which may have ended.
    Deployment {
        deployment: Box<Deployment>,
        /// What ECS runs; nothing when the service is gone.
        running: Option<RunningTasks>,
        progress: Option<RolloutProgress>,
    },
    /// Its deployment ended, and another one began since.
    Past(Box<Deployment>),
    /// It is not known: a newer request took its place before it began, it was given up, or nothing was left to do.
    Gone,
}

/// Where the request with this id is; a deployment has the id of its request.
///
/// # Errors
/// [`CallError`].
pub async fn whereabouts<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    id: &str,
) -> Result<Whereabouts, CallError> {
    let record = cloud.load(service_id).await?.map(|(record, _)| record);
    if let Some(record) = &record {
        if record.deployment.id == id {
            return under_way(cloud, &record.deployment).await;
        }
        let mut waiting = record.waiting.values();
        if let Some(waiting) = waiting.find(|waiting| waiting.request.id == id) {
            return Ok(Whereabouts::Waiting(Box::new(waiting.clone())));
        }
    }
    if let Some((stack, _)) = cloud.load_stack(&service_id.stack).await? {
        let mut pending = stack.pending_pushes.values();
        if let Some(pending) = pending.find(|pending| pending.request.id == id) {
            return Ok(Whereabouts::StackChanging(pending.request.image.clone()));
        }
    }
    let past = Past::of(cloud, service_id, record.as_ref()).await?;
    for number in past.numbers().take(LOOKED_THROUGH) {
        let found = match past.deployments(&[number]).await {
            // It harms no other that one cannot be read.
            Err(error) if error.class == ErrorClass::Unreadable => continue,
            found => found?,
        };
        if let Some(deployment) = found.into_iter().find(|deployment| deployment.id == id) {
            return Ok(Whereabouts::Past(Box::new(deployment)));
        }
    }
    Ok(Whereabouts::Gone)
}

async fn under_way<C: Cloud>(cloud: &C, deployment: &Deployment) -> Result<Whereabouts, CallError> {
    let running = running_tasks(cloud, &deployment.service_name()).await?;
    let progress = match running {
        Some(_) => progress(cloud, deployment).await?,
        None => None,
    };
    Ok(Whereabouts::Deployment {
        deployment: Box::new(deployment.clone()),
        running,
        progress,
    })
}

/// The service's last deployment, if it brings all these images as well: one that took over from the deployment of
/// another container, or that restores what a change of the stack took back.
///
/// # Errors
/// [`CallError`].
pub async fn last_with<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    digests: &[Digest],
) -> Result<Option<Deployment>, CallError> {
    let stored = cloud.load(service_id).await?;
    let last = stored.map(|(record, _)| record.deployment.clone());
    Ok(last.filter(|last| {
        digests
            .iter()
            .all(|digest| last.images().any(|(_, image)| image.digest == *digest))
    }))
}
