//! A sync: planned, transferred, published.
//!
//! [`run()`] plans and, where the work is small, does it; [`advance()`] goes on at every wake-up, however
//! often and in whatever order these come. What a task needs is in [`shard`].

mod advance;
mod decide;
mod engine;
mod file_system;
mod finish;
mod gather;
mod held;
mod manifests;
mod object;
mod outcome;
mod plan;

pub mod record;

mod run;

pub mod shard;

mod status;
mod verify;
mod whole;

pub use self::advance::{Advanced, advance};
pub use self::engine::{Engine, RunRequest, SyncError, SyncOptions, started_by};
pub use self::outcome::RunOutcome;
pub use self::plan::{SyncPlan, plan};
pub use self::run::run;
pub use self::status::{ShardStatus, SyncStatus, status};
pub use self::verify::{PublishedIndex, Verification, verify};
