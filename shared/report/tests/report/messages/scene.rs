//! Events, and the texts of a message.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::{
    ChangeCounts, ContainerFailure, ContainerLog, DeploymentFailed, DeploymentRolledBack,
    DeploymentSkipped, DeploymentStarted, DeploymentSummary, DeploymentWaiting, FailedPhase,
    FailedResource, FailedService, FileCount, LogLine, LogStream, LongshoreEvent, OperationKind,
    Problem, RefusedEntry, ReleaseRefused, RunsOn, Severity, SkipReason, Source, StackApplying,
    StackFailed, StackFileRefused, StackReady, StackSource, StackSummary, SyncCompleted,
    SyncFailed, SyncOutcome, SyncPlanned, SyncProgressed, SyncRefused, SyncSource, SyncSummary,
    TaskFailure, WaitReason,
};
use longshore_events::transfer::{TransferFailure, TransferProgress, TransferReport};
use longshore_report::{Block, Message, Text};

pub const DIGEST: &str = "sha256:1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809";
pub const TASK_DEFINITION: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:42";
pub const PREVIOUS: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:41";

pub fn message(event: &LongshoreEvent) -> Message {
    longshore_report::message(event).unwrap()
}

pub fn requested_at() -> DateTime<Utc> {
    "2026-11-21T09:30:00Z".parse().unwrap()
}

pub fn after(seconds: i64) -> DateTime<Utc> {
    requested_at() + TimeDelta::seconds(seconds)
}

pub fn image() -> Image {
    Image {
        repository: "shop/api".to_owned(),
        tag: Some("v3".to_owned()),
        digest: DIGEST.parse().unwrap(),
    }
}

pub fn deployment(source: Source) -> DeploymentSummary {
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

pub fn release() -> Source {
    Source::Release {
        key: "releases/shop/api.json".to_owned(),
        version_id: Some("3sL4kqtJlcpXroDTDmJ".to_owned()),
        note: Some("Fixes the checkout <urgent>\nhttps://ci.example/runs/7?a=1&b=2".to_owned()),
    }
}

pub fn task_failure(id: &str, exit_code: i64) -> TaskFailure {
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

pub fn never_started(id: &str) -> TaskFailure {
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

pub fn failed(rolling_back: bool, failures: Vec<TaskFailure>) -> LongshoreEvent {
    LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment: deployment(release()),
        finished_at: after(95),
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        failures,
        rolling_back,
        phase: FailedPhase::Rollout,
    })
}

pub fn failed_in(phase: FailedPhase, reason: &str) -> LongshoreEvent {
    LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment: deployment(Source::Push),
        finished_at: after(95),
        reason: reason.to_owned(),
        failures: vec![task_failure("0f3c1", 1)],
        rolling_back: false,
        phase,
    })
}

pub fn waiting(reason: WaitReason, until: Option<DateTime<Utc>>) -> LongshoreEvent {
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

pub fn rolled_back() -> LongshoreEvent {
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

pub fn skipped(reason: SkipReason) -> LongshoreEvent {
    LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        image: image(),
        source: Source::Push,
        requested_at: requested_at(),
        reason,
        deployment_id: None,
        selected: None,
    })
}

pub fn refused(reason: &str) -> LongshoreEvent {
    LongshoreEvent::ReleaseRefused(ReleaseRefused {
        bucket: "longshore-state-123456789012".to_owned(),
        key: "releases/shop/api.json".to_owned(),
        version_id: Some("3sL4kqtJlcpXroDTDmJ".to_owned()),
        reason: reason.to_owned(),
    })
}

pub fn started(source: Source) -> LongshoreEvent {
    LongshoreEvent::DeploymentStarted(DeploymentStarted {
        deployment: deployment(source),
        task_definition: TASK_DEFINITION.to_owned(),
        previous_task_definition: PREVIOUS.to_owned(),
        previous_image: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2".to_owned(),
    })
}

pub fn stack(source: StackSource) -> StackSummary {
    StackSummary {
        stack: "shop-prod".to_owned(),
        operation_id: "file-9b1f4c02d7a85e36f0c4b1aa".to_owned(),
        stack_id: None,
        source,
        requested_at: requested_at(),
    }
}

pub fn stack_file() -> StackSource {
    StackSource::File {
        key: "stacks/shop-prod.yaml".to_owned(),
        version_id: Some("Zk8s1QnWc2Yy0bqXo7m3Tg5uFv9hR4pL".to_owned()),
    }
}

pub fn payload() -> StackSource {
    StackSource::Manual {
        note: Some("more memory for the sale".to_owned()),
    }
}

