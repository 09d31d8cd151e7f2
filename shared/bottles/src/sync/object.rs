//! Objects of JSON in a mirror's bucket that are not changed by conditional writes.

use longshore_state::{CallError, ErrorClass};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ports::MirrorStore;

pub(crate) const JSON: &str = "application/json";

/// An object that is written once, or whatever is there; `None` when there is none.
pub(crate) async fn read_object<T: DeserializeOwned, M: MirrorStore>(
    store: &M,
    bucket: &str,
    key: &str,
) -> Result<Option<T>, CallError> {
    let Some(body) = store.read(bucket, key).await? else {
        return Ok(None);
    };
    serde_json::from_slice(&body)
        .map(Some)
        .map_err(|error| CallError {
            operation: format!("read {key} of bucket {bucket}"),
            class: ErrorClass::Refused,
            code: None,
            message: format!("{error}; fix or delete the object"),
        })
}

/// Writes such an object.
pub(crate) async fn write_object<T: Serialize, M: MirrorStore>(
    store: &M,
    bucket: &str,
    key: &str,
    object: &T,
) -> Result<(), CallError> {
    let body = serde_json::to_vec(object).map_err(|error| CallError {
        operation: format!("write {key} of bucket {bucket}"),
        class: ErrorClass::Refused,
        code: None,
        message: error.to_string(),
    })?;
    store.write(bucket, key, JSON, body).await
}

/// The folder of what syncs need while they are under way.
pub(crate) const SYNCS: &str = ".longshore/syncs/";

/// The inventory of a mirror to which a sync has transferred everything.
pub(crate) fn staged_inventory(sync_id: &str) -> String {
    format!("{SYNCS}{sync_id}/inventory.jsonl")
}

/// What a sync is going to do.
pub(crate) fn staged_plan(sync_id: &str) -> String {
    format!("{SYNCS}{sync_id}/plan.json")
}
