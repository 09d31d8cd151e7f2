//! Every message as it is sent, and what holds for all of them.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::{
    ContainerFailure, DeploymentFailed, DeploymentRolledBack, DeploymentSkipped, DeploymentStarted,
    DeploymentSucceeded, DeploymentSummary, DeploymentSuperseded, LongshoreEvent, ReleaseRefused,
    SkipReason, Source, TaskFailure,
};
use longshore_report::{
    BLOCKS, Block, CONTEXT_ELEMENTS, HEADER_TEXT, MESSAGE_TEXT, Message, SECTION_TEXT, Text,
    message,
};
use proptest::prelude::*;

const DIGEST: &str = "sha256:1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809";
const TASK_DEFINITION: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:42";
const PREVIOUS: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:41";

fn requested_at() -> DateTime<Utc> {
    "2026-11-21T09:30:00Z".parse().unwrap()
}

fn after(seconds: i64) -> DateTime<Utc> {
    requested_at() + TimeDelta::seconds(seconds)
}

fn image() -> Image {
    Image {
        repository: "shop/api".to_owned(),
        tag: Some("v3".to_owned()),
        digest: DIGEST.parse().unwrap(),
    }
}

fn deployment(source: Source) -> DeploymentSummary {
    DeploymentSummary {
        deployment_id: "5f1e7c1e-30a3-4d52-9a5d-27a3a4c5d6e7".to_owned(),
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        cluster: "longshore".to_owned(),
        ecs_service: "shop-api".to_owned(),
        image: image(),
        source,
        requested_at: requested_at(),
    }
}

fn release() -> Source {
    Source::Release {
        key: "releases/shop/api.json".to_owned(),
        version_id: Some("3sL4kqtJlcpXroDTDmJ".to_owned()),
        note: Some("Fixes the checkout <urgent>\nhttps://ci.example/runs/7?a=1&b=2".to_owned()),
    }
}

fn task_failure(id: &str, exit_code: i64) -> TaskFailure {
    TaskFailure {
        task: format!("arn:aws:ecs:eu-west-1:123456789012:task/longshore/{id}"),
        stop_code: Some("EssentialContainerExited".to_owned()),
        stopped_reason: Some("Essential container in task exited".to_owned()),
        containers: vec![ContainerFailure {
            name: "api".to_owned(),
            exit_code: Some(exit_code),
            reason: None,
        }],
        stopped_at: Some(after(20)),
    }
}

fn never_started(id: &str) -> TaskFailure {
    TaskFailure {
        task: format!("arn:aws:ecs:eu-west-1:123456789012:task/longshore/{id}"),
        stop_code: Some("TaskFailedToStart".to_owned()),
        stopped_reason: Some(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s)".to_owned(),
        ),
        containers: vec![ContainerFailure {
            name: "api".to_owned(),
            exit_code: None,
            reason: Some("CannotPullContainerError: not found".to_owned()),
        }],
        stopped_at: None,
    }
}

fn failed(rolling_back: bool, failures: Vec<TaskFailure>) -> LongshoreEvent {
    LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment: deployment(release()),
        finished_at: after(95),
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        failures,
        rolling_back,
    })
}

fn rolled_back() -> LongshoreEvent {
    LongshoreEvent::DeploymentRolledBack(DeploymentRolledBack {
        deployment: deployment(Source::Push),
        finished_at: after(130),
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        failures: vec![
            task_failure("0f3c1", 1),
            task_failure("0f3c2", 1),
            task_failure("0f3c3", 137),
        ],
        running_task_definition: PREVIOUS.to_owned(),
        running_image: Some("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2".to_owned()),
    })
}

fn skipped(reason: SkipReason) -> LongshoreEvent {
    LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        image: image(),
        source: Source::Push,
        requested_at: requested_at(),
        reason,
    })
}

fn refused(reason: &str) -> LongshoreEvent {
    LongshoreEvent::ReleaseRefused(ReleaseRefused {
        bucket: "longshore-state-123456789012".to_owned(),
        key: "releases/shop/api.json".to_owned(),
        version_id: Some("3sL4kqtJlcpXroDTDmJ".to_owned()),
        reason: reason.to_owned(),
    })
}

fn started(source: Source) -> LongshoreEvent {
    LongshoreEvent::DeploymentStarted(DeploymentStarted {
        deployment: deployment(source),
        task_definition: TASK_DEFINITION.to_owned(),
        previous_task_definition: PREVIOUS.to_owned(),
        previous_image: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2".to_owned(),
    })
}

