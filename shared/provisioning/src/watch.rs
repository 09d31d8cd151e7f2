//! Watching stacks: from what CloudFormation says to the end of a change. `watch` calls this for each event, `provision`
//! for what events did not report.
//!
//! An event is a wake-up. Where it alone does not say what has become of a change, CloudFormation is
//! asked how the stack is now.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt};
use longshore_events::cloudformation::{StackPhase, StackStatus};
use longshore_events::image::Image;
use longshore_events::incoming::StackChange;
use longshore_events::longshore::{OperationKind, StackSource};
use longshore_policy::route::Subscriber;
use longshore_policy::template::TemplateMetadata;
use longshore_rollout::documents::{RecordStore, StackKey, StackRecordStore};
use longshore_rollout::ports::{Cloud, TaskDefinition};
use longshore_rollout::stack_record::{Operation, OperationState, Preserved, StackRecord, flush};
use longshore_rollout::task_definition::pinned_image;
use longshore_state::{CallError, Version, Worker, change, decide_again, load};
use serde::Serialize;

use crate::ports::{ObservedStack, REMAINS_TOKEN, StackObserver};

/// How long after a change was written down CloudFormation must have heard of it. Longer than
/// `provision` may run and be tried again.
pub const BEGINNING: Duration = Duration::minutes(20);

/// How many stacks a reconcile looks at side by side.
const SIDE_BY_SIDE: usize = 8;

/// What came of an event, or of a look at a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StackOutcome {
    /// It concerns no stack of ours, or reports nothing new.
    Ignored,
    /// The change goes on.
    Changing,
    /// What an earlier stack left behind was adopted: `provision` is to go on with the change.
    Imported,
    /// The stack has settled as it was asked for.
    Ready,
    /// The stack has settled otherwise than it was asked for.
    Failed,
}

/// Takes in that a stack has another status.
///
/// # Errors
/// [`CallError`]; trying again may help.
pub async fn stack_changed<C: Cloud + StackObserver>(
    cloud: &C,
    change: &StackChange,
    worker: &Worker,
) -> Result<StackOutcome, CallError> {
    let token = change.client_request_token.as_deref();
    let phase = change.status.phase();
    if phase == StackPhase::Planned || token.is_some_and(|token| token.starts_with(REMAINS_TOKEN)) {
        return Ok(StackOutcome::Ignored);
    }
    let watch = Watch {
        cloud,
        worker,
        stack: &change.stack,
    };
    decide_again(&StackKey(&change.stack), async || {
        match cloud.load_stack(&change.stack).await? {
            Some((record, version)) if record.operation.is_changing() => {
                watch.take_in(record, version, change, phase).await
            }
            stored => watch.take_in_unknown(stored, change, phase).await,
        }
    })
    .await
}

/// Writes down that CloudFormation refused to begin the change of this id, or to go on with it, and publishes
/// that. Does nothing when that change is over.
///
/// # Errors
/// [`CallError`]; trying again may help.
pub async fn abandon<C: Cloud>(
    cloud: &C,
    stack: &str,
    operation_id: &str,
    reason: &str,
    worker: &Worker,
) -> Result<(), CallError> {
    let key = StackKey(stack);
    let Some(stored) = load(cloud, &key).await? else {
        return Ok(());
    };
    let changed = change(cloud, &key, stored, |record| {
        if record.operation.id == operation_id && record.operation.is_changing() {
            record.abandon(reason, worker);
        }
    })
    .await?;
    match changed {
        Some((record, version)) => flush(cloud, record, version, worker).await,
        None => Ok(()),
    }
}

/// What a reconcile of changes found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReconciledOperations {
    /// Stacks looked at.
    pub stacks: usize,
    /// Changes whose end no event had reported.
    pub closed: usize,
    /// Stacks whose earlier data was adopted and whose change is to go on.
    pub imported: Vec<String>,
    /// Stacks that could not be looked at, with the reason.
    pub failures: Vec<String>,
}

