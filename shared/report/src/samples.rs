//! One event of every kind that people hear of: what the tests of messages look at, and what `longshore slack preview`
//! shows. Their names and texts are as long as real ones.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{
    ActionRefused, ButtonAction, Caller, ChangeCounts, ContainerFailure, ContainerLog,
    DeploymentFailed, DeploymentFigures, DeploymentProgressed, DeploymentRolledBack,
    DeploymentSkipped, DeploymentStarted, DeploymentSucceeded, DeploymentSummary,
    DeploymentSuperseded, DeploymentWaiting, DeploymentsDigest, DeploymentsHeld,
    DeploymentsResumed, DocumentUnreadable, DocumentVersion, FailedPhase, FailedResource,
    FailedService, FileCount, ImageMissing, ImageNeed, LogLine, LogStream, LongshoreEvent,
    OperationKind, Problem, RefusedEntry, ReleaseRefused, RolloutProgress, RunsOn,
    ScheduledTaskFailed, ServiceFailures, ServiceOfStack, ServiceScaled, Severity, SkipReason,
    Source, StackApplying, StackFailed, StackFileRefused, StackReady, StackSource, StackSummary,
    StackUnchanged, SyncCompleted, SyncFailed, SyncOutcome, SyncPlanned, SyncProgressed,
    SyncRefused, SyncSource, SyncSummary, SyncUnchanged, TaskFailure, Times, WaitReason,
};
use longshore_events::transfer::{TransferFailure, TransferProgress, TransferReport};

pub const DIGEST: &str = "sha256:1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809";
const STACK_ID: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop-prod/1c2fa620-c5f8-11f0-9a35-0a7b3f1c9d21";
pub const TASK_DEFINITION: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:42";
pub const PREVIOUS: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:41";

pub fn requested_at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_795_253_400)
}

pub fn after(seconds: i64) -> DateTime<Utc> {
    requested_at() + TimeDelta::seconds(seconds)
}

