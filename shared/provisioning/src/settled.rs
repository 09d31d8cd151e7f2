//! What provisioning does when a stack has settled again: routes are written, what waited goes on.

use chrono::Duration;
use longshore_rollout::documents::{StackKey, StackRecordStore};
use longshore_rollout::stack_record::StackRecord;
use longshore_state::{CallError, ErrorClass, Worker, change, load};
use serde::Serialize;

use crate::change_set;
use crate::error::ProvisioningError;
use crate::file::{FileOutcome, apply_stored};
use crate::ports::{
    ChangeSet, ChangeSetKind, ChangeSetRequest, ParameterValue, ProvisioningCloud, StackObserver,
    TemplateSource,
};
use crate::routes::write_routes;
use crate::settings::Settings;
use crate::template::Template;
use crate::watch::{ReconciledOperations, abandon, reconcile_operations};

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settled {
    pub stack: String,
    /// What came of the stack file that waited, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileOutcome>,
}

/// Writes the routes of a stack that has settled, and applies the newest stack file if one came while it
/// was being changed. Harmless twice, and for a stack that is changed again.
///
/// # Errors
/// [`ProvisioningError::Call`]: the invocation should come again.
pub async fn stack_settled<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    stack: &str,
    worker: &Worker,
) -> Result<Settled, ProvisioningError> {
    let mut settled = Settled {
        stack: stack.to_owned(),
        file: None,
    };
    let Some((record, _)) = cloud.load_stack(stack).await? else {
        return Ok(settled);
    };
    if record.operation.is_changing() {
        return Ok(settled);
    }
    write_routes(cloud, stack).await?;
    if record.pending_file.is_none() {
        return Ok(settled);
    }
    if let Some(stored) = cloud.stack_file(stack).await? {
        settled.file = Some(apply_stored(cloud, settings, stack, &stored, worker).await?);
    }
    forget_pending_file(cloud, stack, &record).await?;
    Ok(settled)
}

/// Takes the stack file that waited out of the record, unless another one came meanwhile.
async fn forget_pending_file<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
    taken: &StackRecord,
) -> Result<(), CallError> {
    let key = StackKey(stack);
    let Some(stored) = load(cloud, &key).await? else {
        return Ok(());
    };
    change(cloud, &key, stored, |record| {
        if record.pending_file == taken.pending_file {
            record.pending_file = None;
        }
    })
    .await
    .map(drop)
}

/// Goes on after an earlier stack's data was adopted: the rest of the template follows.
///
/// # Errors
/// [`ProvisioningError::Call`]: the invocation should come again.
pub async fn stack_imported<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    stack: &str,
    worker: &Worker,
) -> Result<(), ProvisioningError> {
    let Some((record, _)) = cloud.load_stack(stack).await? else {
        return Ok(());
    };
    let operation = &record.operation;
    let (true, Some(url)) = (operation.is_changing(), operation.continuation.clone()) else {
        return Ok(());
    };
    let token = operation.id.clone();
    let name = change_set::name(&token);
    let imported = cloud.template(stack).await?;
    let parameters = imported
        .as_deref()
        .and_then(Template::parse)
        .map(|template| template.parameters())
        .unwrap_or_default();
    let request = ChangeSetRequest {
        stack: stack.to_owned(),
        name: name.clone(),
        kind: ChangeSetKind::Update,
        template: TemplateSource::Url(url),
        parameters: parameters
            .into_iter()
            .map(|parameter| (parameter, ParameterValue::Previous))
            .collect(),
        tags: operation.continuation_tags.clone(),
        resources_to_import: Vec::new(),
        role_arn: settings.cloudformation_role_arn.clone(),
    };
    let failure = match cloud.create_change_set(&request).await {
        Ok(ChangeSet::Ready(_)) => match cloud.execute_change_set(stack, &name, &token).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
        Ok(ChangeSet::Empty) => CallError {
            operation: format!("create change set {name} of stack {stack}"),
            class: ErrorClass::Refused,
            code: None,
            message: "CloudFormation finds nothing to do after the import".to_owned(),
        },
        Ok(ChangeSet::Refused(reason)) => CallError {
            operation: format!("create change set {name} of stack {stack}"),
            class: ErrorClass::Refused,
            code: None,
            message: reason,
        },
        Err(error) => error,
    };
    if !matches!(failure.class, ErrorClass::Refused | ErrorClass::Denied) {
        return Err(failure.into());
    }
    abandon(cloud, stack, &token, &failure.to_string(), worker).await?;
    Ok(())
}

/// For so long after a change its events may still be on their way: EventBridge gives up after a day.
const EVENTS_ARRIVE: Duration = Duration::hours(24);

/// Whether an event that was lost may have left routes unwritten or a stack file unapplied. Looking at
/// every stack that ever was would read every route for each of them.
fn may_be_left(record: &StackRecord, worker: &Worker) -> bool {
    record.pending_file.is_some()
        || record
            .operation
            .finished_at
            .is_some_and(|finished_at| worker.now - finished_at < EVENTS_ARRIVE)
}

/// What a reconcile has found and done.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Reconciled {
    /// What became of the changes that the records report.
    pub operations: ReconciledOperations,
    /// Stacks whose routes or waiting files could not be reconciled, with the reason.
    pub failures: Vec<String>,
}

/// Goes on where an event was lost: changes that are over are closed and published, routes are written, what
/// waits is applied.
///
/// # Errors
/// When the stacks cannot be listed. What fails for one stack is in the answer.
pub async fn reconcile<C: ProvisioningCloud + StackObserver>(
    cloud: &C,
    settings: &Settings,
    worker: &Worker,
) -> Result<Reconciled, ProvisioningError> {
    let operations = reconcile_operations(cloud, worker).await?;
    let mut failures = Vec::new();
    for stack in &operations.imported {
        if let Err(error) = stack_imported(cloud, settings, stack, worker).await {
            failures.push(error.to_string());
        }
    }
    for stack in cloud.stacks().await? {
        let reconciled_services = async {
            match cloud.load_stack(&stack).await? {
                Some((record, _)) if may_be_left(&record, worker) => {
                    stack_settled(cloud, settings, &stack, worker)
                        .await
                        .map(drop)
                }
                _ => Ok(()),
            }
        };
        if let Err(error) = reconciled_services.await {
            failures.push(error.to_string());
        }
    }
    Ok(Reconciled {
        operations,
        failures,
    })
}
