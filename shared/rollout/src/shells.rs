//! Shells in the containers of a service that runs: ECS Exec.

use std::fmt;
use std::future::Future;

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_policy::route::ServiceId;
use longshore_state::CallError;
use serde_json::Value;

use crate::asked::AskError;
use crate::known::{UNKNOWN, ecs_service};
use crate::ports::Cloud;

/// A task of a service that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTask {
    pub arn: String,
    pub started_at: Option<DateTime<Utc>>,
    /// Whether ECS Exec was on for the service when the task began.
    pub enabled: bool,
    pub containers: Vec<RunningContainer>,
}

impl RunningTask {
    /// What tells it from others.
    pub fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }
}

/// A container of a task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningContainer {
    pub name: String,
    /// What Systems Manager knows it by.
    pub runtime_id: String,
    /// How ECS Exec's agent in it is, such as `RUNNING`; `None` where ECS does not say.
    pub agent: Option<String>,
}

/// A session that Session Manager's plugin connects to.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    pub stream_url: String,
    /// Whoever has it has the session.
    pub token: String,
    /// Where ECS answers.
    pub endpoint: String,
    pub region: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What opens shells.
pub trait Shells {
    /// The tasks of a service that run.
    fn running_tasks(
        &self,
        service: &ServiceName,
    ) -> impl Future<Output = Result<Vec<RunningTask>, CallError>>;

    /// Starts a command in a container, and gives the session that it talks through.
    fn execute_command(
        &self,
        cluster: &str,
        task: &str,
        container: &str,
        command: &str,
    ) -> impl Future<Output = Result<Session, CallError>>;
}

/// A container that a command is started in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub cluster: String,
    /// The task's ARN.
    pub task: String,
    pub container: String,
    /// What Session Manager calls it.
    pub target: String,
}

/// Which container a command is to be started in: of the task whose id begins with `task`, or else of the newest, and
/// without a name of it the service's own.
///
/// # Errors
/// [`AskError`]; where ECS Exec is off, with how to turn it on.
pub async fn place<C: Cloud + Shells>(
    cloud: &C,
    service_id: &ServiceId,
    task: Option<&str>,
    container: Option<&str>,
) -> Result<Place, AskError> {
    let failed = |error: CallError| AskError::of(asked(service_id), error.refusal());
    let refused = |reason: String| AskError::refused(asked(service_id), reason);
    let service = ecs_service(cloud, service_id).await.map_err(failed)?;
    let service = service.ok_or_else(|| refused(UNKNOWN.to_owned()))?;
    let container = match container {
        Some(container) => container.to_owned(),
        None => {
            let shown = cloud.describe_service(&service).await.map_err(failed)?;
            let definition = cloud.describe_task_definition(&shown.task_definition).await;
            // The service's own container is the first one.
            let definition = definition.map_err(failed)?;
            let name = definition.document.pointer("/containerDefinitions/0/name");
            name.and_then(Value::as_str).unwrap_or_default().to_owned()
        }
    };
    let tasks = cloud.running_tasks(&service).await.map_err(failed)?;
    choose(service_id, &service, &tasks, task, &container).map_err(refused)
}

/// Starts a command there.
///
/// # Errors
/// [`AskError`].
pub async fn start<C: Shells>(
    cloud: &C,
    service_id: &ServiceId,
    place: &Place,
    command: &str,
) -> Result<Session, AskError> {
    cloud
        .execute_command(&place.cluster, &place.task, &place.container, command)
        .await
        .map_err(|error| AskError::of(asked(service_id), error.refusal()))
}

/// What is asked for.
fn asked(service_id: &ServiceId) -> String {
    format!("start a command in {service_id}")
}

