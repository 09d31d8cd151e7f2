//! `cargo xtask fuzz`: looks for inputs that break a parser of what comes from outside, guided by the code that they
//! reach.
//!
//! The targets are in `fuzz/`, libFuzzer gives them inputs. rustc counts what code they reach when it is asked for
//! LLVM's pass by name, which the stable toolchain takes; that is what `cargo fuzz --sanitizer none` does. No sanitizer
//! is needed where `unsafe` is forbidden.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use longshore_local::files;
use longshore_local::process::{capture, run_lines};
use longshore_local::workspace::Workspace;

use crate::compile::{cargo, watch};
use crate::terminal::{Terminal, padded};

/// Where the program, what it works on and what it found broken are kept.
const FOLDER: &str = "target/fuzz";

/// Where the inputs are kept that every run begins with.
const CORPUS: &str = "fuzz/corpus";

/// The most bytes of a target's corpus.
const LARGEST_CORPUS: u64 = 9_000;

/// What the program is compiled with.
const FLAGS: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Optimised, and an overflow ends the program all the same.
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "--cfg=fuzzing",
];

#[derive(Args)]
pub struct Arguments {
    /// Run this target only; may be given several times. Without one: all.
    target: Vec<String>,
    /// How long each target is run.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Add to fuzz/corpus the inputs by which code is reached that none there reaches.
    #[arg(long)]
    keep: bool,
}

/// A target, as the program lists it.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    /// Folders of samples.
    seeds: Vec<String>,
}

/// What libFuzzer says at the end of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    inputs: u64,
    a_second: u64,
    peak_mib: u64,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_output();
    let program = compile(workspace, &mut terminal)?;
    let mut targets = targets(&capture(Command::new(&program).env_remove("FUZZ_TARGET"))?);
    for name in &arguments.target {
        ensure!(
            targets.iter().any(|target| target.name == *name),
            "there is no target {name}, expected one of {}",
            targets
                .iter()
                .map(|target| &*target.name)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    targets.retain(|target| arguments.target.is_empty() || arguments.target.contains(&target.name));
    terminal.line(&row("target", "inputs", "a second", "peak MiB"));
    let mut all = 0;
    for target in &targets {
        terminal.progress(&target.name);
        let figures = search(workspace, &program, target, arguments.seconds)?;
        all += figures.inputs;
        terminal.line(&row(
            &target.name,
            &figures.inputs.to_string(),
            &figures.a_second.to_string(),
            &figures.peak_mib.to_string(),
        ));
        if arguments.keep {
            let kept = keep(workspace, &program, target)?;
            terminal.line(&format!("  {kept} inputs more in {CORPUS}/{}", target.name));
        }
    }
    terminal.line(&row("all", &all.to_string(), "", ""));
    Ok(ExitCode::SUCCESS)
}

fn row(target: &str, inputs: &str, a_second: &str, peak: &str) -> String {
    format!(
        "{} {inputs:>12} {a_second:>9} {peak:>9}",
        padded(target, 16)
    )
}

fn compile(workspace: &Workspace, terminal: &mut Terminal) -> Result<PathBuf> {
    // With a target named, what runs on this machine while it compiles is not compiled with the flags.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folder = workspace.path(FOLDER);
    let mut command = cargo(workspace, "build");
    command
        .args(["--locked", "--package", "longshore-fuzz", "--bin", "fuzz"])
        .args(["--features", "libfuzzer", "--profile", "bench"])
        .args(["--target", &platform])
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env_remove("RUSTFLAGS");
    watch(&mut command, &workspace.path("target/fuzz.log"), terminal)
        .context("build the targets")?;
    Ok(folder.join(platform).join("release/fuzz"))
}

/// A line a target: its name, then the folders of its samples.
fn targets(list: &str) -> Vec<Target> {
    let target = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some(Target {
            name: words.next()?,
            seeds: words.collect(),
        })
    };
    list.lines().filter_map(target).collect()
}

