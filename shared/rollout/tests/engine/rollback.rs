//! Rolling back by hand: to what, with which images, and what no policy undoes.

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::image::Digest;
use longshore_events::longshore::{
    ChangeCounts, LongshoreEvent, OperationKind, SkipReason, Source, StackSource,
};
use longshore_events::manual::RollbackPayload;
use longshore_policy::route::Subscriber;
use longshore_policy::settings::{Approval, OneOffTask};
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::engine::{Outcome, ServiceOutcome};
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::stack_record::{Operation, StackRecord};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::rollback::{RollbackError, rollback, way_back};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, push, subscriber, worker};
use serde_json::json;

use crate::support::stable;

fn payload(to: Option<u32>) -> RollbackPayload {
    RollbackPayload {
        from: None,
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        to,
        note: Some("ticket 7".to_owned()),
        by: None,
    }
}

fn latest(cloud: &FakeCloud, api: &Subscriber) -> Deployment {
    cloud.record(api).unwrap().deployment.clone()
}

async fn pushed(cloud: &FakeCloud, tag: &str, digit: char, seconds: i64) {
    let push = cloud.push(tag, digest(digit), noon(seconds));
    let results = deploy_push(cloud, &push, &worker(&format!("push-{tag}"), seconds))
        .await
        .unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// A service to which v1, v2 and v3 were deployed one after the other, as its deployments 1 to 3.
async fn three_deployed(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    for (tag, digit, seconds) in [("v1", '1', 0), ("v2", '2', 100), ("v3", '3', 200)] {
        cloud.set_now(noon(seconds));
        pushed(&cloud, tag, digit, seconds).await;
        stable(&cloud, api, seconds + 50).await;
    }
    assert_eq!(latest(&cloud, api).number, 3);
    assert_eq!(latest(&cloud, api).state, State::Succeeded);
    cloud.set_now(noon(300));
    cloud
}

async fn back(
    cloud: &FakeCloud,
    to: Option<u32>,
    id: &str,
    seconds: i64,
) -> Result<ServiceOutcome, RollbackError> {
    cloud.set_now(noon(seconds));
    rollback(cloud, &payload(to), &worker(id, seconds)).await
}

async fn refusal(cloud: &FakeCloud, to: Option<u32>) -> String {
    let calls = cloud.published().len();
    let refused = back(cloud, to, "back", 300).await.unwrap_err();
    assert!(
        matches!(refused, RollbackError::Refused { .. }),
        "{refused}"
    );
    assert_eq!(cloud.published().len(), calls);
    refused.to_string()
}

#[track_caller]
fn assert_runs(cloud: &FakeCloud, api: &Subscriber, digest: &Digest) {
    let image = cloud.running_image(api).unwrap();
    assert!(image.ends_with(digest.as_str()), "{image}");
}

#[tokio::test]
async fn whoever_goes_back_from_a_deployment_that_they_looked_at_goes_back_once() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    let from = |from| RollbackPayload {
        from: Some(from),
        ..payload(None)
    };
    let outdated = rollback(&cloud, &from(2), &worker("outdated", 300)).await;
    assert_eq!(
        outdated.unwrap_err().to_string(),
        format!(
            "roll service api of stack shop back: deployment 3, of shop/api:v3@{}, came after deployment 2: look at \
             it first",
            digest('3')
        )
    );
    let first = rollback(&cloud, &from(3), &worker("first", 300))
        .await
        .unwrap();
    assert!(matches!(first.outcome, Outcome::Started { .. }));
    // Two people, or one person twice: the second does not go further back.
    for (id, reason) in [
        ("second", SkipReason::AlreadyDeploying),
        ("third", SkipReason::AlreadyRunning),
    ] {
        let again = rollback(&cloud, &from(3), &worker(id, 310)).await.unwrap();
        assert_eq!(again.outcome, Outcome::Skipped { reason });
        stable(&cloud, &api, 350).await;
    }
    assert_runs(&cloud, &api, &digest('2'));
    assert_eq!(latest(&cloud, &api).number, 4);
}

#[tokio::test]
async fn a_rollback_goes_to_the_last_deployment_that_succeeded_with_another_image() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    let outcome = back(&cloud, None, "back", 300).await.unwrap();
    assert!(matches!(outcome.outcome, Outcome::Started { .. }));
    assert_runs(&cloud, &api, &digest('2'));
    let deployment = latest(&cloud, &api);
    assert_eq!(deployment.number, 4);
    assert_eq!(deployment.id, "back");
    assert_eq!(
        deployment.source,
        Source::Rollback {
            to: 2,
            note: Some("ticket 7".to_owned()),
            by: None,
        }
    );
    assert_eq!(deployment.image.tag.as_deref(), Some("v2"));
    assert!(deployment.previous_image.ends_with(digest('3').as_str()));
    assert_eq!(cloud.record(&api).unwrap().blocked, [digest('3')]);
    stable(&cloud, &api, 350).await;
    assert_eq!(cloud.detail_types().last(), Some(&"Deployment Succeeded"));
}

