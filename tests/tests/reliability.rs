//! What goes wrong around Longshore, kind by kind, while a day passes: nothing is lost, and nothing is left. The rows of
//! `docs/reliability.md` are what these tests saw. `cargo xtask test --only faults` runs the first, `cargo xtask upgrade
//! --from REVISION` the second, `cargo xtask soak` the third.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_local::control::{Fault, FaultyCalls};
use longshore_local::environment::{DIRECTORY_VARIABLE, Environment};
use longshore_local::process::memory;
use longshore_local::scene::{log_lines_since, resend_dead_letters, serves};
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_tests::{
    Day, FUNCTIONS, Fleet, PATIENCE, QUIET, ask, side_by_side, wait_until_drained,
};
use serde_json::json;
use ureq::http::Method;

/// How long the local cloud waits before it tries a failed event again, unless a fault says otherwise.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer than the lease of a claim, as the minute of AWS is.
const PAUSE_OF_AWS: Duration = Duration::from_secs(55);
/// How often somebody looks after what an outage has left.
const ROUND: Duration = Duration::from_secs(5);

/// A fault, and how long it lasts.
struct Row {
    injected: &'static str,
    faults: Vec<FaultyCalls>,
    lasts: Lasts,
    /// What has to be done beside waiting.
    by_hand: ByHand,
    pause: Duration,
}

#[derive(Clone, Copy)]
enum Lasts {
    /// As long as the day.
    TheDay,
    /// This long, from its beginning on.
    For(Duration),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ByHand {
    Nothing,
    /// The reconcile, which the schedule asks for every 15 minutes.
    Reconcile,
    /// The reconcile, and events in dead-letter queues are sent again.
    Resend,
}

impl Row {
    fn new(injected: &'static str, faults: Vec<FaultyCalls>) -> Self {
        Self {
            injected,
            faults,
            lasts: Lasts::TheDay,
            by_hand: ByHand::Nothing,
            pause: PAUSE,
        }
    }

    /// Functions die, and are tried again as late as on AWS. The end of a sync makes some 25 calls; where deaths came as
    /// often as that, each reconcile would die of it in turn.
    fn of_deaths(injected: &'static str, fault: Fault) -> Self {
        let faults = vec![FaultyCalls {
            per_event: Some(1),
            ..every(61, "*:*", fault)
        }];
        Self {
            by_hand: ByHand::Reconcile,
            pause: PAUSE_OF_AWS,
            ..Self::new(injected, faults)
        }
    }

