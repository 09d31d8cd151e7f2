//! How deployments go.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;

/// How deployments go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// After how many minutes a deployment without an outcome has failed. Default: 30, and the bake times
    /// of the deployment's strategy.
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
}

/// A task that runs once a deployment, with the service's network, capacity and roles.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneOffTask {
    /// Its name: lowercase letters, digits and hyphens.
    pub name: String,
    /// Takes the place of the container's command.
    pub command: Vec<String>,
    /// Environment variables besides the container's own, or in their place. Secrets do not belong here.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// After how many minutes it has failed. Default: 15.
    #[serde(default = "quarter_of_an_hour")]
    pub timeout_minutes: u32,
}

/// A time, coming again and again, in which no deployment begins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeWindow {
    /// When it begins: the five fields of cron, `0 18 * * FRI` for instance.
    pub cron: String,
    /// The time zone of `cron`, as the IANA names it: `Europe/Berlin`. Default: UTC.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// How many minutes it lasts.
    pub duration_minutes: u32,
}

/// Somebody must approve each deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// After how many minutes a deployment that nobody approved is given up. Default: 1440, a day.
    #[serde(default = "day")]
    pub expires_after_minutes: u32,
}

fn quarter_of_an_hour() -> u32 {
    15
}

fn utc() -> String {
    "UTC".to_owned()
}

fn day() -> u32 {
    1440
}
