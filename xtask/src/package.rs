//! `cargo xtask package`: the functions as Lambda packages.
//!
//! The same sources give the same bytes on every machine and in every folder: cargo-lambda and zig are pinned in
//! `local/requirements.txt`, rustc in `rust-toolchain.toml`, crates in `Cargo.lock`; paths of this machine are mapped
//! to fixed names in what Rust and C compile; and the archive holds no time. Terraform would else update every
//! function at every build.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use longshore_local::archive;
use longshore_local::process::{capture, run_logged};
use longshore_local::python::{Python, hexadecimal};
use longshore_local::workspace::Workspace;
use sha2::{Digest, Sha256};

use crate::local::quoted;
use crate::terminal::{Style, Terminal, padded};

/// The functions, which are also the names of their programs.
pub const FUNCTIONS: [&str; 4] = ["provision", "deploy", "watch", "notify"];

#[derive(Args)]
pub struct Arguments {
    /// The architecture to build for.
    #[arg(long, value_enum, default_value_t = Architecture::All)]
    architecture: Architecture,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Architecture {
    #[value(name = "x86_64")]
    X86,
    Arm64,
    All,
}

impl Architecture {
    fn names(self) -> &'static [&'static str] {
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
    let target = target(architecture);
    require_standard_library(workspace, target, &mut progress)?;
    progress(&format!("building the functions for {architecture}"));
    std::fs::create_dir_all(workspace.target()).context("create target")?;
    // Two commands at the same time would write the same packages.
    let guard = File::create(workspace.path("target/packages.lock"))
        .context("create target/packages.lock")?;
    guard
        .lock()
        .context("wait for another command that builds the packages")?;
    let programs = workspace.path("target/lambda").join(architecture);
    let log = workspace.path("target/package.log");
    run_logged(
        &mut cargo_lambda(workspace, python, target, &programs)?,
        &log,
    )
    .with_context(|| format!("build the functions for {architecture}"))?;

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

fn require_standard_library(
    workspace: &Workspace,
    target: &str,
    progress: &mut impl FnMut(&str),
) -> Result<()> {
    let folder = sysroot(workspace)?
        .join("lib/rustlib")
        .join(target)
        .join("lib");
    if folder.is_dir() {
        return Ok(());
    }
    progress(&format!("adding rust's standard library for {target}"));
    let added = capture(
        Command::new("rustup")
            .args(["target", "add", target])
            .current_dir(workspace.root()),
    );
    match added {
        Ok(_) if folder.is_dir() => Ok(()),
        Ok(_) => bail!("rustup added {target}, but not to the toolchain that builds this checkout"),
        Err(error) => Err(error.context(format!(
            "rust's standard library for {target} is not installed and could not be added; \
             add it (rustup target add {target}) or build for another --architecture"
        ))),
    }
}

fn sysroot(workspace: &Workspace) -> Result<PathBuf> {
    let answer = capture(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(workspace.root()),
    )?;
    Ok(PathBuf::from(answer.trim()))
}

/// The commit that rustc was built from.
fn commit(workspace: &Workspace) -> Result<String> {
    let answer = capture(
        Command::new("rustc")
            .args(["--version", "--verbose"])
            .current_dir(workspace.root()),
    )?;
    answer
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .map(str::to_owned)
        .context("rustc does not say which commit it was built from")
}

fn cargo_lambda(
    workspace: &Workspace,
    python: &Python,
    target: &str,
    programs: &Path,
) -> Result<Command> {
    let mut command = Command::new(python.programs().join("cargo-lambda"));
    command
        .args([
            "lambda",
            "build",
            "--release",
            "--locked",
            "--disable-optimizations",
            "--target",
            target,
        ])
        .arg("--lambda-dir")
        .arg(programs)
        .current_dir(workspace.root());
    for function in FUNCTIONS {
        command.args(["--bin", function]);
    }
    // cargo-lambda looks for zig on the path, where the pinned one must be found first.
    let mut path = vec![python.programs()];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    command.env(
        "PATH",
        std::env::join_paths(path).context("put the pinned zig on the path")?,
    );

    let mut remaps = Vec::new();
    let mut prefix_maps = Vec::new();
    for (from, to) in fixed_names(workspace)? {
        let mapping = format!("{}={to}", from.display());
        remaps.push(format!("--remap-path-prefix={mapping}"));
        prefix_maps.push(quoted(&format!("-ffile-prefix-map={mapping}")));
    }
    // Both in a form in which a path may hold spaces.
    command.env("CARGO_ENCODED_RUSTFLAGS", remaps.join("\u{1f}"));
    command.env_remove("RUSTFLAGS");
    command.env("CFLAGS", prefix_maps.join(" "));
    command.env("CC_SHELL_ESCAPED_FLAGS", "1");
    Ok(command)
}

/// The folders of this machine whose names the compilers would write into a program, and the names written instead.
fn fixed_names(workspace: &Workspace) -> Result<Vec<(PathBuf, String)>> {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| {
            std::env::var_os("HOME").map(|home| Path::new(&home).join(OsString::from(".cargo")))
        })
        .context("find cargo's home: neither CARGO_HOME nor HOME is set")?;
    Ok(vec![
        (workspace.root().to_path_buf(), "/longshore".to_owned()),
        (cargo_home, "/cargo".to_owned()),
        // As rustc itself names them where the sources of the standard library are not installed.
        (
            sysroot(workspace)?.join("lib/rustlib/src/rust"),
            format!("/rustc/{}", commit(workspace)?),
        ),
    ])
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
