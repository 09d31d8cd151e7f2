//! A night on which everything goes wrong that can, in seconds.

mod cloud;
mod homebrew;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use longshore_bottles::layout;
use longshore_bottles::ports::Transferred;
use longshore_bottles::selection::Selection;
use longshore_bottles::settings::{DeletionSettings, MirrorSettings, RunnerSettings};
use longshore_bottles::sync::record::{SyncRecord, SyncState};
use longshore_bottles::sync::shard::{self, Lease, Renewed, Taken};
use longshore_bottles::sync::{Engine, RunRequest, SyncOptions, advance, run};
use longshore_events::longshore::SyncSource;
use longshore_state::lease::Clock;
use longshore_state::{CallError, EventPublisher, Worker};
use longshore_transfer::settings::Patience;
use longshore_transfer::{HttpClient, ProgressCounter, Settings, Stop, Transfers};
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, advance as pass, sleep, sleep_until, timeout};

use self::cloud::{Cloud, MIRROR, STACK, Task};
use self::homebrew::{Generation, LARGE, PLATFORMS};
use crate::bucket::{Bucket, sha256};
use crate::server::{Request, Server};
use crate::setting::{content, item};

/// In steps of this length time goes on, once the network is quiet.
const STEP: Duration = Duration::from_millis(250);

/// A task is killed when it is this old.
const LIFE: Duration = Duration::from_secs(20);

const MINUTE: Duration = Duration::from_secs(60);

/// How long AWS lets a function run.
const INVOCATION: Duration = Duration::from_secs(900);

/// From when to when what is out, in minutes.
const OUTAGES: [(u64, u64, bool, bool); 3] = [
    (1, 11, true, false),
    (16, 26, false, true),
    (31, 41, true, true),
];

/// When the second and the third generation are published, in minutes. It takes one: the index comes last.
const PUBLISHED: [u64; 2] = [14, 29];

/// How often the schedule asks for a sync, in minutes.
const SCHEDULE: u64 = 15;

/// The minutes after which the night is lost.
const MORNING: u64 = 8 * 60;

struct Night {
    server: Server,
    cloud: Cloud,
    begin: Instant,
    generations: Vec<Generation>,
    directory: PathBuf,
    /// The function's: a process that lives as long as the night.
    function: (HttpClient, Transfers<Bucket>),
    invocations: Cell<usize>,
}

