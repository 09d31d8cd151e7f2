//! Services with several containers, each of which follows a repository of its own, when their stack changes: what
//! one container runs is never deployed to another.

use std::collections::BTreeMap;

use longshore_events::image::Image;
use longshore_events::longshore::{ChangeCounts, OperationKind, StackSource};
use longshore_events::manual::{HoldPayload, ResumePayload};
use longshore_policy::route::Subscriber;
use longshore_provisioning::watch::StackOutcome;
use longshore_rollout::engine::Outcome;
use longshore_rollout::record::State;
use longshore_rollout::stack_record::{Operation, OperationState, Preserved, StackRecord};
use longshore_rollout::triggers::hold::{hold, resume};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_rollout::triggers::settled::{Done, stack_settled};
use longshore_testkit::{
    FakeCloud, digest, noon, observed_stack, push, stack_change, subscriber, worker,
};
use serde_json::json;

use crate::stacks::hear;

use crate::support::stable;

const REGISTRY: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";

fn image(repository: &str, tag: &str, digit: char) -> Image {
    Image {
        repository: repository.to_owned(),
        tag: Some(tag.to_owned()),
        digest: digest(digit),
    }
}

async fn pushed(cloud: &FakeCloud, image: &Image, seconds: i64) {
    let tag = image.tag.as_deref().unwrap();
    cloud.set_now(noon(seconds));
    cloud.push_to(&image.repository, tag, image.digest.clone(), noon(seconds));
    let mut push = push(tag, image.digest.clone(), noon(seconds));
    push.image.repository.clone_from(&image.repository);
    let results = deploy_push(cloud, &push, &worker(&format!("push-{tag}"), seconds)).await;
    assert!(results.unwrap().iter().all(Result::is_ok));
}

/// A service that runs v1 with proxy p1; the proxy was deployed last.
async fn service() -> (FakeCloud, Subscriber) {
    let api = subscriber("api");
    let mut proxy = subscriber("api");
    "proxy".clone_into(&mut proxy.container);
    proxy.image_policy.tags = vec!["p*".to_owned()];
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.change_task_definition(&api, |document| {
        let containers = document["containerDefinitions"].as_array_mut().unwrap();
        containers.push(json!({"name": "proxy", "image": format!("{REGISTRY}/shop/proxy:p0")}));
    });
    cloud.set_route("shop/proxy", vec![proxy]);
    pushed(&cloud, &image("shop/api", "v1", '1'), 0).await;
    stable(&cloud, &api, 50).await;
    pushed(&cloud, &image("shop/proxy", "p1", 'a'), 100).await;
    stable(&cloud, &api, 150).await;
    assert_runs(&cloud, &api, '1', 'a');
    (cloud, api)
}

/// CloudFormation deploys a revision of its own with these images.
fn applied(cloud: &FakeCloud, api: &Subscriber, app: char, proxy: char) {
    cloud.set_now(noon(220));
    let app = format!("{REGISTRY}/shop/api@{}", digest(app));
    cloud.deploy_outside(api, &app, 220);
    cloud.change_task_definition(api, |document| {
        let containers = document["containerDefinitions"].as_array_mut().unwrap();
        let proxy = format!("{REGISTRY}/shop/proxy@{}", digest(proxy));
        containers.push(json!({"name": "proxy", "image": proxy}));
    });
    cloud.complete(api);
}

/// The stack has settled after a change whose template preserved these images.
async fn settled(
    cloud: &FakeCloud,
    api: &Subscriber,
    state: OperationState,
    main: (Option<Image>, bool),
    also: Option<Image>,
) -> Done {
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    let (image, is_named) = main;
    let operation = Operation {
        state,
        services: vec![Preserved {
            subscriber: api.clone(),
            image,
            also: also
                .map(|image| ("proxy".to_owned(), image))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            is_named,
        }],
        ..Operation::begin("operation-1", OperationKind::Apply, source, noon(200))
    };
    let changes = ChangeCounts::default();
    let record = StackRecord::begin("shop", None, operation, changes, &worker("provision", 200));
    cloud.set_stack_record(record);
    cloud.set_now(noon(300));
    let settled = stack_settled(cloud, "shop", &worker("at-rest", 300)).await;
    let mut services = settled.unwrap().services;
    services.remove(0).unwrap().done
}

