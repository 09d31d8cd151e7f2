//! Events that lie in the functions' dead-letter queues, and how they are put back.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use chrono::{DateTime, Utc};
use longshore_events::dead_letter::DeadLetter;
use longshore_state::CallError;
use serde::Serialize;
use serde_json::Value;

/// The functions, each of which has a queue.
pub const FUNCTIONS: [&str; 5] = ["provision", "deploy", "watch", "sync", "notify"];

/// How many events of one queue are put back at once; what is more waits for the next time.
const MOST: usize = 1000;

/// A message of a queue, which nobody else is shown for some minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    /// By which it is deleted.
    pub receipt: String,
    pub body: String,
    pub attributes: BTreeMap<String, String>,
    /// When it came into the queue.
    pub sent_at: Option<DateTime<Utc>>,
    /// The ARN of the queue that SQS took it from, because whoever reads that failed it too often.
    pub came_from: Option<String>,
}

/// Queues, and what events are given to.
pub trait DeadLetterQueues {
    /// The URL of a queue; `None` when there is none of this name.
    fn queue_url(&self, name: &str) -> impl Future<Output = Result<Option<String>, CallError>>;

    /// Some messages; none when there are no more.
    fn receive(&self, queue_url: &str) -> impl Future<Output = Result<Vec<Message>, CallError>>;

    /// Deletes a message.
    fn delete(
        &self,
        queue_url: &str,
        message: &Message,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// Lets others see a message at once.
    fn release(
        &self,
        queue_url: &str,
        message: &Message,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// Gives an event to a function, which accepts it and handles it later.
    fn invoke(&self, function: &str, event: &Value) -> impl Future<Output = Result<(), CallError>>;

    /// Sends a message to the queue of this ARN, as it came.
    fn send_back(
        &self,
        queue_arn: &str,
        message: &Message,
    ) -> impl Future<Output = Result<(), CallError>>;
}

/// An event that was lost, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostEvent {
    /// The function that was to get it, without the prefix.
    pub function: String,
    /// When it came into the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<DateTime<Utc>>,
    /// What it is about.
    pub subject: String,
    /// Why it was lost.
    pub reason: String,
    #[serde(flatten)]
    pub fate: Fate,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Fate {
    /// Nothing yet: it is in the queue.
    Waits,
    /// The function accepted it, and the queue does not have it any more.
    Replayed,
    /// It is in the queue still.
    Failed {
        /// Why.
        error: String,
    },
}

/// What lies in the queues, or what came of putting it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Of each function, the oldest first.
    pub events: Vec<LostEvent>,
    /// The functions whose queues hold more than was looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<String>,
    /// The functions that have no queue: nobody installed them under this prefix.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_queue: Vec<String>,
}

/// Puts back to the functions what lies in their dead-letter queues. An event leaves its queue only after the function
/// accepted it: where this ends half way, an event may come twice, which is harmless, and none is lost. With `dry_run`
/// all stays where it is.
///
/// # Errors
/// [`CallError`] where a queue cannot be read.
pub async fn replay<C: DeadLetterQueues>(
    cloud: &C,
    prefix: &str,
    functions: &[&str],
    dry_run: bool,
) -> Result<Replayed, CallError> {
    let mut replayed = Replayed::default();
    for function in functions {
        let name = format!("{prefix}-{function}");
        let Some(queue_url) = cloud.queue_url(&format!("{name}-dead-letters")).await? else {
            replayed.without_queue.push((*function).to_owned());
            continue;
        };
        // First all of them: what fails again comes back to the queue, and is not to go round in circles.
        let (messages, has_more) = all(cloud, &queue_url).await?;
        if has_more {
            replayed.more.push((*function).to_owned());
        }
        for message in messages {
            let letter = DeadLetter::read(&message.body, &message.attributes);
            let fate = match (&letter, dry_run) {
                (_, true) => Fate::Waits,
                (Ok(letter), false) => put_back(cloud, &queue_url, &name, letter, &message).await,
                (Err(problem), false) => Fate::Failed {
                    error: format!("{problem}: read it with the AWS CLI, and delete it"),
                },
            };
            if fate != Fate::Replayed
                && let Err(error) = cloud.release(&queue_url, &message).await
            {
                // It is shown again by itself, some minutes later.
                tracing::warn!(%error, "a message stays hidden for some minutes");
            }
            let (subject, reason) = match letter {
                Ok(letter) => (letter.subject, letter.reason),
                Err(problem) => ("a message that is not an event".to_owned(), problem),
            };
            replayed.events.push(LostEvent {
                function: (*function).to_owned(),
                lost_at: message.sent_at,
                subject,
                reason,
                fate,
            });
        }
    }
    Ok(replayed)
}

/// The messages of a queue, the oldest first, and whether there are more.
async fn all<C: DeadLetterQueues>(
    cloud: &C,
    queue_url: &str,
) -> Result<(Vec<Message>, bool), CallError> {
    let mut messages: Vec<Message> = Vec::new();
    let mut ids = BTreeSet::new();
    while messages.len() < MOST {
        let received = cloud.receive(queue_url).await?;
        // A queue may give a message twice.
        let before = messages.len();
        messages.extend(
            received
                .into_iter()
                .filter(|one| ids.insert(one.id.clone())),
        );
        if messages.len() == before {
            messages.sort_by_key(|message| message.sent_at);
            return Ok((messages, false));
        }
    }
    messages.sort_by_key(|message| message.sent_at);
    Ok((messages, true))
}

async fn put_back<C: DeadLetterQueues>(
    cloud: &C,
    queue_url: &str,
    function: &str,
    letter: &DeadLetter,
    message: &Message,
) -> Fate {
    let given = match &message.came_from {
        Some(queue_arn) => cloud.send_back(queue_arn, message).await,
        None => cloud.invoke(function, &letter.event).await,
    };
    if let Err(error) = given {
        return Fate::Failed {
            error: error.to_string(),
        };
    }
    match cloud.delete(queue_url, message).await {
        Ok(()) => Fate::Replayed,
        Err(error) => Fate::Failed {
            error: format!("the function has it, and the queue still holds it: {error}"),
        },
    }
}
