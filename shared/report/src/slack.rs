//! Posting to Slack, and editing what was posted.

mod api;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use serde::Serialize;

pub use api::ApiUrl;

use crate::announcer::MessagePoster;
use crate::blocks::Message;
use crate::destination::Bot;
use crate::encrypted::NotEncrypted;
use crate::topic::PostedMessage;
use crate::webhook::WebhookUrl;

/// How much of an answer is told. Slack's own are a word or a sentence.
const ANSWER: usize = 300;
/// How much of an answer is read. Those of the Web API repeat the message.
const LONGEST_ANSWER: usize = 256 * 1024;

/// How often and how long a message is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most attempts.
    pub maximum_attempts: u32,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// With less time left than this, no attempt is begun.
    pub shortest_attempt: Duration,
    /// The wait after the first attempt, where Slack says none; it doubles with each attempt.
    pub first_wait: Duration,
    /// The longest such wait.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// For a function that may take a minute. Slack takes about one message a second from a webhook, so
    /// a burst of a few services needs several attempts.
    fn default() -> Self {
        Self {
            maximum_attempts: 8,
            attempt_timeout: Duration::from_secs(8),
            shortest_attempt: Duration::from_millis(500),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(8),
        }
    }
}

/// The client of Slack's incoming webhooks and of its Web API.
pub struct Slack {
    client: Client,
    policy: RetryPolicy,
    api: ApiUrl,
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// This machine has no certificates to trust.
    #[error("make the http client for slack")]
    Http(#[source] reqwest::Error),
    /// The Web API is where no token may be sent.
    #[error("make the http client for slack: the url of its web api {0}")]
    Api(#[from] NotEncrypted),
}

/// A message that Slack did not take.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Slack refuses this message, and would again.
    #[error("post message to slack: refused with status {status}: {answer}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Slack's own words, such as `invalid_blocks`.
        answer: String,
    },
    /// The webhook was revoked or never was, or its channel is gone.
    #[error(
        "post message to slack: the webhook is not valid, status {status}: {answer}; \
         write the url of a valid webhook into the secret"
    )]
    WebhookInvalid {
        /// The HTTP status: 403, 404 or 410.
        status: u16,
        /// Slack's own words, such as `no_service` or `channel_is_archived`.
        answer: String,
    },
    /// The bot's token is not valid, or the bot may not post to its channel.
    #[error(
        "post message to slack: the bot may not: {0}; write a valid bot_token, and the id of a channel \
         that the bot is in, into the secret"
    )]
    BotInvalid(String),
    /// The message that was to be edited is not there, or cannot be edited any more.
    #[error("edit message in slack: {0}")]
    MessageGone(String),
    /// Neither the attempts nor the time that there was were enough; it may go better later.
    #[error("post message to slack: gave up after attempt {attempts}: {last}")]
    GaveUp {
        /// How many attempts were made.
        attempts: u32,
        /// What was wrong with the last one.
        last: Trouble,
    },
    /// There was not even the time to try.
    #[error("post message to slack: no time left to try")]
    NoTime,
    /// The request cannot be made.
    #[error("post message to slack: make the request: {0}")]
    Unsendable(String),
}

/// What went wrong with an attempt that is worth another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A status of 408, 429 or 500 and above, and the answer's text.
    Status {
        /// The HTTP status.
        status: u16,
        /// The answer's text.
        answer: String,
    },
    /// No answer.
    Transport(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, answer } => write!(formatter, "status {status}: {answer}"),
            Self::Transport(problem) => formatter.write_str(problem),
        }
    }
}

enum Attempt {
    /// Slack took it, and said what it calls it, where it does.
    Taken(Option<PostedMessage>),
    Hopeless(PostError),
    Again {
        trouble: Trouble,
        retry_after: Option<Duration>,
    },
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
    /// [`ClientError`] where this machine has no certificates to trust.
    pub fn new() -> Result<Self, ClientError> {
        Self::with_policy(RetryPolicy::default())
    }

    /// A client that tries as `policy` says.
    ///
    /// # Errors
    /// [`ClientError`] where this machine has no certificates to trust.
    pub fn with_policy(policy: RetryPolicy) -> Result<Self, ClientError> {
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
            .build()
            .map_err(ClientError::Http)?;
        Ok(Self {
            client,
            policy,
            api: ApiUrl::parse(ApiUrl::SLACK)?,
        })
    }

