//! What the end-to-end tests share: a service of two tasks, or a mirror, on the local cloud that `cargo xtask test`
//! started.
//!
//! Every test uses a stack of its own, so that all of them can run at the same time, and sees the system only from
//! outside.

mod fleet;
mod mirror;

use std::time::Duration;

use anyhow::{Result, ensure};
use longshore_local::control::SlackMessage;
use longshore_local::environment::Environment;
use longshore_local::scene::{Service, dead_letters, function_log, push_image};
use longshore_local::wait::{Seen, wait_until};

pub use crate::fleet::{Fleet, Shown};
pub use crate::mirror::MirrorScene;

/// How long a rollout and its messages may take; far more than they do.
pub const PATIENCE: Duration = Duration::from_secs(120);

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
        let letters = dead_letters(&self.environment, function)?;
        let letter = letters.iter().find(|letter| letter.contains(word));
        ensure!(
            letter.is_none(),
            "the dead-letter queue of {function} holds {letter:?}"
        );
        Ok(())
    }
}
