use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use serde_json::Value;

/// The URL of a Slack incoming webhook. Whoever knows it can post, so it is never shown: its `Debug`
/// hides it, it has no `Display`, and nothing here puts it into an error.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// A secret that holds no webhook's URL. Says what is wrong without saying what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhook {
    /// It begins like a JSON object and is none.
    #[error("begins with `{{` but is not a JSON object")]
    NotJson,
    /// The JSON object does not say the URL.
    #[error("a JSON object without a text in the field `webhook_url`")]
    NoField,
    /// Not a URL.
    #[error(
        "holds no URL, expected the webhook's URL or a JSON object with it in the field `webhook_url`"
    )]
    NotAUrl,
    /// A URL by which everybody on the way could read the messages and the URL itself.
    #[error("the webhook's URL does not begin with https://")]
    NotEncrypted,
}

impl WebhookUrl {
    /// Reads the text of a secret: a JSON object with the field `webhook_url`, or the bare URL.
    ///
    /// The URL must be `https`, except on a loopback address, where a stand-in for Slack may listen.
    ///
    /// # Errors
    /// [`InvalidWebhook`] for anything else.
    pub fn from_secret(secret: &str) -> Result<Self, InvalidWebhook> {
        let secret = secret.trim();
        if !secret.starts_with('{') {
            return Self::from_url(secret);
        }
        let object: Value = serde_json::from_str(secret).map_err(|_| InvalidWebhook::NotJson)?;
        match object.get("webhook_url").and_then(Value::as_str) {
            Some(url) => Self::from_url(url.trim()),
            None => Err(InvalidWebhook::NoField),
        }
    }

    fn from_url(url: &str) -> Result<Self, InvalidWebhook> {
        let url = Url::parse(url).map_err(|_| InvalidWebhook::NotAUrl)?;
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err(InvalidWebhook::NotEncrypted),
            _ => Err(InvalidWebhook::NotAUrl),
        }
    }

    pub(crate) fn reveal(&self) -> Url {
        self.0.clone()
    }

    /// Takes the secret part out of `text`: the page that a proxy answers may name what was asked for.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        let path = self.0.path();
        if path.len() > 1 {
            text.replace(path, "(hidden)")
        } else {
            text.to_owned()
        }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookUrl(hidden)")
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || address
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://hooks.slack.com/services/T00000000/B00000000/secret";

    #[test]
    fn the_secret_is_the_bare_url_or_an_object_that_holds_it() {
        let bare = WebhookUrl::from_secret(&format!("  {URL}\n")).unwrap();
        let object = WebhookUrl::from_secret(&format!(
            r#"{{"webhook_url": "{URL}", "channel": "deployments"}}"#
        ))
        .unwrap();
        assert_eq!(bare, object);
        assert_eq!(bare.reveal().as_str(), URL);
    }

    #[test]
    fn an_unencrypted_url_is_taken_on_loopback_only() {
        for url in [
            "http://127.0.0.1:4000/slack",
            "http://[::1]:4000/slack",
            "http://localhost/slack",
        ] {
            assert!(WebhookUrl::from_secret(url).is_ok(), "{url}");
        }
        for url in [
            "http://hooks.slack.com/services/x",
            "http://127.0.0.1.example.com/x",
            "http://localhost.example.com/x",
            "http://10.0.0.1/x",
        ] {
            assert_eq!(
                WebhookUrl::from_secret(url),
                Err(InvalidWebhook::NotEncrypted),
                "{url}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused_without_being_shown() {
        for (secret, expected) in [
            ("", InvalidWebhook::NotAUrl),
            ("hunter2", InvalidWebhook::NotAUrl),
            ("ftp://hunter2.example/x", InvalidWebhook::NotAUrl),
            (r#"{"webhook_url": "hunter2"#, InvalidWebhook::NotJson),
            (r#"{"url": "hunter2"}"#, InvalidWebhook::NoField),
            (r#"{"webhook_url": ["hunter2"]}"#, InvalidWebhook::NoField),
            (r#"{"webhook_url": "hunter2"}"#, InvalidWebhook::NotAUrl),
        ] {
            let error = WebhookUrl::from_secret(secret).unwrap_err();
            assert_eq!(error, expected, "{secret}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn the_url_is_not_shown() {
        let webhook = WebhookUrl::from_secret(URL).unwrap();
        assert_eq!(format!("{webhook:?}"), "WebhookUrl(hidden)");
        assert_eq!(
            webhook.hide_in("no page /services/T00000000/B00000000/secret here"),
            "no page (hidden) here"
        );
    }
}