    /// A service is gone for longer than the attempts at an event last.
    fn of_outage(injected: &'static str, action: &str, seconds: u64) -> Self {
        Self {
            lasts: Lasts::For(Duration::from_secs(seconds)),
            by_hand: ByHand::Resend,
            ..Self::new(injected, vec![every(1, action, Fault::Failed)])
        }
    }
}

/// Each so-many-th call of functions, until it is forgotten.
fn every(number: u32, action: &str, fault: Fault) -> FaultyCalls {
    FaultyCalls {
        action: action.to_owned(),
        fault,
        every: number,
        // Nobody else posts to Slack.
        of_functions: !action.starts_with("slack:"),
        times: None,
        per_event: None,
        seconds: 6.0,
    }
}

/// The same of AWS's calls and of Slack's.
fn everywhere(number: u32, fault: Fault) -> Vec<FaultyCalls> {
    vec![every(number, "*:*", fault), every(3, "slack:*", fault)]
}

fn rows() -> Vec<Row> {
    vec![
        Row::new("nothing", Vec::new()),
        Row::new(
            "each fifth call of AWS and each third of Slack throttled",
            everywhere(5, Fault::Throttled),
        ),
        Row::new(
            "each fifth call of AWS and each third of Slack answered with an error, nothing done",
            everywhere(5, Fault::Failed),
        ),
        Row::new(
            "each fifth call of AWS and each third of Slack answered with an error, all done",
            everywhere(5, Fault::AnswerLost),
        ),
        Row::new(
            "each fifth connection reset, nothing done",
            vec![every(5, "*:*", Fault::Reset)],
        ),
        Row::new(
            "each fifth connection reset, all done",
            vec![every(5, "*:*", Fault::ResetAfter)],
        ),
        Row::new(
            "each 20th answer 6 seconds late, which is later than a call waits",
            vec![every(20, "*:*", Fault::Delayed)],
        ),
        Row {
            // A payload's caller gets the error and asks again; what the first attempt had to publish is its own as long
            // as a lease lasts.
            by_hand: ByHand::Reconcile,
            ..Row::new(
                "each eleventh answer cut to half, at most one for an event",
                vec![FaultyCalls {
                    per_event: Some(1),
                    ..every(11, "*:*", Fault::Corrupt)
                }],
            )
        },
        Row {
            lasts: Lasts::For(Duration::from_secs(4)),
            ..Row::new(
                "all of AWS gone, for less than the attempts at an event last",
                vec![every(1, "*:*", Fault::Failed)],
            )
        },
        Row::of_outage("ECS gone, for longer", "ecs:*", 15),
        Row::of_outage("S3 gone, for longer", "s3:*", 15),
        Row::of_outage("ECR gone, for longer", "ecr:*", 15),
        Row::of_outage("CloudFormation gone, for longer", "cloudformation:*", 15),
        Row::of_outage("EventBridge gone, for longer", "events:*", 15),
        Row::of_outage("Slack gone, for longer", "slack:*", 75),
        Row::of_deaths(
            "functions killed at each 61st call, before it is done",
            Fault::Dies,
        ),
        Row::of_deaths(
            "functions killed at each 61st call, after it is done",
            Fault::DiesAfter,
        ),
    ]
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test --only faults"]
fn faults_of_each_kind_lose_nothing_and_leave_nothing() -> Result<()> {
    let day = Day::new()?;
    let mut again = 0;
    for (number, row) in rows().iter().enumerate() {
        again += pass(&day, number + 1, row, again).with_context(|| row.injected)?;
    }
    stays_so("nothing comes later", QUIET, || {
        day.check(rows().len())?;
        Ok(Seen::Yes(()))
    })
}

/// Passes a day under the faults of a row and writes down what came of it. `again` messages had come twice before; answers
/// how many did now.
fn pass(day: &Day, number: usize, row: &Row, again: usize) -> Result<usize> {
    let control = day.environment().control();
    let began = Instant::now();
    control.pause_before_retries(row.pause)?;
    for calls in &row.faults {
        control.fail_calls(calls)?;
    }
    let is_over = AtomicBool::new(false);
    let (passed, struck, resent) = std::thread::scope(|scope| {
        let looking = scope.spawn(|| look_after(day.environment(), row, &is_over));
        let passed = day.pass(number);
        is_over.store(true, Ordering::Relaxed);
        let (struck, resent) = looking
            .join()
            .map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        anyhow::Ok((passed, struck, resent))
    })?;
    passed?;
    wait_until_drained(day.environment(), &FUNCTIONS)?;
    if row.by_hand != ByHand::Nothing {
        publish_what_is_left(day)?;
    }
    control.pause_before_retries(PAUSE)?;
    day.check_no_dead_letters()?;
    let again = day.check(number)? - again;
    write_down(&json!({
        "injected": row.injected,
        "calls": struck,
        "asked_for": day.size(),
        "told_twice": again,
        "reconciled": row.by_hand != ByHand::Nothing,
        "resent": resent,
        "seconds": began.elapsed().as_secs(),
    }))?;
    Ok(again)
}

/// Asks for the reconcile until nothing is left to be published. What an attempt could not publish is its own for as
/// long as a lease lasts, since it may have published it.
fn publish_what_is_left(day: &Day) -> Result<()> {
    wait_until("all events to be published", PATIENCE, || {
        let seen = day.nothing_is_left()?;
        if let Seen::NotYet(_) = seen {
            look_at_all(day.environment());
            pass_time("the next round", ROUND, &AtomicBool::new(false))?;
        }
        Ok(seen)
    })?;
    wait_until_drained(day.environment(), &FUNCTIONS)
}

/// Ends the fault when it is time, and does meanwhile what is to be done by hand. Answers how many calls went wrong, and
/// how many events were sent again.
fn look_after(environment: &Environment, row: &Row, is_over: &AtomicBool) -> Result<(u64, usize)> {
    let control = environment.control();
    if let Lasts::For(time) = row.lasts {
        pass_time("the outage to end", time, &AtomicBool::new(false))?;
    }
    let mut struck = control.count_faults()?;
    if let Lasts::For(_) = row.lasts {
        control.forget_faults()?;
    }
    let mut resent = 0;
    while !is_over.load(Ordering::Relaxed) {
        if row.by_hand != ByHand::Nothing {
            look_at_all(environment);
        }
        if row.by_hand == ByHand::Resend {
            for function in FUNCTIONS {
                resent += resend_dead_letters(environment, function)?;
            }
        }
        pass_time("the next round", ROUND, is_over)?;
    }
    if matches!(row.lasts, Lasts::TheDay) {
        struck = control.count_faults()?;
        control.forget_faults()?;
    }
    if row.by_hand == ByHand::Resend {
        for function in FUNCTIONS {
            resent += resend_dead_letters(environment, function)?;
        }
    }
    Ok((struck, resent))
}

/// Waits this long, or until it is over.
fn pass_time(what: &str, time: Duration, is_over: &AtomicBool) -> Result<()> {
    let began = Instant::now();
    wait_until(what, time * 2, || {
        Ok(
            if is_over.load(Ordering::Relaxed) || began.elapsed() >= time {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{:?} passed", began.elapsed()))
            },
        )
    })
}

/// How long a function keeps a version, while an upgrade is under way.
const BETWEEN_UPDATES: Duration = Duration::from_secs(3);

/// A version of the functions.
#[derive(Clone, Copy)]
enum Code {
    /// The one of this checkout.
    This,
    /// The one that `cargo xtask upgrade` was given.
    Other,
}

/// The packages of two versions.
struct Packages {
    this: String,
    other: String,
}

impl Packages {
    fn read() -> Result<Self> {
        let package = |variable| -> Result<String> {
            let path = std::env::var_os(variable)
                .with_context(|| format!("{variable} is not set: run cargo xtask upgrade"))?;
            let content =
                std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            Ok(STANDARD.encode(content))
        };
        Ok(Self {
            this: package("LONGSHORE_PACKAGE")?,
            other: package("LONGSHORE_OTHER_PACKAGE")?,
        })
    }

    /// Gives a function the code of a version. What it works on is killed, which AWS does not do.
    fn update(&self, environment: &Environment, function: &str, code: Code) -> Result<()> {
        let name = environment.applied.function_name(function)?;
        let package = match code {
            Code::This => &self.this,
            Code::Other => &self.other,
        };
        let path = format!("/2015-03-31/functions/{name}/code");
        let body = json!({"ZipFile": package});
        let client = environment.client();
        client.lambda("UpdateFunctionCode", Method::PUT, &path, &body)?;
        Ok(())
    }
}

#[test]
#[ignore = "needs the packages of two versions: run cargo xtask upgrade"]
fn upgraded_in_the_middle_of_rollouts_and_back_nothing_is_lost() -> Result<()> {
    let packages = Packages::read()?;
    let environment = Environment::of_this_process()?;
    for function in FUNCTIONS {
        packages.update(&environment, function, Code::Other)?;
    }
    environment.control().pause_before_retries(PAUSE_OF_AWS)?;
    let day = Day::new()?;
    let forth = FUNCTIONS.map(|function| (function, Code::This));
    let back = FUNCTIONS.map(|function| (function, Code::Other));
    // Each function is of the other version than its neighbour, and of another one every round.
    let mixed = (0..FUNCTIONS.len() * 4).map(|number| {
        let code = match (number + number / FUNCTIONS.len()) % 2 {
            0 => Code::This,
            _ => Code::Other,
        };
        (FUNCTIONS[number % FUNCTIONS.len()], code)
    });
    let courses = [
        ("the other version alone", Vec::new()),
        ("upgraded, function by function", forth.to_vec()),
        ("this version alone", Vec::new()),
        ("downgraded, function by function", back.to_vec()),
        (
            "both versions side by side, back and forth",
            mixed.collect(),
        ),
        ("upgraded again", forth.to_vec()),
    ];
    for (number, (what, updates)) in courses.iter().enumerate() {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let updating = scope.spawn(|| -> Result<()> {
                for (function, code) in updates {
                    pass_time("the next update", BETWEEN_UPDATES, &AtomicBool::new(false))?;
                    packages.update(&environment, function, *code)?;
                }
                while !updates.is_empty() && !is_over.load(Ordering::Relaxed) {
                    look_at_all(&environment);
                    pass_time("the next round", ROUND, &is_over)?;
                }
                Ok(())
            });
            let passed = day.pass(number + 1);
            is_over.store(true, Ordering::Relaxed);
            let updated = updating.join();
            passed?;
            updated.map_err(|_| anyhow::anyhow!("a thread panicked"))?
        })
        .with_context(|| *what)?;
        wait_until_drained(&environment, &FUNCTIONS)?;
        if !updates.is_empty() {
            publish_what_is_left(&day).with_context(|| *what)?;
        }
        day.check_no_dead_letters().with_context(|| *what)?;
        day.check(number + 1).with_context(|| *what)?;
    }
    Ok(())
}

