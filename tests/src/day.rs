//! A day of Longshore: every way to ask it for something, side by side, and what is there in the evening.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use longshore_local::control::SlackMessage;
use longshore_local::environment::Environment;
use longshore_local::homebrew::Formula;
use longshore_local::mirror::Mirror;
use longshore_local::scene::{Network, fails, push_image, put_stack_file, serves, stack_status};
use longshore_local::wait::{Seen, wait_until};
use serde_json::{Value, json};

use crate::{
    FUNCTIONS, MirrorScene, PATIENCE, Scene, ask, check_no_dead_letter, deployments_begun,
    messages_of, side_by_side,
};

/// The repository of the image of the stacks that a day builds.
const BUILT_REPOSITORY: &str = "day-built/api";

/// Services, a repository and a mirror that every day uses again.
#[derive(Debug)]
pub struct Day {
    environment: Environment,
    services: Vec<(Way, Scene)>,
    network: Network,
    mirror: Mutex<MirrorScene>,
}

/// A way to ask for deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A push.
    Push,
    /// A push of an image that fails, and of one that does not.
    FailingPush,
    /// A release file.
    Release,
    /// A payload.
    Payload,
    /// A hold, a push, and the end of the hold.
    Hold,
    /// A push that must be approved.
    Approval,
    /// Two pushes, and a rollback by hand.
    Rollback,
}

impl Way {
    const ALL: [Self; 7] = [
        Self::Push,
        Self::FailingPush,
        Self::Release,
        Self::Payload,
        Self::Hold,
        Self::Approval,
        Self::Rollback,
    ];

    fn stack(self) -> &'static str {
        match self {
            Self::Push => "day-push",
            Self::FailingPush => "day-failing-push",
            Self::Release => "day-release",
            Self::Payload => "day-payload",
            Self::Hold => "day-hold",
            Self::Approval => "day-approval",
            Self::Rollback => "day-rollback",
        }
    }

    /// How many deployments succeed and are rolled back in a day.
    fn outcomes(self) -> (usize, usize) {
        match self {
            Self::FailingPush => (1, 1),
            Self::Rollback => (3, 0),
            _ => (1, 0),
        }
    }
}

/// When the schedule of the mirror comes again: later than the last attempt at what it gave before, where functions die.
const UNTIL_ASKED_AGAIN: Duration = Duration::from_secs(200);
/// How long the failing service waits before it starts a task again. ECS gives it up after three: as there, later than a
/// call is sent again whose answer was lost. Sent after that, UpdateService would begin another deployment.
const RESTART: Duration = Duration::from_secs(6);

impl Day {
    /// Makes everything and waits until it is there.
    ///
    /// # Errors
    /// When the cloud is not up, or something does not come up.
    pub fn new() -> Result<Self> {
        let environment = Environment::of_this_process()?;
        let scenes = side_by_side(Way::ALL.len(), |number| {
            let scene = Scene::new(Way::ALL[number].stack())?;
            let tag = "v0000";
            let digest = scene.push(tag, &serves(tag))?;
            scene.wait_until_published(&["succeeded", tag])?;
            scene.wait_until_runs(&digest)?;
            anyhow::Ok(scene)
        })?;
        let services: Vec<_> = Way::ALL.into_iter().zip(scenes).collect();
        for (_, scene) in services.iter().filter(|(way, _)| *way == Way::Approval) {
            let approval = json!({"approval": {"expires_after_minutes": 60}});
            scene.put_route(&[(&scene.service, approval)])?;
        }
        for (_, scene) in services.iter().filter(|(way, _)| *way == Way::FailingPush) {
            // A call whose answer was lost is sent again within seconds. AWS's circuit breaker gives up after minutes,
            // that of the local cloud would before.
            let control = environment.control();
            let service = format!("{}/{}", environment.cluster, scene.service.ecs_name());
            control.pause_before_restarts(&service, RESTART)?;
        }
        push_image(&environment.client(), BUILT_REPOSITORY, "v1", &serves("v1"))?;
        let mirror = MirrorScene::new(Mirror::new("day-mirror"), &formulae(0))?;
        mirror.complete()?;
        Ok(Self {
            network: Network::create(&environment)?,
            environment,
            services,
            mirror: Mutex::new(mirror),
        })
    }

    /// The cloud.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// How many deployments, stacks and syncs a day asks for.
    #[must_use]
    pub fn size(&self) -> usize {
        // A stack is made, changed and destroyed.
        let outcomes = Way::ALL.map(Way::outcomes);
        let deployments = outcomes.map(|(succeeded, rolled_back)| succeeded + rolled_back);
        deployments.iter().sum::<usize>() + 3 + 1
    }

