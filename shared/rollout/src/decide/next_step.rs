//! What comes after a one-off task.

use chrono::{DateTime, Duration, Utc};
use longshore_events::ecs::{Container, why_stopped};
use longshore_events::longshore::TaskFailure;
use longshore_events::words::counted;

use crate::ports::TaskState;
use crate::record::{Deployment, RunningTask, TaskPhase};

/// What to do about a deployment that waits for a one-off task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    Wait,
    /// Start the task at this place of its phase.
    Start(usize),
    /// All tasks before the update have done their work: update the service.
    UpdateService,
    /// All tasks after the update have done their work: it has succeeded.
    Succeed,
    /// It has failed.
    Fail {
        /// Why.
        reason: String,
        /// Of what the task died, if it did.
        failure: Option<TaskFailure>,
    },
}

/// Decides about a deployment that waits for the task `running` of a phase, as ECS shows that at `now`; `None` when ECS
/// does not remember it.
pub fn next_step(
    deployment: &Deployment,
    phase: TaskPhase,
    running: &RunningTask,
    shown: Option<TaskState>,
    now: DateTime<Utc>,
) -> NextStep {
    let tasks = deployment.tasks(phase);
    let place = tasks.iter().rposition(|task| task.name == running.name);
    let fail = |why: &str, failure| NextStep::Fail {
        reason: phase.failure(&running.name, why),
        failure,
    };
    match shown {
        Some(TaskState::Running) => {
            let minutes = place.map_or(0, |place| tasks[place].timeout_minutes);
            if running.started_at + Duration::minutes(i64::from(minutes)) > now {
                return NextStep::Wait;
            }
            let why = format!(
                "has not ended within {}; ECS may still run it as {}",
                counted(minutes, "minute"),
                running.task
            );
            fail(&why, None)
        }
        Some(TaskState::Succeeded) => {
            let next = place.map_or(0, |place| place + 1);
            match phase {
                _ if next < tasks.len() => NextStep::Start(next),
                TaskPhase::Before => NextStep::UpdateService,
                TaskPhase::After => NextStep::Succeed,
            }
        }
        Some(TaskState::Failed(failure)) => {
            let why = format!("failed: {}", why(&failure));
            fail(&why, Some(failure))
        }
        None => {
            let why = format!(
                "has an unknown end: ECS does not know {} any more",
                running.task
            );
            fail(&why, None)
        }
    }
}

fn why(failure: &TaskFailure) -> String {
    let containers: Vec<Container> = failure
        .containers
        .iter()
        .map(|container| Container {
            name: container.name.clone(),
            exit_code: container.exit_code,
            reason: container.reason.clone(),
        })
        .collect();
    why_stopped(
        failure.stop_code.as_deref(),
        failure.stopped_reason.as_deref(),
        &containers,
    )
    .unwrap_or_else(|| "ECS does not say why".to_owned())
}
