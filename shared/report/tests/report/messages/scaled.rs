//! Numbers of tasks that people set.

use longshore_events::longshore::Caller;
use longshore_report::samples::scaled;

use super::scene::{message, texts};

#[test]
fn who_set_which_service_from_how_many_to_how_many_tasks_and_why() {
    let role = "assumed-role/deployer/ada@example.com";
    insta::assert_json_snapshot!(message(&scaled(
        2,
        6,
        Some(Caller::named(role)),
        Some("the sale")
    )));
    insta::assert_json_snapshot!(message(&scaled(6, 1, None, None)));
}

#[test]
fn a_name_and_a_note_make_no_mention() {
    let message = message(&scaled(
        2,
        6,
        Some(Caller::named("<!here>")),
        Some("<!channel>"),
    ));
    for text in texts(&message) {
        assert!(
            !text.contains("<!here") && !text.contains("<!channel"),
            "{text}"
        );
    }
}
