//! A mirror's record, and work during which a worker has it for itself.

use std::future::Future;

use chrono::{DateTime, Duration, Utc};
use longshore_state::lease::{RenewedLease, renewing};
use longshore_state::outbox::{Outbox, Unpublished, flush};
use longshore_state::{CallError, Version, Worker};

use crate::ports::SyncCloud;
use crate::sync::record::SyncKey;
use crate::sync::record::{LEASE, RENEWAL, SyncRecord};

impl Outbox for SyncRecord {
    fn outbox(&mut self) -> &mut Vec<Unpublished> {
        &mut self.outbox
    }
}

/// A record as it was read, or written by this worker.
#[derive(Debug)]
pub(crate) struct Held<'a, C> {
    pub(crate) cloud: &'a C,
    pub(crate) bucket: String,
    pub(crate) record: SyncRecord,
    version: Version,
}

/// Reads a mirror's record.
pub(crate) async fn load<'a, C: SyncCloud>(
    cloud: &'a C,
    bucket: &str,
) -> Result<Option<Held<'a, C>>, CallError> {
    let found = longshore_state::load(cloud, &SyncKey(bucket)).await?;
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
    let version = longshore_state::save(cloud, &SyncKey(bucket), &record, None).await?;
    Ok(Held {
        cloud,
        bucket: bucket.to_owned(),
        record,
        version,
    })
}

impl<C: SyncCloud> Held<'_, C> {
    /// Writes the record. [`longshore_state::ErrorClass::LostRace`] when somebody else has written it.
    pub(crate) async fn save(&mut self, record: SyncRecord) -> Result<(), CallError> {
        let key = SyncKey(&self.bucket);
        self.version =
            longshore_state::save(self.cloud, &key, &record, Some(&self.version)).await?;
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

    /// Publishes what the record holds for this worker and takes it out.
    pub(crate) async fn flush(&mut self, worker: &Worker) -> Result<(), CallError> {
        let stored = (self.record.clone(), self.version.clone());
        let flushed = flush(self.cloud, &SyncKey(&self.bucket), stored, worker).await?;
        if let Some((record, version)) = flushed {
            self.record = record;
            self.version = version;
        }
        Ok(())
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
