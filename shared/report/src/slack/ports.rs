//! What Slack needs from outside: secrets, and what posts messages.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use super::destination::Bot;
use super::kept::PostedMessage;
use super::trouble::PostError;
use super::webhook::WebhookUrl;
use crate::message::Message;

/// A secret: where messages go, or what Slack signs with.
pub trait SecretText {
    /// The secret's name, for errors.
    fn name(&self) -> &str;

    /// Reads the secret's text as it is now.
    fn read(&self) -> impl Future<Output = Result<String, SecretError>> + Send;
}

/// What posts messages, for at most the time that is left.
pub trait MessagePoster {
    /// Posts `message` to `webhook`.
    fn post(
        &self,
        webhook: &WebhookUrl,
        message: &Message,
        time_left: Duration,
    ) -> impl Future<Output = Result<(), PostError>> + Send;

    /// Posts `message` to the channel of `bot`.
    fn post_as_bot(
        &self,
        bot: &Bot,
        message: &Message,
        time_left: Duration,
    ) -> impl Future<Output = Result<PostedMessage, PostError>> + Send;

    /// Makes `message` of what was posted. [`PostError::MessageGone`] where that cannot be edited.
    fn edit(
        &self,
        bot: &Bot,
        posted: &PostedMessage,
        message: &Message,
        time_left: Duration,
    ) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// What answers somebody who pressed a button, so that nobody else sees it.
pub trait PersonAnswerer {
    /// Says `text` to whom `response_url` is for, for at most the time that is left.
    fn answer(
        &self,
        response_url: &str,
        text: &str,
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
