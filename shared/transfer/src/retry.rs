//! When something is tried again: one budget, waits that grow and are jittered, and what the source asks for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::settings::Patience;

/// An outage that nobody has met for so long says nothing of now, and the budget is full again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// The retries that all requests share.
#[derive(Debug)]
pub(crate) struct Retries {
    patience: Patience,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: u32,
    last: Instant,
    random: fastrand::Rng,
    /// Nobody asks the source before.
    held_until: Option<Instant>,
}

impl Retries {
    pub(crate) fn new(patience: Patience) -> Self {
        let random = patience
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            state: Mutex::new(State {
                left: patience.retries,
                last: Instant::now(),
                random,
                held_until: None,
            }),
            patience,
        }
    }

    /// Takes a retry; gives how long to wait before it, or `None` when there is none left. `failures` counts
    /// what has failed in a row, this one included. What the source asks for holds all requests back.
    pub(crate) fn take(&self, failures: u32, retry_after: Option<Duration>) -> Option<Duration> {
        let mut state = self.state();
        let now = Instant::now();
        if now.duration_since(state.last) >= FORGOTTEN_AFTER {
            state.left = self.patience.retries;
        }
        state.last = now;
        state.left = state.left.checked_sub(1)?;
        let jittered = jittered(&self.patience, failures, state.random.f64());
        let Some(asked) = retry_after else {
            return Some(jittered);
        };
        let asked = asked.min(self.patience.longest_retry_after);
        state.held_until = state.held_until.max(Some(now + asked));
        // Not all at the same moment, once the time is over.
        Some(asked + jittered)
    }

    /// Gives a retry back, for something that went well.
    pub(crate) fn give_back(&self) {
        let mut state = self.state();
        state.left = (state.left + 1).min(self.patience.retries);
    }

    /// How long the source wants to be left alone.
    pub(crate) fn held(&self) -> Option<Duration> {
        let held_until = self.state().held_until?;
        held_until.checked_duration_since(Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between half and the whole of a wait that doubles with each failure; `random` is from 0 to 1.
fn jittered(patience: &Patience, failures: u32, random: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    patience
        .first_delay
        .saturating_mul(doubled)
        .min(patience.longest_delay)
        .mul_f64(0.5 + random / 2.0)
}

/// Reads `Retry-After`: seconds, whole or not, with or without a unit, or a date. GitHub's registry has sent
/// `985.86µs`. What cannot be read says nothing.
pub(crate) fn retry_after(value: &[u8], now: DateTime<Utc>) -> Option<Duration> {
    let text = String::from_utf8_lossy(value);
    let text = text.trim();
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some((date.to_utc() - now).to_std().unwrap_or_default());
    }
    let end = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        // The micro sign, the Greek letter, and what becomes of either in the wrong encoding.
        "µs" | "μs" | "us" | "\u{fffd}s" | "\u{fffd}\u{fffd}s" => 1e-6,
        "ns" => 1e-9,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience {
            seed: Some(7),
            retries: 3,
            ..Patience::default()
        }
    }

    #[test]
    fn retry_after_is_read_leniently() {
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let cases: [(&[u8], Option<f64>); 17] = [
            (b"7", Some(7.0)),
            (b" 0 ", Some(0.0)),
            (b"1.5", Some(1.5)),
            ("985.86µs".as_bytes(), Some(985.86e-6)),
            ("985.86μs".as_bytes(), Some(985.86e-6)),
            (b"985.86\xb5s", Some(985.86e-6)),
            (b"250ms", Some(0.25)),
            (b"3 s", Some(3.0)),
            (b"2m", Some(120.0)),
            (b"Sat, 21 Nov 2026 12:00:30 GMT", Some(30.0)),
            (b"Sat, 21 Nov 2026 11:00:00 GMT", Some(0.0)),
            (b"", None),
            (b"soon", None),
            (b"-3", None),
            (b"1.2.3", None),
            (b"7 fortnights", None),
            (b"99999999999999999999999999999999", None),
        ];
        for (text, expected) in cases {
            let found = retry_after(text, now).map(|wait| wait.as_secs_f64());
            let is_right = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-6,
                (found, expected) => found == expected,
            };
            assert!(
                is_right,
                "{}: {found:?}, expected {expected:?}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_jittered() {
        let patience = patience();
        let seconds = |failures, random| jittered(&patience, failures, random).as_secs_f64();
        assert_eq!(seconds(1, 1.0), 0.5);
        assert_eq!(seconds(1, 0.0), 0.25);
        assert_eq!(seconds(4, 1.0), 4.0);
        assert_eq!(seconds(40, 1.0), 20.0);
        assert_eq!(seconds(40, 0.0), 10.0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_gives_the_same_waits() {
        let waits = || {
            let retries = Retries::new(patience());
            [retries.take(1, None), retries.take(2, None)]
        };
        assert_eq!(waits(), waits());
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_ends_and_what_goes_well_gives_back() {
        let retries = Retries::new(patience());
        for _ in 0..3 {
            assert!(retries.take(1, None).is_some());
        }
        assert_eq!(retries.take(1, None), None);
        retries.give_back();
        assert!(retries.take(1, None).is_some());
        assert_eq!(retries.take(1, None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_forgotten_after_a_minute() {
        let retries = Retries::new(patience());
        while retries.take(1, None).is_some() {}
        tokio::time::advance(FORGOTTEN_AFTER).await;
        assert!(retries.take(1, None).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_source_asks_for_holds_all_back_but_not_for_ever() {
        let retries = Retries::new(patience());
        assert_eq!(retries.held(), None);
        let wait = retries.take(1, Some(Duration::from_secs(5))).unwrap();
        assert!(wait > Duration::from_secs(5));
        assert_eq!(retries.held(), Some(Duration::from_secs(5)));
        retries.take(1, Some(Duration::from_secs(999_999)));
        assert_eq!(retries.held(), Some(Duration::from_secs(120)));
        tokio::time::advance(Duration::from_secs(121)).await;
        assert_eq!(retries.held(), None);
    }
}
