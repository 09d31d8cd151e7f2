//! What waits: for the end of a hold, of a freeze window, for other services, for approval.

use longshore_events::longshore::{
    Caller, ChangeCounts, DeploymentSkipped, DeploymentWaiting, LongshoreEvent, OperationKind,
    SkipReason, Source, StackSource, WaitReason,
};
use longshore_events::manual::{ApprovalPayload, DeployPayload, HoldPayload, ResumePayload};
use longshore_events::sequence::Sequence;
use longshore_policy::route::{CpuArchitecture, Subscriber};
use longshore_policy::settings::{Approval, FreezeWindow, OneOffTask, RolloutSettings};
use longshore_rollout::course::tasks::task_stopped;
use longshore_rollout::engine::Outcome;
use longshore_rollout::ports::ImageContents;
use longshore_rollout::record::State;
use longshore_rollout::stack_record::{Operation, StackRecord};
use longshore_rollout::triggers::follow::{Wake, follow};
use longshore_rollout::triggers::hold::{HoldError, HoldOutcome, approve, hold, reject, resume};
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::predecessor::predecessor_ended;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_rollout::whereabouts::{Whereabouts, whereabouts};
use longshore_state::store::Address;
use longshore_state::{DocumentStore, ErrorClass, WriteCondition};
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

use crate::support::stable;

const HOUR: i64 = 3600;

fn with(rollout: RolloutSettings) -> Subscriber {
    Subscriber {
        rollout,
        ..subscriber("api")
    }
}

fn approved() -> Subscriber {
    with(RolloutSettings {
        approval: Some(Approval {
            expires_after_minutes: 60,
        }),
        ..RolloutSettings::default()
    })
}

/// Of a template that was made while the image was not there.
fn imageless(cloud: &FakeCloud, api: &Subscriber) {
    cloud.change_service(api, |service| {
        service.desired_count = 0;
        service.running_count = 0;
    });
}

#[tokio::test]
async fn the_first_image_starts_the_tasks_of_a_service_that_has_waited_for_it() {
    let api = with(RolloutSettings {
        first_tasks: Some(3),
        ..RolloutSettings::default()
    });
    let cloud = cloud(&api);
    imageless(&cloud, &api);
    let outcome = push(&cloud, "v1", '1', 0).await;
    assert!(matches!(outcome, Outcome::Started { .. }), "{outcome:?}");
    assert_eq!(cloud.service(&api).unwrap().desired_count, 3);
}

#[tokio::test]
async fn an_image_changes_the_number_of_tasks_of_no_service_that_has_tasks_or_never_waited() {
    let waited = with(RolloutSettings {
        first_tasks: Some(3),
        ..RolloutSettings::default()
    });
    let cloud = cloud(&waited);
    push(&cloud, "v1", '1', 0).await;
    assert_eq!(cloud.service(&waited).unwrap().desired_count, 2);

    let never = with(RolloutSettings::default());
    let cloud = FakeCloud::with_services(std::slice::from_ref(&never));
    imageless(&cloud, &never);
    push(&cloud, "v1", '1', 0).await;
    assert_eq!(cloud.service(&never).unwrap().desired_count, 0);
}

/// From a second before noon on, an hour long, each day.
fn window() -> FreezeWindow {
    let noon = noon(0);
    FreezeWindow {
        cron: noon.format("%M %H * * *").to_string(),
        time_zone: "UTC".to_owned(),
        duration_minutes: 60,
    }
}

fn cloud(api: &Subscriber) -> FakeCloud {
    FakeCloud::with_services(std::slice::from_ref(api))
}

async fn push_all(cloud: &FakeCloud, tag: &str, digit: char, seconds: i64) -> Vec<Outcome> {
    cloud.set_now(noon(seconds));
    let event = cloud.push(tag, digest(digit), noon(seconds));
    let worker = worker(&format!("push-{seconds}"), seconds);
    let results = deploy_push(cloud, &event, &worker).await.unwrap();
    results
        .into_iter()
        .map(|result| result.unwrap().outcome)
        .collect()
}

async fn push(cloud: &FakeCloud, tag: &str, digit: char, seconds: i64) -> Outcome {
    push_all(cloud, tag, digit, seconds).await.remove(0)
}

async fn look(cloud: &FakeCloud, api: &Subscriber, seconds: i64) -> Outcome {
    cloud.set_now(noon(seconds));
    let worker = worker(&format!("look-{seconds}"), seconds);
    let answer = follow(cloud, "shop/api", api, Wake::Look, &worker).await;
    answer.unwrap().outcome
}

async fn ask(cloud: &FakeCloud, id: &str, image: &str, seconds: i64) -> Outcome {
    let payload = DeployPayload {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        image: image.parse().unwrap(),
        note: None,
        by: None,
    };
    let asked = Asked {
        id: id.to_owned(),
        at: noon(seconds),
        sequence: Sequence::of_time(noon(seconds)),
        source: Source::Manual {
            note: None,
            by: None,
        },
    };
    let answer = deploy_explicitly(cloud, &payload, asked, &worker(id, seconds)).await;
    answer.unwrap().outcome
}

