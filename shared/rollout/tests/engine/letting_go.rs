//! What waits is let go by people, by the end of what came first, or found by the schedule: every call of that
//! fails once in every way, everything is done twice, and it always ends as if nothing had happened.

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::longshore::{LongshoreEvent, WaitReason};
use longshore_events::manual::{ApprovalPayload, HoldPayload, ResumePayload};
use longshore_policy::route::Subscriber;
use longshore_policy::settings::Approval;
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::record::State;
use longshore_rollout::triggers::follow::{Wake, follow};
use longshore_rollout::triggers::hold::{HoldError, approve, hold, resume};
use longshore_rollout::triggers::predecessor::predecessor_ended;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_state::{ErrorClass, Worker};
use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

const FAULTS: [Fault; 6] = [
    Fault::Fails(ErrorClass::Transient),
    Fault::Fails(ErrorClass::Denied),
    Fault::Fails(ErrorClass::LostRace),
    Fault::AnswerLost,
    Fault::Dies,
    Fault::DiesAfter,
];

/// When somebody, or Lambda, tries again: the claim of an attempt that died is over by then.
const ATTEMPTS: [i64; 3] = [600, 660, 780];

/// How what waits is let go, or kept back.
#[derive(Debug, Clone, Copy)]
enum Flow {
    Hold,
    Resume,
    Approve,
    PredecessorEnded,
    Look,
}

const FLOWS: [Flow; 5] = [
    Flow::Hold,
    Flow::Resume,
    Flow::Approve,
    Flow::PredecessorEnded,
    Flow::Look,
];

/// `migrate` is first, where somebody comes first; `api` is the one that waits.
struct Scene {
    cloud: FakeCloud,
    migrate: Subscriber,
    api: Subscriber,
}

impl Scene {
    async fn prepare(flow: Flow) -> Self {
        let mut api = subscriber("api");
        let migrate = subscriber("migrate");
        match flow {
            Flow::Approve => {
                api.rollout.approval = Some(Approval {
                    expires_after_minutes: 60,
                });
            }
            Flow::PredecessorEnded => api.rollout.after = vec!["migrate".to_owned()],
            Flow::Hold | Flow::Resume | Flow::Look => {}
        }
        let subscribers = [migrate.clone(), api.clone()];
        let scene = Self {
            cloud: FakeCloud::with_services(&subscribers),
            migrate,
            api,
        };
        if matches!(flow, Flow::Resume) {
            scene.hold(&worker("before", 0)).await.unwrap();
        }
        let push = scene.cloud.push("v2", digest('2'), noon(1));
        if matches!(flow, Flow::Resume | Flow::Approve | Flow::PredecessorEnded) {
            let results = deploy_push(&scene.cloud, &push, &worker("push", 1)).await;
            assert!(results.unwrap().iter().all(Result::is_ok));
            assert!(scene.waits());
        }
        if matches!(flow, Flow::PredecessorEnded) {
            scene.cloud.complete(&scene.migrate);
            let completed = DeploymentStateChange {
                event_name: DeploymentEventName::Completed,
                deployment_id: scene.cloud.primary_id(&scene.migrate),
                updated_at: noon(400),
                reason: String::new(),
            };
            let name = scene.migrate.service_name();
            let watch = worker("watch", 400);
            deployment_changed(&scene.cloud, &name, &completed, &watch)
                .await
                .unwrap();
        }
        scene.cloud.forget_calls();
        scene
    }

    fn waits(&self) -> bool {
        let record = self.cloud.record(&self.api);
        record.is_some_and(|record| !record.waiting.is_empty())
    }

    async fn hold(&self, worker: &Worker) -> Result<(), HoldError> {
        let payload = HoldPayload {
            stack: "shop".to_owned(),
            service: Some("api".to_owned()),
            until: None,
            note: Some("a trade fair".to_owned()),
            by: None,
        };
        for held in hold(&self.cloud, &payload, worker).await? {
            held?;
        }
        Ok(())
    }

    async fn attempt(&self, flow: Flow, seconds: i64) -> bool {
        let cloud = &self.cloud;
        // A person who tries again is another invocation, an event is the same.
        let person = worker(&format!("person-{seconds}"), seconds);
        let event = worker("event", seconds);
        match flow {
            Flow::Hold => self.hold(&person).await.is_ok(),
            Flow::Resume => {
                let payload = ResumePayload {
                    held_since: None,
                    stack: "shop".to_owned(),
                    service: Some("api".to_owned()),
                    note: None,
                    by: None,
                };
                resume(cloud, &payload, &person)
                    .await
                    .is_ok_and(|results| results.iter().all(Result::is_ok))
            }
            Flow::Approve => {
                let payload = ApprovalPayload {
                    stack: "shop".to_owned(),
                    service: "api".to_owned(),
                    digest: Some(digest('2').into()),
                    by: None,
                };
                // Somebody whose first attempt was heard after all learns that nothing waits any more.
                match approve(cloud, &payload, &person).await {
                    Ok(_) => true,
                    Err(error) => matches!(error, HoldError::Refused { .. }) && !self.waits(),
                }
            }
            Flow::PredecessorEnded => predecessor_ended(cloud, "shop", "migrate", &event)
                .await
                .is_ok_and(|results| results.iter().all(Result::is_ok)),
            Flow::Look => follow(cloud, "shop/api", &self.api, Wake::Look, &event)
                .await
                .is_ok(),
        }
    }