pub fn image() -> Image {
    Image {
        repository: "shop/api".to_owned(),
        tag: Some("v3".to_owned()),
        digest: DIGEST.parse().unwrap_or_else(|_| Digest::unknown()),
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
        number: Some(42),
        commit: Some("3f9a1c2b4d5e6f708192a3b4c5d6e7f8091a2b3c".to_owned()),
        source_url: Some("https://github.com/shop/api".to_owned()),
        approved_by: None,
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

fn logs_of(failures: &[TaskFailure]) -> Vec<ContainerLog> {
    let last = failures.last();
    last.map(|task| crash_log("shop", &task.task))
        .into_iter()
        .collect()
}

pub fn failed(rolling_back: bool, failures: Vec<TaskFailure>) -> LongshoreEvent {
    LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment: deployment(release()),
        finished_at: after(95),
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        logs: logs_of(&failures),
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
        logs: Vec::new(),
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
        logs: vec![crash_log("shop", "0f3c3")],
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
        rejected_by: (reason == SkipReason::Rejected).then(|| Caller::named("ada (U024BE7LH)")),
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
        stack_id: Some(STACK_ID.to_owned()),
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
        by: None,
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
    LongshoreEvent::StackFailed(stack_failure(kind, status))
}

fn stack_failure(kind: OperationKind, status: &str) -> StackFailed {
    let failed_resource = FailedResource {
        logical_id: "ApiService".to_owned(),
        resource_type: "AWS::ECS::Service".to_owned(),
        physical_id: Some("arn:aws:ecs:eu-west-1:123456789012:service/shop/api".to_owned()),
        reason: "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
            .to_owned(),
    };
    StackFailed {
        stack: stack(payload()),
        kind,
        finished_at: after(431),
        status: status.into(),
        reason: "The following resource(s) failed to update: [ApiService].".to_owned(),
        failed_resource: Some(failed_resource).filter(|_| !status.is_empty()),
        failed_services: Vec::new(),
    }
}

/// What a container wrote that has no database.
pub fn crash_log(stack: &str, task: &str) -> ContainerLog {
    let lines = [
        "Traceback (most recent call last):",
        "KeyError: 'DATABASE_URL'",
    ];
    let line = |message: &str| LogLine {
        at: after(100),
        message: message.to_owned(),
    };
    ContainerLog {
        stream: LogStream {
            task: task.to_owned(),
            container: "api".to_owned(),
            log_group: format!("/ecs/{stack}/api"),
            log_stream: "ecs/api/0f3c1".to_owned(),
        },
        lines: Some(lines.map(line).into()),
    }
}

/// The first start of two services, of which `died` died; the first one wrote something.
pub fn first_start_failed(died: Vec<TaskFailure>) -> LongshoreEvent {
    let log = crash_log("shop-prod", died.first().map_or("", |task| &task.task));
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
        ..stack_failure(OperationKind::Apply, "ROLLBACK_COMPLETE")
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
            by: None,
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

/// An event, and what it shows.
#[derive(Debug, Clone)]
pub struct Sample {
    /// `deployment that failed`: a name of its own.
    pub name: &'static str,
    pub event: LongshoreEvent,
}

/// Everything that people hear of: each kind of event, and each of its shapes that reads in its own way.
pub fn every() -> Vec<Sample> {
    [deployments(), waits(), digests(), stacks(), syncs()]
        .concat()
        .into_iter()
        .map(|(name, event)| Sample { name, event })
        .collect()
}

fn ada() -> Option<Caller> {
    Some(Caller::named("ada@example.com"))
}

/// A pipeline that says where its run is.
pub fn pipeline() -> Option<Caller> {
    Some(Caller {
        name: "octocat".to_owned(),
        run_url: Some("https://github.com/shop/api/actions/runs/7".to_owned()),
    })
}

fn deployments() -> Vec<(&'static str, LongshoreEvent)> {
    let manual = || Source::Manual {
        note: Some("the database moved".to_owned()),
        by: pipeline(),
    };
    let rollback = || Source::Rollback {
        to: 41,
        note: Some("the checkout is broken".to_owned()),
        by: ada(),
    };
    let restart = || Source::Restart {
        note: None,
        by: ada(),
    };
    let dead = || vec![task_failure("0f3c1", 1), task_failure("0f3c2", 1)];
    let approved = DeploymentSummary {
        approved_by: ada(),
        ..deployment(Source::Push)
    };
    vec![
        ("deployment of a push that began", started(Source::Push)),
        (
            "deployment of a release file that began",
            started(release()),
        ),
        ("deployment of a pipeline that began", started(manual())),
        ("rollback that began", started(rollback())),
        ("restart that began", started(restart())),
        (
            "deployment that goes on",
            LongshoreEvent::DeploymentProgressed(DeploymentProgressed {
                deployment: deployment(Source::Push),
                progress: RolloutProgress {
                    stage: "BAKE_TIME".to_owned(),
                    shifted_percent: Some(10),
                },
                at: after(600),
            }),
        ),
        ("deployment that succeeded", succeeded(approved)),
        ("rollback that succeeded", succeeded(deployment(rollback()))),
        ("restart that succeeded", succeeded(deployment(restart()))),
        (
            "deployment that failed and is rolled back",
            failed(true, dead()),
        ),
        ("deployment that failed for good", failed(false, dead())),
        (
            "deployment that failed before its update",
            failed_in(
                FailedPhase::Before,
                "task `migrate`, which runs before the update, failed: container api exited with 1",
            ),
        ),
        (
            "deployment that failed after its update",
            failed_in(
                FailedPhase::After,
                "task `smoke-test`, which runs after the update, failed: container api exited with 1",
            ),
        ),
        ("deployment that was rolled back", rolled_back()),
        (
            "deployment that was superseded",
            LongshoreEvent::DeploymentSuperseded(DeploymentSuperseded {
                deployment: deployment(Source::Push),
                finished_at: after(12),
                superseded_by: format!("shop/api:v4@{DIGEST}"),
            }),
        ),
        (
            "deployment that was skipped",
            skipped(SkipReason::FailedBefore),
        ),
        (
            "deployment that was rejected",
            skipped(SkipReason::Rejected),
        ),
        ("image that is missing", image_missing(ImageNeed::Running)),
        (
            "image that a rollback lacks",
            image_missing(ImageNeed::Rollback),
        ),
        (
            "scheduled task that failed",
            scheduled(task_failure("0f3c1", 3), 12),
        ),
        (
            "scheduled task that was not started",
            scheduled(not_placed(), 2),
        ),
        (
            "release file that was refused",
            refused("field `imge`: unknown field, expected `image` or `note`"),
        ),
        ("document that cannot be read", unreadable()),
    ]
}

fn waits() -> Vec<(&'static str, LongshoreEvent)> {
    let until = Some(after(28_800));
    vec![
        (
            "deployment that waits for approval",
            waiting(WaitReason::Approval, until),
        ),
        (
            "deployment that is held",
            waiting(
                WaitReason::Held {
                    note: Some("the sale\nask Ada".to_owned()),
                    by: ada(),
                },
                until,
            ),
        ),
        (
            "deployment that is frozen",
            waiting(WaitReason::Frozen, until),
        ),
        (
            "deployment that waits for other services",
            waiting(
                WaitReason::Predecessors {
                    services: vec!["migrate".to_owned(), "worker".to_owned()],
                },
                None,
            ),
        ),
        ("hold", held(until)),
        ("end of a hold", resumed()),
        ("button that did nothing", action_refused()),
        (
            "number of tasks that somebody sets",
            scaled(2, 6, ada(), Some("the sale")),
        ),
    ]
}

fn digests() -> Vec<(&'static str, LongshoreEvent)> {
    vec![
        ("digest of a week", digest(busy_week())),
        (
            "digest of a week without deployments",
            digest(DeploymentFigures::default()),
        ),
    ]
}

fn stacks() -> Vec<(&'static str, LongshoreEvent)> {
    let dead = vec![task_failure("0f3c1", 1), task_failure("0f3c2", 1)];
    let problems = vec![problem(19, Severity::Warning), problem(14, Severity::Error)];
    vec![
        (
            "stack that is applied",
            stack_applying(OperationKind::Apply, stack_file(), [2, 1, 1, 0]),
        ),
        (
            "stack that is being destroyed",
            stack_applying(OperationKind::Destroy, payload(), [0, 0, 0, 31]),
        ),
        (
            "stack that is ready",
            stack_ready(OperationKind::Apply, "UPDATE_COMPLETE", payload()),
        ),
        (
            "stack that was destroyed",
            stack_ready(OperationKind::Destroy, "DELETE_COMPLETE", payload()),
        ),
        (
            "stack that failed",
            stack_failed(OperationKind::Apply, "UPDATE_ROLLBACK_COMPLETE"),
        ),
        ("first start that crashed", first_start_failed(dead)),
        (
            "stack that could not be destroyed",
            stack_failed(OperationKind::Destroy, "DELETE_FAILED"),
        ),
        (
            "stack that is unchanged",
            LongshoreEvent::StackUnchanged(StackUnchanged {
                stack: stack(stack_file()),
            }),
        ),
        ("stack file that was refused", file_refused(problems)),
    ]
}

fn syncs() -> Vec<(&'static str, LongshoreEvent)> {
    vec![
        (
            "sync that is planned",
            sync_planned(SyncSource::Schedule, RunsOn::Tasks { tasks: 4 }, 2),
        ),
        ("sync that goes on", sync_progressed(0)),
        ("sync that completed", sync_completed()),
        ("sync that failed", sync_failed(2)),
        ("sync that was refused", sync_refused()),
        (
            "sync that has nothing to do",
            LongshoreEvent::SyncUnchanged(SyncUnchanged {
                sync: sync(SyncSource::Schedule),
                finished_at: after(1),
            }),
        ),
    ]
}

pub fn succeeded(deployment: DeploymentSummary) -> LongshoreEvent {
    LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
        deployment,
        finished_at: after(72),
    })
}

pub fn action_refused() -> LongshoreEvent {
    LongshoreEvent::ActionRefused(ActionRefused {
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        action: ButtonAction::Rollback,
        by: Some(Caller::named("ada (U024BE7LH)")),
        reason: format!(
            "roll service api of stack shop back: deployment 43, of shop/api:v4@{DIGEST}, came after deployment 42: look \
             at it first"
        ),
        requested_at: after(7_200),
    })
}

pub fn held(until: Option<DateTime<Utc>>) -> LongshoreEvent {
    LongshoreEvent::DeploymentsHeld(DeploymentsHeld {
        stack: "shop".to_owned(),
        services: vec!["api".to_owned(), "worker".to_owned()],
        at: after(0),
        until,
        note: Some("the sale".to_owned()),
        by: ada(),
    })
}

pub fn resumed() -> LongshoreEvent {
    LongshoreEvent::DeploymentsResumed(DeploymentsResumed {
        stack: "shop".to_owned(),
        services: vec!["api".to_owned()],
        at: after(7_200),
        held_note: Some("the sale".to_owned()),
        held_by: ada(),
        held_since: Some(after(0)),
        note: None,
        by: pipeline(),
    })
}

pub fn scaled(from: u32, to: u32, by: Option<Caller>, note: Option<&str>) -> LongshoreEvent {
    LongshoreEvent::ServiceScaled(ServiceScaled {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        from,
        to,
        at: after(0),
        by,
        note: note.map(str::to_owned),
    })
}

fn times(count: u32, median_seconds: u64, longest_seconds: u64, service: &str) -> Option<Times> {
    Some(Times {
        count,
        median_seconds,
        longest_seconds,
        longest_of: ServiceOfStack {
            stack: "shop".to_owned(),
            service: service.to_owned(),
        },
    })
}

/// A week in which something failed.
pub fn busy_week() -> DeploymentFigures {
    DeploymentFigures {
        services: 7,
        succeeded: 40,
        failed: 1,
        rolled_back: 2,
        superseded: 3,
        rollbacks_asked_for: 1,
        lead_time: times(36, 182, 1_260, "search"),
        time_to_restore: times(2, 600, 4_320, "api"),
        not_restored: 1,
    }
}

/// The digest of a week like this, after one in which all went well.
pub fn digest(figures: DeploymentFigures) -> LongshoreEvent {
    let failed_most = match figures.all_failed() {
        0 => Vec::new(),
        failed => vec![ServiceFailures {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
            failed,
            deployments: 9,
        }],
    };
    LongshoreEvent::DeploymentsDigest(DeploymentsDigest {
        digest_id: "20261121T120000Z".to_owned(),
        stack: None,
        since: after(-7 * 86_400),
        until: after(0),
        figures,
        before: DeploymentFigures {
            services: 5,
            succeeded: 30,
            lead_time: times(27, 171, 840, "web"),
            ..DeploymentFigures::default()
        },
        failed_most,
        counted_in_part: 0,
    })
}

fn image_missing(needed_for: ImageNeed) -> LongshoreEvent {
    LongshoreEvent::ImageMissing(ImageMissing {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        image: image(),
        needed_for,
        at: after(600),
    })
}

fn scheduled(failure: TaskFailure, in_a_row: u32) -> LongshoreEvent {
    LongshoreEvent::ScheduledTaskFailed(ScheduledTaskFailed {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        schedule: "nightly".to_owned(),
        failure,
        in_a_row,
        attempts: 1,
    })
}

fn not_placed() -> TaskFailure {
    TaskFailure {
        task: String::new(),
        stop_code: Some("InvalidParameterException".to_owned()),
        stopped_reason: Some("No Container Instances were found in your cluster.".to_owned()),
        containers: Vec::new(),
        stopped_at: Some(after(0)),
    }
}

fn unreadable() -> LongshoreEvent {
    LongshoreEvent::DocumentUnreadable(DocumentUnreadable {
        key: "deployments/shop/api/current.json".to_owned(),
        problem: "it is not JSON: EOF while parsing an object at line 1 column 1".to_owned(),
        last_good: Some(DocumentVersion {
            version_id: "3sL4kqtJlcpXroDTDmJ".to_owned(),
            written_at: after(0),
        }),
        at: after(600),
    })
}
