//! Files, bytes and money, for people.

use longshore_events::longshore::FileCount;
use longshore_events::words::counted;

/// Files and their megabytes.
pub fn in_words(count: &FileCount) -> String {
    let estimated = match count.estimated_bytes {
        0 => String::new(),
        bytes if bytes == count.bytes => " (estimated)".to_owned(),
        bytes => format!(" ({} of them estimated)", megabytes(bytes)),
    };
    format!(
        "{}, {}{estimated}",
        counted(count.files, "file"),
        megabytes(count.bytes)
    )
}

/// Millionths of a USD, in cents.
pub fn usd(micro_usd: u64) -> String {
    let cents = micro_usd.div_ceil(10_000);
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Bytes as whole megabytes.
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
