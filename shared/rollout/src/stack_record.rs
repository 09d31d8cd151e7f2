//! The stack record: `provisions/<stack>/current.json` in the state bucket.
//!
//! Like the record of a deployment it is changed only by conditional writes, and each change of state
//! puts the event that reports it into the record's outbox in the same write.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::cloudformation::{StackPhase, StackStatus};
use longshore_events::image::Image;
use longshore_events::longshore::{
    ChangeCounts, ContainerLog, FailedResource, FailedService, LongshoreEvent, OperationKind,
    StackApplying, StackFailed, StackReady, StackSource, StackSummary, TaskFailure,
};
use longshore_policy::route::Subscriber;
use longshore_state::outbox::{Outbox, Unpublished};
use longshore_state::store::Address;
use longshore_state::{
    CallError, Document, DocumentStore, EventPublisher, Key, Version, Worker, rename,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{Deployment, Request};

/// A stack's record: its last change, what waits for the end of it, and what is still to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRecord {
    pub stack: String,
    /// The last change.
    pub operation: Operation,
    /// What was asked for while the stack was changing, the newest for each container: by service and
    /// container, `api/app`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pending_pushes: BTreeMap<String, PendingPush>,
    /// A stack file was written while the stack was changing: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_file: Option<PendingFile>,
    /// Events that are not known to have been published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<Unpublished>,
}

pub(crate) const STACK_RECORDS: &str = "provisions/";

/// How many services of a change keep the tasks that died. One failing service makes CloudFormation cancel the others.
const FAILED_SERVICES_KEPT: usize = 5;

/// How many tasks each of them keeps. With all logs, the event about them stays far below EventBridge's 256 KB.
const FAILURES_KEPT: usize = 5;

/// How much is kept of what the last of these tasks wrote: containers, lines of each, bytes of each line in JSON.
pub(crate) const LOGS_KEPT: usize = 3;
pub(crate) const LINES_KEPT: u32 = 10;
pub(crate) const LINE_KEPT: usize = 500;

impl Document for StackRecord {
    const FORMAT: u32 = 2;

    /// Format 1 called a subscriber a follower, and the services that were reconciled `looked_after`.
    fn migrate(_from: u32, mut document: Value) -> Value {
        let mut subscribed: Vec<&mut Value> = Vec::new();
        let Some(members) = document.as_object_mut() else {
            return document;
        };
        for (name, member) in members {
            match (name.as_str(), member) {
                ("pending_pushes", Value::Object(pending)) => {
                    subscribed.extend(pending.values_mut())
                }
                ("operation", Value::Object(operation)) => {
                    rename(operation, "looked_after", "reconciled_services");
                    let services = operation.get_mut("services").and_then(Value::as_array_mut);
                    subscribed.extend(services.into_iter().flatten());
                }
                _ => {}
            }
        }
        for subscribed in subscribed.into_iter().filter_map(Value::as_object_mut) {
            rename(subscribed, "follower", "subscriber");
        }
        document
    }
}

impl Outbox for StackRecord {
    fn outbox(&mut self) -> &mut Vec<Unpublished> {
        &mut self.outbox
    }
}

/// Names a stack's record by the stack.
#[derive(Debug, Clone, Copy)]
pub struct StackKey<'a>(pub &'a str);

impl Key for StackKey<'_> {
    type Document = StackRecord;

    fn address(&self) -> Address {
        Address::of_state(format!("{STACK_RECORDS}{}/current.json", self.0))
    }

    fn subject(&self) -> String {
        format!("the record of stack {}", self.0)
    }
}

/// A request for a deployment that waits until the stack has settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingPush {
    pub request: Request,
    /// The service.
    pub subscriber: Subscriber,
}

/// A stack file that waits until the stack has settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingFile {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// When it was heard of.
    pub at: DateTime<Utc>,
}

