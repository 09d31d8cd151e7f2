//! What a mirror lacks.

use std::collections::BTreeMap;

use longshore_events::longshore::FileCount;

use crate::inventory::Inventory;
use crate::selection::WantedBottle;

/// The difference between what a mirror should hold and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Not there, or there with another content.
    pub new: Vec<WantedBottle>,
    /// There as they should be.
    pub unchanged: u64,
    /// There, and named no more.
    pub removed: Vec<String>,
}

/// Compares by key and SHA-256.
pub fn difference(_wanted: &[WantedBottle], _inventory: &Inventory) -> Difference {
    todo!()
}

/// Files and bytes of `new` by platform tag, and in all; `sizes` by key, [`crate::sizes::Size`].
pub fn count(
    _new: &[WantedBottle],
    _sizes: &BTreeMap<String, crate::sizes::Size>,
) -> (FileCount, BTreeMap<String, FileCount>) {
    todo!()
}
