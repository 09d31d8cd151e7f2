//! The outbox: events that stand in a document until they are published.
//!
//! A change of a document puts the event that reports it into the same write, so that none is lost when a process
//! dies. An event is published at least once: when a process dies between publishing and taking the event out, its
//! retry or, after the lease, whoever opens the document next publishes it again.

use chrono::{DateTime, Utc};
use longshore_events::longshore::LongshoreEvent;
use serde::{Deserialize, Serialize};

use crate::call::CallError;
use crate::document::{change, check_writable};
use crate::key::{Document, Key};
use crate::lease::{LEASE, Worker};
use crate::store::{DocumentStore, EventPublisher, Version};

/// An event that is not known to have been published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpublished {
    pub event: LongshoreEvent,
    /// The worker that wrote it down and will publish it.
    pub worker_id: String,
    /// When anybody may publish it, because that worker must have ended.
    pub lease_until: DateTime<Utc>,
}

impl Unpublished {
    /// An event that `worker` writes down now.
    pub fn new(event: LongshoreEvent, worker: &Worker) -> Self {
        Self {
            event,
            worker_id: worker.id.clone(),
            lease_until: worker.now + LEASE,
        }
    }

    /// Whether it is for `worker` to publish. Others' are left to them while they may still run, or everybody who
    /// meets them would publish the same once more.
    pub fn is_for(&self, worker: &Worker) -> bool {
        self.worker_id == worker.id || self.lease_until <= worker.now
    }
}

/// A document that has an outbox.
pub trait Outbox: Document {
    /// The events that are not known to have been published, in their order.
    fn outbox(&mut self) -> &mut Vec<Unpublished>;
}

/// Publishes those of `unpublished` that are for `worker`, and gives them back to be taken out of the document of this
/// version.
///
/// # Errors
/// Those of the publisher; [`crate::ErrorClass::Transient`] where they could not be taken out afterwards.
pub async fn publish<P: EventPublisher, K: Key>(
    publisher: &P,
    key: &K,
    version: &Version,
    unpublished: &[Unpublished],
    worker: &Worker,
) -> Result<Vec<Unpublished>, CallError> {
    let published: Vec<Unpublished> = unpublished
        .iter()
        .filter(|unpublished| unpublished.is_for(worker))
        .cloned()
        .collect();
    if !published.is_empty() {
        check_writable(key, version)?;
        let events: Vec<_> = published
            .iter()
            .map(|unpublished| unpublished.event.clone())
            .collect();
        publisher.publish(&events).await?;
    }
    Ok(published)
}

/// Publishes what a document holds for `worker` and takes it out. Gives what is stored then; `None` when the document
/// is gone.
///
/// # Errors
/// Those of the store and the publisher; trying again may help.
pub async fn flush<C: DocumentStore + EventPublisher, K: Key<Document: Outbox>>(
    cloud: &C,
    key: &K,
    (mut document, version): (K::Document, Version),
    worker: &Worker,
) -> Result<Option<(K::Document, Version)>, CallError> {
    let published = publish(cloud, key, &version, document.outbox(), worker).await?;
    change(cloud, key, (document, version), |document| {
        document
            .outbox()
            .retain(|unpublished| !published.contains(unpublished));
    })
    .await
}
