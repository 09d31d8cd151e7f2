//! When EventBridge Scheduler runs something. The rules are those of the EventBridge Scheduler User Guide, [Schedule
//! types in EventBridge Scheduler](https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html); each
//! item names the page's part.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::{self, Date, Weekday};
use jiff::tz::TimeZone;

/// `ScheduleExpression` has at most 256 characters: the EventBridge Scheduler API Reference,
/// [CreateSchedule](https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html).
const LONGEST: usize = 256;

/// The year of Longshore's first version. Nothing that is written for it can mean a time before. What is right must not
/// become wrong on some day, so later years are not compared with a clock.
const FIRST_YEAR: i16 = 2026;

/// An expression of EventBridge Scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScheduleExpression {
    /// `rate(6 hours)`, in minutes.
    Rate(u64),
    /// `cron(0 3 * * ? *)`.
    Cron(Cron),
    /// `at(2027-01-31T03:00:00)`.
    At(civil::DateTime),
}

/// The six fields of `cron(…)`, as the numbers that they name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Vec<i16>,
    hours: Vec<i16>,
    days: Vec<Day>,
    months: Vec<i16>,
    years: Vec<i16>,
}

/// What one part of the two fields for days names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    Every,
    OfMonth(i16),
    LastOfMonth,
    LastWorkday,
    NearestWorkday(i16),
    OfWeek(Weekday),
    LastOfWeek(Weekday),
    Nth(Weekday, i16),
}

/// A field of `cron(…)`: "Cron-based schedules", Syntax.
struct Field {
    name: &'static str,
    first: i16,
    last: i16,
    names: &'static [&'static str],
    /// Whether the first value comes after the last one, as in `FRI-MON`.
    is_cyclic: bool,
}

const MINUTES: Field = Field::of_numbers("minutes", 0, 59);
const HOURS: Field = Field::of_numbers("hours", 0, 23);
const DAY_OF_MONTH: Field = Field::of_numbers("day of month", 1, 31);
const MONTH: Field = Field {
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
    ..Field::of_numbers("month", 1, 12)
};
const DAY_OF_WEEK: Field = Field {
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    ..Field::of_numbers("day of week", 1, 7)
};
const YEAR: Field = Field {
    is_cyclic: false,
    ..Field::of_numbers("year", 1970, 2199)
};

impl ScheduleExpression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, and what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!(
                "the expression has {} characters, expected at most {LONGEST}",
                text.len()
            ));
        }
        let inside = |kind: &str| {
            let rest = text.strip_prefix(kind)?.strip_prefix('(')?;
            rest.strip_suffix(')')
        };
        if let Some(rate) = inside("rate") {
            self::rate(rate).map(Self::Rate).ok_or_else(|| {
                "this is not a rate, expected rate(<number> <minutes, hours or days>), such as rate(6 hours)"
                    .to_owned()
            })
        } else if let Some(time) = inside("at") {
            self::time(time).map(Self::At)
        } else if let Some(fields) = inside("cron") {
            Cron::parse(fields).map(Self::Cron)
        } else {
            Err(
                "this is not a schedule, expected rate(6 hours), cron(0 3 * * ? *) or at(2027-01-31T03:00:00)"
                    .to_owned(),
            )
        }
    }
}

/// Whether this is a name of the IANA's time zone database, written as there: `Europe/Berlin`, `EST5EDT`. "Time zones on
/// EventBridge Scheduler".
pub(crate) fn is_time_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok_and(|zone| !zone.is_unknown() && zone.iana_name() == Some(name))
}

/// A positive number and a unit, with a space between them: "Rate-based schedules", Syntax. The units in the singular
/// are in the API Reference, CreateSchedule.
fn rate(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    let minutes = match unit {
        "minute" | "minutes" => 1,
        "hour" | "hours" => 60,
        "day" | "days" => 24 * 60,
        _ => return None,
    };
    let number: u32 = digits(number)?;
    (number > 0).then_some(u64::from(number) * minutes)
}

/// `yyyy-mm-ddThh:mm:ss`: "One-time schedules", Syntax.
fn time(text: &str) -> Result<civil::DateTime, String> {
    let time = text.parse::<civil::DateTime>().ok();
    // The library reads other forms, too, but writes this one.
    let time = time
        .filter(|time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string() == text)
        .ok_or_else(|| {
            "this is not a time, expected at(<date>T<time>), such as at(2027-01-31T03:00:00)"
                .to_owned()
        })?;
    if time.year() < FIRST_YEAR {
        return Err(format!(
            "the year {} is in the past, expected {FIRST_YEAR} or later",
            time.year()
        ));
    }
    Ok(time)
}

