//! Compiling the programs: for this machine quickly, and for AWS byte for byte reproducibly.
//!
//! The demo and the end-to-end tests run what the tests are built of: the same crates, profile and features, so that
//! nothing is compiled for them alone. What goes to AWS is compiled by cargo-lambda in a profile of its own.
//!
//! There the same sources give the same bytes on every machine and in every folder: cargo-lambda and zig are pinned in
//! `emulator/requirements.txt`, rustc in `rust-toolchain.toml`, crates in `Cargo.lock`, and paths of this machine are
//! mapped to fixed names in what Rust and C compile.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use longshore_local::process::{capture, run_logged_and_watched};
use longshore_local::python::Python;
use longshore_local::workspace::{BOOTSTRAP, COMMAND_LINE, Workspace};

use crate::shell::quoted;
use crate::terminal::Terminal;

/// The profile of `Cargo.toml` for what runs on AWS.
const PROFILE: &str = "production";

/// The program of all functions and of the bottles' task, compiled. It stays as it is for as long as this lives: two
/// commands at the same time would write the same file.
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    _guard: File,
}

/// Compiles the program for this machine, as the tests are compiled.
pub fn for_this_machine(workspace: &Workspace, terminal: &mut Terminal) -> Result<Program> {
    let guard = lock(workspace, "programs")?;
    let mut command = linting(workspace, "build");
    // Of the whole workspace, as the tests: a part of it would be built with other features, all over again.
    command.args(["--workspace", "--bin", BOOTSTRAP]);
    watch(
        &mut command,
        &workspace.path("target/programs.log"),
        terminal,
    )
    .context("build the program for this machine")?;
    Ok(Program {
        path: workspace.program(BOOTSTRAP),
        _guard: guard,
    })
}

/// Compiles the program for one architecture of AWS (`x86_64` or `arm64`); it runs on any Linux.
pub fn for_aws(
    workspace: &Workspace,
    python: &Python,
    architecture: &str,
    terminal: &mut Terminal,
) -> Result<Program> {
    compile_for_aws(workspace, python, architecture, &[BOOTSTRAP], terminal)
}

/// The same with the command line, which is compiled of the same crates, in the second place.
pub fn for_release(
    workspace: &Workspace,
    python: &Python,
    architecture: &str,
    terminal: &mut Terminal,
) -> Result<(Program, PathBuf)> {
    let names = [BOOTSTRAP, COMMAND_LINE];
    let program = compile_for_aws(workspace, python, architecture, &names, terminal)?;
    Ok((
        program,
        program_for_aws(workspace, architecture, COMMAND_LINE),
    ))
}

/// Where cargo-lambda puts a program.
fn program_for_aws(workspace: &Workspace, architecture: &str, name: &str) -> PathBuf {
    let directory = workspace.path("target/lambda").join(architecture);
    directory.join(name).join("bootstrap")
}

fn compile_for_aws(
    workspace: &Workspace,
    python: &Python,
    architecture: &str,
    names: &[&str],
    terminal: &mut Terminal,
) -> Result<Program> {
    let target = target(architecture);
    require_standard_library(workspace, target, terminal)?;
    let guard = lock(workspace, "packages")?;
    let program = |name| program_for_aws(workspace, architecture, name);
    // What runs cannot be written, but removed: a task of a local cloud may run it.
    for name in names {
        remove_if_there(&program(name))?;
    }
    let directory = workspace.path("target/lambda").join(architecture);
    let mut command = cargo_lambda(workspace, python, target, &directory, names)?;
    watch(
        &mut command,
        &workspace.path("target/package.log"),
        terminal,
    )
    .with_context(|| format!("build {} for {target}", names.join(", ")))?;
    Ok(Program {
        path: program(BOOTSTRAP),
        _guard: guard,
    })
}

/// Static programs, so that one build serves Lambda and a container image with nothing else in it.
pub fn target(architecture: &str) -> &'static str {
    if architecture == "arm64" {
        "aarch64-unknown-linux-musl"
    } else {
        "x86_64-unknown-linux-musl"
    }
}

/// A command of the toolchain that `rust-toolchain.toml` names, whatever started this process, with the files of all
/// commands in the same place. It writes its progress, for [`Crates`].
pub fn cargo(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = Command::new("cargo");
    command
        .arg(subcommand)
        .env("CARGO_TARGET_DIR", workspace.target())
        .current_dir(workspace.root());
    as_from_a_shell(&mut command);
    with_progress(&mut command);
    command
}

/// The same for what is compiled to be tested: clippy compiles the crates of this workspace and lints them on the way, as
/// `cargo clippy` has it check them. Checked apart, they and all that they are made of would be read twice.
pub fn linting(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = cargo(workspace, subcommand);
    command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    command
}

fn with_progress(command: &mut Command) {
    command
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "100");
}

/// As a shell would start it. rustup hands its choice down to what it starts, in variables that are stronger than
/// `rust-toolchain.toml`. And `cargo run` says of which crate the program is: build scripts, such as that of ring, are run
/// again where that has changed, and all that is made of what they make is compiled again.
fn as_from_a_shell(command: &mut Command) {
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
        command.env_remove(variable);
    }
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(variable);
        }
    }
}

