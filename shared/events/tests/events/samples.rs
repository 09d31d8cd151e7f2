//! Every file under `events/` is read as what it is.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::ecs::{Container, DeploymentEventName, RunLimits, why_stopped};
use longshore_events::function_url::FunctionUrlRequest;
use longshore_events::image::{Digest, Image};
use longshore_events::incoming::{
    DeployEvent, DeployTaskStopped, ProvisionEvent, Push, ReleaseFile, RequestedAction,
    StackChange, StackFile, SyncEvent, SyncTaskStopped, WatchEvent, parse_deploy, parse_provision,
    parse_sync, parse_watch,
};
use longshore_events::longshore::{
    ButtonAction, Caller, ContainerFailure, LongshoreEvent, ReconcileShard, SOURCE,
    SyncShardCompleted, TaskFailure,
};
use longshore_events::manual::{
    ApprovalPayload, DeployPayload, DeployRequest, DigestPayload, HoldPayload, ProvisionRequest,
    ResumePayload, RollbackPayload, ScheduledSync, StackAction, StackArgument, StackPayload,
    SyncAction, SyncPayload, SyncRequest,
};
use longshore_events::release::{Release, ReleaseKey, parse_body, parse_key};
use longshore_events::scheduler::{ScheduledAction, ScheduledRun};
use longshore_events::{EventBridgeEvent, parse};
use serde_json::Value;

use crate::support::{bytes, directory, sample, samples_in, with_unknown_field};

const FIRST: &str = "sha256:38aef64bd4d42dddbdc5aee1d94c2af8cf5e5ac2bf3b4b64fb2b1ea9b3af8c5b";

const STACK_ID: &str = "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop-prod/1c2fa620-c5f8-11f0-9a35-0a7b3f1c9d21";

/// The id of a change that a stack file asked for.
const FILE_CHANGE: &str = "file-9b1f4c02d7a85e36f0c4b1aa";

/// The id of a change that a payload asked for.
const PAYLOAD_CHANGE: &str = "4a0f6c1d-8e2b-4d97-a5c3-7b9e1f2d3c4b";

const ONE_OFF_TASK: &str =
    "arn:aws:ecs:eu-west-1:111122223333:task/shop/9f4d20c7b81e4c6fa35d7e0812c6b94a";

const CIRCUIT_BREAKER: &str = "ECS deployment circuit breaker: tasks failed to start.";

/// What `deploy` makes of each of its samples.
fn deploy_expectations() -> Vec<(&'static str, DeployEvent)> {
    let pushed = |sample_path: &str, tag: &str| {
        let envelope = sample(sample_path);
        DeployEvent::Push(Push {
            event_id: text(&envelope, "/id"),
            at: time(&text(&envelope, "/time")),
            image: Image {
                repository: text(&envelope, "/detail/repository-name"),
                tag: Some(tag.to_owned()),
                digest: digest(&text(&envelope, "/detail/image-digest")),
            },
        })
    };
    let request = |image: &str, note: Option<&str>| {
        DeployEvent::Request(DeployRequest::Deploy(DeployPayload::new(
            "shop",
            "api",
            image.parse().unwrap(),
            note.map(str::to_owned),
        )))
    };
    let task_stopped = |failure| {
        DeployEvent::TaskStopped(DeployTaskStopped {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
            task: ONE_OFF_TASK.to_owned(),
            failure,
        })
    };
    let changed = DeployEvent::DeploymentChanged {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
    };
    let no_push = DeployEvent::Nothing("not a push that succeeded");
    let no_tag = DeployEvent::Nothing("pushed without a tag");
    let no_image = DeployEvent::Nothing("not an image that a container can be started from");
    vec![
        ("deploy/push-tag.json", pushed("deploy/push-tag.json", "v2")),
        (
            "deploy/push-tag-docker.json",
            pushed("deploy/push-tag-docker.json", "v2"),
        ),
        (
            "deploy/push-tag-without-media-types.json",
            pushed("deploy/push-tag-without-media-types.json", "v2"),
        ),
        (
            "deploy/push-index.json",
            pushed("deploy/push-index.json", "v4"),
        ),
        ("deploy/push-index-child.json", no_tag.clone()),
        ("deploy/push-soci-index.json", no_tag),
        ("deploy/push-signature.json", no_image.clone()),
        ("deploy/push-referrers-index.json", no_image.clone()),
        ("deploy/push-helm-chart.json", no_image),
        (
            "deploy/replicated.json",
            pushed("deploy/replicated.json", "v2"),
        ),
        ("deploy/cached.json", pushed("deploy/cached.json", "1.29.3")),
        ("deploy/cached-failed.json", no_push.clone()),
        ("deploy/push-failed.json", no_push.clone()),
        ("deploy/delete.json", no_push.clone()),
        ("deploy/archive.json", no_push),
        (
            "deploy/release-file.json",
            DeployEvent::ReleaseFile(ReleaseFile {
                event_id: text(&sample("deploy/release-file.json"), "/id"),
                at: time("2026-11-20T09:41:17Z"),
                bucket: "longshore-state-111122223333-eu-west-1".to_owned(),
                key: "releases/shop/api.json".to_owned(),
                version_id: Some("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e".to_owned()),
                sequencer: "00691EE13D4C1F0A27".to_owned(),
            }),
        ),
        (
            "deploy/schedule-reconcile.json",
            DeployEvent::Request(DeployRequest::ScheduledReconcile(ScheduledRun {
                action: ScheduledAction::Reconcile,
                schedule_arn:
                    "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/longshore-reconcile"
                        .to_owned(),
                scheduled_time: time("2026-11-20T10:00:00Z"),
                execution_id: "d32c5kddcf5bb8c3".to_owned(),
                attempt_number: "1".to_owned(),
            })),
        ),
        (
            "deploy/schedule-digest.json",
            DeployEvent::Request(DeployRequest::ScheduledDigest(ScheduledRun {
                action: ScheduledAction::Digest,
                schedule_arn:
                    "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/longshore-digest"
                        .to_owned(),
                scheduled_time: time("2026-11-23T08:00:00Z"),
                execution_id: "a17c5kddcf5bb8c3".to_owned(),
                attempt_number: "1".to_owned(),
            })),
        ),
        (
            "deploy/request-digest.json",
            DeployEvent::Request(DeployRequest::Digest(DigestPayload {
                stack: Some("shop".to_owned()),
                days: Some(30),
            })),
        ),
        ("deploy/request-by-tag.json", request("shop/api:v3", None)),
        (
            "deploy/request-by-digest.json",
            request(
                &text(&sample("deploy/request-by-digest.json"), "/image"),
                Some("back to v2 until the checkout is fixed"),
            ),
        ),
        (
            "deploy/request-rollback.json",
            DeployEvent::Request(DeployRequest::Rollback(RollbackPayload {
                from: None,
                stack: "shop".to_owned(),
                service: "api".to_owned(),
                to: Some(41),
                note: Some("the checkout is broken since 42".to_owned()),
                by: None,
            })),
        ),
        (
            "deploy/request-hold.json",
            DeployEvent::Request(DeployRequest::Hold(HoldPayload {
                stack: "shop".to_owned(),
                service: Some("api".to_owned()),
                until: Some(time("2026-11-30T08:00:00Z")),
                note: Some("the sale".to_owned()),
                by: None,
            })),
        ),
        (
            "deploy/request-resume.json",
            DeployEvent::Request(DeployRequest::Resume(ResumePayload {
                held_since: None,
                stack: "shop".to_owned(),
                service: Some("api".to_owned()),
                note: None,
                by: None,
            })),
        ),
        (
            "deploy/request-approve.json",
            DeployEvent::Request(DeployRequest::Approve(ApprovalPayload {
                stack: "shop".to_owned(),
                service: "api".to_owned(),
                digest: Some(
                    digest(&text(
                        &sample("deploy/push-tag.json"),
                        "/detail/image-digest",
                    ))
                    .into(),
                ),
                by: None,
            })),
        ),
        (
            "deploy/request-reconcile.json",
            DeployEvent::Request(DeployRequest::Reconcile),
        ),
        (
            "deploy/request-reject.json",
            DeployEvent::Request(DeployRequest::Reject(ApprovalPayload {
                stack: "shop".to_owned(),
                service: "api".to_owned(),
                digest: Some(
                    digest(&text(
                        &sample("deploy/push-tag.json"),
                        "/detail/image-digest",
                    ))
                    .into(),
                ),
                by: None,
            })),
        ),
        (
            "deploy/action-requested.json",
            DeployEvent::Action(RequestedAction {
                id: text(
                    &sample("deploy/action-requested.json"),
                    "/detail/request_id",
                ),
                at: time("2026-11-20T10:15:00Z"),
                action: ButtonAction::Approve,
                request: DeployRequest::Approve(ApprovalPayload {
                    stack: "shop".to_owned(),
                    service: "api".to_owned(),
                    digest: Some(digest(FIRST).into()),
                    by: Some(Caller::named("ada (U024BE7LH)")),
                }),
            }),
        ),
        ("deploy/task-succeeded.json", task_stopped(None)),
        (
            "deploy/task-failed.json",
            task_stopped(Some(TaskFailure {
                task: ONE_OFF_TASK.to_owned(),
                stop_code: Some("EssentialContainerExited".to_owned()),
                stopped_reason: Some("Essential container in task exited".to_owned()),
                containers: vec![ContainerFailure {
                    name: "api".to_owned(),
                    exit_code: Some(1),
                    reason: None,
                }],
                stopped_at: Some(time("2026-11-20T09:35:05.226Z")),
            })),
        ),
        (
            "deploy/task-stopping.json",
            DeployEvent::Nothing("the task has not stopped"),
        ),
        ("deploy/deployment-stabilized.json", changed.clone()),
        ("deploy/deployment-succeeded.json", changed.clone()),
        ("deploy/deployment-failed.json", changed.clone()),
        ("deploy/deployment-rolled-back.json", changed.clone()),
        ("deploy/deployment-superseded.json", changed),
        (
            "deploy/reconcile-shard.json",
            DeployEvent::ReconcileShard(ReconcileShard {
                shard: 1,
                shards: 3,
            }),
        ),
        (
            "deploy/stack-ready.json",
            DeployEvent::SettledStack {
                stack: "shop-prod".to_owned(),
                operation_id: FILE_CHANGE.to_owned(),
            },
        ),
        (
            "deploy/stack-failed.json",
            DeployEvent::SettledStack {
                stack: "shop-prod".to_owned(),
                operation_id: PAYLOAD_CHANGE.to_owned(),
            },
        ),
    ]
}

