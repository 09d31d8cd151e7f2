//! Adopting: a service that somebody else made gets a record of what it runs.

use longshore_events::image::{Digest, Image};
use longshore_events::longshore::Source;
use longshore_events::sequence::Sequence;
use longshore_policy::route::Follower;
use longshore_state::{CallError, ErrorClass, Worker, decide_again};

use crate::deploy::{DeployError, Engine, Shown, Stop, refused_or_failed};
use crate::documents::{RecordKey, RecordStore};
use crate::follow::baseline;
use crate::ports::Cloud;
use crate::record::{Deployment, Record, Request};
use crate::task_definition::{named_image, pinned_image};

/// Writes down what a service runs that has no record yet, and that its follower of `repository` is to deploy
/// only what its policy names after this, unless it has followed something already. Gives the record.
///
/// # Errors
/// [`DeployError`].
pub async fn adopt<C: Cloud>(
    cloud: &C,
    repository: &str,
    follower: &Follower,
    worker: &Worker,
) -> Result<Record, DeployError> {
    let owner = follower.owner();
    let engine = Engine {
        cloud,
        follower,
        owner: &owner,
        worker,
    };
    engine
        .adopt(repository)
        .await
        .map_err(|stop| refused_or_failed(&owner, &repository, stop))
}

impl<C: Cloud> Engine<'_, C> {
    async fn adopt(&self, repository: &str) -> Result<Record, Stop> {
        let container = &self.follower.container;
        decide_again(&RecordKey(self.owner), async || {
            let stored = self.cloud.load(self.owner).await?;
            if let Some((record, _)) = &stored
                && record.followed.contains_key(container)
            {
                return Ok(record.clone());
            }
            let now = self.worker.now;
            let followed =
                baseline(self.cloud, repository, &[self.follower], now, self.worker).await?;
            if let (Some((record, _)), true) = (&stored, followed.is_empty()) {
                return Ok(record.clone());
            }
            let shown = self.look_at_service().await?;
            let change = |record: &mut Record| record.follows(&followed);
            self.note(stored, &shown, change).await?;
            let stored = self.cloud.load(self.owner).await?;
            let (record, _) = stored.ok_or_else(|| CallError::lost_race(&RecordKey(self.owner)))?;
            Ok(record)
        })
        .await
    }

    /// A record of what ECS runs, as if that had been deployed.
    pub(crate) async fn adopted(&self, shown: &Shown) -> Result<Record, CallError> {
        let running = &shown.running;
        let created_at = shown
            .service
            .primary()
            .and_then(|primary| primary.created_at);
        let at = created_at.unwrap_or(self.worker.now);
        let request = Request {
            id: format!("adopted-{}", self.worker.id),
            at,
            sequence: Sequence::of_time(at),
            image: self.running_image(&running.image).await?,
            source: Source::Manual {
                note: Some("ran already when it was adopted".to_owned()),
            },
            replaced_requests: Vec::new(),
        };
        let deployment = Deployment::claim(None, self.follower, &request, running, self.worker)
            .found_running(running, created_at, self.worker);
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
            Some(tag) if running.contains(".dkr.ecr") => {
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
