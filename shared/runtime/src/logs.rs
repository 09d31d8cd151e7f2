//! Logs: one JSON object a line on standard output, where Lambda picks them up.

use lambda_runtime::tracing::subscriber::filter::LevelFilter;
use lambda_runtime::tracing::subscriber::fmt;

use crate::configuration::{LOG_LEVEL, variable};

/// Begins to log at the level of [`LOG_LEVEL`], `INFO` when it is not set or says something else.
pub fn start() {
    let level = variable(LOG_LEVEL)
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_current_span(true)
        .with_span_list(false)
        .init();
}
