//! The control server of the local cloud: what the fake Slack received, the events, the running processes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A message that the fake Slack accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlackMessage {
    /// When it came, as the fake Slack wrote it.
    pub received_at: Value,
    /// What was posted.
    pub body: Value,
}

impl SlackMessage {
    /// Every text of the message in one string: the fallback, and those of all blocks.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        collect_text(&self.body, &mut words);
        words.join("\n")
    }

    /// The fallback text, which is what a notification shows.
    #[must_use]
    pub fn fallback(&self) -> &str {
        self.body["text"].as_str().unwrap_or_default()
    }

    /// Whether every one of these words is in the message, whatever their case.
    #[must_use]
    pub fn says(&self, words: &[&str]) -> bool {
        let text = self.words().to_lowercase();
        words.iter().all(|word| text.contains(&word.to_lowercase()))
    }
}

fn collect_text<'value>(value: &'value Value, words: &mut Vec<&'value str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "text" => words.push(text),
                    _ => collect_text(field, words),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_text(item, words)),
        _ => {}
    }
}

/// A container that runs, which without a Docker engine is a process of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The container's id.
    pub id: String,
    /// The image that it was started from, as its task names it.
    pub image: String,
    /// The process, where there is no Docker engine.
    pub pid: Option<u32>,
    /// The ARN of its task.
    pub task: Option<String>,
}

/// What a function has to do with events that it was given asynchronously.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocations {
    /// Events that wait until the function may run, or is tried again.
    pub waiting: u64,
    /// Events that the function works on.
    pub running: u64,
}

/// Where the cloud holds the secrets of tests, which have a mark that it looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canaries {
    /// Those in Secrets Manager.
    pub kept: Vec<String>,
    /// Those that are where no secret belongs.
    pub elsewhere: Vec<Canary>,
}

/// A secret where none belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The secret, or what was found of it.
    pub value: String,
    /// The file, or the path in the cloud's memory.
    pub place: String,
}

/// A process in which a function runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionProcess {
    /// Lambda's name of the function.
    pub function: String,
    /// The process.
    pub process: u32,
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Refused because there were too many; nothing is done.
    Throttled,
    /// An error of the service; nothing is done.
    Failed,
    /// The same error, though everything was done.
    AnswerLost,
    /// Answered later.
    Delayed,
    /// The connection is reset; nothing is done.
    Reset,
    /// The connection is reset, though everything was done.
    ResetAfter,
    /// Half of the answer comes, as if it were the whole.
    Corrupt,
    /// The function that calls is killed; nothing is done.
    Dies,
    /// The function that calls is killed, though everything was done.
    DiesAfter,
}

/// Calls that go wrong. SDKs try again by themselves, which counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultyCalls {
    /// An action as policies name it, wildcards included (`ecs:UpdateService`, `s3:*`). Slack's are `slack:*`, which
    /// knows [`Fault::Throttled`], [`Fault::Failed`] and [`Fault::AnswerLost`].
    pub action: String,
    /// What happens to them.
    pub fault: Fault,
    /// Each so-many-th call, from 1.
    pub every: u32,
    /// Calls of functions only, not of tests.
    pub of_functions: bool,
    /// How many calls go wrong; `None`: until [`Control::forget_faults`].
    pub times: Option<u32>,
    /// How many calls go wrong for one event, in all attempts of a function at it; `None`: as many as there are.
    pub per_event: Option<u32>,
    /// By how much [`Fault::Delayed`] is late, in seconds.
    pub seconds: f64,
}

/// The control server.
#[derive(Debug, Clone)]
pub struct Control {
    agent: ureq::Agent,
    address: String,
}

