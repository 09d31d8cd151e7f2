//! What becomes of a change of a stack, by what CloudFormation says of it.

use std::collections::BTreeMap;

use longshore_events::incoming::StackChange;
use longshore_events::longshore::{
    ChangeCounts, FailedResource, LongshoreEvent, OperationKind, StackSource,
};
use longshore_provisioning::ports::{ObservedStack, REMAINS_TOKEN};
use longshore_provisioning::watch::{
    BEGINNING, StackOutcome, abandon, reconcile_operations, stack_changed,
};
use longshore_rollout::course::watch::task_stopped;
use longshore_rollout::stack_record::{Operation, Preserved, StackRecord};
use longshore_rollout::task_definition::STACK_TAG;
use longshore_state::ErrorClass;
use longshore_testkit::{
    FakeCloud, Fault, STACK_ID, noon, observed_stack, stack_change, subscriber, worker,
};

const FAULTS: [Fault; 6] = [
    Fault::Fails(ErrorClass::Transient),
    Fault::Fails(ErrorClass::Denied),
    Fault::Fails(ErrorClass::LostRace),
    Fault::AnswerLost,
    Fault::Dies,
    Fault::DiesAfter,
];

/// `provision` begins a change of a stack with one service.
fn begin(cloud: &FakeCloud, id: &str, seconds: i64) {
    let operation = Operation {
        services: vec![Preserved {
            subscriber: subscriber("api"),
            image: None,
            also: BTreeMap::new(),
            is_named: false,
        }],
        ..Operation::begin(
            id,
            OperationKind::Apply,
            StackSource::Manual {
                note: None,
                by: None,
            },
            noon(seconds),
        )
    };
    let before = cloud.stack_record("shop");
    let mut record = StackRecord::begin(
        "shop",
        before.as_ref(),
        operation,
        ChangeCounts::default(),
        &worker("provision", seconds),
    );
    record.outbox.clear();
    cloud.set_stack_record(record);
}

async fn hear(cloud: &FakeCloud, change: &StackChange) -> StackOutcome {
    stack_changed(cloud, change, &worker("watch", 0))
        .await
        .unwrap()
}

