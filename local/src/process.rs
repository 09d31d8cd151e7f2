//! Child processes: run to their end, ended early when a person presses Ctrl-C.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, kill_process_group, test_kill_process, waitpid,
};

/// How long a child may take to end after it was asked to, before it is killed with all that it started.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many last lines of a failed command are shown.
const SHOWN_LINES: usize = 30;

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT, SIGTERM and SIGHUP do not end this process at once: [`interrupted`] answers true instead, for
/// good, so that nothing new is begun and what was started is torn down.
///
/// # Errors
/// When the signals cannot be registered.
pub fn watch_for_interruption() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .context("register the handler of signals")?;
    }
    Ok(())
}

/// Whether a person or the system asked this process to end.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED
        .get()
        .is_some_and(|flag| flag.load(Ordering::SeqCst))
}

/// # Errors
/// When this process was asked to end.
pub fn check_interruption() -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    Ok(())
}

/// Runs a command to its end; `on_line` gets each line of its standard output and standard error, in order. A line ends
/// with a line feed, or with the carriage return by which programs write their progress over itself.
///
/// # Errors
/// When it cannot be started, or this process was interrupted (the command is ended then, with all that it started).
pub fn run_lines(
    command: &mut Command,
    mut on_line: impl FnMut(&str) -> Result<()>,
) -> Result<ExitStatus> {
    check_interruption()?;
    let name = name(command);
    let (reader, writer) = std::io::pipe().with_context(|| format!("open a pipe for {name}"))?;
    let error_writer = writer
        .try_clone()
        .with_context(|| format!("open a pipe for {name}"))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(error_writer)
        // A group of its own, to be ended as a whole. Ctrl-C reaches this process only, which passes it on.
        .process_group(0)
        .spawn();
    // The command keeps the writing ends of the pipe; without this the reader would never see the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.with_context(|| format!("start {name}"))?;
    let outcome = follow(&mut child, reader, &mut on_line);
    if outcome.is_err() {
        end(&mut child);
    }
    outcome?;
    child.wait().with_context(|| format!("wait for {name}"))
}

fn follow(
    child: &mut Child,
    reader: PipeReader,
    on_line: &mut impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = Lines::default();
        let mut reader = BufReader::new(reader);
        loop {
            let taken = match reader.fill_buf() {
                Ok([]) | Err(_) => break,
                Ok(bytes) => {
                    lines.take(bytes);
                    bytes.len()
                }
            };
            reader.consume(taken);
            if lines.ended.drain(..).any(|line| sender.send(line).is_err()) {
                return;
            }
        }
        // Nobody may listen any more, which is nobody's loss then.
        let _ = lines.rest().map(|line| sender.send(line));
    });
    let mut ended: Option<Instant> = None;
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => on_line(&line)?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                check_interruption()?;
                // A grandchild that outlives the command may hold the pipe open: its lines are not waited for.
                if ended.is_none() && matches!(child.try_wait(), Ok(Some(_))) {
                    ended = Some(Instant::now());
                }
                if ended.is_some_and(|since| since.elapsed() > Duration::from_secs(2)) {
                    return Ok(());
                }
            }
        }
    }
}

/// Bytes cut into lines.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    ended: Vec<String>,
    /// A line feed right after a carriage return ends nothing more.
    has_returned: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let has_returned = std::mem::replace(&mut self.has_returned, *byte == b'\r');
            match byte {
                b'\n' if !has_returned => self.end(),
                b'\r' if !self.begun.is_empty() => self.end(),
                b'\n' | b'\r' => {}
                byte => self.begun.push(*byte),
            }
        }
    }

    fn end(&mut self) {
        let line = std::mem::take(&mut self.begun);
        self.ended.push(String::from_utf8_lossy(&line).into_owned());
    }

    fn rest(mut self) -> Option<String> {
        if self.begun.is_empty() {
            return None;
        }
        self.end();
        self.ended.pop()
    }
}

/// Ends a child, which leads a group of its own, and whatever is in that group.
fn end(child: &mut Child) {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return;
    };
    // An error says that nothing of the group runs any more.
    if kill_process_group(group, Signal::TERM).is_ok() {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // What the child started may outlive it.
        let _ = kill_process_group(group, Signal::KILL);
    }
    drop(child.wait());
}

/// Runs a command to its end with its output appended to a file.
///
/// # Errors
/// When it cannot be started or fails; the error shows the last lines that it printed.
pub fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    run_logged_and_watched(command, log, |_| true)
}

