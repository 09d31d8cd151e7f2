//! The state bucket: routes, owners, records and release files.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_bottles::ports::WriteCondition;
use longshore_events::arn::ServiceName;
use longshore_events::incoming::ReleaseFile;
use longshore_rollout::ports::{
    CallError, HistoryStore, RecordStore, RecordVersion, ReleaseStore, RouteStore, StackRecordStore,
};
use longshore_rollout::record::{Deployment, Record};
use longshore_rollout::route::{Owner, Route};
use longshore_rollout::stack_record::StackRecord;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AwsCloud;
use crate::error::{failed, unreadable};
use crate::objects::collect_at_most;

/// A release file holds a name and a note; more than this is something else.
const LARGEST_RELEASE: usize = 64 * 1024;

/// So many objects are read at once: S3 takes thousands of reads a second, each in some tens of milliseconds.
const READS_AT_ONCE: usize = 32;

const OWNERS: &str = "services/";

const ROUTES: &str = "routes/";

const STACK_RECORDS: &str = "provisions/";

impl HistoryStore for AwsCloud {
    async fn archive(&self, deployment: &Deployment) -> Result<(), CallError> {
        let key = history_key(&deployment.owner(), deployment.number);
        match self
            .write_state(&key, deployment, WriteCondition::IsFirst)
            .await
        {
            // It is there already. While another write is still under way, which may fail, S3 gives another
            // code.
            Err(error) if error.code.as_deref() == Some("PreconditionFailed") => Ok(()),
            other => other.map(drop),
        }
    }

    async fn archived(&self, owner: &Owner) -> Result<Vec<u32>, CallError> {
        let prefix = history_prefix(owner);
        // S3 lists in the order of the keys, which is that of the numbers in them.
        Ok(self
            .state_keys(&prefix)
            .await?
            .iter()
            .filter_map(|key| {
                key.strip_prefix(&prefix)?
                    .strip_suffix(".json")?
                    .parse()
                    .ok()
            })
            .collect())
    }

    async fn archived_deployment(
        &self,
        owner: &Owner,
        number: u32,
    ) -> Result<Option<Deployment>, CallError> {
        Ok(self
            .read_state(&history_key(owner, number))
            .await?
            .map(|(deployment, _)| deployment))
    }
}

impl RouteStore for AwsCloud {
    async fn repositories(&self) -> Result<Vec<String>, CallError> {
        Ok(self
            .state_keys(ROUTES)
            .await?
            .iter()
            .filter_map(|key| key.strip_prefix(ROUTES)?.strip_suffix(".json"))
            .map(str::to_owned)
            .collect())
    }

    async fn route(&self, repository: &str) -> Result<Option<Route>, CallError> {
        Ok(self
            .read_state(&format!("routes/{repository}.json"))
            .await?
            .map(|(route, _)| route))
    }

    async fn owner(&self, service: &ServiceName) -> Result<Option<Owner>, CallError> {
        Ok(self
            .read_state(&owner_key(service))
            .await?
            .map(|(owner, _)| owner))
    }

    async fn set_owner(&self, service: &ServiceName, owner: &Owner) -> Result<(), CallError> {
        self.write_state(&owner_key(service), owner, WriteCondition::None)
            .await
            .map(drop)
    }

    async fn owners(&self) -> Result<Vec<(ServiceName, Owner)>, CallError> {
        let keys = self.state_keys(OWNERS).await?;
        let services = keys.iter().filter_map(|key| {
            let (cluster, ecs_service) = key
                .strip_prefix(OWNERS)?
                .strip_suffix(".json")?
                .split_once('/')?;
            Some(ServiceName {
                cluster: cluster.to_owned(),
                ecs_service: ecs_service.to_owned(),
            })
        });
        let owners = stream::iter(services)
            .map(|service| async move {
                let owner = self.owner(&service).await?;
                Ok::<_, CallError>(owner.map(|owner| (service, owner)))
            })
            .buffered(READS_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(owners.into_iter().flatten().collect())
    }
}

impl RecordStore for AwsCloud {
    async fn load(&self, owner: &Owner) -> Result<Option<(Record, RecordVersion)>, CallError> {
        self.read_state(&record_key(owner)).await
    }

    async fn save(
        &self,
        record: &Record,
        version: Option<&RecordVersion>,
    ) -> Result<RecordVersion, CallError> {
        let condition = match version {
            Some(version) => WriteCondition::Replaces(version),
            None => WriteCondition::IsFirst,
        };
        self.write_state(&record_key(&record.deployment.owner()), record, condition)
            .await
    }
}

impl StackRecordStore for AwsCloud {
    async fn load_stack(
        &self,
        stack: &str,
    ) -> Result<Option<(StackRecord, RecordVersion)>, CallError> {
        self.read_state(&stack_record_key(stack)).await
    }

    async fn save_stack(
        &self,
        record: &StackRecord,
        version: Option<&RecordVersion>,
    ) -> Result<RecordVersion, CallError> {
        let condition = match version {
            Some(version) => WriteCondition::Replaces(version),
            None => WriteCondition::IsFirst,
        };
        self.write_state(&stack_record_key(&record.stack), record, condition)
            .await
    }

    async fn stacks(&self) -> Result<Vec<String>, CallError> {
        let keys = self.state_keys(STACK_RECORDS).await?;
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

impl AwsCloud {
    /// What an object of the state bucket holds, with its version; `None` when there is none.
    pub(crate) async fn read_state<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(T, RecordVersion)>, CallError> {
        let bucket = &self.state_bucket_name;
        let Some((body, version)) = self.read_object(bucket, key).await? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&body)
            .map_err(|error| unreadable(format!("read s3://{bucket}/{key}"), error.to_string()))?;
        Ok(Some((value, version)))
    }

    pub(crate) async fn write_state<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        condition: WriteCondition<'_>,
    ) -> Result<RecordVersion, CallError> {
        let bucket = &self.state_bucket_name;
        let body = serde_json::to_vec(value)
            .map_err(|error| unreadable(format!("write s3://{bucket}/{key}"), error.to_string()))?;
        self.write_object(bucket, key, "application/json", body, condition)
            .await
    }

    /// The keys of the state bucket that begin with `prefix`.
    pub(crate) async fn state_keys(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let listed = self.list_objects(&self.state_bucket_name, prefix).await?;
        Ok(listed.into_iter().map(|object| object.key).collect())
    }
}

fn owner_key(service: &ServiceName) -> String {
    format!("{OWNERS}{}/{}.json", service.cluster, service.ecs_service)
}

fn record_key(owner: &Owner) -> String {
    format!("deployments/{}/{}/current.json", owner.stack, owner.service)
}

fn history_prefix(owner: &Owner) -> String {
    format!("deployments/{}/{}/history/", owner.stack, owner.service)
}

fn history_key(owner: &Owner, number: u32) -> String {
    format!("{}{number:08}.json", history_prefix(owner))
}

fn stack_record_key(stack: &str) -> String {
    format!("{STACK_RECORDS}{stack}/current.json")
}
