//! Which stacks have a mirror: `syncs/<stack>.json` in the state bucket.

use longshore_state::doctor::{Documents, check, not_a_key};
use longshore_state::store::Address;
use longshore_state::{Document, Key};
use serde::{Deserialize, Serialize};

/// How the keys of all [`MirrorEntry`] begin.
pub const MIRRORS: &str = "syncs/";

/// The documents of this crate in the state bucket; a mirror's own are in its bucket.
pub const DOCUMENTS: Documents = Documents {
    prefixes: &[MIRRORS],
    problem,
};

/// That a stack has a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorEntry {
    pub stack: String,
}

impl Document for MirrorEntry {}

/// Names the entry of a stack's mirror.
#[derive(Debug, Clone, Copy)]
pub struct MirrorKey<'a>(pub &'a str);

impl Key for MirrorKey<'_> {
    type Document = MirrorEntry;

    fn address(&self) -> Address {
        Address::of_state(format!("{MIRRORS}{}.json", self.0))
    }

    fn subject(&self) -> String {
        format!("that stack {} has a mirror", self.0)
    }
}

fn problem(key: &str, body: Vec<u8>) -> Option<String> {
    let name = key
        .strip_prefix(MIRRORS)
        .and_then(|name| name.strip_suffix(".json"));
    match name {
        Some(stack) if !stack.contains('/') => check(body, |entry: &MirrorEntry| {
            (entry.stack != stack).then(|| {
                format!(
                    "it is of stack {}; restore an earlier version of the object",
                    entry.stack
                )
            })
        }),
        _ => Some(not_a_key()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_of_a_mirror_is_known_by_its_key_and_its_stack() {
        let key = "syncs/bottles.json";
        // As version 0.1.0 wrote it, and as it is written now.
        assert_eq!(problem(key, br#"{"stack":"bottles"}"#.to_vec()), None);
        let entry = MirrorEntry {
            stack: "bottles".to_owned(),
        };
        let written = longshore_state::document::to_bytes(&entry).unwrap();
        assert_eq!(problem(key, written), None);
        for (key, body, says) in [
            (key, "", "it is not JSON"),
            (key, "{}", "missing field `stack`"),
            (key, r#"{"stack":"casks"}"#, "it is of stack casks"),
            ("syncs/a/b.json", r#"{"stack":"b"}"#, "not the key"),
            ("syncs/bottles", r#"{"stack":"bottles"}"#, "not the key"),
        ] {
            let said = problem(key, body.into()).unwrap();
            assert!(said.contains(says), "{key}: {said}");
        }
    }
}