pub fn stack_applying(
    kind: OperationKind,
    source: StackSource,
    counts: [u32; 4],
) -> LongshoreEvent {
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

pub fn stack_ready(kind: OperationKind, status: &str, source: StackSource) -> LongshoreEvent {
    LongshoreEvent::StackReady(StackReady {
        stack: stack(source),
        kind,
        finished_at: after(221),
        status: status.into(),
    })
}

pub fn stack_failed(kind: OperationKind, status: &str) -> LongshoreEvent {
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
        status: status.into(),
        reason: "The following resource(s) failed to update: [ApiService].".to_owned(),
        failed_resource: Some(failed_resource).filter(|_| !status.is_empty()),
        failed_services: Vec::new(),
    })
}

/// The first start of two services, of which `died` died; the first one wrote something.
pub fn first_start_failed(died: Vec<TaskFailure>) -> LongshoreEvent {
    let LongshoreEvent::StackFailed(failed) =
        stack_failed(OperationKind::Apply, "ROLLBACK_COMPLETE")
    else {
        unreachable!("it is a stack that failed");
    };
    let at = after(100);
    let lines = [
        "Traceback (most recent call last):",
        "KeyError: 'DATABASE_URL'",
    ];
    let log = ContainerLog {
        stream: LogStream {
            task: died[0].task.clone(),
            container: "api".to_owned(),
            log_group: "/ecs/shop-prod/api".to_owned(),
            log_stream: "ecs/api/0f3c1".to_owned(),
        },
        lines: Some(
            lines
                .map(|message| LogLine {
                    at,
                    message: message.to_owned(),
                })
                .into(),
        ),
    };
    let service = |name: &str, failures, logs| FailedService {
        service: name.to_owned(),
        ecs_deployment_id: "ecs-svc/4719203847561029384".to_owned(),
        task_definition: format!(
            "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-{name}:1"
        ),
        failures,
        logs,
    };
    LongshoreEvent::StackFailed(StackFailed {
        failed_services: vec![
            service("api", died, vec![log]),
            service("worker", vec![never_started("0f3c9")], Vec::new()),
        ],
        ..failed
    })
}

pub fn problem(number: u32, severity: Severity) -> Problem {
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

pub fn file_refused(problems: Vec<Problem>) -> LongshoreEvent {
    LongshoreEvent::StackFileRefused(StackFileRefused {
        key: "stacks/shop-prod.yaml".to_owned(),
        version_id: Some("m6Tq0YhBv4Xe2jSn8Wk5Rd7fLc9gPa1U".to_owned()),
        stack: Some("shop-prod".to_owned()),
        at: after(1),
        problems,
    })
}

pub fn sync(source: SyncSource) -> SyncSummary {
    SyncSummary {
        stack: "homebrew-bottles-prod".to_owned(),
        sync_id: "0d9c8a52-6b1f-4f0e-9a3c-2f5b7c1d8e46".to_owned(),
        bucket: "homebrew-bottles-111122223333".to_owned(),
        source,
        requested_at: requested_at(),
    }
}

pub fn refused_entry() -> RefusedEntry {
    RefusedEntry {
        entry: "wget (arm64_sequoia)".to_owned(),
        reason: "url: http://10.0.0.5/wget.tar.gz is at a private address".to_owned(),
    }
}

pub fn transfer_failure(number: u32) -> TransferFailure {
    TransferFailure {
        key: format!("boost@1.85-1.85.0_{number}.arm64_sequoia.bottle.2.tar.gz"),
        url: "https://ghcr.io/v2/homebrew/core/boost/1.85/blobs/sha256:1a2b3c4d".to_owned(),
        reason: "sha256 does not match what the index says".to_owned(),
        attempts: 2,
    }
}

pub fn transfer(failures: Vec<TransferFailure>) -> TransferReport {
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

pub fn outcome(failures: Vec<TransferFailure>) -> SyncOutcome {
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

pub fn sync_planned(source: SyncSource, runs_on: RunsOn, to_delete: u64) -> LongshoreEvent {
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

pub fn sync_progressed(failed: u64) -> LongshoreEvent {
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

pub fn sync_completed() -> LongshoreEvent {
    LongshoreEvent::SyncCompleted(SyncCompleted {
        sync: sync(SyncSource::Schedule),
        outcome: outcome(Vec::new()),
    })
}

pub fn sync_failed(count: u32) -> LongshoreEvent {
    LongshoreEvent::SyncFailed(SyncFailed {
        sync: sync(SyncSource::Manual {
            note: Some("before the release of macOS".to_owned()),
        }),
        reason: "2 files could not be transferred".to_owned(),
        outcome: outcome((0..count).map(transfer_failure).collect()),
    })
}

pub fn sync_refused() -> LongshoreEvent {
    LongshoreEvent::SyncRefused(SyncRefused {
        sync: sync(SyncSource::Schedule),
        reason: "the index names 3,100 bottles, less than half of the 16,525 of the last sync"
            .to_owned(),
    })
}

pub fn texts(message: &Message) -> Vec<&str> {
    let text_of = |text| match text {
        &Text::PlainText { ref text } | &Text::Mrkdwn { ref text, .. } => text.as_str(),
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
