use longshore_events::longshore::LongshoreEvent;

use crate::ports::RecordVersion;
use crate::ports::{CallError, Cloud, ErrorClass};
use crate::record::Record;
use crate::route::Owner;

/// How often a record is loaded again after a lost race before the call is handed back to be retried.
pub(crate) const RACES: usize = 8;

/// Publishes what the record still holds and takes it out. An event is published at least once: when
/// this dies in between, the next one who opens the record publishes it again.
pub(crate) async fn flush<C: Cloud>(
    cloud: &C,
    record: Record,
    version: RecordVersion,
) -> Result<(), CallError> {
    if record.outbox.is_empty() {
        return Ok(());
    }
    cloud.publish(&record.outbox).await?;
    let owner = record.deployment.owner();
    remove(cloud, &owner, &record.outbox.clone(), record, version).await
}

async fn remove<C: Cloud>(
    cloud: &C,
    owner: &Owner,
    published: &[LongshoreEvent],
    mut record: Record,
    mut version: RecordVersion,
) -> Result<(), CallError> {
    for _ in 0..RACES {
        record.outbox.retain(|event| !published.contains(event));
        match cloud.save(&record, Some(&version)).await {
            Err(error) if error.class == ErrorClass::LostRace => {}
            other => return other.map(drop),
        }
        match cloud.load(owner).await? {
            Some((current, current_version)) => (record, version) = (current, current_version),
            None => return Ok(()),
        }
        if !record.outbox.iter().any(|event| published.contains(event)) {
            return Ok(());
        }
    }
    Err(lost_races(owner))
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
