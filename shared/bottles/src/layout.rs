//! Where what is in a mirror's bucket.
//!
//! What clients ask for is at the top; what Longshore keeps for itself is under [`OWN_PREFIX`], which
//! nobody is served.

use crate::portable_ruby;

/// Longshore's own part of the bucket.
pub const OWN_PREFIX: &str = ".longshore/";

/// The sync record.
pub const RECORD: &str = ".longshore/current.json";

/// The inventory that the last sync has left.
pub const INVENTORY: &str = ".longshore/inventory.jsonl";

/// When files were first missed in the index, for those that are still there.
pub const GONE: &str = ".longshore/gone.json";

/// What the source did not give, although it should have it: manifests, and since when index files.
pub const MISSING: &str = ".longshore/missing.json";

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

/// The index files beside `formula.json` that clients ask for wherever they are: brew 4.4 to 5.1 for the
/// formulae, the casks, what has moved to other taps, and the names of executables.
pub const COMMON_FILES: [&str; 5] = [
    "formula.jws.json",
    "cask.jws.json",
    "formula_tap_migrations.jws.json",
    "cask_tap_migrations.jws.json",
    EXECUTABLES,
];

/// Which formula an executable is of, a line each: the only one that nobody signs.
pub const EXECUTABLES: &str = "internal/executables.txt";

/// The one index file that brew 6 and later ask for on a platform.
pub fn packages_file(platform: &str) -> String {
    format!("internal/packages.{platform}.jws.json")
}

/// The platform of such a file.
pub fn platform_of(file: &str) -> Option<&str> {
    file.strip_prefix("internal/packages.")?
        .strip_suffix(".jws.json")
}

/// The index file that is published under `key`; `None` for whatever else is there.
pub fn index_file(key: &str) -> Option<&str> {
    let file = key.strip_prefix("api/")?;
    let is_one =
        file == "formula.json" || COMMON_FILES.contains(&file) || platform_of(file).is_some();
    is_one.then_some(file)
}

/// Whether a key is a bottle's, and none of the index, of manifests or of Longshore's own.
pub fn is_bottle(key: &str) -> bool {
    let name = key.strip_prefix(portable_ruby::OLD_FOLDER).unwrap_or(key);
    !name.contains('/') && name.contains(".bottle.") && name.ends_with(".tar.gz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flat_files_are_bottles() {
        for key in [
            "wget-1.25.0.all.bottle.tar.gz",
            "boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz",
            "bottles-portable-ruby/portable-ruby-3.3.8.x86_64_linux.bottle.tar.gz",
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
    fn an_index_file_is_known_by_its_key() {
        for file in COMMON_FILES {
            assert_eq!(index_file(&published_index(file)), Some(file));
        }
        let file = packages_file("arm64_golden_gate");
        assert_eq!(index_file(&published_index(&file)), Some(file.as_str()));
        assert_eq!(platform_of(&file), Some("arm64_golden_gate"));
        for key in ["formula.json", "api/formula/wget.json", "api/index.html"] {
            assert_eq!(index_file(key), None, "{key}");
        }
    }

    #[test]
    fn a_sync_keeps_what_is_its_own_below_one_prefix() {
        for key in [
            RECORD.to_owned(),
            INVENTORY.to_owned(),
            GONE.to_owned(),
            MISSING.to_owned(),
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