/// Looks at every stack that has a record: asks CloudFormation about those that are said to be changing,
/// closes what is over, and publishes what is still to be published. A change may take as long as
/// CloudFormation wants.
///
/// # Errors
/// When the stacks cannot be listed. What fails for one stack is in the answer.
pub async fn reconcile_operations<C: Cloud + StackObserver>(
    cloud: &C,
    worker: &Worker,
) -> Result<ReconciledOperations, CallError> {
    let stacks = cloud.stacks().await?;
    let mut answer = ReconciledOperations {
        stacks: stacks.len(),
        ..ReconciledOperations::default()
    };
    let mut results = stream::iter(stacks)
        .map(|stack| async move { (reconcile_operation(cloud, &stack, worker).await, stack) })
        .buffer_unordered(SIDE_BY_SIDE);
    while let Some((result, stack)) = results.next().await {
        match result {
            Ok(StackOutcome::Ignored | StackOutcome::Changing) => {}
            Ok(StackOutcome::Imported) => answer.imported.push(stack),
            Ok(StackOutcome::Ready | StackOutcome::Failed) => answer.closed += 1,
            Err(error) => answer.failures.push(format!("stack {stack}: {error}")),
        }
    }
    Ok(answer)
}

async fn reconcile_operation<C: Cloud + StackObserver>(
    cloud: &C,
    stack: &str,
    worker: &Worker,
) -> Result<StackOutcome, CallError> {
    let watch = Watch {
        cloud,
        worker,
        stack,
    };
    decide_again(&StackKey(stack), async || {
        let Some((record, version)) = cloud.load_stack(stack).await? else {
            return Ok(StackOutcome::Ignored);
        };
        if !record.operation.is_changing() {
            flush(cloud, record, version, worker).await?;
            return Ok(StackOutcome::Ignored);
        }
        let name = record.operation.stack_id.as_deref().unwrap_or(stack);
        let observed = cloud.describe_stack(name).await?;
        watch.compare(record, version, observed).await
    })
    .await
}

struct Watch<'a, C> {
    cloud: &'a C,
    worker: &'a Worker,
    stack: &'a str,
}

/// How a stack came to rest.
struct Rest<'a> {
    stack_id: &'a str,
    status: &'a StackStatus,
    reason: Option<&'a str>,
    token: Option<&'a str>,
    at: DateTime<Utc>,
}

impl<'a> Rest<'a> {
    /// As an event says it.
    fn of(change: &'a StackChange) -> Self {
        Self {
            stack_id: &change.stack_id,
            status: &change.status,
            reason: change.reason.as_deref(),
            token: change.client_request_token.as_deref(),
            at: change.at,
        }
    }
}

