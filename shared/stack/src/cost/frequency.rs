//! How often a schedule's expression comes true in a month.

/// Runs in a month of 730 hours, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequency {
    /// How many runs …
    pub runs: u128,
    /// … in how many months.
    pub months: u128,
}

const MINUTES_A_MONTH: u128 = 730 * 60;
/// In 28 years of the Julian rule every date falls on every day of the week equally often.
const YEARS: std::ops::Range<u32> = 2001..2029;
const MINUTES_OF_YEARS: u128 = (28 * 365 + 7) * 24 * 60;
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// How often `rate(…)`, `cron(…)` or `at(…)` comes true; nothing for what is none of them. The year of
/// `cron` is left aside: a month within these years is meant. `at` is one run.
pub fn frequency(expression: &str) -> Option<Frequency> {
    let (kind, rest) = expression.trim().split_once('(')?;
    let inner = rest.strip_suffix(')')?.trim();
    match kind {
        "rate" => rate(inner),
        "cron" => cron(inner),
        "at" => Some(Frequency { runs: 1, months: 1 }),
        _ => None,
    }
}

fn rate(text: &str) -> Option<Frequency> {
    let (number, unit) = text.split_once(char::is_whitespace)?;
    let number: u32 = number.parse().ok()?;
    let minutes = match unit.trim().trim_end_matches('s') {
        "minute" => 1,
        "hour" => 60,
        "day" => 24 * 60,
        _ => return None,
    };
    (number > 0).then(|| Frequency {
        runs: MINUTES_A_MONTH,
        months: u128::from(number) * minutes,
    })
}

fn cron(text: &str) -> Option<Frequency> {
    let fields: Vec<String> = text
        .split_whitespace()
        .map(str::to_ascii_uppercase)
        .collect();
    let [minutes, hours, days, months, weekdays, _] = fields.as_slice() else {
        return None;
    };
    let a_day = numbers(minutes, 0, 59, &[])?.len() * numbers(hours, 0, 23, &[])?.len();
    let months = numbers(months, 1, 12, &MONTHS)?;
    let days = DayRule::of_month(days)?;
    let weekdays = DayRule::of_week(weekdays)?;
    let mut matching = 0_u128;
    for year in YEARS {
        for &month in &months {
            let calendar = Month::new(year, month);
            let day = (1..=calendar.length)
                .filter(|&day| days.holds(calendar, day) && weekdays.holds(calendar, day))
                .count();
            matching += day as u128;
        }
    }
    Some(Frequency {
        runs: matching * a_day as u128 * MINUTES_A_MONTH,
        months: MINUTES_OF_YEARS,
    })
}

/// The numbers that a field of `cron` stands for.
fn numbers(field: &str, first: u32, last: u32, names: &[&str]) -> Option<Vec<u32>> {
    let number = |text: &str| {
        let named = names.iter().zip(first..).find(|(name, _)| **name == text);
        let number = named.map_or_else(|| text.parse().ok(), |(_, number)| Some(number))?;
        (first..=last).contains(&number).then_some(number)
    };
    let mut found = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok()?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None if range == "*" || range == "?" => (first, last),
            None if step.is_some() => (number(range)?, last),
            None => (number(range)?, number(range)?),
        };
        if step == Some(0) {
            return None;
        }
        let steps = step.unwrap_or(1);
        if from <= to {
            found.extend((from..=to).step_by(steps));
        } else {
            // FRI-MON goes over the end of the week.
            found.extend((from..=last).chain(first..=to).step_by(steps));
        }
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}

/// One of the two fields of `cron` that choose days.
enum DayRule {
    Every,
    DaysOfMonth(Vec<u32>),
    LastOfMonth { before: u32 },
    LastWorkday,
    NearestWorkday(u32),
    Weekdays(Vec<u32>),
    LastWeekday(u32),
    NthWeekday { weekday: u32, nth: u32 },
}

impl DayRule {
    fn of_month(field: &str) -> Option<Self> {
        let number = |text: &str| numbers(text, 1, 31, &[])?.first().copied();
        Some(match field {
            "*" | "?" => Self::Every,
            "L" => Self::LastOfMonth { before: 0 },
            "LW" => Self::LastWorkday,
            _ => {
                if let Some(before) = field.strip_prefix("L-") {
                    Self::LastOfMonth {
                        before: number(before)?,
                    }
                } else if let Some(day) = field.strip_suffix('W') {
                    Self::NearestWorkday(number(day)?)
                } else {
                    Self::DaysOfMonth(numbers(field, 1, 31, &[])?)
                }
            }
        })
    }

    fn of_week(field: &str) -> Option<Self> {
        let number = |text: &str| numbers(text, 1, 7, &WEEKDAYS)?.first().copied();
        Some(match field {
            "*" | "?" => Self::Every,
            "L" => Self::Weekdays(vec![7]),
            _ => {
                if let Some((weekday, nth)) = field.split_once('#') {
                    Self::NthWeekday {
                        weekday: number(weekday)?,
                        nth: nth.parse().ok()?,
                    }
                } else if let Some(weekday) = field.strip_suffix('L') {
                    Self::LastWeekday(number(weekday)?)
                } else {
                    Self::Weekdays(numbers(field, 1, 7, &WEEKDAYS)?)
                }
            }
        })
    }

