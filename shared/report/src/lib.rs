//! Slack messages from Longshore's events, and the client that posts them.
//!
//! [`message()`] is pure: an event in, a message out that is within Slack's limits whatever the event
//! holds. [`Slack`] posts one message within the time that it is given. [`Announcer`] joins the two with
//! the secret that the webhook's URL is kept in.

mod announcer;
mod blocks;
mod failures;
mod message;
mod slack;
mod text;
mod webhook;

pub use announcer::{AnnounceError, Announcer, MessagePoster, SecretError, WebhookSecret};
pub use blocks::{
    BLOCKS, Block, CONTEXT_ELEMENTS, HEADER_TEXT, MESSAGE_TEXT, Message, SECTION_TEXT, Text,
};
pub use message::{message, transfer_message};
pub use slack::{ClientError, PostError, RetryPolicy, Slack, Trouble};
pub use webhook::{InvalidWebhook, WebhookUrl};
