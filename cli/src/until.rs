//! Times to come, as people give them.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{
    DateTime, Days, Local, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
    Utc,
};

/// What is allowed.
const EXPECTED: &str = "expected a time to come, such as 2h, 90m, 1d, 18:00, \"tomorrow 9:00\", \
                        \"2026-12-24 18:00\" or 2026-12-24T18:00:00+01:00";

/// The longest time that can be given by its length, in days.
const LONGEST: i64 = 3_660;

/// A time to come. Without a zone it is in this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until(pub DateTime<Utc>);

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text.trim(), &Local::now()).map(Self)
    }
}

/// A time that is over: how long ago it was, or the time itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(pub DateTime<Utc>);

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        past(text.trim(), Utc::now()).map(Self)
    }
}

/// The time before `now` that `text` means.
fn past(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => length(text).and_then(|length| now.checked_sub_signed(length)),
    };
    time.filter(|time| *time <= now).ok_or_else(|| {
        "expected how long ago, such as 10m, 2h or 1d12h, or a time that is over, such as 2026-12-24T18:00:00+01:00"
            .to_owned()
    })
}

/// The time that `text` means to somebody whose clock shows `now`.
fn read<Zone>(text: &str, now: &DateTime<Zone>) -> Result<DateTime<Utc>, String>
where
    Zone: TimeZone,
    Zone::Offset: Display,
{
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    if let Some(length) = length(text) {
        return now
            .to_utc()
            .checked_add_signed(length)
            .ok_or_else(|| EXPECTED.to_owned());
    }
    let today = now.date_naive();
    let (date, time) = match text.rsplit_once([' ', 'T']) {
        None => (None, text),
        Some((date, time)) => (Some(day(date.trim(), today)?), time),
    };
    let time = NaiveTime::parse_from_str(time, "%H:%M").map_err(|_| EXPECTED.to_owned())?;
    let of = |date: NaiveDate| in_zone(date.and_time(time), &now.timezone());
    match date {
        Some(date) => of(date),
        None => match of(today) {
            Ok(time) if time > now.to_utc() => Ok(time),
            // It has passed today.
            _ => of(next(today)),
        },
    }
}

/// `2h`, `1d12h`, `90m`.
fn length(text: &str) -> Option<TimeDelta> {
    let mut sum = TimeDelta::zero();
    let mut number = String::new();
    for character in text.chars() {
        if character.is_ascii_digit() {
            number.push(character);
            continue;
        }
        let minutes = match character {
            'm' => 1,
            'h' => 60,
            'd' => 24 * 60,
            _ => return None,
        };
        let count: i64 = std::mem::take(&mut number).parse().ok()?;
        sum = sum.checked_add(&TimeDelta::try_minutes(count.checked_mul(minutes)?)?)?;
    }
    (number.is_empty() && sum > TimeDelta::zero() && sum.num_days() <= LONGEST).then_some(sum)
}

fn day(text: &str, today: NaiveDate) -> Result<NaiveDate, String> {
    match text {
        "today" => Ok(today),
        "tomorrow" => Ok(next(today)),
        date => NaiveDate::parse_from_str(date, "%Y-%m-%d").map_err(|_| EXPECTED.to_owned()),
    }
}

fn next(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(day)
}

/// Where the clocks go back and show it twice, the later one: what is held is rather held an hour too long.
fn in_zone<Zone: TimeZone>(time: NaiveDateTime, zone: &Zone) -> Result<DateTime<Utc>, String> {
    match zone.from_local_datetime(&time) {
        LocalResult::Single(time) | LocalResult::Ambiguous(_, time) => Ok(time.to_utc()),
        LocalResult::None => Err(format!(
            "the clocks go forward past {time} in this machine's time zone: give another time, or one with a zone, \
             such as {time}:00Z",
            time = time.format("%Y-%m-%dT%H:%M")
        )),
    }
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    /// 18:30 in a zone an hour ahead of UTC.
    fn evening() -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-12-23T18:30:00+01:00").unwrap()
    }

    #[test]
    fn times_are_read_as_people_say_them() {
        for (text, expected) in [
            ("2h", "2026-12-23T19:30:00Z"),
            ("90m", "2026-12-23T19:00:00Z"),
            ("1d12h", "2026-12-25T05:30:00Z"),
            ("19:00", "2026-12-23T18:00:00Z"),
            // Passed today.
            ("9:00", "2026-12-24T08:00:00Z"),
            ("today 19:00", "2026-12-23T18:00:00Z"),
            ("tomorrow 9:00", "2026-12-24T08:00:00Z"),
            ("2026-12-31 23:59", "2026-12-31T22:59:00Z"),
            ("2026-12-31T23:59", "2026-12-31T22:59:00Z"),
            ("2026-12-24T18:00:00+03:00", "2026-12-24T15:00:00Z"),
        ] {
            let time = read(text, &evening()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(time, expected.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused_with_what_is_allowed() {
        for text in [
            "",
            "soon",
            "2",
            "h",
            "-2h",
            "0m",
            "2h3",
            "25:00",
            "tomorrow",
            "yesterday 9:00",
            "2026-02-30 9:00",
            "99999999999999999999h",
            "999999d",
        ] {
            let refused = read(text, &evening()).unwrap_err();
            assert!(refused.contains("tomorrow 9:00"), "{text}: {refused}");
        }
    }

    #[test]
    fn a_time_that_is_over_is_given_by_its_length_or_with_a_zone() {
        let now: DateTime<Utc> = "2026-12-24T12:00:00Z".parse().unwrap();
        let ago = |minutes| now - TimeDelta::minutes(minutes);
        assert_eq!(past("10m", now), Ok(ago(10)));
        assert_eq!(past("1d2h", now), Ok(ago(26 * 60)));
        assert_eq!(past("2026-12-24T12:00:00+01:00", now), Ok(ago(60)));
        for wrong in ["", "10", "soon", "10 m", "2026-12-24T13:00:00Z"] {
            let refused = past(wrong, now).unwrap_err();
            assert!(
                refused.starts_with("expected how long ago"),
                "{wrong}: {refused}"
            );
        }
    }
}
