//! Stack files as the command line is given them.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use longshore_events::longshore::Problem;
use longshore_provisioning::error::Line;
use longshore_stack::read::{Reading, Selection, read};

/// A stack file, and which of its environments.
#[derive(Debug, Args)]
pub struct StackFileArguments {
    /// The stack file, in YAML or JSON; `-` for standard input
    pub file: PathBuf,
    /// Which of the file's environments
    #[arg(long)]
    pub environment: Option<String>,
}

/// Reads a stack file; `-` is standard input.
pub fn load(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut content = Vec::new();
        io::stdin()
            .read_to_end(&mut content)
            .context("read standard input")?;
        return Ok(content);
    }
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// Reads and checks a stack file for one of its environments.
pub fn open(arguments: &StackFileArguments) -> anyhow::Result<Reading> {
    let content = load(&arguments.file)?;
    let selection = Selection::Environment(arguments.environment.as_deref());
    read(&content, &selection)
        .map_err(|problems| anyhow::anyhow!(listed(&arguments.file, &problems)))
}

/// Problems as compilers write them, a line each.
pub fn listed(path: &Path, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}:{}", path.display(), Line(problem)))
        .collect();
    format!("{} cannot be used\n{}", path.display(), lines.join("\n"))
}
