//! Longshore's own events, as they are kept, published and read again.

use chrono::{DateTime, Utc};
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{
    ChangeCounts, ContainerFailure, ContainerLog, DeploymentFailed, DeploymentProgressed,
    DeploymentRolledBack, DeploymentSkipped, DeploymentStabilized, DeploymentStarted,
    DeploymentSucceeded, DeploymentSummary, DeploymentSuperseded, DeploymentWaiting,
    DocumentUnreadable, DocumentVersion, FailedPhase, FailedResource, FailedService, ImageMissing,
    ImageNeed, LogLine, LogStream, LongshoreEvent, OperationKind, Problem, ReconcileShard,
    ReleaseRefused, RolloutProgress, ScheduledTaskFailed, Severity, SkipReason, Source,
    StackApplying, StackFailed, StackFileRefused, StackReady, StackSource, StackSummary,
    StackUnchanged, TaskFailure, WaitReason,
};
use longshore_events::longshore::{
    FileCount, RefusedEntry, RunsOn, SyncCompleted, SyncFailed, SyncOutcome, SyncPlanned,
    SyncProgressed, SyncRefused, SyncShardCompleted, SyncSource, SyncSummary, SyncUnchanged,
};
use longshore_events::transfer::{TransferFailure, TransferProgress, TransferReport};
use proptest::prelude::*;
use serde_json::{Value, json};

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        any::<String>(),
        Just("ecs-svc/4719203847561029384".to_owned()),
        "[a-z]{1,12}",
    ]
    // Unboxed, an event of many texts outgrows the stack of a test.
    .boxed()
}

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    // The years 1970 to 9999, to the nanosecond.
    (0_i64..253_402_300_799, 0_u32..1_000_000_000)
        .prop_map(|(seconds, nanoseconds)| DateTime::from_timestamp(seconds, nanoseconds).unwrap())
}

fn image() -> impl Strategy<Value = Image> {
    (text(), any::<Option<String>>(), "[0-9a-f]{64}").prop_map(|(repository, tag, hexadecimal)| {
        let digest: Digest = format!("sha256:{hexadecimal}").parse().unwrap();
        Image {
            repository,
            tag,
            digest,
        }
    })
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(Source::Push),
        (text(), any::<Option<String>>(), any::<Option<String>>()).prop_map(
            |(key, version_id, note)| Source::Release {
                key,
                version_id,
                note,
            }
        ),
        any::<Option<String>>().prop_map(|note| Source::Manual { note }),
        Just(Source::Reconcile),
        (any::<u32>(), any::<Option<String>>())
            .prop_map(|(to, note)| Source::Rollback { to, note }),
        (text(), any::<bool>()).prop_map(|(operation_id, restored)| Source::Stack {
            operation_id,
            restored,
        }),
    ]
}

fn stack() -> impl Strategy<Value = StackSummary> {
    let source = prop_oneof![
        (text(), any::<Option<String>>())
            .prop_map(|(key, version_id)| StackSource::File { key, version_id }),
        any::<Option<String>>().prop_map(|note| StackSource::Manual { note }),
        Just(StackSource::CloudFormation),
    ];
    (text(), text(), any::<Option<String>>(), source, time()).prop_map(
        |(stack, operation_id, stack_id, source, requested_at)| StackSummary {
            stack,
            operation_id,
            stack_id,
            source,
            requested_at,
        },
    )
}

fn kind() -> impl Strategy<Value = OperationKind> {
    prop_oneof![Just(OperationKind::Apply), Just(OperationKind::Destroy)]
}

fn failed_resource() -> impl Strategy<Value = FailedResource> {
    (text(), text(), any::<Option<String>>(), text()).prop_map(
        |(logical_id, resource_type, physical_id, reason)| FailedResource {
            logical_id,
            resource_type,
            physical_id,
            reason,
        },
    )
}

fn failed_service() -> impl Strategy<Value = FailedService> {
    let line = (time(), text()).prop_map(|(at, message)| LogLine { at, message });
    let stream =
        (text(), text(), text(), text()).prop_map(|(task, container, log_group, log_stream)| {
            LogStream {
                task,
                container,
                log_group,
                log_stream,
            }
        });
    let log = (stream, prop::option::of(prop::collection::vec(line, 0..3)))
        .prop_map(|(stream, lines)| ContainerLog { stream, lines });
    (
        text(),
        text(),
        text(),
        failures(),
        prop::collection::vec(log, 0..2),
    )
        .prop_map(
            |(service, ecs_deployment_id, task_definition, failures, logs)| FailedService {
                service,
                ecs_deployment_id,
                task_definition,
                failures,
                logs,
            },
        )
        .boxed()
}

