//! Applying a stack file: a change set is made and executed, and nobody waits for the end.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use longshore_events::longshore::{
    ChangeCounts, LongshoreEvent, OperationKind, Problem, StackSource, StackSummary, StackUnchanged,
};
use longshore_rollout::documents::{StackKey, StackRecordStore};
use longshore_rollout::stack_record::{Operation, PendingFile, StackRecord, flush};
use longshore_stack::read::Reading;
use longshore_state::document::check_writable;
use longshore_state::{CallError, ErrorClass, Version, Worker, decide_again, unless_lost};
use serde::Serialize;

use crate::change_set;
use crate::error::ProvisioningError;
use crate::ports::{
    Action, ChangeSet, ChangeSetKind, DescribedStack, ProvisioningCloud, ResourceChange,
};
use crate::prepare::{AppliedBy, Prepared, Way, obstacle, prepare};
use crate::routes::{add_routes, write_routes};
use crate::settings::Settings;
use crate::template::Template;
use crate::watch::abandon;

/// What asks for a change of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackRequest {
    /// The same for duplicates and retries; it is the token that CloudFormation's events carry, so it
    /// holds letters, digits and hyphens only.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who or what.
    pub source: StackSource,
}

/// What came of a stack file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Applied {
    pub stack: String,
    /// What was done.
    #[serde(flatten)]
    pub outcome: ApplyOutcome,
    /// Warnings about the stack file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Problem>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ApplyOutcome {
    /// CloudFormation is at work.
    Applying {
        /// The token of its events.
        operation_id: String,
        /// How many resources become what.
        changes: ChangeCounts,
    },
    /// The stack is as the file says.
    Unchanged,
    /// The stack is being changed, or a deployment is moving requests by a rule that would change; the newest file
    /// is applied afterwards.
    Pending,
    /// This very request was begun before.
    TakenBefore,
}

/// Applies a stack file.
///
/// # Errors
/// [`ProvisioningError`]; a stack that is being changed is a [`ProvisioningError::Conflict`] for all
/// sources but files, which are remembered.
pub async fn apply<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    reading: &Reading,
    request: &StackRequest,
    worker: &Worker,
) -> Result<Applied, ProvisioningError> {
    let stack = reading.stack.stack_name();
    let done = |outcome| Applied {
        stack: stack.clone(),
        outcome,
        warnings: reading.warnings.clone(),
    };
    decide_again(&StackKey(&stack), async || {
        match cloud.load_stack(&stack).await? {
            Some((record, version)) if record.operation.id == request.id => {
                let protected = reading.stack.is_protected();
                return take_up(cloud, record, version, protected, worker)
                    .await
                    .map(done);
            }
            Some((record, version)) if record.operation.is_changing() => {
                let reason = "it is being changed; apply it again when that is done";
                return wait(cloud, record, &version, request, reason)
                    .await
                    .map(done);
            }
            _ => {}
        }
        let prepared = prepare(cloud, settings, reading, AppliedBy::Longshore).await?;
        if let Some(described) = &prepared.described
            && described.status.is_changing()
        {
            return Err(changed_by_others(
                &stack,
                &obstacle(&stack, described),
                request,
            ));
        }
        if let Some(reason) = &prepared.obstacle {
            return match prepared.stored {
                Some((record, version)) => wait(cloud, record, &version, request, reason)
                    .await
                    .map(done),
                None => Err(changed_by_others(&stack, reason, request)),
            };
        }
        let way = prepared.way("apply")?;
        let apply = Apply {
            cloud,
            settings,
            prepared: &prepared,
            request,
            worker,
        };
        let outcome = apply.run(way).await?;
        Ok(Applied {
            warnings: prepared.warnings.clone(),
            ..done(outcome)
        })
    })
    .await
}

/// A retry, or a duplicate of the event: the first attempt may have died before it called CloudFormation
/// or the world.
async fn take_up<C: ProvisioningCloud>(
    cloud: &C,
    record: StackRecord,
    version: Version,
    protected: bool,
    worker: &Worker,
) -> Result<ApplyOutcome, ProvisioningError> {
    if record.operation.is_changing() {
        let token = match &record.operation.continuation {
            Some(_) => record.operation.import_token(),
            None => record.operation.id.clone(),
        };
        let executed = cloud
            .execute_change_set(&record.stack, &change_set::name(&token), &token)
            .await;
        match executed {
            // It was executed before, and is not there or not to be executed any more.
            Err(error) if error.class.is_refusal() => {}
            executed => executed?,
        }
        let described = cloud.describe(&record.stack).await?;
        protect(cloud, &record.stack, described.as_ref(), protected).await?;
    }
    flush(cloud, record, version, worker).await?;
    Ok(ApplyOutcome::TakenBefore)
}

