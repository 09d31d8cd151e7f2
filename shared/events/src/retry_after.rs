//! `Retry-After`: how long somebody who was asked over HTTP wants to be left alone.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Reads it: seconds, whole or not, with or without a unit, or a date. GitHub's registry has sent `985.86µs`. `None` for
/// what cannot be read: it is as if nothing had been said.
pub fn parse(value: &[u8], now: DateTime<Utc>) -> Option<Duration> {
    let text = String::from_utf8_lossy(value);
    let text = text.trim();
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some((date.to_utc() - now).to_std().unwrap_or_default());
    }
    let end = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        // The micro sign, the Greek letter, and what becomes of either in the wrong encoding.
        "µs" | "μs" | "us" | "\u{fffd}s" | "\u{fffd}\u{fffd}s" => 1e-6,
        "ns" => 1e-9,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_leniently() {
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let cases: [(&[u8], Option<f64>); 20] = [
            (b"7", Some(7.0)),
            (b" 0 ", Some(0.0)),
            (b"1.5", Some(1.5)),
            ("985.86µs".as_bytes(), Some(985.86e-6)),
            ("985.86μs".as_bytes(), Some(985.86e-6)),
            (b"985.86\xb5s", Some(985.86e-6)),
            (b"250ms", Some(0.25)),
            (b"3 s", Some(3.0)),
            (b"2m", Some(120.0)),
            (b"Sat, 21 Nov 2026 12:00:30 GMT", Some(30.0)),
            (b"Sat, 21 Nov 2026 11:00:00 GMT", Some(0.0)),
            (b"", None),
            (b"soon", None),
            (b"NaN", None),
            (b"inf", None),
            (b"1e300", None),
            (b"-3", None),
            (b"1.2.3", None),
            (b"7 fortnights", None),
            (b"99999999999999999999999999999999", None),
        ];
        for (text, expected) in cases {
            let found = parse(text, now).map(|wait| wait.as_secs_f64());
            let is_right = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-6,
                (found, expected) => found == expected,
            };
            assert!(
                is_right,
                "{}: {found:?}, expected {expected:?}",
                String::from_utf8_lossy(text)
            );
        }
    }
}
