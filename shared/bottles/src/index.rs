//! Homebrew's index, read as it comes.

use longshore_events::longshore::RefusedEntry;
use longshore_events::transfer::Sha256;

/// A formula of the index, as far as a mirror needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    /// `boost@1.85`.
    pub name: String,
    /// `versions.stable`.
    pub version: String,
    /// `revision`.
    pub revision: u32,
    /// `bottle.stable.rebuild`.
    pub rebuild: u32,
    /// `bottle.stable.root_url`.
    pub root_url: String,
    /// Whether it is deprecated.
    pub deprecated: bool,
    /// Whether it is disabled.
    pub disabled: bool,
    /// Its bottles, in the order of the index.
    pub bottles: Vec<Bottle>,
}

/// A bottle of a formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bottle {
    /// `arm64_sequoia`, `x86_64_linux`, `all`.
    pub tag: String,
    /// Where it is published.
    pub url: String,
    /// What its content hashes to.
    pub sha256: Sha256,
}

/// An index that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The formulae that have bottles.
    pub formulae: Vec<Formula>,
    /// Entries that were refused; the rest goes on without them.
    pub refused: Vec<RefusedEntry>,
    /// What its bytes hash to.
    pub sha256: Sha256,
    /// How many bottles it names, refused ones included: what tells an index that has shrunk.
    pub bottles: u64,
}

/// An index that is not to be trusted: nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It ends in the middle, or is none.
    #[error("{0}")]
    Unreadable(String),
}

/// Reads an index piece by piece, holding one formula at a time.
#[derive(Debug)]
pub struct IndexReader {}

impl IndexReader {
    /// Before the first piece. `private_hosts` as in [`crate::urls::check`].
    pub fn new(_private_hosts: &[String]) -> Self {
        todo!()
    }

    /// The next piece.
    ///
    /// # Errors
    /// [`IndexError`] as soon as it is known that this is no index.
    pub fn feed(&mut self, _piece: &[u8]) -> Result<(), IndexError> {
        todo!()
    }

    /// After the last piece.
    ///
    /// # Errors
    /// [`IndexError`] for an index that is empty, ends early or holds no formula.
    pub fn finish(self) -> Result<Index, IndexError> {
        todo!()
    }
}
