//! Why tasks failed, and what they wrote.

use longshore_events::longshore::{FailedService, TaskFailure};
use longshore_report::words::{causes, counted, died_of, ending, remedy, second, short_name};
use longshore_rollout::history::{ContainerLog, FailedChange};

/// What tasks of a service died of in a change of its stack, and what to do.
pub fn of_change(stack: &str, change: &FailedChange) -> String {
    let state = match change.finished_at {
        Some(at) => format!("failed at {}", second(at)),
        None => "goes on".to_owned(),
    };
    format!(
        "the change {} of stack {stack} {state}\n{}",
        change.operation_id,
        of_service(stack, &change.failed)
    )
}

/// The same with what the containers wrote last, as it was kept, and how to see more.
pub fn with_logs(stack: &str, failed: &FailedService) -> String {
    let logs = format!("longshore logs {stack}/{}", failed.service);
    format!(
        "{}{}\n\nmore: {logs}",
        of_service(stack, failed),
        lines_of(&failed.logs)
    )
}

/// A line for each cause, the most frequent first, and one of what to do.
fn of_service(stack: &str, failed: &FailedService) -> String {
    let name = format!("{stack}/{}", failed.service);
    let mut text = format!("{} of {name} died:", counted(failed.failures.len(), "task"));
    for cause in causes(&failed.failures) {
        let last = short_name(&cause.last.task);
        text.push_str(&format!(
            "\n  {} x {} (task {last})",
            cause.count,
            why(cause.last)
        ));
    }
    if let Some(remedy) = remedy(failed) {
        text.push_str(&format!(
            "\nwhat to do: {remedy}; then apply the stack file again"
        ));
    }
    text
}

/// In few words, for a table.
pub fn briefly(change: &FailedChange) -> String {
    let cause = died_of(&change.failed.failures);
    let cause = cause.unwrap_or_else(|| "ECS gave no reason".to_owned());
    let last = change
        .failed
        .failures
        .iter()
        .filter_map(|failure| failure.stopped_at);
    let at = last.max().map(|at| format!(", at {}", second(at)));
    format!("{cause}{}", at.unwrap_or_default())
}

/// Why a task failed, in ECS's words, and when it stopped.
pub fn why(failure: &TaskFailure) -> String {
    let containers = failure
        .containers
        .iter()
        .map(|container| format!("{} {}", container.name, ending(container)));
    let task = failure.stopped_reason.iter().chain(&failure.stop_code);
    let said: Vec<String> = containers.chain(task.take(1).cloned()).collect();
    let at = failure.stopped_at.map(|at| format!(", at {}", second(at)));
    format!("{}{}", said.join("; "), at.unwrap_or_default())
}

/// What each container wrote.
pub fn lines_of(logs: &[ContainerLog]) -> String {
    let mut text = String::new();
    for ContainerLog { stream, lines } in logs {
        let task = short_name(&stream.task);
        text.push_str(&format!(
            "\n\ncontainer {} of task {task} ({} in {}):",
            stream.container, stream.log_stream, stream.log_group
        ));
        match lines {
            None => {
                text.push_str("\n  there is no such stream: it wrote nothing, or its log is gone")
            }
            Some(lines) if lines.is_empty() => text.push_str("\n  it wrote nothing"),
            Some(lines) => {
                for line in lines {
                    let at = line.at.format("%Y-%m-%d %H:%M:%S%.3f");
                    text.push_str(&format!("\n  {at}  {}", line.message.trim_end()));
                }
            }
        }
    }
    text
}

#[cfg(test)]
pub mod tests {
    use longshore_events::longshore::{
        ContainerFailure, ContainerLog, LogLine, LogStream, TaskFailure,
    };

    use super::*;

    const TASK: &str = "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1";

    /// A first start of which one task died.
    pub fn crashed() -> FailedChange {
        FailedChange {
            operation_id: "change-1".to_owned(),
            requested_at: "2026-11-21T11:58:00Z".parse().unwrap(),
            finished_at: Some("2026-11-21T12:03:00Z".parse().unwrap()),
            failed: FailedService {
                service: "api".to_owned(),
                ecs_deployment_id: "ecs-svc/1".to_owned(),
                task_definition: "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:1"
                    .to_owned(),
                failures: vec![TaskFailure {
                    task: TASK.to_owned(),
                    stop_code: Some("EssentialContainerExited".to_owned()),
                    stopped_reason: Some("Essential container in task exited".to_owned()),
                    containers: vec![ContainerFailure {
                        name: "api".to_owned(),
                        exit_code: Some(1),
                        reason: None,
                    }],
                    stopped_at: Some("2026-11-21T12:00:00Z".parse().unwrap()),
                }],
                logs: vec![ContainerLog {
                    stream: LogStream {
                        task: TASK.to_owned(),
                        container: "api".to_owned(),
                        log_group: "/ecs/shop/api".to_owned(),
                        log_stream: "ecs/api/0f3c1".to_owned(),
                    },
                    lines: Some(vec![LogLine {
                        at: "2026-11-21T11:59:58.250Z".parse().unwrap(),
                        message: "no DATABASE_URL".to_owned(),
                    }]),
                }],
            },
        }
    }

    #[test]
    fn a_first_start_that_failed_says_of_what_when_and_what_to_do() {
        assert_eq!(
            of_change("shop", &crashed()),
            "the change change-1 of stack shop failed at 2026-11-21 12:03:00 UTC\n1 task of shop/api died:\n  1 x api \
             exited with 1; Essential container in task exited, at 2026-11-21 12:00:00 UTC (task 0f3c1)\nwhat to do: the \
             container api exited with 1 at its start: see its last log lines; then apply the stack file again"
        );
        assert_eq!(
            briefly(&crashed()),
            "api exited with 1, at 2026-11-21 12:00:00 UTC"
        );
    }

    #[test]
    fn an_apply_that_fails_ends_with_the_last_lines_and_where_there_are_more() {
        let text = with_logs("shop", &crashed().failed);
        assert!(
            text.ends_with(
                "\n\ncontainer api of task 0f3c1 (ecs/api/0f3c1 in /ecs/shop/api):\n  2026-11-21 11:59:58.250  no \
                 DATABASE_URL\n\nmore: longshore logs shop/api"
            ),
            "{text}"
        );
    }
}
