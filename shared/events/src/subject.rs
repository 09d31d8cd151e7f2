//! What an event of ours is about.

use std::fmt;

use crate::longshore::{DeploymentSummary, LongshoreEvent, StackSummary, SyncSummary};

/// What an event is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    pub stack: Option<&'a str>,
    /// The service of the stack, if it is about one.
    pub service: Option<&'a str>,
    pub deployment_id: Option<&'a str>,
    /// The id of the stack's change.
    pub operation_id: Option<&'a str>,
    pub sync_id: Option<&'a str>,
    /// The key of a document in the state bucket.
    pub key: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// What this event is about, as far as it says.
    pub fn of(event: &'a LongshoreEvent) -> Self {
        match event {
            LongshoreEvent::DeploymentStarted(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentSucceeded(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentFailed(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentRolledBack(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentSuperseded(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentSkipped(event) => Self {
                deployment_id: event.deployment_id.as_deref(),
                ..Self::of_service(&event.stack, &event.service)
            },
            LongshoreEvent::DeploymentStabilized(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentProgressed(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentsHeld(event) => Self {
                stack: Some(&event.stack),
                service: only(&event.services),
                ..Self::default()
            },
            LongshoreEvent::DeploymentsResumed(event) => Self {
                stack: Some(&event.stack),
                service: only(&event.services),
                ..Self::default()
            },
            LongshoreEvent::DeploymentsDigest(event) => Self {
                stack: event.stack.as_deref(),
                ..Self::default()
            },
            LongshoreEvent::ImageMissing(event) => Self::of_service(&event.stack, &event.service),
            LongshoreEvent::ScheduledTaskFailed(event) => {
                Self::of_service(&event.stack, &event.service)
            }
            LongshoreEvent::ServiceScaled(event) => Self::of_service(&event.stack, &event.service),
            LongshoreEvent::DocumentUnreadable(event) => Self {
                key: Some(&event.key),
                ..Self::default()
            },
            LongshoreEvent::DeploymentWaiting(event) => Self {
                deployment_id: Some(&event.deployment_id),
                ..Self::of_service(&event.stack, &event.service)
            },
            LongshoreEvent::ActionRequested(event) => Self {
                stack: event.payload["stack"].as_str(),
                service: event.payload["service"].as_str(),
                ..Self::default()
            },
            LongshoreEvent::ActionRefused(event) => Self {
                stack: Some(&event.stack),
                service: event.service.as_deref(),
                ..Self::default()
            },
            LongshoreEvent::ReconcileShard(_) => Self::default(),
            LongshoreEvent::ReleaseRefused(event) => Self {
                key: Some(&event.key),
                ..Self::default()
            },
            LongshoreEvent::StackApplying(event) => Self::of_stack(&event.stack),
            LongshoreEvent::StackReady(event) => Self::of_stack(&event.stack),
            LongshoreEvent::StackFailed(event) => Self::of_stack(&event.stack),
            LongshoreEvent::StackUnchanged(event) => Self::of_stack(&event.stack),
            LongshoreEvent::StackFileRefused(event) => Self {
                stack: event.stack.as_deref(),
                key: Some(&event.key),
                ..Self::default()
            },
            LongshoreEvent::SyncPlanned(event) => Self::of_sync(&event.sync),
            LongshoreEvent::SyncUnchanged(event) => Self::of_sync(&event.sync),
            LongshoreEvent::SyncProgressed(event) => Self::of_sync(&event.sync),
            LongshoreEvent::SyncShardCompleted(event) => Self {
                stack: Some(&event.stack),
                sync_id: Some(&event.sync_id),
                ..Self::default()
            },
            LongshoreEvent::SyncCompleted(event) => Self::of_sync(&event.sync),
            LongshoreEvent::SyncFailed(event) => Self::of_sync(&event.sync),
            LongshoreEvent::SyncRefused(event) => Self::of_sync(&event.sync),
        }
    }

    fn of_service(stack: &'a str, service: &'a str) -> Self {
        Self {
            stack: Some(stack),
            service: Some(service),
            ..Self::default()
        }
    }

    fn of_deployment(deployment: &'a DeploymentSummary) -> Self {
        Self {
            deployment_id: Some(&deployment.deployment_id),
            ..Self::of_service(&deployment.stack, &deployment.service)
        }
    }

    fn of_stack(stack: &'a StackSummary) -> Self {
        Self {
            stack: Some(&stack.stack),
            operation_id: Some(&stack.operation_id),
            ..Self::default()
        }
    }

    fn of_sync(sync: &'a SyncSummary) -> Self {
        Self {
            stack: Some(&sync.stack),
            sync_id: Some(&sync.sync_id),
            ..Self::default()
        }
    }
}

/// The service, where it is one.
fn only(services: &[String]) -> Option<&str> {
    match services {
        [service] => Some(service),
        _ => None,
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key, self.stack, self.service) {
            (Some(key), _, _) => formatter.write_str(key),
            (None, Some(stack), Some(service)) => {
                write!(formatter, "service {service} of stack {stack}")
            }
            (None, Some(stack), None) => write!(formatter, "stack {stack}"),
            (None, None, _) => Ok(()),
        }
    }
}
