//! Every parser of what comes from outside, as a function of bytes that libFuzzer calls, and the bounds of an input.
//!
//! `cargo xtask fuzz` looks for inputs that break a target; `tests/corpus.rs` runs those that were found, and the samples
//! that they were found from, with every other test.

#![forbid(unsafe_code)]

mod targets;

use std::alloc::System;
use std::time::Duration;

use cap::Cap;
use rustix::time::{ClockId, clock_gettime};

pub use targets::TARGETS;

/// A parser, and what else is done with what it read before anything of it is believed.
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Files and folders of the repository that hold what it reads; the search begins with them.
    pub seeds: &'static [&'static str],
    /// Panics where something does not hold.
    pub read: fn(&[u8]),
}

/// What reading an input may take of memory, in bytes, beside what the program holds already.
const MOST_MEMORY: usize = 64 << 20;

/// What reading an input may take of a processor: a second. Tests are not optimised.
const LONGEST: Duration = Duration::from_secs(if cfg!(feature = "libfuzzer") { 1 } else { 20 });

/// An allocation beyond the limit fails, which ends the program with the size that was asked for.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Gives an input to a target.
///
/// # Panics
/// Where the target does, and when it took too long.
pub fn run(target: &Target, data: &[u8]) {
    let limit = MEMORY.allocated().saturating_add(MOST_MEMORY);
    assert!(MEMORY.set_limit(limit).is_ok(), "limit the memory");
    let began = processor_time();
    (target.read)(data);
    let taken = processor_time().saturating_sub(began);
    assert!(MEMORY.set_limit(usize::MAX).is_ok(), "free the memory");
    assert!(
        taken < LONGEST,
        "{} took {taken:?}, expected less than {LONGEST:?}",
        target.name
    );
}

/// What this thread has had of a processor: other work of the machine does not count.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
