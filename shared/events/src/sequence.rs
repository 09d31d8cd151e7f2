//! The order of requests that were made within one second.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Where a request stands among those of its second. Events carry whole seconds, so their times say
/// nothing more.
///
/// Only requests of one series can be ordered by their position, and pushes by their tags. Of others, the one that is
/// heard of later counts as the later one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sequence {
    /// What has an order of its own: tags that differ only in their numbers, the writes of a release
    /// file, payloads.
    pub series: String,
    /// Compared as text.
    pub position: String,
}

/// How each series of tags begins.
const TAG: &str = "tag ";

impl Sequence {
    /// Whether the order of two requests of the same second is known: within a series by position. Of two tags of
    /// different series nobody knows it, but image policies choose one of them, whichever was heard of first, and it has
    /// to be the same one.
    pub fn is_comparable(&self, other: &Self) -> bool {
        self.series == other.series || self.series.starts_with(TAG) && other.series.starts_with(TAG)
    }

    /// Of a push: by the numbers in the tag, `v9` before `v10`.
    pub fn of_tag(tag: &str) -> Self {
        let mut series = TAG.to_owned();
        let mut position = String::new();
        let mut rest = tag;
        while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
            let (text, digits) = rest.split_at(start);
            let end = digits
                .find(|character: char| !character.is_ascii_digit())
                .unwrap_or(digits.len());
            let number = digits[..end].trim_start_matches('0');
            series.push_str(text);
            series.push('#');
            // Of two numbers the one with more digits is the greater; a tag has at most 128.
            position.push_str(&format!("{:03}{number} ", number.len()));
            rest = &digits[end..];
        }
        series.push_str(rest);
        Self { series, position }
    }

    /// Of a write of a release file. Sequencers are compared as hexadecimal numbers: the Amazon S3 User
    /// Guide, "Event message structure".
    pub fn of_sequencer(sequencer: &str) -> Self {
        Self {
            series: "release".to_owned(),
            position: format!("{sequencer:0>64}"),
        }
    }

    /// Of a payload, whose time is known exactly.
    pub fn of_time(at: DateTime<Utc>) -> Self {
        Self {
            series: "payload".to_owned(),
            position: at.to_rfc3339_opts(SecondsFormat::Nanos, true),
        }
    }
}
