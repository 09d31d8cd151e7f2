use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use longshore_report::{
    Block, Bot, Button, ButtonUsers, Message, PostedMessage, SecretError, WebhookUrl,
};
use longshore_testkit::Bucket;

use super::*;

struct Secret(&'static str);

impl SecretText for Secret {
    fn name(&self) -> &str {
        "longshore/slack"
    }

    async fn read(&self) -> Result<String, SecretError> {
        Ok(self.0.to_owned())
    }
}

/// Keeps what is posted, or refuses it.
#[derive(Default)]
struct Channel {
    posted: Mutex<Vec<(Message, Duration)>>,
    refuses: Mutex<Option<PostError>>,
}

impl MessagePoster for &Channel {
    async fn post(
        &self,
        _: &WebhookUrl,
        message: &Message,
        time_left: Duration,
    ) -> Result<(), PostError> {
        self.take(message, time_left)
    }

    async fn post_as_bot(
        &self,
        bot: &Bot,
        message: &Message,
        time_left: Duration,
    ) -> Result<PostedMessage, PostError> {
        self.take(message, time_left)?;
        Ok(PostedMessage {
            channel: bot.channel().to_owned(),
            ts: "1700000000.000100".to_owned(),
        })
    }

    async fn edit(
        &self,
        _: &Bot,
        posted: &PostedMessage,
        message: &Message,
        time_left: Duration,
    ) -> Result<(), PostError> {
        assert_eq!(posted.ts, "1700000000.000100");
        self.take(message, time_left)
    }
}

impl Channel {
    fn take(&self, message: &Message, time_left: Duration) -> Result<(), PostError> {
        if let Some(error) = self.refuses.lock().unwrap().take() {
            return Err(error);
        }
        self.posted
            .lock()
            .unwrap()
            .push((message.clone(), time_left));
        Ok(())
    }
}

const BOT: &str = r#"{"bot_token": "xoxb-1-hunter2", "channel": "C0123456789"}"#;
const WEBHOOK: &str = "https://hooks.slack.com/services/T00000000/B00000000/hunter2";

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/notify")
}

fn sample(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(samples().join(name)).unwrap()).unwrap()
}

