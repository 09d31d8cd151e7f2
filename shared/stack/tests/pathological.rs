//! Files that are small and mean much work: each is refused or read with bounded work and memory.
//!
//! There is one test, since memory is measured for the whole process.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::cost::estimate;
use longshore_stack::read::{Selection, environments, read, read_value};
use longshore_stack::render::{Context, render};
use longshore_testkit::{PathologicalFile, pathological_stack_files};
use serde_json::{Value, json};

/// A hundred problems and the number of the others.
const MOST_PROBLEMS: usize = 101;

/// In optimised code all of them take less than a second; in a test's, on a machine with other work, this long.
const LONGEST: Duration = Duration::from_secs(20);

/// In kilobytes, of the whole process, with what its allocator keeps from one file to the next.
const MOST_MEMORY: u64 = 96 * 1024;

// Clippy takes the functions beside `#[test]` functions for tests only when it is configured so.
/// The most memory that this process has had, in kilobytes.
#[cfg(test)]
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

fn outcome(text: &str) -> Vec<Problem> {
    let environments = environments(text.as_bytes());
    let selection = Selection::Environment(environments.first().map(String::as_str));
    match read(text.as_bytes(), &selection) {
        Ok(reading) => {
            let _ = estimate(&reading.stack);
            let _ = render(&reading.stack, &Context::default());
            reading.warnings
        }
        Err(problems) => problems,
    }
}

/// What is not as it should be.
#[cfg(test)]
fn faults(text: &str, error: &str, problems: &[Problem], taken: Duration) -> Vec<String> {
    let says_so = |problem: &Problem| {
        problem.severity == Severity::Error
            && (problem.message.contains(error) || problem.path.contains(error))
    };
    let longest = problems.iter().map(|problem| problem.message.len()).max();
    let checks = [
        (
            text.len() <= 1024 * 1024,
            "the file is too large for the test",
        ),
        (
            problems.iter().any(says_so),
            "it is not refused for what is wrong with it",
        ),
        (problems.len() <= MOST_PROBLEMS, "too many problems"),
        (longest <= Some(64 * 1024), "a message is too long"),
        (taken < LONGEST, "too slow"),
        (memory() < MOST_MEMORY, "too much memory"),
    ];
    let faults = checks.into_iter().filter(|(holds, _)| !holds);
    faults
        .map(|(_, fault)| format!("{fault}, {:?}", problems.first()))
        .collect()
}

#[test]
fn small_files_do_not_make_much_work() {
    let mut table = String::new();
    let mut is_right = true;
    for PathologicalFile { name, text, error } in pathological_stack_files() {
        let began = Instant::now();
        let problems = outcome(&text);
        let taken = began.elapsed();
        let faults = faults(&text, error, &problems, taken);
        is_right &= faults.is_empty();
        let _ = writeln!(
            table,
            "{:>8} B {:>6} ms {:>6} kB  {name} {}",
            text.len(),
            taken.as_millis(),
            memory(),
            faults.join("; ")
        );
    }
    assert!(is_right, "{table}");
}

#[test]
fn a_payload_has_the_bounds_of_a_file() {
    let many: Vec<Value> = (0..60_000).map(|number| json!(number)).collect();
    let long = "x".repeat(1024 * 1024);
    for (payload, word) in [
        (json!({"tags": many}), "40000 values"),
        (json!({"tags": [long, 1]}), "bytes of keys"),
    ] {
        let problems = read_value(&payload, &Selection::Environment(None)).unwrap_err();
        assert!(problems[0].message.contains(word), "{problems:#?}");
    }
}
