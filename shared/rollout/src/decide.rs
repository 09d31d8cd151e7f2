//! Every decision, as pure functions of what the record says and what ECS shows.

use longshore_events::ecs::DeploymentEventName;
use longshore_events::longshore::SkipReason;

use crate::ports::{EcsDeployment, EcsService, RolloutState};
use crate::record::{Deployment, Request, Running, State, Worker};
use crate::task_definition::is_pinned_to;

/// What to do about a request for a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Claim it and deploy.
    Deploy,
    /// Take up the record's own deployment, whose invocation died before it had done its work.
    Resume,
    /// Do nothing.
    Skip(SkipReason),
    /// An attempt of this very invocation has the claim and may still run: come again.
    Wait,
}

/// Decides about `request` for a service whose record tells of `last` and which runs `running`.
pub fn decide(
    last: Option<&Deployment>,
    request: &Request,
    running: &Running,
    worker: &Worker,
) -> Decision {
    let runs_it = is_pinned_to(&running.image, &request.image);
    let Some(last) = last else {
        return if runs_it {
            Decision::Skip(SkipReason::AlreadyRunning)
        } else {
            Decision::Deploy
        };
    };
    let same_image = last.image.digest == request.image.digest
        && last.image.repository == request.image.repository;
    // A retry or a late delivery may bring an older request after a newer one, a person's as well.
    let is_newer_than_request = request.is_before(last);
    match last.state {
        State::Claimed if same_image => {
            if last.lease_until <= worker.now {
                Decision::Resume
            } else if last.claimed_by == worker.id {
                Decision::Wait
            } else {
                // If that invocation dies, Lambda's retry of it takes its claim up.
                Decision::Skip(SkipReason::AlreadyDeploying)
            }
        }
        State::Deploying if same_image => {
            let ecs_shows_it = running.ecs_deployment_id == last.ecs_deployment_id;
            if ecs_shows_it || !request.is_explicit() || last.id == request.id {
                Decision::Skip(SkipReason::AlreadyDeploying)
            } else {
                Decision::Deploy
            }
        }
        State::Claimed | State::Deploying if is_newer_than_request => {
            Decision::Skip(SkipReason::NewerRequested)
        }
        State::Claimed | State::Deploying => Decision::Deploy,
        // The failed revision may still be what the service points at while ECS takes it back.
        State::RollingBack | State::RolledBack | State::Failed
            if same_image && (!request.is_explicit() || last.id == request.id) =>
        {
            Decision::Skip(SkipReason::FailedBefore)
        }
        State::RollingBack if same_image => Decision::Deploy,
        _ if runs_it => Decision::Skip(SkipReason::AlreadyRunning),
        _ if is_newer_than_request || last.id == request.id => {
            Decision::Skip(SkipReason::NewerRequested)
        }
        _ => Decision::Deploy,
    }
}

/// What an `ECS Deployment State Change` event says, if it was one that woke us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// `ecs-svc/...`.
    pub deployment_id: String,
    /// What happened to it.
    pub name: DeploymentEventName,
    /// In ECS's words.
    pub reason: String,
}

/// What has become of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Nothing is decided yet.
    Open,
    /// The service is stable on it.
    Succeeded,
    /// ECS gave it up.
    Failed {
        /// Why.
        reason: String,
        /// Whether ECS is bringing back what ran before.
        rolling_back: bool,
    },
    /// The service is stable again on what ran before.
    RolledBack {
        /// Why.
        reason: String,
        /// The ARN of the task definition that runs now.
        running_task_definition: String,
    },
    /// Somebody else deployed over it.
    Superseded {
        /// The task definition of the deployment that took its place.
        by: String,
    },
}

