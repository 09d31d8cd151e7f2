//! `cargo xtask demo`: the whole way from a stack file to what runs, and of a push, shown from nothing on this machine.
//! What each step says is checked from outside: by CloudFormation, by ECS and by the processes that run, by ECR, by S3,
//! by logs, and by what the fake Slack received.

mod deployments;
mod stacks;
mod stage;
mod syncs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use longshore_local::cloud::{self, Cloud, Lifetime};
use longshore_local::control::SlackMessage;
use longshore_local::environment::{Environment, Programs};
use longshore_local::process::{check_interruption, interrupted};
use longshore_local::python::Python;
use longshore_local::scene::{Network, push_image, serves, short_digest};
use longshore_local::workspace::Workspace;
use serde::Serialize;

use crate::demo::stage::{Images, Slack, Stage};
use crate::durations::Durations;
use crate::local::{reserve, start_afresh};
use crate::terminal::{Style, Terminal, padded};
use crate::{package, tools};

/// The command, by which its duration is kept.
const NAME: &str = "demo";

/// What is said where no demo ran yet, as it was measured on two processors.
const FIRST_TIME: &str =
    "The first demo of a checkout compiles some 300 crates: 5 to 10 minutes on two processors.";

/// How wide the names of steps are shown.
const NAME_WIDTH: usize = 66;

/// What is shown once everything is there.
const STEPS: [(&str, Scene); 18] = [
    (
        "(1) a stack file: what would be made, what it would cost",
        stacks::plans,
    ),
    (
        "(2) the file written to S3: built, and its tasks run",
        stacks::builds,
    ),
    (
        "(3) push v2: rolled out, by the route that provision wrote",
        deployments::rolls_out,
    ),
    (
        "(4) the same event again: nothing is done, nobody is bothered",
        deployments::ignores_the_same_event,
    ),
    (
        "(5) push v3, whose container exits 1: rolled back, with the reason",
        deployments::rolls_back,
    ),
    (
        "(6) the file with more CPU: applied, and v2 stays",
        stacks::applies_a_change,
    ),
    (
        "(7) a release file in S3: deployed",
        deployments::deploys_a_release_file,
    ),
    (
        "(8) a change that fails: taken back with a reason, image restored",
        stacks::takes_back_what_fails,
    ),
    (
        "(9) a stack file with four mistakes: refused with all of them",
        stacks::refuses_mistakes,
    ),
    (
        "(10) a manual JSON payload: deployed",
        deployments::deploys_a_payload,
    ),
    (
        "(11) a rollback by hand: hotfix-1 again, and v2 stays away",
        deployments::goes_back,
    ),
    (
        "(12) a hold: two pushes wait, then the newer one goes out",
        deployments::holds,
    ),
    (
        "(13) a migration that fails: Slack says why, the service untouched",
        stacks::stops_at_a_failing_migration,
    ),
    (
        "(14) calls that a function's role does not allow: refused",
        deployments::refuses_what_is_not_allowed,
    ),
    (
        "(15) a mirror of 30 bottles: planned, filled, nothing to do then",
        syncs::mirrors,
    ),
    (
        "(16) 80 MB more by two tasks, one killed: gone on where it was",
        syncs::goes_on_after_a_kill,
    ),
    (
        "(17) what brew asks a mirror for: there, with the right SHA-256",
        syncs::serves_clients,
    ),
    (
        "(18) the stack destroyed: its tasks end, its log stays",
        stacks::destroys,
    ),
];