/// What the schedules ask for every 15 minutes. Where it fails, the next round asks again.
fn look_at_all(environment: &Environment) {
    for function in ["provision", "deploy", "sync"] {
        drop(ask(environment, function, &json!({"action": "reconcile"})));
    }
}

/// How many repositories the services of a soak follow.
const REPOSITORIES: usize = 10;
/// How many stacks a soak builds at once.
const STACKS: usize = 10;
/// How many invocations of each function run at once: as many as a small machine carries.
const AT_ONCE: [(&str, u32); 3] = [("deploy", 4), ("watch", 3), ("notify", 2)];
/// By how much a function's memory may grow from the first lap to the last, in KiB: less than what 1 KiB for each of
/// a few thousand events would be.
const GROWTH: u64 = 4 * 1024;

#[test]
#[ignore = "needs the local cloud: run cargo xtask soak"]
fn soaked_for_an_hour_nothing_is_lost_and_no_function_grows() -> Result<()> {
    let number = |name: &str| -> Result<usize> {
        let value = std::env::var(name).with_context(|| format!("read {name}"))?;
        value
            .parse()
            .with_context(|| format!("read {name}={value}"))
    };
    let time = Duration::from_secs(60 * u64::try_from(number("LONGSHORE_SOAK_MINUTES")?)?);
    let services = number("LONGSHORE_SOAK_SERVICES")?;
    let events = number("LONGSHORE_SOAK_EVENTS")?;
    let day = Day::new()?;
    day.build_at_once(STACKS)?;
    let fleet = Fleet::new("soak", REPOSITORIES, services)?;
    for (function, invocations) in AT_ONCE {
        fleet.limit(function, invocations)?;
    }
    fleet.follow()?;
    // Those that need nobody: what lasts as long as a lap.
    let mut rows = rows();
    rows.retain(|row| matches!(row.lasts, Lasts::TheDay) && row.by_hand == ByHand::Nothing);
    let began = Instant::now();
    let mut held: Vec<BTreeMap<&str, u64>> = Vec::new();
    while began.elapsed() < time || held.len() <= rows.len() {
        let row = &rows[held.len() % rows.len()];
        let lap = held.len() + 1;
        held.push(
            pass_lap(&day, &fleet, lap, row, events, began)
                .with_context(|| format!("lap {lap}: {}", row.injected))?,
        );
    }
    // Both laps are without a fault.
    let last = held.len() - 1;
    let last = &held[last - last % rows.len()];
    for (function, before) in &held[0] {
        let now = last.get(function).copied().unwrap_or(0);
        ensure!(
            now <= before + GROWTH,
            "{function} held {before} KiB in the first lap, and {now} KiB in the last one"
        );
    }
    Ok(())
}

