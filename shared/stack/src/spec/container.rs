//! Containers beside a service's own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::container_details::details_of;
use super::{
    ContainerHealthCheck, Details, ImagePolicy, LinuxParameters, LogDelivery, MountPoint,
    RepositoryCredentials, RestartPolicy, Secret, Service, Text, Ulimit,
};

/// A container that runs beside the service's own in each task. The two share network and roles.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Its image, named as the service's. The very image of the service is replaced together with it.
    pub image: String,
    /// Which pushed images take its place. Default: none; the image stays until this file names another.
    pub image_policy: Option<ImagePolicy>,
    /// Whether the task stops when this container does. Default: true.
    #[serde(default = "yes")]
    pub essential: bool,
    /// The port that it listens on. Containers of a task share their ports.
    pub container_port: Option<u16>,
    /// Makes it the task's log router, which gets what the service's own container writes.
    pub firelens_configuration: Option<FirelensConfiguration>,
    /// CPU units of the task's that are reserved for it.
    pub cpu: Option<u32>,
    /// MiB of the task's memory at which it is killed.
    pub memory: Option<u32>,
    /// MiB of the task's memory that are reserved for it.
    pub memory_reservation: Option<u32>,
    /// Takes the place of the image's entry point.
    #[serde(default)]
    pub entry_point: Vec<String>,
    /// Takes the place of the image's command.
    #[serde(default)]
    pub command: Vec<String>,
    /// Takes the place of the image's working directory.
    pub working_directory: Option<String>,
    /// The user, `<uid>` or `<uid>:<gid>`. Default: the image's.
    pub user: Option<String>,
    /// Environment variables. Secrets do not belong here.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// Environment variables that are read from where secrets are kept.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// How ECS finds out whether the container is healthy.
    pub health_check: Option<ContainerHealthCheck>,
    /// How many seconds after SIGTERM the container is killed. Default: 30.
    #[serde(default = "half_a_minute")]
    pub stop_timeout: u32,
    /// Whether the container can write only to its mounts.
    #[serde(default)]
    pub readonly_root_filesystem: bool,
    /// File systems, and scratch space, that the container sees. Scratch space at the same path is the same
    /// in all containers of a task.
    #[serde(default)]
    pub mount_points: Vec<MountPoint>,
    /// Which other containers of the task must be started, healthy or done before this one starts.
    #[serde(default)]
    pub depends_on: Vec<ContainerDependency>,
    /// Further ports that it listens on. Containers of a task share their ports.
    #[serde(default)]
    pub additional_container_ports: Vec<u16>,
    /// Limits of the operating system for its processes.
    #[serde(default)]
    pub ulimits: Vec<Ulimit>,
    /// What Linux gives the container.
    #[serde(default)]
    pub linux_parameters: LinuxParameters,
    /// Labels of the container, which agents on an instance read.
    #[serde(default)]
    pub docker_labels: BTreeMap<String, Text>,
    /// Files with environment variables, in S3: the ARNs of objects whose names end in `.env`. `environment` and
    /// `secrets` win.
    #[serde(default)]
    pub environment_files: Vec<String>,
    /// For how many seconds it waits for the containers of `depends_on` until its start has failed; at most 120 on
    /// Fargate. Default: three minutes.
    pub start_timeout: Option<u32>,
    /// That ECS restarts the container alone when it ends. Default: the task is replaced, if the container is
    /// essential.
    pub restart_policy: Option<RestartPolicy>,
    /// How what it writes comes into the log group.
    #[serde(default)]
    pub log_delivery: LogDelivery,
    /// With which name and password the image is pulled from a registry that is not ECR.
    pub repository_credentials: Option<RepositoryCredentials>,
    /// How many GPUs of its instance it has; on EC2 only.
    pub gpu: Option<u32>,
}

/// A log router.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirelensConfiguration {
    /// Which program it is.
    pub r#type: LogRouter,
    /// `enable-ecs-log-metadata`, `config-file-type` and `config-file-value`, as ECS takes them.
    #[serde(default)]
    pub options: BTreeMap<String, Text>,
}

/// Programs that route logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogRouter {
    /// Fluent Bit.
    Fluentbit,
    /// Fluentd.
    Fluentd,
}

impl LogRouter {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fluentbit => "fluentbit",
            Self::Fluentd => "fluentd",
        }
    }
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
    /// In the place of the image's.
    pub entry_point: &'a [String],
    /// In the place of the image's.
    pub command: &'a [String],
    /// In the place of the image's.
    pub working_directory: Option<&'a str>,
    /// In the place of the image's.
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

impl Service {
    /// The containers of its tasks, its own first, where the service is called `name`.
    pub fn containers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Container<'a>> + Clone {
        let own = Container {
            sidecar: None,
            name: self.container_name.as_deref().unwrap_or(name),
            image: &self.image,
            essential: true,
            container_port: self.container_port,
            entry_point: &self.entry_point,
            command: &self.command,
            working_directory: self.working_directory.as_deref(),
            user: self.user.as_deref(),
            environment: &self.environment,
            secrets: &self.secrets,
            health_check: self.health_check.as_ref(),
            stop_timeout: self.stop_timeout,
            readonly_root_filesystem: self.readonly_root_filesystem,
            mount_points: &self.mount_points,
            depends_on: &self.depends_on,
            details: details_of!(self),
        };
        let sidecars = self.sidecars.iter().map(|(name, sidecar)| Container {
            sidecar: Some(name),
            name,
            image: &sidecar.image,
            essential: sidecar.essential,
            container_port: sidecar.container_port,
            entry_point: &sidecar.entry_point,
            command: &sidecar.command,
            working_directory: sidecar.working_directory.as_deref(),
            user: sidecar.user.as_deref(),
            environment: &sidecar.environment,
            secrets: &sidecar.secrets,
            health_check: sidecar.health_check.as_ref(),
            stop_timeout: sidecar.stop_timeout,
            readonly_root_filesystem: sidecar.readonly_root_filesystem,
            mount_points: &sidecar.mount_points,
            depends_on: &sidecar.depends_on,
            details: details_of!(sidecar),
        });
        std::iter::once(own).chain(sidecars)
    }

    /// The container that requests come to, with its port.
    pub fn target<'a>(&'a self, name: &'a str) -> Option<(&'a str, u16)> {
        let wanted = self
            .target_group
            .as_ref()
            .and_then(|group| group.container_name.as_deref());
        let mut containers = self.containers(name);
        let target = containers.find(|container| wanted.is_none_or(|name| name == container.name));
        target.and_then(|container| Some((container.name, container.container_port?)))
    }
}

fn yes() -> bool {
    true
}

fn half_a_minute() -> u32 {
    30
}
