//! `cargo xtask upgrade`: functions of two versions work on the same rollouts, as while an installation is upgraded.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;
use longshore_local::process::capture;
use longshore_local::workspace::Workspace;

use crate::terminal::Terminal;
use crate::{package, test, tools};

#[derive(Args)]
pub struct Arguments {
    /// The other version: a tag, a branch or a commit of this repository.
    #[arg(long)]
    from: String,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let architecture = tools::host_architecture()?;
    let mut terminal = Terminal::standard_output();
    let other = checkout(workspace, &arguments.from)?;
    terminal.line(&format!("building the functions of {}", arguments.from));
    let programs = package::for_this_machine(&other, architecture, &mut terminal)
        .with_context(|| format!("build {}", arguments.from))?;
    test::upgrade(workspace, &programs.packages.join(architecture))
}

/// A checkout of the other version below `target`, which keeps what was built in it.
fn checkout(workspace: &Workspace, revision: &str) -> Result<Workspace> {
    let commit = git(
        workspace.root(),
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("{revision}^{{commit}}"),
        ],
    )
    .with_context(|| format!("--from {revision}: this repository has no such commit"))?;
    let commit = commit.trim();
    let folder = workspace.path("target/upgrade").join(commit);
    if !folder.join("Cargo.toml").is_file() {
        let path = folder
            .to_str()
            .context("the folder of this checkout has a name that git cannot be given")?;
        git(workspace.root(), &["worktree", "prune"])?;
        git(
            workspace.root(),
            &["worktree", "add", "--detach", path, commit],
        )?;
    }
    ensure!(
        folder.join("functions/bootstrap").is_dir(),
        "--from {revision}: that version has a package for each function; this command knows versions with one \
         package for all of them"
    );
    Ok(Workspace::at(folder))
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    capture(Command::new("git").args(arguments).current_dir(folder))
}
