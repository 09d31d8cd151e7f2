//! Why an operation on a stack was not done.

use std::fmt;

use longshore_events::longshore::{Problem, Severity};
use longshore_events::words::counted;
use longshore_state::{CallError, Race};

/// Why an operation on a stack was not done. Nothing was changed, except where the call says otherwise.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProvisioningError {
    /// The stack file is wrong, or the account does not hold what it names.
    #[error("{}", in_words(.stack, .problems))]
    Refused {
        /// The stack, as far as the file names it.
        stack: String,
        /// Everything that is wrong, with warnings.
        problems: Vec<Problem>,
    },
    /// The stack is not in a state in which this can be done.
    #[error("{operation} stack {stack}: {reason}")]
    Conflict {
        /// What was asked for.
        operation: &'static str,
        stack: String,
        /// What is in the way, and what to do.
        reason: String,
    },
    /// A call failed. Trying again may help.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl ProvisioningError {
    /// CloudFormation does not accept a change set.
    pub(crate) fn not_accepted(operation: &'static str, stack: &str, reason: &str) -> Self {
        Self::Conflict {
            operation,
            stack: stack.to_owned(),
            reason: format!("CloudFormation does not accept the template: {reason}"),
        }
    }
}

impl Race for ProvisioningError {
    fn is_lost(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_lost())
    }
}

fn in_words(stack: &str, problems: &[Problem]) -> String {
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    let mut words = format!("stack file of {stack}: {}", counted(errors, "error"));
    for problem in problems {
        words.push_str(&format!("\n{}", Line(problem)));
    }
    words
}

/// A problem on a line of its own, as compilers write it.
pub struct Line<'a>(pub &'a Problem);

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(problem) = self;
        if let (Some(line), Some(column)) = (problem.line, problem.column) {
            write!(formatter, "{line}:{column}: ")?;
        }
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(formatter, "{severity}: ")?;
        if !problem.path.is_empty() {
            write!(formatter, "{}: ", problem.path)?;
        }
        let key = problem.path.rsplit('.').next();
        if let Some(value) = problem.value.as_deref().filter(|value| Some(*value) != key) {
            write!(formatter, "`{value}`: ")?;
        }
        formatter.write_str(&problem.message)
    }
}