impl Night {
    async fn begin() -> Rc<Self> {
        let server = Server::start().await;
        server.take_time(Duration::from_secs(3));
        server.slow_down(300);
        let settings = MirrorSettings {
            index_url: server.url("/api/formula.json"),
            selection: Selection {
                platforms: PLATFORMS.map(str::to_owned).into(),
                ..Selection::default()
            },
            registry_layout: true,
            portable_ruby: Some(Vec::new()),
            deletion: Some(DeletionSettings {
                grace_days: 0,
                max_files: 10_000,
                max_share_percent: 100,
            }),
            private_hosts: vec![server.host().to_owned()],
            max_tasks: 2,
            outage_patience_minutes: None,
            raised_throughput_in_mibps: None,
        };
        let generations: Vec<_> = (1..=3)
            .map(|number| Generation::new(&server, number))
            .collect();
        // The registry has everything before an index names it.
        for generation in &generations {
            for (path, body) in &generation.registry {
                server.publish(path, body);
            }
        }
        let directory =
            std::env::temp_dir().join(format!("longshore-night-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let bucket = Bucket::default();
        Rc::new(Self {
            function: transfers(&server, &bucket, &directory, 0),
            cloud: Cloud::new(bucket, settings),
            server,
            begin: Instant::now(),
            generations,
            directory,
            invocations: Cell::default(),
        })
    }

    fn at(&self, minutes: u64) -> Instant {
        self.begin + MINUTE * u32::try_from(minutes).unwrap()
    }

    async fn publish(&self) {
        for (number, generation) in self.generations.iter().enumerate() {
            if let Some(place) = number.checked_sub(1) {
                sleep_until(self.at(PUBLISHED[place])).await;
            }
            // The names are in this order: the index is the last but those for platforms.
            let (index, others): (Vec<_>, Vec<_>) = generation
                .files
                .iter()
                .partition(|(file, _)| *file == "formula.json");
            for (file, body) in others.into_iter().chain(index) {
                self.server.publish(&format!("/api/{file}"), body);
                if number > 0 {
                    sleep(MINUTE / 4).await;
                }
            }
        }
    }

    async fn have_outages(&self) {
        for (from, to, source, bucket) in OUTAGES {
            sleep_until(self.at(from)).await;
            if source {
                self.server.go_out();
            }
            self.cloud.bucket.set_out(bucket);
            sleep_until(self.at(to)).await;
            self.server.come_back();
            self.cloud.bucket.set_out(false);
        }
    }

    /// The function, invoked; Lambda asks twice more if it fails.
    async fn invoke(self: Rc<Self>, id: String, is_schedule: bool) {
        for wait in [0, 60, 120] {
            sleep(Duration::from_secs(wait)).await;
            let outcome = timeout(INVOCATION, self.function(&id, is_schedule)).await;
            if matches!(outcome, Ok(Ok(()))) {
                return;
            }
        }
    }

    async fn function(&self, id: &str, is_schedule: bool) -> Result<(), String> {
        self.invocations.set(self.invocations.get() + 1);
        let (source, transferrer) = &self.function;
        let worker = Worker {
            id: id.to_owned(),
            now: self.cloud.now(),
        };
        let engine = Engine {
            cloud: &self.cloud,
            source,
            transferrer,
            runner: &RunnerSettings {
                threshold_bytes: 2,
                time_left: Some(chrono::Duration::seconds(890)),
                region: None,
            },
            worker: &worker,
        };
        if is_schedule {
            let request = RunRequest {
                source: SyncSource::Schedule,
                requested_at: worker.now,
                options: SyncOptions::default(),
            };
            let run = run(&engine, STACK, &request).await;
            run.map(drop).map_err(|error| error.to_string())
        } else {
            let advanced = advance(&engine, STACK).await;
            advanced.map(drop).map_err(|error| error.to_string())
        }
    }

    /// A task from its start to its end.
    async fn live(self: Rc<Self>, task: Task, number: usize) {
        let reason = self.end_of(&task, number).await;
        self.cloud.stop_task(&task.arn, reason);
        self.invoke(format!("stopped-{number}"), false).await;
    }

    /// Runs a task until it ends. Half of them are asked to stop before they are killed.
    async fn end_of(&self, task: &Task, number: usize) -> &'static str {
        let stop = Stop::new();
        let work = self.work(task, number as u64, &stop);
        tokio::pin!(work);
        match timeout(LIFE, &mut work).await {
            Ok(Ok(())) => "Essential container in task exited (0)",
            Ok(Err(_)) => "Essential container in task exited (1)",
            Err(_) if number.is_multiple_of(2) => "Essential container in task exited (137)",
            Err(_) => {
                stop.request();
                // ECS waits half a minute after SIGTERM.
                let _ = timeout(MINUTE / 2, work).await;
                "Essential container in task exited (143)"
            }
        }
    }

    /// What `bottle-sync` does with a shard.
    async fn work(&self, task: &Task, seed: u64, stop: &Stop) -> Result<(), CallError> {
        let key = task.shard_url.strip_prefix("s3://mirror/").unwrap();
        let (sync_id, number) = shard::of_key(key).unwrap();
        let mut lease = loop {
            let worker = Worker {
                id: task.arn.clone(),
                now: self.cloud.now(),
            };
            match shard::take(&self.cloud, MIRROR, &sync_id, number, &worker).await? {
                Taken::Leased(lease) => break lease,
                Taken::Busy { until } => self.cloud.sleep(until - self.cloud.now()).await,
                _ => return Ok(()),
            }
        };
        let items = shard::items(&self.cloud, MIRROR, &sync_id, number).await?;
        let bucket = &self.cloud.bucket;
        let (_, transfers) = transfers(&self.server, bucket, &self.directory, seed);
        let progress = ProgressCounter::new();
        let transferred: Transferred = {
            let run = transfers.run(MIRROR, items, &progress, stop);
            let keep = self.keep(&mut lease, &progress);
            tokio::pin!(run, keep);
            tokio::select! {
                transferred = &mut run => transferred,
                () = &mut keep => return Ok(()),
            }
        };
        if transferred.left.is_empty() {
            let report = &transferred.report;
            let event = shard::finish(&self.cloud, MIRROR, &mut lease, report).await?;
            self.cloud.publish(event.as_slice()).await
        } else {
            let given_back = shard::give_back(&self.cloud, MIRROR, &mut lease, &transferred);
            given_back.await.map(drop)
        }
    }

    /// Renews the lease; returns when it is lost.
    async fn keep(&self, lease: &mut Lease, progress: &ProgressCounter) {
        let mut held_until = self.cloud.now() + shard::LEASE;
        while self.cloud.now() < held_until {
            self.cloud.sleep(shard::RENEWAL).await;
            let now = self.cloud.now();
            match shard::renew(&self.cloud, MIRROR, lease, progress.snapshot(), now).await {
                Ok(Renewed::Held) => held_until = now + shard::LEASE,
                Ok(Renewed::Lost) => return,
                Err(_) => {}
            }
        }
    }

    fn record(&self) -> Option<SyncRecord> {
        let body = self.cloud.bucket.content(layout::RECORD)?;
        Some(serde_json::from_slice(&body).unwrap())
    }

    /// What clients see: no index file names a bottle that is not there, whatever the hour.
    fn look(&self) {
        let bucket = &self.cloud.bucket;
        for generation in &self.generations {
            for (file, body) in &generation.files {
                let published = bucket.content(&layout::published_index(file));
                if published.as_ref() != Some(body) {
                    continue;
                }
                for (key, digest) in &generation.mirror {
                    if layout::is_bottle(key) {
                        let is_there = bucket.target(key).map(|target| target.sha256);
                        assert_eq!(is_there.as_ref(), Some(digest), "{file} names {key}");
                    }
                }
            }
        }
    }

    /// The mirror as clients see it.
    fn mirror(&self) -> BTreeMap<String, String> {
        let keys = self.cloud.bucket.keys().into_iter();
        keys.filter(|key| !key.starts_with(layout::OWN_PREFIX))
            .map(|key| {
                let digest = sha256(&self.cloud.bucket.content(&key).unwrap());
                (key, digest.to_string())
            })
            .collect()
    }

    fn is_done(&self) -> bool {
        let index = &self.generations[2].files["formula.json"];
        // What a failed sync has left goes with the next one.
        let gone = self.cloud.bucket.content(layout::GONE);
        gone.as_deref() == Some(b"{}")
            && self.record().is_some_and(|record| {
                record.sync.state == SyncState::Completed
                    && record
                        .published
                        .is_some_and(|published| published.sha256 == sha256(index))
                    && record
                        .sync
                        .outcome
                        .is_some_and(|outcome| outcome.warnings.is_empty())
            })
    }

    /// Every minute whoever is to be woken is; gives how long the night was.
    async fn pass(self: &Rc<Self>) -> Duration {
        let mut tasks = 0;
        for minute in 0..MORNING {
            if minute % SCHEDULE == 0 {
                spawn_local(self.clone().invoke(format!("schedule-{minute}"), true));
            }
            spawn_local(self.clone().invoke(format!("reconcile-{minute}"), false));
            for _ in 0..60 {
                for task in self.cloud.tasks_from(tasks) {
                    tasks += 1;
                    spawn_local(self.clone().live(task, tasks));
                }
                sleep(Duration::from_secs(1)).await;
            }
            self.look();
            if minute > OUTAGES[2].1 && self.is_done() {
                return self.begin.elapsed();
            }
        }
        panic!("{:#?}", self.record());
    }
}

/// The network's turns come before any time goes by, as the machine is faster than the night.
async fn keep_time(server: &Server) -> ! {
    loop {
        let mut quiet = 0;
        while quiet < 6 {
            let before = server.activity();
            yield_now().await;
            let is_quiet = server.activity() == before;
            quiet = if is_quiet { quiet + 1 } else { 0 };
        }
        pass(STEP).await;
    }
}

/// What asks the source and transfers files, in a process of its own.
fn transfers(
    server: &Server,
    bucket: &Bucket,
    directory: &Path,
    seed: u64,
) -> (HttpClient, Transfers<Bucket>) {
    let client = HttpClient::new(Settings {
        concurrency: 4,
        temporary: Some(directory.to_owned()),
        private_hosts: vec![server.host().to_owned()],
        patience: Patience {
            seed: Some(seed),
            ..Patience::default()
        },
        ..Settings::default()
    })
    .unwrap();
    let transfers = Transfers::new(client.clone(), bucket.clone());
    (client, transfers)
}

/// The source is out for ten minutes, then S3, then both; a twentieth of all answers is 403, 404, 429, 500, 200 with
/// an error inside, cut or stalled; every task is killed after twenty seconds; and three generations of the index
/// are published meanwhile. Whole syncs run, as they do on AWS, and time is tokio's.
#[tokio::test(start_paused = true)]
async fn at_its_end_the_bucket_is_one_generation_and_nothing_that_was_there_came_again() {
    let real = std::time::Instant::now();
    let local = LocalSet::new();
    let (night, took) = local
        .run_until(async {
            let night = Night::begin().await;
            night.server.misbehave(5, 1);
            night.cloud.bucket.misbehave(5, 2);
            let took = tokio::select! {
                took = night.pass() => took,
                never = keep_time(&night.server) => never,
                never = async {
                    tokio::join!(night.publish(), night.have_outages());
                    std::future::pending().await
                } => never,
            };
            (night, took)
        })
        .await;
    std::fs::remove_dir_all(&night.directory).unwrap();
    let expected: BTreeMap<String, String> = night.generations[2]
        .mirror
        .iter()
        .map(|(key, digest)| (key.clone(), digest.to_string()))
        .collect();
    let mirror = night.mirror();
    assert!(mirror == expected, "{:?}", difference(&mirror, &expected));

    let mut blobs = BTreeMap::new();
    for generation in &night.generations {
        for (path, digest) in &generation.blobs {
            blobs.insert(path, (digest, generation.registry[path].len()));
        }
    }
    let bucket = &night.cloud.bucket;
    let requests = night.server.requests();
    // For one byte a file is asked that shows whether the source gives anything.
    let is_for_all = |request: &&Request| {
        let range = request.headers.get("range");
        range.is_none_or(|range| range != "bytes=0-0")
    };
    for request in requests.iter().filter(is_for_all) {
        if let Some((digest, _)) = blobs.get(&request.path)
            && let Some(since) = bucket.first_written(digest)
        {
            assert!(request.at <= since, "{} was there already", request.path);
        }
    }
    // What was cut off comes again, and of a large file not even that.
    let sent: usize = blobs.keys().map(|path| night.server.sent_of(path)).sum();
    let transferred = blobs
        .values()
        .filter(|(digest, _)| bucket.first_written(digest).is_some());
    let whole: usize = transferred.map(|(_, bytes)| bytes).sum();
    let large = blobs
        .iter()
        .find(|(_, (_, bytes))| *bytes == LARGE)
        .unwrap()
        .0;
    assert!(night.server.sent_of(large) < LARGE * 3 / 2);
    assert!(sent < whole * 13 / 10, "{sent} of {whole}");

    let (completed, failed) = night.cloud.reported();
    // No outage and no kill is what one fails of. That a file, or an index file, is another one in every attempt may be.
    let is_of_a_file = |reason: &String| {
        reason.starts_with("1 file could not be transferred")
            || reason.contains("is not a signed file")
    };
    assert!(
        failed.len() <= 1 && failed.iter().all(is_of_a_file),
        "{failed:#?}"
    );
    // Said past the test's captured output: the table in docs/mirror.md is made of it.
    let _ = writeln!(
        io::stderr(),
        "{} minutes: {} tasks, {} invocations, {} syncs completed; {} requests of the source, {} calls of S3; \
         {sent} bytes sent for {whole}; {:?}",
        took.as_secs() / 60,
        night.cloud.tasks_from(0).len(),
        night.invocations.get(),
        completed,
        requests.len(),
        bucket.calls().len(),
        real.elapsed()
    );
}

/// With the patience that a task has, and not with that of a test.
#[tokio::test(start_paused = true)]
async fn an_outage_of_45_seconds_costs_no_file_on_either_side() {
    for is_of_source in [true, false] {
        let server = Server::start().await;
        let bucket = Bucket::default();
        let items: Vec<_> = (0..1_000)
            .map(|number| {
                let content = content(2_000, number);
                let url = server.publish(&format!("/{number}"), &content);
                item(&format!("file-{number}"), url, &content)
            })
            .collect();
        let (_, transfers) = transfers(&server, &bucket, Path::new("/nowhere"), 1);
        if is_of_source {
            server.go_out();
        }
        bucket.set_out(!is_of_source);
        let begin = Instant::now();
        let (progress, stop) = (ProgressCounter::new(), Stop::new());
        let outage = async {
            sleep(Duration::from_secs(45)).await;
            // One file after the other asks whether it is over.
            let asked = server.requests().len() + bucket.calls().len();
            server.come_back();
            bucket.set_out(false);
            asked
        };
        let (transferred, asked) = tokio::select! {
            done = async { tokio::join!(transfers.run(MIRROR, items, &progress, &stop), outage) } => done,
            never = keep_time(&server) => never,
        };
        assert_eq!(transferred.report.files, 1_000, "{transferred:?}");
        assert_eq!(transferred.report.failed, 0);
        assert!(asked < 100, "{asked}");
        assert!(begin.elapsed() < Duration::from_secs(90));
    }
}

/// What two mirrors do not have in common.
fn difference(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let keys = one.keys().chain(other.keys());
    keys.filter(|key| one.get(*key) != other.get(*key))
        .cloned()
        .collect()
}
