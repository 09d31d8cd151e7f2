//! The state bucket: routes, owners, records and release files.

use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use longshore_events::arn::ServiceName;
use longshore_events::incoming::ReleaseFile;
use longshore_rollout::ports::{
    CallError, ErrorClass, RecordStore, RecordVersion, ReleaseStore, RouteStore, StackRecordStore,
};
use longshore_rollout::record::Record;
use longshore_rollout::route::{Owner, Route};
use longshore_rollout::stack_record::StackRecord;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AwsCloud;
use crate::error::{failed, unreadable};

/// A release file holds a name and a note; more than this is something else.
const LARGEST_RELEASE: usize = 64 * 1024;

const OWNERS: &str = "services/";

const STACK_RECORDS: &str = "provisions/";

impl RouteStore for AwsCloud {
    async fn route(&self, repository: &str) -> Result<Option<Route>, CallError> {
        Ok(self
            .read(&format!("routes/{repository}.json"))
            .await?
            .map(|(route, _)| route))
    }

    async fn owner(&self, service: &ServiceName) -> Result<Option<Owner>, CallError> {
        Ok(self
            .read(&owner_key(service))
            .await?
            .map(|(owner, _)| owner))
    }

    async fn set_owner(&self, service: &ServiceName, owner: &Owner) -> Result<(), CallError> {
        self.write(&owner_key(service), owner, Condition::None)
            .await
            .map(drop)
    }

    async fn owners(&self) -> Result<Vec<(ServiceName, Owner)>, CallError> {
        let mut owners = Vec::new();
        for key in self.keys(OWNERS).await? {
            let Some((cluster, ecs_service)) = key
                .strip_prefix(OWNERS)
                .and_then(|name| name.strip_suffix(".json"))
                .and_then(|name| name.split_once('/'))
            else {
                continue;
            };
            let service = ServiceName {
                cluster: cluster.to_owned(),
                ecs_service: ecs_service.to_owned(),
            };
            if let Some(owner) = self.owner(&service).await? {
                owners.push((service, owner));
            }
        }
        Ok(owners)
    }
}

impl RecordStore for AwsCloud {
    async fn load(&self, owner: &Owner) -> Result<Option<(Record, RecordVersion)>, CallError> {
        self.read(&record_key(owner)).await
    }

    async fn save(
        &self,
        record: &Record,
        version: Option<&RecordVersion>,
    ) -> Result<RecordVersion, CallError> {
        let condition = match version {
            Some(version) => Condition::Replaces(version),
            None => Condition::IsFirst,
        };
        self.write(&record_key(&record.deployment.owner()), record, condition)
            .await
    }
}

impl StackRecordStore for AwsCloud {
    async fn load_stack(
        &self,
        stack: &str,
    ) -> Result<Option<(StackRecord, RecordVersion)>, CallError> {
        self.read(&stack_record_key(stack)).await
    }

    async fn save_stack(
        &self,
        record: &StackRecord,
        version: Option<&RecordVersion>,
    ) -> Result<RecordVersion, CallError> {
        let condition = match version {
            Some(version) => Condition::Replaces(version),
            None => Condition::IsFirst,
        };
        self.write(&stack_record_key(&record.stack), record, condition)
            .await
    }

    async fn stacks(&self) -> Result<Vec<String>, CallError> {
        let keys = self.keys(STACK_RECORDS).await?;
        Ok(keys
            .iter()
            .filter_map(|key| {
                key.strip_prefix(STACK_RECORDS)?
                    .strip_suffix("/current.json")
            })
            .map(str::to_owned)
            .collect())
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

/// What must hold for a write to be done.
pub(crate) enum Condition<'a> {
    /// Nothing.
    None,
    /// There is no such object yet.
    IsFirst,
    /// The object is still this version.
    Replaces(&'a RecordVersion),
}

impl AwsCloud {
    /// An object of the state bucket, with its entity tag; `None` when there is none.
    ///
    /// S3 says that there is none only to a role that may list the bucket; to others it says 403.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(T, RecordVersion)>, CallError> {
        let operation = format!("read s3://{}/{key}", self.state_bucket_name);
        let answer = self
            .s3()
            .get_object()
            .bucket(&self.state_bucket_name)
            .key(key)
            .send()
            .await;
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
        let version = RecordVersion(answer.e_tag.clone().unwrap_or_default());
        let body = collect(answer.body, &operation).await?;
        let value = serde_json::from_slice(&body)
            .map_err(|error| unreadable(operation, error.to_string()))?;
        Ok(Some((value, version)))
    }

    pub(crate) async fn write<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        condition: Condition<'_>,
    ) -> Result<RecordVersion, CallError> {
        let operation = format!("write s3://{}/{key}", self.state_bucket_name);
        let body =
            serde_json::to_vec(value).map_err(|error| unreadable(&operation, error.to_string()))?;
        let request = self
            .s3()
            .put_object()
            .bucket(&self.state_bucket_name)
            .key(key)
            .content_type("application/json")
            .body(ByteStream::from(body));
        let request = match condition {
            Condition::None => request,
            Condition::IsFirst => request.if_none_match("*"),
            Condition::Replaces(version) => request.if_match(&version.0),
        };
        match request.send().await.map_err(failed(operation)) {
            Ok(answer) => Ok(RecordVersion(answer.e_tag.unwrap_or_default())),
            // If-Match on an object that is gone answers 404: somebody removed the record meanwhile.
            Err(error) if error.class == ErrorClass::NotFound => Err(CallError {
                class: ErrorClass::LostRace,
                ..error
            }),
            Err(error) => Err(error),
        }
    }

    /// The keys that begin with `prefix`.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let operation = format!("list s3://{}/{prefix}", self.state_bucket_name);
        let mut pages = self
            .s3()
            .list_objects_v2()
            .bucket(&self.state_bucket_name)
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(&operation))?;
            keys.extend(
                page.contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|object| object.key),
            );
        }
        Ok(keys)
    }
}

/// The body of an object that people wrote, which may be anything.
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

fn owner_key(service: &ServiceName) -> String {
    format!("{OWNERS}{}/{}.json", service.cluster, service.ecs_service)
}

fn record_key(owner: &Owner) -> String {
    format!("deployments/{}/{}/current.json", owner.stack, owner.service)
}

fn stack_record_key(stack: &str) -> String {
    format!("{STACK_RECORDS}{stack}/current.json")
}
