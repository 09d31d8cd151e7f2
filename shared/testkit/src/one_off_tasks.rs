use longshore_events::incoming::DeployTaskStopped;
use longshore_events::longshore::{ContainerFailure, TaskFailure};
use longshore_rollout::ports::{TaskRequest, TaskState};
use longshore_state::{CallError, ErrorClass};

use crate::account::{Account, OneOffTask};
use crate::builders::noon;
use crate::fake_cloud::FakeCloud;
use crate::faults::error;

impl FakeCloud {
    /// The one-off tasks that were started, as they were asked for, oldest first.
    pub fn one_off_tasks(&self) -> Vec<TaskRequest> {
        let account = self.inner.borrow();
        let tasks = account.one_off_tasks.iter();
        tasks.map(|task| task.request.clone()).collect()
    }

    /// The one-off tasks that have not ended, as they were asked for and by their ARNs, oldest first.
    pub fn running_tasks(&self) -> Vec<(TaskRequest, String)> {
        let account = self.inner.borrow();
        let tasks = account.one_off_tasks.iter();
        tasks
            .filter(|task| task.state == Some(TaskState::Running))
            .map(|task| (task.request.clone(), task.task.clone()))
            .collect()
    }

    /// The one-off task that was started last has stopped, its container having exited with `exit_code`:
    /// what ECS's event says to `deploy`; `None` when none was started.
    pub fn stop_task(&self, exit_code: i64) -> Option<DeployTaskStopped> {
        let last = self.inner.borrow().one_off_tasks.last()?.task.clone();
        self.stop_task_of(&last, exit_code)
    }

    /// The same of the one-off task with this ARN.
    pub fn stop_task_of(&self, task: &str, exit_code: i64) -> Option<DeployTaskStopped> {
        let mut account = self.inner.borrow_mut();
        let tasks = &mut account.one_off_tasks;
        let task = tasks.iter_mut().find(|known| known.task == task)?;
        let failure = (exit_code != 0).then(|| TaskFailure {
            task: task.task.clone(),
            stop_code: Some("EssentialContainerExited".to_owned()),
            stopped_reason: Some("Essential container in task exited".to_owned()),
            containers: vec![ContainerFailure {
                name: task.request.container.clone(),
                exit_code: Some(exit_code),
                reason: None,
            }],
            stopped_at: Some(noon(60)),
        });
        task.state = Some(match &failure {
            None => TaskState::Succeeded,
            Some(failure) => TaskState::Failed(failure.clone()),
        });
        let (_, owner) = task.request.started_by.split_once('/')?;
        let (stack, service) = owner.split_once('/')?;
        Some(DeployTaskStopped {
            stack: stack.to_owned(),
            service: service.to_owned(),
            task: task.task.clone(),
            failure,
        })
    }

    /// ECS does not remember its one-off tasks any more.
    pub fn forget_tasks(&self) {
        for task in &mut self.inner.borrow_mut().one_off_tasks {
            task.state = None;
        }
    }
}

impl Account {
    pub(crate) fn run_task(&mut self, request: &TaskRequest) -> Result<String, CallError> {
        let known = self
            .one_off_tasks
            .iter()
            .find(|task| task.request.client_token == request.client_token);
        if let Some(known) = known {
            // ConflictException: the token belongs to another request.
            return if known.request == *request {
                Ok(known.task.clone())
            } else {
                Err(error("run task", ErrorClass::Refused))
            };
        }
        if !self.services.contains_key(&request.service) {
            return Err(error("run task", ErrorClass::NotFound));
        }
        let task = format!(
            "arn:aws:ecs:eu-west-1:111122223333:task/{}/one-off-{}",
            request.service.cluster,
            self.one_off_tasks.len() + 1
        );
        self.one_off_tasks.push(OneOffTask {
            request: request.clone(),
            task: task.clone(),
            state: Some(TaskState::Running),
        });
        Ok(task)
    }

    /// Somebody stops it.
    pub(crate) fn stop_one_off_task(&mut self, task: &str, reason: &str) {
        let mut tasks = self.one_off_tasks.iter_mut();
        if let Some(task) = tasks.find(|known| known.task == task) {
            task.state = Some(TaskState::Failed(TaskFailure {
                task: task.task.clone(),
                stop_code: Some("UserInitiated".to_owned()),
                stopped_reason: Some(reason.to_owned()),
                containers: Vec::new(),
                stopped_at: Some(noon(60)),
            }));
        }
    }

    pub(crate) fn one_off_task(&self, task: &str) -> Option<TaskState> {
        self.one_off_tasks
            .iter()
            .find(|known| known.task == task)
            .and_then(|known| known.state.clone())
    }
}
