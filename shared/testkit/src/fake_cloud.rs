use std::cell::{RefCell, RefMut};

use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::ecs::{Container, TaskOverrides, TaskStateChange};
use longshore_events::longshore::{FailedResource, LongshoreEvent, TaskFailure};
use longshore_policy::route::{Route, Subscriber};
use longshore_provisioning::ports::ObservedStack;
use longshore_rollout::documents::{HistoryKey, RecordKey, RouteKey, StackKey};
use longshore_rollout::ports::{
    EcsDeployment, EcsService, LogLine, RolloutState, ScheduledTask, ServiceDeployment,
    ServiceDeploymentStatus, TaskDefinition,
};
use longshore_rollout::record::{Deployment, Record};
use longshore_rollout::stack_record::StackRecord;
use longshore_state::CallError;
use serde_json::json;

use crate::account::{Account, KeptAccount};
use crate::builders::{noon, task_definition_document};
use crate::calls::call;
use crate::documents::Objects;
use crate::faults::Fault;

/// An account with ECR, ECS, a state bucket and a bus, in memory.
///
/// It behaves as AWS does where the deployment engine can see the difference: UpdateService begins a
/// deployment with an id of its own, unless the service points at that task definition already; a
/// rollback is another deployment; writes are conditional.
#[derive(Debug, Default)]
pub struct FakeCloud {
    pub(crate) inner: RefCell<Account>,
}

impl FakeCloud {
    /// An account in which these services of one route run two tasks each of `shop/api:v1`, without
    /// Longshore having deployed anything yet.
    pub fn with_services(subscribers: &[Subscriber]) -> Self {
        let cloud = Self::default();
        for subscriber in subscribers {
            cloud.add_service(
                subscriber,
                "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1",
            );
        }
        cloud.set_route("shop/api", subscribers.to_vec());
        cloud
    }

    /// Makes `subscribers` follow `repository`.
    pub fn set_route(&self, repository: &str, subscribers: Vec<Subscriber>) {
        let route = Route {
            repository: repository.to_owned(),
            subscribers,
            unreadable: Vec::new(),
        };
        let mut account = self.inner.borrow_mut();
        account.objects.put(&RouteKey(repository), &route);
    }

    /// Adds a service that runs `image`.
    pub fn add_service(&self, subscriber: &Subscriber, image: &str) {
        let mut account = self.inner.borrow_mut();
        let family = subscriber.ecs_service.clone();
        let arn = format!("arn:aws:ecs:eu-west-1:111122223333:task-definition/{family}:1");
        account.task_definitions.insert(
            arn.clone(),
            TaskDefinition {
                document: task_definition_document(&arn, &family, image),
                tags: Vec::new(),
            },
        );
        account.deployments += 1;
        let deployment = EcsDeployment {
            id: format!("ecs-svc/{}", account.deployments),
            primary: true,
            task_definition: arn.clone(),
            rollout_state: RolloutState::Completed,
            rollout_state_reason: "ECS deployment completed.".to_owned(),
            created_at: Some(noon(-3600)),
        };
        account.services.insert(
            subscriber.service_name(),
            EcsService {
                task_definition: arn,
                deployments: vec![deployment],
                messages: Vec::new(),
                desired_count: 2,
                running_count: 2,
            },
        );
    }

    /// Adds a container to the task definition that a service runs.
    pub fn add_container(&self, subscriber: &Subscriber, container: &str, image: &str) {
        let mut account = self.inner.borrow_mut();
        let arn = account
            .services
            .get(&subscriber.service_name())
            .map(|service| service.task_definition.clone())
            .unwrap_or_default();
        if let Some(definition) = account.task_definitions.get_mut(&arn)
            && let Some(containers) = definition.document["containerDefinitions"].as_array_mut()
        {
            containers.push(json!({"name": container, "image": image, "essential": true}));
        }
    }

    /// Puts a release file into the state bucket.
    pub fn add_release(&self, key: &str, body: &str) {
        self.inner
            .borrow_mut()
            .releases
            .insert(key.to_owned(), body.as_bytes().to_vec());
    }

