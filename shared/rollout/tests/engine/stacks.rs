//! What becomes of services while their stack changes, and when it has settled.

use std::collections::BTreeMap;

use longshore_events::image::Image;
use longshore_events::incoming::{ReleaseFile, StackChange};
use longshore_events::longshore::{
    Caller, ChangeCounts, FailedResource, LongshoreEvent, OperationKind, Source, StackSource,
};
use longshore_events::manual::DeployPayload;
use longshore_events::sequence::Sequence;
use longshore_policy::route::{CpuArchitecture, Subscriber};
use longshore_provisioning::watch::{StackOutcome, stack_changed};
use longshore_rollout::course::WatchOutcome;
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::engine::{DeployError, Outcome};
use longshore_rollout::ports::ImageContents;
use longshore_rollout::record::State;
use longshore_rollout::stack_record::{Operation, OperationState, Preserved, StackRecord};
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_rollout::triggers::release::{ReleaseOutcome, deploy_release};
use longshore_rollout::triggers::settled::{
    Done, SettledService, reconcile_settled_stacks, stack_settled,
};
use longshore_rollout::whereabouts::{Whereabouts, whereabouts};
use longshore_state::ErrorClass;
use longshore_testkit::{
    FakeCloud, Fault, STACK_ID, digest, noon, observed_stack, stack_change, subscriber, worker,
};

const FAULTS: [Fault; 6] = [
    Fault::Fails(ErrorClass::Transient),
    Fault::Fails(ErrorClass::Denied),
    Fault::Fails(ErrorClass::LostRace),
    Fault::AnswerLost,
    Fault::Dies,
    Fault::DiesAfter,
];

pub fn image(digit: char) -> Image {
    Image {
        repository: "shop/api".to_owned(),
        tag: Some(format!("v{digit}")),
        digest: digest(digit),
    }
}

pub fn pinned(digit: char) -> String {
    format!(
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@{}",
        digest(digit)
    )
}

fn preserved(image: Option<Image>) -> Preserved {
    Preserved {
        subscriber: subscriber("api"),
        image,
        also: BTreeMap::new(),
        is_named: false,
    }
}

/// `provision` begins a change of the stack.
pub fn begin(cloud: &FakeCloud, id: &str, preserved: Preserved, seconds: i64) {
    begin_kind(cloud, id, OperationKind::Apply, preserved, seconds);
}

fn begin_kind(
    cloud: &FakeCloud,
    id: &str,
    kind: OperationKind,
    preserved: Preserved,
    seconds: i64,
) {
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    begin_by(cloud, id, kind, source, preserved, seconds);
}

