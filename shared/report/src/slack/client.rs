//! Posting to Slack, and editing what was posted.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chrono::Utc;
use longshore_events::retry_after;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use serde::Serialize;

use super::api::{self, ApiUrl};
use super::destination::Bot;
use super::encrypted::NotEncrypted;
use super::kept::PostedMessage;
use super::ports::{MessagePoster, PersonAnswerer};
use super::response;
use super::retry::{RetryPolicy, random, spread};
use super::trouble::{ANSWER, Attempt, PostError, Trouble, is_worth_another, on_one_line};
use super::webhook::WebhookUrl;
use crate::message::Message;

/// How much of an answer is read. Those of the Web API repeat the message.
const LONGEST_ANSWER: usize = 256 * 1024;

/// The client of Slack's incoming webhooks and of its Web API.
pub struct Slack {
    /// Made by the first message: it reads all certificates of the machine, and many an event has none.
    client: OnceLock<Client>,
    policy: RetryPolicy,
    api: ApiUrl,
}

/// Who is asked, and in whose name.
enum Target<'a> {
    Webhook(&'a WebhookUrl),
    Api { bot: &'a Bot, url: Url, edits: bool },
}

impl Slack {
    /// A client that tries as [`RetryPolicy::default`] says.
    ///
    /// # Errors
    /// [`NotEncrypted`], if the address of Slack itself were one where no token may be sent.
    pub fn new() -> Result<Self, NotEncrypted> {
        Self::with_policy(RetryPolicy::default())
    }

    /// A client that tries as `policy` says.
    ///
    /// # Errors
    /// As [`Slack::new`].
    pub fn with_policy(policy: RetryPolicy) -> Result<Self, NotEncrypted> {
        Ok(Self {
            client: OnceLock::new(),
            policy,
            api: ApiUrl::parse(ApiUrl::SLACK)?,
        })
    }

    /// The same, with a Web API that is elsewhere, where `url` says so: a fake Slack.
    ///
    /// # Errors
    /// [`NotEncrypted`], where no token may be sent.
    pub fn with_api(self, url: Option<&str>) -> Result<Self, NotEncrypted> {
        let api = url.map(ApiUrl::parse).transpose()?;
        Ok(Self {
            api: api.unwrap_or(self.api),
            ..self
        })
    }

    /// The HTTP client, which is made at most once.
    fn client(&self) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // The cryptography of this process's TLS; an error says that it is named already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the message to where nobody decided that it may go.
            .redirect(redirect::Policy::none())
            // The environment is read in one place, and that is not here.
            .no_proxy()
            // Lambda freezes the process between events for minutes; a connection that died meanwhile
            // would be noticed only by an attempt that hangs.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn attempt(&self, target: &Target<'_>, body: &str, timeout: Duration) -> Attempt {
        let client = match self.client() {
            Ok(client) => client,
            // As where this machine has no certificates to trust.
            Err(error) => {
                return Attempt::Again {
                    trouble: Trouble::Transport(without_url(error)),
                    retry_after: None,
                };
            }
        };
        let request = match target {
            Target::Webhook(webhook) => client.post(webhook.reveal()),
            // Marked as sensitive, so that no log of the HTTP client shows it.
            Target::Api { bot, url, .. } => client.post(url.clone()).bearer_auth(bot.token()),
        };
        let sent = request
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .timeout(timeout)
            .body(body.to_owned())
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                return Attempt::Again {
                    trouble: Trouble::Transport(without_url(error)),
                    retry_after: None,
                };
            }
        };
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry_after::parse(value.as_bytes(), Utc::now()));
        match target {
            Target::Webhook(_) if status.is_success() => Attempt::Taken(None),
            Target::Webhook(webhook) => {
                let answer = on_one_line(&answer(response, ANSWER).await);
                refused_by_webhook(status.as_u16(), retry_after, webhook.hide_in(&answer))
            }
            Target::Api { bot, edits, .. } => {
                let answer = answer(response, LONGEST_ANSWER).await;
                api::judge(bot, *edits, status.as_u16(), retry_after, &answer)
            }
        }
    }

    /// Tries until Slack has taken `body`, or it is hopeless, or `time_left` is over.
    ///
    /// An attempt whose answer got lost is tried again too: better posted twice than not at all.
    async fn deliver(
        &self,
        target: &Target<'_>,
        body: &impl Serialize,
        time_left: Duration,
    ) -> Result<Option<PostedMessage>, PostError> {
        let body = serde_json::to_string(body)
            .map_err(|error| PostError::Unsendable(error.to_string()))?;
        let policy = &self.policy;
        let began = Instant::now();
        let mut attempts = 0;
        loop {
            let left = time_left.saturating_sub(began.elapsed());
            if left < policy.shortest_attempt {
                return Err(PostError::NoTime);
            }
            attempts += 1;
            let (trouble, retry_after) = match self
                .attempt(target, &body, left.min(policy.attempt_timeout))
                .await
            {
                Attempt::Taken(posted) => return Ok(posted),
                Attempt::Hopeless(error) => return Err(error),
                Attempt::Again {
                    trouble,
                    retry_after,
                } => (trouble, retry_after),
            };
            let wait = retry_after.unwrap_or_else(|| policy.wait(attempts));
            let room = time_left
                .saturating_sub(began.elapsed())
                .saturating_sub(policy.shortest_attempt);
            if attempts >= policy.maximum_attempts || wait >= room {
                return Err(PostError::GaveUp {
                    attempts,
                    last: trouble,
                });
            }
            let wait = spread(wait, random()).min(room);
            tracing::info!(
                attempt = attempts,
                problem = %trouble,
                wait_milliseconds = wait.as_millis(),
                "slack did not take the message, trying again"
            );
            tokio::time::sleep(wait).await;
        }
    }
}

