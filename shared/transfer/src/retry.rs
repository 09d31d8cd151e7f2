//! When something is tried again: waits that grow and are jittered, what the source asks for, and outages
//! that are waited out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::settings::Patience;

/// After this many failures in a row, of any files, nothing gets through, and no further file is begun but
/// one that finds out whether that is so.
const OUTAGE: u32 = 4;

/// What can be out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Where files come from.
    Source,
    /// The bucket, when it is looked at. S3 throttles reads and writes apart.
    Looking,
    /// The bucket, when it is written to.
    Writing,
}

/// What all requests share: when something last got through, and until when the source wants to be left
/// alone.
#[derive(Debug)]
pub(crate) struct Retries {
    patience: Patience,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    random: fastrand::Rng,
    /// Nobody asks the source before.
    held_until: Option<Instant>,
    sides: [Passage; 3],
}

/// How things go on one side.
#[derive(Debug, Clone, Copy, Default)]
struct Passage {
    /// Failures since something got through.
    failures: u32,
    /// When the first of them was.
    since: Option<Instant>,
    /// When something last got through.
    through: Option<Instant>,
}

/// What one file, or one request, has failed at since it last got on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    count: u32,
    /// How many of them were not of an outage: something else had got through since the one before.
    alone: u32,
    first: Option<Instant>,
    last: Option<Instant>,
    refusals: u32,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is tried again after so long.
    After(Duration),
    /// It has been tried often enough, while others got through.
    GiveUp,
    /// Nothing has got through for as long as an outage is waited out: no other file can fare better.
    GiveUpAll(Duration),
}

