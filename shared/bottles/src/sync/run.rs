//! Beginning a sync.

use longshore_events::longshore::{LongshoreEvent, RunsOn, SyncRefused};
use longshore_events::words::minute;
use longshore_state::document::overwrite;
use longshore_state::{CallError, ErrorClass, Race, decide_again};

use crate::layout;
use crate::ports::{Source, SyncCloud, Transferrer};
use crate::settings::{MirrorLocation, MirrorSettings};
use crate::shards;
use crate::sync::engine::{Engine, RunRequest, SyncError, mirror};
use crate::sync::file_system::{Readiness, lower, readiness};
use crate::sync::gather::Staging;
use crate::sync::held::{Held, create, load};
use crate::sync::manifests::is_lasting;
use crate::sync::object::{SYNCS, staged_inventory, staged_plan, write_object};
use crate::sync::outcome::{RunOutcome, outcome_of};
use crate::sync::plan::{Draft, Planner, Preparation};
use crate::sync::record::SyncKey;
use crate::sync::record::{LEASE, RaisedThroughput, ShardRecord, Sync, SyncRecord, SyncState};
use crate::sync::shard::ShardKey;
use crate::sync::shard::{JSON_LINES, ShardState};

/// Updates a stack's mirror to what the index names, or begins to. The same worker may ask again: it goes
/// on where it died.
///
/// # Errors
/// [`SyncError`]: of a call, the invocation should come again.
pub async fn run<C: SyncCloud, S: Source, T: Transferrer>(
    engine: &Engine<'_, C, S, T>,
    stack: &str,
    request: &RunRequest,
) -> Result<RunOutcome, SyncError> {
    let (settings, place) = mirror(engine.cloud, "sync", stack).await?;
    engine.cloud.add_mirror(stack).await?;
    let key = SyncKey(&place.bucket);
    decide_again(&key, async || {
        let mut held = match engine.begin(&settings, &place, request).await? {
            Begun::Plan(held) => held,
            Begun::GoOn(mut held) => {
                let outcome = engine.proceed(&mut held, &settings, &place).await?;
                if outcome.is_none() && held.record.sync.state.is_open() {
                    return Err(has_lease(stack).into());
                }
                return Ok(outcome.unwrap_or_else(|| outcome_of(&held.record.sync)));
            }
            Begun::Refused(reason) => {
                engine.refuse(&place, request, &reason).await?;
                return Ok(RunOutcome::Refused { reason });
            }
        };
        engine
            .plan(&mut held, &settings, &place, request)
            .await
            .map_err(lost_lease)?;
        let outcome = engine.proceed(&mut held, &settings, &place).await?;
        lower(&mut held).await?;
        Ok(outcome.unwrap_or_else(|| outcome_of(&held.record.sync)))
    })
    .await
}

/// Whoever asks again finds out who has taken over.
fn lost_lease(error: CallError) -> CallError {
    if !error.is_lost() {
        return error;
    }
    CallError {
        class: ErrorClass::Transient,
        ..error
    }
}

fn has_lease(stack: &str) -> CallError {
    CallError {
        operation: format!("sync the mirror of stack {stack}"),
        class: ErrorClass::Transient,
        code: None,
        message: "an earlier attempt of this invocation has the lease".to_owned(),
    }
}

