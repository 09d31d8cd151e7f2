//! Any event about deployments.

use longshore_events::image::Image;
use longshore_events::longshore::{
    ContainerFailure, DeploymentFailed, DeploymentProgressed, DeploymentRolledBack,
    DeploymentSkipped, DeploymentStarted, DeploymentSucceeded, DeploymentSummary,
    DeploymentSuperseded, DeploymentWaiting, DocumentUnreadable, DocumentVersion, FailedPhase,
    ImageMissing, ImageNeed, LongshoreEvent, ReleaseRefused, RolloutProgress, ScheduledTaskFailed,
    SkipReason, Source, TaskFailure, WaitReason,
};
use proptest::prelude::*;

use super::super::scene::DIGEST;
use super::{any_time, hostile, hostile_option};

pub fn any_source() -> BoxedStrategy<Source> {
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

pub fn any_image() -> BoxedStrategy<Image> {
    (hostile(), hostile_option())
        .prop_map(|(repository, tag)| Image {
            repository,
            tag,
            digest: DIGEST.parse().unwrap(),
        })
        .boxed()
}

pub fn any_deployment() -> BoxedStrategy<DeploymentSummary> {
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

pub fn any_failures() -> BoxedStrategy<Vec<TaskFailure>> {
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

pub fn any_skip_reason() -> BoxedStrategy<SkipReason> {
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

pub fn any_wait_reason() -> BoxedStrategy<WaitReason> {
    prop_oneof![
        hostile_option().prop_map(|note| WaitReason::Held { note }),
        Just(WaitReason::Frozen),
        Just(WaitReason::Approval),
        prop::collection::vec(hostile(), 0..14)
            .prop_map(|services| WaitReason::Predecessors { services }),
    ]
    .boxed()
}

pub fn any_waiting() -> BoxedStrategy<LongshoreEvent> {
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

pub fn any_phase() -> BoxedStrategy<FailedPhase> {
    prop_oneof![
        Just(FailedPhase::Before),
        Just(FailedPhase::Rollout),
        Just(FailedPhase::After),
    ]
    .boxed()
}

pub fn any_deployment_event() -> BoxedStrategy<LongshoreEvent> {
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
        (any_deployment(), any_time(), hostile(), any::<Option<u8>>()).prop_map(
            |(deployment, at, stage, shifted_percent)| {
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
        (any_deployment(), any_time(), any::<bool>()).prop_map(|(deployment, at, runs)| {
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
            hostile(),
            hostile(),
            hostile(),
            any_failures(),
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
                    }))
                }
            ),
        (hostile(), hostile(), hostile_option(), any_time()).prop_map(
            |(key, problem, version_id, at)| {
                LongshoreEvent::DocumentUnreadable(DocumentUnreadable {
                    key,
                    problem,
                    last_good: version_id.map(|version_id| DocumentVersion {
                        version_id,
                        written_at: at,
                    }),
                    at,
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