async fn hold_until(cloud: &FakeCloud, until: Option<i64>, seconds: i64) -> Vec<HoldOutcome> {
    let payload = HoldPayload {
        stack: "shop".to_owned(),
        service: None,
        until: until.map(noon),
        note: Some("the sale".to_owned()),
        by: None,
    };
    let held = hold(cloud, &payload, &worker("hold", seconds))
        .await
        .unwrap();
    held.into_iter().map(Result::unwrap).collect()
}

async fn let_go(cloud: &FakeCloud, seconds: i64) -> Vec<HoldOutcome> {
    cloud.set_now(noon(seconds));
    let payload = ResumePayload {
        held_since: None,
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        note: None,
        by: None,
    };
    let resumed = resume(cloud, &payload, &worker("resume", seconds)).await;
    resumed.unwrap().into_iter().map(Result::unwrap).collect()
}

async fn say_yes(
    cloud: &FakeCloud,
    digit: Option<char>,
    seconds: i64,
) -> Result<Outcome, HoldError> {
    cloud.set_now(noon(seconds));
    let payload = ApprovalPayload {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        digest: digit.map(|digit| digest(digit).into()),
        by: None,
    };
    let answer = approve(cloud, &payload, &worker("approve", seconds)).await?;
    Ok(answer.outcome.outcome)
}

fn runs(cloud: &FakeCloud, api: &Subscriber, digit: char) -> bool {
    let running = cloud.running_image(api).unwrap();
    running.ends_with(digest(digit).as_str())
}

fn is_started(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Started { .. })
}

fn is_held(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Waiting {
            reason: WaitReason::Held { .. },
            ..
        }
    )
}

fn is_to_be_approved(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Waiting {
            reason: WaitReason::Approval,
            ..
        }
    )
}

fn expired() -> Outcome {
    Outcome::Skipped {
        reason: SkipReason::ApprovalExpired,
    }
}

/// What was published as waiting: the image's tag and for what.
fn waits(cloud: &FakeCloud) -> Vec<(String, WaitReason)> {
    let published = |event| match event {
        LongshoreEvent::DeploymentWaiting(DeploymentWaiting { image, reason, .. }) => {
            Some((image.tag.unwrap_or_default(), reason))
        }
        _ => None,
    };
    cloud
        .published()
        .into_iter()
        .filter_map(published)
        .collect()
}

#[tokio::test]
async fn pushes_during_a_hold_wait_and_the_newest_goes_out_when_it_ends() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    let held = hold_until(&cloud, None, 0).await;
    assert_eq!(held[0].service, "api");
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    assert!(is_held(&push(&cloud, "v3", '3', 20).await));
    assert!(is_held(&push(&cloud, "v3", '3', 20).await));
    assert!(is_held(&look(&cloud, &api, 900).await));
    assert_eq!(cloud.updates(&api), 0);
    let why = WaitReason::Held {
        note: Some("the sale".to_owned()),
        by: None,
    };
    assert_eq!(
        waits(&cloud),
        [("v2".to_owned(), why.clone()), ("v3".to_owned(), why)]
    );
    let resumed = let_go(&cloud, 1000).await;
    assert!(is_started(&resumed[0].waited[0]), "{resumed:?}");
    assert!(runs(&cloud, &api, '3'));
    assert_eq!(cloud.updates(&api), 1);
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.hold, None);
    assert!(record.waiting.is_empty());
    // It is the deployment that was published as waiting.
    let published = cloud.published();
    let waited = published.iter().rev().find_map(|event| match event {
        LongshoreEvent::DeploymentWaiting(waiting) => Some(waiting.deployment_id.clone()),
        _ => None,
    });
    assert_eq!(waited, Some(record.deployment.id.clone()));
}

#[tokio::test]
async fn a_hold_and_its_end_are_published_once_each_with_who_and_why() {
    let services = [subscriber("api"), subscriber("worker")];
    let cloud = FakeCloud::with_services(&services);
    let payload = HoldPayload {
        stack: "shop".to_owned(),
        service: None,
        until: None,
        note: Some("the sale".to_owned()),
        by: Some(Caller::named("ada")),
    };
    hold(&cloud, &payload, &worker("hold", 0)).await.unwrap();
    let resuming = ResumePayload {
        held_since: None,
        stack: "shop".to_owned(),
        service: None,
        note: Some("it is over".to_owned()),
        by: Some(Caller::named("bob")),
    };
    for seconds in [100, 200] {
        // The second finds nothing that is held, and nobody hears of it.
        let resumed = resume(&cloud, &resuming, &worker("resume", seconds)).await;
        assert!(resumed.unwrap().iter().all(Result::is_ok));
    }
    let published = cloud.published();
    let [
        LongshoreEvent::DeploymentsHeld(held),
        LongshoreEvent::DeploymentsResumed(resumed),
    ] = published.as_slice()
    else {
        panic!("{published:?}");
    };
    assert_eq!(held.services, ["api", "worker"]);
    assert_eq!(held.note.as_deref(), Some("the sale"));
    assert_eq!(held.by, Some(Caller::named("ada")));
    assert_eq!(resumed.by, Some(Caller::named("bob")));
    assert_eq!(resumed.note.as_deref(), Some("it is over"));
    assert_eq!(resumed.held_by, Some(Caller::named("ada")));
    assert_eq!(resumed.held_since, Some(noon(0)));
}

