//! The words of what Longshore says, Slack messages from its events, and the client that posts them.
//!
//! [`words`] are what Slack and the command line say alike. [`message()`] is pure: an event in, a message out
//! that is within Slack's limits whatever the event holds. So is [`Topic::of`], which says what a message is
//! about. [`Slack`] posts or edits one message within the time that it is given. [`Announcer`] joins them with
//! the secret that says where messages go: to a webhook, one message an event; or to a bot's channel, one
//! message a topic, edited as that goes.

mod message;
mod preview;
pub mod samples;
mod slack;
pub mod words;

pub use message::{
    BLOCKS, BUTTON_TEXT, BUTTON_VALUE, Block, Button, CONFIRM_TEXT, CONTEXT_ELEMENTS, Confirm,
    Console, HEADER_TEXT, MESSAGE_TEXT, Message, SECTION_TEXT, Style, Text, message,
    transfer_message,
};
pub use preview::page;
pub use slack::{
    AnnounceError, Announcer, Attempt, Bot, ButtonUsers, Channels, DOCUMENTS, Destination,
    InvalidButtonUsers, InvalidSecret, InvalidSigningSecret, KeptMessage, Mention, MessagePoster,
    NotEncrypted, NotSlacks, NotifyOutcome, PersonAnswerer, PostError, PostState, PostedMessage,
    Press, Rank, RetryPolicy, SIGNATURE_HEADER, SecretError, SecretText, SignedRequest,
    SigningSecret, Slack, SlackUser, Stage, TIMESTAMP_HEADER, Topic, Trouble, WebhookUrl, judge,
    signed_at,
};
