//! A number of tasks that somebody set by hand.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Somebody set how many tasks of a service run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    /// How many ran, or were to run.
    pub from: u32,
    /// How many are to run.
    pub to: u32,
    pub at: DateTime<Utc>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
