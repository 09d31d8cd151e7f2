//! Dead-letter queues, and functions that get events.

use std::collections::BTreeMap;

use longshore_rollout::lost_events::{DeadLetterQueues, Message};
use longshore_state::{CallError, ErrorClass};
use serde_json::Value;

use crate::builders::noon;
use crate::fake_cloud::FakeCloud;
use crate::faults::error;
use crate::queues::Queues;

impl FakeCloud {
    /// Makes an empty queue.
    pub fn add_queue(&self, name: &str) {
        let mut account = self.inner.borrow_mut();
        account.queues.queues.entry(name.to_owned()).or_default();
    }

    /// Puts a message into a queue, `seconds` after noon.
    pub fn add_message(&self, queue: &str, body: &str, came_from: Option<&str>, seconds: i64) {
        let mut account = self.inner.borrow_mut();
        let messages = account.queues.queues.entry(queue.to_owned()).or_default();
        let id = format!("{queue}/{}", messages.len());
        messages.push(Message {
            receipt: id.clone(),
            id,
            body: body.to_owned(),
            attributes: BTreeMap::new(),
            sent_at: Some(noon(seconds)),
            came_from: came_from.map(str::to_owned),
        });
    }

    /// What a queue holds that anybody can see.
    pub fn messages(&self, queue: &str) -> Vec<String> {
        let account = self.inner.borrow();
        let Queues { queues, hidden, .. } = &account.queues;
        let messages = queues.get(queue).into_iter().flatten();
        messages
            .filter(|message| !hidden.contains(&message.id))
            .map(|message| message.body.clone())
            .collect()
    }

    /// What functions were given, in order.
    pub fn given(&self) -> Vec<(String, Value)> {
        self.inner.borrow().queues.given.clone()
    }
}

impl DeadLetterQueues for FakeCloud {
    async fn queue_url(&self, name: &str) -> Result<Option<String>, CallError> {
        self.call("GetQueueUrl", |account| {
            let is_there = account.queues.queues.contains_key(name);
            Ok(is_there.then(|| name.to_owned()))
        })
    }

    async fn receive(&self, queue_url: &str) -> Result<Vec<Message>, CallError> {
        self.call("ReceiveMessage", |account| {
            let Queues { queues, hidden, .. } = &mut account.queues;
            let messages = queues.get(queue_url).into_iter().flatten();
            // Not in order, and not all at once.
            let seen: Vec<Message> = messages
                .rev()
                .filter(|message| !hidden.contains(&message.id))
                .take(2)
                .cloned()
                .collect();
            hidden.extend(seen.iter().map(|message| message.id.clone()));
            Ok(seen)
        })
    }

    async fn delete(&self, queue_url: &str, message: &Message) -> Result<(), CallError> {
        self.call("DeleteMessage", |account| {
            if let Some(messages) = account.queues.queues.get_mut(queue_url) {
                messages.retain(|kept| kept.id != message.id);
            }
            Ok(())
        })
    }

    async fn release(&self, _: &str, message: &Message) -> Result<(), CallError> {
        self.call("ChangeMessageVisibility", |account| {
            account.queues.hidden.remove(&message.id);
            Ok(())
        })
    }

    async fn invoke(&self, function: &str, event: &Value) -> Result<(), CallError> {
        self.call("Invoke", |account| {
            account
                .queues
                .given
                .push((function.to_owned(), event.clone()));
            Ok(())
        })
    }

    async fn send_back(&self, queue_arn: &str, message: &Message) -> Result<(), CallError> {
        self.call("SendMessage", |account| {
            let name = queue_arn.rsplit(':').next().unwrap_or_default();
            let messages = account.queues.queues.get_mut(name);
            let messages = messages.ok_or_else(|| error("send message", ErrorClass::NotFound))?;
            messages.push(message.clone());
            Ok(())
        })
    }
}