/// A change of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The client request token of CloudFormation's events: letters, digits and hyphens. Of a change that
    /// somebody made past Longshore without a token, the id of the event that reported it.
    pub id: String,
    /// What it is to do.
    pub kind: OperationKind,
    /// How far it is.
    pub state: OperationState,
    /// Who or what asked.
    pub source: StackSource,
    /// The stack's ARN, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When CloudFormation was first heard to be at work on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When the stack had settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// The stack's status when a step was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StackStatus>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The first resource that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_resource: Option<FailedResource>,
    /// The services whose tasks died of it, in the order in which the first task of each died.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_services: Vec<FailedService>,
    /// The URL of the whole template, where the change begins with adopting what an earlier stack left
    /// behind: the rest follows when that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
    /// The tags that the stack gets with the rest: CloudFormation takes none while it imports.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub continuation_tags: BTreeMap<String, String>,
    /// The services of the template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Preserved>,
    /// Whether its services were reconciled when it was over.
    #[serde(default)]
    pub settled: bool,
    /// Those of them that were, while others are still to be.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reconciled_services: BTreeSet<String>,
}

/// A task of a service that died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadTask {
    /// The service in ECS.
    pub service_name: ServiceName,
    /// The deployment of ECS that started the task.
    pub ecs_deployment_id: String,
    /// The ARN of its task definition.
    pub task_definition: String,
    /// When ECS was asked for it.
    pub created_at: Option<DateTime<Utc>>,
    /// What it died of.
    pub failure: TaskFailure,
}

/// How far a change of a stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// CloudFormation is at work, or is about to be.
    Changing,
    /// The stack has settled as it was asked for.
    Ready,
    /// The stack has settled otherwise than it was asked for.
    Failed,
}

/// A service of a template, and the image that the template has for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preserved {
    /// The service.
    pub subscriber: Subscriber,
    /// The image, where it is one of ECR's and pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The images of its other containers, by their names, where they are ECR's, pinned, and not asked for
    /// anew: they are restored together with `image`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, Image>,
    /// Whether the stack file asks for this image anew; else it is the one that ran, or was being rolled
    /// out, when the change began, and it is restored when the change fails.
    #[serde(default)]
    pub is_named: bool,
}

impl Operation {
    /// A change that CloudFormation has not been asked for yet.
    pub fn begin(
        id: &str,
        kind: OperationKind,
        source: StackSource,
        requested_at: DateTime<Utc>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            state: OperationState::Changing,
            source,
            stack_id: None,
            requested_at,
            started_at: None,
            finished_at: None,
            status: None,
            reason: None,
            failed_resource: None,
            failed_services: Vec::new(),
            continuation: None,
            continuation_tags: BTreeMap::new(),
            services: Vec::new(),
            settled: false,
            reconciled_services: BTreeSet::new(),
        }
    }

    /// Whether CloudFormation is at work, or is about to be.
    pub fn is_changing(&self) -> bool {
        self.state == OperationState::Changing
    }

    /// The token of the step that adopts what an earlier stack left behind.
    pub fn import_token(&self) -> String {
        format!("{}-import", self.id)
    }

    /// Whether CloudFormation's events with `token` are of this change.
    pub fn has_token(&self, token: &str) -> bool {
        self.id == token || self.continuation.is_some() && self.import_token() == token
    }

    /// The id of the deployment of a service that follows from this change.
    pub fn deployment_id(&self, service: &str) -> String {
        format!("{}-{service}", self.id)
    }

    /// Whether deployments of the stack's services are, or may be, CloudFormation's: it is at work, or
    /// nobody has reconciled its services since.
    pub fn is_unsettled(&self) -> bool {
        self.is_changing() || !self.settled
    }

    /// The tasks of a service that died of it, while it runs and after it failed. A change that succeeded got over
    /// them.
    pub fn failed_service(&self, service: &str) -> Option<&FailedService> {
        self.failed_services
            .iter()
            .find(|failed| failed.service == service && self.state != OperationState::Ready)
    }

    /// The service of a task that died of it, if the task is news that is kept. CloudFormation begins one deployment of
    /// a service; the tasks of another one, such as that of the rollback, died of something else, as did those that ECS
    /// was asked for before the change.
    pub(crate) fn service_of(&self, dead: &DeadTask) -> Option<&str> {
        if self.kind != OperationKind::Apply
            || dead
                .created_at
                .is_some_and(|created_at| created_at < self.requested_at)
        {
            return None;
        }
        let subscriber = self
            .services
            .iter()
            .map(|preserved| &preserved.subscriber)
            .find(|subscriber| subscriber.service_name() == dead.service_name)?;
        let known = self
            .failed_services
            .iter()
            .find(|failed| failed.service == subscriber.service);
        let is_kept = match known {
            None => self.is_changing() && self.failed_services.len() < FAILED_SERVICES_KEPT,
            Some(failed) => {
                failed.ecs_deployment_id == dead.ecs_deployment_id
                    && failed.failures.len() < FAILURES_KEPT
                    && !failed
                        .failures
                        .iter()
                        .any(|known| known.task == dead.failure.task)
            }
        };
        is_kept.then_some(subscriber.service.as_str())
    }

    /// The change as events name it.
    pub fn summary(&self, stack: &str) -> StackSummary {
        StackSummary {
            stack: stack.to_owned(),
            operation_id: self.id.clone(),
            stack_id: self.stack_id.clone(),
            source: self.source.clone(),
            requested_at: self.requested_at,
        }
    }
}