#[tokio::test]
async fn whoever_ends_the_hold_that_they_looked_at_does_not_end_a_later_one() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, None, 100).await;
    let resume_held_at = async |seconds: i64| {
        let payload = ResumePayload {
            held_since: Some(noon(seconds)),
            stack: "shop".to_owned(),
            service: Some("api".to_owned()),
            note: None,
            by: None,
        };
        let resumed = resume(&cloud, &payload, &worker("resume", 200)).await;
        resumed.unwrap().remove(0).unwrap().hold
    };
    let kept = resume_held_at(99).await;
    assert_eq!(kept.map(|hold| hold.since), Some(noon(100)));
    assert!(!cloud.detail_types().contains(&"Deployments Resumed"));
    assert_eq!(resume_held_at(100).await, None);
    assert_eq!(cloud.record(&api).unwrap().hold, None);
    assert!(cloud.detail_types().contains(&"Deployments Resumed"));
}

#[tokio::test]
async fn what_somebody_rejects_is_given_up_and_the_next_push_asks_again() {
    let api = approved();
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    let rejecting = |digit| ApprovalPayload {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        digest: Some(digest(digit).into()),
        by: Some(Caller::named("ada")),
    };
    let other = reject(&cloud, &rejecting('3'), &worker("reject", 10)).await;
    assert!(matches!(other, Err(HoldError::Refused { .. })), "{other:?}");
    let image = reject(&cloud, &rejecting('2'), &worker("reject", 10)).await;
    assert_eq!(image.unwrap().tag.as_deref(), Some("v2"));
    assert!(cloud.record(&api).unwrap().waiting.is_empty());
    assert_eq!(cloud.detail_types().last(), Some(&"Deployment Skipped"));
    // Nothing brings it back by itself.
    assert_eq!(look(&cloud, &api, 900).await, Outcome::Nothing);
    assert!(say_yes(&cloud, Some('2'), 910).await.is_err());
    assert!(is_to_be_approved(&push(&cloud, "v3", '3', 920).await));
}

#[tokio::test]
async fn who_approved_a_deployment_is_written_down_with_it() {
    let api = approved();
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    let payload = ApprovalPayload {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        digest: Some("222222222222".parse().unwrap()),
        by: Some(Caller::named("ada")),
    };
    approve(&cloud, &payload, &worker("approve", 10))
        .await
        .unwrap();
    let deployment = cloud.record(&api).unwrap().deployment.clone();
    assert_eq!(deployment.approved_by, Some(Caller::named("ada")));
    assert_eq!(deployment.summary().approved_by, Some(Caller::named("ada")));
}

#[tokio::test]
async fn a_service_without_a_record_is_held_by_one_of_what_it_runs() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, None, 0).await;
    let record = cloud.record(&api).unwrap();
    assert_eq!(record.deployment.state, State::Succeeded);
    assert_eq!(
        record.deployment.previous_image,
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1"
    );
    assert_eq!(cloud.history(&api).len(), 1);
    assert_eq!(cloud.updates(&api), 0);
}

#[tokio::test]
async fn a_hold_ends_by_itself_when_its_time_is_over() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, Some(100), 0).await;
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    assert!(is_held(&look(&cloud, &api, 99).await));
    assert!(is_started(&look(&cloud, &api, 100).await));
}

#[tokio::test]
async fn a_hold_that_is_over_before_it_begins_is_refused_and_so_is_one_of_nobody() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    let mut payload = HoldPayload {
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        until: Some(noon(-1)),
        note: None,
        by: None,
    };
    let refused = hold(&cloud, &payload, &worker("hold", 0)).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "hold service api of stack shop: `until` is in the past: give a future time, or omit it"
    );
    payload.until = None;
    payload.service = Some("web".to_owned());
    let refused = hold(&cloud, &payload, &worker("hold", 0)).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "hold service web of stack shop: no route names it, and nothing was ever deployed to it: look \
         whether the name is right"
    );
}

#[tokio::test]
async fn what_a_person_asks_for_waits_like_a_push_and_a_newer_push_takes_its_place() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    cloud.add_image("shop/api", "hotfix", digest('5'));
    hold_until(&cloud, None, 0).await;
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    assert!(is_held(
        &ask(&cloud, "by-hand", "shop/api:hotfix", 20).await
    ));
    // The push before it is not news, and an older request comes too late.
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    assert_eq!(
        ask(&cloud, "older", "shop/api:v2", 5).await,
        Outcome::Skipped {
            reason: SkipReason::NewerRequested
        }
    );
    let waiting = cloud.record(&api).unwrap().waiting.clone();
    assert_eq!(waiting["app"].request.id, "by-hand");
    assert!(is_held(&push(&cloud, "v3", '3', 30).await));
    let_go(&cloud, 40).await;
    assert!(runs(&cloud, &api, '3'));
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn what_waits_is_published_once_and_when_something_newer_takes_its_place() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, None, 0).await;
    push(&cloud, "v2", '2', 10).await;
    push(&cloud, "v3", '3', 20).await;
    let_go(&cloud, 30).await;
    assert_eq!(
        cloud.detail_types(),
        [
            "Deployments Held",
            "Deployment Waiting",
            "Deployment Skipped",
            "Deployment Waiting",
            "Deployments Resumed",
            "Deployment Started"
        ]
    );
    let published = cloud.published();
    let (LongshoreEvent::DeploymentWaiting(waiting), LongshoreEvent::DeploymentSkipped(skipped)) =
        (&published[1], &published[2])
    else {
        panic!("{published:?}");
    };
    assert_eq!(skipped.deployment_id.as_ref(), Some(&waiting.deployment_id));
    assert_eq!(skipped.reason, SkipReason::NewerRequested);
}

