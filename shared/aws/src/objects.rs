//! Objects of any bucket that are small enough to be held in memory: read, written, listed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::body::SdkBody;
use longshore_bottles::ports::ListedObject;
use longshore_state::{CallError, ErrorClass, Version, WriteCondition};

use crate::AwsCloud;
use crate::error::{failed, unreadable};

/// How long an attempt to write may take, whatever is written: as for every other call.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How slow a line may be, in bytes a second, for a body to be still on its way.
const SLOWEST: u64 = 1024 * 1024;

/// Counts how often a request was sent.
#[derive(Debug, Clone, Default)]
struct TimesSent(Arc<AtomicUsize>);

impl Intercept for TimesSent {
    fn name(&self) -> &'static str {
        "TimesSent"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl TimesSent {
    fn is_repeated(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

impl AwsCloud {
    /// An object of at most `limit` bytes, with its entity tag; `None` when there is none. Larger ones are refused;
    /// `what` says in the refusal what the object should be.
    ///
    /// S3 says that there is none only to a role that may list the bucket; to others it says 403.
    pub(crate) async fn read_object(
        &self,
        bucket: &str,
        key: &str,
        limit: usize,
        what: &str,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        let operation = format!("read s3://{bucket}/{key}");
        let answer = self.s3().get_object().bucket(bucket).key(key).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetObjectError::is_no_such_key) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failed(operation)(error)),
        };
        let version = Version::new(answer.e_tag.clone().unwrap_or_default());
        let body = collect_at_most(answer, limit, what, &operation).await?;
        Ok(Some((body, version)))
    }

    /// Writes an object, with as much time as its size needs.
    pub(crate) async fn write_object(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        let timeouts = timeouts(body.len());
        let body = SdkBody::from(body);
        let sent = TimesSent::default();
        let request = self
            .s3()
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::new(body));
        let request = match condition {
            WriteCondition::None => request,
            WriteCondition::IsFirst => request.if_none_match("*"),
            WriteCondition::Replaces(version) => request.if_match(&version.tag),
        };
        let answer = request
            .customize()
            .config_override(Builder::new().timeout_config(timeouts))
            .interceptor(sent.clone())
            .send()
            .await
            .map_err(failed(format!("write s3://{bucket}/{key}")));
        match answer {
            Ok(answer) => Ok(Version::new(answer.e_tag.unwrap_or_default())),
            // If S3 has carried out the first request and answered too late, the condition of the second one does not
            // hold any more.
            Err(error) if error.class == ErrorClass::LostRace && sent.is_repeated() => {
                Err(CallError {
                    class: ErrorClass::UnsureWrite,
                    ..error
                })
            }
            // If-Match on an object that is gone answers 404: somebody removed the document meanwhile.
            Err(error) if error.class == ErrorClass::NotFound => Err(CallError {
                class: ErrorClass::LostRace,
                ..error
            }),
            Err(error) => Err(error),
        }
    }

    /// What begins with `prefix`, all of it.
    pub(crate) async fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> Result<Vec<ListedObject>, CallError> {
        let operation = format!("list s3://{bucket}/{prefix}");
        let mut pages = self
            .s3()
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(&operation))?;
            listed.extend(
                page.contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|object| {
                        Some(ListedObject {
                            size: size(object.size),
                            key: object.key?,
                        })
                    }),
            );
        }
        Ok(listed)
    }
}

/// A size as S3 gives it.
pub(crate) fn size(bytes: Option<i64>) -> u64 {
    bytes
        .and_then(|bytes| u64::try_from(bytes).ok())
        .unwrap_or_default()
}

/// The general timeouts are for requests of a few kilobytes.
fn timeouts(bytes: usize) -> TimeoutConfig {
    let on_the_way = u64::try_from(bytes).unwrap_or(u64::MAX) / SLOWEST;
    let attempt = ATTEMPT + Duration::from_secs(on_the_way);
    TimeoutConfig::builder()
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt * 3)
        .build()
}

/// The body of an object, which anybody who may write the bucket may have written.
pub(crate) async fn collect_at_most(
    answer: GetObjectOutput,
    limit: usize,
    what: &str,
    operation: &str,
) -> Result<Vec<u8>, CallError> {
    if answer
        .content_length()
        .and_then(|length| usize::try_from(length).ok())
        .is_some_and(|length| length > limit)
    {
        return Err(CallError {
            operation: operation.to_owned(),
            class: ErrorClass::Refused,
            code: None,
            message: format!("larger than {limit} bytes, which no {what} is"),
        });
    }
    collect(answer.body, operation).await
}

async fn collect(body: ByteStream, operation: &str) -> Result<Vec<u8>, CallError> {
    body.collect()
        .await
        .map(|body| body.into_bytes().to_vec())
        .map_err(|error| unreadable(operation, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_body_gets_the_time_that_it_needs() {
        let small = timeouts(2_000);
        assert_eq!(small.operation_attempt_timeout(), Some(ATTEMPT));
        assert_eq!(small.operation_timeout(), Some(ATTEMPT * 3));
        let index = timeouts(25 * 1024 * 1024);
        assert_eq!(
            index.operation_attempt_timeout(),
            Some(Duration::from_secs(30))
        );
        assert_eq!(index.operation_timeout(), Some(Duration::from_secs(90)));
    }
}