    /// The same, with a Web API that is elsewhere: a fake Slack.
    #[must_use]
    pub fn with_api(self, api: ApiUrl) -> Self {
        Self { api, ..self }
    }

    async fn attempt(&self, target: &Target<'_>, body: &str, timeout: Duration) -> Attempt {
        let request = match target {
            Target::Webhook(webhook) => self.client.post(webhook.reveal()),
            // Marked as sensitive, so that no log of the HTTP client shows it.
            Target::Api { bot, url, .. } => self.client.post(url.clone()).bearer_auth(bot.token()),
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
            .and_then(|value| value.to_str().ok())
            .and_then(seconds);
        match target {
            Target::Webhook(_) if status.is_success() => Attempt::Taken(None),
            Target::Webhook(webhook) => {
                let answer = on_one_line(&answer(response, ANSWER).await, ANSWER);
                refused_by_webhook(status, retry_after, webhook.hide_in(&answer))
            }
            Target::Api { bot, edits, .. } => {
                let answer = answer(response, LONGEST_ANSWER).await;
                api::judge(bot, *edits, status, retry_after, &answer)
            }
        }
    }

    /// Tries until Slack has taken `body`, or it is hopeless, or `time_left` is over.
    ///
    /// An attempt whose answer got lost is tried again too: better told twice than not at all.
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

/// What an answer of a webhook means that is no success.
fn refused_by_webhook(
    status: StatusCode,
    retry_after: Option<Duration>,
    answer: String,
) -> Attempt {
    let code = status.as_u16();
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Attempt::Again {
            trouble: Trouble::Status {
                status: code,
                answer,
            },
            retry_after,
        },
        _ if status.is_server_error() => Attempt::Again {
            trouble: Trouble::Status {
                status: code,
                answer,
            },
            retry_after,
        },
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
            Attempt::Hopeless(PostError::WebhookInvalid {
                status: code,
                answer,
            })
        }
        _ => Attempt::Hopeless(PostError::Refused {
            status: code,
            answer,
        }),
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

impl RetryPolicy {
    fn wait(&self, attempts: u32) -> Duration {
        self.first_wait
            .saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)))
            .min(self.longest_wait)
    }
}

/// The seconds of a `Retry-After`. Slack sends whole ones; fractions are taken too. A date or anything
/// else is as if nothing had been said.
fn seconds(header: &str) -> Option<Duration> {
    header
        .trim()
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// `wait` and up to half as much again: functions that were refused together must not come back together.
fn spread(wait: Duration, random: u64) -> Duration {
    let part = u32::try_from(random % 1_024).unwrap_or_default();
    wait.saturating_add(wait / 2_048 * part)
}

/// A number that differs between processes and calls. It only spreads waits, so the standard library's
/// random hash keys are good enough.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
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

/// The first part of `text`, on one line.
fn on_one_line(text: &str, limit: usize) -> String {
    let text: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(limit)
        .collect();
    if text.is_empty() {
        "no answer text".to_owned()
    } else {
        text
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_leniently() {
        for (header, expected) in [
            ("1", Some(1_000)),
            (" 30 ", Some(30_000)),
            ("0", Some(0)),
            ("1.5", Some(1_500)),
            ("", None),
            ("-1", None),
            ("soon", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            assert_eq!(
                seconds(header),
                expected.map(Duration::from_millis),
                "{header}"
            );
        }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RetryPolicy::default();
        let waits: Vec<u128> = [1, 2, 3, 5, 6, 60]
            .into_iter()
            .map(|attempts| policy.wait(attempts).as_millis())
            .collect();
        assert_eq!(waits, [500, 1_000, 2_000, 8_000, 8_000, 8_000]);
    }

    #[test]
    fn a_wait_is_never_shorter_than_told_and_at_most_half_longer() {
        let wait = Duration::from_secs(2);
        for random in [0, 1, 511, 1_023, 1_024, u64::MAX] {
            let spread = spread(wait, random);
            assert!(
                spread >= wait && spread <= Duration::from_secs(3),
                "{spread:?}"
            );
        }
        assert_eq!(spread(Duration::MAX, u64::MAX), Duration::MAX);
    }
}
