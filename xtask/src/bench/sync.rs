//! What transferring files costs, beside rclone.
//!
//! Both transfer the same files from the same server, one round each in turn, so that a machine that is slower
//! for a while is slower for both. Servers and clients share the machine: what a client costs is shown as its
//! own processor time for a gigabyte, which no server blurs.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use longshore_local::process::check_interruption;
use longshore_local::workspace::Workspace;
use serde::Serialize;

use crate::bench::clients::{Client, Clients, rclone_version};
use crate::bench::files::{FOLDER, Files};
use crate::bench::measure::Cost;
use crate::bench::results::{Aim, Row as ResultRow, Runs};
use crate::bench::servers::{self, Judge, Sink, Target};
use crate::terminal::{Terminal, padded};

/// What is measured where nothing else is said.
const FILES: usize = 400;
const BYTES: u64 = 3_000_000_000;
const ROUNDS: usize = 3;
const CONCURRENCY: usize = 16;

#[derive(Debug, Parser, PartialEq, Eq)]
pub struct Arguments {
    /// How many files.
    #[arg(long, default_value_t = FILES)]
    files: usize,
    /// How many bytes in all.
    #[arg(long, default_value_t = BYTES)]
    bytes: u64,
    /// How often each client transfers them, after once to warm up.
    #[arg(long, default_value_t = ROUNDS)]
    rounds: usize,
    /// How many files at once.
    #[arg(long, default_value_t = CONCURRENCY)]
    concurrency: usize,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// Whether it measures what the document shows.
    pub fn are_usual(&self) -> bool {
        let usual = Self::default();
        (self.files, self.bytes, self.concurrency) == (usual.files, usual.bytes, usual.concurrency)
            && self.rounds >= usual.rounds
    }
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            files: FILES,
            bytes: BYTES,
            rounds: ROUNDS,
            concurrency: CONCURRENCY,
            json: false,
        }
    }
}

/// What a client cost against a target: the median of its rounds, and their highest memory.
#[derive(Debug, Serialize)]
struct Row {
    client: &'static str,
    target: &'static str,
    wall_seconds: f64,
    cpu_seconds_per_gigabyte: f64,
    peak_memory_mib: f64,
    rounds: Vec<Cost>,
}

