//! What the end-to-end tests share: a service of two tasks, or a mirror, on the local cloud that `cargo xtask test`
//! started.
//!
//! Every test uses a stack of its own, so that all of them can run at the same time, and sees the system only from
//! outside.

mod day;
mod fleet;
mod mirror;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use longshore_local::control::SlackMessage;
use longshore_local::environment::Environment;
use longshore_local::scene::{Service, dead_letters, function_log, push_image, subscriber};
use longshore_local::wait::{Seen, wait_until};
use serde_json::{Value, json};

pub use crate::day::{Day, Way};
pub use crate::fleet::{Fleet, Shown};
pub use crate::mirror::MirrorScene;

/// How long a rollout and its messages may take; far more than they do.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Longshore's functions.
pub const FUNCTIONS: [&str; 5] = ["provision", "deploy", "watch", "sync", "notify"];

/// How long nothing may happen, where nothing should: longer than Lambda's retries take on the local cloud.
pub const QUIET: Duration = Duration::from_secs(5);

/// What Slack showed of a stack, in order.
fn messages_of(environment: &Environment, stack: &str) -> Result<Vec<SlackMessage>> {
    let mut messages = environment.control().slack_messages()?;
    messages.retain(|message| message.says(&[stack]));
    Ok(messages)
}

/// Waits for a message of a stack that holds all of these words.
fn wait_until_published(
    environment: &Environment,
    stack: &str,
    words: &[&str],
) -> Result<SlackMessage> {
    let what = format!("a message of {stack} with {}", words.join(", "));
    wait_until(&what, PATIENCE, || {
        let messages = messages_of(environment, stack)?;
        let reported: Vec<String> = messages
            .iter()
            .map(|message| message.fallback().to_owned())
            .collect();
        Ok(
            match messages.into_iter().find(|message| message.says(words)) {
                Some(message) => Seen::Yes(message),
                None => Seen::NotYet(reported.join(" / ")),
            },
        )
    })
}

/// Does the same for each number below `count`, at the same time.
///
/// # Errors
/// The first error of any.
pub fn side_by_side<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..count)
            .map(|number| {
                let work = &work;
                scope.spawn(move || work(number))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| match worker.join() {
                Ok(done) => done,
                Err(_) => bail!("a thread panicked"),
            })
            .collect()
    })
}

/// Invokes a function with a payload; its answer, or its refusal as an error.
///
/// # Errors
/// When it is refused.
pub fn ask(environment: &Environment, function: &str, payload: &Value) -> Result<Value> {
    let name = environment.applied.function_name(function)?;
    environment
        .client()
        .invoke(name, payload)?
        .map_err(|refusal| anyhow::anyhow!("{payload} was refused: {refusal}"))
}

/// Waits until these functions have worked on all events that they were given. A slow machine may take long: only a
/// standstill is an error.
///
/// # Errors
/// When events are left and none of them is worked on, or the control server does not answer.
pub fn wait_until_drained(environment: &Environment, functions: &[&str]) -> Result<()> {
    let names = functions
        .iter()
        .map(|function| environment.applied.function_name(function))
        .collect::<Result<Vec<_>>>()?;
    let left = || {
        let invocations = environment.control().invocations()?;
        let left = names.iter().filter_map(|name| invocations.get(*name));
        anyhow::Ok(left.map(|left| left.waiting + left.running).sum::<u64>())
    };
    loop {
        let before = left()?;
        if before == 0 {
            return Ok(());
        }
        wait_until("functions to work on the events", PATIENCE, || {
            let now = left()?;
            Ok(if now < before {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{now} events are left for {}", names.join(", ")))
            })
        })?;
    }
}

/// How many deployments ECS has begun for each service, by ECS's name of it: one that made the service, and one each
/// time that somebody gave it another task definition. The deployments by which ECS rolls back are left out. Calls of
/// UpdateService are not counted: the SDK sends a call again when its answer is lost, and ECS then begins nothing.
///
/// # Errors
/// When the control server does not answer.
pub fn deployments_begun(environment: &Environment) -> Result<BTreeMap<String, usize>> {
    let mut begun: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in environment.control().events()? {
        let detail = &event["detail"];
        let is_rollback = detail["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("rolling back"));
        if detail["eventName"] == "SERVICE_DEPLOYMENT_IN_PROGRESS"
            && !is_rollback
            && let Some((_, service)) = event["resources"][0]
                .as_str()
                .and_then(|arn| arn.rsplit_once('/'))
            && let Some(deployment) = detail["deploymentId"].as_str()
        {
            let deployments = begun.entry(service.to_owned()).or_default();
            deployments.insert(deployment.to_owned());
        }
    }
    let counts = begun
        .into_iter()
        .map(|(service, deployments)| (service, deployments.len()));
    Ok(counts.collect())
}

/// Checks that no message of a function's dead-letter queue holds this word.
///
/// # Errors
/// When one does.
pub fn check_no_dead_letter(environment: &Environment, function: &str, word: &str) -> Result<()> {
    let letters = dead_letters(environment, function)?;
    let letter = letters.iter().find(|letter| letter.contains(word));
    ensure!(
        letter.is_none(),
        "the dead-letter queue of {function} holds {letter:?}"
    );
    Ok(())
}

/// One service, and what is reported of it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The cloud.
    pub environment: Environment,
    /// The service, which follows the tags `v*` of its repository.
    pub service: Service,
}

