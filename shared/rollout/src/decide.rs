//! Every decision, as pure functions of what the record says and what ECS shows.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use longshore_events::ecs::DeploymentEventName;
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{SkipReason, Source, WaitReason};
use longshore_policy::image_policy::{Policy, RegistryImage};
use longshore_policy::settings::RolloutSettings;
use longshore_state::Worker;

use crate::ports::{EcsDeployment, EcsService, RolloutState};
use crate::record::{Deployment, Record, Request, Running, State, Wait, Waiting};
use crate::stack_record::{Carried, Operation, OperationState};
use crate::task_definition::{is_of_repository, is_pinned_to, pinned_image};

/// What a wake-up of a follower is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due<'a> {
    /// Nothing: what the policy names was followed already, and nothing waits.
    Nothing,
    /// The policy names an image that was not followed yet.
    News(&'a RegistryImage),
    /// A request waits: whether it may go out is decided anew.
    Waiting(&'a Waiting),
    /// The invocation that had claimed the record's deployment died before it had done its work: take that
    /// up.
    Resume,
    /// An attempt of this very invocation has the claim and may still run: come again.
    ComeAgain,
}

/// Decides what there is to do for a follower by `container`: `record` was loaded before the registry was
/// asked, and `newest` is what the policy then named.
pub fn due<'a>(
    record: Option<&'a Record>,
    container: &str,
    policy: &Policy,
    newest: Option<&'a RegistryImage>,
    worker: &Worker,
) -> Due<'a> {
    let followed = record.and_then(|record| record.followed.get(container));
    if let Some(newest) = newest.filter(|newest| policy.is_news(newest, followed)) {
        return Due::News(newest);
    }
    let Some(record) = record else {
        return Due::Nothing;
    };
    let last = &record.deployment;
    if last.is_taken_up() && last.is_free(worker.now) {
        return Due::Resume;
    }
    if last.is_taken_up() && last.claimed_by == worker.id {
        return Due::ComeAgain;
    }
    let waiting = record.waiting.get(container);
    waiting.map_or(Due::Nothing, Due::Waiting)
}

/// All that decides about a request.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The service's record.
    pub record: Option<&'a Record>,
    /// What is asked for.
    pub request: &'a Request,
    /// The container whose image it replaces.
    pub container: &'a str,
    /// What ECS runs.
    pub running: &'a Running,
    /// How the service's deployments go.
    pub rollout: &'a RolloutSettings,
    /// When the freeze window ends that is open now.
    pub frozen_until: Option<DateTime<Utc>>,
    /// The services that get the image first, and how far they are with it.
    pub predecessors: &'a [(String, Progress)],
    /// Who works on it, and when.
    pub worker: &'a Worker,
}

/// What to do about a request for a deployment of a service whose stack is at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Claim it and deploy.
    Deploy,
    /// Take up the record's own deployment, whose invocation died before it had done its work.
    Resume,
    /// Write down that it waits, and tell that unless it was told for the same reason before.
    Wait(Wait),
    /// Do nothing, now and later.
    Skip(SkipReason),
    /// Do nothing now: a deployment of other containers is under way that has tasks of its own, and those must
    /// not be lost with it. What comes after it finds this again.
    Later,
    /// An attempt of this very invocation has the claim and may still run: come again.
    ComeAgain,
}

/// How far a service is with an image that it gets before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It runs it.
    Done,
    /// It is still to come, or under way.
    Pending,
    /// It did not get it to run, or does not run it any more.
    Failed,
}

/// How far the service of this record is with the image of this digest.
pub fn progress(record: Option<&Record>, digest: &Digest) -> Progress {
    let Some(record) = record else {
        return Progress::Pending;
    };
    let waits = record
        .waiting
        .values()
        .any(|waiting| waiting.request.image.digest == *digest);
    let last = &record.deployment;
    if last.images().any(|(_, image)| image.digest == *digest) {
        return match last.state {
            State::Succeeded => Progress::Done,
            State::Superseded if !waits => Progress::Failed,
            state if state.has_failed() && !waits => Progress::Failed,
            _ => Progress::Pending,
        };
    }
    let was_followed = record
        .followed
        .values()
        .any(|followed| followed.digest == *digest);
    if !waits && (was_followed || record.blocked.contains(digest)) {
        return Progress::Failed;
    }
    Progress::Pending
}

