//! `cargo xtask bench`: what is said to be fast and small, measured beside a floor or a peer in the same run.
//!
//! Each benchmark keeps its figures in `docs/benchmarks/<name>.json`, and `docs/benchmarks.md` is written from all of them:
//! so that one can be run alone, and the document still shows the others.

mod clients;
mod document;
mod files;
mod measure;
mod pure;
mod results;
mod servers;
mod sync;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use longshore_local::process::check_interruption;
use longshore_local::workspace::Workspace;

use crate::bench::results::{Machine, Results, Row};
use crate::terminal::{Style, Terminal, padded};

#[derive(Parser)]
pub struct Arguments {
    /// One benchmark; all of them without it.
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Planning a sync of an index as large as Homebrew's, beside a bare program over serde_json.
    Plan,
    /// Rendering and checking stack files of 1 to 1,000 services, beside serialising as many bytes.
    Render,
    /// Transferring files over, beside rclone: wall clock, processor time and memory.
    Sync(sync::Arguments),
}

/// A benchmark.
trait Benchmark {
    /// As it is called on the command line, and its file.
    fn name(&self) -> &'static str;

    /// Builds what it needs, runs it, prints what it found, and answers it.
    ///
    /// # Errors
    /// When something cannot be built, or fails.
    fn run(&self, workspace: &Workspace) -> Result<Vec<Row>>;

    /// Whether it measures what the document shows.
    fn is_usual(&self) -> bool;

    /// Whether it prints what a program is to read, so that nothing may stand beside it.
    fn is_for_programs(&self) -> bool;
}

impl Benchmark for What {
    fn name(&self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Render => "render",
            Self::Sync(_) => "sync",
        }
    }

    fn run(&self, workspace: &Workspace) -> Result<Vec<Row>> {
        match self {
            Self::Plan => pure::run(workspace, &pure::PLAN),
            Self::Render => pure::run(workspace, &pure::RENDER),
            Self::Sync(arguments) => sync::run(workspace, arguments),
        }
    }

    fn is_usual(&self) -> bool {
        match self {
            Self::Plan | Self::Render => true,
            Self::Sync(arguments) => arguments.are_usual(),
        }
    }

    fn is_for_programs(&self) -> bool {
        matches!(self, Self::Sync(arguments) if arguments.json)
    }
}

impl What {
    fn all() -> [Self; 3] {
        [
            Self::Plan,
            Self::Render,
            Self::Sync(sync::Arguments::default()),
        ]
    }
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let all = What::all();
    let benchmarks: Vec<&What> = match &arguments.what {
        Some(one) => vec![one],
        None => all.iter().collect(),
    };
    for benchmark in benchmarks {
        check_interruption()?;
        let name = benchmark.name();
        let rows = benchmark
            .run(workspace)
            .with_context(|| format!("benchmark {name}"))?;
        let results = Results {
            date: results::today()?,
            machine: Machine::this()?,
            rows,
        };
        let mut output = if benchmark.is_for_programs() {
            Terminal::standard_error()
        } else {
            Terminal::standard_output()
        };
        show(&mut output, name, &results);
        if benchmark.is_usual() {
            results.write(workspace, name)?;
            document::write(workspace)?;
        } else {
            output.line(
                "not written into docs/benchmarks: it shows what is measured without options",
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(output: &mut Terminal, name: &str, results: &Results) {
    let heading = output.styled(Style::Bold, name);
    output.line(&format!("{heading}, {}", results.machine.in_words()));
    for row in &results.rows {
        output.line(&format!(
            "{} {} {:>6}  {}",
            padded(&row.what, 72),
            padded(&row.figures(), 32),
            row.ratio_in_words(),
            row.verdict()
        ));
    }
}
