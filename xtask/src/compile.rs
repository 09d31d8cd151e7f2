//! Compiling programs for another machine, byte for byte reproducibly.
//!
//! The same sources give the same bytes on every machine and in every folder: cargo-lambda and zig are pinned in
//! `local/requirements.txt`, rustc in `rust-toolchain.toml`, crates in `Cargo.lock`, and paths of this machine are
//! mapped to fixed names in what Rust and C compile.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use longshore_local::process::{capture, run_logged};
use longshore_local::python::Python;
use longshore_local::workspace::Workspace;

use crate::local::quoted;

/// What is compiled, and how.
pub struct Build<'a> {
    /// The target triple.
    pub target: &'a str,
    /// The profile of `Cargo.toml`.
    pub profile: &'a str,
    /// The programs' names.
    pub programs: &'a [&'a str],
    /// Where each program goes, as `<program>/bootstrap`.
    pub directory: &'a Path,
}

impl Build<'_> {
    /// Compiles. What it has written stays as it is for as long as the answer lives: two commands at the same time
    /// would write the same files.
    pub fn run(
        &self,
        workspace: &Workspace,
        python: &Python,
        progress: &mut impl FnMut(&str),
    ) -> Result<File> {
        require_standard_library(workspace, self.target, progress)?;
        let programs = self.programs.join(", ");
        progress(&format!("building {programs} for {}", self.target));
        std::fs::create_dir_all(workspace.target()).context("create target")?;
        let guard = File::create(workspace.path("target/packages.lock"))
            .context("create target/packages.lock")?;
        guard
            .lock()
            .context("wait for another command that builds the packages")?;
        for program in self.programs {
            remove_if_there(&self.directory.join(program).join("bootstrap"))?;
        }
        let log = workspace.path("target/package.log");
        run_logged(&mut cargo_lambda(workspace, python, self)?, &log)
            .with_context(|| format!("build {programs} for {}", self.target))?;
        Ok(guard)
    }
}

/// What runs cannot be written, but removed: a task of a local cloud may run it.
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

fn cargo_lambda(workspace: &Workspace, python: &Python, build: &Build<'_>) -> Result<Command> {
    let mut command = Command::new(python.programs().join("cargo-lambda"));
    command
        .args([
            "lambda",
            "build",
            "--locked",
            "--disable-optimizations",
            "--profile",
            build.profile,
            "--target",
            build.target,
        ])
        .arg("--lambda-dir")
        .arg(build.directory)
        .current_dir(workspace.root());
    for program in build.programs {
        command.args(["--bin", program]);
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
