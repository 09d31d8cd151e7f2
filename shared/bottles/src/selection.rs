//! Which bottles of the index are wanted.

use longshore_events::transfer::Sha256;
use serde::{Deserialize, Serialize};

use crate::index::Index;

/// Which bottles of the index; nothing said means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Selection {
    /// Platform tags, such as `arm64_tahoe`; empty for all. Each formula gives what brew would take there:
    /// the exact bottle, `all`, or that of an older macOS of the same architecture.
    pub platforms: Vec<String>,
    /// Names of formulae, with `*` and `?`; empty for all.
    pub formulae: Vec<String>,
    /// Without formulae that are deprecated.
    pub exclude_deprecated: bool,
    /// Without formulae that are disabled.
    pub exclude_disabled: bool,
}

/// A bottle that a mirror should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedBottle {
    /// Its key in the mirror: the flat file's name.
    pub key: String,
    /// Where it is published.
    pub url: String,
    /// What its content hashes to.
    pub sha256: Sha256,
    /// The formula's name.
    pub formula: String,
    /// Its platform tag.
    pub tag: String,
    /// The URL of the formula's image index in the registry; `None` for another kind of server.
    pub manifest_url: Option<String>,
    /// `<image>/manifests/<tag>`: the manifest's key in the mirror.
    pub manifest_key: String,
}

/// The bottles of `index` that `selection` wants, in the order of the index, each key once.
pub fn wanted(_index: &Index, _selection: &Selection) -> Vec<WantedBottle> {
    todo!()
}

/// What of a selection can mean nothing: an unknown platform, a pattern that matches no formula.
pub fn problems(_selection: &Selection, _index: &Index) -> Vec<String> {
    todo!()
}
