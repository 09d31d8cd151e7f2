//! What may happen, and how often.

use std::num::NonZeroUsize;

use longshore_events::manual::DeployPayload;
use longshore_policy::image_policy::{ImagePolicy, Order};
use longshore_policy::route::{CpuArchitecture, Subscriber};
use longshore_policy::settings::{Approval, FreezeWindow, OneOffTask, RolloutSettings};
use longshore_state::ErrorClass;
use longshore_testkit::{Fault, digest, subscriber};
use proptest::prelude::*;

use crate::world::{REPOSITORY, Wake, World};

/// The tags that are pushed.
const TAGS: [&str; 6] = [
    "release",
    "v1.0.0",
    "v1.1.0",
    "v2.0.0-rc.1",
    "main-1",
    "main-2",
];

/// The images that are pushed, each by the digit that its digest is made of.
const DIGITS: [char; 6] = ['2', '3', '4', '5', '6', '7'];

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// A tag is pushed, or moved.
    Push { tag: usize, image: usize },
    /// Somebody deletes an image.
    Delete { image: usize },
    /// An event arrives; it may come again later.
    Deliver {
        place: usize,
        again: bool,
        fault: Option<(usize, Fault)>,
    },
    /// Two events arrive at once.
    DeliverBoth { places: [usize; 2], delays: Vec<u8> },
    /// An event is lost.
    Lose { place: usize },
    /// ECS finishes what it works towards, or gives it up.
    Work { service: usize },
    /// A one-off task ends.
    EndTask,
    /// Somebody asks for an image, and may well be heard late.
    Explicit {
        service: usize,
        image: usize,
        is_late: bool,
    },
    /// Somebody says something about a service, and is heard at once.
    Say {
        service: usize,
        saying: Saying,
        fault: Option<(usize, Fault)>,
    },
    /// Somebody applies the stack.
    Apply,
    /// CloudFormation ends the change.
    EndChange { succeeds: bool },
    /// The schedule fires.
    Reconcile { fault: Option<(usize, Fault)> },
}

/// What somebody says about a service.
#[derive(Debug, Clone, Copy)]
pub enum Saying {
    Hold,
    Resume,
    Approve,
    Rollback,
}

/// Who lives in a world, and what happens to it: each step with the seconds that pass before it.
#[derive(Debug, Clone)]
pub struct Simulation {
    pub subscribers: Vec<Subscriber>,
    pub broken: Vec<char>,
    pub unmigratable: Vec<char>,
    pub steps: Vec<(i64, Step)>,
    /// Whether what is under way at the end is lost; else it arrives.
    pub is_mail_lost: bool,
    /// Whether ECS keeps accounts of its service deployments.
    pub keeps_accounts: bool,
    /// How many tags ECR lists at once: what more there are makes a repository a large one.
    pub tags_a_call: NonZeroUsize,
}

impl World {
    /// Lets something happen.
    pub async fn take(&mut self, seconds: i64, step: Step) {
        self.pass(seconds);
        let services = self.subscribers.len();
        match step {
            Step::Push { tag, image } => self.push(TAGS[tag], DIGITS[image]),
            Step::Delete { image } => {
                self.cloud.delete_image(REPOSITORY, &digest(DIGITS[image]));
                self.is_deleted = true;
            }
            Step::Deliver {
                place,
                again,
                fault,
            } => {
                if self.mail.is_empty() {
                    return;
                }
                let place = place % self.mail.len();
                let letter = self.mail.remove(place);
                if again {
                    self.post(letter.wake.clone());
                }
                self.deliver(letter, fault).await;
            }
            Step::DeliverBoth { places, delays } => {
                if self.mail.len() < 2 {
                    return;
                }
                let one = self.mail.remove(places[0] % self.mail.len());
                let other = self.mail.remove(places[1] % self.mail.len());
                self.deliver_both(one, other, &delays).await;
            }
            Step::Lose { place } => {
                if !self.mail.is_empty() {
                    let letter = self.mail.remove(place % self.mail.len());
                    self.lose(&letter);
                }
            }
            Step::Work { service } => self.work(service % services),
            Step::EndTask => {
                self.end_task();
            }
            Step::Explicit {
                service,
                image,
                is_late,
            } => {
                let number = service % services;
                let subscriber = &self.subscribers[number];
                let reference = format!("{REPOSITORY}@{}", digest(DIGITS[image]));
                if let Ok(image) = reference.parse() {
                    let payload =
                        DeployPayload::new(&subscriber.stack, &subscriber.service, image, None);
                    self.post(Wake::Explicit(payload, self.now()));
                    if !is_late && let Some(letter) = self.mail.pop() {
                        self.deliver(letter, None).await;
                    }
                }
            }
            Step::Say {
                service,
                saying,
                fault,
            } => {
                let number = service % services;
                self.post(match saying {
                    Saying::Hold => Wake::Hold(number),
                    Saying::Resume => Wake::Resume(number),
                    Saying::Approve => Wake::Approve(number),
                    Saying::Rollback => Wake::Rollback(number),
                });
                if let Some(letter) = self.mail.pop() {
                    self.deliver(letter, fault).await;
                }
            }
            Step::Apply => self.apply().await,
            Step::EndChange { succeeds } => self.end_change(succeeds).await,
            Step::Reconcile { fault } => {
                self.post(Wake::Reconcile);
                if let Some(letter) = self.mail.pop() {
                    self.deliver(letter, fault).await;
                }
            }
        }
    }
}

