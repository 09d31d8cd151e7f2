//! What a sync would do.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use longshore_events::longshore::{FileCount, RefusedEntry, RunsOn, SyncPlanned, SyncSummary};
use longshore_events::transfer::{Sha256, TransferItem};
use longshore_state::{CallError, ErrorClass};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::deletion::{self, Gone};
use crate::estimate;
use crate::inventory::{Inventory, InventoryFile};
use crate::layout;
use crate::plan::{count, difference, shrunk};
use crate::ports::{MirrorStore, Source, SyncCloud};
use crate::selection::WantedBottle;
use crate::settings::{MirrorLocation, MirrorSettings, RunnerSettings};
use crate::shards;
use crate::sizes::Size;
use crate::sync::engine::{SyncError, SyncOptions, mirror};
use crate::sync::gather::{
    Asking, Holdings, INDEX, IndexAnswer, Missing, ReadIndex, Staging, holdings, index,
    stored_inventory,
};
use crate::sync::held::load;
use crate::sync::manifests::{
    Keeping, Manifests, manifest_keys, manifests, registry_key, to_see_to,
};
use crate::sync::object::read_object;
use crate::sync::record::{Published, StagedPlan};
use crate::sync::shard::sum;

/// What finishing a sync needs of a process's time, after its files are there.
pub(crate) const FINISHING: Duration = Duration::seconds(60);

/// How many entries an event names.
pub(crate) const ENTRIES_SHOWN: usize = 20;

/// What a sync would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SyncPlan {
    pub stack: String,
    /// What would be transferred.
    pub new: FileCount,
    /// The same by platform.
    pub by_platform: BTreeMap<String, FileCount>,
    /// What the index names no more.
    pub removed: FileCount,
    /// What stays as it is.
    pub unchanged: FileCount,
    /// What would be deleted.
    pub to_delete: Vec<String>,
    /// Why nothing would be deleted, although grace times are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_refused: Option<String>,
    /// Entries of the index that are refused.
    pub refused: Vec<RefusedEntry>,
    /// Where it would run.
    pub runs_on: RunsOn,
    /// How long it would take, about, in seconds.
    pub estimated_seconds: i64,
    /// What it would cost once, in millionths of a USD.
    pub estimated_cost_in_micro_usd: u64,
    /// What all files of the mirror would cost a month, in millionths of a USD.
    pub storage_in_micro_usd_a_month: u64,
    /// What the registry's layout, a second copy of every file, costs a month, or would cost if it were
    /// kept.
    pub registry_layout_in_micro_usd_a_month: u64,
    /// What is odd.
    pub warnings: Vec<String>,
}

/// Says what a sync would do. Nothing is changed.
///
/// # Errors
/// [`SyncError`]; an index that is not to be trusted is one.
pub async fn plan<C: SyncCloud, S: Source>(
    cloud: &C,
    source: &S,
    runner: &RunnerSettings,
    stack: &str,
    options: &SyncOptions,
) -> Result<SyncPlan, SyncError> {
    let (settings, place) = mirror(cloud, "plan a sync of", stack).await?;
    let record = load(cloud, &place.bucket).await?.map(|held| held.record);
    let planner = Planner {
        store: cloud,
        source,
        settings: &settings,
        place: &place,
        published: record.as_ref().and_then(|record| record.published.as_ref()),
        options,
        runner,
        time_left: runner.time_left,
    };
    match planner.prepare(None, cloud.now(), false).await? {
        Preparation::Unchanged => Err(SyncError::Refused {
            operation: "plan a sync of",
            stack: stack.to_owned(),
            reason: "the index was not given, although it was asked for without an entity tag"
                .to_owned(),
        }),
        Preparation::Refused(reason) => Err(SyncError::Refused {
            operation: "plan a sync of",
            stack: stack.to_owned(),
            reason,
        }),
        Preparation::Ready(draft) => Ok(draft.shown(stack)),
    }
}

