//! What a benchmark has found, as it is kept.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use longshore_local::files;
use longshore_local::process::capture;
use longshore_local::workspace::Workspace;
use serde::{Deserialize, Serialize};

/// Where results are kept: beside the document that is written from them.
const FOLDER: &str = "docs/benchmarks";

/// A run of a benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// `2026-11-30`.
    pub date: String,
    pub machine: Machine,
    pub rows: Vec<Row>,
}

/// What it ran on, as far as figures depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub processors: usize,
    /// Their model, or their architecture where the kernel does not say it.
    pub model: String,
}

/// A figure of ours beside one of a floor or a peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub what: String,
    pub unit: String,
    pub ours: f64,
    /// What it is compared with.
    pub against: String,
    /// The package of this workspace that the other is made of: its version is that of `Cargo.lock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    pub theirs: f64,
    /// What ours is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aim: Option<Aim>,
    pub runs: Runs,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// At most so many times the other's figure.
    Ratio(f64),
    /// At most this, in the row's unit.
    AtMost(f64),
}

/// What each run has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    pub ours: Vec<f64>,
    pub theirs: Vec<f64>,
}

impl Results {
    /// # Errors
    /// When they cannot be read, or are none.
    pub fn read(workspace: &Workspace, name: &str) -> Result<Self> {
        let path = path(workspace, name);
        let failed = || format!("read {}", path.display());
        let text = std::fs::read_to_string(&path).with_context(failed)?;
        serde_json::from_str(&text).with_context(failed)
    }

    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, workspace: &Workspace, name: &str) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("write the results")?;
        text.push('\n');
        files::write(&path(workspace, name), text.as_bytes())
    }

    /// The benchmarks that have results, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn names(workspace: &Workspace) -> Result<Vec<String>> {
        let paths = files::below(&workspace.path(FOLDER), "json")?;
        let names = paths.iter().filter_map(|path| path.file_stem()?.to_str());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }
}

fn path(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.path(FOLDER).join(format!("{name}.json"))
}

impl Machine {
    /// # Errors
    /// When the kernel does not say how many processors there are.
    pub fn this() -> Result<Self> {
        let processors =
            std::thread::available_parallelism().context("ask how many processors there are")?;
        let description = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = model(&description).unwrap_or(std::env::consts::ARCH);
        Ok(Self {
            processors: processors.get(),
            model: model.to_owned(),
        })
    }

    pub fn in_words(&self) -> String {
        match self.processors {
            1 => format!("1 processor ({})", self.model),
            count => format!("{count} processors ({})", self.model),
        }
    }
}

fn model(description: &str) -> Option<&str> {
    let mut lines = description.lines();
    let (_, model) = lines.find_map(|line| line.strip_prefix("model name")?.split_once(':'))?;
    Some(model.trim()).filter(|model| !model.is_empty())
}

/// The day, by UTC.
///
/// # Errors
/// When `date` fails.
pub fn today() -> Result<String> {
    let day = capture(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?;
    Ok(day.trim().to_owned())
}

impl Row {
    pub fn ratio(&self) -> f64 {
        self.ours / self.theirs
    }

    /// `1.15x`.
    pub fn ratio_in_words(&self) -> String {
        format!("{:.2}x", self.ratio())
    }

    /// `98.1 ms, 85.3 ms`.
    pub fn figures(&self) -> String {
        let unit = &self.unit;
        format!(
            "{} {unit}, {} {unit}",
            figure(self.ours),
            figure(self.theirs)
        )
    }

    pub fn aim_in_words(&self) -> String {
        match self.aim {
            None => String::new(),
            Some(Aim::Ratio(most)) => format!("{most}x"),
            Some(Aim::AtMost(most)) => format!("{most} {}", self.unit),
        }
    }

    /// Whether the aim is reached; nothing where there is none.
    pub fn verdict(&self) -> &'static str {
        let is_reached = match self.aim {
            None => return "",
            Some(Aim::Ratio(most)) => self.ratio() <= most,
            Some(Aim::AtMost(most)) => self.ours <= most,
        };
        if is_reached { "reached" } else { "missed" }
    }
}

/// Three digits that mean something.
pub fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, theirs: f64, aim: Option<Aim>) -> Row {
        Row {
            what: "plan".to_owned(),
            unit: "ms".to_owned(),
            ours,
            against: "a bare program".to_owned(),
            package: None,
            theirs,
            aim,
            runs: Runs {
                ours: vec![ours],
                theirs: vec![theirs],
            },
        }
    }

    #[test]
    fn an_aim_is_reached_by_its_ratio_or_by_its_figure() {
        for (ours, theirs, aim, expected) in [
            (12.0, 10.0, Some(Aim::Ratio(1.2)), "reached"),
            (12.1, 10.0, Some(Aim::Ratio(1.2)), "missed"),
            (48.0, 10.0, Some(Aim::AtMost(48.0)), "reached"),
            (48.5, 100.0, Some(Aim::AtMost(48.0)), "missed"),
            (1.0, 1.0, None, ""),
        ] {
            assert_eq!(row(ours, theirs, aim).verdict(), expected, "{ours} {aim:?}");
        }
    }

    #[test]
    fn figures_have_three_digits() {
        for (value, expected) in [
            (1234.5, "1234"),
            (98.14, "98.1"),
            (1.159, "1.16"),
            (0.0316, "0.032"),
        ] {
            assert_eq!(figure(value), expected);
        }
    }

    #[test]
    fn the_model_of_the_processors_is_what_the_kernel_calls_it() {
        let description = "processor\t: 0\nmodel name\t: Some Processor 3000\nflags\t\t: a b\n";
        assert_eq!(model(description), Some("Some Processor 3000"));
        assert_eq!(model("processor\t: 0\nBogoMIPS\t: 50.00\n"), None);
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let results = Results {
            date: "2026-11-30".to_owned(),
            machine: Machine {
                processors: 2,
                model: "x86_64".to_owned(),
            },
            rows: vec![row(1.0, 2.0, Some(Aim::AtMost(48.0))), row(1.0, 2.0, None)],
        };
        let text = serde_json::to_string(&results).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
    }
}