pub fn fault() -> impl Strategy<Value = Option<(usize, Fault)>> {
    prop_oneof![
        4 => Just(None),
        1 => (0_usize..16, prop_oneof![
            Just(Fault::Fails(ErrorClass::Transient)),
            Just(Fault::Fails(ErrorClass::Denied)),
            Just(Fault::Fails(ErrorClass::LostRace)),
            Just(Fault::AnswerLost),
            Just(Fault::Dies),
            Just(Fault::DiesAfter),
        ])
        .prop_map(Some),
    ]
}

/// Mostly none, so that one invocation can do all its work while another waits for one call.
pub fn delay() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0_u8..3, 1 => 3_u8..40]
}

fn policy() -> impl Strategy<Value = ImagePolicy> {
    let none = ImagePolicy::default;
    let choice = prop_oneof![
        Just(ImagePolicy {
            tags: vec!["release".to_owned()],
            ..none()
        }),
        Just(ImagePolicy {
            tags: vec!["v*".to_owned(), "main-1".to_owned()],
            ..none()
        }),
        Just(ImagePolicy {
            tag_pattern: Some("main-[0-9]+".to_owned()),
            ..none()
        }),
        // By the age of the tag: release tags are by default.
        any::<bool>().prop_map(move |moved| ImagePolicy {
            tags: vec!["v*".to_owned()],
            moved_tags: Some(moved),
            ..none()
        }),
        Just(ImagePolicy {
            tag_pattern: Some("(main-|v).*".to_owned()),
            order: Some(Order::Tagged),
            ..none()
        }),
        (any::<bool>(), any::<bool>()).prop_map(move |(by_number, moved)| ImagePolicy {
            tag_pattern: Some("(?:main-|v)([0-9]+).*".to_owned()),
            order: Some(if by_number {
                Order::Number
            } else {
                Order::Alphabetical
            }),
            moved_tags: Some(moved),
            ..none()
        }),
        Just(ImagePolicy {
            semver: Some(">=1, <3".to_owned()),
            pre_releases: true,
            ..none()
        }),
        any::<bool>().prop_map(move |moved| ImagePolicy {
            semver: Some(">=1, <3".to_owned()),
            moved_tags: Some(moved),
            ..none()
        }),
        Just(ImagePolicy {
            tag_pattern: Some("v(?P<version>.+)".to_owned()),
            semver: Some(">=2.0.0-rc.1".to_owned()),
            ..none()
        }),
    ];
    let age = prop_oneof![4 => Just(0_u32), 1 => 1_u32..30];
    (choice, age).prop_map(|(policy, minimum_age_minutes)| ImagePolicy {
        minimum_age_minutes,
        ..policy
    })
}

fn tasks(name: &'static str) -> impl Strategy<Value = Vec<OneOffTask>> {
    let task = move |number: usize| OneOffTask {
        name: format!("{name}-{number}"),
        command: vec![format!("{name}-{number}")],
        environment: Default::default(),
        timeout_minutes: 15,
    };
    prop_oneof![2 => Just(0_usize), 1 => Just(1), 1 => Just(2)]
        .prop_map(move |count| (0..count).map(task).collect())
}