fn begin_by(
    cloud: &FakeCloud,
    id: &str,
    kind: OperationKind,
    source: StackSource,
    preserved: Preserved,
    seconds: i64,
) {
    let operation = Operation {
        services: vec![preserved],
        ..Operation::begin(id, kind, source, noon(seconds))
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

pub async fn hear(cloud: &FakeCloud, change: &StackChange) -> StackOutcome {
    stack_changed(cloud, change, &worker("watch", 0))
        .await
        .unwrap()
}

async fn deploy(cloud: &FakeCloud, digit: char, seconds: i64) -> Outcome {
    let event = cloud.push(&format!("v{digit}"), digest(digit), noon(seconds));
    let worker = worker(&format!("deploy-{digit}"), seconds);
    cloud.set_now(noon(seconds));
    let results = deploy_push(cloud, &event, &worker).await.unwrap();
    results.into_iter().next().unwrap().unwrap().outcome
}

async fn look_after(cloud: &FakeCloud, seconds: i64) -> Vec<SettledService> {
    cloud.set_now(noon(seconds));
    let settled = stack_settled(cloud, "shop", &worker("at-rest", seconds))
        .await
        .unwrap();
    settled
        .services
        .into_iter()
        .map(|service| service.unwrap())
        .collect()
}

async fn done(cloud: &FakeCloud, seconds: i64) -> Done {
    look_after(cloud, seconds).await.remove(0).done
}

/// A service on which `v2` was rolled out at noon.
async fn on_v2(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    assert!(matches!(
        deploy(&cloud, '2', 0).await,
        Outcome::Started { .. }
    ));
    cloud.complete(api);
    reconcile(&cloud, &worker("reconcile", 10)).await.unwrap();
    cloud
}

#[tokio::test]
async fn while_the_stack_changes_the_newest_request_waits_and_nothing_is_published_or_updated() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
    let published = cloud.detail_types().len();
    assert_eq!(deploy(&cloud, '4', 120).await, Outcome::Pending);
    assert_eq!(deploy(&cloud, '3', 110).await, Outcome::Pending);
    assert_eq!(deploy(&cloud, '4', 120).await, Outcome::Pending);
    let waiting = cloud.stack_record("shop").unwrap().pending_pushes;
    let remembered = &waiting["api/app"].request;
    assert_eq!(remembered.image, image('4'));
    assert_eq!(cloud.updates(&api), 1);
    assert_eq!(cloud.detail_types().len(), published);
    let found = whereabouts(&cloud, &api.service_id(), &remembered.id).await;
    assert_eq!(found.unwrap(), Whereabouts::StackChanging(image('4')));
}

#[tokio::test]
async fn of_two_tags_that_were_put_in_one_second_the_same_one_waits_whichever_is_heard_of_first() {
    for is_release_first in [true, false] {
        let api = subscriber("api");
        let cloud = on_v2(&api).await;
        for digit in ['3', '4'] {
            cloud.push(&format!("main-{digit}"), digest(digit), noon(20));
        }
        begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
        let release = cloud.push("v1.1.0", digest('3'), noon(110));
        let candidate = cloud.push("v2.0.0-rc.1", digest('4'), noon(110));
        let order = match is_release_first {
            true => [&release, &candidate],
            false => [&candidate, &release],
        };
        for event in order {
            let results = deploy_push(&cloud, event, &worker(&event.event_id, 120)).await;
            results.unwrap().remove(0).unwrap();
        }
        hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 200)).await;
        look_after(&cloud, 210).await;
        assert_eq!(cloud.running_image(&api), Some(pinned('4')));
    }
}

#[tokio::test]
async fn release_files_and_payloads_wait_as_well() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    cloud.add_image("shop/api", "v3", digest('3'));
    cloud.add_release("releases/shop/api.json", r#"{"image": "shop/api:v3"}"#);
    begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
    let file = ReleaseFile {
        event_id: "event-release".to_owned(),
        at: noon(110),
        bucket: "state".to_owned(),
        key: "releases/shop/api.json".to_owned(),
        version_id: None,
        sequencer: "0055AED6DCD90281E5".to_owned(),
    };
    let outcome = deploy_release(&cloud, &file, &worker("release", 110))
        .await
        .unwrap();
    assert!(
        matches!(&outcome, ReleaseOutcome::Taken(taken) if taken.outcome == Outcome::Pending),
        "{outcome:?}"
    );
    let answer = deploy_explicitly(
        &cloud,
        &payload("shop/api:v3"),
        asked(120),
        &worker("x", 120),
    )
    .await
    .unwrap();
    assert_eq!(answer.outcome, Outcome::Pending);
    let waiting = cloud.stack_record("shop").unwrap().pending_pushes;
    assert_eq!(
        waiting["api/app"].request.source,
        Source::Manual {
            note: None,
            by: None
        }
    );
}

fn payload(image: &str) -> DeployPayload {
    DeployPayload::new("shop", "api", image.parse().unwrap(), None)
}

fn asked(seconds: i64) -> Asked {
    Asked {
        id: "by-hand".to_owned(),
        at: noon(seconds),
        sequence: Sequence::of_time(noon(seconds)),
        source: Source::Manual {
            note: None,
            by: None,
        },
    }
}

#[tokio::test]
async fn a_push_to_a_service_that_is_still_being_made_waits() {
    let api = subscriber("api");
    let cloud = FakeCloud::default();
    cloud.set_route("shop/api", vec![api.clone()]);
    begin(&cloud, "change-1", preserved(None), 0);
    assert_eq!(deploy(&cloud, '3', 10).await, Outcome::Pending);
    cloud.add_service(&api, &pinned('2'));
    hear(&cloud, &stack_change("change-1", "CREATE_COMPLETE", 60)).await;
    let services = look_after(&cloud, 70).await;
    assert!(
        matches!(services[0].waited[..], [Outcome::Started { .. }]),
        "{services:?}"
    );
    assert_eq!(cloud.running_image(&api), Some(pinned('3')));
}

