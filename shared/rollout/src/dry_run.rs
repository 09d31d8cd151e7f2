//! A dry run: what would be done, found out by the very code that does it, in a world that changes nothing.
//!
//! Everything is read as it is. What would be written, published, registered and started is kept in memory, and is read
//! from there afterwards. So a dry run decides as the real run would, and says what AWS refuses as far as AWS can be
//! asked without changing anything: that a right to write is missing is seen only by whoever writes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::image::{Digest, Image, ImageReference};
use longshore_events::incoming::ReleaseFile;
use longshore_events::longshore::{LongshoreEvent, SkipReason, TaskFailure, WaitReason};
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::{Route, ServiceId};
use longshore_state::store::{
    Address, DocumentListing, DocumentVersions, ListedDocument, StoredVersion,
};
use longshore_state::{CallError, DocumentStore, EventPublisher, Version, WriteCondition};
use serde::Serialize;
use serde_json::Value;

use crate::documents::RecordStore;
use crate::engine::{Outcome, ServiceOutcome};
use crate::ports::{
    Cloud, EcsService, ImageContents, ImageRegistry, ListedImages, ProcessMemory, ReleaseStore,
    ScheduledTask, ServiceDeployer, ServiceDeployment, Tag, TaskDefinition, TaskRequest,
    TaskSchedules, TaskState,
};
use crate::record::{Record, State};
use crate::task_definition::is_pinned_to;

/// What a revision, a deployment or a task is called that there is not.
const NOT_THERE: &str = "dry-run";

/// A cloud of which nothing is changed.
#[derive(Debug)]
pub struct DryRun<'a, C> {
    cloud: &'a C,
    kept: RefCell<Kept>,
}

/// What would have been done.
#[derive(Debug, Default)]
struct Kept {
    /// By bucket and key.
    documents: BTreeMap<(Option<String>, String), (Vec<u8>, Version)>,
    task_definitions: BTreeMap<String, TaskDefinition>,
    tasks: Vec<TaskRequest>,
    /// How often something was made that needs a name.
    made: usize,
}

impl Kept {
    fn next(&mut self) -> usize {
        self.made += 1;
        self.made
    }
}

impl<'a, C> DryRun<'a, C> {
    /// Reads `cloud`, and changes nothing there.
    pub fn of(cloud: &'a C) -> Self {
        Self {
            cloud,
            kept: RefCell::new(Kept::default()),
        }
    }

    /// The cloud as it is.
    pub fn cloud(&self) -> &'a C {
        self.cloud
    }

    /// The tasks that would have been started.
    pub fn tasks(&self) -> Vec<TaskRequest> {
        self.kept.borrow().tasks.clone()
    }
}

/// What would come of a request for one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WouldBe {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    #[serde(flatten)]
    pub would: Would,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Would {
    /// A deployment would begin, or go on.
    WouldStart(Box<Step>),
    /// It would wait until it may go out.
    WouldWait {
        /// What it would wait for.
        reason: WaitReason,
        /// When that ends, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// It would wait for the end of the stack's change.
    WouldBePending,
    /// There would be nothing to do.
    Nothing,
    /// Nothing would be done.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// It would be refused.
    Failed {
        /// Why.
        reason: String,
    },
}

/// From what runs to what would take its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What runs.
    pub from: Runs,
    /// The number that the deployment would have.
    pub number: u32,
    /// The image that it would bring.
    pub to: Image,
    /// Whether that deployment is there already, and would be carried on.
    pub goes_on: bool,
    /// The task that would have to succeed before the service is touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_task: Option<String>,
}

/// What runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// The image, as the task definition names it.
    pub image: String,
    /// The deployment that brought it, where the record knows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// The image's tag, where the record knows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl<C: Cloud> DryRun<'_, C> {
    /// What `outcome`, which came of a dry run, would have been.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn would(&self, outcome: &ServiceOutcome) -> Result<WouldBe, CallError> {
        let service_id = ServiceId {
            stack: outcome.stack.clone(),
            service: outcome.service.clone(),
        };
        let would = self.would_be(&service_id, &outcome.outcome).await?;
        Ok(WouldBe {
            stack: service_id.stack,
            service: service_id.service,
            would,
        })
    }

    /// The same for what came of a request of a service.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn would_be(
        &self,
        service_id: &ServiceId,
        outcome: &Outcome,
    ) -> Result<Would, CallError> {
        Ok(match outcome {
            Outcome::Started { .. } => {
                let before = self.cloud.load(service_id).await?;
                let before = before.map(|(record, _)| record);
                match self.load(service_id).await? {
                    Some((after, _)) => Would::WouldStart(Box::new(step(before.as_ref(), &after))),
                    // Nothing starts without a record.
                    None => Would::Nothing,
                }
            }
            Outcome::Nothing => Would::Nothing,
            Outcome::Skipped { reason } => Would::Skipped { reason: *reason },
            Outcome::Waiting { reason, until } => Would::WouldWait {
                reason: reason.clone(),
                until: *until,
            },
            Outcome::Pending => Would::WouldBePending,
            Outcome::Failed { reason } => Would::Failed {
                reason: reason.clone(),
            },
        })
    }
}

