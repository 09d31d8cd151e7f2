//! `longshore sync plan --index` and `longshore sync inventory`: what a sync would do, from files alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use flate2::read::MultiGzDecoder;
use longshore_bottles::index::{Index, IndexReader};
use longshore_bottles::inventory::Inventory;
use longshore_bottles::plan::{count, difference, shrunk};
use longshore_bottles::selection::{Selection, WantedBottle, problems, wanted};
use longshore_bottles::settings::{THRESHOLD_BYTES, TaskLocation};
use longshore_bottles::{estimate, shards};
use longshore_events::longshore::{FileCount, RefusedEntry, RunsOn};
use longshore_events::transfer::TransferItem;
use longshore_report::words::files;
use serde::Serialize;

use crate::output::Output;
use crate::sync_words::{
    costs_in_words, entries_in_words, files_in_words, run_in_words, warnings_in_words,
};

/// An index is read in pieces of this many bytes.
const PIECE: usize = 64 << 10;

/// What the stack file of a mirror says where it says nothing else: ten tasks of 2 vCPU and 8 GB.
const MAX_TASKS: u32 = 10;
const TASK_CPU: u32 = 2048;
const TASK_MEMORY: u32 = 8192;

/// Which bottles of an index.
#[derive(Debug, Args)]
pub struct SelectionArguments {
    /// Only what brew pours on this platform, such as arm64_tahoe; can be given several times
    #[arg(long = "platform", value_name = "TAG")]
    pub platforms: Vec<String>,
    /// Only formulae of this name, with * and ?, without what they depend on; can be given several times
    #[arg(long = "formula", value_name = "PATTERN")]
    pub formulae: Vec<String>,
    /// With what those formulae depend on
    #[arg(long, requires = "formulae")]
    pub with_dependencies: bool,
    /// Without formulae that are deprecated
    #[arg(long)]
    pub exclude_deprecated: bool,
    /// Without formulae that are disabled
    #[arg(long)]
    pub exclude_disabled: bool,
}

/// `longshore sync inventory`.
#[derive(Debug, Args)]
pub struct SyncInventoryArguments {
    /// The index, formula.json; `.gz` too
    #[arg(long, value_name = "FILE")]
    pub index: PathBuf,
    /// Which bottles of it.
    #[command(flatten)]
    pub selection: SelectionArguments,
}

/// The files of `longshore sync plan --index ... --inventory ...`.
#[derive(Debug, Args)]
#[group(conflicts_with = "SyncOptionArguments")]
pub struct PlanFiles {
    /// The index, formula.json; `.gz` too
    #[arg(long, value_name = "FILE")]
    pub index: PathBuf,
    /// What the mirror holds: JSON lines of key, sha256 and size; `.gz` too
    #[arg(long, value_name = "FILE")]
    pub inventory: PathBuf,
}

/// What a sync would do, as far as files say.
#[derive(Debug, Serialize)]
struct Plan {
    new: FileCount,
    by_platform: BTreeMap<String, FileCount>,
    removed: FileCount,
    unchanged: FileCount,
    refused: Vec<RefusedEntry>,
    runs_on: RunsOn,
    estimated_seconds: i64,
    estimated_cost_in_micro_usd: u64,
    storage_in_micro_usd_a_month: u64,
    registry_layout_in_micro_usd_a_month: u64,
    warnings: Vec<String>,
}

/// Says what a sync of the index would do to a mirror that holds what the inventory says. Nothing is asked
/// of AWS or of the registry.
pub fn run_plan(
    files: &PlanFiles,
    selection: &SelectionArguments,
    output: Output,
) -> anyhow::Result<String> {
    let path = &files.inventory;
    let mut text = Vec::new();
    open(path)?
        .read_to_end(&mut text)
        .with_context(|| format!("read {}", path.display()))?;
    let inventory = Inventory::read(&text)
        .with_context(|| format!("{} is not an inventory", path.display()))?;
    drop(text);
    let selection = Selection::from(selection);
    let index = read_index(&files.index)?;
    if let Some(reason) = shrunk(&index, &inventory) {
        bail!("{} is not to be trusted: {reason}", files.index.display());
    }
    let plan = Plan::new(index, &inventory, &selection);
    Ok(match output {
        Output::Text => plan.in_words(),
        Output::Json => serde_json::to_string_pretty(&plan)?,
    })
}

