//! A restart by hand: new tasks of what runs, as a deployment of its own.
//!
//! It registers a revision that says the same. So a repeated attempt finds its own deployment, as with any other, and
//! images that are pinned stay what they are.

use longshore_events::longshore::{Caller, Source};
use longshore_events::sequence::Sequence;
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_state::{CallError, Worker, decide_again};

use super::rollback::repeated;
use crate::asked::AskError;
use crate::decide::{Restart, restart as decide};
use crate::documents::{RecordKey, RecordStore};
use crate::engine::{Engine, Outcome, ServiceOutcome, Stop};
use crate::ports::Cloud;
use crate::record::{Deployment, Request};

/// Who asks for new tasks, and why.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestartAsked<'a> {
    pub note: Option<&'a str>,
    pub by: Option<&'a Caller>,
}

/// Starts new tasks of what a service runs, once for each id of a worker. With `dry_run` nothing is done, and `None`
/// says that it would be.
///
/// # Errors
/// [`AskError`].
pub async fn restart<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    asked: RestartAsked<'_>,
    dry_run: bool,
    worker: &Worker,
) -> Result<Option<ServiceOutcome>, AskError> {
    let outcome = decide_again(&RecordKey(service_id), async || {
        begin(cloud, service_id, asked, dry_run, worker).await
    })
    .await;
    match outcome {
        Ok(outcome) => Ok(outcome.map(|outcome| ServiceOutcome {
            stack: service_id.stack.clone(),
            service: service_id.service.clone(),
            outcome,
        })),
        Err(stop) => Err(AskError::of(
            format!("restart {service_id}"),
            stop.refusal(),
        )),
    }
}

async fn begin<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    asked: RestartAsked<'_>,
    dry_run: bool,
    worker: &Worker,
) -> Result<Option<Outcome>, Stop> {
    let Some((record, _)) = cloud.load(service_id).await? else {
        return Err(Stop::Refused(
            "Longshore has deployed nothing to it yet: look whether the name is right".to_owned(),
        ));
    };
    let subscriber = record.deployment.subscriber();
    let engine = Engine::new(cloud, &subscriber, worker);
    let (written, shown) = engine.look().await?;
    let record = written
        .record()
        .ok_or_else(|| CallError::lost_race(&RecordKey(service_id)))?;
    if written.is_changing() {
        return Err(Stop::Refused(
            "its stack is being changed: restart it when that is over".to_owned(),
        ));
    }
    let shown = shown?;
    if let Some(outcome) = repeated(&engine, record, &written, &shown).await? {
        return Ok(Some(outcome));
    }
    let frozen_until = subscriber
        .rollout
        .frozen_until(worker.now)
        .map_err(|invalid| Stop::Refused(invalid.to_string()))?;
    let container = &subscriber.container;
    let image = match decide(record, container, &shown.running, frozen_until, worker) {
        Restart::Refuse(reason) => return Err(Stop::Refused(reason)),
        Restart::Begin(_) if dry_run => return Ok(None),
        Restart::Begin(image) => *image,
    };
    let request = Request {
        id: worker.id.clone(),
        at: worker.now,
        sequence: Sequence::of_time(worker.now),
        image,
        source: Source::Restart {
            note: asked.note.map(str::to_owned),
            by: asked.by.cloned(),
        },
        replaced_requests: Vec::new(),
    };
    // The other containers stay as the running revision has them.
    let alone = Subscriber {
        other_containers: Vec::new(),
        ..subscriber.clone()
    };
    let deployment = Deployment::claim(written.last(), &alone, &request, &shown.running, worker);
    // What waits goes on waiting: nobody asked for it to be dropped.
    let started = engine.take(&written, &shown, deployment, |_| ()).await?;
    Ok(Some(started))
}
