//! How a service's deployments go: what the stack file's `rollout` says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a service's deployments go. A deployment keeps those that it was claimed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutSettings {
    /// After how many minutes a deployment without an outcome has failed.
    pub deadline_minutes: u32,
    /// Services of the same stack whose deployments of the same image come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Tasks that run to their end before the service is updated, one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before_tasks: Vec<OneOffTask>,
    /// Tasks that run to their end when the service is stable, one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after_tasks: Vec<OneOffTask>,
    /// When no deployment begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze_windows: Vec<FreezeWindow>,
    /// Whether somebody must approve each deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

impl Default for RolloutSettings {
    fn default() -> Self {
        Self {
            deadline_minutes: 30,
            after: Vec::new(),
            before_tasks: Vec::new(),
            after_tasks: Vec::new(),
            freeze_windows: Vec::new(),
            approval: None,
        }
    }
}

/// A task that runs once with the deployment's own task definition, such as a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneOffTask {
    /// Its name: lowercase letters, digits and hyphens.
    pub name: String,
    /// Takes the place of the container's command.
    pub command: Vec<String>,
    /// Environment variables besides the container's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// After how many minutes it has failed.
    #[serde(default = "quarter_of_an_hour")]
    pub timeout_minutes: u32,
}

fn quarter_of_an_hour() -> u32 {
    15
}

/// A time, coming again and again, in which no deployment begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeWindow {
    /// When it begins: the five fields of cron.
    pub cron: String,
    /// The time zone of `cron`, as the IANA names it: `Europe/Berlin`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// How many minutes it lasts.
    pub duration_minutes: u32,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Somebody must approve each deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// After how many minutes a deployment that nobody approved is given up.
    pub expires_after_minutes: u32,
}
