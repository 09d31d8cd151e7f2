//! Where files are transferred to, as a trait. `longshore-aws` implements it on S3.

use std::future::Future;

use longshore_bottles::ports::StoredObject;
use longshore_events::transfer::Sha256;
use longshore_state::CallError;

use crate::body::Body;

/// Where an object goes, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub bucket: String,
    /// The key, in raw characters.
    pub key: String,
    /// The media type.
    pub content_type: String,
    /// What the content must hash to.
    pub sha256: Sha256,
}

/// A bucket that takes files as they come.
///
/// Nothing of it tries anything again: bodies are streams, which cannot be sent twice, and retries have
/// one budget, that of the transfer.
pub trait Destination: Send + Sync + 'static {
    /// The largest object that it takes in one PUT, and so verifies itself. S3's is 5 GiB (S3 User Guide,
    /// "Uploading objects").
    const LARGEST_PUT: u64 = 5 * 1024 * 1024 * 1024;

    /// How large the parts of larger objects are at least. Where one breaks off it begins again.
    const PART_SIZE: u64 = 64 * 1024 * 1024;

    /// What the bucket knows of an object; `None` when there is none.
    fn head(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<StoredObject>, CallError>> + Send;

    /// Writes an object of at most [`Self::LARGEST_PUT`] bytes from a stream. The bucket verifies its content
    /// itself, and shows nothing of it unless that hashes to what the target says.
    fn put(&self, target: &Target, body: Body)
    -> impl Future<Output = Result<(), PutError>> + Send;

    /// Copies an object within the bucket, under its key and headers of `to`.
    fn copy(&self, from: &str, to: &Target) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Begins an object that is written in parts; gives the upload's id. The sha256 is kept as metadata.
    fn begin(&self, target: &Target) -> impl Future<Output = Result<String, CallError>> + Send;

    /// Writes a part from a stream; gives its entity tag. Parts are numbered from 1.
    fn put_part(
        &self,
        target: &Target,
        upload: &str,
        number: u32,
        body: Body,
    ) -> impl Future<Output = Result<String, PutError>> + Send;

    /// Makes the object visible; `parts` are the entity tags in order.
    fn complete(
        &self,
        target: &Target,
        upload: &str,
        parts: &[String],
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Throws away what was written in parts.
    fn abort(
        &self,
        target: &Target,
        upload: &str,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// Why a bucket did not take a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The content does not hash to what was said; the bucket's words.
    #[error("{0}")]
    Mismatch(String),
    /// Anything else. What broke off the stream itself is reported by the [`Body`], not here.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Whether no further file can fare better: there is no such bucket. That a role may not write one key says
/// nothing of others.
pub(crate) fn concerns_all(error: &CallError) -> bool {
    error.code.as_deref() == Some("NoSuchBucket")
}
