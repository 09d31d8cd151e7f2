//! Words that errors, Slack and the command line share. `longshore_report::words` has those that errors do not say.

use chrono::{DateTime, Utc};

use crate::longshore::WaitReason;

/// How many services are named that a deployment waits for.
const SERVICES: usize = 10;

/// "12,345".
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 file", "12,345 files", "2 entries": `noun` is an English noun with a regular plural.
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{} {}", number(count), plural(count, noun))
}

/// "… and 3 more files", of a list that is cut off.
pub fn more(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("… and {} more {}", number(count), plural(count, noun))
}

fn plural(count: u64, noun: &str) -> String {
    if count == 1 {
        return noun.to_owned();
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    }
}

/// "2026-11-21 14:00 UTC": a time to come; its seconds do not matter.
pub fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// "2026-11-21 14:00:05 UTC": a time that has passed.
pub fn second(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// What a deployment waits for, as it follows "waits for". `name` writes the name of a service: Slack marks it, a
/// terminal does not.
pub fn waits_for(
    reason: &WaitReason,
    until: Option<DateTime<Utc>>,
    name: impl Fn(&str) -> String,
) -> String {
    waits_until(reason, until, name, minute)
}

/// The same; `time` writes the time: Slack shows it as the reader's clock does.
pub fn waits_until(
    reason: &WaitReason,
    until: Option<DateTime<Utc>>,
    name: impl Fn(&str) -> String,
    time: impl Fn(DateTime<Utc>) -> String,
) -> String {
    let then =
        |word: &str| until.map_or_else(String::new, |until| format!(", {word} {}", time(until)));
    match reason {
        WaitReason::Held { by: Some(by), .. } if until.is_none() => {
            format!("somebody to end the hold of {}", name(&by.name))
        }
        WaitReason::Held { .. } if until.is_none() => "somebody to end the hold".to_owned(),
        WaitReason::Held { by: Some(by), .. } => {
            format!("the end of the hold of {}{}", name(&by.name), then("at"))
        }
        WaitReason::Held { .. } => format!("the end of a hold{}", then("at")),
        WaitReason::Frozen => format!("the end of a freeze window{}", then("at")),
        WaitReason::Approval => format!("approval{}", then("until")),
        WaitReason::Predecessors { services } => {
            format!("{} to run this image first", named(services, name))
        }
    }
}

fn named(services: &[String], name: impl Fn(&str) -> String) -> String {
    let shown = services.iter().take(SERVICES);
    let mut names: Vec<String> = shown.map(|service| name(service)).collect();
    if services.len() > SERVICES {
        names.push(more(services.len() - SERVICES, "service"));
    }
    if names.is_empty() {
        "other services".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::longshore::Caller;

    #[test]
    fn one_is_singular_and_all_else_is_plural() {
        assert_eq!(counted(0_u32, "file"), "0 files");
        assert_eq!(counted(1_usize, "file"), "1 file");
        assert_eq!(counted(1_204_u64, "file"), "1,204 files");
        assert_eq!(counted(1_u64, "entry"), "1 entry");
        assert_eq!(counted(12_u64, "entry"), "12 entries");
        assert_eq!(counted(2_u64, "day"), "2 days");
        assert_eq!(more(1_u64, "entry"), "… and 1 more entry");
        assert_eq!(more(1_480_u64, "file"), "… and 1,480 more files");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (given, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (54_650, "54,650"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(number(given), expected);
        }
    }

    #[test]
    fn each_wait_says_what_ends_it_and_when_where_that_is_known() {
        let end: DateTime<Utc> = "2026-11-21T14:00:05Z".parse().unwrap();
        assert_eq!(second(end), "2026-11-21 14:00:05 UTC");
        let predecessors = |names: &[&str]| WaitReason::Predecessors {
            services: names.iter().map(|&name| name.to_owned()).collect(),
        };
        for (reason, until, expected) in [
            (
                WaitReason::Held {
                    note: None,
                    by: None,
                },
                Some(end),
                "the end of a hold, at 2026-11-21 14:00 UTC",
            ),
            (
                WaitReason::Held {
                    note: None,
                    by: None,
                },
                None,
                "somebody to end the hold",
            ),
            (
                WaitReason::Frozen,
                Some(end),
                "the end of a freeze window, at 2026-11-21 14:00 UTC",
            ),
            (
                WaitReason::Held {
                    note: None,
                    by: Some(Caller::named("ada")),
                },
                None,
                "somebody to end the hold of `ada`",
            ),
            (WaitReason::Frozen, None, "the end of a freeze window"),
            (
                WaitReason::Approval,
                Some(end),
                "approval, until 2026-11-21 14:00 UTC",
            ),
            (WaitReason::Approval, None, "approval"),
            (
                predecessors(&["migrate", "worker"]),
                None,
                "`migrate`, `worker` to run this image first",
            ),
            (
                predecessors(&[]),
                None,
                "other services to run this image first",
            ),
        ] {
            let words = waits_for(&reason, until, |name| format!("`{name}`"));
            assert_eq!(words, expected);
        }
        let many: Vec<String> = (0..30).map(|number| format!("part-{number}")).collect();
        let many = WaitReason::Predecessors { services: many };
        let words = waits_for(&many, None, str::to_owned);
        assert!(
            words.ends_with("part-9, … and 20 more services to run this image first"),
            "{words}"
        );
    }
}
