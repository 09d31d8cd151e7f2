//! What the containers of a service write that runs now.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::arn::ServiceName;
use longshore_policy::route::ServiceId;
use longshore_state::CallError;
use serde::Serialize;
use serde_json::Value;

use crate::asked::AskError;
use crate::known::{UNKNOWN, ecs_service};
use crate::ports::{Cloud, StreamLine, TaskDefinition, TaskLogs};

/// How much later than it was written a line may come to be seen: containers send their lines in batches, and
/// CloudWatch takes its time.
const LATE: TimeDelta = TimeDelta::seconds(30);

/// Where one container of all tasks of a service writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSource {
    pub container: String,
    pub log_group: String,
    /// How the names of its streams begin; what follows is a task's id (the Amazon ECS Developer Guide, "Send Amazon
    /// ECS logs to CloudWatch").
    pub stream_prefix: String,
}

impl LogSource {
    fn key(&self) -> (String, String) {
        (self.log_group.clone(), self.stream_prefix.clone())
    }
}

/// A line that a container of a running service wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenLine {
    pub at: DateTime<Utc>,
    pub container: String,
    /// The task's id.
    pub task: String,
    pub message: String,
}

/// Shows what the containers of a service write, each line once, whichever tasks come and go.
#[derive(Debug)]
pub struct RunningLogs<'a, C> {
    cloud: &'a C,
    service_id: ServiceId,
    service: ServiceName,
    /// The only container that is shown.
    container: Option<String>,
    task_definition: String,
    sources: Vec<LogSource>,
    since: DateTime<Utc>,
    /// By log group and beginning of the streams' names.
    seen: BTreeMap<(String, String), Seen>,
}

impl<'a, C: Cloud + TaskLogs> RunningLogs<'a, C> {
    /// Finds out where the containers of a service write, to be shown from `since` on.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn of(
        cloud: &'a C,
        service_id: &ServiceId,
        container: Option<&str>,
        since: DateTime<Utc>,
    ) -> Result<Self, AskError> {
        let failed = |error| failed(service_id, error);
        let service = ecs_service(cloud, service_id).await.map_err(failed)?;
        let service = service.ok_or_else(|| AskError::refused(asked(service_id), UNKNOWN))?;
        let mut logs = Self {
            cloud,
            service_id: service_id.clone(),
            service,
            container: container.map(str::to_owned),
            task_definition: String::new(),
            sources: Vec::new(),
            since,
            seen: BTreeMap::new(),
        };
        logs.look().await?;
        Ok(logs)
    }

    /// Looks at what the service runs now: a deployment may have brought other containers and logs.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn look(&mut self) -> Result<(), AskError> {
        let service_id = &self.service_id;
        let failed = |error| failed(service_id, error);
        let service = self.cloud.describe_service(&self.service).await;
        let service = service.map_err(failed)?;
        if service.task_definition == self.task_definition {
            return Ok(());
        }
        let definition = self
            .cloud
            .describe_task_definition(&service.task_definition)
            .await
            .map_err(failed)?;
        let sources = sources(&definition, self.container.as_deref())
            .map_err(|reason| AskError::refused(asked(service_id), reason))?;
        // What still runs of the revision before is shown, too.
        for source in sources {
            if !self.sources.contains(&source) {
                self.sources.push(source);
            }
        }
        self.task_definition = service.task_definition;
        Ok(())
    }

    /// The lines that were not shown yet, in the order in which they were written.
    ///
    /// # Errors
    /// [`AskError`]. What was not shown because of it is shown the next time.
    pub async fn news(&mut self) -> Result<Vec<WrittenLine>, AskError> {
        let mut found = Vec::new();
        for source in &self.sources {
            let seen = self.seen.get(&source.key());
            let since = seen.map_or(self.since, |seen| seen.since(self.since));
            let LogSource {
                log_group,
                stream_prefix,
                ..
            } = source;
            let lines = self
                .cloud
                .lines_since(log_group, stream_prefix, since)
                .await;
            let lines = lines.map_err(|error| failed(&self.service_id, error))?;
            // A log group that is not there yet is made with the first line.
            found.push((source, lines.unwrap_or_default()));
        }
        let mut news = Vec::new();
        for (source, lines) in found {
            let seen = self.seen.entry(source.key()).or_default();
            news.extend(seen.news(lines).into_iter().map(|line| {
                WrittenLine {
                    at: line.line.at,
                    container: source.container.clone(),
                    task: line
                        .log_stream
                        .rsplit('/')
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                    message: line.line.message,
                }
            }));
        }
        news.sort_by_key(|line| line.at);
        Ok(news)
    }

    /// Where the containers write that are shown.
    pub fn sources(&self) -> &[LogSource] {
        &self.sources
    }
}

/// What is asked for.
fn asked(service_id: &ServiceId) -> String {
    format!("show what {service_id} writes")
}

fn failed(service_id: &ServiceId, error: CallError) -> AskError {
    AskError::of(asked(service_id), error.refusal())
}