/// A push to each repository, each reported again and again, and a day beside them, under the faults of a row. Answers the
/// memory that each function holds, in KiB.
fn pass_lap(
    day: &Day,
    fleet: &Fleet,
    lap: usize,
    row: &Row,
    events: usize,
    began: Instant,
) -> Result<BTreeMap<&'static str, u64>> {
    let environment = day.environment();
    let control = environment.control();
    let (minute, lap_began) = (began.elapsed().as_secs() / 60, Instant::now());
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_millis();
    for calls in &row.faults {
        control.fail_calls(calls)?;
    }
    let tag = format!("v{lap:04}");
    let storm = || -> Result<Vec<String>> {
        let digests = side_by_side(REPOSITORIES, |repository| {
            fleet.push(repository, &tag, &serves(&tag))
        })?;
        let pushes = fleet.pushes(|pushed| pushed == tag)?;
        ensure!(!pushes.is_empty(), "no push gave an event");
        let repeated: Vec<_> = pushes.iter().cycle().take(events).cloned().collect();
        fleet.send_shuffled(&repeated)?;
        fleet.wait_until_stable(|service| digests[fleet.repository_of(service)].clone())?;
        Ok(digests)
    };
    side_by_side(2, |number| {
        if number == 0 {
            storm().map(drop)
        } else {
            day.pass(lap)
        }
    })?;
    let struck = control.count_faults()?;
    control.forget_faults()?;
    wait_until_drained(environment, &FUNCTIONS)?;
    day.check_no_dead_letters()?;
    day.check(lap)?;
    fleet.check_deployments(1 + lap)?;
    let mut functions = Vec::new();
    let mut held = BTreeMap::new();
    let processes = control.function_processes()?;
    for function in FUNCTIONS {
        let name = environment.applied.function_name(function)?;
        let memories = processes.iter().filter(|process| process.function == name);
        let most = memories
            .filter_map(|process| memory(process.process))
            .max()
            .unwrap_or(0);
        let group = environment.applied.log_group_name(function)?;
        let lines = log_lines_since(environment, group, u64::try_from(since)?)?;
        let mut times: Vec<f64> = lines.iter().filter_map(|line| duration_of(line)).collect();
        times.sort_by(f64::total_cmp);
        functions.push(json!({
            "function": function,
            "milliseconds": times.get(times.len() / 2).copied().unwrap_or(0.0).round() as u64,
            "kibibytes": most,
        }));
        held.insert(function, most);
    }
    write_down(&json!({
        "minute": minute,
        "injected": row.injected,
        "calls": struck,
        "events": events,
        "seconds": lap_began.elapsed().as_secs(),
        "functions": functions,
    }))?;
    Ok(held)
}

/// The milliseconds of an invocation, where Lambda's line reports one.
fn duration_of(line: &str) -> Option<f64> {
    let (_, rest) = line.strip_prefix("REPORT ")?.split_once("Duration: ")?;
    rest.split_once(" ms")?.0.parse().ok()
}

/// Adds a line to the file from which `xtask` makes the table.
fn write_down(row: &serde_json::Value) -> Result<()> {
    use std::io::Write as _;
    let directory = std::env::var_os(DIRECTORY_VARIABLE).context("there is no local cloud")?;
    let path = std::path::Path::new(&directory).join("reliability.jsonl");
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{row}"))
        .with_context(|| format!("write {}", path.display()))
}