fn settings() -> impl Strategy<Value = RolloutSettings> {
    let approval = prop::option::weighted(
        0.2,
        Just(Approval {
            expires_after_minutes: 60,
        }),
    );
    let freeze = prop::option::weighted(
        0.15,
        Just(FreezeWindow {
            cron: "0 14 * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            duration_minutes: 60,
        }),
    );
    (tasks("before"), tasks("after"), approval, freeze).prop_map(
        |(before_tasks, after_tasks, approval, freeze)| RolloutSettings {
            before_tasks,
            after_tasks,
            approval,
            freeze_windows: freeze.into_iter().collect(),
            ..RolloutSettings::default()
        },
    )
}

/// One to three services; each may wait for the one before.
fn subscribers() -> impl Strategy<Value = Vec<Subscriber>> {
    let one = (policy(), settings(), any::<bool>(), any::<bool>());
    prop::collection::vec(one, 1..4).prop_map(|all| {
        let mut before: Option<(String, ImagePolicy)> = None;
        let mut subscribers = Vec::new();
        for (number, (policy, mut rollout, waits, is_arm)) in all.into_iter().enumerate() {
            let service = format!("api-{number}");
            let mut image_policy = policy;
            // Who waits for a service follows what that follows.
            if waits && let Some((first, first_policy)) = &before {
                rollout.after = vec![first.clone()];
                image_policy = first_policy.clone();
            }
            before = Some((service.clone(), image_policy.clone()));
            subscribers.push(Subscriber {
                image_policy,
                rollout,
                cpu_architecture: Some(if is_arm {
                    CpuArchitecture::Arm
                } else {
                    CpuArchitecture::X86
                }),
                ..subscriber(&service)
            });
        }
        subscribers
    })
}

fn step(is_calm: bool) -> impl Strategy<Value = Step> {
    let faults = move || fault().prop_map(move |fault| fault.filter(|_| !is_calm));
    let say = (0_usize..3, faults()).prop_flat_map(|(service, fault)| {
        prop_oneof![
            2 => Just(Saying::Hold),
            3 => Just(Saying::Resume),
            6 => Just(Saying::Approve),
            2 => Just(Saying::Rollback),
        ]
        .prop_map(move |saying| Step::Say {
            service,
            saying,
            fault,
        })
    });
    let both = (
        prop::array::uniform2(0_usize..100),
        prop::collection::vec(delay(), 60),
    )
        .prop_map(move |(places, delays)| {
            if is_calm {
                return Step::Deliver {
                    place: places[0],
                    again: false,
                    fault: None,
                };
            }
            Step::DeliverBoth { places, delays }
        });
    prop_oneof![
        10 => (0..TAGS.len(), 0..DIGITS.len()).prop_map(|(tag, image)| Step::Push { tag, image }),
        1 => (0..DIGITS.len()).prop_map(|image| Step::Delete { image }),
        20 => (0_usize..100, prop::bool::weighted(0.2), faults())
            .prop_map(|(place, again, fault)| Step::Deliver { place, again, fault }),
        6 => both,
        4 => (0_usize..100).prop_map(|place| Step::Lose { place }),
        8 => (0_usize..3).prop_map(|service| Step::Work { service }),
        6 => Just(Step::EndTask),
        2 => (0_usize..3, 0..DIGITS.len())
            .prop_map(move |(service, image)| Step::Explicit { service, image, is_late: !is_calm }),
        5 => say,
        2 => Just(Step::Apply),
        3 => any::<bool>().prop_map(|succeeds| Step::EndChange { succeeds }),
        2 => faults().prop_map(|fault| Step::Reconcile { fault }),
    ]
}

/// A simulation; in a calm one no call goes wrong and one thing happens after the other.
pub fn simulation(is_calm: bool) -> impl Strategy<Value = Simulation> {
    let seconds = prop_oneof![3 => Just(0_i64), 3 => 1_i64..61, 1 => 60_i64..1_200];
    let digits = || prop::sample::subsequence(DIGITS.to_vec(), 0..3);
    (
        subscribers(),
        digits(),
        digits(),
        prop::collection::vec((seconds, step(is_calm)), 1..50),
        any::<bool>(),
        prop::bool::weighted(0.8),
        prop_oneof![Just(1_000_usize), 1_usize..4],
    )
        .prop_map(
            |(
                subscribers,
                broken,
                unmigratable,
                steps,
                is_mail_lost,
                keeps_accounts,
                tags_a_call,
            )| Simulation {
                subscribers,
                broken,
                unmigratable,
                steps,
                is_mail_lost,
                keeps_accounts,
                tags_a_call: NonZeroUsize::new(tags_a_call).unwrap_or(NonZeroUsize::MIN),
            },
        )
}
