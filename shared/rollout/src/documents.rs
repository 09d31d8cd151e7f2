//! The documents of the state bucket that the engine reads and writes.
//!
//! | key | what |
//! | --- | --- |
//! | `deployments/<stack>/<service>/current.json` | a service's [`Record`] |
//! | `deployments/<stack>/<service>/history/<number>.json` | a [`Deployment`] that ended |
//! | `doctor/told.json` | which documents were reported to be unreadable: see [`crate::doctor`] |
//! | `provisions/<stack>/current.json` | a stack's [`StackRecord`] |
//! | `reconcile/<of what>.json` | what a reconcile has read, so that the next one need not: see `triggers::reading` |
//! | `routes/<repository>.json` | a [`Route`] |
//! | `schedules/<stack>/<service>/<schedule>.json` | how the tasks of a schedule ended, and which of them run: a [`ScheduleRecord`] |
//! | `services/<cluster>/<ECS service>.json` | the [`ServiceId`] of an ECS service |

use std::future::Future;
use std::pin::pin;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::arn::ServiceName;
use longshore_policy::route::{Route, ServiceId};
use longshore_state::document::{names, overwrite};
use longshore_state::store::Address;
use longshore_state::{
    CallError, Document, DocumentStore, ErrorClass, Key, Version, decide_again, load, save,
    unless_lost,
};

use crate::record::{Deployment, Record};
use crate::schedule_record::{SCHEDULE_RECORDS, ScheduleRecord};
use crate::stack_record::{STACK_RECORDS, StackRecord};

pub use crate::schedule_record::ScheduleKey;
pub use crate::stack_record::StackKey;

/// How many documents are read at once: S3 takes thousands of reads a second, each in some tens of milliseconds.
const READS_AT_ONCE: usize = 32;

const OWNERS: &str = "services/";

const ROUTES: &str = "routes/";

impl Document for Record {
    /// Format 1 knows neither the stages of a deployment nor missing images, which its outbox may hold.
    const FORMAT: u32 = 2;
}

/// Names a service's record by the service.
#[derive(Debug, Clone, Copy)]
pub struct RecordKey<'a>(pub &'a ServiceId);

impl Key for RecordKey<'_> {
    type Document = Record;

    fn address(&self) -> Address {
        let ServiceId { stack, service } = self.0;
        Address::of_state(format!("deployments/{stack}/{service}/current.json"))
    }

    fn subject(&self) -> String {
        format!("the record of {}", self.0)
    }
}

impl Document for Deployment {}

/// A deployment in the history.
#[derive(Debug, Clone, Copy)]
pub struct HistoryKey<'a> {
    pub service_id: &'a ServiceId,
    /// Its deployment's number.
    pub number: u32,
}

impl HistoryKey<'_> {
    fn prefix(service_id: &ServiceId) -> String {
        format!(
            "deployments/{}/{}/history/",
            service_id.stack, service_id.service
        )
    }
}

impl Key for HistoryKey<'_> {
    type Document = Deployment;

    fn address(&self) -> Address {
        let prefix = Self::prefix(self.service_id);
        Address::of_state(format!("{prefix}{:08}.json", self.number))
    }

    fn subject(&self) -> String {
        format!("deployment {} of {}", self.number, self.service_id)
    }
}

/// Names a route by its repository.
#[derive(Debug, Clone, Copy)]
pub struct RouteKey<'a>(pub &'a str);

impl Key for RouteKey<'_> {
    type Document = Route;

    fn address(&self) -> Address {
        Address::of_state(format!("{ROUTES}{}.json", self.0))
    }

    fn subject(&self) -> String {
        format!("{ROUTES}{}.json", self.0)
    }
}

/// Names the service of an ECS service.
#[derive(Debug, Clone, Copy)]
pub struct ServiceIdKey<'a>(pub &'a ServiceName);

impl Key for ServiceIdKey<'_> {
    type Document = ServiceId;

    fn address(&self) -> Address {
        Address::of_state(format!(
            "{OWNERS}{}/{}.json",
            self.0.cluster, self.0.ecs_service
        ))
    }

    fn subject(&self) -> String {
        let ServiceName {
            cluster,
            ecs_service,
        } = self.0;
        format!("the service_id of service {ecs_service} of cluster {cluster}")
    }
}

/// An ECS service, and whose it is, or why that cannot be read.
pub type Owned = (ServiceName, Result<ServiceId, CallError>);

/// Who follows which repository, and whose an ECS service is.
pub trait RouteStore: DocumentStore + Sized {
    /// Who follows a repository.
    fn route(&self, repository: &str) -> impl Future<Output = Result<Option<Route>, CallError>> {
        async move { Ok(self.load_route(repository).await?.map(|(route, _)| route)) }
    }