#[tokio::test]
async fn in_a_freeze_window_nothing_begins_and_afterwards_the_newest_does() {
    let api = with(RolloutSettings {
        freeze_windows: vec![window()],
        ..RolloutSettings::default()
    });
    let cloud = cloud(&api);
    let frozen = push(&cloud, "v2", '2', 10).await;
    let Outcome::Waiting {
        reason: WaitReason::Frozen,
        until: Some(until),
    } = frozen
    else {
        panic!("{frozen:?}");
    };
    assert!(matches!(
        push(&cloud, "v3", '3', 20).await,
        Outcome::Waiting { .. }
    ));
    let end = (until - noon(0)).num_seconds();
    assert!(matches!(
        look(&cloud, &api, end - 1).await,
        Outcome::Waiting { .. }
    ));
    assert!(is_started(&look(&cloud, &api, end).await));
    assert!(runs(&cloud, &api, '3'));
    assert_eq!(waits(&cloud).len(), 2);
}

#[tokio::test]
async fn what_is_to_be_approved_goes_out_when_it_is_and_only_that() {
    let api = approved();
    let cloud = cloud(&api);
    assert!(is_to_be_approved(&push(&cloud, "v2", '2', 0).await));
    assert!(is_to_be_approved(&look(&cloud, &api, 900).await));
    let refused = say_yes(&cloud, Some('3'), 1000).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "approve service api of stack shop: shop/api:v2@{} waits for approval, and not {}: look at it \
             and approve that, or leave the digest out",
            digest('2'),
            digest('3')
        )
    );
    assert!(is_started(&say_yes(&cloud, Some('2'), 1010).await.unwrap()));
    assert!(runs(&cloud, &api, '2'));
    assert_eq!(waits(&cloud), [("v2".to_owned(), WaitReason::Approval)]);
    // The next one is to be approved again.
    stable(&cloud, &api, 1020).await;
    assert!(is_to_be_approved(&push(&cloud, "v3", '3', 1030).await));
    let nothing = say_yes(&cloud, Some('2'), 1040).await.unwrap_err();
    assert!(matches!(nothing, HoldError::Refused { .. }), "{nothing}");
}

