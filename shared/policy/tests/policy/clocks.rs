//! Freeze windows on the nights on which clocks are set, against a computation minute by minute.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use longshore_policy::settings::{FreezeWindow, RolloutSettings};

const MINUTES: u32 = 10;

/// An expression, and its hours and minutes as somebody reads them.
struct Expression {
    cron: &'static str,
    hours: &'static [i8],
    minutes: &'static [i8],
}

const EVERY_HOUR: [i8; 24] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
];
const EVEN_HOURS: [i8; 12] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22];

#[rustfmt::skip]
const EXPRESSIONS: [Expression; 14] = [
    Expression { cron: "30 2 * * *", hours: &[2], minutes: &[30] },
    Expression { cron: "0 0 * * *", hours: &[0], minutes: &[0] },
    Expression { cron: "0 2,14 * * *", hours: &[2, 14], minutes: &[0] },
    Expression { cron: "0 1-2 * * *", hours: &[1, 2], minutes: &[0] },
    Expression { cron: "0,30 2 * * *", hours: &[2], minutes: &[0, 30] },
    Expression { cron: "*/30 2 * * *", hours: &[2], minutes: &[0, 30] },
    Expression { cron: "10-50/20 0,1,2,3 * * *", hours: &[0, 1, 2, 3], minutes: &[10, 30, 50] },
    Expression { cron: "*/20 22-23,0-4 * * *", hours: &[0, 1, 2, 3, 4, 22, 23], minutes: &[0, 20, 40] },
    Expression { cron: "45 */2 * * *", hours: &EVEN_HOURS, minutes: &[45] },
    Expression { cron: "15 0-5/2 * * *", hours: &[0, 2, 4], minutes: &[15] },
    Expression { cron: "59 23 * * *", hours: &[23], minutes: &[59] },
    Expression { cron: "30 * * * *", hours: &EVERY_HOUR, minutes: &[30] },
    Expression { cron: "*/15 * * * *", hours: &EVERY_HOUR, minutes: &[0, 15, 30, 45] },
    Expression { cron: "5 0-23 * * *", hours: &EVERY_HOUR, minutes: &[5] },
];

impl Expression {
    fn names(&self, reading: civil::DateTime) -> bool {
        self.hours.contains(&reading.hour()) && self.minutes.contains(&reading.minute())
    }

    /// When windows begin, minute by minute.
    fn beginnings(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut beginnings = Vec::new();
        let mut now = from;
        let mut furthest = zone.to_datetime(from - 1.minute());
        while now <= to {
            let reading = zone.to_datetime(now);
            let mut begins = self.hours.len() == 24 && self.names(reading);
            while furthest < reading {
                furthest += 1.minute();
                begins |= self.names(furthest);
            }
            if begins {
                beginnings.push(now);
            }
            now += 1.minute();
        }
        beginnings
    }
}

fn frozen_until(beginnings: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
    let lasting = Span::new().minutes(MINUTES);
    let mut until = now;
    while let Some(begun) = beginnings
        .iter()
        .rfind(|begun| **begun <= until && **begun + lasting > until)
    {
        until = *begun + lasting;
    }
    (until > now).then_some(until)
}

fn to_chrono(at: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp(at.as_second(), 0).unwrap()
}

/// The changes of all clocks in 2026 and 2027. Of those that set a clock from and to the same times of the day, one
/// stands for all: the expressions name no days.
fn changes() -> Vec<(TimeZone, Timestamp)> {
    let (from, to): (Timestamp, Timestamp) = (
        "2025-12-31T23:59:59Z".parse().unwrap(),
        "2027-12-31T23:59:59Z".parse().unwrap(),
    );
    let mut seen = BTreeSet::new();
    let mut changes = Vec::new();
    let (mut zones, mut count) = (0, 0);
    for name in jiff::tz::db().available() {
        let zone = TimeZone::get(name.as_str()).unwrap();
        zones += 1;
        for change in zone.following(from) {
            let at = change.timestamp();
            if at > to {
                break;
            }
            let offset = |at| zone.to_offset(at).seconds();
            let (before, after) = (offset(at - 1.second()), offset(at));
            let shown = zone.to_datetime(at - 1.second()).time();
            if before != after {
                count += 1;
                if seen.insert((shown, after - before)) {
                    changes.push((zone.clone(), at));
                }
            }
        }
    }
    assert!(zones > 500, "{zones}");
    assert!(count > 500, "{count}");
    assert!(changes.len() > 10, "{}", changes.len());
    changes
}

#[test]
fn windows_begin_when_the_clock_first_shows_their_time_or_a_later_one() {
    let mut checked = 0;
    for (zone, change) in changes() {
        for expression in &EXPRESSIONS {
            let settings = RolloutSettings {
                freeze_windows: vec![FreezeWindow {
                    cron: expression.cron.to_owned(),
                    time_zone: zone.iana_name().unwrap().to_owned(),
                    duration_minutes: MINUTES,
                }],
                ..RolloutSettings::default()
            };
            let beginnings = expression.beginnings(&zone, change - 3.hours(), change + 6.hours());
            let mut now = change - 1.hours();
            while now < change + 4.hours() {
                let expected = frozen_until(&beginnings, now);
                let until = settings.frozen_until(to_chrono(now)).unwrap();
                assert_eq!(
                    until,
                    expected.map(to_chrono),
                    "`{}` in {} at {}",
                    expression.cron,
                    zone.iana_name().unwrap(),
                    now.to_zoned(zone.clone())
                );
                checked += usize::from(expected.is_some());
                now += 1.minute();
            }
        }
    }
    assert!(checked > 5_000, "{checked}");
}

#[test]
fn a_weekend_of_windows_has_no_hole_where_its_clocks_are_set_back() {
    for cron in ["* * * * SAT,SUN", "0 * * * SAT,SUN"] {
        let settings = RolloutSettings {
            freeze_windows: vec![FreezeWindow {
                cron: cron.to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
                duration_minutes: 60,
            }],
            ..RolloutSettings::default()
        };
        let until = settings.frozen_until("2026-10-24T00:00:00Z".parse().unwrap());
        let end = if cron.starts_with('0') {
            "2026-10-25T23:00:00Z"
        } else {
            "2026-10-25T23:59:00Z"
        };
        assert_eq!(until.unwrap(), Some(end.parse().unwrap()), "{cron}");
    }
}

#[test]
fn more_than_fifty_windows_are_refused() {
    let window = FreezeWindow {
        cron: "0 9 * * MON".to_owned(),
        time_zone: "UTC".to_owned(),
        duration_minutes: 60,
    };
    let of = |count| RolloutSettings {
        freeze_windows: vec![window.clone(); count],
        ..RolloutSettings::default()
    };
    let now = DateTime::UNIX_EPOCH;
    assert_eq!(of(50).frozen_until(now), Ok(None));
    let refused = of(51).frozen_until(now).unwrap_err().to_string();
    assert!(
        refused.ends_with("the service has 51 freeze windows, expected at most 50"),
        "{refused}"
    );
}
