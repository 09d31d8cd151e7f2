//! The mirror of Homebrew's bottles in one of the stack's buckets.

use schemars::JsonSchema;
use serde::Deserialize;

/// A mirror of Homebrew's bottles, which Longshore's function `sync` updates to what the index names.
///
/// Small differences the function transfers itself. Large ones are transferred by tasks of `service`, which
/// needs no right of its own for that: the stack gives its task role what it needs of the bucket and of
/// Longshore's event bus, and its container the variables `S3_BUCKET_NAME`, `EVENT_BUS_NAME`,
/// `PRIVATE_SOURCE_HOSTS` and `OUTAGE_PATIENCE_SECONDS`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BottleSync {
    /// One of the stack's `buckets`: the mirror.
    pub bucket: String,
    /// One of the stack's `services`, on Fargate, whose tasks transfer what is too much for the function; at
    /// most its `max_capacity` at once, 10 if it does not scale. Default: the function transfers everything.
    pub service: Option<String>,
    /// `rate(…)`, `cron(…)` or `at(…)`, as EventBridge Scheduler takes it. Default: syncs are begun by
    /// hand.
    pub schedule_expression: Option<String>,
    /// The time zone of `cron` and `at`. Default: UTC.
    #[serde(default = "utc")]
    pub schedule_expression_timezone: String,
    /// The URL of the index, with the signed ones beside it. Default:
    /// `https://formulae.brew.sh/api/formula.json`.
    #[serde(default = "formulae_brew_sh")]
    pub index_url: String,
    /// Platform tags such as `arm64_tahoe`; of each formula what brew would take there. Default: all.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Names of formulae, with `*` and `?`. Default: all.
    #[serde(default)]
    pub formulae: Vec<String>,
    /// Whether what the named formulae depend on comes with them, on whatever platform. Without it, brew
    /// has to have that from elsewhere.
    #[serde(default)]
    pub with_dependencies: bool,
    /// Whether deprecated formulae are left out.
    #[serde(default)]
    pub exclude_deprecated: bool,
    /// Whether disabled formulae are left out.
    #[serde(default)]
    pub exclude_disabled: bool,
    /// Whether the mirror has the registry's layout as well, `/v2/…/blobs` and `/v2/…/manifests`, which
    /// needs the space a second time.
    #[serde(default)]
    pub registry_layout: bool,
    /// The versions of brew's own Ruby that the mirror has: a fresh client asks for the one that its version
    /// pins. Default: those of brew 4.4 to 7.0 for Homebrew's own index, none for another `index_url`.
    pub portable_ruby: Option<Vec<String>>,
    /// When files are deleted that the index names no more. Default: never.
    pub deletion: Option<BottleDeletion>,
    /// Hosts, `<host>:<port>`, that bottles may come from although they are in a private network or
    /// speak plain HTTP: for a mirror of a mirror.
    #[serde(default)]
    pub private_hosts: Vec<String>,
    /// For how many minutes an outage of the source or of S3 is waited out: while nothing gets through, no
    /// file is given up. At most 360. Default: 30.
    #[schemars(range(min = 0, max = 360))]
    pub outage_patience_minutes: Option<u32>,
    /// MiB a second that the service's file system, whose throughput is provisioned, has while tasks
    /// run. AWS lowers it again after a day at the earliest.
    pub raised_throughput_in_mibps: Option<u32>,
    /// The name of Longshore's function. Default: `longshore-sync`.
    #[serde(default = "longshore_sync")]
    pub function_name: String,
    /// The name of Longshore's event bus. Default: `longshore`.
    #[serde(default = "longshore")]
    pub event_bus_name: String,
    /// How many minutes tasks run in a scheduled sync, all of them together; only the estimate of costs
    /// reads it.
    pub expected_minutes: Option<u32>,
}

/// When files are deleted that the index names no more. Nothing is deleted after a sync that failed, and
/// what would be is in the report of every sync before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BottleDeletion {
    /// For how many days a file stays after the index has named it for the last time. Default: 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 0, max = 36_500))]
    pub grace_days: u32,
    /// How many files one sync may delete. Where more are due, none is deleted. Default: 5000.
    #[serde(default = "five_thousand")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_files: u32,
    /// How many hundredths of the mirror's files one sync may delete. Where more are due, none is deleted.
    /// Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    pub max_share_percent: u32,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn formulae_brew_sh() -> String {
    "https://formulae.brew.sh/api/formula.json".to_owned()
}

fn longshore_sync() -> String {
    "longshore-sync".to_owned()
}

fn longshore() -> String {
    "longshore".to_owned()
}

fn thirty() -> u32 {
    30
}

fn five_thousand() -> u32 {
    5000
}

fn ten() -> u32 {
    10
}
