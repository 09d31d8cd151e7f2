//! CloudWatch Logs: what containers wrote.

use chrono::{DateTime, Utc};
use longshore_rollout::ports::{LogLine, StreamLine, TaskLogs};
use longshore_state::{CallError, if_there};
use serde::Deserialize;
use serde_json::json;

use crate::AwsCloud;
use crate::signed::json_call;

/// GetLogEvents gives this many lines at once.
const LINES_ALLOWED: u32 = 10_000;

/// A page may be empty although there is an earlier one with lines; this many are turned.
const PAGES: usize = 10;

/// FilterLogEvents gives 10,000 lines or 1 MB a page; what is more than these pages hold is asked for the next time.
const FILTERED_PAGES: usize = 50;

/// The answer to GetLogEvents: the Amazon CloudWatch Logs API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    events: Vec<LogEvent>,
    next_backward_token: Option<String>,
}

/// The answer to FilterLogEvents.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filtered {
    #[serde(default)]
    events: Vec<FilteredEvent>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilteredEvent {
    event_id: String,
    log_stream_name: String,
    #[serde(flatten)]
    event: LogEvent,
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
            let page = json_call::<Page>(
                &self.configuration,
                &operation,
                "logs",
                "Logs_20140328.GetLogEvents",
                &request,
            );
            let Some(page) = if_there(page.await)? else {
                return Ok(None);
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

    async fn lines_since(
        &self,
        log_group: &str,
        stream_prefix: &str,
        since: DateTime<Utc>,
    ) -> Result<Option<Vec<StreamLine>>, CallError> {
        let operation = format!("read the log streams {stream_prefix}* of log group {log_group}");
        let mut lines = Vec::new();
        let mut token: Option<String> = None;
        // A page may be empty although there are more.
        for _ in 0..FILTERED_PAGES {
            let mut request = json!({
                "logGroupName": log_group,
                "logStreamNamePrefix": stream_prefix,
                "startTime": since.timestamp_millis(),
            });
            if let Some(token) = &token {
                request["nextToken"] = json!(token);
            }
            let page = json_call::<Filtered>(
                &self.configuration,
                &operation,
                "logs",
                "Logs_20140328.FilterLogEvents",
                &request,
            );
            let Some(page) = if_there(page.await)? else {
                return Ok(None);
            };
            lines.extend(page.events.into_iter().map(|event| StreamLine {
                id: event.event_id,
                log_stream: event.log_stream_name,
                line: line(event.event),
            }));
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        lines.sort_by_key(|line| line.line.at);
        Ok(Some(lines))
    }
}

fn line(event: LogEvent) -> LogLine {
    LogLine {
        at: DateTime::from_timestamp_millis(event.timestamp).unwrap_or_default(),
        message: event.message,
    }
}
