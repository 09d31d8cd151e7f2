//! Writing down what is known of a service, and publishing what is not written anywhere.

use futures_util::future::try_join;
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{DeploymentSummary, Source};
use longshore_events::registry::ImageName;
use longshore_events::sequence::Sequence;
use longshore_state::{CallError, ErrorClass, Version, Worker};

use super::service::{Engine, Shown, Written};
use crate::documents::{HistoryStore, RecordStore, RouteStore};
use crate::outbox::flush;
use crate::ports::Cloud;
use crate::record::{Deployment, Record, Request, refusal};
use crate::task_definition::{named_image, pinned_image};

/// Publishes that a deployment was refused before anything was written down.
pub(crate) async fn publish_refusal<C: Cloud>(
    cloud: &C,
    deployment: DeploymentSummary,
    reason: &str,
    worker: &Worker,
) -> Result<(), CallError> {
    cloud.publish(&[refusal(deployment, reason, worker)]).await
}

impl<C: Cloud> Engine<'_, C> {
    /// Writes that `deployment` has the record.
    pub(crate) async fn claim(
        &self,
        written: &Written,
        deployment: Deployment,
        change: impl FnOnce(&mut Record),
    ) -> Result<(Record, Version), CallError> {
        let before = written.stored.as_ref();
        let deployment = match before {
            Some(_) => deployment,
            None => self.first(deployment).await?,
        };
        let mut record = Record::claim(before.map(|(record, _)| record), deployment, self.worker);
        change(&mut record);
        self.note_survey(&mut record);
        let version = self
            .cloud
            .save(&record, before.map(|(_, version)| version))
            .await?;
        Ok((record, version))
    }

    /// A deployment that the service's record is to begin with. The history may be older: somebody may have deleted the
    /// record.
    async fn first(&self, deployment: Deployment) -> Result<Deployment, CallError> {
        // `watch` finds the record by this.
        let service_name = self.subscriber.service_name();
        let ((), number) = try_join(
            self.cloud.set_service_id(&service_name, &self.service_id),
            self.cloud.next_number(&self.service_id),
        )
        .await?;
        Ok(deployment.numbered(number))
    }

    /// Writes the record with `change` and publishes what is in its outbox. A service that has no record gets one of what it
    /// runs: where that is the image that was `named`, with its tag.
    pub(crate) async fn note(
        &self,
        stored: Option<(Record, Version)>,
        shown: &Shown,
        named: Option<&Image>,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), CallError> {
        let (before, version) = match stored {
            Some((record, version)) => (record, Some(version)),
            None => (self.adopted(shown, named).await?, None),
        };
        let mut record = before.clone();
        change(&mut record);
        self.note_survey(&mut record);
        let version = match version {
            Some(version) if record == before => version,
            version => self.cloud.save(&record, version.as_ref()).await?,
        };
        flush(self.cloud, record, version, self.worker).await
    }

    /// A record of what ECS runs, as if that had been deployed.
    async fn adopted(&self, shown: &Shown, named: Option<&Image>) -> Result<Record, CallError> {
        let running = &shown.running;
        let created_at = shown
            .service
            .primary()
            .and_then(|primary| primary.created_at);
        let at = created_at.unwrap_or(self.worker.now);
        let image = self.running_image(&running.image).await?;
        let request = Request {
            id: format!("adopted-{}", self.worker.id),
            at,
            sequence: Sequence::of_time(at),
            image: image.with_tag_of(named),
            source: Source::Manual {
                note: Some("ran already when it was adopted".to_owned()),
                by: None,
            },
            replaced_requests: Vec::new(),
        };
        let deployment = Deployment::claim(None, self.subscriber, &request, running, self.worker)
            .found_running(running, created_at, self.worker);
        let deployment = self.first(deployment).await?;
        Ok(Record::claim(None, deployment, self.worker))
    }

    /// The image that runs, as far as its name in the task definition says. Of one that only a tag names, that
    /// is what the tag holds now, or an unknown digest where the registry does not say.
    async fn running_image(&self, running: &str) -> Result<Image, CallError> {
        if let Some(image) = pinned_image(running) {
            return Ok(image);
        }
        let (repository, tag) = named_image(running);
        let held = match &tag {
            Some(tag) if ImageName::of(running).ecr().is_some() => {
                match self.cloud.tagged(&repository, tag).await {
                    Err(error) if error.class == ErrorClass::NotFound => None,
                    held => held?,
                }
            }
            _ => None,
        };
        Ok(Image {
            repository,
            tag,
            digest: held.map_or_else(Digest::unknown, |held| held.digest),
        })
    }
}