    /// Removes a service, as somebody might at any time.
    pub fn remove_service(&self, subscriber: &Subscriber) {
        self.inner
            .borrow_mut()
            .services
            .remove(&subscriber.service_name());
    }

    /// Application Auto Scaling sets the number of a service's tasks from now on.
    pub fn scale_by_itself(&self, subscriber: &Subscriber) {
        let mut account = self.inner.borrow_mut();
        account.scaling.insert(subscriber.service_name());
    }

    /// Sets the time at which ECS begins what is begun next.
    pub fn set_now(&self, now: DateTime<Utc>) {
        self.inner.borrow_mut().now = Some(now);
    }

    /// How many turns the next calls wait for others before they have their effect, one after the
    /// other; after these, one turn each.
    pub fn set_delays(&self, delays: &[u8]) {
        self.inner.borrow_mut().calls.set_delays(delays);
    }

    /// Makes the call of this number, counted from the next one as 0, go wrong.
    pub fn inject(&self, call: usize, fault: Fault) {
        self.inner.borrow_mut().calls.inject(call, fault);
    }

    /// Makes the next call of this operation, named as [`Self::calls`] names it, go wrong.
    pub fn inject_at(&self, operation: &str, fault: Fault) {
        self.inner.borrow_mut().calls.inject_at(operation, fault);
    }

    /// A new process takes over after the last one died; nothing goes wrong any more.
    pub fn recover(&self) {
        if self.is_dead() {
            self.forget();
        }
        self.inner.borrow_mut().calls.recover();
    }

    /// The next call comes from a process that has seen nothing yet.
    pub fn forget(&self) {
        let mut account = self.inner.borrow_mut();
        account.last_routes.clear();
        account.last_pushes.clear();
    }

    /// Whether the process has died.
    pub fn is_dead(&self) -> bool {
        self.inner.borrow().calls.is_dead()
    }

    /// Forgets the calls made so far.
    pub fn forget_calls(&self) {
        self.inner.borrow_mut().calls.forget();
    }

    /// The calls made so far, by the names of the AWS operations that they stand for.
    pub fn calls(&self) -> Vec<String> {
        self.inner.borrow().calls.made().to_vec()
    }

    /// The events published so far.
    pub fn published(&self) -> Vec<LongshoreEvent> {
        self.inner.borrow().published.clone()
    }

