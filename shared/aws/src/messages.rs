//! What is known of messages in Slack, in the state bucket.

use longshore_bottles::ports::WriteCondition;
use longshore_report::{KeptMessage, MessageStore, MessageVersion, StoreError, Topic};
use longshore_rollout::ports::{CallError, ErrorClass, RecordVersion};

use crate::AwsCloud;

impl MessageStore for AwsCloud {
    async fn load(
        &self,
        topic: &Topic,
    ) -> Result<Option<(KeptMessage, MessageVersion)>, StoreError> {
        let found = self
            .read_state(&message_key(topic))
            .await
            .map_err(StoreError::new)?;
        Ok(found.map(|(kept, version)| (kept, MessageVersion(version.0))))
    }

    async fn save(
        &self,
        topic: &Topic,
        kept: &KeptMessage,
        version: Option<&MessageVersion>,
    ) -> Result<MessageVersion, StoreError> {
        let version = version.map(|version| RecordVersion(version.0.clone()));
        let condition = version
            .as_ref()
            .map_or(WriteCondition::IsFirst, WriteCondition::Replaces);
        self.write_state(&message_key(topic), kept, condition)
            .await
            .map(|version| MessageVersion(version.0))
            .map_err(unless_race)
    }
}

fn unless_race(error: CallError) -> StoreError {
    match error.class {
        ErrorClass::LostRace => StoreError::LostRace,
        _ => StoreError::new(error),
    }
}

fn message_key(topic: &Topic) -> String {
    format!("messages/{}/{}.json", topic.kind, topic.id)
}
