//! Any event about stacks.

use longshore_events::longshore::{
    ChangeCounts, ContainerLog, FailedResource, FailedService, LogLine, LogStream, LongshoreEvent,
    OperationKind, Problem, Severity, StackApplying, StackFailed, StackFileRefused, StackReady,
    StackSource, StackSummary, StackUnchanged,
};
use proptest::prelude::*;

use super::deployments::any_failures;
use super::{any_time, hostile, hostile_option};

pub fn any_stack() -> BoxedStrategy<StackSummary> {
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

pub fn any_kind() -> BoxedStrategy<OperationKind> {
    prop_oneof![Just(OperationKind::Apply), Just(OperationKind::Destroy)].boxed()
}

fn any_failed_service() -> BoxedStrategy<FailedService> {
    let line = (any_time(), hostile()).prop_map(|(at, message)| LogLine { at, message });
    let log = (
        hostile(),
        hostile(),
        prop::option::of(prop::collection::vec(line, 0..12)),
    )
        .prop_map(|(task, container, lines)| ContainerLog {
            stream: LogStream {
                task,
                container,
                log_group: "/ecs/shop/api".to_owned(),
                log_stream: "ecs/api/1".to_owned(),
            },
            lines,
        });
    (
        hostile(),
        hostile(),
        any_failures(),
        prop::collection::vec(log, 0..3),
    )
        .prop_map(|(service, task_definition, failures, logs)| FailedService {
            service,
            ecs_deployment_id: "ecs-svc/1".to_owned(),
            task_definition,
            failures,
            logs,
        })
        .boxed()
}

pub fn any_problems() -> BoxedStrategy<Vec<Problem>> {
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

pub fn any_stack_event() -> BoxedStrategy<LongshoreEvent> {
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
                    status: status.into(),
                })
            }
        ),
        (
            any_stack(),
            any_kind(),
            any_time(),
            hostile(),
            hostile(),
            prop::option::of(failed_resource),
            prop::collection::vec(any_failed_service(), 0..5)
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
