//! The tools that must be on this machine before anything starts.

use std::process::Command;

use anyhow::{Result, bail};
use longshore_local::process::capture;
use longshore_local::{python, terraform};

/// The architecture of this machine, as Lambda names it.
///
/// # Errors
/// When Lambda has no such architecture.
pub fn host_architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("x86_64"),
        "aarch64" => Ok("arm64"),
        other => bail!(
            "the local cloud runs the functions on this machine, and lambda has no architecture {other}"
        ),
    }
}

/// Checks all of them, so that everything that is missing is reported at once. Answers what was found.
///
/// # Errors
/// When one is missing or too old.
pub fn check() -> Result<Vec<String>> {
    let checks = [
        system(),
        capture(Command::new("rustc").arg("--version")).map(|version| version.trim().to_owned()),
        python::find().map(|path| format!("python {}", path.display())),
        terraform::version().map(|version| format!("terraform {version}")),
    ];
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for check in checks {
        match check {
            Ok(tool) => found.push(tool),
            Err(error) => missing.push(format!("  - {error:#}")),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    bail!("this machine lacks tools:\n{}", missing.join("\n"))
}

fn system() -> Result<String> {
    if std::env::consts::OS != "linux" {
        bail!(
            "linux is needed, because the local cloud runs the functions' linux programs: this is {}",
            std::env::consts::OS
        );
    }
    Ok(format!("linux {}", host_architecture()?))
}