/// Decides about a request.
pub fn decide(situation: &Situation<'_>) -> Decision {
    match about_last(situation) {
        Decision::Deploy => whether_now(situation),
        decision => decision,
    }
}

/// Decides by what was asked for before and by what runs.
fn about_last(situation: &Situation<'_>) -> Decision {
    let Situation {
        record,
        request,
        container,
        running,
        worker,
        ..
    } = *situation;
    let runs_it = is_pinned_to(&running.image, &request.image);
    let Some(record) = record else {
        return if runs_it {
            Decision::Skip(SkipReason::AlreadyRunning)
        } else {
            Decision::Deploy
        };
    };
    let last = &record.deployment;
    if !request.is_explicit() && record.blocked.contains(&request.image.digest) {
        return Decision::Skip(SkipReason::FailedBefore);
    }
    let is_outdated = record.is_outdated(request, container);
    let Some(brought) = last.image_in(container) else {
        return if runs_it {
            Decision::Skip(SkipReason::AlreadyRunning)
        } else if is_outdated {
            Decision::Skip(SkipReason::NewerRequested)
        } else if last.has_tasks_to_run() {
            Decision::Later
        } else {
            Decision::Deploy
        };
    };
    let same_image =
        brought.digest == request.image.digest && brought.repository == request.image.repository;
    match last.state {
        State::Claimed | State::Preparing if same_image && last.is_taken_up() => {
            if last.is_free(worker.now) {
                Decision::Resume
            } else if last.claimed_by == worker.id {
                Decision::ComeAgain
            } else {
                // If that invocation dies, Lambda's retry of it takes its claim up.
                Decision::Skip(SkipReason::AlreadyDeploying)
            }
        }
        State::Preparing if same_image => Decision::Skip(SkipReason::AlreadyDeploying),
        State::Deploying | State::Verifying if same_image => {
            let ecs_shows_it = running.ecs_deployment_id == last.ecs_deployment_id;
            if ecs_shows_it || !request.is_explicit() || last.id == request.id {
                Decision::Skip(SkipReason::AlreadyDeploying)
            } else if is_outdated {
                // What was asked for since may wait.
                Decision::Skip(SkipReason::NewerRequested)
            } else {
                Decision::Deploy
            }
        }
        State::Claimed | State::Preparing | State::Deploying | State::Verifying => {
            if is_outdated {
                Decision::Skip(SkipReason::NewerRequested)
            } else {
                Decision::Deploy
            }
        }
        // The failed revision may still be what the service points at while ECS takes it back.
        State::RollingBack | State::RolledBack | State::Failed
            if same_image && (!request.is_explicit() || last.id == request.id) =>
        {
            Decision::Skip(SkipReason::FailedBefore)
        }
        State::RollingBack if same_image && !is_outdated => Decision::Deploy,
        _ if runs_it => Decision::Skip(SkipReason::AlreadyRunning),
        _ if is_outdated => Decision::Skip(SkipReason::NewerRequested),
        _ => Decision::Deploy,
    }
}