#[tokio::test]
async fn what_waited_goes_out_when_the_stack_is_at_rest_under_its_own_name() {
    for status in ["UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"] {
        let api = subscriber("api");
        let cloud = on_v2(&api).await;
        begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
        deploy(&cloud, '3', 110).await;
        hear(&cloud, &stack_change("change-1", status, 200)).await;
        let services = look_after(&cloud, 210).await;
        assert!(
            matches!(services[0].waited[..], [Outcome::Started { .. }]),
            "{services:?}"
        );
        assert_eq!(cloud.running_image(&api), Some(pinned('3')));
        let record = cloud.record(&api).unwrap().deployment.clone();
        assert_eq!(record.source, Source::Push);
        assert_eq!(record.requested_at, noon(110));
        let stack = cloud.stack_record("shop").unwrap();
        assert!(stack.pending_pushes.is_empty() && stack.operation.settled);
        assert!(look_after(&cloud, 220).await.is_empty());
        assert_eq!(cloud.updates(&api), 2);
    }
}

#[tokio::test]
async fn what_waited_for_a_stack_is_rolled_out_although_its_push_deployed_another_image_meanwhile()
{
    let mut api = subscriber("api");
    api.image_policy.tags = vec!["stable".to_owned()];
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let push = cloud.push("stable", digest('2'), noon(0));
    let deploy = async |seconds: i64| {
        cloud.set_now(noon(seconds));
        let worker = worker(&format!("deploy-{seconds}"), seconds);
        let mut results = deploy_push(&cloud, &push, &worker).await.unwrap();
        results.remove(0).unwrap().outcome
    };
    begin(&cloud, "change-1", preserved(None), 5);
    assert_eq!(deploy(10).await, Outcome::Pending);
    hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 20)).await;

    // The tag moves, and ECR's event comes once more before `deploy` hears that the stack has settled.
    cloud.push("stable", digest('3'), noon(30));
    assert!(matches!(deploy(40).await, Outcome::Started { .. }));
    let meanwhile = cloud.record(&api).unwrap().deployment.clone();
    cloud.push("stable", digest('2'), noon(50));
    let services = look_after(&cloud, 60).await;

    let [Outcome::Started { deployment_id, .. }] = &services[0].waited[..] else {
        panic!("{services:?}");
    };
    assert_ne!(*deployment_id, meanwhile.id);
    assert_eq!(cloud.running_image(&api), Some(pinned('2')));
    assert_eq!(
        cloud.record(&api).unwrap().deployment.image.digest,
        digest('2')
    );
}

#[tokio::test]
async fn apply_push_failing_apply_ends_with_what_was_pushed() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    // The stack is made with v1, then v2 is pushed.
    cloud.add_image("shop/api", "v1", digest('1'));
    begin(&cloud, "change-1", preserved(None), -200);
    cloud.deploy_outside(&api, &pinned('1'), -150);
    cloud.complete(&api);
    hear(&cloud, &stack_change("change-1", "CREATE_COMPLETE", -100)).await;
    // ECS shows a digest; the image policy names it by its tag.
    assert_eq!(done(&cloud, -90).await, Done::Adopted { image: image('1') });
    deploy(&cloud, '2', 0).await;
    cloud.complete(&api);
    reconcile(&cloud, &worker("reconcile", 30)).await.unwrap();
    // A change that carries v2 fails, and CloudFormation restores the template with v1.
    begin(&cloud, "change-2", preserved(Some(image('2'))), 100);
    cloud.deploy_outside(&api, &pinned('2'), 110);
    cloud.deploy_outside(&api, &pinned('1'), 150);
    cloud.complete(&api);
    cloud.set_first_failure(
        STACK_ID,
        FailedResource {
            logical_id: "ApiService".to_owned(),
            resource_type: "AWS::ECS::Service".to_owned(),
            physical_id: None,
            reason: "Invalid request".to_owned(),
        },
    );
    assert_eq!(
        hear(
            &cloud,
            &stack_change("change-2", "UPDATE_ROLLBACK_COMPLETE", 200)
        )
        .await,
        StackOutcome::Failed
    );
    assert_eq!(
        done(&cloud, 210).await,
        Done::Restore {
            deployment_id: "change-2-api".to_owned()
        }
    );
    assert_eq!(cloud.running_image(&api), Some(pinned('2')));
    cloud.complete(&api);
    reconcile(&cloud, &worker("reconcile", 240)).await.unwrap();
    assert_eq!(
        cloud.detail_types(),
        [
            "Stack Ready",
            "Deployment Started",
            "Deployment Succeeded",
            "Stack Failed",
            "Deployment Started",
            "Deployment Succeeded"
        ]
    );
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(
        deployment.source,
        Source::Stack {
            operation_id: "change-2".to_owned(),
            restored: true,
            note: None,
            by: None,
        }
    );
    assert_eq!(deployment.state, State::Succeeded);
    // The image keeps its place: what was pushed after it and is heard of late still goes out.
    assert_eq!(deployment.requested_at, noon(0));
    // It is published as what began when it was restored, not when it was pushed, which may be long ago.
    let published = cloud.published();
    let Some(LongshoreEvent::DeploymentSucceeded(succeeded)) = published.last() else {
        panic!("{published:?}");
    };
    assert_eq!(succeeded.deployment.requested_at, noon(210));
    assert!(matches!(
        deploy(&cloud, '3', 50).await,
        Outcome::Started { .. }
    ));
}

