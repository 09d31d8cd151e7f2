//! `cargo xtask local`: the local cloud with Longshore in it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use longshore_local::cloud::{self, Lifetime};
use longshore_local::environment::Environment;
use longshore_local::python::Python;
use longshore_local::scene::{Network, fails, push_image, serves};
use longshore_local::workspace::Workspace;

use crate::image::push::Destination;
use crate::shell::quoted;
use crate::terminal::{Style, Terminal};
use crate::{package, tools};

/// Where the cloud is when no other directory is given.
const DEFAULT_DIRECTORY: &str = "target/local/up";

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The cloud's directory; the demo's is target/local/demo.
    #[arg(long, global = true, default_value = DEFAULT_DIRECTORY)]
    directory: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Start it; when it runs already, update it to this checkout.
    Up,
    /// Stop it. Everything in it is gone then.
    Down,
    /// Say whether it runs, and where.
    Status,
    /// Print the lines that point any AWS client at it: eval "$(cargo xtask local env)".
    Env,
    /// Make a VPC with two subnets, and print the lines that name them: eval "$(cargo xtask local network)".
    Network,
    /// Push an image to its ECR, without a container engine.
    Push(PushArguments),
}

#[derive(Args)]
struct PushArguments {
    /// The image, such as shop/api:v1; the repository is made where it is missing.
    #[arg(value_name = "REPOSITORY[:TAG]")]
    image: Destination,
    /// Its container says this and exits with 1; without it, it says that it serves, and runs.
    #[arg(long, value_name = "LINE")]
    fails: Option<String>,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let directory = &workspace.root().join(&arguments.directory);
    match &arguments.command {
        Command::Up => up(workspace, directory),
        Command::Down => down(directory),
        Command::Status => status(directory),
        Command::Env => print_variables(&running(directory)?.variables()),
        Command::Network => make_network(&running(directory)?),
        Command::Push(arguments) => push(&running(directory)?, arguments),
    }
}

fn up(workspace: &Workspace, directory: &Path) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_error();
    let _guard = reserve(directory)?;
    tools::check()?;
    let architecture = tools::host_architecture()?;
    let python = Python::ensure(workspace, |text| terminal.progress(text))?;
    let programs = package::for_this_machine(workspace, architecture, &mut terminal)?;
    let (cloud, started) = match cloud::running(directory)? {
        Some(cloud) => (cloud, false),
        None => {
            terminal.progress("starting the local cloud");
            (
                start_afresh(workspace, &python, directory, Lifetime::UntilStopped)?,
                true,
            )
        }
    };
    let environment = Environment::install(workspace, directory, cloud, &programs, |text| {
        terminal.progress(text);
    });
    let environment = match environment {
        Ok(environment) => environment,
        Err(error) if started => {
            cloud::stop(directory)?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    let mark = terminal.mark(true);
    terminal.line(&format!(
        "{mark} the local cloud is up at {}",
        environment.cloud.endpoint
    ));
    let inside = directory
        .strip_prefix(workspace.root())
        .unwrap_or(directory);
    let which = if inside == Path::new(DEFAULT_DIRECTORY) {
        String::new()
    } else {
        format!(" --directory {}", quoted(&inside.to_string_lossy()))
    };
    terminal.line(&format!(
        "  point any AWS client at it:  eval \"$(cargo xtask local env{which})\""
    ));
    terminal.line(&format!(
        "  stop it:                     cargo xtask local down{which}"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Keeps every other command of ours from working in a cloud's directory for as long as the answer lives: it would stop
/// the cloud that it finds there.
pub fn reserve(directory: &Path) -> Result<File> {
    let path = directory.with_extension("lock");
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    let guard = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    guard.try_lock().with_context(|| {
        format!(
            "another command works in {}: wait until it has ended",
            directory.display()
        )
    })?;
    Ok(guard)
}

/// Starts a cloud in a directory from which everything of earlier runs is removed, but for what Terraform downloaded.
pub fn start_afresh(
    workspace: &Workspace,
    python: &Python,
    directory: &Path,
    lifetime: Lifetime,
) -> Result<cloud::Cloud> {
    if let Ok(entries) = std::fs::read_dir(directory) {
        for entry in entries {
            let path = entry
                .with_context(|| format!("list {}", directory.display()))?
                .path();
            if path.ends_with("terraform") {
                continue;
            }
            let removed = if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.with_context(|| format!("remove {}", path.display()))?;
        }
    }
    cloud::start(workspace, python, directory, lifetime)
}

fn down(directory: &Path) -> Result<ExitCode> {
    let _guard = reserve(directory)?;
    let mut terminal = Terminal::standard_error();
    let stopped = cloud::stop(directory)?;
    terminal.line(if stopped {
        "the local cloud is stopped"
    } else {
        "the local cloud was not running"
    });
    Ok(ExitCode::SUCCESS)
}

fn status(directory: &Path) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_output();
    let Some(cloud) = cloud::running(directory)? else {
        terminal.line("the local cloud is not running; start it: cargo xtask local up");
        return Ok(ExitCode::FAILURE);
    };
    let heading = terminal.styled(Style::Bold, "the local cloud is running");
    terminal.line(&heading);
    terminal.line(&format!("  process    {}", cloud.pid));
    terminal.line(&format!("  endpoint   {}", cloud.endpoint));
    terminal.line(&format!("  control    {}", cloud.control));
    terminal.line(&format!("  log        {}", cloud::log(directory).display()));
    let containers = cloud.control().containers()?;
    let messages = cloud.control().slack_messages()?;
    terminal.line(&format!("  containers {}", containers.len()));
    terminal.line(&format!("  Slack      {} messages", messages.len()));
    Ok(ExitCode::SUCCESS)
}

/// What there is to work with in the cloud that runs.
fn running(directory: &Path) -> Result<Environment> {
    cloud::running(directory)?
        .context("the local cloud is not running; start it: cargo xtask local up")?;
    Environment::read(directory)
}

fn print_variables(variables: &[(&str, String)]) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_output();
    for (name, value) in variables {
        terminal.line(&format!("export {name}={}", quoted(value)));
    }
    Ok(ExitCode::SUCCESS)
}

fn make_network(environment: &Environment) -> Result<ExitCode> {
    let Network { vpc, subnets } = Network::create(environment)?;
    print_variables(&[("VPC_ID", vpc), ("SUBNET_IDS", subnets.join(", "))])
}

fn push(environment: &Environment, arguments: &PushArguments) -> Result<ExitCode> {
    let Destination { repository, tag } = &arguments.image;
    // The line is one word of the container's shell, whatever is in it.
    let command = match &arguments.fails {
        Some(line) => fails(&line.replace('\'', r"'\''")),
        None => serves(&format!("{repository} {tag} is serving")),
    };
    let digest = push_image(&environment.client(), repository, tag, &command)?;
    Terminal::standard_output().line(&format!("pushed {repository}:{tag} as {digest}"));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_reserved_for_one_command_at_a_time() {
        let directory =
            std::env::temp_dir().join(format!("longshore-reserve-{}", std::process::id()));
        let guard = reserve(&directory).unwrap();
        let error = reserve(&directory).unwrap_err();
        assert!(
            error.to_string().starts_with("another command works in"),
            "{error}"
        );
        drop(guard);
        drop(reserve(&directory).unwrap());
        std::fs::remove_file(directory.with_extension("lock")).unwrap();
    }
}
