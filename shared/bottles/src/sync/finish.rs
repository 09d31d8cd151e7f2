//! The end of a sync: the index is published after everything that it names is there, or what is there is
//! written down.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::longshore::{RefusedEntry, RunsOn, SyncOutcome, SyncSummary};
use longshore_events::transfer::{Sha256, TransferFailure, TransferReport};
use longshore_events::words::counted;
use longshore_state::{CallError, ErrorClass, Worker};
use serde::Serialize;

use crate::estimate;
use crate::inventory::{Inventory, InventoryFile};
use crate::layout;
use crate::names;
use crate::ports::{ListedObject, SyncCloud};
use crate::settings::MirrorLocation;
use crate::sync::engine::Engine;
use crate::sync::gather::{
    HEADS_SIDE_BY_SIDE, HeldFile, Missing, held_file, media_type, stored_inventory,
};
use crate::sync::held::Held;
use crate::sync::manifests::is_lasting;
use crate::sync::object::{read_object, write_object};
use crate::sync::object::{staged_inventory, staged_plan};
use crate::sync::plan::ENTRIES_SHOWN;
use crate::sync::record::{LEASE, Published, StagedPlan, Sync};
use crate::sync::shard::states;
use crate::sync::shard::{FAILURES_KEPT, JSON_LINES, ShardState, merged};

/// The whole report of a sync.
#[derive(Debug, Serialize)]
struct Report<'a> {
    sync: SyncSummary,
    /// Why it failed; nothing when everything is there and the index is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    outcome: &'a SyncOutcome,
    removed: u64,
    unchanged: u64,
    deleted: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_refused: Option<&'a str>,
    refused: &'a [RefusedEntry],
    missing_manifests: BTreeSet<String>,
    warnings: &'a [String],
    shards: Vec<ShardReport<'a>>,
    index: &'a Published,
    index_files: &'a [String],
}

#[derive(Debug, Serialize)]
struct ShardReport<'a> {
    shard: u32,
    attempts: u32,
    tasks: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a TransferReport>,
}

/// Finishes a sync all of whose shards have ended. Every step can be done twice: a worker that dies in
/// between is followed by another one.
pub(crate) async fn finish<C: SyncCloud, S, T>(
    engine: &Engine<'_, C, S, T>,
    held: &mut Held<'_, C>,
    place: &MirrorLocation,
) -> Result<(), CallError> {
    let mut record = held.record.clone();
    record.sync.worker_id = engine.worker.id.clone();
    record.sync.lease_until = engine.cloud.now() + LEASE;
    held.save(record).await?;
    let result = Finish {
        cloud: engine.cloud,
        place,
        sync: held.record.sync.clone(),
    }
    .end(held)
    .await;
    let worker = Worker {
        id: engine.worker.id.clone(),
        now: engine.cloud.now(),
    };
    let mut record = held.record.clone();
    match result {
        Ok(Ended::Completed(published, outcome)) => {
            record.completed(*published, *outcome, &worker);
        }
        Ok(Ended::Failed(reason, outcome)) => record.failed(&reason, Some(*outcome), &worker),
        Err(error) if is_lasting(error.class) => {
            record.failed(&error.to_string(), None, &worker);
        }
        Err(error) => {
            // Somebody who looks sees what it waits for.
            record.sync.reason = Some(error.to_string());
            if let Err(second) = held.save(record).await {
                tracing::warn!(stack = place.stack, error = %second, "what went wrong is not written down");
            }
            return Err(error);
        }
    }
    held.save(record).await
}

/// What a sync has come to.
enum Ended {
    Completed(Box<Published>, Box<SyncOutcome>),
    Failed(String, Box<SyncOutcome>),
}

/// What finishing begins with.
struct Evidence {
    plan: StagedPlan,
    /// What the mirror holds if all has come.
    inventory: Inventory,
    /// What it held before.
    before: Option<Inventory>,
    states: Vec<Option<ShardState>>,
    transfer: TransferReport,
    /// Files that have not come, with the reason of the first ones.
    absent: BTreeSet<String>,
}

