//! Where what is in a mirror's bucket.
//!
//! What clients ask for is at the top; what Longshore keeps for itself is under [`OWN_PREFIX`], which
//! nobody is served.

use crate::selection;

/// Longshore's own part of the bucket.
pub const OWN_PREFIX: &str = ".longshore/";

/// The sync record.
pub const RECORD: &str = ".longshore/current.json";

/// The inventory that the last sync has left.
pub const INVENTORY: &str = ".longshore/inventory.jsonl";

/// When files were first missed in the index, for those that are still there.
pub const GONE: &str = ".longshore/gone.json";

/// A shard's items, as JSON lines of transfer items. Shards are counted from 1.
pub fn shard(sync_id: &str, shard: u32) -> String {
    format!("{OWN_PREFIX}syncs/{sync_id}/shards/{shard:04}.jsonl")
}

/// A shard's state: who works on it, how far it is, what became of it.
pub fn shard_state(sync_id: &str, shard: u32) -> String {
    format!("{OWN_PREFIX}syncs/{sync_id}/shards/{shard:04}.json")
}

/// An index file that waits to be published.
pub fn staged_index(sync_id: &str, file: &str) -> String {
    format!("{OWN_PREFIX}syncs/{sync_id}/index/{file}")
}

/// The whole report of a sync.
pub fn report(sync_id: &str) -> String {
    format!("{OWN_PREFIX}reports/{sync_id}.json")
}

/// Where an index file is published: below `HOMEBREW_API_DOMAIN`.
pub fn published_index(file: &str) -> String {
    format!("api/{file}")
}

/// The index files beside `formula.json` that clients ask for, by their paths beside it; empty
/// `platforms` for all.
///
/// brew 4.4 and 5.0 ask for the formulae, the casks and what has moved to other taps, brew 6 for one file a
/// platform. Homebrew writes one for each of its platforms; where it has stopped, the source has none, and
/// that is no fault of a sync.
pub fn signed_files(platforms: &[String]) -> Vec<String> {
    let mut files: Vec<String> = [
        "formula.jws.json",
        "cask.jws.json",
        "formula_tap_migrations.jws.json",
        "cask_tap_migrations.jws.json",
    ]
    .map(str::to_owned)
    .into();
    let all;
    let platforms = if platforms.is_empty() {
        all = selection::platforms();
        &all
    } else {
        platforms
    };
    for platform in platforms {
        // Nobody's own platform is `all`.
        let file = format!("internal/packages.{platform}.jws.json");
        if platform != selection::ALL && !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// Whether a key is a bottle's, and none of the index, of manifests or of Longshore's own.
pub fn is_bottle(key: &str) -> bool {
    !key.contains('/') && key.contains(".bottle.") && key.ends_with(".tar.gz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flat_files_are_bottles() {
        for key in [
            "wget-1.25.0.all.bottle.tar.gz",
            "boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz",
        ] {
            assert!(is_bottle(key), "{key}");
        }
        for key in [
            RECORD,
            INVENTORY,
            "api/formula.json",
            "boost/1.85/manifests/1.85.0_3-2",
            "v2/homebrew/core/wget/blobs/sha256:00",
            "v2/wget-1.25.0.all.bottle.tar.gz",
            "wget-1.25.0.tar.gz",
            "index.html",
        ] {
            assert!(!is_bottle(key), "{key}");
        }
    }

    #[test]
    fn the_signed_files_are_those_of_the_platforms() {
        let platforms = ["arm64_tahoe", "x86_64_linux", "all", "arm64_tahoe"].map(str::to_owned);
        assert_eq!(
            signed_files(&platforms),
            [
                "formula.jws.json",
                "cask.jws.json",
                "formula_tap_migrations.jws.json",
                "cask_tap_migrations.jws.json",
                "internal/packages.arm64_tahoe.jws.json",
                "internal/packages.x86_64_linux.jws.json",
            ]
        );
        let all = signed_files(&[]);
        for platform in ["arm64_tahoe", "sonoma", "arm64_linux", "x86_64_linux"] {
            let file = format!("internal/packages.{platform}.jws.json");
            assert!(all.contains(&file), "{file}");
        }
    }

    #[test]
    fn a_sync_keeps_what_is_its_own_below_one_prefix() {
        for key in [
            RECORD.to_owned(),
            INVENTORY.to_owned(),
            GONE.to_owned(),
            shard("sync-1", 1),
            shard_state("sync-1", 10_000),
            staged_index("sync-1", "internal/packages.all.jws.json"),
            report("sync-1"),
        ] {
            assert!(key.starts_with(OWN_PREFIX), "{key}");
        }
        assert_eq!(
            shard("sync-1", 7),
            ".longshore/syncs/sync-1/shards/0007.jsonl"
        );
        assert_eq!(published_index("formula.json"), "api/formula.json");
    }
}
