//! `longshore run`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use longshore_events::manual::RunPayload;
use longshore_provisioning::ports::StackProvisioner;
use longshore_report::words::short_name;
use longshore_rollout::dry_run::DryRun;
use longshore_rollout::history::task_logs;
use longshore_rollout::ports::{Cloud, LogLine, TaskLogs, TaskRequest, TaskState};
use longshore_rollout::triggers::run::{StartedTask, exit_code, run_task};
use longshore_stack::scheduled::{ScheduledRun, scheduled_run};
use serde_json::json;

use crate::answer::{Answer, Status};
use crate::arguments::{Output, RunArguments};
use crate::failures::why;
use crate::outcome::{DRY_RUN, worker};
use crate::subject::ServiceArgument;
use crate::terminal;

/// How long lies between two looks.
const PAUSE: Duration = Duration::from_secs(3);

/// How many lines are looked at each time; what a container writes faster than that is in its log only.
const LINES: u32 = 1000;

/// Starts a task of a service, shows what it writes, and ends as it ends.
pub async fn run<C: Cloud + TaskLogs + StackProvisioner>(
    cloud: &C,
    arguments: RunArguments,
) -> anyhow::Result<Answer> {
    let RunArguments {
        service,
        schedule,
        command,
        dry_run,
        no_follow,
        output,
    } = arguments;
    let run = match schedule {
        Some(schedule) => scheduled(cloud, &service, &schedule).await?,
        None => ScheduledRun {
            command,
            ..ScheduledRun::default()
        },
    };
    let payload = RunPayload {
        stack: service.stack,
        service: service.service,
        command: run.command,
        environment: run.environment,
        cpu: run.cpu,
        memory: run.memory,
    };
    if dry_run {
        let dry_run = DryRun::of(cloud);
        run_task(&dry_run, &payload, &worker()).await?;
        return would_start(&payload, &dry_run.tasks(), output);
    }
    let started = run_task(cloud, &payload, &worker()).await?;
    let in_words = format!("task {} started", short_name(&started.task));
    if no_follow {
        let text = match output {
            Output::Json => serde_json::to_string_pretty(&started)?,
            Output::Text => in_words,
        };
        return Ok(text.into());
    }
    terminal::note(&in_words);
    let state = follow(cloud, &started).await?;
    ended(&started, state, output)
}

/// The task that a dry run would have started.
fn would_start(
    payload: &RunPayload,
    tasks: &[TaskRequest],
    output: Output,
) -> anyhow::Result<Answer> {
    let task = tasks.first().context("the dry run has started no task")?;
    let definition = short_name(&task.task_definition);
    Ok(match output {
        Output::Json => serde_json::to_string_pretty(&json!({
            "stack": payload.stack,
            "service": payload.service,
            "outcome": "would_start",
            "cluster": task.service.cluster,
            "task_definition": task.task_definition,
            "container": task.container,
            "command": task.command,
        }))?,
        Output::Text => {
            let command = match task.command.is_empty() {
                true => "its own command".to_owned(),
                false => task.command.join(" "),
            };
            format!(
                "a task of {}/{} would be started: {definition} on cluster {}, container {} with: {command} {DRY_RUN}",
                payload.stack, payload.service, task.service.cluster, task.container
            )
        }
    }
    .into())
}

/// What a run of the schedule is given, as the stack was applied last.
async fn scheduled<C: StackProvisioner>(
    cloud: &C,
    service: &ServiceArgument,
    schedule: &str,
) -> anyhow::Result<ScheduledRun> {
    let ServiceArgument { stack, service } = service;
    let template = cloud.template(stack).await?;
    let template = template.with_context(|| format!("there is no stack {stack}"))?;
    Ok(scheduled_run(&template, stack, service, schedule)?)
}

