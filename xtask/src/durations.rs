//! How long a command took last time, so that the next one can say what to expect.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore_local::workspace::Workspace;

/// Durations of whole commands by their names, kept beside what they built.
pub struct Durations {
    seconds: BTreeMap<String, u64>,
    file: std::path::PathBuf,
}

impl Durations {
    /// What earlier commands in this checkout left. A file that is missing or damaged holds nothing worth an error.
    pub fn of(workspace: &Workspace) -> Self {
        let file = workspace.path("target/durations.json");
        let seconds = std::fs::read(&file)
            .ok()
            .and_then(|content| serde_json::from_slice(&content).ok())
            .unwrap_or_default();
        Self { seconds, file }
    }

    /// How long a command took the last time that it succeeded here.
    pub fn last(&self, command: &str) -> Option<String> {
        let seconds = self.seconds.get(command)?;
        Some(text(Duration::from_secs(*seconds)))
    }

    /// Keeps how long a command took. Nothing depends on it, so a file that cannot be written is not reported.
    pub fn keep(mut self, command: &str, took: Duration) {
        self.seconds.insert(command.to_owned(), took.as_secs());
        if let Ok(text) = serde_json::to_string_pretty(&self.seconds) {
            let _ = std::fs::write(&self.file, text);
        }
    }
}

/// A duration as a person says it: `47 s`, `5 min 3 s`.
pub fn text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_minutes_and_seconds() {
        let cases = [(0, "0 s"), (59, "59 s"), (120, "2 min"), (303, "5 min 3 s")];
        for (seconds, said) in cases {
            assert_eq!(text(Duration::from_secs(seconds)), said);
        }
    }
}