impl Control {
    /// The control server at this address (`http://127.0.0.1:PORT`).
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            agent: ureq::Agent::config_builder()
                // The longest answer is a search of all of the cloud's memory.
                .timeout_global(Some(Duration::from_secs(120)))
                .proxy(None)
                .http_status_as_error(false)
                .build()
                .into(),
            address: address.trim_end_matches('/').to_owned(),
        }
    }

    /// Whether it answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.containers().is_ok()
    }

    /// What the fake Slack accepted, in order.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn slack_messages(&self) -> Result<Vec<SlackMessage>> {
        self.get("/slack/messages")
    }

    /// The posts that the fake Slack refused on request, in order.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn slack_refused(&self) -> Result<Vec<Value>> {
        self.get("/slack/refused")
    }

    /// What only one person saw, in order: the body of each, and where it was sent.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn slack_personal(&self) -> Result<Vec<Value>> {
        self.get("/slack/personal")
    }

    /// Looks for the secrets of tests in all of the cloud's memory and files.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn canaries(&self) -> Result<Canaries> {
        self.get("/canaries")
    }

    /// The fake Slack answers the next posts with `status`; `retry_after` is the header's value.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn slack_answers(&self, status: u16, retry_after: Option<&str>, times: u32) -> Result<()> {
        let mut answers = json!({"status": status, "times": times});
        if let Some(retry_after) = retry_after {
            answers["retry_after"] = json!(retry_after);
        }
        self.post::<Value>("/slack/answers", &answers).map(drop)
    }

    /// From now on these calls go wrong, besides those of earlier.
    ///
    /// # Errors
    /// When the control server does not answer, or knows no such action.
    pub fn fail_calls(&self, calls: &FaultyCalls) -> Result<()> {
        self.post::<Value>("/faults", &json!(calls)).map(drop)
    }

    /// How many calls went wrong of those that still are to.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn count_faults(&self) -> Result<u64> {
        let faults: Vec<Value> = self.get("/faults")?;
        Ok(faults
            .iter()
            .filter_map(|fault| fault["struck"].as_u64())
            .sum())
    }

    /// What was to go wrong does not, from now on.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn forget_faults(&self) -> Result<()> {
        self.delete("/faults")
    }

    /// The asynchronous invocations by the function's name, of each function that has any.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn invocations(&self) -> Result<BTreeMap<String, Invocations>> {
        self.get("/invocations")
    }

    /// From now on a failed event of a function waits this long before its second attempt, and twice as long before
    /// its third. AWS waits a minute, and two.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn pause_before_retries(&self, pause: Duration) -> Result<()> {
        let pause = json!({"seconds": pause.as_secs_f64()});
        self.post::<Value>("/invocations/retries", &pause).map(drop)
    }

    /// How long a service, by its `<cluster>/<name>`, waits before it starts a task in the place of one that died.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn pause_before_restarts(&self, service: &str, pause: Duration) -> Result<()> {
        let asked = json!({"service": service, "restart_seconds": pause.as_secs_f64()});
        self.post::<Value>("/service-deployments", &asked).map(drop)
    }

    /// The processes in which functions run now.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn function_processes(&self) -> Result<Vec<FunctionProcess>> {
        self.get("/environments")
    }

    /// Puts an event on the default bus as AWS itself would.
    ///
    /// # Errors
    /// When the control server does not answer, or refuses the event.
    pub fn send_event(&self, event: &Value) -> Result<()> {
        self.post::<Value>("/events", event).map(drop)
    }

    /// Every event that the cloud sent in AWS's name, in order.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn events(&self) -> Result<Vec<Value>> {
        self.get("/events")
    }

    /// The containers that run now.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn containers(&self) -> Result<Vec<Container>> {
        self.get("/containers")
    }

    pub(crate) fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        let address = format!("{}{path}", self.address);
        let answer = self
            .agent
            .get(&address)
            .call()
            .with_context(|| format!("ask {address}"))?;
        self.read(&address, answer)
    }

    pub(crate) fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T> {
        let address = format!("{}{path}", self.address);
        let answer = self
            .agent
            .post(&address)
            .header("content-type", "application/json")
            .send(body.to_string())
            .with_context(|| format!("post to {address}"))?;
        self.read(&address, answer)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        let address = format!("{}{path}", self.address);
        let answer = self
            .agent
            .delete(&address)
            .call()
            .with_context(|| format!("delete {address}"))?;
        self.read::<Value>(&address, answer).map(drop)
    }

    /// What is at an address of another server of the cloud.
    pub(crate) fn read_from(&self, address: &str) -> Result<Vec<u8>> {
        let mut answer = self
            .agent
            .get(address)
            .call()
            .with_context(|| format!("ask {address}"))?;
        let status = answer.status();
        if !status.is_success() {
            bail!("{address} answered {status}");
        }
        answer
            .body_mut()
            .read_to_vec()
            .with_context(|| format!("read the answer of {address}"))
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        address: &str,
        mut answer: ureq::http::Response<ureq::Body>,
    ) -> Result<T> {
        let status = answer.status();
        let text = answer
            .body_mut()
            .with_config()
            .limit(256 * 1024 * 1024)
            .read_to_string()
            .with_context(|| format!("read the answer of {address}"))?;
        if !status.is_success() {
            bail!("{address} answered {status}: {text}");
        }
        let text = if text.trim().is_empty() {
            "null"
        } else {
            &text
        };
        serde_json::from_str(text).with_context(|| format!("read the answer of {address}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_message_are_those_of_all_its_blocks() {
        let message = SlackMessage {
            received_at: json!(0),
            body: json!({
                "text": "api rolled back",
                "blocks": [
                    {"type": "header", "text": {"type": "plain_text", "text": "Rolled back"}},
                    {"type": "context", "elements": [{"type": "mrkdwn", "text": "exit code 1"}]},
                ],
            }),
        };
        assert!(message.says(&["API", "rolled back", "exit code 1"]));
        assert!(!message.says(&["api", "mrkdwn"]));
    }

    #[test]
    fn faults_are_named_as_the_control_server_knows_them() {
        let named = [Fault::Throttled, Fault::AnswerLost, Fault::DiesAfter];
        assert_eq!(
            named.map(|fault| json!(fault)),
            ["throttled", "answer_lost", "dies_after"].map(|name| json!(name))
        );
    }
}
