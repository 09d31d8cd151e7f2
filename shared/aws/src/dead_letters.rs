//! SQS and Lambda: dead-letter queues, and the functions that get their events back. The Amazon SQS API Reference;
//! the AWS Lambda API Reference, Invoke.

use std::collections::BTreeMap;

use chrono::DateTime;
use longshore_rollout::lost_events::{DeadLetterQueues, Message};
use longshore_state::{CallError, if_there};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::AwsCloud;
use crate::error::not_found;
use crate::signed::{RestCall, json_call};

/// How long nobody else is shown a message that was received: long enough for all of a queue to be put back.
const HIDDEN_SECONDS: u32 = 600;

/// How long SQS looks for messages on all of its servers; without that it looks on some.
const LOOKS_SECONDS: u32 = 1;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<ReceivedMessage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceivedMessage {
    message_id: String,
    receipt_handle: String,
    body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    #[serde(default)]
    string_value: Option<String>,
}

impl AwsCloud {
    pub(crate) async fn sqs<T: serde::de::DeserializeOwned>(
        &self,
        operation: &str,
        action: &str,
        request: &Value,
    ) -> Result<T, CallError> {
        let target = format!("AmazonSQS.{action}");
        json_call(&self.configuration, operation, "sqs", &target, request).await
    }
}

impl DeadLetterQueues for AwsCloud {
    async fn queue_url(&self, name: &str) -> Result<Option<String>, CallError> {
        let operation = format!("find queue {name}");
        let found: Result<Value, CallError> = self
            .sqs(&operation, "GetQueueUrl", &json!({"QueueName": name}))
            .await;
        let answer = if_there(found)?.unwrap_or_default();
        Ok(answer["QueueUrl"].as_str().map(str::to_owned))
    }

    async fn receive(&self, queue_url: &str) -> Result<Vec<Message>, CallError> {
        let request = json!({
            "QueueUrl": queue_url,
            "MaxNumberOfMessages": 10,
            "VisibilityTimeout": HIDDEN_SECONDS,
            "WaitTimeSeconds": LOOKS_SECONDS,
            "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["SentTimestamp", "DeadLetterQueueSourceArn"],
        });
        let operation = format!("read queue {queue_url}");
        let received: Received = self.sqs(&operation, "ReceiveMessage", &request).await?;
        Ok(received.messages.into_iter().map(message).collect())
    }

    async fn delete(&self, queue_url: &str, message: &Message) -> Result<(), CallError> {
        let request = json!({"QueueUrl": queue_url, "ReceiptHandle": message.receipt});
        let operation = format!("delete a message of queue {queue_url}");
        let done = self.sqs::<IgnoredAny>(&operation, "DeleteMessage", &request);
        done.await.map(drop)
    }

    async fn release(&self, queue_url: &str, message: &Message) -> Result<(), CallError> {
        let request = json!({
            "QueueUrl": queue_url,
            "ReceiptHandle": message.receipt,
            "VisibilityTimeout": 0,
        });
        let operation = format!("release a message of queue {queue_url}");
        let done = self.sqs::<IgnoredAny>(&operation, "ChangeMessageVisibility", &request);
        done.await.map(drop)
    }

    async fn invoke(&self, function: &str, event: &Value) -> Result<(), CallError> {
        let operation = format!("give an event to function {function}");
        let call = RestCall {
            operation: &operation,
            service: "lambda",
            method: "POST",
            path: &format!("2015-03-31/functions/{function}/invocations"),
            headers: &[
                ("content-type", "application/json"),
                ("x-amz-invocation-type", "Event"),
            ],
            body: event.to_string(),
        };
        call.send(&self.configuration).await.map(drop)
    }

    async fn send_back(&self, queue_arn: &str, message: &Message) -> Result<(), CallError> {
        let name = queue_arn.rsplit(':').next().unwrap_or_default();
        let operation = format!("send a message to queue {name}");
        let Some(queue_url) = self.queue_url(name).await? else {
            return Err(not_found(&operation, "there is no such queue any more"));
        };
        let attributes: serde_json::Map<String, Value> = message
            .attributes
            .iter()
            .map(|(name, value)| {
                let value = json!({"DataType": "String", "StringValue": value});
                (name.clone(), value)
            })
            .collect();
        let request = json!({
            "QueueUrl": queue_url,
            "MessageBody": message.body,
            "MessageAttributes": attributes,
        });
        let done = self.sqs::<IgnoredAny>(&operation, "SendMessage", &request);
        done.await.map(drop)
    }
}

fn message(received: ReceivedMessage) -> Message {
    let system = received.attributes;
    let sent_at = system.get("SentTimestamp").and_then(|at| at.parse().ok());
    let attributes = received.message_attributes.into_iter();
    Message {
        id: received.message_id,
        receipt: received.receipt_handle,
        body: received.body,
        attributes: attributes
            .filter_map(|(name, attribute)| Some((name, attribute.string_value?)))
            .collect(),
        sent_at: sent_at.and_then(DateTime::from_timestamp_millis),
        came_from: system.get("DeadLetterQueueSourceArn").cloned(),
    }
}
