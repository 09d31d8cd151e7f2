//! A service's history as a picture: how long each deployment took, and how it went.

use chrono::TimeDelta;
use maud::{Markup, html};

use super::view::{Past, Tone, summary};

/// The size of the picture in its own units; the page scales it.
const WIDTH: u32 = 720;
const HEIGHT: u32 = 180;

/// Where the bars stand.
const LEFT: u32 = 56;
const BOTTOM: u32 = 156;
const TOP: u32 = 14;

/// The lengths that an axis may end with, in seconds.
const ENDS: [i64; 13] = [
    30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 604_800,
];

/// A bar for each deployment that has ended, the oldest first. Nothing where there is none.
pub fn chart(newest_first: &[Past]) -> Markup {
    let ended: Vec<(&Past, i64)> = newest_first
        .iter()
        .rev()
        .filter_map(|past| Some((past, past.lead_time?.num_seconds())))
        .collect();
    let Some(longest) = ended.iter().map(|(_, seconds)| *seconds).max() else {
        return html! {};
    };
    let end = ENDS.into_iter().find(|end| *end >= longest);
    let end = end.unwrap_or(longest).max(1);
    let count = u32::try_from(ended.len()).unwrap_or(u32::MAX);
    let step = ((WIDTH - LEFT) / count).clamp(4, 48);
    let height = |seconds: i64| -> u32 {
        let room = i64::from(BOTTOM - TOP);
        u32::try_from(seconds.saturating_mul(room) / end)
            .unwrap_or(0)
            .max(2)
    };
    html! {
        figure.chart {
            svg role="img" aria-labelledby="chart-title chart-says" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) {
                title id="chart-title" { "Lead time of the last deployments" }
                desc id="chart-says" { (summary(newest_first)) ". The table below has every number." }
                @for (part, y) in [(2, TOP), (1, (TOP + BOTTOM) / 2), (0, BOTTOM)] {
                    line.grid x1=(LEFT) x2=(WIDTH) y1=(y) y2=(y) {}
                    text.axis x=(LEFT - 6) y=(y + 4) text-anchor="end" { (length(end * part / 2)) }
                }
                @for (place, (past, seconds)) in (0_u32..).zip(&ended) {
                    @let tall = height(*seconds);
                    @let x = LEFT + place * step + 1;
                    g class=(class(past.state.tone)) {
                        title { "#" (past.number) ": " (past.state.text) ", " (past.took()) }
                        rect x=(x) y=(BOTTOM - tall) width=(step - 2) height=(tall) {}
                        @if past.state.tone == Tone::Bad {
                            // What failed is seen without colours, too.
                            text.cross x=(x + (step - 2) / 2) y=(BOTTOM - tall - 3) text-anchor="middle" { "×" }
                        }
                    }
                    @if place == 0 || place + 1 == count {
                        text.axis x=(x + (step - 2) / 2) y=(HEIGHT - 8) text-anchor="middle" { "#" (past.number) }
                    }
                }
            }
            figcaption {
                (summary(newest_first)) ". A bar is the time from the request to the end; × failed or went back."
            }
        }
    }
}

/// The class of what is in this tone.
pub fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Busy => "busy",
        Tone::Waits => "waits",
        Tone::Bad => "bad",
        Tone::Calm => "calm",
    }
}

/// "2 min", "1.5 h": as short as an axis needs it.
fn length(seconds: i64) -> String {
    let length = TimeDelta::seconds(seconds);
    let tenths = |unit: i64| match seconds * 10 / unit {
        tenths if tenths % 10 == 0 => (tenths / 10).to_string(),
        tenths => format!("{}.{}", tenths / 10, tenths % 10),
    };
    if length < TimeDelta::minutes(1) {
        format!("{seconds} s")
    } else if length < TimeDelta::hours(1) {
        format!("{} min", tenths(60))
    } else {
        format!("{} h", tenths(3_600))
    }
}
