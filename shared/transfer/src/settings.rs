//! How a transfer goes about its work.

use std::path::PathBuf;
use std::time::Duration;

/// How many files are transferred at once where nothing else is said.
///
/// Measured with `cargo xtask bench sync` on two processors that the servers share, one round each of 3 GB
/// to a sink: 4 at once took 5.2 s and 17 MiB, 8 took 4.8 s and 21 MiB, 16 took 4.4 s and 25 MiB, 32 took
/// 3.2 s and 40 MiB, at 0.73 to 0.85 seconds of processor time a gigabyte. More of them ask more of a
/// registry that answers 429 to those who ask too much.
pub const CONCURRENCY: usize = 16;

/// How long an outage is waited out where nothing else is said: half an hour.
pub const OUTAGE: Duration = Duration::from_secs(30 * 60);

/// The settings of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// At most this many files at once: `DOWNLOAD_CONCURRENCY`. Zero is taken as one.
    pub concurrency: usize,
    /// At most this many bytes a second from the source, over all files.
    pub bandwidth_limit: Option<u64>,
    /// A directory in which large files are kept while they are transferred, so that another process can go on
    /// with them: on a file system that outlives this process. `None`: what is interrupted starts again.
    pub temporary: Option<PathBuf>,
    /// Hosts, as `host:port`, that may be in a private network or speak plain HTTP.
    pub private_hosts: Vec<String>,
    /// How patient it is.
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: CONCURRENCY,
            bandwidth_limit: None,
            temporary: None,
            private_hosts: Vec::new(),
            patience: Patience::default(),
        }
    }
}

/// How long a transfer waits, and how often it tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// How long a connection to the source may take.
    pub connect: Duration,
    /// How long the source may send no byte, or less than `least_rate`.
    pub stall: Duration,
    /// Bytes a second: a source that sends less over `stall` is asked again.
    pub least_rate: u64,
    /// How long the bucket may take no byte of what it is sent.
    pub bucket_stall: Duration,
    /// How often a file is tried while others get through: those that are on their way, or the one that has
    /// arrived last, which is asked for its first byte.
    pub attempts: u32,
    /// How often something is asked for that is refused.
    pub refusals: u32,
    /// How long an outage is waited out: while nothing gets through, nothing is given up, and nothing new is
    /// begun. Zero gives a file up after its attempts, whatever becomes of others.
    pub outage: Duration,
    /// How long a file on the file system may be locked by nobody who writes to it: NFS keeps the lock of a
    /// task that was killed for its lease, 90 seconds at EFS.
    pub lock: Duration,
    /// The first wait before a retry; each further one is twice as long, and every one is jittered.
    pub first_delay: Duration,
    /// No wait is longer, except where the source asks for one with `Retry-After`.
    pub longest_delay: Duration,
    /// What the source asks for with `Retry-After` is cut to this.
    pub longest_retry_after: Duration,
    /// How long files that are on their way may take to their end after a stop was requested.
    pub grace: Duration,
    /// What the jitter is made from; `None` for another one each time.
    pub seed: Option<u64>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            // GitHub's storage has answered within seconds always; a proxy in between may buffer.
            stall: Duration::from_secs(30),
            // A sixteenth of a line of 128 kbit/s.
            least_rate: 1_000,
            bucket_stall: Duration::from_secs(60),
            attempts: 6,
            refusals: 3,
            outage: OUTAGE,
            lock: Duration::from_secs(100),
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(20),
            longest_retry_after: Duration::from_secs(120),
            // ECS kills a task 30 seconds after SIGTERM; what is left is for the checkpoint.
            grace: Duration::from_secs(20),
            seed: None,
        }
    }
}