#[tokio::test]
async fn a_deployment_of_the_same_image_that_cloudformation_replaces_is_left_open_and_then_succeeds()
 {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, '2', 0).await;
    let ours = cloud.primary_id(&api);
    begin(&cloud, "change-1", preserved(Some(image('2'))), 10);
    cloud.deploy_outside(&api, &pinned('2'), 20);
    let change = longshore_events::ecs::DeploymentStateChange {
        event_name: longshore_events::ecs::DeploymentEventName::InProgress,
        deployment_id: ours,
        updated_at: noon(25),
        reason: String::new(),
    };
    let hear_of_service = async || {
        deployment_changed(&cloud, &api.service_name(), &change, &worker("watch", 30))
            .await
            .unwrap()
    };
    assert_eq!(hear_of_service().await, WatchOutcome::Noted);
    // However long CloudFormation takes.
    let late = 20 + 2 * 30 * 60;
    reconcile(&cloud, &worker("reconcile", late)).await.unwrap();
    cloud.complete(&api);
    hear(
        &cloud,
        &stack_change("change-1", "UPDATE_COMPLETE", late + 10),
    )
    .await;
    // Between the end of the change and the look at its services as well.
    assert_eq!(hear_of_service().await, WatchOutcome::Noted);
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Deploying
    );
    assert_eq!(done(&cloud, late + 20).await, Done::Followed);
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Started", "Stack Ready", "Deployment Succeeded"]
    );
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(deployment.source, Source::Push);
    assert_eq!(deployment.state, State::Succeeded);
}

#[tokio::test]
async fn a_deployment_that_is_followed_succeeds_only_when_ecs_is_done() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, '2', 0).await;
    begin(&cloud, "change-1", preserved(Some(image('2'))), 10);
    cloud.deploy_outside(&api, &pinned('2'), 20);
    hear(
        &cloud,
        &stack_change("change-1", "UPDATE_ROLLBACK_COMPLETE", 60),
    )
    .await;
    assert_eq!(done(&cloud, 70).await, Done::Followed);
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Deploying
    );
    cloud.complete(&api);
    reconcile(&cloud, &worker("reconcile", 90)).await.unwrap();
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Succeeded
    );
}

#[tokio::test]
async fn a_stack_that_asks_for_another_image_has_its_way_when_it_is_ready_and_not_when_it_fails() {
    for (status, runs, expected) in [
        ("UPDATE_COMPLETE", '5', Done::Adopted { image: image('5') }),
        (
            "UPDATE_ROLLBACK_COMPLETE",
            '1',
            Done::Restore {
                deployment_id: "change-1-api".to_owned(),
            },
        ),
    ] {
        let api = subscriber("api");
        let cloud = on_v2(&api).await;
        let named = Preserved {
            is_named: true,
            ..preserved(Some(image('5')))
        };
        begin(&cloud, "change-1", named, 100);
        cloud.deploy_outside(&api, &pinned(runs), 150);
        cloud.complete(&api);
        hear(&cloud, &stack_change("change-1", status, 200)).await;
        assert_eq!(done(&cloud, 210).await, expected);
        let expected_image = if runs == '5' { '5' } else { '2' };
        assert_eq!(cloud.running_image(&api), Some(pinned(expected_image)));
    }
}

