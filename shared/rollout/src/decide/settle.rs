//! What has become of a deployment.

use chrono::{DateTime, Utc};
use longshore_events::ecs::DeploymentEventName;
use longshore_events::longshore::{RolloutProgress, Source};

use crate::ports::{
    EcsDeployment, EcsService, RolloutState, ServiceDeployment, ServiceDeploymentStatus,
};
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

/// What is known of a deployment besides its record.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What DescribeServices shows.
    pub service: &'a EcsService,
    /// ECS's account of the deployment, where it was asked for and ECS keeps one.
    pub account: Option<&'a ServiceDeployment>,
    /// What an event said.
    pub fact: Option<&'a Fact>,
}

/// Decides what has become of `deployment` at `now`, by its deadline too.
pub fn verdict(deployment: &Deployment, evidence: &Evidence<'_>, now: DateTime<Utc>) -> Verdict {
    let settlement = settle(deployment, evidence);
    let is_shifting = evidence.account.is_some_and(|account| {
        let progress = account.progress.as_ref();
        account.status == ServiceDeploymentStatus::InProgress
            && progress.is_some_and(RolloutProgress::is_shifting)
    });
    // All its tasks run, and how long ECS shifts and watches is in the service's own settings.
    if settlement == Settlement::Open
        && !is_shifting
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
        is_doubtful: settlement != Settlement::Open && is_replaced(deployment, evidence),
        // New tasks of what ran before prove nothing against its image.
        blocks_image: settlement.has_failed()
            && !matches!(deployment.source, Source::Restart { .. }),
        settlement,
    }
}

/// Whether ECS's own account must be asked for, before anything is decided: not where an event only says that
/// something began and nothing else has changed.
pub(crate) fn needs_account(
    deployment: &Deployment,
    service: &EcsService,
    fact: Option<&Fact>,
) -> bool {
    let is_beginning = fact.is_some_and(|fact| fact.name == DeploymentEventName::InProgress);
    matches!(deployment.state, State::Deploying | State::RollingBack)
        && !(is_beginning && settle_by_service(deployment, service, fact) == Settlement::Open)
}

/// Whether ECS has said in an event how ours ended and its account does not say so yet: it is about to, and no other
/// event will report. Not while it bakes step by step, which takes longer than an event is tried.
pub(crate) fn is_about_to_end(deployment: &Deployment, evidence: &Evidence<'_>) -> bool {
    let (Some(account), Some(fact)) = (evidence.account, evidence.fact) else {
        return false;
    };
    deployment.ecs_deployment_id.as_ref() == Some(&fact.deployment_id)
        && account.status == ServiceDeploymentStatus::InProgress
        && match fact.name {
            DeploymentEventName::InProgress | DeploymentEventName::Unknown => false,
            DeploymentEventName::Failed => true,
            DeploymentEventName::Completed => account
                .progress
                .as_ref()
                .is_none_or(|progress| progress.stage == "CLEAN_UP"),
        }
}

/// Decides what has become of `deployment`: by ECS's account where there is one, otherwise by what the service shows.
fn settle(deployment: &Deployment, evidence: &Evidence<'_>) -> Settlement {
    let Evidence {
        service,
        account,
        fact,
    } = *evidence;
    let shown = settle_by_service(deployment, service, fact);
    let (Some(account), Some(primary)) = (account, service.primary()) else {
        return shown;
    };
    let running = || {
        // DescribeServices may lag behind.
        let is_ours = Some(&primary.task_definition) == deployment.task_definition.as_ref();
        match is_ours {
            true => deployment.previous_task_definition.clone(),
            false => primary.task_definition.clone(),
        }
    };
    // What ECS said of the failure itself says more than that it was rolled back.
    let reason = || {
        let ours = deployment.ecs_deployment_id.as_deref().unwrap_or_default();
        failure_or_message(service, ours, fact).unwrap_or_else(|| account.reason.clone())
    };
    let failed = |rolling_back| Settlement::Failed {
        reason: reason(),
        rolling_back,
    };
    match (deployment.state, account.status) {
        (State::Deploying, ServiceDeploymentStatus::InProgress) => match shown {
            // All tasks run; what they do is still watched, and may be taken back.
            Settlement::Succeeded if account.bakes => Settlement::Open,
            // That the old deployment is the primary one does not say yet that it was rolled back.
            Settlement::Failed { .. } | Settlement::RolledBack { .. }
                if is_replaced(deployment, evidence) =>
            {
                Settlement::Open
            }
            // ECS has not decided yet whether it rolls back.
            Settlement::Failed {
                rolling_back: false,
                ..
            } if account.rolls_back => Settlement::Open,
            shown => shown,
        },
        (State::Deploying, ServiceDeploymentStatus::Successful) => Settlement::Succeeded,
        (State::Deploying, ServiceDeploymentStatus::Stopped) => match shown {
            Settlement::Failed { .. } | Settlement::RolledBack { .. }
                if !is_replaced(deployment, evidence) =>
            {
                shown
            }
            _ if Some(primary.id.as_str()) == deployment.ecs_deployment_id.as_deref() => {
                failed(false)
            }
            // Somebody deployed over it, be it what ran before: a rollback of ECS's own ends otherwise.
            _ => Settlement::Superseded {
                by: primary.task_definition.clone(),
            },
        },
        (State::Deploying, ServiceDeploymentStatus::RollingBack) => match shown {
            Settlement::RolledBack { .. } => shown,
            _ => failed(true),
        },
        (State::Deploying | State::RollingBack, ServiceDeploymentStatus::RolledBack) => {
            Settlement::RolledBack {
                reason: reason(),
                running_task_definition: running(),
            }
        }
        (State::Deploying | State::RollingBack, ServiceDeploymentStatus::RollbackFailed) => {
            failed(false)
        }
        _ => shown,
    }
}

