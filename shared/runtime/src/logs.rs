//! Logs: one JSON object a line on standard output, where Lambda picks them up.

use lambda_runtime::tracing::Level;
use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets};
use lambda_runtime::tracing::subscriber::layer::SubscriberExt;
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt;
use lambda_runtime::tracing::subscriber::{fmt, registry};

use crate::configuration::{LOG_LEVEL, variable};

/// Begins to log what Longshore says at the level of [`LOG_LEVEL`], `INFO` when it is not set or says
/// something else; `function` is the name of the binary. Libraries are heard from `WARN` upwards: one
/// call of the SDK writes dozens of lines below that.
pub fn start(function: &str) {
    let level = variable(LOG_LEVEL)
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let heard = Targets::new()
        .with_default(LevelFilter::from_level(Level::WARN))
        // Its span carries the id of the request into every line.
        .with_target("lambda_runtime", Level::INFO)
        .with_target("longshore", level)
        .with_target(function, level);
    registry()
        .with(
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false),
        )
        .with(heard)
        .init();
}
