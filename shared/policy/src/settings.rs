//! How a service's deployments go: what the stack file's `rollout` says.
//!
//! Stack files hold these types too, so their descriptions are what editors show. In records, members that are not
//! known are kept, since a newer version of Longshore may have written them; in stack files the schema refuses them.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
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
    /// How many tasks the service gets with its first image. Only of a service that was made while its image was not
    /// there: it has waited without tasks since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_tasks: Option<u32>,
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
            first_tasks: None,
        }
    }
}

/// A task that runs once a deployment, with the service's network, capacity and roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OneOffTask {
    /// Its name: lowercase letters, digits and hyphens.
    pub name: String,
    /// Takes the place of the container's command.
    pub command: Vec<String>,
    /// Environment variables besides the container's own, or in their place. Secrets do not belong here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "texts")]
    pub environment: BTreeMap<String, String>,
    /// After how many minutes it has failed. Default: 15.
    #[serde(default = "quarter_of_an_hour")]
    #[schemars(range(min = 1, max = 1440))]
    pub timeout_minutes: u32,
}

fn quarter_of_an_hour() -> u32 {
    15
}

/// Stack files take whole numbers and booleans for texts, as they are written; their reader makes texts of them.
fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
    })
}

/// A time, coming again and again, in which no deployment begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FreezeWindow {
    /// When it begins: the five fields of cron, `0 18 * * FRI` for instance.
    pub cron: String,
    /// The time zone of `cron`, as the IANA names it: `Europe/Berlin`. Default: UTC.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// How many minutes it lasts.
    #[schemars(range(min = 1, max = 44_640))]
    pub duration_minutes: u32,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Somebody must approve each deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Approval {
    /// After how many minutes a deployment that nobody approved is given up. Default: 1440, a day.
    #[serde(default = "day")]
    #[schemars(range(min = 1, max = 43_200))]
    pub expires_after_minutes: u32,
}

fn day() -> u32 {
    1440
}