/// A stack is made again after it was destroyed, by a file that names an older image than its repository holds.
#[tokio::test]
async fn a_reconcile_while_a_stack_changes_does_not_bring_what_was_pushed_before_its_file_was_applied()
 {
    for reconciled_at in [None, Some(110)] {
        let api = subscriber("api");
        let cloud = on_v2(&api).await;
        cloud.push("v4", digest('4'), noon(50));
        cloud.add_image("shop/api", "v2", digest('2'));
        let named = Preserved {
            is_named: true,
            ..preserved(Some(image('2')))
        };
        begin(&cloud, "made-again", named, 100);
        if let Some(at) = reconciled_at {
            cloud.set_now(noon(at));
            reconcile(&cloud, &worker("reconcile-1", at)).await.unwrap();
        }
        cloud.deploy_outside(&api, &pinned('2'), 150);
        cloud.complete(&api);
        hear(&cloud, &stack_change("made-again", "UPDATE_COMPLETE", 200)).await;
        assert_eq!(done(&cloud, 210).await, Done::Adopted { image: image('2') });
        cloud.set_now(noon(900));
        reconcile(&cloud, &worker("reconcile-2", 900))
            .await
            .unwrap();
        assert_eq!(cloud.running_image(&api), Some(pinned('2')));
    }
}

/// What people read of a stack's own deployment: what it runs, from which commit, who wanted it, and what ran before.
#[tokio::test]
async fn the_deployment_of_a_stack_names_its_commit_who_asked_and_what_really_ran_before() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    let (arm, x86) = (CpuArchitecture::Arm, CpuArchitecture::X86);
    cloud.add_image("shop/api", "v5", digest('5'));
    cloud.set_contents(
        &digest('5'),
        ImageContents {
            architectures: [arm, x86].into(),
            commit: Some("0a1b2c3".to_owned()),
            source_url: Some("https://git.example/shop".to_owned()),
        },
    );
    // It is rolled back: what runs when the stack is changed is v2.
    assert!(matches!(
        deploy(&cloud, '3', 20).await,
        Outcome::Started { .. }
    ));
    cloud.roll_back(&api, 25);
    cloud.complete(&api);
    reconcile(&cloud, &worker("reconcile", 30)).await.unwrap();
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::RolledBack
    );
    let named = Preserved {
        is_named: true,
        ..preserved(Some(image('5')))
    };
    let source = StackSource::Manual {
        note: Some("more memory".to_owned()),
        by: Some(Caller::named("ada")),
    };
    begin_by(&cloud, "change-1", OperationKind::Apply, source, named, 100);
    cloud.deploy_outside(&api, &pinned('5'), 150);
    cloud.complete(&api);
    hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 200)).await;
    assert_eq!(done(&cloud, 210).await, Done::Adopted { image: image('5') });
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(deployment.image.tag.as_deref(), Some("v5"));
    assert_eq!(deployment.commit.as_deref(), Some("0a1b2c3"));
    assert_eq!(
        deployment.source_url.as_deref(),
        Some("https://git.example/shop")
    );
    let Source::Stack { note, by, .. } = &deployment.source else {
        panic!("{:?}", deployment.source);
    };
    assert_eq!(note.as_deref(), Some("more memory"));
    assert_eq!(by.as_ref().unwrap().name, "ada");
    assert_eq!(deployment.summary().requested_at, noon(210));
    assert!(
        deployment.previous_image.contains("shop/api:v2@"),
        "{}",
        deployment.previous_image
    );
}

#[tokio::test]
async fn a_deployment_names_what_it_replaces_by_the_tag_that_is_known_of_it() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    assert!(matches!(
        deploy(&cloud, '3', 20).await,
        Outcome::Started { .. }
    ));
    let previous = cloud
        .record(&api)
        .unwrap()
        .deployment
        .previous_image
        .clone();
    let expected = format!(
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2@{}",
        digest('2')
    );
    assert_eq!(previous, expected);
}

