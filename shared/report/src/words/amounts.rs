//! Durations, files, bytes, speeds and sums of money.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::FileCount;
use longshore_events::words::{counted, number};

/// "45 s", "3 min 2 s", "1 h 0 min". Two clocks are compared, so it may seem negative: then it is nothing.
pub fn duration(from: DateTime<Utc>, until: DateTime<Utc>) -> String {
    let seconds = until
        .signed_duration_since(from)
        .max(TimeDelta::zero())
        .num_seconds();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// "999 bytes", "20.0 GB": in powers of ten, as thresholds and prices are.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
    ];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(unit);
            let whole = u64::try_from(tenths / 10).unwrap_or(u64::MAX);
            format!("{}.{} {name}", number(whole), tenths % 10)
        }
        None => counted(bytes, "byte"),
    }
}

/// "1,204 files, about 12.3 GB, 400.0 MB of it estimated".
pub fn files(count: FileCount) -> String {
    let files = counted(count.files, "file");
    if count.files == 0 && count.bytes == 0 {
        return files;
    }
    let size = bytes(count.bytes);
    match count.estimated_bytes {
        0 => format!("{files}, {size}"),
        estimated if estimated >= count.bytes => {
            format!("{files}, about {size}, which is estimated")
        }
        estimated => format!(
            "{files}, about {size}, {} of it estimated",
            bytes(estimated)
        ),
    }
}

/// "1,204 files, about 12.3 GB": the same for where there is little room.
pub fn files_briefly(count: FileCount) -> String {
    let about = if count.estimated_bytes > 0 {
        "about "
    } else {
        ""
    };
    format!(
        "{}, {about}{}",
        counted(count.files, "file"),
        bytes(count.bytes)
    )
}

/// "85.3 MB a second"; nothing where no time passed.
pub fn speed(amount: u64, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<String> {
    let milliseconds = until.signed_duration_since(from).num_milliseconds();
    let milliseconds = u128::try_from(milliseconds).ok().filter(|time| *time > 0)?;
    let a_second = u128::from(amount) * 1_000 / milliseconds;
    Some(format!(
        "{} a second",
        bytes(u64::try_from(a_second).unwrap_or(u64::MAX))
    ))
}

/// "50 %", and 100 only when nothing is left.
pub fn share(part: u64, whole: u64) -> String {
    let percent = match whole {
        0 => 100,
        _ => u128::from(part.min(whole)) * 100 / u128::from(whole),
    };
    format!("{percent} %")
}

/// "about 0.35 USD".
pub fn cost(micro_usd: u64) -> String {
    const CENT: u64 = 10_000;
    match micro_usd {
        0 => "nothing".to_owned(),
        1..CENT => "less than 0.01 USD".to_owned(),
        _ => {
            let cents = micro_usd.saturating_add(CENT / 2) / CENT;
            format!("about {}.{:02} USD", number(cents / 100), cents % 100)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_reported_in_two_units_at_most() {
        let start = DateTime::UNIX_EPOCH;
        for (seconds, expected) in [
            (-5, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (182, "3 min 2 s"),
            (3_600, "1 h 0 min"),
            (90_061, "25 h 1 min"),
        ] {
            assert_eq!(
                duration(start, start + TimeDelta::seconds(seconds)),
                expected
            );
        }
        assert_eq!(
            duration(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC),
            "4595796695 h 59 min"
        );
    }

    #[test]
    fn bytes_are_reported_in_the_unit_that_fits_and_never_as_more_than_they_are() {
        for (value, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (20_000_000_000, "20.0 GB"),
            (1_500_000_000_000, "1.5 TB"),
            (u64::MAX, "18,446,744.0 TB"),
        ] {
            assert_eq!(bytes(value), expected);
        }
    }

    #[test]
    fn an_estimate_is_said_to_be_one() {
        let count = |bytes, estimated_bytes| FileCount {
            files: 3,
            bytes,
            estimated_bytes,
        };
        assert_eq!(files(count(3_000, 0)), "3 files, 3.0 kB");
        assert_eq!(
            files(count(3_000, 1_000)),
            "3 files, about 3.0 kB, 1.0 kB of it estimated"
        );
        assert_eq!(
            files(count(3_000, 3_000)),
            "3 files, about 3.0 kB, which is estimated"
        );
        assert_eq!(files(FileCount::default()), "0 files");
        assert_eq!(files_briefly(count(3_000, 1)), "3 files, about 3.0 kB");
        assert_eq!(files_briefly(count(3_000, 0)), "3 files, 3.0 kB");
    }

    #[test]
    fn a_speed_is_reported_only_where_time_passed() {
        let start = DateTime::UNIX_EPOCH;
        let after = |milliseconds| start + TimeDelta::milliseconds(milliseconds);
        assert_eq!(
            speed(500_000_000, start, after(2_500)).as_deref(),
            Some("200.0 MB a second")
        );
        assert_eq!(speed(5, start, start), None);
        assert_eq!(speed(5, after(1), start), None);
    }

    #[test]
    fn a_share_is_whole_only_when_nothing_is_left() {
        for (part, whole, expected) in [
            (0, 10, "0 %"),
            (999, 1_000, "99 %"),
            (10, 10, "100 %"),
            (11, 10, "100 %"),
            (0, 0, "100 %"),
        ] {
            assert_eq!(share(part, whole), expected);
        }
    }

    #[test]
    fn small_costs_are_not_reported_as_nothing() {
        for (micro_usd, expected) in [
            (0, "nothing"),
            (1, "less than 0.01 USD"),
            (9_999, "less than 0.01 USD"),
            (10_000, "about 0.01 USD"),
            (346_000, "about 0.35 USD"),
            (1_234_567_890, "about 1,234.57 USD"),
            (u64::MAX, "about 18,446,744,073,709.55 USD"),
        ] {
            assert_eq!(cost(micro_usd), expected);
        }
    }
}
