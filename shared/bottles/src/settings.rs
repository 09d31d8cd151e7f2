//! What a stack says of its mirror.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::portable_ruby;
use crate::selection::Selection;

/// What is mirrored and how: the stack file's `bottle_sync`, as the template's metadata carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MirrorSettings {
    /// The URL of the index: `https://formulae.brew.sh/api/formula.json`. The signed files are beside it.
    pub index_url: String,
    /// Which bottles of the index.
    #[serde(default)]
    pub selection: Selection,
    /// Whether the registry's layout is kept beside the flat files: `/v2/.../blobs` and `/v2/.../manifests`.
    #[serde(default)]
    pub registry_layout: bool,
    /// The versions of brew's own Ruby that the mirror has, whatever the index and the selection say: a
    /// fresh client asks for the one that its version pins. Nothing said means
    /// [`portable_ruby::of_supported_brews`] of Homebrew's own index, and none of another one, whose
    /// source need not have them.
    #[serde(default)]
    pub portable_ruby: Option<Vec<String>>,
    /// When files that the index names no more are deleted; `None` keeps them.
    #[serde(default)]
    pub deletion: Option<DeletionSettings>,
    /// Hosts, with their ports, that may be in a private network or speak plain HTTP: a mirror of a mirror.
    #[serde(default)]
    pub private_hosts: Vec<String>,
    /// At most this many tasks at once: the service's `max_capacity`.
    pub max_tasks: u32,
    /// For how many minutes an outage of the source or of S3 is waited out; `None` for [`OUTAGE_PATIENCE`].
    #[serde(default)]
    pub outage_patience_minutes: Option<u32>,
    /// What the file system's throughput is raised to for a run, in MiB/s, where it is provisioned.
    #[serde(default)]
    pub raised_throughput_in_mibps: Option<u32>,
}

impl MirrorSettings {
    /// The versions of brew's own Ruby that the mirror has.
    pub fn portable_ruby(&self) -> Vec<String> {
        match &self.portable_ruby {
            Some(versions) => versions.clone(),
            None if self.is_of_homebrew() => portable_ruby::of_supported_brews(),
            None => Vec::new(),
        }
    }

    /// How long an outage of the source or of S3 is waited out.
    pub fn outage_patience(&self) -> Duration {
        let minutes = self.outage_patience_minutes;
        minutes.map_or(OUTAGE_PATIENCE, |minutes| {
            Duration::minutes(i64::from(minutes))
        })
    }

    /// Whether the index is Homebrew's own, beside which all files are published that clients ask for.
    pub(crate) fn is_of_homebrew(&self) -> bool {
        self.index_url.starts_with(HOMEBREW)
    }
}

/// How long an outage is waited out where nothing else is said.
pub const OUTAGE_PATIENCE: Duration = Duration::minutes(30);

/// Where Homebrew publishes its index.
const HOMEBREW: &str = "https://formulae.brew.sh/";

/// When files are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeletionSettings {
    /// Days that a file stays after the index has named it for the last time.
    pub grace_days: u32,
    /// At most this many in one sync; more are refused, not cut.
    pub max_files: u32,
    /// At most this many hundredths of what the mirror holds.
    pub max_share_percent: u32,
}

/// Where a mirror lives: the stack's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorLocation {
    pub stack: String,
    /// The bucket that is the mirror.
    pub bucket: String,
    /// What tasks are started from; `None` for a mirror that only functions fill.
    pub tasks: Option<TaskLocation>,
}

/// What tasks are started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLocation {
    pub cluster_arn: String,
    /// The task definition's family: its newest revision runs.
    pub task_definition_family: String,
    /// The container that does the work.
    pub container_name: String,
    /// The tasks' subnets.
    pub subnet_ids: Vec<String>,
    /// The tasks' security groups.
    pub security_group_ids: Vec<String>,
    /// Whether they get public addresses.
    pub assign_public_ip: bool,
    /// Shares of capacity providers; empty for plain Fargate.
    pub capacity_provider_strategy: Vec<CapacityShare>,
    /// The file system that tasks resume from, where there is one.
    pub file_system_id: Option<String>,
    /// A task's vCPUs in units of 1/1024, and its memory in MiB: what it costs.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
}

/// A share of a capacity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityShare {
    /// `FARGATE` or `FARGATE_SPOT`.
    pub capacity_provider: String,
    pub weight: i32,
    /// The first this many tasks run on it.
    pub base: i32,
}

/// What the function, or the command line, comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerSettings {
    /// From this many bytes on a sync runs in tasks: `SYNC_LAMBDA_THRESHOLD_BYTES`.
    pub threshold_bytes: u64,
    /// How long this process may still run; `None` for a command line.
    pub time_left: Option<Duration>,
    /// The AWS region, by which costs are estimated.
    pub region: Option<String>,
}

/// The threshold where nothing else is said: 20 GB.
pub const THRESHOLD_BYTES: u64 = 20_000_000_000;
