//! A channel of Slack, what is kept of its messages, and events.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentRolledBack, DeploymentSkipped, DeploymentStarted,
    DeploymentSucceeded, DeploymentSummary, DeploymentWaiting, FailedPhase, FileCount,
    LongshoreEvent, RunsOn, SkipReason, Source, SyncPlanned, SyncProgressed, SyncSource,
    SyncSummary, WaitReason,
};
use longshore_events::transfer::TransferProgress;
use longshore_report::{
    AnnounceError, Announcer, Bot, Console, KeptMessage, Message, MessagePoster, NotifyOutcome,
    PostError, PostedMessage, SecretError, SecretText, Topic, WebhookUrl, message,
};
use longshore_state::store::Address;
use longshore_state::{CallError, DocumentStore, ErrorClass, Version, WriteCondition};
use longshore_testkit::Bucket;

pub const BOT: &str = r#"{"bot_token": "xoxb-1-hunter2", "channel": "deployments"}"#;
pub const WEBHOOK: &str = "https://hooks.slack.com/services/x";
pub const DIGEST: &str = "sha256:1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809";
pub const PLENTY: Duration = Duration::from_secs(20);

pub struct Secret(pub Mutex<&'static str>);

impl SecretText for &Secret {
    fn name(&self) -> &str {
        "longshore/slack"
    }

    async fn read(&self) -> Result<String, SecretError> {
        Ok((*self.0.lock().unwrap()).to_owned())
    }
}

/// A channel of Slack: messages by their `ts`, in the order in which they were posted.
#[derive(Default)]
pub struct Channel {
    pub shown: Mutex<Vec<(String, Message)>>,
    pub to_webhooks: Mutex<Vec<Message>>,
    pub edits: Mutex<usize>,
    /// The next calls fail with these.
    pub failures: Mutex<Vec<PostError>>,
    /// What happens elsewhere while a message is being posted or edited.
    pub meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Channel {
    pub fn texts(&self) -> Vec<String> {
        let shown = self.shown.lock().unwrap();
        shown
            .iter()
            .map(|(_, message)| message.text.clone())
            .collect()
    }

    pub fn fail(&self, error: PostError) {
        self.failures.lock().unwrap().push(error);
    }

    pub async fn interrupted(&self) -> Result<(), PostError> {
        tokio::task::yield_now().await;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        self.failures.lock().unwrap().pop().map_or(Ok(()), Err)
    }
}

impl MessagePoster for &Channel {
    async fn post(&self, _: &WebhookUrl, message: &Message, _: Duration) -> Result<(), PostError> {
        self.interrupted().await?;
        self.to_webhooks.lock().unwrap().push(message.clone());
        Ok(())
    }

    async fn post_as_bot(
        &self,
        bot: &Bot,
        message: &Message,
        _: Duration,
    ) -> Result<PostedMessage, PostError> {
        assert_eq!(bot.channel(), "deployments");
        self.interrupted().await?;
        let mut shown = self.shown.lock().unwrap();
        let ts = format!("1700000000.{:06}", shown.len());
        shown.push((ts.clone(), message.clone()));
        Ok(PostedMessage {
            channel: "C1".to_owned(),
            ts,
        })
    }

    async fn edit(
        &self,
        _: &Bot,
        posted: &PostedMessage,
        message: &Message,
        _: Duration,
    ) -> Result<(), PostError> {
        assert_eq!(posted.channel, "C1");
        self.interrupted().await?;
        let mut shown = self.shown.lock().unwrap();
        let Some((_, text)) = shown.iter_mut().find(|(ts, _)| *ts == posted.ts) else {
            return Err(PostError::MessageGone("message_not_found".to_owned()));
        };
        *text = message.clone();
        *self.edits.lock().unwrap() += 1;
        Ok(())
    }
}

/// What is kept, with conditional writes as S3 does them.
#[derive(Default)]
pub struct Kept {
    pub bucket: Bucket,
    pub is_down: Mutex<bool>,
}

impl Kept {
    pub fn put(&self, topic: &Topic, kept: KeptMessage) {
        self.bucket.objects().put(topic, &kept);
    }

    pub fn get(&self, topic: &Topic) -> KeptMessage {
        self.bucket.objects().get(topic).unwrap()
    }

    pub async fn check(&self) -> Result<(), CallError> {
        // So that two that come at once take turns.
        tokio::task::yield_now().await;
        if *self.is_down.lock().unwrap() {
            return Err(CallError {
                operation: "read the object".to_owned(),
                class: ErrorClass::Transient,
                code: None,
                message: "SlowDown".to_owned(),
            });
        }
        Ok(())
    }
}

impl DocumentStore for Kept {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        self.check().await?;
        self.bucket.read_document(address).await
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        self.check().await?;
        self.bucket.write_document(address, body, condition).await
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        self.bucket.list_documents(prefix).await
    }
}

pub fn now() -> DateTime<Utc> {
    "2026-11-21T09:30:00Z".parse().unwrap()
}

pub fn after(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

pub fn deployment() -> DeploymentSummary {
    DeploymentSummary {
        deployment_id: "5f1e7c1e".to_owned(),
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        cluster: "longshore".to_owned(),
        ecs_service: "shop-api".to_owned(),
        image: Image {
            repository: "shop/api".to_owned(),
            tag: Some("v3".to_owned()),
            digest: DIGEST.parse().unwrap(),
        },
        source: Source::Push,
        requested_at: now(),
        number: None,
        commit: None,
        source_url: None,
        approved_by: None,
    }
}

pub fn started() -> LongshoreEvent {
    LongshoreEvent::DeploymentStarted(DeploymentStarted {
        deployment: deployment(),
        task_definition: "shop-api:42".to_owned(),
        previous_task_definition: "shop-api:41".to_owned(),
        previous_image: "shop/api:v2".to_owned(),
    })
}

pub fn failed() -> LongshoreEvent {
    LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment: deployment(),
        finished_at: after(60),
        reason: "tasks failed to start".to_owned(),
        failures: Vec::new(),
        rolling_back: true,
        phase: FailedPhase::Rollout,
        logs: Vec::new(),
    })
}

