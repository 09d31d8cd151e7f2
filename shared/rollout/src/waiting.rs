//! What becomes of a request that does not go out: it waits, or nothing is done about it. Both are written
//! down in the record, with the event that tells of it.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};
use longshore_events::longshore::SkipReason;
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::Owner;
use longshore_state::{CallError, Version};

use crate::decide::{Progress, progress};
use crate::deploy::{Engine, Outcome, Shown, Stop, Written};
use crate::documents::{RecordStore, RouteStore};
use crate::outbox::{change_and_publish, flush};
use crate::ports::Cloud;
use crate::record::{Record, Request, Wait, refusal};

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
        let container = &self.follower.container;
        let has_waited = written
            .record()
            .is_some_and(|record| record.waits_already(&request.id, container).is_some());
        // Nobody is to be asked about an image that cannot be deployed.
        if !has_waited && self.inspect(request).await?.is_none() {
            let reason = SkipReason::ArchitectureMissing;
            return self.skip(written, shown, request, followed, reason).await;
        }
        let change = |record: &mut Record| {
            record.follows(followed);
            record.waits(request, container, &wait, self.worker);
        };
        self.note(written.stored, shown, change).await?;
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
        let container = &self.follower.container;
        let is_outdated = written
            .record()
            .is_some_and(|record| record.is_outdated(request, container));
        // What the policy names takes the place of what waits, whatever becomes of it; so does what a
        // person asked for and has.
        let takes_place =
            !request.is_explicit() || reason == SkipReason::AlreadyRunning && !is_outdated;
        let change = |record: &mut Record| {
            let has_waited = record.waits_already(&request.id, container).is_some();
            // Of a deployment that is under way everybody has heard already.
            if reason != SkipReason::AlreadyDeploying || has_waited {
                record.skipped(request, reason, self.worker);
            }
            if takes_place {
                record.follows(followed);
            }
            if !is_outdated {
                record.is_asked(request, container);
            }
            if takes_place || has_waited {
                record.replace_waiting(request, container, self.worker);
            }
        };
        self.note(written.stored, shown, change).await?;
        Ok(Outcome::Skipped { reason })
    }

    /// The same where nothing but the telling is to be written down, and ECS may show nothing.
    pub(crate) async fn tell_skipped(
        &self,
        written: Written,
        request: &Request,
        reason: SkipReason,
    ) -> Result<Outcome, Stop> {
        if let Some((mut record, version)) = written.stored {
            record.skipped(request, reason, self.worker);
            let version = self.cloud.save(&record, Some(&version)).await?;
            flush(self.cloud, record, version, self.worker).await?;
        }
        Ok(Outcome::Skipped { reason })
    }

    /// Decides anew about the request that waits. One that cannot be deployed any more is given up, and that is told.
    pub(crate) async fn pursue_waiting(
        &self,
        stored: Option<(Record, Version)>,
        request: &Request,
    ) -> Result<Outcome, Stop> {
        match self.pursue(stored, request, &BTreeMap::new()).await {
            Err(Stop::Refused(reason)) => self.give_up_waiting(request, reason).await,
            other => other,
        }
    }

    async fn give_up_waiting(&self, request: &Request, reason: String) -> Result<Outcome, Stop> {
        if let Some(stored) = self.cloud.load(self.owner).await? {
            let refused = refusal(request.summary(self.follower), &reason, self.worker);
            let container = &self.follower.container;
            change_and_publish(self.cloud, self.owner, stored, self.worker, |record| {
                if record.waits_already(&request.id, container).is_some() {
                    record.waited_in_vain(container, refused.clone(), self.worker);
                }
            })
            .await?;
        }
        Ok(Outcome::Failed { reason })
    }

    /// Writes the record with `change` and tells what it holds. A service that has no record gets one of what it runs.
    pub(crate) async fn note(
        &self,
        stored: Option<(Record, Version)>,
        shown: &Shown,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), CallError> {
        let (before, version) = match stored {
            Some((record, version)) => (record, Some(version)),
            None => {
                self.cloud
                    .set_owner(&self.follower.service_name(), self.owner)
                    .await?;
                (self.adopted(shown).await?, None)
            }
        };
        let mut record = before.clone();
        change(&mut record);
        let version = match version {
            Some(version) if record == before => version,
            version => self.cloud.save(&record, version.as_ref()).await?,
        };
        flush(self.cloud, record, version, self.worker).await
    }

    /// How far the services are that get the image before this one.
    pub(crate) async fn predecessors(
        &self,
        request: &Request,
    ) -> Result<Vec<(String, Progress)>, Stop> {
        if self.follower.rollout.after.is_empty() {
            return Ok(Vec::new());
        }
        let all = try_join_all(self.follower.rollout.after.iter().map(|service| async {
            let owner = Owner {
                stack: self.owner.stack.clone(),
                service: service.clone(),
            };
            let stored = self.cloud.load(&owner).await?;
            let record = stored.as_ref().map(|(record, _)| record);
            Ok((service.clone(), progress(record, &request.image.digest)))
        }));
        let (route, all) = try_join(self.cloud.route(&request.image.repository), all).await?;
        if let Some(route) = route {
            route.check_order(self.follower).map_err(Stop::Refused)?;
        }
        Ok(all)
    }
}
