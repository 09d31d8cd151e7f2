use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use longshore_bottles::ports::ObservedFileSystem;
use longshore_bottles::selection::Selection;
use longshore_bottles::settings::{MirrorLocation, MirrorSettings, TaskLocation};
use longshore_events::longshore::LongshoreEvent;
use longshore_events::transfer::Sha256;
use longshore_state::{CallError, ErrorClass};

use crate::builders::noon;
use crate::calls::{Called, Calls, call, give_way};
use crate::faults::Fault;

pub const MIRROR_STACK: &str = "bottles";

pub const MIRROR_BUCKET: &str = "bottles-mirror";

/// Where the index is published.
pub const INDEX_URL: &str = "https://formulae.brew.sh/api/formula.json";

/// A mirror of one stack: its bucket with conditional writes, ECS, EFS and a clock that only tests turn;
/// Homebrew's index and registry; and a transferrer that transfers files as it is set to.
///
/// It behaves as the real ones do where the engine of syncs can see the difference: RunTask knows its
/// client token again, EFS refuses to lower throughput for 24 hours after it was raised, and nothing
/// becomes visible in the bucket whose content is another than the one that was asked for.
#[derive(Debug)]
pub struct FakeMirror {
    pub(crate) world: RefCell<World>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: DateTime<Utc>,
    pub(crate) settings: MirrorSettings,
    pub(crate) place: MirrorLocation,
    pub(crate) mirrors: BTreeSet<String>,
    pub(crate) objects: BTreeMap<String, FakeObject>,
    pub(crate) versions: u64,
    /// Keys in the order in which they were written.
    pub(crate) written: Vec<String>,
    pub(crate) deleted: Vec<String>,
    pub(crate) pages: BTreeMap<String, Page>,
    pub(crate) blobs: BTreeMap<String, Blob>,
    pub(crate) requests: Vec<String>,
    pub(crate) downloads: Vec<String>,
    pub(crate) tasks: Vec<FakeTask>,
    pub(crate) capacity: Option<usize>,
    pub(crate) file_system: ObservedFileSystem,
    pub(crate) raised_at: Option<DateTime<Utc>>,
    pub(crate) seconds_per_file: i64,
    pub(crate) published: Vec<LongshoreEvent>,
    pub(crate) calls: Calls,
}

/// An object of the mirror's bucket. Bottles have a size and no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FakeObject {
    pub(crate) body: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) sha256: Option<Sha256>,
    pub(crate) version: u64,
}

/// What a server answers.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) body: Vec<u8>,
    pub(crate) etag: Option<String>,
    pub(crate) failure: Option<ErrorClass>,
}

/// A bottle in the registry.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
}

/// A task that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeTask {
    pub task_arn: String,
    /// `s3://<bucket>/<key>` of its shard.
    pub shard_url: String,
    pub started_by: String,
    /// The token by which RunTask knows it again.
    pub client_token: String,
    /// Why it has stopped, if it has.
    pub stopped: Option<String>,
}

impl Default for FakeMirror {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeMirror {
    /// A mirror that holds nothing and has no place for tasks.
    pub fn new() -> Self {
        Self {
            world: RefCell::new(World {
                now: noon(0),
                settings: MirrorSettings {
                    index_url: INDEX_URL.to_owned(),
                    selection: Selection::default(),
                    registry_layout: false,
                    portable_ruby: Some(Vec::new()),
                    deletion: None,
                    private_hosts: Vec::new(),
                    max_tasks: 10,
                    outage_patience_minutes: None,
                    raised_throughput_in_mibps: None,
                },
                place: MirrorLocation {
                    stack: MIRROR_STACK.to_owned(),
                    bucket: MIRROR_BUCKET.to_owned(),
                    tasks: None,
                },
                mirrors: BTreeSet::new(),
                objects: BTreeMap::new(),
                versions: 0,
                written: Vec::new(),
                deleted: Vec::new(),
                pages: BTreeMap::new(),
                blobs: BTreeMap::new(),
                requests: Vec::new(),
                downloads: Vec::new(),
                tasks: Vec::new(),
                capacity: None,
                file_system: ObservedFileSystem {
                    life_cycle_state: "available".to_owned(),
                    throughput_mode: "elastic".to_owned(),
                    provisioned_throughput_in_mibps: None,
                    mount_targets: vec![("subnet-1".to_owned(), "available".to_owned())],
                },
                raised_at: None,
                seconds_per_file: 0,
                published: Vec::new(),
                calls: Calls::default(),
            }),
        }
    }

    /// The same with a cluster, a task definition and a file system.
    pub fn with_tasks() -> Self {
        let mirror = Self::new();
        mirror.world.borrow_mut().place.tasks = Some(TaskLocation {
            cluster_arn: "arn:aws:ecs:eu-west-1:111122223333:cluster/bottles".to_owned(),
            task_definition_family: "bottles-sync".to_owned(),
            container_name: "sync".to_owned(),
            subnet_ids: vec!["subnet-1".to_owned()],
            security_group_ids: vec!["sg-1".to_owned()],
            assign_public_ip: false,
            capacity_provider_strategy: Vec::new(),
            file_system_id: Some("fs-0a1b2c3d4e5f60718".to_owned()),
            cpu: 2048,
            memory: 8192,
        });
        mirror
    }

    /// Changes what the stack says of its mirror.
    pub fn change_settings(&self, change: impl FnOnce(&mut MirrorSettings)) {
        change(&mut self.world.borrow_mut().settings);
    }

    /// What the stack says of its mirror.
    pub fn settings(&self) -> MirrorSettings {
        self.world.borrow().settings.clone()
    }

