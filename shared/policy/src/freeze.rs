//! Freeze windows: until when no deployment begins.

use chrono::{DateTime, Duration, Utc};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::settings::{FreezeWindow, RolloutSettings};

/// The longest window: 31 days. What lasts longer is a hold.
const LONGEST_MINUTES: u32 = 31 * 24 * 60;

/// The most freeze windows of a service. All of them are asked each time that a service wakes up.
pub const MOST_WINDOWS: usize = 50;

/// How often windows are asked for their end until they have a pause: for four days of a window of a minute, or for 115
/// of fifty windows in a row. Windows that always touch would keep every deployment back for ever.
const MOST_QUESTIONS: usize = 4 * 24 * 60;

/// A freeze window that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rollout.freeze_windows[{index}].{field}: {reason}")]
pub struct InvalidWindow {
    /// Which window, from 0.
    pub index: usize,
    /// The field of [`FreezeWindow`] that is wrong.
    pub field: &'static str,
    /// What is wrong with it, and what was expected.
    pub reason: String,
}

impl RolloutSettings {
    /// Until when no deployment begins; `None` when one may begin now. Windows that touch or overlap are
    /// one.
    ///
    /// A window whose beginning the clocks skip, as they are set forward, begins when they have been. One
    /// whose beginning they pass twice, as they are set back, begins the first time; if it begins in every
    /// hour, it begins in the repeated hour, too.
    ///
    /// # Errors
    /// [`InvalidWindow`], whatever `now` is, when there are more than [`MOST_WINDOWS`], when one of them
    /// cannot be kept, and when they leave no pause.
    pub fn frozen_until(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, InvalidWindow> {
        if self.freeze_windows.len() > MOST_WINDOWS {
            return Err(InvalidWindow {
                index: MOST_WINDOWS,
                field: "cron",
                reason: format!(
                    "the service has {} freeze windows, expected at most {MOST_WINDOWS}",
                    self.freeze_windows.len()
                ),
            });
        }
        let windows = self
            .windows(now)
            .collect::<Result<Vec<Window>, InvalidWindow>>()?;
        let mut until = now;
        for _ in 0..MOST_QUESTIONS / windows.len().max(1) {
            match windows.iter().filter_map(|window| window.end(until)).max() {
                Some(end) => until = end,
                None => return Ok((until > now).then_some(until)),
            }
        }
        Err(InvalidWindow {
            index: 0,
            field: "duration_minutes",
            reason: "the freeze windows leave no pause in which a deployment could begin"
                .to_owned(),
        })
    }

    /// What is wrong with each freeze window that cannot be kept, by itself.
    pub fn invalid_windows(&self) -> Vec<InvalidWindow> {
        self.windows(DateTime::UNIX_EPOCH)
            .filter_map(Result::err)
            .collect()
    }

    fn windows(&self, now: DateTime<Utc>) -> impl Iterator<Item = Result<Window, InvalidWindow>> {
        let windows = self.freeze_windows.iter().enumerate();
        windows.map(move |(index, window)| Window::new(index, window, now))
    }
}

struct Window {
    cron: Cron,
    /// Whether it begins in every hour of the day that it is for.
    every_hour: bool,
    time_zone: TimeZone,
    duration: Duration,
}

impl Window {
    fn new(index: usize, window: &FreezeWindow, now: DateTime<Utc>) -> Result<Self, InvalidWindow> {
        let invalid = |field, reason| InvalidWindow {
            index,
            field,
            reason,
        };
        let in_cron = |reason: String| invalid("cron", format!("`{}`: {reason}", window.cron));
        if window.cron.split_whitespace().count() != 5 || window.cron.contains('@') {
            return Err(in_cron(
                "expected five fields: minute, hour, day of the month, month, day of the week"
                    .to_owned(),
            ));
        }
        // The cron library takes `,` for a list of no hours, and then looks for one for half a minute.
        let fields = window.cron.split_whitespace();
        if fields.flat_map(|field| field.split(',')).any(str::is_empty) {
            return Err(in_cron(
                "there is a comma without a value on both sides of it".to_owned(),
            ));
        }
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(&window.cron)
            .map_err(|error| in_cron(error.to_string()))?;
        let time_zone = TimeZone::get(&window.time_zone).map_err(|_| {
            invalid(
                "time_zone",
                format!(
                    "`{}`, expected a name of the IANA's, such as Europe/Berlin",
                    window.time_zone
                ),
            )
        })?;
        if !(1..=LONGEST_MINUTES).contains(&window.duration_minutes) {
            return Err(invalid(
                "duration_minutes",
                format!(
                    "{}, expected 1 to {LONGEST_MINUTES}; hold the service for longer",
                    window.duration_minutes
                ),
            ));
        }
        match cron.find_next_occurrence(&time_zone.to_datetime(second(now)), true) {
            Err(CronError::TimeSearchLimitExceeded) => {
                return Err(in_cron("there is no such day".to_owned()));
            }
            Err(error) => return Err(in_cron(error.to_string())),
            Ok(_) => {}
        }
        Ok(Self {
            every_hour: cron.pattern.hours.values().len() == 24,
            cron,
            time_zone,
            duration: Duration::minutes(i64::from(window.duration_minutes)),
        })
    }

    /// When the window ends that `at` is in.
    fn end(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let begun = self.begun(second(at))?;
        let end = DateTime::from_timestamp(begun.as_second(), 0)? + self.duration;
        (end > at).then_some(end)
    }

    /// When it began last, until `at` and including it; `None` if it did not since the year 1.
    ///
    /// The cron library sees readings of a clock that is never set. What a change of the clocks means is said here:
    /// the library has rules of its own for it, which depend on how the expression is written.
    fn begun(&self, at: Timestamp) -> Option<Timestamp> {
        let reading = self.time_zone.to_datetime(at);
        let change = self.last_change(at);
        // In a repeated hour the clock has shown all of that hour already.
        let before_change = change.map(|change| self.time_zone.to_datetime(change - SECOND));
        let furthest = before_change.map_or(reading, |before| before.max(reading));
        let latest = |reading| self.cron.find_previous_occurrence(&reading, true).ok();

        let begun = self.time_zone.to_ambiguous_timestamp(latest(furthest)?);
        let is_skipped = matches!(begun.offset(), AmbiguousOffset::Gap { .. });
        let begun = begun.compatible().ok()?;
        let first = if is_skipped {
            self.last_change(begun)?
        } else {
            begun
        };
        if self.every_hour && furthest > reading {
            let again = at - latest(reading)?.duration_until(reading);
            if change.is_some_and(|change| again >= change) {
                return Some(again);
            }
        }
        Some(first)
    }

    /// When the clocks were set last, until `at` and including it.
    fn last_change(&self, at: Timestamp) -> Option<Timestamp> {
        let after = at.checked_add(SECOND).unwrap_or(at);
        let mut changes = self.time_zone.preceding(after);
        changes.next().map(|change| change.timestamp())
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The whole second of a time. Years beyond 9999, which jiff does not have, are of no interest.
fn second(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from_second(at.timestamp()).unwrap_or_default()
}