fn texts(message: &Message) -> Vec<&str> {
    let text_of = |text| match text {
        &Text::PlainText { ref text } | &Text::Mrkdwn { ref text } => text.as_str(),
    };
    let mut texts = vec![message.text.as_str()];
    for block in &message.blocks {
        match block {
            Block::Header { text } | Block::Section { text } => texts.push(text_of(text)),
            Block::Context { elements } => texts.extend(elements.iter().map(text_of)),
        }
    }
    texts
}

#[test]
fn a_push_that_is_deployed() {
    insta::assert_json_snapshot!(message(&started(Source::Push)));
}

#[test]
fn a_release_file_that_is_deployed() {
    insta::assert_json_snapshot!(message(&started(release())));
}

#[test]
fn a_manual_payload_that_is_deployed() {
    insta::assert_json_snapshot!(message(&started(Source::Manual {
        note: Some("rolling forward".to_owned()),
    })));
}

#[test]
fn a_deployment_that_succeeded() {
    insta::assert_json_snapshot!(message(&LongshoreEvent::DeploymentSucceeded(
        DeploymentSucceeded {
            deployment: deployment(Source::Push),
            finished_at: after(72),
        }
    )));
}

#[test]
fn a_deployment_by_digest_that_succeeded() {
    let mut deployment = deployment(Source::Manual { note: None });
    deployment.image.tag = None;
    insta::assert_json_snapshot!(message(&LongshoreEvent::DeploymentSucceeded(
        DeploymentSucceeded {
            deployment,
            finished_at: after(72),
        }
    )));
}

#[test]
fn a_deployment_that_failed_and_is_being_rolled_back() {
    insta::assert_json_snapshot!(message(&failed(
        true,
        vec![
            task_failure("0f3c1", 1),
            never_started("0f3c2"),
            task_failure("0f3c3", 1),
        ],
    )));
}

#[test]
fn a_deployment_that_failed_for_good_with_no_task_that_died() {
    insta::assert_json_snapshot!(message(&failed(false, Vec::new())));
}

#[test]
fn a_deployment_that_was_rolled_back() {
    insta::assert_json_snapshot!(message(&rolled_back()));
}

#[test]
fn a_deployment_that_was_superseded() {
    insta::assert_json_snapshot!(message(&LongshoreEvent::DeploymentSuperseded(
        DeploymentSuperseded {
            deployment: deployment(Source::Push),
            finished_at: after(12),
            superseded_by: format!("shop/api:v4@{DIGEST}"),
        }
    )));
}

#[test]
fn a_deployment_that_was_skipped_for_each_reason() {
    for reason in [
        SkipReason::AlreadyRunning,
        SkipReason::AlreadyDeploying,
        SkipReason::NewerRequested,
        SkipReason::FailedBefore,
    ] {
        insta::assert_json_snapshot!(
            format!("a_deployment_that_was_skipped__{reason:?}"),
            message(&skipped(reason))
        );
    }
}

#[test]
fn a_release_file_that_was_refused() {
    insta::assert_json_snapshot!(message(&refused(
        "release file is malformed: field `imge`: unknown field `imge`, expected `image` or `note`\n\
         repository `shop/api` is followed by no service of stack shop"
    )));
}

