//! Objects of JSON in a mirror's bucket, changed by conditional writes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ports::{CallError, ErrorClass, MirrorStore, RecordVersion, WriteCondition};

pub(crate) const JSON: &str = "application/json";

/// An object and its version; `None` when there is none.
pub(crate) async fn read_object<T: DeserializeOwned, M: MirrorStore>(
    store: &M,
    bucket: &str,
    key: &str,
) -> Result<Option<(T, RecordVersion)>, CallError> {
    let Some((body, version)) = store.read(bucket, key).await? else {
        return Ok(None);
    };
    match serde_json::from_slice(&body) {
        Ok(object) => Ok(Some((object, version))),
        Err(error) => Err(CallError {
            operation: format!("read {key} of bucket {bucket}"),
            class: ErrorClass::Refused,
            code: None,
            message: format!("{error}; mend or delete the object"),
        }),
    }
}

/// Writes an object. A conditional write whose answer was lost is sent again by the client, and refused
/// then because of itself: an object that is as it should be was written.
pub(crate) async fn write_object<T: Serialize, M: MirrorStore>(
    store: &M,
    bucket: &str,
    key: &str,
    object: &T,
    condition: WriteCondition<'_>,
) -> Result<RecordVersion, CallError> {
    let body = serde_json::to_vec(object).map_err(|error| CallError {
        operation: format!("write {key} of bucket {bucket}"),
        class: ErrorClass::Refused,
        code: None,
        message: error.to_string(),
    })?;
    match store
        .write(bucket, key, JSON, body.clone(), condition)
        .await
    {
        Err(error) if error.class == ErrorClass::LostRace => match store.read(bucket, key).await? {
            Some((present, version)) if present == body => Ok(version),
            _ => Err(error),
        },
        written => written,
    }
}
