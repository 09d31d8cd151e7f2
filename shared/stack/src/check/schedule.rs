//! Runs by the clock.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use longshore_events::ecs::{LONGEST_OVERRIDES, length_of_overrides};

use super::rollout::too_long;
use super::{Checked, Findings};

/// RunTask starts so many tasks at once.
const MOST_TASKS: u32 = 10;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    for (name, schedule) in &service.spec.schedules {
        let path = service.at("schedules").key(name);
        if !super::forms::is_name(name) || name.len() > 64 {
            findings.error(
                &path,
                name,
                "this is not a name, expected letters, digits, hyphens and underscores, at most 64",
            );
        }
        let expression = &schedule.schedule_expression;
        if let Err(message) = check_expression(expression) {
            findings.error(path.key("schedule_expression"), expression, message);
        }
        let zone = &schedule.schedule_expression_timezone;
        if !is_zone(zone) {
            findings.error(
                path.key("schedule_expression_timezone"),
                zone,
                "this is not a time zone, expected a name such as UTC or Europe/Berlin",
            );
        }
        findings.range(
            path.key("task_count"),
            schedule.task_count,
            1,
            MOST_TASKS,
            "this many tasks cannot be started at once",
        );
        let container = service.spec.container_name.as_deref();
        let length = length_of_overrides(
            container.unwrap_or(service.name),
            &schedule.command,
            &BTreeMap::new(),
        );
        if length > LONGEST_OVERRIDES {
            findings.error(path.key("command"), length, too_long(length));
        }
    }
}

/// Names of the time zone database: `Europe/Berlin`, `America/Argentina/Salta`, `Etc/GMT+3`.
pub(super) fn is_zone(zone: &str) -> bool {
    zone.split('/').enumerate().all(|(position, part)| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| {
                byte.is_ascii_alphabetic()
                    || b"_-".contains(&byte)
                    || (position > 0 && (byte.is_ascii_digit() || byte == b'+'))
            })
    })
}

/// Checks an expression as EventBridge Scheduler takes it.
pub(super) fn check_expression(expression: &str) -> Result<(), String> {
    let inside = |kind: &str| {
        expression
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix('('))
            .and_then(|rest| rest.strip_suffix(')'))
    };
    if let Some(rate) = inside("rate") {
        let is_rate = rate.split_once(' ').is_some_and(|(number, unit)| {
            number.parse::<u32>().is_ok_and(|number| number > 0)
                && ["minute", "minutes", "hour", "hours", "day", "days"].contains(&unit)
        });
        return is_rate.then_some(()).ok_or_else(|| {
            "this is not a rate, expected rate(<number> <minutes, hours or days>), such as rate(6 hours)"
                .to_owned()
        });
    }
    if let Some(time) = inside("at") {
        return NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S")
            .map(drop)
            .map_err(|_| {
                "this is not a time, expected at(<date>T<time>), such as at(2027-01-31T03:00:00)"
                    .to_owned()
            });
    }
    let Some(fields) = inside("cron") else {
        return Err(
            "this is not a schedule, expected rate(6 hours), cron(0 3 * * ? *) or at(2027-01-31T03:00:00)"
                .to_owned(),
        );
    };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let [minutes, hours, day_of_month, month, day_of_week, year] = fields.as_slice() else {
        return Err(format!(
            "the expression has {} fields, expected the six of cron(<minutes> <hours> <day of month> \
             <month> <day of week> <year>)",
            fields.len()
        ));
    };
    field("minutes", minutes, 0, 59, &[], "")?;
    field("hours", hours, 0, 23, &[], "")?;
    field("day of month", day_of_month, 1, 31, &[], "?LW")?;
    field("month", month, 1, 12, &MONTHS, "")?;
    field("day of week", day_of_week, 1, 7, &DAYS, "?L#")?;
    field("year", year, 1970, 2199, &[], "")?;
    match (*day_of_month == "?", *day_of_week == "?") {
        (false, false) => Err(
            "day of month and day of week cannot both be said, expected `?` in one of them"
                .to_owned(),
        ),
        (true, true) => Err(
            "neither day of month nor day of week is said, expected `*` or days in one of them"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Checks a field of a cron expression: numbers or names, ranges, steps, lists, and the `special`
/// characters of days.
fn field(
    what: &str,
    text: &str,
    least: u32,
    most: u32,
    names: &[&str],
    special: &str,
) -> Result<(), String> {
    let is_value = |value: &str| {
        names.contains(&value.to_uppercase().as_str())
            || value
                .parse()
                .is_ok_and(|value: u32| (least..=most).contains(&value))
    };
    let is_special = |part: &str| match part {
        "?" => special.contains('?'),
        "L" | "LW" if special.contains('W') => true,
        "L" => special.contains('L'),
        _ if special.contains('W') => part.strip_suffix('W').is_some_and(is_value),
        _ if special.contains('#') => {
            part.strip_suffix('L').is_some_and(is_value)
                || part.split_once('#').is_some_and(|(day, week)| {
                    is_value(day) && ["1", "2", "3", "4", "5"].contains(&week)
                })
        }
        _ => false,
    };
    let is_range = |part: &str| match part.split_once('-') {
        Some((first, last)) => is_value(first) && is_value(last),
        None => part == "*" || is_value(part),
    };
    let is_part = |part: &str| match part.split_once('/') {
        Some((range, step)) => is_range(range) && step.parse::<u32>().is_ok_and(|step| step > 0),
        None => is_range(part) || is_special(part),
    };
    if text.split(',').all(is_part) {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not valid for the {what}, expected {least} to {most}{}, `*`, ranges, lists or steps",
        if names.is_empty() { "" } else { " or names" }
    ))
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
            "cron(0 3 * * ? *)",
            "cron(0/15 8-18 ? * MON-FRI *)",
            "cron(0 12 L * ? 2027,2028)",
            "cron(0 12 15W JAN,jul ? *)",
            "cron(30 4 ? * 6#3 *)",
            "cron(30 4 ? * 5L *)",
        ] {
            assert_eq!(check_expression(expression), Ok(()), "{expression}");
        }
        for (expression, words) in [
            ("hourly", "this is not a schedule"),
            ("rate(0 hours)", "this is not a rate"),
            ("rate(6 weeks)", "this is not a rate"),
            ("at(2027-02-30T03:00:00)", "this is not a time"),
            ("cron(0 3 * * *)", "has 5 fields"),
            ("cron(0 3 * * * *)", "cannot both be said"),
            ("cron(0 3 ? * ? *)", "neither day of month"),
            ("cron(60 3 * * ? *)", "`60` is not valid for the minutes"),
            ("cron(0 24 * * ? *)", "`24` is not valid for the hours"),
            (
                "cron(0 3 32 * ? *)",
                "`32` is not valid for the day of month",
            ),
            ("cron(0 3 ? * 0 *)", "`0` is not valid for the day of week"),
            ("cron(0 3 * FOO ? *)", "`FOO` is not valid for the month"),
            ("cron(0/0 3 * * ? *)", "`0/0` is not valid for the minutes"),
        ] {
            let message = check_expression(expression).unwrap_err();
            assert!(message.contains(words), "{expression}: {message}");
        }
    }

    #[test]
    fn time_zones_have_names() {
        for zone in [
            "UTC",
            "Europe/Berlin",
            "America/Argentina/Salta",
            "Etc/GMT+3",
        ] {
            assert!(is_zone(zone), "{zone}");
        }
        for zone in ["", "+01:00", "Europe/", "Central European Time", "GMT+3"] {
            assert!(!is_zone(zone), "{zone}");
        }
    }
}
