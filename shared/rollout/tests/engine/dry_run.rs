//! Dry runs: they answer what the real run would do, and change nothing whatever that is.

use std::collections::BTreeMap;

use longshore_events::longshore::{OperationKind, Source, StackSource, WaitReason};
use longshore_events::manual::{
    ApprovalPayload, DeployPayload, HoldPayload, ResumePayload, RunPayload,
};
use longshore_events::sequence::Sequence;
use longshore_policy::route::Subscriber;
use longshore_policy::settings::{Approval, OneOffTask};
use longshore_rollout::dry_run::{DryRun, Step, Would};
use longshore_rollout::engine::DeployError;
use longshore_rollout::stack_record::{Operation, StackRecord};
use longshore_rollout::triggers::hold::{approve, hold, resume};
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::run::run_task;
use longshore_testkit::{FakeCloud, digest, noon, subscriber, worker};

use super::support::stable;

/// All that a dry run might have changed.
fn all(cloud: &FakeCloud, api: &Subscriber) -> impl PartialEq + std::fmt::Debug + use<> {
    let objects: Vec<_> = {
        let objects = cloud.objects();
        let keys = objects.keys("");
        keys.into_iter()
            .map(|key| {
                let versions = objects.versions(&key).len();
                (key, versions)
            })
            .collect()
    };
    let writes: Vec<String> = cloud
        .calls()
        .into_iter()
        .filter(|call| {
            let writes = ["PutObject", "RegisterTask", "UpdateService", "RunTask"];
            writes.iter().any(|write| call.starts_with(write)) || call == "PutEvents"
        })
        .collect();
    (objects, writes, cloud.service(api), cloud.published().len())
}

/// A service whose first deployment, of v1, has succeeded, and an image v2 that nobody asked for.
async fn cloud(api: &Subscriber) -> FakeCloud {
    let cloud = FakeCloud::with_services(std::slice::from_ref(api));
    cloud.set_now(noon(0));
    let push = cloud.push("v1.1", digest('1'), noon(0));
    let pushed = deploy_push(&cloud, &push, &worker("push", 0)).await;
    for outcome in pushed.unwrap() {
        outcome.unwrap();
    }
    stable(&cloud, api, 50).await;
    cloud.push("v2", digest('2'), noon(60));
    cloud.set_now(noon(100));
    cloud
}

async fn dry_deploy(cloud: &FakeCloud, image: &str) -> Result<Would, DeployError> {
    let payload = DeployPayload::new("shop", "api", image.parse().unwrap(), None);
    let asked = Asked {
        id: "dry".to_owned(),
        at: noon(100),
        sequence: Sequence::of_time(noon(100)),
        source: Source::Manual {
            note: None,
            by: None,
        },
    };
    let dry_run = DryRun::of(cloud);
    let outcome = deploy_explicitly(&dry_run, &payload, asked, &worker("dry", 100)).await?;
    Ok(dry_run.would(&outcome).await.unwrap().would)
}