/// Where the containers of a task definition write, or the one that is meant.
fn sources(definition: &TaskDefinition, wanted: Option<&str>) -> Result<Vec<LogSource>, String> {
    let definitions = definition.document["containerDefinitions"].as_array();
    let containers = definitions.map_or(&[][..], Vec::as_slice);
    let name_of = |container: &Value| container["name"].as_str().unwrap_or_default().to_owned();
    let names: Vec<String> = containers.iter().map(name_of).collect();
    if let Some(wanted) = wanted
        && !names.iter().any(|name| name == wanted)
    {
        return Err(format!(
            "it has no container {wanted}; it has {}",
            names.join(", ")
        ));
    }
    let meant = containers
        .iter()
        .filter(|container| wanted.is_none_or(|wanted| name_of(container) == wanted));
    let mut sources = Vec::new();
    let mut others = Vec::new();
    for container in meant {
        let name = name_of(container);
        let driver = container["logConfiguration"]["logDriver"].as_str();
        let option = |name: &str| container["logConfiguration"]["options"][name].as_str();
        match (
            driver,
            option("awslogs-group"),
            option("awslogs-stream-prefix"),
        ) {
            (Some("awslogs"), Some(log_group), Some(prefix)) => sources.push(LogSource {
                stream_prefix: format!("{prefix}/{name}/"),
                container: name,
                log_group: log_group.to_owned(),
            }),
            (Some("awslogs"), ..) => others.push(format!(
                "container {name} has no awslogs-group or no awslogs-stream-prefix"
            )),
            (Some(driver), ..) => {
                others.push(format!("container {name} has the log driver {driver}"));
            }
            (None, ..) => others.push(format!("container {name} has no log driver")),
        }
    }
    match sources.is_empty() {
        true => Err(format!(
            "{}: only what the log driver awslogs writes with awslogs-group and awslogs-stream-prefix can be shown",
            others.join(", ")
        )),
        false => Ok(sources),
    }
}

/// The lines of some streams that were shown, as far as one of them may come again.
#[derive(Debug, Default)]
struct Seen {
    newest: Option<DateTime<Utc>>,
    lines: BTreeSet<(DateTime<Utc>, String)>,
}

impl Seen {
    /// From when on to ask.
    fn since(&self, first: DateTime<Utc>) -> DateTime<Utc> {
        self.newest.map_or(first, |newest| first.max(newest - LATE))
    }

    /// Those that were not shown yet.
    fn news(&mut self, lines: Vec<StreamLine>) -> Vec<StreamLine> {
        let news: Vec<StreamLine> = lines
            .into_iter()
            .filter(|line| self.lines.insert((line.line.at, line.id.clone())))
            .collect();
        self.newest = news
            .iter()
            .map(|line| line.line.at)
            .chain(self.newest)
            .max();
        if let Some(newest) = self.newest {
            self.lines.retain(|(at, _)| *at >= newest - LATE);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ports::LogLine;

    fn line(seconds: i64, id: &str) -> StreamLine {
        StreamLine {
            id: id.to_owned(),
            log_stream: "api/app/0f3c1".to_owned(),
            line: LogLine {
                at: DateTime::from_timestamp(seconds, 0).unwrap(),
                message: id.to_owned(),
            },
        }
    }

    fn ids(lines: Vec<StreamLine>) -> Vec<String> {
        lines.into_iter().map(|line| line.id).collect()
    }

    #[test]
    fn a_line_is_shown_once_and_one_that_comes_late_is_not_lost() {
        let first = DateTime::from_timestamp(1000, 0).unwrap();
        let mut seen = Seen::default();
        assert_eq!(seen.since(first), first);
        assert_eq!(
            ids(seen.news(vec![line(1010, "a"), line(1100, "c")])),
            ["a", "c"]
        );
        // Everything is asked for again that may have come late.
        assert_eq!(seen.since(first).timestamp(), 1070);
        let again = vec![line(1080, "b"), line(1100, "c"), line(1100, "d")];
        assert_eq!(ids(seen.news(again)), ["b", "d"]);
        assert_eq!(seen.lines.len(), 3);
    }

    fn definition(containers: &Value) -> TaskDefinition {
        TaskDefinition {
            document: json!({"containerDefinitions": containers}),
            tags: Vec::new(),
        }
    }

    #[test]
    fn a_container_writes_where_its_log_driver_says_and_others_are_named_with_what_they_lack() {
        let definition = definition(&json!([
            {"name": "app", "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": "/ecs/shop", "awslogs-stream-prefix": "api"}}},
            {"name": "proxy", "logConfiguration": {"logDriver": "awsfirelens"}},
            {"name": "quiet"},
        ]));
        let found = sources(&definition, None).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].stream_prefix, "api/app/");
        assert_eq!(found[0].log_group, "/ecs/shop");
        assert_eq!(
            sources(&definition, Some("ap")).unwrap_err(),
            "it has no container ap; it has app, proxy, quiet"
        );
        for (container, expected) in [
            ("proxy", "container proxy has the log driver awsfirelens"),
            ("quiet", "container quiet has no log driver"),
        ] {
            let refused = sources(&definition, Some(container)).unwrap_err();
            assert!(refused.starts_with(expected), "{refused}");
        }
    }
}