/// Decides by what ECS shows of the service, and may have said in an event.
///
/// A service that is stable is not a deployment that succeeded: only the deployment whose id
/// UpdateService gave us, with the task definition that we registered, counts as ours.
fn settle_by_service(
    deployment: &Deployment,
    service: &EcsService,
    fact: Option<&Fact>,
) -> Settlement {
    let (Some(ours), Some(primary)) = (deployment.ecs_deployment_id.as_deref(), service.primary())
    else {
        return Settlement::Open;
    };
    let is_primary =
        primary.id == ours && Some(&primary.task_definition) == deployment.task_definition.as_ref();
    match deployment.state {
        State::Deploying => {
            if let Some(reason) = failure(service, ours, fact) {
                return failed(primary, ours, reason);
            }
            let is_completed = fact.is_some_and(|fact| {
                fact.deployment_id == ours && fact.name == DeploymentEventName::Completed
            }) || primary.id == ours
                && primary.rollout_state == RolloutState::Completed;
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

/// Why ours failed, as an event or the service says.
fn failure(service: &EcsService, ours: &str, fact: Option<&Fact>) -> Option<String> {
    let heard = fact
        .filter(|fact| fact.deployment_id == ours && fact.name == DeploymentEventName::Failed)
        .map(|fact| fact.reason.clone());
    heard.or_else(|| {
        service
            .deployment(ours)
            .filter(|deployment| deployment.rollout_state == RolloutState::Failed)
            .map(|deployment| deployment.rollout_state_reason.clone())
    })
}

/// The same, where ECS does not show ours as failed any more but has said so in a message.
fn failure_or_message(service: &EcsService, ours: &str, fact: Option<&Fact>) -> Option<String> {
    failure(service, ours, fact).or_else(|| reported_failure(service, ours))
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

/// Whether another deployment has replaced ours without ECS having said that ours failed. While
/// the service's stack changes that says nothing yet: it may be CloudFormation's, of the same image.
fn is_replaced(deployment: &Deployment, evidence: &Evidence<'_>) -> bool {
    let Evidence {
        service,
        account,
        fact,
    } = *evidence;
    let (Some(ours), Some(primary)) = (deployment.ecs_deployment_id.as_deref(), service.primary())
    else {
        return false;
    };
    let says_nothing = account.is_none_or(|account| {
        matches!(
            account.status,
            ServiceDeploymentStatus::InProgress | ServiceDeploymentStatus::Stopped
        )
    });
    deployment.state == State::Deploying
        && primary.id != ours
        && says_nothing
        && failure_or_message(service, ours, fact).is_none()
}

/// Whether ECS shows that it gave the deployment up, and nobody has written that down.
pub(crate) fn has_failed(deployment: &Deployment, evidence: &Evidence<'_>) -> bool {
    deployment.state == State::Deploying
        && settle(deployment, evidence).has_failed()
        && !is_replaced(deployment, evidence)
}

/// What ECS has said of the failure of a deployment, in the service's messages.
fn reported_failure(service: &EcsService, deployment_id: &str) -> Option<String> {
    service
        .messages
        .iter()
        .find_map(|message| message_of_failure(message, deployment_id))
}

/// Another deployment has replaced ours, and ECS does not show ours as failed any more.
fn replaced(
    deployment: &Deployment,
    service: &EcsService,
    primary: &EcsDeployment,
    ours: &str,
) -> Settlement {
    // What ECS goes back to is what was completed last, which may be older than what ran before ours.
    let message = reported_failure(service, ours);
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
