//! What the scenes of the demo play with, and what they wait for.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longshore_local::control::SlackMessage;
use longshore_local::environment::Environment;
use longshore_local::scene::{Network, Running, Service, short_digest};
use longshore_local::wait::{Seen, wait_until};

use crate::terminal::Terminal;

/// How long a rollout and its messages may take. Far more than they do: a slow machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What the scenes play with.
pub struct Stage {
    pub environment: Environment,
    pub network: Network,
    pub service: Service,
    pub images: Images,
}

/// Digests of the images, as the steps push them; a later step may need an earlier one's.
pub struct Images {
    /// `v1`, the one that the stack file names.
    pub first: String,
    /// `v2`.
    pub second: Option<String>,
    /// `hotfix-1`, which only the release file asks for.
    pub hotfix: Option<String>,
    /// `v5`, the newest that was pushed during the hold.
    pub newest: Option<String>,
}

impl Images {
    pub fn second(&self) -> Result<&str> {
        self.second.as_deref().context("v2 was not pushed")
    }

    pub fn hotfix(&self) -> Result<&str> {
        self.hotfix.as_deref().context("hotfix-1 was not pushed")
    }

    pub fn newest(&self) -> Result<&str> {
        self.newest.as_deref().context("v5 was not pushed")
    }
}

/// What Slack received in the step that is being shown.
pub struct Slack<'environment> {
    pub environment: &'environment Environment,
    pub before: usize,
}

impl Slack<'_> {
    pub fn messages(&self) -> Result<Vec<SlackMessage>> {
        Ok(self
            .environment
            .control()
            .slack_messages()?
            .split_off(self.before))
    }

    /// Waits for a message of this step with all of these words.
    pub fn wait_for(&self, terminal: &mut Terminal, words: &[&str]) -> Result<SlackMessage> {
        let what = format!("a message in Slack with the words {}", words.join(", "));
        terminal.progress(&format!("waiting for {what}"));
        wait_until(&what, PATIENCE, || {
            let messages = self.messages()?;
            if let Some(message) = messages.iter().find(|message| message.says(words)) {
                return Ok(Seen::Yes(message.clone()));
            }
            let reported: Vec<&str> = messages.iter().map(SlackMessage::fallback).collect();
            Ok(Seen::NotYet(format!(
                "{} messages: {}",
                reported.len(),
                reported.join(" / ")
            )))
        })
    }

    pub fn check_none(&self, words: &[&str]) -> Result<()> {
        let wrong = self
            .messages()?
            .into_iter()
            .find(|message| message.says(words));
        ensure!(
            wrong.is_none(),
            "Slack shows {:?}, which is not so",
            wrong.as_ref().map_or("", SlackMessage::fallback)
        );
        Ok(())
    }
}

pub fn wait_for_rollout(terminal: &mut Terminal, stage: &Stage, digest: &str) -> Result<Running> {
    let what = format!("two tasks of {}", short_digest(digest));
    terminal.progress(&format!("waiting for {what}"));
    let mut reported = String::new();
    wait_until(&what, PATIENCE, || {
        let seen = stage.service.runs(&stage.environment, digest)?;
        if let Seen::NotYet(instead) = &seen
            && *instead != reported
        {
            terminal.progress(instead);
            reported.clone_from(instead);
        }
        Ok(seen)
    })
}

pub fn processes(running: &Running) -> String {
    if running.processes.is_empty() {
        return "two tasks, their containers run by Docker".to_owned();
    }
    let pids: Vec<String> = running.processes.iter().map(u32::to_string).collect();
    format!("two tasks, processes {}", pids.join(" and "))
}
