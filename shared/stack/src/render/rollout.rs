//! How deployments go, in the words of a route.

use longshore_policy::settings::{OneOffTask, RolloutSettings};

use crate::spec::Service;

/// How long a deployment may take where nothing is said, besides the bake times of its strategy.
const DEADLINE_MINUTES: u32 = 30;

/// How a service's deployments go, in the words of a route.
pub fn settings(spec: &Service) -> RolloutSettings {
    let rollout = spec.rollout.clone();
    RolloutSettings {
        deadline_minutes: rollout.deadline_minutes.unwrap_or_else(|| {
            DEADLINE_MINUTES.saturating_add(spec.deployment_configuration.waiting_minutes())
        }),
        after: rollout.after,
        before_tasks: rollout.before_tasks.into_iter().map(plain).collect(),
        after_tasks: rollout.after_tasks.into_iter().map(plain).collect(),
        freeze_windows: rollout.freeze_windows,
        approval: rollout.approval,
        first_tasks: rollout.first_tasks,
    }
}

/// CloudFormation does not see these tasks, so it fills nothing in: what looks like that is refused when the file is
/// checked, and `$${` is a plain `${`.
fn plain(mut task: OneOffTask) -> OneOffTask {
    for text in task.command.iter_mut().chain(task.environment.values_mut()) {
        *text = text.replace("$${", "${");
    }
    task
}
