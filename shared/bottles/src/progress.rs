//! How far a transfer is, for whoever looks while it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_events::transfer::TransferProgress;

/// Counts what is done. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct ProgressCounter {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    files: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    moved: AtomicU64,
    tried_again: AtomicU64,
}

impl ProgressCounter {
    /// One at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The present counts.
    pub fn snapshot(&self) -> TransferProgress {
        TransferProgress {
            files: self.counts.files.load(Ordering::Relaxed),
            bytes: self.counts.bytes.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
        }
    }

    /// Bytes that have come from the source or the file system so far, of files that are not done, too: what
    /// stands still here for minutes, and tries nothing again, is stuck.
    pub fn moved_bytes(&self) -> u64 {
        self.counts.moved.load(Ordering::Relaxed)
    }

    /// How often something was tried again: a transfer that waits out an outage moves nothing, and is not stuck.
    pub fn tried_again(&self) -> u64 {
        self.counts.tried_again.load(Ordering::Relaxed)
    }

    /// Something is tried again.
    pub fn try_again(&self) {
        self.counts.tried_again.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes have come.
    pub fn moved(&self, bytes: u64) {
        self.counts.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A file is there, of this many bytes.
    pub fn done(&self, bytes: u64) {
        self.counts.files.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A file is given up.
    pub fn failed(&self) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
    }
}