/// What `provision` makes of each of its samples.
fn provision_expectations() -> Vec<(&'static str, ProvisionEvent)> {
    let settled = |operation_id: &str| ProvisionEvent::SettledStack {
        stack: "shop-prod".to_owned(),
        operation_id: operation_id.to_owned(),
    };
    let request = |action, stack: StackArgument, note: Option<&str>| StackPayload {
        action,
        environment: match stack {
            StackArgument::Content(_) => Some("prod".to_owned()),
            StackArgument::Name(_) => None,
        },
        stack,
        note: note.map(str::to_owned),
        confirm: None,
        by: None,
    };
    let asked = |payload| ProvisionEvent::Request(ProvisionRequest::Stack(payload));
    let content = || {
        let request = sample("provision/request-plan.json");
        StackArgument::Content(request["stack"].as_object().unwrap().clone())
    };
    let name = || StackArgument::Name("shop-prod".to_owned());
    vec![
        (
            "provision/stack-file.json",
            ProvisionEvent::StackFile(StackFile {
                event_id: text(&sample("provision/stack-file.json"), "/id"),
                at: time("2026-11-20T11:02:31Z"),
                bucket: "longshore-state-111122223333-eu-west-1".to_owned(),
                key: "stacks/shop-prod.yaml".to_owned(),
                version_id: Some("Zk8s1QnWc2Yy0bqXo7m3Tg5uFv9hR4pL".to_owned()),
                sequencer: "00691EF4474B2D90A1".to_owned(),
            }),
        ),
        ("provision/stack-ready.json", settled(FILE_CHANGE)),
        ("provision/stack-failed.json", settled(PAYLOAD_CHANGE)),
        (
            "provision/stack-imported.json",
            ProvisionEvent::StackImported(StackChange {
                event_id: text(&sample("provision/stack-imported.json"), "/id"),
                at: time("2026-11-20T14:01:18Z"),
                stack: "shop-prod".to_owned(),
                stack_id: STACK_ID.to_owned(),
                status: "IMPORT_COMPLETE".into(),
                reason: None,
                client_request_token: Some("file-77aa01c3e5d94f20b8167e3d-import".to_owned()),
            }),
        ),
        (
            "provision/request-render.json",
            asked(request(StackAction::Render, content(), None)),
        ),
        (
            "provision/request-plan.json",
            asked(request(StackAction::Plan, content(), None)),
        ),
        (
            "provision/request-apply.json",
            asked(request(
                StackAction::Apply,
                content(),
                Some("more memory for the sale"),
            )),
        ),
        (
            "provision/request-cost.json",
            asked(request(StackAction::Cost, content(), None)),
        ),
        (
            "provision/request-destroy.json",
            asked(StackPayload {
                confirm: Some("shop-prod".to_owned()),
                ..request(
                    StackAction::Destroy,
                    name(),
                    Some("moved to another account"),
                )
            }),
        ),
        (
            "provision/request-drift.json",
            asked(request(StackAction::Drift, name(), None)),
        ),
        (
            "provision/request-outputs.json",
            asked(request(StackAction::Outputs, name(), None)),
        ),
        (
            "provision/request-reconcile.json",
            ProvisionEvent::Request(ProvisionRequest::Reconcile),
        ),
        (
            "provision/schedule-reconcile.json",
            ProvisionEvent::Request(ProvisionRequest::ScheduledReconcile(ScheduledRun {
                action: ScheduledAction::Reconcile,
                schedule_arn: "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/\
                               longshore-provision-reconcile"
                    .to_owned(),
                scheduled_time: time("2026-11-20T10:00:00Z"),
                execution_id: "b81a3f6c2d94e705".to_owned(),
                attempt_number: "1".to_owned(),
            })),
        ),
    ]
}

