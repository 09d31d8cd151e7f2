//! What tasks died of, in few words.

use longshore_events::longshore::{ContainerFailure, TaskFailure};

use super::console::Console;
use super::text::{code, line, sent_width};
use crate::words::{Cause, causes, counted, died_of, ending, more};

/// How much room the list of dead tasks takes at most.
const LIST: usize = 2_400;
/// How much of it one cause takes at most, so that the list always holds one.
const REASON: usize = 300;
const CONTAINER_REASON: usize = 180;
const NAME: usize = 70;
const CONTAINERS: usize = 3;

/// A list of the causes that tasks died of, the most frequent first; nothing where none died.
pub(super) fn list(failures: &[TaskFailure], console: &Console) -> Option<String> {
    listed("", failures, console)
}

/// The same of the tasks of a service.
pub(super) fn list_of(
    service: &str,
    failures: &[TaskFailure],
    console: &Console,
) -> Option<String> {
    listed(&format!(" of {}", code(service, NAME)), failures, console)
}

fn listed(whose: &str, failures: &[TaskFailure], console: &Console) -> Option<String> {
    let causes = causes(failures);
    if causes.is_empty() {
        return None;
    }
    let mut text = format!("*{}{whose} died:*", counted(failures.len(), "task"));
    let mut shown = 0;
    for cause in &causes {
        let lines = describe(cause, failures.len() > 1, console);
        let ending = more(failures.len(), "task").len();
        if sent_width(&text) + sent_width(&lines) + ending > LIST {
            break;
        }
        text.push_str(&lines);
        shown += cause.count;
    }
    if shown < failures.len() {
        text.push('\n');
        text.push_str(&more(failures.len() - shown, "task"));
    }
    Some(text)
}

/// The most frequent cause on one line: "api exited with 1".
pub(super) fn headline(failures: &[TaskFailure]) -> Option<String> {
    died_of(failures).map(|cause| line(&cause, REASON))
}

fn describe(cause: &Cause<'_>, counted: bool, console: &Console) -> String {
    let task = cause.last;
    let mut text = "\n• ".to_owned();
    if counted {
        text.push_str(&format!("{} × ", cause.count));
    }
    match (&task.stop_code, &task.stopped_reason) {
        (Some(stop_code), Some(reason)) => text.push_str(&format!(
            "{}: {}",
            code(stop_code, NAME),
            line(reason, REASON)
        )),
        (Some(stop_code), None) => text.push_str(&code(stop_code, NAME)),
        (None, Some(reason)) => text.push_str(&line(reason, REASON)),
        (None, None) => text.push_str("ECS gave no reason"),
    }
    for container in task.containers.iter().take(CONTAINERS) {
        text.push_str(&format!(
            "\n        {} {}",
            code(&container.name, NAME),
            ending_in(container, task)
        ));
    }
    if task.containers.len() > CONTAINERS {
        text.push_str(&format!(
            "\n        {}",
            more(task.containers.len() - CONTAINERS, "container")
        ));
    }
    let which = if cause.count > 1 { "last task" } else { "task" };
    // Its id is long and says nothing to people.
    if let Some(task) = console.task(&task.task, which) {
        text.push_str(&format!("\n        {task}"));
    }
    text
}

/// How a container ended, escaped and within its room.
///
/// ECS often gives a container the reason of its task, which has been shown by then.
fn ending_in(container: &ContainerFailure, task: &TaskFailure) -> String {
    if container.exit_code.is_none()
        && container.reason.is_some()
        && container.reason == task.stopped_reason
    {
        return "did not run".to_owned();
    }
    line(&ending(container), CONTAINER_REASON)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, exit_code: i64) -> TaskFailure {
        TaskFailure {
            task: format!("arn:aws:ecs:eu-west-1:123456789012:task/shop/{id}"),
            stop_code: Some("EssentialContainerExited".to_owned()),
            stopped_reason: Some("Essential container in task exited".to_owned()),
            containers: vec![ContainerFailure {
                name: "api".to_owned(),
                exit_code: Some(exit_code),
                reason: None,
            }],
            stopped_at: None,
        }
    }

    #[test]
    fn tasks_that_died_of_the_same_are_reported_once_with_their_number() {
        let text = list(
            &[task("a", 143), task("b", 1), task("c", 1)],
            &Console::default(),
        )
        .unwrap();
        assert_eq!(
            text,
            "*3 tasks died:*\n\
             • 2 × `EssentialContainerExited`: Essential container in task exited\n        \
             `api` exited with 1\n\
             • 1 × `EssentialContainerExited`: Essential container in task exited\n        \
             `api` exited with 143 (SIGTERM)"
        );
    }

    #[test]
    fn where_no_task_died_nothing_is_reported_of_tasks() {
        assert_eq!(list(&[], &Console::default()), None);
        assert_eq!(headline(&[]), None);
    }

    #[test]
    fn the_headline_is_the_container_that_failed_and_not_the_one_that_ended_well() {
        let mut failure = task("a", 1);
        failure.containers.insert(
            0,
            ContainerFailure {
                name: "migrate".to_owned(),
                exit_code: Some(0),
                reason: None,
            },
        );
        assert_eq!(headline(&[failure]).unwrap(), "api exited with 1");
    }

    #[test]
    fn a_container_that_never_ran_is_reported_with_its_reason() {
        let mut failure = task("a", 1);
        failure.containers[0].exit_code = None;
        failure.containers[0].reason = Some("CannotPullContainerError: not found".to_owned());
        assert_eq!(
            headline(&[failure]).unwrap(),
            "api did not run: CannotPullContainerError: not found"
        );
    }

    #[test]
    fn a_reason_that_task_and_container_share_is_reported_once() {
        let mut failure = task("a", 1);
        let reason = Some("CannotPullContainerError: not found".to_owned());
        failure.containers[0].exit_code = None;
        failure.containers[0].reason.clone_from(&reason);
        failure.stopped_reason = reason;
        let text = list(&[failure], &Console::default()).unwrap();
        assert_eq!(text.matches("CannotPull").count(), 1, "{text}");
        assert!(text.contains("`api` did not run"), "{text}");
    }

    #[test]
    fn tasks_for_which_there_is_no_room_are_counted() {
        let failures: Vec<TaskFailure> = (0..40)
            .map(|number| {
                let mut failure = task(&number.to_string(), number);
                failure.stopped_reason = Some("x".repeat(250));
                failure
            })
            .collect();
        let text = list(&failures, &Console::default()).unwrap();
        assert!(sent_width(&text) <= LIST);
        let shown = text.matches('•').count();
        assert!(shown > 1);
        assert!(text.ends_with(&format!("… and {} more tasks", 40 - shown)));
    }
}