/// A number without a sign.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

impl Cron {
    fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split(' ').filter(|field| !field.is_empty()).collect();
        let [minutes, hours, day_of_month, month, day_of_week, year] = fields.as_slice() else {
            return Err(format!(
                "the expression has {} fields, expected the six of cron(<minutes> <hours> <day of month> \
                 <month> <day of week> <year>)",
                fields.len()
            ));
        };
        let mut cron = Self {
            minutes: MINUTES.numbers(minutes)?,
            hours: HOURS.numbers(hours)?,
            days: Vec::new(),
            months: MONTH.numbers(month)?,
            years: YEAR.numbers(year)?,
        };
        let days_of_month = DAY_OF_MONTH.days(day_of_month, Day::in_month)?;
        let days_of_week = DAY_OF_WEEK.days(day_of_week, Day::in_week)?;
        // "Cron-based schedules", Limits.
        cron.days = match (days_of_month, days_of_week) {
            (Some(days), None) | (None, Some(days)) => days,
            (Some(_), Some(_)) => {
                return Err(
                    "day of month and day of week cannot both be said, expected `?` in one of them"
                        .to_owned(),
                );
            }
            (None, None) => {
                return Err(
                    "neither day of month nor day of week is said, expected `*` or days in one of them"
                        .to_owned(),
                );
            }
        };
        cron.years.retain(|year| *year >= FIRST_YEAR);
        if cron.years.is_empty() {
            return Err(format!(
                "the year `{year}` is in the past, expected {FIRST_YEAR} or later"
            ));
        }
        // Years that begin with the same day and are as long have the same days.
        let kinds: BTreeMap<_, i16> = cron.years.iter().filter_map(kind).collect();
        if !kinds
            .values()
            .any(|year| cron.dates(*year).next().is_some())
        {
            return Err(
                "there is no such day, so it would never run; expected a day that the months have"
                    .to_owned(),
            );
        }
        Ok(cron)
    }

    /// How many runs there are in these years, whatever the field of the years says.
    pub fn runs_in(&self, years: Range<i16>) -> u64 {
        let days: usize = years.map(|year| self.dates(year).count()).sum();
        (days * self.hours.len() * self.minutes.len()) as u64
    }

    /// The days of a year on which it runs.
    fn dates(&self, year: i16) -> impl Iterator<Item = Date> {
        let of_month = move |month: &i16| {
            let month = i8::try_from(*month).unwrap_or_default();
            (1..=31).filter_map(move |day| Date::new(year, month, day).ok())
        };
        let dates = self.months.iter().flat_map(of_month);
        dates.filter(|date| self.days.iter().any(|day| day.is(*date)))
    }
}

impl Day {
    /// `L`, `LW` and `15W`: "Cron-based schedules", Wildcards.
    fn in_month(part: &str) -> Option<Vec<Self>> {
        Some(match part {
            "*" => vec![Self::Every],
            "L" => vec![Self::LastOfMonth],
            "LW" => vec![Self::LastWorkday],
            _ => match part.strip_suffix('W') {
                Some(day) => vec![Self::NearestWorkday(DAY_OF_MONTH.value(day)?)],
                None => DAY_OF_MONTH
                    .part(part)?
                    .into_iter()
                    .map(Self::OfMonth)
                    .collect(),
            },
        })
    }

    /// `L`, `6L` and `3#2`: "Cron-based schedules", Wildcards.
    fn in_week(part: &str) -> Option<Vec<Self>> {
        let day = |text| weekday(DAY_OF_WEEK.value(text)?);
        Some(if part == "*" {
            vec![Self::Every]
        } else if part == "L" {
            vec![Self::OfWeek(Weekday::Saturday)]
        } else if let Some(last) = part.strip_suffix('L') {
            vec![Self::LastOfWeek(day(last)?)]
        } else if let Some((name, number)) = part.split_once('#') {
            let number = digits(number).filter(|number| (1..=5).contains(number))?;
            vec![Self::Nth(day(name)?, number)]
        } else {
            let days = DAY_OF_WEEK.part(part)?.into_iter();
            days.filter_map(weekday).map(Self::OfWeek).collect()
        })
    }

    fn is(self, date: Date) -> bool {
        let day = i16::from(date.day());
        let length = i16::from(date.days_in_month());
        match self {
            Self::Every => true,
            Self::OfMonth(wanted) => day == wanted,
            Self::LastOfMonth => day == length,
            Self::LastWorkday => is_workday_near(date, length),
            Self::NearestWorkday(wanted) => wanted <= length && is_workday_near(date, wanted),
            Self::OfWeek(weekday) => date.weekday() == weekday,
            Self::LastOfWeek(weekday) => date.weekday() == weekday && day + 7 > length,
            Self::Nth(weekday, number) => date.weekday() == weekday && (day - 1) / 7 + 1 == number,
        }
    }
}