    /// Asks for everything once and waits until it is there, as the person who asked would. Days are numbered from 1.
    ///
    /// # Errors
    /// What did not come true.
    pub fn pass(&self, day: usize) -> Result<()> {
        let others: [&(dyn Fn(usize) -> Result<()> + Sync); 2] =
            [&|day| self.build_and_destroy(&built(day)), &|day| {
                self.sync(day)
            }];
        side_by_side(self.services.len() + others.len(), |number| {
            match self.services.get(number) {
                Some((way, scene)) => {
                    pass(*way, scene, day).with_context(|| scene.service.stack.clone())
                }
                None => others[number - self.services.len()](day),
            }
        })
        .map(drop)
    }

    /// Checks what these days have left: each deployment began once, ended once and was reported once; the history has
    /// every one of them, in order, and nothing waits to be published. Answers how many messages came more than once.
    ///
    /// # Errors
    /// What is not so.
    pub fn check(&self, days: usize) -> Result<usize> {
        let begun = deployments_begun(&self.environment)?;
        let mut again = 0;
        for (way, scene) in &self.services {
            let stack = &scene.service.stack;
            let (succeeded, rolled_back) = way.outcomes();
            // And what was deployed before the first day.
            let (succeeded, rolled_back) = (succeeded * days + 1, rolled_back * days);
            let mut messages = scene.messages()?;
            // Not an end: where ECS is still at it when somebody looks, Slack is told so, and the end follows.
            messages.retain(|message| !message.says(&["failed: ", "ECS is rolling back"]));
            // A start that becomes known when its end is known is not shown any more: at most one a day.
            let asked_for = succeeded + rolled_back;
            for (words, expected) in [
                ("started", asked_for.saturating_sub(days)..=asked_for),
                ("succeeded", succeeded..=succeeded),
                ("rolled back", rolled_back..=rolled_back),
                ("failed", 0..=0),
            ] {
                again += self.check_reported(stack, &messages, words, &expected)?;
            }
            let begun = begun.get(&scene.service.ecs_name()).copied();
            let expected = succeeded + rolled_back;
            ensure!(
                begun == Some(1 + expected),
                "{stack}: ECS has begun {begun:?} deployments, its first one included, for {expected}"
            );
            self.check_records(stack, &scene.service.name, expected)?;
        }
        for day in 1..=days {
            let stack = built(day);
            let messages = messages_of(&self.environment, &stack)?;
            again += self.check_reported(&stack, &messages, "stack ready", &(2..=2))?;
            again += self.check_reported(&stack, &messages, "stack destroyed", &(1..=1))?;
        }
        let mirror = self.mirror.lock().unwrap_or_else(PoisonError::into_inner);
        let completed = mirror.count_published(&["sync completed"])?;
        ensure!(
            completed > days,
            "{completed} syncs were reported, and {} were done",
            days + 1
        );
        mirror.check_identical()?;
        Ok(again + completed - days - 1)
    }

    /// Checks that the dead-letter queues are empty.
    ///
    /// # Errors
    /// When one is not.
    pub fn check_no_dead_letters(&self) -> Result<()> {
        FUNCTIONS
            .iter()
            .try_for_each(|function| check_no_dead_letter(&self.environment, function, ""))
    }

    /// Checks that as many different messages as `expected` say this of a stack; answers how many came again.
    fn check_reported(
        &self,
        stack: &str,
        messages: &[SlackMessage],
        words: &str,
        expected: &RangeInclusive<usize>,
    ) -> Result<usize> {
        let headline = format!("{words}: {stack}");
        let reported: Vec<String> = messages
            .iter()
            .filter(|message| message.says(&[&headline]))
            .map(SlackMessage::words)
            .collect();
        let different: BTreeSet<&String> = reported.iter().collect();
        ensure!(
            expected.contains(&different.len()),
            "{expected:?} messages with \"{headline}\" expected: {reported:#?}"
        );
        Ok(reported.len() - different.len())
    }

    /// Checks that `expected` deployments are in the history, with nothing missing between them.
    fn check_records(&self, stack: &str, service: &str, expected: usize) -> Result<()> {
        let client = self.environment.client();
        let bucket = &self.environment.applied.state_bucket_name;
        let prefix = format!("deployments/{stack}/{service}/");
        let history = format!("{prefix}history/");
        let mut numbers: Vec<usize> = client
            .list_objects(bucket)?
            .iter()
            .filter_map(|object| object.key.strip_prefix(&history)?.strip_suffix(".json"))
            .filter_map(|number| number.parse().ok())
            .collect();
        numbers.sort_unstable();
        ensure!(
            numbers.iter().copied().eq(1..=expected),
            "{history} should hold 1 to {expected}, and holds {numbers:?}"
        );
        match self.left_in_record(stack, service)? {
            Some(left) => bail!("{left}"),
            None => Ok(()),
        }
    }

