//! CloudWatch Logs: what containers wrote.

use chrono::DateTime;
use longshore_rollout::ports::{LogLine, TaskLogs};
use longshore_state::{CallError, ErrorClass};
use serde::Deserialize;
use serde_json::json;

use crate::AwsCloud;
use crate::signed::json_call;

/// GetLogEvents gives this many lines at once.
const LINES_ALLOWED: u32 = 10_000;

/// A page may be empty although there is an earlier one with lines; this many are turned.
const PAGES: usize = 10;

/// The answer to GetLogEvents: the Amazon CloudWatch Logs API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    events: Vec<LogEvent>,
    next_backward_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LogEvent {
    /// Milliseconds since 1970.
    #[serde(default)]
    timestamp: i64,
    #[serde(default)]
    message: String,
}

impl TaskLogs for AwsCloud {
    async fn log_lines(
        &self,
        log_group: &str,
        log_stream: &str,
        lines: u32,
    ) -> Result<Option<Vec<LogLine>>, CallError> {
        let operation = format!("read log stream {log_stream} of log group {log_group}");
        let wanted = usize::try_from(lines).unwrap_or(usize::MAX);
        // From the last page back.
        let mut pages: Vec<Vec<LogEvent>> = Vec::new();
        let mut found = 0;
        let mut token: Option<String> = None;
        while pages.len() < PAGES && found < wanted {
            let mut request = json!({
                "logGroupName": log_group,
                "logStreamName": log_stream,
                "limit": lines.clamp(1, LINES_ALLOWED),
                "startFromHead": false,
            });
            if let Some(token) = &token {
                request["nextToken"] = json!(token);
            }
            let page: Page = match json_call(
                &self.configuration,
                &operation,
                "logs",
                "Logs_20140328.GetLogEvents",
                &request,
            )
            .await
            {
                Ok(page) => page,
                Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            found += page.events.len();
            pages.push(page.events);
            // At the beginning of the stream the same token comes back.
            if page.next_backward_token.is_none() || page.next_backward_token == token {
                break;
            }
            token = page.next_backward_token;
        }
        let mut read: Vec<LogLine> = pages.into_iter().rev().flatten().map(line).collect();
        read.drain(..read.len().saturating_sub(wanted));
        Ok(Some(read))
    }
}

fn line(event: LogEvent) -> LogLine {
    LogLine {
        at: DateTime::from_timestamp_millis(event.timestamp).unwrap_or_default(),
        message: event.message,
    }
}
