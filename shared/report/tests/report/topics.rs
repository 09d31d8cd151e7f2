//! One message a topic: when it is posted, when it is edited, and what happens when two come at once.

mod scene;

use std::time::Duration;

use longshore_events::longshore::{
    DeploymentSucceeded, DeploymentsDigest, LongshoreEvent, ReleaseRefused, SkipReason,
    SyncShardCompleted, WaitReason,
};
use longshore_events::transfer::TransferReport;
use longshore_report::samples::{busy_week, digest};
use longshore_report::{
    Announcer, Console, DOCUMENTS, KeptMessage, NotifyOutcome, PostError, PostState, Topic, message,
};
use longshore_state::store::Address;
use longshore_testkit::FakeCloud;

use scene::{
    BOT, PLENTY, Scene, WEBHOOK, after, deployment, failed, now, planned, progressed, rolled_back,
    skipped, started, succeeded, text, waiting,
};

#[tokio::test]
async fn a_bot_posts_what_waits_and_then_goes_out_in_one_message() {
    let scene = Scene::with(BOT);
    let held = waiting(
        WaitReason::Held {
            note: None,
            by: None,
        },
        0,
    );
    let frozen = waiting(WaitReason::Frozen, 5);
    let reported = scene
        .post_all(&[held, frozen, started(), succeeded()])
        .await;
    assert_eq!(
        reported,
        [
            NotifyOutcome::Posted,
            NotifyOutcome::Edited,
            NotifyOutcome::Edited,
            NotifyOutcome::Edited
        ]
    );
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

#[tokio::test]
async fn what_waited_longer_never_replaces_what_went_on() {
    let scene = Scene::with(BOT);
    let frozen = waiting(WaitReason::Frozen, 5);
    scene.post_all(&[started(), frozen]).await;
    assert_eq!(scene.channel.texts(), [text(&started())]);
}

/// Slack notifies nobody of an edit.
#[tokio::test]
async fn an_approval_is_asked_for_by_a_message_of_its_own_which_then_shows_the_deployment() {
    let scene = Scene::with(BOT);
    let frozen = waiting(WaitReason::Frozen, 0);
    let approval = waiting(WaitReason::Approval, 5);
    let reported = scene
        .post_all(&[frozen.clone(), approval.clone(), approval, started()])
        .await;
    assert_eq!(
        reported,
        [
            NotifyOutcome::Posted,
            NotifyOutcome::Posted,
            NotifyOutcome::Edited,
            NotifyOutcome::Edited
        ]
    );
    assert_eq!(scene.channel.texts(), [text(&frozen), text(&started())]);
}

#[tokio::test]
async fn what_waited_in_vain_is_reported_in_the_message_that_said_that_it_waits() {
    let scene = Scene::with(BOT);
    let approval = waiting(WaitReason::Approval, 0);
    let expired = skipped(
        SkipReason::ApprovalExpired,
        Some(deployment().deployment_id),
    );
    scene.post_all(&[approval, expired.clone()]).await;
    assert_eq!(scene.channel.texts(), [text(&expired)]);
}

#[tokio::test]
async fn what_waited_and_was_replaced_is_only_an_edit() {
    let replaced = skipped(SkipReason::NewerRequested, Some(deployment().deployment_id));
    let scene = Scene::with(BOT);
    let reported = scene
        .post_all(&[waiting(WaitReason::Frozen, 0), replaced.clone()])
        .await;
    assert_eq!(reported, [NotifyOutcome::Posted, NotifyOutcome::Edited]);
    let webhook = Scene::with(WEBHOOK);
    assert_eq!(
        webhook.post_all(&[replaced]).await,
        [NotifyOutcome::Ignored]
    );
    let older = skipped(SkipReason::NewerRequested, None);
    assert_eq!(webhook.post_all(&[older]).await, [NotifyOutcome::Posted]);
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
    scene.post_all(&[started(), other.clone()]).await;
    assert_eq!(scene.channel.texts(), [text(&started()), text(&other)]);
}

#[tokio::test]
async fn a_bot_posts_a_deployment_in_one_message() {
    let scene = Scene::with(BOT);
    let reported = scene.post_all(&[started(), failed(), rolled_back()]).await;
    assert_eq!(
        reported,
        [
            NotifyOutcome::Posted,
            NotifyOutcome::Edited,
            NotifyOutcome::Edited
        ]
    );
    assert_eq!(scene.channel.texts(), [text(&rolled_back())]);
}

#[tokio::test]
async fn what_is_kept_of_a_message_and_cannot_be_read_keeps_no_event_back() {
    let scene = Scene::with(BOT);
    scene.publish(&started()).await.unwrap();
    let [key] = &scene.kept.bucket.objects().keys("messages/")[..] else {
        panic!("one message is kept");
    };
    let bucket = &scene.kept.bucket;
    let good = bucket.objects().read(&Address::of_state(key.clone()));
    bucket.objects().put_bytes(key, "{");
    let reported = scene.post_all(&[failed(), rolled_back()]).await;
    assert_eq!(reported, [NotifyOutcome::Posted; 2]);
    assert_eq!(
        scene.channel.texts(),
        [text(&started()), text(&failed()), text(&rolled_back())]
    );
    // Once its earlier version is restored, it is edited again.
    bucket.objects().put_bytes(key, good.unwrap().0);
    scene.publish(&rolled_back()).await.unwrap();
    assert_eq!(scene.channel.texts()[0], text(&rolled_back()));
}

#[tokio::test]
async fn only_what_notify_writes_is_a_document_below_its_prefix() {
    let scene = Scene::with(BOT);
    scene
        .post_all(&[started(), planned(), digest(busy_week())])
        .await;
    let cloud = FakeCloud::default();
    let bucket = &scene.kept.bucket;
    let keys = bucket.objects().keys("");
    for key in keys {
        let kept = bucket.objects().read(&Address::of_state(key.clone()));
        cloud.objects().put_bytes(&key, kept.unwrap().0);
    }
    assert_eq!(cloud.objects().keys("messages/").len(), 3);
    assert_eq!(DOCUMENTS.examine(&cloud).await.unwrap(), []);
    for key in [
        "messages/deployment.json",
        "messages/other/1.json",
        "messages/stack/1",
    ] {
        cloud.objects().put_bytes(key, "{}");
    }
    let found = DOCUMENTS.examine(&cloud).await.unwrap();
    assert_eq!(found.len(), 3, "{found:?}");
    for damaged in found {
        assert!(
            damaged.problem.contains("not the key of a document"),
            "{damaged:?}"
        );
    }
}

#[tokio::test]
async fn a_webhook_posts_a_message_for_each_event_and_keeps_nothing() {
    let scene = Scene::with(WEBHOOK);
    let reported = scene.post_all(&[started(), failed(), rolled_back()]).await;
    assert_eq!(reported, [NotifyOutcome::Posted; 3]);
    assert_eq!(scene.channel.to_webhooks.lock().unwrap().len(), 3);
    assert!(scene.kept.bucket.objects().keys("").is_empty());
}

/// A schedule's run may come twice, and its event, too.
#[tokio::test]
async fn a_digest_that_comes_twice_is_posted_once_by_a_bot_and_by_a_webhook() {
    let digest = digest(busy_week());
    let bot = Scene::with(BOT);
    let reported = bot.post_all(&[digest.clone(), digest.clone()]).await;
    assert_eq!(reported, [NotifyOutcome::Posted, NotifyOutcome::Edited]);
    assert_eq!(bot.channel.texts(), [text(&digest)]);
    let webhook = Scene::with(WEBHOOK);
    let reported = webhook.post_all(&[digest.clone(), digest.clone()]).await;
    assert_eq!(reported, [NotifyOutcome::Posted, NotifyOutcome::Outdated]);
    assert_eq!(webhook.channel.to_webhooks.lock().unwrap().len(), 1);
    // That it was posted is a document that a new process and `doctor` read.
    let (topic, _) = Topic::of(&digest).unwrap();
    assert_eq!(webhook.kept.get(&topic).place, PostState::Sent);
    let other = LongshoreEvent::DeploymentsDigest(match digest {
        LongshoreEvent::DeploymentsDigest(digest) => DeploymentsDigest {
            digest_id: "20261128T120000Z".to_owned(),
            ..digest
        },
        other => panic!("{other:?}"),
    });
    assert_eq!(webhook.post_all(&[other]).await, [NotifyOutcome::Posted]);
}

#[tokio::test]
async fn a_digest_that_a_webhook_did_not_take_is_posted_by_the_next_attempt() {
    let scene = Scene::with(WEBHOOK);
    let digest = digest(busy_week());
    scene.channel.fail(PostError::NoTime);
    scene.publish(&digest).await.unwrap_err();
    let reported = scene.post_all(&[digest.clone(), digest]).await;
    assert_eq!(reported, [NotifyOutcome::Posted, NotifyOutcome::Outdated]);
    assert_eq!(scene.channel.to_webhooks.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_comes_late_does_not_hide_what_is_newer() {
    let scene = Scene::with(BOT);
    let reported = scene.post_all(&[rolled_back(), started(), failed()]).await;
    assert_eq!(
        reported,
        [
            NotifyOutcome::Posted,
            NotifyOutcome::Outdated,
            NotifyOutcome::Outdated
        ]
    );
    assert_eq!(scene.channel.texts(), [text(&rolled_back())]);
}

#[tokio::test]
async fn what_comes_twice_is_reported_once() {
    let scene = Scene::with(BOT);
    let reported = scene
        .post_all(&[started(), started(), succeeded(), succeeded()])
        .await;
    assert_eq!(
        reported,
        [
            NotifyOutcome::Posted,
            NotifyOutcome::Edited,
            NotifyOutcome::Edited,
            NotifyOutcome::Edited
        ]
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
    let reported = scene
        .post_all(&[started(), planned(), refused.clone(), refused])
        .await;
    assert_eq!(reported, [NotifyOutcome::Posted; 4]);
    assert_eq!(scene.channel.texts().len(), 4);
}

#[tokio::test]
async fn the_progress_of_a_sync_is_reported_only_where_a_message_can_be_edited() {
    let webhook = Scene::with(WEBHOOK);
    assert_eq!(
        webhook.post_all(&[progressed(1)]).await,
        [NotifyOutcome::Ignored]
    );
    assert!(webhook.channel.to_webhooks.lock().unwrap().is_empty());

    let bot = Scene::with(BOT);
    let reported = bot
        .post_all(&[progressed(1), planned(), progressed(3), progressed(2)])
        .await;
    assert_eq!(
        reported,
        [
            NotifyOutcome::Ignored,
            NotifyOutcome::Posted,
            NotifyOutcome::Edited,
            NotifyOutcome::Outdated
        ]
    );
    assert_eq!(bot.channel.texts(), [text(&progressed(3))]);
}

#[tokio::test]
async fn the_end_of_a_shard_is_not_posted() {
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
        assert_eq!(scene.publish(&event).await.unwrap(), NotifyOutcome::Ignored);
        assert!(scene.channel.texts().is_empty());
    }
}

#[tokio::test]
async fn a_message_that_somebody_deleted_is_posted_again_and_edited_from_then_on() {
    let scene = Scene::with(BOT);
    scene.publish(&started()).await.unwrap();
    scene
        .channel
        .fail(PostError::MessageGone("message_not_found".to_owned()));
    let reported = scene.post_all(&[failed(), rolled_back()]).await;
    assert_eq!(reported, [NotifyOutcome::Posted, NotifyOutcome::Edited]);
    assert_eq!(
        scene.channel.texts(),
        [text(&started()), text(&rolled_back())]
    );
}

#[tokio::test]
async fn two_that_come_at_once_post_one_message() {
    let scene = Scene::with(BOT);
    let (started, succeeded) = (started(), succeeded());
    let (first, second) = tokio::join!(scene.publish(&started), scene.publish(&succeeded));
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
        message: message(&started(), &Console::default()).unwrap(),
        place: PostState::Claimed { until: after(90) },
    };
    scene.kept.put(&topic, claim);
    let error = scene
        .post_at(&succeeded(), now(), Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "find the message of deployment shop/api/5f1e7c1e in slack: somebody else works on it, and there is \
         no time left"
    );
    // The one who claimed it died; the retry comes when the claim is over.
    let reported = scene.post_at(&succeeded(), after(90), PLENTY).await;
    assert_eq!(reported.unwrap(), NotifyOutcome::Posted);
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

#[tokio::test]
async fn a_message_that_slack_did_not_take_is_posted_by_the_next_who_comes() {
    let scene = Scene::with(BOT);
    scene.channel.fail(PostError::NoTime);
    scene.publish(&started()).await.unwrap_err();
    assert_eq!(
        scene.publish(&started()).await.unwrap(),
        NotifyOutcome::Posted
    );
    assert_eq!(scene.channel.texts(), [text(&started())]);
}

#[tokio::test]
async fn an_edit_that_slack_did_not_take_is_done_by_the_retry() {
    let scene = Scene::with(BOT);
    scene.publish(&started()).await.unwrap();
    scene.channel.fail(PostError::NoTime);
    scene.publish(&succeeded()).await.unwrap_err();
    assert_eq!(scene.channel.texts(), [text(&started())]);
    assert_eq!(
        scene.publish(&succeeded()).await.unwrap(),
        NotifyOutcome::Edited
    );
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

/// The one who knew it may have died between writing it down and posting it.
#[tokio::test]
async fn who_comes_late_posts_what_is_newer_where_that_was_not_posted() {
    let scene = Scene::with(BOT);
    scene.publish(&started()).await.unwrap();
    scene.channel.fail(PostError::NoTime);
    scene.publish(&succeeded()).await.unwrap_err();
    assert_eq!(
        scene.publish(&started()).await.unwrap(),
        NotifyOutcome::Outdated
    );
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
}

/// Two edits may arrive at Slack in another order than the one in which they were written down.
#[tokio::test]
async fn an_edit_that_arrives_after_a_newer_one_is_mended() {
    let scene: &'static Scene = Box::leak(Box::new(Scene::with(BOT)));
    scene.publish(&started()).await.unwrap();
    *scene.channel.meanwhile.lock().unwrap() = Some(Box::new(|| {
        let (topic, stage) = Topic::of(&rolled_back()).unwrap();
        let newer = KeptMessage {
            stage,
            message: message(&rolled_back(), &Console::default()).unwrap(),
            place: scene.kept.get(&topic).place,
        };
        scene.kept.put(&topic, newer);
    }));
    assert_eq!(
        scene.publish(&failed()).await.unwrap(),
        NotifyOutcome::Outdated
    );
    assert_eq!(scene.channel.texts(), [text(&rolled_back())]);
    assert_eq!(*scene.channel.edits.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_by_the_one_in_the_secret_now() {
    const NEW: &str = r#"{"bot_token": "xoxb-2", "channel": "deployments"}"#;
    let scene = Scene::with(BOT);
    let announcer = Announcer::new(&scene.secret, &scene.channel);
    let post =
        async |event: LongshoreEvent| announcer.notify(&event, &scene.kept, now(), PLENTY).await;
    post(started()).await.unwrap();
    *scene.secret.0.lock().unwrap() = NEW;
    let revoked = || PostError::BotInvalid("token_revoked".to_owned());
    scene.channel.fail(revoked());
    assert_eq!(post(succeeded()).await.unwrap(), NotifyOutcome::Edited);
    assert_eq!(scene.channel.texts(), [text(&succeeded())]);
    // A claim that was made with the old token keeps nobody waiting.
    scene.channel.fail(revoked());
    let error = post(planned()).await.unwrap_err();
    assert!(error.to_string().contains("token_revoked"), "{error}");
    assert_eq!(post(planned()).await.unwrap(), NotifyOutcome::Posted);
}

#[tokio::test]
async fn what_cannot_be_kept_is_an_error_that_says_of_what() {
    let scene = Scene::with(BOT);
    *scene.kept.is_down.lock().unwrap() = true;
    let error = scene.publish(&started()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "find the message of deployment shop/api/5f1e7c1e in slack: read the object: SlowDown"
    );
    assert!(scene.channel.texts().is_empty());
}