/// The day that a year begins with, whether it is a leap year, and the year.
fn kind(year: &i16) -> Option<((i8, bool), i16)> {
    let first = Date::new(*year, 1, 1).ok()?;
    let day = first.weekday().to_sunday_zero_offset();
    Some(((day, first.in_leap_year()), *year))
}

/// 1 is Sunday.
fn weekday(number: i16) -> Option<Weekday> {
    Weekday::from_sunday_one_offset(i8::try_from(number).ok()?).ok()
}

/// Whether a date is the workday that is nearest to a day of its month, and in that month.
fn is_workday_near(date: Date, day: i16) -> bool {
    let last = date.days_in_month();
    let Ok(wanted) = i8::try_from(day).map(|day| date.with().day(day).build()) else {
        return false;
    };
    let nearest = wanted.map(|wanted| match wanted.weekday() {
        Weekday::Saturday if wanted.day() == 1 => 3,
        Weekday::Saturday => wanted.day() - 1,
        Weekday::Sunday if wanted.day() == last => last - 2,
        Weekday::Sunday => wanted.day() + 1,
        _ => wanted.day(),
    });
    nearest.is_ok_and(|nearest| date.day() == nearest)
}

impl Field {
    const fn of_numbers(name: &'static str, first: i16, last: i16) -> Self {
        Self {
            name,
            first,
            last,
            names: &[],
            is_cyclic: true,
        }
    }

    /// The numbers of a list, each once and in order.
    fn numbers(&self, text: &str) -> Result<Vec<i16>, String> {
        let parts: Option<Vec<Vec<i16>>> = text.split(',').map(|part| self.part(part)).collect();
        let mut numbers = parts.ok_or_else(|| self.refusal(text))?.concat();
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// The days of a list; `None` for `?`. With `#` there is one part only: "Cron-based schedules", Wildcards, Note.
    fn days(
        &self,
        text: &str,
        day: impl Fn(&str) -> Option<Vec<Day>>,
    ) -> Result<Option<Vec<Day>>, String> {
        if text == "?" {
            return Ok(None);
        }
        if text.contains('#') && text.contains(',') {
            return Err(format!(
                "`{text}` is not valid for the {}, expected one day where there is a `#`",
                self.name
            ));
        }
        let parts: Option<Vec<Vec<Day>>> = text.split(',').map(day).collect();
        Ok(Some(parts.ok_or_else(|| self.refusal(text))?.concat()))
    }

    /// The numbers of `*`, a value or a range, with or without a step.
    fn part(&self, part: &str) -> Option<Vec<i16>> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(digits(step).filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            None if range == "*" => (self.first, self.last),
            // `5/10`: from there on.
            None if step.is_some() => (self.value(range)?, self.last),
            None => (self.value(range)?, self.value(range)?),
        };
        let step = step.unwrap_or(1);
        if from <= to {
            Some((from..=to).step_by(step).collect())
        } else if self.is_cyclic {
            let all = (from..=self.last).chain(self.first..=to);
            Some(all.step_by(step).collect())
        } else {
            None
        }
    }

    fn value(&self, text: &str) -> Option<i16> {
        let is_name = |name: &&str| name.eq_ignore_ascii_case(text);
        let named = (self.first..)
            .zip(self.names)
            .find(|(_, name)| is_name(name));
        let value = named.map_or_else(|| digits(text), |(number, _)| Some(number))?;
        (self.first..=self.last).contains(&value).then_some(value)
    }