pub fn waiting(reason: WaitReason, seconds: i64) -> LongshoreEvent {
    let deployment = deployment();
    LongshoreEvent::DeploymentWaiting(DeploymentWaiting {
        stack: deployment.stack,
        service: deployment.service,
        deployment_id: deployment.deployment_id,
        image: deployment.image,
        source: deployment.source,
        requested_at: deployment.requested_at,
        reason,
        since: after(seconds),
        until: None,
    })
}

pub fn skipped(reason: SkipReason, deployment_id: Option<String>) -> LongshoreEvent {
    let deployment = deployment();
    LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
        stack: deployment.stack,
        service: deployment.service,
        image: deployment.image,
        source: deployment.source,
        requested_at: deployment.requested_at,
        reason,
        deployment_id,
        selected: None,
        rejected_by: None,
    })
}

pub fn rolled_back() -> LongshoreEvent {
    LongshoreEvent::DeploymentRolledBack(DeploymentRolledBack {
        deployment: deployment(),
        // ECS's clock and ours may differ.
        finished_at: after(30),
        reason: "tasks failed to start".to_owned(),
        failures: Vec::new(),
        running_task_definition: "shop-api:41".to_owned(),
        running_image: None,
        logs: Vec::new(),
    })
}

pub fn succeeded() -> LongshoreEvent {
    LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
        deployment: deployment(),
        finished_at: after(60),
    })
}

pub fn sync() -> SyncSummary {
    SyncSummary {
        stack: "bottles".to_owned(),
        sync_id: "sync-1".to_owned(),
        bucket: "mirror".to_owned(),
        source: SyncSource::Schedule,
        requested_at: now(),
    }
}

pub fn planned() -> LongshoreEvent {
    LongshoreEvent::SyncPlanned(SyncPlanned {
        sync: sync(),
        new: FileCount::default(),
        removed: 0,
        unchanged: 0,
        to_delete: 0,
        deleted_keys: Vec::new(),
        refused: 0,
        refused_entries: Vec::new(),
        runs_on: RunsOn::Tasks { tasks: 2 },
        estimated_cost_in_micro_usd: 0,
        deletion_refused: None,
        warnings: Vec::new(),
    })
}

pub fn progressed(files: u64) -> LongshoreEvent {
    LongshoreEvent::SyncProgressed(SyncProgressed {
        sync: sync(),
        done: TransferProgress {
            files,
            bytes: 0,
            failed: 0,
        },
        total: FileCount::default(),
        shards_ended: 0,
        shards: 2,
        at: after(i64::try_from(files).unwrap()),
    })
}

pub fn text(event: &LongshoreEvent) -> String {
    message(event, &Console::default()).unwrap().text
}

pub struct Scene {
    pub secret: Secret,
    pub channel: Channel,
    pub kept: Kept,
}

impl Scene {
    pub fn with(secret: &'static str) -> Self {
        Self {
            secret: Secret(Mutex::new(secret)),
            channel: Channel::default(),
            kept: Kept::default(),
        }
    }

    /// Posts it as an invocation of its own.
    pub async fn publish(&self, event: &LongshoreEvent) -> Result<NotifyOutcome, AnnounceError> {
        self.post_at(event, now(), PLENTY).await
    }

    pub async fn post_at(
        &self,
        event: &LongshoreEvent,
        now: DateTime<Utc>,
        time_left: Duration,
    ) -> Result<NotifyOutcome, AnnounceError> {
        Announcer::new(&self.secret, &self.channel)
            .notify(event, &self.kept, now, time_left)
            .await
    }

    pub async fn post_all(&self, events: &[LongshoreEvent]) -> Vec<NotifyOutcome> {
        let mut reported = Vec::new();
        for event in events {
            reported.push(self.publish(event).await.unwrap());
        }
        reported
    }
}
