//! What the pages say, and how it stands in HTML.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_bottles::sync::{ShardStatus, SyncStatus};
use longshore_events::transfer::TransferProgress;
use longshore_provisioning::drift::DriftReport;
use longshore_provisioning::ports::{Drift, PropertyDrift};
use longshore_rollout::record::State;
use longshore_testkit::altered;
use serde_json::json;

use super::html::{self, Frame};
use super::view::{Compared, DeploymentPage, Logs, MirrorPage, Past, StackPage, summary, timeline};
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

fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

#[test]
fn the_page_of_a_stack_that_somebody_has_changed_by_hand() {
    let drift = |logical_id: &str, resource_type: &str, properties: Vec<PropertyDrift>| Drift {
        logical_id: logical_id.to_owned(),
        physical_id: None,
        resource_type: resource_type.to_owned(),
        deleted: properties.is_empty(),
        properties,
    };
    let changed = PropertyDrift {
        path: "/RetentionInDays".to_owned(),
        expected: "14".to_owned(),
        actual: "<3".to_owned(),
    };
    let report = DriftReport {
        stack: "shop".to_owned(),
        drifted: vec![
            drift("ApiLogGroup", "AWS::Logs::LogGroup", vec![changed]),
            drift("ApiSecurityGroup", "AWS::EC2::SecurityGroup", Vec::new()),
        ],
    };
    let page = StackPage {
        stack: "shop".to_owned(),
        change: None,
        first_starts: Vec::new(),
        services: Vec::new(),
        drift: Some(Compared {
            at: noon(),
            report: Ok(report),
        }),
        has_mirror: true,
    };
    let html = html::stack(&Frame::live("stacks/shop.html"), &page);
    insta::assert_snapshot!("a-stack-that-has-drifted", html.replace("><", ">\n<"));
}

#[test]
fn the_page_of_a_mirror_whose_sync_runs() {
    let sync = json!({
        "id": "9f1c", "stack": "bottles", "bucket": "bottles-mirror", "source": {"kind": "schedule"},
        "requested_at": noon(), "state": "transferring", "worker_id": "9f1c", "lease_until": noon(),
        "planned_at": noon(), "runs_on": {"kind": "tasks", "tasks": 2},
        "total": {"files": 400, "bytes": 8_000_000, "estimated_bytes": 0},
        "shards": [{"shard": 1, "starts": 1}, {"shard": 2, "starts": 2, "problem": "killed"}],
        "told_shards": 0,
    });
    let progress = |files, bytes| TransferProgress {
        files,
        bytes,
        failed: 0,
    };
    let shard = |shard, done, problem: Option<&str>| ShardStatus {
        shard,
        files: 200,
        bytes: 4_000_000,
        done,
        is_done: shard == 1,
        worker_id: None,
        lease_until: None,
        attempts: shard,
        task_arn: None,
        problem: problem.map(str::to_owned),
    };
    let page = MirrorPage {
        stack: "bottles".to_owned(),
        status: Ok(SyncStatus {
            stack: "bottles".to_owned(),
            bucket: "bottles-mirror".to_owned(),
            sync: Some(serde_json::from_value(sync).unwrap()),
            done: progress(250, 5_000_000),
            shards: vec![
                shard(1, progress(200, 4_000_000), None),
                shard(2, progress(50, 1_000_000), Some("killed <again>")),
            ],
            published: None,
            raised_throughput: None,
        }),
    };
    assert!(page.is_open());
    let html = html::mirror(&Frame::live("mirrors/bottles.html"), &page);
    insta::assert_snapshot!("a-mirror-whose-sync-runs", html.replace("><", ">\n<"));
}