    /// The same, with the version to give back.
    fn load_route(
        &self,
        repository: &str,
    ) -> impl Future<Output = Result<Option<(Route, Version)>, CallError>> {
        async move { load(self, &RouteKey(repository)).await }
    }

    /// The names of all repositories that have a route.
    fn repositories(&self) -> impl Future<Output = Result<Vec<String>, CallError>> {
        names(self, ROUTES, ".json")
    }

    /// Whose an ECS service is.
    fn service_id(
        &self,
        service: &ServiceName,
    ) -> impl Future<Output = Result<Option<ServiceId>, CallError>> {
        async move {
            let found = load(self, &ServiceIdKey(service)).await?;
            Ok(found.map(|(service_id, _)| service_id))
        }
    }

    /// Writes down whose an ECS service is.
    fn set_service_id(
        &self,
        service: &ServiceName,
        service_id: &ServiceId,
    ) -> impl Future<Output = Result<(), CallError>> {
        async move {
            overwrite(self, &ServiceIdKey(service), service_id)
                .await
                .map(drop)
        }
    }

    /// All ECS services that have ever been deployed to, with their services, or with why it cannot be read whose one
    /// is: a damaged object is a failure of its own and of no other service.
    fn service_ids(&self) -> impl Future<Output = Result<Vec<Owned>, CallError>> {
        async move {
            let names = names(self, OWNERS, ".json").await?;
            let services = names.iter().filter_map(|name| {
                let (cluster, ecs_service) = name.split_once('/')?;
                Some(ServiceName {
                    cluster: cluster.to_owned(),
                    ecs_service: ecs_service.to_owned(),
                })
            });
            let service_ids = stream::iter(services)
                .map(|service| async move {
                    let service_id = self.service_id(&service).await.transpose()?;
                    Some((service, service_id))
                })
                .buffered(READS_AT_ONCE)
                .collect::<Vec<_>>()
                .await;
            Ok(service_ids.into_iter().flatten().collect())
        }
    }
}

impl<T: DocumentStore> RouteStore for T {}

/// Where the records of deployments are kept.
pub trait RecordStore: DocumentStore + Sized {
    /// A service's record, with the version to give back.
    fn load(
        &self,
        service_id: &ServiceId,
    ) -> impl Future<Output = Result<Option<(Record, Version)>, CallError>> {
        async move { load(self, &RecordKey(service_id)).await }
    }

    /// Writes a record in place of `version`, or as the first one. [`longshore_state::ErrorClass::LostRace`] when
    /// somebody else wrote in between.
    fn save(
        &self,
        record: &Record,
        version: Option<&Version>,
    ) -> impl Future<Output = Result<Version, CallError>> {
        async move {
            save(
                self,
                &RecordKey(&record.deployment.service_id()),
                record,
                version,
            )
            .await
        }
    }
}

impl<T: DocumentStore> RecordStore for T {}

/// Where deployments that ended are kept, for ever.
pub trait HistoryStore: DocumentStore + Sized {
    /// Keeps a deployment that ended, and gives the number that it has in the history: its own, or one after the
    /// history's last where another deployment has its own. Nothing happens when it is kept already.
    fn archive(&self, deployment: &Deployment) -> impl Future<Output = Result<u32, CallError>> {
        async move {
            let service_id = &deployment.service_id();
            let mut number = deployment.number;
            decide_again(&HistoryKey { service_id, number }, async || {
                let key = HistoryKey { service_id, number };
                let numbered = deployment.clone().numbered(number);
                if unless_lost(save(self, &key, &numbered, None).await)?.is_some() {
                    return Ok(number);
                }
                match self.archived_id(service_id, number).await? {
                    // Another write may be under way that fails yet.
                    None => {}
                    Some(id) if id.as_ref() == Some(&deployment.id) => return Ok(number),
                    Some(_) => number = self.number_after(deployment).await?,
                }
                Err(CallError::lost_race(&key))
            })
            .await
        }
    }

    /// The number after `deployment`'s own that it has in the history already, or is to have.
    fn number_after(
        &self,
        deployment: &Deployment,
    ) -> impl Future<Output = Result<u32, CallError>> {
        async move {
            let service_id = &deployment.service_id();
            let mut numbers = self.archived(service_id).await?;
            numbers.retain(|number| *number > deployment.number);
            let last = numbers.last().copied().unwrap_or(deployment.number);
            let kept = stream::iter(numbers)
                .map(|number| async move { (number, self.archived_id(service_id, number).await) })
                .buffered(READS_AT_ONCE);
            let mut kept = pin!(kept);
            while let Some((number, id)) = kept.next().await {
                if id?.flatten().as_ref() == Some(&deployment.id) {
                    return Ok(number);
                }
            }
            Ok(last.saturating_add(1))
        }
    }