    fn holds(&self, month: Month, day: u32) -> bool {
        match self {
            Self::Every => true,
            Self::DaysOfMonth(days) => days.contains(&day),
            Self::LastOfMonth { before } => day + before == month.length,
            Self::LastWorkday => day == month.workday_near(month.length),
            Self::NearestWorkday(wanted) => {
                *wanted <= month.length && day == month.workday_near(*wanted)
            }
            Self::Weekdays(weekdays) => weekdays.contains(&month.weekday(day)),
            Self::LastWeekday(weekday) => month.weekday(day) == *weekday && day + 7 > month.length,
            Self::NthWeekday { weekday, nth } => {
                month.weekday(day) == *weekday && day.div_ceil(7) == *nth
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Month {
    length: u32,
    /// How many days the calendar of [`YEARS`] has before it.
    before: u32,
}

impl Month {
    fn new(year: u32, month: u32) -> Self {
        let length = |number: u32| match number {
            2 if year.is_multiple_of(4) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let years = year - YEARS.start;
        Self {
            length: length(month),
            before: years * 365 + years / 4 + (1..month).map(length).sum::<u32>(),
        }
    }

    /// 1 for Sunday to 7 for Saturday. The first day of 2001 was a Monday.
    fn weekday(self, day: u32) -> u32 {
        (self.before + day) % 7 + 1
    }

    /// The workday nearest to a day, in the same month.
    fn workday_near(self, day: u32) -> u32 {
        match self.weekday(day) {
            1 if day == self.length => day - 2,
            1 => day + 1,
            7 if day == 1 => day + 2,
            7 => day - 1,
            _ => day,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_year(expression: &str) -> f64 {
        let frequency = frequency(expression).unwrap();
        frequency.runs as f64 / frequency.months as f64 * 12.0
    }

    #[test]
    fn a_rate_comes_true_as_often_as_it_fits_into_a_month() {
        assert_eq!(
            frequency("rate(5 minutes)"),
            Some(Frequency {
                runs: 43_800,
                months: 5
            })
        );
        assert_eq!(a_year("rate(1 day)"), 365.0);
        assert_eq!(a_year("rate(12 hours)"), 730.0);
    }

    #[test]
    fn a_cron_expression_comes_true_on_the_days_that_it_names() {
        // In hours of a year of 365 days, as the month has 730 hours.
        for (expression, expected) in [
            ("cron(0 3 * * ? *)", 365.0),
            ("cron(0/15 * * * ? *)", 365.0 * 96.0),
            ("cron(0 3 ? * SUN *)", 365.0 / 7.0),
            ("cron(0 3 ? * 1 *)", 365.0 / 7.0),
            ("cron(0 8,20 ? * MON-FRI *)", 365.0 / 7.0 * 10.0),
            ("cron(0 8 ? * FRI-MON *)", 365.0 / 7.0 * 4.0),
            ("cron(0 10-16/2 1 * ? *)", 48.0),
            ("cron(30 6 L * ? *)", 12.0),
            ("cron(30 6 L-2 * ? *)", 12.0),
            ("cron(30 6 LW * ? *)", 12.0),
            ("cron(30 6 15W * ? *)", 12.0),
            ("cron(30 6 ? JAN-MAR,12 6L 2026-2030)", 4.0),
            ("cron(30 6 ? * 2#1 *)", 12.0),
            ("cron(30 6 31 * ? *)", 7.0),
        ] {
            let runs = a_year(expression);
            // A year of the calendar has 365.25 days, the estimate's 365.
            assert!(
                (runs / expected - 1.0).abs() < 0.001,
                "{expression}: {runs} instead of {expected}"
            );
        }
    }

    #[test]
    fn once_a_week_is_exactly_730_in_168() {
        let weekly = frequency("cron(0 3 ? * SUN *)").unwrap();
        assert_eq!(weekly.runs * 168, weekly.months * 730);
    }

    #[test]
    fn what_is_no_expression_has_no_frequency() {
        for expression in [
            "",
            "rate(0 minutes)",
            "rate(5 parsecs)",
            "rate(minutes)",
            "cron(0 3 * * ?)",
            "cron(61 3 * * ? *)",
            "cron(*/0 3 * * ? *)",
            "cron(0 3 ? * SOMEDAY *)",
            "every day",
        ] {
            assert_eq!(frequency(expression), None, "{expression}");
        }
    }

    #[test]
    fn a_single_run_is_one() {
        assert_eq!(
            frequency("at(2026-11-20T13:00:00)"),
            Some(Frequency { runs: 1, months: 1 })
        );
    }
}
