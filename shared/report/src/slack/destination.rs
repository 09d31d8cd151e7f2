//! Where messages go: what the secret holds.

use std::fmt;

use serde_json::{Map, Value};

use super::encrypted::NotEncrypted;
use super::webhook::WebhookUrl;

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An incoming webhook: takes messages, and never changes one.
    Webhook(WebhookUrl),
    /// A bot in a channel: its messages can be edited.
    Bot(Bot),
}

/// A Slack bot and the channel that it posts to. Whoever knows the token can post, so it is never shown:
/// its `Debug` hides it, it has no `Display`, and nothing here puts it into an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Bot {
    token: String,
    channel: String,
}

/// A secret that says no destination. Says what is wrong without saying what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// It begins like a JSON object and is none.
    #[error("begins with `{{` but is not a JSON object")]
    NotJson,
    /// The JSON object says neither a URL nor a token.
    #[error(
        "a JSON object without a text in the field `webhook_url`, and without `bot_token` and `channel`"
    )]
    NoField,
    /// A token and no channel, or a token that cannot be one.
    #[error(
        "a JSON object with `bot_token`, expected a text that can be a token there, and the channel's id \
         in the field `channel`"
    )]
    NoBot,
    /// Not a URL.
    #[error(
        "does not hold a URL, expected the webhook's URL, a JSON object with it in the field `webhook_url`, or \
         one with `bot_token` and `channel`"
    )]
    NotAUrl,
    /// What says which stack's messages go where says it otherwise.
    #[error(
        "a JSON object whose `routes` are not as expected: by stack or by stack/service an object with `mentions`, and \
         `channel` beside `bot_token`, or `webhook_url` beside `webhook_url`"
    )]
    NoRoute,
    /// A mention that Slack would not know.
    #[error(
        "a JSON object whose `mentions` are not as expected: a list of ids of members (U…) and of groups (S…), `here` \
         or `channel`"
    )]
    NoMention,
    /// A URL by which everybody on the way could read the messages and the URL itself.
    #[error("the webhook's URL does not begin with https://")]
    NotEncrypted,
}

impl Destination {
    /// Reads the text of a secret: a JSON object with the fields `bot_token` and `channel`, or with the
    /// field `webhook_url`, or the bare URL of a webhook.
    ///
    /// # Errors
    /// [`InvalidSecret`] for anything else.
    pub fn from_secret(secret: &str) -> Result<Self, InvalidSecret> {
        let secret = secret.trim();
        if !secret.starts_with('{') {
            return webhook(secret);
        }
        let fields: Map<String, Value> =
            serde_json::from_str(secret).map_err(|_| InvalidSecret::NotJson)?;
        if fields.contains_key("bot_token") {
            return Bot::from_fields(&fields)
                .map(Self::Bot)
                .ok_or(InvalidSecret::NoBot);
        }
        match text(&fields, "webhook_url") {
            Some(url) => webhook(url),
            None => Err(InvalidSecret::NoField),
        }
    }
}

impl Bot {
    fn from_fields(fields: &Map<String, Value>) -> Option<Self> {
        let token = text(fields, "bot_token")?;
        let channel = text(fields, "channel")?;
        // What a header takes; anything else would fail later, and less clearly.
        let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        (is_token && !channel.is_empty()).then(|| Self {
            token: token.to_owned(),
            channel: channel.to_owned(),
        })
    }

    /// The same bot in another channel.
    pub(crate) fn in_channel(&self, channel: &str) -> Self {
        Self {
            token: self.token.clone(),
            channel: channel.to_owned(),
        }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The channel's id, or its name as the secret has it.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Takes the token out of `text`: the page that a proxy answers may hold what it was sent.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        text.replace(&self.token, "(hidden)")
    }
}

impl fmt::Debug for Bot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Bot")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

pub(super) fn webhook(url: &str) -> Result<Destination, InvalidSecret> {
    WebhookUrl::parse(url)
        .map(Destination::Webhook)
        .map_err(|problem| match problem {
            NotEncrypted::NotAUrl => InvalidSecret::NotAUrl,
            NotEncrypted::Plain => InvalidSecret::NotEncrypted,
        })
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://hooks.slack.com/services/T00000000/B00000000/secret";

    #[test]
    fn a_webhook_is_the_bare_url_or_an_object_that_holds_it() {
        let bare = Destination::from_secret(&format!("  {URL}\n")).unwrap();
        let object = Destination::from_secret(&format!(
            r#"{{"webhook_url": "{URL}", "channel": "deployments"}}"#
        ))
        .unwrap();
        assert_eq!(bare, object);
        assert_eq!(bare, Destination::Webhook(WebhookUrl::parse(URL).unwrap()));
    }

    #[test]
    fn a_bot_is_an_object_with_its_token_and_its_channel() {
        let destination = Destination::from_secret(
            r#"{"bot_token": " xoxb-1-hunter2 ", "channel": "C0123456789"}"#,
        )
        .unwrap();
        let Destination::Bot(bot) = &destination else {
            panic!("{destination:?}");
        };
        assert_eq!(
            (bot.token(), bot.channel()),
            ("xoxb-1-hunter2", "C0123456789")
        );
        assert_eq!(
            format!("{destination:?}"),
            r#"Bot(Bot { channel: "C0123456789", .. })"#
        );
        assert_eq!(bot.hide_in("sent xoxb-1-hunter2"), "sent (hidden)");
    }

    #[test]
    fn anything_else_is_refused_without_being_shown() {
        for (secret, expected) in [
            ("", InvalidSecret::NotAUrl),
            ("hunter2", InvalidSecret::NotAUrl),
            ("xoxb-1-hunter2", InvalidSecret::NotAUrl),
            ("http://hunter2.example/x", InvalidSecret::NotEncrypted),
            (r#"{"webhook_url": "hunter2"#, InvalidSecret::NotJson),
            (r#"{"url": "hunter2"}"#, InvalidSecret::NoField),
            (r#"{"webhook_url": ["hunter2"]}"#, InvalidSecret::NoField),
            (r#"{"webhook_url": "hunter2"}"#, InvalidSecret::NotAUrl),
            (r#"{"bot_token": "hunter2"}"#, InvalidSecret::NoBot),
            (
                r#"{"bot_token": "hunter2", "channel": ""}"#,
                InvalidSecret::NoBot,
            ),
            (
                r#"{"bot_token": "hunter 2", "channel": "C1"}"#,
                InvalidSecret::NoBot,
            ),
            (r#"{"bot_token": 2, "channel": "C1"}"#, InvalidSecret::NoBot),
        ] {
            let error = Destination::from_secret(secret).unwrap_err();
            assert_eq!(error, expected, "{secret}");
            assert!(!format!("{error} {error:?}").contains("hunter"));
        }
    }
}
