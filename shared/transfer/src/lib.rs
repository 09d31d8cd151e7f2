//! Transfers files from where they are published into a bucket: bounded, verified, resumable.
//!
//! [`HttpClient`] asks the source, a [`Destination`] takes what comes, [`Transfers`] transfers many files
//! from the one to the other. A file is streamed: a few pieces of it are in memory at a time, and none of
//! it is on disk unless a directory is given from which an interrupted transfer goes on.

mod bandwidth;
pub mod body;
mod client;
pub mod destination;
mod item;
mod part;
mod reader;
mod retry;
pub mod settings;
mod stop;
mod transfers;

pub use client::{ClientError, HttpClient};
pub use destination::Destination;
pub use longshore_bottles::progress::ProgressCounter;
pub use settings::Settings;
pub use stop::Stop;
pub use transfers::Transfers;