impl Scene {
    /// Creates a service of two tasks and waits until they run. The stack's name must be this test's own.
    ///
    /// # Errors
    /// When the cloud is not up, or the service does not come up.
    pub fn new(stack: &str) -> Result<Self> {
        let environment = Environment::of_this_process()?;
        let scene = Self {
            environment,
            service: Service {
                stack: stack.to_owned(),
                name: "api".to_owned(),
                repository: format!("{stack}/api"),
                tags: vec!["v*".to_owned()],
            },
        };
        let digest = scene.service.create(&scene.environment)?;
        scene.wait_until_runs(&digest)?;
        Ok(scene)
    }

    /// Pushes an image to the service's repository; answers its digest.
    ///
    /// # Errors
    /// When ECR refuses.
    pub fn push(&self, tag: &str, command: &[String]) -> Result<String> {
        push_image(
            &self.environment.client(),
            &self.service.repository,
            tag,
            command,
        )
    }

    /// Waits until two tasks run this image, and nothing else does.
    ///
    /// # Errors
    /// When that does not come true.
    pub fn wait_until_runs(&self, digest: &str) -> Result<()> {
        let what = format!("two tasks of {digest} in {}", self.service.ecs_name());
        wait_until(&what, PATIENCE, || {
            self.service.runs(&self.environment, digest)
        })
        .map(drop)
    }

    /// What Slack showed of this stack, in order.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn messages(&self) -> Result<Vec<SlackMessage>> {
        messages_of(&self.environment, &self.service.stack)
    }

    /// How many messages of this stack hold all of these words.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn count_published(&self, words: &[&str]) -> Result<usize> {
        Ok(self
            .messages()?
            .iter()
            .filter(|message| message.says(words))
            .count())
    }

    /// Waits for a message of this stack that holds all of these words.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_until_published(&self, words: &[&str]) -> Result<SlackMessage> {
        wait_until_published(&self.environment, &self.service.stack, words)
    }

    /// Waits for a line with these words in a function's log.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_until_logged(&self, function: &str, words: &[&str]) -> Result<String> {
        let what = format!("a line with {} in the log of {function}", words.join(", "));
        wait_until(&what, PATIENCE, || {
            let lines = function_log(&self.environment, function)?;
            let count = lines.len();
            let found = lines
                .into_iter()
                .find(|line| words.iter().all(|word| line.contains(word)));
            Ok(found.map_or_else(|| Seen::NotYet(format!("{count} other lines")), Seen::Yes))
        })
    }

    /// Waits for a message with these words in a function's dead-letter queue.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_for_dead_letter(&self, function: &str, words: &[&str]) -> Result<String> {
        let what = format!(
            "a message with {} in the dead-letter queue of {function}",
            words.join(", ")
        );
        wait_until(&what, PATIENCE, || {
            let letters = dead_letters(&self.environment, function)?;
            let count = letters.len();
            let found = letters
                .into_iter()
                .find(|letter| words.iter().all(|word| letter.contains(word)));
            Ok(found.map_or_else(
                || Seen::NotYet(format!("{count} other messages")),
                Seen::Yes,
            ))
        })
    }

    /// Checks that no message of a function's dead-letter queue holds this word.
    ///
    /// # Errors
    /// When one does.
    pub fn check_no_dead_letter(&self, function: &str, word: &str) -> Result<()> {
        check_no_dead_letter(&self.environment, function, word)
    }

    /// Invokes `deploy` with a payload; its answer, or its refusal as an error.
    ///
    /// # Errors
    /// When it is refused.
    pub fn ask(&self, payload: &Value) -> Result<Value> {
        ask(&self.environment, "deploy", payload)
    }

    /// What is asked about the scene's service.
    #[must_use]
    pub fn about(&self, action: &str) -> Value {
        json!({"action": action, "stack": self.service.stack, "service": self.service.name})
    }

    /// Lets services follow the scene's repository, each with its own way to roll out.
    ///
    /// # Errors
    /// When S3 refuses.
    pub fn put_route(&self, subscribers: &[(&Service, Value)]) -> Result<()> {
        let environment = &self.environment;
        let subscribers: Vec<Value> = subscribers
            .iter()
            .map(|(service, rollout)| {
                let mut subscriber = subscriber(environment, service);
                subscriber["rollout"] = rollout.clone();
                subscriber
            })
            .collect();
        let repository = &self.service.repository;
        let route = json!({"repository": repository, "subscribers": subscribers}).to_string();
        let bucket = &environment.applied.state_bucket_name;
        environment
            .client()
            .put_object(bucket, &format!("routes/{repository}.json"), &route)
            .context("write the route")
            .map(drop)
    }
}
