//! When the secret is read, and when it is read again.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use longshore_events::longshore::{LongshoreEvent, ReleaseRefused};
use longshore_report::{
    AnnounceError, Announcer, Bot, Console, Destination, Message, MessagePoster, PostError,
    PostedMessage, SecretError, SecretText, WebhookUrl, message,
};

const OLD: &str = "https://hooks.slack.com/services/old";
const NEW: &str = r#"{"webhook_url": "https://hooks.slack.com/services/new"}"#;
const BOT: &str = r#"{"bot_token": "xoxb-1", "channel": "C1"}"#;
const PLENTY: Duration = Duration::from_secs(20);

/// Answers each read with the next of its texts, and fails when there is none.
struct Secrets(Mutex<VecDeque<&'static str>>);

impl SecretText for &Secrets {
    fn name(&self) -> &str {
        "longshore/slack"
    }

    async fn read(&self) -> Result<String, SecretError> {
        let next = self.0.lock().unwrap().pop_front();
        match next {
            Some("never answered") => std::future::pending().await,
            Some(text) => Ok(text.to_owned()),
            None => Err(SecretError::new(io::Error::other(
                "read secret longshore/slack: AccessDeniedException: not allowed",
            ))),
        }
    }
}

/// Takes every message, except to destinations that were revoked.
#[derive(Default)]
struct Channel {
    revoked: Mutex<Vec<Destination>>,
    posted: Mutex<Vec<Destination>>,
}

impl Channel {
    fn revoke(&self, url: &str) {
        self.revoked
            .lock()
            .unwrap()
            .push(Destination::from_secret(url).unwrap());
    }

    fn posted_to(&self, urls: &[&str]) -> bool {
        let expected: Vec<Destination> = urls
            .iter()
            .map(|url| Destination::from_secret(url).unwrap())
            .collect();
        *self.posted.lock().unwrap() == expected
    }
}

impl Channel {
    /// Whether the destination took it.
    fn take(&self, destination: Destination, time_left: Duration) -> bool {
        assert!(time_left <= PLENTY);
        if self.revoked.lock().unwrap().contains(&destination) {
            return false;
        }
        self.posted.lock().unwrap().push(destination);
        true
    }
}

impl MessagePoster for &Channel {
    async fn post(
        &self,
        webhook: &WebhookUrl,
        _message: &Message,
        time_left: Duration,
    ) -> Result<(), PostError> {
        if self.take(Destination::Webhook(webhook.clone()), time_left) {
            Ok(())
        } else {
            Err(PostError::WebhookInvalid {
                status: 404,
                answer: "no_service".to_owned(),
            })
        }
    }

    async fn post_as_bot(
        &self,
        bot: &Bot,
        _message: &Message,
        time_left: Duration,
    ) -> Result<PostedMessage, PostError> {
        if self.take(Destination::Bot(bot.clone()), time_left) {
            Ok(PostedMessage {
                channel: bot.channel().to_owned(),
                ts: "1700000000.000100".to_owned(),
            })
        } else {
            Err(PostError::BotInvalid("token_revoked".to_owned()))
        }
    }

    async fn edit(
        &self,
        _bot: &Bot,
        _posted: &PostedMessage,
        _message: &Message,
        _time_left: Duration,
    ) -> Result<(), PostError> {
        unreachable!("a message that is announced is never edited");
    }
}

fn secrets(texts: &[&'static str]) -> Secrets {
    Secrets(Mutex::new(texts.iter().copied().collect()))
}

fn a_message() -> Message {
    message(
        &LongshoreEvent::ReleaseRefused(ReleaseRefused {
            bucket: "state".to_owned(),
            key: "releases/shop/api.json".to_owned(),
            version_id: None,
            reason: "not JSON".to_owned(),
        }),
        &Console::default(),
    )
    .unwrap()
}

#[tokio::test]
async fn the_secret_is_read_once_for_many_messages() {
    let (secrets, channel) = (secrets(&[OLD]), Channel::default());
    let announcer = Announcer::new(&secrets, &channel);
    for _ in 0..3 {
        announcer.announce(&a_message(), PLENTY).await.unwrap();
    }
    assert!(channel.posted_to(&[OLD, OLD, OLD]));
}

#[tokio::test]
async fn a_webhook_that_was_revoked_is_replaced_by_the_one_in_the_secret_now() {
    let (secrets, channel) = (secrets(&[OLD, NEW]), Channel::default());
    let announcer = Announcer::new(&secrets, &channel);
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    channel.revoke(OLD);
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    assert!(channel.posted_to(&[OLD, NEW, NEW]));
}

#[tokio::test]
async fn a_webhook_may_be_replaced_by_a_bot_and_a_bot_by_a_webhook() {
    let (secrets, channel) = (secrets(&[OLD, BOT, NEW]), Channel::default());
    let announcer = Announcer::new(&secrets, &channel);
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    channel.revoke(OLD);
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    channel.revoke(BOT);
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    assert!(channel.posted_to(&[OLD, BOT, NEW]));
}

#[tokio::test]
async fn a_webhook_that_was_revoked_and_not_replaced_is_an_error() {
    let (secrets, channel) = (secrets(&[OLD, OLD, NEW]), Channel::default());
    let announcer = Announcer::new(&secrets, &channel);
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    channel.revoke(OLD);
    let error = announcer.announce(&a_message(), PLENTY).await.unwrap_err();
    assert!(error.to_string().contains("no_service"), "{error}");
    // Lambda tries again later, and by then the secret may be right.
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    assert!(channel.posted_to(&[OLD, NEW]));
}

#[tokio::test]
async fn a_webhook_that_never_was_valid_is_not_read_twice_for_one_message() {
    let (secrets, channel) = (secrets(&[OLD, NEW]), Channel::default());
    channel.revoke(OLD);
    let announcer = Announcer::new(&secrets, &channel);
    announcer.announce(&a_message(), PLENTY).await.unwrap_err();
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    assert!(channel.posted_to(&[NEW]));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_an_error_with_its_reason() {
    let (secrets, channel) = (secrets(&[]), Channel::default());
    let error = Announcer::new(&secrets, &channel)
        .announce(&a_message(), PLENTY)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "read secret longshore/slack: AccessDeniedException: not allowed"
    );
}

#[tokio::test]
async fn a_secret_that_holds_something_else_is_an_error_that_does_not_show_it() {
    let (secrets, channel) = (secrets(&["hunter2", OLD]), Channel::default());
    let announcer = Announcer::new(&secrets, &channel);
    let error = announcer.announce(&a_message(), PLENTY).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(error.to_string().contains("longshore/slack"), "{error}");
    announcer.announce(&a_message(), PLENTY).await.unwrap();
    assert!(channel.posted_to(&[OLD]));
}

#[tokio::test]
async fn a_secret_that_does_not_come_in_time_is_an_error() {
    let (secrets, channel) = (secrets(&["never answered"]), Channel::default());
    let error = Announcer::new(&secrets, &channel)
        .announce(&a_message(), Duration::from_millis(20))
        .await
        .unwrap_err();
    assert!(matches!(error, AnnounceError::SecretTimeout(_)));
}
