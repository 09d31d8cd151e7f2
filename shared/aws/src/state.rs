//! The state bucket: documents and release files.

use longshore_events::incoming::ReleaseFile;
use longshore_rollout::ports::ReleaseStore;
use longshore_state::document::LARGEST_DOCUMENT;
use longshore_state::store::Address;
use longshore_state::{CallError, DocumentStore, ErrorClass, Version, WriteCondition};

use crate::AwsCloud;
use crate::error::failed;
use crate::objects::collect_at_most;

/// A release file holds a name and a note; more than this is something else.
const LARGEST_RELEASE: usize = 64 * 1024;

impl DocumentStore for AwsCloud {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        let bucket = self.bucket_of(address);
        self.read_object(bucket, &address.key, LARGEST_DOCUMENT, "document")
            .await
            .map_err(unreadable_document)
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        let bucket = self.bucket_of(address);
        self.write_object(bucket, &address.key, "application/json", body, condition)
            .await
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let listed = self.list_objects(&self.state_bucket_name, prefix).await?;
        Ok(listed.into_iter().map(|object| object.key).collect())
    }
}

impl ReleaseStore for AwsCloud {
    async fn release(&self, file: &ReleaseFile) -> Result<Vec<u8>, CallError> {
        let operation = format!("read s3://{}/{}", file.bucket, file.key);
        let answer = self
            .s3()
            .get_object()
            .bucket(&file.bucket)
            .key(&file.key)
            .set_version_id(file.version_id.clone())
            .send()
            .await
            .map_err(failed(&operation))?;
        collect_at_most(answer, LARGEST_RELEASE, "release file", &operation).await
    }
}

impl AwsCloud {
    fn bucket_of<'a>(&'a self, address: &'a Address) -> &'a str {
        address.bucket.as_ref().unwrap_or(&self.state_bucket_name)
    }
}

/// A read of a document is never a wrong request: where it is refused, the object is too large, or S3 cannot decrypt it.
fn unreadable_document(error: CallError) -> CallError {
    match error.class {
        ErrorClass::Refused => CallError {
            class: ErrorClass::Unreadable,
            ..error
        },
        _ => error,
    }
}
