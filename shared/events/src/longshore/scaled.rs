//! Numbers of tasks that people set.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::caller::Caller;

/// Somebody set how many tasks of a service run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceScaled {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// How many tasks were to run before.
    pub from: u32,
    /// How many are to run.
    pub to: u32,
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Caller>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