    /// Changes the file system as EFS shows it.
    pub fn change_file_system(&self, change: impl FnOnce(&mut ObservedFileSystem)) {
        change(&mut self.world.borrow_mut().file_system);
    }

    /// The file system as EFS shows it.
    pub fn file_system(&self) -> ObservedFileSystem {
        self.world.borrow().file_system.clone()
    }

    /// Sets how many more tasks can be started; nothing for any number.
    pub fn set_capacity(&self, capacity: Option<usize>) {
        self.world.borrow_mut().capacity = capacity;
    }

    /// Sets how long the transferrer takes for a file.
    pub fn set_seconds_per_file(&self, seconds: i64) {
        self.world.borrow_mut().seconds_per_file = seconds;
    }

    /// Time goes on.
    pub fn pass(&self, duration: Duration) {
        let mut world = self.world.borrow_mut();
        world.now += duration;
    }

    pub fn time(&self) -> DateTime<Utc> {
        self.world.borrow().now
    }

    /// The tasks that were started.
    pub fn tasks(&self) -> Vec<FakeTask> {
        self.world.borrow().tasks.clone()
    }

    pub fn stop_task(&self, task_arn: &str, reason: &str) {
        for task in &mut self.world.borrow_mut().tasks {
            if task.task_arn == task_arn && task.stopped.is_none() {
                task.stopped = Some(reason.to_owned());
            }
        }
    }

    /// The keys of the bucket.
    pub fn keys(&self) -> Vec<String> {
        self.world.borrow().objects.keys().cloned().collect()
    }

    /// The content of an object, as text.
    pub fn text(&self, key: &str) -> Option<String> {
        let world = self.world.borrow();
        let object = world.objects.get(key)?;
        String::from_utf8(object.body.clone()).ok()
    }

    /// What an object hashes to, as far as the bucket knows it.
    pub fn sha256(&self, key: &str) -> Option<Sha256> {
        self.world.borrow().objects.get(key)?.sha256.clone()
    }

    /// Puts an object there past Longshore.
    pub fn put(&self, key: &str, body: &str) {
        let mut world = self.world.borrow_mut();
        world.put(key, body.as_bytes().to_vec());
    }

    /// Puts a bottle there past Longshore; without a digest, as a client that sends no checksum does.
    pub fn put_bottle(&self, key: &str, sha256: Option<Sha256>, size: u64) {
        let mut world = self.world.borrow_mut();
        let version = world.next_version();
        let object = FakeObject {
            body: Vec::new(),
            size,
            sha256,
            version,
        };
        world.objects.insert(key.to_owned(), object);
    }

    /// Deletes an object past Longshore.
    pub fn remove(&self, key: &str) {
        self.world.borrow_mut().objects.remove(key);
    }

    /// Keys in the order in which they were written.
    pub fn written(&self) -> Vec<String> {
        self.world.borrow().written.clone()
    }

    /// Keys in the order in which they were deleted.
    pub fn deleted(&self) -> Vec<String> {
        self.world.borrow().deleted.clone()
    }

    /// The URLs that index and registry were asked for.
    pub fn requests(&self) -> Vec<String> {
        self.world.borrow().requests.clone()
    }

    /// The URLs of the bottles that were downloaded.
    pub fn downloads(&self) -> Vec<String> {
        self.world.borrow().downloads.clone()
    }

    /// Forgets what was asked for, written, deleted and downloaded so far.
    pub fn forget(&self) {
        let mut world = self.world.borrow_mut();
        world.requests.clear();
        world.downloads.clear();
        world.written.clear();
        world.deleted.clear();
        world.calls.forget();
    }

    /// The events published so far.
    pub fn published(&self) -> Vec<LongshoreEvent> {
        self.world.borrow().published.clone()
    }

    /// The detail-types of the events published so far.
    pub fn detail_types(&self) -> Vec<&'static str> {
        self.published()
            .iter()
            .map(LongshoreEvent::detail_type)
            .collect()
    }

    /// Makes the call of this number, counted from the next one as 0, go wrong.
    pub fn inject(&self, call: usize, fault: Fault) {
        self.world.borrow_mut().calls.inject(call, fault);
    }

    /// Makes the next call of this operation, named as [`Self::calls`] names it, go wrong.
    pub fn inject_at(&self, operation: &str, fault: Fault) {
        self.world.borrow_mut().calls.inject_at(operation, fault);
    }

    /// A new process takes over after the last one died; nothing goes wrong any more.
    pub fn recover(&self) {
        self.world.borrow_mut().calls.recover();
    }

    /// How many turns the next calls wait for others before they have their effect, one after the
    /// other; after these, one turn each.
    pub fn set_delays(&self, delays: &[u8]) {
        self.world.borrow_mut().calls.set_delays(delays);
    }

    /// The calls made so far, by the names of the operations that they stand for.
    pub fn calls(&self) -> Vec<String> {
        self.world.borrow().calls.made().to_vec()
    }

    /// Counts a call and lets it go wrong where a test wants that.
    pub(crate) async fn call<R>(
        &self,
        operation: &str,
        effect: impl FnOnce(&mut World) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        self.wait().await;
        call(&mut *self.world.borrow_mut(), operation, effect)
    }

    /// Lets others have their turns.
    pub(crate) async fn wait(&self) {
        let turns = self.world.borrow_mut().calls.next_delay();
        give_way(turns).await;
    }
}

impl Called for World {
    fn calls(&mut self) -> &mut Calls {
        &mut self.calls
    }
}

impl World {
    pub(crate) fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    pub(crate) fn put(&mut self, key: &str, body: Vec<u8>) -> u64 {
        let version = self.next_version();
        let object = FakeObject {
            size: body.len() as u64,
            body,
            sha256: None,
            version,
        };
        self.objects.insert(key.to_owned(), object);
        version
    }
}