/// Runs a command to its end with its output appended to a file, but for the lines for which `keep` answers false.
///
/// # Errors
/// When it cannot be started or fails; the error shows the last lines that were kept.
pub fn run_logged_and_watched(
    command: &mut Command,
    log: &Path,
    mut keep: impl FnMut(&str) -> bool,
) -> Result<()> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("open {}", log.display()))?;
    let mut last = VecDeque::new();
    let status = run_lines(command, |line| {
        if !keep(line) {
            return Ok(());
        }
        if last.len() == SHOWN_LINES {
            last.pop_front();
        }
        last.push_back(line.to_owned());
        writeln!(file, "{line}").with_context(|| format!("write {}", log.display()))
    })?;
    if status.success() {
        return Ok(());
    }
    let last: Vec<String> = last.into();
    bail!(
        "{} ended with {status}:\n{}",
        name(command),
        last.join("\n")
    )
}

/// What a command printed on its standard output.
///
/// # Errors
/// When it cannot be started or fails; the error shows its standard error.
pub fn capture(command: &mut Command) -> Result<String> {
    check_interruption()?;
    let name = name(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("read the output of {name}"))
}

/// A command's program and its first two arguments, for messages.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args().take(2))
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a process with this id runs. One that ended and was a child of this process is collected and does not count.
#[must_use]
pub fn runs(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    // Collects it when it is a child of ours that has ended; an error says that it is not a child of ours.
    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    test_kill_process(pid).is_ok()
}

/// The command line of a running process, where the system shows it.
#[must_use]
pub fn command_line(pid: u32) -> Option<String> {
    if let Ok(bytes) = std::fs::read(format!("/proc/{pid}/cmdline")) {
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
    }
    capture(Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()])).ok()
}

/// How much memory a process holds now, in KiB, where the system tells it.
#[must_use]
pub fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Kills a process, which can do nothing about it.
///
/// # Errors
/// When there is none, or it is somebody else's.
pub fn kill(pid: u32) -> Result<()> {
    let target = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .with_context(|| format!("{pid} is not a process id"))?;
    kill_process(target, Signal::KILL).with_context(|| format!("kill process {pid}"))
}

/// Asks a process to end, and kills it when it does not within `patience`.
///
/// # Errors
/// When it still runs after that.
pub fn stop(pid: u32, patience: Duration) -> Result<()> {
    let target = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .with_context(|| format!("{pid} is not a process id"))?;
    for (signal, patience) in [
        (Signal::TERM, patience),
        (Signal::KILL, Duration::from_secs(5)),
    ] {
        if kill_process(target, signal).is_err() && !runs(pid) {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !runs(pid) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    bail!("process {pid} does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_outputs_arrive_in_order() {
        let mut lines = Vec::new();
        let status = run_lines(
            &mut shell("echo one; echo two >&2; printf three; exit 3"),
            |line| {
                lines.push(line.to_owned());
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn progress_that_is_written_over_itself_arrives_piece_by_piece() {
        let mut lines = Vec::new();
        let script = r"printf 'crate 1\rcrate 2\r\r\nwindows\r\n\nlast'";
        run_lines(&mut shell(script), |line| {
            lines.push(line.to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(lines, ["crate 1", "crate 2", "windows", "", "last"]);
    }

    #[test]
    fn a_command_that_is_ended_takes_with_it_what_it_started() {
        let mut pid = None;
        let error = run_lines(&mut shell("sleep 600 & echo $!; wait"), |line| {
            pid = Some(line.parse::<u32>().unwrap());
            bail!("enough");
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "enough");
        let pid = pid.unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while runs(pid) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!runs(pid), "the process that the command started runs on");
    }

    #[test]
    fn a_failed_command_shows_what_it_printed() {
        let log =
            std::env::temp_dir().join(format!("longshore-process-{}.log", std::process::id()));
        let error = run_logged(&mut shell("echo the disk is full >&2; exit 1"), &log).unwrap_err();
        std::fs::remove_file(&log).unwrap();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert!(error.to_string().starts_with("sh -c"), "{error}");
    }

    #[test]
    fn a_process_that_ignores_the_request_is_killed() {
        let mut child = shell("trap '' TERM; while :; do sleep 1; done")
            .spawn()
            .unwrap();
        assert!(runs(child.id()));
        stop(child.id(), Duration::from_millis(100)).unwrap();
        assert!(!runs(child.id()));
        assert!(child.try_wait().is_err(), "it was collected already");
    }
}