    async fn run(&self, flow: Flow) -> bool {
        for seconds in ATTEMPTS {
            self.cloud.set_now(noon(seconds));
            let succeeded = self.attempt(flow, seconds).await && !self.cloud.is_dead();
            self.cloud.recover();
            if succeeded {
                return true;
            }
        }
        false
    }

    /// The schedule does what nobody comes back for: somebody who was answered once does not try again.
    async fn reconcile(&self) {
        let later = worker("schedule", 1_500);
        let reconciled = reconcile(&self.cloud, &later).await.unwrap();
        assert!(reconciled.failures.is_empty(), "{reconciled:?}");
        let looked = follow(&self.cloud, "shop/api", &self.api, Wake::Look, &later).await;
        assert!(looked.is_ok(), "{looked:?}");
    }

    fn check(&self, flow: Flow, case: &str) {
        let record = self.cloud.record(&self.api).unwrap();
        assert!(record.outbox.is_empty(), "{case}: {record:#?}");
        assert!(record.finished.is_empty(), "{case}: {record:#?}");
        let published = self.cloud.published();
        let those =
            |what: fn(&LongshoreEvent) -> bool| published.iter().filter(move |event| what(event));
        if matches!(flow, Flow::Hold) {
            assert!(record.hold.is_some(), "{case}: {record:#?}");
            assert_eq!(self.cloud.updates(&self.api), 0, "{case}");
            // What was pushed meanwhile waits for that.
            let waiting = record.waiting["app"].clone();
            assert!(matches!(waiting.why, WaitReason::Held { .. }), "{case}");
            return;
        }
        assert!(record.waiting.is_empty(), "{case}");
        assert_eq!(record.hold, None, "{case}");
        assert_eq!(record.deployment.state, State::Deploying, "{case}");
        assert_eq!(record.deployment.image.digest, digest('2'), "{case}");
        assert_eq!(self.cloud.updates(&self.api), 1, "{case}");
        let started = those(|event| match event {
            LongshoreEvent::DeploymentStarted(started) => started.deployment.service == "api",
            _ => false,
        });
        assert!(started.count() >= 1, "{case}: never published");
        let odd = those(|event| {
            !matches!(
                event,
                LongshoreEvent::DeploymentStarted(_)
                    | LongshoreEvent::DeploymentWaiting(_)
                    | LongshoreEvent::DeploymentSucceeded(_)
                    | LongshoreEvent::DeploymentsHeld(_)
                    | LongshoreEvent::DeploymentsResumed(_)
            )
        });
        assert_eq!(odd.count(), 0, "{case}: {published:#?}");
    }
}

#[tokio::test]
async fn what_waits_is_let_go_once_whatever_fails() {
    let mut cases = 0;
    for flow in FLOWS {
        let undisturbed = Scene::prepare(flow).await;
        assert!(undisturbed.run(flow).await, "{flow:?}");
        let calls = undisturbed.cloud.calls();
        for (call, operation) in calls.iter().enumerate() {
            for fault in FAULTS {
                let case = format!("{flow:?}, call {call} {operation}, {fault:?}");
                let scene = Scene::prepare(flow).await;
                scene.cloud.inject(call, fault);
                assert!(scene.run(flow).await, "{case}: never succeeded");
                // Everything is done twice: the second time changes nothing.
                assert!(scene.run(flow).await, "{case}: the second time failed");
                scene.reconcile().await;
                scene.check(flow, &case);
                cases += 1;
            }
        }
    }
    assert!(cases > 200, "only {cases} cases were run");
}

#[tokio::test]
async fn what_a_person_let_go_goes_out_though_the_process_died_and_nobody_came_back() {
    for flow in [
        Flow::Resume,
        Flow::Approve,
        Flow::PredecessorEnded,
        Flow::Look,
    ] {
        let undisturbed = Scene::prepare(flow).await;
        assert!(undisturbed.run(flow).await, "{flow:?}");
        let calls = undisturbed.cloud.calls();
        // From the first write on, what was said is known.
        let first_write = calls.iter().position(|call| call.starts_with("PutObject"));
        for (call, operation) in calls.iter().enumerate().skip(first_write.unwrap()) {
            let case = format!("{flow:?}, died after call {call} {operation}");
            let scene = Scene::prepare(flow).await;
            scene.cloud.inject(call, Fault::DiesAfter);
            scene.cloud.set_now(noon(600));
            scene.attempt(flow, 600).await;
            scene.cloud.recover();
            scene.reconcile().await;
            scene.check(flow, &case);
        }
    }
}