#[tokio::test]
async fn an_image_that_failed_is_not_restored_but_the_one_that_ran_before_it() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    deploy(&cloud, '3', 20).await;
    cloud.roll_back(&api, 40);
    cloud.complete(&api);
    reconcile(&cloud, &worker("reconcile", 60)).await.unwrap();
    begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
    cloud.deploy_outside(&api, &pinned('1'), 150);
    cloud.complete(&api);
    hear(
        &cloud,
        &stack_change("change-1", "UPDATE_ROLLBACK_COMPLETE", 200),
    )
    .await;
    assert!(matches!(done(&cloud, 210).await, Done::Restore { .. }));
    assert_eq!(cloud.running_image(&api), Some(pinned('2')));
}

#[tokio::test]
async fn a_push_that_raced_with_the_beginning_of_a_change_is_restored_when_that_is_ready() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    // The template was made with v2 already when v3 was claimed.
    begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
    let record = cloud.stack_record("shop").unwrap();
    cloud.set_stack_record(StackRecord {
        operation: Operation {
            state: OperationState::Ready,
            ..record.operation.clone()
        },
        ..record.clone()
    });
    deploy(&cloud, '3', 101).await;
    cloud.set_stack_record(record);
    cloud.deploy_outside(&api, &pinned('2'), 110);
    cloud.complete(&api);
    hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 200)).await;
    assert!(matches!(done(&cloud, 210).await, Done::Restore { .. }));
    assert_eq!(cloud.running_image(&api), Some(pinned('3')));
}

#[tokio::test]
async fn a_stack_that_is_changing_again_is_left_alone() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
    deploy(&cloud, '3', 110).await;
    hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 200)).await;
    begin(&cloud, "change-2", preserved(Some(image('2'))), 205);
    assert!(look_after(&cloud, 210).await.is_empty());
    let record = cloud.stack_record("shop").unwrap();
    assert_eq!(record.pending_pushes.len(), 1);
    hear(&cloud, &stack_change("change-2", "UPDATE_COMPLETE", 300)).await;
    look_after(&cloud, 310).await;
    assert_eq!(cloud.running_image(&api), Some(pinned('3')));
}

#[tokio::test]
async fn a_stack_whose_end_was_not_published_is_reconciled_once() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
    deploy(&cloud, '3', 110).await;
    hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 200)).await;
    for expected in [1, 0] {
        let answer = reconcile_settled_stacks(&cloud, &worker("reconcile", 900))
            .await
            .unwrap();
        assert_eq!(answer.reconciled_services, expected);
        assert!(answer.failures.is_empty(), "{answer:?}");
    }
    assert_eq!(cloud.running_image(&api), Some(pinned('3')));
}

#[tokio::test]
async fn after_its_stack_was_destroyed_a_service_is_refused_with_what_to_do() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, '2', 0).await;
    begin_kind(
        &cloud,
        "change-1",
        OperationKind::Destroy,
        preserved(None),
        10,
    );
    assert_eq!(deploy(&cloud, '3', 20).await, Outcome::Pending);
    cloud.remove_service(&api);
    assert_eq!(
        hear(&cloud, &stack_change("change-1", "DELETE_COMPLETE", 60)).await,
        StackOutcome::Ready
    );
    let services = look_after(&cloud, 70).await;
    assert_eq!(services[0].done, Done::Gone);
    assert!(
        matches!(&services[0].waited[..], [Outcome::Failed { reason }]
            if reason.contains("its stack was destroyed: apply the stack file again first")),
        "{services:?}"
    );
    assert_eq!(
        cloud.detail_types(),
        [
            "Deployment Started",
            "Stack Ready",
            "Deployment Failed",
            "Deployment Superseded"
        ]
    );
    let error = deploy_explicitly(&cloud, &payload("shop/api:v3"), asked(90), &worker("x", 90))
        .await
        .unwrap_err();
    assert!(matches!(error, DeployError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("its stack was destroyed"));
    let reconciled = reconcile(&cloud, &worker("reconcile", 9_000))
        .await
        .unwrap();
    assert_eq!(reconciled.closed, 0);
}