    /// The detail-types of the events published so far.
    pub fn detail_types(&self) -> Vec<&'static str> {
        self.published()
            .iter()
            .map(LongshoreEvent::detail_type)
            .collect()
    }

    /// The objects of the state bucket, to look at and to change.
    pub fn objects(&self) -> RefMut<'_, Objects> {
        RefMut::map(self.inner.borrow_mut(), |account| &mut account.objects)
    }

    /// The record of a service.
    pub fn record(&self, subscriber: &Subscriber) -> Option<Record> {
        self.inner
            .borrow()
            .objects
            .get(&RecordKey(&subscriber.service_id()))
    }

    pub fn stack_record(&self, stack: &str) -> Option<StackRecord> {
        self.inner.borrow().objects.get(&StackKey(stack))
    }

    /// Writes a stack record, whatever is there.
    pub fn set_stack_record(&self, record: StackRecord) {
        let mut account = self.inner.borrow_mut();
        account.objects.put(&StackKey(&record.stack), &record);
    }

    /// Sets what CloudFormation shows of a stack, by its ARN.
    pub fn set_observed_stack(&self, stack: ObservedStack) {
        self.inner
            .borrow_mut()
            .observed_stacks
            .insert(stack.stack_id.clone(), stack);
    }

    /// Sets the resource of a stack that fails first in its next change.
    pub fn set_first_failure(&self, stack_id: &str, failure: FailedResource) {
        self.inner
            .borrow_mut()
            .first_failures
            .insert(stack_id.to_owned(), failure);
    }

    /// The deployments of a service that are in the history, in the order of their numbers.
    pub fn history(&self, subscriber: &Subscriber) -> Vec<Deployment> {
        let service_id = subscriber.service_id();
        let account = self.inner.borrow();
        let prefix = format!(
            "deployments/{}/{}/history/",
            service_id.stack, service_id.service
        );
        let numbers = account.objects.keys(&prefix);
        numbers
            .iter()
            .filter_map(|key| {
                let number = key.strip_prefix(&prefix)?.strip_suffix(".json")?;
                account.objects.get(&HistoryKey {
                    service_id: &service_id,
                    number: number.parse().ok()?,
                })
            })
            .collect()
    }

    /// Puts a schedule of EventBridge Scheduler there.
    pub fn put_schedule(&self, schedule_name: &str, starts: ScheduledTask) {
        let mut account = self.inner.borrow_mut();
        account.schedules.insert(schedule_name.to_owned(), starts);
    }

    /// Adds a line to a log stream.
    pub fn add_log_line(&self, log_group: &str, log_stream: &str, line: LogLine) {
        self.inner
            .borrow_mut()
            .logs
            .entry((log_group.to_owned(), log_stream.to_owned()))
            .or_default()
            .push(line);
    }

    /// Deletes a log group with all its streams.
    pub fn remove_log_group(&self, log_group: &str) {
        let mut account = self.inner.borrow_mut();
        account.logs.retain(|(group, _), _| group != log_group);
    }

    /// A service as ECS shows it.
    pub fn service(&self, subscriber: &Subscriber) -> Option<EcsService> {
        self.inner
            .borrow()
            .services
            .get(&subscriber.service_name())
            .cloned()
    }

    /// The image that a service's primary deployment runs.
    pub fn running_image(&self, subscriber: &Subscriber) -> Option<String> {
        let service = self.service(subscriber)?;
        let account = self.inner.borrow();
        account
            .task_definitions
            .get(&service.task_definition)?
            .image_of(&subscriber.container)
            .ok()
            .map(str::to_owned)
    }

    /// How many deployments of a service UpdateService has begun.
    pub fn updates(&self, subscriber: &Subscriber) -> usize {
        self.inner
            .borrow()
            .updates
            .iter()
            .filter(|(service, _, _)| *service == subscriber.ecs_service)
            .count()
    }

    /// The task definitions of the deployments that UpdateService has begun, one for each.
    pub fn begun(&self) -> Vec<String> {
        let account = self.inner.borrow();
        let mut begun: Vec<_> = account
            .updates
            .iter()
            .map(|(_, task_definition, id)| (id, task_definition))
            .collect();
        begun.sort();
        begun.dedup();
        begun
            .into_iter()
            .map(|(_, task_definition)| task_definition.clone())
            .collect()
    }

    /// A task definition as it was registered.
    pub fn task_definition(&self, arn: &str) -> Option<TaskDefinition> {
        self.inner.borrow().task_definitions.get(arn).cloned()
    }

    /// The id of the deployment that ECS works towards.
    pub fn primary_id(&self, subscriber: &Subscriber) -> String {
        self.service(subscriber)
            .and_then(|service| service.primary().map(|primary| primary.id.clone()))
            .unwrap_or_default()
    }

    /// ECS keeps no account of its service deployments, as of those before October 2024.
    pub fn keep_no_accounts(&self) {
        self.inner.borrow_mut().keeps_no_accounts = true;
    }

    /// Changes ECS's account of the newest service deployment of a service.
    pub fn change_account(
        &self,
        subscriber: &Subscriber,
        change: impl FnOnce(&mut ServiceDeployment),
    ) {
        let mut account = self.inner.borrow_mut();
        if let Some(kept) = account.newest_account(&subscriber.service_name()) {
            change(&mut kept.shown);
        }
    }

    /// ECS finishes what it works towards; what it replaced is gone.
    pub fn complete(&self, subscriber: &Subscriber) {
        self.change_account(subscriber, |shown| {
            shown.status = match shown.status {
                ServiceDeploymentStatus::InProgress => ServiceDeploymentStatus::Successful,
                ServiceDeploymentStatus::RollingBack => ServiceDeploymentStatus::RolledBack,
                ended => ended,
            };
        });
        self.change_service(subscriber, |service| {
            service.deployments.retain(|deployment| deployment.primary);
            for deployment in &mut service.deployments {
                deployment.rollout_state = RolloutState::Completed;
                deployment.rollout_state_reason =
                    format!("ECS deployment {} completed.", deployment.id);
            }
        });
    }

    /// ECS's circuit breaker opens and it begins to restore what ran before.
    pub fn roll_back(&self, subscriber: &Subscriber, seconds: i64) {
        let failed = self.primary_id(subscriber);
        let previous = self
            .service(subscriber)
            .and_then(|service| {
                service
                    .deployments
                    .iter()
                    .rfind(|deployment| deployment.rollout_state == RolloutState::Completed)
                    .map(|deployment| deployment.task_definition.clone())
            })
            .unwrap_or_default();
        self.inner
            .borrow_mut()
            .roll_back(&subscriber.service_name(), &previous, noon(seconds));
        self.change_service(subscriber, |service| {
            service.messages.insert(
                0,
                format!(
                    "(service {}) (deployment {failed}) deployment failed: tasks failed to start.",
                    subscriber.ecs_service
                ),
            );
            for deployment in &mut service.deployments {
                if deployment.id == failed {
                    deployment.rollout_state = RolloutState::Failed;
                    deployment.rollout_state_reason =
                        "ECS deployment circuit breaker: tasks failed to start.".to_owned();
                } else if deployment.primary {
                    deployment.rollout_state_reason = format!(
                        "ECS deployment circuit breaker: rolling back to deploymentId {}.",
                        deployment.id
                    );
                }
            }
        });
    }

    /// Somebody updates the service past Longshore.
    pub fn deploy_outside(&self, subscriber: &Subscriber, image: &str, seconds: i64) {
        let arn = {
            let mut account = self.inner.borrow_mut();
            let family = subscriber.ecs_service.clone();
            let arn = account.next_arn(&family);
            account.task_definitions.insert(
                arn.clone(),
                TaskDefinition {
                    document: task_definition_document(&arn, &family, image),
                    tags: Vec::new(),
                },
            );
            arn
        };
        self.begin(subscriber, &arn, noon(seconds));
    }

    /// Somebody points the service at a task definition that is there, past Longshore.
    pub fn update_outside(&self, subscriber: &Subscriber, task_definition: &str, seconds: i64) {
        self.begin(subscriber, task_definition, noon(seconds));
    }

    /// A task of a deployment died.
    pub fn add_stopped_task(&self, ecs_deployment_id: &str, failure: TaskFailure) {
        self.inner
            .borrow_mut()
            .stopped_tasks
            .push((ecs_deployment_id.to_owned(), failure));
    }

    fn begin(&self, subscriber: &Subscriber, task_definition: &str, at: DateTime<Utc>) {
        self.inner
            .borrow_mut()
            .begin(&subscriber.service_name(), task_definition, at);
    }

    /// Changes what ECS shows of a service.
    pub fn change_service(&self, subscriber: &Subscriber, change: impl FnOnce(&mut EcsService)) {
        if let Some(service) = self
            .inner
            .borrow_mut()
            .services
            .get_mut(&subscriber.service_name())
        {
            change(service);
        }
    }

    /// What ECS says of a task of what it works towards for a service: asked for ten seconds before it died.
    pub fn died(&self, subscriber: &Subscriber, task: &str, seconds: i64) -> TaskStateChange {
        TaskStateChange {
            started_at: None,
            task_arn: format!("arn:aws:ecs:eu-west-1:111122223333:task/shop/{task}"),
            cluster_arn: "arn:aws:ecs:eu-west-1:111122223333:cluster/shop".to_owned(),
            task_definition_arn: self
                .service(subscriber)
                .map_or_else(String::new, |service| service.task_definition),
            group: format!("service:{}", subscriber.ecs_service),
            started_by: Some(self.primary_id(subscriber)),
            last_status: "STOPPED".to_owned(),
            stop_code: Some("EssentialContainerExited".to_owned()),
            stopped_reason: Some("Essential container in task exited".to_owned()),
            created_at: Some(noon(seconds - 10)),
            stopped_at: Some(noon(seconds)),
            containers: vec![Container {
                name: "app".to_owned(),
                exit_code: Some(1),
                reason: None,
            }],
            overrides: TaskOverrides::default(),
            version: 5,
        }
    }

    /// Sets when ECS began what it works towards for a service.
    pub fn set_beginning(&self, subscriber: &Subscriber, seconds: i64) {
        self.change_service(subscriber, |service| {
            for deployment in &mut service.deployments {
                deployment.created_at = Some(noon(seconds));
            }
        });
    }

    /// Counts a call and lets it go wrong where a test wants that.
    pub(crate) fn call<T>(
        &self,
        operation: &str,
        effect: impl FnOnce(&mut Account) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        call(&mut *self.inner.borrow_mut(), operation, effect)
    }
}