/// Prints the inventory that a complete sync of the index would leave.
pub fn run_inventory(arguments: &SyncInventoryArguments) -> anyhow::Result<String> {
    let index = read_index(&arguments.index)?;
    let wanted = wanted(&index, &Selection::from(&arguments.selection));
    let inventory = Inventory::of_complete_sync(&wanted, &BTreeMap::new());
    let mut text = String::from_utf8(inventory.write()).context("write the inventory")?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

impl From<&SelectionArguments> for Selection {
    fn from(arguments: &SelectionArguments) -> Self {
        Self {
            platforms: arguments.platforms.clone(),
            formulae: arguments.formulae.clone(),
            with_dependencies: arguments.with_dependencies,
            exclude_deprecated: arguments.exclude_deprecated,
            exclude_disabled: arguments.exclude_disabled,
        }
    }
}

/// Opens a file; what begins as gzip does is unpacked.
fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    let failed = || format!("read {}", path.display());
    let mut file = BufReader::with_capacity(PIECE, File::open(path).with_context(failed)?);
    let is_packed = io::BufRead::fill_buf(&mut file)
        .with_context(failed)?
        .starts_with(&[0x1f, 0x8b]);
    Ok(if is_packed {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

/// Reads an index, which may be compressed.
pub fn read_index(path: &Path) -> anyhow::Result<Index> {
    let mut file = open(path)?;
    let mut reader = IndexReader::new(&[]);
    let mut piece = vec![0; PIECE];
    let refused = || format!("{} cannot be used as an index", path.display());
    loop {
        let length = file
            .read(&mut piece)
            .with_context(|| format!("read {}", path.display()))?;
        if length == 0 {
            return reader.finish().with_context(refused);
        }
        let read = piece.get(..length).unwrap_or_default();
        reader.feed(read).with_context(refused)?;
    }
}

impl Plan {
    fn new(index: Index, inventory: &Inventory, selection: &Selection) -> Self {
        // Nobody asks the source which platforms it has index files for.
        let mut warnings = problems(selection, &index, &BTreeSet::new());
        let wanted = wanted(&index, selection);
        if wanted.is_empty() {
            warnings.push("the selection leaves no bottle of the index".to_owned());
        }
        let difference = difference(&wanted, inventory);
        // Nobody is asked for sizes.
        let (new, by_platform) = count(&difference.new, &BTreeMap::new());
        let removed = held(inventory, difference.removed.iter());
        let is_wanted = |bottle: &&WantedBottle| {
            let file = inventory.files.get(&bottle.key);
            file.is_some_and(|file| file.sha256 == bottle.sha256)
        };
        let unchanged = held(
            inventory,
            wanted.iter().filter(is_wanted).map(|bottle| &bottle.key),
        );
        let all = held(inventory, inventory.files.keys());
        let duration = estimate::duration(new.files, new.bytes);
        let runs_on = runs_on(&difference.new, new.bytes);
        let place = usual_place();
        let tasks = match runs_on {
            RunsOn::Tasks { tasks } => Some((&place, tasks)),
            RunsOn::Function => None,
        };
        Self {
            new,
            by_platform,
            removed,
            unchanged,
            refused: index.refused,
            runs_on,
            estimated_seconds: duration.num_seconds(),
            estimated_cost_in_micro_usd: estimate::cost_in_micro_usd(
                new.files, 0, new.bytes, tasks,
            ),
            storage_in_micro_usd_a_month: estimate::storage_in_micro_usd(
                all.bytes.saturating_add(new.bytes),
            ),
            registry_layout_in_micro_usd_a_month: estimate::storage_in_micro_usd(
                unchanged.bytes.saturating_add(new.bytes),
            ),
            warnings,
        }
    }

    fn in_words(&self) -> String {
        let mut text = [
            warnings_in_words(&self.warnings),
            files_in_words(&self.new, &self.by_platform),
            format!("removed:   {}\n", files(self.removed)),
            format!("unchanged: {}\n", files(self.unchanged)),
            entries_in_words(&self.refused),
            run_in_words(self.runs_on, self.estimated_seconds),
            costs_in_words(
                self.estimated_cost_in_micro_usd,
                self.storage_in_micro_usd_a_month,
                self.registry_layout_in_micro_usd_a_month,
            ),
        ]
        .concat();
        text.truncate(text.trim_end().len());
        text
    }
}

/// Files of the inventory, and their bytes.
fn held<'a>(inventory: &Inventory, keys: impl Iterator<Item = &'a String>) -> FileCount {
    let mut count = FileCount::default();
    for file in keys.filter_map(|key| inventory.files.get(key)) {
        count.files += 1;
        count.bytes = count.bytes.saturating_add(file.size);
        if file.estimated {
            count.estimated_bytes = count.estimated_bytes.saturating_add(file.size);
        }
    }
    count
}

/// Where it would run with the settings that hold where nothing else is said.
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
