//! Files that are transferred from where they are published into a bucket: what a shard of a sync, or
//! anybody's list of files, is made of, and what became of it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A SHA-256: 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is not a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected 64 lowercase hexadecimal digits")]
pub struct InvalidSha256(String);

impl FromStr for Sha256 {
    type Err = InvalidSha256;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_sha256 = text.len() == 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if is_sha256 {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSha256(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Sha256 {
    type Error = InvalidSha256;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(sha256: Sha256) -> Self {
        sha256.0
    }
}

/// A file to be transferred into a bucket: a line of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object of key, url, sha256 and size"
)]
pub struct TransferItem {
    /// Its key in the bucket, in raw characters.
    pub key: String,
    /// Where it is published.
    pub url: String,
    /// What its content hashes to; nothing else becomes visible under the key.
    pub sha256: Sha256,
    /// How many bytes it has, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Further keys that get the same content, by copies that the bucket makes itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// Its media type; `application/gzip` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TransferProgress {
    /// Items that are done: transferred, or found to be there already.
    pub files: u64,
    pub bytes: u64,
    /// Items that were given up.
    pub failed: u64,
}

/// What became of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferReport {
    /// Items that were transferred.
    pub files: u64,
    pub bytes: u64,
    /// Items that were in the bucket already, with the right content.
    pub already_there: u64,
    /// Copies that the bucket made.
    pub copies: u64,
    /// Bytes that came over the network, with those that came in vain.
    pub downloaded_bytes: u64,
    /// Bytes that did not have to come again, because an interrupted task had left them on the file system.
    pub resumed_bytes: u64,
    /// Items that were given up.
    pub failed: u64,
    /// The first hundred of them.
    pub failures: Vec<TransferFailure>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

impl TransferReport {
    /// Of a transfer that did nothing, or has done nothing yet.
    pub fn of_nothing(started_at: DateTime<Utc>, finished_at: DateTime<Utc>) -> Self {
        Self {
            files: 0,
            bytes: 0,
            already_there: 0,
            copies: 0,
            downloaded_bytes: 0,
            resumed_bytes: 0,
            failed: 0,
            failures: Vec::new(),
            started_at,
            finished_at,
        }
    }
}

/// An item that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFailure {
    pub key: String,
    /// Where it should have come from.
    pub url: String,
    /// Why, in the words of what refused it.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}