/// From what runs to what the record names after the dry run.
fn step(before: Option<&Record>, after: &Record) -> Step {
    let deployment = &after.deployment;
    let last = before.map(|before| &before.deployment);
    // What ran before it, as far as the record knows: its last deployment, where that is what runs.
    let known = last.filter(|last| is_pinned_to(&deployment.previous_image, &last.image));
    Step {
        from: Runs {
            image: deployment.previous_image.clone(),
            number: known.map(|last| last.number),
            tag: known.and_then(|last| last.image.tag.clone()),
        },
        number: deployment.number,
        to: deployment.image.clone(),
        goes_on: last.is_some_and(|last| last.id == deployment.id),
        first_task: deployment
            .task
            .as_ref()
            .filter(|_| deployment.state == State::Preparing)
            .map(|task| task.name.clone()),
    }
}

impl<C: DocumentStore> DocumentStore for DryRun<'_, C> {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        let kept = self.kept.borrow().documents.get(&key(address)).cloned();
        match kept {
            Some(kept) => Ok(Some(kept)),
            None => self.cloud.read_document(address).await,
        }
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        let present = self.read_document(address).await?;
        if !condition.holds(present.as_ref().map(|(_, version)| version)) {
            return Err(CallError::lost_race_for(&address.key));
        }
        let mut kept = self.kept.borrow_mut();
        let version = Version::new(format!("{NOT_THERE}-{}", kept.next()));
        kept.documents.insert(key(address), (body, version.clone()));
        Ok(version)
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let there = self.cloud.list_documents(prefix).await?;
        let kept = self.kept.borrow();
        let written = kept.documents.keys();
        let written = written
            .filter(|(bucket, key)| bucket.is_none() && key.starts_with(prefix))
            .map(|(_, key)| key.clone());
        let all: BTreeSet<String> = there.into_iter().chain(written).collect();
        Ok(all.into_iter().collect())
    }
}

fn key(address: &Address) -> (Option<String>, String) {
    (address.bucket.clone(), address.key.clone())
}

impl<C: DocumentListing> DocumentListing for DryRun<'_, C> {
    async fn list_with_tags(
        &self,
        prefix: &str,
        apart: Option<&str>,
    ) -> Result<Vec<ListedDocument>, CallError> {
        let there = self.cloud.list_with_tags(prefix, apart).await?;
        let there = there.into_iter().map(|listed| (listed.key, listed.tag));
        let mut all: BTreeMap<String, String> = there.collect();
        for ((bucket, key), (_, version)) in &self.kept.borrow().documents {
            let rest = key.strip_prefix(prefix).filter(|_| bucket.is_none());
            if rest.is_some_and(|rest| apart.is_none_or(|apart| !rest.contains(apart))) {
                all.insert(key.clone(), version.tag.clone());
            }
        }
        let all = all.into_iter();
        Ok(all.map(|(key, tag)| ListedDocument { key, tag }).collect())
    }
}

impl<C: DocumentVersions> DocumentVersions for DryRun<'_, C> {
    async fn list_versions(&self, key: &str) -> Result<Vec<StoredVersion>, CallError> {
        self.cloud.list_versions(key).await
    }

    async fn read_version(&self, key: &str, version_id: &str) -> Result<Vec<u8>, CallError> {
        self.cloud.read_version(key, version_id).await
    }
}

impl<C> EventPublisher for DryRun<'_, C> {
    async fn publish(&self, _: &[LongshoreEvent]) -> Result<(), CallError> {
        Ok(())
    }
}

impl<C: ReleaseStore> ReleaseStore for DryRun<'_, C> {
    async fn release(&self, file: &ReleaseFile) -> Result<Vec<u8>, CallError> {
        self.cloud.release(file).await
    }
}

impl<C: TaskSchedules> TaskSchedules for DryRun<'_, C> {
    async fn scheduled_task(
        &self,
        schedule_group: &str,
        schedule_name: &str,
    ) -> Result<Option<ScheduledTask>, CallError> {
        self.cloud
            .scheduled_task(schedule_group, schedule_name)
            .await
    }
}

