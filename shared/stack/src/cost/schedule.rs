//! How often a schedule's expression comes true in a month.

use std::ops::Range;

use crate::schedule_expression::ScheduleExpression;

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
const YEARS: Range<i16> = 2001..2029;
const MINUTES_OF_YEARS: u128 = (28 * 365 + 7) * 24 * 60;

/// How often an expression comes true. The year of `cron` is left aside: a month within these years is meant. `at` is
/// one run.
pub(crate) fn frequency(expression: &ScheduleExpression) -> Frequency {
    match expression {
        ScheduleExpression::Rate(minutes) => Frequency {
            runs: MINUTES_A_MONTH,
            months: u128::from(*minutes),
        },
        ScheduleExpression::Cron(cron) => Frequency {
            runs: u128::from(cron.runs_in(YEARS)) * MINUTES_A_MONTH,
            months: MINUTES_OF_YEARS,
        },
        ScheduleExpression::At(_) => Frequency { runs: 1, months: 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(expression: &str) -> Frequency {
        frequency(&ScheduleExpression::parse(expression).unwrap())
    }

    fn a_year(expression: &str) -> f64 {
        let frequency = of(expression);
        frequency.runs as f64 / frequency.months as f64 * 12.0
    }

    #[test]
    fn a_rate_comes_true_as_often_as_it_fits_into_a_month() {
        assert_eq!(
            of("rate(5 minutes)"),
            Frequency {
                runs: 43_800,
                months: 5
            }
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
            ("cron(30 6 1,L * ? *)", 24.0),
            ("cron(30 6 ? * L *)", 365.0 / 7.0),
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
        let weekly = of("cron(0 3 ? * SUN *)");
        assert_eq!(weekly.runs * 168, weekly.months * 730);
    }

    #[test]
    fn a_single_run_is_one() {
        assert_eq!(
            of("at(2026-11-20T13:00:00)"),
            Frequency { runs: 1, months: 1 }
        );
    }
}
