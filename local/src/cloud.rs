//! The process of the local cloud: `python emulator --directory <directory>`.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::client::{Client, Credentials};
use crate::control::Control;
use crate::process;
use crate::python::Python;
use crate::wait::{Seen, wait_until};
use crate::workspace::Workspace;

/// How long the cloud may take to answer.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long the cloud may take to end its containers and functions.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What a running cloud says of itself in `cloud.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cloud {
    /// Its process.
    pub pid: u32,
    /// Where the AWS APIs answer.
    pub endpoint: String,
    /// Where the control server answers.
    pub control: String,
    /// The webhook of the fake Slack.
    pub slack_webhook_url: String,
    /// The Web API of the fake Slack.
    pub slack_api_url: String,
    /// What the app of the fake Slack signs with.
    pub slack_signing_secret: String,
    /// The AWS region that it plays.
    pub region: String,
    /// The AWS account that it plays.
    pub account_id: String,
    /// The administrator's access key.
    pub access_key_id: String,
    /// The administrator's secret key; worth nothing outside this machine.
    pub secret_access_key: String,
}

impl Cloud {
    /// A client with the administrator's credentials.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(
            &self.endpoint,
            &self.region,
            Credentials {
                access_key_id: self.access_key_id.clone(),
                secret_access_key: self.secret_access_key.clone(),
                session_token: None,
            },
        )
    }

    /// The control server.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(&self.control)
    }
}

fn description(directory: &Path) -> PathBuf {
    directory.join("cloud.json")
}

/// Where the cloud's own log is.
#[must_use]
pub fn log(directory: &Path) -> PathBuf {
    directory.join("cloud.log")
}

/// Where a cloud of [`Lifetime::OfThisProcessRecorded`] keeps each request and its answer, for `tests/judges`.
#[must_use]
pub fn recording(directory: &Path) -> PathBuf {
    directory.join("recording")
}

/// The cloud that runs in this directory, if one does.
///
/// # Errors
/// When its description cannot be read.
pub fn running(directory: &Path) -> Result<Option<Cloud>> {
    let path = description(directory);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let cloud: Cloud =
        serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
    Ok(is_ours(cloud.pid, directory).then_some(cloud))
}

/// Process ids are used again by the system: only a process that was started for this directory is ours.
fn is_ours(pid: u32, directory: &Path) -> bool {
    process::runs(pid)
        && process::command_line(pid)
            .is_some_and(|line| line.contains(&directory.to_string_lossy().into_owned()))
}

/// How long a cloud runs unless [`stop`] ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until the process that started it ends, however it ends.
    OfThisProcess,
    /// The same, and each request is kept with its answer, in [`recording`].
    OfThisProcessRecorded,
    UntilStopped,
}

/// Starts a cloud in this directory, which must be an absolute path, and waits until it answers.
///
/// # Errors
/// When one runs there already, or it ends or does not answer in time; the error shows the end of its log.
pub fn start(
    workspace: &Workspace,
    python: &Python,
    directory: &Path,
    lifetime: Lifetime,
) -> Result<Cloud> {
    if let Some(cloud) = running(directory)? {
        bail!(
            "a local cloud runs in {} already (process {})",
            directory.display(),
            cloud.pid
        );
    }
    std::fs::create_dir_all(directory)
        .with_context(|| format!("create {}", directory.display()))?;
    remove_if_there(&description(directory))?;
    let log = log(directory);
    let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
    let error_output = output
        .try_clone()
        .with_context(|| format!("open {}", log.display()))?;
    let mut command = Command::new(python.interpreter());
    command
        .arg(workspace.path("emulator"))
        .arg("--directory")
        .arg(directory);
    if lifetime != Lifetime::UntilStopped {
        command.arg("--end-with-input");
    }
    if lifetime == Lifetime::OfThisProcessRecorded {
        command.arg("--record").arg(recording(directory));
    }
    let mut child = command
        .current_dir(workspace.root())
        .stdin(match lifetime {
            Lifetime::OfThisProcess | Lifetime::OfThisProcessRecorded => Stdio::piped(),
            Lifetime::UntilStopped => Stdio::null(),
        })
        .stdout(output)
        .stderr(error_output)
        // A group of its own: Ctrl-C is for the command that started it, which then stops it in order.
        .process_group(0)
        .spawn()
        .context("start the local cloud")?;
    // Kept open until this process ends, when the system closes it, even after a SIGKILL.
    std::mem::forget(child.stdin.take());
    let started = wait_until("the local cloud to answer", START_PATIENCE, || {
        if let Some(status) = child.try_wait().context("reconcile the local cloud")? {
            bail!("the local cloud ended with {status}");
        }
        Ok(match running(directory)? {
            Some(cloud) if cloud.control().answers() => Seen::Yes(cloud),
            Some(_) => Seen::NotYet("its control server does not answer".to_owned()),
            None => Seen::NotYet("no cloud.json".to_owned()),
        })
    });
    match started {
        Ok(cloud) => Ok(cloud),
        Err(error) => {
            process::stop(child.id(), STOP_PATIENCE)?;
            Err(error.context(format!(
                "start the local cloud; its log ends with:\n{}",
                tail(&log)
            )))
        }
    }
}

/// Stops the cloud of this directory; answers whether one ran.
///
/// # Errors
/// When it cannot be stopped.
pub fn stop(directory: &Path) -> Result<bool> {
    let Some(cloud) = running(directory)? else {
        return Ok(false);
    };
    process::stop(cloud.pid, STOP_PATIENCE).context("stop the local cloud")?;
    // A cloud that had to be killed did not remove it itself.
    remove_if_there(&description(directory))?;
    Ok(true)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
