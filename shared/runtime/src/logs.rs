//! Logs: one JSON object a line on standard output, where Lambda picks them up.

use lambda_runtime::tracing::Level;
use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets};
use lambda_runtime::tracing::subscriber::layer::SubscriberExt;
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt;
use lambda_runtime::tracing::subscriber::{fmt, registry};

use crate::configuration::variables::{LOG_LEVEL, variable};

/// What [`LOG_LEVEL`] may say, in the words of an error.
pub const LEVELS: &str = "DEBUG, INFO, WARNING, ERROR or CRITICAL";

/// Begins to log what Longshore says at the level of [`LOG_LEVEL`], `INFO` when it is not set or says
/// something else; `function` is the name of the binary. Libraries are heard from `WARN` upwards: one
/// call of the SDK writes dozens of lines below that.
pub fn start(function: &str) {
    let level = variable(LOG_LEVEL)
        .and_then(|text| level(&text))
        .unwrap_or(LevelFilter::INFO);
    // As the compiler names the crate of the binary.
    let target = function.replace('-', "_");
    let heard = Targets::new()
        .with_default(LevelFilter::from_level(Level::WARN))
        // Its span carries the id of the request into every line.
        .with_target("lambda_runtime", Level::INFO)
        .with_target("longshore", level)
        .with_target(target, level);
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

/// A level by its name, in any case: those of stack files, which are Python's, and those of Rust. Nothing
/// is more severe than an error here, so `CRITICAL` is the same.
pub(crate) fn level(text: &str) -> Option<LevelFilter> {
    match text.to_ascii_uppercase().as_str() {
        "WARNING" => Some(LevelFilter::WARN),
        "CRITICAL" => Some(LevelFilter::ERROR),
        "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_stack_files_are_understood() {
        for (text, expected) in [
            ("DEBUG", Some(LevelFilter::DEBUG)),
            ("info", Some(LevelFilter::INFO)),
            ("WARNING", Some(LevelFilter::WARN)),
            ("WARN", Some(LevelFilter::WARN)),
            ("Error", Some(LevelFilter::ERROR)),
            ("CRITICAL", Some(LevelFilter::ERROR)),
            ("LOUD", None),
            ("3", None),
        ] {
            assert_eq!(level(text), expected, "{text}");
        }
    }
}