#[tokio::test]
async fn a_second_rollback_goes_further_back_and_not_to_what_was_rolled_back_from() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    back(&cloud, None, "back", 300).await.unwrap();
    stable(&cloud, &api, 350).await;
    back(&cloud, None, "back-again", 400).await.unwrap();
    assert_runs(&cloud, &api, &digest('1'));
    assert_eq!(
        cloud.record(&api).unwrap().blocked,
        [digest('3'), digest('2')]
    );
    // Whoever names it means it.
    stable(&cloud, &api, 450).await;
    back(&cloud, Some(3), "forward", 500).await.unwrap();
    assert_runs(&cloud, &api, &digest('3'));
    assert_eq!(
        cloud.record(&api).unwrap().blocked,
        [digest('2'), digest('1')]
    );
}

#[tokio::test]
async fn neither_a_late_event_nor_a_push_of_the_same_image_undoes_a_rollback_and_something_newer_does()
 {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    back(&cloud, None, "back", 300).await.unwrap();
    stable(&cloud, &api, 350).await;
    let updates = cloud.updates(&api);
    // The event of v3 once more, and its image under another tag.
    let late = push("v3", digest('3'), noon(200));
    deploy_push(&cloud, &late, &worker("late", 400))
        .await
        .unwrap();
    pushed(&cloud, "v3.1", '3', 410).await;
    assert_eq!(cloud.updates(&api), updates);
    assert_runs(&cloud, &api, &digest('2'));
    pushed(&cloud, "v4", '4', 420).await;
    assert_runs(&cloud, &api, &digest('4'));
}

#[tokio::test]
async fn a_rollback_takes_the_place_of_a_deployment_that_is_open() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    pushed(&cloud, "v4", '4', 290).await;
    assert_eq!(latest(&cloud, &api).state, State::Deploying);
    back(&cloud, None, "back", 300).await.unwrap();
    assert_runs(&cloud, &api, &digest('3'));
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.blocked, [digest('4')]);
    assert!(cloud.detail_types().contains(&"Deployment Superseded"));
    let history = cloud.history(&api);
    assert_eq!(history.last().unwrap().number, 4);
    assert_eq!(history.last().unwrap().state, State::Superseded);
}

#[tokio::test]
async fn a_rollback_from_a_deployment_whose_tasks_still_run_goes_to_what_runs() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    let mut migrating = api.clone();
    migrating.rollout.before_tasks = vec![OneOffTask {
        name: "migrate".to_owned(),
        command: vec!["migrate".to_owned()],
        environment: [].into(),
        timeout_minutes: 15,
    }];
    cloud.set_route("shop/api", vec![migrating]);
    pushed(&cloud, "v4", '4', 290).await;
    assert_eq!(latest(&cloud, &api).state, State::Preparing);
    back(&cloud, None, "back", 300).await.unwrap();
    let deployment = latest(&cloud, &api);
    // Nobody wants to wait for a migration now.
    assert_eq!(deployment.state, State::Deploying);
    assert_runs(&cloud, &api, &digest('3'));
}

#[tokio::test]
async fn a_rollback_waits_for_nothing() {
    let mut api = subscriber("api");
    let cloud = three_deployed(&api).await;
    api.rollout.approval = Some(Approval {
        expires_after_minutes: 60,
    });
    cloud.set_route("shop/api", vec![api.clone()]);
    back(&cloud, None, "back", 300).await.unwrap();
    assert_runs(&cloud, &api, &digest('2'));
}

#[tokio::test]
async fn the_rest_of_the_task_definition_stays_what_it_is_now() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    let running = cloud.service(&api).unwrap().task_definition;
    back(&cloud, Some(1), "back", 300).await.unwrap();
    let document = |arn: &str| cloud.task_definition(arn).unwrap().document;
    let mut before = document(&running);
    let mut after = document(&cloud.service(&api).unwrap().task_definition);
    for document in [&mut before, &mut after] {
        document["containerDefinitions"][0]["image"] = "".into();
        document["taskDefinitionArn"] = "".into();
    }
    assert_eq!(before, after);
    assert_runs(&cloud, &api, &digest('1'));
}

