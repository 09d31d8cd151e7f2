//! What must be true of a stack beyond its shape, and what must be there in AWS.

mod image;
mod surroundings;

use longshore_events::longshore::Severity;

use crate::read::shown;
use crate::spec::Stack;

pub use surroundings::{Needs, Subnet, Surroundings, check_surroundings, needs};

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

/// Checks what can be checked without asking AWS.
pub fn check(_stack: &Stack) -> Vec<Finding> {
    Findings::default().0
}

/// Findings, as they are found.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    /// Notes what keeps the stack from being applied.
    fn error(&mut self, path: impl ToString, value: impl ToString, message: impl ToString) {
        self.push(path, Some(value.to_string()), message, Severity::Error);
    }

    fn push(
        &mut self,
        path: impl ToString,
        value: Option<String>,
        message: impl ToString,
        severity: Severity,
    ) {
        self.0.push(Finding {
            path: path.to_string(),
            value: value.as_deref().map(shown),
            message: message.to_string(),
            severity,
        });
    }
}
