//! How deployments go.

use longshore_policy::settings::{Approval, FreezeWindow, OneOffTask};
use schemars::JsonSchema;
use serde::Deserialize;

/// How deployments go.
// Not the settings of a route: where no deadline is given, it follows from the strategy, which a route does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// After how many minutes a deployment without an outcome has failed. Default: 30, and the bake times
    /// of the deployment's strategy.
    #[schemars(range(min = 1, max = 10_080))]
    pub deadline_minutes: Option<u32>,
    /// Services of this stack, with images of the same repository, whose deployments of the same image
    /// come first. If one of them fails, this one is not deployed.
    #[serde(default)]
    pub after: Vec<String>,
    /// Tasks that run to their end before the service is updated, one after the other, with the new image:
    /// a migration. If one fails, the service stays as it is.
    #[serde(default)]
    pub before_tasks: Vec<OneOffTask>,
    /// Tasks that run to their end when the service is stable, one after the other, with the new image. If
    /// one fails, so has the deployment; the service keeps the new image.
    #[serde(default)]
    pub after_tasks: Vec<OneOffTask>,
    /// When no deployment begins: what is asked for waits, and the newest goes out afterwards.
    #[serde(default)]
    pub freeze_windows: Vec<FreezeWindow>,
    /// Whether somebody must approve each deployment.
    pub approval: Option<Approval>,
    /// How many tasks the service gets with its first image, where it waits for that. No stack file says it.
    #[serde(skip)]
    pub first_tasks: Option<u32>,
}
