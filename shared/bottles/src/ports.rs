//! What a sync needs of the world, as traits. `longshore-aws` and the binaries implement them.

use std::future::Future;

use chrono::{DateTime, Utc};
use longshore_events::transfer::{Sha256, TransferItem, TransferReport};
use longshore_state::lease::Clock;
use longshore_state::{CallError, DocumentStore, EventPublisher};

use crate::progress::ProgressCounter;
use crate::settings::{MirrorLocation, MirrorSettings, TaskLocation};

/// What a bucket says of an object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    /// Its bytes.
    pub size: u64,
}

/// What a bucket says of an object when it is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its bytes.
    pub size: u64,
    /// What its content hashes to: the checksum that S3 has verified, or for an object that went up in
    /// parts the metadata `sha256`.
    pub sha256: Option<Sha256>,
}

/// The mirror's bucket, for what is small enough to be held in memory.
pub trait MirrorStore: DocumentStore {
    /// An object; `None` when there is none.
    fn read(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CallError>>;

    /// Writes an object, whatever is there.
    fn write(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// All objects whose keys begin with `prefix`. A bucket that cannot be listed to its end is an error,
    /// never an empty bucket.
    fn list(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<ListedObject>, CallError>>;

    /// What the bucket knows of an object; `None` when there is none.
    fn head(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<StoredObject>, CallError>>;

    /// Copies an object within the bucket. [`longshore_state::ErrorClass::NotFound`] when there is no such object.
    fn copy(
        &self,
        bucket: &str,
        from: &str,
        to: &str,
        content_type: &str,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// Deletes objects; what is not there already is not an error.
    fn delete(&self, bucket: &str, keys: &[String]) -> impl Future<Output = Result<(), CallError>>;
}

/// What an index's or a registry's server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It is what it was when it had this entity tag.
    NotModified,
    /// The whole body was fed to the caller; its entity tag, where the server gives one.
    Body {
        /// The `ETag` header.
        etag: Option<String>,
    },
}

/// Where the index and the image indexes come from.
pub trait Source {
    /// GETs `url` and feeds its body piece by piece; only if its entity tag is another one than `etag`.
    /// `accept` is the `Accept` header. What `feed` refuses ends the request with
    /// [`longshore_state::ErrorClass::Refused`]. A body that ends early is an error.
    fn fetch(
        &self,
        url: &str,
        accept: Option<&str>,
        etag: Option<&str>,
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> impl Future<Output = Result<Fetched, CallError>>;

    /// Whether there is still nothing at `url`, where nothing is expected: unlike what should be there, it is asked for
    /// once.
    fn is_absent(&self, url: &str) -> impl Future<Output = Result<bool, CallError>>;
}

/// What transfers files in this process.
pub trait Transferrer {
    /// Transfers `items` into `bucket`; stops in time before `deadline` and gives back what is not done. `progress`
    /// counts what is done meanwhile.
    fn transfer(
        &self,
        bucket: &str,
        items: Vec<TransferItem>,
        deadline: Option<DateTime<Utc>>,
        progress: &ProgressCounter,
    ) -> impl Future<Output = Transferred>;
}

impl<S: Source> Source for &S {
    async fn fetch(
        &self,
        url: &str,
        accept: Option<&str>,
        etag: Option<&str>,
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<Fetched, CallError> {
        (**self).fetch(url, accept, etag, feed).await
    }

    async fn is_absent(&self, url: &str) -> Result<bool, CallError> {
        (**self).is_absent(url).await
    }
}

impl<T: Transferrer> Transferrer for &T {
    async fn transfer(
        &self,
        bucket: &str,
        items: Vec<TransferItem>,
        deadline: Option<DateTime<Utc>>,
        progress: &ProgressCounter,
    ) -> Transferred {
        (**self).transfer(bucket, items, deadline, progress).await
    }
}

/// What a transfer has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// What became of what was tried.
    pub report: TransferReport,
    /// What was not tried, or not finished, because the time was over.
    pub left: Vec<TransferItem>,
    /// What the first of these failed at last, if it has failed at anything.
    pub problem: Option<String>,
}

/// Where a sync's tasks run.
pub trait TaskRunner {
    /// Starts a task on a shard: the container's command becomes `--shard <shard_url>`, its `startedBy`
    /// [`crate::sync::started_by`]. Gives the task's ARN. The same `client_token` starts no second task.
    fn run_task(
        &self,
        place: &TaskLocation,
        shard_url: &str,
        started_by: &str,
        client_token: &str,
    ) -> impl Future<Output = Result<String, CallError>>;

    /// What ECS shows of tasks; those that it has forgotten are not in the answer.
    fn describe_tasks(
        &self,
        cluster_arn: &str,
        task_arns: &[String],
    ) -> impl Future<Output = Result<Vec<ObservedTask>, CallError>>;
}

/// A task as ECS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedTask {
    pub task_arn: String,
    /// Whether it has stopped.
    pub is_stopped: bool,
    /// Why, in ECS's words, with the container's exit code.
    pub stopped_reason: Option<String>,
}

/// The file system that tasks resume from.
pub trait FileSystems {
    /// What EFS shows of it. [`longshore_state::ErrorClass::NotFound`] when there is none.
    fn describe_file_system(
        &self,
        file_system_id: &str,
    ) -> impl Future<Output = Result<ObservedFileSystem, CallError>>;

    /// Provisions another throughput, in MiB/s. [`longshore_state::ErrorClass::Refused`] where EFS refuses to lower it yet.
    fn set_provisioned_throughput(
        &self,
        file_system_id: &str,
        mibps: u32,
    ) -> impl Future<Output = Result<(), CallError>>;
}

/// A file system as EFS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedFileSystem {
    /// `available` and so on.
    pub life_cycle_state: String,
    /// `elastic`, `bursting` or `provisioned`.
    pub throughput_mode: String,
    /// MiB/s, where it is provisioned.
    pub provisioned_throughput_in_mibps: Option<u32>,
    /// Of each mount target, its subnet and its state.
    pub mount_targets: Vec<(String, String)>,
}

/// Which mirrors there are and what their stacks say of them.
pub trait Mirrors {
    /// The mirror of a stack. [`longshore_state::ErrorClass::NotFound`] when there is no such stack,
    /// [`longshore_state::ErrorClass::Refused`] when it has no `bottle_sync`.
    fn mirror(
        &self,
        stack: &str,
    ) -> impl Future<Output = Result<(MirrorSettings, MirrorLocation), CallError>>;

    /// The stacks whose mirrors were ever synced: `syncs/<stack>.json` in the state bucket.
    fn mirrors(&self) -> impl Future<Output = Result<Vec<String>, CallError>>;

    /// Writes down that a stack has a mirror, so that a reconcile finds it.
    fn add_mirror(&self, stack: &str) -> impl Future<Output = Result<(), CallError>>;
}

/// All that a sync needs of AWS, and the time.
pub trait SyncCloud:
    MirrorStore + TaskRunner + FileSystems + Mirrors + EventPublisher + Clock
{
}

impl<T> SyncCloud for T where
    T: MirrorStore + TaskRunner + FileSystems + Mirrors + EventPublisher + Clock
{
}
