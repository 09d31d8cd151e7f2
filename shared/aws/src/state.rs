//! The state bucket: documents and release files. A mirror's documents are in its own bucket.

use longshore_events::incoming::ReleaseFile;
use longshore_rollout::ports::ReleaseStore;
use longshore_state::document::LARGEST_DOCUMENT;
use longshore_state::store::{Address, DocumentVersions, StoredVersion};
use longshore_state::{CallError, DocumentStore, ErrorClass, Version, WriteCondition};

use crate::AwsCloud;
use crate::ecs::timestamp;
use crate::error::failed;
use crate::mirror::patiently;
use crate::objects::collect_at_most;

/// A release file holds a name and a note; more than this is something else.
const LARGEST_RELEASE: usize = 64 * 1024;

impl DocumentStore for AwsCloud {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        let bucket = self.bucket_of(address);
        let read = || self.read_object(bucket, &address.key, LARGEST_DOCUMENT, "document");
        match address.bucket {
            Some(_) => patiently(read).await,
            None => read().await,
        }
        .map_err(unreadable_document)
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        let bucket = self.bucket_of(address);
        let write =
            |body| self.write_object(bucket, &address.key, "application/json", body, condition);
        match address.bucket {
            Some(_) => patiently(|| write(body.clone())).await,
            None => write(body).await,
        }
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let listed = self.list_objects(&self.state_bucket_name, prefix).await?;
        Ok(listed.into_iter().map(|object| object.key).collect())
    }
}

/// One page of versions: what is older than the last thousand is not worth another call.
impl DocumentVersions for AwsCloud {
    async fn list_versions(&self, key: &str) -> Result<Vec<StoredVersion>, CallError> {
        let bucket = &self.state_bucket_name;
        let answer = self
            .s3()
            .list_object_versions()
            .bucket(bucket)
            .prefix(key)
            .send()
            .await
            .map_err(failed(format!("list versions of s3://{bucket}/{key}")))?;
        // The newest of a key comes first: the Amazon S3 API Reference, ListObjectVersions.
        let versions = answer.versions().iter();
        Ok(versions
            .filter(|version| version.key() == Some(key))
            .filter_map(|version| {
                Some(StoredVersion {
                    version_id: version.version_id()?.to_owned(),
                    written_at: timestamp(version.last_modified()?)?,
                    version: Version::new(version.e_tag()?),
                    is_current: version.is_latest().unwrap_or_default(),
                })
            })
            .collect())
    }

    async fn read_version(&self, key: &str, version_id: &str) -> Result<Vec<u8>, CallError> {
        let bucket = &self.state_bucket_name;
        let operation = format!("read version {version_id} of s3://{bucket}/{key}");
        let answer = self
            .s3()
            .get_object()
            .bucket(bucket)
            .key(key)
            .version_id(version_id)
            .send()
            .await
            .map_err(failed(&operation))?;
        collect_at_most(answer, LARGEST_DOCUMENT, "document", &operation)
            .await
            .map_err(unreadable_document)
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
