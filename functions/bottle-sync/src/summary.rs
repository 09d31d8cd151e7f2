//! One message in Slack, where there is no bus on which others hear what to post.

use std::time::Duration;

use anyhow::Result;
use longshore_aws::{NamedSecret, Secrets};
use longshore_events::transfer::TransferReport;
use longshore_report::{Announcer, Slack, transfer_message};

/// How long posting may take: the task ends after it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts what became of lists of files.
pub struct Summaries {
    announcer: Announcer<NamedSecret, Slack>,
}

impl Summaries {
    /// Posts to the webhook that the secret `name` holds.
    ///
    /// # Errors
    /// When the client of Slack cannot be made.
    pub fn new(secrets: Secrets, name: String) -> Result<Self> {
        Ok(Self {
            announcer: Announcer::new(secrets.named(name), Slack::new()?),
        })
    }

    /// Posts what became of a list of files. That it cannot be posted is logged, and changes nothing of what
    /// became of it.
    pub async fn post(&self, bucket: &str, report: &TransferReport) {
        let message = transfer_message(bucket, report);
        if let Err(error) = self.announcer.announce(&message, PATIENCE).await {
            tracing::warn!(error = error.to_string(), "notify in slack");
        }
    }
}
