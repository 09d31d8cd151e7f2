//! Slack: where messages go, the client that posts and edits them, and which message an event is about.

mod announcer;
mod api;
mod button_users;
mod channels;
mod client;
mod destination;
mod encrypted;
mod kept;
mod ports;
mod press;
mod response;
mod retry;
mod signature;
mod topic;
mod trouble;
mod webhook;

pub use announcer::{AnnounceError, Announcer, NotifyOutcome};
pub use api::judge;
pub use button_users::{ButtonUsers, InvalidButtonUsers};
pub use channels::{Channels, Mention};
pub use client::Slack;
pub use destination::{Bot, Destination, InvalidSecret};
pub use encrypted::NotEncrypted;
pub use kept::{DOCUMENTS, KeptMessage, PostState, PostedMessage};
pub use ports::{MessagePoster, PersonAnswerer, SecretError, SecretText};
pub use press::{Press, SlackUser};
pub use retry::RetryPolicy;
pub use signature::{
    InvalidSigningSecret, NotSlacks, SIGNATURE_HEADER, SignedRequest, SigningSecret,
    TIMESTAMP_HEADER, signed_at,
};
pub use topic::{Rank, Stage, Topic};
pub use trouble::{Attempt, PostError, Trouble};
pub use webhook::WebhookUrl;
