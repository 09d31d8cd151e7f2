//! What a document is: its type, its name, and where it is.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What a document holds.
pub trait Document: Serialize + DeserializeOwned + Clone + PartialEq {
    /// The version of the format that this program writes.
    const FORMAT: u32 = 1;

    /// Makes of a document of format `from`, which is older than [`Self::FORMAT`], one of the next format.
    fn migrate(_from: u32, document: Value) -> Value {
        document
    }

    /// Whether people write or change such documents by hand.
    const EDITED_BY_HAND: bool = false;

    /// Checks a document that people may have changed, so that a misspelt member does not pass for one of a newer
    /// version of Longshore. What harms only a part of it may be marked in the document instead of being an error.
    ///
    /// # Errors
    /// What is wrong and what to do.
    fn check_by_hand(_document: &mut Value) -> Result<(), String> {
        Ok(())
    }
}

/// Gives a member of a document another name, for [`Document::migrate`]. Where the new name is taken, both stay as they
/// are: somebody wrote both by hand, and gets that error.
pub fn rename(members: &mut Map<String, Value>, from: &str, to: &str) {
    if !members.contains_key(to)
        && let Some(member) = members.remove(from)
    {
        members.insert(to.to_owned(), member);
    }
}

/// The largest document in bytes, a hundred times what the largest record of a busy service has. A larger one is neither
/// read nor written.
pub const LARGEST_DOCUMENT: usize = 4 * 1024 * 1024;

/// Names a document.
pub trait Key {
    type Document: Document;

    /// Where the document is.
    fn address(&self) -> Address;

    /// What the document is, for errors: "the record of service api of stack shop".
    fn subject(&self) -> String;
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The bucket's name; `None` for the state bucket of the installation.
    pub bucket: Option<String>,
    pub key: String,
}

impl Address {
    /// A key of the state bucket.
    pub fn of_state(key: impl Into<String>) -> Self {
        Self {
            bucket: None,
            key: key.into(),
        }
    }

    /// A key of another bucket.
    pub fn of_bucket(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: Some(bucket.into()),
            key: key.into(),
        }
    }
}
