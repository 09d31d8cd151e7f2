//! Where an answer goes that only the one sees who pressed a button.

use super::api::ApiUrl;
use super::encrypted;
use super::webhook::WebhookUrl;

/// The host of all of Slack's `response_url`s.
const HOST: &str = "hooks.slack.com";

/// Reads the `response_url` of a press: it is at Slack's own host, or where `api` says that a fake Slack is. Whoever
/// knows it can answer for half an hour, so it is hidden as a webhook's is.
pub(super) fn response_url(text: &str, api: &ApiUrl) -> Option<WebhookUrl> {
    let url = encrypted::url(text).ok()?;
    let is_slacks = url.scheme() == "https" && url.host_str() == Some(HOST) && url.port().is_none();
    if is_slacks || api.has(&url) {
        WebhookUrl::parse(text).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_to_slack_and_to_nobody_else() {
        let slack = ApiUrl::parse(ApiUrl::SLACK).unwrap();
        let fake = ApiUrl::parse("http://127.0.0.1:4000/slack/api").unwrap();
        for (url, of_slack, of_fake) in [
            ("https://hooks.slack.com/actions/T0/1/x", true, true),
            ("http://127.0.0.1:4000/slack/actions/1", false, true),
            ("http://127.0.0.1:4001/slack/actions/1", false, false),
            ("http://169.254.169.254/latest/meta-data", false, false),
            ("https://hooks.slack.com.example/actions/1", false, false),
            (
                "https://hooks.slack.com@example.com/actions/1",
                false,
                false,
            ),
            ("https://hooks.slack.com:8443/actions/1", false, false),
            ("http://hooks.slack.com/actions/1", false, false),
            ("ftp://hooks.slack.com/actions/1", false, false),
            ("hunter2", false, false),
        ] {
            for (api, expected) in [(&slack, of_slack), (&fake, of_fake)] {
                let read = response_url(url, api);
                assert_eq!(read.is_some(), expected, "{url}");
            }
        }
    }
}
