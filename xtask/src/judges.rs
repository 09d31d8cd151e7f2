//! `tests/judges`: what AWS publishes judges what was recorded, what is planned and what is rendered.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use longshore_local::process::capture;
use longshore_local::python::Python;
use longshore_local::terraform::Configuration;
use longshore_local::workspace::{COMMAND_LINE, Workspace};
use longshore_local::{cloud, files};

use crate::compile::cargo;

/// What the judges are installed from.
pub const REQUIREMENTS: &str = "tests/judges/requirements.txt";
/// Where they are installed.
pub const FOLDER: &str = "target/judges";

/// The clouds whose requests are judged, by the names of their folders.
pub const CLOUDS: [&str; 2] = ["test", "stacks"];

/// The requests of a cloud's last run, with their answers.
pub fn recording(workspace: &Workspace, name: &str) -> PathBuf {
    cloud::recording(&workspace.path("target/local").join(name)).join("calls.jsonl")
}

/// The requests of the last run of the wire tests of `shared/aws`.
pub fn wire_recording(workspace: &Workspace) -> PathBuf {
    workspace.target().join("tmp/wire.jsonl")
}

/// The command of the judges' own tests.
pub fn own_tests(workspace: &Workspace, python: &Python) -> Command {
    let mut command = Command::new(python.interpreter());
    command
        .args(["-m", "unittest", "discover"])
        .args(["-s", "tests/judges/tests", "-t", "tests/judges"])
        .current_dir(workspace.root());
    command
}

/// The command that prints every message that Longshore posts.
pub fn preview(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace, "run");
    command
        .args(["--quiet", "--bin", COMMAND_LINE])
        .args(["--", "slack", "preview"]);
    command
}

/// Plans Longshore's module, prints the messages and answers the judges' command.
///
/// # Errors
/// When Terraform fails.
pub fn command(workspace: &Workspace, python: &Python) -> Result<Command> {
    let folder = workspace.path(FOLDER);
    let plan = folder.join("plan.jsonl");
    // The folder of the part `terraform`, which has downloaded what the module needs.
    let configuration = Configuration::new(
        workspace.path("infra/modules/longshore"),
        workspace.path("target/terraform/infra-modules-longshore"),
    );
    configuration.initialise(&[], &folder.join("terraform.log"))?;
    let planned = capture(&mut configuration.command(&[
        "test",
        "-json",
        "-verbose",
        "-filter=tests/documents.tftest.hcl",
    ]))
    .context("plan infra/modules/longshore")?;
    files::write(&plan, planned.as_bytes())?;
    let messages = folder.join("messages.json");
    let printed = capture(&mut preview(workspace)).context("print the messages of Slack")?;
    files::write(&messages, printed.as_bytes())?;
    let mut command = Command::new(python.interpreter());
    command.arg("tests/judges").arg("--plan").arg(plan);
    command.arg("--messages").arg(messages);
    for name in CLOUDS {
        command.arg("--recording").arg(recording(workspace, name));
    }
    command
        .arg("--recording")
        .arg(wire_recording(workspace))
        .current_dir(workspace.root());
    Ok(command)
}
