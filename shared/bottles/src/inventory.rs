//! What a mirror holds: JSON lines of `{"key", "sha256", "size"}`.

use std::collections::BTreeMap;

use longshore_events::transfer::Sha256;
use serde::{Deserialize, Serialize};

/// The bottles that a mirror holds, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// By key.
    pub files: BTreeMap<String, InventoryFile>,
}

/// A bottle that a mirror holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryFile {
    /// What its content hashes to.
    pub sha256: Sha256,
    /// Its bytes.
    pub size: u64,
    /// Whether the size is an estimate, because nobody has seen the file yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

/// An inventory that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct InvalidInventory {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

impl Inventory {
    /// Reads JSON lines.
    ///
    /// # Errors
    /// [`InvalidInventory`] for the first line that is none.
    pub fn read(_text: &[u8]) -> Result<Self, InvalidInventory> {
        todo!()
    }

    /// Writes JSON lines, sorted by key.
    pub fn write(&self) -> Vec<u8> {
        todo!()
    }
}
