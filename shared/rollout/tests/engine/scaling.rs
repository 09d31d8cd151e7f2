//! A number of tasks by hand: ECS is asked for it and nothing else, the record says it, and what keeps it back.

use longshore_events::longshore::{Caller, LongshoreEvent, OperationKind, StackSource};
use longshore_events::manual::HoldPayload;
use longshore_policy::route::Subscriber;
use longshore_rollout::asked::AskError;
use longshore_rollout::stack_record::{Operation, StackRecord};
use longshore_rollout::triggers::hold::hold;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::scale::{ScaleOutcome, ScaledBy, scale};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

use super::support::stable;

async fn scaled(cloud: &FakeCloud, to: u32, dry_run: bool) -> Result<ScaleOutcome, AskError> {
    let api = subscriber("api").service_id();
    scale(
        cloud,
        &api,
        to,
        ScaledBy {
            by: Some(Caller::named("user/ada")),
            note: Some("the sale".to_owned()),
        },
        dry_run,
        &worker("scale", 100),
    )
    .await
}

/// A service whose first deployment is under way.
async fn deploying(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    cloud.set_now(noon(0));
    let push = cloud.push("v1", digest('1'), noon(0));
    let pushed = deploy_push(&cloud, &push, &worker("push", 0)).await;
    for outcome in pushed.unwrap() {
        outcome.unwrap();
    }
    cloud
}

async fn running(api: &Subscriber) -> FakeCloud {
    let cloud = deploying(api).await;
    stable(&cloud, api, 50).await;
    cloud
}

fn desired(cloud: &FakeCloud, api: &Subscriber) -> i32 {
    cloud.service(api).unwrap().desired_count
}

/// The numbers that were published, and by whom they were set.
fn scaled_events(cloud: &FakeCloud) -> Vec<(u32, u32, Option<Caller>)> {
    let published = cloud.published().into_iter();
    published
        .filter_map(|event| match event {
            LongshoreEvent::ServiceScaled(event) => Some((event.from, event.to, event.by)),
            _ => None,
        })
        .collect()
}

async fn reason(cloud: &FakeCloud) -> String {
    let api = subscriber("api");
    let error = scaled(cloud, 5, false).await.unwrap_err();
    assert!(matches!(error, AskError::Refused { .. }), "{error}");
    assert_eq!(desired(cloud, &api), 2);
    error.to_string()
}

#[tokio::test]
async fn a_number_is_set_without_a_deployment_and_the_record_says_it() {
    let api = subscriber("api");
    let cloud = running(&api).await;
    let primary = cloud.primary_id(&api);
    let outcome = scaled(&cloud, 5, false).await.unwrap();
    assert_eq!((outcome.from, outcome.to), (2, 5));
    assert_eq!(desired(&cloud, &api), 5);
    assert_eq!(cloud.primary_id(&api), primary);
    let record = cloud.record(&api).unwrap();
    let last = record.scaled.last().unwrap();
    assert_eq!((last.from, last.to), (2, 5));
    assert_eq!(last.note.as_deref(), Some("the sale"));
    assert_eq!(last.by, Some(Caller::named("user/ada")));
    assert_eq!(
        scaled_events(&cloud),
        [(2, 5, Some(Caller::named("user/ada")))]
    );
    assert!(record.outbox.is_empty());
    // The same again sets nothing.
    scaled(&cloud, 5, false).await.unwrap();
    assert_eq!(cloud.record(&api).unwrap().scaled.len(), 1);
}

#[tokio::test]
async fn a_dry_run_answers_the_same_and_sets_nothing() {
    let api = subscriber("api");
    let cloud = running(&api).await;
    let outcome = scaled(&cloud, 5, true).await.unwrap();
    assert_eq!((outcome.from, outcome.to), (2, 5));
    assert_eq!(desired(&cloud, &api), 2);
    assert_eq!(cloud.record(&api).unwrap().scaled, []);
}

#[tokio::test]
async fn a_service_without_a_record_is_scaled_and_one_that_nobody_knows_is_not() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    scaled(&cloud, 0, false).await.unwrap();
    assert_eq!(desired(&cloud, &api), 0);
    let unknown = scaled(&FakeCloud::default(), 5, false).await.unwrap_err();
    assert!(
        unknown.to_string().contains("no route names it"),
        "{unknown}"
    );
}

#[tokio::test]
async fn a_service_that_scales_by_itself_is_refused_with_where_its_limits_are_set() {
    let api = subscriber("api");
    let cloud = running(&api).await;
    cloud.scale_by_itself(&api);
    let said = reason(&cloud).await;
    for expected in ["min_capacity", "max_capacity", "stack file of shop"] {
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn what_is_held_deployed_to_or_changed_is_not_scaled() {
    let api = subscriber("api");
    let said = reason(&deploying(&api).await).await;
    assert!(said.contains("deployment 1 is under way"), "{said}");

    let cloud = running(&api).await;
    let payload = HoldPayload {
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        until: None,
        note: Some("audit".to_owned()),
        by: None,
    };
    hold(&cloud, &payload, &worker("hold", 60)).await.unwrap();
    let said = reason(&cloud).await;
    assert!(said.contains("it is held (audit): resume it"), "{said}");

    let cloud = running(&api).await;
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    let operation = Operation::begin("change-1", OperationKind::Apply, source, noon(90));
    cloud.set_stack_record(StackRecord::follow("shop", None, operation));
    let said = reason(&cloud).await;
    assert!(said.contains("its stack is being changed"), "{said}");
}

#[tokio::test]
async fn whatever_fails_the_next_attempt_sets_the_number() {
    let api = subscriber("api");
    for operation in [
        "DescribeServices",
        "DescribeScalableTargets",
        "UpdateService",
    ] {
        let cloud = running(&api).await;
        cloud.inject_at(operation, Fault::Fails(ErrorClass::Transient));
        let failed = scaled(&cloud, 5, false).await.unwrap_err();
        assert!(matches!(failed, AskError::Call { .. }), "{failed}");
        scaled(&cloud, 5, false).await.unwrap();
        assert_eq!(desired(&cloud, &api), 5, "{operation}");
    }
}
