//! Stack files as the command line is given them.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use longshore_events::longshore::Problem;
use longshore_provisioning::error::Line;
use longshore_stack::read::{Reading, Selection, read};

use crate::excerpt::excerpt;

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
    read(&content, &selection).map_err(|problems| {
        let content = String::from_utf8_lossy(&content);
        anyhow::anyhow!(listed(&arguments.file, &content, &problems))
    })
}

/// Problems as compilers write them, each with the word underlined that it is about.
fn listed(path: &Path, content: &str, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .flat_map(|problem| {
            let line = format!("{}:{}", path.display(), Line(problem));
            [Some(line), excerpt(content, problem)]
        })
        .flatten()
        .collect();
    format!("{} cannot be used\n{}", path.display(), lines.join("\n"))
}
