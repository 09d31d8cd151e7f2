//! Who asks.

use serde::{Deserialize, Serialize};

/// The person or the pipeline that asks, as they say themselves: AWS does not tell a function who invokes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// `ada@example.com`, `ci/build-7`.
    pub name: String,
    /// The page of the pipeline's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_url: Option<String>,
}

impl Caller {
    /// Somebody of this name.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            run_url: None,
        }
    }
}
