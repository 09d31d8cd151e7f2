//! From an event of ours to a message in Slack, and from what became of it to Lambda's answer.

use std::fmt;
use std::time::Duration;

use longshore_events::longshore::{DeploymentSummary, LongshoreEvent, SOURCE, StackSummary};
use longshore_events::{EventBridgeEvent, Malformed, parse};
use longshore_report::{
    AnnounceError, Announcer, MessagePoster, PostError, WebhookSecret, message,
};
use longshore_runtime::lambda::{Failure, Invocation};
use longshore_runtime::metrics::{self, Metric};
use serde_json::{Value, json};

/// Kept back from the time that is left, for answering Lambda: an invocation that Lambda has to end is
/// not told apart from one that crashed.
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// Handles one invocation.
///
/// # Errors
/// [`Failure`] for everything that could not be told. A malformed event too, though trying it again is
/// in vain: only events of ours arrive here, so it is a fault of ours that must be found in the
/// dead-letter queue and not be lost.
pub async fn handle<Secret: WebhookSecret, Poster: MessagePoster>(
    announcer: &Announcer<Secret, Poster>,
    payload: &Value,
    invocation: &Invocation,
) -> Result<Value, Failure> {
    let event = read(payload).map_err(|malformed| {
        metrics::count(Metric::MalformedEvents, "notify");
        Failure {
            kind: "MalformedEvent",
            message: malformed.to_string(),
        }
    })?;
    let subject = Subject::of(&event);
    announcer
        .announce(
            &message(&event),
            invocation.remaining.saturating_sub(TIME_TO_ANSWER),
        )
        .await
        .map_err(|error| Failure {
            kind: kind(&error),
            message: format!("tell {} of {subject}: {error}", event.detail_type()),
        })?;
    tracing::info!(
        event = event.detail_type(),
        stack = subject.stack,
        service = subject.service,
        deployment_id = subject.deployment_id,
        operation_id = subject.operation_id,
        key = subject.key,
        "told in slack"
    );
    Ok(json!({"outcome": "told", "event": event.detail_type()}))
}

fn read(payload: &Value) -> Result<LongshoreEvent, Malformed> {
    const WHAT: &str = "EventBridge event";
    let envelope: EventBridgeEvent = parse(WHAT, payload)?;
    if envelope.source != SOURCE {
        return Err(Malformed::new(
            WHAT,
            format!(
                "field `source`: found `{}`, expected `{SOURCE}`",
                envelope.source
            ),
        ));
    }
    LongshoreEvent::from_envelope(&envelope.detail_type, &envelope.detail)
}

fn kind(error: &AnnounceError) -> &'static str {
    match error {
        AnnounceError::Secret(_) | AnnounceError::SecretTimeout(_) => "SecretNotRead",
        AnnounceError::Webhook { .. } | AnnounceError::Post(PostError::WebhookInvalid { .. }) => {
            "WebhookInvalid"
        }
        AnnounceError::Post(PostError::Refused { .. } | PostError::Json(_)) => "MessageRefused",
        AnnounceError::Post(PostError::GaveUp { .. } | PostError::NoTime) => "SlackUnavailable",
    }
}

/// What an event is about.
#[derive(Default)]
struct Subject<'a> {
    stack: Option<&'a str>,
    service: Option<&'a str>,
    deployment_id: Option<&'a str>,
    operation_id: Option<&'a str>,
    key: Option<&'a str>,
}

