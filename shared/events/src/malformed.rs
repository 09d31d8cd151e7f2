use serde::de::DeserializeOwned;
use serde_json::Value;

/// Input that does not have the shape it must have. It never gets better by being tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is malformed: {problem}")]
pub struct Malformed {
    /// What was read, in words: "manual payload", "ECR Image Action event".
    pub what: String,
    /// The field, what was found there, and what was expected.
    pub problem: String,
}

impl Malformed {
    /// `what` was read and `problem` is wrong with it.
    pub fn new(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            problem: problem.into(),
        }
    }
}

/// Reads `value` as a `T`, and names the field that does not fit.
///
/// # Errors
/// [`Malformed`], with the path of the field, what was found and what was expected.
pub fn parse<T: DeserializeOwned>(what: &str, value: &Value) -> Result<T, Malformed> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let problem = match path.as_str() {
            "." => error.inner().to_string(),
            _ => format!("field `{path}`: {}", error.inner()),
        };
        Malformed::new(what, problem)
    })
}
