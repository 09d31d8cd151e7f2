//! What all the work of a task shares.

use anyhow::{Context, Result};
use longshore_aws::{AwsCloud, S3Destination, Secrets};
use longshore_bottles::ports::Transferred;
use longshore_events::transfer::TransferItem;
use longshore_runtime::configuration::task::TaskConfiguration;
use longshore_transfer::settings::{CONCURRENCY, OUTAGE, Patience};
use longshore_transfer::{HttpClient, ProgressCounter, Settings, Stop, Transfers};

use crate::health::{self, Health, Work};
use crate::summary::Summaries;
use crate::{identity, progress, stopping};

pub struct Task {
    /// Where files go.
    pub bucket_name: String,
    /// Where shards are, and where it is published that they are done.
    pub cloud: AwsCloud,
    /// Whether there is a bus to publish it on.
    pub has_event_bus: bool,
    /// Where summaries are posted, where there is no bus.
    pub summaries: Option<Summaries>,
    /// By which others know who works on a shard.
    pub id: String,
    /// Requested when the task is asked to stop.
    pub stop: Stop,
    /// What the health check answers.
    pub health: Health,
    transfers: Transfers<S3Destination>,
}

impl Task {
    /// Reads what is around it, and serves its health.
    ///
    /// # Errors
    /// When signals, TLS or the HTTP clients cannot be set up.
    pub async fn start(configuration: TaskConfiguration) -> Result<Self> {
        let (stop, health) = (Stop::new(), Health::new());
        stopping::listen(&stop, &health).context("listen to signals")?;
        match health::listen(configuration.port).await {
            Ok(listener) => drop(tokio::spawn(health::serve(listener, health.clone()))),
            // Nobody can ask for the health then, which is not a reason to transfer nothing.
            Err(error) => tracing::warn!(
                port = configuration.port,
                error = error.to_string(),
                "serve no health"
            ),
        }
        let aws = longshore_aws::load_configuration().await;
        let client = HttpClient::new(Settings {
            concurrency: configuration.concurrency.unwrap_or(CONCURRENCY),
            bandwidth_limit: configuration.bandwidth_limit,
            temporary: configuration.resume_directory,
            private_hosts: longshore_aws::allowed_hosts(&aws, &configuration.private_hosts),
            patience: Patience {
                outage: configuration.outage_patience.unwrap_or(OUTAGE),
                ..Patience::default()
            },
        })?;
        let bus = configuration.event_bus_name.unwrap_or_default();
        let summaries = match configuration.slack_webhook_secret_name {
            Some(name) if bus.is_empty() => Some(Summaries::new(Secrets::new(&aws), name)?),
            _ => None,
        };
        Ok(Self {
            bucket_name: configuration.bucket_name,
            // The state bucket is for those who deploy: all of a sync is in the mirror's own.
            cloud: AwsCloud::new(&aws, "", &bus),
            has_event_bus: !bus.is_empty(),
            summaries,
            id: identity::of_this_task().await,
            stop,
            health,
            transfers: Transfers::new(client, S3Destination::new(&aws)),
        })
    }

    /// Transfers `items`, seen by the log and the health; soon after `stop` is requested, it returns what
    /// is left.
    pub async fn transfer(
        &self,
        shard: &str,
        items: Vec<TransferItem>,
        counter: &ProgressCounter,
        stop: &Stop,
    ) -> Transferred {
        let work = Work {
            shard: shard.to_owned(),
            files: items.len() as u64,
            bytes: items
                .iter()
                .filter_map(|item| item.size)
                .fold(0, u64::saturating_add),
        };
        tracing::info!(
            shard,
            files = work.files,
            bytes = work.bytes,
            bucket = self.bucket_name,
            "begin to transfer files"
        );
        self.health.begin(work.clone());
        let run = self.transfers.run(&self.bucket_name, items, counter, stop);
        let transferred = tokio::select! {
            transferred = run => transferred,
            never = progress::watch(counter, &self.health, &work) => match never {},
        };
        self.health.end();
        say(shard, &transferred);
        transferred
    }
}

/// What became of all files together; each that was given up is logged where that is decided.
fn say(shard: &str, transferred: &Transferred) {
    let report = &transferred.report;
    let seconds = (report.finished_at - report.started_at).as_seconds_f64();
    tracing::info!(
        shard,
        files = report.files,
        bytes = report.bytes,
        already_there = report.already_there,
        copies = report.copies,
        downloaded_bytes = report.downloaded_bytes,
        resumed_bytes = report.resumed_bytes,
        failed = report.failed,
        left = transferred.left.len(),
        seconds,
        "transferred files"
    );
}
