//! The engine of bottle syncs: what Homebrew's index names, what a mirror of it lacks, and the sync that
//! transfers it.
//!
//! Everything beside [`sync`] and [`ports`] is pure: bytes and facts in, decisions out. [`sync`] carries
//! them out through the [`ports`]; time and ids come in as arguments.

pub mod deletion;
pub mod estimate;
mod formula;
pub mod index;
pub mod inventory;
mod json;
pub mod layout;
pub mod mirrors;
pub mod names;
pub mod offline;
pub mod plan;
pub mod platforms;
pub mod portable_ruby;
pub mod ports;
pub mod progress;
pub mod selection;
pub mod settings;
pub mod shards;
pub mod signed;
pub mod sizes;
pub mod sync;
pub mod urls;
