#!/usr/bin/env bash
# croner 4.0.3 (crates.io) with chrono-tz 0.10.4: a pattern with two hours or two minutes is treated as a job with wildcards
# when the clocks change.
#
# Expected, logged before the run: `0 2,14 * * *` has numbers alone in seconds, minutes and hours. croner's README calls
# that a fixed-time job, in line with Vixie cron, where only an asterisk makes a job one of intervals: what the clocks skip
# runs right after the gap, and what they pass twice runs once. So it was to behave as `0 2 * * *` beside it.
#
# Seen: only a single number in each field counts as fixed. With a list, the run at 2 o'clock is lost in the night in which
# the clocks go forward, and comes twice in the one in which they go back.
#
# It needs cargo and the crates' registry, works in a temporary folder, and fails when this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "clocks"
version = "0.0.0"
edition = "2021"

[dependencies]
chrono = "=0.4.42"
chrono-tz = "=0.10.4"
croner = "=4.0.3"
TOML
cat > "$folder/src/main.rs" <<'RUST'
use std::str::FromStr;

use chrono::TimeZone;
use chrono_tz::Europe::Berlin;

fn main() {
    // In Berlin the clocks went from 2 to 3 o'clock on 29 March 2026, and from 3 back to 2 on 25 October.
    for (month, day) in [(3, 29), (10, 25)] {
        for pattern in ["0 2 * * *", "0 2,14 * * *"] {
            let cron = croner::Cron::from_str(pattern).unwrap();
            let midnight = Berlin.with_ymd_and_hms(2026, month, day, 0, 0, 0).unwrap();
            let runs: Vec<String> = cron
                .iter_from(midnight, croner::Direction::Forward)
                .take_while(|run| run.date_naive() == midnight.date_naive())
                .map(|run| run.format("%H:%M%:z").to_string())
                .collect();
            println!("2026-{month:02}-{day} | {pattern} | {}", runs.join(" "));
        }
    }
}
RUST
seen=$(cd "$folder" && cargo run --quiet --target-dir "$folder/target")
known='2026-03-29 | 0 2 * * * | 03:00+02:00
2026-03-29 | 0 2,14 * * * | 14:00+02:00
2026-10-25 | 0 2 * * * | 02:00+02:00
2026-10-25 | 0 2,14 * * * | 02:00+02:00 02:00+01:00 14:00+01:00'
printf '%s\n' "$seen"
if [ "$seen" != "$known" ]; then
  printf 'this has changed; it was\n%s\n' "$known" >&2
  exit 1
fi