#[derive(Debug, Serialize)]
struct Report {
    files: usize,
    bytes: u64,
    concurrency: usize,
    processors: usize,
    rows: Vec<Row>,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Vec<ResultRow>> {
    ensure!(
        arguments.files > 0 && arguments.rounds > 0,
        "no files or no rounds: nothing is measured"
    );
    let mut terminal = Terminal::standard_error();
    let clients = Clients::ensure(workspace, arguments.concurrency, &mut terminal)?;
    let mut progress = |text: &str| terminal.progress(text);
    progress("writing the files");
    let files = Files::ensure(&workspace.path(FOLDER), arguments.files, arguments.bytes)?;
    let source = servers::serve_files(files.folder())?;
    let sink = Sink::start()?;
    let judge = Judge::start(workspace, &clients.s3s)?;
    let targets: [&dyn Target; 2] = [&sink, &judge];
    let mut rows: Vec<(Client, &dyn Target, Vec<Cost>)> = Vec::new();
    for target in targets {
        for client in Client::ALL {
            // What was taken in without being kept cannot be read back.
            if !client.reads_back() || target.keeps() {
                rows.push((client, target, Vec::new()));
            }
        }
    }
    let list = files.list(&source)?;
    for round in 0..=arguments.rounds {
        for (client, target, costs) in &mut rows {
            check_interruption()?;
            progress(&match round {
                0 => format!("warming up: {} to {}", client.name(), target.name()),
                round => format!("round {round}: {} to {}", client.name(), target.name()),
            });
            target.empty()?;
            let cost = clients
                .measure(*client, &list, target.endpoint(), &source)
                .with_context(|| format!("{} to {}", client.name(), target.name()))?;
            target.check(&files)?;
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    targets.iter().try_for_each(|target| target.empty())?;
    let report = Report {
        files: arguments.files,
        bytes: files.bytes(),
        concurrency: arguments.concurrency,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        rows: rows
            .into_iter()
            .map(|(client, target, costs)| row(client, target, costs, files.bytes()))
            .collect(),
    };
    let mut output = Terminal::standard_output();
    if arguments.json {
        output.line(&serde_json::to_string_pretty(&report).context("write the report")?);
    } else {
        show(&mut output, &report);
    }
    result_rows(&report, &rclone_version(workspace)?)
}

/// What the document shows: our task beside rclone as it is used without verifying anything.
fn result_rows(report: &Report, version: &str) -> Result<Vec<ResultRow>> {
    let gigabytes = report.bytes as f64 / 1e9;
    let of = |client: Client, target: &str| {
        let mut rows = report.rows.iter();
        rows.find(|row| (row.client, row.target) == (client.name(), target))
            .with_context(|| format!("{} to {target} was not measured", client.name()))
    };
    let mut targets: Vec<&str> = report.rows.iter().map(|row| row.target).collect();
    targets.dedup();
    let mut rows = Vec::new();
    for target in targets {
        let (ours, theirs) = (of(Client::BottleSync, target)?, of(Client::Rclone, target)?);
        let what = format!(
            "transfer of {} files, {gigabytes:.0} GB, {} at a time, to {target}",
            report.files, report.concurrency
        );
        type Figure<'a> = &'a dyn Fn(&Cost) -> f64;
        let figures: [(&str, &str, Figure<'_>); 3] = [
            ("wall clock", "s", &|cost| cost.wall_seconds),
            ("processor", "s/GB", &|cost| cost.cpu_seconds / gigabytes),
            ("most memory", "MiB", &|cost| cost.peak_memory_mib),
        ];
        for (kind, unit, figure) in figures {
            let runs = Runs {
                ours: ours.rounds.iter().map(figure).collect(),
                theirs: theirs.rounds.iter().map(figure).collect(),
            };
            rows.push(ResultRow {
                what: format!("{what}: {kind}"),
                unit: unit.to_owned(),
                ours: median(runs.ours.iter().copied()),
                against: format!("rclone {version} copyurl, which verifies nothing"),
                package: None,
                theirs: median(runs.theirs.iter().copied()),
                aim: None::<Aim>,
                runs,
            });
        }
    }
    Ok(rows)
}

fn row(client: Client, target: &dyn Target, rounds: Vec<Cost>, bytes: u64) -> Row {
    let gigabytes = bytes as f64 / 1e9;
    Row {
        client: client.name(),
        target: target.name(),
        wall_seconds: median(rounds.iter().map(|cost| cost.wall_seconds)),
        cpu_seconds_per_gigabyte: median(rounds.iter().map(|cost| cost.cpu_seconds)) / gigabytes,
        peak_memory_mib: rounds
            .iter()
            .map(|cost| cost.peak_memory_mib)
            .fold(0.0, f64::max),
        rounds,
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

fn show(output: &mut Terminal, report: &Report) {
    output.line(&format!(
        "{} files, {:.2} GB, {} at a time, {} processors",
        report.files,
        report.bytes as f64 / 1e9,
        report.concurrency,
        report.processors
    ));
    let line = |client: &str, target: &str, wall: &str, cpu: &str, memory: &str| {
        format!(
            "{} {} {wall:>8} {cpu:>9} {memory:>9}",
            padded(client, 32),
            padded(target, 8)
        )
    };
    output.line(&line("client", "target", "wall s", "CPU s/GB", "peak MiB"));
    for row in &report.rows {
        output.line(&line(
            row.client,
            row.target,
            &format!("{:.2}", row.wall_seconds),
            &format!("{:.2}", row.cpu_seconds_per_gigabyte),
            &format!("{:.0}", row.peak_memory_mib),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_document_shows_is_our_task_beside_rclone_for_each_target() {
        let cost = |seconds: f64| Cost {
            wall_seconds: seconds,
            cpu_seconds: seconds * 2.0,
            peak_memory_mib: 30.0,
        };
        let rows = [("sink", 1.0), ("s3s-fs", 3.0)].map(|(target, seconds)| {
            [
                (Client::BottleSync, seconds),
                (Client::Rclone, seconds * 2.0),
            ]
            .map(|(client, seconds)| Row {
                client: client.name(),
                target,
                wall_seconds: seconds,
                cpu_seconds_per_gigabyte: seconds,
                peak_memory_mib: 30.0,
                rounds: vec![cost(seconds), cost(seconds + 1.0), cost(seconds)],
            })
        });
        let report = Report {
            files: 400,
            bytes: 2_000_000_000,
            concurrency: 16,
            processors: 2,
            rows: rows.into_iter().flatten().collect(),
        };
        let shown: Vec<String> = result_rows(&report, "1.75.2")
            .unwrap()
            .iter()
            .map(|row| {
                let what = row.what.rsplit(", ").next().unwrap_or_default();
                format!("{what} {} {} {}", row.ours, row.theirs, row.unit)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "to sink: wall clock 1 2 s",
                "to sink: processor 1 2 s/GB",
                "to sink: most memory 30 30 MiB",
                "to s3s-fs: wall clock 3 6 s",
                "to s3s-fs: processor 3 6 s/GB",
                "to s3s-fs: most memory 30 30 MiB",
            ]
        );
        assert!(Arguments::default().are_usual());
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_of_it() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }
}
