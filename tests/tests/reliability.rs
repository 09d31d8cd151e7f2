//! What goes wrong around Longshore, kind by kind, while a day passes: nothing is lost, and nothing is left. The rows of
//! `docs/reliability.md` are what these tests saw. `cargo xtask test --only faults` runs the first, `cargo xtask soak`
//! the second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use longshore_local::control::{Fault, FaultyCalls};
use longshore_local::environment::{DIRECTORY_VARIABLE, Environment};
use longshore_local::scene::resend_dead_letters;
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_tests::{Day, FUNCTIONS, QUIET, ask, wait_until_drained};
use serde_json::json;

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

    /// Functions die, and are tried again as late as on AWS.
    fn of_deaths(injected: &'static str, fault: Fault) -> Self {
        let faults = vec![FaultyCalls {
            per_event: Some(1),
            ..each(23, "*:*", fault)
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
            ..Self::new(injected, vec![each(1, action, Fault::Failed)])
        }
    }
}

/// Each so-many-th call of functions, until it is forgotten.
fn each(number: u32, action: &str, fault: Fault) -> FaultyCalls {
    FaultyCalls {
        action: action.to_owned(),
        fault,
        each: number,
        // Nobody else posts to Slack.
        of_functions: !action.starts_with("slack:"),
        times: None,
        per_event: None,
        seconds: 6.0,
    }
}

/// The same of AWS's calls and of Slack's.
fn everywhere(number: u32, fault: Fault) -> Vec<FaultyCalls> {
    vec![each(number, "*:*", fault), each(3, "slack:*", fault)]
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
            vec![each(5, "*:*", Fault::Reset)],
        ),
        Row::new(
            "each fifth connection reset, all done",
            vec![each(5, "*:*", Fault::ResetAfter)],
        ),
        Row::new(
            "each 20th answer 6 seconds late, which is later than a call waits",
            vec![each(20, "*:*", Fault::Delayed)],
        ),
        Row::new(
            "each eleventh answer cut to half, at most two for an event",
            vec![FaultyCalls {
                per_event: Some(2),
                ..each(11, "*:*", Fault::Corrupt)
            }],
        ),
        Row {
            lasts: Lasts::For(Duration::from_secs(4)),
            ..Row::new(
                "all of AWS gone, for less than the attempts at an event last",
                vec![each(1, "*:*", Fault::Failed)],
            )
        },
        Row::of_outage("ECS gone, for longer", "ecs:*", 15),
        Row::of_outage("S3 gone, for longer", "s3:*", 15),
        Row::of_outage("ECR gone, for longer", "ecr:*", 15),
        Row::of_outage("CloudFormation gone, for longer", "cloudformation:*", 15),
        Row::of_outage("EventBridge gone, for longer", "events:*", 15),
        Row::of_outage("Slack gone, for longer", "slack:*", 75),
        Row::of_deaths(
            "functions killed at each 23rd call, before it is done",
            Fault::Dies,
        ),
        Row::of_deaths(
            "functions killed at each 23rd call, after it is done",
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

/// Ends the fault when it is time, and does meanwhile what is to be done by hand. Answers how many calls went wrong, and
/// how many events were sent again.
fn look_after(environment: &Environment, row: &Row, is_over: &AtomicBool) -> Result<(u64, usize)> {
    let control = environment.control();
    if let Lasts::For(time) = row.lasts {
        let began = Instant::now();
        wait_until("the outage to end", time * 2, || {
            Ok(if began.elapsed() >= time {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{:?} passed", began.elapsed()))
            })
        })?;
    }
    let mut struck = control.count_faults()?;
    if let Lasts::For(_) = row.lasts {
        control.forget_faults()?;
    }
    let mut resent = 0;
    while !is_over.load(Ordering::Relaxed) {
        if row.by_hand != ByHand::Nothing {
            for function in ["provision", "deploy", "sync"] {
                // Where it fails, the next round asks again.
                drop(ask(environment, function, &json!({"action": "reconcile"})));
            }
        }
        if row.by_hand == ByHand::Resend {
            for function in FUNCTIONS {
                resent += resend_dead_letters(environment, function)?;
            }
        }
        let looked = Instant::now();
        wait_until("the next round", ROUND * 2, || {
            Ok(
                if is_over.load(Ordering::Relaxed) || looked.elapsed() >= ROUND {
                    Seen::Yes(())
                } else {
                    Seen::NotYet("it is too early".to_owned())
                },
            )
        })?;
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