    /// What the record of a service still holds that is to be published, kept or deployed.
    fn left_in_record(&self, stack: &str, service: &str) -> Result<Option<String>> {
        let key = format!("deployments/{stack}/{service}/current.json");
        let record = self
            .environment
            .client()
            .get_object(&self.environment.applied.state_bucket_name, &key)?
            .with_context(|| format!("{key} is not there"))?;
        let record: Value = serde_json::from_str(&record).with_context(|| format!("read {key}"))?;
        let mut parts = ["outbox", "finished", "waiting"]
            .map(|part| &record[part])
            .into_iter();
        let left = parts.find(|left| {
            let is_empty = left.is_null() || left.as_array().is_some_and(Vec::is_empty);
            !is_empty
        });
        Ok(left.map(|left| format!("{key} still holds {left}")))
    }

    /// Looks whether every record of a service holds nothing more that is to be published, kept or deployed.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn nothing_is_left(&self) -> Result<Seen<()>> {
        for (_, scene) in &self.services {
            let service = &scene.service;
            if let Some(left) = self.left_in_record(&service.stack, &service.name)? {
                return Ok(Seen::NotYet(left));
            }
        }
        Ok(Seen::Yes(()))
    }

    /// Builds, changes and destroys `count` stacks at once.
    ///
    /// # Errors
    /// What did not come true.
    pub fn build_at_once(&self, count: usize) -> Result<()> {
        side_by_side(count, |number| {
            self.build_and_destroy(&format!("at-once-{number:04}"))
        })
        .map(drop)
    }

    fn build_and_destroy(&self, stack: &str) -> Result<()> {
        let ready = |count| {
            wait_until(&format!("{stack} to be ready"), PATIENCE, || {
                let messages = messages_of(&self.environment, stack)?;
                let texts: BTreeSet<String> = messages
                    .iter()
                    .filter(|message| message.says(&["stack ready"]))
                    .map(SlackMessage::words)
                    .collect();
                Ok(if texts.len() == count {
                    Seen::Yes(())
                } else {
                    Seen::NotYet(format!("{} times", texts.len()))
                })
            })
        };
        put_stack_file(&self.environment, stack, &self.stack_file(stack, 256))?;
        ready(1)?;
        put_stack_file(&self.environment, stack, &self.stack_file(stack, 512))?;
        ready(2)?;
        let destroy = json!({"action": "destroy", "stack": stack, "note": "the day is over"});
        let is_gone = || {
            let status = stack_status(&self.environment, stack)?;
            Ok(status.is_none_or(|status| status.starts_with("DELETE")))
        };
        insist(&self.environment, "provision", &destroy, is_gone)?;
        wait_until(&format!("{stack} to be destroyed"), PATIENCE, || {
            let messages = messages_of(&self.environment, stack)?;
            Ok(
                match messages
                    .iter()
                    .any(|message| message.says(&["stack destroyed"]))
                {
                    true => Seen::Yes(()),
                    false => Seen::NotYet(format!("{} messages", messages.len())),
                },
            )
        })
    }

    fn stack_file(&self, stack: &str, cpu: u32) -> String {
        format!(
            "\
name: {stack}
network:
  vpc_id: {}
  subnet_ids: [{}]
services:
  api:
    image: {BUILT_REPOSITORY}:v1
    container_port: 8080
    cpu: {cpu}
    memory: 1024
    desired_count: 1
    stop_timeout: 2
",
            self.network.vpc,
            self.network.subnets.join(", "),
        )
    }

    fn sync(&self, day: usize) -> Result<()> {
        let mut scene = self.mirror.lock().unwrap_or_else(PoisonError::into_inner);
        scene.publish(&formulae(day))?;
        // A sync that Lambda tried again may be reported again, on the next day.
        let before = scene.count_published(&["sync completed"])?;
        // Lambda tries what failed twice more. Only where all of that came to nothing, the schedule would have to ask again.
        let mut asked: Option<Instant> = None;
        wait_until("the sync to be done and reported", PATIENCE * 2, || {
            if asked.is_none_or(|asked| asked.elapsed() > UNTIL_ASKED_AGAIN) {
                scene.mirror.run_later(&scene.environment)?;
                asked = Some(Instant::now());
            }
            let reported = scene.count_published(&["sync completed"])?;
            if reported == before {
                return Ok(Seen::NotYet("nothing is reported".to_owned()));
            }
            Ok(match scene.check_identical() {
                Ok(()) => Seen::Yes(()),
                Err(error) => Seen::NotYet(error.to_string()),
            })
        })
    }
}

