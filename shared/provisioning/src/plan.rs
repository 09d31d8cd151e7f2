//! What applying a stack file would do; nothing is done.

use longshore_events::longshore::Problem;
use longshore_stack::read::Reading;
use serde::Serialize;

use crate::change_set;
use crate::error::ProvisioningError;
use crate::ports::{Action, ChangeSet, ChangeSetKind, ProvisioningCloud, ResourceChange};
use crate::prepare::{AppliedBy, Prepared, Way, prepare};
use crate::settings::Settings;
use crate::template::Template;

/// What applying a stack file would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub stack: String,
    /// What would become of the stack itself.
    pub outcome: PlanOutcome,
    /// What would become of its resources.
    pub changes: Vec<ResourceChange>,
    /// Warnings about the stack file.
    pub warnings: Vec<Problem>,
}

/// What would become of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanOutcome {
    /// Nothing: it is as the file says.
    Unchanged,
    /// It would be made.
    Create,
    /// What its failed creation left would be deleted, then it would be made.
    Recreate,
    /// It would be changed.
    Update,
}

/// Works out what applying the stack file would do, by a change set that is deleted again.
///
/// # Errors
/// [`ProvisioningError`].
pub async fn plan<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    reading: &Reading,
    id: &str,
) -> Result<Plan, ProvisioningError> {
    let prepared = prepare(cloud, settings, reading, AppliedBy::Longshore).await?;
    let way = prepared.way("plan")?;
    let (outcome, changes) = match way {
        Way::Update if prepared.same_template && prepared.rendered.parameters.is_empty() => {
            (PlanOutcome::Unchanged, Vec::new())
        }
        // CloudFormation makes no change set for what can only be deleted; all of it is made anew.
        Way::Recreate => (PlanOutcome::Recreate, all_added(&prepared)),
        Way::Create | Way::Update => changes(cloud, settings, &prepared, way, id).await?,
    };
    Ok(Plan {
        stack: prepared.stack,
        outcome,
        changes,
        warnings: prepared.warnings,
    })
}

async fn changes<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    prepared: &Prepared,
    way: Way,
    id: &str,
) -> Result<(PlanOutcome, Vec<ResourceChange>), ProvisioningError> {
    let (kind, outcome) = match way {
        Way::Create | Way::Recreate => (ChangeSetKind::Create, PlanOutcome::Create),
        Way::Update => (ChangeSetKind::Update, PlanOutcome::Update),
    };
    let template = change_set::source(cloud, &prepared.stack, &prepared.rendered.body).await?;
    let name = format!("longshore-plan-{id}");
    let request = change_set::request(settings, prepared, &name, kind, template, Vec::new());
    let answer = cloud.create_change_set(&request).await;
    let cleaned = change_set::discard(cloud, &request).await;
    match answer? {
        ChangeSet::Ready(mut changes) => {
            cleaned?;
            mark_imported(&mut changes, prepared);
            Ok((outcome, changes))
        }
        ChangeSet::Empty => {
            cleaned?;
            Ok((PlanOutcome::Unchanged, Vec::new()))
        }
        ChangeSet::Refused(reason) => Err(ProvisioningError::not_accepted(
            "plan",
            &prepared.stack,
            &reason,
        )),
    }
}

/// What an earlier stack of this name has left is adopted, not made.
fn mark_imported(changes: &mut [ResourceChange], prepared: &Prepared) {
    let Some(template) = Template::parse(&prepared.rendered.body) else {
        return;
    };
    for data in template.data() {
        let change = changes
            .iter_mut()
            .find(|change| change.logical_id == data.logical_id);
        if let (Some(retained), Some(change)) = (data.among(&prepared.retained), change) {
            change.action = Action::Import;
            change.physical_id = Some(retained.physical_id.clone());
        }
    }
}

fn all_added(prepared: &Prepared) -> Vec<ResourceChange> {
    let mut changes: Vec<ResourceChange> = Template::parse(&prepared.rendered.body)
        .map(|template| template.resource_types())
        .unwrap_or_default()
        .into_iter()
        .map(|(logical_id, resource_type)| ResourceChange {
            logical_id,
            physical_id: None,
            resource_type,
            action: Action::Add,
            properties: Vec::new(),
        })
        .collect();
    mark_imported(&mut changes, prepared);
    changes
}