/// Decides whether what is to be deployed may go out now.
fn whether_now(situation: &Situation<'_>) -> Decision {
    let Situation {
        record,
        request,
        container,
        rollout,
        worker,
        ..
    } = *situation;
    let now = worker.now;
    let waiting = record.and_then(|record| record.waits_already(&request.id, container));
    let wait = |why: WaitReason, until: Option<DateTime<Utc>>| {
        let before = waiting.filter(|waiting| waiting.is_for(&why));
        Decision::Wait(Wait {
            why,
            since: before.map_or(now, |waiting| waiting.since),
            until,
        })
    };
    if let Some(hold) = record.and_then(|record| record.holds(now)) {
        let note = hold.note.clone();
        return wait(WaitReason::Held { note }, hold.until);
    }
    if let Some(until) = situation.frozen_until {
        return wait(WaitReason::Frozen, Some(until));
    }
    let is = |progress: Progress| move |(_, other): &&(String, Progress)| *other == progress;
    let predecessors = situation.predecessors;
    if predecessors.iter().any(|one| is(Progress::Failed)(&one)) {
        return Decision::Skip(SkipReason::PredecessorFailed);
    }
    let pending: Vec<String> = predecessors
        .iter()
        .filter(is(Progress::Pending))
        .map(|(service, _)| service.clone())
        .collect();
    if !pending.is_empty() {
        return wait(WaitReason::Predecessors { services: pending }, None);
    }
    let Some(approval) = &rollout.approval else {
        return Decision::Deploy;
    };
    if waiting.is_some_and(|waiting| waiting.approved) {
        return Decision::Deploy;
    }
    // Whatever it has waited for since it was first to be approved.
    let approve_by = waiting
        .and_then(|waiting| waiting.approve_by)
        .unwrap_or_else(|| now + Duration::minutes(i64::from(approval.expires_after_minutes)));
    if approve_by <= now {
        return Decision::Skip(SkipReason::ApprovalExpired);
    }
    wait(WaitReason::Approval, Some(approve_by))
}

/// What to note of a request that waits, by whether a route still names its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AboutRoute {
    /// One names it.
    IsThere,
    /// None does; it may come back.
    IsMissing,
    /// None has for too long: nothing is done about the request any more.
    GiveUp(SkipReason),
}

/// Decides about a request that waits, by whether a route of its repository names its container now.
pub fn about_route(waiting: &Waiting, is_routed: bool, worker: &Worker) -> AboutRoute {
    if is_routed {
        AboutRoute::IsThere
    } else if waiting.given_up_at().is_some_and(|end| end <= worker.now) {
        AboutRoute::GiveUp(SkipReason::RouteRemoved)
    } else {
        AboutRoute::IsMissing
    }
}

/// What to do about a service whose stack is at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtRest {
    /// The record and ECS agree, or somebody else sees to it.
    Nothing,
    /// Take up the record's own deployment, whose invocation died before it had done its work.
    Resume,
    /// An image is being put back, and whoever has the claim may still run: come again.
    Wait,
    /// Tasks run that come before an update: look again when they have ended.
    Later,
    /// CloudFormation's deployment runs the image that the record's deployment was rolling out: the
    /// record's deployment goes on as that one.
    Follow,
    /// ECS runs this image in this container by a deployment that no record tells of: it is the stack's.
    Adopt(String, Image),
    /// ECS runs other images than it should: these are put back, by container.
    PutBack(BTreeMap<String, Image>),
}