impl Account {
    pub(crate) fn next_arn(&self, family: &str) -> String {
        let prefix = format!("arn:aws:ecs:eu-west-1:111122223333:task-definition/{family}:");
        let revisions = self
            .task_definitions
            .keys()
            .filter(|arn| arn.starts_with(&prefix))
            .count();
        format!("{prefix}{}", revisions + 1)
    }

    fn newest_account(&mut self, service: &ServiceName) -> Option<&mut KeptAccount> {
        self.accounts
            .iter_mut()
            .rfind(|kept| kept.service == *service)
    }

    /// Begins to restore what ran before, as a part of the service deployment that failed.
    fn roll_back(&mut self, name: &ServiceName, task_definition: &str, at: DateTime<Utc>) {
        self.replace(name, task_definition, at);
        if let Some(kept) = self.newest_account(name) {
            kept.shown.status = ServiceDeploymentStatus::RollingBack;
            kept.shown.reason =
                "Service deployment rolled back because the circuit breaker threshold was exceeded."
                    .to_owned();
        }
    }

    /// Begins a service deployment and gives the id of its deployment.
    pub(crate) fn begin(
        &mut self,
        name: &ServiceName,
        task_definition: &str,
        at: DateTime<Utc>,
    ) -> Option<String> {
        let before = self.deployments;
        let id = self.replace(name, task_definition, at)?;
        if self.deployments == before {
            return Some(id);
        }
        if let Some(kept) = self.newest_account(name)
            && matches!(
                kept.shown.status,
                ServiceDeploymentStatus::InProgress | ServiceDeploymentStatus::RollingBack
            )
        {
            kept.shown.status = ServiceDeploymentStatus::Stopped;
        }
        self.accounts.push(KeptAccount {
            service: name.clone(),
            task_definition: task_definition.to_owned(),
            created_at: at,
            shown: ServiceDeployment {
                arn: format!("service-deployment/{}", self.accounts.len()),
                rolls_back: true,
                status: ServiceDeploymentStatus::InProgress,
                reason: String::new(),
                bakes: false,
                progress: None,
            },
        });
        Some(id)
    }

    fn replace(
        &mut self,
        name: &ServiceName,
        task_definition: &str,
        at: DateTime<Utc>,
    ) -> Option<String> {
        let service = self.services.get_mut(name)?;
        if service.task_definition == task_definition {
            return service.primary().map(|primary| primary.id.clone());
        }
        self.deployments += 1;
        let id = format!("ecs-svc/{}", self.deployments);
        for deployment in &mut service.deployments {
            deployment.primary = false;
        }
        task_definition.clone_into(&mut service.task_definition);
        service.deployments.insert(
            0,
            EcsDeployment {
                id: id.clone(),
                primary: true,
                task_definition: task_definition.to_owned(),
                rollout_state: RolloutState::InProgress,
                rollout_state_reason: format!("ECS deployment {id} in progress."),
                created_at: Some(at),
            },
        );
        Some(id)
    }
}
