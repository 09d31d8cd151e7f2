//! EFS file systems.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// An EFS file system: always encrypted, with a mount target in every subnet, reached only with
/// encryption in transit and IAM authorisation.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSystem {
    /// The id of a file system that exists. The stack makes access points in it, and no mount targets: the security
    /// groups of those that are there must let the services in at port 2049. Nothing but `access_points` may be said
    /// then.
    pub file_system_id: Option<String>,
    /// Default: generalPurpose.
    #[serde(default)]
    pub performance_mode: PerformanceMode,
    /// Default: bursting.
    #[serde(default)]
    pub throughput_mode: ThroughputMode,
    /// MiB a second; needed with, and only with, `throughput_mode: provisioned`.
    #[schemars(range(min = 1.0, max = 3414.0))]
    pub provisioned_throughput_in_mibps: Option<f64>,
    /// The KMS key. Default: the account's key for EFS.
    pub kms_key_id: Option<String>,
    /// Whether AWS Backup keeps daily copies. Default: true.
    #[serde(default = "yes")]
    pub backup: bool,
    /// The subnets of the mount targets, one an availability zone. Default: `network.subnet_ids`.
    pub subnet_ids: Option<Vec<String>>,
    /// Access points, by name.
    #[serde(default)]
    pub access_points: BTreeMap<String, AccessPoint>,
    /// What becomes of the data when the stack is destroyed. Default: retain.
    #[serde(default)]
    pub deletion: DataDeletion,
    /// How many GiB are expected to be kept there; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_size_in_gib: Option<f64>,
    /// How many GiB a month are read; only the estimate of costs of elastic throughput reads it.
    #[schemars(range(min = 0.0))]
    pub expected_read_gib_per_month: Option<f64>,
    /// How many GiB a month are written; only the estimate of costs of elastic throughput reads it.
    #[schemars(range(min = 0.0))]
    pub expected_written_gib_per_month: Option<f64>,
    /// How many requests a month are charged; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_requests_per_month: Option<f64>,
}

/// EFS's performance modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PerformanceMode {
    /// For nearly everything.
    #[default]
    GeneralPurpose,
    /// More operations a second at higher latencies; not with elastic throughput.
    #[serde(rename = "maxIO")]
    MaxIo,
}

impl PerformanceMode {
    /// As EFS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GeneralPurpose => "generalPurpose",
            Self::MaxIo => "maxIO",
        }
    }
}

/// EFS's throughput modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ThroughputMode {
    /// Grows with what is stored.
    #[default]
    Bursting,
    /// As much as is paid for.
    Provisioned,
    /// As much as is used, paid by use.
    Elastic,
}

/// What becomes of data when the stack is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataDeletion {
    /// It stays, and a stack of the same name takes it up again.
    #[default]
    Retain,
    /// It is deleted, if whoever destroys the stack names it once more.
    Delete,
}

/// An entrance to a file system with a fixed user and directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessPoint {
    /// The user as which everything is done.
    pub posix_user: PosixUser,
    /// The directory that is seen as the root.
    #[serde(default)]
    pub root_directory: RootDirectory,
}

/// A POSIX user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PosixUser {
    /// The user's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// Further groups.
    #[serde(default)]
    pub secondary_gids: Vec<u32>,
}

/// A directory that is made when it is not there, owned by the access point's user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootDirectory {
    /// Its path. Default: `/`.
    #[serde(default = "root")]
    pub path: String,
    /// Its permissions when it is made, in octal. Default: `750`.
    #[serde(default = "owner_and_group")]
    pub permissions: String,
}

impl Default for RootDirectory {
    fn default() -> Self {
        Self {
            path: root(),
            permissions: owner_and_group(),
        }
    }
}

fn yes() -> bool {
    true
}

fn root() -> String {
    "/".to_owned()
}

fn owner_and_group() -> String {
    "750".to_owned()
}
