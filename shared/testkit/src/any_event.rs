//! Any event that Longshore publishes, for properties.

use chrono::{DateTime, Utc};
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{
    ActionRefused, ActionRequested, ButtonAction, Caller, ChangeCounts, ContainerFailure,
    ContainerLog, DeploymentFailed, DeploymentFigures, DeploymentProgressed, DeploymentRolledBack,
    DeploymentSkipped, DeploymentStabilized, DeploymentStarted, DeploymentSucceeded,
    DeploymentSummary, DeploymentSuperseded, DeploymentWaiting, DeploymentsDigest, DeploymentsHeld,
    DeploymentsResumed, DocumentUnreadable, DocumentVersion, FailedPhase, FailedResource,
    FailedService, ImageMissing, ImageNeed, LogLine, LogStream, LongshoreEvent, OperationKind,
    Problem, ReconcileShard, ReleaseRefused, RolloutProgress, ScheduledTaskFailed, ServiceFailures,
    ServiceOfStack, ServiceScaled, Severity, SkipReason, Source, StackApplying, StackFailed,
    StackFileRefused, StackReady, StackSource, StackSummary, StackUnchanged, TaskFailure, Times,
    WaitReason,
};
use longshore_events::longshore::{
    FileCount, RefusedEntry, RunsOn, SyncCompleted, SyncFailed, SyncOutcome, SyncPlanned,
    SyncProgressed, SyncRefused, SyncShardCompleted, SyncSource, SyncSummary, SyncUnchanged,
};
use longshore_events::transfer::{TransferFailure, TransferProgress, TransferReport};
use proptest::prelude::*;
use serde_json::json;

/// Makes events of these texts and times.
#[derive(Debug, Clone, Copy)]
pub struct AnyEvent {
    pub text: fn() -> BoxedStrategy<String>,
    pub time: fn() -> BoxedStrategy<DateTime<Utc>>,
    /// Lists are shorter.
    pub most: usize,
}

// All is boxed: without it the type of an event is as large as the tree of them, and the stack too small.
impl AnyEvent {
    /// Any event.
    pub fn event(&self) -> BoxedStrategy<LongshoreEvent> {
        prop_oneof![
            3 => self.stack_event(),
            3 => self.sync_event(),
            7 => self.deployment_event(),
            3 => self.waiting_event(),
        ]
        .boxed()
    }

    fn text(&self) -> BoxedStrategy<String> {
        (self.text)()
    }

    fn optional(&self) -> BoxedStrategy<Option<String>> {
        prop::option::of(self.text()).boxed()
    }

    fn time(&self) -> BoxedStrategy<DateTime<Utc>> {
        (self.time)()
    }

    fn image(&self) -> BoxedStrategy<Image> {
        (self.text(), self.optional(), "[0-9a-f]{64}")
            .prop_filter_map("no digest", |(repository, tag, hexadecimal)| {
                let digest: Digest = format!("sha256:{hexadecimal}").parse().ok()?;
                Some(Image {
                    repository,
                    tag,
                    digest,
                })
            })
            .boxed()
    }

    fn caller(&self) -> BoxedStrategy<Option<Caller>> {
        let caller = (self.text(), self.optional());
        prop::option::of(caller.prop_map(|(name, run_url)| Caller { name, run_url })).boxed()
    }

    fn source(&self) -> BoxedStrategy<Source> {
        prop_oneof![
            Just(Source::Push),
            (self.text(), self.optional(), self.optional()).prop_map(|(key, version_id, note)| {
                Source::Release {
                    key,
                    version_id,
                    note,
                }
            }),
            (self.optional(), self.caller()).prop_map(|(note, by)| Source::Manual { note, by }),
            Just(Source::Reconcile),
            (any::<u32>(), self.optional(), self.caller())
                .prop_map(|(to, note, by)| Source::Rollback { to, note, by }),
            (self.optional(), self.caller()).prop_map(|(note, by)| Source::Restart { note, by }),
            (self.text(), any::<bool>(), self.optional(), self.caller()).prop_map(
                |(operation_id, restored, note, by)| Source::Stack {
                    operation_id,
                    restored,
                    note,
                    by,
                }
            ),
        ]
        .boxed()
    }

