//! Formulae and their bottles, as far as a mirror needs them.

use longshore_events::transfer::Sha256;

/// A formula of the index, as far as a mirror needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    /// `boost@1.85`.
    pub name: String,
    /// `versions.stable`.
    pub version: String,
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
    /// What brew installs beside it, on one platform or another: `dependencies`, `recommended_dependencies`,
    /// `uses_from_macos`, and the `dependencies` of `variations`.
    pub dependencies: Vec<String>,
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
