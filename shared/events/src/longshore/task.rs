//! Tasks that died, and what their containers wrote.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A task that died, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// The task's ARN; empty where ECS refused to start one.
    pub task: String,
    /// `TaskFailedToStart`, `EssentialContainerExited` and so on, or the code of ECS's refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_code: Option<String>,
    /// In ECS's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_reason: Option<String>,
    /// The containers that say something of it.
    pub containers: Vec<ContainerFailure>,
    /// When the task stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<DateTime<Utc>>,
}

/// A container of a task that died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerFailure {
    pub name: String,
    /// What its process exited with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// In ECS's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a container wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerLog {
    /// Where it wrote.
    #[serde(flatten)]
    pub stream: LogStream,
    /// The last lines, oldest first; `None` when there is no such stream: the container wrote nothing, or its
    /// log is gone.
    pub lines: Option<Vec<LogLine>>,
}

/// Where a container wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStream {
    /// The task's ARN.
    pub task: String,
    pub container: String,
    /// The log group of CloudWatch Logs.
    pub log_group: String,
    pub log_stream: String,
}

/// A line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: DateTime<Utc>,
    pub message: String,
}