    fn stack(&self) -> BoxedStrategy<StackSummary> {
        let source = prop_oneof![
            (self.text(), self.optional())
                .prop_map(|(key, version_id)| StackSource::File { key, version_id }),
            (self.optional(), self.caller())
                .prop_map(|(note, by)| StackSource::Manual { note, by }),
            Just(StackSource::CloudFormation),
        ];
        (
            self.text(),
            self.text(),
            self.optional(),
            source,
            self.time(),
        )
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

    fn kind(&self) -> BoxedStrategy<OperationKind> {
        prop_oneof![Just(OperationKind::Apply), Just(OperationKind::Destroy)].boxed()
    }

    fn failed_resource(&self) -> BoxedStrategy<FailedResource> {
        (self.text(), self.text(), self.optional(), self.text())
            .prop_map(
                |(logical_id, resource_type, physical_id, reason)| FailedResource {
                    logical_id,
                    resource_type,
                    physical_id,
                    reason,
                },
            )
            .boxed()
    }

    fn logs(&self) -> BoxedStrategy<Vec<ContainerLog>> {
        let line = (self.time(), self.text()).prop_map(|(at, message)| LogLine { at, message });
        let stream = (self.text(), self.text(), self.text(), self.text()).prop_map(
            |(task, container, log_group, log_stream)| LogStream {
                task,
                container,
                log_group,
                log_stream,
            },
        );
        let lines = prop::option::of(prop::collection::vec(line, 0..12));
        let log = (stream, lines).prop_map(|(stream, lines)| ContainerLog { stream, lines });
        prop::collection::vec(log, 0..3).boxed()
    }

    fn failed_service(&self) -> BoxedStrategy<FailedService> {
        (
            self.text(),
            self.text(),
            self.text(),
            self.failures(),
            self.logs(),
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

    fn problem(&self) -> BoxedStrategy<Problem> {
        let severity = prop_oneof![Just(Severity::Error), Just(Severity::Warning)];
        (
            self.text(),
            any::<Option<u32>>(),
            any::<Option<u32>>(),
            self.optional(),
            self.text(),
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
            .boxed()
    }

    fn stack_event(&self) -> BoxedStrategy<LongshoreEvent> {
        prop_oneof![
            (self.stack(), self.kind(), any::<[u32; 4]>()).prop_map(
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
            (self.stack(), self.kind(), self.time(), self.text()).prop_map(
                |(stack, kind, finished_at, status)| {
                    LongshoreEvent::StackReady(StackReady {
                        stack,
                        kind,
                        finished_at,
                        status: status.into(),
                    })
                }
            ),
            (
                self.stack(),
                self.kind(),
                self.time(),
                self.text(),
                self.text(),
                prop::option::of(self.failed_resource()),
                prop::collection::vec(self.failed_service(), 0..3)
            )
                .prop_map(
                    |(
                        stack,
                        kind,
                        finished_at,
                        status,
                        reason,
                        failed_resource,
                        failed_services,
                    )| {
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
            self.stack()
                .prop_map(|stack| LongshoreEvent::StackUnchanged(StackUnchanged { stack })),
            (
                self.text(),
                self.optional(),
                self.optional(),
                self.time(),
                prop::collection::vec(self.problem(), 0..self.most)
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

    fn deployment(&self) -> BoxedStrategy<DeploymentSummary> {
        (
            self.text(),
            self.text(),
            self.text(),
            self.text(),
            self.text(),
            self.image(),
            self.source(),
            self.time(),
            (
                any::<Option<u32>>(),
                self.optional(),
                self.optional(),
                self.caller(),
            ),
        )
            .prop_map(
                |(
                    deployment_id,
                    stack,
                    service,
                    cluster,
                    ecs_service,
                    image,
                    source,
                    requested_at,
                    (number, commit, source_url, approved_by),
                )| {
                    DeploymentSummary {
                        deployment_id,
                        stack,
                        service,
                        cluster,
                        ecs_service,
                        image,
                        source,
                        requested_at,
                        number,
                        commit,
                        source_url,
                        approved_by,
                    }
                },
            )
            .boxed()
    }

    fn failures(&self) -> BoxedStrategy<Vec<TaskFailure>> {
        let container = (self.text(), any::<Option<i64>>(), self.optional()).prop_map(
            |(name, exit_code, reason)| ContainerFailure {
                name,
                exit_code,
                reason,
            },
        );
        let task = (
            self.text(),
            self.optional(),
            self.optional(),
            prop::collection::vec(container, 0..4),
            prop::option::of(self.time()),
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
        prop::collection::vec(task, 0..self.most).boxed()
    }

    fn skip_reason(&self) -> BoxedStrategy<SkipReason> {
        prop_oneof![
            Just(SkipReason::AlreadyRunning),
            Just(SkipReason::AlreadyDeploying),
            Just(SkipReason::NewerRequested),
            Just(SkipReason::FailedBefore),
            Just(SkipReason::ArchitectureMissing),
            Just(SkipReason::ApprovalExpired),
            Just(SkipReason::Rejected),
            Just(SkipReason::RouteRemoved),
            Just(SkipReason::PredecessorFailed),
            Just(SkipReason::AnotherSelected),
            Just(SkipReason::TooYoung),
            Just(SkipReason::OthersDeploying),
        ]
        .boxed()
    }

    fn failed_phase(&self) -> BoxedStrategy<FailedPhase> {
        prop_oneof![
            Just(FailedPhase::Before),
            Just(FailedPhase::Rollout),
            Just(FailedPhase::After),
        ]
        .boxed()
    }

    fn wait_reason(&self) -> BoxedStrategy<WaitReason> {
        prop_oneof![
            (self.optional(), self.caller()).prop_map(|(note, by)| WaitReason::Held { note, by }),
            Just(WaitReason::Frozen),
            Just(WaitReason::Approval),
            prop::collection::vec(self.text(), 0..self.most)
                .prop_map(|services| WaitReason::Predecessors { services }),
        ]
        .boxed()
    }

    /// Events that say why a deployment does not begin, or wake only Longshore itself.
    fn waiting_event(&self) -> BoxedStrategy<LongshoreEvent> {
        prop_oneof![
            (
                self.text(),
                self.text(),
                self.text(),
                self.image(),
                self.source(),
                self.time(),
                self.wait_reason(),
                self.time(),
                prop::option::of(self.time())
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
            (
                self.text(),
                prop::collection::vec(self.text(), 0..self.most),
                self.time(),
                prop::option::of(self.time()),
                self.optional(),
                self.caller()
            )
                .prop_map(|(stack, services, at, until, note, by)| {
                    LongshoreEvent::DeploymentsHeld(DeploymentsHeld {
                        stack,
                        services,
                        at,
                        until,
                        note,
                        by,
                    })
                }),
            (
                self.text(),
                prop::collection::vec(self.text(), 0..self.most),
                self.time(),
                self.optional(),
                self.caller(),
                prop::option::of(self.time()),
                self.optional(),
                self.caller()
            )
                .prop_map(
                    |(stack, services, at, held_note, held_by, held_since, note, by)| {
                        LongshoreEvent::DeploymentsResumed(DeploymentsResumed {
                            stack,
                            services,
                            at,
                            held_note,
                            held_by,
                            held_since,
                            note,
                            by,
                        })
                    }
                ),
            self.digest(),
            (self.text(), self.text(), self.time()).prop_map(
                |(request_id, stack, requested_at)| {
                    LongshoreEvent::ActionRequested(ActionRequested {
                        request_id,
                        requested_at,
                        payload: json!({"action": "resume", "stack": stack}),
                    })
                }
            ),
            (
                self.text(),
                self.optional(),
                prop::sample::select(ButtonAction::ALL.to_vec()),
                self.caller(),
                self.text(),
                self.time()
            )
                .prop_map(|(stack, service, action, by, reason, requested_at)| {
                    LongshoreEvent::ActionRefused(ActionRefused {
                        stack,
                        service,
                        action,
                        by,
                        reason,
                        requested_at,
                    })
                }),
            self.deployment().prop_map(|deployment| {
                LongshoreEvent::DeploymentStabilized(DeploymentStabilized { deployment })
            }),
            (
                self.deployment(),
                self.text(),
                any::<Option<u8>>(),
                self.time()
            )
                .prop_map(|(deployment, stage, shifted_percent, at)| {
                    LongshoreEvent::DeploymentProgressed(DeploymentProgressed {
                        deployment,
                        progress: RolloutProgress {
                            stage,
                            shifted_percent,
                        },
                        at,
                    })
                }),
            (self.deployment(), any::<bool>(), self.time()).prop_map(|(deployment, runs, at)| {
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
            (
                self.text(),
                self.text(),
                self.text(),
                self.failures(),
                any::<u32>()
            )
                .prop_filter_map(
                    "no failure",
                    |(stack, service, schedule, mut failures, in_a_row)| {
                        Some(LongshoreEvent::ScheduledTaskFailed(ScheduledTaskFailed {
                            stack,
                            service,
                            schedule,
                            failure: failures.pop()?,
                            in_a_row,
                            attempts: 1 + in_a_row % 11,
                        }))
                    }
                ),
            (
                (self.text(), self.text()),
                (any::<u32>(), any::<u32>()),
                self.time(),
                self.caller(),
                prop::option::of(self.text())
            )
                .prop_map(|((stack, service), (from, to), at, by, note)| {
                    LongshoreEvent::ServiceScaled(ServiceScaled {
                        stack,
                        service,
                        from,
                        to,
                        at,
                        by,
                        note,
                    })
                }),
            (
                self.text(),
                self.text(),
                prop::option::of((self.text(), self.time())),
                self.time()
            )
                .prop_map(|(key, problem, version, at)| {
                    LongshoreEvent::DocumentUnreadable(DocumentUnreadable {
                        key,
                        problem,
                        last_good: version.map(|(version_id, written_at)| DocumentVersion {
                            version_id,
                            written_at,
                        }),
                        at,
                    })
                }),
            any::<[u32; 2]>().prop_map(|[shard, shards]| {
                LongshoreEvent::ReconcileShard(ReconcileShard { shard, shards })
            }),
        ]
        .boxed()
    }

    fn digest(&self) -> BoxedStrategy<LongshoreEvent> {
        let failures = (self.text(), self.text(), any::<[u32; 2]>()).prop_map(
            |(stack, service, [failed, deployments])| ServiceFailures {
                stack,
                service,
                failed,
                deployments,
            },
        );
        (
            (self.text(), self.optional()),
            [self.time(), self.time()],
            [self.figures(), self.figures()],
            prop::collection::vec(failures, 0..self.most),
            any::<u32>(),
        )
            .prop_map(
                |(
                    (digest_id, stack),
                    [since, until],
                    [figures, before],
                    failed_most,
                    counted_in_part,
                )| {
                    LongshoreEvent::DeploymentsDigest(DeploymentsDigest {
                        digest_id,
                        stack,
                        since,
                        until,
                        figures,
                        before,
                        failed_most,
                        counted_in_part,
                    })
                },
            )
            .boxed()
    }

    fn figures(&self) -> BoxedStrategy<DeploymentFigures> {
        let times = || {
            let times = (any::<u32>(), any::<[u64; 2]>(), self.text(), self.text());
            prop::option::of(times.prop_map(
                |(count, [median_seconds, longest_seconds], stack, service)| Times {
                    count,
                    median_seconds,
                    longest_seconds,
                    longest_of: ServiceOfStack { stack, service },
                },
            ))
        };
        (any::<[u32; 7]>(), times(), times())
            .prop_map(|(counts, lead_time, time_to_restore)| {
                let [
                    services,
                    succeeded,
                    failed,
                    rolled_back,
                    superseded,
                    rollbacks_asked_for,
                    not_restored,
                ] = counts;
                DeploymentFigures {
                    services,
                    succeeded,
                    failed,
                    rolled_back,
                    superseded,
                    rollbacks_asked_for,
                    lead_time,
                    time_to_restore,
                    not_restored,
                }
            })
            .boxed()
    }

    fn sync(&self) -> BoxedStrategy<SyncSummary> {
        let source = prop_oneof![
            Just(SyncSource::Schedule),
            (self.optional(), self.caller()).prop_map(|(note, by)| SyncSource::Manual { note, by }),
        ];
        (self.text(), self.text(), self.text(), source, self.time())
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

    fn file_count(&self) -> BoxedStrategy<FileCount> {
        any::<[u64; 3]>()
            .prop_map(|[files, bytes, estimated_bytes]| FileCount {
                files,
                bytes,
                estimated_bytes,
            })
            .boxed()
    }

    fn runs_on(&self) -> BoxedStrategy<RunsOn> {
        prop_oneof![
            Just(RunsOn::Function),
            any::<u32>().prop_map(|tasks| RunsOn::Tasks { tasks }),
        ]
        .boxed()
    }

    fn refused_entries(&self) -> BoxedStrategy<Vec<RefusedEntry>> {
        let entry =
            (self.text(), self.text()).prop_map(|(entry, reason)| RefusedEntry { entry, reason });
        prop::collection::vec(entry, 0..self.most).boxed()
    }

    /// Any report of a transfer.
    pub fn transfer_report(&self) -> BoxedStrategy<TransferReport> {
        let failure = (self.text(), self.text(), self.text(), any::<u32>()).prop_map(
            |(key, url, reason, attempts)| TransferFailure {
                key,
                url,
                reason,
                attempts,
            },
        );
        (
            any::<[u64; 7]>(),
            prop::collection::vec(failure, 0..self.most),
            self.time(),
            self.time(),
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

    fn sync_outcome(&self) -> BoxedStrategy<SyncOutcome> {
        (
            self.runs_on(),
            self.transfer_report(),
            any::<[u64; 3]>(),
            self.refused_entries(),
            self.time(),
            self.optional(),
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
                        missing_manifests: deleted,
                        deletion_refused: report_key.clone(),
                        warnings: report_key.iter().cloned().collect(),
                        report_key,
                    }
                },
            )
            .boxed()
    }

    fn sync_event(&self) -> BoxedStrategy<LongshoreEvent> {
        prop_oneof![
            (
                self.sync(),
                self.file_count(),
                any::<[u64; 5]>(),
                prop::collection::vec(self.text(), 0..self.most),
                self.refused_entries(),
                self.runs_on(),
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
                            deletion_refused: deleted_keys.first().cloned(),
                            warnings: deleted_keys.clone(),
                            deleted_keys,
                            refused,
                            refused_entries,
                            runs_on,
                            estimated_cost_in_micro_usd: cost,
                        })
                    }
                ),
            (self.sync(), self.time()).prop_map(|(sync, finished_at)| {
                LongshoreEvent::SyncUnchanged(SyncUnchanged { sync, finished_at })
            }),
            (
                self.sync(),
                any::<[u64; 3]>(),
                self.file_count(),
                any::<[u32; 2]>(),
                self.time()
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
            (
                self.text(),
                self.text(),
                any::<u32>(),
                self.transfer_report()
            )
                .prop_map(|(stack, sync_id, shard, report)| {
                    LongshoreEvent::SyncShardCompleted(SyncShardCompleted {
                        stack,
                        sync_id,
                        shard,
                        report,
                    })
                }),
            (self.sync(), self.sync_outcome()).prop_map(|(sync, outcome)| {
                LongshoreEvent::SyncCompleted(SyncCompleted { sync, outcome })
            }),
            (self.sync(), self.text(), self.sync_outcome()).prop_map(|(sync, reason, outcome)| {
                LongshoreEvent::SyncFailed(SyncFailed {
                    sync,
                    reason,
                    outcome,
                })
            }),
            (self.sync(), self.text()).prop_map(|(sync, reason)| {
                LongshoreEvent::SyncRefused(SyncRefused { sync, reason })
            }),
        ]
        .boxed()
    }

    fn deployment_event(&self) -> BoxedStrategy<LongshoreEvent> {
        prop_oneof![
            (self.deployment(), self.text(), self.text(), self.text()).prop_map(
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
                self.text(),
                self.text(),
                self.image(),
                self.source(),
                self.time(),
                self.skip_reason(),
                prop::option::of(self.text()),
                prop::option::of(self.text())
            )
                .prop_map(
                    |(
                        stack,
                        service,
                        image,
                        source,
                        requested_at,
                        reason,
                        deployment_id,
                        selected,
                    )| {
                        LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
                            stack,
                            service,
                            image,
                            source,
                            requested_at,
                            reason,
                            deployment_id,
                            selected,
                            rejected_by: None,
                        })
                    }
                ),
            (self.deployment(), self.time()).prop_map(|(deployment, finished_at)| {
                LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
                    deployment,
                    finished_at,
                })
            }),
            (
                self.deployment(),
                self.time(),
                self.text(),
                self.failures(),
                any::<bool>(),
                self.failed_phase(),
                self.logs()
            )
                .prop_map(
                    |(deployment, finished_at, reason, failures, rolling_back, phase, logs)| {
                        LongshoreEvent::DeploymentFailed(DeploymentFailed {
                            deployment,
                            finished_at,
                            reason,
                            failures,
                            rolling_back,
                            phase,
                            logs,
                        })
                    }
                ),
            (
                self.deployment(),
                self.time(),
                self.text(),
                self.failures(),
                self.text(),
                proptest::option::of(self.text()),
                self.logs()
            )
                .prop_map(
                    |(
                        deployment,
                        finished_at,
                        reason,
                        failures,
                        running_task_definition,
                        running_image,
                        logs,
                    )| {
                        LongshoreEvent::DeploymentRolledBack(DeploymentRolledBack {
                            deployment,
                            finished_at,
                            reason,
                            failures,
                            running_task_definition,
                            running_image,
                            logs,
                        })
                    }
                ),
            (self.deployment(), self.time(), self.text()).prop_map(
                |(deployment, finished_at, superseded_by)| {
                    LongshoreEvent::DeploymentSuperseded(DeploymentSuperseded {
                        deployment,
                        finished_at,
                        superseded_by,
                    })
                }
            ),
            (self.text(), self.text(), self.optional(), self.text()).prop_map(
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
}
