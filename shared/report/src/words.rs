//! The words of what Longshore says to people: each is written once, and Slack and the command line use it.
//!
//! Where a word holds a name of somebody's, it takes a function that writes names: Slack escapes and marks them, a
//! terminal shows them as they are (`str::to_owned`), but for what it would act on: see [`for_terminal`].

mod amounts;
mod characters;
mod digest;
mod failures;
mod images;
mod outcomes;
mod skips;
mod sources;

pub use longshore_events::words::{counted, minute, more, number, second, waits_for, waits_until};

pub use amounts::{bytes, cost, duration, files, files_briefly, share, speed};
pub use characters::for_terminal;
pub(crate) use characters::{is_invisible, named};
pub use digest::{Compared, counted_in_part, digest_lines, failed_most, length, none_ended};
pub use failures::{Cause, causes, died_of, ending, remedy};
pub use images::{image_name, short_name, version_name};
pub use outcomes::{
    MANIFESTS_MISSING, NOT_PUBLISHED, changes, left, mirror_unchanged, place, reason_or_none,
    rollout_progress, stack_unchanged,
};
pub use skips::skipped;
pub use sources::Asker;
