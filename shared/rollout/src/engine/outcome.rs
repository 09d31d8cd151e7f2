//! What comes of a request, and why nothing may.

use chrono::{DateTime, Utc};
use longshore_events::longshore::{SkipReason, WaitReason};
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_state::{CallError, Race};
use serde::Serialize;

use crate::task_definition::NextRevisionError;

/// What came of a request for one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceOutcome {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// What was done.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The service was updated.
    Started {
        /// Longshore's id of the deployment.
        deployment_id: String,
        /// The ARN of the task definition that is rolled out.
        task_definition: String,
    },
    /// There was nothing to do: what the image policy names was asked for before.
    Nothing,
    /// Nothing was done about what was asked for, and nothing will be.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// It may not go out yet. That is written down, and it goes out as soon as it may.
    Waiting {
        /// What it waits for.
        reason: WaitReason,
        /// When that ends, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// The service's stack is being changed. The request is remembered, and carried out when the stack is
    /// settled.
    Pending,
    /// ECS refused it; that is published.
    Failed {
        /// In the words of what refused it.
        reason: String,
    },
}

impl Outcome {
    /// As the outcome of a request for this service.
    pub(crate) fn of(self, subscriber: &Subscriber) -> ServiceOutcome {
        ServiceOutcome {
            stack: subscriber.stack.clone(),
            service: subscriber.service.clone(),
            outcome: self,
        }
    }
}

/// Why a request for a service led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The route, the image or the service is not as it must be. Trying again does not help.
    #[error("deploy {image} to {service_id}: {reason}")]
    Refused {
        service_id: ServiceId,
        /// What was asked for.
        image: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A call failed. Trying again may help.
    #[error("deploy {image} to {service_id}: {source}")]
    Call {
        service_id: ServiceId,
        /// What was asked for.
        image: String,
        /// The call.
        source: CallError,
    },
    /// A call failed while a service of a stack that has settled was reconciled. Trying again may help.
    #[error("reconcile {service_id} after its stack changed: {source}")]
    Settled {
        service_id: ServiceId,
        /// The call.
        source: CallError,
    },
}

pub(crate) fn refused_or_failed(
    service_id: &ServiceId,
    image: &impl ToString,
    stop: impl Into<Stop>,
) -> DeployError {
    let service_id = service_id.clone();
    let image = image.to_string();
    match stop.into().refusal() {
        Ok(reason) => DeployError::Refused {
            service_id,
            image,
            reason,
        },
        Err(source) => DeployError::Call {
            service_id,
            image,
            source,
        },
    }
}

/// Why nothing more can be done for a service.
pub(crate) enum Stop {
    Refused(String),
    Call(CallError),
}

impl Stop {
    /// Whether trying again does not help.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Call(error) => error.class.is_refusal(),
        }
    }

    /// Why, where trying again does not help; else the call that failed.
    pub(crate) fn refusal(self) -> Result<String, CallError> {
        match self {
            Self::Refused(reason) => Ok(reason),
            Self::Call(error) => error.refusal(),
        }
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Race for Stop {
    fn is_lost(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_lost())
    }
}

impl From<NextRevisionError> for Stop {
    fn from(error: NextRevisionError) -> Self {
        Self::Refused(error.to_string())
    }
}
