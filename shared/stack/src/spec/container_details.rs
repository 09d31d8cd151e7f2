//! Details of a container that few need.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::Text;

/// A limit of the operating system for the processes of a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ulimit {
    /// What is limited. On Fargate only `nofile` has an effect.
    pub name: UlimitName,
    /// Where processes are limited at first; -1: nowhere.
    #[schemars(range(min = -1))]
    pub soft_limit: i64,
    /// Up to where processes may raise the limit; -1: anywhere.
    #[schemars(range(min = -1))]
    pub hard_limit: i64,
}

/// What a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UlimitName {
    /// Bytes of a core dump.
    Core,
    /// Seconds of CPU.
    Cpu,
    /// Bytes of a data segment.
    Data,
    /// Bytes of a file.
    Fsize,
    /// File locks.
    Locks,
    /// Bytes of locked memory.
    Memlock,
    /// Bytes of message queues.
    Msgqueue,
    /// The highest priority.
    Nice,
    /// Open files.
    Nofile,
    /// Processes.
    Nproc,
    /// Bytes of resident memory.
    Rss,
    /// The highest real-time priority.
    Rtprio,
    /// Microseconds of real-time CPU.
    Rttime,
    /// Signals that wait.
    Sigpending,
    /// Bytes of a stack.
    Stack,
}

impl UlimitName {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Cpu => "cpu",
            Self::Data => "data",
            Self::Fsize => "fsize",
            Self::Locks => "locks",
            Self::Memlock => "memlock",
            Self::Msgqueue => "msgqueue",
            Self::Nice => "nice",
            Self::Nofile => "nofile",
            Self::Nproc => "nproc",
            Self::Rss => "rss",
            Self::Rtprio => "rtprio",
            Self::Rttime => "rttime",
            Self::Sigpending => "sigpending",
            Self::Stack => "stack",
        }
    }
}

/// What Linux gives a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinuxParameters {
    /// Whether a small init process waits for processes that end and hands signals on. Default: with ECS Exec.
    pub init_process_enabled: Option<bool>,
    /// MiB of shared memory, `/dev/shm`; on EC2 only. Default: 64.
    #[schemars(range(min = 1))]
    pub shared_memory_size: Option<u32>,
}

/// That ECS restarts the container alone when it ends, and not the task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartPolicy {
    /// Exit codes after which the container is not restarted, at most 50.
    #[serde(default)]
    pub ignored_exit_codes: Vec<u32>,
    /// For how many seconds a container must run until it is restarted, 60 to 1800. Default: 300.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 60, max = 1800))]
    pub restart_attempt_period: u32,
}

/// How what a container writes comes into the service's log group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogDelivery {
    /// What happens when logs cannot be sent fast enough. Default: what the account's setting
    /// `defaultLogDriverMode` says.
    pub mode: Option<LogMode>,
    /// How much is kept in memory meanwhile, such as `25m`; of `non-blocking` only. Default: 10m.
    pub max_buffer_size: Option<String>,
    /// A regular expression that the first line of each message matches.
    pub multiline_pattern: Option<String>,
    /// The format of the date that the first line of each message has, as strftime writes it.
    pub datetime_format: Option<String>,
}

/// What happens when logs cannot be sent fast enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogMode {
    /// The container waits.
    Blocking,
    /// What does not fit into the buffer is lost.
    NonBlocking,
}

impl LogMode {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::NonBlocking => "non-blocking",
        }
    }
}

/// With which name and password the image is pulled from a registry that is not ECR.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepositoryCredentials {
    /// The ARN or, in this account and region, the name of a secret of Secrets Manager, which holds a JSON object with
    /// `username` and `password`.
    pub credentials_parameter: String,
    /// The ARN of the KMS key that encrypts the secret. Default: the account's own key for secrets.
    pub kms_key_arn: Option<String>,
}

/// What a container has of this, borrowed from the service or from a sidecar.
#[derive(Debug, Clone, Copy)]
pub struct Details<'a> {
    /// Further ports that it listens on.
    pub additional_container_ports: &'a [u16],
    /// Limits of the operating system.
    pub ulimits: &'a [Ulimit],
    /// What Linux gives it.
    pub linux_parameters: &'a LinuxParameters,
    /// Labels that Docker and agents on the instance see.
    pub docker_labels: &'a BTreeMap<String, Text>,
    /// Files with environment variables, in S3.
    pub environment_files: &'a [String],
    /// What encrypts these files.
    pub environment_files_kms_key_arn: Option<&'a str>,
    /// In seconds.
    pub start_timeout: Option<u32>,
    /// That it is restarted alone.
    pub restart_policy: Option<&'a RestartPolicy>,
    /// How its logs are delivered.
    pub log_delivery: &'a LogDelivery,
    /// With what its image is pulled.
    pub repository_credentials: Option<&'a RepositoryCredentials>,
    /// How many GPUs it has.
    pub gpu: Option<u32>,
}

/// Borrows the details of a service or a sidecar, which have the same fields.
macro_rules! details_of {
    ($of:expr) => {
        $crate::spec::Details {
            additional_container_ports: &$of.additional_container_ports,
            ulimits: &$of.ulimits,
            linux_parameters: &$of.linux_parameters,
            docker_labels: &$of.docker_labels,
            environment_files: &$of.environment_files,
            environment_files_kms_key_arn: $of.environment_files_kms_key_arn.as_deref(),
            start_timeout: $of.start_timeout,
            restart_policy: $of.restart_policy.as_ref(),
            log_delivery: &$of.log_delivery,
            repository_credentials: $of.repository_credentials.as_ref(),
            gpu: $of.gpu,
        }
    };
}
pub(super) use details_of;

fn five_minutes() -> u32 {
    300
}
