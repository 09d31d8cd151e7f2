//! A mirror of a source of its own.

use anyhow::{Result, ensure};
use longshore_local::control::SlackMessage;
use longshore_local::environment::Environment;
use longshore_local::homebrew::{Formula, Homebrew, Published, Request};
use longshore_local::mirror::Mirror;
use longshore_local::scene::{Network, put_stack_file};
use serde_json::{Value, json};

use crate::{messages_of, wait_until_published};

/// A stack with a mirror, what it mirrors, and what is reported of it.
#[derive(Debug, Clone)]
pub struct MirrorScene {
    /// The cloud.
    pub environment: Environment,
    /// The stack's mirror.
    pub mirror: Mirror,
    /// Where the bottles come from: a source of the stack's name.
    pub source: Homebrew,
    /// What is published there now.
    pub published: Published,
}

impl MirrorScene {
    /// Publishes an index and makes the stack. Its name must be this test's own, and part of no other's.
    ///
    /// # Errors
    /// When the cloud is not up, or the stack does not come up.
    pub fn new(mirror: Mirror, formulae: &[Formula]) -> Result<Self> {
        let environment = Environment::of_this_process()?;
        let source = Homebrew::new(environment.control(), &mirror.stack);
        let published = source.publish(formulae)?;
        let scene = Self {
            environment,
            mirror,
            source,
            published,
        };
        let environment = &scene.environment;
        if scene.mirror.tasks.is_some() {
            Mirror::push_image(environment, &environment.bottle_sync)?;
        }
        let network = Network::create(environment)?;
        let file = scene.mirror.file(&network, &scene.published);
        put_stack_file(environment, &scene.mirror.stack, &file)?;
        scene.wait_until_published(&["stack ready"])?;
        Ok(scene)
    }

    /// Publishes another index.
    ///
    /// # Errors
    /// When the control server refuses.
    pub fn publish(&mut self, formulae: &[Formula]) -> Result<()> {
        self.published = self.source.publish(formulae)?;
        Ok(())
    }

    /// Syncs by hand, and checks the outcome of the call: `completed`, `running` and so on.
    ///
    /// # Errors
    /// When the call is refused, or its outcome is another one.
    pub fn run(&self, members: &Value, outcome: &str) -> Result<Value> {
        let (found, answer) = self.mirror.run(&self.environment, members)?;
        ensure!(
            found == outcome,
            "the outcome should be {outcome}: {answer}"
        );
        Ok(answer)
    }

    /// Syncs by hand until it is completed in the call, and checks that the mirror is what the index names.
    ///
    /// # Errors
    /// When that does not come true.
    pub fn complete(&self) -> Result<Value> {
        let answer = self.run(&json!({}), "completed")?;
        self.check_identical()?;
        Ok(answer)
    }

    /// Checks that the mirror is what the index names, and nothing else.
    ///
    /// # Errors
    /// What is not so.
    pub fn check_identical(&self) -> Result<()> {
        self.mirror
            .check_identical(&self.environment.client(), &self.published)
    }

    /// What Slack showed of this stack, in order.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn messages(&self) -> Result<Vec<SlackMessage>> {
        messages_of(&self.environment, &self.mirror.stack)
    }

    /// How many messages of this stack hold all of these words.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn count_published(&self, words: &[&str]) -> Result<usize> {
        let messages = self.messages()?;
        Ok(messages
            .iter()
            .filter(|message| message.says(words))
            .count())
    }

    /// Waits for a message of this stack that holds all of these words.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_until_published(&self, words: &[&str]) -> Result<SlackMessage> {
        wait_until_published(&self.environment, &self.mirror.stack, words)
    }

    /// The requests for a bottle's content that were answered with bytes of it, in order.
    ///
    /// # Errors
    /// When there is no such bottle, or the control server does not answer.
    pub fn downloads(&self, key: &str) -> Result<Vec<Request>> {
        let path = self.store_path(key)?;
        let mut requests = self.source.requests()?;
        requests.retain(|request| {
            request.method == "GET"
                && request.path == path
                && matches!(request.status, Some(200 | 206))
        });
        Ok(requests)
    }

    /// The path under which the source sends a bottle's content, for faults.
    ///
    /// # Errors
    /// When there is no such bottle.
    pub fn store_path(&self, key: &str) -> Result<String> {
        Ok(format!("/store/{}", self.published.bottle(key)?.sha256))
    }
}