impl<'a> Subject<'a> {
    fn of(event: &'a LongshoreEvent) -> Self {
        match event {
            LongshoreEvent::DeploymentStarted(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentSucceeded(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentFailed(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentRolledBack(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentSuperseded(event) => Self::of_deployment(&event.deployment),
            LongshoreEvent::DeploymentSkipped(event) => Self {
                stack: Some(&event.stack),
                service: Some(&event.service),
                ..Self::default()
            },
            LongshoreEvent::ReleaseRefused(event) => Self {
                key: Some(&event.key),
                ..Self::default()
            },
            LongshoreEvent::StackApplying(event) => Self::of_stack(&event.stack),
            LongshoreEvent::StackReady(event) => Self::of_stack(&event.stack),
            LongshoreEvent::StackFailed(event) => Self::of_stack(&event.stack),
            LongshoreEvent::StackUnchanged(event) => Self::of_stack(&event.stack),
            LongshoreEvent::StackFileRefused(event) => Self {
                key: Some(&event.key),
                ..Self::default()
            },
            LongshoreEvent::SyncPlanned(_)
            | LongshoreEvent::SyncUnchanged(_)
            | LongshoreEvent::SyncProgressed(_)
            | LongshoreEvent::SyncShardCompleted(_)
            | LongshoreEvent::SyncCompleted(_)
            | LongshoreEvent::SyncFailed(_)
            | LongshoreEvent::SyncRefused(_) => todo!(),
        }
    }

    fn of_deployment(deployment: &'a DeploymentSummary) -> Self {
        Self {
            stack: Some(&deployment.stack),
            service: Some(&deployment.service),
            deployment_id: Some(&deployment.deployment_id),
            ..Self::default()
        }
    }

    fn of_stack(stack: &'a StackSummary) -> Self {
        Self {
            stack: Some(&stack.stack),
            operation_id: Some(&stack.operation_id),
            ..Self::default()
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stack, self.service, self.key) {
            (Some(stack), Some(service), _) => {
                write!(formatter, "service {service} of stack {stack}")
            }
            (Some(stack), None, _) => write!(formatter, "stack {stack}"),
            (_, _, key) => formatter.write_str(key.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    use longshore_report::{Message, SecretError, WebhookUrl};

    use super::*;

    struct Secret(&'static str);

    impl WebhookSecret for Secret {
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

    async fn tell(channel: &Channel, payload: &Value) -> Result<Value, Failure> {
        handle(
            &Announcer::new(Secret(WEBHOOK), channel),
            payload,
            &invocation(),
        )
        .await
    }

    #[tokio::test]
    async fn every_sample_is_told_once_by_the_name_of_its_event() {
        let folder = fs::read_dir(samples()).unwrap();
        let names: Vec<_> = folder.map(|file| file.unwrap().file_name()).collect();
        assert!(!names.is_empty());
        for name in names {
            let channel = Channel::default();
            let payload = sample(name.to_str().unwrap());
            let answer = tell(&channel, &payload).await.unwrap();
            assert_eq!(answer["outcome"], "told");
            assert_eq!(answer["event"], payload["detail-type"]);
            let posted = channel.posted.into_inner().unwrap();
            let [(message, time_left)] = posted.as_slice() else {
                panic!("{name:?} was told {} times", posted.len());
            };
            let words = payload["detail-type"].as_str().unwrap().to_lowercase();
            assert!(
                message.text.to_lowercase().contains(&words),
                "{}",
                message.text
            );
            let subject = if words.starts_with("stack") {
                "shop"
            } else {
                "shop/api"
            };
            assert!(message.text.contains(subject), "{}", message.text);
            assert!(*time_left <= Duration::from_secs(59), "{time_left:?}");
        }
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
            let failure = tell(&channel, &payload).await.unwrap_err();
            assert_eq!(failure.kind, "MalformedEvent");
            assert!(failure.message.contains(problem), "{}", failure.message);
            assert!(channel.posted.into_inner().unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn what_slack_does_not_take_is_a_failure_that_says_what_was_to_be_told() {
        let channel = Channel::default();
        *channel.refuses.lock().unwrap() = Some(PostError::Refused {
            status: 400,
            answer: "invalid_blocks".to_owned(),
        });
        let failure = tell(&channel, &sample("deployment-started.json"))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, "MessageRefused");
        assert_eq!(
            failure.message,
            "tell Deployment Started of service api of stack shop: post message to slack: refused \
             with status 400: invalid_blocks"
        );
    }

    #[tokio::test]
    async fn a_refused_release_file_that_cannot_be_told_is_named_by_its_key() {
        let channel = Channel::default();
        *channel.refuses.lock().unwrap() = Some(PostError::NoTime);
        let failure = tell(&channel, &sample("release-refused.json"))
            .await
            .unwrap_err();
        assert_eq!(
            failure.message,
            "tell Release Refused of releases/shop/api.json: post message to slack: no time left to try"
        );
    }

    #[tokio::test]
    async fn a_secret_that_is_no_webhook_is_a_failure_that_names_it_and_does_not_show_it() {
        let channel = Channel::default();
        let announcer = Announcer::new(Secret("hunter2"), &channel);
        let failure = handle(
            &announcer,
            &sample("deployment-started.json"),
            &invocation(),
        )
        .await
        .unwrap_err();
        assert_eq!(failure.kind, "WebhookInvalid");
        assert!(
            failure
                .message
                .contains("read secret longshore/slack: holds no URL")
        );
        assert!(!failure.message.contains("hunter2"));
    }
}