/// What a sync is planned from.
pub(crate) struct Planner<'a, M, S> {
    pub(crate) store: &'a M,
    pub(crate) source: &'a S,
    pub(crate) settings: &'a MirrorSettings,
    pub(crate) place: &'a MirrorLocation,
    pub(crate) published: Option<&'a Published>,
    pub(crate) options: &'a SyncOptions,
    pub(crate) runner: &'a RunnerSettings,
    /// How long this process may still run.
    pub(crate) time_left: Option<Duration>,
}

/// What came of planning.
#[derive(Debug)]
pub(crate) enum Preparation {
    /// The mirror is what the index names.
    Unchanged,
    /// The index is not to be trusted.
    Refused(String),
    /// There may be something to be done.
    Ready(Box<Draft>),
}

/// A sync that is planned.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) staged: StagedPlan,
    /// What the mirror holds when all is there and nothing is deleted yet.
    pub(crate) inventory: Inventory,
    pub(crate) shards: Vec<Vec<TransferItem>>,
    pub(crate) runs_on: RunsOn,
    new: FileCount,
    by_platform: BTreeMap<String, FileCount>,
    removed: FileCount,
    unchanged: FileCount,
    seconds: i64,
    cost_in_micro_usd: u64,
}

impl<M: MirrorStore, S: Source> Planner<'_, M, S> {
    /// Finds out what is to be done. With a place for them, index files are staged and manifests are
    /// written; without, nothing is.
    pub(crate) async fn prepare(
        &self,
        staging: Option<Staging<'_>>,
        now: DateTime<Utc>,
        may_be_unchanged: bool,
    ) -> Result<Preparation, CallError> {
        let bucket = &self.place.bucket;
        let stored = stored_inventory(self.store, bucket).await?;
        let gone: Gone = self.noted(layout::GONE).await?;
        let missing: Missing = self.noted(layout::MISSING).await?;
        let published = self.published;
        let asking = Asking {
            settings: self.settings,
            published,
            may_be_unchanged: may_be_unchanged
                && published.is_some_and(|published| published.is_with(self.settings))
                && stored.is_ok()
                && missing.manifests.is_empty()
                && !self.options.check_listing
                && !self.is_deletion_due(&gone, now),
            missing: &missing,
            staging,
            now,
        };
        let answer = index(self.store, self.source, &asking).await?;
        let read = match answer {
            IndexAnswer::Unchanged => return Ok(Preparation::Unchanged),
            IndexAnswer::Refused(reason) => return Ok(Preparation::Refused(reason)),
            IndexAnswer::Read(read) => *read,
        };
        let is_first = published.is_none();
        let check_listing = self.options.check_listing;
        let holdings = holdings(self.store, bucket, stored, check_listing, is_first).await?;
        if published.is_none()
            && let Some(reason) = shrunk(&read.index, &holdings.inventory)
        {
            return Ok(Preparation::Refused(reason));
        }
        // Every file gets a second copy when the layout was switched on.
        let lays_out = self.settings.registry_layout
            && !published.is_some_and(|published| published.registry_layout);
        let difference = difference(&read.wanted, &holdings.inventory);
        let to_see_to = to_see_to(
            &read.wanted,
            &difference.new,
            &missing.manifests,
            holdings.listed.as_ref(),
            lays_out,
        );
        let keeping = Keeping {
            keep: staging.is_some(),
            registry_layout: self.settings.registry_layout,
        };
        let manifests = manifests(self.store, self.source, bucket, &to_see_to, keeping).await?;
        let sync_id = staging.map_or("", |staging| staging.sync_id);
        Ok(Preparation::Ready(Box::new(self.draft(
            read,
            holdings,
            (difference, gone),
            manifests,
            lays_out,
            (sync_id, now),
        ))))
    }

    /// What earlier syncs have noted down: since when the index has missed files, what the source did not
    /// give. Without it, or with one that cannot be read, that begins again.
    async fn noted<N: DeserializeOwned + Default>(&self, key: &str) -> Result<N, CallError> {
        let bucket = &self.place.bucket;
        match read_object::<N, M>(self.store, bucket, key).await {
            Ok(found) => Ok(found.unwrap_or_default()),
            Err(error) if error.class == ErrorClass::Refused => Ok(N::default()),
            Err(error) => Err(error),
        }
    }

    fn is_deletion_due(&self, gone: &Gone, now: DateTime<Utc>) -> bool {
        self.settings.deletion.as_ref().is_some_and(|settings| {
            let grace = Duration::days(i64::from(settings.grace_days));
            gone.values().any(|missed_at| *missed_at + grace <= now)
        })
    }

    fn draft(
        &self,
        read: ReadIndex,
        holdings: Holdings,
        (difference, gone): (crate::plan::Difference, Gone),
        manifests: Manifests,
        lays_out: bool,
        (sync_id, now): (&str, DateTime<Utc>),
    ) -> Draft {
        let (new, by_platform) = count(&difference.new, &manifests.sizes);
        let to_bring: Vec<&WantedBottle> = if lays_out {
            read.wanted.iter().collect()
        } else {
            difference.new.iter().collect()
        };
        let items = items(&to_bring, &manifests.sizes, self.settings.registry_layout);
        let copies: u64 = items.iter().map(|item| item.copies.len() as u64).sum();
        let deletion = deletion::decide(
            self.settings.deletion.as_ref(),
            &difference.removed,
            &gone,
            holdings.inventory.files.len() as u64,
            now,
        );
        let duration = estimate::duration(items.len() as u64, new.bytes);
        let (runs_on, shards) = self.place_of(items, new.bytes, duration);
        let tasks = match (runs_on, &self.place.tasks) {
            (RunsOn::Tasks { tasks }, Some(place)) => Some((place, tasks)),
            _ => None,
        };
        let cost_in_micro_usd = estimate::cost_in_micro_usd(new.files, copies, new.bytes, tasks);
        let mut inventory = holdings.inventory;
        for bottle in &difference.new {
            let size = manifests.sizes.get(&bottle.key).copied();
            let size = size.unwrap_or_else(|| crate::sizes::estimated(&[]));
            inventory.files.insert(
                bottle.key.clone(),
                InventoryFile {
                    sha256: bottle.sha256.clone(),
                    size: size.bytes(),
                    estimated: matches!(size, Size::Estimated(_)),
                },
            );
        }
        let manifest_keys = manifest_keys(&read.wanted);
        let mut missing_manifests = manifests.missing;
        missing_manifests.extend(read.missing_manifests);
        let mut warnings = read.warnings;
        warnings.extend(holdings.warnings);
        warnings.extend(manifests.warnings);
        let staged = StagedPlan {
            published: Published {
                sync_id: sync_id.to_owned(),
                at: now,
                index_url: self.settings.index_url.clone(),
                etag: read.etags.get(INDEX).cloned().flatten(),
                sha256: read.sha256,
                bottles: read.index.bottles,
                selection: self.settings.selection.clone(),
                registry_layout: self.settings.registry_layout,
                files: read.etags,
                absent: read.absent,
                portable_ruby: self.settings.portable_ruby(),
            },
            index_files: read.files,
            to_delete: deletion.keys,
            deletion_refused: deletion.refused,
            gone: deletion.gone,
            removed: difference.removed,
            unchanged: difference.unchanged.files,
            refused: read.index.refused,
            manifests: manifest_keys,
            missing_manifests,
            warnings,
        };
        Draft {
            staged,
            inventory,
            shards,
            runs_on,
            new,
            by_platform,
            removed: difference.removed_files,
            unchanged: difference.unchanged,
            seconds: duration.num_seconds(),
            cost_in_micro_usd,
        }
    }

    /// Where the work is done, and in which parts: in this process what is below the threshold and fits
    /// into its time, else in tasks, where the stack has a place for them.
    fn place_of(
        &self,
        items: Vec<TransferItem>,
        bytes: u64,
        duration: Duration,
    ) -> (RunsOn, Vec<Vec<TransferItem>>) {
        if items.is_empty() {
            return (RunsOn::Function, Vec::new());
        }
        let threshold = self
            .options
            .threshold_bytes
            .unwrap_or(self.runner.threshold_bytes);
        let fits = self
            .time_left
            .is_none_or(|time_left| duration <= time_left - FINISHING);
        if self.place.tasks.is_none() || bytes < threshold && fits {
            return (RunsOn::Function, vec![items]);
        }
        // A task is worth starting for a quarter of what is worth tasks at all.
        let parts = shards::split(items, self.settings.max_tasks, threshold / 4);
        let tasks = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        (RunsOn::Tasks { tasks }, parts)
    }
}

