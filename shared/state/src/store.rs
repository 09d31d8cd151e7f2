//! What documents need of the world, as traits. `longshore-aws` implements them on S3 and EventBridge.

use std::future::Future;

use chrono::{DateTime, Utc};
use longshore_events::longshore::LongshoreEvent;

use crate::call::CallError;
use crate::format::Unknown;

pub use crate::key::Address;

/// The version of a document as it was read or written, to be given back when it is written again.
///
/// It also carries what the document said beyond what this program knows, so that a write keeps it.
#[derive(Debug, Clone)]
pub struct Version {
    /// What S3 calls the version: the entity tag.
    pub tag: String,
    pub(crate) unknown: Unknown,
}

impl Version {
    /// The version with this entity tag.
    pub fn new(tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            unknown: Unknown::default(),
        }
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl Eq for Version {}

/// What must hold for a write to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteCondition<'a> {
    /// Nothing.
    None,
    /// There is no such object yet.
    IsFirst,
    /// The object is still this version.
    Replaces(&'a Version),
}

impl<'a> WriteCondition<'a> {
    /// Replaces `version`, or is the first.
    pub fn of(version: Option<&'a Version>) -> Self {
        version.map_or(Self::IsFirst, Self::Replaces)
    }

    /// Whether it holds where an object of this version is present, or none.
    pub fn holds(self, present: Option<&Version>) -> bool {
        match self {
            Self::None => true,
            Self::IsFirst => present.is_none(),
            Self::Replaces(version) => present == Some(version),
        }
    }
}

/// Where documents are kept.
pub trait DocumentStore {
    /// A document's bytes, with its version; `None` when there is none.
    fn read_document(
        &self,
        address: &Address,
    ) -> impl Future<Output = Result<Option<(Vec<u8>, Version)>, CallError>>;

    /// Writes a document. [`crate::ErrorClass::LostRace`] when the condition does not hold;
    /// [`crate::ErrorClass::UnsureWrite`] when it does not hold and an earlier attempt of this call may be why.
    fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> impl Future<Output = Result<Version, CallError>>;

    /// The keys of the state bucket that begin with `prefix`, in the order of their bytes.
    fn list_documents(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, CallError>>;
}

/// A document of the state bucket as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDocument {
    pub key: String,
    /// Its entity tag: see [`Version::tag`].
    pub tag: String,
}

/// Where a listing says which documents have changed, so that only these are read again.
pub trait DocumentListing {
    /// The documents of the state bucket whose keys begin with `prefix`, in the order of their bytes. Those in whose
    /// keys `apart` follows somewhere after the prefix are left out, and cost next to nothing, however many they are.
    fn list_with_tags(
        &self,
        prefix: &str,
        apart: Option<&str>,
    ) -> impl Future<Output = Result<Vec<ListedDocument>, CallError>>;
}

/// A version of an object that the bucket keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    /// The bucket's id of it.
    pub version_id: String,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// What a write that replaces it gives.
    pub version: Version,
    /// Whether it is the one that is read.
    pub is_current: bool,
}

/// Where earlier versions of documents are kept, if anywhere.
pub trait DocumentVersions {
    /// The versions of a key of the state bucket, the newest first. In a bucket without versions, that is the object
    /// alone.
    fn list_versions(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Vec<StoredVersion>, CallError>>;

    /// The bytes of a version of a key of the state bucket.
    fn read_version(
        &self,
        key: &str,
        version_id: &str,
    ) -> impl Future<Output = Result<Vec<u8>, CallError>>;
}

/// What publishes events.
pub trait EventPublisher {
    /// Publishes all of `events`; an error when even one of them was not taken.
    fn publish(&self, events: &[LongshoreEvent]) -> impl Future<Output = Result<(), CallError>>;
}
