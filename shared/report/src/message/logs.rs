//! What containers wrote before their task died.

use longshore_events::longshore::ContainerLog;

use super::console::Console;
use super::draft::NAME;
use super::text::{code, quote};

/// Room for what a container wrote.
const LOG: usize = 1_500;
const LOG_LINES: usize = 10;
/// The link to all that it wrote.
const WHOLE: &str = "whole log";

/// A paragraph for each of the first `count` containers that wrote anything.
pub(super) fn last_lines(
    logs: &[ContainerLog],
    count: usize,
    console: &Console,
) -> impl Iterator<Item = String> {
    let shown = logs.iter().filter_map(|log| lines_of(log, console));
    shown.take(count)
}

/// What a container wrote before its task died, as a quotation.
fn lines_of(log: &ContainerLog, console: &Console) -> Option<String> {
    let mut room = LOG;
    let mut lines: Vec<&str> = Vec::new();
    // The end says what went wrong.
    for line in log.lines.iter().flatten().rev().take(LOG_LINES) {
        let message = line.message.trim_end();
        let length = message.chars().count();
        if length > room && !lines.is_empty() {
            break;
        }
        room = room.saturating_sub(length);
        lines.insert(0, message);
    }
    if lines.is_empty() {
        return None;
    }
    let container = code(&log.stream.container, NAME);
    let quoted = quote(&lines.join("\n"), LOG, LOG_LINES);
    let whole = console.log(&log.stream, WHOLE);
    let whole = (whole != WHOLE).then(|| format!("  {whole}"));
    Some(format!(
        "*Last lines of {container}:*{}\n{quoted}",
        whole.unwrap_or_default()
    ))
}
