//! The examples of queues and jobs in `stacks/examples`: what they are there to show holds in their templates.

use serde_json::{Value, json};

use crate::support::example;

#[test]
fn django_has_one_queue_that_the_workers_receive_from_and_a_beat_that_never_runs_twice() {
    let resources = example("django.yaml");
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
    let resources = example("nightly-batch.yaml");
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

#[test]
fn the_checkout_goes_back_by_itself_and_its_job_ends_in_time() {
    let resources = example("checkout.yaml");
    let deployment = &resources["ServicePayments"]["Properties"]["DeploymentConfiguration"];
    assert_eq!(deployment["Strategy"], "CANARY");
    assert_eq!(deployment["Alarms"]["Rollback"], true);
    let target = &resources["SchedulePaymentsSettle"]["Properties"]["Target"];
    let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
    let container = &input["containerOverrides"][0];
    assert_eq!(container["command"], json!(["payments", "settle"]));
    let limits = container["environment"].to_string();
    assert!(
        limits.contains("LONGSHORE_RUN") && limits.contains("3600"),
        "{limits}"
    );
    let actions = &resources["ListenerRuleStaff"]["Properties"]["Actions"];
    assert_eq!(actions[0]["Type"], "authenticate-cognito");
    assert_eq!(
        resources["RefundsAlarm"]["Properties"]["Dimensions"][0]["Value"],
        json!({"Fn::GetAtt": ["SqsDeadLetterQueueRefunds", "QueueName"]})
    );
}
