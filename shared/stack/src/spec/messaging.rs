//! SQS queues and SNS topics, and what a service may do with them and with buckets.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// An SQS queue, `<stack>-<queue>`: encrypted, and used by the services whose `queues` name it. It goes with the stack,
/// and with it what nobody has received.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Whether messages come in order and once; the queue's name ends in `.fifo` then. Default: false.
    #[serde(default)]
    pub fifo_queue: bool,
    /// For how many seconds a message that was received is hidden from others, 0 to 43,200: longer than the work
    /// with it takes. Default: 30.
    #[serde(default = "half_a_minute")]
    #[schemars(range(min = 0, max = 43_200))]
    pub visibility_timeout: u32,
    /// For how many seconds a message is kept that nobody deletes, 60 to 1,209,600. Default: four days.
    #[serde(default = "four_days")]
    #[schemars(range(min = 60, max = 1_209_600))]
    pub message_retention_period: u32,
    /// Where messages go that were received too often. Default: they stay in the queue.
    pub dead_letter_queue: Option<DeadLetterQueue>,
    /// How many million requests are expected a month; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_million_requests: Option<f64>,
}

/// A queue `<stack>-<queue>-dead-letters`, for messages that were received too often. It keeps them for 14 days.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterQueue {
    /// How often a message is received before it goes there, 1 to 1,000.
    #[schemars(range(min = 1, max = 1000))]
    pub max_receive_count: u32,
}

/// An SNS topic, `<stack>-<topic>`: encrypted, and published to by the services whose `topics` name it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Whether messages come in order and once; the topic's name ends in `.fifo` then. Default: false.
    #[serde(default)]
    pub fifo_topic: bool,
    /// The queues of the stack that get what is published, by name.
    #[serde(default)]
    pub subscriptions: BTreeMap<String, Subscription>,
    /// How many million messages are expected to be published a month; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_million_requests: Option<f64>,
}

/// How a queue gets what is published.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Whether a message comes as it was published, and not in an envelope of SNS's. Default: true.
    #[serde(default = "yes")]
    pub raw_message_delivery: bool,
    /// Which messages come, by their attributes: the values that each may have. Default: all.
    #[serde(default)]
    pub filter_policy: BTreeMap<String, Vec<String>>,
}

/// What a service may do with a queue of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueAccess {
    /// Receives messages and deletes them.
    Receive,
    /// Sends messages.
    Send,
    /// Both.
    SendAndReceive,
}

/// What a service may do with a topic of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TopicAccess {
    /// Publishes messages.
    Publish,
}

/// What a service may do with the objects of a bucket of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BucketAccess {
    /// Lists and reads them.
    Read,
    /// Writes and deletes them.
    Write,
    /// Both.
    ReadWrite,
}

impl QueueAccess {
    /// Whether messages may be received.
    pub fn receives(self) -> bool {
        self != Self::Send
    }

    /// Whether messages may be sent.
    pub fn sends(self) -> bool {
        self != Self::Receive
    }
}

impl BucketAccess {
    /// Whether objects may be read.
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    /// Whether objects may be written.
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// Something of the stack that a service uses, and the variable in which its container finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant<'a, Access> {
    /// Its name in the stack file.
    pub name: &'a str,
    pub access: Access,
    /// `UPLOADS_BUCKET_NAME`
    pub variable: String,
}

/// What of one kind a service uses.
pub(super) fn grants<'a, Access: Copy>(
    named: &'a BTreeMap<String, Access>,
    suffix: &'static str,
) -> impl Iterator<Item = Grant<'a, Access>> {
    named.iter().map(move |(name, access)| Grant {
        name,
        access: *access,
        variable: format!("{}_{suffix}", name.to_uppercase().replace('-', "_")),
    })
}

fn half_a_minute() -> u32 {
    30
}

fn four_days() -> u32 {
    345_600
}

fn yes() -> bool {
    true
}
