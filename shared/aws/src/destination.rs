//! Where a transfer's files go: S3.
//!
//! The SDK's own client carries the streams. A profile of `cargo xtask bench sync` shows nearly all of a
//! transfer's time in the kernel, above all where it copies what comes and what goes, so requests that are
//! signed by hand would save next to nothing and be a second way to S3.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, MetadataDirective,
};
use longshore_events::transfer::Sha256;
use longshore_state::{CallError, ErrorClass};
use longshore_transfer::body::Body;
use longshore_transfer::destination::{Destination, PutError, Target};

use longshore_bottles::ports::StoredObject;

use crate::error::{failed, failed_at_s3, unreadable};

/// The metadata of an object that went up in parts: S3's own SHA-256 of it is one of its parts' digests.
const SHA256: &str = "sha256";

/// What S3 needs to say whether an object is there.
pub(crate) const TO_LOOK: &str =
    "s3:GetObject, or s3:ListBucket, without which a missing object is refused as well";

/// A bottle's name has come to mean other content before: a day is what the edge keeps it for, too.
const A_DAY: &str = "public, max-age=86400";

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// S3 as the place where files are transferred to.
#[derive(Debug, Clone)]
pub struct S3Destination {
    /// For calls that are answered at once: tried again by the SDK.
    calls: Client,
    /// For streams, which nobody can send twice, and for copies: as long as they take, tried once.
    streams: Client,
}

impl S3Destination {
    /// With the configuration's region, credentials and endpoint.
    pub fn new(configuration: &SdkConfig) -> Self {
        let streams = aws_sdk_s3::config::Builder::from(configuration)
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .disable_operation_attempt_timeout()
                    .disable_operation_timeout()
                    .build(),
            )
            // The body of a PUT is the body of a GET: where the source pauses, S3 is sent nothing, and is not
            // to blame. A transfer watches both sides itself, and names the one that stalls.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // The digest is known already where S3 can verify it; another checksum would cost and add nothing.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .build();
        Self {
            calls: Client::new(configuration),
            streams: Client::from_conf(streams),
        }
    }
}

