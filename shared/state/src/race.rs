//! The one loop: whoever loses the race for a document decides again.

use crate::call::{CallError, ErrorClass};
use crate::key::Key;

/// How often it is decided again after a lost race, before the call is handed back to be retried.
pub const RACES: usize = 8;

/// An error that may be a lost race.
pub trait Race: From<CallError> {
    /// Whether somebody else wrote first, so that it is to be decided again.
    fn is_lost(&self) -> bool;
}

impl Race for CallError {
    fn is_lost(&self) -> bool {
        self.class == ErrorClass::LostRace
    }
}

/// Loads, decides and writes, again and again until nobody else writes the document in between.
///
/// # Errors
/// Those of `attempt`; [`ErrorClass::Transient`] after [`RACES`] lost races.
pub async fn decide_again<K: Key, T, E: Race>(
    key: &K,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    for _ in 0..RACES {
        match attempt().await {
            Err(error) if error.is_lost() => {}
            outcome => return outcome,
        }
    }
    Err(CallError {
        operation: format!("write {}", key.subject()),
        class: ErrorClass::Transient,
        code: None,
        message: format!("somebody else wrote it first {RACES} times"),
    }
    .into())
}

/// What was written, or `None` where somebody else wrote first and that is as good.
///
/// # Errors
/// Every other error.
pub fn unless_lost<T, E: Race>(outcome: Result<T, E>) -> Result<Option<T>, E> {
    match outcome {
        Err(error) if error.is_lost() => Ok(None),
        outcome => outcome.map(Some),
    }
}