/// The stack that is built on a day.
fn built(day: usize) -> String {
    format!("day-built-{day:04}")
}

/// One bottle more each day.
fn formulae(day: usize) -> Vec<Formula> {
    (0..=day)
        .map(|number| {
            Formula::new(
                &format!("of-day-{number}"),
                "1.0",
                &[("arm64_sequoia", 10_000)],
            )
        })
        .collect()
}

/// Asks as a person does: again when the answer is an error, unless what was asked for is seen meanwhile.
fn insist(
    environment: &Environment,
    function: &str,
    payload: &Value,
    is_done: impl Fn() -> Result<bool>,
) -> Result<()> {
    wait_until(&format!("{function} to take {payload}"), PATIENCE, || {
        let Err(error) = ask(environment, function, payload) else {
            return Ok(Seen::Yes(()));
        };
        Ok(if is_done()? {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{error:#}"))
        })
    })
}

/// Passes a service's day.
fn pass(way: Way, scene: &Scene, day: usize) -> Result<()> {
    let environment = &scene.environment;
    let push = |kind: &str| {
        let tag = format!("v{day:04}{kind}");
        Ok::<_, anyhow::Error>((scene.push(&tag, &serves(&tag))?, tag))
    };
    // What is not followed, so that its push is nothing to Longshore.
    let push_by_name = || {
        let tag = format!("of-{day:04}");
        Ok::<_, anyhow::Error>((scene.push(&tag, &serves(&tag))?, tag))
    };
    let is_reported = |words: &[&str]| Ok(scene.count_published(words)? > 0);
    match way {
        Way::Push => {
            let (digest, tag) = push("")?;
            scene.wait_until_published(&["succeeded", &tag])?;
            scene.wait_until_runs(&digest)
        }
        Way::FailingPush => {
            let tag = format!("v{day:04}fails");
            scene.push(&tag, &fails("no database"))?;
            scene.wait_until_published(&["rolled back", &tag, "exited with 1"])?;
            let (digest, tag) = push("runs")?;
            scene.wait_until_published(&["succeeded", &tag])?;
            scene.wait_until_runs(&digest)
        }
        Way::Release => {
            let (digest, _) = push_by_name()?;
            let note = format!("release {day:04}");
            let image = format!("{}@{digest}", scene.service.repository);
            scene
                .service
                .put_release(environment, &json!({"image": image, "note": note}))?;
            scene.wait_until_published(&["started", &note])?;
            scene.wait_until_published(&["succeeded", &note])?;
            scene.wait_until_runs(&digest)
        }
        Way::Payload => {
            let (digest, tag) = push_by_name()?;
            let mut payload = scene.about("deploy");
            payload["image"] = json!(format!("{}:{tag}", scene.service.repository));
            insist(environment, "deploy", &payload, || {
                is_reported(&["started", &tag])
            })?;
            scene.wait_until_published(&["succeeded", &tag])?;
            scene.wait_until_runs(&digest)
        }
        Way::Hold => {
            let mut hold = scene.about("hold");
            hold["note"] = json!(format!("hold {day:04}"));
            insist(environment, "deploy", &hold, || Ok(false))?;
            let (digest, tag) = push("")?;
            scene.wait_until_published(&[&tag, "hold"])?;
            insist(environment, "deploy", &scene.about("resume"), || {
                is_reported(&["started", &tag])
            })?;
            scene.wait_until_published(&["succeeded", &tag])?;
            scene.wait_until_runs(&digest)
        }
        Way::Approval => {
            let (digest, tag) = push("")?;
            scene.wait_until_published(&[&tag, "approv"])?;
            let mut approve = scene.about("approve");
            approve["digest"] = json!(digest);
            insist(environment, "deploy", &approve, || {
                is_reported(&["started", &tag])
            })?;
            scene.wait_until_published(&["succeeded", &tag])?;
            scene.wait_until_runs(&digest)
        }
        Way::Rollback => {
            let (good, tag) = push("a")?;
            scene.wait_until_published(&["succeeded", &tag])?;
            let (_, bad) = push("b")?;
            scene.wait_until_published(&["succeeded", &bad])?;
            let mut rollback = scene.about("rollback");
            rollback["to"] = json!(3 * day - 1);
            insist(environment, "deploy", &rollback, || {
                is_reported(&["rollback started", &tag])
            })?;
            scene.wait_until_published(&["rollback succeeded", &tag])?;
            scene.wait_until_runs(&good)
        }
    }
}