fn step(would: Would) -> Step {
    match would {
        Would::WouldStart(step) => *step,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_dry_deployment_says_from_what_to_what_and_changes_nothing() {
    let api = subscriber("api");
    let cloud = cloud(&api).await;
    let before = all(&cloud, &api);
    let step = step(dry_deploy(&cloud, "shop/api:v2").await.unwrap());
    assert_eq!((step.from.number, step.number), (Some(1), 2));
    assert_eq!(step.from.tag.as_deref(), Some("v1.1"));
    assert_eq!(step.to.tag.as_deref(), Some("v2"));
    assert!(!step.goes_on);
    assert_eq!(all(&cloud, &api), before);
}

#[tokio::test]
async fn a_dry_deployment_names_the_task_that_would_come_first_and_starts_none() {
    let mut api = subscriber("api");
    api.rollout.before_tasks = vec![OneOffTask {
        name: "migrate".to_owned(),
        command: vec!["migrate".to_owned()],
        environment: BTreeMap::new(),
        timeout_minutes: 5,
    }];
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    cloud.push("v2", digest('2'), noon(60));
    let before = all(&cloud, &api);
    let step = step(dry_deploy(&cloud, "shop/api:v2").await.unwrap());
    assert_eq!(step.first_task.as_deref(), Some("migrate"));
    // Nothing is known of what another tool deployed but the image's name.
    assert_eq!(step.from.number, None);
    assert!(step.from.image.ends_with("/shop/api:v1"), "{step:?}");
    assert_eq!(all(&cloud, &api), before);
}

#[tokio::test]
async fn a_dry_deployment_is_refused_skipped_and_kept_back_as_the_real_one_is() {
    let mut api = subscriber("api");
    api.rollout.approval = Some(Approval {
        expires_after_minutes: 60,
    });
    let held = cloud(&subscriber("api")).await;
    held.set_route("shop/api", vec![api.clone()]);
    let before = all(&held, &api);
    let unknown = dry_deploy(&held, "shop/api:none").await.unwrap_err();
    assert!(matches!(unknown, DeployError::Refused { .. }), "{unknown}");
    let again = dry_deploy(&held, "shop/api:v1.1").await.unwrap();
    assert!(matches!(again, Would::Skipped { .. }), "{again:?}");
    let waits = dry_deploy(&held, "shop/api:v2").await.unwrap();
    assert!(
        matches!(
            waits,
            Would::WouldWait {
                reason: WaitReason::Approval,
                ..
            }
        ),
        "{waits:?}"
    );
    assert_eq!(all(&held, &api), before);
    let source = StackSource::Manual {
        note: None,
        by: None,
    };
    let operation = Operation::begin("change-1", OperationKind::Apply, source, noon(90));
    held.set_stack_record(StackRecord::follow("shop", None, operation));
    let before = all(&held, &api);
    let pending = dry_deploy(&held, "shop/api:v2").await.unwrap();
    assert_eq!(pending, Would::WouldBePending);
    assert_eq!(all(&held, &api), before);
}

#[tokio::test]
async fn a_dry_hold_resume_and_approval_leave_what_waits_where_it_is() {
    let mut api = subscriber("api");
    api.rollout.approval = Some(Approval {
        expires_after_minutes: 60,
    });
    let cloud = cloud(&subscriber("api")).await;
    cloud.set_route("shop/api", vec![api.clone()]);
    let worker = worker("dry", 100);
    let payload = HoldPayload {
        stack: "shop".to_owned(),
        service: Some("api".to_owned()),
        until: None,
        note: None,
        by: None,
    };
    let before = all(&cloud, &api);
    let held = hold(&DryRun::of(&cloud), &payload, &worker).await.unwrap();
    assert!(held[0].as_ref().unwrap().hold.is_some());
    assert_eq!(all(&cloud, &api), before);

    // Now v2 waits, to be approved.
    let push = cloud.push("v2", digest('2'), noon(100));
    deploy_push(&cloud, &push, &longshore_testkit::worker("push-2", 100))
        .await
        .unwrap();
    let before = all(&cloud, &api);
    let dry_run = DryRun::of(&cloud);
    let payload = ApprovalPayload {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        digest: None,
        by: None,
    };
    let approved = approve(&dry_run, &payload, &worker).await.unwrap();
    let step = step(dry_run.would(&approved.outcome).await.unwrap().would);
    assert_eq!(step.to.tag.as_deref(), Some("v2"));
    let payload = ResumePayload {
        held_since: None,
        stack: "shop".to_owned(),
        service: None,
        note: None,
        by: None,
    };
    let resumed = resume(&DryRun::of(&cloud), &payload, &worker)
        .await
        .unwrap();
    assert_eq!(resumed[0].as_ref().unwrap().waited.len(), 1);
    assert_eq!(all(&cloud, &api), before);
}

#[tokio::test]
async fn a_dry_run_of_a_task_starts_none_and_says_what_it_would_be() {
    let api = subscriber("api");
    let cloud = cloud(&api).await;
    let before = all(&cloud, &api);
    let payload = RunPayload {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
        command: vec!["migrate".to_owned()],
        environment: BTreeMap::new(),
        cpu: None,
        memory: None,
    };
    let dry_run = DryRun::of(&cloud);
    let worker = worker("dry", 100);
    run_task(&dry_run, &payload, &worker).await.unwrap();
    assert_eq!(dry_run.tasks()[0].command, ["migrate"]);
    assert_eq!(all(&cloud, &api), before);
}