/// Runs a compilation with its output in a log, and shows which crate it is at.
pub fn watch(command: &mut Command, log: &Path, terminal: &mut Terminal) -> Result<()> {
    run_logged_and_watched(command, log, |line| {
        if let Some(crates) = Crates::read(line) {
            terminal.ticking(&crates.to_string());
            return false;
        }
        true
    })
}

/// How far cargo is: `Building [===>   ] 213/480: aws-sdk-ecs, tokio`.
#[derive(Debug, PartialEq, Eq)]
pub struct Crates<'a> {
    done: usize,
    all: usize,
    now: &'a str,
}

impl<'a> Crates<'a> {
    /// Reads a line of cargo's own progress.
    pub fn read(line: &'a str) -> Option<Self> {
        let (_, rest) = line.split_once("Building [")?;
        let (_, rest) = rest.split_once("] ")?;
        let (numbers, names) = rest.split_once(':')?;
        let (done, all) = numbers.split_once('/')?;
        let now = names
            .split([',', '\u{1b}'])
            .next()
            .unwrap_or_default()
            .trim();
        Some(Self {
            done: done.trim().parse().ok()?,
            all: all.trim().parse().ok()?,
            now,
        })
    }
}

impl std::fmt::Display for Crates<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { done, all, now } = self;
        write!(formatter, "compiling: {done} of {all} done, now {now}")
    }
}

fn lock(workspace: &Workspace, name: &str) -> Result<File> {
    std::fs::create_dir_all(workspace.target()).context("create target")?;
    let path = workspace.target().join(format!("{name}.lock"));
    let guard = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    guard
        .lock()
        .with_context(|| format!("wait for another command that builds the {name}"))?;
    Ok(guard)
}

fn remove_if_there(program: &Path) -> Result<()> {
    match std::fs::remove_file(program) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", program.display()))
        }
        _ => Ok(()),
    }
}

fn require_standard_library(
    workspace: &Workspace,
    target: &str,
    terminal: &mut Terminal,
) -> Result<()> {
    let folder = sysroot(workspace)?
        .join("lib/rustlib")
        .join(target)
        .join("lib");
    if folder.is_dir() {
        return Ok(());
    }
    terminal.progress(&format!("adding rust's standard library for {target}"));
    let mut command = Command::new("rustup");
    command
        .args(["target", "add", target])
        .current_dir(workspace.root());
    as_from_a_shell(&mut command);
    let added = capture(&mut command);
    match added {
        Ok(_) if folder.is_dir() => Ok(()),
        Ok(_) => bail!("rustup added {target}, but not to the toolchain that builds this checkout"),
        Err(error) => Err(error.context(format!(
            "rust's standard library for {target} is not installed and could not be added; \
             add it (rustup target add {target}) or build for another --architecture"
        ))),
    }
}

fn rustc(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("rustc");
    command.args(arguments).current_dir(workspace.root());
    as_from_a_shell(&mut command);
    capture(&mut command)
}

fn sysroot(workspace: &Workspace) -> Result<PathBuf> {
    let answer = rustc(workspace, &["--print", "sysroot"])?;
    Ok(PathBuf::from(answer.trim()))
}

/// The commit that rustc was built from.
fn commit(workspace: &Workspace) -> Result<String> {
    rustc(workspace, &["--version", "--verbose"])?
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .map(str::to_owned)
        .context("rustc does not say which commit it was built from")
}

fn cargo_lambda(
    workspace: &Workspace,
    python: &Python,
    target: &str,
    directory: &Path,
    names: &[&str],
) -> Result<Command> {
    let mut command = Command::new(python.programs().join("cargo-lambda"));
    command
        .args([
            "lambda",
            "build",
            "--locked",
            "--disable-optimizations",
            "--profile",
            PROFILE,
            "--target",
            target,
        ])
        .args(names.iter().flat_map(|name| ["--bin", name]))
        .arg("--lambda-dir")
        .arg(directory)
        .current_dir(workspace.root());
    as_from_a_shell(&mut command);
    with_progress(&mut command);
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
pub fn fixed_names(workspace: &Workspace) -> Result<Vec<(PathBuf, String)>> {
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
    fn the_crate_that_cargo_is_at_is_read_from_its_progress() {
        let line = "    Building [=========>            ] 213/480: aws-sdk-ecs, tokio\u{1b}[K";
        let crates = Crates::read(line).unwrap();
        assert_eq!(
            crates.to_string(),
            "compiling: 213 of 480 done, now aws-sdk-ecs"
        );
        for line in [
            "   Compiling serde v1.0.229",
            "    Building [=> ] x/480: tokio",
            "    Building [",
        ] {
            assert_eq!(Crates::read(line), None, "{line}");
        }
    }

    #[test]
    fn no_command_of_cargo_is_told_of_the_crate_that_asks_for_it() {
        let command = cargo(&Workspace::of_this_build(), "build");
        let removed: Vec<_> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        // A test, as a program, is run with what cargo says of its crate.
        for variable in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            assert!(removed.iter().any(|name| name == variable), "{removed:?}");
        }
    }

    #[test]
    fn one_target_serves_functions_and_task() {
        assert_eq!(target("arm64"), "aarch64-unknown-linux-musl");
        assert_eq!(target("x86_64"), "x86_64-unknown-linux-musl");
    }
}
