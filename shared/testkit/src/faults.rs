use longshore_state::{CallError, ErrorClass};

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call is refused and has no effect.
    Fails(ErrorClass),
    /// The call has its effect, and its answer is lost.
    AnswerLost,
    /// The process dies before the call: from here on nothing has an effect.
    Dies,
    /// The process dies after the call: from here on nothing has an effect.
    DiesAfter,
}

/// An error as a port would give it.
pub fn error(operation: &str, class: ErrorClass) -> CallError {
    CallError {
        operation: operation.to_owned(),
        class,
        code: Some(format!("{class:?}")),
        message: "injected by a test".to_owned(),
    }
}