/// Chooses the task and looks whether a command can be started in its container.
fn choose(
    service_id: &ServiceId,
    service: &ServiceName,
    tasks: &[RunningTask],
    wanted: Option<&str>,
    container: &str,
) -> Result<Place, String> {
    let ServiceId {
        stack,
        service: name,
    } = service_id;
    let meant: Vec<&RunningTask> = tasks
        .iter()
        .filter(|task| wanted.is_none_or(|wanted| task.id().starts_with(wanted)))
        .collect();
    if meant.is_empty() {
        let ids: Vec<&str> = tasks.iter().map(RunningTask::id).collect();
        return Err(match (wanted, ids.is_empty()) {
            (_, true) => format!("no task of it runs: see `longshore status {stack}/{name}`"),
            (Some(wanted), false) => {
                format!(
                    "no task of it that runs is {wanted}: there are {}",
                    ids.join(", ")
                )
            }
            (None, false) => String::new(),
        });
    }
    let newest = meant
        .iter()
        .filter(|task| task.enabled)
        .max_by_key(|task| task.started_at);
    let Some(task) = newest else {
        let ServiceName {
            cluster,
            ecs_service,
        } = service;
        return Err(format!(
            "ECS Exec is off for its tasks: set `enable_execute_command: true` of service {name} in the stack file of \
             {stack}, apply it, and start new tasks with `longshore restart {stack}/{name}`; where no stack file made \
             the service: aws ecs update-service --cluster {cluster} --service {ecs_service} --enable-execute-command \
             --force-new-deployment"
        ));
    };
    let Some(found) = task.containers.iter().find(|one| one.name == container) else {
        let names: Vec<&str> = task
            .containers
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        return Err(format!(
            "task {} has no container {container}: it has {}",
            task.id(),
            names.join(", ")
        ));
    };
    if let Some(agent) = &found.agent
        && agent != "RUNNING"
    {
        return Err(format!(
            "the agent of ECS Exec in container {container} of task {} is {agent}: wait until it is RUNNING, or, if it \
             stays so, look whether the task's role allows ssmmessages:CreateControlChannel, CreateDataChannel, \
             OpenControlChannel and OpenDataChannel, and that `readonly_root_filesystem` is not set",
            task.id()
        ));
    }
    Ok(Place {
        cluster: service.cluster.clone(),
        task: task.arn.clone(),
        container: container.to_owned(),
        target: format!("ecs:{}_{}_{}", service.cluster, task.id(), found.runtime_id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, seconds: i64, enabled: bool, agent: Option<&str>) -> RunningTask {
        RunningTask {
            arn: format!("arn:aws:ecs:eu-west-1:111122223333:task/shop/{id}"),
            started_at: DateTime::from_timestamp(seconds, 0),
            enabled,
            containers: vec![RunningContainer {
                name: "app".to_owned(),
                runtime_id: format!("{id}-265927825"),
                agent: agent.map(str::to_owned),
            }],
        }
    }

    fn chosen(
        tasks: &[RunningTask],
        wanted: Option<&str>,
        container: &str,
    ) -> Result<Place, String> {
        let service_id = ServiceId {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
        };
        let service = ServiceName {
            cluster: "shop".to_owned(),
            ecs_service: "shop-api".to_owned(),
        };
        choose(&service_id, &service, tasks, wanted, container)
    }

    #[test]
    fn the_newest_task_in_which_it_is_on_is_chosen_or_the_one_that_is_named() {
        let tasks = [
            task("aa11", 10, true, Some("RUNNING")),
            task("bb22", 30, false, None),
            task("cc33", 20, true, None),
        ];
        let newest = chosen(&tasks, None, "app").unwrap();
        assert_eq!(newest.target, "ecs:shop_cc33_cc33-265927825");
        let named = chosen(&tasks, Some("aa"), "app").unwrap();
        assert!(named.task.ends_with("/aa11"), "{named:?}");
    }

    #[test]
    fn what_keeps_a_shell_away_is_said_with_what_to_do() {
        let off = [task("aa11", 10, false, None)];
        let pending = [task("aa11", 10, true, Some("PENDING"))];
        for (tasks, wanted, container, expected) in [
            (
                &off,
                None,
                "app",
                vec![
                    "`enable_execute_command: true` of service api",
                    "longshore restart shop/api",
                    "--service shop-api",
                ],
            ),
            (
                &pending,
                None,
                "app",
                vec!["is PENDING", "ssmmessages:CreateControlChannel"],
            ),
            (&pending, None, "db", vec!["no container db: it has app"]),
            (
                &pending,
                Some("ff"),
                "app",
                vec!["runs is ff: there are aa11"],
            ),
        ] {
            let reason = chosen(tasks, wanted, container).unwrap_err();
            for expected in expected {
                assert!(reason.contains(expected), "{expected}: {reason}");
            }
        }
        let none = chosen(&[], None, "app").unwrap_err();
        assert!(none.contains("no task of it runs"), "{none}");
    }

    #[test]
    fn a_session_shows_its_token_to_nobody() {
        let session = Session {
            id: "ecs-execute-command-1".to_owned(),
            stream_url: "wss://ssmmessages".to_owned(),
            token: "very-secret".to_owned(),
            endpoint: String::new(),
            region: String::new(),
        };
        assert!(!format!("{session:?}").contains("very-secret"));
    }
}
