//! What asks for a deployment.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentSummary, FailedPhase, LongshoreEvent, Source,
};
use longshore_events::sequence::Sequence;
use longshore_policy::route::Subscriber;
use longshore_state::Worker;
use serde::{Deserialize, Serialize};

/// What asks for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The id of the event or invocation; duplicates and retries share it.
    pub id: String,
    /// When the image was pushed, the file written or the payload sent.
    pub at: DateTime<Utc>,
    /// Where it stands among those of its second.
    pub sequence: Sequence,
    /// What to deploy.
    pub image: Image,
    /// Who or what asks.
    pub source: Source,
    /// The requests of its second that it took the place of while all of them waited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced_requests: Vec<String>,
}

impl Request {
    /// Whether a person or a pipeline chose this image, rather than the image policy.
    pub fn is_explicit(&self) -> bool {
        !matches!(self.source, Source::Push | Source::Reconcile)
    }

    /// Whether it was made before `other`, which waits.
    pub fn is_before_request(&self, other: &Self) -> bool {
        self.comes_before(
            other.at,
            &other.sequence,
            &other.id,
            &other.replaced_requests,
        )
    }

    pub(super) fn comes_before(
        &self,
        at: DateTime<Utc>,
        sequence: &Sequence,
        id: &str,
        replaced_requests: &[String],
    ) -> bool {
        match self.at.timestamp().cmp(&at.timestamp()) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => {
                replaced_requests.contains(&self.id)
                    || self.sequence.is_comparable(sequence)
                        && (&self.sequence, self.id.as_str()) < (sequence, id)
            }
        }
    }

    /// Takes the place of another request: if that is of the same second, its duplicates must not bring
    /// it back, nor those of the requests that it took the place of itself.
    pub(crate) fn replace(&mut self, at: DateTime<Utc>, id: &str, replaced_requests: &[String]) {
        if at.timestamp() != self.at.timestamp() {
            return;
        }
        for replaced in replaced_requests.iter().map(String::as_str).chain([id]) {
            if replaced != self.id && !self.replaced_requests.iter().any(|known| known == replaced)
            {
                self.replaced_requests.push(replaced.to_owned());
            }
        }
    }

    /// The deployment that it asks for, as events name it.
    pub fn summary(&self, subscriber: &Subscriber) -> DeploymentSummary {
        DeploymentSummary {
            deployment_id: self.id.clone(),
            stack: subscriber.stack.clone(),
            service: subscriber.service.clone(),
            cluster: subscriber.cluster.clone(),
            ecs_service: subscriber.ecs_service.clone(),
            image: self.image.clone(),
            source: self.source.clone(),
            requested_at: self.at,
            number: None,
            commit: None,
            source_url: None,
            approved_by: None,
        }
    }
}

/// The event that a deployment was refused before the service was touched.
pub(crate) fn refusal(
    deployment: DeploymentSummary,
    reason: &str,
    worker: &Worker,
) -> LongshoreEvent {
    LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment,
        finished_at: worker.now,
        reason: reason.to_owned(),
        failures: Vec::new(),
        rolling_back: false,
        phase: FailedPhase::Before,
        logs: Vec::new(),
    })
}