impl Retries {
    pub(crate) fn new(patience: Patience) -> Self {
        let random = patience
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            state: Mutex::new(State {
                random,
                held_until: None,
                sides: [Passage::default(); 3],
            }),
            changed: Notify::new(),
            patience,
        }
    }

    /// Something got through.
    pub(crate) fn through(&self, side: Side) {
        let was_closed = {
            let mut state = self.state();
            let passage = &mut state.sides[side as usize];
            let was_closed = passage.failures >= OUTAGE;
            *passage = Passage {
                failures: 0,
                since: None,
                through: Some(Instant::now()),
            };
            was_closed
        };
        if was_closed {
            self.changed.notify_one();
        }
    }

    /// Something failed that may go well later. `failures` are those of whoever asks; `retry_after` is what
    /// the source asks for, which holds all requests back.
    pub(crate) fn failed(
        &self,
        side: Side,
        failures: &mut Failures,
        retry_after: Option<Duration>,
    ) -> Next {
        let mut state = self.state();
        let now = Instant::now();
        failures.count += 1;
        let first = *failures.first.get_or_insert(now);
        let previous = failures.last.replace(now);
        let passage = &mut state.sides[side as usize];
        passage.failures = passage.failures.saturating_add(1);
        if passage.failures == OUTAGE {
            self.changed.notify_one();
        }
        let since = *passage.since.get_or_insert(now);
        // Since the last attempt: what got through before an outage began says nothing of it.
        let others_got_through = previous
            .zip(passage.through)
            .is_some_and(|(previous, through)| through >= previous);
        failures.alone += u32::from(others_got_through);
        // The first failure has none before it.
        if failures.alone + 1 >= self.patience.attempts {
            return Next::GiveUp;
        }
        if failures.count >= self.patience.attempts {
            let out = now.duration_since(since.max(first));
            if out >= self.patience.outage {
                return match self.patience.outage {
                    Duration::ZERO => Next::GiveUp,
                    _ => Next::GiveUpAll(out),
                };
            }
        }
        let jittered = jittered(&self.patience, failures.count, state.random.f64());
        let Some(asked) = retry_after else {
            return Next::After(jittered);
        };
        let asked = asked.min(self.patience.longest_retry_after);
        state.held_until = state.held_until.max(Some(now + asked));
        // Not all at the same moment, once the time is over.
        Next::After(asked + jittered)
    }

    /// The same for a request that waits out no outage.
    pub(crate) fn failed_once(
        &self,
        failures: &mut Failures,
        retry_after: Option<Duration>,
    ) -> Next {
        match self.failed(Side::Source, failures, retry_after) {
            Next::After(_) if failures.count >= self.patience.attempts => Next::GiveUp,
            next => next,
        }
    }

    /// Something was refused, which may have been a mistake: it is asked for again a few times. It says
    /// nothing of what becomes of others.
    pub(crate) fn refused(&self, failures: &mut Failures) -> Next {
        failures.refusals += 1;
        if failures.refusals >= self.patience.refusals {
            return Next::GiveUp;
        }
        let random = self.state().random.f64();
        // A second or two more than after a break: what refuses by mistake does so for a moment.
        Next::After(jittered(&self.patience, failures.refusals + 1, random))
    }

    /// The same for what the source says that it does not have: it is asked once more, and soon, as there may be
    /// thousands of them.
    pub(crate) fn missed(&self, failures: &mut Failures) -> Next {
        failures.refusals += 1;
        if failures.refusals > 1 {
            return Next::GiveUp;
        }
        let random = self.state().random.f64();
        Next::After(jittered(&self.patience, 1, random))
    }

    /// Whether it has to be found out if these failures are the file's own or an outage's: it was tried often enough
    /// for the one, and not given up.
    pub(crate) fn is_doubted(&self, failures: &Failures) -> bool {
        failures.count >= self.patience.attempts
    }

    /// Whether nothing gets through on one of the sides.
    pub(crate) fn is_closed(&self) -> bool {
        let state = self.state();
        state.sides.iter().any(|passage| passage.failures >= OUTAGE)
    }

    /// Returns when something has got through again, or nothing does any more.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience {
            seed: Some(7),
            ..Patience::default()
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
            let mut failures = Failures::default();
            [0, 1].map(|_| retries.failed(Side::Source, &mut failures, None))
        };
        assert_eq!(waits(), waits());
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_fails_while_others_get_through_is_given_up_after_its_attempts() {
        let retries = Retries::new(patience());
        let mut failures = Failures::default();
        for _ in 1..patience().attempts {
            let next = retries.failed(Side::Source, &mut failures, None);
            assert!(matches!(next, Next::After(_)), "{next:?}");
            retries.through(Side::Source);
        }
        let next = retries.failed(Side::Source, &mut failures, None);
        assert_eq!(next, Next::GiveUp);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_not_given_up_for_what_got_through_before_an_outage() {
        let retries = Retries::new(patience());
        let mut failures = Failures::default();
        for attempt in 0..2 * patience().attempts {
            let next = retries.failed(Side::Source, &mut failures, None);
            let Next::After(wait) = next else {
                panic!("attempt {attempt}: {next:?}");
            };
            // Another file arrives, and then the source goes out.
            if attempt == 0 {
                retries.through(Side::Source);
            }
            tokio::time::sleep(wait).await;
        }
        // When it is over, the file has its attempts; one was before it.
        for _ in 3..patience().attempts {
            retries.through(Side::Source);
            let next = retries.failed(Side::Source, &mut failures, None);
            assert!(matches!(next, Next::After(_)), "{next:?}");
        }
        retries.through(Side::Source);
        let next = retries.failed(Side::Source, &mut failures, None);
        assert_eq!(next, Next::GiveUp);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_out_for_half_an_hour_and_no_longer() {
        let retries = Retries::new(patience());
        let begin = Instant::now();
        let mut failures = Failures::default();
        let out = loop {
            match retries.failed(Side::Writing, &mut failures, None) {
                Next::After(wait) => tokio::time::sleep(wait).await,
                Next::GiveUpAll(out) => break out,
                Next::GiveUp => panic!("nothing else got through"),
            }
            // That the bucket can be looked at, and the source answers, says nothing of writing.
            retries.through(Side::Looking);
            retries.through(Side::Source);
        };
        let half_an_hour = Duration::from_secs(30 * 60);
        assert!(out >= half_an_hour && begin.elapsed() < half_an_hour + Duration::from_secs(21));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_out_no_outage_is_given_up_after_its_attempts() {
        let retries = Retries::new(patience());
        let mut failures = Failures::default();
        for _ in 1..patience().attempts {
            let next = retries.failed_once(&mut failures, None);
            assert!(matches!(next, Next::After(_)), "{next:?}");
        }
        assert_eq!(retries.failed_once(&mut failures, None), Next::GiveUp);
    }

    #[tokio::test(start_paused = true)]
    async fn after_some_failures_in_a_row_nothing_gets_through_until_something_does() {
        let retries = Retries::new(patience());
        for number in 0..OUTAGE {
            assert!(!retries.is_closed(), "{number}");
            retries.failed(Side::Source, &mut Failures::default(), None);
        }
        assert!(retries.is_closed());
        retries.through(Side::Looking);
        assert!(retries.is_closed());
        retries.through(Side::Source);
        assert!(!retries.is_closed());
        retries.changed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_asked_about_again_a_few_times() {
        let retries = Retries::new(patience());
        let mut failures = Failures::default();
        for _ in 1..patience().refusals {
            assert!(matches!(retries.refused(&mut failures), Next::After(_)));
        }
        assert_eq!(retries.refused(&mut failures), Next::GiveUp);
        assert!(!retries.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_source_asks_for_holds_all_back_but_not_for_ever() {
        let retries = Retries::new(patience());
        assert_eq!(retries.held(), None);
        let mut failures = Failures::default();
        let asked = Some(Duration::from_secs(5));
        let next = retries.failed(Side::Source, &mut failures, asked);
        assert!(matches!(next, Next::After(wait) if wait > Duration::from_secs(5)));
        assert_eq!(retries.held(), Some(Duration::from_secs(5)));
        let asked = Some(Duration::from_secs(999_999));
        retries.failed(Side::Source, &mut failures, asked);
        assert_eq!(retries.held(), Some(Duration::from_secs(120)));
        tokio::time::advance(Duration::from_secs(121)).await;
        assert_eq!(retries.held(), None);
    }
}
