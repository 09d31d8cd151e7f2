//! Telling one message: the secret, the webhook, the message.

use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::blocks::Message;
use crate::slack::PostError;
use crate::webhook::{InvalidWebhook, WebhookUrl};

/// Where the webhook's URL is kept.
pub trait WebhookSecret {
    /// The secret's name, for errors.
    fn name(&self) -> &str;

    /// Reads the secret's text as it is now.
    fn read(&self) -> impl Future<Output = Result<String, SecretError>> + Send;
}

/// What posts messages.
pub trait MessagePoster {
    /// Posts `message` to `webhook`, for at most `time_left`.
    fn post(
        &self,
        webhook: &WebhookUrl,
        message: &Message,
        time_left: Duration,
    ) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// The secret could not be read. Its cause says which, and why.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SecretError(Box<dyn Error + Send + Sync>);

impl SecretError {
    /// The secret could not be read because of `cause`, which must not hold the secret's text.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(cause))
    }
}

/// A message that could not be told.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The webhook's URL could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The time was over before the webhook's URL had been read.
    #[error("read secret {0}: no answer in the time left")]
    SecretTimeout(String),
    /// The secret holds no URL of a webhook.
    #[error("read secret {name}: {problem}")]
    Webhook {
        /// The secret's name.
        name: String,
        /// What is wrong with it.
        problem: InvalidWebhook,
    },
    /// Slack did not take the message.
    #[error(transparent)]
    Post(#[from] PostError),
}

/// Tells messages in Slack. Reads the secret once and keeps it for as long as Slack takes it.
pub struct Announcer<Secret, Poster> {
    secret: Secret,
    poster: Poster,
    webhook: Mutex<Option<WebhookUrl>>,
}

impl<Secret: WebhookSecret, Poster: MessagePoster> Announcer<Secret, Poster> {
    /// An announcer that has not read its secret yet.
    pub fn new(secret: Secret, poster: Poster) -> Self {
        Self {
            secret,
            poster,
            webhook: Mutex::new(None),
        }
    }

    /// Posts `message`, for at most `time_left` in all.
    ///
    /// Secrets rotate: where Slack says that a webhook which was read earlier is not valid, the secret is
    /// read again, and a webhook that is new is tried.
    ///
    /// # Errors
    /// [`AnnounceError`]; nothing that it says holds the webhook's URL.
    pub async fn announce(
        &self,
        message: &Message,
        time_left: Duration,
    ) -> Result<(), AnnounceError> {
        let began = Instant::now();
        let left = || time_left.saturating_sub(began.elapsed());
        let Some(known) = self.known() else {
            let webhook = self.read(left()).await?;
            return Ok(self.poster.post(&webhook, message, left()).await?);
        };
        match self.poster.post(&known, message, left()).await {
            Err(error @ PostError::WebhookInvalid { .. }) => {
                let webhook = self.read(left()).await?;
                if webhook == known {
                    return Err(error.into());
                }
                tracing::info!("the secret of the slack webhook has changed, using the new one");
                Ok(self.poster.post(&webhook, message, left()).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    fn known(&self) -> Option<WebhookUrl> {
        self.webhook
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn read(&self, time_left: Duration) -> Result<WebhookUrl, AnnounceError> {
        let name = || self.secret.name().to_owned();
        let text = tokio::time::timeout(time_left, self.secret.read())
            .await
            .map_err(|_| AnnounceError::SecretTimeout(name()))??;
        let webhook = WebhookUrl::from_secret(&text).map_err(|problem| AnnounceError::Webhook {
            name: name(),
            problem,
        })?;
        *self.webhook.lock().unwrap_or_else(PoisonError::into_inner) = Some(webhook.clone());
        Ok(webhook)
    }
}
