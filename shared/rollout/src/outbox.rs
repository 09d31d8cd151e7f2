use crate::ports::{CallError, Cloud, ErrorClass, RecordVersion};
use crate::record::{Record, Unpublished, Worker};
use crate::stack_record::StackRecord;

/// How often a record is loaded again after a lost race before the call is handed back to be retried.
pub(crate) const RACES: usize = 8;

/// A record that keeps events until they are published.
pub(crate) trait Outbox: Sized {
    fn outbox(&self) -> &[Unpublished];
    fn outbox_mut(&mut self) -> &mut Vec<Unpublished>;
    /// What the record is of, for an error: "service api of stack shop".
    fn subject(&self) -> String;
    async fn load_again<C: Cloud>(
        &self,
        cloud: &C,
    ) -> Result<Option<(Self, RecordVersion)>, CallError>;
    async fn save<C: Cloud>(
        &self,
        cloud: &C,
        version: &RecordVersion,
    ) -> Result<RecordVersion, CallError>;
}

impl Outbox for Record {
    fn outbox(&self) -> &[Unpublished] {
        &self.outbox
    }

    fn outbox_mut(&mut self) -> &mut Vec<Unpublished> {
        &mut self.outbox
    }

    fn subject(&self) -> String {
        self.deployment.owner().to_string()
    }

    async fn load_again<C: Cloud>(
        &self,
        cloud: &C,
    ) -> Result<Option<(Self, RecordVersion)>, CallError> {
        cloud.load(&self.deployment.owner()).await
    }

    async fn save<C: Cloud>(
        &self,
        cloud: &C,
        version: &RecordVersion,
    ) -> Result<RecordVersion, CallError> {
        cloud.save(self, Some(version)).await
    }
}

impl Outbox for StackRecord {
    fn outbox(&self) -> &[Unpublished] {
        &self.outbox
    }

    fn outbox_mut(&mut self) -> &mut Vec<Unpublished> {
        &mut self.outbox
    }

    fn subject(&self) -> String {
        format!("stack {}", self.stack)
    }

    async fn load_again<C: Cloud>(
        &self,
        cloud: &C,
    ) -> Result<Option<(Self, RecordVersion)>, CallError> {
        cloud.load_stack(&self.stack).await
    }

    async fn save<C: Cloud>(
        &self,
        cloud: &C,
        version: &RecordVersion,
    ) -> Result<RecordVersion, CallError> {
        cloud.save_stack(self, Some(version)).await
    }
}

/// Publishes what the record holds for this worker and takes it out. An event is published at least
/// once: when this dies in between, the worker's retry or, after the lease, the next one who opens the
/// record publishes it again.
pub(crate) async fn flush<C: Cloud, R: Outbox>(
    cloud: &C,
    record: R,
    version: RecordVersion,
    worker: &Worker,
) -> Result<(), CallError> {
    let published: Vec<Unpublished> = record
        .outbox()
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

async fn remove<C: Cloud, R: Outbox>(
    cloud: &C,
    published: &[Unpublished],
    mut record: R,
    mut version: RecordVersion,
) -> Result<(), CallError> {
    let subject = record.subject();
    for _ in 0..RACES {
        record
            .outbox_mut()
            .retain(|event| !published.contains(event));
        match record.save(cloud, &version).await {
            Err(error) if error.class == ErrorClass::LostRace => {}
            other => return other.map(drop),
        }
        match record.load_again(cloud).await? {
            Some((current, current_version)) => (record, version) = (current, current_version),
            None => return Ok(()),
        }
        if !record
            .outbox()
            .iter()
            .any(|event| published.contains(event))
        {
            return Ok(());
        }
    }
    Err(lost_races(&subject))
}

/// So many others wrote this record in between that it is better to come back later.
pub(crate) fn lost_races(subject: &impl ToString) -> CallError {
    CallError {
        operation: format!("write the record of {}", subject.to_string()),
        class: ErrorClass::Transient,
        code: None,
        message: format!("somebody else wrote it first {RACES} times"),
    }
}
