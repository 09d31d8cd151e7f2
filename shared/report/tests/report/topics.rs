//! One message a topic: when it is posted, when it is edited, and what happens when two come at once.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentRolledBack, DeploymentSkipped, DeploymentStarted,
    DeploymentSucceeded, DeploymentSummary, DeploymentWaiting, FailedPhase, FileCount,
    LongshoreEvent, ReleaseRefused, RunsOn, SkipReason, Source, SyncPlanned, SyncProgressed,
    SyncShardCompleted, SyncSource, SyncSummary, WaitReason,
};
use longshore_events::transfer::{TransferProgress, TransferReport};
use longshore_report::{
    AnnounceError, Announcer, Bot, KeptMessage, Message, MessagePoster, Place, PostError,
    PostedMessage, SecretError, Told, Topic, WebhookSecret, WebhookUrl, message,
};
use longshore_state::store::Address;
use longshore_state::{CallError, DocumentStore, ErrorClass, Version, WriteCondition};
use longshore_testkit::Bucket;

const BOT: &str = r#"{"bot_token": "xoxb-1-hunter2", "channel": "deployments"}"#;
const WEBHOOK: &str = "https://hooks.slack.com/services/x";
const DIGEST: &str = "sha256:1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809";
const PLENTY: Duration = Duration::from_secs(20);

struct Secret(Mutex<&'static str>);

impl WebhookSecret for &Secret {
    fn name(&self) -> &str {
        "longshore/slack"
    }

    async fn read(&self) -> Result<String, SecretError> {
        Ok((*self.0.lock().unwrap()).to_owned())
    }
}

/// A channel of Slack: messages by their `ts`, in the order in which they were posted.
#[derive(Default)]
struct Channel {
    shown: Mutex<Vec<(String, Message)>>,
    to_webhooks: Mutex<Vec<Message>>,
    edits: Mutex<usize>,
    /// The next calls fail with these.
    failures: Mutex<Vec<PostError>>,
    /// What happens elsewhere while a message is being posted or edited.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Channel {
    fn texts(&self) -> Vec<String> {
        let shown = self.shown.lock().unwrap();
        shown
            .iter()
            .map(|(_, message)| message.text.clone())
            .collect()
    }

    fn fail(&self, error: PostError) {
        self.failures.lock().unwrap().push(error);
    }

    async fn interrupted(&self) -> Result<(), PostError> {
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
struct Kept {
    bucket: Bucket,
    is_down: Mutex<bool>,
}

impl Kept {
    fn put(&self, topic: &Topic, kept: KeptMessage) {
        self.bucket.objects().put(topic, &kept);
    }

    fn get(&self, topic: &Topic) -> KeptMessage {
        self.bucket.objects().get(topic).unwrap()
    }

    async fn check(&self) -> Result<(), CallError> {
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

fn now() -> DateTime<Utc> {
    "2026-11-21T09:30:00Z".parse().unwrap()
}

fn after(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

fn deployment() -> DeploymentSummary {
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
    }
}

fn started() -> LongshoreEvent {
    LongshoreEvent::DeploymentStarted(DeploymentStarted {
        deployment: deployment(),
        task_definition: "shop-api:42".to_owned(),
        previous_task_definition: "shop-api:41".to_owned(),
        previous_image: "shop/api:v2".to_owned(),
    })
}

fn failed() -> LongshoreEvent {
    LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment: deployment(),
        finished_at: after(60),
        reason: "tasks failed to start".to_owned(),
        failures: Vec::new(),
        rolling_back: true,
        phase: FailedPhase::Rollout,
    })
}

fn waiting(reason: WaitReason, seconds: i64) -> LongshoreEvent {
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

fn skipped(reason: SkipReason, deployment_id: Option<String>) -> LongshoreEvent {
    let deployment = deployment();
    LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
        stack: deployment.stack,
        service: deployment.service,
        image: deployment.image,
        source: deployment.source,
        requested_at: deployment.requested_at,
        reason,
        deployment_id,
    })
}

fn rolled_back() -> LongshoreEvent {
    LongshoreEvent::DeploymentRolledBack(DeploymentRolledBack {
        deployment: deployment(),
        // ECS's clock and ours may differ.
        finished_at: after(30),
        reason: "tasks failed to start".to_owned(),
        failures: Vec::new(),
        running_task_definition: "shop-api:41".to_owned(),
        running_image: None,
    })
}

fn succeeded() -> LongshoreEvent {
    LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
        deployment: deployment(),
        finished_at: after(60),
    })
}