struct Finish<'a, C> {
    cloud: &'a C,
    place: &'a MirrorLocation,
    sync: Sync,
}

impl<C: SyncCloud> Finish<'_, C> {
    async fn end(&self, held: &mut Held<'_, C>) -> Result<Ended, CallError> {
        let mut evidence = held.during(self.evidence()).await?;
        if evidence.transfer.failed > 0 {
            return held.during(self.fail(evidence)).await;
        }
        let objects = held.during(self.cloud.list(&self.place.bucket, "")).await?;
        self.compare(&mut evidence, &objects);
        if evidence.transfer.failed > 0 {
            return held.during(self.fail(evidence)).await;
        }
        held.during(self.adopt(&mut evidence, &objects)).await?;
        // Whoever was away for long finds out here that another one has taken over.
        held.renew().await?;
        held.during(self.publish(&mut evidence.plan, &objects))
            .await?;
        held.renew().await?;
        let completed = held.during(self.complete(evidence, &objects)).await;
        completed.map_err(half_done)
    }

    /// Reads what was planned and what has become of it.
    async fn evidence(&self) -> Result<Evidence, CallError> {
        let (cloud, bucket, sync_id) = (self.cloud, &self.place.bucket, &self.sync.id);
        let key = staged_plan(sync_id);
        let Some(plan) = read_object::<StagedPlan, C>(cloud, bucket, &key).await? else {
            return Err(self.gone(&key));
        };
        let key = staged_inventory(sync_id);
        let Some(body) = cloud.read(bucket, &key).await? else {
            return Err(self.gone(&key));
        };
        let inventory = Inventory::read(&body).map_err(|error| CallError {
            operation: format!("read {key} of bucket {bucket}"),
            class: ErrorClass::Refused,
            code: None,
            message: error.to_string(),
        })?;
        let before = stored_inventory(cloud, bucket).await?.ok();
        let states = states(cloud, &self.sync).await?;
        let reports = states
            .iter()
            .flatten()
            .filter_map(|state| state.report.as_ref());
        let transfer = reports.fold(None, |all: Option<TransferReport>, report| {
            Some(merged(all.as_ref(), report))
        });
        let now = cloud.now();
        let mut evidence = Evidence {
            transfer: transfer.unwrap_or_else(|| {
                TransferReport::of_nothing(self.sync.planned_at.unwrap_or(now), now)
            }),
            plan,
            inventory,
            before,
            states,
            absent: BTreeSet::new(),
        };
        self.find_absent(&mut evidence).await?;
        Ok(evidence)
    }

    fn gone(&self, key: &str) -> CallError {
        CallError {
            operation: format!("read {key} of bucket {}", self.place.bucket),
            class: ErrorClass::NotFound,
            code: None,
            message: "there is no such object; run the sync again".to_owned(),
        }
    }

    /// Finds out which files have not come. Reports name their failures, up to a number; what nobody has
    /// reported on is looked for.
    async fn find_absent(&self, evidence: &mut Evidence) -> Result<(), CallError> {
        let shards = || self.sync.shards.iter().zip(&evidence.states);
        let is_known = shards().all(|(shard, state)| {
            shard.given_up.is_none()
                && state
                    .as_ref()
                    .and_then(|state| state.report.as_ref())
                    .is_some_and(|report| report.failed == report.failures.len() as u64)
        });
        let reports = evidence.states.iter().flatten();
        let failed: BTreeSet<&str> = reports
            .filter_map(|state| state.report.as_ref())
            .flat_map(|report| &report.failures)
            .map(|failure| failure.key.as_str())
            .collect();
        let is_new = |key: &str, file: &InventoryFile| {
            let before = evidence.before.as_ref();
            before
                .and_then(|before| before.files.get(key))
                .is_none_or(|before| before.sha256 != file.sha256)
        };
        let new = evidence
            .inventory
            .files
            .iter()
            .filter(|(key, file)| is_new(key, file));
        if is_known {
            let contents: BTreeSet<&Sha256> = failed
                .iter()
                .filter_map(|key| evidence.inventory.files.get(*key))
                .map(|file| &file.sha256)
                .collect();
            let absent = new
                .filter(|(_, file)| contents.contains(&file.sha256))
                .map(|(key, _)| key.clone())
                .collect();
            evidence.absent = absent;
            return Ok(());
        }
        let (cloud, bucket) = (self.cloud, &self.place.bucket);
        let absent: Vec<Option<String>> = stream::iter(new)
            .map(|(key, file)| async move {
                let stored = cloud.head(bucket, key).await?;
                let is_there =
                    stored.is_some_and(|stored| stored.sha256.as_ref() == Some(&file.sha256));
                Ok::<_, CallError>((!is_there).then(|| key.clone()))
            })
            .buffered(HEADS_SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let absent: BTreeSet<String> = absent.into_iter().flatten().collect();
        let mut reasons: BTreeMap<u32, &str> = BTreeMap::new();
        for shard in &self.sync.shards {
            if let Some(reason) = &shard.given_up {
                reasons.insert(shard.shard, reason);
            }
        }
        let reason = match reasons.first_key_value() {
            Some((shard, reason)) => format!("shard {shard} was given up: {reason}"),
            None => "nobody has said what became of it".to_owned(),
        };
        let unreported = (absent.len() as u64).saturating_sub(evidence.transfer.failed);
        let failures: Vec<TransferFailure> = absent
            .iter()
            .filter(|key| !failed.contains(key.as_str()))
            .take(FAILURES_KEPT.saturating_sub(evidence.transfer.failures.len()))
            .map(|key| TransferFailure {
                key: key.clone(),
                url: String::new(),
                reason: reason.clone(),
                attempts: 0,
            })
            .collect();
        evidence.transfer.failed = evidence.transfer.failed.saturating_add(unreported);
        evidence.transfer.failures.extend(failures);
        // Nothing may be published when a shard is given up, whatever is found.
        if evidence.transfer.failed == 0 && !reasons.is_empty() {
            evidence.fail(TransferFailure {
                key: String::new(),
                url: String::new(),
                reason,
                attempts: 0,
            });
        }
        evidence.absent = absent;
        Ok(())
    }

    /// Compares with a listing: what is not there, whoever has deleted it, is not to be published.
    fn compare(&self, evidence: &mut Evidence, objects: &[ListedObject]) {
        let sizes: BTreeMap<&str, u64> = objects
            .iter()
            .map(|object| (object.key.as_str(), object.size))
            .collect();
        let removed: BTreeSet<String> = evidence.plan.removed.iter().cloned().collect();
        let mut absent = BTreeSet::new();
        for (key, file) in &mut evidence.inventory.files {
            match sizes.get(key.as_str()) {
                Some(size) if *size == file.size || file.estimated => {
                    file.size = *size;
                    file.estimated = false;
                }
                _ => {
                    absent.insert(key.clone());
                }
            }
        }
        for key in &absent {
            if removed.contains(key) {
                evidence.inventory.files.remove(key);
                continue;
            }
            let reason = match sizes.get(key.as_str()) {
                Some(size) => format!("the bucket holds {size} bytes under this key"),
                None => "it is not in the bucket any more".to_owned(),
            };
            evidence.fail(TransferFailure {
                key: key.clone(),
                url: String::new(),
                reason,
                attempts: 0,
            });
        }
        evidence.absent = absent;
    }

    /// Adds bottles that an earlier sync has left behind, because it failed after they had come, and that no
    /// index names any more: they go like all others.
    async fn adopt(
        &self,
        evidence: &mut Evidence,
        objects: &[ListedObject],
    ) -> Result<(), CallError> {
        let (cloud, bucket) = (self.cloud, &self.place.bucket);
        let files = &evidence.inventory.files;
        let unknown = objects
            .iter()
            .filter(|object| layout::is_bottle(&object.key) && !files.contains_key(&object.key));
        let found: Vec<(String, HeldFile)> = stream::iter(unknown)
            .map(|object| async move {
                let file = held_file(cloud, bucket, &object.key).await?;
                Ok::<_, CallError>((object.key.clone(), file))
            })
            .buffered(HEADS_SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let now = cloud.now();
        for (key, file) in found {
            match file {
                Ok(Some(file)) => {
                    evidence.plan.gone.entry(key.clone()).or_insert(now);
                    evidence.inventory.files.insert(key, file);
                }
                Ok(None) => {}
                Err(warning) => evidence.plan.warnings.push(warning),
            }
        }
        Ok(())
    }

    /// Copies the index files to where clients ask for them, the index itself last. What is left of earlier
    /// generations goes before that: a client that finds none asks elsewhere, one that finds an old one is
    /// led to files that are not there.
    async fn publish(
        &self,
        plan: &mut StagedPlan,
        objects: &[ListedObject],
    ) -> Result<(), CallError> {
        let (cloud, bucket) = (self.cloud, &self.place.bucket);
        let is_left = |key: &str| {
            layout::index_file(key)
                .is_some_and(|file| !plan.index_files.iter().any(|published| published == file))
        };
        let left: Vec<String> = objects
            .iter()
            .filter(|object| is_left(&object.key))
            .map(|object| object.key.clone())
            .collect();
        // What a file that stays names has to stay as well.
        self.delete(plan, &left).await?;
        for (number, file) in plan.index_files.iter().enumerate() {
            let from = layout::staged_index(&self.sync.id, file);
            let to = layout::published_index(file);
            let copied = cloud.copy(bucket, &from, &to, media_type(file)).await;
            match number {
                0 => copied?,
                _ => copied.map_err(half_done)?,
            }
        }
        Ok(())
    }

    /// Deletes objects. If S3 refuses that, no bottle is deleted in this sync, and that is reported; clients get what
    /// is new all the same.
    async fn delete(&self, plan: &mut StagedPlan, keys: &[String]) -> Result<(), CallError> {
        if keys.is_empty() {
            return Ok(());
        }
        match self.cloud.delete(&self.place.bucket, keys).await {
            Err(error) if is_lasting(error.class) => {
                plan.to_delete.clear();
                plan.deletion_refused = Some(error.to_string());
                Ok(())
            }
            deleted => deleted,
        }
    }

    /// Deletes what is to be deleted and writes down what the mirror holds.
    async fn complete(
        &self,
        mut evidence: Evidence,
        objects: &[ListedObject],
    ) -> Result<Ended, CallError> {
        let (cloud, bucket) = (self.cloud, &self.place.bucket);
        let keys = keys_to_delete(&evidence, objects);
        self.delete(&mut evidence.plan, &keys).await?;
        let to_delete: BTreeSet<&str> =
            evidence.plan.to_delete.iter().map(String::as_str).collect();
        let plan = &evidence.plan;
        evidence
            .inventory
            .files
            .retain(|key, _| !to_delete.contains(key.as_str()));
        let files = &evidence.inventory.files;
        let gone: BTreeMap<&String, &DateTime<Utc>> = plan
            .gone
            .iter()
            .filter(|(key, _)| files.contains_key(*key))
            .collect();
        self.write_inventory(&evidence.inventory).await?;
        write_object(cloud, bucket, layout::GONE, &gone).await?;
        let missing = missing_manifests(plan, objects);
        // What the source does not publish any more is not published here any more, either.
        self.write_missing(&missing, BTreeMap::new()).await?;
        let outcome = self.outcome(&evidence, plan.to_delete.len() as u64, missing.len() as u64);
        self.report(&evidence, &outcome, None, &plan.to_delete, missing)
            .await?;
        let published = Published {
            at: cloud.now(),
            ..plan.published.clone()
        };
        Ok(Ended::Completed(Box::new(published), Box::new(outcome)))
    }

    /// Writes down what is there; no index is published and nothing is deleted.
    async fn fail(&self, mut evidence: Evidence) -> Result<Ended, CallError> {
        for key in std::mem::take(&mut evidence.absent) {
            let before = evidence
                .before
                .as_ref()
                .and_then(|before| before.files.get(&key))
                .filter(|before| {
                    evidence.inventory.files.get(&key).map(|file| &file.sha256)
                        != Some(&before.sha256)
                })
                .cloned();
            match before {
                Some(before) => evidence.inventory.files.insert(key, before),
                None => evidence.inventory.files.remove(&key),
            };
        }
        self.write_inventory(&evidence.inventory).await?;
        let missing = evidence.plan.missing_manifests.clone();
        let noted = read_object::<Missing, C>(self.cloud, &self.place.bucket, layout::MISSING);
        let mut index_files = noted.await?.unwrap_or_default().index_files;
        // Those that were given have waited for nothing.
        index_files.retain(|file, _| !evidence.plan.index_files.contains(file));
        self.write_missing(&missing, index_files).await?;
        let outcome = self.outcome(&evidence, 0, missing.len() as u64);
        let failed = outcome.transfer.failed;
        let first = outcome
            .transfer
            .failures
            .first()
            .map(|failure| format!("; the first, {}: {}", failure.key, failure.reason));
        let reason = format!(
            "{} could not be transferred{}",
            counted(failed, "file"),
            first.unwrap_or_default()
        );
        self.report(&evidence, &outcome, Some(&reason), &[], missing)
            .await?;
        Ok(Ended::Failed(reason, Box::new(outcome)))
    }

    async fn write_inventory(&self, inventory: &Inventory) -> Result<(), CallError> {
        self.cloud
            .write(
                &self.place.bucket,
                layout::INVENTORY,
                JSON_LINES,
                inventory.write(),
            )
            .await
            .map(drop)
    }

    /// Writes down what the next sync is to ask for again.
    async fn write_missing(
        &self,
        manifests: &BTreeSet<String>,
        index_files: BTreeMap<String, DateTime<Utc>>,
    ) -> Result<(), CallError> {
        let missing = Missing {
            index_files,
            manifests: manifests.clone(),
        };
        write_object(self.cloud, &self.place.bucket, layout::MISSING, &missing).await
    }

    fn outcome(&self, evidence: &Evidence, deleted: u64, missing_manifests: u64) -> SyncOutcome {
        let tasks = match (self.sync.runs_on, &self.place.tasks) {
            (RunsOn::Tasks { tasks }, Some(place)) => Some((place, tasks)),
            _ => None,
        };
        let transfer = evidence.transfer.clone();
        let refused = &evidence.plan.refused;
        SyncOutcome {
            runs_on: self.sync.runs_on,
            cost_in_micro_usd: estimate::cost_in_micro_usd(
                transfer.files,
                transfer.copies,
                transfer.downloaded_bytes,
                tasks,
            ),
            transfer,
            deleted,
            refused: refused.len() as u64,
            refused_entries: refused.iter().take(ENTRIES_SHOWN).cloned().collect(),
            finished_at: self.cloud.now(),
            report_key: Some(layout::report(&self.sync.id)),
            missing_manifests,
            deletion_refused: evidence.plan.deletion_refused.clone(),
            warnings: evidence
                .plan
                .warnings
                .iter()
                .take(ENTRIES_SHOWN)
                .cloned()
                .collect(),
        }
    }

    async fn report(
        &self,
        evidence: &Evidence,
        outcome: &SyncOutcome,
        reason: Option<&str>,
        deleted: &[String],
        missing_manifests: BTreeSet<String>,
    ) -> Result<(), CallError> {
        let plan = &evidence.plan;
        let shards = self.sync.shards.iter().zip(&evidence.states);
        let report = Report {
            sync: self.sync.summary(),
            reason,
            outcome,
            removed: plan.removed.len() as u64,
            unchanged: plan.unchanged,
            deleted,
            deletion_refused: plan.deletion_refused.as_deref(),
            refused: &plan.refused,
            missing_manifests,
            warnings: &plan.warnings,
            shards: shards
                .map(|(shard, state)| ShardReport {
                    shard: shard.shard,
                    attempts: state.as_ref().map_or(0, |state| state.attempts),
                    tasks: shard.starts,
                    given_up: shard.given_up.as_deref(),
                    report: state.as_ref().and_then(|state| state.report.as_ref()),
                })
                .collect(),
            index: &plan.published,
            index_files: &plan.index_files,
        };
        let key = layout::report(&self.sync.id);
        write_object(self.cloud, &self.place.bucket, &key, &report)
            .await
            .map(drop)
    }
}

impl Evidence {
    fn fail(&mut self, failure: TransferFailure) {
        self.transfer.failed = self.transfer.failed.saturating_add(1);
        if self.transfer.failures.len() < FAILURES_KEPT {
            self.transfer.failures.push(failure);
        }
    }
}

/// What is refused while clients see a part of what is new is asked for again until it is done: half of it is worse
/// than either. What is not there does not come back.
fn half_done(error: CallError) -> CallError {
    match error.class {
        ErrorClass::Refused | ErrorClass::Denied => CallError {
            class: ErrorClass::Transient,
            ..error
        },
        _ => error,
    }
}

/// The keys of what is deleted: bottles, their second copies, and manifests that nothing else needs. What is gone
/// already was deleted by a worker that died of it.
fn keys_to_delete(evidence: &Evidence, objects: &[ListedObject]) -> Vec<String> {
    let to_delete: BTreeSet<&str> = evidence.plan.to_delete.iter().map(String::as_str).collect();
    let (going, staying): (Vec<_>, Vec<_>) = evidence
        .inventory
        .files
        .iter()
        .partition(|(key, _)| to_delete.contains(key.as_str()));
    let held: BTreeSet<&Sha256> = staying.iter().map(|(_, file)| &file.sha256).collect();
    let contents: BTreeSet<&str> = going
        .iter()
        .map(|(_, file)| &file.sha256)
        .filter(|sha256| !held.contains(sha256))
        .map(Sha256::as_str)
        .collect();
    let manifests_of = |files: &[(&String, &InventoryFile)]| -> BTreeSet<String> {
        let keys = files.iter().map(|(key, _)| names::manifest_keys(key));
        keys.flatten().collect()
    };
    let mut manifests = manifests_of(&going);
    if !manifests.is_empty() {
        let kept = manifests_of(&staying);
        let named = &evidence.plan.manifests;
        manifests.retain(|key| !kept.contains(key) && !named.contains(key));
    }
    objects
        .iter()
        .map(|object| object.key.as_str())
        .filter(|key| {
            to_delete.contains(key)
                || blob(key).is_some_and(|sha256| contents.contains(sha256))
                || is_manifest(key, &manifests)
        })
        .map(str::to_owned)
        .collect()
}

/// The manifests that clients may ask for and that are not there.
fn missing_manifests(plan: &StagedPlan, objects: &[ListedObject]) -> BTreeSet<String> {
    let listed: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let absent = plan
        .manifests
        .iter()
        .filter(|key| !listed.contains(key.as_str()));
    absent.chain(&plan.missing_manifests).cloned().collect()
}

/// Whether a key is that of one of these manifests, or of the same in the registry's layout.
fn is_manifest(key: &str, manifests: &BTreeSet<String>) -> bool {
    let folders = key.strip_prefix("v2/").into_iter().flat_map(|path| {
        let slashes = path.match_indices('/');
        slashes.map(move |(place, _)| &path[place + 1..])
    });
    key.contains("/manifests/")
        && std::iter::once(key)
            .chain(folders)
            .any(|key| manifests.contains(key))
}

/// The content of a blob in the registry's layout.
fn blob(key: &str) -> Option<&str> {
    let (_, digest) = key.strip_prefix("v2/")?.rsplit_once("/blobs/")?;
    digest.strip_prefix("sha256:")
}
