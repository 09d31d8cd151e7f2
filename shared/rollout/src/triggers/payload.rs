//! A payload of a person or a pipeline, which names an image and a service.

use chrono::{DateTime, Utc};
use futures_util::future::try_join;
use longshore_events::longshore::Source;
use longshore_events::manual::DeployPayload;
use longshore_events::sequence::Sequence;
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_state::{Worker, decide_again};

use super::named::{baseline, only_news};
use crate::documents::{RecordKey, RecordStore, RouteStore};
use crate::engine::{DeployError, Engine, Outcome, ServiceOutcome, Stop, refused_or_failed};
use crate::ports::Cloud;
use crate::record::Request;

/// Who asked for a deployment, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The id of the event or invocation; duplicates and retries share it.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Where the request stands among those of its second.
    pub sequence: Sequence,
    /// Who or what.
    pub source: Source,
}

/// Deploys the image that a person or a pipeline named to the service that they named.
///
/// The image is resolved and the route is read before anything is changed.
///
/// # Errors
/// [`DeployError`].
pub async fn deploy_explicitly<C: Cloud>(
    cloud: &C,
    payload: &DeployPayload,
    asked: Asked,
    worker: &Worker,
) -> Result<ServiceOutcome, DeployError> {
    let service_id = ServiceId {
        stack: payload.stack.clone(),
        service: payload.service.clone(),
    };
    let repository = &payload.image.repository;
    let (route, image) = try_join(cloud.route(repository), cloud.resolve(&payload.image))
        .await
        .map_err(|error| refused_or_failed(&service_id, &payload.image, error))?;
    let subscribers: Vec<&Subscriber> = route
        .iter()
        .flat_map(|route| &route.subscribers)
        .filter(|subscriber| subscriber.service_id() == service_id)
        .collect();
    let Some(subscriber) = together(&subscribers) else {
        return Err(DeployError::Refused {
            image: payload.image.to_string(),
            reason: format!(
                "routes/{repository}.json does not name this service: add it there, or name an image of a \
                 repository that the service follows"
            ),
            service_id,
        });
    };
    let request = Request {
        id: asked.id,
        at: asked.at,
        sequence: asked.sequence,
        image,
        source: asked.source,
        replaced_requests: Vec::new(),
    };
    deploy(cloud, &subscriber, &subscribers, &request, worker).await
}

/// The subscribers of one service in one route, as one that deploys an image to the containers of all.
fn together(subscribers: &[&Subscriber]) -> Option<Subscriber> {
    let (first, others) = subscribers.split_first()?;
    let mut together = (*first).clone();
    for other in others {
        for container in other.containers() {
            if !together.containers().any(|known| known == container) {
                together.other_containers.push(container.to_owned());
            }
        }
    }
    Some(together)
}

/// Deploys what a person or a pipeline chose to one service; `subscribers` are those whose policies are not to
/// undo that.
pub(crate) async fn deploy<C: Cloud>(
    cloud: &C,
    subscriber: &Subscriber,
    subscribers: &[&Subscriber],
    request: &Request,
    worker: &Worker,
) -> Result<ServiceOutcome, DeployError> {
    let service_id = subscriber.service_id();
    let engine = Engine::new(cloud, subscriber, worker);
    engine
        .ask(request, subscribers)
        .await
        .map(|outcome| outcome.of(subscriber))
        .map_err(|stop| refused_or_failed(&service_id, &request.image, stop))
}

impl<C: Cloud> Engine<'_, C> {
    /// Does what a person or a pipeline asks for.
    async fn ask(&self, request: &Request, subscribers: &[&Subscriber]) -> Result<Outcome, Stop> {
        decide_again(&RecordKey(&self.service_id), async || {
            let stored = self.cloud.load(&self.service_id).await?;
            let repository = &request.image.repository;
            let mut followed =
                baseline(self.cloud, repository, subscribers, request.at, self.worker).await?;
            if let Some((record, _)) = &stored {
                only_news(&mut followed, record, subscribers);
            }
            Box::pin(self.pursue(stored, request, &followed)).await
        })
        .await
    }
}
