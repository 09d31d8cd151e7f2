//! What becomes of a request that does not go out: it waits, or nothing is done about it. Both are written
//! down in the record, with the event that reports it.

use std::collections::BTreeMap;

use longshore_events::longshore::SkipReason;
use longshore_policy::image_policy::RegistryImage;

use crate::decide::skipped;
use crate::documents::RecordStore;
use crate::engine::{Engine, Outcome, Shown, Stop, Written};
use crate::outbox::flush;
use crate::ports::Cloud;
use crate::record::{Record, Request, Wait};

impl<C: Cloud> Engine<'_, C> {
    /// Writes down that the request waits.
    pub(crate) async fn wait(
        &self,
        written: Written,
        shown: &Shown,
        request: &Request,
        followed: &BTreeMap<String, RegistryImage>,
        wait: Wait,
    ) -> Result<Outcome, Stop> {
        let container = &self.subscriber.container;
        let has_waited = written
            .record()
            .is_some_and(|record| record.waits_already(&request.id, container).is_some());
        // Nobody is to be asked about an image that cannot be deployed.
        if !has_waited && let Err(reason) = self.inspect(request).await? {
            return self.skip(written, shown, request, followed, reason).await;
        }
        let change = |record: &mut Record| {
            record.follows(followed);
            record.waits(request, container, &wait, self.worker);
        };
        self.note(written.stored, shown, Some(&request.image), change)
            .await?;
        Ok(Outcome::Waiting {
            reason: wait.why,
            until: wait.until,
        })
    }

    /// Writes down that nothing is done about the request.
    pub(crate) async fn skip(
        &self,
        written: Written,
        shown: &Shown,
        request: &Request,
        followed: &BTreeMap<String, RegistryImage>,
        reason: SkipReason,
    ) -> Result<Outcome, Stop> {
        let container = &self.subscriber.container;
        let skipped = skipped(written.record(), request, container, reason);
        let change = |record: &mut Record| {
            if skipped.is_taken_in {
                record.follows(followed);
            }
            if skipped.is_published {
                record.skipped(request, container, reason, self.worker);
            }
            if skipped.is_heard {
                record.is_asked(request, container);
            }
            if skipped.ends_waiting {
                record.replace_waiting(request, container, self.worker);
            }
        };
        self.note(written.stored, shown, Some(&request.image), change)
            .await?;
        Ok(Outcome::Skipped { reason })
    }

    /// The same where nothing but the event is to be written down, and ECS may show nothing.
    pub(crate) async fn publish_skipped(
        &self,
        written: Written,
        request: &Request,
        reason: SkipReason,
    ) -> Result<Outcome, Stop> {
        if let Some((mut record, version)) = written.stored {
            record.skipped(request, &self.subscriber.container, reason, self.worker);
            let version = self.cloud.save(&record, Some(&version)).await?;
            flush(self.cloud, record, version, self.worker).await?;
        }
        Ok(Outcome::Skipped { reason })
    }
}
