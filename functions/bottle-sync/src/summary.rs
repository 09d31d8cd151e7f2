//! One message in Slack, where there is no bus on which others hear what to post.

use std::time::Duration;

use anyhow::Result;
use longshore_aws::Secrets;
use longshore_events::transfer::TransferReport;
use longshore_report::{Announcer, SecretError, Slack, WebhookSecret, transfer_message};

/// How long posting may take: the task ends after it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts what became of lists of files.
pub struct Summaries {
    announcer: Announcer<SecretsManagerSecret, Slack>,
}

impl Summaries {
    /// Posts to the webhook that the secret `name` holds.
    ///
    /// # Errors
    /// When the client of Slack cannot be made.
    pub fn new(secrets: Secrets, name: String) -> Result<Self> {
        let secret = SecretsManagerSecret { secrets, name };
        Ok(Self {
            announcer: Announcer::new(secret, Slack::new()?),
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

/// The webhook's secret, in Secrets Manager.
struct SecretsManagerSecret {
    secrets: Secrets,
    name: String,
}

impl WebhookSecret for SecretsManagerSecret {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self) -> Result<String, SecretError> {
        self.secrets
            .text(&self.name)
            .await
            .map_err(SecretError::new)
    }
}