fn problem() -> impl Strategy<Value = Problem> {
    let severity = prop_oneof![Just(Severity::Error), Just(Severity::Warning)];
    (
        text(),
        any::<Option<u32>>(),
        any::<Option<u32>>(),
        any::<Option<String>>(),
        text(),
        severity,
    )
        .prop_map(|(path, line, column, value, message, severity)| Problem {
            path,
            line,
            column,
            value,
            message,
            severity,
        })
}

fn stack_event() -> impl Strategy<Value = LongshoreEvent> {
    prop_oneof![
        (stack(), kind(), any::<[u32; 4]>()).prop_map(
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
        (stack(), kind(), time(), text()).prop_map(|(stack, kind, finished_at, status)| {
            LongshoreEvent::StackReady(StackReady {
                stack,
                kind,
                finished_at,
                status: status.into(),
            })
        }),
        (
            stack(),
            kind(),
            time(),
            text(),
            text(),
            prop::option::of(failed_resource()),
            prop::collection::vec(failed_service(), 0..3)
        )
            .prop_map(
                |(stack, kind, finished_at, status, reason, failed_resource, failed_services)| {
                    LongshoreEvent::StackFailed(StackFailed {
                        stack,
                        kind,
                        finished_at,
                        status: status.into(),
                        reason,
                        failed_resource,
                        failed_services,
                    })
                }
            ),
        stack().prop_map(|stack| LongshoreEvent::StackUnchanged(StackUnchanged { stack })),
        (
            text(),
            any::<Option<String>>(),
            any::<Option<String>>(),
            time(),
            prop::collection::vec(problem(), 0..3)
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
}

fn deployment() -> impl Strategy<Value = DeploymentSummary> {
    (
        text(),
        text(),
        text(),
        text(),
        text(),
        image(),
        source(),
        time(),
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
}

fn failures() -> impl Strategy<Value = Vec<TaskFailure>> {
    let container = (text(), any::<Option<i64>>(), any::<Option<String>>()).prop_map(
        |(name, exit_code, reason)| ContainerFailure {
            name,
            exit_code,
            reason,
        },
    );
    let task = (
        text(),
        any::<Option<String>>(),
        any::<Option<String>>(),
        prop::collection::vec(container, 0..3),
        prop::option::of(time()),
    )
        .prop_map(
            |(task, stop_code, stopped_reason, containers, stopped_at)| TaskFailure {
                task,
                stop_code,
                stopped_reason,
                containers,
                stopped_at,
            },
        );
    prop::collection::vec(task, 0..3)
}

fn skip_reason() -> impl Strategy<Value = SkipReason> {
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
}

fn failed_phase() -> impl Strategy<Value = FailedPhase> {
    prop_oneof![
        Just(FailedPhase::Before),
        Just(FailedPhase::Rollout),
        Just(FailedPhase::After),
    ]
}

fn wait_reason() -> impl Strategy<Value = WaitReason> {
    prop_oneof![
        any::<Option<String>>().prop_map(|note| WaitReason::Held { note }),
        Just(WaitReason::Frozen),
        Just(WaitReason::Approval),
        prop::collection::vec(text(), 0..3)
            .prop_map(|services| WaitReason::Predecessors { services }),
    ]
}

/// Events that say why a deployment does not begin, or wake only Longshore itself.
fn waiting_event() -> impl Strategy<Value = LongshoreEvent> {
    prop_oneof![
        (
            text(),
            text(),
            text(),
            image(),
            source(),
            time(),
            wait_reason(),
            time(),
            prop::option::of(time())
        )
            .prop_map(
                |(
                    stack,
                    service,
                    deployment_id,
                    image,
                    source,
                    requested_at,
                    reason,
                    since,
                    until,
                )| {
                    LongshoreEvent::DeploymentWaiting(DeploymentWaiting {
                        stack,
                        service,
                        deployment_id,
                        image,
                        source,
                        requested_at,
                        reason,
                        since,
                        until,
                    })
                }
            ),
        deployment().prop_map(|deployment| {
            LongshoreEvent::DeploymentStabilized(DeploymentStabilized { deployment })
        }),
        (deployment(), ".*", any::<Option<u8>>(), time()).prop_map(
            |(deployment, stage, shifted_percent, at)| {
                LongshoreEvent::DeploymentProgressed(DeploymentProgressed {
                    deployment,
                    progress: RolloutProgress {
                        stage,
                        shifted_percent,
                    },
                    at,
                })
            }
        ),
        (deployment(), any::<bool>(), time()).prop_map(|(deployment, runs, at)| {
            LongshoreEvent::ImageMissing(ImageMissing {
                stack: deployment.stack,
                service: deployment.service,
                image: deployment.image,
                needed_for: if runs {
                    ImageNeed::Running
                } else {
                    ImageNeed::Rollback
                },
                at,
            })
        }),
        (text(), text(), text(), failures(), any::<u32>()).prop_filter_map(
            "no failure",
            |(stack, service, schedule, mut failures, in_a_row)| {
                Some(LongshoreEvent::ScheduledTaskFailed(ScheduledTaskFailed {
                    stack,
                    service,
                    schedule,
                    failure: failures.pop()?,
                    in_a_row,
                }))
            }
        ),
        (text(), text(), prop::option::of((text(), time())), time()).prop_map(
            |(key, problem, version, at)| {
                LongshoreEvent::DocumentUnreadable(DocumentUnreadable {
                    key,
                    problem,
                    last_good: version.map(|(version_id, written_at)| DocumentVersion {
                        version_id,
                        written_at,
                    }),
                    at,
                })
            }
        ),
        any::<[u32; 2]>().prop_map(|[shard, shards]| {
            LongshoreEvent::ReconcileShard(ReconcileShard { shard, shards })
        }),
    ]
}

fn sync() -> BoxedStrategy<SyncSummary> {
    let source = prop_oneof![
        Just(SyncSource::Schedule),
        any::<Option<String>>().prop_map(|note| SyncSource::Manual { note }),
    ];
    (text(), text(), text(), source, time())
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

fn file_count() -> BoxedStrategy<FileCount> {
    any::<[u64; 3]>()
        .prop_map(|[files, bytes, estimated_bytes]| FileCount {
            files,
            bytes,
            estimated_bytes,
        })
        .boxed()
}

fn runs_on() -> BoxedStrategy<RunsOn> {
    prop_oneof![
        Just(RunsOn::Function),
        any::<u32>().prop_map(|tasks| RunsOn::Tasks { tasks }),
    ]
    .boxed()
}

fn refused_entries() -> BoxedStrategy<Vec<RefusedEntry>> {
    let entry = (text(), text()).prop_map(|(entry, reason)| RefusedEntry { entry, reason });
    prop::collection::vec(entry, 0..3).boxed()
}

fn transfer_report() -> BoxedStrategy<TransferReport> {
    let failure =
        (text(), text(), text(), any::<u32>()).prop_map(|(key, url, reason, attempts)| {
            TransferFailure {
                key,
                url,
                reason,
                attempts,
            }
        });
    (
        any::<[u64; 7]>(),
        prop::collection::vec(failure, 0..3),
        time(),
        time(),
    )
        .prop_map(|(counts, failures, started_at, finished_at)| {
            let [
                files,
                bytes,
                already_there,
                copies,
                downloaded_bytes,
                resumed_bytes,
                failed,
            ] = counts;
            TransferReport {
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
            }
        })
        .boxed()
}

fn sync_outcome() -> BoxedStrategy<SyncOutcome> {
    (
        runs_on(),
        transfer_report(),
        any::<[u64; 3]>(),
        refused_entries(),
        time(),
        any::<Option<String>>(),
    )
        .prop_map(
            |(runs_on, transfer, counts, refused_entries, finished_at, report_key)| {
                let [deleted, refused, cost_in_micro_usd] = counts;
                SyncOutcome {
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
                }
            },
        )
        .boxed()
}

fn sync_event() -> BoxedStrategy<LongshoreEvent> {
    prop_oneof![
        (
            sync(),
            file_count(),
            any::<[u64; 5]>(),
            prop::collection::vec(text(), 0..3),
            refused_entries(),
            runs_on(),
        )
            .prop_map(
                |(sync, new, counts, deleted_keys, refused_entries, runs_on)| {
                    let [removed, unchanged, to_delete, refused, cost] = counts;
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
        (sync(), time()).prop_map(|(sync, finished_at)| {
            LongshoreEvent::SyncUnchanged(SyncUnchanged { sync, finished_at })
        }),
        (
            sync(),
            any::<[u64; 3]>(),
            file_count(),
            any::<[u32; 2]>(),
            time()
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
        (text(), text(), any::<u32>(), transfer_report()).prop_map(
            |(stack, sync_id, shard, report)| {
                LongshoreEvent::SyncShardCompleted(SyncShardCompleted {
                    stack,
                    sync_id,
                    shard,
                    report,
                })
            }
        ),
        (sync(), sync_outcome()).prop_map(|(sync, outcome)| {
            LongshoreEvent::SyncCompleted(SyncCompleted { sync, outcome })
        }),
        (sync(), text(), sync_outcome()).prop_map(|(sync, reason, outcome)| {
            LongshoreEvent::SyncFailed(SyncFailed {
                sync,
                reason,
                outcome,
            })
        }),
        (sync(), text()).prop_map(|(sync, reason)| {
            LongshoreEvent::SyncRefused(SyncRefused { sync, reason })
        }),
    ]
    .boxed()
}

fn event() -> impl Strategy<Value = LongshoreEvent> {
    prop_oneof![
        3 => stack_event().boxed(),
        3 => sync_event().boxed(),
        7 => deployment_event().boxed(),
        3 => waiting_event().boxed(),
    ]
}

fn deployment_event() -> impl Strategy<Value = LongshoreEvent> {
    prop_oneof![
        (deployment(), text(), text(), text()).prop_map(
            |(deployment, task_definition, previous_task_definition, previous_image)| {
                LongshoreEvent::DeploymentStarted(DeploymentStarted {
                    deployment,
                    task_definition,
                    previous_task_definition,
                    previous_image,
                })
            }
        ),
        (
            text(),
            text(),
            image(),
            source(),
            time(),
            skip_reason(),
            prop::option::of(text())
        )
            .prop_map(
                |(stack, service, image, source, requested_at, reason, deployment_id)| {
                    LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
                        stack,
                        service,
                        image,
                        source,
                        requested_at,
                        reason,
                        deployment_id,
                    })
                }
            ),
        (deployment(), time()).prop_map(|(deployment, finished_at)| {
            LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
                deployment,
                finished_at,
            })
        }),
        (
            deployment(),
            time(),
            text(),
            failures(),
            any::<bool>(),
            failed_phase()
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
            deployment(),
            time(),
            text(),
            failures(),
            text(),
            proptest::option::of(text())
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
        (deployment(), time(), text()).prop_map(|(deployment, finished_at, superseded_by)| {
            LongshoreEvent::DeploymentSuperseded(DeploymentSuperseded {
                deployment,
                finished_at,
                superseded_by,
            })
        }),
        (text(), text(), any::<Option<String>>(), text()).prop_map(
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
}

proptest! {
    #[test]
    fn an_event_is_read_as_it_was_published(event in event()) {
        let detail: Value = serde_json::from_str(&event.detail().unwrap()).unwrap();
        prop_assert!(detail.is_object());
        prop_assert_eq!(LongshoreEvent::from_envelope(event.detail_type(), &detail), Ok(event));
    }

    /// An event is kept in the deployment's record until it is published.
    #[test]
    fn an_event_is_published_as_it_was_kept(event in event()) {
        let kept = serde_json::to_value(&event).unwrap();
        prop_assert_eq!(kept.get("detail-type"), Some(&Value::from(event.detail_type())));
        let detail: Value = serde_json::from_str(&event.detail().unwrap()).unwrap();
        prop_assert_eq!(kept.get("detail"), Some(&detail));
        prop_assert_eq!(serde_json::from_value::<LongshoreEvent>(kept).unwrap(), event);
    }
}

#[test]
fn a_detail_type_that_is_not_ours_is_refused_with_ours() {
    let refusal = LongshoreEvent::from_envelope("Deployment Paused", &json!({}))
        .unwrap_err()
        .to_string();
    assert!(
        refusal.starts_with("Deployment Paused event is malformed: "),
        "{refusal}"
    );
    assert!(refusal.contains("`Deployment Started`"), "{refusal}");
}

#[test]
fn a_detail_that_does_not_fit_its_detail_type_is_refused() {
    for detail in [
        json!(null),
        json!("text"),
        json!([]),
        json!({}),
        json!({"deployment": {}, "finished_at": "2026-11-20T09:32:50Z"}),
    ] {
        let refusal = LongshoreEvent::from_envelope("Deployment Succeeded", &detail)
            .unwrap_err()
            .to_string();
        assert!(
            refusal.starts_with("Deployment Succeeded event is malformed: "),
            "{refusal}"
        );
    }
}