/// What a request leads to.
enum Begun<'a, C> {
    /// This worker has the mirror: it plans.
    Plan(Held<'a, C>),
    /// It is this worker's own sync, which it has planned before.
    GoOn(Held<'a, C>),
    /// Another sync runs.
    Refused(String),
}

impl<'a, C: SyncCloud, S: Source, T: Transferrer> Engine<'a, C, S, T> {
    /// Takes the mirror's lease.
    async fn begin(
        &self,
        settings: &MirrorSettings,
        place: &MirrorLocation,
        request: &RunRequest,
    ) -> Result<Begun<'a, C>, CallError> {
        let worker = self.worker_now();
        let sync = Sync::begin(&place.stack, &place.bucket, request, &worker);
        let Some(mut held) = load(self.cloud, &place.bucket).await? else {
            let record = SyncRecord::begin(None, sync, &worker);
            let held = create(self.cloud, &place.bucket, record).await?;
            return Ok(Begun::Plan(held));
        };
        let is_own = held.record.sync.id == worker.id;
        let is_planning = held.record.sync.state == SyncState::Planning;
        if is_own && (!is_planning || held.record.sync.is_leased(worker.now)) {
            return Ok(Begun::GoOn(held));
        }
        if held.record.sync.state.is_open() && !is_own {
            let running = format!(
                "sync {} of {} runs",
                held.record.sync.id,
                minute(held.record.sync.requested_at)
            );
            if is_planning && held.record.sync.is_leased(worker.now) {
                return Ok(Begun::Refused(running));
            }
            if !is_planning {
                // What is dead goes on; what is over makes room.
                self.proceed(&mut held, settings, place).await?;
                if held.record.sync.state.is_open() {
                    return Ok(Begun::Refused(running));
                }
            }
        }
        let worker = self.worker_now();
        let sync = Sync {
            lease_until: worker.now + LEASE,
            ..sync
        };
        let record = SyncRecord::begin(Some(&held.record), sync, &worker);
        held.save(record).await?;
        Ok(Begun::Plan(held))
    }

    /// Publishes that another sync runs; its record is none of this one's.
    async fn refuse(
        &self,
        place: &MirrorLocation,
        request: &RunRequest,
        reason: &str,
    ) -> Result<(), CallError> {
        let sync = Sync::begin(&place.stack, &place.bucket, request, self.worker);
        let refused = LongshoreEvent::SyncRefused(SyncRefused {
            sync: sync.summary(),
            reason: reason.to_owned(),
        });
        self.cloud.publish(&[refused]).await
    }

    /// Plans the sync that this worker has for itself. Afterwards it is being transferred, or over.
    pub(crate) async fn plan(
        &self,
        held: &mut Held<'_, C>,
        settings: &MirrorSettings,
        place: &MirrorLocation,
        request: &RunRequest,
    ) -> Result<(), CallError> {
        match self.try_to_plan(held, settings, place, request).await {
            Ok(()) => Ok(()),
            Err(error) if is_lasting(error.class) => {
                let worker = self.worker_now();
                let mut record = held.record.clone();
                record.failed(&error.to_string(), None, &worker);
                held.save(record).await
            }
            Err(error) => {
                // So that the retry need not wait, and a reconcile can report what went wrong.
                let mut record = held.record.clone();
                record.sync.lease_until = self.cloud.now();
                record.sync.reason = Some(error.to_string());
                if let Err(second) = held.save(record).await {
                    tracing::warn!(stack = place.stack, error = %second, "the lease is not given back");
                }
                Err(error)
            }
        }
    }

    async fn try_to_plan(
        &self,
        held: &mut Held<'_, C>,
        settings: &MirrorSettings,
        place: &MirrorLocation,
        request: &RunRequest,
    ) -> Result<(), CallError> {
        let cloud = self.cloud;
        let published = held.record.published.clone();
        let sync_id = held.record.sync.id.clone();
        let planner = Planner {
            store: cloud,
            source: self.source,
            settings,
            place,
            published: published.as_ref(),
            options: &request.options,
            runner: self.runner,
            time_left: self.time_left(),
        };
        let staging = Staging {
            bucket: &place.bucket,
            sync_id: &sync_id,
        };
        let work = async {
            clear(cloud, &place.bucket, &sync_id).await?;
            planner.prepare(Some(staging), cloud.now(), true).await
        };
        let draft = match held.during(work).await? {
            Preparation::Unchanged => {
                let mut record = held.record.clone();
                record.unchanged(&self.worker_now());
                return held.save(record).await;
            }
            Preparation::Refused(reason) => {
                let mut record = held.record.clone();
                record.refused(&reason, &self.worker_now());
                return held.save(record).await;
            }
            Preparation::Ready(draft) => *draft,
        };
        if let RunsOn::Tasks { .. } = draft.runs_on
            && let Some(problem) = self.prepare_file_system(held, settings, place).await?
        {
            let mut record = held.record.clone();
            record.failed(&problem, None, &self.worker_now());
            return held.save(record).await;
        }
        held.during(write_down(cloud, place, &sync_id, &draft))
            .await?;
        let worker = self.worker_now();
        let mut record = held.record.clone();
        record.sync.shards = (1..)
            .zip(&draft.shards)
            .map(|(number, _)| ShardRecord::new(number))
            .collect();
        record.planned(draft.planned(record.sync.summary()), &worker);
        held.save(record).await?;
        held.flush(&worker).await
    }

    /// Sees to it that tasks can mount the file system, quickly enough; what keeps them from it.
    async fn prepare_file_system(
        &self,
        held: &mut Held<'_, C>,
        settings: &MirrorSettings,
        place: &MirrorLocation,
    ) -> Result<Option<String>, CallError> {
        let Some(tasks) = &place.tasks else {
            return Ok(None);
        };
        let Some(file_system_id) = &tasks.file_system_id else {
            return Ok(None);
        };
        let observed = match self.cloud.describe_file_system(file_system_id).await {
            Ok(observed) => observed,
            Err(error) if error.class == ErrorClass::NotFound => {
                return Ok(Some(format!(
                    "{error}; apply the stack again, then run the sync again"
                )));
            }
            Err(error) => return Err(error),
        };
        let (from, to) = match readiness(&observed, file_system_id, tasks, settings) {
            Readiness::Ready => return Ok(None),
            Readiness::NotReady(problem) => return Ok(Some(problem)),
            Readiness::Raise { from, to } => (from, to),
        };
        // Written down first: what is raised and not known is never lowered.
        let mut record = held.record.clone();
        let before_in_mibps = record
            .raised_throughput
            .as_ref()
            .filter(|raised| raised.file_system_id == *file_system_id)
            .map_or(from, |raised| raised.before_in_mibps.min(from));
        record.raised_throughput = Some(RaisedThroughput {
            file_system_id: file_system_id.clone(),
            before_in_mibps,
            raised_at: self.cloud.now(),
        });
        held.save(record).await?;
        let raised = self
            .cloud
            .set_provisioned_throughput(file_system_id, to)
            .await;
        match raised {
            // Slower is not a reason not to run.
            Err(error) if is_lasting(error.class) => {
                tracing::warn!(stack = place.stack, file_system_id, %error, "throughput is not raised");
                Ok(None)
            }
            raised => raised.map(|()| None),
        }
    }
}

