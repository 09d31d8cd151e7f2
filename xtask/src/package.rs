//! `cargo xtask package`: the functions as Lambda packages.
//!
//! The same sources give the same bytes on every machine and in every folder: the programs are compiled so, and the
//! archive holds no time. Terraform would else update every function at every build.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use longshore_local::archive;
use longshore_local::python::{Python, hexadecimal};
use longshore_local::workspace::Workspace;
use sha2::{Digest, Sha256};

use crate::compile;
use crate::terminal::{Style, Terminal, padded};

/// The functions, which are also the names of their programs.
pub const FUNCTIONS: [&str; 5] = ["provision", "deploy", "watch", "sync", "notify"];

#[derive(Args)]
pub struct Arguments {
    /// The architecture to build for.
    #[arg(long, value_enum, default_value_t = Architecture::All)]
    architecture: Architecture,
}

/// The architectures that something is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Architecture {
    #[value(name = "x86_64")]
    X86,
    Arm64,
    All,
}

impl Architecture {
    /// As Lambda and ECS name them in lower case.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::X86 => &["x86_64"],
            Self::Arm64 => &["arm64"],
            Self::All => &["x86_64", "arm64"],
        }
    }
}

/// A package that was made.
pub struct Package {
    function: &'static str,
    architecture: String,
    size: usize,
    digest: String,
}

impl std::fmt::Display for Package {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} {} {:>10}  {}",
            padded(self.function, 10),
            padded(&self.architecture, 8),
            self.size,
            self.digest
        )
    }
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_error();
    let python = Python::ensure(workspace, |text| terminal.progress(text))?;
    let mut packages = Vec::new();
    for architecture in arguments.architecture.names() {
        packages.extend(build(workspace, &python, architecture, |text| {
            terminal.progress(text)
        })?);
    }
    let mut output = Terminal::standard_output();
    let heading = format!(
        "{} {} {:>10}  sha256",
        padded("function", 10),
        padded("for", 8),
        "bytes"
    );
    let heading = output.styled(Style::Bold, &heading);
    output.line(&heading);
    for package in packages {
        output.line(&package.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the packages for one architecture (`x86_64` or `arm64`).
pub fn build(
    workspace: &Workspace,
    python: &Python,
    architecture: &str,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Package>> {
    let programs = workspace.path("target/lambda").join(architecture);
    let build = compile::Build {
        target: target(architecture),
        profile: "release",
        programs: &FUNCTIONS,
        directory: &programs,
    };
    let _guard = build.run(workspace, python, &mut progress)?;

    let folder = workspace.packages(architecture);
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    FUNCTIONS
        .into_iter()
        .map(|function| {
            let program = programs.join(function).join("bootstrap");
            let content =
                std::fs::read(&program).with_context(|| format!("read {}", program.display()))?;
            let archive = archive::of_one_file("bootstrap", 0o755, &content)?;
            let path = folder.join(format!("{function}.zip"));
            std::fs::write(&path, &archive).with_context(|| format!("write {}", path.display()))?;
            Ok(Package {
                function,
                architecture: architecture.to_owned(),
                size: archive.len(),
                digest: hexadecimal(&Sha256::digest(&archive)),
            })
        })
        .collect()
}

fn target(architecture: &str) -> &'static str {
    if architecture == "arm64" {
        "aarch64-unknown-linux-gnu"
    } else {
        "x86_64-unknown-linux-gnu"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_architectures_are_built_unless_one_is_named() {
        assert_eq!(Architecture::All.names(), ["x86_64", "arm64"]);
        assert_eq!(Architecture::Arm64.names(), ["arm64"]);
        assert_eq!(target("arm64"), "aarch64-unknown-linux-gnu");
        assert_eq!(target("x86_64"), "x86_64-unknown-linux-gnu");
    }
}