/// What `watch` makes of a sample, as far as a test can say it in a line.
#[derive(Debug, PartialEq)]
enum Watched {
    Deployment {
        name: DeploymentEventName,
        deployment_id: String,
        reason: String,
    },
    TaskStopped {
        started_by: Option<String>,
        stop_code: Option<String>,
        container: Container,
    },
    ScheduledTaskRuns {
        names: [String; 3],
        limits: Option<RunLimits>,
    },
    ScheduledTaskStopped {
        names: [String; 3],
        failure: Option<String>,
    },
    RunRefused {
        schedule: String,
        id: String,
        error_code: Option<String>,
        at: Option<DateTime<Utc>>,
    },
    Stack {
        status: String,
        reason: Option<String>,
        token: Option<String>,
    },
    Nothing(&'static str),
}

fn watch_expectations() -> Vec<(&'static str, Watched)> {
    let deployment = |name, deployment_id: &str, reason: &str| Watched::Deployment {
        name,
        deployment_id: deployment_id.to_owned(),
        reason: reason.to_owned(),
    };
    let task = |started_by: &str, stop_code: &str, exit_code, reason: Option<String>| {
        Watched::TaskStopped {
            started_by: Some(started_by.to_owned()),
            stop_code: Some(stop_code.to_owned()),
            container: Container {
                name: "api".to_owned(),
                exit_code,
                reason,
            },
        }
    };
    let stack = |status: &str, reason: Option<&str>, token: &str| Watched::Stack {
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        token: Some(token.to_owned()),
    };
    let (second, third, back) = (
        "ecs-svc/4719203847561029384",
        "ecs-svc/8830175526410937265",
        "ecs-svc/2201947365518203746",
    );
    vec![
        (
            "watch/deployment-in-progress.json",
            deployment(
                DeploymentEventName::InProgress,
                second,
                "ECS deployment ecs-svc/4719203847561029384 in progress.",
            ),
        ),
        (
            "watch/deployment-completed.json",
            deployment(
                DeploymentEventName::Completed,
                second,
                "ECS deployment ecs-svc/4719203847561029384 completed.",
            ),
        ),
        (
            "watch/deployment-failed.json",
            deployment(DeploymentEventName::Failed, third, CIRCUIT_BREAKER),
        ),
        (
            "watch/rollback-in-progress.json",
            deployment(
                DeploymentEventName::InProgress,
                back,
                "ECS deployment circuit breaker: rolling back to deploymentId \
                 ecs-svc/4719203847561029384.",
            ),
        ),
        (
            "watch/rollback-completed.json",
            deployment(
                DeploymentEventName::Completed,
                back,
                "ECS deployment ecs-svc/2201947365518203746 completed.",
            ),
        ),
        (
            "watch/task-container-exited.json",
            task(third, "EssentialContainerExited", Some(1), None),
        ),
        (
            "watch/task-cannot-pull.json",
            task(
                third,
                "TaskFailedToStart",
                None,
                Some(text(
                    &sample("watch/task-cannot-pull.json"),
                    "/detail/stoppedReason",
                )),
            ),
        ),
        (
            "watch/task-spot-interruption.json",
            task(second, "SpotInterruption", Some(137), None),
        ),
        (
            "watch/task-spot-warning.json",
            Watched::Nothing("the task has not stopped"),
        ),
        (
            "watch/task-scheduled-runs.json",
            Watched::ScheduledTaskRuns {
                names: ["shop-prod", "api", "nightly"].map(str::to_owned),
                limits: Some(RunLimits {
                    service: "shop-prod-api".to_owned(),
                    timeout: Some(3600),
                    retries: 2,
                    attempt: 1,
                }),
            },
        ),
        (
            "watch/task-scheduled-failed.json",
            Watched::ScheduledTaskStopped {
                names: ["shop-prod", "api", "nightly"].map(str::to_owned),
                failure: Some("EssentialContainerExited".to_owned()),
            },
        ),
        (
            "watch/run-refused.json",
            Watched::RunRefused {
                schedule: "default/shop-prod-ApiNightlySchedule-1A2B3C4D5E6F".to_owned(),
                id: "ad06616e51cdf74a".to_owned(),
                error_code: Some("AccessDeniedException".to_owned()),
                at: Some(time("2026-11-22T03:00:00Z")),
            },
        ),
        (
            "watch/task-of-no-service.json",
            Watched::Nothing("the task belongs to no service"),
        ),
        (
            "watch/stack-changing.json",
            stack("UPDATE_IN_PROGRESS", Some("User Initiated"), FILE_CHANGE),
        ),
        (
            "watch/stack-complete.json",
            stack("UPDATE_COMPLETE", None, FILE_CHANGE),
        ),
        (
            "watch/stack-rolling-back.json",
            stack(
                "UPDATE_ROLLBACK_IN_PROGRESS",
                Some("The following resource(s) failed to update: [ApiService]. "),
                PAYLOAD_CHANGE,
            ),
        ),
        (
            "watch/stack-rolled-back.json",
            stack("UPDATE_ROLLBACK_COMPLETE", None, PAYLOAD_CHANGE),
        ),
    ]
}

/// The samples of Longshore's own events, with their detail-types.
const NOTIFY_EXPECTATIONS: [(&str, &str); 27] = [
    ("notify/action-refused.json", "Action Refused"),
    ("notify/deployment-waiting.json", "Deployment Waiting"),
    ("notify/deployments-held.json", "Deployments Held"),
    ("notify/deployments-resumed.json", "Deployments Resumed"),
    ("notify/deployments-digest.json", "Deployments Digest"),
    ("notify/deployment-started.json", "Deployment Started"),
    ("notify/deployment-skipped.json", "Deployment Skipped"),
    ("notify/deployment-succeeded.json", "Deployment Succeeded"),
    ("notify/deployment-failed.json", "Deployment Failed"),
    (
        "notify/deployment-rolled-back.json",
        "Deployment Rolled Back",
    ),
    ("notify/deployment-superseded.json", "Deployment Superseded"),
    ("notify/scheduled-task-failed.json", "Scheduled Task Failed"),
    ("notify/service-scaled.json", "Service Scaled"),
    ("notify/document-unreadable.json", "Document Unreadable"),
    ("notify/release-refused.json", "Release Refused"),
    ("notify/stack-applying.json", "Stack Applying"),
    ("notify/stack-ready.json", "Stack Ready"),
    ("notify/stack-failed.json", "Stack Failed"),
    ("notify/stack-failed-first-start.json", "Stack Failed"),
    ("notify/stack-unchanged.json", "Stack Unchanged"),
    ("notify/stack-file-refused.json", "Stack File Refused"),
    ("notify/sync-planned.json", "Sync Planned"),
    ("notify/sync-unchanged.json", "Sync Unchanged"),
    ("notify/sync-progressed.json", "Sync Progressed"),
    ("notify/sync-completed.json", "Sync Completed"),
    ("notify/sync-failed.json", "Sync Failed"),
    ("notify/sync-refused.json", "Sync Refused"),
];

const MIRROR: &str = "homebrew-bottles-sync-prod";

/// What `sync` makes of each of its samples.
fn sync_expectations() -> Vec<(&'static str, SyncEvent)> {
    let request = |action| SyncPayload {
        action,
        stack: MIRROR.to_owned(),
        note: None,
        check_listing: false,
        threshold_bytes: None,
        by: None,
    };
    let asked = |payload| SyncEvent::Request(SyncRequest::Sync(payload));
    let completed = sample("sync/shard-completed.json");
    vec![
        ("sync/request-plan.json", asked(request(SyncAction::Plan))),
        (
            "sync/request-run.json",
            asked(SyncPayload {
                note: Some("the index of this morning".to_owned()),
                check_listing: true,
                threshold_bytes: Some(1_000_000_000),
                ..request(SyncAction::Run)
            }),
        ),
        (
            "sync/request-status.json",
            asked(request(SyncAction::Status)),
        ),
        (
            "sync/request-verify.json",
            asked(request(SyncAction::Verify)),
        ),
        (
            "sync/request-reconcile.json",
            SyncEvent::Request(SyncRequest::Reconcile),
        ),
        (
            "sync/schedule-run.json",
            SyncEvent::Request(SyncRequest::Scheduled(ScheduledSync {
                action: SyncAction::Run,
                stack: MIRROR.to_owned(),
                schedule_arn: text(&sample("sync/schedule-run.json"), "/schedule_arn"),
                scheduled_time: time("2026-11-20T03:00:00Z"),
                execution_id: "a71f0c9e4b2d8365".to_owned(),
                attempt_number: "1".to_owned(),
            })),
        ),
        (
            "sync/schedule-reconcile.json",
            SyncEvent::Request(SyncRequest::ScheduledReconcile(ScheduledRun {
                action: ScheduledAction::Reconcile,
                schedule_arn:
                    "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/longshore-sync-reconcile"
                        .to_owned(),
                scheduled_time: time("2026-11-20T10:00:00Z"),
                execution_id: "c0f3b7715e9a42d8".to_owned(),
                attempt_number: "1".to_owned(),
            })),
        ),
        (
            "sync/shard-completed.json",
            SyncEvent::ShardCompleted(SyncShardCompleted {
                stack: MIRROR.to_owned(),
                sync_id: "a71f0c9e-4b2d-4836-95c1-0d8e7f6a5b43".to_owned(),
                shard: 1,
                report: serde_json::from_value(completed["detail"]["report"].clone()).unwrap(),
            }),
        ),
        (
            "sync/task-stopped.json",
            SyncEvent::TaskStopped(SyncTaskStopped {
                stack: MIRROR.to_owned(),
                shard: 2,
                task_arn: text(&sample("sync/task-stopped.json"), "/detail/taskArn"),
                reason: Some(
                    "SpotInterruption: Your Spot Task was interrupted.: container sync exited with 143"
                        .to_owned(),
                ),
            }),
        ),
        (
            "sync/task-stopping.json",
            SyncEvent::Nothing("the task has not stopped"),
        ),
    ]
}

const RELEASE: &str = "state/releases/shop/api.json";

/// Read by the tests of `press`, too, which know the secret that it is signed with.
const PRESS: &str = "press/approve.json";

/// Read by the tests of `shared/rollout`, whose business routes are.
const ROUTE: &str = "state/routes/shop/api.json";

#[test]
fn every_sample_has_an_expectation_and_every_expectation_its_sample() {
    let expected: BTreeSet<String> = deploy_expectations()
        .into_iter()
        .map(|(path, _)| path)
        .chain(watch_expectations().into_iter().map(|(path, _)| path))
        .chain(provision_expectations().into_iter().map(|(path, _)| path))
        .chain(sync_expectations().into_iter().map(|(path, _)| path))
        .chain(NOTIFY_EXPECTATIONS.into_iter().map(|(path, _)| path))
        .chain([RELEASE, ROUTE, PRESS])
        .map(str::to_owned)
        .collect();
    let found: BTreeSet<String> = samples_in("").into_iter().collect();
    assert_eq!(found, expected);
}

#[test]
fn every_sample_is_named_in_the_table_of_the_folder() {
    let table = String::from_utf8(bytes("README.md")).unwrap();
    for path in samples_in("") {
        assert!(
            table.contains(&format!("`{path}`")),
            "{path} is missing in {}",
            directory().join("README.md").display()
        );
    }
}

#[test]
fn deploy_reads_each_of_its_samples_as_what_it_is() {
    for (path, expected) in deploy_expectations() {
        assert_eq!(parse_deploy(&sample(path)), Ok(expected), "{path}");
    }
}

#[test]
fn provision_reads_each_of_its_samples_as_what_it_is() {
    for (path, expected) in provision_expectations() {
        assert_eq!(parse_provision(&sample(path)), Ok(expected), "{path}");
    }
}

#[test]
fn sync_reads_each_of_its_samples_as_what_it_is() {
    for (path, expected) in sync_expectations() {
        assert_eq!(parse_sync(&sample(path)), Ok(expected), "{path}");
    }
}

/// The rule lets only tasks of syncs through; whatever comes besides is not our work.
#[test]
fn a_task_that_works_on_no_shard_does_not_concern_sync() {
    let nothing = Ok(SyncEvent::Nothing("the task works on no shard of a sync"));
    for path in [
        "watch/task-of-no-service.json",
        "watch/task-spot-interruption.json",
    ] {
        assert_eq!(parse_sync(&sample(path)), nothing, "{path}");
    }
    for started_by in [
        "longshore-sync/",
        "longshore-sync/2",
        "longshore-sync//2",
        "longshore-sync/homebrew-bottles-sync-prod/",
        "longshore-sync/homebrew-bottles-sync-prod/two",
        "longshore-sync/homebrew-bottles-sync-prod/-1",
        "longshore-syncs/homebrew-bottles-sync-prod/2",
    ] {
        let mut event = sample("sync/task-stopped.json");
        event["detail"]["startedBy"] = Value::from(started_by);
        assert_eq!(parse_sync(&event), nothing, "{started_by}");
    }
}

#[test]
fn a_task_that_stops_without_a_word_has_no_reason() {
    let mut event = sample("sync/task-stopped.json");
    let detail = event["detail"].as_object_mut().unwrap();
    for field in ["stopCode", "stoppedReason", "containers"] {
        detail.remove(field);
    }
    assert!(matches!(
        parse_sync(&event),
        Ok(SyncEvent::TaskStopped(stopped)) if stopped.reason.is_none()
    ));
}

#[test]
fn why_a_task_stopped_is_reported_with_the_containers_that_failed() {
    let container = |name: &str, exit_code, reason: Option<&str>| Container {
        name: name.to_owned(),
        exit_code,
        reason: reason.map(str::to_owned),
    };
    let exited = Some("EssentialContainerExited");
    for (stop_code, reason, containers, expected) in [
        (None, None, vec![], None),
        (None, None, vec![container("sync", Some(0), None)], None),
        (
            exited,
            Some("Essential container in task exited"),
            vec![
                container("sync", Some(137), Some("OutOfMemoryError")),
                container("log", Some(0), None),
            ],
            Some(
                "EssentialContainerExited: Essential container in task exited: container sync \
                 exited with 137: OutOfMemoryError",
            ),
        ),
        (exited, None, vec![], exited),
    ] {
        assert_eq!(
            why_stopped(stop_code, reason, &containers).as_deref(),
            expected
        );
    }
}

/// The same event of ours wakes several functions.
#[test]
fn the_end_of_a_change_is_the_same_sample_for_all_who_hear_of_it() {
    for name in ["stack-ready.json", "stack-failed.json"] {
        let published = bytes(&format!("notify/{name}"));
        assert_eq!(bytes(&format!("deploy/{name}")), published, "{name}");
        assert_eq!(bytes(&format!("provision/{name}")), published, "{name}");
    }
    for name in ["succeeded", "failed", "rolled-back", "superseded"] {
        let published = bytes(&format!("notify/deployment-{name}.json"));
        assert_eq!(
            bytes(&format!("deploy/deployment-{name}.json")),
            published,
            "{name}"
        );
    }
}

/// The sample of a one-off task that did its work, with other containers and another stop code.
fn one_off_task(stop_code: &str, containers: &[(&str, Option<i64>)]) -> Value {
    let mut event = sample("deploy/task-succeeded.json");
    event["detail"]["stopCode"] = Value::from(stop_code);
    event["detail"]["containers"] = containers
        .iter()
        .map(|(name, exit_code)| serde_json::json!({"name": name, "exitCode": exit_code}))
        .collect();
    event
}

#[test]
fn a_one_off_task_did_its_work_when_the_container_with_a_command_exited_with_0() {
    let exited = "EssentialContainerExited";
    for (stop_code, containers, did_its_work) in [
        (exited, vec![("api", Some(0))], true),
        // ECS kills what does not end with the essential container.
        (exited, vec![("api", Some(0)), ("envoy", Some(137))], true),
        (exited, vec![("envoy", Some(0)), ("api", Some(1))], false),
        // The sidecar ended first, and took the migration with it.
        (exited, vec![("envoy", Some(0)), ("api", None)], false),
        (exited, vec![("envoy", Some(0))], false),
        (exited, vec![], false),
        ("TaskFailedToStart", vec![("api", None)], false),
        // It was asked to stop, and did so politely.
        ("UserInitiated", vec![("api", Some(0))], false),
        ("SpotInterruption", vec![("api", Some(0))], false),
    ] {
        let event = one_off_task(stop_code, &containers);
        let Ok(DeployEvent::TaskStopped(stopped)) = parse_deploy(&event) else {
            panic!("{stop_code} {containers:?}");
        };
        assert_eq!(
            stopped.failure.is_none(),
            did_its_work,
            "{stop_code} {containers:?}"
        );
    }
}

#[test]
fn without_a_container_with_a_command_all_of_a_task_must_have_ended_well() {
    for (containers, did_its_work) in [
        (vec![("api", Some(0)), ("envoy", Some(0))], true),
        (vec![("api", Some(0)), ("envoy", Some(137))], false),
    ] {
        let mut event = one_off_task("EssentialContainerExited", &containers);
        event["detail"]["overrides"] = serde_json::json!({
            "containerOverrides": [{"name": "api"}, {"name": "envoy"}]
        });
        assert!(
            matches!(
                parse_deploy(&event),
                Ok(DeployEvent::TaskStopped(stopped)) if stopped.failure.is_none() == did_its_work
            ),
            "{containers:?}"
        );
    }
}

#[test]
fn a_task_that_no_deployment_started_does_not_concern_deploy() {
    let nothing = Ok(DeployEvent::Nothing("the task belongs to no deployment"));
    for path in [
        "watch/task-of-no-service.json",
        "watch/task-container-exited.json",
        "sync/task-stopped.json",
    ] {
        assert_eq!(parse_deploy(&sample(path)), nothing, "{path}");
    }
    for started_by in [
        "longshore-deploy/",
        "longshore-deploy/shop",
        "longshore-deploy/shop/",
        "longshore-deploy//api",
        "longshore-deploy/shop/api/1",
        "longshore-deploys/shop/api",
    ] {
        let mut event = sample("deploy/task-succeeded.json");
        event["detail"]["startedBy"] = Value::from(started_by);
        assert_eq!(parse_deploy(&event), nothing, "{started_by}");
    }
}

#[test]
fn a_one_off_task_does_not_concern_watch() {
    for path in ["deploy/task-succeeded.json", "deploy/task-failed.json"] {
        assert_eq!(
            parse_watch(&sample(path)),
            Ok(WatchEvent::Nothing("the task belongs to no service")),
            "{path}"
        );
    }
}

#[test]
fn a_task_whose_group_names_no_schedule_does_not_concern_watch() {
    for group in [
        "longshore-schedule:",
        "longshore-schedule:shop",
        "longshore-schedule:shop:api",
        "longshore-schedule:shop:api:",
        "longshore-schedule:shop:api:nightly:more",
        "longshore-schedule:shop:../api:nightly",
        "longshore-schedule:shop:api:night/ly",
        "longshore-schedules:shop:api:nightly",
        "family:shop-api",
    ] {
        let mut event = sample("watch/task-scheduled-failed.json");
        event["detail"]["group"] = Value::from(group);
        assert_eq!(
            parse_watch(&event),
            Ok(WatchEvent::Nothing("the task belongs to no service")),
            "{group}"
        );
    }
}

#[test]
fn a_dead_letter_without_a_schedule_or_of_another_queue_is_malformed() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut event = sample("watch/run-refused.json");
        change(&mut event["Records"][0]);
        parse_watch(&event).unwrap_err().to_string()
    };
    let other = refused(&|message| message["eventSource"] = Value::from("aws:kinesis"));
    assert!(
        other.contains("`aws:kinesis`, expected `aws:sqs`"),
        "{other}"
    );
    let none = refused(&|message| message["messageAttributes"] = Value::Object(Default::default()));
    assert!(
        none.contains("no message attribute `SCHEDULE_ARN`"),
        "{none}"
    );
    for arn in [
        "shop",
        "arn:aws:scheduler:eu-west-1:111122223333:schedule/nightly",
        "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/../other",
        "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/a?groupName=b",
    ] {
        let refusal = refused(&|message| {
            message["messageAttributes"]["SCHEDULE_ARN"]["stringValue"] = Value::from(arn);
        });
        assert!(refusal.contains("schedule/<group>/<name>"), "{refusal}");
    }
    // What Scheduler does not say is not needed.
    let mut event = sample("watch/run-refused.json");
    let attributes = event["Records"][0]["messageAttributes"]
        .as_object_mut()
        .unwrap();
    attributes.retain(|name, _| name == "SCHEDULE_ARN");
    let Ok(WatchEvent::RunsRefused(runs)) = parse_watch(&event) else {
        panic!("{event}");
    };
    assert_eq!(runs[0].id, "059f36b4-87a3-44ab-83d2-661975830a7d");
    assert_eq!((&runs[0].error_code, runs[0].scheduled_time), (&None, None));
}