fn sync() -> SyncSummary {
    SyncSummary {
        stack: "bottles".to_owned(),
        sync_id: "sync-1".to_owned(),
        bucket: "mirror".to_owned(),
        source: SyncSource::Schedule,
        requested_at: now(),
    }
}

fn planned() -> LongshoreEvent {
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

fn progressed(files: u64) -> LongshoreEvent {
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

fn text(event: &LongshoreEvent) -> String {
    message(event).unwrap().text
}

struct Scene {
    secret: Secret,
    channel: Channel,
    kept: Kept,
}

impl Scene {
    fn with(secret: &'static str) -> Self {
        Self {
            secret: Secret(Mutex::new(secret)),
            channel: Channel::default(),
            kept: Kept::default(),
        }
    }

    /// Tells it as an invocation of its own.
    async fn tell(&self, event: &LongshoreEvent) -> Result<Told, AnnounceError> {
        self.tell_at(event, now(), PLENTY).await
    }

    async fn tell_at(
        &self,
        event: &LongshoreEvent,
        now: DateTime<Utc>,
        time_left: Duration,
    ) -> Result<Told, AnnounceError> {
        Announcer::new(&self.secret, &self.channel)
            .tell(event, &self.kept, now, time_left)
            .await
    }

    async fn tell_all(&self, events: &[LongshoreEvent]) -> Vec<Told> {
        let mut told = Vec::new();
        for event in events {
            told.push(self.tell(event).await.unwrap());
        }
        told
    }
}

#[tokio::test]
async fn a_bot_tells_what_waits_and_then_goes_out_in_one_message() {
    let scene = Scene::with(BOT);
    let held = waiting(WaitReason::Held { note: None }, 0);
    let frozen = waiting(WaitReason::Frozen, 5);
    let told = scene
        .tell_all(&[held, frozen, started(), succeeded()])
        .await;
    assert_eq!(
        told,
        [Told::Posted, Told::Edited, Told::Edited, Told::Edited]
    );
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

#[tokio::test]
async fn what_waited_longer_never_replaces_what_went_on() {
    let scene = Scene::with(BOT);
    let frozen = waiting(WaitReason::Frozen, 5);
    scene.tell_all(&[started(), frozen]).await;
    assert_eq!(scene.channel.texts(), [text(&started())]);
}

/// Slack notifies nobody of an edit.
#[tokio::test]
async fn an_approval_is_asked_for_by_a_message_of_its_own_which_then_tells_the_deployment() {
    let scene = Scene::with(BOT);
    let frozen = waiting(WaitReason::Frozen, 0);
    let approval = waiting(WaitReason::Approval, 5);
    let told = scene
        .tell_all(&[frozen.clone(), approval.clone(), approval, started()])
        .await;
    assert_eq!(
        told,
        [Told::Posted, Told::Posted, Told::Edited, Told::Edited]
    );
    assert_eq!(scene.channel.texts(), [text(&frozen), text(&started())]);
}

#[tokio::test]
async fn what_waited_in_vain_is_told_in_the_message_that_said_that_it_waits() {
    let scene = Scene::with(BOT);
    let approval = waiting(WaitReason::Approval, 0);
    let expired = skipped(
        SkipReason::ApprovalExpired,
        Some(deployment().deployment_id),
    );
    scene.tell_all(&[approval, expired.clone()]).await;
    assert_eq!(scene.channel.texts(), [text(&expired)]);
}

#[tokio::test]
async fn what_waited_and_was_replaced_is_only_an_edit() {
    let replaced = skipped(SkipReason::NewerRequested, Some(deployment().deployment_id));
    let scene = Scene::with(BOT);
    let told = scene
        .tell_all(&[waiting(WaitReason::Frozen, 0), replaced.clone()])
        .await;
    assert_eq!(told, [Told::Posted, Told::Edited]);
    let webhook = Scene::with(WEBHOOK);
    assert_eq!(webhook.tell_all(&[replaced]).await, [Told::Ignored]);
    let older = skipped(SkipReason::NewerRequested, None);
    assert_eq!(webhook.tell_all(&[older]).await, [Told::Posted]);
}

#[tokio::test]
async fn the_services_that_one_push_is_deployed_to_have_a_message_each() {
    let scene = Scene::with(BOT);
    let mut other = deployment();
    other.service = "worker".to_owned();
    let other = LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
        deployment: other,
        finished_at: after(60),
    });
    scene.tell_all(&[started(), other.clone()]).await;
    assert_eq!(scene.channel.texts(), [text(&started()), text(&other)]);
}

#[tokio::test]
async fn a_bot_tells_a_deployment_in_one_message() {
    let scene = Scene::with(BOT);
    let told = scene.tell_all(&[started(), failed(), rolled_back()]).await;
    assert_eq!(told, [Told::Posted, Told::Edited, Told::Edited]);
    assert_eq!(scene.channel.texts(), [text(&rolled_back())]);
}

#[tokio::test]
async fn a_webhook_tells_it_in_as_many_as_there_are_events_and_keeps_nothing() {
    let scene = Scene::with(WEBHOOK);
    let told = scene.tell_all(&[started(), failed(), rolled_back()]).await;
    assert_eq!(told, [Told::Posted; 3]);
    assert_eq!(scene.channel.to_webhooks.lock().unwrap().len(), 3);
    assert!(scene.kept.bucket.objects().keys("").is_empty());
}

#[tokio::test]
async fn what_comes_late_does_not_hide_what_is_newer() {
    let scene = Scene::with(BOT);
    let told = scene.tell_all(&[rolled_back(), started(), failed()]).await;
    assert_eq!(told, [Told::Posted, Told::Outdated, Told::Outdated]);
    assert_eq!(scene.channel.texts(), [text(&rolled_back())]);
}

#[tokio::test]
async fn what_comes_twice_is_told_once() {
    let scene = Scene::with(BOT);
    let told = scene
        .tell_all(&[started(), started(), succeeded(), succeeded()])
        .await;
    assert_eq!(
        told,
        [Told::Posted, Told::Edited, Told::Edited, Told::Edited]
    );
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

#[tokio::test]
async fn every_topic_has_a_message_of_its_own_and_what_stands_alone_has_one_too() {
    let scene = Scene::with(BOT);
    let refused = LongshoreEvent::ReleaseRefused(ReleaseRefused {
        bucket: "state".to_owned(),
        key: "releases/shop/api.json".to_owned(),
        version_id: None,
        reason: "not JSON".to_owned(),
    });
    let told = scene
        .tell_all(&[started(), planned(), refused.clone(), refused])
        .await;
    assert_eq!(told, [Told::Posted; 4]);
    assert_eq!(scene.channel.texts().len(), 4);
}

#[tokio::test]
async fn the_progress_of_a_sync_is_told_only_where_a_message_can_be_edited() {
    let webhook = Scene::with(WEBHOOK);
    assert_eq!(webhook.tell_all(&[progressed(1)]).await, [Told::Ignored]);
    assert!(webhook.channel.to_webhooks.lock().unwrap().is_empty());

    let bot = Scene::with(BOT);
    let told = bot
        .tell_all(&[progressed(1), planned(), progressed(3), progressed(2)])
        .await;
    assert_eq!(
        told,
        [Told::Ignored, Told::Posted, Told::Edited, Told::Outdated]
    );
    assert_eq!(bot.channel.texts(), [text(&progressed(3))]);
}

#[tokio::test]
async fn the_end_of_a_shard_is_told_to_nobody() {
    let event = LongshoreEvent::SyncShardCompleted(SyncShardCompleted {
        stack: "bottles".to_owned(),
        sync_id: "sync-1".to_owned(),
        shard: 1,
        report: TransferReport {
            files: 1,
            bytes: 1,
            already_there: 0,
            copies: 0,
            downloaded_bytes: 1,
            resumed_bytes: 0,
            failed: 0,
            failures: Vec::new(),
            started_at: now(),
            finished_at: now(),
        },
    });
    for secret in [WEBHOOK, BOT] {
        let scene = Scene::with(secret);
        assert_eq!(scene.tell(&event).await.unwrap(), Told::Ignored);
        assert!(scene.channel.texts().is_empty());
    }
}

#[tokio::test]
async fn a_message_that_somebody_deleted_is_posted_again_and_edited_from_then_on() {
    let scene = Scene::with(BOT);
    scene.tell(&started()).await.unwrap();
    scene
        .channel
        .fail(PostError::MessageGone("message_not_found".to_owned()));
    let told = scene.tell_all(&[failed(), rolled_back()]).await;
    assert_eq!(told, [Told::Posted, Told::Edited]);
    assert_eq!(
        scene.channel.texts(),
        [text(&started()), text(&rolled_back())]
    );
}

#[tokio::test]
async fn two_that_come_at_once_post_one_message() {
    let scene = Scene::with(BOT);
    let (started, succeeded) = (started(), succeeded());
    let (first, second) = tokio::join!(scene.tell(&started), scene.tell(&succeeded));
    first.unwrap();
    second.unwrap();
    assert_eq!(scene.channel.texts(), [text(&succeeded)]);
}

#[tokio::test]
async fn who_waits_for_another_to_post_gives_up_in_time() {
    let scene = Scene::with(BOT);
    let (topic, stage) = Topic::of(&started()).unwrap();
    let claim = KeptMessage {
        stage,
        message: message(&started()).unwrap(),
        place: Place::Claimed { until: after(90) },
    };
    scene.kept.put(&topic, claim);
    let error = scene
        .tell_at(&succeeded(), now(), Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "find the message of deployment shop/api/5f1e7c1e in slack: somebody else works on it, and there is \
         no time left"
    );
    // The one who claimed it died; the retry comes when the claim is over.
    let told = scene.tell_at(&succeeded(), after(90), PLENTY).await;
    assert_eq!(told.unwrap(), Told::Posted);
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

#[tokio::test]
async fn a_message_that_slack_did_not_take_is_posted_by_the_next_who_comes() {
    let scene = Scene::with(BOT);
    scene.channel.fail(PostError::NoTime);
    scene.tell(&started()).await.unwrap_err();
    assert_eq!(scene.tell(&started()).await.unwrap(), Told::Posted);
    assert_eq!(scene.channel.texts(), [text(&started())]);
}

#[tokio::test]
async fn an_edit_that_slack_did_not_take_is_done_by_the_retry() {
    let scene = Scene::with(BOT);
    scene.tell(&started()).await.unwrap();
    scene.channel.fail(PostError::NoTime);
    scene.tell(&succeeded()).await.unwrap_err();
    assert_eq!(scene.channel.texts(), [text(&started())]);
    assert_eq!(scene.tell(&succeeded()).await.unwrap(), Told::Edited);
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

/// The one who knew it may have died between writing it down and telling it.
#[tokio::test]
async fn who_comes_late_tells_what_is_newer_where_that_was_not_told() {
    let scene = Scene::with(BOT);
    scene.tell(&started()).await.unwrap();
    scene.channel.fail(PostError::NoTime);
    scene.tell(&succeeded()).await.unwrap_err();
    assert_eq!(scene.tell(&started()).await.unwrap(), Told::Outdated);
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

/// Two edits may arrive at Slack in another order than the one in which they were written down.
#[tokio::test]
async fn an_edit_that_arrives_after_a_newer_one_is_mended() {
    let scene: &'static Scene = Box::leak(Box::new(Scene::with(BOT)));
    scene.tell(&started()).await.unwrap();
    *scene.channel.meanwhile.lock().unwrap() = Some(Box::new(|| {
        let (topic, stage) = Topic::of(&rolled_back()).unwrap();
        let newer = KeptMessage {
            stage,
            message: message(&rolled_back()).unwrap(),
            place: scene.kept.get(&topic).place,
        };
        scene.kept.put(&topic, newer);
    }));
    assert_eq!(scene.tell(&failed()).await.unwrap(), Told::Outdated);
    assert_eq!(scene.channel.texts(), [text(&rolled_back())]);
    assert_eq!(*scene.channel.edits.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_by_the_one_in_the_secret_now() {
    const NEW: &str = r#"{"bot_token": "xoxb-2", "channel": "deployments"}"#;
    let scene = Scene::with(BOT);
    let announcer = Announcer::new(&scene.secret, &scene.channel);
    let tell =
        async |event: LongshoreEvent| announcer.tell(&event, &scene.kept, now(), PLENTY).await;
    tell(started()).await.unwrap();
    *scene.secret.0.lock().unwrap() = NEW;
    let revoked = || PostError::BotInvalid("token_revoked".to_owned());
    scene.channel.fail(revoked());
    assert_eq!(tell(succeeded()).await.unwrap(), Told::Edited);
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
    // A claim that was made with the old token keeps nobody waiting.
    scene.channel.fail(revoked());
    let error = tell(planned()).await.unwrap_err();
    assert!(error.to_string().contains("token_revoked"), "{error}");
    assert_eq!(tell(planned()).await.unwrap(), Told::Posted);
}

#[tokio::test]
async fn what_cannot_be_kept_is_an_error_that_says_of_what() {
    let scene = Scene::with(BOT);
    *scene.kept.is_down.lock().unwrap() = true;
    let error = scene.tell(&started()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "find the message of deployment shop/api/5f1e7c1e in slack: read the object: SlowDown"
    );
    assert!(scene.channel.texts().is_empty());
}
