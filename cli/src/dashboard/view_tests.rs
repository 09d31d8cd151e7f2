//! What the pages say, and how it stands in HTML.

use chrono::TimeDelta;
use longshore_rollout::record::State;
use longshore_testkit::altered;
use serde_json::json;

use super::html::{self, Frame};
use super::view::{DeploymentPage, Logs, Past, summary, timeline};
use crate::status::tests::deployment;

fn past(number: u32, state: State, seconds: i64) -> Past {
    let deployment = deployment(number, state);
    let end = deployment.requested_at + TimeDelta::seconds(seconds);
    let end = (!state.is_open()).then_some(end);
    Past::of(&altered(&deployment, &json!({"finished_at": end})))
}

#[test]
fn a_history_comes_to_how_many_went_well_and_how_long_half_of_these_took() {
    assert_eq!(summary(&[]), "no deployments yet");
    let history = [
        past(5, State::Deploying, 0),
        past(4, State::Superseded, 5),
        past(3, State::Succeeded, 300),
        past(2, State::RolledBack, 999),
        past(1, State::Succeeded, 90),
    ];
    assert_eq!(
        summary(&history),
        "5 deployments: 2 succeeded, 1 failed or went back; half of these took at most 1 min 30 s"
    );
    assert_eq!(
        summary(&[past(1, State::Failed, 9)]),
        "1 deployment: 0 succeeded, 1 failed or went back"
    );
}

#[test]
fn what_happened_is_told_in_the_order_of_time() {
    let failure = json!({
        "task": "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1",
        "stopped_reason": "Essential container in task exited",
        "containers": [{"name": "app", "exit_code": 1}],
        "stopped_at": "2026-11-21T12:01:00Z",
    });
    let deployment = altered(
        &deployment(43, State::RolledBack),
        &json!({
            "failures": [failure],
            "started_at": "2026-11-21T12:00:20Z",
            "task_definition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:42",
        }),
    );
    let told: Vec<String> = timeline(&deployment)
        .into_iter()
        .map(|step| format!("{} {}", step.at.format("%M:%S"), step.says.text))
        .collect();
    assert_eq!(
        told,
        [
            "00:00 asked for by a push",
            "00:10 begun by Longshore",
            "00:20 the service got shop-api:42",
            "01:00 task 0f3c1 died: app exited with 1; Essential container in task exited",
            "01:40 rolled back",
        ]
    );
}

#[test]
fn the_page_of_a_deployment_that_failed() {
    let failure = json!({
        "task": "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1",
        "stopped_reason": "Essential container in task exited",
        "containers": [{"name": "app", "exit_code": 1}],
        "stopped_at": "2026-11-21T12:01:00Z",
    });
    let deployment = altered(
        &deployment(43, State::RolledBack),
        &json!({"failures": [failure], "reason": "tasks failed to start"}),
    );
    let log = json!([{
        "task": "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1", "container": "app",
        "log_group": "/shop/api", "log_stream": "api/app/0f3c1",
        "lines": [{"at": "2026-11-21T12:00:59.5Z", "message": "<b>no such table</b>\n"}],
    }]);
    let logs = Logs {
        of: serde_json::from_value(log).unwrap(),
        problem: None,
    };
    let page = DeploymentPage::of(&deployment, 44, logs);
    let html = html::deployment(&Frame::live("services/shop/api/43.html"), &page);
    // A line for each element, so that a change is seen where it is.
    insta::assert_snapshot!("a-deployment-that-failed", html.replace("><", ">\n<"));
}