#[test]
fn a_press_arrives_as_slack_has_signed_it() {
    let request = FunctionUrlRequest::parse(&sample(PRESS)).unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(
        request.header("x-slack-request-timestamp"),
        Some("1795169700")
    );
    assert!(request.body().unwrap().starts_with(b"payload=%7B"));
}

#[test]
fn a_button_asks_for_a_few_payloads_and_not_for_all() {
    let mut event = sample("deploy/action-requested.json");
    for payload in ["request-by-tag", "request-reconcile"] {
        event["detail"]["payload"] = sample(&format!("deploy/{payload}.json"));
        let refusal = parse_deploy(&event).unwrap_err().to_string();
        assert!(refusal.ends_with("which no button asks for"), "{refusal}");
    }
    for payload in ["approve", "reject", "rollback", "hold", "resume"] {
        event["detail"]["payload"] = sample(&format!("deploy/request-{payload}.json"));
        let read = parse_deploy(&event);
        assert!(matches!(read, Ok(DeployEvent::Action(_))), "{read:?}");
    }
}

#[test]
fn an_event_of_ours_that_nothing_waits_for_does_not_concern_deploy() {
    for path in [
        "notify/deployment-started.json",
        "notify/deployment-waiting.json",
        "notify/deployment-skipped.json",
        "notify/sync-completed.json",
    ] {
        assert_eq!(
            parse_deploy(&sample(path)),
            Ok(DeployEvent::Nothing("nothing waits for such an event")),
            "{path}"
        );
    }
}