#[tokio::test]
async fn when_nothing_waits_an_approval_is_refused_with_what_the_record_holds() {
    let api = approved();
    let cloud = cloud(&api);
    let refused = say_yes(&cloud, None, 0).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "approve service api of stack shop: it has no record: nothing waits"
    );
    push(&cloud, "v2", '2', 0).await;
    say_yes(&cloud, None, 10).await.unwrap();
    let refused = say_yes(&cloud, None, 20).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "approve service api of stack shop: nothing waits; the last deployment is of shop/api:v2@{}",
            digest('2')
        )
    );
    hold_until(&cloud, None, 30).await;
    cloud.push("v3", digest('3'), noon(40));
    look(&cloud, &api, 40).await;
    let refused = say_yes(&cloud, None, 50).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("does not wait for approval, it waits for somebody to end the hold"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_nobody_approves_in_time_is_given_up_and_published_once() {
    let api = approved();
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    assert!(is_to_be_approved(&look(&cloud, &api, HOUR - 1).await));
    assert_eq!(look(&cloud, &api, HOUR).await, expired());
    assert_eq!(look(&cloud, &api, HOUR + 900).await, Outcome::Nothing);
    assert_eq!(push(&cloud, "v2", '2', 0).await, Outcome::Nothing);
    assert_eq!(
        cloud.detail_types(),
        ["Deployment Waiting", "Deployment Skipped"]
    );
    assert!(say_yes(&cloud, None, HOUR + 1000).await.is_err());
    assert_eq!(cloud.updates(&api), 0);
}

#[tokio::test]
async fn an_approval_that_comes_too_late_gives_the_request_up() {
    let api = approved();
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    assert_eq!(say_yes(&cloud, None, HOUR).await.unwrap(), expired());
    assert!(cloud.record(&api).unwrap().waiting.is_empty());
}

#[tokio::test]
async fn a_hold_in_between_neither_prolongs_the_time_for_approval_nor_asks_anew() {
    let api = approved();
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    for start in [100, 300] {
        hold_until(&cloud, None, start).await;
        assert!(is_held(&look(&cloud, &api, start + 50).await));
        let_go(&cloud, start + 100).await;
        assert!(is_to_be_approved(&look(&cloud, &api, start + 150).await));
    }
    assert_eq!(waits(&cloud).len(), 2, "{:?}", waits(&cloud));
    assert_eq!(look(&cloud, &api, HOUR).await, expired());
}

#[tokio::test]
async fn what_is_approved_during_a_hold_goes_out_at_its_end() {
    let api = approved();
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    hold_until(&cloud, None, 100).await;
    assert!(is_held(&look(&cloud, &api, 110).await));
    assert!(is_held(&say_yes(&cloud, None, 120).await.unwrap()));
    let resumed = let_go(&cloud, 130).await;
    assert!(is_started(&resumed[0].waited[0]), "{resumed:?}");
}

#[tokio::test]
async fn an_approved_request_goes_out_with_the_next_wake_up_when_the_function_died() {
    let api = approved();
    for fault in [Fault::Dies, Fault::DiesAfter] {
        let cloud = cloud(&api);
        push(&cloud, "v2", '2', 0).await;
        cloud.inject_at("DescribeServices", fault);
        assert!(say_yes(&cloud, None, 100).await.is_err());
        cloud.recover();
        assert!(is_started(&look(&cloud, &api, 160).await));
        assert_eq!(cloud.updates(&api), 1);
    }
}

#[tokio::test]
async fn nobody_is_asked_to_approve_what_cannot_run_or_is_gone() {
    let api = Subscriber {
        cpu_architecture: Some(CpuArchitecture::Arm),
        ..approved()
    };
    let cloud = cloud(&api);
    cloud.set_contents(
        &digest('2'),
        ImageContents {
            source_url: None,
            architectures: [CpuArchitecture::X86].into(),
            commit: None,
        },
    );
    push(&cloud, "v2", '2', 0).await;
    assert_eq!(cloud.detail_types(), ["Deployment Skipped"]);
    push(&cloud, "v3", '3', 10).await;
    cloud.delete_image("shop/api", &digest('3'));
    let outcome = say_yes(&cloud, None, 20).await.unwrap();
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(cloud.record(&api).unwrap().waiting.is_empty());
    assert_eq!(
        cloud.detail_types(),
        [
            "Deployment Skipped",
            "Deployment Waiting",
            "Deployment Failed"
        ]
    );
    assert_eq!(look(&cloud, &api, 30).await, Outcome::Nothing);
}

/// A container beside the one of `api`, with a repository and a policy of its own.
fn proxy(api: &Subscriber, cloud: &FakeCloud) -> Subscriber {
    let registry = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
    let proxy = Subscriber {
        container: "proxy".to_owned(),
        rollout: RolloutSettings {
            before_tasks: Vec::new(),
            after_tasks: Vec::new(),
            ..api.rollout.clone()
        },
        ..api.clone()
    };
    cloud.add_container(api, "proxy", &format!("{registry}/shop/proxy:v1"));
    cloud.set_route("shop/proxy", vec![proxy.clone()]);
    proxy
}

async fn look_at_proxy(cloud: &FakeCloud, proxy: &Subscriber, seconds: i64) -> Outcome {
    cloud.set_now(noon(seconds));
    let worker = worker(&format!("proxy-{seconds}"), seconds);
    let answer = follow(cloud, "shop/proxy", proxy, Wake::Look, &worker).await;
    answer.unwrap().outcome
}

#[tokio::test]
async fn the_requests_for_two_containers_wait_beside_each_other_and_both_go_out() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    let proxy = proxy(&api, &cloud);
    hold_until(&cloud, None, 0).await;
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    cloud.push_to("shop/proxy", "v9", digest('a'), noon(20));
    assert!(is_held(&look_at_proxy(&cloud, &proxy, 20).await));
    assert_eq!(cloud.record(&api).unwrap().waiting.len(), 2);
    let resumed = let_go(&cloud, 100).await;
    assert_eq!(resumed[0].waited.len(), 2);
    assert!(resumed[0].waited.iter().all(is_started), "{resumed:?}");
    assert!(runs(&cloud, &api, '2') && runs(&cloud, &proxy, 'a'));
    assert!(cloud.record(&api).unwrap().waiting.is_empty());
}

#[tokio::test]
async fn of_two_that_wait_for_approval_the_digest_says_which() {
    let api = approved();
    let cloud = cloud(&api);
    let proxy = proxy(&api, &cloud);
    push(&cloud, "v2", '2', 10).await;
    cloud.push_to("shop/proxy", "v9", digest('a'), noon(20));
    look_at_proxy(&cloud, &proxy, 20).await;
    let refused = say_yes(&cloud, None, 30).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "approve service api of stack shop: shop/api:v2@{} and shop/proxy:v9@{} wait for approval: say \
             which by its digest",
            digest('2'),
            digest('a')
        )
    );
    assert!(is_started(&say_yes(&cloud, Some('a'), 40).await.unwrap()));
    assert!(runs(&cloud, &proxy, 'a') && !runs(&cloud, &api, '2'));
    assert!(is_started(&say_yes(&cloud, None, 50).await.unwrap()));
    assert!(runs(&cloud, &proxy, 'a') && runs(&cloud, &api, '2'));
}