impl Destination for S3Destination {
    async fn head(&self, bucket: &str, key: &str) -> Result<Option<StoredObject>, CallError> {
        let operation = format!("look at s3://{bucket}/{key}");
        let answer = self
            .calls
            .head_object()
            .bucket(bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        match answer {
            Ok(object) => stored(&object)
                .map(Some)
                .map_err(|message| unreadable(operation, message)),
            Err(error) => match failed_at_s3(operation, TO_LOOK)(error) {
                // The answer to HEAD has no body, and so no code.
                error if error.class == ErrorClass::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn put(&self, target: &Target, body: Body) -> Result<(), PutError> {
        self.streams
            .put_object()
            .bucket(&target.bucket)
            .key(&target.key)
            .content_type(&target.content_type)
            .set_cache_control(cache_control(&target.key))
            .content_length(length(&body))
            .checksum_sha256(checksum(&target.sha256))
            .body(ByteStream::from_body_1_x(body))
            .send()
            .await
            .map(drop)
            .map_err(failed_at_s3(
                format!("write {}", shown(target)),
                "s3:PutObject",
            ))
            .map_err(refused)
    }

    async fn copy(&self, from: &str, to: &Target) -> Result<(), CallError> {
        self.streams
            .copy_object()
            .copy_source(copy_source(&to.bucket, from))
            .bucket(&to.bucket)
            .key(&to.key)
            .metadata_directive(MetadataDirective::Replace)
            .metadata(SHA256, to.sha256.as_str())
            .content_type(&to.content_type)
            .set_cache_control(cache_control(&to.key))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .send()
            .await
            .map(drop)
            .map_err(failed_at_s3(
                format!("copy {from} to {}", shown(to)),
                "s3:GetObject and s3:PutObject",
            ))
    }

    async fn begin(&self, target: &Target) -> Result<String, CallError> {
        let operation = format!("begin the parts of {}", shown(target));
        self.calls
            .create_multipart_upload()
            .bucket(&target.bucket)
            .key(&target.key)
            .content_type(&target.content_type)
            .set_cache_control(cache_control(&target.key))
            .metadata(SHA256, target.sha256.as_str())
            .send()
            .await
            .map_err(failed_at_s3(&operation, "s3:PutObject"))?
            .upload_id
            .ok_or_else(|| unreadable(operation, "the answer has no upload id"))
    }

    async fn put_part(
        &self,
        target: &Target,
        upload: &str,
        number: u32,
        body: Body,
    ) -> Result<String, PutError> {
        let operation = format!("write part {number} of {}", shown(target));
        self.streams
            .upload_part()
            .bucket(&target.bucket)
            .key(&target.key)
            .upload_id(upload)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .content_length(length(&body))
            .body(ByteStream::from_body_1_x(body))
            .send()
            .await
            .map_err(failed_at_s3(&operation, "s3:PutObject"))
            .map_err(refused)?
            .e_tag
            .ok_or_else(|| unreadable(operation, "the answer has no entity tag").into())
    }

    async fn complete(
        &self,
        target: &Target,
        upload: &str,
        parts: &[String],
    ) -> Result<(), CallError> {
        let parts = parts
            .iter()
            .zip(1..)
            .map(|(tag, number)| {
                CompletedPart::builder()
                    .e_tag(tag)
                    .part_number(number)
                    .build()
            })
            .collect();
        // S3 may take minutes to put the parts together.
        self.streams
            .complete_multipart_upload()
            .bucket(&target.bucket)
            .key(&target.key)
            .upload_id(upload)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts))
                    .build(),
            )
            .send()
            .await
            .map(drop)
            .map_err(failed_at_s3(
                format!("complete the parts of {}", shown(target)),
                "s3:PutObject",
            ))
    }

    async fn abort(&self, target: &Target, upload: &str) -> Result<(), CallError> {
        self.calls
            .abort_multipart_upload()
            .bucket(&target.bucket)
            .key(&target.key)
            .upload_id(upload)
            .send()
            .await
            .map(drop)
            .map_err(failed(format!("throw away the parts of {}", shown(target))))
    }
}

fn shown(target: &Target) -> String {
    format!("s3://{}/{}", target.bucket, target.key)
}

fn length(body: &Body) -> i64 {
    i64::try_from(body.left()).unwrap_or(i64::MAX)
}

/// S3's codes for content that does not hash to what was said (Amazon S3 API Reference, "Error responses").
fn refused(error: CallError) -> PutError {
    match error.code.as_deref() {
        Some(
            "BadDigest"
            | "InvalidDigest"
            | "XAmzContentSHA256Mismatch"
            | "XAmzContentChecksumMismatch",
        ) => PutError::Mismatch(error.message),
        _ => PutError::Call(error),
    }
}

/// What HEAD says of an object.
pub(crate) fn stored(object: &HeadObjectOutput) -> Result<StoredObject, String> {
    let size = object
        .content_length()
        .and_then(|length| u64::try_from(length).ok())
        .ok_or("the answer has no length")?;
    let metadata = || object.metadata()?.get(SHA256)?.parse().ok();
    Ok(StoredObject {
        size,
        // A checksum with a dash is one of parts' digests, and says nothing of the whole.
        sha256: object
            .checksum_sha256()
            .and_then(of_checksum)
            .or_else(metadata),
    })
}

/// The header's form of a digest.
pub(crate) fn checksum(sha256: &Sha256) -> String {
    let bytes: Vec<u8> = sha256
        .as_str()
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| nibble(pair[0]) << 4 | nibble(pair[1]))
        .collect();
    aws_smithy_types::base64::encode(bytes)
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}

/// The digest of the header's form; `None` for anything else, such as the checksum of parts.
pub(crate) fn of_checksum(checksum: &str) -> Option<Sha256> {
    let bytes = aws_smithy_types::base64::decode(checksum).ok()?;
    hex::encode(bytes).parse().ok()
}

/// The header of a copy: bucket and key, with every byte escaped that is not plain in a URL.
pub(crate) fn copy_source(bucket: &str, key: &str) -> String {
    let mut source = format!("{bucket}/");
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            source.push(char::from(byte));
        } else {
            source.push_str(&format!("%{byte:02X}"));
        }
    }
    source
}

/// A blob's name is its digest: clients may keep it for ever. Of other files nothing is promised.
pub(crate) fn cache_control(key: &str) -> Option<String> {
    let name = key.rsplit('/').next().unwrap_or(key);
    if name.starts_with("sha256:") {
        Some(IMMUTABLE.to_owned())
    } else if name.contains(".bottle.") {
        Some(A_DAY.to_owned())
    } else {
        None
    }
}
