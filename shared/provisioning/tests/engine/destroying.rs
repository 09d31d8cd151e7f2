use longshore_provisioning::destroy::{Destroyed, destroy};
use longshore_provisioning::error::ProvisioningError;
use longshore_provisioning::ports::FoundFileSystem;
use longshore_provisioning::settled::stack_settled;
use longshore_rollout::documents::RouteStore;
use longshore_testkit::{FakeCloud, worker};

use crate::scene::{
    STACK, account, applied, built, ended, published, request, settings, stack_file,
    stack_file_with_data,
};

async fn destroyed(
    cloud: &FakeCloud,
    confirmation: Option<&str>,
) -> Result<Destroyed, ProvisioningError> {
    destroy(
        cloud,
        &settings(),
        STACK,
        confirmation,
        &request("destroy"),
        &worker("destroy", 200),
    )
    .await
}

fn data() -> FoundFileSystem {
    FoundFileSystem {
        name: "data".to_owned(),
        file_system_id: "fs-0a1b2c3d4e5f60718".to_owned(),
        size_in_bytes: 13_000_000_000,
    }
}

#[tokio::test]
async fn a_stack_without_data_goes_and_its_routes_with_it() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    stack_settled(&cloud, &settings(), STACK, &worker("rest", 70))
        .await
        .unwrap();
    assert_eq!(
        cloud
            .route("shop/api")
            .await
            .unwrap()
            .unwrap()
            .subscribers
            .len(),
        1
    );
    destroyed(&cloud, None).await.unwrap();
    assert_eq!(published(&cloud).last(), Some(&"Stack Applying"));
    ended(&cloud, "DELETE_COMPLETE").await;
    stack_settled(&cloud, &settings(), STACK, &worker("rest", 300))
        .await
        .unwrap();
    assert_eq!(
        cloud.route("shop/api").await.unwrap().unwrap().subscribers,
        []
    );
}

#[tokio::test]
async fn a_stack_with_data_must_be_named_once_more_and_the_refusal_says_what_it_holds() {
    let cloud = account();
    built(&cloud, &stack_file_with_data("retain")).await;
    cloud.add_file_system(STACK, data());
    let error = destroyed(&cloud, None).await.unwrap_err().to_string();
    assert!(
        error.contains("data (fs-0a1b2c3d4e5f60718, 12 GiB)"),
        "{error}"
    );
    assert!(error.contains("kept"), "{error}");
    assert!(destroyed(&cloud, Some("shop-prod")).await.is_err());
    let answer = destroyed(&cloud, Some(STACK)).await.unwrap();
    assert_eq!(answer.kept, [data()]);
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("DELETE_IN_PROGRESS")
    );
}

#[tokio::test]
async fn data_that_the_stack_file_lets_go_is_named_as_deleted() {
    let cloud = account();
    built(&cloud, &stack_file_with_data("delete")).await;
    cloud.add_file_system(STACK, data());
    let error = destroyed(&cloud, None).await.unwrap_err().to_string();
    assert!(error.contains("DELETED"), "{error}");
}

#[tokio::test]
async fn a_protected_stack_is_not_destroyed() {
    let cloud = account();
    let file = format!("{}\ntermination_protection: true\n", stack_file(256));
    built(&cloud, &file).await;
    let error = destroyed(&cloud, Some(STACK))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("termination_protection: false"), "{error}");
    applied(&cloud, &stack_file(256), "unprotect")
        .await
        .unwrap();
    destroyed(&cloud, None).await.unwrap();
}

#[tokio::test]
async fn a_stack_that_is_not_there_or_that_changes_is_not_destroyed() {
    let cloud = account();
    let error = destroyed(&cloud, None).await.unwrap_err().to_string();
    assert_eq!(error, "destroy stack shop: there is no such stack");
    applied(&cloud, &stack_file(256), "one").await.unwrap();
    let error = destroyed(&cloud, None).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "destroy stack shop: it is being changed; wait until that is done"
    );
}
