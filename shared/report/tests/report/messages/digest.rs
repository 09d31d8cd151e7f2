//! Messages of what came of the deployments of some days.

use longshore_events::longshore::{DeploymentFigures, DeploymentsDigest, LongshoreEvent};

use super::scene::{after, busy_week, digest, message, texts};

fn changed(change: impl FnOnce(&mut DeploymentsDigest)) -> String {
    let LongshoreEvent::DeploymentsDigest(mut event) = digest(busy_week()) else {
        panic!("not a digest");
    };
    change(&mut event);
    texts(&message(&LongshoreEvent::DeploymentsDigest(event))).join("\n")
}

#[test]
fn a_week_of_deployments() {
    insta::assert_json_snapshot!(message(&digest(busy_week())));
}

#[test]
fn a_week_without_a_deployment_says_so() {
    let message = message(&digest(DeploymentFigures::default()));
    let text = texts(&message).join("\n");
    assert!(
        text.contains("No deployment ended in these 7 days."),
        "{text}"
    );
    assert!(text.contains("before: 30 to 5 services"), "{text}");
    assert!(!text.contains("100 %"), "nothing has succeeded: {text}");
    insta::assert_json_snapshot!(message);
}

#[test]
fn two_weeks_without_a_deployment_have_no_figures() {
    let text = changed(|event| {
        event.figures = DeploymentFigures::default();
        event.before = DeploymentFigures::default();
        event.failed_most.clear();
    });
    for figure in ["Succeeded", "Rollbacks", "restore", "Failed most", "%"] {
        assert!(!text.contains(figure), "{figure} in {text}");
    }
}

#[test]
fn a_week_in_which_all_was_superseded_does_not_say_that_nothing_happened() {
    let text = changed(|event| {
        event.figures = DeploymentFigures {
            services: 1,
            superseded: 2,
            ..DeploymentFigures::default()
        };
    });
    let said =
        "No deployment ended in these 7 days otherwise than by another one that took its place.";
    assert!(text.contains(said), "{text}");
    assert!(text.contains("none, and 2 superseded"), "{text}");
}

#[test]
fn a_digest_names_its_stack_and_its_length() {
    let text = changed(|event| {
        event.stack = Some("shop".to_owned());
        event.since = after(-36 * 3_600);
    });
    assert!(
        text.contains("Deployments digest of 36 h 0 min: shop"),
        "{text}"
    );
    assert!(text.contains("before: the 36 h 0 min before"), "{text}");
}

#[test]
fn what_was_counted_in_part_is_said() {
    let text = changed(|event| event.counted_in_part = 2);
    assert!(
        text.contains("Not every deployment of 2 services was counted"),
        "{text}"
    );
}
