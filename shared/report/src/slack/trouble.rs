//! What comes of an attempt to post or edit a message.

use std::fmt;
use std::time::Duration;

use super::kept::PostedMessage;

/// How much of an answer is shown. Slack's own are a word or a sentence.
pub(super) const ANSWER: usize = 300;

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

/// What came of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Slack took it, and said what it calls it, where it does.
    Taken(Option<PostedMessage>),
    /// Slack would refuse it again.
    Hopeless(PostError),
    /// It may go better later.
    Again {
        /// What went wrong.
        trouble: Trouble,
        /// How long Slack wants to be left alone, where it says so.
        retry_after: Option<Duration>,
    },
}

impl Attempt {
    /// An attempt that is worth another.
    pub(super) fn again(status: u16, answer: String, retry_after: Option<Duration>) -> Self {
        Self::Again {
            trouble: Trouble::Status { status, answer },
            retry_after,
        }
    }

    /// Slack refuses the message, and would again.
    pub(super) fn refused(status: u16, answer: String) -> Self {
        Self::Hopeless(PostError::Refused { status, answer })
    }
}

/// Whether a status says that it may go better later.
pub(super) fn is_worth_another(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// The first part of an answer, on one line.
pub(super) fn on_one_line(text: &str) -> String {
    let text: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(ANSWER)
        .collect();
    if text.is_empty() {
        "no answer text".to_owned()
    } else {
        text
    }
}
