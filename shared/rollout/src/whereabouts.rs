//! Where a request is: what somebody asks again and again who waits for its outcome.

use chrono::{DateTime, Utc};
use longshore_policy::route::ServiceId;
use longshore_state::CallError;

use crate::documents::{RecordStore, StackRecordStore};
use crate::history::Past;
use crate::ports::Cloud;
use crate::record::{Deployment, Waiting};
use crate::status::{ServiceStatus, status_of};

/// Among how many of a service's last deployments a request is looked for: more than any number of people start while
/// somebody waits.
const LOOKED_THROUGH: usize = 50;

/// Where a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// Its stack is being changed, and it goes on when that has ended.
    StackChanging,
    /// It waits.
    Waiting(Box<Waiting>),
    /// It is the service's last deployment, which may have ended.
    Deployment {
        deployment: Box<Deployment>,
        /// How the service is.
        status: Box<ServiceStatus>,
    },
    /// Its deployment ended, and another one began since.
    Past(Box<Deployment>),
    /// It is not known: a newer request took its place before it began, or it was given up.
    Gone,
}

/// Where the request with this id is at `now`; a deployment has the id of its request.
///
/// # Errors
/// [`CallError`].
pub async fn whereabouts<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    id: &str,
    now: DateTime<Utc>,
) -> Result<Whereabouts, CallError> {
    let Some((record, _)) = cloud.load(service_id).await? else {
        return remembered(cloud, service_id, id).await;
    };
    if record.deployment.id == id {
        let deployment = record.deployment.clone();
        let name = deployment.service_name();
        let status = status_of(cloud, &name, service_id.clone(), Some(record), None, now).await?;
        return Ok(Whereabouts::Deployment {
            deployment: Box::new(deployment),
            status: Box::new(status),
        });
    }
    let mut waiting = record.waiting.values();
    if let Some(waiting) = waiting.find(|waiting| waiting.request.id == id) {
        return Ok(Whereabouts::Waiting(Box::new(waiting.clone())));
    }
    let past = Past::of(cloud, service_id, Some(&record)).await?;
    let numbers: Vec<u32> = past.numbers().take(LOOKED_THROUGH).collect();
    let mut deployments = past.deployments(&numbers).await?.into_iter();
    match deployments.find(|deployment| deployment.id == id) {
        Some(deployment) => Ok(Whereabouts::Past(Box::new(deployment))),
        None => remembered(cloud, service_id, id).await,
    }
}

/// Whether the record of a request's stack holds it until the stack has settled.
async fn remembered<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    id: &str,
) -> Result<Whereabouts, CallError> {
    let stack = cloud.load_stack(&service_id.stack).await?;
    let is_remembered = stack.is_some_and(|(record, _)| {
        let mut pending = record.pending_pushes.values();
        pending.any(|pending| pending.request.id == id)
    });
    Ok(if is_remembered {
        Whereabouts::StackChanging
    } else {
        Whereabouts::Gone
    })
}