#[tokio::test]
async fn a_deployment_whose_image_is_gone_is_refused_and_the_next_is_named() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    cloud.delete_image("shop/api", &digest('2'));
    let refused = refusal(&cloud, None).await;
    for words in ["deployment 2", "v2", "deployment 1", "v1", "`to`"] {
        assert!(refused.contains(words), "{refused}");
    }
    assert_runs(&cloud, &api, &digest('3'));
    back(&cloud, Some(1), "back", 300).await.unwrap();
    assert_runs(&cloud, &api, &digest('1'));
}

#[tokio::test]
async fn a_rollback_to_nothing_is_refused_with_what_there_is() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let refused = refusal(&cloud, None).await;
    assert!(refused.contains("has deployed nothing"), "{refused}");
    pushed(&cloud, "v2", '2', 0).await;
    stable(&cloud, &api, 50).await;
    let refused = refusal(&cloud, None).await;
    assert!(refused.contains("shop/api:v1"), "{refused}");
    let refused = refusal(&cloud, Some(9)).await;
    assert!(refused.contains("no deployment 9"), "{refused}");
    assert!(refused.contains("from 1 to 1"), "{refused}");
}

#[tokio::test]
async fn a_deployment_that_did_not_succeed_is_not_a_target() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    pushed(&cloud, "v4", '4', 290).await;
    pushed(&cloud, "v5", '5', 295).await;
    stable(&cloud, &api, 297).await;
    let refused = refusal(&cloud, Some(4)).await;
    assert!(refused.contains("did not succeed"), "{refused}");
    assert!(refused.contains("v4"), "{refused}");
    back(&cloud, None, "back", 300).await.unwrap();
    assert_runs(&cloud, &api, &digest('3'));
}

#[tokio::test]
async fn a_rollback_to_what_runs_is_skipped() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    let updates = cloud.updates(&api);
    let outcome = back(&cloud, Some(3), "back", 300).await.unwrap();
    assert_eq!(
        outcome.outcome,
        Outcome::Skipped {
            reason: SkipReason::AlreadyRunning
        }
    );
    assert_eq!(cloud.updates(&api), updates);
}

#[tokio::test]
async fn a_rollback_needs_no_route() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    cloud.set_route("shop/api", Vec::new());
    back(&cloud, None, "back", 300).await.unwrap();
    assert_runs(&cloud, &api, &digest('2'));
}

#[tokio::test]
async fn a_rollback_that_ecs_refuses_has_failed_and_is_published() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    cloud.inject_at("UpdateService", Fault::Fails(ErrorClass::Refused));
    let outcome = back(&cloud, None, "back", 300).await.unwrap();
    assert!(matches!(outcome.outcome, Outcome::Failed { .. }));
    let published = cloud.published();
    let Some(LongshoreEvent::DeploymentFailed(failed)) = published.last() else {
        panic!("{published:?}");
    };
    assert!(matches!(
        failed.deployment.source,
        Source::Rollback { to: 2, .. }
    ));
}

#[tokio::test]
async fn a_rollback_survives_any_failure_of_any_call_and_is_begun_once() {
    let api = subscriber("api");
    let undisturbed = three_deployed(&api).await;
    undisturbed.forget_calls();
    back(&undisturbed, None, "back", 300).await.unwrap();
    let calls = undisturbed.calls();
    let mut cases = 0;
    for (call, operation) in calls.iter().enumerate() {
        for fault in [
            Fault::Fails(ErrorClass::Transient),
            Fault::Fails(ErrorClass::Denied),
            Fault::Fails(ErrorClass::LostRace),
            Fault::AnswerLost,
            Fault::Dies,
            Fault::DiesAfter,
        ] {
            let case = format!("call {call} {operation}, {fault:?}");
            let cloud = three_deployed(&api).await;
            let before = cloud.updates(&api);
            cloud.inject(call, fault);
            let mut succeeded = false;
            // The last attempt is one too many: it changes nothing.
            for seconds in [300, 360, 480, 600] {
                let outcome = back(&cloud, None, "back", seconds).await;
                succeeded = outcome.is_ok() && !cloud.is_dead();
                cloud.recover();
            }
            assert!(succeeded, "{case}");
            let record = cloud.record(&api).unwrap();
            assert_eq!(record.deployment.number, 4, "{case}");
            assert_eq!(record.deployment.state, State::Deploying, "{case}");
            assert_eq!(record.blocked, [digest('3')], "{case}");
            assert!(record.outbox.is_empty(), "{case}");
            assert_runs(&cloud, &api, &digest('2'));
            assert_eq!(cloud.updates(&api), before + 1, "{case}");
            assert_eq!(
                cloud.detail_types().last(),
                Some(&"Deployment Started"),
                "{case}"
            );
            cases += 1;
        }
    }
    assert!(cases > 60, "only {cases} cases were run");
}