/// One item for each content: further keys of the same content are copies.
fn items(
    bottles: &[&WantedBottle],
    sizes: &BTreeMap<String, Size>,
    registry_layout: bool,
) -> Vec<TransferItem> {
    let mut items: Vec<TransferItem> = Vec::new();
    let mut numbers: HashMap<&Sha256, usize> = HashMap::new();
    let mut keys: HashSet<String> = HashSet::new();
    for bottle in bottles {
        let url = bottle.url();
        let blob = registry_key(&url)
            .filter(|_| registry_layout)
            .map(str::to_owned);
        match numbers
            .get(&bottle.sha256)
            .and_then(|number| items.get_mut(*number))
        {
            Some(item) => {
                let copies = [Some(bottle.key.clone()), blob];
                for copy in copies.into_iter().flatten() {
                    if keys.insert(copy.clone()) {
                        item.copies.push(copy);
                    }
                }
            }
            None => {
                numbers.insert(&bottle.sha256, items.len());
                keys.extend(
                    [Some(bottle.key.clone()), blob.clone()]
                        .into_iter()
                        .flatten(),
                );
                items.push(TransferItem {
                    key: bottle.key.clone(),
                    url,
                    sha256: bottle.sha256.clone(),
                    // An estimate would be taken for a promise.
                    size: match sizes.get(&bottle.key) {
                        Some(Size::Known(size)) => Some(*size),
                        _ => None,
                    },
                    copies: blob.into_iter().collect(),
                    content_type: None,
                });
            }
        }
    }
    items
}