impl StackRecord {
    /// The record after `operation` was begun: what waits goes on waiting, what was not yet published stays to
    /// be published.
    pub fn begin(
        stack: &str,
        before: Option<&Self>,
        operation: Operation,
        changes: ChangeCounts,
        worker: &Worker,
    ) -> Self {
        let mut record = Self::follow(stack, before, operation);
        let applying = StackApplying {
            stack: record.summary(),
            kind: record.operation.kind,
            changes,
        };
        record.publish(LongshoreEvent::StackApplying(applying), worker);
        record
    }

    /// The record after somebody began `operation` past Longshore.
    pub fn follow(stack: &str, before: Option<&Self>, operation: Operation) -> Self {
        Self {
            stack: stack.to_owned(),
            operation,
            pending_pushes: before
                .map_or_else(BTreeMap::new, |record| record.pending_pushes.clone()),
            pending_file: before.and_then(|record| record.pending_file.clone()),
            outbox: before.map_or_else(Vec::new, |record| record.outbox.clone()),
        }
    }

    /// The stack has settled with `status` since `at`.
    pub fn finished(
        &mut self,
        status: &StackStatus,
        reason: Option<&str>,
        failed_resource: Option<FailedResource>,
        at: DateTime<Utc>,
        worker: &Worker,
    ) {
        let operation = &mut self.operation;
        operation.status = Some(status.clone());
        operation.finished_at = Some(at);
        if status.phase() == StackPhase::Ready {
            operation.state = OperationState::Ready;
            operation.reason = None;
            let ready = StackReady {
                stack: self.summary(),
                kind: self.operation.kind,
                finished_at: at,
                status: status.clone(),
            };
            self.publish(LongshoreEvent::StackReady(ready), worker);
            return;
        }
        let reason = reason
            .map(str::to_owned)
            .or_else(|| operation.reason.take())
            .or_else(|| {
                failed_resource
                    .as_ref()
                    .map(|resource| resource.reason.clone())
            })
            .unwrap_or_else(|| {
                format!("the stack is {status}; CloudFormation does not give a reason")
            });
        operation.failed_resource = failed_resource;
        self.fail(status, reason, at, worker);
    }

    /// CloudFormation refused to begin, or to go on after a step: the stack stays as it is. A beginning
    /// that was not published yet is not published any more.
    pub fn abandon(&mut self, reason: &str, worker: &Worker) {
        let id = self.operation.id.clone();
        self.outbox.retain(|unpublished| {
            !matches!(&unpublished.event, LongshoreEvent::StackApplying(applying)
                if applying.stack.operation_id == id)
        });
        self.operation.finished_at = Some(worker.now);
        let status = self.operation.status.clone().unwrap_or_default();
        self.fail(&status, reason.to_owned(), worker.now, worker);
    }