#[test]
fn watch_reads_each_of_its_samples_as_what_it_is() {
    for (path, expected) in watch_expectations() {
        let event = parse_watch(&sample(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let service = ServiceName {
            cluster: "shop".to_owned(),
            ecs_service: "api".to_owned(),
        };
        let watched = match event {
            WatchEvent::Deployment {
                service: found,
                change,
            } => {
                assert_eq!(found, service, "{path}");
                Watched::Deployment {
                    name: change.event_name,
                    deployment_id: change.deployment_id,
                    reason: change.reason,
                }
            }
            WatchEvent::TaskStopped {
                service: found,
                change,
            } => {
                assert_eq!(found, service, "{path}");
                assert!(change.stopped_at.is_some(), "{path}");
                assert_eq!(change.containers.len(), 1, "{path}");
                Watched::TaskStopped {
                    started_by: change.started_by,
                    stop_code: change.stop_code,
                    container: change.containers[0].clone(),
                }
            }
            WatchEvent::ScheduledTaskRuns(runs) => {
                let (container, limits) = runs.change.run_limits().unzip();
                assert_eq!(container.unwrap().command[0], "bin/clean", "{path}");
                assert!(runs.change.started_at.is_some(), "{path}");
                Watched::ScheduledTaskRuns {
                    names: [runs.stack, runs.service, runs.schedule],
                    limits,
                }
            }
            WatchEvent::ScheduledTaskStopped(stopped) => Watched::ScheduledTaskStopped {
                failure: stopped
                    .change
                    .one_off_failure()
                    .and_then(|failure| failure.stop_code),
                names: [stopped.stack, stopped.service, stopped.schedule],
            },
            WatchEvent::RunsRefused(runs) => {
                let [run] = &runs[..] else {
                    panic!("{path}: {runs:?}");
                };
                let message = run.error_message.as_deref().unwrap_or_default();
                assert!(message.contains("is not authorized"), "{path}: {message}");
                Watched::RunRefused {
                    schedule: format!("{}/{}", run.schedule_group, run.schedule_name),
                    id: run.id.clone(),
                    error_code: run.error_code.clone(),
                    at: run.scheduled_time,
                }
            }
            WatchEvent::Stack(change) => {
                assert_eq!(change.stack, "shop-prod", "{path}");
                assert_eq!(change.stack_id, STACK_ID, "{path}");
                Watched::Stack {
                    status: change.status.to_string(),
                    reason: change.reason,
                    token: change.client_request_token,
                }
            }
            WatchEvent::Nothing(why) => Watched::Nothing(why),
        };
        assert_eq!(watched, expected, "{path}");
    }
}

#[test]
fn notify_reads_each_of_its_samples_and_would_write_it_the_same() {
    for (path, detail_type) in NOTIFY_EXPECTATIONS {
        let envelope: EventBridgeEvent = parse("sample", &sample(path)).unwrap();
        assert_eq!(envelope.source, SOURCE, "{path}");
        assert_eq!(envelope.detail_type, detail_type, "{path}");
        let event = LongshoreEvent::from_envelope(detail_type, &envelope.detail)
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(event.detail_type(), detail_type, "{path}");
        let written: Value = serde_json::from_str(&event.detail().unwrap()).unwrap();
        assert_eq!(written, envelope.detail, "{path}");
    }
}

#[test]
fn the_release_file_is_the_one_that_its_event_names() {
    let body = bytes(RELEASE);
    assert_eq!(
        parse_body(&body),
        Ok(Release {
            image: "shop/api:v4".parse().unwrap(),
            note: Some("November release".to_owned()),
        })
    );
    let event = sample("deploy/release-file.json");
    let key = text(&event, "/detail/object/key");
    assert_eq!(RELEASE.strip_prefix("state/"), Some(key.as_str()));
    assert_eq!(
        parse_key(&key),
        Ok(ReleaseKey {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
        })
    );
    assert_eq!(
        event.pointer("/detail/object/size").and_then(Value::as_u64),
        u64::try_from(body.len()).ok()
    );
}

#[test]
fn a_field_that_aws_adds_anywhere_changes_nothing() {
    let mut changed_samples = 0;
    for path in samples_in("deploy") {
        let original = sample(&path);
        // What a person asks for is refused with a field that nobody knows, by a button as well.
        let is_of_a_person = original.get("detail-type").is_none() || path.contains("/action-");
        if is_of_a_person {
            continue;
        }
        let expected = parse_deploy(&original);
        for changed in with_unknown_field(&original) {
            assert_eq!(parse_deploy(&changed), expected, "{path}: {changed}");
            changed_samples += 1;
        }
    }
    for path in samples_in("watch") {
        let original = sample(&path);
        let expected = parse_watch(&original);
        for changed in with_unknown_field(&original) {
            assert_eq!(parse_watch(&changed), expected, "{path}: {changed}");
            changed_samples += 1;
        }
    }
    for path in samples_in("provision") {
        let original = sample(&path);
        if original.get("detail-type").is_none() {
            continue;
        }
        let expected = parse_provision(&original);
        for changed in with_unknown_field(&original) {
            assert_eq!(parse_provision(&changed), expected, "{path}: {changed}");
            changed_samples += 1;
        }
    }
    for path in samples_in("sync") {
        let original = sample(&path);
        if original.get("detail-type").is_none() {
            continue;
        }
        let expected = parse_sync(&original);
        for changed in with_unknown_field(&original) {
            assert_eq!(parse_sync(&changed), expected, "{path}: {changed}");
            changed_samples += 1;
        }
    }
    assert!(changed_samples > 100, "only {changed_samples}");
}

/// While an update is rolled out, a new `deploy` may publish to an old `notify`.
#[test]
fn a_field_that_longshore_adds_anywhere_is_passed_over_by_an_older_notify() {
    for (path, detail_type) in NOTIFY_EXPECTATIONS {
        let detail = sample(path).pointer("/detail").unwrap().clone();
        let expected = LongshoreEvent::from_envelope(detail_type, &detail);
        for changed in with_unknown_field(&detail) {
            assert_eq!(
                LongshoreEvent::from_envelope(detail_type, &changed),
                expected,
                "{path}: {changed}"
            );
        }
    }
}

#[test]
fn a_sample_of_one_function_is_refused_by_the_other_with_what_it_expects() {
    // Tasks stop for both, and the messages of a queue are not from EventBridge.
    let is_of_both = |path: &str| path.contains("/task-") || path.contains("/run-refused");
    for path in samples_in("watch") {
        if is_of_both(&path) {
            continue;
        }
        let refusal = parse_deploy(&sample(&path)).unwrap_err().to_string();
        assert!(
            refusal.ends_with(
                "expected ECR Image Action, Object Created, ECS Task State Change or an event of \
                 Longshore's own"
            ),
            "{path}: {refusal}"
        );
    }
    for path in samples_in("deploy") {
        if is_of_both(&path) {
            continue;
        }
        let refusal = parse_watch(&sample(&path)).unwrap_err().to_string();
        assert!(
            refusal.starts_with("EventBridge event is malformed: "),
            "{path}: {refusal}"
        );
    }
}

#[test]
fn of_our_own_events_only_the_end_of_a_stacks_change_wakes_provision() {
    for (path, detail_type) in NOTIFY_EXPECTATIONS {
        let wakes = matches!(detail_type, "Stack Ready" | "Stack Failed");
        assert_eq!(
            matches!(
                parse_deploy(&sample(path)),
                Ok(DeployEvent::SettledStack { .. })
            ),
            wakes,
            "{path}"
        );
        assert_eq!(
            matches!(
                parse_provision(&sample(path)),
                Ok(ProvisionEvent::SettledStack { .. })
            ),
            wakes,
            "{path}"
        );
    }
}

/// A sync's shards end many times an hour, and nobody is notified of one.
#[test]
fn of_our_own_events_only_the_end_of_a_shard_wakes_sync() {
    for (path, _) in NOTIFY_EXPECTATIONS {
        assert_eq!(
            parse_sync(&sample(path)),
            Ok(SyncEvent::Nothing("it does not end a shard of a sync")),
            "{path}"
        );
    }
    let ended = sample("sync/shard-completed.json");
    assert_eq!(
        parse_deploy(&ended),
        Ok(DeployEvent::Nothing("nothing waits for such an event"))
    );
    assert_eq!(
        parse_provision(&ended),
        Ok(ProvisionEvent::Nothing(
            "it does not end a change of a stack"
        ))
    );
}

#[test]
fn what_does_not_concern_sync_is_refused_with_what_does() {
    for path in ["deploy/push-tag.json", "provision/stack-file.json"] {
        let refusal = parse_sync(&sample(path)).unwrap_err().to_string();
        assert!(
            refusal.ends_with("expected ECS Task State Change or Sync Shard Completed"),
            "{path}: {refusal}"
        );
    }
}

#[test]
fn of_what_becomes_of_stacks_only_the_end_of_an_import_concerns_provision() {
    for path in samples_in("watch") {
        if path.contains("/stack-") {
            assert_eq!(
                parse_provision(&sample(&path)),
                Ok(ProvisionEvent::Nothing("it does not end an import")),
                "{path}"
            );
        } else if !path.contains("/run-refused") {
            let refusal = parse_provision(&sample(&path)).unwrap_err().to_string();
            assert!(
                refusal.contains(
                    "expected Object Created, CloudFormation Stack Status Change, Stack Ready or \
                     Stack Failed"
                ),
                "{path}: {refusal}"
            );
        }
    }
}

#[test]
fn a_change_of_a_stack_without_a_token_has_none() {
    let mut event = sample("watch/stack-complete.json");
    event["detail"]["client-request-token"] = Value::from("");
    let empty = parse_watch(&event);
    let absent = parse_watch(&without(
        "watch/stack-complete.json",
        "/detail",
        "client-request-token",
    ));
    assert_eq!(empty, absent);
    assert!(matches!(
        empty,
        Ok(WatchEvent::Stack(change)) if change.client_request_token.is_none()
    ));
}

#[test]
fn a_stack_id_that_is_not_a_stacks_arn_is_refused() {
    for id in [
        "shop-prod",
        "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop-prod",
    ] {
        let mut event = sample("watch/stack-complete.json");
        event["detail"]["stack-id"] = Value::from(id);
        assert_eq!(
            parse_watch(&event).unwrap_err().to_string(),
            format!(
                "ARN is malformed: `{id}`, expected \
                 arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>"
            )
        );
    }
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    for (path, pointer, field) in [
        ("deploy/push-tag.json", "/detail", "repository-name"),
        ("deploy/push-tag.json", "/detail", "result"),
        ("deploy/push-tag.json", "/detail", "action-type"),
        ("deploy/push-tag.json", "/detail", "image-digest"),
        ("deploy/replicated.json", "/detail", "result"),
        ("deploy/cached.json", "/detail", "sync-status"),
        ("deploy/cached.json", "/detail", "image-digest"),
        ("deploy/push-tag.json", "", "id"),
        ("deploy/push-tag.json", "", "time"),
        ("deploy/push-tag.json", "", "source"),
        ("deploy/push-tag.json", "", "detail"),
        ("deploy/release-file.json", "/detail", "bucket"),
        ("deploy/release-file.json", "/detail/bucket", "name"),
        ("deploy/release-file.json", "/detail/object", "key"),
        ("deploy/release-file.json", "", "time"),
    ] {
        let refusal = parse_deploy(&without(path, pointer, field))
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains(&format!("`{field}`")),
            "{path} without {pointer}/{field}: {refusal}"
        );
    }
    for (path, pointer, field) in [
        ("watch/deployment-completed.json", "/detail", "deploymentId"),
        ("watch/deployment-completed.json", "/detail", "eventName"),
        ("watch/deployment-completed.json", "/detail", "updatedAt"),
        ("watch/deployment-completed.json", "", "resources"),
        ("watch/stack-complete.json", "/detail", "stack-id"),
        ("watch/stack-complete.json", "/detail", "status-details"),
        (
            "watch/stack-complete.json",
            "/detail/status-details",
            "status",
        ),
        ("watch/stack-complete.json", "", "time"),
        ("watch/stack-complete.json", "", "id"),
        ("watch/task-container-exited.json", "/detail", "taskArn"),
        ("watch/task-container-exited.json", "/detail", "clusterArn"),
        ("watch/task-container-exited.json", "/detail", "lastStatus"),
        (
            "watch/task-container-exited.json",
            "/detail",
            "taskDefinitionArn",
        ),
        (
            "watch/task-container-exited.json",
            "/detail/containers/0",
            "name",
        ),
    ] {
        let refusal = parse_watch(&without(path, pointer, field))
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains(&format!("`{field}`")),
            "{path} without {pointer}/{field}: {refusal}"
        );
    }
}