/// The stack cannot be changed now: a file waits, a person gets the reason.
async fn wait<C: ProvisioningCloud>(
    cloud: &C,
    mut record: StackRecord,
    version: &Version,
    request: &StackRequest,
    reason: &str,
) -> Result<ApplyOutcome, ProvisioningError> {
    let StackSource::File { key, version_id } = &request.source else {
        return Err(ProvisioningError::Conflict {
            operation: "apply",
            stack: record.stack,
            reason: reason.to_owned(),
        });
    };
    record.pending_file = Some(PendingFile {
        key: key.clone(),
        version_id: version_id.clone(),
        at: request.at,
    });
    cloud.save_stack(&record, Some(version)).await?;
    Ok(ApplyOutcome::Pending)
}

/// What is under way is not written down (yet, where `watch` does it): a file comes again, by Lambda's retry.
fn changed_by_others(stack: &str, reason: &str, request: &StackRequest) -> ProvisioningError {
    match request.source {
        StackSource::File { .. } => ProvisioningError::Call(CallError {
            operation: format!("apply stack {stack}"),
            class: ErrorClass::Transient,
            code: None,
            message: reason.to_owned(),
        }),
        StackSource::Manual { .. } | StackSource::CloudFormation => ProvisioningError::Conflict {
            operation: "apply",
            stack: stack.to_owned(),
            reason: reason.to_owned(),
        },
    }
}

impl StackRequest {
    fn summary(&self, stack: &str, stack_id: Option<&str>) -> StackSummary {
        StackSummary {
            stack: stack.to_owned(),
            operation_id: self.id.clone(),
            stack_id: stack_id.map(str::to_owned),
            source: self.source.clone(),
            requested_at: self.at,
        }
    }
}

struct Apply<'a, C> {
    cloud: &'a C,
    settings: &'a Settings,
    prepared: &'a Prepared,
    request: &'a StackRequest,
    worker: &'a Worker,
}

/// A change set that waits to be executed.
struct Made {
    name: String,
    /// The token of the events that follow from it.
    token: String,
    /// How many resources become what.
    changes: ChangeCounts,
    /// Where the whole template is, when the change set only adopts what exists.
    continuation: Option<String>,
}

