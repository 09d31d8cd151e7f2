use crate::ports::{CallError, Cloud, ErrorClass, RecordVersion};
use crate::record::{Deployment, Record, Unpublished, Worker};
use crate::stack_record::StackRecord;

/// How often a record is loaded again after a lost race before the call is handed back to be retried.
pub(crate) const RACES: usize = 8;

/// A record that keeps events until they are published, and deployments that ended until they are in the
/// history.
pub(crate) trait Outbox: Sized {
    fn outbox(&self) -> &[Unpublished];
    fn outbox_mut(&mut self) -> &mut Vec<Unpublished>;
    /// Deployments that ended.
    fn finished(&self) -> &[Deployment] {
        &[]
    }
    fn forget_finished(&mut self, _archived: &[Deployment]) {}
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

    fn finished(&self) -> &[Deployment] {
        &self.finished
    }

    fn forget_finished(&mut self, archived: &[Deployment]) {
        self.finished
            .retain(|deployment| !archived.contains(deployment));
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

/// What was done with the contents of a record, and is to be taken out of it.
struct Done {
    published: Vec<Unpublished>,
    archived: Vec<Deployment>,
}

impl Done {
    fn is_nothing(&self) -> bool {
        self.published.is_empty() && self.archived.is_empty()
    }

    fn is_in<R: Outbox>(&self, record: &R) -> bool {
        let outbox = record.outbox();
        let finished = record.finished();
        outbox.iter().any(|event| self.published.contains(event))
            || finished
                .iter()
                .any(|deployment| self.archived.contains(deployment))
    }
}

/// Publishes what the record holds for this worker, writes the deployments that ended into the history, and
/// takes both out. An event is published at least once: when this dies in between, the worker's retry or,
/// after the lease, the next one who opens the record publishes it again. A deployment is kept once.
pub(crate) async fn flush<C: Cloud, R: Outbox>(
    cloud: &C,
    record: R,
    version: RecordVersion,
    worker: &Worker,
) -> Result<(), CallError> {
    let outbox = record.outbox();
    let published: Vec<Unpublished> = outbox
        .iter()
        .filter(|unpublished| unpublished.is_for(worker))
        .cloned()
        .collect();
    // Whoever still has events there to publish ended the deployment, and keeps it as well.
    let is_others = published.len() < outbox.len();
    if !published.is_empty() {
        let events: Vec<_> = published
            .iter()
            .map(|unpublished| unpublished.event.clone())
            .collect();
        cloud.publish(&events).await?;
    }
    let mut archived = Vec::new();
    let mut failed = None;
    for deployment in record.finished().iter().filter(|_| !is_others) {
        match cloud.archive(deployment).await {
            Ok(()) => archived.push(deployment.clone()),
            // What was told is not told again because of it.
            Err(error) => failed = Some(error),
        }
    }
    let done = Done {
        published,
        archived,
    };
    if !done.is_nothing() {
        remove(cloud, &done, record, version).await?;
    }
    failed.map_or(Ok(()), Err)
}

async fn remove<C: Cloud, R: Outbox>(
    cloud: &C,
    done: &Done,
    mut record: R,
    mut version: RecordVersion,
) -> Result<(), CallError> {
    let subject = record.subject();
    for _ in 0..RACES {
        record
            .outbox_mut()
            .retain(|event| !done.published.contains(event));
        record.forget_finished(&done.archived);
        match record.save(cloud, &version).await {
            Err(error) if error.class == ErrorClass::LostRace => {}
            other => return other.map(drop),
        }
        match record.load_again(cloud).await? {
            Some((current, current_version)) => (record, version) = (current, current_version),
            None => return Ok(()),
        }
        if !done.is_in(&record) {
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