/// Deletes what earlier syncs needed while they were under way.
async fn clear<C: SyncCloud>(cloud: &C, bucket: &str, sync_id: &str) -> Result<(), CallError> {
    let own = format!("{SYNCS}{sync_id}/");
    let keys: Vec<String> = cloud
        .list(bucket, SYNCS)
        .await?
        .into_iter()
        .map(|object| object.key)
        .filter(|key| !key.starts_with(&own))
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    match cloud.delete(bucket, &keys).await {
        // They are in nobody's way.
        Err(error) if is_lasting(error.class) => {
            tracing::warn!(bucket, %error, "what earlier syncs needed is not deleted");
            Ok(())
        }
        deleted => deleted,
    }
}

/// Writes down all that the sync's workers, and its end, need.
async fn write_down<C: SyncCloud>(
    cloud: &C,
    place: &MirrorLocation,
    sync_id: &str,
    draft: &Draft,
) -> Result<(), CallError> {
    let bucket = &place.bucket;
    for (number, items) in (1..).zip(&draft.shards) {
        cloud
            .write(
                bucket,
                &layout::shard(sync_id, number),
                JSON_LINES,
                shards::write(items),
            )
            .await?;
        let state = ShardState::new(&place.stack, sync_id, number, items);
        let key = ShardKey {
            bucket,
            sync_id,
            shard: number,
        };
        overwrite(cloud, &key, &state).await?;
    }
    let inventory = draft.inventory.write();
    cloud
        .write(bucket, &staged_inventory(sync_id), JSON_LINES, inventory)
        .await?;
    let key = staged_plan(sync_id);
    write_object(cloud, bucket, &key, &draft.staged)
        .await
        .map(drop)
}