#[tokio::test]
async fn an_image_of_another_container_leaves_a_deployment_alone_whose_tasks_are_to_run() {
    let api = with(RolloutSettings {
        before_tasks: vec![OneOffTask {
            name: "migrate".to_owned(),
            command: vec!["migrate".to_owned()],
            environment: [].into(),
            timeout_minutes: 15,
        }],
        ..RolloutSettings::default()
    });
    let cloud = cloud(&api);
    let proxy = proxy(&api, &cloud);
    push(&cloud, "v2", '2', 10).await;
    assert_eq!(
        cloud.record(&api).unwrap().deployment.state,
        State::Preparing
    );
    cloud.push_to("shop/proxy", "v9", digest('a'), noon(20));
    assert_eq!(look_at_proxy(&cloud, &proxy, 20).await, Outcome::Nothing);
    let stopped = cloud.stop_task(0).unwrap();
    task_stopped(&cloud, &stopped, &worker("task", 30))
        .await
        .unwrap();
    assert!(runs(&cloud, &api, '2') && !runs(&cloud, &proxy, 'a'));
    stable(&cloud, &api, 40).await;
    assert!(is_started(&look_at_proxy(&cloud, &proxy, 50).await));
    assert!(runs(&cloud, &api, '2') && runs(&cloud, &proxy, 'a'));
}

/// `migrate` comes before `api`; both follow the repository.
fn two() -> [Subscriber; 2] {
    let api = with(RolloutSettings {
        after: vec!["migrate".to_owned()],
        ..RolloutSettings::default()
    });
    [api, subscriber("migrate")]
}

async fn ended(cloud: &FakeCloud, seconds: i64) -> Vec<Outcome> {
    cloud.set_now(noon(seconds));
    let worker = worker(&format!("ended-{seconds}"), seconds);
    let followed = predecessor_ended(cloud, "shop", "migrate", &worker).await;
    followed
        .unwrap()
        .into_iter()
        .map(|result| result.unwrap().outcome)
        .collect()
}

#[tokio::test]
async fn a_service_waits_for_the_one_before_it_and_goes_out_when_that_succeeded() {
    let [api, migrate] = two();
    let cloud = FakeCloud::with_services(&[api.clone(), migrate.clone()]);
    let outcomes = push_all(&cloud, "v2", '2', 0).await;
    let expected = WaitReason::Predecessors {
        services: vec!["migrate".to_owned()],
    };
    assert!(
        matches!(&outcomes[0], Outcome::Waiting { reason, .. } if *reason == expected),
        "{outcomes:?}"
    );
    assert!(is_started(&outcomes[1]), "{outcomes:?}");
    assert!(matches!(
        ended(&cloud, 10).await[..],
        [Outcome::Waiting { .. }]
    ));
    stable(&cloud, &migrate, 20).await;
    assert!(is_started(&ended(&cloud, 30).await[0]));
    assert!(runs(&cloud, &api, '2'));
    assert_eq!(waits(&cloud), [("v2".to_owned(), expected)]);
}

#[tokio::test]
async fn a_service_does_not_get_the_image_that_the_one_before_it_did_not_get_to_run() {
    let [api, migrate] = two();
    let cloud = FakeCloud::with_services(&[api.clone(), migrate.clone()]);
    push_all(&cloud, "v2", '2', 0).await;
    cloud.roll_back(&migrate, 10);
    stable(&cloud, &migrate, 20).await;
    let expected = Outcome::Skipped {
        reason: SkipReason::PredecessorFailed,
    };
    assert_eq!(ended(&cloud, 30).await, [expected]);
    assert_eq!(ended(&cloud, 40).await, [Outcome::Nothing]);
    assert!(cloud.record(&api).unwrap().waiting.is_empty());
    assert_eq!(cloud.updates(&api), 0);
    // The next image has its own chance.
    push_all(&cloud, "v3", '3', 50).await;
    stable(&cloud, &migrate, 60).await;
    assert!(is_started(&ended(&cloud, 70).await[0]));
    assert!(runs(&cloud, &api, '3'));
}

#[tokio::test]
async fn a_lost_event_of_the_one_before_is_made_up_for_by_looking() {
    let [api, migrate] = two();
    let cloud = FakeCloud::with_services(&[api.clone(), migrate.clone()]);
    push_all(&cloud, "v2", '2', 0).await;
    stable(&cloud, &migrate, 20).await;
    assert!(is_started(&look(&cloud, &api, 900).await));
}

#[tokio::test]
async fn whoever_loses_the_race_for_what_waits_leaves_it_to_the_other() {
    let api = approved();
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    cloud.set_delays(&[3, 0, 2, 1, 0, 4, 1, 1, 0, 2]);
    let (one, other) =
        futures_util::future::join(say_yes(&cloud, None, 100), look(&cloud, &api, 100)).await;
    cloud.set_delays(&[]);
    assert!(one.is_ok(), "{one:?} {other:?}");
    assert_eq!(cloud.updates(&api), 1);
    assert!(runs(&cloud, &api, '2'));
}

#[tokio::test]
async fn a_hold_that_could_not_be_written_is_an_error_of_its_service() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    cloud.inject_at("PutObject deployments", Fault::Fails(ErrorClass::Denied));
    let payload = HoldPayload {
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        until: None,
        note: None,
        by: None,
    };
    let held = hold(&cloud, &payload, &worker("hold", 10)).await.unwrap();
    assert!(
        matches!(held[..], [Err(HoldError::Call { .. })]),
        "{held:?}"
    );
}

