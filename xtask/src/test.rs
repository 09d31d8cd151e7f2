//! `cargo xtask test`: every check and every test, with one table at the end.
//!
//! Parts run side by side, as many as the machine has processors and those that wait for rollouts beside them, in an order
//! that keeps the processors busy. What a part prints is kept together and shown when it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use longshore_local::cloud::{self, Lifetime};
use longshore_local::control::Control;
use longshore_local::environment::{DIRECTORY_VARIABLE, Environment, Programs};
use longshore_local::files;
use longshore_local::process::{check_interruption, run_lines};
use longshore_local::python::Python;
use longshore_local::terraform::Configuration;
use longshore_local::workspace::{PACKAGE, Workspace};

use crate::compile::{Crates, cargo, linting};
use crate::durations::Durations;
use crate::local::{reserve, start_afresh};
use crate::package::Built;
use crate::terminal::{Printed, Style, Terminal, padded};
use crate::{documents, features, imports, judges, package, reliability, templates, tools};

/// The command, by which its duration is kept.
const NAME: &str = "test";

/// The test program of faults and soaks, which is not one of the end-to-end part's: what it lets go wrong would go wrong
/// for all of them.
const RELIABILITY: &str = "reliability";

/// The command line's own test program: some of its tests need a cloud.
const COMMAND_LINE: &str = "command_line";

/// How often what runs is shown, where lines cannot be replaced.
const HEARTBEAT: Duration = Duration::from_secs(60);

#[derive(Args, Default)]
pub struct Arguments {
    /// Run this part only; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Of the end-to-end tests, run this program of `tests/tests` only, such as `storm`; may be given several times.
    #[arg(long, requires = "only")]
    program: Vec<String>,
    /// Run the end-to-end tests this many times, on one local cloud.
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// Keep every processor busy meanwhile, as two other builds would.
    #[arg(long)]
    busy: bool,
}

/// In the order in which they are begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// rustfmt and terraform fmt.
    Format,
    /// Who imports whom, and with which features.
    Imports,
    /// Everything is compiled, by clippy; every warning is an error.
    Lint,
    /// The functions and the task are built as they run on AWS, and packed.
    Package,
    /// The whole system on the local cloud.
    EndToEnd,
    /// Unit, snapshot and property tests.
    Unit,
    /// Stacks on the local cloud, looked at with boto3.
    Stacks,
    /// cfn-lint and checkov on the templates of the stack files.
    Templates,
    /// The local cloud's own tests.
    Cloud,
    /// What CI jobs use to deploy, run with a `longshore` that records its call.
    Integrations,
    /// terraform validate and terraform test.
    Terraform,
    /// What AWS publishes judges requests, answers, policies and permissions.
    Judges,
    /// A day with faults of each kind, and docs/reliability.md; only where it is asked for.
    Faults,
}

impl Part {
    fn title(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Imports => "import directions",
            Self::Lint => "compile and lint",
            Self::Unit => "unit, snapshot and property tests",
            Self::Terraform => "terraform",
            Self::Templates => "templates",
            Self::Cloud => "local cloud",
            Self::Integrations => "integrations",
            Self::Package => "packages",
            Self::EndToEnd => "end to end",
            Self::Stacks => "stacks end to end",
            Self::Judges => "judges",
            Self::Faults => "faults",
        }
    }

    /// Whether it keeps a processor busy, rather than wait for rollouts most of the time.
    fn works(self) -> bool {
        !matches!(self, Self::EndToEnd | Self::Stacks | Self::Faults)
    }

    /// What must have ended before, where it is a part of the run: cargo lets only one command compile at a time, and the
    /// first compiles for all.
    fn after(self) -> &'static [Self] {
        match self {
            Self::Unit => &[Self::Lint],
            Self::EndToEnd | Self::Faults => &[Self::Lint],
            Self::Stacks => &[Self::Package],
            Self::Judges => &[Self::Unit, Self::EndToEnd, Self::Stacks, Self::Terraform],
            _ => &[],
        }
    }
}

/// How many checks or tests of a part passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
}