    fn refusal(&self, text: &str) -> String {
        format!(
            "`{text}` is not valid for the {}, expected {} to {}{}, `*`, ranges, lists or steps",
            self.name,
            self.first,
            self.last,
            if self.names.is_empty() {
                ""
            } else {
                " or names"
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_the_scheduler_are_known() {
        for expression in [
            "rate(1 minute)",
            "rate(6 hours)",
            "at(2027-01-31T03:00:00)",
            "at(2028-02-29T23:59:59)",
            "cron(0 3 * * ? *)",
            "cron(00 03 * * ? *)",
            "cron(0/15 8-18 ? * MON-FRI *)",
            "cron(0 22-4 ? * FRI-MON *)",
            "cron(0 12 L * ? 2027,2028)",
            "cron(0 12 15W JAN,jul ? *)",
            "cron(0 12 1,LW * ? *)",
            "cron(30 4 ? * 6#3 *)",
            "cron(30 4 ? * 5L *)",
            "cron(30 4 ? * L *)",
            "cron(0 3 29 2 ? *)",
            "cron(0 3 29 2 ? 2028)",
            "cron(0 3 * * ? 2020-2030)",
        ] {
            if let Err(message) = ScheduleExpression::parse(expression) {
                panic!("{expression}: {message}");
            }
        }
    }

    #[test]
    fn what_the_scheduler_does_not_take_is_refused() {
        let long = format!("cron({} 3 * * ? *)", "0,".repeat(130));
        for (expression, words) in [
            ("", "this is not a schedule"),
            ("hourly", "this is not a schedule"),
            (" rate(1 day)", "this is not a schedule"),
            ("rate(0 hours)", "this is not a rate"),
            ("rate(+5 minutes)", "this is not a rate"),
            ("rate(5  minutes)", "this is not a rate"),
            ("rate(5 minutess)", "this is not a rate"),
            ("rate(6 weeks)", "this is not a rate"),
            ("rate(4294967296 days)", "this is not a rate"),
            ("at(2027-02-30T03:00:00)", "this is not a time"),
            ("at(2027-1-1T0:0:0)", "this is not a time"),
            ("at(2027-01-01 00:00:00)", "this is not a time"),
            ("at(2027-01-01T00:00:60)", "this is not a time"),
            ("at(2027-01-01T00:00:00Z)", "this is not a time"),
            ("at(2027-01-01T00:00:00.5)", "this is not a time"),
            ("at(2020-01-01T00:00:00)", "the year 2020 is in the past"),
            ("cron(0 3 * * *)", "has 5 fields"),
            ("cron(0 3 * * ?\t*)", "has 5 fields"),
            ("cron(0 3 * *\n? *)", "has 5 fields"),
            ("cron(0 3 * * * *)", "cannot both be said"),
            ("cron(0 3 ? * ? *)", "neither day of month"),
            ("cron(60 3 * * ? *)", "`60` is not valid for the minutes"),
            ("cron(+5 3 * * ? *)", "`+5` is not valid for the minutes"),
            ("cron(? 3 * * ? *)", "`?` is not valid for the minutes"),
            ("cron(0 24 * * ? *)", "`24` is not valid for the hours"),
            (
                "cron(0 3 32 * ? *)",
                "`32` is not valid for the day of month",
            ),
            (
                "cron(0 3 1,? * ? *)",
                "`1,?` is not valid for the day of month",
            ),
            (
                "cron(0 3 ?/2 * ? *)",
                "`?/2` is not valid for the day of month",
            ),
            ("cron(0 3 ? * 0 *)", "`0` is not valid for the day of week"),
            (
                "cron(0 3 ? * MON#6 *)",
                "`MON#6` is not valid for the day of week",
            ),
            (
                "cron(0 3 ? * 3#1,6#3 *)",
                "expected one day where there is a `#`",
            ),
            ("cron(0 3 * FOO ? *)", "`FOO` is not valid for the month"),
            ("cron(0/0 3 * * ? *)", "`0/0` is not valid for the minutes"),
            ("cron(0, 3 * * ? *)", "`0,` is not valid for the minutes"),
            (
                "cron(0 3 * * ? 2030-2027)",
                "`2030-2027` is not valid for the year",
            ),
            ("cron(0 3 * * ? 2020)", "the year `2020` is in the past"),
            ("cron(0 3 31 2 ? *)", "there is no such day"),
            ("cron(0 3 31 4,6,9,11 ? *)", "there is no such day"),
            ("cron(0 3 29 2 ? 2027)", "there is no such day"),
            (
                long.as_str(),
                "the expression has 276 characters, expected at most 256",
            ),
        ] {
            let message = ScheduleExpression::parse(expression).unwrap_err();
            assert!(message.contains(words), "{expression}: {message}");
        }
    }

    #[test]
    fn time_zones_are_those_of_the_database() {
        for zone in [
            "UTC",
            "Europe/Berlin",
            "America/Argentina/Salta",
            "Etc/GMT+3",
            "EST5EDT",
            "GMT+0",
        ] {
            assert!(is_time_zone(zone), "{zone}");
        }
        for zone in [
            "",
            "+01:00",
            "Europe/",
            "europe/berlin",
            "Mars/Olympus",
            "Etc/Unknown",
            "Central European Time",
            "GMT+3",
            "../UTC",
        ] {
            assert!(!is_time_zone(zone), "{zone}");
        }
    }
}
