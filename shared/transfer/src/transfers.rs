//! Many files at once, under one limit. While nothing gets through, one more is begun, and no further one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use longshore_bottles::ports::{Transferred, Transferrer};
use longshore_bottles::progress::ProgressCounter;
use longshore_events::transfer::{TransferFailure, TransferItem, TransferReport};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::HttpClient;
use crate::destination::Destination;
use crate::item::{End, Ended, Work};
use crate::part;
use crate::stop::Stop;

/// How many failures a report lists; it counts all.
const LISTED_FAILURES: usize = 100;

/// A bucket that allows none of 20 files in a row is not open to this role.
const DENIED_FOR_ALL: usize = 20;

/// How long files that were broken off may take to write down what they have.
const CHECKPOINT: Duration = Duration::from_secs(4);

/// Transfers files into a bucket.
#[derive(Debug)]
pub struct Transfers<D> {
    client: HttpClient,
    destination: Arc<D>,
}

impl<D: Destination> Transfers<D> {
    /// From wherever `client` may ask, to `destination`, with the client's settings.
    pub fn new(client: HttpClient, destination: D) -> Self {
        Self {
            client,
            destination: Arc::new(destination),
        }
    }

    /// Transfers `items` into `bucket`, several at a time, and reports what became of them. No failure of a file
    /// keeps others back, except one that no file can escape: a bucket that is not there, or that allows
    /// none of many files, and an outage that lasts longer than it is waited for.
    ///
    /// It returns within 25 seconds after `stop` is requested; what is not done then is left.
    pub async fn run(
        &self,
        bucket: &str,
        items: Vec<TransferItem>,
        progress: &ProgressCounter,
        stop: &Stop,
    ) -> Transferred {
        self.clean(&items).await;
        let work = Arc::new(Work {
            client: self.client.clone(),
            destination: Arc::clone(&self.destination),
            bucket: bucket.to_owned(),
            progress: progress.clone(),
            stop: stop.clone(),
            abort: Stop::new(),
            kept: Mutex::new(HashSet::new()),
        });
        let mut tally = Tally::new(items.len(), progress.clone());
        let items: Arc<[TransferItem]> = items.into();
        let mut waiting = 0..items.len();
        let mut running = JoinSet::new();
        let mut patience = StopPatience::new(self.client.patience().grace);
        let concurrency = self.client.settings().concurrency.max(1);
        // The file that was begun while nothing got through: those that are on their way may all be files
        // that never will.
        let mut probe = None;
        loop {
            let retries = self.client.retries();
            let is_closed = retries.is_closed();
            if !is_closed {
                probe = None;
            }
            while (if is_closed {
                probe.is_none()
            } else {
                running.len() < concurrency
            }) && !stop.is_requested()
                && tally.hopeless.is_none()
                && let Some(index) = waiting.next()
            {
                probe = is_closed.then_some(index);
                let (work, items) = (Arc::clone(&work), Arc::clone(&items));
                running.spawn(async move { (index, work.transfer(&items[index]).await) });
            }
            tokio::select! {
                ended = running.join_next() => match ended {
                    // A file whose task broke down is left, and comes again.
                    Some(Err(error)) => {
                        probe = None;
                        tracing::error!(%error, "transferring a file broke down");
                    }
                    Some(Ok((index, ended))) => {
                        probe = probe.filter(|probe| *probe != index);
                        tally.add(index, &items[index], ended);
                    }
                    None => break,
                },
                () = retries.changed(), if !waiting.is_empty() => {}
                step = patience.next(stop) => match step {
                    Step::Abort => work.abort.request(),
                    Step::GiveUp => running.abort_all(),
                },
            }
        }
        tally.finish(&items)
    }

    async fn clean(&self, items: &[TransferItem]) {
        let Some(directory) = &self.client.settings().temporary else {
            return;
        };
        let wanted = items.iter().map(|item| item.sha256.clone()).collect();
        if let Err(error) = part::clean(directory, wanted).await {
            tracing::warn!(directory = %directory.display(), %error, "the temporary directory cannot be cleaned");
        }
    }
}

impl<D: Destination> Transferrer for Transfers<D> {
    async fn transfer(
        &self,
        bucket: &str,
        items: Vec<TransferItem>,
        deadline: Option<DateTime<Utc>>,
        progress: &ProgressCounter,
    ) -> Transferred {
        let stop = Stop::new();
        let mut run = std::pin::pin!(self.run(bucket, items, progress, &stop));
        if let Some(deadline) = deadline {
            let reserve = self.client.patience().grace + CHECKPOINT + Duration::from_secs(1);
            let left = (deadline - Utc::now()).to_std().unwrap_or_default();
            let left = left.saturating_sub(reserve);
            if !left.is_zero() {
                tokio::select! {
                    transferred = &mut run => return transferred,
                    () = tokio::time::sleep(left) => {}
                }
            }
            stop.request();
        }
        run.await
    }
}