impl Count {
    fn of(ok: bool) -> Self {
        Self {
            passed: usize::from(ok),
            failed: usize::from(!ok),
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// A command that fails without a failed test of its own failed as a whole.
    fn with_status(mut self, ok: bool) -> Self {
        if !ok && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

struct Outcome {
    part: Part,
    count: Count,
    time: Duration,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_output();
    for tool in tools::check()? {
        terminal.line(&tool);
    }
    let start = Instant::now();
    let durations = Durations::of(workspace);
    let is_whole = arguments.only.is_empty();
    if let Some(last) = durations.last(NAME).filter(|_| is_whole) {
        terminal.line(&format!("the last whole run here took {last}"));
    }
    let parts: Vec<Part> = Part::value_variants()
        .iter()
        .copied()
        .filter(|part| match arguments.only.as_slice() {
            [] => *part != Part::Faults,
            only => only.contains(part),
        })
        .collect();
    let load = arguments.busy.then(Load::begin);
    let outcomes = match parts.as_slice() {
        // Nobody else's lines can come between: shown as they are printed.
        [part] => vec![Suite::new(workspace, arguments, terminal).outcome(*part)],
        parts => side_by_side(workspace, arguments, &mut terminal, parts),
    };
    drop(load);
    check_interruption()?;
    if is_whole && outcomes.iter().all(|outcome| outcome.count.failed == 0) {
        durations.keep(NAME, start.elapsed());
    }
    Ok(summary(&mut Terminal::standard_output(), &outcomes))
}

/// Keeps every processor busy until it is dropped.
struct Load(Arc<AtomicBool>);

impl Load {
    fn begin() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..processors() {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(is_over)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many processors there are.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What a part shows while it runs.
enum News {
    Printed(Part, Printed),
    Ended(Outcome),
}

/// A part that runs, and what it printed so far.
struct Running {
    part: Part,
    since: Instant,
    lines: Vec<String>,
    progress: String,
}

fn side_by_side(
    workspace: &Workspace,
    arguments: &Arguments,
    terminal: &mut Terminal,
    parts: &[Part],
) -> Vec<Outcome> {
    let places = processors();
    let (sender, news) = mpsc::channel();
    let mut waiting = parts.to_vec();
    let mut running: Vec<Running> = Vec::new();
    let mut outcomes = Vec::new();
    std::thread::scope(|scope| {
        let mut reported = Instant::now();
        loop {
            while check_interruption().is_ok()
                && let Some(part) = take_next(&mut waiting, &running, places)
            {
                let suite = Suite::new(workspace, arguments, collected(terminal, part, &sender));
                begin(scope, suite, part, &sender);
                running.push(Running {
                    part,
                    since: Instant::now(),
                    lines: Vec::new(),
                    progress: String::new(),
                });
            }
            if running.is_empty() {
                return;
            }
            match news.recv_timeout(Duration::from_secs(1)) {
                Ok(News::Printed(part, said)) => {
                    if let Some(running) = running.iter_mut().find(|other| other.part == part) {
                        match said {
                            Printed::Line(line) => {
                                running.progress = line.trim().chars().take(60).collect();
                                running.lines.push(line);
                            }
                            Printed::Progress(text) => running.progress = text,
                        }
                    }
                }
                Ok(News::Ended(outcome)) => {
                    let place = running.iter().position(|part| part.part == outcome.part);
                    if let Some(ended) = place.map(|place| running.remove(place)) {
                        show_part(terminal, &ended, &outcome);
                    }
                    outcomes.push(outcome);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if terminal.replaces_progress() || reported.elapsed() >= HEARTBEAT {
                reported = Instant::now();
                terminal.progress(&what_runs(&running));
            }
        }
    });
    outcomes
}

/// The first part that waits for nothing that is still to come, and for which a processor is free or that needs none for
/// itself.
fn take_next(waiting: &mut Vec<Part>, running: &[Running], places: usize) -> Option<Part> {
    let working = running.iter().filter(|running| running.part.works());
    let is_free = working.count() < places;
    let place = waiting.iter().position(|part| {
        if part.works() && !is_free {
            return false;
        }
        let is_open = |other: &Part| {
            waiting.contains(other) || running.iter().any(|running| running.part == *other)
        };
        !part.after().iter().any(is_open)
    })?;
    Some(waiting.remove(place))
}

fn collected(terminal: &Terminal, part: Part, sender: &Sender<News>) -> Terminal {
    let lines = sender.clone();
    // Nobody listens any more when the run is over: then there is nobody to report to.
    terminal.collected(move |said| drop(lines.send(News::Printed(part, said))))
}

fn begin<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut suite: Suite<'scope>,
    part: Part,
    sender: &Sender<News>,
) {
    let sender = sender.clone();
    scope.spawn(move || {
        let outcome = suite.outcome(part);
        drop(sender.send(News::Ended(outcome)));
    });
}

fn show_part(terminal: &mut Terminal, part: &Running, outcome: &Outcome) {
    for line in &part.lines {
        terminal.line(line);
    }
    let mark = terminal.mark(outcome.count.failed == 0);
    terminal.line(&format!(
        "{mark} {}: {} passed, {} failed, {:.0} s",
        part.part.title(),
        outcome.count.passed,
        outcome.count.failed,
        outcome.time.as_secs_f64()
    ));
}

fn what_runs(running: &[Running]) -> String {
    let parts: Vec<String> = running
        .iter()
        .map(|running| {
            let seconds = running.since.elapsed().as_secs();
            let title = running.part.title();
            match running.progress.as_str() {
                "" => format!("{title} {seconds} s"),
                progress => format!("{title} {seconds} s ({progress})"),
            }
        })
        .collect();
    parts.join("; ")
}

struct Suite<'run> {
    workspace: &'run Workspace,
    arguments: &'run Arguments,
    terminal: Terminal,
}

impl<'run> Suite<'run> {
    fn new(workspace: &'run Workspace, arguments: &'run Arguments, terminal: Terminal) -> Self {
        Self {
            workspace,
            arguments,
            terminal,
        }
    }

    fn outcome(&mut self, part: Part) -> Outcome {
        let heading = self
            .terminal
            .styled(Style::Bold, &format!("\n== {}", part.title()));
        self.terminal.line(&heading);
        let start = Instant::now();
        let count = self.run(part).unwrap_or_else(|error| {
            self.terminal.line(&format!("error: {error:#}"));
            Count::of(false)
        });
        Outcome {
            part,
            count,
            time: start.elapsed(),
        }
    }

    fn run(&mut self, part: Part) -> Result<Count> {
        match part {
            Part::Format => self.format(),
            Part::Imports => self.imports(),
            Part::Lint => self.lint(),
            Part::Unit => self.unit(),
            Part::Terraform => self.terraform(),
            Part::Templates => self.templates(),
            Part::Cloud => self.python_tests("emulator/tests", "emulator"),
            Part::Integrations => self.python_tests("integrations/tests", "integrations/tests"),
            Part::Package => self.package(),
            Part::EndToEnd => self.end_to_end(),
            Part::Stacks => self.stacks(),
            Part::Judges => self.judges(),
            Part::Faults => self.faults(),
        }
    }

    /// Runs a command with its output shown; `on_line` sees each line too.
    fn show(&mut self, command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<bool> {
        let status = run_lines(command, |line| {
            if let Some(crates) = Crates::read(line) {
                self.terminal.ticking(&crates.to_string());
                return Ok(());
            }
            self.terminal.line(line);
            on_line(line);
            Ok(())
        })?;
        Ok(status.success())
    }

    /// A command that is one check.
    fn check(&mut self, what: &str, command: &mut Command) -> Result<Count> {
        let ok = self.show(command, |_| {})?;
        let mark = self.terminal.mark(ok);
        self.terminal.line(&format!("{mark} {what}"));
        Ok(Count::of(ok))
    }

    fn format(&mut self) -> Result<Count> {
        let mut rustfmt = cargo(self.workspace, "fmt");
        rustfmt.args(["--all", "--check"]);
        let mut count = self.check("cargo fmt --check", &mut rustfmt)?;
        let mut terraform = Command::new("terraform");
        terraform
            .args(["fmt", "-check", "-diff", "-recursive", "infra", "tests"])
            .current_dir(self.workspace.root());
        count.add(self.check("terraform fmt -check", &mut terraform)?);
        Ok(count)
    }

    fn imports(&mut self) -> Result<Count> {
        let findings = imports::check(self.workspace)?;
        let mut count = self.violations(
            &findings.violations,
            &format!("{} manifests and sources", findings.checked),
        );
        let violations = features::check(self.workspace)?;
        count.add(self.violations(&violations, "programs and tests share their dependencies"));
        let links = documents::check(self.workspace)?;
        count.add(self.violations(&links.broken, &format!("{} links", links.checked)));
        let unlisted = documents::unlisted_variables(self.workspace)?;
        count.add(self.violations(&unlisted, "variables of Terraform are in the documents"));
        Ok(count)
    }

    fn violations(&mut self, violations: &[String], what: &str) -> Count {
        for violation in violations {
            self.terminal.line(violation);
        }
        let ok = violations.is_empty();
        let mark = self.terminal.mark(ok);
        self.terminal.line(&format!("{mark} {what}"));
        Count {
            passed: usize::from(ok),
            failed: violations.len(),
        }
    }

    fn lint(&mut self) -> Result<Count> {
        let mut command = linting(self.workspace, "test");
        command.args(["--workspace", "--all-targets", "--no-run"]);
        let mut warnings = Vec::new();
        let ok = self.show(&mut command, |line| {
            // cargo says them again where it need not compile again.
            if line.starts_with("warning") {
                warnings.push(line.to_owned());
            }
        })?;
        Ok(self
            .violations(
                &warnings,
                "everything compiles, and clippy has nothing to say",
            )
            .with_status(ok))
    }

    fn unit(&mut self) -> Result<Count> {
        let mut command = linting(self.workspace, "test");
        command.args(["--workspace", "--no-fail-fast"]);
        self.cargo_test(&mut command)
    }

    fn cargo_test(&mut self, command: &mut Command) -> Result<Count> {
        let mut count = Count::default();
        let ok = self.show(command, |line| count.add(read_cargo_line(line)))?;
        Ok(count.with_status(ok))
    }

    fn terraform(&mut self) -> Result<Count> {
        let mut count = Count::default();
        let waiting = Mutex::new(configurations(self.workspace)?);
        let (sender, reports) = mpsc::channel();
        let workers = processors();
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let sender = sender.clone();
                scope.spawn(|| {
                    let sender = sender;
                    while let Some(folder) = next(&waiting) {
                        let report = check_configuration(self.workspace, &folder);
                        if sender.send(report).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            for report in reports {
                for line in report.lines {
                    self.terminal.line(&line);
                }
                count.add(report.count);
            }
        });
        check_interruption()?;
        Ok(count)
    }

    fn templates(&mut self) -> Result<Count> {
        let templates = templates::render(self.workspace)?;
        let python = Python::ensure_from(
            self.workspace,
            templates::REQUIREMENTS,
            templates::LINTERS,
            |text| self.terminal.progress(text),
        )?;
        let mut lines = Vec::new();
        let lints = templates.cfn_lint(&python, |line| lines.push(line.to_owned()))?;
        let checks = templates.checkov(&python, |line| lines.push(line.to_owned()))?;
        for line in &lines {
            self.terminal.line(line);
        }
        let mark = self.terminal.mark(lints.failed == 0);
        self.terminal.line(&format!(
            "{mark} cfn-lint: {} templates without finding, {} findings",
            lints.passed, lints.failed
        ));
        let mark = self.terminal.mark(checks.failed == 0);
        self.terminal.line(&format!(
            "{mark} checkov: {} checks passed, {} failed, {} skipped with a reason",
            checks.passed, checks.failed, checks.skipped
        ));
        Ok(Count {
            passed: lints.passed + checks.passed,
            failed: lints.failed + checks.failed,
        })
    }

    /// The tests of a folder in Python; their modules are named from `top` on.
    fn python_tests(&mut self, folder: &str, top: &str) -> Result<Count> {
        let python = self.python()?;
        let mut command = Command::new(python.interpreter());
        command
            .args(["-m", "unittest", "discover", "-s", folder, "-t", top])
            .current_dir(self.workspace.root());
        self.unittest(&mut command)
    }

    /// A command that prints at its end what Python's unittest prints.
    fn unittest(&mut self, command: &mut Command) -> Result<Count> {
        let mut ran = 0;
        let mut failed = 0;
        let ok = self.show(command, |line| {
            ran += read_number_after(line, "Ran ");
            if line.starts_with("FAILED (") {
                failed += read_number_after(line, "failures=") + read_number_after(line, "errors=");
            }
        })?;
        Ok(Count {
            passed: ran - failed.min(ran),
            failed,
        }
        .with_status(ok))
    }

    fn python(&mut self) -> Result<Python> {
        Python::ensure(self.workspace, |text| self.terminal.progress(text))
    }

    fn built_for_aws(&mut self) -> Result<Built> {
        let python = self.python()?;
        let architecture = tools::host_architecture()?;
        package::for_aws(self.workspace, &python, architecture, &mut self.terminal)
    }

    /// Builds what runs on AWS, and looks at it from outside.
    fn package(&mut self) -> Result<Count> {
        let built = self.built_for_aws()?;
        self.terminal.line(&built.package.to_string());
        let mut count = Count::default();
        for (what, check) in built.checks(self.workspace)? {
            if let Err(error) = &check {
                self.terminal.line(&format!("{error:#}"));
            }
            let mark = self.terminal.mark(check.is_ok());
            self.terminal.line(&format!("{mark} {what}"));
            count.add(Count::of(check.is_ok()));
        }
        Ok(count)
    }

    /// The whole system, as the tests are built: a change is tested without building packages.
    fn end_to_end(&mut self) -> Result<Count> {
        let mut programs = self.arguments.program.clone();
        if programs.is_empty() {
            programs = need_a_cloud(self.workspace)?;
            programs.retain(|program| program != RELIABILITY);
        }
        self.on_a_cloud_of_tests("test", |suite, directory| {
            let mut command = ignored_tests(suite.workspace, &programs, directory);
            let mut count = Count::default();
            for _ in 0..suite.arguments.times {
                count.add(suite.cargo_test(&mut command)?);
            }
            if !suite.arguments.program.is_empty() {
                // Of some programs only: the judges want all.
                let recording = judges::recording(suite.workspace, "test");
                std::fs::remove_file(&recording)
                    .with_context(|| format!("remove {}", recording.display()))?;
            }
            Ok(count)
        })
    }

    /// Faults of each kind; where nothing was lost, the document says what was injected.
    fn faults(&mut self) -> Result<Count> {
        self.reliability("faults", |_| {})
    }

    /// A test of the program of faults and soaks by the beginning of its name, and its part of the document.
    fn reliability(&mut self, name: &str, prepare: impl FnOnce(&mut Command)) -> Result<Count> {
        self.on_a_cloud_of_tests(name, |suite, directory| {
            let mut command = ignored_tests(suite.workspace, &[RELIABILITY.to_owned()], directory);
            command.arg(name);
            prepare(&mut command);
            let count = suite.cargo_test(&mut command)?;
            if count.failed == 0 {
                let table = reliability::write(suite.workspace, name, directory)?;
                suite.terminal.line(&table);
            }
            Ok(count)
        })
    }

    /// Runs tests on a cloud with the programs as the tests are built.
    fn on_a_cloud_of_tests(
        &mut self,
        name: &str,
        tests: impl FnOnce(&mut Self, &Path) -> Result<Count>,
    ) -> Result<Count> {
        let architecture = tools::host_architecture()?;
        let programs = package::for_this_machine(self.workspace, architecture, &mut self.terminal)?;
        self.on_a_cloud(name, &programs, |suite, _, directory| {
            tests(suite, directory)
        })
    }

    /// On the packages as they are uploaded to AWS, so that these are run as well.
    fn stacks(&mut self) -> Result<Count> {
        let built = self
            .built_for_aws()
            .context("the stacks need the packages")?;
        self.on_a_cloud("stacks", &built.programs, |suite, python, directory| {
            let mut command = Command::new(python.interpreter());
            command
                .arg("tests/stacks")
                .env(DIRECTORY_VARIABLE, directory)
                .current_dir(suite.workspace.root());
            suite.unittest(&mut command)
        })
    }

    /// Judges what the last runs of other parts recorded. What has recorded nothing runs first.
    fn judges(&mut self) -> Result<Count> {
        let mut count = Count::default();
        if !judges::wire_recording(self.workspace).is_file() {
            let mut command = linting(self.workspace, "test");
            command.args(["--workspace", "--test", "wire"]);
            count.add(self.cargo_test(&mut command)?);
        }
        for (name, part) in judges::CLOUDS
            .into_iter()
            .zip([Part::EndToEnd, Part::Stacks])
        {
            if !judges::recording(self.workspace, name).is_file() {
                count.add(self.run(part)?);
            }
        }
        let python = Python::ensure_from(
            self.workspace,
            judges::REQUIREMENTS,
            judges::FOLDER,
            |text| self.terminal.progress(text),
        )?;
        count.add(self.unittest(&mut judges::own_tests(self.workspace, &python))?);
        let mut command = judges::command(self.workspace, &python)?;
        count.add(self.unittest(&mut command)?);
        Ok(count)
    }

    /// No secret that went through the cloud is where it does not belong.
    fn secrets(&mut self, control: &Control) -> Result<Count> {
        let canaries = control.canaries()?;
        let mut leaked: Vec<String> = canaries
            .elsewhere
            .iter()
            .map(|canary| format!("{} is in {}", canary.value, canary.place))
            .collect();
        if canaries.kept.is_empty() {
            leaked.push("no secret is in Secrets Manager: nothing was looked for".to_owned());
        }
        let what = format!("{} secrets are where they belong", canaries.kept.len());
        Ok(self.violations(&leaked, &what))
    }

    /// Runs tests on a cloud of their own, with Longshore installed in it, which is stopped whatever comes of them.
    fn on_a_cloud(
        &mut self,
        name: &str,
        programs: &Programs,
        tests: impl FnOnce(&mut Self, &Python, &Path) -> Result<Count>,
    ) -> Result<Count> {
        let python = self.python()?;
        let directory = self.workspace.path("target/local").join(name);
        let _guard = reserve(&directory)?;
        // A run that was killed may have left one.
        cloud::stop(&directory)?;
        self.terminal.progress("starting the local cloud");
        let lifetime = if judges::CLOUDS.contains(&name) {
            Lifetime::OfThisProcessRecorded
        } else {
            Lifetime::OfThisProcess
        };
        let cloud = start_afresh(self.workspace, &python, &directory, lifetime)?;
        let outcome = Environment::install(self.workspace, &directory, cloud, programs, |text| {
            self.terminal.progress(text);
        })
        .and_then(|environment| {
            let mut count = tests(self, &python, &directory)?;
            count.add(self.secrets(&environment.control())?);
            Ok(count)
        });
        cloud::stop(&directory)?;
        let count = outcome?;
        if count.failed > 0 {
            self.terminal.line(&format!(
                "the cloud's log: {}",
                cloud::log(&directory).display()
            ));
        }
        Ok(count)
    }
}

fn summary(terminal: &mut Terminal, outcomes: &[Outcome]) -> ExitCode {
    let heading = format!(
        "\n  {} {:>7} {:>7} {:>9}",
        padded("part", 36),
        "passed",
        "failed",
        "seconds"
    );
    let heading = terminal.styled(Style::Bold, &heading);
    terminal.line(&heading);
    let mut total = Count::default();
    for outcome in outcomes {
        let mark = terminal.mark(outcome.count.failed == 0);
        terminal.line(&format!(
            "{mark} {} {:>7} {:>7} {:>9.1}",
            padded(outcome.part.title(), 36),
            outcome.count.passed,
            outcome.count.failed,
            outcome.time.as_secs_f64()
        ));
        total.add(outcome.count);
    }
    terminal.line("");
    terminal.line(&format!("{} passed, {} failed", total.passed, total.failed));
    exit_code(total)
}

/// The folders of Terraform that are checked one by one: modules, however deep they are, and environments.
fn configurations(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["infra/modules", "infra/environments"] {
        let sources = files::below(&workspace.path(folder), "tf")?;
        found.extend(
            sources
                .iter()
                .filter(|source| source.ends_with("main.tf"))
                .filter_map(|source| source.parent())
                .map(Path::to_path_buf),
        );
    }
    if found.is_empty() {
        bail!("no terraform configuration is in infra");
    }
    Ok(found)
}

fn next(waiting: &Mutex<Vec<PathBuf>>) -> Option<PathBuf> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// What was printed, and how many checks passed and failed, kept together because several run at the same time.
struct Report {
    lines: Vec<String>,
    count: Count,
}

fn check_configuration(workspace: &Workspace, folder: &Path) -> Report {
    let shown = folder
        .strip_prefix(workspace.root())
        .unwrap_or(folder)
        .display()
        .to_string();
    let mut report = Report {
        lines: vec![shown.clone()],
        count: Count::default(),
    };
    let folders = workspace.path("target/terraform");
    let name = shown.replace('/', "-");
    let configuration = Configuration::new(folder.to_path_buf(), folders.join(&name));
    let log = folders.join(format!("{name}.log"));
    let outcome = configuration
        .initialise(&[], &log)
        .and_then(|()| report.run(&mut configuration.command(&["validate", "-no-color"]), true))
        .and_then(|()| {
            if folder.join("tests").is_dir() {
                report.run(&mut configuration.command(&["test", "-no-color"]), false)
            } else {
                Ok(())
            }
        });
    if let Err(error) = outcome {
        report.lines.push(format!("error: {error:#}"));
        report.count.add(Count::of(false));
    }
    report
}

impl Report {
    /// Runs a command that is one check, or that counts its tests itself.
    fn run(&mut self, command: &mut Command, is_one: bool) -> Result<()> {
        let mut counted = Count::default();
        let status = run_lines(command, |line| {
            self.lines.push(line.to_owned());
            counted.add(read_terraform_line(line));
            Ok(())
        })?;
        self.count.add(if is_one {
            Count::of(status.success())
        } else {
            counted.with_status(status.success())
        });
        Ok(())
    }
}

/// The soak.
pub fn soak(workspace: &Workspace, asked: &reliability::Arguments) -> Result<ExitCode> {
    let arguments = Arguments::default();
    let mut suite = Suite::new(workspace, &arguments, Terminal::standard_output());
    let count = suite.reliability("soak", |command| {
        command.envs(asked.variables());
    })?;
    Ok(exit_code(count))
}

/// Days on functions of two versions, of which the other one was packed as `other`.
pub fn upgrade(workspace: &Workspace, other: &Path) -> Result<ExitCode> {
    let arguments = Arguments::default();
    let mut suite = Suite::new(workspace, &arguments, Terminal::standard_output());
    let package = |directory: &Path| directory.join(PACKAGE);
    let this = workspace.local_packages().join(tools::host_architecture()?);
    let count = suite.on_a_cloud_of_tests("upgrade", |suite, directory| {
        let mut command = ignored_tests(suite.workspace, &[RELIABILITY.to_owned()], directory);
        command
            .arg("upgraded")
            .env("LONGSHORE_PACKAGE", package(&this))
            .env("LONGSHORE_OTHER_PACKAGE", package(other));
        suite.cargo_test(&mut command)
    })?;
    Ok(exit_code(count))
}

fn exit_code(count: Count) -> ExitCode {
    match count.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The tests of these programs that need the cloud of a directory.
fn ignored_tests(workspace: &Workspace, programs: &[String], directory: &Path) -> Command {
    // Of the whole workspace, as the other tests: a part of it would be built with other features, all over again.
    let mut command = linting(workspace, "test");
    command.args(["--workspace", "--no-fail-fast"]);
    for program in programs {
        command.args(["--test", program]);
    }
    command
        .args(["--", "--ignored"])
        .env(DIRECTORY_VARIABLE, directory);
    command
}

/// The programs with tests that need a cloud. After a change no other test is built for them.
fn need_a_cloud(workspace: &Workspace) -> Result<Vec<String>> {
    let of_the_whole = files::list(&workspace.path("tests/tests"))?;
    Ok(of_the_whole
        .iter()
        .filter_map(|path| path.file_stem())
        .map(|name| name.to_string_lossy().into_owned())
        .chain([COMMAND_LINE.to_owned()])
        .collect())
}

/// `test result: ok. 11 passed; 0 failed; 0 ignored; ...`
fn read_cargo_line(line: &str) -> Count {
    if !line.starts_with("test result: ") {
        return Count::default();
    }
    Count {
        passed: read_number_before(line, " passed"),
        failed: read_number_before(line, " failed"),
    }
}

/// `Success! 12 passed, 0 failed.`
fn read_terraform_line(line: &str) -> Count {
    if !line.starts_with("Success! ") && !line.starts_with("Failure! ") {
        return Count::default();
    }
    Count {
        passed: read_number_before(line, " passed"),
        failed: read_number_before(line, " failed"),
    }
}

fn read_number_before(line: &str, word: &str) -> usize {
    line.split_once(word)
        .and_then(|(before, _)| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn read_number_after(line: &str, word: &str) -> usize {
    line.split_once(word)
        .map(|(_, after)| {
            after
                .chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        })
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(part: Part) -> Running {
        Running {
            part,
            since: Instant::now(),
            lines: Vec::new(),
            progress: String::new(),
        }
    }

    #[test]
    fn a_part_begins_when_nothing_that_it_waits_for_is_still_to_come() {
        let mut waiting = vec![Part::Unit, Part::Stacks, Part::Templates];
        let lint_and_packages = [running(Part::Lint), running(Part::Package)];
        assert_eq!(
            take_next(&mut waiting, &lint_and_packages, 3),
            Some(Part::Templates)
        );
        assert_eq!(take_next(&mut waiting, &lint_and_packages, 3), None);
        let packages = [running(Part::Package)];
        assert_eq!(take_next(&mut waiting, &packages, 3), Some(Part::Unit));
        assert_eq!(take_next(&mut waiting, &[], 3), Some(Part::Stacks));
    }

    #[test]
    fn a_part_that_waits_for_rollouts_runs_beside_as_many_as_there_are_processors() {
        let mut waiting = vec![Part::Cloud, Part::EndToEnd];
        let both_work = [running(Part::Unit), running(Part::Package)];
        assert_eq!(take_next(&mut waiting, &both_work, 2), Some(Part::EndToEnd));
        assert_eq!(take_next(&mut waiting, &both_work, 2), None);
        let one_waits = [running(Part::EndToEnd), running(Part::Package)];
        assert_eq!(take_next(&mut waiting, &one_waits, 2), Some(Part::Cloud));
    }

    #[test]
    fn every_part_begins_at_last_whichever_are_chosen() {
        for first in Part::value_variants() {
            for second in Part::value_variants() {
                let mut waiting = vec![*first, *second];
                let mut begun = 0;
                while take_next(&mut waiting, &[], 1).is_some() {
                    begun += 1;
                }
                assert_eq!((begun, waiting.len()), (2, 0), "{first:?} and {second:?}");
            }
        }
    }

    #[test]
    fn terraform_modules_are_found_however_deep_they_are() {
        let workspace = Workspace::of_this_build();
        let found = configurations(&workspace).unwrap();
        for folder in [
            "infra/modules/stack",
            "infra/modules/replaces/classla",
            "infra/environments/local",
        ] {
            assert!(found.contains(&workspace.path(folder)), "{folder}");
        }
    }

    #[test]
    fn every_test_that_is_ignored_without_a_cloud_is_in_a_program_that_runs_on_one() {
        let workspace = Workspace::of_this_build();
        let mut found = Vec::new();
        for folder in ["functions", "shared", "cli", "local", "tests", "xtask"] {
            found.extend(files::below(&workspace.path(folder), "rs").unwrap());
        }
        found.retain(|path| {
            std::fs::read_to_string(path)
                .unwrap()
                .contains("\n#[ignore")
        });
        assert!(!found.is_empty());
        let programs = need_a_cloud(&workspace).unwrap();
        for path in found {
            let is_run = programs.iter().any(|program| {
                path.iter().any(|part| part == program.as_str())
                    || path
                        .file_stem()
                        .is_some_and(|stem| stem == program.as_str())
            });
            assert!(is_run, "{}", path.display());
        }
    }

    #[test]
    fn what_runs_is_reported_with_what_it_is_doing() {
        let mut lint = running(Part::Lint);
        lint.progress = "compiling: 213 of 480 done, now tokio".to_owned();
        let reported = what_runs(&[lint, running(Part::Templates)]);
        assert_eq!(
            reported,
            "compile and lint 0 s (compiling: 213 of 480 done, now tokio); templates 0 s"
        );
    }

    #[test]
    fn counts_are_read_from_what_the_tools_print() {
        let cargo = "test result: FAILED. 11 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.20s";
        assert_eq!(
            read_cargo_line(cargo),
            Count {
                passed: 11,
                failed: 2
            }
        );
        assert_eq!(
            read_cargo_line("test client::says_3 passed ... ok"),
            Count::default()
        );
        assert_eq!(
            read_terraform_line("Failure! 12 passed, 1 failed."),
            Count {
                passed: 12,
                failed: 1
            }
        );
        assert_eq!(read_number_after("Ran 17 tests in 41.2s", "Ran "), 17);
        assert_eq!(
            read_number_after("FAILED (failures=1, errors=2)", "errors="),
            2
        );
        assert_eq!(read_number_after("FAILED (errors=2)", "failures="), 0);
    }

    #[test]
    fn a_command_that_fails_before_its_tests_counts_as_one_failure() {
        assert_eq!(
            Count::default().with_status(false),
            Count {
                passed: 0,
                failed: 1
            }
        );
        assert_eq!(
            Count {
                passed: 3,
                failed: 2
            }
            .with_status(false),
            Count {
                passed: 3,
                failed: 2
            }
        );
    }
}
