//! A number of tasks by hand. The tasks that run stay: it is not a deployment, and the record says what was set.

use longshore_events::longshore::Caller;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, Worker};
use serde::Serialize;

use crate::asked::AskError;
use crate::decide::{Scale, ScaleSituation, scale as decide};
use crate::documents::{RecordStore, StackRecordStore};
use crate::known::{UNKNOWN, ecs_service};
use crate::outbox::change_and_publish;
use crate::ports::{Cloud, ServiceScaler};
use crate::record::Scaled;

/// How many numbers of tasks the record remembers.
const REMEMBERED: usize = 20;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScaleOutcome {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// How many tasks were to run before.
    pub from: u32,
    /// How many are to run.
    pub to: u32,
}

/// Who sets a number of tasks, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScaledBy {
    pub by: Option<Caller>,
    pub note: Option<String>,
}

/// Asks ECS to run `to` tasks of a service, writes that down, and publishes it. With `dry_run` nothing is done, and the
/// answer is the same.
///
/// # Errors
/// [`AskError`].
pub async fn scale<C: Cloud + ServiceScaler>(
    cloud: &C,
    service_id: &ServiceId,
    to: u32,
    by: ScaledBy,
    dry_run: bool,
    worker: &Worker,
) -> Result<ScaleOutcome, AskError> {
    let what = format!("scale {service_id}");
    let failed = |error: CallError| AskError::of(&what, error.refusal());
    let refused = |reason: String| AskError::refused(&what, reason);
    let service = ecs_service(cloud, service_id).await.map_err(failed)?;
    let service = service.ok_or_else(|| refused(UNKNOWN.to_owned()))?;
    let shown = cloud.describe_service(&service).await.map_err(failed)?;
    let is_automatic = cloud.scales_itself(&service).await.map_err(failed)?;
    let stack = cloud.load_stack(&service_id.stack).await.map_err(failed)?;
    let stored = cloud.load(service_id).await.map_err(failed)?;
    let from = u32::try_from(shown.desired_count).unwrap_or_default();
    let outcome = ScaleOutcome {
        stack: service_id.stack.clone(),
        service: service_id.service.clone(),
        from,
        to,
    };
    let decision = decide(&ScaleSituation {
        service_id,
        record: stored.as_ref().map(|(record, _)| record),
        is_changing: stack.is_some_and(|(stack, _)| stack.operation.is_changing()),
        is_automatic,
        from,
        to,
        worker,
    });
    match decision {
        Scale::Refuse(reason) => return Err(refused(reason)),
        Scale::Nothing => return Ok(outcome),
        Scale::Begin if dry_run => return Ok(outcome),
        Scale::Begin => {}
    }
    let set = cloud.set_desired_count(&service, to).await;
    set.map_err(failed)?;
    let scaled = Scaled {
        from,
        to,
        at: worker.now,
        by: by.by,
        note: by.note,
    };
    let write = async {
        let Some(stored) = cloud.load(service_id).await? else {
            // A service without a record was never deployed to: what is known of it is in its stack file.
            return cloud.publish(&[scaled.event(service_id)]).await;
        };
        change_and_publish(cloud, service_id, stored, worker, |record| {
            record.scaled(scaled.clone(), REMEMBERED, worker);
        })
        .await
    };
    write.await.map_err(|error: CallError| {
        refused(format!(
            "{to} tasks are to run now, and that could not be written down or published: {error}"
        ))
    })?;
    Ok(outcome)
}
