//! The task that transfers bottles: wiring, nothing else. `functions/bootstrap` links it.

mod arguments;
mod health;
mod identity;
mod list;
mod outcome;
mod pending;
mod progress;
mod shard;
mod stopping;
mod summary;
mod task;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use longshore_runtime::configuration::task::{TaskConfiguration, port_from_environment};
use longshore_runtime::logs;
use tokio::runtime::Builder;

use crate::arguments::{Command, Location, USAGE};
use crate::outcome::Outcome;
use crate::task::Task;

/// Does what the arguments behind the program's name say, and answers the exit status.
///
/// # Errors
/// Arguments or an environment that mean nothing.
pub fn run(arguments: impl IntoIterator<Item = String>) -> Result<ExitCode> {
    match arguments::read(arguments)? {
        Command::Help => say(USAGE),
        Command::Version => say(concat!("bottle-sync ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::AskHealth => ask_health(),
        Command::Serve => start(|task| async move { Ok(pending::serve(&task).await) }),
        Command::Transfer(location) => start(|task| async move { work(&task, &location).await }),
    }
}

fn start<F>(work: impl FnOnce(Task) -> F) -> Result<ExitCode>
where
    F: Future<Output = Result<Outcome>>,
{
    logs::start("bottle-sync");
    let configuration = TaskConfiguration::from_environment()?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the threads")?;
    let outcome = runtime.block_on(async { work(Task::start(configuration).await?).await });
    // What is still on its way is not waited for: it was given up, or is asked again by the next task.
    runtime.shutdown_background();
    let outcome = outcome.unwrap_or_else(|error| {
        tracing::error!(error = format!("{error:#}"), "the task failed");
        Outcome::Failed
    });
    Ok(outcome.into())
}

/// Works on one list, or one shard of a sync, to its end.
///
/// # Errors
/// When it cannot be read, or what became of it cannot be written down.
async fn work(task: &Task, location: &Location) -> Result<Outcome> {
    match location.sync_shard() {
        Some(shard) => shard::work(task, &shard).await,
        None => list::work(task, location).await,
    }
}

fn ask_health() -> Result<ExitCode> {
    let port = port_from_environment()?;
    let (is_well, answer) = health::ask(port)
        .with_context(|| format!("ask http://127.0.0.1:{port}/health: does the task run?"))?;
    say(&format!("{answer}\n"))?;
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say(text: &str) -> Result<ExitCode> {
    io::stdout()
        .write_all(text.as_bytes())
        .context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
