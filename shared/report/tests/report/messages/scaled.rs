//! Numbers of tasks that people set.

use longshore_events::longshore::{Caller, LongshoreEvent, ServiceScaled};

use super::scene::{after, message, texts};

fn scaled(from: u32, to: u32, by: Option<&str>, note: Option<&str>) -> LongshoreEvent {
    LongshoreEvent::ServiceScaled(ServiceScaled {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        from,
        to,
        at: after(0),
        by: by.map(Caller::named),
        note: note.map(str::to_owned),
    })
}

#[test]
fn who_set_which_service_from_how_many_to_how_many_tasks_and_why() {
    let role = "assumed-role/deployer/ada@example.com";
    insta::assert_json_snapshot!(message(&scaled(2, 6, Some(role), Some("the sale"))));
    insta::assert_json_snapshot!(message(&scaled(6, 1, None, None)));
}

#[test]
fn a_name_and_a_note_make_no_mention() {
    let message = message(&scaled(2, 6, Some("<!here>"), Some("<!channel>")));
    for text in texts(&message) {
        assert!(!text.contains("<!"), "{text}");
    }
}
