use crate::ports::{CallError, Cloud, ErrorClass, RecordVersion};
use crate::record::{Record, Unpublished, Worker};
use crate::route::Owner;

/// How often a record is loaded again after a lost race before the call is handed back to be retried.
pub(crate) const RACES: usize = 8;

/// Publishes what the record holds for this worker and takes it out. An event is published at least
/// once: when this dies in between, the worker's retry or, after the lease, the next one who opens the
/// record publishes it again.
pub(crate) async fn flush<C: Cloud>(
    cloud: &C,
    record: Record,
    version: RecordVersion,
    worker: &Worker,
) -> Result<(), CallError> {
    let published: Vec<Unpublished> = record
        .outbox
        .iter()
        .filter(|unpublished| unpublished.is_for(worker))
        .cloned()
        .collect();
    if published.is_empty() {
        return Ok(());
    }
    let events: Vec<_> = published
        .iter()
        .map(|unpublished| unpublished.event.clone())
        .collect();
    cloud.publish(&events).await?;
    remove(cloud, &published, record, version).await
}

async fn remove<C: Cloud>(
    cloud: &C,
    published: &[Unpublished],
    mut record: Record,
    mut version: RecordVersion,
) -> Result<(), CallError> {
    let owner = record.deployment.owner();
    for _ in 0..RACES {
        record.outbox.retain(|event| !published.contains(event));
        match cloud.save(&record, Some(&version)).await {
            Err(error) if error.class == ErrorClass::LostRace => {}
            other => return other.map(drop),
        }
        match cloud.load(&owner).await? {
            Some((current, current_version)) => (record, version) = (current, current_version),
            None => return Ok(()),
        }
        if !record.outbox.iter().any(|event| published.contains(event)) {
            return Ok(());
        }
    }
    Err(lost_races(&owner))
}

/// So many others wrote this record in between that it is better to come back later.
pub(crate) fn lost_races(owner: &Owner) -> CallError {
    CallError {
        operation: format!("write the deployment record of {owner}"),
        class: ErrorClass::Transient,
        code: None,
        message: format!("somebody else wrote it first {RACES} times"),
    }
}