/// What is to be done about a stop, one after the other.
struct StopPatience {
    grace: Duration,
    state: StopState,
}

enum StopState {
    Running,
    Stopping(Instant),
    Aborting(Instant),
    GivenUp,
}

enum Step {
    /// Those that are on their way are to write down what they have.
    Abort,
    /// They have not even done that in time.
    GiveUp,
}

impl StopPatience {
    fn new(grace: Duration) -> Self {
        Self {
            grace,
            state: StopState::Running,
        }
    }

    /// Returns when the next step is due. It may be dropped and called again.
    async fn next(&mut self, stop: &Stop) -> Step {
        loop {
            match self.state {
                StopState::Running => {
                    stop.requested().await;
                    self.state = StopState::Stopping(Instant::now() + self.grace);
                }
                StopState::Stopping(until) => {
                    tokio::time::sleep_until(until).await;
                    self.state = StopState::Aborting(Instant::now() + CHECKPOINT);
                    return Step::Abort;
                }
                StopState::Aborting(until) => {
                    tokio::time::sleep_until(until).await;
                    self.state = StopState::GivenUp;
                    return Step::GiveUp;
                }
                StopState::GivenUp => std::future::pending().await,
            }
        }
    }
}

/// Sizes are what registries say, which may be anything.
fn add(sum: &mut u64, bytes: u64) {
    *sum = sum.saturating_add(bytes);
}

/// Adds up what became of the files.
struct Tally {
    report: TransferReport,
    progress: ProgressCounter,
    settled: Vec<bool>,
    /// Files in a row that the bucket did not allow.
    denied: usize,
    /// Why no further file can fare better.
    hopeless: Option<String>,
    /// What a file that is left failed at last.
    problem: Option<String>,
}

impl Tally {
    fn new(files: usize, progress: ProgressCounter) -> Self {
        let now = Utc::now();
        Self {
            report: TransferReport::of_nothing(now, now),
            progress,
            settled: vec![false; files],
            denied: 0,
            hopeless: None,
            problem: None,
        }
    }

    fn add(&mut self, index: usize, item: &TransferItem, ended: Ended) {
        self.report.copies += ended.copies;
        add(&mut self.report.downloaded_bytes, ended.counts.downloaded);
        add(&mut self.report.resumed_bytes, ended.counts.resumed);
        self.settled[index] = ended.end != End::Left;
        match ended.end {
            End::Denied(_) => self.denied += 1,
            End::Transferred | End::AlreadyThere => self.denied = 0,
            _ => {}
        }
        match ended.end {
            End::Transferred => {
                self.report.files += 1;
                add(&mut self.report.bytes, ended.bytes);
                self.progress.done(ended.bytes);
            }
            End::AlreadyThere => {
                self.report.already_there += 1;
                self.progress.done(ended.bytes);
            }
            End::Failed(reason) => self.fail(item, reason, ended.counts.attempts),
            End::Denied(reason) => {
                if self.denied >= DENIED_FOR_ALL {
                    self.hopeless.get_or_insert_with(|| reason.clone());
                }
                self.fail(item, reason, ended.counts.attempts);
            }
            End::FailedForAll(reason) => {
                self.hopeless.get_or_insert_with(|| reason.clone());
                self.fail(item, reason, ended.counts.attempts);
            }
            End::Left => {
                if let (None, Some(problem)) = (&self.problem, ended.problem) {
                    self.problem = Some(format!("{}: {problem}", item.key));
                }
            }
        }
    }

    fn fail(&mut self, item: &TransferItem, reason: String, attempts: u32) {
        tracing::warn!(key = item.key, reason, attempts, "the file is given up");
        self.report.failed += 1;
        self.progress.failed();
        if self.report.failures.len() < LISTED_FAILURES {
            self.report.failures.push(TransferFailure {
                key: item.key.clone(),
                url: item.url.clone(),
                reason,
                attempts,
            });
        }
    }

    fn finish(mut self, items: &[TransferItem]) -> Transferred {
        let settled = std::mem::take(&mut self.settled);
        let unsettled = items.iter().zip(settled).filter(|(_, settled)| !settled);
        let mut left = Vec::new();
        match self.hopeless.take() {
            Some(reason) => {
                for (item, _) in unsettled {
                    self.fail(item, format!("not tried: {reason}"), 0);
                }
            }
            None => left.extend(unsettled.map(|(item, _)| item.clone())),
        }
        self.report.finished_at = Utc::now();
        Transferred {
            report: self.report,
            left,
            problem: self.problem,
        }
    }
}