impl<C: ProcessMemory> ProcessMemory for DryRun<'_, C> {
    fn last_route(&self, repository: &str) -> Option<Route> {
        self.cloud.last_route(repository)
    }

    fn route_was_read(&self, _: &str, _: Option<&Route>) {}

    fn last_push(&self, repository: &str) -> Option<DateTime<Utc>> {
        self.cloud.last_push(repository)
    }

    fn was_pushed(&self, _: &str, _: DateTime<Utc>) {}
}

impl<C: ImageRegistry> ImageRegistry for DryRun<'_, C> {
    async fn resolve(&self, reference: &ImageReference) -> Result<Image, CallError> {
        self.cloud.resolve(reference).await
    }

    async fn tagged(
        &self,
        repository: &str,
        tag: &str,
    ) -> Result<Option<RegistryImage>, CallError> {
        self.cloud.tagged(repository, tag).await
    }

    async fn all_tagged(
        &self,
        repository: &str,
        tags: &BTreeSet<String>,
    ) -> Result<Option<Vec<RegistryImage>>, CallError> {
        self.cloud.all_tagged(repository, tags).await
    }

    async fn images(&self, repository: &str) -> Result<ListedImages, CallError> {
        self.cloud.images(repository).await
    }

    async fn missing(
        &self,
        repository: &str,
        digests: &[Digest],
    ) -> Result<Vec<Digest>, CallError> {
        self.cloud.missing(repository, digests).await
    }

    async fn inspect(&self, image: &Image) -> Result<ImageContents, CallError> {
        self.cloud.inspect(image).await
    }
}

impl<C: ServiceDeployer> ServiceDeployer for DryRun<'_, C> {
    async fn describe_service(&self, service: &ServiceName) -> Result<EcsService, CallError> {
        self.cloud.describe_service(service).await
    }

    async fn describe_task_definition(&self, arn: &str) -> Result<TaskDefinition, CallError> {
        let registered = self.kept.borrow().task_definitions.get(arn).cloned();
        match registered {
            Some(registered) => Ok(registered),
            None => self.cloud.describe_task_definition(arn).await,
        }
    }

    async fn register_task_definition(&self, request: &Value) -> Result<String, CallError> {
        let mut kept = self.kept.borrow_mut();
        let family = request["family"].as_str().unwrap_or_default();
        let arn = format!("task-definition/{family}:{NOT_THERE}-{}", kept.next());
        let mut document = request.clone();
        document["taskDefinitionArn"] = Value::String(arn.clone());
        let tags: Vec<Tag> = serde_json::from_value(document["tags"].take()).unwrap_or_default();
        kept.task_definitions
            .insert(arn.clone(), TaskDefinition { document, tags });
        Ok(arn)
    }

    async fn update_service(
        &self,
        _: &ServiceName,
        _: &str,
        _: Option<u32>,
    ) -> Result<String, CallError> {
        let number = self.kept.borrow_mut().next();
        Ok(format!("ecs-svc/{NOT_THERE}-{number}"))
    }

    async fn service_deployment(
        &self,
        service: &ServiceName,
        task_definition: &str,
        since: DateTime<Utc>,
        known: Option<&str>,
    ) -> Result<Option<ServiceDeployment>, CallError> {
        self.cloud
            .service_deployment(service, task_definition, since, known)
            .await
    }

    async fn describe_services(
        &self,
        cluster: &str,
        ecs_services: &[String],
    ) -> Result<Vec<(ServiceName, EcsService)>, CallError> {
        self.cloud.describe_services(cluster, ecs_services).await
    }

    async fn run_task(&self, request: &TaskRequest) -> Result<String, CallError> {
        let mut kept = self.kept.borrow_mut();
        let number = kept.next();
        kept.tasks.push(request.clone());
        Ok(format!("task/{NOT_THERE}-{number}"))
    }

    async fn describe_task(
        &self,
        cluster: &str,
        task: &str,
    ) -> Result<Option<TaskState>, CallError> {
        match task.starts_with(&format!("task/{NOT_THERE}-")) {
            true => Ok(Some(TaskState::Running)),
            false => self.cloud.describe_task(cluster, task).await,
        }
    }

    async fn stop_task(&self, _: &str, _: &str, _: &str) -> Result<(), CallError> {
        Ok(())
    }

    async fn stopped_tasks(
        &self,
        service: &ServiceName,
        deployment_id: &str,
    ) -> Result<Vec<TaskFailure>, CallError> {
        self.cloud.stopped_tasks(service, deployment_id).await
    }
}
