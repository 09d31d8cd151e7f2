//! A failure at every call; the retry, or the next one who comes, completes everything.

use longshore_provisioning::apply::apply;
use longshore_provisioning::destroy::destroy;
use longshore_provisioning::file::apply_file;
use longshore_provisioning::settled::stack_settled;
use longshore_state::ErrorClass;
use longshore_testkit::{Fault, worker};

use crate::scene::{
    STACK, account, built, ended, published, reading, record, request, settings, stack_file,
    written,
};

const FAULTS: [Fault; 4] = [
    Fault::Fails(ErrorClass::Transient),
    Fault::AnswerLost,
    Fault::Dies,
    Fault::DiesAfter,
];

#[tokio::test]
async fn a_creation_that_fails_at_any_call_is_brought_to_its_end_by_its_retry() {
    let calls = {
        let cloud = account();
        let event = written(&cloud, &stack_file(256));
        apply_file(&cloud, &settings(), &event, &worker("create", 0))
            .await
            .unwrap();
        cloud.calls().len()
    };
    assert!(calls >= 8, "{calls}");
    for fault in FAULTS {
        for call in 0..calls {
            let cloud = account();
            let event = written(&cloud, &stack_file(256));
            cloud.forget_calls();
            cloud.inject(call, fault);
            let first = apply_file(&cloud, &settings(), &event, &worker("create", 0)).await;
            cloud.recover();
            let second = apply_file(&cloud, &settings(), &event, &worker("create", 60)).await;
            assert!(
                second.is_ok(),
                "{fault:?} at call {call}: {first:?}, then {second:?}"
            );
            assert_eq!(
                cloud.stack_status(STACK).as_deref(),
                Some("CREATE_IN_PROGRESS"),
                "{fault:?} at call {call}: {first:?}, then {second:?}"
            );
            assert!(
                published(&cloud).contains(&"Stack Applying"),
                "{fault:?} at call {call}"
            );
            ended(&cloud, "CREATE_COMPLETE").await;
            stack_settled(&cloud, &settings(), STACK, &worker("rest", 120))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn an_update_that_fails_at_any_call_is_brought_to_its_end_by_its_retry() {
    for fault in FAULTS {
        for call in 0..20 {
            let cloud = account();
            built(&cloud, &stack_file(256)).await;
            cloud.forget_calls();
            cloud.inject(call, fault);
            let update = async |seconds| {
                apply(
                    &cloud,
                    &settings(),
                    &reading(&stack_file(512)),
                    &request("update"),
                    &worker("update", seconds),
                )
                .await
            };
            let first = update(0).await;
            cloud.recover();
            let second = update(60).await;
            assert!(
                second.is_ok(),
                "{fault:?} at call {call}: {first:?}, then {second:?}"
            );
            assert_eq!(
                cloud.stack_status(STACK).as_deref(),
                Some("UPDATE_IN_PROGRESS"),
                "{fault:?} at call {call}: {first:?}, then {second:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_protection_that_could_not_be_set_is_set_by_the_retry() {
    let cloud = account();
    let file = format!("{}\ntermination_protection: true\n", stack_file(256));
    cloud.inject_at(
        "UpdateTerminationProtection",
        Fault::Fails(ErrorClass::Transient),
    );
    assert!(crate::scene::applied(&cloud, &file, "one").await.is_err());
    crate::scene::applied(&cloud, &file, "one").await.unwrap();
    let described = longshore_provisioning::ports::StackProvisioner::describe(&cloud, STACK)
        .await
        .unwrap()
        .unwrap();
    assert!(described.termination_protection);
}

#[tokio::test]
async fn a_refusal_by_cloudformation_leaves_the_stack_settled_and_is_published() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    cloud.inject_at("ExecuteChangeSet", Fault::Fails(ErrorClass::Denied));
    let outcome = apply(
        &cloud,
        &settings(),
        &reading(&stack_file(512)),
        &request("update"),
        &worker("update", 0),
    )
    .await;
    assert!(outcome.is_err());
    assert!(!record(&cloud).await.operation.is_changing());
    assert_eq!(published(&cloud).last(), Some(&"Stack Failed"));
}

#[tokio::test]
async fn a_destruction_that_fails_at_any_call_is_brought_to_its_end_by_its_retry() {
    for fault in FAULTS {
        for call in 0..10 {
            let cloud = account();
            built(&cloud, &stack_file(256)).await;
            cloud.forget_calls();
            cloud.inject(call, fault);
            let destruction = async |seconds| {
                destroy(
                    &cloud,
                    &settings(),
                    STACK,
                    None,
                    &request("destroy"),
                    &worker("destroy", seconds),
                )
                .await
            };
            let first = destruction(0).await;
            cloud.recover();
            let second = destruction(60).await;
            assert!(
                second.is_ok(),
                "{fault:?} at call {call}: {first:?}, then {second:?}"
            );
            assert_eq!(
                cloud.stack_status(STACK).as_deref(),
                Some("DELETE_IN_PROGRESS"),
                "{fault:?} at call {call}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_done_at_rest_can_be_done_again_after_any_failure() {
    for fault in FAULTS {
        for call in 0..16 {
            let cloud = account();
            built(&cloud, &stack_file(256)).await;
            cloud.forget_calls();
            cloud.inject(call, fault);
            let _ = stack_settled(&cloud, &settings(), STACK, &worker("rest", 70)).await;
            cloud.recover();
            stack_settled(&cloud, &settings(), STACK, &worker("rest", 130))
                .await
                .unwrap();
            let routes = longshore_rollout::documents::RouteStore::route(&cloud, "shop/api")
                .await
                .unwrap()
                .unwrap();
            assert_eq!(routes.subscribers.len(), 1, "{fault:?} at call {call}");
        }
    }
}