/// The most frequent complaint about every tool in this field.
#[test]
fn a_rolled_back_deployment_never_reads_like_a_success() {
    for event in [
        rolled_back(),
        failed(true, Vec::new()),
        failed(false, Vec::new()),
    ] {
        let message = message(&event);
        for text in texts(&message) {
            let text = text.to_lowercase();
            for word in ["✅", "🚀", "succe", "is deployed"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
        assert!(message.text.contains("failed"), "{}", message.text);
    }
}

#[test]
fn each_kind_of_event_has_a_symbol_of_its_own() {
    let symbols: HashSet<char> = [
        started(Source::Push),
        skipped(SkipReason::AlreadyRunning),
        failed(true, Vec::new()),
        rolled_back(),
        refused("not JSON"),
    ]
    .iter()
    .filter_map(|event| message(event).text.chars().next())
    .collect();
    assert_eq!(symbols.len(), 5);
}

#[test]
fn a_note_cannot_mention_a_channel_or_look_like_ours() {
    let message = message(&started(Source::Manual {
        note: Some("<!channel>\n*Runs now:* <https://evil.example|shop/api:v9>".to_owned()),
    }));
    let texts = texts(&message);
    assert!(
        texts.contains(
            &"> &lt;!channel&gt;\n> *Runs now:* &lt;https://evil.example|shop/api:v9&gt;"
        )
    );
    for text in texts {
        assert!(!text.contains("<!"), "{text}");
        assert!(!text.contains("\n*Runs now"), "{text}");
    }
}

#[test]
fn a_blank_note_is_left_out() {
    let with = message(&started(Source::Manual {
        note: Some(" \n".to_owned()),
    }));
    let without = message(&started(Source::Manual { note: None }));
    assert_eq!(with, without);
}

#[test]
fn what_is_cut_off_is_said() {
    let long = message(&refused(&"something is wrong with it\n".repeat(500)));
    let text = texts(&long).join("\n");
    assert!(text.contains("… and 460 more lines"), "{text}");
    let many = message(&failed(
        true,
        (0..200)
            .map(|number| task_failure(&number.to_string(), number))
            .collect(),
    ));
    let text = texts(&many).join("\n");
    assert!(text.contains("*200 tasks died:*"), "{text}");
    assert!(text.contains(" more tasks"), "{text}");
}

/// Texts as nobody should send them, and as somebody will.
///
/// Boxed, as all that follow: without it their type is as large as the tree of them, and the stack too small.
fn hostile() -> BoxedStrategy<String> {
    prop_oneof![
        Just(String::new()),
        "[a-z][a-z0-9-]{0,40}",
        "(?s).{0,80}",
        (
            prop_oneof![
                Just("<"),
                Just("&"),
                Just("`"),
                Just("\""),
                Just("\\"),
                Just("\n"),
                Just("> \n"),
                Just("\u{0}"),
                Just("🚀"),
                Just("👩‍👩‍👧"),
                Just("é"),
                Just("<!channel> "),
                Just("arn:aws:ecs/"),
                Just("@sha256:"),
                Just("{}"),
                Just("*_~"),
                Just("\u{2028}"),
            ],
            0usize..6_000
        )
            .prop_map(|(piece, times)| piece.repeat(times)),
    ]
    .boxed()
}

fn hostile_option() -> BoxedStrategy<Option<String>> {
    prop::option::of(hostile()).boxed()
}

fn any_source() -> BoxedStrategy<Source> {
    prop_oneof![
        Just(Source::Push),
        (hostile(), hostile_option(), hostile_option()).prop_map(|(key, version_id, note)| {
            Source::Release {
                key,
                version_id,
                note,
            }
        }),
        hostile_option().prop_map(|note| Source::Manual { note }),
    ]
    .boxed()
}

fn any_image() -> BoxedStrategy<Image> {
    (hostile(), hostile_option())
        .prop_map(|(repository, tag)| Image {
            repository,
            tag,
            digest: DIGEST.parse().unwrap(),
        })
        .boxed()
}

fn any_time() -> BoxedStrategy<DateTime<Utc>> {
    prop_oneof![
        Just(DateTime::<Utc>::MIN_UTC),
        Just(DateTime::<Utc>::MAX_UTC),
        (0i64..4_000_000_000)
            .prop_map(|seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)),
    ]
    .boxed()
}

fn any_deployment() -> BoxedStrategy<DeploymentSummary> {
    (
        hostile(),
        hostile(),
        hostile(),
        hostile(),
        hostile(),
        any_image(),
        any_source(),
        any_time(),
    )
        .prop_map(
            |(deployment_id, stack, service, cluster, ecs_service, image, source, requested_at)| {
                DeploymentSummary {
                    deployment_id,
                    stack,
                    service,
                    cluster,
                    ecs_service,
                    image,
                    source,
                    requested_at,
                }
            },
        )
        .boxed()
}

fn any_failures() -> BoxedStrategy<Vec<TaskFailure>> {
    let container = (hostile(), any::<Option<i64>>(), hostile_option()).prop_map(
        |(name, exit_code, reason)| ContainerFailure {
            name,
            exit_code,
            reason,
        },
    );
    let failure = (
        hostile(),
        hostile_option(),
        hostile_option(),
        prop::collection::vec(container, 0..6),
    )
        .prop_map(
            |(task, stop_code, stopped_reason, containers)| TaskFailure {
                task,
                stop_code,
                stopped_reason,
                containers,
                stopped_at: None,
            },
        );
    prop::collection::vec(failure, 0..14).boxed()
}

fn any_skip_reason() -> BoxedStrategy<SkipReason> {
    prop_oneof![
        Just(SkipReason::AlreadyRunning),
        Just(SkipReason::AlreadyDeploying),
        Just(SkipReason::NewerRequested),
        Just(SkipReason::FailedBefore),
    ]
    .boxed()
}

fn any_event() -> BoxedStrategy<LongshoreEvent> {
    prop_oneof![
        (any_deployment(), hostile(), hostile(), hostile()).prop_map(
            |(deployment, task_definition, previous_task_definition, previous_image)| {
                LongshoreEvent::DeploymentStarted(DeploymentStarted {
                    deployment,
                    task_definition,
                    previous_task_definition,
                    previous_image,
                })
            }
        ),
        (any_deployment(), any_time()).prop_map(|(deployment, finished_at)| {
            LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
                deployment,
                finished_at,
            })
        }),
        (
            any_deployment(),
            any_time(),
            hostile(),
            any_failures(),
            any::<bool>()
        )
            .prop_map(
                |(deployment, finished_at, reason, failures, rolling_back)| {
                    LongshoreEvent::DeploymentFailed(DeploymentFailed {
                        deployment,
                        finished_at,
                        reason,
                        failures,
                        rolling_back,
                    })
                }
            ),
        (
            any_deployment(),
            any_time(),
            hostile(),
            any_failures(),
            hostile(),
            proptest::option::of(hostile())
        )
            .prop_map(
                |(
                    deployment,
                    finished_at,
                    reason,
                    failures,
                    running_task_definition,
                    running_image,
                )| {
                    LongshoreEvent::DeploymentRolledBack(DeploymentRolledBack {
                        deployment,
                        finished_at,
                        reason,
                        failures,
                        running_task_definition,
                        running_image,
                    })
                }
            ),
        (any_deployment(), any_time(), hostile()).prop_map(
            |(deployment, finished_at, superseded_by)| {
                LongshoreEvent::DeploymentSuperseded(DeploymentSuperseded {
                    deployment,
                    finished_at,
                    superseded_by,
                })
            }
        ),
        (
            hostile(),
            hostile(),
            any_image(),
            any_source(),
            any_time(),
            any_skip_reason()
        )
            .prop_map(|(stack, service, image, source, requested_at, reason)| {
                LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
                    stack,
                    service,
                    image,
                    source,
                    requested_at,
                    reason,
                })
            }),
        (hostile(), hostile(), hostile_option(), hostile()).prop_map(
            |(bucket, key, version_id, reason)| {
                LongshoreEvent::ReleaseRefused(ReleaseRefused {
                    bucket,
                    key,
                    version_id,
                    reason,
                })
            }
        ),
    ]
    .boxed()
}

