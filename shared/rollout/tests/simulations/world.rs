//! A world for the engine to live in: an account in which images are pushed, moved and deleted, people ask for
//! things, ECS works, and AWS's events are lost, repeated and delivered in any order, to invocations that
//! fail, die and run side by side.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::future::join;
use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_events::image::Digest;
use longshore_events::incoming::{DeployTaskStopped, Push};
use longshore_events::longshore::{LongshoreEvent, Source};
use longshore_events::manual::{
    ApprovalPayload, DeployPayload, HoldPayload, ResumePayload, RollbackPayload,
};
use longshore_events::sequence::Sequence;
use longshore_policy::route::{CpuArchitecture, Subscriber};
use longshore_rollout::course::tasks;
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::engine::DeployError;
use longshore_rollout::ports::{ImageContents, RolloutState};
use longshore_rollout::record::Record;
use longshore_rollout::triggers::hold::{HoldError, approve, hold, resume};
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
use longshore_rollout::triggers::predecessor::predecessor_ended;
use longshore_rollout::triggers::push::deploy_push;
use longshore_rollout::triggers::reconcile::reconcile;
use longshore_rollout::triggers::rollback::{RollbackError, rollback};
use longshore_state::Worker;
use longshore_testkit::{FakeCloud, Fault, digest, noon, worker};

use crate::world::stack::Stack;

pub mod checks;
pub mod stack;
pub mod step;

/// Where the images are, as task definitions name it.
const REGISTRY: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";

/// The digit of the digest of the image that runs at first.
const FIRST: char = '1';

/// The repository that everybody follows.
pub const REPOSITORY: &str = "shop/api";

/// The digit of the digest of an image that was not built for Arm.
const ONE_ARCHITECTURE: char = '7';

/// How often the schedule may fire, every 15 minutes, before all is quiet.
const ROUNDS: usize = 80;
/// For how many times nothing may have changed: longer than anything waits but for people.
const QUIET: usize = 8;
/// How many events may follow from each other.
const LETTERS: usize = 1_000;

/// Lambda tries an asynchronous invocation that often.
const ATTEMPTS: usize = 3;

/// What wakes a function.
#[derive(Debug, Clone)]
pub enum Wake {
    /// ECR reports a push.
    Push(Push),
    /// ECS reports a deployment of the service of this number.
    Ecs(usize, DeploymentStateChange),
    /// ECS reports the end of a one-off task.
    Task(DeployTaskStopped),
    /// Longshore's own bus reports that a deployment of this service ended, or waits for its tasks.
    Changed(String),
    /// Longshore's own bus reports that the stack has settled.
    Settled,
    /// A release file or a pipeline asks for an image.
    Explicit(DeployPayload, DateTime<Utc>),
    /// The schedule.
    Reconcile,
    /// A person holds the service of this number.
    Hold(usize),
    /// A person resumes it.
    Resume(usize),
    /// A person approves what waits.
    Approve(usize),
    /// A person rolls it back.
    Rollback(usize),
}

impl Wake {
    /// Whether a person waits for the answer, so that nobody tries again by himself.
    fn is_answered(&self) -> bool {
        matches!(
            self,
            Self::Hold(_) | Self::Resume(_) | Self::Approve(_) | Self::Rollback(_)
        )
    }
}

/// An event that is on its way.
#[derive(Debug, Clone)]
pub struct Letter {
    pub wake: Wake,
    /// Lambda's id of the invocation; a retry has the same.
    pub invocation: String,
    pub attempts: usize,
}

/// What people said of the service of this number: that it is held, once that was taken in; the rest, as soon
/// as they tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldChange {
    Held(usize),
    Resumed(usize),
    Approved(usize),
}

/// The account and all that happens around it.
pub struct World {
    pub cloud: FakeCloud,
    pub subscribers: Vec<Subscriber>,
    /// Images whose tasks die.
    pub broken: BTreeSet<Digest>,
    /// Images whose one-off tasks fail.
    pub unmigratable: BTreeSet<Digest>,
    pub stack: Stack,
    pub seconds: i64,
    pub mail: Vec<Letter>,
    pub hold_changes: Vec<(DateTime<Utc>, HoldChange)>,
    /// How often each image was pushed, or a tag moved onto it.
    pub pushes: BTreeMap<Digest, usize>,
    /// When each tag was put on the image that it is on.
    pub puts: BTreeMap<String, DateTime<Utc>>,
    /// Whether nobody heard of a push, so that nobody knows when its tag was put.
    pub is_push_lost: bool,
    /// Whether somebody deleted images.
    pub is_deleted: bool,
    /// Whether any call went wrong, or anything ran side by side.
    pub is_disturbed: bool,
    letters: usize,
    /// How many of what was published is in the mail already.
    posted: usize,
    /// The states of ECS's deployments that were reported already.
    reported: BTreeMap<String, RolloutState>,
}

