//! Files that are transferred from where they are published into a bucket: what a shard of a sync, or
//! anybody's list of files, is made of, and what became of it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// How many hexadecimal digits a SHA-256 has.
const DIGITS: usize = 64;

/// A SHA-256: 64 lowercase hexadecimal digits. They are held in place: a mirror names tens of thousands of
/// files, several times each, and an allocation for each of them costs more than the digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; DIGITS]);

impl Sha256 {
    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        // Digits are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Sha256")
            .field(&self.as_str())
            .finish()
    }
}

impl From<[u8; DIGITS / 2]> for Sha256 {
    fn from(digest: [u8; DIGITS / 2]) -> Self {
        const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
            pair.copy_from_slice(&[
                HEXADECIMAL[usize::from(byte >> 4)],
                HEXADECIMAL[usize::from(byte & 0xf)],
            ]);
        }
        Self(digits)
    }
}

/// A text that is not a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected 64 lowercase hexadecimal digits")]
pub struct InvalidSha256(String);

impl FromStr for Sha256 {
    type Err = InvalidSha256;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = <[u8; DIGITS]>::try_from(text.as_bytes()).ok();
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        // All of them, and not up to the first that is none: so the processor looks at many at once.
        let are_digits =
            |digits: &[u8; DIGITS]| digits.iter().fold(true, |all, byte| all & is_digit(byte));
        digits
            .filter(are_digits)
            .map(Self)
            .ok_or_else(|| InvalidSha256(text.to_owned()))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;

        impl Visitor<'_> for Digits {
            type Value = Sha256;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sha256, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Digits)
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