/// A service with a proxy of another repository beside it: deployment 1 deploys api v1, 2 deploys proxy p1, 3 deploys
/// api v2 and 4 deploys proxy p2.
async fn with_a_proxy() -> (FakeCloud, Subscriber) {
    let api = subscriber("api");
    let mut proxy = subscriber("api");
    "proxy".clone_into(&mut proxy.container);
    proxy.image_policy.tags = vec!["p*".to_owned()];
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.change_task_definition(&api, |document| {
        let containers = document["containerDefinitions"].as_array_mut().unwrap();
        containers.push(json!({
            "name": "proxy",
            "image": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/proxy:p0",
        }));
    });
    cloud.set_route("shop/proxy", vec![proxy]);
    for (repository, tag, digit, seconds) in [
        ("shop/api", "v1", '1', 0),
        ("shop/proxy", "p1", 'a', 100),
        ("shop/api", "v2", '2', 200),
        ("shop/proxy", "p2", 'b', 300),
    ] {
        cloud.set_now(noon(seconds));
        cloud.push_to(repository, tag, digest(digit), noon(seconds));
        let mut push = push(tag, digest(digit), noon(seconds));
        repository.clone_into(&mut push.image.repository);
        let results = deploy_push(&cloud, &push, &worker(&format!("push-{tag}"), seconds)).await;
        assert!(results.unwrap().iter().all(Result::is_ok));
        stable(&cloud, &api, seconds + 50).await;
    }
    assert_eq!(latest(&cloud, &api).number, 4);
    (cloud, api)
}

fn image_in(cloud: &FakeCloud, api: &Subscriber, container: &str) -> String {
    let running = cloud.service(api).unwrap().task_definition;
    let definition = cloud.task_definition(&running).unwrap();
    definition.image_of(container).unwrap().to_owned()
}

#[tokio::test]
async fn all_containers_get_what_they_ran_with_the_deployment_that_is_gone_back_to() {
    for (to, app, proxy) in [(None, '2', 'a'), (Some(3), '2', 'a'), (Some(2), '1', 'a')] {
        let (cloud, api) = with_a_proxy().await;
        back(&cloud, to, "back", 400).await.unwrap();
        let deployed = image_in(&cloud, &api, "app");
        assert!(
            deployed.ends_with(digest(app).as_str()),
            "{to:?}: {deployed}"
        );
        let deployed = image_in(&cloud, &api, "proxy");
        assert!(
            deployed.ends_with(digest(proxy).as_str()),
            "{to:?}: {deployed}"
        );
        let blocked = cloud.record(&api).unwrap().blocked.clone();
        assert!(blocked.contains(&digest('b')), "{to:?}: {blocked:?}");
        assert_eq!(blocked.contains(&digest('2')), app == '1', "{to:?}");
    }
}

#[tokio::test]
async fn a_rollback_is_refused_while_the_stack_is_being_changed() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    let operation = Operation::begin("operation-1", OperationKind::Apply, source, noon(290));
    let changes = ChangeCounts::default();
    let record = StackRecord::begin("shop", None, operation, changes, &worker("provision", 290));
    cloud.set_stack_record(record);
    let refused = refusal(&cloud, None).await;
    assert!(refused.contains("is being changed"), "{refused}");
    assert_runs(&cloud, &api, &digest('3'));
}

#[tokio::test]
async fn after_a_deployment_that_ecs_rolled_back_the_way_begins_at_what_runs() {
    let api = subscriber("api");
    let cloud = three_deployed(&api).await;
    let ahead = |way: Option<longshore_rollout::triggers::rollback::WayBack>| {
        let way = way.unwrap();
        (way.from.number, way.to.number)
    };
    let worker = worker("look", 300);
    let way = way_back(&cloud, &payload(None), &worker).await.unwrap();
    assert_eq!(ahead(way), (3, 2));
    pushed(&cloud, "v4", '4', 310).await;
    let ours = cloud.primary_id(&api);
    let way = way_back(&cloud, &payload(None), &worker).await.unwrap();
    assert_eq!(ahead(way), (4, 3));
    cloud.roll_back(&api, 330);
    let hear = async |event_name, deployment_id| {
        let change = DeploymentStateChange {
            event_name,
            deployment_id,
            updated_at: noon(340),
            reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        };
        let service = api.service_name();
        deployment_changed(&cloud, &service, &change, &worker)
            .await
            .unwrap();
    };
    hear(DeploymentEventName::Failed, ours).await;
    stable(&cloud, &api, 350).await;
    assert_eq!(latest(&cloud, &api).state, State::RolledBack);
    let way = way_back(&cloud, &payload(None), &worker).await.unwrap();
    assert_eq!(ahead(way), (3, 2));
    let way = way_back(&cloud, &payload(Some(1)), &worker).await.unwrap();
    assert_eq!(ahead(way), (3, 1));
}