fn characters(text: &str) -> usize {
    text.encode_utf16().count()
}

proptest! {
    #[test]
    fn every_message_is_within_slacks_limits(event in any_event()) {
        let message = message(&event);
        prop_assert!(!message.text.trim().is_empty());
        prop_assert!(!message.blocks.is_empty() && message.blocks.len() <= BLOCKS);
        for block in &message.blocks {
            match block {
                Block::Header { text: Text::PlainText { text } } => {
                    prop_assert!(!text.trim().is_empty());
                    prop_assert!(characters(text) <= HEADER_TEXT, "{} in a header", characters(text));
                    prop_assert!(!text.contains('\n'));
                }
                Block::Header { text: Text::Mrkdwn { .. } } => {
                    prop_assert!(false, "a header takes plain text only");
                }
                Block::Section { text: Text::Mrkdwn { text } | Text::PlainText { text } } => {
                    prop_assert!(!text.trim().is_empty());
                    prop_assert!(characters(text) <= SECTION_TEXT, "{} in a section", characters(text));
                }
                Block::Context { elements } => {
                    prop_assert!(!elements.is_empty() && elements.len() <= CONTEXT_ELEMENTS);
                    for Text::Mrkdwn { text } | Text::PlainText { text } in elements {
                        prop_assert!(!text.trim().is_empty());
                        prop_assert!(characters(text) <= SECTION_TEXT);
                    }
                }
            }
        }
        let sent = characters(&serde_json::to_string(&message).unwrap());
        prop_assert!(sent < MESSAGE_TEXT, "{sent} characters in all");
    }

    #[test]
    fn nothing_of_an_event_is_markup_of_slacks(event in any_event()) {
        let message = message(&event);
        for text in texts(&message) {
            // Quotation marks at the start of a line are ours.
            let unquoted: String = text
                .lines()
                .map(|line| line.strip_prefix("> ").unwrap_or(line))
                .collect();
            prop_assert!(!unquoted.contains(['<', '>']), "{unquoted}");
            for entity in unquoted.split('&').skip(1) {
                prop_assert!(
                    ["amp;", "lt;", "gt;"].iter().any(|known| entity.starts_with(known)),
                    "an escape that was cut in two in {unquoted}"
                );
            }
            prop_assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
        }
    }
}
