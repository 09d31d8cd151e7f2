//! What has become of a deployment.

use chrono::{DateTime, Utc};
use longshore_events::ecs::DeploymentEventName;

use crate::ports::{EcsDeployment, EcsService, RolloutState};
use crate::record::{Deployment, State};

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
        /// Whether ECS is rolling back to what ran before.
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

impl Settlement {
    /// Whether ECS gave it up.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::RolledBack { .. })
    }
}

/// What has become of a deployment, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What has become of it.
    pub settlement: Settlement,
    /// Whether that says nothing while its stack changes, or has just changed.
    pub is_doubtful: bool,
    /// Whether no policy is to deploy its image again.
    pub blocks_image: bool,
}

/// Decides what has become of `deployment` at `now`, by its deadline too. The rest is as in [`settle`].
pub fn verdict(
    deployment: &Deployment,
    service: &EcsService,
    fact: Option<&Fact>,
    now: DateTime<Utc>,
) -> Verdict {
    let settlement = settle(deployment, service, fact);
    if settlement == Settlement::Open
        && let Some(reason) = deployment.overdue(now)
    {
        return Verdict {
            settlement: Settlement::Failed {
                reason,
                rolling_back: false,
            },
            is_doubtful: true,
            blocks_image: false,
        };
    }
    Verdict {
        is_doubtful: settlement != Settlement::Open && is_replaced(deployment, service, fact),
        blocks_image: settlement.has_failed(),
        settlement,
    }
}

/// Decides what has become of `deployment`, of which ECS shows `service` and may have said `fact`.
///
/// A service that is stable is not a deployment that succeeded: only the deployment whose id
/// UpdateService gave us, with the task definition that we registered, counts as ours.
fn settle(deployment: &Deployment, service: &EcsService, fact: Option<&Fact>) -> Settlement {
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

/// Whether another deployment is in the place of ours without ECS having said that ours failed. While
/// the service's stack changes that says nothing yet: it may be CloudFormation's, of the same image.
fn is_replaced(deployment: &Deployment, service: &EcsService, fact: Option<&Fact>) -> bool {
    let (Some(ours), Some(primary)) = (deployment.ecs_deployment_id.as_deref(), service.primary())
    else {
        return false;
    };
    let fact = fact.filter(|fact| fact.deployment_id == ours);
    deployment.state == State::Deploying
        && primary.id != ours
        && failure(service.deployment(ours), fact).is_none()
        && told_failure(service, ours).is_none()
}

/// Whether ECS shows that it gave the deployment up, and nobody has written that down.
pub(crate) fn has_failed(deployment: &Deployment, service: &EcsService) -> bool {
    deployment.state == State::Deploying
        && settle(deployment, service, None).has_failed()
        && !is_replaced(deployment, service, None)
}

/// What ECS has said of the failure of a deployment, in the service's messages.
fn told_failure(service: &EcsService, deployment_id: &str) -> Option<String> {
    service
        .messages
        .iter()
        .find_map(|message| message_of_failure(message, deployment_id))
}

/// Another deployment is in the place of ours, and ECS does not show ours as failed any more.
fn replaced(
    deployment: &Deployment,
    service: &EcsService,
    primary: &EcsDeployment,
    ours: &str,
) -> Settlement {
    // What ECS goes back to is what was completed last, which may be older than what ran before ours.
    let message = told_failure(service, ours);
    let is_rollback = message.is_some()
        || primary.rollout_state_reason.contains("rolling back")
        || primary.task_definition == deployment.previous_task_definition;
    let reason =
        || message.unwrap_or_else(|| format!("ECS replaced deployment {ours} by what ran before"));
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
