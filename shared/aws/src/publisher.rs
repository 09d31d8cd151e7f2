//! EventBridge: publishing.

use longshore_events::longshore::{LongshoreEvent, SOURCE};
use longshore_state::{CallError, ErrorClass, EventPublisher};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::AwsCloud;
use crate::error::unreadable;
use crate::signed::json_call;

/// PutEvents takes at most this many entries.
const ENTRIES_ALLOWED: usize = 10;

/// The answer to PutEvents: the Amazon EventBridge API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    error_code: Option<String>,
    error_message: Option<String>,
}

impl EventPublisher for AwsCloud {
    async fn publish(&self, events: &[LongshoreEvent]) -> Result<(), CallError> {
        let operation = format!("publish events on bus {}", self.event_bus_name);
        for events in events.chunks(ENTRIES_ALLOWED) {
            let entries = events
                .iter()
                .map(|event| {
                    let detail = event
                        .detail()
                        .map_err(|error| unreadable(&operation, error.to_string()))?;
                    Ok(json!({
                        "EventBusName": self.event_bus_name,
                        "Source": SOURCE,
                        "DetailType": event.detail_type(),
                        "Detail": detail,
                    }))
                })
                .collect::<Result<Vec<Value>, CallError>>()?;
            let answer: PutEvents = json_call(
                &self.configuration,
                &operation,
                "events",
                "AWSEvents.PutEvents",
                &json!({"Entries": entries}),
            )
            .await?;
            // PutEvents answers 200 even when it refused an entry.
            let refused = answer
                .entries
                .into_iter()
                .find(|entry| entry.error_code.is_some());
            if let Some(entry) = refused {
                return Err(CallError {
                    operation,
                    class: ErrorClass::Transient,
                    code: entry.error_code,
                    message: entry.error_message.unwrap_or_default(),
                });
            }
        }
        Ok(())
    }
}
