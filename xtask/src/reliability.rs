//! `docs/reliability.md`: the tables in it are written from what the tests of faults and the soak saw.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use longshore_local::files;
use longshore_local::workspace::Workspace;
use serde::Deserialize;

use crate::durations::text;

const DOCUMENT: &str = "docs/reliability.md";

#[derive(Args)]
pub struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// How many services are pushed to.
    #[arg(long, default_value_t = 50)]
    services: usize,
    /// How many events come at once.
    #[arg(long, default_value_t = 1_000)]
    events: usize,
}

/// What came of a day under a fault, as `tests/tests/reliability.rs` writes it.
#[derive(Deserialize)]
struct Day {
    injected: String,
    calls: u64,
    asked_for: usize,
    told_twice: usize,
    reconciled: bool,
    resent: usize,
    seconds: u64,
}

/// What a lap of the soak took.
#[derive(Deserialize)]
struct Lap {
    minute: u64,
    injected: String,
    calls: u64,
    events: usize,
    seconds: u64,
    /// By function.
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    function: String,
    milliseconds: u64,
    kibibytes: u64,
}

impl Arguments {
    /// What the test reads of them.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("LONGSHORE_SOAK_MINUTES", self.minutes.to_string()),
            ("LONGSHORE_SOAK_SERVICES", self.services.to_string()),
            ("LONGSHORE_SOAK_EVENTS", self.events.to_string()),
        ]
    }
}

/// Writes the table of a test (`faults` or `soak`) into the document; answers it.
pub fn write(workspace: &Workspace, name: &str, directory: &Path) -> Result<String> {
    let path = directory.join("reliability.jsonl");
    let lines =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let table = if name == "soak" {
        soak_table(&lines)?
    } else {
        faults_table(&lines)?
    };
    let path = workspace.path(DOCUMENT);
    let document = std::fs::read_to_string(&path).with_context(|| format!("read {DOCUMENT}"))?;
    let document = replaced(&document, name, &table)
        .with_context(|| format!("{DOCUMENT} has no place for the table of {name}"))?;
    files::write(&path, document.as_bytes())?;
    Ok(table)
}

fn read<T: serde::de::DeserializeOwned>(lines: &str) -> Result<Vec<T>> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("read {line}")))
        .collect()
}

fn faults_table(lines: &str) -> Result<String> {
    let mut table =
        "| what went wrong | calls | asked for | lost | posted twice | needed | took |\n\
                     | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for day in read::<Day>(lines)? {
        let needed = match (day.reconciled, day.resent) {
            (false, _) => "nothing".to_owned(),
            (true, 0) => "the reconcile".to_owned(),
            (true, 1) => "the reconcile, 1 event sent again".to_owned(),
            (true, resent) => format!("the reconcile, {resent} events sent again"),
        };
        table.push_str(&format!(
            "| {} | {} | {} | nothing | {} | {needed} | {} |\n",
            day.injected,
            day.calls,
            day.asked_for,
            day.told_twice,
            text(std::time::Duration::from_secs(day.seconds)),
        ));
    }
    Ok(table)
}

fn soak_table(lines: &str) -> Result<String> {
    let laps: Vec<Lap> = read(lines)?;
    let mut table = "| minute | what went wrong | calls | events | took".to_owned();
    let names = laps.first().map_or(&[][..], |lap| &lap.functions);
    for function in names {
        table.push_str(&format!(" | `{}`", function.function));
    }
    table.push_str(" |\n");
    table.push_str(&"| --- ".repeat(5 + names.len()));
    table.push_str("|\n");
    for lap in &laps {
        table.push_str(&format!(
            "| {} | {} | {} | {} | {} s",
            lap.minute, lap.injected, lap.calls, lap.events, lap.seconds
        ));
        for function in &lap.functions {
            table.push_str(&format!(
                " | {} ms, {:.1} MiB",
                function.milliseconds,
                function.kibibytes as f64 / 1024.0
            ));
        }
        table.push_str(" |\n");
    }
    Ok(table)
}

/// The document with another table between the marks of its name.
fn replaced(document: &str, name: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- written by a command: {name} -->\n");
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}{begin}\n{table}\n<!-- end -->{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_of_its_name_is_replaced() {
        let document = "a\n<!-- written by a command: faults -->\nold\n<!-- end -->\nb\n\
                        <!-- written by a command: soak -->\nlaps\n<!-- end -->\n";
        assert_eq!(
            replaced(document, "faults", "| new |\n").unwrap(),
            "a\n<!-- written by a command: faults -->\n\n| new |\n\n<!-- end -->\nb\n\
             <!-- written by a command: soak -->\nlaps\n<!-- end -->\n"
        );
        assert_eq!(replaced(document, "other", ""), None);
    }

    #[test]
    fn a_row_says_what_went_wrong_and_what_was_needed() {
        let line = r#"{"injected": "ECS gone", "calls": 31, "asked_for": 14, "told_twice": 0,
            "reconciled": true, "resent": 2, "seconds": 75}"#
            .replace('\n', "");
        let table = faults_table(&line).unwrap();
        assert_eq!(
            table.lines().last().unwrap(),
            "| ECS gone | 31 | 14 | nothing | 0 | the reconcile, 2 events sent again | 1 min 15 s |"
        );
    }
}
