//! Benchmarks of the pure crates, which are programs of theirs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use longshore_local::workspace::Workspace;

use crate::bench::results::Row;
use crate::compile;

/// Whoever gives it a file gets the figures in it.
const RESULTS: &str = "LONGSHORE_BENCH_RESULTS";
/// A valgrind, for what no other work of the machine moves.
const VALGRIND: &str = "LONGSHORE_BENCH_VALGRIND";

/// A program of `benches/`.
pub struct Program {
    package: &'static str,
    name: &'static str,
}

pub const PLAN: Program = Program {
    package: "longshore-bottles",
    name: "plan",
};

pub const RENDER: Program = Program {
    package: "longshore-stack",
    name: "stacks",
};

/// Builds it, optimised, and runs it; what it says is for whoever looks on.
///
/// # Errors
/// When it cannot be built, or fails.
pub fn run(workspace: &Workspace, program: &Program) -> Result<Vec<Row>> {
    let folder = workspace.path("target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let results = folder.join(format!("{}.json", program.name));
    if results.exists() {
        std::fs::remove_file(&results).with_context(|| format!("remove {}", results.display()))?;
    }
    let mut command = compile::cargo(workspace, "bench");
    command
        .args(["--package", program.package, "--bench", program.name])
        .env(RESULTS, &results)
        .stdin(Stdio::null());
    if let Some(valgrind) = valgrind() {
        command.env(VALGRIND, valgrind);
    }
    let status = command.status().context("start cargo bench")?;
    if !status.success() {
        bail!("cargo bench ended with {status}");
    }
    let failed = || format!("read {}", results.display());
    let text = std::fs::read(&results).with_context(failed)?;
    let mut rows: Vec<Row> = serde_json::from_slice(&text).with_context(failed)?;
    let lock = std::fs::read_to_string(workspace.path("Cargo.lock")).context("read Cargo.lock")?;
    for row in &mut rows {
        if let Some(package) = &row.package {
            let version = version(&lock, package)
                .with_context(|| format!("Cargo.lock has no package {package}"))?;
            row.against = format!("{} ({package} {version})", row.against);
        }
    }
    Ok(rows)
}

/// Where it is, if it is there and works.
fn valgrind() -> Option<PathBuf> {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null());
    let works = command.stderr(Stdio::null()).status().ok()?.success();
    works.then(|| PathBuf::from("valgrind"))
}

fn version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, entry) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(entry.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_package_is_that_of_the_lock_file() {
        let lock = "[[package]]\nname = \"serde_json_path\"\nversion = \"0.7.2\"\n\n[[package]]\nname = \
                    \"serde_json\"\nversion = \"1.0.154\"\n";
        assert_eq!(version(lock, "serde_json"), Some("1.0.154"));
        assert_eq!(version(lock, "serde"), None);
    }
}
