//! `longshore logs --follow` and `--since`: what the containers of a service write that runs.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_policy::route::ServiceId;
use longshore_rollout::asked::AskError;
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::running_logs::{RunningLogs, WrittenLine};

use crate::output::Output;
use crate::terminal;

/// How long lies between two looks. FilterLogEvents may be called five times a second in an account.
const PAUSE: Duration = Duration::from_secs(2);

/// After how many looks at the lines it is looked at what the service runs.
const LOOKS: u32 = 10;

/// What is shown of the time before somebody follows.
const BEFORE: TimeDelta = TimeDelta::minutes(10);

/// How much of a task's id tells it from the others to somebody who reads.
const TASK: usize = 8;

/// What is to be shown, and how.
#[derive(Debug)]
pub struct Tail {
    pub service_id: ServiceId,
    /// The only container that is meant.
    pub container: Option<String>,
    /// From when on.
    pub since: Option<DateTime<Utc>>,
    pub output: Output,
}

/// Answers what was written since then; where somebody follows, prints it and what comes after it until Ctrl-C.
pub async fn tail<C: Cloud + TaskLogs>(
    cloud: &C,
    what: &Tail,
    follow: bool,
) -> anyhow::Result<String> {
    let since = what.since.unwrap_or_else(|| Utc::now() - BEFORE);
    let container = what.container.as_deref();
    let mut logs = RunningLogs::of(cloud, &what.service_id, container, since).await?;
    if !follow {
        return shown(&mut logs, what.output).await;
    }
    let mut print = |line: &str| terminal::answer(line);
    // Whoever looks on may stop at any time, and that is not a failure.
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped?,
        failed = follow_for_ever(&mut logs, what.output, &mut print) => failed?,
    }
    Ok(String::new())
}