impl<C: ProvisioningCloud> Apply<'_, C> {
    async fn run(&self, way: Way) -> Result<ApplyOutcome, ProvisioningError> {
        let prepared = self.prepared;
        if let Some((_, version)) = &prepared.stored {
            check_writable(&StackKey(&prepared.stack), version)?;
        }
        if way == Way::Update && prepared.same_template && prepared.rendered.parameters.is_empty() {
            return self.unchanged().await;
        }
        if let (Way::Recreate, Some(remains)) = (way, &prepared.described) {
            let role_arn = self.settings.cloudformation_role_arn.as_deref();
            self.cloud
                .delete_remains(&remains.stack_id, role_arn)
                .await?;
        }
        let Some(made) = self.make(way).await? else {
            return self.unchanged().await;
        };
        let Some((record, version)) = unless_lost(self.begin(&made).await)? else {
            self.cloud
                .delete_change_set(&prepared.stack, &made.name)
                .await?;
            return Err(CallError::lost_race(&StackKey(&prepared.stack)).into());
        };
        self.execute(&made, record, version).await?;
        Ok(ApplyOutcome::Applying {
            operation_id: self.request.id.clone(),
            changes: made.changes,
        })
    }

    /// Makes the change set; `None` when there is nothing to do.
    async fn make(&self, way: Way) -> Result<Option<Made>, ProvisioningError> {
        let prepared = self.prepared;
        let body = &prepared.rendered.body;
        let importing = Template::parse(body)
            .filter(|_| way != Way::Update)
            .and_then(|template| template.importing(&prepared.retained));
        let id = &self.request.id;
        let (kind, body, to_import, token, continuation) = match importing {
            Some((import_body, to_import)) => (
                ChangeSetKind::Import,
                import_body,
                to_import,
                format!("{id}-import"),
                Some(self.cloud.put_template(&prepared.stack, body).await?),
            ),
            None => (
                match way {
                    Way::Create | Way::Recreate => ChangeSetKind::Create,
                    Way::Update => ChangeSetKind::Update,
                },
                body.clone(),
                Vec::new(),
                id.clone(),
                None,
            ),
        };
        let template = change_set::source(self.cloud, &prepared.stack, &body).await?;
        let name = change_set::name(&token);
        let request =
            change_set::request(self.settings, prepared, &name, kind, template, to_import);
        match self.cloud.create_change_set(&request).await? {
            ChangeSet::Ready(changes) => Ok(Some(Made {
                name,
                token,
                changes: count(&changes),
                continuation,
            })),
            ChangeSet::Empty => {
                change_set::discard(self.cloud, &request).await?;
                Ok(None)
            }
            ChangeSet::Refused(reason) => {
                change_set::discard(self.cloud, &request).await?;
                Err(ProvisioningError::not_accepted(
                    "apply",
                    &prepared.stack,
                    &reason,
                ))
            }
        }
    }

    /// Writes down that the stack is being changed, so that pushes wait.
    async fn begin(&self, made: &Made) -> Result<(StackRecord, Version), CallError> {
        let operation = Operation {
            continuation_tags: match &made.continuation {
                Some(_) => self.prepared.tags.clone(),
                None => BTreeMap::new(),
            },
            continuation: made.continuation.clone(),
            services: self.prepared.services.clone(),
            ..Operation::begin(
                &self.request.id,
                OperationKind::Apply,
                self.request.source.clone(),
                self.request.at,
            )
        };
        let before = self.prepared.stored.as_ref();
        let record = StackRecord::begin(
            &self.prepared.stack,
            before.map(|(record, _)| record),
            operation,
            made.changes,
            self.worker,
        );
        let version = before.map(|(_, version)| version);
        let version = self.cloud.save_stack(&record, version).await?;
        Ok((record, version))
    }

    async fn execute(
        &self,
        made: &Made,
        record: StackRecord,
        version: Version,
    ) -> Result<(), ProvisioningError> {
        let stack = &self.prepared.stack;
        add_routes(self.cloud, &self.prepared.rendered.metadata).await?;
        let executed = self
            .cloud
            .execute_change_set(stack, &made.name, &made.token)
            .await;
        match executed {
            Ok(()) => {
                self.protect().await?;
                flush(self.cloud, record, version, self.worker).await?;
                Ok(())
            }
            Err(error) if matches!(error.class, ErrorClass::Refused | ErrorClass::Denied) => {
                abandon(
                    self.cloud,
                    stack,
                    &self.request.id,
                    &error.to_string(),
                    self.worker,
                )
                .await?;
                Err(error.into())
            }
            // It may have been executed: the retry finds out by the operation's id.
            Err(error) => Err(error.into()),
        }
    }

    async fn unchanged(&self) -> Result<ApplyOutcome, ProvisioningError> {
        self.protect().await?;
        write_routes(self.cloud, &self.prepared.stack).await?;
        if let StackSource::File { .. } = self.request.source {
            let event = LongshoreEvent::StackUnchanged(StackUnchanged {
                stack: self.request.summary(&self.prepared.stack, self.stack_id()),
            });
            self.cloud.publish(&[event]).await?;
        }
        Ok(ApplyOutcome::Unchanged)
    }

    async fn protect(&self) -> Result<(), CallError> {
        let prepared = self.prepared;
        let described = prepared.described.as_ref();
        protect(self.cloud, &prepared.stack, described, prepared.protected).await
    }

    fn stack_id(&self) -> Option<&str> {
        let described = self.prepared.described.as_ref()?;
        Some(&described.stack_id)
    }
}

/// Sets the termination protection, which is not a part of a template. A stack that is being made takes it,
/// too.
async fn protect<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
    described: Option<&DescribedStack>,
    protected: bool,
) -> Result<(), CallError> {
    if described.is_some_and(|described| described.termination_protection) == protected {
        return Ok(());
    }
    cloud.set_termination_protection(stack, protected).await
}

/// How many resources become what. What may be replaced, and a new revision, count as changed: nothing says that they
/// will be replaced.
pub fn count(changes: &[ResourceChange]) -> ChangeCounts {
    let mut counts = ChangeCounts::default();
    for change in changes {
        let count = match change.action {
            Action::Add | Action::Import => &mut counts.add,
            Action::Change | Action::MayReplace => &mut counts.change,
            _ if change.is_new_revision() => &mut counts.change,
            Action::Replace | Action::ReplaceAndKeep => &mut counts.replace,
            Action::Remove | Action::RemoveAndKeep => &mut counts.remove,
        };
        *count += 1;
    }
    counts
}
