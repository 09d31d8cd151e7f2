//! `longshore sync plan --index` and `longshore sync inventory`: what a sync would do, from files alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use flate2::bufread::MultiGzDecoder;
use longshore_bottles::index::{Index, IndexReader};
use longshore_bottles::inventory::Inventory;
use longshore_bottles::offline::{OfflinePlan, plan};
use longshore_bottles::selection::{Selection, wanted};
use longshore_report::words::files;

use crate::output::Output;
use crate::sync_words::{
    costs_in_words, entries_in_words, files_in_words, run_in_words, warnings_in_words,
};

/// A file is read in pieces of this many bytes. Of each the last formula is cut, and put together first.
const PIECE: usize = 256 << 10;

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

/// Says what a sync of the index would do to a mirror that holds what the inventory says. Nothing is asked
/// of AWS or of the registry.
pub fn run_plan(
    files: &PlanFiles,
    selection: &SelectionArguments,
    output: Output,
) -> anyhow::Result<String> {
    let path = &files.inventory;
    let inventory = Inventory::read_from(open(path)?)
        .with_context(|| format!("read {}", path.display()))?
        .with_context(|| format!("{} is not an inventory", path.display()))?;
    let index = read_index(&files.index)?;
    let plan = plan(index, &inventory, &Selection::from(selection))
        .map_err(|reason| anyhow!("{} is not to be trusted: {reason}", files.index.display()))?;
    Ok(match output {
        Output::Text => in_words(&plan),
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
fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let failed = || format!("read {}", path.display());
    let mut file = BufReader::with_capacity(PIECE, File::open(path).with_context(failed)?);
    let is_packed = file
        .fill_buf()
        .with_context(failed)?
        .starts_with(&[0x1f, 0x8b]);
    Ok(if is_packed {
        Box::new(BufReader::with_capacity(PIECE, MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

/// Reads an index, which may be compressed.
pub fn read_index(path: &Path) -> anyhow::Result<Index> {
    let mut file = open(path)?;
    let mut reader = IndexReader::new(&[]);
    let refused = || format!("{} cannot be used as an index", path.display());
    loop {
        let piece = file
            .fill_buf()
            .with_context(|| format!("read {}", path.display()))?;
        if piece.is_empty() {
            return reader.finish().with_context(refused);
        }
        reader.feed(piece).with_context(refused)?;
        let length = piece.len();
        file.consume(length);
    }
}

fn in_words(plan: &OfflinePlan) -> String {
    let mut text = [
        warnings_in_words(&plan.warnings),
        files_in_words(&plan.new, &plan.by_platform),
        format!("removed:   {}\n", files(plan.removed)),
        format!("unchanged: {}\n", files(plan.unchanged)),
        entries_in_words(&plan.refused),
        run_in_words(plan.runs_on, plan.estimated_seconds),
        costs_in_words(
            plan.estimated_cost_in_micro_usd,
            plan.storage_in_micro_usd_a_month,
            plan.registry_layout_in_micro_usd_a_month,
        ),
    ]
    .concat();
    text.truncate(text.trim_end().len());
    text
}
