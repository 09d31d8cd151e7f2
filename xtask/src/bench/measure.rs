//! What a process costs, from its start to its end.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use longshore_local::process::interrupted;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::Serialize;

/// How often its memory is looked at. The kernel keeps the highest, so only what grows in the very last
/// moments is missed.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    pub wall_seconds: f64,
    /// Of all its threads, in user and in system mode.
    pub cpu_seconds: f64,
    pub peak_memory_mib: f64,
}

impl Cost {
    /// Of one process after the other.
    pub fn and_then(self, other: Self) -> Self {
        Self {
            wall_seconds: self.wall_seconds + other.wall_seconds,
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            peak_memory_mib: self.peak_memory_mib.max(other.peak_memory_mib),
        }
    }
}

/// Runs a command to its end, which must be a good one; what it says goes to `log`.
///
/// # Errors
/// When it cannot be started, fails, or this process was interrupted.
pub fn measure(command: &mut Command, log: &Path) -> Result<Cost> {
    let output = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let errors = output.try_clone().context("open the log a second time")?;
    let program = command.get_program().display().to_string();
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let cost = watch(&mut child, begin);
    if cost.is_err() {
        // It may have ended already.
        let _ = child.kill();
    }
    let status = child
        .wait()
        .with_context(|| format!("wait for {program}"))?;
    let cost = cost?;
    if !status.success() {
        bail!("{program} ended with {status}, see {}", log.display());
    }
    Ok(cost)
}

fn watch(child: &mut Child, begin: Instant) -> Result<Cost> {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("the process has no id")?;
    let mut peak_memory_mib = 0.0;
    loop {
        if let Some(found) = highest_memory(child.id()) {
            peak_memory_mib = found;
        }
        // Without taking its end: what it has cost is to be read until then.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if waitid(WaitId::Pid(pid), options)
            .context("look at the process")?
            .is_some()
        {
            break;
        }
        if interrupted() {
            bail!("interrupted");
        }
        std::thread::sleep(LOOK);
    }
    let wall_seconds = begin.elapsed().as_secs_f64();
    let status = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))
        .context("read the costs of the process")?;
    Ok(Cost {
        wall_seconds,
        cpu_seconds: cpu_seconds(&status).context("read the costs of the process")?,
        peak_memory_mib,
    })
}

/// `VmHWM` of proc(5), in MiB.
fn highest_memory(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// `utime` and `stime` of proc(5), after the name, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured() {
        let log = std::env::temp_dir().join(format!("longshore-measure-{}", std::process::id()));
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done";
        let cost = measure(Command::new("sh").args(["-c", script]), &log).unwrap();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "done\n");
        assert!(
            cost.wall_seconds > 0.0 && cost.peak_memory_mib > 0.1,
            "{cost:?}"
        );
        let error = measure(Command::new("sh").args(["-c", "exit 3"]), &log).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(200.0 / ticks));
    }
}
