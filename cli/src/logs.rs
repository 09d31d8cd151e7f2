//! `longshore logs`.

use anyhow::bail;
use longshore_policy::route::ServiceId;
use longshore_report::words::{counted, image_name};
use longshore_rollout::history::{
    ChangeLogs, ContainerLog, DeploymentLogs, ScheduleLogs, ServiceLogs, logs, schedule_logs,
};
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::record::Deployment;

use crate::arguments::{LogsArguments, Output};
use crate::failures::{self, lines_of, why};
use crate::status::state_of;
use crate::tail::{Tail, tail};
use crate::until::Since;

/// Shows what the tasks wrote that failed in a deployment, or in a change of the service's stack, or what those write
/// that run.
pub async fn run<C: Cloud + TaskLogs>(
    cloud: &C,
    arguments: &LogsArguments,
) -> anyhow::Result<String> {
    let LogsArguments {
        service,
        deployment,
        schedule,
        follow,
        since,
        container,
        lines,
        output,
    } = arguments;
    let name = format!("{}/{}", service.stack, service.service);
    let service_id = ServiceId {
        stack: service.stack.clone(),
        service: service.service.clone(),
    };
    if *follow || since.is_some() {
        let what = Tail {
            service_id,
            container: container.clone(),
            since: since.map(|Since(since)| since),
            output: *output,
        };
        return tail(cloud, &what, *follow).await;
    }
    if let Some(schedule) = schedule {
        let mut found = schedule_logs(cloud, &service_id, schedule, *lines).await?;
        if let Some(found) = &mut found {
            only(&mut found.logs, container.as_deref());
        }
        return Ok(match (found, output) {
            (found, Output::Json) => serde_json::to_string_pretty(&found)?,
            (None, Output::Text) => format!("no task of schedule {schedule} of {name} failed"),
            (Some(found), Output::Text) => text_of_schedule(&found),
        });
    }
    let mut found = logs(cloud, &service_id, *deployment, *lines).await?;
    match &mut found {
        Some(ServiceLogs::Deployment(found)) => only(&mut found.logs, container.as_deref()),
        Some(ServiceLogs::Change(found)) => only(&mut found.logs, container.as_deref()),
        None => {}
    }
    match (found, deployment, output) {
        (None, Some(number), _) => bail!(
            "{name} has no deployment {number}; those that it has are shown by: longshore history {name}"
        ),
        (found, _, Output::Json) => Ok(serde_json::to_string_pretty(&found)?),
        (None, None, Output::Text) => Ok(format!("no deployment of {name} failed")),
        (Some(ServiceLogs::Deployment(found)), _, Output::Text) => Ok(text(&found)),
        (Some(ServiceLogs::Change(found)), _, Output::Text) => Ok(text_of_change(&found)),
    }
}

/// Leaves only what the container wrote that is meant.
fn only(logs: &mut Vec<ContainerLog>, container: Option<&str>) {
    if let Some(container) = container {
        logs.retain(|log| log.stream.container == container);
    }
}

fn text_of_change(found: &ChangeLogs) -> String {
    let ChangeLogs {
        stack,
        change,
        logs,
    } = found;
    let mut text = failures::of_change(stack, change);
    if logs.is_empty() {
        text.push_str(
            "\nthey left no log that can be found: they wrote nothing, or did not run, or their log is gone",
        );
    }
    text + &lines_of(logs)
}

/// What became of a deployment.
pub fn headline(deployment: &Deployment) -> String {
    format!(
        "deployment {} of {} to {}/{}: {}",
        deployment.number,
        image_name(&deployment.image),
        deployment.stack,
        deployment.service,
        state_of(deployment)
    )
}

/// What the tasks wrote that failed in a deployment, below what became of it.
pub fn text(found: &DeploymentLogs) -> String {
    let DeploymentLogs { deployment, logs } = found;
    let mut text = headline(deployment);
    if deployment.failures.is_empty() {
        text.push_str("\nno task of it failed");
    } else if logs.is_empty() {
        text.push_str(
            "\nits tasks that failed left no log that can be found: their containers need the log driver awslogs \
             with awslogs-group and awslogs-stream-prefix",
        );
    }
    text + &lines_of(logs)
}

fn text_of_schedule(found: &ScheduleLogs) -> String {
    let ScheduleLogs { record, logs } = found;
    let failed = match record.in_a_row {
        0 => "its last task succeeded; the last one that failed:".to_owned(),
        in_a_row => format!(
            "{} failed since one succeeded; the last:",
            counted(in_a_row, "task")
        ),
    };
    let mut text = format!(
        "schedule {} of {}/{}: {failed} {}",
        record.schedule,
        record.stack,
        record.service,
        why(&record.failure)
    );
    if record.failure.task.is_empty() {
        text.push_str("\nECS started no task, so that there is no log");
    } else if logs.is_empty() {
        text.push_str(
            "\nit left no log that can be found: its containers need the log driver awslogs with awslogs-group and \
             awslogs-stream-prefix",
        );
    }
    text + &lines_of(logs)
}

#[cfg(test)]
mod tests {
    use longshore_events::longshore::TaskFailure;
    use longshore_rollout::history::LogStream;
    use longshore_rollout::ports::LogLine;
    use longshore_rollout::record::State;
    use longshore_testkit::altered;
    use serde_json::json;

    use super::*;
    use crate::status::tests::deployment;

    const TASK: &str = "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1";

    fn failed(logs: Vec<ContainerLog>) -> DeploymentLogs {
        let failure = TaskFailure {
            task: TASK.to_owned(),
            stop_code: None,
            stopped_reason: None,
            containers: Vec::new(),
            stopped_at: None,
        };
        let deployment = altered(
            &deployment(43, State::RolledBack),
            &json!({"failures": [failure]}),
        );
        DeploymentLogs { deployment, logs }
    }

    fn log(lines: Option<Vec<LogLine>>) -> ContainerLog {
        ContainerLog {
            stream: LogStream {
                task: TASK.to_owned(),
                container: "api".to_owned(),
                log_group: "/shop/api".to_owned(),
                log_stream: "api/api/0f3c1".to_owned(),
            },
            lines,
        }
    }

    #[test]
    fn the_last_lines_of_each_container_stand_below_its_name() {
        let line = LogLine {
            at: "2026-11-21T09:30:01.250Z".parse().unwrap(),
            message: "panicked at src/main.rs\n".to_owned(),
        };
        assert_eq!(
            text(&failed(vec![log(Some(vec![line])), log(None)])),
            "deployment 43 of shop/api:v3 to shop/api: rolled back\n\n\
             container api of task 0f3c1 (api/api/0f3c1 in /shop/api):\n  \
             2026-11-21 09:30:01.250  panicked at src/main.rs\n\n\
             container api of task 0f3c1 (api/api/0f3c1 in /shop/api):\n  \
             there is no such stream: it wrote nothing, or its log is gone"
        );
    }

    #[test]
    fn where_there_is_no_log_the_reason_is_reported() {
        let mut found = failed(Vec::new());
        assert!(text(&found).contains("need the log driver awslogs"));
        found.deployment = altered(&found.deployment, &json!({"failures": []}));
        assert!(text(&found).ends_with("\nno task of it failed"));
    }
}
