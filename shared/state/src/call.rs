//! A call to the world that failed, and what can be done about it.

use std::fmt;

use crate::key::Key;

/// A call to the world that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CallError {
    /// What was tried on which resource: "update service api of cluster shop".
    pub operation: String,
    /// What can be done about it.
    pub class: ErrorClass,
    /// The service's own code, where it gave one.
    pub code: Option<String>,
    /// The service's own words.
    pub message: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.operation)?;
        if let Some(code) = &self.code {
            write!(formatter, "{code}: ")?;
        }
        formatter.write_str(&self.message)
    }
}

impl CallError {
    /// In words, where trying again does not help; else the error as it is.
    ///
    /// # Errors
    /// Itself, where it may go better later.
    pub fn refusal(self) -> Result<String, Self> {
        match self.class.is_refusal() {
            true => Ok(self.to_string()),
            false => Err(self),
        }
    }

    /// What was decided holds no more: somebody else wrote the document meanwhile. [`crate::decide_again`] decides again.
    pub fn lost_race<K: Key>(key: &K) -> Self {
        Self::lost_race_for(&key.subject())
    }

    /// The same, where only the name of the document is known.
    pub fn lost_race_for(subject: &str) -> Self {
        Self {
            operation: format!("write {subject}"),
            class: ErrorClass::LostRace,
            code: None,
            message: "somebody else wrote it first".to_owned(),
        }
    }
}

/// What there is, or `None` where it is not there.
///
/// # Errors
/// Every other error.
pub fn if_there<T>(found: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match found {
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// What can be done about a failed call. Classified once, where the call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The thing is not there.
    NotFound,
    /// Somebody else wrote first: load and decide again.
    LostRace,
    /// A conditional write was refused, and an earlier attempt of the same write may be the reason.
    UnsureWrite,
    /// The request is wrong and stays wrong.
    Refused,
    /// The role may not do this; somebody must fix its policy, then the event can be sent again.
    Denied,
    /// A document is damaged, too large, or of a newer format that this program does not understand: somebody restores
    /// it, or a newer version of Longshore comes to it. What is asked for is kept until then.
    Unreadable,
    /// Throttled, timed out or broken on the other side: try again later.
    Transient,
}

impl ErrorClass {
    /// Whether it stays so, whoever tries again: what is asked for is not there, or is wrong.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::NotFound | Self::Refused)
    }
}
