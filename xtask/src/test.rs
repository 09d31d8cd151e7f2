//! `cargo xtask test`: every check and every test, with one table at the end.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use longshore_local::cloud;
use longshore_local::environment::{DIRECTORY_VARIABLE, Environment};
use longshore_local::process::{check_interruption, forget_interruption, run_lines};
use longshore_local::python::Python;
use longshore_local::terraform::Configuration;
use longshore_local::workspace::Workspace;

use crate::local::{reserve, start_afresh};
use crate::terminal::{Style, Terminal, padded};
use crate::{image, imports, package, templates, tools};

#[derive(Args)]
pub struct Arguments {
    /// Run this part only; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// rustfmt and terraform fmt.
    Format,
    /// Who imports whom.
    Imports,
    /// Clippy; every warning is an error.
    Lint,
    /// Unit, snapshot and property tests.
    Unit,
    /// terraform validate and terraform test.
    Terraform,
    /// cfn-lint and checkov on the templates of the stack files.
    Templates,
    /// The local cloud's own tests.
    Cloud,
    /// The functions are built and packed.
    Package,
    /// The whole system on the local cloud.
    EndToEnd,
    /// Stacks on the local cloud, looked at with boto3.
    Stacks,
}

impl Part {
    fn title(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Imports => "import directions",
            Self::Lint => "lint",
            Self::Unit => "unit, snapshot and property tests",
            Self::Terraform => "terraform",
            Self::Templates => "templates",
            Self::Cloud => "local cloud",
            Self::Package => "packages",
            Self::EndToEnd => "end to end",
            Self::Stacks => "stacks end to end",
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
    let mut suite = Suite {
        workspace,
        terminal: Terminal::standard_output(),
    };
    for tool in tools::check()? {
        suite.terminal.line(&tool);
    }
    let mut outcomes = Vec::new();
    for part in Part::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(part) {
            continue;
        }
        let heading = suite
            .terminal
            .styled(Style::Bold, &format!("\n== {}", part.title()));
        suite.terminal.line(&heading);
        let start = Instant::now();
        let count = match suite.run(*part) {
            Ok(count) => count,
            Err(error) => {
                check_interruption()?;
                suite.terminal.line(&format!("error: {error:#}"));
                Count::of(false)
            }
        };
        outcomes.push(Outcome {
            part: *part,
            count,
            time: start.elapsed(),
        });
    }
    Ok(suite.summary(&outcomes))
}

struct Suite<'workspace> {
    workspace: &'workspace Workspace,
    terminal: Terminal,
}

