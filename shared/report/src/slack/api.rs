//! Slack's Web API: how a message is sent to it, and what its answers mean.
//!
//! Sources: Slack's reference of `chat.postMessage` and `chat.update`, and its page on rate limits. A
//! refusal has status 200 and says `"ok": false`.

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::destination::Bot;
use super::encrypted::{self, NotEncrypted};
use super::kept::PostedMessage;
use super::trouble::{Attempt, PostError, is_worth_another, on_one_line};
use crate::message::{Block, Message};

/// Where Slack's Web API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUrl(Url);

impl ApiUrl {
    /// Slack's own.
    pub const SLACK: &'static str = "https://slack.com/api";

    /// Reads a URL below which the methods are: `https`, or on a loopback address.
    ///
    /// # Errors
    /// [`NotEncrypted`] for anything else: the bot's token is sent there.
    pub fn parse(url: &str) -> Result<Self, NotEncrypted> {
        encrypted::url(&format!("{}/", url.trim_end_matches('/'))).map(Self)
    }

    /// Whether an address is of the same server.
    pub(super) fn has(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }

    pub(super) fn method(&self, name: &str) -> Result<Url, PostError> {
        self.0
            .join(name)
            .map_err(|error| PostError::Unsendable(error.to_string()))
    }
}

/// The body of `chat.postMessage`.
#[derive(Serialize)]
pub(super) struct NewMessage<'a> {
    pub(super) channel: &'a str,
    #[serde(flatten)]
    pub(super) message: &'a Message,
}

/// The body of `chat.update`.
#[derive(Serialize)]
pub(super) struct ChangedMessage<'a> {
    pub(super) channel: &'a str,
    pub(super) ts: &'a str,
    pub(super) text: &'a str,
    pub(super) blocks: &'a [Block],
}

/// The body of a post to a `response_url`.
#[derive(Serialize)]
pub(super) struct PersonalAnswer<'a> {
    pub(super) response_type: &'static str,
    pub(super) replace_original: bool,
    pub(super) text: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    error: String,
    channel: Option<String>,
    ts: Option<String>,
    #[serde(default)]
    response_metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    /// What exactly is wrong, where Slack says so.
    #[serde(default)]
    messages: Vec<String>,
}

/// What an answer of the Web API to a call of `bot` means: its HTTP status, its `Retry-After`, its body. `edits` where
/// the call is about a message that should be there.
pub fn judge(
    bot: &Bot,
    edits: bool,
    status: u16,
    retry_after: Option<Duration>,
    text: &str,
) -> Attempt {
    let answer: Option<Answer> = serde_json::from_str(text).ok();
    let words = |answer: Option<&Answer>| bot.hide_in(&words(answer, text));
    let again = |answer: Option<&Answer>| Attempt::again(status, words(answer), retry_after);
    let refused = |answer: Option<&Answer>| Attempt::refused(status, words(answer));
    if is_worth_another(status) {
        return again(answer.as_ref());
    }
    let Some(answer) = answer else {
        return refused(None);
    };
    if answer.ok {
        return match (answer.channel, answer.ts) {
            (Some(channel), Some(ts)) => Attempt::Taken(Some(PostedMessage { channel, ts })),
            (_, _) => refused(None),
        };
    }
    match answer.error.as_str() {
        "ratelimited"
        | "rate_limited"
        | "internal_error"
        | "fatal_error"
        | "request_timeout"
        | "service_unavailable"
        | "team_added_to_org" => again(Some(&answer)),
        "message_not_found"
        | "cant_update_message"
        | "edit_window_closed"
        | "channel_not_found"
            if edits =>
        {
            Attempt::Hopeless(PostError::MessageGone(words(Some(&answer))))
        }
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "not_allowed_token_type"
        | "missing_scope"
        | "no_permission"
        | "channel_not_found"
        | "not_in_channel"
        | "is_archived" => Attempt::Hopeless(PostError::BotInvalid(words(Some(&answer)))),
        _ => refused(Some(&answer)),
    }
}

fn words(answer: Option<&Answer>, text: &str) -> String {
    match answer {
        Some(answer) if !answer.error.is_empty() => {
            let mut words = vec![answer.error.as_str()];
            words.extend(answer.response_metadata.messages.iter().map(String::as_str));
            on_one_line(&words.join(": "))
        }
        _ => on_one_line(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_reached_encrypted_or_on_loopback_only() {
        for (url, expected) in [
            (ApiUrl::SLACK, "https://slack.com/api/chat.update"),
            (
                "http://127.0.0.1:4000/slack/api/",
                "http://127.0.0.1:4000/slack/api/chat.update",
            ),
        ] {
            let url = ApiUrl::parse(url).unwrap().method("chat.update").unwrap();
            assert_eq!(url.as_str(), expected);
        }
        assert_eq!(
            ApiUrl::parse("http://slack.example/api"),
            Err(NotEncrypted::Plain)
        );
    }
}
