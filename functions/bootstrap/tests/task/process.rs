//! The process under test.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{BUCKET, World, wait_until};

/// The process, ended with the test.
pub struct Task {
    child: Child,
    log: PathBuf,
    port: u16,
}

/// The process with its arguments and environment, before it is started.
pub struct Start {
    command: Command,
    port: u16,
}

impl Start {
    pub fn new(world: &World) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootstrap"));
        command
            .env_clear()
            .env("AWS_ENDPOINT_URL", format!("http://{}", world.aws))
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("S3_BUCKET_NAME", BUCKET)
            .env("PRIVATE_SOURCE_HOSTS", world.source.to_string())
            .env("PORT", port.to_string());
        Self { command, port }
    }

    pub fn with(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn on(mut self, shard: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg("--shard").arg(shard);
        self
    }

    pub fn start(mut self) -> Task {
        let log = scratch("logs").join(format!("{}.log", self.port));
        let file = File::create(&log).unwrap();
        let child = self
            .command
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Task {
            child,
            log,
            port: self.port,
        }
    }
}

impl Task {
    pub fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end: how it ended, and what it said.
    pub fn end(mut self) -> (ExitStatus, String) {
        let child = &mut self.child;
        let status = wait_until("the process's end", || child.try_wait().unwrap());
        (status, self.log())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// What `bottle-sync health` answers.
    pub fn health(&self) -> Option<(bool, Value)> {
        let output = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .arg("health")
            .env_clear()
            .env("PORT", self.port.to_string())
            .output()
            .unwrap();
        let body = serde_json::from_slice(&output.stdout).ok()?;
        Some((output.status.success(), body))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to do then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An empty folder for a test; `logs` is shared by all.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("bottle-sync")
        .join(name);
    if name != "logs" && path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    fs::create_dir_all(&path).unwrap();
    path
}
