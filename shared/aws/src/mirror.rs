//! A mirror's bucket, for what is small enough to be held in memory.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::head_object::{HeadObjectError, HeadObjectOutput};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, Delete, MetadataDirective, ObjectIdentifier,
};
use aws_smithy_types::base64;
use longshore_bottles::ports::{
    CallError, ErrorClass, ListedObject, MirrorStore, RecordVersion, StoredObject, WriteCondition,
};
use longshore_events::transfer::Sha256;

use crate::AwsCloud;
use crate::error::{classify, failed};
use crate::objects::size;

/// DeleteObjects takes so many keys at once.
const KEYS_ALLOWED: usize = 1000;

/// S3 answers to a copy when it is made: up to a minute and more for the largest files.
const COPY_PATIENCE: Duration = Duration::from_secs(180);

/// The metadata in which an object that went up in parts keeps what its content hashes to.
const SHA256: &str = "sha256";

impl MirrorStore for AwsCloud {
    async fn read(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Option<(Vec<u8>, RecordVersion)>, CallError> {
        self.read_object(bucket, key).await
    }

    async fn write(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<RecordVersion, CallError> {
        self.write_object(bucket, key, content_type, body, condition)
            .await
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        self.list_objects(bucket, prefix).await
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<StoredObject>, CallError> {
        let answer = self
            .s3()
            .head_object()
            .bucket(bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Some(StoredObject {
                size: size(answer.content_length()),
                sha256: sha256(&answer),
            })),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(HeadObjectError::is_not_found) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed(format!("look at s3://{bucket}/{key}"))(error)),
        }
    }

    async fn copy(
        &self,
        bucket: &str,
        from: &str,
        to: &str,
        content_type: &str,
    ) -> Result<(), CallError> {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(COPY_PATIENCE)
            .operation_timeout(COPY_PATIENCE)
            .build();
        self.s3()
            .copy_object()
            .bucket(bucket)
            .key(to)
            .copy_source(format!("{bucket}/{}", in_url(from)))
            .content_type(content_type)
            .metadata_directive(MetadataDirective::Replace)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .customize()
            .config_override(aws_sdk_s3::config::Builder::new().timeout_config(timeouts))
            .send()
            .await
            .map(drop)
            .map_err(failed(format!("copy s3://{bucket}/{from} to {to}")))
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
            let answer = self
                .s3()
                .delete_objects()
                .bucket(bucket)
                .delete(delete)
                .send()
                .await
                .map_err(failed(&operation))?;
            // DeleteObjects answers 200 even when it refused a key.
            if let Some(first) = answer.errors().first() {
                let message = first.message().unwrap_or_default();
                let key = first.key().unwrap_or_default();
                let others = answer.errors().len() - 1;
                return Err(CallError {
                    class: classify(first.code(), None, message),
                    code: first.code().map(str::to_owned),
                    message: format!("{key}: {message} (and {others} more)"),
                    operation,
                });
            }
        }
        Ok(())
    }
}

/// What the content hashes to. The checksum of an object that went up in parts is one of its parts'
/// checksums, `<base64>-<parts>`, and says nothing of the content.
fn sha256(answer: &HeadObjectOutput) -> Option<Sha256> {
    let whole = answer.checksum_sha256().and_then(|checksum| {
        let bytes = base64::decode(checksum).ok()?;
        let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        hexadecimal.parse().ok()
    });
    whole.or_else(|| answer.metadata()?.get(SHA256)?.parse().ok())
}

/// A key as `x-amz-copy-source` wants it: a `+` that is not encoded would be read as a space.
fn in_url(key: &str) -> String {
    key.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> aws_sdk_s3::operation::head_object::builders::HeadObjectOutputBuilder {
        HeadObjectOutput::builder()
    }

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_checksum_of_a_whole_object_is_what_its_content_hashes_to() {
        let answer = head()
            .checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
            .build();
        assert_eq!(sha256(&answer).unwrap().as_str(), EMPTY);
    }

    #[test]
    fn of_an_object_that_went_up_in_parts_only_the_metadata_counts() {
        let parts = head().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-2");
        assert_eq!(sha256(&parts.clone().build()), None);
        let known = parts.metadata(SHA256, EMPTY).build();
        assert_eq!(sha256(&known).unwrap().as_str(), EMPTY);
        let odd = head().metadata(SHA256, "yes").build();
        assert_eq!(sha256(&odd), None);
    }

    #[test]
    fn odd_names_are_encoded_where_they_are_copied_from() {
        assert_eq!(
            in_url("gtk+-2.24.33_2.arm64_sequoia.bottle.tar.gz"),
            "gtk%2B-2.24.33_2.arm64_sequoia.bottle.tar.gz"
        );
        assert_eq!(
            in_url("v2/boost/1.85/blobs/sha256:ab"),
            "v2/boost/1.85/blobs/sha256%3Aab"
        );
    }
}