/// What an answer of a webhook means that is not a success.
fn refused_by_webhook(status: u16, retry_after: Option<Duration>, answer: String) -> Attempt {
    match status {
        _ if is_worth_another(status) => Attempt::again(status, answer, retry_after),
        403 | 404 | 410 => Attempt::Hopeless(PostError::WebhookInvalid { status, answer }),
        _ => Attempt::refused(status, answer),
    }
}

impl MessagePoster for Slack {
    async fn post(
        &self,
        webhook: &WebhookUrl,
        message: &Message,
        time_left: Duration,
    ) -> Result<(), PostError> {
        self.deliver(&Target::Webhook(webhook), message, time_left)
            .await
            .map(drop)
    }

    async fn post_as_bot(
        &self,
        bot: &Bot,
        message: &Message,
        time_left: Duration,
    ) -> Result<PostedMessage, PostError> {
        let target = Target::Api {
            bot,
            url: self.api.method("chat.postMessage")?,
            edits: false,
        };
        let body = api::NewMessage {
            channel: bot.channel(),
            message,
        };
        self.deliver(&target, &body, time_left)
            .await?
            .ok_or_else(|| PostError::Unsendable("slack named no message".to_owned()))
    }

    async fn edit(
        &self,
        bot: &Bot,
        posted: &PostedMessage,
        message: &Message,
        time_left: Duration,
    ) -> Result<(), PostError> {
        let target = Target::Api {
            bot,
            url: self.api.method("chat.update")?,
            edits: true,
        };
        let body = api::ChangedMessage {
            channel: &posted.channel,
            ts: &posted.ts,
            text: &message.text,
            blocks: &message.blocks,
        };
        self.deliver(&target, &body, time_left).await.map(drop)
    }
}

impl PersonAnswerer for Slack {
    async fn answer(
        &self,
        response_url: &str,
        text: &str,
        time_left: Duration,
    ) -> Result<(), PostError> {
        let url = response::response_url(response_url, &self.api).ok_or_else(|| {
            PostError::Unsendable("the response_url is not an address of Slack's".to_owned())
        })?;
        let body = api::PersonalAnswer {
            response_type: "ephemeral",
            replace_original: false,
            text,
        };
        self.deliver(&Target::Webhook(&url), &body, time_left)
            .await
            .map(drop)
    }
}

/// The first part of an answer's text.
async fn answer(mut response: Response, limit: usize) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        // An answer that breaks off says what it said until then; its status is what counts.
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An error and its causes, without the URL, which is the secret.
fn without_url(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
