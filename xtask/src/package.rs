//! `cargo xtask package`: the functions as one Lambda package, which each function starts with a handler of its own.
//!
//! The same sources give the same bytes on every machine and in every folder: the program is compiled so, and the
//! archive holds no time. Otherwise Terraform would update every function at every build.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use longshore_local::archive::{self, Compression};
use longshore_local::environment;
use longshore_local::files;
use longshore_local::process::capture;
use longshore_local::python::Python;
use longshore_local::workspace::{PACKAGE, Workspace};
use sha2::{Digest, Sha256};

use crate::terminal::{Style, Terminal, padded};
use crate::{compile, sbom};

/// The functions, by the handlers that name them.
const FUNCTIONS: [&str; 6] = ["provision", "deploy", "watch", "sync", "notify", "press"];

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
    architecture: String,
    size: usize,
    digest: String,
}

impl std::fmt::Display for Package {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} {:>10}  {}",
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
        packages.push(for_aws(workspace, &python, architecture, &mut terminal)?.package);
    }
    let mut output = Terminal::standard_output();
    let heading = format!("{} {:>10}  sha256", padded("for", 8), "bytes");
    let heading = output.styled(Style::Bold, &heading);
    output.line(&heading);
    for package in packages {
        output.line(&package.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// What was made for AWS.
pub struct Built {
    /// The functions' package.
    pub package: Package,
    /// Where everything is.
    pub programs: environment::Programs,
}

/// Compiles the programs for one architecture (`x86_64` or `arm64`) of AWS and packs the functions'.
pub fn for_aws(
    workspace: &Workspace,
    python: &Python,
    architecture: &'static str,
    terminal: &mut Terminal,
) -> Result<Built> {
    let program = compile::for_aws(workspace, python, architecture, terminal)?;
    packed(workspace, architecture, program)
}

/// Packs the program that was compiled for an architecture.
pub fn packed(
    workspace: &Workspace,
    architecture: &'static str,
    program: compile::Program,
) -> Result<Built> {
    let archive = pack(&program.path, Compression::Smallest)?;
    let packages = workspace.packages();
    let folder = packages.join(architecture);
    files::write(&folder.join(PACKAGE), &archive)?;
    let bill = sbom::of_program(workspace, compile::target(architecture), sbom::ON_AWS)?;
    files::write(&folder.join(sbom::FILE), &bill)?;
    Ok(Built {
        package: Package {
            architecture: architecture.to_owned(),
            size: archive.len(),
            digest: hex::encode(Sha256::digest(&archive)),
        },
        programs: environment::Programs {
            architecture,
            packages,
            bottle_sync: program.path,
        },
    })
}

impl Built {
    /// Looks at what was made from outside: what holds, and whether it does. It must be for this machine.
    ///
    /// # Errors
    /// When the program cannot be read.
    pub fn checks(&self, workspace: &Workspace) -> Result<Vec<(String, Result<()>)>> {
        let mut checks = Vec::new();
        let program = &self.programs.bottle_sync;
        let content =
            std::fs::read(program).with_context(|| format!("read {}", program.display()))?;
        for (folder, _) in compile::fixed_names(workspace)? {
            let folder = folder.to_string_lossy().into_owned();
            let holds = content
                .windows(folder.len())
                .any(|window| window == folder.as_bytes());
            let outcome = if holds {
                Err(anyhow!("{} names {folder}", program.display()))
            } else {
                Ok(())
            };
            checks.push((format!("it names no {folder}"), outcome));
        }
        for function in FUNCTIONS {
            let mut command = Command::new(program);
            command.env_clear().env("_HANDLER", function);
            checks.push((
                format!("it is {function}, and says what it lacks"),
                fails_with(&mut command, "STATE_BUCKET_NAME"),
            ));
        }
        let mut command = Command::new(program);
        command.env_clear().arg("--version");
        checks.push((
            "it is the bottles' task, and starts".to_owned(),
            capture(&mut command).map(drop),
        ));
        Ok(checks)
    }
}

fn fails_with(command: &mut Command, words: &str) -> Result<()> {
    let output = command.output().context("start the program")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && said.contains(words),
        "it ended with {} and said {said:?}",
        output.status
    );
    Ok(())
}

/// Compiles the program for this machine and packs it for the local cloud, unless that is done already.
pub fn for_this_machine(
    workspace: &Workspace,
    architecture: &'static str,
    terminal: &mut Terminal,
) -> Result<environment::Programs> {
    let program = compile::for_this_machine(workspace, terminal)?;
    let packages = workspace.local_packages();
    let path = packages.join(architecture).join(PACKAGE);
    let packed = std::fs::metadata(&path).and_then(|package| package.modified());
    let built = std::fs::metadata(&program.path)
        .and_then(|program| program.modified())
        .with_context(|| format!("read {}", program.path.display()))?;
    if !packed.is_ok_and(|packed| packed > built) {
        let stripped = stripped(workspace, &program.path);
        files::write(&path, &pack(&stripped, Compression::Fastest)?)?;
    }
    Ok(environment::Programs {
        architecture,
        packages,
        bottle_sync: program.path.clone(),
    })
}

/// A copy without symbols, half as large to upload; the program itself where binutils are missing.
fn stripped(workspace: &Workspace, program: &Path) -> PathBuf {
    let copy = workspace.path("target/local/bootstrap");
    let mut command = Command::new("strip");
    command.arg("-o").arg(&copy).arg(program);
    capture(&mut command).map_or_else(|_| program.to_owned(), |_| copy)
}

fn pack(program: &Path, compression: Compression) -> Result<Vec<u8>> {
    let content = std::fs::read(program).with_context(|| format!("read {}", program.display()))?;
    archive::of_one_file("bootstrap", 0o755, &content, compression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_architectures_are_built_unless_one_is_named() {
        assert_eq!(Architecture::All.names(), ["x86_64", "arm64"]);
        assert_eq!(Architecture::Arm64.names(), ["arm64"]);
    }
}
