//! A JSON document in a bucket that several processes change at once.
//!
//! Every document of Longshore is read with its [`Version`] and written back only if nobody else wrote it meanwhile.
//! Whoever loses that race decides again ([`decide_again`]), at most [`RACES`] times. What is to be published about a
//! change stands in the document's [`outbox`], in the same write. A [`lease`] keeps others away from work that must
//! not be done twice at once. Each document says the version of its [`format`].
//! [`doctor`] finds those that cannot be read, and restores them.

pub mod call;
pub mod doctor;
pub mod document;
pub mod format;
pub mod lease;
pub mod outbox;
pub mod store;

mod key;
mod race;

pub use call::{CallError, ErrorClass, if_there};
pub use document::{change, load, save};
pub use key::{Document, Key, rename};
pub use lease::Worker;
pub use race::{RACES, Race, decide_again, unless_lost};
pub use store::{DocumentStore, EventPublisher, Version, WriteCondition};