#[tokio::test]
async fn the_end_of_a_change_is_published_once_whatever_fails_and_however_often_it_is_heard_of() {
    for (status, expected) in [
        ("UPDATE_COMPLETE", "Stack Ready"),
        ("UPDATE_ROLLBACK_COMPLETE", "Stack Failed"),
    ] {
        let end = stack_change("change-1", status, 200);
        for call in 0..6 {
            for fault in FAULTS {
                let cloud = FakeCloud::default();
                begin(&cloud, "change-1", 100);
                cloud.inject(call, fault);
                for seconds in [210, 270, 390, 900] {
                    let _ = stack_changed(&cloud, &end, &worker("watch", seconds)).await;
                    cloud.recover();
                }
                let record = cloud.stack_record("shop").unwrap();
                assert!(!record.operation.is_changing());
                assert!(record.outbox.is_empty());
                let published = cloud.detail_types();
                assert!(
                    published.iter().all(|published| *published == expected)
                        && !published.is_empty(),
                    "call {call} {fault:?}: {published:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_change_that_failed_is_published_with_the_first_resource_that_failed_and_why() {
    let cloud = FakeCloud::default();
    begin(&cloud, "change-1", 100);
    let failure = FailedResource {
        logical_id: "ApiService".to_owned(),
        resource_type: "AWS::ECS::Service".to_owned(),
        physical_id: None,
        reason: "Invalid request provided: cpu".to_owned(),
    };
    cloud.set_first_failure(STACK_ID, failure.clone());
    hear(&cloud, &stack_change("change-1", "UPDATE_IN_PROGRESS", 110)).await;
    hear(
        &cloud,
        &StackChange {
            reason: Some("The following resource(s) failed to update: [ApiService].".to_owned()),
            ..stack_change("change-1", "UPDATE_ROLLBACK_IN_PROGRESS", 150)
        },
    )
    .await;
    hear(
        &cloud,
        &stack_change("change-1", "UPDATE_ROLLBACK_COMPLETE", 200),
    )
    .await;
    let published = cloud.published();
    let [LongshoreEvent::StackFailed(failed)] = published.as_slice() else {
        panic!("{published:?}");
    };
    assert_eq!(failed.failed_resource, Some(failure));
    assert_eq!(
        failed.reason,
        "The following resource(s) failed to update: [ApiService]."
    );
    assert_eq!(failed.finished_at, noon(200));
}

/// A task of `api` dies that the change has started.
async fn a_task_dies(cloud: &FakeCloud, seconds: i64) {
    let api = subscriber("api");
    let stopped = cloud.died(&api, &seconds.to_string(), seconds);
    task_stopped(
        cloud,
        &api.service_name(),
        &stopped,
        &worker("task", seconds),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_stack_that_failed_because_tasks_died_is_published_with_what_they_died_of() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.tag_task_definition(&api, STACK_TAG, "shop");
    cloud.set_beginning(&api, 105);
    begin(&cloud, "change-1", 100);
    hear(&cloud, &stack_change("change-1", "CREATE_IN_PROGRESS", 110)).await;
    a_task_dies(&cloud, 120).await;
    a_task_dies(&cloud, 130).await;
    hear(
        &cloud,
        &stack_change("change-1", "ROLLBACK_IN_PROGRESS", 150),
    )
    .await;
    hear(&cloud, &stack_change("change-1", "ROLLBACK_COMPLETE", 200)).await;
    let published = cloud.published();
    let [LongshoreEvent::StackFailed(failed)] = published.as_slice() else {
        panic!("{published:?}");
    };
    let [service] = failed.failed_services.as_slice() else {
        panic!("{failed:?}");
    };
    assert_eq!(service.service, "api");
    assert_eq!(service.failures.len(), 2);
    assert_eq!(service.failures[0].containers[0].exit_code, Some(1));

    // The next change begins without them.
    begin(&cloud, "change-2", 300);
    let record = cloud.stack_record("shop").unwrap();
    assert!(record.operation.failed_services.is_empty());
}

#[tokio::test]
async fn a_change_that_somebody_else_began_keeps_what_its_tasks_died_of_as_well() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.tag_task_definition(&api, STACK_TAG, "shop");
    cloud.set_beginning(&api, 105);
    cloud.set_observed_stack(observed_stack("CREATE_IN_PROGRESS", 100));
    hear(
        &cloud,
        &stack_change("terraform", "CREATE_IN_PROGRESS", 101),
    )
    .await;
    a_task_dies(&cloud, 120).await;
    cloud.set_observed_stack(observed_stack("ROLLBACK_COMPLETE", 100));
    hear(&cloud, &stack_change("terraform", "ROLLBACK_COMPLETE", 200)).await;
    let published = cloud.published();
    let [LongshoreEvent::StackFailed(failed)] = published.as_slice() else {
        panic!("{published:?}");
    };
    assert_eq!(failed.failed_services.len(), 1);
}

#[tokio::test]
async fn events_of_an_older_change_do_not_end_a_newer_one() {
    let cloud = FakeCloud::default();
    begin(&cloud, "change-1", 100);
    hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 200)).await;
    cloud.set_observed_stack(observed_stack("UPDATE_COMPLETE", 110));
    begin(&cloud, "change-2", 300);
    for late in ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"] {
        assert_eq!(
            hear(&cloud, &stack_change("change-1", late, 200)).await,
            StackOutcome::Ignored
        );
    }
    assert!(cloud.stack_record("shop").unwrap().operation.is_changing());
    // And when the newer one is over, nothing of the older one opens anything.
    hear(&cloud, &stack_change("change-2", "UPDATE_COMPLETE", 400)).await;
    for late in ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"] {
        hear(&cloud, &stack_change("change-1", late, 200)).await;
        hear(&cloud, &stack_change("change-2", late, 400)).await;
    }
    assert_eq!(cloud.detail_types(), ["Stack Ready", "Stack Ready"]);
    assert_eq!(cloud.stack_record("shop").unwrap().operation.id, "change-2");
}

#[tokio::test]
async fn an_end_without_our_token_is_compared_with_what_cloudformation_shows() {
    for (status, expected) in [
        ("UPDATE_IN_PROGRESS", StackOutcome::Changing),
        ("UPDATE_COMPLETE", StackOutcome::Ready),
    ] {
        let cloud = FakeCloud::default();
        begin(&cloud, "change-1", 100);
        cloud.set_observed_stack(observed_stack(status, 110));
        assert_eq!(
            hear(&cloud, &stack_change("", "UPDATE_COMPLETE", 200)).await,
            expected
        );
    }
}

#[tokio::test]
async fn what_is_not_a_change_of_a_stack_of_longshores_is_ignored() {
    let cloud = FakeCloud::default();
    cloud.set_observed_stack(ObservedStack {
        longshore: None,
        ..observed_stack("UPDATE_IN_PROGRESS", 100)
    });
    for change in [
        stack_change("console", "UPDATE_IN_PROGRESS", 101),
        stack_change("console", "UPDATE_COMPLETE", 200),
        stack_change("plan-1", "REVIEW_IN_PROGRESS", 90),
        stack_change(&format!("{REMAINS_TOKEN}-1"), "DELETE_IN_PROGRESS", 90),
        stack_change(&format!("{REMAINS_TOKEN}-1"), "DELETE_COMPLETE", 95),
    ] {
        assert_eq!(hear(&cloud, &change).await, StackOutcome::Ignored);
    }
    assert_eq!(cloud.stack_record("shop"), None);
    assert!(cloud.detail_types().is_empty());
}

