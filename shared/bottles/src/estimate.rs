//! How long a sync takes and what it costs.

use chrono::Duration;

use crate::settings::TaskPlace;

/// How long one process takes.
pub fn duration(_files: u64, _bytes: u64) -> Duration {
    todo!()
}

/// What a sync costs once, in millionths of a USD: requests of S3, tasks, the function's time; data that
/// comes into AWS is free.
pub fn cost_in_micro_usd(
    _files: u64,
    _copies: u64,
    _bytes: u64,
    _tasks: Option<(&TaskPlace, u32)>,
) -> u64 {
    todo!()
}

/// What `bytes` cost a month in S3 Standard, in millionths of a USD.
pub fn storage_in_micro_usd(_bytes: u64) -> u64 {
    todo!()
}
