//! `cargo xtask demo`: the whole way of a push, shown from nothing on this machine. What each step says is checked
//! from outside: by ECS and by the processes that run, by ECR, by S3, and by what Slack's stand-in received.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use longshore_local::client::JsonService;
use longshore_local::cloud::{self, Cloud};
use longshore_local::control::SlackMessage;
use longshore_local::environment::Environment;
use longshore_local::process::{check_interruption, forget_interruption, interrupted};
use longshore_local::python::Python;
use longshore_local::scene::{
    FIRST_TAG, Running, Service, credentials_of_function_role, fails, push_image, refused, serves,
    short_digest,
};
use longshore_local::wait::{Seen, wait_until};
use longshore_local::workspace::Workspace;
use serde::Serialize;
use serde_json::{Value, json};

use crate::local::{reserve, start_afresh};
use crate::terminal::{Style, Terminal, padded};
use crate::{package, tools};

/// How long a rollout and its messages may take. Far more than they do: a slow machine is no failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// How wide the names of steps are shown.
const NAME_WIDTH: usize = 66;

/// What is shown once everything is there.
const STEPS: [&str; 6] = [
    "(1) push v2: rolled out",
    "(2) the same event again: skipped",
    "(3) push v3, whose container exits 1: rolled back, the reason told",
    "(4) a release file in S3: deployed",
    "(5) a manual JSON payload: deployed",
    "(6) a call that a function's role does not allow: refused",
];

#[derive(Args)]
pub struct Arguments {
    /// Print one JSON document on the standard output; what happens is told on the standard error.
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
    demo.play(arguments.keep);
    let ok = demo.steps.iter().all(|step| step.ok);
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
    /// What Slack's stand-in received so far.
    slack: Vec<SlackMessage>,
}

/// Digests of the images, as the steps push them; a later step may need an earlier one's.
#[derive(Default)]
struct Images {
    second: Option<String>,
}

