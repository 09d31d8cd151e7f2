//! brew's own Ruby: what a fresh brew asks a mirror for before anything else.
//!
//! Each version of brew pins one (`vendor/portable-ruby-version`) and knows its digest; the index names
//! only the newest. `vendor-install.sh` asks the bottle domain for it, under one of two paths, and the
//! artifact domain for its blob, in one of two repositories.

use std::sync::Arc;

use longshore_events::transfer::Sha256;

use crate::index::{Bottle, BottleUrl};
use crate::names;
use crate::platforms::Platforms;
use crate::selection::{Selection, WantedBottle};

/// The versions that brew 4.4, 5.0, 5.1 and 6.0 to 7.0 pin.
const PINNED: [&str; 4] = ["3.3.8", "3.4.8", "4.0.5_1", "4.0.6"];

/// Where the registry has it, beside `core`: where brew 5 and later ask for it, and where 4.4 does.
const REPOSITORIES: [&str; 2] = ["core/portable-ruby", "portable-ruby/portable-ruby"];

/// Where brew 4.4 to 5.0 ask the bottle domain for it.
pub const OLD_FOLDER: &str = "bottles-portable-ruby/";

/// The versions that a mirror has where nothing else is said.
pub fn of_supported_brews() -> Vec<String> {
    PINNED.map(str::to_owned).into()
}

/// The URLs at which the image index of a version may be, by the root of Homebrew's bottles in the registry,
/// `https://ghcr.io/v2/homebrew/core`; none for another kind of server, or a version that is none.
pub(crate) fn manifest_urls(root_url: &str, version: &str) -> Vec<String> {
    let Some(root) = root_url.strip_suffix("/core") else {
        return Vec::new();
    };
    if names::check_version(version).is_err() {
        return Vec::new();
    }
    let url = |repository: &str| format!("{root}/{repository}/manifests/{version}");
    REPOSITORIES.map(url).into()
}

/// What a mirror should hold of a version whose image index at `manifest_url` names `digests`, by tag, for
/// the platforms of `selection`.
pub(crate) fn wanted(
    version: &str,
    manifest_url: &str,
    digests: Vec<(String, Sha256)>,
    selection: &Selection,
    platforms: &Platforms,
) -> Vec<WantedBottle> {
    let Some((repository, _)) = manifest_url.rsplit_once("/manifests/") else {
        return Vec::new();
    };
    let image: Arc<str> = repository.into();
    let formula: Arc<str> = "portable-ruby".into();
    let manifest_url: Arc<str> = manifest_url.into();
    let manifest_key: Arc<str> = format!("portable-ruby/manifests/{version}").into();
    let bottles: Vec<Bottle> = digests
        .into_iter()
        .filter(|(tag, _)| names::check_tag(tag).is_ok())
        .map(|(tag, sha256)| Bottle {
            url: BottleUrl::Blob(Arc::clone(&image)),
            tag: tag.into(),
            sha256,
        })
        .collect();
    let is_wanted = |bottle: &&Bottle| {
        let mut named = selection.platforms.iter();
        selection.platforms.is_empty()
            || named.any(|platform| platforms.poured(&bottles, platform) == Some(*bottle))
    };
    let file = |bottle: &Bottle, folder: &str| WantedBottle {
        key: format!(
            "{folder}portable-ruby-{version}.{}.bottle.tar.gz",
            bottle.tag
        ),
        url: bottle.url.clone(),
        sha256: bottle.sha256.clone(),
        formula: Arc::clone(&formula),
        tag: Arc::clone(&bottle.tag),
        manifest_url: Some(Arc::clone(&manifest_url)),
        manifest_key: Arc::clone(&manifest_key),
    };
    bottles
        .iter()
        .filter(is_wanted)
        .flat_map(|bottle| [file(bottle, ""), file(bottle, OLD_FOLDER)])
        .collect()
}
