//! Why what a person asked of a service was not done.

use longshore_state::CallError;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It cannot be done, or not now.
    #[error("{what}: {reason}")]
    Refused {
        /// What was asked for, such as `scale shop/api`.
        what: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A call failed. Trying again may help.
    #[error("{what}: {source}")]
    Call {
        /// What was asked for.
        what: String,
        /// The call.
        source: CallError,
    },
}

impl AskError {
    /// What was asked for is refused.
    pub(crate) fn refused(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused {
            what: what.into(),
            reason: reason.into(),
        }
    }

    /// The same where a call was refused or failed, by what [`CallError::refusal`] says of it.
    pub(crate) fn of(what: impl Into<String>, refusal: Result<String, CallError>) -> Self {
        let what = what.into();
        match refusal {
            Ok(reason) => Self::Refused { what, reason },
            Err(source) => Self::Call { what, source },
        }
    }
}
