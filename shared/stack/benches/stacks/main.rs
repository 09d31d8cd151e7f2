//! How long it takes to read, check, render and price stacks of 1 to 1,000 services, and how that grows.
//!
//! `cargo bench -p longshore-stack` prints the fastest of several runs, beside a floor that was measured in
//! the same one: `serde_json` serialising the value that the template is. A time that grew faster
//! than the number of services would show in the last lines. `cargo xtask bench render` writes the figures into
//! docs/benchmarks.md.

mod files;

use std::env;
use std::fs;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use longshore_stack::cost::estimate;
use longshore_stack::read::{Selection, read};
use longshore_stack::render::{Context, render};
use longshore_stack::spec::Stack;
use serde_json::{Value, json};

use files::{document, yaml};

/// A stack file has at most 500 services. Rendering is measured beyond that, to see how it grows.
const SIZES: [usize; 5] = [1, 10, 100, 500, 1_000];
const LARGEST_FILE: usize = 500;
/// Every size is measured for about so long, and at least this many times.
const TIME_A_MEASUREMENT: Duration = Duration::from_millis(800);
const FEWEST_RUNS: usize = 15;

/// Where the figures are to be written; nothing is where nobody asks for them.
const RESULTS: &str = "LONGSHORE_BENCH_RESULTS";

struct Row {
    services: usize,
    file: usize,
    template: usize,
    resources: usize,
    read: Option<Duration>,
    render: Duration,
    estimate: Duration,
    floor: Duration,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for services in SIZES {
        rows.push(measure(services)?);
    }
    print(&rows)?;
    if let Ok(path) = env::var(RESULTS) {
        fs::write(path, serde_json::to_vec_pretty(&results(&rows))?)?;
    }
    Ok(())
}

fn print(rows: &[Row]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "{:>8} {:>10} {:>10} {:>9} {:>12} {:>12} {:>12} {:>12} {:>14} {:>13} {:>11}",
        "services",
        "file",
        "template",
        "resources",
        "read+check",
        "render",
        "estimate",
        "floor",
        "render/service",
        "render/floor",
        "read/floor"
    )?;
    for row in rows {
        writeln!(
            output,
            "{:>8} {:>10} {:>10} {:>9} {:>12} {:>12} {:>12} {:>12} {:>14} {:>13.1} {:>11}",
            row.services,
            bytes(row.file),
            bytes(row.template),
            row.resources,
            row.read.map_or_else(String::new, milliseconds),
            milliseconds(row.render),
            milliseconds(row.estimate),
            milliseconds(row.floor),
            format!("{:.1} us", micros(row.render) / row.services as f64),
            micros(row.render) / micros(row.floor),
            row.read.map_or_else(String::new, |read| format!(
                "{:.1}",
                micros(read) / micros(row.floor)
            )),
        )?;
    }
    for pair in rows.windows(2) {
        let [small, large] = pair else { continue };
        let growth = |time: fn(&Row) -> Duration| micros(time(large)) / micros(time(small));
        writeln!(
            output,
            "from {} to {} services: render x {:.1}, estimate x {:.1}, floor x {:.1}",
            small.services,
            large.services,
            growth(|row| row.render),
            growth(|row| row.estimate),
            growth(|row| row.floor),
        )?;
    }
    Ok(())
}

/// What the document shows.
fn results(rows: &[Row]) -> Vec<Value> {
    let result = |what: String, time: Duration, against: &str, floor: Duration, aim: Value| {
        let (ours, theirs) = (micros(time) / 1e3, micros(floor) / 1e3);
        json!({
            "what": what,
            "unit": "ms",
            "ours": ours,
            "against": against,
            "package": "serde_json",
            "theirs": theirs,
            "aim": aim,
            "runs": {"ours": [ours], "theirs": [theirs]},
        })
    };
    let floor = "serialising as many bytes";
    let mut results = Vec::new();
    for row in rows.iter().filter(|row| row.services != LARGEST_FILE) {
        let what = format!("render {} services", row.services);
        let aim = json!({"ratio": 4.0});
        results.push(result(what, row.render, floor, row.floor, aim));
    }
    for row in rows {
        if let Some(read) = row.read {
            let what = format!("read and check a file of {} services", row.services);
            results.push(result(what, read, floor, row.floor, Value::Null));
        }
    }
    let of = |services: usize| rows.iter().find(|row| row.services == services);
    if let (Some(few), Some(many)) = (of(10), of(1_000)) {
        results.push(result(
            "render 1,000 services: growth".to_owned(),
            many.render,
            "a hundred times rendering 10 services",
            few.render * 100,
            json!({"ratio": 1.2}),
        ));
    }
    results
}

fn measure(services: usize) -> serde_json::Result<Row> {
    let document = document(services);
    let text = yaml(&document);
    let stack: Stack = serde_json::from_value(document)?;
    let context = Context::default();
    let rendered = render(&stack, &context);
    let template: Value = serde_json::from_str(&rendered.body)?;
    Ok(Row {
        services,
        file: text.len(),
        template: rendered.body.len(),
        resources: rendered.resource_types.len(),
        // From some size on a stack has more resources than CloudFormation takes. Then reading ends
        // with that problem, after the same work.
        read: (services <= LARGEST_FILE).then(|| {
            fastest(|| {
                black_box(read(
                    black_box(text.as_bytes()),
                    &Selection::Environment(None),
                ))
                .is_ok()
            })
        }),
        render: fastest(|| {
            black_box(render(black_box(&stack), &context))
                .body
                .is_empty()
        }),
        estimate: fastest(|| black_box(estimate(black_box(&stack))).lines.is_empty()),
        floor: fastest(|| black_box(serde_json::to_string(black_box(&template))).is_ok()),
    })
}

/// The fastest of several runs, after one that does not count. The work is the same in every run, so
/// whatever a run takes longer is another program's doing.
fn fastest<T>(mut work: impl FnMut() -> T) -> Duration {
    black_box(work());
    let begin = Instant::now();
    let mut fastest = Duration::MAX;
    let mut runs = 0;
    while runs < FEWEST_RUNS || begin.elapsed() < TIME_A_MEASUREMENT {
        let start = Instant::now();
        black_box(work());
        fastest = fastest.min(start.elapsed());
        runs += 1;
    }
    fastest
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn bytes(count: usize) -> String {
    format!("{:.1} kB", count as f64 / 1e3)
}