    /// The id of the deployment that is kept under a number; `None` when there is none, and no id when what is there
    /// cannot be read.
    fn archived_id(
        &self,
        service_id: &ServiceId,
        number: u32,
    ) -> impl Future<Output = Result<Option<Option<String>>, CallError>> {
        async move {
            match self.archived_deployment(service_id, number).await {
                Ok(kept) => Ok(kept.map(|kept| Some(kept.id.clone()))),
                Err(error) if error.class == ErrorClass::Unreadable => Ok(Some(None)),
                Err(error) => Err(error),
            }
        }
    }

    /// The number of a service's next deployment when nothing but the history says how many there were.
    fn next_number(&self, service_id: &ServiceId) -> impl Future<Output = Result<u32, CallError>> {
        async move {
            let archived = self.archived(service_id).await?;
            Ok(archived.last().map_or(1, |last| last.saturating_add(1)))
        }
    }

    /// The numbers of a service's deployments that ended, ascending.
    fn archived(
        &self,
        service_id: &ServiceId,
    ) -> impl Future<Output = Result<Vec<u32>, CallError>> {
        async move {
            // The order of the keys is that of the numbers in them.
            let names = names(self, &HistoryKey::prefix(service_id), ".json").await?;
            Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
        }
    }

    /// A deployment that ended, by its number.
    fn archived_deployment(
        &self,
        service_id: &ServiceId,
        number: u32,
    ) -> impl Future<Output = Result<Option<Deployment>, CallError>> {
        async move {
            let found = load(self, &HistoryKey { service_id, number }).await?;
            Ok(found.map(|(deployment, _)| deployment))
        }
    }
}

impl<T: DocumentStore> HistoryStore for T {}

/// Where the records of stacks are kept.
pub trait StackRecordStore: DocumentStore + Sized {
    /// A stack's record, with the version to give back.
    fn load_stack(
        &self,
        stack: &str,
    ) -> impl Future<Output = Result<Option<(StackRecord, Version)>, CallError>> {
        async move { load(self, &StackKey(stack)).await }
    }

    /// Writes a record in place of `version`, or as the first one. [`longshore_state::ErrorClass::LostRace`] when
    /// somebody else wrote in between.
    fn save_stack(
        &self,
        record: &StackRecord,
        version: Option<&Version>,
    ) -> impl Future<Output = Result<Version, CallError>> {
        async move { save(self, &StackKey(&record.stack), record, version).await }
    }

    /// The names of all stacks that have a record.
    fn stacks(&self) -> impl Future<Output = Result<Vec<String>, CallError>> {
        names(self, STACK_RECORDS, "/current.json")
    }
}

impl<T: DocumentStore> StackRecordStore for T {}

/// Where it is kept how the tasks of schedules ended, and which run that may not run for ever.
pub trait ScheduleRecordStore: DocumentStore + Sized {
    /// The record of a service's schedule, with the version to give back; `None` when no task of it has failed yet.
    fn load_schedule(
        &self,
        service_id: &ServiceId,
        schedule: &str,
    ) -> impl Future<Output = Result<Option<(ScheduleRecord, Version)>, CallError>> {
        async move {
            let key = ScheduleKey {
                service_id,
                schedule,
            };
            load(self, &key).await
        }
    }

    /// The services and the names of all schedules that have a record; what else is there is left out.
    fn all_schedules(&self) -> impl Future<Output = Result<Vec<(ServiceId, String)>, CallError>> {
        async move {
            let keys = self.list_documents(SCHEDULE_RECORDS).await?;
            let schedule_of = |key: &String| {
                let name = key.strip_prefix(SCHEDULE_RECORDS)?.strip_suffix(".json")?;
                let parts: Vec<&str> = name.split('/').collect();
                let [stack, service, schedule] = parts[..] else {
                    return None;
                };
                let service_id = ServiceId {
                    stack: stack.to_owned(),
                    service: service.to_owned(),
                };
                Some((service_id, schedule.to_owned()))
            };
            Ok(keys.iter().filter_map(schedule_of).collect())
        }
    }

    /// The records of the schedules of a service that have one, by their names.
    fn schedules(
        &self,
        service_id: &ServiceId,
    ) -> impl Future<Output = Result<Vec<ScheduleRecord>, CallError>> {
        async move {
            let ServiceId { stack, service } = service_id;
            let prefix = format!("{SCHEDULE_RECORDS}{stack}/{service}/");
            let names = names(self, &prefix, ".json").await?;
            let records: Vec<_> = stream::iter(&names)
                .map(|name| self.load_schedule(service_id, name))
                .buffered(READS_AT_ONCE)
                .try_collect()
                .await?;
            Ok(records
                .into_iter()
                .flatten()
                .map(|(record, _)| record)
                .collect())
        }
    }
}

impl<T: DocumentStore> ScheduleRecordStore for T {}
