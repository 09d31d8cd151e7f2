//! How often and how long a message is tried.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// How often and how long a message is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most attempts.
    pub maximum_attempts: u32,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// With less time left than this, no attempt is begun.
    pub shortest_attempt: Duration,
    /// The wait after the first attempt, where Slack says none; it doubles with each attempt.
    pub first_wait: Duration,
    /// The longest such wait.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// For a function that may take a minute. Slack takes about one message a second from a webhook, so
    /// a burst of a few services needs several attempts.
    fn default() -> Self {
        Self {
            maximum_attempts: 8,
            attempt_timeout: Duration::from_secs(8),
            shortest_attempt: Duration::from_millis(500),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(8),
        }
    }
}

impl RetryPolicy {
    pub(super) fn wait(&self, attempts: u32) -> Duration {
        self.first_wait
            .saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)))
            .min(self.longest_wait)
    }
}

/// `wait` and up to half as much again: functions that were refused together must not come back together.
pub(super) fn spread(wait: Duration, random: u64) -> Duration {
    let part = u32::try_from(random % 1_024).unwrap_or_default();
    wait.saturating_add(wait / 2_048 * part)
}

/// A number that differs between processes and calls. It only spreads waits, so the standard library's
/// random hash keys are good enough.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RetryPolicy::default();
        let waits: Vec<u128> = [1, 2, 3, 5, 6, 60]
            .into_iter()
            .map(|attempts| policy.wait(attempts).as_millis())
            .collect();
        assert_eq!(waits, [500, 1_000, 2_000, 8_000, 8_000, 8_000]);
    }

    #[test]
    fn a_wait_is_never_shorter_than_asked_for_and_at_most_half_longer() {
        let wait = Duration::from_secs(2);
        for random in [0, 1, 511, 1_023, 1_024, u64::MAX] {
            let spread = spread(wait, random);
            assert!(
                spread >= wait && spread <= Duration::from_secs(3),
                "{spread:?}"
            );
        }
        assert_eq!(spread(Duration::MAX, u64::MAX), Duration::MAX);
    }
}