#[tokio::test]
async fn an_import_is_a_step_and_no_end_of_a_change() {
    let cloud = FakeCloud::default();
    begin(&cloud, "change-1", 100);
    let mut record = cloud.stack_record("shop").unwrap();
    record.operation.continuation = Some("https://state/templates/shop/1.json".to_owned());
    cloud.set_stack_record(record);
    hear(
        &cloud,
        &stack_change("change-1-import", "IMPORT_IN_PROGRESS", 110),
    )
    .await;
    assert_eq!(
        hear(
            &cloud,
            &stack_change("change-1-import", "IMPORT_COMPLETE", 120)
        )
        .await,
        StackOutcome::Imported
    );
    cloud.set_observed_stack(observed_stack("IMPORT_COMPLETE", 110));
    let answer = reconcile_operations(&cloud, &worker("reconcile", 900))
        .await
        .unwrap();
    assert_eq!(answer.imported, ["shop"]);
    assert!(cloud.detail_types().is_empty());
    assert_eq!(
        hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 200)).await,
        StackOutcome::Ready
    );
    begin(&cloud, "change-2", 300);
    let mut record = cloud.stack_record("shop").unwrap();
    record.operation.continuation = Some("https://state/templates/shop/2.json".to_owned());
    cloud.set_stack_record(record);
    assert_eq!(
        hear(
            &cloud,
            &stack_change("change-2-import", "IMPORT_ROLLBACK_COMPLETE", 400)
        )
        .await,
        StackOutcome::Failed
    );
}

#[tokio::test]
async fn a_reconcile_closes_a_change_whose_end_was_lost_and_waits_as_long_as_cloudformation_does() {
    let cloud = FakeCloud::default();
    begin(&cloud, "change-1", 100);
    cloud.set_observed_stack(observed_stack("UPDATE_IN_PROGRESS", 110));
    for (status, seconds, closed) in [
        ("UPDATE_IN_PROGRESS", 5 * 3600, 0),
        ("UPDATE_COMPLETE", 6 * 3600, 1),
        ("UPDATE_COMPLETE", 7 * 3600, 0),
    ] {
        cloud.set_observed_stack(observed_stack(status, 110));
        let answer = reconcile_operations(&cloud, &worker("reconcile", seconds))
            .await
            .unwrap();
        assert_eq!(answer.closed, closed);
        assert!(answer.failures.is_empty(), "{answer:?}");
    }
    assert_eq!(cloud.detail_types(), ["Stack Ready"]);
}

#[tokio::test]
async fn a_change_that_cloudformation_never_heard_of_is_given_up_after_a_while() {
    let cloud = FakeCloud::default();
    // The stack is as the change before left it.
    cloud.set_observed_stack(observed_stack("UPDATE_COMPLETE", 0));
    begin(&cloud, "change-1", 100);
    for (seconds, closed) in [(200, 0), (200 + BEGINNING.num_seconds(), 1)] {
        let answer = reconcile_operations(&cloud, &worker("reconcile", seconds))
            .await
            .unwrap();
        assert_eq!(answer.closed, closed);
    }
    let published = cloud.published();
    let [LongshoreEvent::StackFailed(failed)] = published.as_slice() else {
        panic!("{published:?}");
    };
    assert!(failed.reason.contains("never asked"), "{}", failed.reason);
}

#[tokio::test]
async fn a_change_that_cloudformation_refuses_is_published_as_failed_and_not_as_begun() {
    let cloud = FakeCloud::default();
    let operation = Operation::begin(
        "change-1",
        OperationKind::Apply,
        StackSource::Manual {
            note: None,
            by: None,
        },
        noon(0),
    );
    let provision = worker("provision", 0);
    let changes = ChangeCounts::default();
    cloud.set_stack_record(StackRecord::begin(
        "shop", None, operation, changes, &provision,
    ));
    for _ in 0..2 {
        abandon(&cloud, "shop", "change-1", "no such role", &provision)
            .await
            .unwrap();
    }
    abandon(&cloud, "shop", "change-0", "no such role", &provision)
        .await
        .unwrap();
    assert_eq!(cloud.detail_types(), ["Stack Failed"]);
}