/// Decides about a service whose stack is at rest after `operation`. The record tells of `last`, and ECS
/// runs `running`, with these images by container.
pub fn at_rest(
    operation: &Operation,
    carried: &Carried,
    last: Option<&Deployment>,
    running: &Running,
    images: &BTreeMap<String, String>,
    worker: &Worker,
) -> AtRest {
    if let Some(last) = last.filter(|last| last.is_taken_up()) {
        let is_put_back = matches!(last.source, Source::Stack { restored: true, .. });
        return match (last.is_free(worker.now), is_put_back) {
            (true, _) => AtRest::Resume,
            // What was to put it back may have been for a change that nobody asks about any more.
            (false, true) => AtRest::Wait,
            // It comes again by itself.
            (false, false) => AtRest::Nothing,
        };
    }
    if last.is_some_and(|last| last.state == State::Preparing) {
        // When they have ended it updates what is there then, or fails, and what ran is to be put back.
        return AtRest::Later;
    }
    // Of a container that is gone nothing can be asked.
    let runs = |container: &str, image: &Image| {
        images
            .get(container)
            .is_none_or(|running| is_pinned_to(running, image))
    };
    let put_back: BTreeMap<String, Image> = images
        .iter()
        .filter_map(|(container, running)| {
            let owed = owed(operation, carried, last, container, running)?;
            Some((container.clone(), owed.clone()))
        })
        .filter(|(container, owed)| !runs(container, owed))
        .collect();
    if !put_back.is_empty() {
        return AtRest::PutBack(put_back);
    }
    let is_ready = operation.state == OperationState::Ready;
    let container = &carried.follower.container;
    let is_told =
        |last: &Deployment| last.task_definition.as_ref() == Some(&running.task_definition);
    let template = carried.image.clone().filter(|image| runs(container, image));
    let alive = last.filter(|last| last.holds());
    if let Some(alive) = alive.filter(|alive| alive.images().all(|(of, image)| runs(of, image))) {
        return match alive.state {
            State::Deploying
                if !is_told(alive) || alive.ecs_deployment_id != running.ecs_deployment_id =>
            {
                AtRest::Follow
            }
            State::Succeeded if is_ready && !is_told(alive) => match template {
                // The last deployment was of another container; this one the stack file asked for anew.
                Some(image) if carried.is_named && alive.image_in(container).is_none() => {
                    AtRest::Adopt(container.clone(), image)
                }
                _ => AtRest::Adopt(alive.container.clone(), alive.image.clone()),
            },
            _ => AtRest::Nothing,
        };
    }
    let is_known = last.is_some_and(|last| {
        // While ECS takes a deployment back, the outcome of that is still to be told.
        last.state == State::RollingBack
            || is_told(last)
            || last.previous_task_definition == running.task_definition
    });
    if !is_ready || is_known {
        return AtRest::Nothing;
    }
    template
        .or_else(|| pinned_image(images.get(container)?))
        .map_or(AtRest::Nothing, |image| {
            AtRest::Adopt(container.clone(), image)
        })
}

/// The image that a container, which runs `running`, must run for nobody's request to be lost; `None` when
/// what CloudFormation made of it is right.
fn owed<'a>(
    operation: &Operation,
    carried: &'a Carried,
    last: Option<&'a Deployment>,
    container: &str,
    running: &str,
) -> Option<&'a Image> {
    let is_ready = operation.state == OperationState::Ready;
    let follower = &carried.follower;
    let is_main = follower.containers().any(|known| known == container);
    let (template, is_named) = if is_main {
        (carried.image.as_ref(), carried.is_named)
    } else {
        (carried.also.get(container), false)
    };
    // What ran by its tag alone when it was adopted cannot be put back.
    let is_known = |image: &&Image| image.digest != Digest::unknown();
    let brought = last.and_then(|last| last.image_in(container));
    let Some((alive, image)) = last.filter(|last| last.holds()).zip(brought) else {
        // The record's deployment failed, or was of another container. What the stack file named anew has
        // just failed with the rest of the change.
        return template.filter(is_known).filter(|image| {
            !is_ready && !is_named && brought.is_none_or(|brought| brought.digest != image.digest)
        });
    };
    // A deployment that the template knows nothing of was claimed after the template was made, whatever
    // the clocks say; unless the service has left the repository, or the stack file names another image.
    let is_in_template = is_named
        || match template {
            Some(template) => template.digest == image.digest,
            None => !is_main || !is_of_repository(running, &image.repository),
        };
    let is_newer = alive.claimed_at >= operation.requested_at;
    (is_newer || !is_ready || !is_in_template)
        .then_some(image)
        .filter(is_known)
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

/// Whether another deployment is in the place of ours without ECS having said that ours failed. While
/// the service's stack changes that says nothing yet: it may be CloudFormation's, of the same image.
pub(crate) fn is_replaced(
    deployment: &Deployment,
    service: &EcsService,
    fact: Option<&Fact>,
) -> bool {
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
    let is_failed = matches!(
        settle(deployment, service, None),
        Settlement::Failed { .. } | Settlement::RolledBack { .. }
    );
    deployment.state == State::Deploying && is_failed && !is_replaced(deployment, service, None)
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
