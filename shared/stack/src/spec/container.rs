//! What a service's own container and its sidecars have in common.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::container_details::Details;
use super::secret::Secret;
use super::values::Text;

/// How ECS finds out whether a container is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerHealthCheck {
    /// `["CMD-SHELL", "…"]` or `["CMD", "…", …]`, run in the container.
    pub command: Vec<String>,
    /// How many seconds lie between two checks. Default: 30.
    #[serde(default = "half_a_minute")]
    #[schemars(range(min = 5, max = 300))]
    pub interval: u32,
    /// After how many seconds a check has failed. Default: 5.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 60))]
    pub timeout: u32,
    /// After how many failures the container is unhealthy. Default: 3.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 10))]
    pub retries: u32,
    /// For how many seconds after the start failures do not count.
    #[schemars(range(min = 0, max = 300))]
    pub start_period: Option<u32>,
}

/// Something that a container sees at a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MountPoint {
    /// One of the stack's `file_systems`. Without it: scratch space that is the task's own and is gone
    /// with it.
    pub file_system: Option<String>,
    /// One of the file system's `access_points`.
    pub access_point: Option<String>,
    /// Where the container sees it.
    pub container_path: String,
    /// Whether the container can only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// What must have become of another container of the task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerDependency {
    /// The other container: a sidecar, or the service's own by its name.
    pub container_name: String,
    /// What must have become of it.
    pub condition: ContainerCondition,
}

/// What a container waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContainerCondition {
    /// It was started.
    Start,
    /// It has ended, in whatever way.
    Complete,
    /// It has ended well.
    Success,
    /// Its health check was passed.
    Healthy,
}

impl ContainerCondition {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Complete => "COMPLETE",
            Self::Success => "SUCCESS",
            Self::Healthy => "HEALTHY",
        }
    }
}

/// What the service's own container and its sidecars have in common.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// Its key in `sidecars`; none of the service's own.
    pub sidecar: Option<&'a str>,
    /// Its name in ECS.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Whether the task stops with it.
    pub essential: bool,
    /// The port that it listens on.
    pub container_port: Option<u16>,
    /// In place of the image's.
    pub entry_point: &'a [String],
    /// In place of the image's.
    pub command: &'a [String],
    /// In place of the image's.
    pub working_directory: Option<&'a str>,
    /// In place of the image's.
    pub user: Option<&'a str>,
    /// Its environment, as it is written.
    pub environment: &'a BTreeMap<String, Text>,
    /// Its secrets.
    pub secrets: &'a BTreeMap<String, Secret>,
    /// Its health check.
    pub health_check: Option<&'a ContainerHealthCheck>,
    /// In seconds.
    pub stop_timeout: u32,
    /// Whether it can write only to its mounts.
    pub readonly_root_filesystem: bool,
    /// What it sees.
    pub mount_points: &'a [MountPoint],
    /// What it waits for.
    pub depends_on: &'a [ContainerDependency],
    /// What few need.
    pub details: Details<'a>,
}

impl Container<'_> {
    /// Whether it certainly runs as another user than root. Without `user`, the image decides.
    pub fn is_not_root(&self) -> bool {
        self.user.is_some_and(|user| {
            let user = user.split(':').next().unwrap_or_default();
            user != "0" && user != "root"
        })
    }
}

fn half_a_minute() -> u32 {
    30
}

fn five() -> u32 {
    5
}

fn three() -> u32 {
    3
}