    fn fail(&mut self, status: &StackStatus, reason: String, at: DateTime<Utc>, worker: &Worker) {
        self.operation.state = OperationState::Failed;
        self.operation.reason = Some(reason.clone());
        let failed = StackFailed {
            stack: self.summary(),
            kind: self.operation.kind,
            finished_at: at,
            status: status.clone(),
            reason,
            failed_resource: self.operation.failed_resource.clone(),
            failed_services: self.operation.failed_services.clone(),
        };
        self.publish(LongshoreEvent::StackFailed(failed), worker);
    }

    /// Keeps what a task died of while the stack is changed, with what its containers wrote last.
    pub fn add_failure(&mut self, dead: &DeadTask, logs: &[ContainerLog]) {
        let Some(service) = self.operation.service_of(dead).map(str::to_owned) else {
            return;
        };
        let failed_services = &mut self.operation.failed_services;
        let is_new = !failed_services
            .iter()
            .any(|failed| failed.service == service);
        if is_new {
            failed_services.push(FailedService {
                service: service.clone(),
                ecs_deployment_id: dead.ecs_deployment_id.clone(),
                task_definition: dead.task_definition.clone(),
                failures: Vec::new(),
                logs: Vec::new(),
            });
        }
        let known = failed_services
            .iter_mut()
            .find(|failed| failed.service == service);
        let Some(failed) = known else {
            return;
        };
        let place = failed
            .failures
            .partition_point(|known| known.stopped_at <= dead.failure.stopped_at);
        failed.failures.insert(place, dead.failure.clone());
        if !logs.is_empty() {
            failed.logs = logs.to_vec();
        }
    }

    /// Remembers a request until the stack has settled, unless a newer one waits already; `last` is the
    /// service's last deployment. Whether that was news.
    pub fn remember(
        &mut self,
        subscriber: &Subscriber,
        request: &Request,
        last: Option<&Deployment>,
    ) -> bool {
        let key = format!("{}/{}", subscriber.service, subscriber.container);
        let waiting = self
            .pending_pushes
            .get(&key)
            .map(|pending| &pending.request);
        if waiting
            .is_some_and(|waiting| waiting.id == request.id || request.is_before_request(waiting))
        {
            return false;
        }
        let mut request = request.clone();
        if let Some(last) = last {
            request.replace(last.requested_at, &last.id, &last.replaced_requests);
        }
        if let Some(waiting) = waiting {
            request.replace(waiting.at, &waiting.id, &waiting.replaced_requests);
        }
        let pending = PendingPush {
            request,
            subscriber: subscriber.clone(),
        };
        self.pending_pushes.insert(key, pending);
        true
    }

    /// What waited since `pending` was written is given up, which `refused` reports. A newer request of the same
    /// container goes on waiting, and one that was given up before is not published again.
    pub fn waited_in_vain(
        &mut self,
        pending: &PendingPush,
        refused: LongshoreEvent,
        worker: &Worker,
    ) {
        let before = self.pending_pushes.len();
        self.pending_pushes.retain(|_, other| other != pending);
        if self.pending_pushes.len() < before {
            self.publish(refused, worker);
        }
    }

    /// A request does not wait for this stack any more: what became of it is published elsewhere.
    pub(crate) fn forget(&mut self, request_id: &str, subscriber: &Subscriber) {
        self.pending_pushes.retain(|_, pending| {
            pending.request.id != request_id || pending.subscriber != *subscriber
        });
    }

    fn summary(&self) -> StackSummary {
        self.operation.summary(&self.stack)
    }

    fn publish(&mut self, event: LongshoreEvent, worker: &Worker) {
        self.outbox.push(Unpublished::new(event, worker));
    }
}

/// Publishes what the record holds for this worker and takes it out.
///
/// # Errors
/// [`CallError`]; trying again may help.
pub async fn flush<C: DocumentStore + EventPublisher>(
    cloud: &C,
    record: StackRecord,
    version: Version,
    worker: &Worker,
) -> Result<(), CallError> {
    let stack = record.stack.clone();
    longshore_state::outbox::flush(cloud, &StackKey(&stack), (record, version), worker)
        .await
        .map(drop)
}
