//! What a sync would do, as far as an index and an inventory say.

use std::collections::{BTreeMap, BTreeSet};

use longshore_events::longshore::{FileCount, RefusedEntry, RunsOn};
use longshore_events::transfer::TransferItem;
use serde::Serialize;

use crate::index::Index;
use crate::inventory::Inventory;
use crate::plan::{count, difference, shrunk};
use crate::selection::{Selection, WantedBottle, problems, wanted};
use crate::settings::{THRESHOLD_BYTES, TaskLocation};
use crate::{estimate, shards};

/// What the stack file of a mirror says where it says nothing else: ten tasks of 2 vCPU and 8 GB.
const MAX_TASKS: u32 = 10;
const TASK_CPU: u32 = 2048;
const TASK_MEMORY: u32 = 8192;

/// What a sync would do. Nothing is asked of AWS or of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfflinePlan {
    /// What would be transferred.
    pub new: FileCount,
    /// The same by platform.
    pub by_platform: BTreeMap<String, FileCount>,
    /// What the index names no more.
    pub removed: FileCount,
    /// What stays as it is.
    pub unchanged: FileCount,
    /// Entries of the index that are refused.
    pub refused: Vec<RefusedEntry>,
    /// Where it would run with the settings that hold where nothing else is said.
    pub runs_on: RunsOn,
    /// How long it would take, about, in seconds.
    pub estimated_seconds: i64,
    /// What it would cost once, in millionths of a USD.
    pub estimated_cost_in_micro_usd: u64,
    /// What all files of the mirror would cost a month, in millionths of a USD.
    pub storage_in_micro_usd_a_month: u64,
    /// What the registry's layout would cost a month, if it were kept.
    pub registry_layout_in_micro_usd_a_month: u64,
    /// What is odd.
    pub warnings: Vec<String>,
}

/// Says what a sync of `index` would do to a mirror that holds what the inventory says.
///
/// # Errors
/// Why the index is not to be trusted.
pub fn plan(
    index: Index,
    inventory: &Inventory,
    selection: &Selection,
) -> Result<OfflinePlan, String> {
    if let Some(reason) = shrunk(&index, inventory) {
        return Err(reason);
    }
    // Nobody asks the source which platforms it has index files for.
    let mut warnings = problems(selection, &index, &BTreeSet::new());
    let wanted = wanted(&index, selection);
    if wanted.is_empty() {
        warnings.push("the selection leaves no bottle of the index".to_owned());
    }
    let difference = difference(&wanted, inventory);
    // Nobody is asked for sizes.
    let (new, by_platform) = count(&difference.new, &BTreeMap::new());
    let unchanged = difference.unchanged;
    let mut all = FileCount::default();
    for file in inventory.files.values() {
        file.add_to(&mut all);
    }
    let duration = estimate::duration(new.files, new.bytes);
    let runs_on = runs_on(&difference.new, new.bytes);
    let place = usual_place();
    let tasks = match runs_on {
        RunsOn::Tasks { tasks } => Some((&place, tasks)),
        RunsOn::Function => None,
    };
    Ok(OfflinePlan {
        new,
        by_platform,
        removed: difference.removed_files,
        unchanged,
        refused: index.refused,
        runs_on,
        estimated_seconds: duration.num_seconds(),
        estimated_cost_in_micro_usd: estimate::cost_in_micro_usd(new.files, 0, new.bytes, tasks),
        storage_in_micro_usd_a_month: estimate::storage_in_micro_usd(
            all.bytes.saturating_add(new.bytes),
        ),
        registry_layout_in_micro_usd_a_month: estimate::storage_in_micro_usd(
            unchanged.bytes.saturating_add(new.bytes),
        ),
        warnings,
    })
}

fn runs_on(new: &[WantedBottle], bytes: u64) -> RunsOn {
    if bytes < THRESHOLD_BYTES {
        return RunsOn::Function;
    }
    let item = |bottle: &WantedBottle| TransferItem {
        key: bottle.key.clone(),
        url: String::new(),
        sha256: bottle.sha256.clone(),
        size: None,
        copies: Vec::new(),
        content_type: None,
    };
    let items = new.iter().map(item).collect();
    let parts = shards::split(items, MAX_TASKS, THRESHOLD_BYTES / 2).len();
    RunsOn::Tasks {
        tasks: u32::try_from(parts).unwrap_or(MAX_TASKS),
    }
}

/// What tasks run on where a stack says nothing else, as far as it makes their price.
fn usual_place() -> TaskLocation {
    TaskLocation {
        cluster_arn: String::new(),
        task_definition_family: String::new(),
        container_name: String::new(),
        subnet_ids: Vec::new(),
        security_group_ids: Vec::new(),
        assign_public_ip: false,
        capacity_provider_strategy: Vec::new(),
        file_system_id: None,
        cpu: TASK_CPU,
        memory: TASK_MEMORY,
    }
}
