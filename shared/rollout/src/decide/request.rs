//! What to do about a request for a deployment of a service whose stack has settled.

use chrono::{DateTime, Duration, Utc};
use longshore_events::longshore::{SkipReason, WaitReason};
use longshore_policy::settings::RolloutSettings;
use longshore_state::Worker;

use super::progress::Progress;
use crate::record::{Record, Request, Running, State, Wait};
use crate::task_definition::is_pinned_to;

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

/// What to do about a request for a deployment of a service whose stack has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Claim it and deploy.
    Deploy,
    /// Take up the record's own deployment, whose invocation died before it had done its work.
    Resume,
    /// Write down that it waits, and publish that unless it was published for the same reason before.
    Wait(Wait),
    /// Do nothing, now and later.
    Skip(SkipReason),
    /// Do nothing now: a deployment of other containers is under way that has tasks of its own, and those must
    /// not be lost with it. What comes after it finds this again.
    Later,
    /// An attempt of this very invocation has the claim and may still run: come again.
    ComeAgain,
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
    let Some(deployed) = last.image_in(container) else {
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
        deployed.digest == request.image.digest && deployed.repository == request.image.repository;
    match last.state {
        State::Claimed | State::Preparing if same_image && last.is_resumable() => {
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
        let (note, by) = (hold.note.clone(), hold.by.clone());
        return wait(WaitReason::Held { note, by }, hold.until);
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