impl<C: Cloud + StackObserver> Watch<'_, C> {
    /// Takes in an event while the record says that the stack is changing.
    async fn take_in(
        &self,
        mut record: StackRecord,
        version: Version,
        change: &StackChange,
        phase: StackPhase,
    ) -> Result<StackOutcome, CallError> {
        let operation = &mut record.operation;
        let token = change.client_request_token.as_deref();
        if !token.is_some_and(|token| operation.has_token(token)) {
            if phase == StackPhase::Changing {
                return Ok(StackOutcome::Ignored);
            }
            // Of an older change, or of ours without our token: CloudFormation knows.
            let observed = self.cloud.describe_stack(&change.stack_id).await?;
            let is_other = operation
                .stack_id
                .as_ref()
                .is_some_and(|known| *known != change.stack_id);
            return match observed.filter(|_| !is_other) {
                Some(observed) if has_begun(&record.operation, &observed) => {
                    self.compare(record, version, Some(observed)).await
                }
                _ => Ok(StackOutcome::Ignored),
            };
        }
        if phase != StackPhase::Changing {
            if is_import(operation, token) && phase == StackPhase::Ready {
                return Ok(StackOutcome::Imported);
            }
            return self.close(record, version, Rest::of(change)).await;
        }
        let before = operation.clone();
        operation.started_at.get_or_insert(change.at);
        operation.stack_id = Some(change.stack_id.clone());
        // The event that ends a rollback does not say why there was one.
        if change.status.is_rollback() && operation.reason.is_none() {
            operation.reason.clone_from(&change.reason);
        }
        let version = if *operation == before {
            version
        } else {
            self.cloud.save_stack(&record, Some(&version)).await?
        };
        flush(self.cloud, record, version, self.worker).await?;
        Ok(StackOutcome::Changing)
    }

    /// Takes in an event of a change that the record does not report: somebody changes the stack past
    /// Longshore, or the event is of a change that is over.
    async fn take_in_unknown(
        &self,
        stored: Option<(StackRecord, Version)>,
        change: &StackChange,
        phase: StackPhase,
    ) -> Result<StackOutcome, CallError> {
        let token = change.client_request_token.as_deref();
        if let Some((record, version)) = &stored {
            let last = &record.operation;
            let is_over = token.is_some_and(|token| last.has_token(token))
                || last
                    .finished_at
                    .is_some_and(|finished_at| change.at <= finished_at);
            if is_over {
                flush(self.cloud, record.clone(), version.clone(), self.worker).await?;
                return Ok(StackOutcome::Ignored);
            }
        }
        let Some(observed) = self.cloud.describe_stack(&change.stack_id).await? else {
            return Ok(StackOutcome::Ignored);
        };
        let before = stored.as_ref().map(|(record, _)| record);
        if observed.longshore.is_none() && before.is_none() {
            return Ok(StackOutcome::Ignored);
        }
        let now = observed.status.phase();
        // Late: what ended the change comes after it, or has come before it.
        if phase == StackPhase::Changing && now != StackPhase::Changing {
            return Ok(StackOutcome::Ignored);
        }
        let operation = self.begun_by_others(before, change, &observed).await?;
        let record = StackRecord::follow(self.stack, before, operation);
        let version = stored.as_ref().map(|(_, version)| version);
        if phase == StackPhase::Changing || now == StackPhase::Changing {
            self.cloud.save_stack(&record, version).await?;
            return Ok(StackOutcome::Changing);
        }
        self.close_as(record, version, Rest::of(change)).await
    }

    /// The change that somebody began past Longshore, with the images that its services ran.
    async fn begun_by_others(
        &self,
        before: Option<&StackRecord>,
        change: &StackChange,
        observed: &ObservedStack,
    ) -> Result<Operation, CallError> {
        let kind = if change.status.is_deletion() {
            OperationKind::Destroy
        } else {
            OperationKind::Apply
        };
        let id = change
            .client_request_token
            .as_deref()
            .unwrap_or(&change.event_id);
        let last_end = before.and_then(|record| record.operation.finished_at);
        let begun = observed
            .changed_at
            .filter(|changed_at| last_end.is_none_or(|last_end| last_end < *changed_at))
            .map_or(change.at, |changed_at| changed_at.min(change.at));
        let subscribers = match &observed.longshore {
            Some(metadata) => subscribers(self.stack, metadata),
            None => before.map_or_else(Vec::new, |record| {
                let services = record.operation.services.iter();
                services
                    .map(|preserved| preserved.subscriber.clone())
                    .collect()
            }),
        };
        let services = subscribers
            .into_iter()
            .map(|subscriber| self.held(subscriber));
        let services = try_join_all(services).await?;
        Ok(Operation {
            stack_id: Some(change.stack_id.clone()),
            started_at: Some(begun),
            services,
            ..Operation::begin(id, kind, StackSource::CloudFormation, begun)
        })
    }

    /// The images that a service holds by its last deployment. The deployment knows of the containers that it deployed to
    /// an image into, and its task definition of all others.
    async fn held(&self, subscriber: Subscriber) -> Result<Preserved, CallError> {
        let stored = self.cloud.load(&subscriber.service_id()).await?;
        let mut images = BTreeMap::new();
        if let Some(last) = stored.map(|(record, _)| record.deployment.clone())
            && last.holds()
        {
            if let Some(arn) = &last.task_definition {
                images = self.pinned_images(arn).await?;
            }
            for (container, _) in last.images() {
                match last.held_image(container) {
                    Some(image) => images.insert(container.to_owned(), image.clone()),
                    None => images.remove(container),
                };
            }
        }
        let image = images.remove(&subscriber.container);
        images.retain(|container, _| !subscriber.other_containers.contains(container));
        Ok(Preserved {
            subscriber,
            image,
            also: images,
            is_named: false,
        })
    }

    /// The images of a task definition's containers that are ECR's and pinned; none of a task definition that is gone.
    async fn pinned_images(&self, arn: &str) -> Result<BTreeMap<String, Image>, CallError> {
        let definition = self.cloud.find_task_definition(arn).await?;
        let images = definition.iter().flat_map(TaskDefinition::images);
        Ok(images
            .filter_map(|(container, image)| Some((container, pinned_image(&image)?)))
            .collect())
    }

    /// Compares a change that the record says is under way with what CloudFormation shows.
    async fn compare(
        &self,
        record: StackRecord,
        version: Version,
        observed: Option<ObservedStack>,
    ) -> Result<StackOutcome, CallError> {
        let operation = &record.operation;
        let Some(observed) = observed.filter(|observed| has_begun(operation, observed)) else {
            let is_gone =
                operation.kind == OperationKind::Destroy && operation.started_at.is_some();
            if is_gone {
                let rest = Rest {
                    stack_id: &operation.stack_id.clone().unwrap_or_default(),
                    status: &StackStatus::deleted(),
                    reason: None,
                    token: None,
                    at: self.worker.now,
                };
                return self.close(record, version, rest).await;
            }
            if operation.requested_at + BEGINNING > self.worker.now {
                flush(self.cloud, record, version, self.worker).await?;
                return Ok(StackOutcome::Changing);
            }
            let mut record = record;
            record.abandon(
                "CloudFormation was never asked to change the stack: ask for the change again",
                self.worker,
            );
            let version = self.cloud.save_stack(&record, Some(&version)).await?;
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(StackOutcome::Failed);
        };
        if !observed.status.is_settled() {
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(StackOutcome::Changing);
        }
        if operation.continuation.is_some() && observed.status.is_imported() {
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(StackOutcome::Imported);
        }
        let token = operation.id.clone();
        let rest = Rest {
            stack_id: &observed.stack_id,
            status: &observed.status,
            reason: observed.status_reason.as_deref(),
            token: match operation.source {
                StackSource::CloudFormation => None,
                _ => Some(&token),
            },
            at: self.worker.now,
        };
        self.close(record, version, rest).await
    }

    async fn close(
        &self,
        record: StackRecord,
        version: Version,
        rest: Rest<'_>,
    ) -> Result<StackOutcome, CallError> {
        self.close_as(record, Some(&version), rest).await
    }

    /// Writes down how the change ended, and publishes it.
    async fn close_as(
        &self,
        mut record: StackRecord,
        version: Option<&Version>,
        rest: Rest<'_>,
    ) -> Result<StackOutcome, CallError> {
        let has_failed = rest.status.phase() == StackPhase::Failed;
        let failed_resource = if has_failed {
            self.cloud.first_failure(rest.stack_id, rest.token).await?
        } else {
            None
        };
        record.operation.stack_id = Some(rest.stack_id.to_owned());
        record.finished(
            rest.status,
            rest.reason,
            failed_resource,
            rest.at,
            self.worker,
        );
        let state = record.operation.state;
        let version = self.cloud.save_stack(&record, version).await?;
        flush(self.cloud, record, version, self.worker).await?;
        Ok(match state {
            OperationState::Ready => StackOutcome::Ready,
            OperationState::Failed => StackOutcome::Failed,
            OperationState::Changing => StackOutcome::Changing,
        })
    }
}

/// Whether what CloudFormation shows of the stack can be of this change already. Between writing a change
/// down and calling CloudFormation, the stack is as the change before left it.
fn has_begun(operation: &Operation, observed: &ObservedStack) -> bool {
    operation.started_at.is_some()
        || observed
            .changed_at
            .is_some_and(|changed_at| changed_at >= operation.requested_at)
}

/// Whether an event with `token` is of the step that adopts what an earlier stack left behind.
fn is_import(operation: &Operation, token: Option<&str>) -> bool {
    operation.continuation.is_some() && token == Some(operation.import_token().as_str())
}

fn subscribers(stack: &str, metadata: &TemplateMetadata) -> Vec<Subscriber> {
    metadata
        .services
        .iter()
        .map(|(service, described)| described.subscriber(stack, service))
        .collect()
}
