//! A mirror's bucket, for what is small enough to be held in memory.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, Delete, MetadataDirective, ObjectIdentifier,
};
use longshore_bottles::ports::{ListedObject, MirrorStore, StoredObject};
use longshore_state::{CallError, ErrorClass, WriteCondition, if_there};

use crate::AwsCloud;
use crate::destination::{TO_LOOK, cache_control, copy_source, stored};
use crate::error::{classify, failed, failed_at_s3, unreadable};

/// DeleteObjects takes this many keys at once.
const KEYS_ALLOWED: usize = 1000;

/// The largest object of a mirror that is held in memory, in bytes: as large as an index file that a sync takes.
const LARGEST_INDEX: usize = 300 << 20;

/// S3 answers to a copy when it is made: up to a minute and more for the largest files.
const COPY_PATIENCE: Duration = Duration::from_secs(180);

/// How often a mirror's bucket is asked for what it refuses.
const REFUSALS: u32 = 3;

/// The pause after the first refusal; after the second it is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Makes a call again that S3 refuses, which may be a mistake: one of hundreds must not cost a sync. An answer to HEAD
/// has no body that would distinguish an expired token (400) or another region (301) from a request that is wrong.
pub(crate) async fn patiently<R, F>(call: impl Fn() -> F) -> Result<R, CallError>
where
    F: Future<Output = Result<R, CallError>>,
{
    let mut refusals = 0;
    loop {
        match call().await {
            Err(error)
                if matches!(error.class, ErrorClass::Denied | ErrorClass::Refused)
                    && refusals + 1 < REFUSALS =>
            {
                refusals += 1;
                tokio::time::sleep(PAUSE * refusals).await;
            }
            answer => return answer,
        }
    }
}

impl MirrorStore for AwsCloud {
    async fn read(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        let read = || self.read_object(bucket, key, LARGEST_INDEX, "index");
        let found = patiently(read).await?;
        Ok(found.map(|(body, _)| body))
    }

    async fn write(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), CallError> {
        patiently(|| {
            self.write_object(
                bucket,
                key,
                content_type,
                body.clone(),
                WriteCondition::None,
            )
        })
        .await
        .map(drop)
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        patiently(|| self.list_objects(bucket, prefix)).await
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<StoredObject>, CallError> {
        let operation = format!("look at s3://{bucket}/{key}");
        let answer = patiently(|| async {
            self.s3()
                .head_object()
                .bucket(bucket)
                .key(key)
                .checksum_mode(ChecksumMode::Enabled)
                .send()
                .await
                .map_err(failed_at_s3(&operation, TO_LOOK))
        })
        .await;
        let stored = if_there(answer)?.as_ref().map(stored).transpose();
        stored.map_err(|message| unreadable(operation, message))
    }

    async fn copy(
        &self,
        bucket: &str,
        from: &str,
        to: &str,
        content_type: &str,
    ) -> Result<(), CallError> {
        patiently(|| async {
            let timeouts = TimeoutConfig::builder()
                .operation_attempt_timeout(COPY_PATIENCE)
                .operation_timeout(COPY_PATIENCE)
                .build();
            self.s3()
                .copy_object()
                .bucket(bucket)
                .key(to)
                .copy_source(copy_source(bucket, from))
                .content_type(content_type)
                .set_cache_control(cache_control(to))
                .metadata_directive(MetadataDirective::Replace)
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .customize()
                .config_override(aws_sdk_s3::config::Builder::new().timeout_config(timeouts))
                .send()
                .await
                .map(drop)
                .map_err(failed(format!("copy s3://{bucket}/{from} to {to}")))
        })
        .await
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<(), CallError> {
        let operation = format!("delete {} objects of s3://{bucket}", keys.len());
        for keys in keys.chunks(KEYS_ALLOWED) {
            let refused = |message: String| CallError {
                operation: operation.clone(),
                class: ErrorClass::Refused,
                code: None,
                message,
            };
            let objects = keys
                .iter()
                .map(|key| ObjectIdentifier::builder().key(key).build())
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| refused(error.to_string()))?;
            let delete = Delete::builder()
                .set_objects(Some(objects))
                .quiet(true)
                .build()
                .map_err(|error| refused(error.to_string()))?;
            patiently(|| async {
                let answer = self
                    .s3()
                    .delete_objects()
                    .bucket(bucket)
                    .delete(delete.clone())
                    .send()
                    .await
                    .map_err(failed(&operation))?;
                // DeleteObjects answers 200 even when it refused a key.
                let Some(first) = answer.errors().first() else {
                    return Ok(());
                };
                let message = first.message().unwrap_or_default();
                let key = first.key().unwrap_or_default();
                let others = answer.errors().len() - 1;
                Err(CallError {
                    class: classify(first.code(), None, message),
                    code: first.code().map(str::to_owned),
                    message: format!("{key}: {message} (and {others} more)"),
                    operation: operation.clone(),
                })
            })
            .await?;
        }
        Ok(())
    }
}
