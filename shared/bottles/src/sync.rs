//! A sync: planned, brought over, published.

pub mod record;

/// `startedBy` of a sync's tasks: by it an event of a task that stopped finds its mirror and its shard.
pub fn started_by(stack: &str, shard: u32) -> String {
    format!("longshore-sync/{stack}/{shard}")
}
