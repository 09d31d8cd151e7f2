//! ECS Exec.

use aws_sdk_ecs::types::{DesiredStatus, ManagedAgentName, Task};
use chrono::DateTime;
use longshore_events::arn::ServiceName;
use longshore_rollout::shells::{RunningContainer, RunningTask, Session, Shells};
use longshore_state::CallError;

use crate::AwsCloud;
use crate::endpoint::endpoint;
use crate::error::{failed, unreadable};

impl Shells for AwsCloud {
    async fn running_tasks(&self, service: &ServiceName) -> Result<Vec<RunningTask>, CallError> {
        let running = self.tasks_of(service, DesiredStatus::Running).await?;
        Ok(running
            .iter()
            .filter(|task| task.last_status() == Some("RUNNING"))
            .map(running_task)
            .collect())
    }

    async fn execute_command(
        &self,
        cluster: &str,
        task: &str,
        container: &str,
        command: &str,
    ) -> Result<Session, CallError> {
        let operation = format!("start a command in container {container} of task {task}");
        let answer = self
            .ecs()
            .execute_command()
            .cluster(cluster)
            .task(task)
            .container(container)
            .command(command)
            .interactive(true)
            .send()
            .await
            .map_err(failed(&operation))?;
        let region = self.configuration.region().map(AsRef::as_ref);
        let region = region.unwrap_or_default();
        let session = answer.session();
        let part = |part: Option<&str>| {
            part.map(str::to_owned)
                .ok_or_else(|| unreadable(&operation, "ECS named no session"))
        };
        Ok(Session {
            id: part(session.and_then(|session| session.session_id()))?,
            stream_url: part(session.and_then(|session| session.stream_url()))?,
            token: part(session.and_then(|session| session.token_value()))?,
            endpoint: endpoint(&self.configuration, "ecs", region),
            region: region.to_owned(),
        })
    }
}

fn running_task(task: &Task) -> RunningTask {
    let containers = task.containers().iter().map(|container| {
        let mut agents = container.managed_agents().iter();
        let agent =
            agents.find(|agent| agent.name() == Some(&ManagedAgentName::ExecuteCommandAgent));
        RunningContainer {
            name: container.name().unwrap_or_default().to_owned(),
            runtime_id: container.runtime_id().unwrap_or_default().to_owned(),
            agent: agent
                .and_then(|agent| agent.last_status())
                .map(str::to_owned),
        }
    });
    RunningTask {
        arn: task.task_arn().unwrap_or_default().to_owned(),
        started_at: task
            .started_at()
            .and_then(|at| DateTime::from_timestamp(at.secs(), 0)),
        enabled: task.enable_execute_command(),
        containers: containers.collect(),
    }
}
