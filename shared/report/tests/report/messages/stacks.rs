//! Messages of stacks.

use longshore_events::longshore::{
    LongshoreEvent, OperationKind, Severity, StackSource, StackUnchanged,
};

use super::scene::{
    file_refused, first_start_failed, message, payload, problem, stack, stack_applying,
    stack_failed, stack_file, stack_ready, task_failure, texts,
};

#[test]
fn a_change_of_a_stack_that_begins() {
    insta::assert_json_snapshot!(message(&stack_applying(
        OperationKind::Apply,
        stack_file(),
        [2, 1, 1, 0]
    )));
    let nothing = message(&stack_applying(OperationKind::Apply, stack_file(), [0; 4]));
    assert!(
        nothing.text.ends_with("no resource to change"),
        "{}",
        nothing.text
    );
}

#[test]
fn a_stack_that_begins_to_be_destroyed() {
    insta::assert_json_snapshot!(message(&stack_applying(
        OperationKind::Destroy,
        payload(),
        [0, 0, 0, 31]
    )));
}

#[test]
fn a_stack_that_is_ready() {
    insta::assert_json_snapshot!(message(&stack_ready(
        OperationKind::Apply,
        "UPDATE_COMPLETE",
        StackSource::CloudFormation
    )));
}

#[test]
fn a_stack_that_was_destroyed() {
    insta::assert_json_snapshot!(message(&stack_ready(
        OperationKind::Destroy,
        "DELETE_COMPLETE",
        payload()
    )));
}

#[test]
fn a_first_start_that_crashed() {
    let died = vec![task_failure("0f3c1", 1), task_failure("0f3c2", 1)];
    insta::assert_json_snapshot!(message(&first_start_failed(died)));
}

#[test]
fn a_change_of_a_stack_that_failed_and_was_taken_back() {
    insta::assert_json_snapshot!(message(&stack_failed(
        OperationKind::Apply,
        "UPDATE_ROLLBACK_COMPLETE"
    )));
}

#[test]
fn a_stack_that_could_not_be_destroyed() {
    insta::assert_json_snapshot!(message(&stack_failed(
        OperationKind::Destroy,
        "DELETE_FAILED"
    )));
}

#[test]
fn a_stack_file_that_changes_nothing() {
    insta::assert_json_snapshot!(message(&LongshoreEvent::StackUnchanged(StackUnchanged {
        stack: stack(stack_file()),
    })));
}

#[test]
fn a_stack_file_that_was_refused_with_every_problem() {
    let mut unknown = problem(27, Severity::Error);
    unknown.path = "services.worker.imgae".to_owned();
    unknown.value = None;
    unknown.message = "unknown field `imgae`, did you mean `image`?".to_owned();
    let mut whole = problem(0, Severity::Error);
    (whole.path, whole.line, whole.column, whole.value) = (String::new(), None, None, None);
    whole.message = "the template has 612 resources, CloudFormation takes 500".to_owned();
    insta::assert_json_snapshot!(message(&file_refused(vec![
        problem(19, Severity::Warning),
        problem(14, Severity::Error),
        unknown,
        whole,
    ])));
}

#[test]
fn of_the_problems_of_a_stack_file_as_many_are_reported_as_there_is_room_for_and_the_rest_is_counted()
 {
    let problems = |count: u32| (1..=count).map(|number| problem(number, Severity::Error));
    let few = message(&file_refused(problems(40).collect()));
    let reported = texts(&few).join("\n");
    for number in 1..=40 {
        assert!(
            reported.contains(&format!("• line {number}, column 13")),
            "{number}"
        );
    }
    assert!(!reported.contains("more problem"), "{reported}");
    let many = message(&file_refused(problems(500).collect()));
    let reported = texts(&many).join("\n");
    let listed = reported.matches("• line ").count();
    assert!(listed > 40, "{listed}");
    assert!(
        reported.contains(&format!("… and {} more problems", 500 - listed)),
        "{reported}"
    );
    assert!(many.text.contains("500 errors"), "{}", many.text);
}
