//! Slack messages from Longshore's events, and the client that posts them.
//!
//! [`message()`] is pure: an event in, a message out that is within Slack's limits whatever the event
//! holds. So is [`Topic::of`], which says what a message is about. [`Slack`] posts or edits one message
//! within the time that it is given. [`Announcer`] joins them with the secret that says where messages go:
//! to a webhook, one message an event; or to a bot's channel, one message a topic, edited as that goes.

mod announcer;
mod blocks;
mod destination;
mod encrypted;
mod failures;
mod message;
mod slack;
mod text;
mod topic;
mod webhook;

pub use announcer::{AnnounceError, Announcer, MessagePoster, SecretError, Told, WebhookSecret};
pub use blocks::{
    BLOCKS, Block, CONTEXT_ELEMENTS, HEADER_TEXT, MESSAGE_TEXT, Message, SECTION_TEXT, Text,
};
pub use destination::{Bot, Destination, InvalidSecret};
pub use encrypted::NotEncrypted;
pub use message::{message, transfer_message};
pub use slack::{ApiUrl, ClientError, PostError, RetryPolicy, Slack, Trouble};
pub use topic::{KeptMessage, Place, PostedMessage, Rank, Stage, Topic};
pub use webhook::WebhookUrl;
