//! Where what is in a mirror's bucket.
//!
//! What clients ask for is at the top; what Longshore keeps for itself is under [`OWN_PREFIX`], which
//! nobody is served.

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

/// The index files beside `formula.json` that clients ask for, by their paths beside it; brew 6 asks for
/// one a platform.
pub fn signed_files(_platforms: &[String]) -> Vec<String> {
    todo!()
}

/// Whether a key is a bottle's, and none of the index, of manifests or of Longshore's own.
pub fn is_bottle(_key: &str) -> bool {
    todo!()
}
