//! The examples of queues and jobs in `stacks/examples`: what they are there to show holds in their templates.

use std::fs;
use std::path::PathBuf;

use longshore_stack::read::{Selection, read};
use longshore_stack::render::{Context, render};
use serde_json::{Value, json};

#[cfg(test)]
fn template(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../stacks/examples")
        .join(name);
    let reading = read(&fs::read(path).unwrap(), &Selection::Environment(None))
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(reading.warnings, []);
    let context = Context {
        permissions_boundary_arn: Some(
            "arn:aws:iam::123456789012:policy/longshore-permissions-boundary".to_owned(),
        ),
        ..Context::default()
    };
    let body = render(&reading.stack, &context).body;
    serde_json::from_str(&body).unwrap()
}

#[test]
fn django_has_one_queue_that_the_workers_receive_from_and_a_beat_that_never_runs_twice() {
    let resources = &template("django.yaml")["Resources"];
    assert_eq!(
        resources["SqsQueueCelery"]["Properties"]["VisibilityTimeout"],
        900
    );
    let rights = |service: &str| resources[format!("TaskRole{service}")]["Properties"].to_string();
    assert!(rights("Worker").contains("sqs:ReceiveMessage"));
    assert!(!rights("Web").contains("sqs:ReceiveMessage"));
    assert!(!rights("Beat").contains("s3:"));
    let deployment = &resources["ServiceBeat"]["Properties"]["DeploymentConfiguration"];
    assert_eq!(deployment["MaximumPercent"], 100);
}

#[test]
fn the_large_run_of_the_nightly_batch_has_its_own_size_and_is_tried_until_the_morning() {
    let resources = &template("nightly-batch.yaml")["Resources"];
    let target = &resources["ScheduleBatchInvoices"]["Properties"]["Target"];
    let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&input["cpu"], &input["memory"]),
        (&json!("4096"), &json!("16384"))
    );
    assert_eq!(target["RetryPolicy"]["MaximumEventAgeInSeconds"], 21_600);
    assert_eq!(resources["ServiceBatch"]["Properties"]["DesiredCount"], 0);
    assert_eq!(
        resources["SnsSubscriptionFinishedAccounting"]["Properties"]["FilterPolicy"],
        json!({"kind": ["invoices"]})
    );
}