#[track_caller]
fn assert_runs(cloud: &FakeCloud, api: &Subscriber, app: char, proxy: char) {
    let running = cloud.service(api).unwrap().task_definition;
    let definition = cloud.task_definition(&running).unwrap();
    for (container, repository, digit) in [("app", "shop/api", app), ("proxy", "shop/proxy", proxy)]
    {
        assert_eq!(
            definition.image_of(container).unwrap(),
            format!("{REGISTRY}/{repository}@{}", digest(digit)),
            "{container}"
        );
    }
}

#[tokio::test]
async fn a_change_that_carries_what_runs_leaves_all_containers_as_they_are() {
    let (cloud, api) = service().await;
    let updates = cloud.updates(&api);
    applied(&cloud, &api, '1', 'a');
    let main = (Some(image("shop/api", "v1", '1')), false);
    let also = Some(image("shop/proxy", "p1", 'a'));
    let done = settled(&cloud, &api, OperationState::Ready, main, also).await;
    assert!(matches!(done, Done::Adopted { .. }), "{done:?}");
    assert_eq!(cloud.updates(&api), updates);
    assert_runs(&cloud, &api, '1', 'a');
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(deployment.state, State::Succeeded);
    assert_eq!(deployment.container, "proxy");
    assert_eq!(
        deployment.task_definition,
        Some(cloud.service(&api).unwrap().task_definition)
    );
    // Twice is harmless.
    let main = (Some(image("shop/api", "v1", '1')), false);
    let also = Some(image("shop/proxy", "p1", 'a'));
    let done = settled(&cloud, &api, OperationState::Ready, main, also).await;
    assert_eq!(done, Done::Nothing);
}

#[tokio::test]
async fn a_change_that_was_taken_back_has_each_container_put_back() {
    let (cloud, api) = service().await;
    applied(&cloud, &api, '0', 'f');
    let main = (Some(image("shop/api", "v1", '1')), false);
    let also = Some(image("shop/proxy", "p1", 'a'));
    let done = settled(&cloud, &api, OperationState::Failed, main, also).await;
    assert!(matches!(done, Done::Restore { .. }), "{done:?}");
    assert_runs(&cloud, &api, '1', 'a');
}

#[tokio::test]
async fn only_the_container_is_restored_that_lost_its_image() {
    let (cloud, api) = service().await;
    applied(&cloud, &api, '1', 'f');
    let main = (Some(image("shop/api", "v1", '1')), false);
    let also = Some(image("shop/proxy", "p1", 'a'));
    let done = settled(&cloud, &api, OperationState::Failed, main, also).await;
    assert!(matches!(done, Done::Restore { .. }), "{done:?}");
    assert_runs(&cloud, &api, '1', 'a');
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(deployment.container, "proxy");
    assert!(deployment.previous_image.ends_with(digest('f').as_str()));
}

#[tokio::test]
async fn an_image_that_the_stack_file_names_for_one_container_changes_no_other() {
    let (cloud, api) = service().await;
    let updates = cloud.updates(&api);
    applied(&cloud, &api, '9', 'a');
    let main = (Some(image("shop/api", "v9", '9')), true);
    let also = Some(image("shop/proxy", "p1", 'a'));
    let done = settled(&cloud, &api, OperationState::Ready, main, also).await;
    assert!(matches!(done, Done::Adopted { .. }), "{done:?}");
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(deployment.container, "app");
    assert_eq!(deployment.image.digest, digest('9'));
    assert_eq!(cloud.updates(&api), updates);
    assert_runs(&cloud, &api, '9', 'a');
}

#[tokio::test]
async fn an_image_that_the_stack_file_names_for_a_sidecar_is_not_taken_back() {
    let (cloud, api) = service().await;
    let updates = cloud.updates(&api);
    applied(&cloud, &api, '1', 'e');
    // What is asked for anew is not preserved beside the others.
    let main = (Some(image("shop/api", "v1", '1')), false);
    let done = settled(&cloud, &api, OperationState::Ready, main, None).await;
    assert!(matches!(done, Done::Adopted { .. }), "{done:?}");
    assert_eq!(cloud.updates(&api), updates);
    assert_runs(&cloud, &api, '1', 'e');
}