/// What happens in a step; answers what there is to say about it.
type Scene = fn(&mut Terminal, &mut Stage, &Slack<'_>) -> Result<String>;

#[derive(Args)]
pub struct Arguments {
    /// Print one JSON document on the standard output; what happens goes to the standard error.
    #[arg(long)]
    json: bool,
    /// Leave it running, and say how to look around.
    #[arg(long)]
    keep: bool,
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document {
    steps: Vec<Step>,
    slack: Vec<SlackMessage>,
    ok: bool,
}

#[derive(Serialize)]
struct Step {
    name: &'static str,
    ok: bool,
    seconds: f64,
    detail: String,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let directory = workspace.path("target/local/demo");
    let _guard = reserve(&directory)?;
    let mut demo = Demo {
        workspace,
        directory,
        terminal: if arguments.json {
            Terminal::standard_error()
        } else {
            Terminal::standard_output()
        },
        steps: Vec::new(),
        slack: Vec::new(),
    };
    let start = Instant::now();
    let durations = Durations::of(workspace);
    demo.announce(&durations);
    demo.play(arguments.keep);
    let ok = demo.steps.iter().all(|step| step.ok);
    if ok {
        durations.keep(NAME, start.elapsed());
    }
    demo.show_table(ok);
    if arguments.keep && ok {
        demo.show_ways_to_look_around();
    }
    if arguments.json {
        let document = Document {
            steps: demo.steps,
            slack: demo.slack,
            ok,
        };
        let text = serde_json::to_string_pretty(&document).context("write the document")?;
        Terminal::standard_output().line(&text);
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Demo<'workspace> {
    workspace: &'workspace Workspace,
    directory: PathBuf,
    terminal: Terminal,
    steps: Vec<Step>,
    /// What the fake Slack received so far.
    slack: Vec<SlackMessage>,
}

impl Demo<'_> {
    /// What is going to happen, and how long it may take.
    fn announce(&mut self, durations: &Durations) {
        let title = self.terminal.styled(
            Style::Bold,
            "\nLongshore: a stack file is built, a push ships, a mirror is filled, on this machine\n",
        );
        self.terminal.line(&title);
        let last = durations.last(NAME).map_or_else(
            || FIRST_TIME.to_owned(),
            |last| format!("The last demo here took {last}. Only what changed since is compiled."),
        );
        let lines = [
            format!(
                "The programs are compiled, a local cloud starts, Terraform installs Longshore in it, and {} steps are shown.",
                STEPS.len()
            ),
            format!("{last}\n"),
        ];
        for line in lines {
            let line = self.terminal.styled(Style::Dim, &line);
            self.terminal.line(&line);
        }
    }

    fn play(&mut self, keep: bool) {
        // What is left running is there to be looked at.
        let steps = if keep {
            STEPS.split_last().map_or(&[][..], |(_, rest)| rest)
        } else {
            &STEPS
        };
        let lifetime = if keep {
            Lifetime::UntilStopped
        } else {
            Lifetime::OfThisProcess
        };
        let set_up = self.set_up(lifetime);
        let is_set_up = set_up.is_some();
        match set_up {
            Some(mut stage) => {
                for (name, scene) in steps {
                    self.slack_step(&mut stage, name, *scene);
                }
            }
            None => self.steps.extend(steps.iter().map(|(name, _)| Step {
                name,
                ok: false,
                seconds: 0.0,
                detail: "not run, because the set-up failed".to_owned(),
            })),
        }
        self.tear_down(keep && is_set_up && !interrupted());
    }

    /// Answers nothing when a step failed: there is nothing to show then.
    fn set_up(&mut self, lifetime: Lifetime) -> Option<Stage> {
        let workspace = self.workspace;
        let directory = self.directory.clone();
        let architecture = self.step("the tools are there", |terminal| {
            // A demo that was kept, or killed, may still run.
            if cloud::stop(&directory)? {
                terminal.progress("stopped the cloud of an earlier demo");
            }
            let found = tools::check()?;
            Ok((found.join(", "), tools::host_architecture()?))
        })?;
        // Installing waits for the network and the disk most of the time, and compiling never does.
        let (programs, python) = std::thread::scope(|scope| {
            let installed = scope.spawn(|| Python::ensure(workspace, |_| {}));
            let programs = self.step("the functions are built and packed", |terminal| {
                let programs = package::for_this_machine(workspace, architecture, terminal)?;
                Ok((
                    format!(
                        "one package of all functions, and the task's program, for {architecture}"
                    ),
                    programs,
                ))
            })?;
            let python = self.step("the Python environment is installed", |_| {
                let python = installed
                    .join()
                    .map_err(|_| anyhow!("the installation ended unexpectedly"))??;
                Ok((
                    "pinned with hashes in emulator/requirements.txt".to_owned(),
                    python,
                ))
            })?;
            Some((programs, python))
        })?;
        let cloud = self.step("the local cloud answers", |_| {
            let cloud = start_afresh(workspace, &python, &directory, lifetime)?;
            Ok((format!("{}, IAM enforced", cloud.endpoint), cloud))
        })?;
        let environment = self.step("Terraform is applied", |terminal| {
            install(workspace, &directory, cloud, &programs, terminal)
        })?;
        // A stack's services are in its own cluster, which has its name.
        let environment = Environment {
            cluster: stacks::NAME.to_owned(),
            ..environment
        };
        let service = stacks::service();
        let (network, first) = self.step(
            "a VPC, an image v1 in ECR and a stack file are there",
            |_| {
                let network = Network::create(&environment)?;
                let digest = push_image(
                    &environment.client(),
                    &service.repository,
                    "v1",
                    &serves("api v1 is serving"),
                )?;
                let text = stacks::File::default().text(&network);
                let detail = format!(
                    "{}; shop/api:v1 ({})\n{text}",
                    network.vpc,
                    short_digest(&digest)
                );
                Ok((detail, (network, digest)))
            },
        )?;
        Some(Stage {
            environment,
            network,
            service,
            images: Images {
                first,
                second: None,
                hotfix: None,
                newest: None,
            },
        })
    }

    fn tear_down(&mut self, keep: bool) {
        if !keep {
            let directory = self.directory.clone();
            // What was started must be stopped, even after Ctrl-C, which has failed the step that it came in.
            self.timed("everything is stopped", |_| {
                cloud::stop(&directory)?;
                Ok((String::new(), ()))
            });
        }
    }

    /// One step: shown as it goes, timed, and kept for the table. Answers nothing when it failed.
    fn step<T>(
        &mut self,
        name: &'static str,
        body: impl FnOnce(&mut Terminal) -> Result<(String, T)>,
    ) -> Option<T> {
        self.timed(name, |terminal| {
            check_interruption()?;
            body(terminal)
        })
    }

    fn timed<T>(
        &mut self,
        name: &'static str,
        body: impl FnOnce(&mut Terminal) -> Result<(String, T)>,
    ) -> Option<T> {
        self.terminal.progress(name);
        let start = Instant::now();
        let outcome = body(&mut self.terminal);
        let seconds = (start.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        let (ok, detail, value) = match outcome {
            Ok((detail, value)) => (true, detail, Some(value)),
            Err(error) => (false, format!("{error:#}"), None),
        };
        let mark = self.terminal.mark(ok);
        self.terminal.line(&format!(
            "{mark} {} {seconds:>6.1} s",
            padded(name, NAME_WIDTH)
        ));
        for line in detail.lines() {
            let line = self.terminal.styled(Style::Dim, &format!("    {line}"));
            self.terminal.line(&line);
        }
        self.steps.push(Step {
            name,
            ok,
            seconds,
            detail,
        });
        value
    }

    /// A step that notifies Slack; the messages that Slack received are shown after it.
    fn slack_step(&mut self, stage: &mut Stage, name: &'static str, scene: Scene) {
        let environment = stage.environment.clone();
        let before = self.slack.len();
        let slack = Slack {
            environment: &environment,
            before,
        };
        self.step(name, |terminal| Ok((scene(terminal, stage, &slack)?, ())));
        // Shown only: whether the right messages came was checked in the step.
        if let Ok(messages) = environment.control().slack_messages() {
            self.slack = messages;
        }
        for message in self.slack.iter().skip(before) {
            for (number, line) in message.fallback().lines().enumerate() {
                let label = if number == 0 {
                    "Slack │"
                } else {
                    "      │"
                };
                self.terminal.line(&format!("    {label} {line}"));
            }
        }
    }

    fn show_table(&mut self, ok: bool) {
        let heading = format!(
            "\n  {} {:>8}",
            padded("what happened", NAME_WIDTH),
            "seconds"
        );
        let heading = self.terminal.styled(Style::Bold, &heading);
        self.terminal.line(&heading);
        for step in &self.steps {
            let mark = self.terminal.mark(step.ok);
            let line = format!(
                "{mark} {} {:>8.1}",
                padded(step.name, NAME_WIDTH),
                step.seconds
            );
            self.terminal.line(&line);
        }
        let seconds: f64 = self.steps.iter().map(|step| step.seconds).sum();
        let failed = self.steps.iter().filter(|step| !step.ok).count();
        let verdict = if ok {
            self.terminal
                .styled(Style::Good, "every step did what it says")
        } else {
            self.terminal.styled(
                Style::Bad,
                &format!("{failed} of {} steps failed", self.steps.len()),
            )
        };
        self.terminal
            .line(&format!("  {} {seconds:>8.1}", padded("", NAME_WIDTH)));
        self.terminal.line(&format!(
            "\n{verdict}; Slack received {} messages",
            self.slack.len()
        ));
        if !ok {
            self.terminal
                .line(&format!("logs: {}", self.directory.display()));
        }
    }

    fn show_ways_to_look_around(&mut self) {
        for line in [
            "",
            "It is left running. To look around with any AWS client:",
            "  eval \"$(cargo xtask local env --directory target/local/demo)\"",
            "  aws cloudformation describe-stack-resources --stack-name shop",
            "  aws ecs describe-services --cluster shop --services shop-api",
            "  aws s3 cp \"s3://$STATE_BUCKET_NAME/provisions/shop/current.json\" -",
            "  aws s3 cp \"s3://$STATE_BUCKET_NAME/deployments/shop/api/current.json\" -",
            "  aws s3 ls --recursive s3://homebrew-bottles-mirror",
            "What Slack received:  curl -s \"$SLACK_MESSAGES_URL\"",
            "How it is:            cargo xtask local status --directory target/local/demo",
            "To stop it:           cargo xtask local down --directory target/local/demo",
        ] {
            self.terminal.line(line);
        }
    }
}

fn install(
    workspace: &Workspace,
    directory: &Path,
    cloud: Cloud,
    programs: &Programs,
    terminal: &mut Terminal,
) -> Result<(String, Environment)> {
    let environment = Environment::install(workspace, directory, cloud, programs, |text| {
        terminal.progress(text);
    })?;
    let applied = &environment.applied;
    let detail = format!(
        "functions {}; bucket {}; bus {}",
        applied
            .function_names
            .values()
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
        applied.state_bucket_name,
        applied.event_bus_name,
    );
    Ok((detail, environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_steps_are_numbered_and_fit_their_column() {
        for (number, (name, _)) in STEPS.iter().enumerate() {
            assert!(name.starts_with(&format!("({}) ", number + 1)), "{name}");
            assert!(name.chars().count() <= NAME_WIDTH, "{name}");
        }
    }
}
