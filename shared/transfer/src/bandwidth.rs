//! A limit of bytes a second over all downloads.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What was not used so long ago is lost: after a pause nobody catches up.
const BURST: Duration = Duration::from_millis(100);

/// Lets this many bytes through a second.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    bytes_per_second: u64,
    /// When all that was let through so far has had its time.
    paid_until: Mutex<Instant>,
}

impl Bandwidth {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            paid_until: Mutex::new(Instant::now()),
        }
    }

    /// Returns when the time for `bytes` more is over.
    pub(crate) async fn pay(&self, bytes: usize) {
        let price = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let paid_until = {
            let mut paid_until = self
                .paid_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            *paid_until = (*paid_until).max(now - BURST) + price;
            *paid_until
        };
        tokio::time::sleep_until(paid_until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_together_keep_to_the_limit() {
        let bandwidth = Bandwidth::new(1_000_000);
        let begin = Instant::now();
        let download = || async {
            for _ in 0..100 {
                bandwidth.pay(50_000).await;
            }
        };
        tokio::join!(download(), download());
        let seconds = begin.elapsed().as_secs_f64();
        assert!((9.8..=10.0).contains(&seconds), "{seconds}");
    }
}
