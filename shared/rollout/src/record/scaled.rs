//! A number of tasks that somebody set by hand.

use chrono::{DateTime, Utc};
use longshore_events::longshore::{Caller, LongshoreEvent, ServiceScaled};
use longshore_policy::route::ServiceId;
use serde::{Deserialize, Serialize};

/// Somebody set how many tasks of a service run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    /// How many ran, or were to run.
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

impl Scaled {
    /// What says so to others.
    pub(crate) fn event(&self, service_id: &ServiceId) -> LongshoreEvent {
        LongshoreEvent::ServiceScaled(ServiceScaled {
            stack: service_id.stack.clone(),
            service: service_id.service.clone(),
            from: self.from,
            to: self.to,
            at: self.at,
            by: self.by.clone(),
            note: self.note.clone(),
        })
    }
}
