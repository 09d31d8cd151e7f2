//! S3's `Object Created` as EventBridge delivers it, source `aws.s3`.
//!
//! Shape: the Amazon S3 User Guide, "EventBridge event message structure". Unlike in S3's older
//! notifications, the key is not URL-encoded.

use serde::{Deserialize, Serialize};

/// The detail-type of [`ObjectCreated`].
pub const OBJECT_CREATED: &str = "Object Created";

/// The detail of an `Object Created` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ObjectCreated {
    /// Where.
    pub bucket: Bucket,
    pub object: Object,
    /// `PutObject`, `POST Object`, `CopyObject` or `CompleteMultipartUpload`.
    pub reason: String,
    /// The account or service that wrote the object.
    pub requester: String,
}

/// The bucket of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The bucket's name.
    pub name: String,
}

/// The object of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Object {
    pub key: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// The entity tag, without quotes.
    #[serde(default)]
    pub etag: String,
    /// The version, in a versioned bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// A hexadecimal number that grows with each write of the same key.
    #[serde(default)]
    pub sequencer: String,
}
