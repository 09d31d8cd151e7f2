//! Adopting: a service that somebody else made gets a record of what it runs.

use longshore_policy::route::Subscriber;
use longshore_state::{CallError, Worker, decide_again};

use super::named::baseline;
use crate::documents::{RecordKey, RecordStore};
use crate::engine::{DeployError, Engine, Stop, refused_or_failed};
use crate::ports::Cloud;
use crate::record::Record;

/// Writes down what a service runs that has no record yet, and that its subscriber of `repository` is to deploy
/// only what its policy names after this, unless it has followed something already. Gives the record.
///
/// # Errors
/// [`DeployError`].
pub async fn adopt<C: Cloud>(
    cloud: &C,
    repository: &str,
    subscriber: &Subscriber,
    worker: &Worker,
) -> Result<Record, DeployError> {
    let service_id = subscriber.service_id();
    let engine = Engine::new(cloud, subscriber, worker);
    engine
        .adopt(repository)
        .await
        .map_err(|stop| refused_or_failed(&service_id, &repository, stop))
}

impl<C: Cloud> Engine<'_, C> {
    async fn adopt(&self, repository: &str) -> Result<Record, Stop> {
        let container = &self.subscriber.container;
        decide_again(&RecordKey(&self.service_id), async || {
            let stored = self.cloud.load(&self.service_id).await?;
            if let Some((record, _)) = &stored
                && record.followed.contains_key(container)
            {
                return Ok(record.clone());
            }
            let now = self.worker.now;
            let followed =
                baseline(self.cloud, repository, &[self.subscriber], now, self.worker).await?;
            if let (Some((record, _)), true) = (&stored, followed.is_empty()) {
                return Ok(record.clone());
            }
            let shown = self.look_at_service().await?;
            let change = |record: &mut Record| record.follows(&followed);
            let named = followed.get(container);
            let named = named.map(|named| named.in_repository(repository));
            self.note(stored, &shown, named.as_ref(), change).await?;
            let stored = self.cloud.load(&self.service_id).await?;
            let (record, _) =
                stored.ok_or_else(|| CallError::lost_race(&RecordKey(&self.service_id)))?;
            Ok(record)
        })
        .await
    }
}