#[tokio::test]
async fn a_resume_that_failed_on_its_way_goes_on_when_it_is_asked_for_again() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, None, 0).await;
    push(&cloud, "v2", '2', 10).await;
    cloud.inject_at(
        "RegisterTaskDefinition",
        Fault::Fails(ErrorClass::Transient),
    );
    let payload = ResumePayload {
        held_since: None,
        stack: "shop".to_owned(),
        service: None,
        note: None,
        by: None,
    };
    let failed = resume(&cloud, &payload, &worker("first", 20)).await;
    assert!(matches!(failed.unwrap()[..], [Err(_)]));
    assert_eq!(cloud.updates(&api), 0);
    let resumed = let_go(&cloud, 21).await;
    assert!(is_started(&resumed[0].waited[0]), "{resumed:?}");
    assert!(runs(&cloud, &api, '2'));
    assert!(let_go(&cloud, 22).await[0].waited.is_empty());
    assert_eq!(cloud.updates(&api), 1);
}

#[tokio::test]
async fn an_approval_that_failed_on_its_way_goes_on_when_it_is_asked_for_again() {
    let api = approved();
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    cloud.inject_at(
        "RegisterTaskDefinition",
        Fault::Fails(ErrorClass::Transient),
    );
    let failed = say_yes(&cloud, Some('2'), 10).await.unwrap_err();
    assert!(matches!(failed, HoldError::Call { .. }), "{failed}");
    let other = say_yes(&cloud, Some('3'), 11).await.unwrap_err();
    assert!(matches!(other, HoldError::Refused { .. }), "{other}");
    assert_eq!(cloud.updates(&api), 0);
    assert!(is_started(&say_yes(&cloud, Some('2'), 12).await.unwrap()));
    assert!(runs(&cloud, &api, '2'));
    let nothing = say_yes(&cloud, Some('2'), 13).await.unwrap_err();
    assert!(matches!(nothing, HoldError::Refused { .. }), "{nothing}");
    assert_eq!(cloud.updates(&api), 1);
}

/// A damaged object of the state bucket.
async fn damage(cloud: &FakeCloud, key: &str) {
    let address = Address::of_state(key);
    let body = b"{\"stack\": \"sh".to_vec();
    cloud
        .write_document(&address, body, WriteCondition::None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_damaged_object_stops_the_hold_the_resume_and_the_reconcile_of_nobody_else() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    push(&cloud, "v2", '2', 0).await;
    damage(&cloud, "services/billing/invoices.json").await;
    damage(&cloud, "services/shop/worker.json").await;
    damage(&cloud, "routes/billing/invoices.json").await;
    let stack = |service: Option<&str>| HoldPayload {
        stack: "shop".to_owned(),
        service: service.map(str::to_owned),
        until: None,
        note: None,
        by: None,
    };

    let held = hold(&cloud, &stack(None), &worker("hold", 10))
        .await
        .unwrap();
    assert!(
        matches!(&held[0], Ok(held) if held.service == "api"),
        "{held:?}"
    );
    let said = |result: &Result<HoldOutcome, HoldError>| result.as_ref().unwrap_err().to_string();
    let failures: Vec<String> = held[1..].iter().map(said).collect();
    assert_eq!(failures.len(), 2, "{failures:#?}");
    assert!(failures[0].contains("billing/invoices"), "{failures:#?}");
    assert!(
        failures[1].contains("service worker of cluster shop"),
        "{failures:#?}"
    );
    let held = hold(&cloud, &stack(Some("api")), &worker("hold", 11))
        .await
        .unwrap();
    assert!(matches!(&held[..], [Ok(_)]), "{held:?}");

    let payload = ResumePayload {
        held_since: None,
        stack: "shop".to_owned(),
        service: None,
        note: None,
        by: None,
    };
    let resumed = resume(&cloud, &payload, &worker("resume", 20))
        .await
        .unwrap();
    assert!(
        matches!(&resumed[0], Ok(resumed) if resumed.hold.is_none()),
        "{resumed:?}"
    );
    assert_eq!(resumed.len(), 3, "{resumed:?}");

    let reconciled = reconcile(&cloud, &worker("reconcile", 30)).await.unwrap();
    assert_eq!(reconciled.services, 1, "{reconciled:?}");
    assert_eq!(reconciled.failures.len(), 3, "{reconciled:?}");
}

async fn reconcile_at(cloud: &FakeCloud, seconds: i64) {
    cloud.set_now(noon(seconds));
    let worker = worker(&format!("reconcile-{seconds}"), seconds);
    let answer = reconcile(cloud, &worker).await.unwrap();
    assert_eq!((answer.failures.len(), answer.refused.len()), (0, 0));
}

/// What was given up because no route names the service any more.
fn given_up(cloud: &FakeCloud) -> Vec<String> {
    let published = |event| match event {
        LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
            image,
            reason: SkipReason::RouteRemoved,
            deployment_id: Some(_),
            ..
        }) => image.tag,
        _ => None,
    };
    cloud
        .published()
        .into_iter()
        .filter_map(published)
        .collect()
}