/// Runs a target. Inputs that reach code that none before them reached are kept in `target/fuzz`, for the next run.
fn search(workspace: &Workspace, program: &Path, target: &Target, seconds: u32) -> Result<Figures> {
    let found = workspace.path(FOLDER).join("found").join(&target.name);
    let broken = workspace.path(FOLDER).join("broken");
    for folder in [&found, &broken] {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let mut command = Command::new(program);
    command
        .env("FUZZ_TARGET", &target.name)
        .arg(format!("-max_total_time={seconds}"))
        // The targets look at time and memory themselves; this is for what never ends.
        .args(["-timeout=20", "-rss_limit_mb=1024", "-print_final_stats=1"])
        .arg(format!(
            "-artifact_prefix={}/{}-",
            broken.display(),
            target.name
        ))
        .arg(&found)
        .args(begin_with(workspace, target));
    let mut figures = Figures::default();
    let mut said = Vec::new();
    let status = run_lines(&mut command, |line| {
        figures.read(line);
        // How far it is.
        if !line.starts_with(['#', '\t']) {
            said.push(line.to_owned());
        }
        Ok(())
    })?;
    if status.success() {
        return Ok(figures);
    }
    said.drain(..said.len().saturating_sub(40));
    bail!("{}: an input breaks it:\n{}", target.name, said.join("\n"))
}

fn begin_with(workspace: &Workspace, target: &Target) -> Vec<PathBuf> {
    let samples = target.seeds.iter().map(|seed| workspace.path(seed));
    let corpus = workspace.path(CORPUS).join(&target.name);
    samples.chain(corpus.exists().then_some(corpus)).collect()
}

impl Figures {
    fn read(&mut self, line: &str) {
        let Some((name, number)) = line
            .strip_prefix("stat::")
            .and_then(|line| line.split_once(':'))
        else {
            return;
        };
        let number = number.trim().parse().unwrap_or_default();
        match name {
            "number_of_executed_units" => self.inputs = number,
            "average_exec_per_sec" => self.a_second = number,
            "peak_rss_mb" => self.peak_mib = number,
            _ => {}
        }
    }
}

/// Copies to the corpus, of what was found, few inputs by which all code is reached that samples and corpus do not
/// reach: the smallest, until the corpus has [`LARGEST_CORPUS`]. Answers how many.
fn keep(workspace: &Workspace, program: &Path, target: &Target) -> Result<usize> {
    let known = workspace.path(FOLDER).join("known");
    if known.exists() {
        std::fs::remove_dir_all(&known).with_context(|| format!("remove {}", known.display()))?;
    }
    for folder in begin_with(workspace, target) {
        for file in files::list(&folder)? {
            let name = file.to_string_lossy().replace('/', "-");
            let content =
                std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            files::write(&known.join(name), &content)?;
        }
    }
    let before = files::list(&known)?;
    // How often code is reached does not count, or there would be thousands.
    capture(
        Command::new(program)
            .env("FUZZ_TARGET", &target.name)
            .args(["-set_cover_merge=1", "-use_counters=0"])
            .arg(&known)
            .arg(workspace.path(FOLDER).join("found").join(&target.name)),
    )?;
    let mut kept = files::list(&known)?;
    kept.retain(|file| !before.contains(file));
    let size = |file: &PathBuf| std::fs::metadata(file).map_or(u64::MAX, |file| file.len());
    kept.sort_by_key(size);
    let corpus = workspace.path(CORPUS).join(&target.name);
    std::fs::create_dir_all(&corpus).with_context(|| format!("create {}", corpus.display()))?;
    let mut bytes: u64 = files::list(&corpus)?.iter().map(size).sum();
    kept.retain(|file| {
        bytes = bytes.saturating_add(size(file));
        bytes <= LARGEST_CORPUS
    });
    for file in &kept {
        let content = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        files::write(&corpus.join(file.file_name().unwrap_or_default()), &content)?;
    }
    Ok(kept.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_with_the_folders_of_their_samples() {
        let target = |name: &str, seeds: &[&str]| Target {
            name: name.to_owned(),
            seeds: seeds.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(
            targets("deploy events/deploy events/watch\nurl \n"),
            [
                target("deploy", &["events/deploy", "events/watch"]),
                target("url", &[])
            ]
        );
    }

    #[test]
    fn the_figures_of_a_run_are_read_from_its_end() {
        let mut figures = Figures::default();
        for line in [
            "#8\tpulse  cov: 12",
            "stat::number_of_executed_units: 5000000",
            "stat::average_exec_per_sec:     4321",
            "stat::new_units_added:          7",
            "stat::peak_rss_mb:              44",
        ] {
            figures.read(line);
        }
        assert_eq!(
            figures,
            Figures {
                inputs: 5_000_000,
                a_second: 4321,
                peak_mib: 44
            }
        );
    }
}
