//! A mirror's record, and work during which a worker has it for itself.

use std::future::Future;
use std::pin::pin;

use chrono::{DateTime, Duration, Utc};
use futures_util::future::{Either, select};
use longshore_rollout::record::{Unpublished, Worker};

use crate::layout;
use crate::ports::{CallError, ErrorClass, RecordVersion, SyncCloud, WriteCondition};
use crate::sync::object::{read_object, write_object};
use crate::sync::record::{LEASE, RENEWAL, SyncRecord};

/// How often a record is loaded again after a lost race before the call is handed back to be retried.
pub(crate) const RACES: usize = 8;

/// A record as it was read, or written by this worker.
#[derive(Debug)]
pub(crate) struct Held<'a, C> {
    pub(crate) cloud: &'a C,
    pub(crate) bucket: String,
    pub(crate) record: SyncRecord,
    version: RecordVersion,
}

/// Reads a mirror's record.
pub(crate) async fn load<'a, C: SyncCloud>(
    cloud: &'a C,
    bucket: &str,
) -> Result<Option<Held<'a, C>>, CallError> {
    let found = read_object::<SyncRecord, C>(cloud, bucket, layout::RECORD).await?;
    Ok(found.map(|(record, version)| Held {
        cloud,
        bucket: bucket.to_owned(),
        record,
        version,
    }))
}

/// Writes the first record of a mirror.
pub(crate) async fn create<'a, C: SyncCloud>(
    cloud: &'a C,
    bucket: &str,
    record: SyncRecord,
) -> Result<Held<'a, C>, CallError> {
    let condition = WriteCondition::IsFirst;
    let version = write_object(cloud, bucket, layout::RECORD, &record, condition).await?;
    Ok(Held {
        cloud,
        bucket: bucket.to_owned(),
        record,
        version,
    })
}

impl<C: SyncCloud> Held<'_, C> {
    /// Writes the record. [`ErrorClass::LostRace`] when somebody else has written it.
    pub(crate) async fn save(&mut self, record: SyncRecord) -> Result<(), CallError> {
        let condition = WriteCondition::Replaces(&self.version);
        self.version =
            write_object(self.cloud, &self.bucket, layout::RECORD, &record, condition).await?;
        self.record = record;
        Ok(())
    }

    /// Keeps the sync for another [`LEASE`].
    pub(crate) async fn renew(&mut self) -> Result<(), CallError> {
        let mut record = self.record.clone();
        record.sync.lease_until = self.cloud.now() + LEASE;
        self.save(record).await
    }

    /// Does work for which this worker must have the sync for itself, and renews its lease meanwhile.
    pub(crate) async fn during<R>(
        &mut self,
        work: impl Future<Output = Result<R, CallError>>,
    ) -> Result<R, CallError> {
        let cloud = self.cloud;
        let mut lease = RecordLease(self);
        renewing(cloud, &mut lease, work).await
    }

    /// Publishes what the record holds for this worker and takes it out. An event is published at least
    /// once: when this dies in between, the worker's retry or, after the lease, the next one who opens
    /// the record publishes it again.
    pub(crate) async fn flush(&mut self, worker: &Worker) -> Result<(), CallError> {
        let published: Vec<Unpublished> = self
            .record
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
        self.cloud.publish(&events).await?;
        for _ in 0..RACES {
            let mut record = self.record.clone();
            record.outbox.retain(|event| !published.contains(event));
            match self.save(record).await {
                Err(error) if error.class == ErrorClass::LostRace => {}
                saved => return saved,
            }
            if !self.reload().await?
                || !self
                    .record
                    .outbox
                    .iter()
                    .any(|event| published.contains(event))
            {
                return Ok(());
            }
        }
        Err(lost_races(&self.record.sync.stack))
    }

    /// Reads the record again; whether it is still there.
    pub(crate) async fn reload(&mut self) -> Result<bool, CallError> {
        let Some(current) = load(self.cloud, &self.bucket).await? else {
            return Ok(false);
        };
        self.record = current.record;
        self.version = current.version;
        Ok(true)
    }
}

/// So many others wrote this record in between that it is better to come back later.
pub(crate) fn lost_races(stack: &str) -> CallError {
    CallError {
        operation: format!("write the sync record of stack {stack}"),
        class: ErrorClass::Transient,
        code: None,
        message: format!("somebody else wrote it first {RACES} times"),
    }
}

/// Something that a worker has for itself as long as it says so again and again.
pub(crate) trait RenewedLease {
    /// How often it is renewed.
    fn renewal(&self) -> Duration;
    /// Until when the worker has it, as last written.
    fn until(&self) -> DateTime<Utc>;
    /// Renews it. [`ErrorClass::LostRace`] when somebody else has it.
    async fn renew(&mut self) -> Result<(), CallError>;
}

struct RecordLease<'h, 'a, C>(&'h mut Held<'a, C>);

impl<C: SyncCloud> RenewedLease for RecordLease<'_, '_, C> {
    fn renewal(&self) -> Duration {
        RENEWAL
    }

    fn until(&self) -> DateTime<Utc> {
        self.0.record.sync.lease_until
    }

    async fn renew(&mut self) -> Result<(), CallError> {
        self.0.renew().await
    }
}

/// Does work while the lease is renewed. The work is dropped as soon as the lease is lost, or could not
/// be renewed until it was over.
pub(crate) async fn renewing<C: SyncCloud, L: RenewedLease, R>(
    cloud: &C,
    lease: &mut L,
    work: impl Future<Output = Result<R, CallError>>,
) -> Result<R, CallError> {
    let mut work = pin!(work);
    loop {
        let pause = pin!(cloud.sleep(lease.renewal()));
        match select(work.as_mut(), pause).await {
            Either::Left((done, _)) => return done,
            Either::Right(((), _)) => match lease.renew().await {
                Err(error)
                    if error.class == ErrorClass::LostRace || lease.until() <= cloud.now() =>
                {
                    return Err(lease_lost(error));
                }
                // There is time left to try it again.
                _ => {}
            },
        }
    }
}

/// Another worker has taken over: whoever asks again finds out how far that one is.
fn lease_lost(error: CallError) -> CallError {
    CallError {
        class: ErrorClass::Transient,
        message: format!("the lease was lost: {}", error.message),
        ..error
    }
}
