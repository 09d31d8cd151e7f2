//! Python environments in `target/`, made from pinned requirements: above all that of the local cloud and of packaging,
//! `target/local/venv`, made from `emulator/requirements.txt`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::process::{capture, run_logged};
use crate::workspace::Workspace;

/// The oldest Python that the local cloud runs on.
pub const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// An installed environment.
#[derive(Debug, Clone)]
pub struct Python {
    directory: PathBuf,
}

impl Python {
    #[must_use]
    pub fn interpreter(&self) -> PathBuf {
        self.directory.join("bin/python")
    }

    /// The folder of the programs installed into it.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.directory.join("bin")
    }

    /// Makes the local cloud's environment, or finds it made already.
    ///
    /// # Errors
    /// As [`Self::ensure_from`].
    pub fn ensure(workspace: &Workspace, progress: impl FnMut(&str)) -> Result<Self> {
        Self::ensure_from(
            workspace,
            "emulator/requirements.txt",
            "target/local",
            progress,
        )
    }

    /// Makes the environment `<folder>/venv` of what `requirements` pins, or finds it made already: it is installed
    /// again only when the requirements changed. Both are paths inside the checkout. `progress` is called when
    /// something has to be installed.
    ///
    /// # Errors
    /// When no Python is new enough or the installation fails.
    pub fn ensure_from(
        workspace: &Workspace,
        requirements: &str,
        folder: &str,
        mut progress: impl FnMut(&str),
    ) -> Result<Self> {
        let shown = requirements;
        let requirements = workspace.path(requirements);
        let folder = workspace.path(folder);
        let directory = folder.join("venv");
        let log = folder.join("venv.log");
        let lock = folder.join("venv.lock");
        let wanted = fingerprint(&requirements)?;
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        // Two commands at the same time must not install into the same folder.
        let guard = File::create(&lock).with_context(|| format!("create {}", lock.display()))?;
        guard
            .lock()
            .context("wait for another command that installs the Python environment")?;

        let mark = directory.join("requirements.sha256");
        if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
            return Ok(Self { directory });
        }
        progress(&format!("installing the Python environment from {shown}"));
        if directory.exists() {
            std::fs::remove_dir_all(&directory)
                .with_context(|| format!("remove {}", directory.display()))?;
        }
        let interpreter = find()?;
        run_logged(
            Command::new(interpreter)
                .args(["-m", "venv"])
                .arg(&directory),
            &log,
        )?;
        let environment = Self { directory };
        run_logged(
            Command::new(environment.interpreter())
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--disable-pip-version-check",
                    "--no-input",
                    "--require-hashes",
                    "-r",
                ])
                .arg(&requirements),
            &log,
        )
        .with_context(|| format!("install the packages of {shown} (log: {})", log.display()))?;
        std::fs::write(&mark, wanted).with_context(|| format!("write {}", mark.display()))?;
        Ok(environment)
    }
}

fn fingerprint(requirements: &Path) -> Result<String> {
    let content =
        std::fs::read(requirements).with_context(|| format!("read {}", requirements.display()))?;
    Ok(hex::encode(Sha256::digest(content)))
}

/// The first Python on the path that is new enough.
///
/// # Errors
/// When there is none; the error names those that were found.
pub fn find() -> Result<PathBuf> {
    let mut seen = Vec::new();
    for name in [
        "python3",
        "python3.14",
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
    ] {
        let script = "import sys; print(sys.executable); print(*sys.version_info[:2])";
        let Ok(answer) = capture(Command::new(name).args(["-c", script])) else {
            continue;
        };
        let mut lines = answer.lines();
        let (Some(path), Some(version)) = (lines.next(), lines.next().and_then(parse_version))
        else {
            continue;
        };
        if version >= OLDEST_PYTHON {
            return Ok(PathBuf::from(path));
        }
        seen.push(format!("{path} is {}.{}", version.0, version.1));
    }
    let (major, minor) = OLDEST_PYTHON;
    if seen.is_empty() {
        bail!("python {major}.{minor} or newer is needed, and no python3 is on the path");
    }
    bail!(
        "python {major}.{minor} or newer is needed: {}",
        seen.join(", ")
    )
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