/// AWS's schema of the event requires nothing but the action, the repository and the result.
#[test]
fn a_push_that_failed_before_it_had_a_digest_is_ignored() {
    let event = without("deploy/push-failed.json", "/detail", "image-digest");
    assert_eq!(
        parse_deploy(&event),
        Ok(DeployEvent::Nothing("not a push that succeeded"))
    );
}

#[test]
fn an_absent_tag_is_the_same_as_an_empty_one() {
    let event = without("deploy/push-index-child.json", "/detail", "image-tag");
    assert_eq!(
        parse_deploy(&event),
        Ok(DeployEvent::Nothing("pushed without a tag"))
    );
}

#[test]
fn a_tag_that_only_begins_like_a_signature_is_a_tag() {
    let hexadecimal = FIRST.strip_prefix("sha256:").unwrap();
    for tag in [
        "sha256-abc".to_owned(),
        "sha256-".to_owned(),
        format!("release-{hexadecimal}"),
        format!("sha256-{hexadecimal}0"),
    ] {
        let mut event = sample("deploy/push-tag.json");
        event["detail"]["image-tag"] = Value::from(tag.clone());
        assert!(
            matches!(parse_deploy(&event), Ok(DeployEvent::Push(push)) if push.image.tag.as_deref() == Some(&tag)),
            "{tag}"
        );
    }
}