#[tokio::test]
async fn looking_after_survives_any_failure_of_any_call_and_is_done_once() {
    let api = subscriber("api");
    let mut cases = 0;
    // What waits, whether the change fails, and what must run in the end.
    for (waits, fails, expected) in [
        (false, true, '2'),
        (true, true, '3'),
        (true, false, '3'),
        (false, false, '2'),
    ] {
        let prepare = async || {
            let cloud = on_v2(&api).await;
            begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
            if waits {
                deploy(&cloud, '3', 110).await;
            }
            let restored = if fails { '1' } else { '2' };
            cloud.deploy_outside(&api, &pinned(restored), 150);
            cloud.complete(&api);
            let status = if fails {
                "UPDATE_ROLLBACK_COMPLETE"
            } else {
                "UPDATE_COMPLETE"
            };
            hear(&cloud, &stack_change("change-1", status, 200)).await;
            cloud.forget_calls();
            cloud
        };
        let attempt = async |cloud: &FakeCloud, seconds: i64| {
            cloud.set_now(noon(seconds));
            let succeeded = stack_settled(cloud, "shop", &worker("at-rest", seconds))
                .await
                .is_ok_and(|settled| settled.services.iter().all(Result::is_ok))
                && !cloud.is_dead();
            cloud.recover();
            succeeded
        };
        let undisturbed = prepare().await;
        assert!(attempt(&undisturbed, 210).await);
        for call in 0..undisturbed.calls().len() {
            for fault in FAULTS {
                let case = format!(
                    "waits {waits}, fails {fails}, call {call} {}, {fault:?}",
                    undisturbed.calls()[call]
                );
                let cloud = prepare().await;
                let updates = cloud.updates(&api);
                cloud.inject(call, fault);
                let mut succeeded = false;
                for seconds in [210, 270, 390] {
                    succeeded = succeeded || attempt(&cloud, seconds).await;
                }
                assert!(succeeded, "{case}: never succeeded");
                assert!(attempt(&cloud, 500).await, "{case}: the duplicate failed");
                assert_eq!(cloud.running_image(&api), Some(pinned(expected)), "{case}");
                let is_update_expected = usize::from(waits || fails);
                assert!(
                    cloud.updates(&api) - updates <= is_update_expected + 1,
                    "{case}: updated {} times",
                    cloud.updates(&api) - updates
                );
                let stack = cloud.stack_record("shop").unwrap();
                assert!(
                    stack.operation.settled && stack.pending_pushes.is_empty(),
                    "{case}"
                );
                cloud.complete(&api);
                reconcile(&cloud, &worker("reconcile", 600)).await.unwrap();
                let record = cloud.record(&api).unwrap();
                assert_eq!(record.deployment.state, State::Succeeded, "{case}");
                assert!(record.outbox.is_empty(), "{case}");
                cases += 1;
            }
        }
    }
    assert!(cases > 150, "only {cases} cases were run");
}

#[tokio::test]
async fn an_image_whose_putting_back_was_given_up_is_restored_after_the_next_change() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    for (id, begun) in [("change-1", 100), ("change-2", 400)] {
        begin(&cloud, id, preserved(Some(image('2'))), begun);
        cloud.deploy_outside(&api, &pinned('2'), begun + 10);
        cloud.deploy_outside(&api, &pinned('1'), begun + 20);
        cloud.complete(&api);
        let end = stack_change(id, "UPDATE_ROLLBACK_COMPLETE", begun + 100);
        hear(&cloud, &end).await;
        if id == "change-1" {
            cloud.inject_at("UpdateService", Fault::Dies);
            let _ = stack_settled(&cloud, "shop", &worker("at-rest", begun + 110)).await;
            cloud.recover();
        }
    }
    assert_eq!(cloud.running_image(&api), Some(pinned('1')));
    look_after(&cloud, 510).await;
    assert_eq!(cloud.running_image(&api), Some(pinned('2')));
}

#[tokio::test]
async fn an_image_that_somebody_is_putting_back_is_waited_for() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
    cloud.deploy_outside(&api, &pinned('1'), 120);
    cloud.complete(&api);
    hear(
        &cloud,
        &stack_change("change-1", "UPDATE_ROLLBACK_COMPLETE", 200),
    )
    .await;
    cloud.inject_at("UpdateService", Fault::Dies);
    let _ = stack_settled(&cloud, "shop", &worker("one", 210)).await;
    cloud.recover();
    let other = stack_settled(&cloud, "shop", &worker("other", 220))
        .await
        .unwrap();
    assert!(other.services[0].is_err(), "{other:?}");
    assert!(!cloud.stack_record("shop").unwrap().operation.settled);
    look_after(&cloud, 270).await;
    assert_eq!(cloud.running_image(&api), Some(pinned('2')));
}