impl Suite<'_> {
    fn run(&mut self, part: Part) -> Result<Count> {
        match part {
            Part::Format => self.format(),
            Part::Imports => self.imports(),
            Part::Lint => self.lint(),
            Part::Unit => self.cargo_test(&mut cargo(
                self.workspace,
                &["test", "--workspace", "--no-fail-fast"],
            )),
            Part::Terraform => self.terraform(),
            Part::Templates => self.templates(),
            Part::Cloud => self.cloud(),
            Part::Package => self.package().map(|count| count.0),
            Part::EndToEnd => self.on_a_cloud(Self::end_to_end),
            Part::Stacks => self.on_a_cloud(Self::stacks),
        }
    }

    fn summary(&mut self, outcomes: &[Outcome]) -> ExitCode {
        let heading = format!(
            "\n  {} {:>7} {:>7} {:>9}",
            padded("part", 36),
            "passed",
            "failed",
            "seconds"
        );
        let heading = self.terminal.styled(Style::Bold, &heading);
        self.terminal.line(&heading);
        let mut total = Count::default();
        for outcome in outcomes {
            let mark = self.terminal.mark(outcome.count.failed == 0);
            self.terminal.line(&format!(
                "{mark} {} {:>7} {:>7} {:>9.1}",
                padded(outcome.part.title(), 36),
                outcome.count.passed,
                outcome.count.failed,
                outcome.time.as_secs_f64()
            ));
            total.add(outcome.count);
        }
        self.terminal.line("");
        self.terminal
            .line(&format!("{} passed, {} failed", total.passed, total.failed));
        if total.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Runs a command with its output shown; `on_line` sees each line too.
    fn show(&mut self, command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<bool> {
        let status = run_lines(command, |line| {
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
        let mut count = self.check(
            "cargo fmt --check",
            &mut cargo(self.workspace, &["fmt", "--all", "--check"]),
        )?;
        let mut terraform = Command::new("terraform");
        terraform
            .args(["fmt", "-check", "-diff", "-recursive", "infra", "tests"])
            .current_dir(self.workspace.root());
        count.add(self.check("terraform fmt -check", &mut terraform)?);
        Ok(count)
    }

    fn imports(&mut self) -> Result<Count> {
        let findings = imports::check(self.workspace)?;
        for violation in &findings.violations {
            self.terminal.line(violation);
        }
        let ok = findings.violations.is_empty();
        let mark = self.terminal.mark(ok);
        self.terminal.line(&format!(
            "{mark} {} manifests and sources",
            findings.checked
        ));
        Ok(Count {
            passed: usize::from(ok),
            failed: findings.violations.len(),
        })
    }

    fn lint(&mut self) -> Result<Count> {
        let arguments = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ];
        self.check("cargo clippy", &mut cargo(self.workspace, &arguments))
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
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
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

    fn cloud(&mut self) -> Result<Count> {
        let python = self.python()?;
        let mut command = Command::new(python.interpreter());
        command
            .args([
                "-m",
                "unittest",
                "discover",
                "-s",
                "local/cloud/tests",
                "-t",
                "local/cloud",
            ])
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

    fn package(&mut self) -> Result<(Count, Python)> {
        let python = self.python()?;
        let architecture = tools::host_architecture()?;
        let packages = package::build(self.workspace, &python, architecture, |text| {
            self.terminal.progress(text)
        })?;
        image::build(self.workspace, &python, architecture, |text| {
            self.terminal.progress(text);
        })?;
        let mark = self.terminal.mark(true);
        for package in &packages {
            self.terminal.line(&format!("{mark} {package}"));
        }
        Ok((
            Count {
                passed: packages.len(),
                failed: 0,
            },
            python,
        ))
    }

    /// Runs tests on a cloud of their own, with Longshore installed in it, which is stopped whatever comes of them.
    fn on_a_cloud(
        &mut self,
        tests: impl FnOnce(&mut Self, &Python, &Path) -> Result<Count>,
    ) -> Result<Count> {
        // Built already when the packages were a part of this run: then this takes no time.
        let (_, python) = self
            .package()
            .context("the end-to-end tests need the packages")?;
        let directory = self.workspace.path("target/local/test");
        let _guard = reserve(&directory)?;
        // A run that was killed may have left one.
        cloud::stop(&directory)?;
        self.terminal.progress("starting the local cloud");
        let cloud = start_afresh(self.workspace, &python, &directory)?;
        let outcome = self
            .install(cloud, &directory)
            .and_then(|()| tests(self, &python, &directory));
        let was_interrupted = check_interruption();
        forget_interruption();
        cloud::stop(&directory)?;
        was_interrupted?;
        let count = outcome?;
        if count.failed > 0 {
            self.terminal.line(&format!(
                "the cloud's log: {}",
                cloud::log(&directory).display()
            ));
        }
        Ok(count)
    }

    fn install(&mut self, cloud: cloud::Cloud, directory: &Path) -> Result<()> {
        let architecture = tools::host_architecture()?;
        Environment::install(self.workspace, directory, cloud, architecture, |text| {
            self.terminal.progress(text);
        })
        .map(drop)
    }

    fn end_to_end(&mut self, _python: &Python, directory: &Path) -> Result<Count> {
        // Of the whole workspace, as the other tests: a part of it would be built with other features, all over again.
        let arguments = [
            "test",
            "--workspace",
            "--tests",
            "--no-fail-fast",
            "--",
            "--ignored",
        ];
        let mut command = cargo(self.workspace, &arguments);
        command.env(DIRECTORY_VARIABLE, directory);
        self.cargo_test(&mut command)
    }

    fn stacks(&mut self, python: &Python, directory: &Path) -> Result<Count> {
        let mut command = Command::new(python.interpreter());
        command
            .arg("tests/stacks")
            .env(DIRECTORY_VARIABLE, directory)
            .current_dir(self.workspace.root());
        self.unittest(&mut command)
    }
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(workspace.root());
    command
}

/// The folders of Terraform that stand for themselves: modules and environments.
fn configurations(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for parent in ["infra/modules", "infra/environments"] {
        let parent = workspace.path(parent);
        let entries =
            std::fs::read_dir(&parent).with_context(|| format!("list {}", parent.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("list {}", parent.display()))?
                .path();
            if path.join("main.tf").is_file() {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        bail!("no terraform configuration is in infra");
    }
    found.sort();
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