impl Draft {
    /// What is published of it.
    pub(crate) fn planned(&self, sync: SyncSummary) -> SyncPlanned {
        let staged = &self.staged;
        SyncPlanned {
            sync,
            new: self.new,
            removed: staged.removed.len() as u64,
            unchanged: staged.unchanged,
            to_delete: staged.to_delete.len() as u64,
            deleted_keys: staged
                .to_delete
                .iter()
                .take(ENTRIES_SHOWN)
                .cloned()
                .collect(),
            refused: staged.refused.len() as u64,
            refused_entries: staged.refused.iter().take(ENTRIES_SHOWN).cloned().collect(),
            runs_on: self.runs_on,
            estimated_cost_in_micro_usd: self.cost_in_micro_usd,
            deletion_refused: staged.deletion_refused.clone(),
            warnings: staged
                .warnings
                .iter()
                .take(ENTRIES_SHOWN)
                .cloned()
                .collect(),
        }
    }

    fn shown(self, stack: &str) -> SyncPlan {
        let bytes = sum(self.inventory.files.values().map(|file| file.size));
        let wanted_bytes = bytes.saturating_sub(self.removed.bytes);
        SyncPlan {
            stack: stack.to_owned(),
            new: self.new,
            by_platform: self.by_platform,
            removed: self.removed,
            unchanged: self.unchanged,
            to_delete: self.staged.to_delete,
            deletion_refused: self.staged.deletion_refused,
            refused: self.staged.refused,
            runs_on: self.runs_on,
            estimated_seconds: self.seconds,
            estimated_cost_in_micro_usd: self.cost_in_micro_usd,
            storage_in_micro_usd_a_month: estimate::storage_in_micro_usd(bytes),
            registry_layout_in_micro_usd_a_month: estimate::storage_in_micro_usd(wanted_bytes),
            warnings: self.staged.warnings,
        }
    }
}
