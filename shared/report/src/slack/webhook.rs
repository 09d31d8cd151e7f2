//! The URL of an incoming webhook.

use std::fmt;

use reqwest::Url;

use super::encrypted::{self, NotEncrypted};

/// The URL of a Slack incoming webhook. Whoever knows it can post, so it is never shown: its `Debug`
/// hides it, it has no `Display`, and nothing here puts it into an error.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Reads a URL, which must be `https`, except on a loopback address, where a fake Slack may
    /// listen.
    ///
    /// # Errors
    /// [`NotEncrypted`] for anything else; it does not show what was found.
    pub fn parse(url: &str) -> Result<Self, NotEncrypted> {
        encrypted::url(url).map(Self)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_not_shown() {
        let webhook =
            WebhookUrl::parse("https://hooks.slack.com/services/T00000000/B00000000/secret")
                .unwrap();
        assert_eq!(format!("{webhook:?}"), "WebhookUrl(hidden)");
        assert_eq!(
            webhook.hide_in("no page /services/T00000000/B00000000/secret here"),
            "no page (hidden) here"
        );
    }
}