fn invocation() -> Invocation {
    Invocation {
        request_id: "c1b5a7d2-6f0e-4a57-9c1f-0d6a5e8b7f43".to_owned(),
        remaining: Duration::from_secs(60),
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-20T11:06:13Z".parse().unwrap()
}

async fn notify(channel: &Channel, payload: &Value) -> Result<Value, Failure> {
    notify_with(WEBHOOK, channel, &Bucket::default(), payload).await
}

async fn notify_with(
    secret: &'static str,
    channel: &Channel,
    messages: &Bucket,
    payload: &Value,
) -> Result<Value, Failure> {
    let announcer = Announcer::new(Secret(secret), channel);
    handle(&announcer, messages, payload, &invocation(), now()).await
}

#[tokio::test]
async fn a_message_has_the_buttons_that_somebody_may_press_and_no_others() {
    let users = r#"{"approve": ["U024BE7LH"], "reject": []}"#;
    for (users, expected) in [
        (ButtonUsers::default(), &[][..]),
        (
            ButtonUsers::parse(users).unwrap(),
            &["longshore:approve"][..],
        ),
    ] {
        let channel = Channel::default();
        let announcer = Announcer::new(Secret(WEBHOOK), &channel).with_buttons(users);
        let (messages, payload) = (Bucket::default(), sample("deployment-waiting.json"));
        handle(&announcer, &messages, &payload, &invocation(), now())
            .await
            .unwrap();
        let posted = channel.posted.lock().unwrap();
        let shown = posted.iter().flat_map(|(message, _)| &message.blocks);
        let buttons = shown.flat_map(|block| match block {
            Block::Actions { elements } => elements.as_slice(),
            _ => &[],
        });
        let ids = buttons.map(|Button::Button { action_id, .. }| action_id.as_str());
        assert_eq!(ids.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn every_sample_is_reported_once_by_the_name_of_its_event() {
    let folder = fs::read_dir(samples()).unwrap();
    let names: Vec<_> = folder.map(|file| file.unwrap().file_name()).collect();
    assert!(!names.is_empty());
    for name in names {
        let channel = Channel::default();
        let payload = sample(name.to_str().unwrap());
        let answer = notify(&channel, &payload).await.unwrap();
        assert_eq!(answer["event"], payload["detail-type"]);
        let posted = channel.posted.into_inner().unwrap();
        if payload["detail-type"] == "Sync Progressed" {
            assert_eq!(answer["outcome"], "ignored", "a webhook cannot edit");
            assert!(posted.is_empty());
            continue;
        }
        assert_eq!(answer["outcome"], "posted");
        let [(message, time_left)] = posted.as_slice() else {
            panic!("{name:?} was posted {} times", posted.len());
        };
        let words = match payload["detail-type"].as_str().unwrap() {
            // The headline says what the sample waits for.
            "Deployment Waiting" => "deployment needs approval".to_owned(),
            // And which button it was.
            "Action Refused" => "approval refused".to_owned(),
            detail_type => detail_type.to_lowercase(),
        };
        assert!(
            message.text.to_lowercase().contains(&words),
            "{}",
            message.text
        );
        let subject = match words.split_whitespace().next() {
            // It is about all of them.
            Some(_) if words == "deployments digest" => "43 deployments",
            Some("stack" | "deployments") => "shop",
            Some("sync") => payload["detail"]["sync"]["stack"].as_str().unwrap(),
            _ => "shop/api",
        };
        assert!(message.text.contains(subject), "{}", message.text);
        assert!(*time_left <= Duration::from_secs(59), "{time_left:?}");
    }
}

#[tokio::test]
async fn a_bot_posts_a_deployment_in_one_message_that_it_edits() {
    let (channel, messages) = (Channel::default(), Bucket::default());
    let mut outcomes = Vec::new();
    for name in [
        "deployment-started.json",
        "deployment-rolled-back.json",
        "deployment-started.json",
    ] {
        let mut payload = sample(name);
        payload["detail"]["deployment"]["deployment_id"] = json!("5f1e7c1e");
        let answer = notify_with(BOT, &channel, &messages, &payload)
            .await
            .unwrap();
        outcomes.push(answer["outcome"].clone());
    }
    assert_eq!(outcomes, ["posted", "edited", "outdated"]);
    let posted = channel.posted.into_inner().unwrap();
    let last = &posted.last().unwrap().0;
    assert!(last.text.contains("rolled back"), "{}", last.text);
}

#[tokio::test]
async fn the_end_of_a_shard_is_ignored() {
    let mut payload = sample("sync-planned.json");
    payload["detail-type"] = json!("Sync Shard Completed");
    payload["detail"] = json!({
        "stack": "bottles",
        "sync_id": "sync-1",
        "shard": 1,
        "report": {
            "files": 1, "bytes": 1, "already_there": 0, "copies": 0, "downloaded_bytes": 1,
            "resumed_bytes": 0, "failed": 0, "failures": [],
            "started_at": "2026-11-20T11:06:13Z", "finished_at": "2026-11-20T11:06:14Z",
        },
    });
    let channel = Channel::default();
    let answer = notify(&channel, &payload).await.unwrap();
    assert_eq!(answer["outcome"], "ignored");
    assert!(channel.posted.into_inner().unwrap().is_empty());
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_a_failure_so_that_it_is_kept() {
    let mut of_another_source = sample("deployment-started.json");
    of_another_source["source"] = json!("aws.ecs");
    let mut unknown = sample("deployment-started.json");
    unknown["detail-type"] = json!("Deployment Paused");
    let mut incomplete = sample("deployment-started.json");
    incomplete["detail"]["deployment"]["image"]["digest"] = json!("latest");
    for (payload, problem) in [
        (json!({}), "EventBridge event is malformed"),
        (json!("deploy"), "EventBridge event is malformed"),
        (
            of_another_source,
            "field `source`: found `aws.ecs`, expected `longshore`",
        ),
        (unknown, "Deployment Paused"),
        (incomplete, "digest `latest`"),
    ] {
        let channel = Channel::default();
        let failure = notify(&channel, &payload).await.unwrap_err();
        assert_eq!(failure.kind, "MalformedEvent");
        assert!(failure.message.contains(problem), "{}", failure.message);
        assert!(channel.posted.into_inner().unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_slack_does_not_take_is_a_failure_that_says_what_was_to_be_posted() {
    let channel = Channel::default();
    *channel.refuses.lock().unwrap() = Some(PostError::Refused {
        status: 400,
        answer: "invalid_blocks".to_owned(),
    });
    let failure = notify(&channel, &sample("deployment-started.json"))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, "MessageRefused");
    assert_eq!(
        failure.message,
        "post Deployment Started of service api of stack shop: post message to slack: refused \
         with status 400: invalid_blocks"
    );
}

#[tokio::test]
async fn a_refused_release_file_that_cannot_be_reported_is_named_by_its_key() {
    let channel = Channel::default();
    *channel.refuses.lock().unwrap() = Some(PostError::NoTime);
    let failure = notify(&channel, &sample("release-refused.json"))
        .await
        .unwrap_err();
    assert_eq!(
        failure.message,
        "post Release Refused of releases/shop/api.json: post message to slack: no time left to try"
    );
}

#[tokio::test]
async fn a_secret_that_is_not_a_webhook_is_a_failure_that_names_it_and_does_not_show_it() {
    let channel = Channel::default();
    let failure = notify_with(
        "hunter2",
        &channel,
        &Bucket::default(),
        &sample("deployment-started.json"),
    )
    .await
    .unwrap_err();
    assert_eq!(failure.kind, "WebhookInvalid");
    assert!(
        failure
            .message
            .contains("read secret longshore/slack: does not hold a URL")
    );
    assert!(!failure.message.contains("hunter2"));
}
