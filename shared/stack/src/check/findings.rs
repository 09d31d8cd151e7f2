//! What checks find.

use longshore_events::longshore::Severity;

use crate::nearest::nearest;
use crate::shown::shown;

/// Something that is wrong with a stack, or that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: `services.api.cpu`.
    pub path: String,
    /// What stands there, unless it might be a secret.
    pub value: Option<String>,
    /// What is wrong and what is expected.
    pub message: String,
    /// Whether it keeps the stack from being applied.
    pub severity: Severity,
}

/// The most findings of a severity that are kept, and the most for which it is worked out what was meant. Nobody fixes
/// more at once.
const MOST_FINDINGS: usize = 1000;

const MOST_MEANT: usize = 100;

/// Findings, as they are found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) all: Vec<Finding>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    /// Notes what keeps the stack from being applied.
    pub(super) fn error(
        &mut self,
        path: impl ToString,
        value: impl ToString,
        message: impl ToString,
    ) {
        self.push(path, Some(value.to_string()), message, Severity::Error);
    }

    /// Notes an error about something that is missing or has no value that could be shown.
    pub(super) fn error_without_value(&mut self, path: impl ToString, message: impl ToString) {
        self.push(path, None, message, Severity::Error);
    }

    /// Notes what somebody should look at.
    pub(super) fn warning(
        &mut self,
        path: impl ToString,
        value: impl ToString,
        message: impl ToString,
    ) {
        self.push(path, Some(value.to_string()), message, Severity::Warning);
    }

    /// Notes a warning about something that is missing or has no value that could be shown.
    pub(super) fn warning_without_value(&mut self, path: impl ToString, message: impl ToString) {
        self.push(path, None, message, Severity::Warning);
    }

    /// Notes an error where a number is not between these.
    pub(super) fn range(
        &mut self,
        path: impl ToString,
        value: u32,
        least: u32,
        most: u32,
        what: &str,
    ) {
        if !(least..=most).contains(&value) {
            self.error(path, value, format!("{what}, expected {least} to {most}"));
        }
    }

    /// What to do about a name that is not among those that are known.
    pub(super) fn advice<'a>(
        &self,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
        otherwise: &str,
    ) -> String {
        if known.clone().next().is_none() {
            return otherwise.to_owned();
        }
        if self.all.len() > MOST_MEANT {
            return "expected one of those that there are".to_owned();
        }
        match nearest(name, known.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "expected one of `{}`",
                known.collect::<Vec<_>>().join("`, `")
            ),
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    fn push(
        &mut self,
        path: impl ToString,
        value: Option<String>,
        message: impl ToString,
        severity: Severity,
    ) {
        let alike = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if *alike >= MOST_FINDINGS {
            return;
        }
        *alike += 1;
        self.all.push(Finding {
            path: path.to_string(),
            value: value.as_deref().map(shown),
            message: message.to_string(),
            severity,
        });
    }
}
