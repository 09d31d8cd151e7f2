//! Tasks of services in which commands can be started.

use longshore_events::arn::ServiceName;
use longshore_policy::route::Subscriber;
use longshore_rollout::shells::{RunningContainer, RunningTask, Session, Shells};
use longshore_state::CallError;

use crate::builders::noon;
use crate::fake_cloud::FakeCloud;

impl FakeCloud {
    /// A task of a service runs; `enabled` says whether ECS Exec is on for it.
    pub fn run_with_shells(&self, subscriber: &Subscriber, id: &str, enabled: bool) {
        let task = RunningTask {
            arn: format!(
                "arn:aws:ecs:eu-west-1:111122223333:task/{}/{id}",
                subscriber.cluster
            ),
            started_at: Some(noon(0)),
            enabled,
            containers: vec![RunningContainer {
                name: subscriber.container.clone(),
                runtime_id: format!("{id}-1"),
                agent: enabled.then(|| "RUNNING".to_owned()),
            }],
        };
        let mut account = self.inner.borrow_mut();
        let tasks = account.shells.entry(subscriber.service_name()).or_default();
        tasks.push(task);
    }
}

impl Shells for FakeCloud {
    async fn running_tasks(&self, service: &ServiceName) -> Result<Vec<RunningTask>, CallError> {
        self.call("ListTasks", |account| {
            Ok(account.shells.get(service).cloned().unwrap_or_default())
        })
    }

    async fn execute_command(
        &self,
        _: &str,
        _: &str,
        container: &str,
        command: &str,
    ) -> Result<Session, CallError> {
        self.call("ExecuteCommand", |_| {
            Ok(Session {
                id: format!("session of {container}: {command}"),
                stream_url: "wss://ssmmessages.eu-west-1.amazonaws.com".to_owned(),
                token: "token".to_owned(),
                endpoint: "https://ecs.eu-west-1.amazonaws.com/".to_owned(),
                region: "eu-west-1".to_owned(),
            })
        })
    }
}
