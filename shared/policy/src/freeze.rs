//! Freeze windows: until when no deployment begins.

use chrono::{DateTime, Duration, Utc};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::settings::{FreezeWindow, RolloutSettings};

/// The longest window: 31 days. What lasts longer is a hold.
const LONGEST_MINUTES: u32 = 31 * 24 * 60;

/// How many windows may follow each other without a pause: two weeks of windows of a minute. Windows that
/// always touch would keep every deployment back for ever.
const WITHOUT_PAUSE: usize = 14 * 24 * 60;

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
    /// A window whose beginning the clocks skip, as they are set forward, begins when they have been; one
    /// that they pass twice begins the first time.
    ///
    /// # Errors
    /// [`InvalidWindow`], whatever `now` is, when one of them cannot be kept; and when they leave no pause.
    pub fn frozen_until(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, InvalidWindow> {
        let windows = self
            .freeze_windows
            .iter()
            .enumerate()
            .map(|(index, window)| Window::new(index, window, now))
            .collect::<Result<Vec<Window>, InvalidWindow>>()?;
        let mut until = now;
        for _ in 0..WITHOUT_PAUSE {
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
}

struct Window {
    cron: Cron,
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
        match cron.find_next_occurrence(&by_the_clock(now, &time_zone), true) {
            Err(CronError::TimeSearchLimitExceeded) => {
                return Err(in_cron("there is no such day".to_owned()));
            }
            Err(error) => return Err(in_cron(error.to_string())),
            Ok(_) => {}
        }
        Ok(Self {
            cron,
            time_zone,
            duration: Duration::minutes(i64::from(window.duration_minutes)),
        })
    }

    /// When the window ends that `at` is in.
    fn end(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = by_the_clock(at, &self.time_zone);
        // An error: there was none since the year 1.
        let begun = self.cron.find_previous_occurrence(&local, true).ok()?;
        let begun = DateTime::from_timestamp(begun.timestamp().as_second(), 0)?;
        let end = begun + self.duration;
        (end > at).then_some(end)
    }
}

/// The second that it is in a time zone. Years beyond 9999, which jiff does not have, are of no interest.
fn by_the_clock(at: DateTime<Utc>, time_zone: &TimeZone) -> Zoned {
    Timestamp::from_second(at.timestamp())
        .unwrap_or_default()
        .to_zoned(time_zone.clone())
}
