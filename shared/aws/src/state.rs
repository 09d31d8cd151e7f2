//! The state bucket: documents and release files. A mirror's documents are in its own bucket.

use longshore_events::incoming::ReleaseFile;
use longshore_rollout::ports::ReleaseStore;
use longshore_state::document::LARGEST_DOCUMENT;
use longshore_state::store::{
    Address, DocumentListing, DocumentVersions, ListedDocument, StoredVersion,
};
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

/// What is left out is grouped by S3 by what its keys begin with, up to and with `apart`: a group counts as one key of a
/// page, whatever is in it (the Amazon S3 API Reference, ListObjectsV2, Delimiter).
impl DocumentListing for AwsCloud {
    async fn list_with_tags(
        &self,
        prefix: &str,
        apart: Option<&str>,
    ) -> Result<Vec<ListedDocument>, CallError> {
        let bucket = &self.state_bucket_name;
        let mut pages = self
            .s3()
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .set_delimiter(apart.map(str::to_owned))
            .into_paginator()
            .send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(format!("list s3://{bucket}/{prefix}")))?;
            let objects = page.contents.unwrap_or_default().into_iter();
            listed.extend(objects.filter_map(|object| {
                let (key, tag) = (object.key?, object.e_tag?);
                let is_apart = apart.is_some_and(|apart| has(&key, prefix, apart));
                (!is_apart).then_some(ListedDocument { key, tag })
            }));
        }
        Ok(listed)
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

/// Whether `apart` follows in a key after the prefix: where the bucket does not group by more than one character, it
/// lists that as well.
fn has(key: &str, prefix: &str, apart: &str) -> bool {
    let rest = key.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.contains(apart))
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
