//! Objects of JSON in a mirror's bucket: the documents that are changed by conditional writes, and others.

use longshore_state::store::Address;
use longshore_state::{CallError, Document, ErrorClass, Key};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::layout;
use crate::ports::MirrorStore;
use crate::sync::record::SyncRecord;
use crate::sync::shard::ShardState;

pub(crate) const JSON: &str = "application/json";

impl Document for SyncRecord {}

/// Names a mirror's record by its bucket.
pub(crate) struct SyncKey<'a>(pub(crate) &'a str);

impl Key for SyncKey<'_> {
    type Document = SyncRecord;

    fn address(&self) -> Address {
        Address::of_bucket(self.0, layout::RECORD)
    }

    fn subject(&self) -> String {
        format!("the sync record of mirror {}", self.0)
    }
}

impl Document for ShardState {}

/// Names the state of a shard.
pub(crate) struct ShardKey<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) sync_id: &'a str,
    pub(crate) shard: u32,
}

impl Key for ShardKey<'_> {
    type Document = ShardState;

    fn address(&self) -> Address {
        Address::of_bucket(self.bucket, layout::shard_state(self.sync_id, self.shard))
    }

    fn subject(&self) -> String {
        let Self {
            bucket,
            sync_id,
            shard,
        } = self;
        format!("shard {shard} of sync {sync_id} of mirror {bucket}")
    }
}

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