impl World {
    pub fn new(subscribers: Vec<Subscriber>, broken: &[char], unmigratable: &[char]) -> Self {
        let cloud = FakeCloud::with_services(&subscribers);
        let digests = |digits: &[char]| digits.iter().map(|digit| digest(*digit)).collect();
        // What a stack is made with is pinned, as everything that Longshore deploys.
        let first = format!("{REGISTRY}/{REPOSITORY}@{}", digest(FIRST));
        cloud.add_image(REPOSITORY, "first", digest(FIRST));
        for subscriber in &subscribers {
            cloud.change_task_definition(subscriber, |document| {
                document["containerDefinitions"][0]["image"] = first.clone().into();
            });
        }
        // One that was built for one architecture only.
        let contents = ImageContents {
            source_url: None,
            architectures: [CpuArchitecture::X86].into(),
            commit: None,
        };
        cloud.set_contents(&digest(ONE_ARCHITECTURE), contents);
        Self {
            stack: Stack::new(vec![first; subscribers.len()]),
            cloud,
            subscribers,
            broken: digests(broken),
            unmigratable: digests(unmigratable),
            seconds: 0,
            mail: Vec::new(),
            hold_changes: Vec::new(),
            pushes: BTreeMap::new(),
            puts: BTreeMap::new(),
            is_push_lost: false,
            is_deleted: false,
            is_disturbed: false,
            letters: 0,
            posted: 0,
            reported: BTreeMap::new(),
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        noon(self.seconds)
    }

    pub fn pass(&mut self, seconds: i64) {
        self.seconds += seconds;
        self.cloud.set_now(self.now());
    }

    /// Puts an event into the mail.
    pub fn post(&mut self, wake: Wake) {
        self.letters += 1;
        self.mail.push(Letter {
            wake,
            invocation: format!("invocation-{}", self.letters),
            attempts: 0,
        });
    }

    /// Delivers a letter; it comes again when the invocation fails. Something may go wrong at a call.
    pub async fn deliver(&mut self, letter: Letter, fault: Option<(usize, Fault)>) {
        if let Some((call, fault)) = fault {
            self.cloud.inject(call, fault);
            self.is_disturbed = true;
        }
        self.before(&letter);
        let succeeded = Box::pin(self.run(&letter)).await && !self.cloud.is_dead();
        self.cloud.recover();
        self.after(letter, succeeded);
    }

    /// Delivers two letters at once, whose calls have their effects in any order.
    pub async fn deliver_both(&mut self, one: Letter, other: Letter, delays: &[u8]) {
        self.is_disturbed = true;
        self.before(&one);
        self.before(&other);
        self.cloud.set_delays(delays);
        let succeeded = join(Box::pin(self.run(&one)), Box::pin(self.run(&other))).await;
        self.cloud.set_delays(&[]);
        self.after(one, succeeded.0);
        self.after(other, succeeded.1);
    }

    /// Nobody hears of this any more.
    pub fn lose(&mut self, letter: &Letter) {
        self.is_push_lost |= matches!(letter.wake, Wake::Push(_));
    }

    fn before(&mut self, letter: &Letter) {
        let said = match letter.wake {
            Wake::Resume(number) => HoldChange::Resumed(number),
            Wake::Approve(number) => HoldChange::Approved(number),
            _ => return,
        };
        self.hold_changes.push((self.now(), said));
    }

    fn after(&mut self, letter: Letter, succeeded: bool) {
        if !succeeded && letter.attempts + 1 < ATTEMPTS {
            self.mail.push(Letter {
                attempts: letter.attempts + 1,
                ..letter
            });
        } else if succeeded && let Wake::Hold(number) = letter.wake {
            self.hold_changes
                .push((self.now(), HoldChange::Held(number)));
        } else if !succeeded {
            self.lose(&letter);
        }
        self.post_news();
    }

    /// Puts into the mail what ECS and Longshore's own bus have to report.
    pub fn post_news(&mut self) {
        for event in self.cloud.published().split_off(self.posted) {
            self.posted += 1;
            match event {
                LongshoreEvent::DeploymentSucceeded(published) => {
                    self.changed(published.deployment.service)
                }
                LongshoreEvent::DeploymentStabilized(published) => {
                    self.changed(published.deployment.service)
                }
                LongshoreEvent::DeploymentFailed(published) => {
                    self.changed(published.deployment.service)
                }
                LongshoreEvent::DeploymentRolledBack(published) => {
                    self.changed(published.deployment.service);
                }
                LongshoreEvent::DeploymentSuperseded(published) => {
                    self.changed(published.deployment.service);
                }
                LongshoreEvent::StackReady(_) | LongshoreEvent::StackFailed(_) => {
                    self.post(Wake::Settled);
                }
                _ => {}
            }
        }
        for number in 0..self.subscribers.len() {
            let Some(service) = self.cloud.service(&self.subscribers[number]) else {
                continue;
            };
            for deployment in service.deployments {
                let state = deployment.rollout_state;
                if self.reported.insert(deployment.id.clone(), state) == Some(state) {
                    continue;
                }
                let change = DeploymentStateChange {
                    event_name: match state {
                        RolloutState::InProgress => DeploymentEventName::InProgress,
                        RolloutState::Completed => DeploymentEventName::Completed,
                        RolloutState::Failed => DeploymentEventName::Failed,
                    },
                    deployment_id: deployment.id,
                    updated_at: self.now(),
                    reason: deployment.rollout_state_reason,
                };
                self.post(Wake::Ecs(number, change));
            }
        }
    }

    fn changed(&mut self, service: String) {
        self.post(Wake::Changed(service));
    }

    /// One invocation; whether it succeeded.
    async fn run(&self, letter: &Letter) -> bool {
        let cloud = &self.cloud;
        let invocation = if letter.wake.is_answered() {
            // A person who tries again is another invocation.
            format!("{}-{}", letter.invocation, letter.attempts)
        } else {
            letter.invocation.clone()
        };
        let worker = &worker(&invocation, self.seconds);
        match &letter.wake {
            Wake::Push(push) => deploy_push(cloud, push, worker)
                .await
                .is_ok_and(|results| results.iter().all(Result::is_ok)),
            Wake::Ecs(number, change) => {
                let name = self.subscribers[*number].service_name();
                deployment_changed(cloud, &name, change, worker)
                    .await
                    .is_ok()
            }
            Wake::Task(stopped) => tasks::task_stopped(cloud, stopped, worker).await.is_ok(),
            Wake::Changed(service) => self.changed_service(service, worker).await,
            Wake::Settled => stack::settled(cloud, worker).await,
            Wake::Explicit(payload, at) => {
                let asked = Asked {
                    id: letter.invocation.clone(),
                    at: *at,
                    sequence: Sequence::of_time(*at),
                    source: Source::Manual {
                        note: None,
                        by: None,
                    },
                };
                // Refused is an answer, too: the image or the service is not there.
                !matches!(
                    deploy_explicitly(cloud, payload, asked, worker).await,
                    Err(DeployError::Call { .. } | DeployError::Settled { .. })
                )
            }
            Wake::Reconcile => self.reconcile(worker).await.is_empty(),
            Wake::Hold(number) => {
                let (stack, service) = self.names(*number);
                let payload = HoldPayload {
                    stack,
                    service: Some(service),
                    until: None,
                    note: None,
                    by: None,
                };
                hold(cloud, &payload, worker)
                    .await
                    .is_ok_and(|results| results.iter().all(Result::is_ok))
            }
            Wake::Resume(number) => {
                let (stack, service) = self.names(*number);
                let payload = ResumePayload {
                    held_since: None,
                    stack,
                    service: Some(service),
                    note: None,
                    by: None,
                };
                resume(cloud, &payload, worker)
                    .await
                    .is_ok_and(|results| results.iter().all(Result::is_ok))
            }
            Wake::Approve(number) => {
                let (stack, service) = self.names(*number);
                let payload = ApprovalPayload {
                    stack,
                    service,
                    digest: None,
                    by: None,
                };
                // Refused when nothing waits: that is an answer.
                let approved = approve(cloud, &payload, worker).await;
                approved.is_ok() || matches!(approved, Err(HoldError::Refused { .. }))
            }
            Wake::Rollback(number) => {
                let (stack, service) = self.names(*number);
                let payload = RollbackPayload {
                    from: None,
                    stack,
                    service,
                    to: None,
                    note: None,
                    by: None,
                };
                let rolled_back = rollback(cloud, &payload, worker).await;
                !matches!(rolled_back, Err(RollbackError::Call { .. }))
            }
        }
    }

    async fn changed_service(&self, service: &str, worker: &Worker) -> bool {
        let Some(subscriber) = self
            .subscribers
            .iter()
            .find(|subscriber| subscriber.service == service)
        else {
            return true;
        };
        let service_id = subscriber.service_id();
        tasks::go_on(&self.cloud, &service_id, worker).await.is_ok()
            && predecessor_ended(&self.cloud, &service_id.stack, service, worker)
                .await
                .is_ok_and(|results| results.iter().all(Result::is_ok))
    }

    fn names(&self, number: usize) -> (String, String) {
        let subscriber = &self.subscribers[number];
        (subscriber.stack.clone(), subscriber.service.clone())
    }

    /// What the schedule does; what could not be looked at.
    async fn reconcile(&self, worker: &Worker) -> Vec<String> {
        let mut failures = stack::reconcile(&self.cloud, worker).await;
        match reconcile(&self.cloud, worker).await {
            Ok(reconciled) => failures.extend(reconciled.failures),
            Err(error) => failures.push(error.to_string()),
        }
        failures
    }

    /// An image is pushed under a tag, or a tag moved onto an image that is there already; ECR reports both.
    pub fn push(&mut self, tag: &str, digit: char) {
        let digest = digest(digit);
        *self.pushes.entry(digest.clone()).or_default() += 1;
        self.puts.insert(tag.to_owned(), self.now());
        let push = self.cloud.push(tag, digest, self.now());
        self.letters += 1;
        let event_id = format!("push-{}", self.letters);
        self.post(Wake::Push(Push { event_id, ..push }));
    }

    /// Whether tasks of this image, as a task definition names it, die.
    pub fn is_broken(&self, image: &str) -> bool {
        self.broken
            .iter()
            .any(|digest| image.ends_with(digest.as_str()))
    }

    /// ECS goes on with what it works towards in the service of this number.
    pub fn work(&mut self, number: usize) {
        let subscriber = &self.subscribers[number];
        let Some(service) = self.cloud.service(subscriber) else {
            return;
        };
        let is_under_way = service
            .primary()
            .is_some_and(|primary| primary.rollout_state == RolloutState::InProgress);
        if !is_under_way {
            return;
        }
        let image = self.cloud.running_image(subscriber).unwrap_or_default();
        if self.is_broken(&image) {
            self.cloud.roll_back(subscriber, self.seconds);
        } else {
            self.cloud.complete(subscriber);
        }
        self.post_news();
    }

    /// The oldest one-off task that still runs ends.
    pub fn end_task(&mut self) -> bool {
        let Some((request, task)) = self.cloud.running_tasks().into_iter().next() else {
            return false;
        };
        let definition = self.cloud.task_definition(&request.task_definition);
        let image = definition
            .as_ref()
            .and_then(|definition| definition.image_of(&request.container).ok())
            .unwrap_or_default();
        let fails = self
            .unmigratable
            .iter()
            .any(|digest| image.ends_with(digest.as_str()));
        if let Some(stopped) = self.cloud.stop_task_of(&task, i64::from(fails)) {
            self.post(Wake::Task(stopped));
        }
        true
    }

    /// Nothing more happens: what is under way is lost or arrives, ECS and the tasks come to an end, and the
    /// schedule goes on until it changes nothing any more.
    pub async fn come_to_rest(&mut self, is_mail_lost: bool) {
        self.end_change(true).await;
        let mut quiet = 0;
        for round in 0..ROUNDS {
            self.pass(900);
            let before: Vec<_> = self.records();
            for number in 0..self.subscribers.len() {
                self.work(number);
            }
            while self.end_task() {}
            if is_mail_lost {
                for letter in std::mem::take(&mut self.mail) {
                    self.lose(&letter);
                }
            }
            self.deliver_all().await;
            let failures = self
                .reconcile(&worker(&format!("schedule-{round}"), self.seconds))
                .await;
            assert_eq!(failures, Vec::<String>::new());
            self.post_news();
            quiet = if self.records() == before {
                quiet + 1
            } else {
                0
            };
            if quiet == QUIET {
                return;
            }
        }
        panic!("never settled: {:#?}", self.records());
    }

    async fn deliver_all(&mut self) {
        for _ in 0..LETTERS {
            if self.mail.is_empty() {
                return;
            }
            let letter = self.mail.remove(0);
            self.deliver(letter, None).await;
        }
        panic!("the mail never ends: {:#?}", self.mail);
    }

    fn records(&self) -> Vec<Option<Record>> {
        let subscribers = self.subscribers.iter();
        subscribers
            .map(|subscriber| self.cloud.record(subscriber))
            .collect()
    }
}
