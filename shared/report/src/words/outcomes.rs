//! What became of a stack or of a mirror, and where a sync runs.

use longshore_events::cloudformation::StackStatus;
use longshore_events::longshore::{ChangeCounts, RolloutProgress, RunsOn};
use longshore_events::words::{counted, number};

/// What a sync that failed leaves.
pub const NOT_PUBLISHED: &str =
    "the index is not published, so clients see the mirror as it was; transferred files stay";

/// What it means that manifests of a mirror are missing.
pub const MANIFESTS_MISSING: &str =
    "brew 6 cannot install their formulae; the next sync asks for them again";

/// What ECS is doing with a deployment that shifts requests: "bake time, 10% of the requests go to the new tasks".
pub fn rollout_progress(progress: &RolloutProgress) -> String {
    let stage = progress.stage.to_lowercase().replace('_', " ");
    match progress.shifted_percent {
        Some(percent) => format!("{stage}, {percent}% of the requests go to the new tasks"),
        None => stage,
    }
}

/// A reason in somebody else's words, or that there is none.
pub fn reason_or_none(reason: &str) -> &str {
    if reason.trim().is_empty() {
        "no reason was given"
    } else {
        reason
    }
}

/// That there was nothing to apply; `stack` is "stack shop", or "the stack".
pub fn stack_unchanged(stack: &str) -> String {
    format!("{stack} is already as its stack file says")
}

/// That there was nothing to sync; `mirror` is "the mirror of stack bottles", or "the mirror".
pub fn mirror_unchanged(mirror: &str) -> String {
    format!("{mirror} already holds what its index names")
}

/// "2 to add, 1 to change"; what is nothing is left out.
pub fn changes(counts: ChangeCounts) -> String {
    let parts: Vec<String> = [
        (counts.add, "add"),
        (counts.change, "change"),
        (counts.replace, "replace"),
        (counts.remove, "remove"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} to {what}", number(u64::from(count))))
    .collect();
    if parts.is_empty() {
        "no resource to change".to_owned()
    } else {
        parts.join(", ")
    }
}

/// What a failed change of a stack left, by the stack's status, and whether tasks of its services died of the change.
pub fn left(status: &StackStatus, tasks_died: bool) -> &'static str {
    if status.is_empty() {
        "CloudFormation did not begin, so the stack is as it was"
    } else if status.is_restored() {
        "CloudFormation rolled everything back, so the stack is as it was; Longshore restores the images that were \
         deployed since"
    } else if status.is_undone_creation() && tasks_died {
        "CloudFormation rolled everything back, so nothing was built"
    } else if status.is_undone_creation() {
        "CloudFormation rolled everything back, so nothing was built; correct the stack file and write it again"
    } else if status.is_failed_deletion() {
        "some resources could not be deleted; fix what keeps them, then destroy the stack again"
    } else {
        "CloudFormation could not roll back either, so somebody must look at the stack"
    }
}

/// Where a sync runs, as it follows "runs".
pub fn place(runs_on: RunsOn) -> String {
    match runs_on {
        RunsOn::Function => "in one process, without a task".to_owned(),
        RunsOn::Tasks { tasks } => format!("in {}", counted(tasks, "Fargate task")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_change_only_what_is_to_be_done_is_counted() {
        let counts = ChangeCounts {
            add: 1_200,
            change: 0,
            replace: 1,
            remove: 2,
        };
        assert_eq!(changes(counts), "1,200 to add, 1 to replace, 2 to remove");
        let change = ChangeCounts {
            change: 1,
            ..ChangeCounts::default()
        };
        assert_eq!(changes(change), "1 to change");
        assert_eq!(changes(ChangeCounts::default()), "no resource to change");
    }

    #[test]
    fn each_status_says_what_a_failed_change_left() {
        for (status, expected) in [
            (
                "",
                "CloudFormation did not begin, so the stack is as it was",
            ),
            (
                "UPDATE_ROLLBACK_COMPLETE",
                "CloudFormation rolled everything back, so the stack is as it was; Longshore restores the images that \
                 were deployed since",
            ),
            (
                "IMPORT_ROLLBACK_COMPLETE",
                "CloudFormation rolled everything back, so the stack is as it was; Longshore restores the images that \
                 were deployed since",
            ),
            (
                "ROLLBACK_COMPLETE",
                "CloudFormation rolled everything back, so nothing was built; correct the stack file and write it \
                 again",
            ),
            (
                "DELETE_FAILED",
                "some resources could not be deleted; fix what keeps them, then destroy the stack again",
            ),
            (
                "UPDATE_ROLLBACK_FAILED",
                "CloudFormation could not roll back either, so somebody must look at the stack",
            ),
        ] {
            assert_eq!(left(&status.into(), false), expected, "{status}");
        }
        // What the tasks died of says what to correct: it is seldom the stack file.
        assert_eq!(
            left(&"ROLLBACK_COMPLETE".into(), true),
            "CloudFormation rolled everything back, so nothing was built"
        );
    }

    #[test]
    fn a_sync_runs_in_one_process_or_in_tasks() {
        assert_eq!(place(RunsOn::Function), "in one process, without a task");
        assert_eq!(place(RunsOn::Tasks { tasks: 1 }), "in 1 Fargate task");
        assert_eq!(place(RunsOn::Tasks { tasks: 4 }), "in 4 Fargate tasks");
    }

    #[test]
    fn what_is_as_it_should_be_says_so() {
        assert_eq!(
            stack_unchanged("stack shop"),
            "stack shop is already as its stack file says"
        );
        assert_eq!(
            mirror_unchanged("the mirror"),
            "the mirror already holds what its index names"
        );
        assert_eq!(reason_or_none(" \n"), "no reason was given");
        assert_eq!(reason_or_none("throttled"), "throttled");
    }
}
