//! Images that a service needs and that its repository does not hold any more.

use longshore_events::longshore::{ImageNeed, LongshoreEvent};
use longshore_policy::route::Subscriber;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

/// A service that ran `2` and runs `3`.
async fn deployed_twice(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    for (digit, seconds) in [('2', 0), ('3', 100)] {
        cloud.set_now(noon(seconds));
        let push = cloud.push(&format!("v{digit}"), digest(digit), noon(seconds));
        let worker = worker(&format!("push-{digit}"), seconds);
        let results = deploy_push(&cloud, &push, &worker).await.unwrap();
        assert!(results.iter().all(Result::is_ok));
        cloud.complete(api);
        look(&cloud, seconds + 50).await;
    }
    cloud
}

async fn look(cloud: &FakeCloud, seconds: i64) -> Vec<String> {
    let reconciled = reconcile(cloud, &worker("schedule", seconds)).await;
    reconciled.unwrap().failures
}

fn missing(cloud: &FakeCloud) -> Vec<(char, ImageNeed)> {
    cloud
        .published()
        .into_iter()
        .filter_map(|event| match event {
            LongshoreEvent::ImageMissing(event) => {
                let digit = event.image.digest.as_str().chars().last()?;
                Some((digit, event.needed_for))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn an_image_that_runs_and_was_expired_is_published_once_and_anew_when_it_goes_again() {
    let api = subscriber("api");
    let cloud = deployed_twice(&api).await;
    look(&cloud, 200).await;
    assert_eq!(missing(&cloud), []);

    cloud.delete_image("shop/api", &digest('3'));
    for seconds in [300, 400] {
        assert_eq!(look(&cloud, seconds).await, Vec::<String>::new());
    }
    assert_eq!(missing(&cloud), [('3', ImageNeed::Running)]);

    cloud.push_to("shop/api", "v3", digest('3'), noon(450));
    look(&cloud, 500).await;
    assert!(cloud.record(&api).unwrap().missing.is_empty());
    cloud.delete_image("shop/api", &digest('3'));
    look(&cloud, 600).await;
    assert_eq!(missing(&cloud).len(), 2);
}

#[tokio::test]
async fn an_image_that_a_rollback_would_need_is_published_as_such() {
    let api = subscriber("api");
    let cloud = deployed_twice(&api).await;
    cloud.delete_image("shop/api", &digest('2'));
    look(&cloud, 300).await;
    look(&cloud, 400).await;
    assert_eq!(missing(&cloud), [('2', ImageNeed::Rollback)]);
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_a_failure_and_loses_nothing_that_was_known() {
    let api = subscriber("api");
    let cloud = deployed_twice(&api).await;
    cloud.delete_image("shop/api", &digest('3'));
    look(&cloud, 300).await;
    // The record says now that the image is missing.
    look(&cloud, 325).await;
    cloud.forget_calls();
    look(&cloud, 350).await;
    let calls = cloud.calls();
    let asked = calls
        .iter()
        .rposition(|call| call == "DescribeImages")
        .unwrap();
    cloud.inject(asked, Fault::Fails(ErrorClass::Transient));
    assert_eq!(look(&cloud, 400).await.len(), 1);
    cloud.recover();
    look(&cloud, 500).await;
    assert_eq!(missing(&cloud), [('3', ImageNeed::Running)]);
}

#[tokio::test]
async fn an_image_of_another_accounts_registry_is_not_looked_for_in_this_one() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let elsewhere = "999999999999.dkr.ecr.eu-west-1.amazonaws.com/shop/api";
    cloud.change_task_definition(&api, |document| {
        let image = format!("{elsewhere}@{}", digest('9'));
        document["containerDefinitions"][0]["image"] = image.into();
    });
    let push = cloud.push("v2", digest('2'), noon(0));
    deploy_push(&cloud, &push, &worker("push", 0))
        .await
        .unwrap();
    cloud.complete(&api);
    cloud.delete_image("shop/api", &digest('2'));
    look(&cloud, 100).await;
    look(&cloud, 200).await;
    assert_eq!(missing(&cloud), []);
}