/// Shows what the task writes until it has ended; `None` when ECS does not remember it.
async fn follow<C: Cloud + TaskLogs>(
    cloud: &C,
    started: &StartedTask,
) -> anyhow::Result<Option<TaskState>> {
    let mut seen = BTreeMap::new();
    loop {
        // Before the logs, so that the last lines are shown, too.
        let state = cloud.describe_task(&started.cluster, &started.task).await?;
        let logs = task_logs(cloud, &started.task_definition, &started.task, LINES).await?;
        for log in logs {
            let lines = log.lines.unwrap_or_default();
            let container = &log.stream.container;
            for line in news(&lines, seen.entry(container.clone()).or_default()) {
                terminal::note(&format!("{container}  {}", line.message.trim_end()));
            }
        }
        if state != Some(TaskState::Running) {
            return Ok(state);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The last line that was shown: when it was written, and how many were written at that time.
type Seen = Option<(DateTime<Utc>, usize)>;

/// The lines that were not shown yet.
fn news<'a>(lines: &'a [LogLine], seen: &mut Seen) -> Vec<&'a LogLine> {
    let mut at_that_time = 0;
    let news: Vec<&LogLine> = lines
        .iter()
        .filter(|line| match *seen {
            None => true,
            Some((at, _)) if line.at != at => line.at > at,
            Some((_, shown)) => {
                at_that_time += 1;
                at_that_time > shown
            }
        })
        .collect();
    if let Some(last) = lines.last() {
        let count = lines.iter().filter(|line| line.at == last.at).count();
        *seen = Some((last.at, count));
    }
    news
}

fn ended(
    started: &StartedTask,
    state: Option<TaskState>,
    output: Output,
) -> anyhow::Result<Answer> {
    let name = format!(
        "task {} of {}/{}",
        short_name(&started.task),
        started.stack,
        started.service
    );
    let (text, failure, status) = match state {
        Some(TaskState::Failed(failure)) => {
            let code = exit_code(&failure, &started.container);
            let text = format!("{name} failed: {}", why(&failure));
            (text, Some(failure), Status::Ended(code))
        }
        Some(_) => (format!("{name} succeeded"), None, Status::Good),
        None => (
            format!("{name}: ECS does not remember it, so that nobody knows how it ended"),
            None,
            Status::Bad,
        ),
    };
    let text = match output {
        Output::Text => text,
        Output::Json => serde_json::to_string_pretty(&json!({
            "task": started,
            "succeeded": status == Status::Good,
            "failure": failure,
        }))?,
    };
    Ok(Answer { text, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, message: &str) -> LogLine {
        LogLine {
            at: format!("2026-11-21T09:30:{second:02}Z").parse().unwrap(),
            message: message.to_owned(),
        }
    }

    fn shown(lines: &[LogLine], seen: &mut Seen) -> Vec<String> {
        let news = news(lines, seen).into_iter();
        news.map(|line| line.message.clone()).collect()
    }

    #[test]
    fn each_line_is_shown_once_also_where_several_have_one_time() {
        let mut seen = None;
        let mut lines = vec![line(1, "a"), line(1, "b")];
        assert_eq!(shown(&lines, &mut seen), ["a", "b"]);
        assert!(shown(&lines, &mut seen).is_empty());
        lines.extend([line(1, "c"), line(2, "d")]);
        assert_eq!(shown(&lines, &mut seen), ["c", "d"]);
        assert!(shown(&lines[2..], &mut seen).is_empty());
    }

    #[test]
    fn the_status_is_that_of_the_program() {
        let started = StartedTask {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
            cluster: "shop".to_owned(),
            task: "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1".to_owned(),
            task_definition: "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:1"
                .to_owned(),
            container: "api".to_owned(),
        };
        let answer = ended(&started, Some(TaskState::Succeeded), Output::Text).unwrap();
        assert!(answer.is_good());
        assert_eq!(answer.text, "task 0f3c1 of shop/api succeeded");
        let failure = serde_json::from_value(json!({
            "task": started.task,
            "containers": [{"name": "api", "exit_code": 3}],
        }));
        let state = Some(TaskState::Failed(failure.unwrap()));
        let answer = ended(&started, state, Output::Text).unwrap();
        assert_eq!(answer.status, Status::Ended(3));
        let answer = ended(&started, None, Output::Text).unwrap();
        assert_eq!(answer.status, Status::Bad);
    }
}