#[tokio::test]
async fn what_waits_for_a_service_whose_route_was_removed_is_given_up_after_an_hour_and_published_once()
 {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, None, 0).await;
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    cloud.set_route("shop/api", Vec::new());
    reconcile_at(&cloud, 300).await;
    reconcile_at(&cloud, 600).await;
    let waiting = cloud.record(&api).unwrap().waiting.clone();
    assert_eq!(waiting["app"].given_up_at(), Some(noon(300 + 3_600)));
    assert_eq!(given_up(&cloud), Vec::<String>::new());

    reconcile_at(&cloud, 300 + 3_600).await;
    reconcile_at(&cloud, 600 + 3_600).await;
    assert_eq!(given_up(&cloud), ["v2"]);
    assert!(cloud.record(&api).unwrap().waiting.is_empty());
    assert_eq!(cloud.updates(&api), 0);
}

#[tokio::test]
async fn what_waits_goes_out_when_its_route_comes_back_in_time() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, Some(1_000), 0).await;
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    cloud.set_route("shop/api", Vec::new());
    reconcile_at(&cloud, 2_000).await;
    assert_eq!(cloud.updates(&api), 0);
    cloud.set_route("shop/api", vec![api.clone()]);
    reconcile_at(&cloud, 2_300).await;
    assert_eq!(cloud.updates(&api), 1);
    assert_eq!(given_up(&cloud), Vec::<String>::new());
}

#[tokio::test]
async fn while_a_stack_changes_its_missing_routes_are_on_their_way() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, None, 0).await;
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    let operation = Operation::begin("change-1", OperationKind::Apply, source, noon(20));
    let counts = ChangeCounts::default();
    let record = StackRecord::begin("shop", None, operation, counts, &worker("change", 20));
    cloud.set_stack_record(record);
    cloud.set_route("shop/api", Vec::new());
    for seconds in [300, 8_000] {
        reconcile_at(&cloud, seconds).await;
        assert_eq!(
            cloud.record(&api).unwrap().waiting["app"].unrouted_since,
            None
        );
    }
}

/// Services, each with those that come before it.
type Order = [(&'static str, &'static [&'static str])];

/// Subscribers of one repository in this order.
fn in_order(orders: &Order) -> Vec<Subscriber> {
    orders
        .iter()
        .map(|(service, after)| Subscriber {
            rollout: RolloutSettings {
                after: after.iter().map(|before| (*before).to_owned()).collect(),
                ..RolloutSettings::default()
            },
            ..subscriber(service)
        })
        .collect()
}

#[tokio::test]
async fn a_service_whose_order_would_let_it_wait_for_ever_is_refused_and_the_others_are_deployed() {
    let cases: [(&Order, &str); 3] = [
        (
            &[("api", &["api"]), ("other", &[])],
            "it comes after itself: remove `api` from its `after` in routes/shop/api.json",
        ),
        (
            &[("api", &["migrations"]), ("other", &[])],
            "it comes after `migrations`, which routes/shop/api.json does not name: only services of the same stack \
             that follow shop/api can be in `after`",
        ),
        (
            &[
                ("api", &["beat"]),
                ("worker", &["api"]),
                ("beat", &["worker"]),
                ("other", &[]),
            ],
            "it and `beat` come after each other in routes/shop/api.json, so neither would ever be deployed: remove \
             one of the two from `after`",
        ),
    ];
    for (orders, reason) in cases {
        let subscribers = in_order(orders);
        let cloud = FakeCloud::with_services(&subscribers);
        let outcomes = push_all(&cloud, "v2", '2', 10).await;
        let refused = Outcome::Failed {
            reason: reason.to_owned(),
        };
        assert_eq!(outcomes[0], refused);
        assert!(is_started(&outcomes[orders.len() - 1]), "{outcomes:?}");
        assert_eq!(cloud.updates(&subscribers[0]), 0);
    }
}

#[tokio::test]
async fn a_request_that_took_the_place_of_one_without_a_route_has_an_hour_of_its_own() {
    let api = subscriber("api");
    let cloud = cloud(&api);
    hold_until(&cloud, None, 0).await;
    assert!(is_held(&push(&cloud, "v2", '2', 10).await));
    cloud.set_route("shop/api", Vec::new());
    reconcile_at(&cloud, 300).await;
    cloud.set_route("shop/api", vec![api.clone()]);
    assert!(is_held(&push(&cloud, "v3", '3', 400).await));
    reconcile_at(&cloud, 600).await;
    assert_eq!(
        cloud.record(&api).unwrap().waiting["app"].unrouted_since,
        None
    );
    cloud.set_route("shop/api", Vec::new());
    reconcile_at(&cloud, 4_000).await;
    assert_eq!(given_up(&cloud), Vec::<String>::new());
}

#[tokio::test]
async fn whoever_waits_for_a_request_learns_what_it_waits_for_and_when_it_is_given_up() {
    let api = approved();
    let cloud = cloud(&api);
    let id = api.service_id();
    cloud.push("v1", digest('1'), noon(0));
    ask(&cloud, "one", "shop/api:v1", 0).await;
    match whereabouts(&cloud, &id, "one").await.unwrap() {
        Whereabouts::Waiting(waiting) => assert_eq!(waiting.why, WaitReason::Approval),
        other => panic!("it does not wait: {other:?}"),
    }
    look(&cloud, &api, 61 * 60).await;
    let found = whereabouts(&cloud, &id, "one").await;
    assert_eq!(found.unwrap(), Whereabouts::Gone);
}
