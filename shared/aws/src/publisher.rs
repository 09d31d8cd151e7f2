//! EventBridge: telling.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use longshore_events::longshore::{LongshoreEvent, SOURCE};
use longshore_state::{CallError, ErrorClass, EventPublisher};

use crate::AwsCloud;
use crate::error::{failed, unreadable};

/// PutEvents takes so many entries at once.
const ENTRIES_ALLOWED: usize = 10;

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
                    Ok(PutEventsRequestEntry::builder()
                        .event_bus_name(&self.event_bus_name)
                        .source(SOURCE)
                        .detail_type(event.detail_type())
                        .detail(detail)
                        .build())
                })
                .collect::<Result<Vec<_>, CallError>>()?;
            let answer = self
                .eventbridge()
                .put_events()
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(failed(&operation))?;
            // PutEvents answers 200 even when it refused an entry.
            let refused = answer
                .entries()
                .iter()
                .find(|entry| entry.error_code().is_some());
            if let Some(entry) = refused {
                return Err(CallError {
                    operation,
                    class: ErrorClass::Transient,
                    code: entry.error_code().map(str::to_owned),
                    message: entry.error_message().unwrap_or_default().to_owned(),
                });
            }
        }
        Ok(())
    }
}
