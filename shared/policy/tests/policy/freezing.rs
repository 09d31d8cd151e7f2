//! When freeze windows keep deployments back, across midnight and across changes of the clocks.

use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use longshore_policy::settings::RolloutSettings;
use proptest::prelude::*;
use serde_json::{Value, json};

fn settings(windows: Value) -> RolloutSettings {
    serde_json::from_value(json!({"freeze_windows": windows})).unwrap()
}

fn window(cron: &str, time_zone: &str, duration_minutes: u32) -> RolloutSettings {
    settings(json!([
        {"cron": cron, "time_zone": time_zone, "duration_minutes": duration_minutes}
    ]))
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

/// Until when, written as a time in UTC; an empty text when there is no freeze.
fn until(settings: &RolloutSettings, now: &str) -> String {
    settings
        .frozen_until(at(now))
        .unwrap()
        .map(|until| until.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        .unwrap_or_default()
}

fn refusal(settings: &RolloutSettings) -> String {
    settings
        .frozen_until(at("2026-06-01T00:00:00Z"))
        .unwrap_err()
        .to_string()
}

#[test]
fn without_windows_nothing_is_frozen() {
    assert_eq!(
        until(&RolloutSettings::default(), "2026-06-01T12:00:00Z"),
        ""
    );
}

#[test]
fn a_window_begins_with_its_first_second_and_ends_before_its_last() {
    let office = window("0 9 * * *", "UTC", 60);
    assert_eq!(until(&office, "2026-06-01T08:59:59.999Z"), "");
    assert_eq!(
        until(&office, "2026-06-01T09:00:00Z"),
        "2026-06-01T10:00:00Z"
    );
    assert_eq!(
        until(&office, "2026-06-01T09:00:00.5Z"),
        "2026-06-01T10:00:00Z"
    );
    assert_eq!(
        until(&office, "2026-06-01T09:59:59.999Z"),
        "2026-06-01T10:00:00Z"
    );
    assert_eq!(until(&office, "2026-06-01T10:00:00Z"), "");
}

#[test]
fn a_weekend_is_frozen_from_friday_afternoon_to_monday_morning_where_the_people_are() {
    let weekend = window("0 15 * * FRI", "Europe/Berlin", 65 * 60);
    assert_eq!(until(&weekend, "2026-06-05T12:59:59Z"), "");
    assert_eq!(
        until(&weekend, "2026-06-05T13:00:00Z"),
        "2026-06-08T06:00:00Z"
    );
    assert_eq!(
        until(&weekend, "2026-06-07T23:00:00Z"),
        "2026-06-08T06:00:00Z"
    );
    assert_eq!(until(&weekend, "2026-06-08T06:00:00Z"), "");
    // In winter the same hour is another one in UTC.
    assert_eq!(until(&weekend, "2026-12-04T13:30:00Z"), "");
    assert_eq!(
        until(&weekend, "2026-12-04T14:00:00Z"),
        "2026-12-07T07:00:00Z"
    );
}

#[test]
fn a_window_goes_on_across_midnight_and_into_the_next_year() {
    let night = window("0 22 * * *", "UTC", 8 * 60);
    assert_eq!(
        until(&night, "2026-06-01T23:59:59Z"),
        "2026-06-02T06:00:00Z"
    );
    assert_eq!(
        until(&night, "2026-06-02T05:59:59Z"),
        "2026-06-02T06:00:00Z"
    );
    assert_eq!(until(&night, "2026-06-02T06:00:00Z"), "");
    let holidays = window("0 0 20 12 *", "UTC", 15 * 24 * 60);
    assert_eq!(
        until(&holidays, "2027-01-03T12:00:00Z"),
        "2027-01-04T00:00:00Z"
    );
    assert_eq!(until(&holidays, "2027-01-04T00:00:00Z"), "");
}

#[test]
fn windows_that_touch_or_overlap_are_one() {
    let both = settings(json!([
        {"cron": "0 9 * * *", "duration_minutes": 60},
        {"cron": "30 9 * * *", "duration_minutes": 60},
        {"cron": "30 10 * * *", "duration_minutes": 15},
        {"cron": "0 11 * * *", "duration_minutes": 60},
    ]));
    assert_eq!(until(&both, "2026-06-01T09:05:00Z"), "2026-06-01T10:45:00Z");
    assert_eq!(until(&both, "2026-06-01T10:45:00Z"), "");
}

#[test]
fn a_beginning_that_the_clocks_skip_is_when_they_have_been_set() {
    // On 29 March 2026 Berlin's clocks go from 2:00 to 3:00, which is 1:00 in UTC.
    let window = window("30 2 * * *", "Europe/Berlin", 60);
    assert_eq!(until(&window, "2026-03-29T00:59:59Z"), "");
    assert_eq!(
        until(&window, "2026-03-29T01:00:00Z"),
        "2026-03-29T02:00:00Z"
    );
    assert_eq!(
        until(&window, "2026-03-29T01:59:59Z"),
        "2026-03-29T02:00:00Z"
    );
    assert_eq!(until(&window, "2026-03-29T02:00:00Z"), "");
    // The days around it are as always.
    assert_eq!(
        until(&window, "2026-03-28T01:30:00Z"),
        "2026-03-28T02:30:00Z"
    );
    assert_eq!(
        until(&window, "2026-03-30T00:30:00Z"),
        "2026-03-30T01:30:00Z"
    );
}

#[test]
fn a_beginning_that_the_clocks_pass_twice_is_the_first_of_both() {
    // On 25 October 2026 Berlin's clocks go back from 3:00 to 2:00, which is 1:00 in UTC.
    let window = window("30 2 * * *", "Europe/Berlin", 30);
    assert_eq!(
        until(&window, "2026-10-25T00:30:00Z"),
        "2026-10-25T01:00:00Z"
    );
    assert_eq!(until(&window, "2026-10-25T01:00:00Z"), "");
    assert_eq!(until(&window, "2026-10-25T01:30:00Z"), "");
}

#[test]
fn a_window_lasts_as_long_as_it_says_whatever_the_clocks_do() {
    let night = window("0 22 * * SAT", "Europe/Berlin", 10 * 60);
    // 22:00 in winter, an hour later by the clock the next morning.
    assert_eq!(
        until(&night, "2026-03-28T21:00:00Z"),
        "2026-03-29T07:00:00Z"
    );
    assert_eq!(
        until(&night, "2026-10-24T20:00:00Z"),
        "2026-10-25T06:00:00Z"
    );
}

#[test]
fn what_is_wrong_is_reported_with_its_window_and_field() {
    let cases = [
        (
            window("0 9 * *", "UTC", 60),
            "rollout.freeze_windows[0].cron: `0 9 * *`: expected five fields: minute, hour, day of the \
             month, month, day of the week",
        ),
        (
            window("0 0 9 * * *", "UTC", 60),
            "rollout.freeze_windows[0].cron: `0 0 9 * * *`: expected five fields: minute, hour, day of \
             the month, month, day of the week",
        ),
        (
            window("0 0 30 2 *", "UTC", 60),
            "rollout.freeze_windows[0].cron: `0 0 30 2 *`: there is no such day",
        ),
        (
            window("0 9 * * *", "Berlin", 60),
            "rollout.freeze_windows[0].time_zone: `Berlin`, expected a name of the IANA's, such as \
             Europe/Berlin",
        ),
        (
            window("0 9 * * *", "UTC", 0),
            "rollout.freeze_windows[0].duration_minutes: 0, expected 1 to 44640; hold the service for \
             longer",
        ),
        (
            settings(json!([
                {"cron": "0 9 * * *", "duration_minutes": 5},
                {"cron": "0 9 * * *", "duration_minutes": 44641},
            ])),
            "rollout.freeze_windows[1].duration_minutes: 44641, expected 1 to 44640; hold the service \
             for longer",
        ),
    ];
    for (settings, message) in cases {
        assert_eq!(refusal(&settings), message);
    }
    let hour = refusal(&window("0 25 * * *", "UTC", 60));
    assert!(
        hour.starts_with("rollout.freeze_windows[0].cron: `0 25 * * *`: "),
        "{hour}"
    );
    for cron in ["0 , * * *", "0 2, * * *", "0 2,,4 * * *", ",5 2 * * *"] {
        assert_eq!(
            refusal(&window(cron, "UTC", 60)),
            format!(
                "rollout.freeze_windows[0].cron: `{cron}`: there is a comma without a value on both sides of it"
            )
        );
    }
    let name = refusal(&window("@daily", "UTC", 60));
    assert!(
        name.starts_with("rollout.freeze_windows[0].cron: `@daily`: expected five"),
        "{name}"
    );
}

#[test]
fn a_leap_day_is_a_day() {
    let leap = window("0 0 29 2 *", "UTC", 60);
    assert_eq!(until(&leap, "2026-06-01T00:00:00Z"), "");
    assert_eq!(until(&leap, "2028-02-29T00:59:00Z"), "2028-02-29T01:00:00Z");
}

#[test]
fn windows_that_leave_no_pause_are_refused() {
    let no_pause = "rollout.freeze_windows[0].duration_minutes: the freeze windows leave no pause in which a \
         deployment could begin";
    assert_eq!(refusal(&window("0 0 * * *", "UTC", 24 * 60)), no_pause);
    let halves = settings(json!([
        {"cron": "0 0 * * *", "duration_minutes": 720},
        {"cron": "0 12 * * *", "duration_minutes": 720},
    ]));
    assert_eq!(refusal(&halves), no_pause);
}

#[test]
fn windows_of_a_minute_each_are_one_weekend() {
    let minutes = window("* * * * SAT,SUN", "Europe/Berlin", 1);
    assert_eq!(until(&minutes, "2026-06-05T21:59:59Z"), "");
    assert_eq!(
        until(&minutes, "2026-06-05T22:00:00Z"),
        "2026-06-07T22:00:00Z"
    );
}

/// Each wake-up of a service asks: the worst that can be written down must not keep the others waiting.
#[test]
fn the_worst_windows_are_answered_in_no_time() {
    for (cron, is_refused) in [
        ("* * * * *", true),
        ("0 0 31 2 *", true),
        ("0 , * * *", true),
        ("0 0 29 2 MON#5", false),
    ] {
        let began = Instant::now();
        let answer = window(cron, "Europe/Berlin", 1).frozen_until(at("2026-06-01T00:00:00Z"));
        assert_eq!(answer.is_err(), is_refused, "{cron}: {answer:?}");
        assert!(
            began.elapsed().as_secs() < 2,
            "{cron}: {:?}",
            began.elapsed()
        );
    }
}

fn crons() -> impl Strategy<Value = String> {
    let minutes = prop::sample::select(vec!["0", "30", "*/15", "5,50"]);
    let hours = prop::sample::select(vec!["2", "0", "*/6", "9-17", "23"]);
    let days = prop::sample::select(vec!["* * *", "* * MON-FRI", "1 * *", "* 3,10 SUN", "L * *"]);
    (minutes, hours, days).prop_map(|(minute, hour, day)| format!("{minute} {hour} {day}"))
}

proptest! {
    /// Whatever the windows are: within one nothing changes the end, and at the end there is none.
    #[test]
    fn a_freeze_ends_when_it_says(
        cron in crons(),
        time_zone in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
        ]),
        duration_minutes in 1..600_u32,
        seconds in 1_767_000_000..1_800_000_000_i64,
    ) {
        let settings = window(&cron, time_zone, duration_minutes);
        let now = DateTime::from_timestamp(seconds, 0).unwrap();
        if let Ok(Some(until)) = settings.frozen_until(now) {
            prop_assert!(until > now);
            prop_assert_eq!(settings.frozen_until(until).unwrap(), None);
            let before = until - Duration::seconds(1);
            prop_assert_eq!(settings.frozen_until(before.max(now)).unwrap(), Some(until));
            let half = now + (until - now) / 2;
            prop_assert_eq!(settings.frozen_until(half).unwrap(), Some(until));
        }
    }

    #[test]
    fn no_window_is_a_reason_to_die(
        cron in prop_oneof![".{0,20}", "[0-9*/,LW#A-Z?+-]{1,4}( [0-9*/,LW#A-Z?+-]{1,4}){4}"],
        time_zone in prop_oneof![Just("UTC".to_owned()), ".{0,10}"],
        duration_minutes in any::<u32>(),
        seconds in 0..4_000_000_000_i64,
    ) {
        let now = DateTime::from_timestamp(seconds, 0).unwrap();
        if let Ok(Some(until)) = window(&cron, &time_zone, duration_minutes).frozen_until(now) {
            prop_assert!(until > now);
        }
    }
}
