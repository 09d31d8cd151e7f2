//! What tests look at: a stack with a service that deploys what is pushed and one that waits for approval.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::longshore::{ContainerFailure, OperationKind, StackSource, TaskFailure};
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_policy::settings::Approval;
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::documents::{HistoryKey, RecordKey};
use longshore_rollout::ports::LogLine;
use longshore_rollout::stack_record::{Operation, OperationState, StackRecord};
use longshore_rollout::triggers::push::deploy_push;
use longshore_state::Worker;
use longshore_testkit::{FakeCloud, FakeMirror, altered, digest, noon, subscriber};
use serde_json::json;
use tokio::net::TcpListener;

use super::guard::Guard;
use super::reading::Reader;
use super::server::Dashboard;

pub const TOKEN: &str = "0f3c1a2b4d5e6f708192a3b4c5d6e7f8";

/// What nobody may get into a page.
pub const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u{202e}\u{1b}[2J";

pub struct Scene {
    pub cloud: FakeCloud,
    pub mirror: FakeMirror,
    pub api: Subscriber,
    pub web: Subscriber,
    /// Two hours ago: what people do happens now.
    start: DateTime<Utc>,
}

impl Scene {
    pub fn new() -> Self {
        let api = subscriber("api");
        let mut web = subscriber("web");
        web.rollout.approval = Some(Approval {
            expires_after_minutes: 600,
        });
        let cloud = FakeCloud::with_services(&[api.clone(), web.clone()]);
        let options = json!({"awslogs-group": "/shop/api", "awslogs-stream-prefix": "api"});
        cloud.change_task_definition(&api, |document| {
            document["containerDefinitions"][0]["logConfiguration"] =
                json!({"logDriver": "awslogs", "options": options});
        });
        let scene = Self {
            cloud,
            mirror: FakeMirror::new(),
            api,
            web,
            start: Utc::now() - TimeDelta::hours(2),
        };
        scene.change_stack("shop", OperationState::Ready, None);
        scene
    }

    pub fn at(&self, seconds: i64) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(seconds)
    }

    /// A change of a stack that is in this state.
    pub fn change_stack(&self, stack: &str, state: OperationState, reason: Option<&str>) {
        let source = StackSource::Manual {
            note: Some("more memory".to_owned()),
            by: None,
        };
        let at = self.at(-600);
        let mut operation = Operation::begin("change-1", OperationKind::Apply, source, at);
        operation.state = state;
        operation.settled = true;
        operation.reason = reason.map(str::to_owned);
        self.cloud.set_stack_record(StackRecord {
            stack: stack.to_owned(),
            operation,
            pending_pushes: BTreeMap::new(),
            pending_file: None,
            outbox: Vec::new(),
        });
    }

    /// Both services hear of a push.
    pub async fn push(&self, tag: &str, digit: char, seconds: i64) {
        let at = self.at(seconds);
        self.cloud.set_now(at);
        let push = self.cloud.push(tag, digest(digit), at);
        let worker = Worker {
            id: format!("push-{tag}"),
            now: at,
        };
        let results = deploy_push(&self.cloud, &push, &worker).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    async fn hear(&self, service: &Subscriber, name: DeploymentEventName, at: DateTime<Utc>) {
        let deployment = self.cloud.record(service).unwrap().deployment.clone();
        let change = DeploymentStateChange {
            event_name: name,
            deployment_id: deployment.ecs_deployment_id.clone().unwrap(),
            updated_at: at,
            reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        };
        let worker = Worker {
            id: "watch".to_owned(),
            now: at,
        };
        let name = service.service_name();
        deployment_changed(&self.cloud, &name, &change, &worker)
            .await
            .unwrap();
    }

    /// What is under way is done.
    pub async fn succeed(&self, service: &Subscriber, at: DateTime<Utc>) {
        self.cloud.complete(service);
        self.hear(service, DeploymentEventName::Completed, at).await;
    }

    /// A task of what is under way dies, and leaves this line; ECS begins to go back.
    pub async fn fail(&self, task: &str, line: &str, at: DateTime<Utc>) {
        let ours = self.cloud.primary_id(&self.api);
        self.cloud.add_stopped_task(
            &ours,
            TaskFailure {
                task: format!("arn:aws:ecs:eu-west-1:111122223333:task/shop/{task}"),
                stop_code: Some("EssentialContainerExited".to_owned()),
                stopped_reason: Some("Essential container in task exited".to_owned()),
                containers: vec![ContainerFailure {
                    name: "app".to_owned(),
                    exit_code: Some(137),
                    reason: None,
                }],
                stopped_at: Some(at),
            },
        );
        for message in ["listening on :8080", "loading the catalogue", line] {
            let message = message.to_owned();
            self.cloud.add_log_line(
                "/shop/api",
                &format!("api/app/{task}"),
                LogLine { at, message },
            );
        }
        let seconds = (at - noon(0)).num_seconds();
        self.cloud.roll_back(&self.api, seconds);
        self.hear(&self.api, DeploymentEventName::Failed, at).await;
    }

    /// ECS is back on what ran before.
    pub async fn go_back(&self, at: DateTime<Utc>) {
        self.cloud.complete(&self.api);
        self.hear(&self.api, DeploymentEventName::Failed, at).await;
    }

    /// Deployment 1 of api succeeded, 2 was rolled back, 3 succeeded; web waits for approval.
    pub async fn with_history() -> Self {
        let scene = Self::new();
        scene.push("v2", '2', 0).await;
        scene.succeed(&scene.api, scene.at(95)).await;
        scene.push("v3", '3', 1_000).await;
        scene
            .fail(
                "dead",
                "panicked at src/main.rs:42: no such table: basket",
                scene.at(1_090),
            )
            .await;
        scene.go_back(scene.at(1_120)).await;
        scene.push("v4", '4', 2_000).await;
        scene.succeed(&scene.api, scene.at(2_160)).await;
        scene
    }

    /// This many services in stacks of ten, each with a history of this many deployments, of which only the last forty
    /// of the first service can be read: nobody is to look at the others.
    pub async fn crowded(services: u32, deployments: u32) -> Self {
        let scene = Self::with_history().await;
        let record = scene.cloud.record(&scene.api).unwrap();
        let mut objects = scene.cloud.objects();
        for number in 0..services {
            let service_id = ServiceId {
                stack: format!("stack-{:03}", number / 10),
                service: format!("service-{:03}", number % 10),
            };
            let last = altered(
                &record.deployment,
                &json!({"stack": service_id.stack, "service": service_id.service, "number": deployments}),
            );
            let record = altered(&record, &json!({"deployment": last}));
            objects.put(&RecordKey(&service_id), &record);
            for past in 1..deployments {
                let key = HistoryKey {
                    service_id: &service_id,
                    number: past,
                };
                if number == 0 && past + 50 > deployments {
                    objects.put(&key, &altered(&last, &json!({"number": past})));
                } else {
                    let key = longshore_state::Key::address(&key).key;
                    objects.put_bytes(&key, "not to be read");
                }
            }
        }
        drop(objects);
        scene
    }

    /// A dashboard of it, on a port of loopback.
    pub async fn dashboard(&self) -> (Dashboard<'_, FakeCloud, FakeMirror>, TcpListener, Guard) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let reader = Reader::new(&self.cloud, &self.mirror);
        let guard = || Guard::new(TOKEN.to_owned(), port);
        (Dashboard::new(guard(), reader, now), listener, guard())
    }
}

/// A clock that goes on by two seconds whenever somebody looks: each look lists anew.
fn now() -> DateTime<Utc> {
    static LOOKS: AtomicI64 = AtomicI64::new(0);
    Utc::now() + TimeDelta::seconds(2 * LOOKS.fetch_add(1, Ordering::Relaxed))
}