async fn shown<C: Cloud + TaskLogs>(
    logs: &mut RunningLogs<'_, C>,
    output: Output,
) -> anyhow::Result<String> {
    let lines = logs.news().await?;
    if lines.is_empty() && output == Output::Text {
        let groups: BTreeSet<&str> = logs
            .sources()
            .iter()
            .map(|source| source.log_group.as_str())
            .collect();
        return Ok(format!(
            "nothing was written since then to {}",
            groups.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    let lines: Result<Vec<String>, _> = lines.iter().map(|line| printed(line, output)).collect();
    Ok(lines?.join("\n"))
}

/// Ends with an error only.
async fn follow_for_ever<C: Cloud + TaskLogs>(
    logs: &mut RunningLogs<'_, C>,
    output: Output,
    print: &mut impl FnMut(&str),
) -> anyhow::Result<()> {
    let mut looks = 0;
    loop {
        match next(logs, looks % LOOKS == LOOKS - 1).await {
            Ok(lines) => {
                for line in lines {
                    print(&printed(&line, output)?);
                }
            }
            // Nobody stops looking on because one call failed.
            Err(error @ AskError::Call { .. }) => {
                terminal::note(&format!("{error}; looking again"));
            }
            Err(error) => return Err(error.into()),
        }
        looks += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn next<C: Cloud + TaskLogs>(
    logs: &mut RunningLogs<'_, C>,
    look: bool,
) -> Result<Vec<WrittenLine>, AskError> {
    if look {
        logs.look().await?;
    }
    logs.news().await
}

/// A line for people, or one of JSON.
fn printed(line: &WrittenLine, output: Output) -> anyhow::Result<String> {
    Ok(match output {
        Output::Json => serde_json::to_string(line)?,
        Output::Text => {
            let at = line.at.format("%Y-%m-%d %H:%M:%S%.3f");
            let task: String = line.task.chars().take(TASK).collect();
            format!(
                "{at}  {} {task}  {}",
                line.container,
                line.message.trim_end()
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use longshore_policy::route::Subscriber;
    use longshore_rollout::ports::LogLine;
    use longshore_testkit::{FakeCloud, noon, subscriber};
    use serde_json::{Value, json};

    use super::*;

    const GROUP: &str = "/ecs/shop/api";

    /// A service whose containers write to CloudWatch.
    fn cloud(api: &Subscriber) -> FakeCloud {
        let cloud = FakeCloud::with_services(std::slice::from_ref(api));
        cloud.add_container(api, "proxy", "shop/proxy:v1");
        cloud.change_task_definition(api, |definition| {
            for container in 0..2 {
                definition["containerDefinitions"][container]["logConfiguration"] = json!({
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": GROUP, "awslogs-stream-prefix": "api"},
                });
            }
        });
        cloud
    }

    fn write(cloud: &FakeCloud, stream: &str, seconds: i64, message: &str) {
        let line = LogLine {
            at: noon(seconds),
            message: message.to_owned(),
        };
        cloud.add_log_line(GROUP, stream, line);
    }

    fn what(container: Option<&str>, output: Output) -> Tail {
        Tail {
            service_id: subscriber("api").service_id(),
            container: container.map(str::to_owned),
            since: Some(noon(0)),
            output,
        }
    }

    #[tokio::test]
    async fn what_all_tasks_wrote_since_then_is_shown_in_order() {
        let api = subscriber("api");
        let cloud = cloud(&api);
        let nothing = tail(&cloud, &what(None, Output::Text), false)
            .await
            .unwrap();
        assert_eq!(
            nothing,
            format!("nothing was written since then to {GROUP}")
        );
        write(&cloud, "api/app/0f3c1a2b3c4d", -1, "too old");
        write(&cloud, "api/app/0f3c1a2b3c4d", 2, "two\n");
        write(&cloud, "api/app/77777777777", 1, "one");
        write(&cloud, "api/proxy/77777777777", 3, "three");
        write(&cloud, "web/app/5", 3, "of another service");
        let all = tail(&cloud, &what(None, Output::Text), false)
            .await
            .unwrap();
        let words: Vec<&str> = all.lines().map(|line| &line[25..]).collect();
        assert_eq!(
            words,
            [
                "app 77777777  one",
                "app 0f3c1a2b  two",
                "proxy 77777777  three"
            ]
        );
        let proxy = tail(&cloud, &what(Some("proxy"), Output::Json), false).await;
        let proxy = proxy.unwrap();
        assert_eq!(proxy.lines().count(), 1, "{proxy}");
        let line: Value = serde_json::from_str(&proxy).unwrap();
        assert_eq!(line["container"], "proxy");
        assert_eq!(line["task"], "77777777777");
        assert_eq!(line["message"], "three");
        let unknown = tail(&cloud, &what(Some("db"), Output::Text), false).await;
        let unknown = unknown.unwrap_err().to_string();
        assert!(
            unknown.contains("no container db; it has app, proxy"),
            "{unknown}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_follows_sees_each_line_once_also_of_what_a_deployment_brings_and_after_a_failed_call()
     {
        let api = subscriber("api");
        let cloud = cloud(&api);
        write(&cloud, "api/app/1", 1, "one");
        let id = api.service_id();
        let mut logs = RunningLogs::of(&cloud, &id, None, noon(0)).await.unwrap();
        let shown = std::cell::RefCell::new(Vec::new());
        let mut print = |line: &str| shown.borrow_mut().push(line[25..].to_owned());
        let writing = async {
            tokio::time::sleep(PAUSE / 2).await;
            write(&cloud, "api/app/1", 2, "two");
            tokio::time::sleep(PAUSE).await;
            cloud.inject_at(
                "FilterLogEvents",
                longshore_testkit::Fault::Fails(longshore_state::ErrorClass::Transient),
            );
            write(&cloud, "api/app/2", 3, "three");
            tokio::time::sleep(PAUSE).await;
            cloud.deploy_outside(&api, "shop/api:v9", 4);
            cloud.change_task_definition(&api, |definition| {
                definition["containerDefinitions"][0]["logConfiguration"] = json!({
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": "/new", "awslogs-stream-prefix": "api"},
                });
            });
            let line = LogLine {
                at: noon(5),
                message: "four".to_owned(),
            };
            cloud.add_log_line("/new", "api/app/3", line);
            tokio::time::sleep(PAUSE * (LOOKS + 1)).await;
        };
        tokio::select! {
            () = writing => {}
            ended = follow_for_ever(&mut logs, Output::Text, &mut print) => panic!("{ended:?}"),
        }
        assert_eq!(
            *shown.borrow(),
            ["app 1  one", "app 1  two", "app 2  three", "app 3  four"]
        );
    }
}
