//! The queues of an apply, made again before the next one.
//!
//! Terraform's provider waits 25 seconds for a queue that it has made or changed (`waitQueueAttributesPropagated` looks
//! six times, five seconds apart, whatever it sees), and not at all for one that it imports as it is to be. Terraform
//! still compares every attribute, and changes what is different by now.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{CallError, Client, JsonService};
use crate::files;

/// How the names of attributes that nobody can set begin or end.
const READ_ONLY: [&str; 3] = ["Approximate", "Timestamp", "QueueArn"];

/// Queues by their names in `infra/environments/local/queues.tf`: of a queue and the one that takes its dead letters, the
/// latter's comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queues(BTreeMap<String, Queue>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Queue {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Queues {
    /// What [`Queues::write`] has written; none where there is nothing, or nothing of use.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The queues at these addresses, as they are.
    ///
    /// # Errors
    /// When SQS refuses to answer.
    pub fn at(client: &Client, urls: &BTreeMap<String, String>) -> Result<Self> {
        let queue = |url: &str| -> Result<Queue> {
            let request = json!({"QueueUrl": url, "AttributeNames": ["All"]});
            let answer = client
                .json(JsonService::Sqs, "GetQueueAttributes", &request)
                .with_context(|| format!("read the attributes of {url}"))?;
            Queue::read(url, &answer["Attributes"])
                .with_context(|| format!("read the attributes of {url}"))
        };
        urls.iter()
            .map(|(name, url)| Ok((name.clone(), queue(url)?)))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Makes the queues; answers the addresses of those that SQS made. The others are left to Terraform.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub fn create(&self, client: &Client) -> Result<BTreeMap<String, String>> {
        let mut urls = BTreeMap::new();
        for (name, queue) in &self.0 {
            let request = json!({"QueueName": queue.name, "Attributes": queue.attributes});
            match client.json(JsonService::Sqs, "CreateQueue", &request) {
                Ok(answer) => {
                    if let Some(url) = answer["QueueUrl"].as_str() {
                        urls.insert(name.clone(), url.to_owned());
                    }
                }
                Err(CallError::Refused { .. }) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("create queue {}", queue.name));
                }
            }
        }
        Ok(urls)
    }

    /// Keeps them for the next apply.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("write the queues as JSON")? + "\n";
        files::write(path, text.as_bytes())
    }
}

impl Queue {
    fn read(url: &str, attributes: &Value) -> Result<Self> {
        let (_, name) = url.rsplit_once('/').context("the address has no name")?;
        let reported: BTreeMap<String, String> = serde_json::from_value(attributes.clone())?;
        Ok(Self {
            name: name.to_owned(),
            attributes: reported
                .into_iter()
                .filter(|(attribute, _)| {
                    !READ_ONLY
                        .iter()
                        .any(|part| attribute.starts_with(part) || attribute.ends_with(part))
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        let attributes = json!({
            "ApproximateNumberOfMessages": "0",
            "CreatedTimestamp": "1795916125",
            "LastModifiedTimestamp": "1795916125",
            "MessageRetentionPeriod": "1209600",
            "QueueArn": "arn:aws:sqs:eu-west-1:123456789012:longshore-deploy-dead-letters",
        });
        let url = "http://127.0.0.1:4566/123456789012/longshore-deploy-dead-letters";
        Queue::read(url, &attributes).unwrap()
    }

    #[test]
    fn a_queue_is_kept_with_its_name_and_what_can_be_set() {
        let queue = queue();
        assert_eq!(queue.name, "longshore-deploy-dead-letters");
        assert_eq!(
            queue.attributes,
            BTreeMap::from([("MessageRetentionPeriod".to_owned(), "1209600".to_owned())])
        );
    }

    #[test]
    fn what_was_written_is_read_and_what_is_missing_is_none() {
        let path =
            std::env::temp_dir().join(format!("longshore-queues-{}.json", std::process::id()));
        assert_eq!(Queues::read(&path), None);
        let queues = Queues(BTreeMap::from([("deploy".to_owned(), queue())]));
        queues.write(&path).unwrap();
        let read = Queues::read(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read, Some(queues));
    }
}
