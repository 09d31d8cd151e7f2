//! Containers beside a service's own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::container::{ContainerDependency, ContainerHealthCheck, MountPoint};
use super::container_details::{
    LinuxParameters, LogDelivery, RepositoryCredentials, RestartPolicy, Ulimit,
};
use super::image_policy::ImagePolicy;
use super::secret::Secret;
use super::values::Text;

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
    #[schemars(range(min = 1))]
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
    #[schemars(inner(range(min = 1)))]
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
    /// The ARN of the KMS key that encrypts the `environment_files`. Default: S3's own keys.
    pub environment_files_kms_key_arn: Option<String>,
    /// For how many seconds it waits for the containers of `depends_on` until its start has failed; at most 120 on
    /// Fargate. Default: three minutes.
    #[schemars(range(min = 2))]
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
    #[schemars(range(min = 1))]
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

fn yes() -> bool {
    true
}

fn half_a_minute() -> u32 {
    30
}