#[tokio::test]
async fn a_stack_that_terraform_changes_makes_pushes_wait_until_it_is_settled() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    cloud.set_observed_stack(observed_stack("UPDATE_IN_PROGRESS", 100));
    let begins = stack_change("terraform-1", "UPDATE_IN_PROGRESS", 101);
    assert_eq!(hear(&cloud, &begins).await, StackOutcome::Changing);
    assert_eq!(hear(&cloud, &begins).await, StackOutcome::Changing);
    let operation = cloud.stack_record("shop").unwrap().operation;
    assert_eq!(operation.source, StackSource::CloudFormation);
    assert_eq!(operation.services[0].image, Some(image('2')));
    assert_eq!(deploy(&cloud, '3', 110).await, Outcome::Pending);
    cloud.deploy_outside(&api, &pinned('1'), 150);
    cloud.complete(&api);
    cloud.set_observed_stack(observed_stack("UPDATE_COMPLETE", 100));
    assert_eq!(
        hear(&cloud, &stack_change("terraform-1", "UPDATE_COMPLETE", 200)).await,
        StackOutcome::Ready
    );
    look_after(&cloud, 210).await;
    assert_eq!(cloud.running_image(&api), Some(pinned('3')));
    assert_eq!(cloud.detail_types().last(), Some(&"Deployment Started"));
}

#[tokio::test]
async fn a_change_by_others_of_which_only_the_end_is_heard_is_published_once() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    cloud.set_observed_stack(observed_stack("UPDATE_COMPLETE", 100));
    let end = stack_change("terraform-1", "UPDATE_COMPLETE", 200);
    let beginning = stack_change("terraform-1", "UPDATE_IN_PROGRESS", 101);
    assert_eq!(hear(&cloud, &end).await, StackOutcome::Ready);
    let published = cloud.detail_types();
    assert_eq!(published.last(), Some(&"Stack Ready"));
    for change in [end, beginning] {
        assert_eq!(hear(&cloud, &change).await, StackOutcome::Ignored);
    }
    assert_eq!(cloud.detail_types(), published);
}

#[tokio::test]
async fn an_older_push_that_comes_while_the_stack_changes_is_not_news_as_ever() {
    let api = subscriber("api");
    let cloud = on_v2(&api).await;
    begin(&cloud, "change-1", preserved(Some(image('2'))), 100);
    assert_eq!(deploy(&cloud, '1', -10).await, Outcome::Nothing);
    assert!(
        cloud
            .stack_record("shop")
            .unwrap()
            .pending_pushes
            .is_empty()
    );
}

/// The stack begins to change after `deploy` has looked at the service: what it would deploy is made from what ran then.
#[tokio::test]
async fn a_change_that_begins_while_a_push_is_on_its_way_is_not_taken_back_by_it() {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    deploy(&cloud, '2', 0).await;
    cloud.complete(&api);
    reconcile(&cloud, &worker("reconcile", 30)).await.unwrap();
    let before = cloud.updates(&api);

    let push = cloud.push("v3", digest('3'), noon(100));
    let begins = async {
        while cloud.record(&api).unwrap().deployment.state != State::Claimed {
            tokio::task::yield_now().await;
        }
        begin(&cloud, "change-1", preserved(Some(image('2'))), 99);
    };
    let worker_of_push = worker("push", 100);
    let (results, ()) =
        futures_util::future::join(deploy_push(&cloud, &push, &worker_of_push), begins).await;
    let results = results.unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(cloud.updates(&api), before);

    // CloudFormation deploys another size with the image that ran; then the push goes out, from that.
    cloud.deploy_outside(&api, &pinned('2'), 110);
    cloud.complete(&api);
    let size = cloud.service(&api).unwrap().task_definition;
    hear(&cloud, &stack_change("change-1", "UPDATE_COMPLETE", 200)).await;
    done(&cloud, 210).await;
    reconcile(&cloud, &worker("reconcile", 300)).await.unwrap();
    assert_eq!(cloud.running_image(&api), Some(pinned('3')));
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.previous_task_definition, size);
}