#[test]
fn what_hangs_on_an_image_by_its_tag_is_not_an_image() {
    let hexadecimal = FIRST.strip_prefix("sha256:").unwrap();
    for end in ["", ".sig", ".att", ".sbom"] {
        let mut event = sample("deploy/push-tag.json");
        event["detail"]["image-tag"] = Value::from(format!("sha256-{hexadecimal}{end}"));
        assert_eq!(
            parse_deploy(&event),
            Ok(DeployEvent::Nothing(
                "not an image that a container can be started from"
            )),
            "{end}"
        );
    }
}

#[test]
fn media_types_distinguish_images_from_other_artifacts() {
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let cases = [
        (
            Some(manifest),
            Some("application/vnd.oci.image.config.v1+json"),
            true,
        ),
        (Some(manifest), Some(""), true),
        (Some(manifest), None, true),
        (None, None, true),
        (Some("application/vnd.oci.image.index.v1+json"), None, true),
        (
            Some("application/vnd.docker.distribution.manifest.list.v2+json"),
            None,
            true,
        ),
        (
            Some("application/vnd.docker.distribution.manifest.v2+json"),
            Some("application/vnd.docker.container.image.v1+json"),
            true,
        ),
        (
            Some(manifest),
            Some("application/vnd.amazon.soci.index.v1+json"),
            false,
        ),
        (
            Some(manifest),
            Some("application/vnd.cncf.helm.config.v1+json"),
            false,
        ),
        (
            Some(manifest),
            Some("application/vnd.oci.empty.v1+json"),
            false,
        ),
        (Some(manifest), Some("application/vnd.in-toto+json"), false),
        (
            Some("application/vnd.cncf.oras.artifact.manifest.v1+json"),
            Some("text/sbom+json"),
            false,
        ),
    ];
    for (manifest_media_type, artifact_media_type, is_image) in cases {
        let mut event = sample("deploy/push-tag.json");
        event["detail"]["manifest-media-type"] = Value::from(manifest_media_type);
        event["detail"]["artifact-media-type"] = Value::from(artifact_media_type);
        let parsed = parse_deploy(&event).unwrap();
        assert_eq!(
            matches!(parsed, DeployEvent::Push(_)),
            is_image,
            "{manifest_media_type:?} {artifact_media_type:?}"
        );
    }
}