impl Demo<'_> {
    fn play(&mut self, keep: bool) {
        let title = self.terminal.styled(
            Style::Bold,
            "\nLongshore: a push to ECR ships, on this machine\n",
        );
        self.terminal.line(&title);
        let set_up = self.set_up();
        match &set_up {
            Some((environment, service)) => self.show_the_way_of_a_push(environment, service),
            None => self.steps.extend(STEPS.map(|name| Step {
                name,
                ok: false,
                seconds: 0.0,
                detail: "not run, because the set-up failed".to_owned(),
            })),
        }
        self.tear_down(keep && set_up.is_some() && !interrupted());
    }

    /// Answers nothing when a step failed: there is nothing to show then.
    fn set_up(&mut self) -> Option<(Environment, Service)> {
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
        let python = self.step("the Python environment is installed", |terminal| {
            let python = Python::ensure(workspace, |text| terminal.progress(text))?;
            Ok((
                "pinned with hashes in local/requirements.txt".to_owned(),
                python,
            ))
        })?;
        self.step("the functions are built and packed", |terminal| {
            let packages = package::build(workspace, &python, architecture, |text| {
                terminal.progress(text)
            })?;
            Ok((
                format!("{} packages for {architecture}", packages.len()),
                (),
            ))
        })?;
        let cloud = self.step("the local cloud answers", |_| {
            let cloud = start_afresh(workspace, &python, &directory)?;
            Ok((format!("{}, IAM enforced", cloud.endpoint), cloud))
        })?;
        let environment = self.step("Terraform is applied", |terminal| {
            install(workspace, &directory, cloud, architecture, terminal)
        })?;
        let service = Service {
            stack: "shop".to_owned(),
            name: "api".to_owned(),
            repository: "shop/api".to_owned(),
            tags: vec!["v*".to_owned()],
        };
        self.step("a service of two tasks runs", |terminal| {
            let digest = service.create(&environment)?;
            let running = wait_for_rollout(terminal, &environment, &service, &digest)?;
            Ok((
                format!(
                    "{FIRST_TAG} ({}), {}",
                    short_digest(&digest),
                    processes(&running)
                ),
                (),
            ))
        })?;
        Some((environment, service))
    }

    fn show_the_way_of_a_push(&mut self, environment: &Environment, service: &Service) {
        let mut images = Images::default();
        self.told_step(environment, STEPS[0], |terminal, slack| {
            rolls_out(terminal, environment, service, slack, &mut images)
        });
        self.told_step(environment, STEPS[1], |terminal, slack| {
            skips_the_same_event(terminal, environment, service, slack)
        });
        self.told_step(environment, STEPS[2], |terminal, slack| {
            rolls_back(terminal, environment, service, slack, &images)
        });
        self.told_step(environment, STEPS[3], |terminal, slack| {
            deploys_a_release_file(terminal, environment, service, slack)
        });
        self.told_step(environment, STEPS[4], |terminal, slack| {
            deploys_a_payload(terminal, environment, service, slack, &images)
        });
        self.told_step(environment, STEPS[5], |terminal, _| {
            refuses_what_is_not_allowed(terminal, environment, service)
        });
    }

    fn tear_down(&mut self, keep: bool) {
        // What was started must be stopped, even after Ctrl-C. It has failed the step that it came in.
        forget_interruption();
        if !keep {
            let directory = self.directory.clone();
            self.step("everything is stopped", |_| {
                cloud::stop(&directory)?;
                Ok((String::new(), ()))
            });
        }
    }

    /// One step: told as it goes, timed, and kept for the table. Answers nothing when it failed.
    fn step<T>(
        &mut self,
        name: &'static str,
        body: impl FnOnce(&mut Terminal) -> Result<(String, T)>,
    ) -> Option<T> {
        self.terminal.progress(name);
        let start = Instant::now();
        let outcome = check_interruption().and_then(|()| body(&mut self.terminal));
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

    /// A step of which Slack is told; what Slack received in it is shown after it.
    fn told_step(
        &mut self,
        environment: &Environment,
        name: &'static str,
        body: impl FnOnce(&mut Terminal, &Slack<'_>) -> Result<String>,
    ) {
        let before = self.slack.len();
        let slack = Slack {
            environment,
            before,
        };
        self.step(name, |terminal| Ok((body(terminal, &slack)?, ())));
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
            "  aws ecs describe-services --cluster longshore --services shop-api",
            "  aws s3 cp \"s3://$STATE_BUCKET_NAME/deployments/shop/api/current.json\" -",
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
    architecture: &str,
    terminal: &mut Terminal,
) -> Result<(String, Environment)> {
    let environment = Environment::install(workspace, directory, cloud, architecture, |text| {
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

/// What Slack received in the step that is being shown.
struct Slack<'environment> {
    environment: &'environment Environment,
    before: usize,
}

impl Slack<'_> {
    fn messages(&self) -> Result<Vec<SlackMessage>> {
        Ok(self
            .environment
            .control()
            .slack_messages()?
            .split_off(self.before))
    }

    /// Waits for a message of this step with all of these words.
    fn wait_for(&self, terminal: &mut Terminal, words: &[&str]) -> Result<()> {
        let what = format!("a message in Slack with the words {}", words.join(", "));
        terminal.progress(&format!("waiting for {what}"));
        wait_until(&what, PATIENCE, || {
            let messages = self.messages()?;
            if messages.iter().any(|message| message.says(words)) {
                return Ok(Seen::Yes(()));
            }
            let told: Vec<&str> = messages.iter().map(SlackMessage::fallback).collect();
            Ok(Seen::NotYet(format!(
                "{} messages: {}",
                told.len(),
                told.join(" / ")
            )))
        })
    }

    fn check_none(&self, words: &[&str]) -> Result<()> {
        let wrong = self
            .messages()?
            .into_iter()
            .find(|message| message.says(words));
        ensure!(
            wrong.is_none(),
            "Slack was told {:?}, which is not so",
            wrong.as_ref().map_or("", SlackMessage::fallback)
        );
        Ok(())
    }
}

fn wait_for_rollout(
    terminal: &mut Terminal,
    environment: &Environment,
    service: &Service,
    digest: &str,
) -> Result<Running> {
    let what = format!("two tasks of {}", short_digest(digest));
    terminal.progress(&format!("waiting for {what}"));
    let mut told = String::new();
    wait_until(&what, PATIENCE, || {
        let seen = service.runs(environment, digest)?;
        if let Seen::NotYet(instead) = &seen
            && *instead != told
        {
            terminal.progress(instead);
            told.clone_from(instead);
        }
        Ok(seen)
    })
}

fn processes(running: &Running) -> String {
    if running.processes.is_empty() {
        return "two tasks, their containers run by Docker".to_owned();
    }
    let pids: Vec<String> = running.processes.iter().map(u32::to_string).collect();
    format!("two tasks, processes {}", pids.join(" and "))
}

fn rolls_out(
    terminal: &mut Terminal,
    environment: &Environment,
    service: &Service,
    slack: &Slack<'_>,
    images: &mut Images,
) -> Result<String> {
    terminal.progress("pushing shop/api:v2");
    let digest = push_image(
        &environment.client(),
        &service.repository,
        "v2",
        &serves("api v2 is serving"),
    )?;
    images.second = Some(digest.clone());
    slack.wait_for(terminal, &["started", "api", "v2"])?;
    let running = wait_for_rollout(terminal, environment, service, &digest)?;
    slack.wait_for(terminal, &["succeeded", "api", "v2"])?;
    Ok(format!(
        "v2 ({}), {}",
        short_digest(&digest),
        processes(&running)
    ))
}

fn skips_the_same_event(
    terminal: &mut Terminal,
    environment: &Environment,
    service: &Service,
    slack: &Slack<'_>,
) -> Result<String> {
    let control = environment.control();
    let event = control
        .events()?
        .into_iter()
        .find(|event| {
            let detail = &event["detail"];
            event["source"] == "aws.ecr"
                && detail["repository-name"] == service.repository.as_str()
                && detail["image-tag"] == "v2"
                && detail["action-type"] == "PUSH"
        })
        .context("the push of v2 gave no event")?;
    let definitions = service.count_task_definitions(environment)?;
    let before = service.describe(environment)?;
    terminal.progress("sending the event of the push of v2 once more");
    control.send_event(&event)?;
    slack.wait_for(terminal, &["skipped", "api"])?;
    let after = service.describe(environment)?;
    ensure!(
        before["deployments"][0]["id"] == after["deployments"][0]["id"],
        "the service was updated by the second event"
    );
    ensure!(
        service.count_task_definitions(environment)? == definitions,
        "a task definition was registered by the second event"
    );
    slack.check_none(&["started"])?;
    Ok(format!(
        "event {}: nothing registered, nothing updated",
        event["id"].as_str().unwrap_or_default()
    ))
}

fn rolls_back(
    terminal: &mut Terminal,
    environment: &Environment,
    service: &Service,
    slack: &Slack<'_>,
    images: &Images,
) -> Result<String> {
    let second = images.second.as_deref().context("v2 was not pushed")?;
    terminal.progress("pushing shop/api:v3");
    let reason = "cannot reach the database";
    let digest = push_image(
        &environment.client(),
        &service.repository,
        "v3",
        &fails(reason),
    )?;
    slack.wait_for(terminal, &["started", "api", "v3"])?;
    slack.wait_for(terminal, &["rolled back", "api", "v3", "exited with 1"])?;
    let running = wait_for_rollout(terminal, environment, service, second)?;
    slack.check_none(&["succeeded"])?;
    let exit_codes = service.exit_codes(environment, &digest)?;
    ensure!(
        exit_codes.len() >= 2 && exit_codes.iter().all(|code| *code == 1),
        "the tasks of v3 should have exited with 1: {exit_codes:?}"
    );
    Ok(format!(
        "{} tasks of v3 ({}) exited with 1; v2 again: {}",
        exit_codes.len(),
        short_digest(&digest),
        processes(&running)
    ))
}

fn deploys_a_release_file(
    terminal: &mut Terminal,
    environment: &Environment,
    service: &Service,
    slack: &Slack<'_>,
) -> Result<String> {
    // A tag that the service does not follow: only the release file asks for it.
    let tag = "hotfix-1";
    let digest = push_image(
        &environment.client(),
        &service.repository,
        tag,
        &serves("api hotfix-1 is serving"),
    )?;
    let image = format!("{}:{tag}", service.repository);
    let key = service.put_release(
        environment,
        &json!({"image": image, "note": "the database moved"}),
    )?;
    slack.wait_for(terminal, &["started", "api", tag, "the database moved"])?;
    let running = wait_for_rollout(terminal, environment, service, &digest)?;
    slack.wait_for(terminal, &["succeeded", "api", tag])?;
    Ok(format!(
        "{key} -> {}, {}",
        short_digest(&digest),
        processes(&running)
    ))
}

fn deploys_a_payload(
    terminal: &mut Terminal,
    environment: &Environment,
    service: &Service,
    slack: &Slack<'_>,
    images: &Images,
) -> Result<String> {
    let second = images.second.as_deref().context("v2 was not pushed")?;
    let payload = json!({
        "action": "deploy",
        "stack": service.stack,
        "service": service.name,
        "image": format!("{}:v2", service.repository),
        "note": "back to v2",
    });
    terminal.progress("invoking deploy with the payload");
    let answer = environment
        .client()
        .invoke(environment.applied.function_name("deploy")?, &payload)
        .context("invoke deploy")?;
    if let Err(error) = &answer {
        anyhow::bail!("deploy answered an error: {error}");
    }
    slack.wait_for(terminal, &["started", "api", "v2"])?;
    let running = wait_for_rollout(terminal, environment, service, second)?;
    slack.wait_for(terminal, &["succeeded", "api", "v2"])?;
    Ok(format!("{payload} -> {}", processes(&running)))
}

fn refuses_what_is_not_allowed(
    terminal: &mut Terminal,
    environment: &Environment,
    service: &Service,
) -> Result<String> {
    let administrator = environment.client();
    let applied = &environment.applied;
    let bucket = &applied.state_bucket_name;
    let record = format!(
        "deployments/{}/{}/current.json",
        service.stack, service.name
    );
    let route = format!("routes/{}.json", service.repository);

    terminal.progress("calling with the credentials that Lambda gives to deploy");
    let deploy = administrator.with_credentials(credentials_of_function_role(
        &administrator,
        applied.role_arn("deploy")?,
    )?);
    // What it may do works: it is the policy that refuses the rest, not wrong credentials.
    let read = deploy
        .get_object(bucket, &route)
        .context("read the route as deploy")?;
    ensure!(read.is_some(), "the route is gone");
    let not_deleted =
        refused(deploy.delete_object(bucket, &record)).context("delete the record as deploy")?;

    terminal.progress("calling with the credentials that Lambda gives to notify");
    let notify = administrator.with_credentials(credentials_of_function_role(
        &administrator,
        applied.role_arn("notify")?,
    )?);
    let before = service.describe(environment)?;
    let update =
        json!({"cluster": environment.cluster, "service": service.ecs_name(), "desiredCount": 0});
    let not_updated = refused(notify.json(JsonService::Ecs, "UpdateService", &update))
        .context("update the service as notify")?;

    let after: Value = service.describe(environment)?;
    ensure!(
        before["desiredCount"] == after["desiredCount"],
        "the service was changed all the same"
    );
    let kept = administrator
        .get_object(bucket, &record)
        .context("read the record")?;
    ensure!(kept.is_some(), "the record was deleted all the same");
    Ok(format!("deploy: {not_deleted}\nnotify: {not_updated}"))
}
