//! ECS's types in the words of the engines.

use aws_sdk_ecs::types::Task;
use aws_smithy_types::DateTime as SdkDateTime;
use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::longshore::{ContainerFailure, TaskFailure};

pub(crate) fn in_words(service: &ServiceName) -> String {
    format!(
        "ECS service {} of cluster {}",
        service.ecs_service, service.cluster
    )
}

pub(crate) fn task_failure(task: &Task) -> TaskFailure {
    TaskFailure {
        task: task.task_arn().unwrap_or_default().to_owned(),
        stop_code: task.stop_code().map(|code| code.as_str().to_owned()),
        stopped_reason: task.stopped_reason().map(str::to_owned),
        containers: task
            .containers()
            .iter()
            .filter(|container| {
                container.reason().is_some() || container.exit_code().is_some_and(|code| code != 0)
            })
            .map(|container| ContainerFailure {
                name: container.name().unwrap_or_default().to_owned(),
                exit_code: container.exit_code().map(i64::from),
                reason: container.reason().map(str::to_owned),
            })
            .collect(),
        stopped_at: task.stopped_at().and_then(timestamp),
    }
}

pub(crate) fn timestamp(time: &SdkDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}