#[tokio::test]
async fn a_sidecar_that_was_deployed_while_the_template_was_made_is_restored() {
    let (cloud, api) = service().await;
    // Claimed after the template was made.
    pushed(&cloud, &image("shop/proxy", "p2", 'b'), 210).await;
    applied(&cloud, &api, '1', 'a');
    let main = (Some(image("shop/api", "v1", '1')), false);
    let also = Some(image("shop/proxy", "p1", 'a'));
    let done = settled(&cloud, &api, OperationState::Ready, main, also).await;
    assert!(matches!(done, Done::Restore { .. }), "{done:?}");
    assert_runs(&cloud, &api, '1', 'b');
}

/// CloudFormation changes the stack, begun by nobody that Longshore knows, deploys these images and goes back.
async fn failed_past_longshore(cloud: &FakeCloud, api: &Subscriber, app: char, proxy: char) {
    cloud.set_observed_stack(observed_stack("UPDATE_IN_PROGRESS", 200));
    let begun = stack_change("terraform-1", "UPDATE_IN_PROGRESS", 201);
    assert_eq!(hear(cloud, &begun).await, StackOutcome::Changing);
    applied(cloud, api, app, proxy);
    cloud.set_observed_stack(observed_stack("UPDATE_ROLLBACK_COMPLETE", 200));
    let ended = stack_change("terraform-1", "UPDATE_ROLLBACK_COMPLETE", 250);
    assert_eq!(hear(cloud, &ended).await, StackOutcome::Failed);
    cloud.set_now(noon(300));
    stack_settled(cloud, "shop", &worker("at-rest", 300))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_change_past_longshore_that_failed_brings_no_sidecars_image_into_the_main_container() {
    let (cloud, api) = service().await;
    failed_past_longshore(&cloud, &api, '0', 'a').await;
    assert_runs(&cloud, &api, '1', 'a');
}

#[tokio::test]
async fn after_a_change_past_longshore_that_failed_each_container_runs_what_it_ran_before() {
    for (app, proxy) in [('0', '0'), ('1', '0'), ('0', 'a'), ('1', 'a')] {
        let (cloud, api) = service().await;
        failed_past_longshore(&cloud, &api, app, proxy).await;
        assert_runs(&cloud, &api, '1', 'a');
    }
}

async fn held(cloud: &FakeCloud) {
    let payload = HoldPayload {
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        note: None,
        until: None,
        by: None,
    };
    for held in hold(cloud, &payload, &worker("hold", 200)).await.unwrap() {
        held.unwrap();
    }
}

#[tokio::test]
async fn what_went_out_when_a_service_is_resumed_is_reported_beside_what_failed() {
    let (cloud, _) = service().await;
    held(&cloud).await;
    pushed(&cloud, &image("shop/api", "v2", '2'), 210).await;
    pushed(&cloud, &image("shop/proxy", "p2", 'b'), 220).await;
    // Nobody subscribes the proxy to its repository any more.
    cloud.set_route("shop/proxy", Vec::new());
    let resumed = ResumePayload {
        held_since: None,
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        note: None,
        by: None,
    };
    cloud.set_now(noon(230));
    let mut services = resume(&cloud, &resumed, &worker("resume", 230))
        .await
        .unwrap();
    let waited = services.remove(0).unwrap().waited;
    let [Outcome::Started { .. }, Outcome::Failed { reason }] = waited.as_slice() else {
        panic!("{waited:?}");
    };
    assert!(reason.contains("routes/shop/proxy.json"), "{reason}");
}

#[tokio::test]
async fn images_of_two_containers_that_one_reconcile_found_while_the_service_was_held_both_go_out()
{
    let (cloud, api) = service().await;
    held(&cloud).await;
    // No event reports them.
    cloud.push_to("shop/api", "v2", digest('2'), noon(210));
    cloud.push_to("shop/proxy", "p2", digest('b'), noon(210));
    cloud.set_now(noon(220));
    let found = reconcile(&cloud, &worker("reconcile", 220)).await.unwrap();
    assert_eq!(found.failures, Vec::<String>::new());
    let waiting = cloud.record(&api).unwrap().waiting.clone();
    assert_ne!(waiting["app"].request.id, waiting["proxy"].request.id);

    let resumed = ResumePayload {
        held_since: None,
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        note: None,
        by: None,
    };
    cloud.set_now(noon(230));
    for resumed in resume(&cloud, &resumed, &worker("resume", 230))
        .await
        .unwrap()
    {
        resumed.unwrap();
    }
    stable(&cloud, &api, 240).await;
    assert_runs(&cloud, &api, '2', 'b');
}