/// Decides what has become of `deployment`, of which ECS shows `service` and may have said `fact`.
///
/// A service that is stable is not a deployment that succeeded: only the deployment whose id
/// UpdateService gave us, with the task definition that we registered, counts as ours.
pub fn settle(deployment: &Deployment, service: &EcsService, fact: Option<&Fact>) -> Settlement {
    let (Some(ours), Some(primary)) = (deployment.ecs_deployment_id.as_deref(), service.primary())
    else {
        return Settlement::Open;
    };
    let fact = fact.filter(|fact| fact.deployment_id == ours);
    let is_primary =
        primary.id == ours && Some(&primary.task_definition) == deployment.task_definition.as_ref();
    match deployment.state {
        State::Deploying => {
            if let Some(reason) = failure(service.deployment(ours), fact) {
                return failed(primary, ours, reason);
            }
            let is_completed = fact.is_some_and(|fact| fact.name == DeploymentEventName::Completed)
                || primary.id == ours && primary.rollout_state == RolloutState::Completed;
            if is_primary && is_completed {
                return Settlement::Succeeded;
            }
            if primary.id != ours && began_later(primary, deployment) {
                return replaced(deployment, service, primary, ours);
            }
            Settlement::Open
        }
        State::RollingBack
            if primary.id != ours && primary.rollout_state == RolloutState::Completed =>
        {
            Settlement::RolledBack {
                reason: primary.rollout_state_reason.clone(),
                running_task_definition: primary.task_definition.clone(),
            }
        }
        _ => Settlement::Open,
    }
}

/// Why ours failed, if it did.
fn failure(shown: Option<&EcsDeployment>, fact: Option<&Fact>) -> Option<String> {
    let told = fact
        .filter(|fact| fact.name == DeploymentEventName::Failed)
        .map(|fact| fact.reason.clone());
    told.or_else(|| {
        shown
            .filter(|deployment| deployment.rollout_state == RolloutState::Failed)
            .map(|deployment| deployment.rollout_state_reason.clone())
    })
}

fn failed(primary: &EcsDeployment, ours: &str, reason: String) -> Settlement {
    // ECS leaves a failed deployment in its place when there is nothing to go back to.
    let rolls_back = primary.id != ours
        || reason.contains("rolling back")
        || primary.rollout_state_reason.contains("rolling back");
    if primary.id != ours && primary.rollout_state == RolloutState::Completed {
        return Settlement::RolledBack {
            reason,
            running_task_definition: primary.task_definition.clone(),
        };
    }
    Settlement::Failed {
        reason,
        rolling_back: rolls_back,
    }
}

/// Another deployment is in the place of ours, and ECS does not show ours as failed any more.
fn replaced(
    deployment: &Deployment,
    service: &EcsService,
    primary: &EcsDeployment,
    ours: &str,
) -> Settlement {
    let reason = || {
        service
            .messages
            .iter()
            .find_map(|message| message_of_failure(message, ours))
            .unwrap_or_else(|| format!("ECS replaced deployment {ours} by what ran before"))
    };
    let is_rollback = primary.rollout_state_reason.contains("rolling back")
        || primary.task_definition == deployment.previous_task_definition;
    match (is_rollback, primary.rollout_state) {
        (false, _) => Settlement::Superseded {
            by: primary.task_definition.clone(),
        },
        (true, RolloutState::Completed) => Settlement::RolledBack {
            reason: reason(),
            running_task_definition: primary.task_definition.clone(),
        },
        (true, _) => Settlement::Failed {
            reason: reason(),
            rolling_back: true,
        },
    }
}

/// What a service's event message says of the failure of a deployment: `(service api) (deployment
/// ecs-svc/1) deployment failed: tasks failed to start.` The Amazon ECS Developer Guide, "Amazon ECS
/// service event messages".
fn message_of_failure(message: &str, deployment_id: &str) -> Option<String> {
    let (_, reason) =
        message.split_once(&format!("(deployment {deployment_id}) deployment failed: "))?;
    Some(format!("deployment failed: {reason}"))
}

/// Whether `primary` began after ours did. DescribeServices may lag behind UpdateService and then
/// still shows the deployment that ours replaced.
fn began_later(primary: &EcsDeployment, deployment: &Deployment) -> bool {
    match (primary.created_at, deployment.started_at) {
        (Some(created_at), Some(started_at)) => created_at > started_at,
        _ => false,
    }
}
