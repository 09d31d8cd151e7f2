//! What a record holds to be done after it was written: events to publish, and deployments to keep in the history.

use longshore_policy::route::ServiceId;
use longshore_state::{CallError, Version, Worker, change, outbox};

use crate::documents::{HistoryStore, RecordKey};
use crate::ports::Cloud;
use crate::record::Record;

/// Publishes what the record holds for this worker, writes the deployments that ended into the history, and takes both
/// out. A deployment is kept once.
pub(crate) async fn flush<C: Cloud>(
    cloud: &C,
    record: Record,
    version: Version,
    worker: &Worker,
) -> Result<(), CallError> {
    let service_id = record.deployment.service_id();
    let published = outbox::publish(
        cloud,
        &RecordKey(&service_id),
        &version,
        &record.outbox,
        worker,
    )
    .await?;
    let mut archived = Vec::new();
    let mut failed = None;
    // Whoever ended them, and whatever that one still has to publish: it may have read the record before they ended.
    for deployment in &record.finished {
        match cloud.archive(deployment).await {
            Ok(number) => archived.push((deployment.clone(), number)),
            // What was published is not published again because of it.
            Err(error) => failed = Some(error),
        }
    }
    change(
        cloud,
        &RecordKey(&service_id),
        (record, version),
        |record| {
            record.flushed(&published, &archived);
        },
    )
    .await?;
    failed.map_or(Ok(()), Err)
}

/// Changes a record from what was read of it, as [`change`] does, and publishes what that writes down.
pub(crate) async fn change_and_publish<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    stored: (Record, Version),
    worker: &Worker,
    changes: impl FnMut(&mut Record),
) -> Result<(), CallError> {
    let before = stored.1.clone();
    match change(cloud, &RecordKey(service_id), stored, changes).await? {
        Some((record, version)) if version != before => flush(cloud, record, version, worker).await,
        _ => Ok(()),
    }
}
