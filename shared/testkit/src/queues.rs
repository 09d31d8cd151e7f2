//! What queues hold, and what functions were given: see `dead_letters`.

use std::collections::{BTreeMap, BTreeSet};

use longshore_rollout::lost_events::Message;
use serde_json::Value;

/// The queues of an account, and what its functions were given.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// By name, which is their URL, too.
    pub(crate) queues: BTreeMap<String, Vec<Message>>,
    pub(crate) hidden: BTreeSet<String>,
    pub(crate) given: Vec<(String, Value)>,
}