#[test]
fn a_deployment_event_that_aws_names_anew_is_read_as_unknown() {
    let mut event = sample("watch/deployment-completed.json");
    event["detail"]["eventName"] = Value::from("SERVICE_DEPLOYMENT_PAUSED");
    assert!(matches!(
        parse_watch(&event),
        Ok(WatchEvent::Deployment { change, .. })
            if change.event_name == DeploymentEventName::Unknown
    ));
}

#[test]
fn a_service_arn_without_its_cluster_is_refused() {
    let mut event = sample("watch/deployment-completed.json");
    event["resources"] = serde_json::json!(["arn:aws:ecs:eu-west-1:111122223333:service/api"]);
    assert_eq!(
        parse_watch(&event).unwrap_err().to_string(),
        "ARN is malformed: `arn:aws:ecs:eu-west-1:111122223333:service/api`, expected \
         arn:aws:ecs:<region>:<account>:service/<cluster>/<service>"
    );
    event["resources"] = serde_json::json!([]);
    assert_eq!(
        parse_watch(&event).unwrap_err().to_string(),
        "ECS Deployment State Change event is malformed: field `resources`: empty, expected the \
         service's ARN"
    );
}

/// The sample at `path` without `field` of the object at `pointer`.
fn without(path: &str, pointer: &str, field: &str) -> Value {
    let mut event = sample(path);
    let removed = event
        .pointer_mut(pointer)
        .and_then(Value::as_object_mut)
        .and_then(|fields| fields.remove(field));
    assert!(removed.is_some(), "{path} has no {pointer}/{field}");
    event
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
        .to_owned()
}

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
