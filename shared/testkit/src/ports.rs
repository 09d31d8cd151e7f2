use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::incoming::ReleaseFile;
use longshore_events::longshore::{FailedResource, LongshoreEvent, TaskFailure};
use longshore_policy::route::Route;
use longshore_provisioning::ports::{ObservedStack, StackObserver};
use longshore_rollout::ports::{
    EcsService, LogLine, ProcessMemory, ReleaseStore, ScheduledTask, ServiceDeployer,
    ServiceDeployment, ServiceScaler, StreamLine, Tag, TaskDefinition, TaskLogs, TaskRequest,
    TaskSchedules, TaskState,
};
use longshore_state::store::{
    Address, DocumentListing, DocumentVersions, ListedDocument, StoredVersion,
};
use longshore_state::{
    CallError, DocumentStore, ErrorClass, EventPublisher, Version, WriteCondition,
};
use serde_json::Value;

use crate::builders::noon;
use crate::calls::give_way;
use crate::documents::operation;
use crate::fake_cloud::FakeCloud;
use crate::faults::error;

impl FakeCloud {
    /// Lets others run first, as often as a test has said, so that what runs side by side really
    /// interleaves.
    pub(crate) async fn give_way(&self) {
        let turns = self.inner.borrow_mut().calls.next_delay();
        give_way(turns).await;
    }
}

impl ServiceDeployer for FakeCloud {
    async fn describe_services(
        &self,
        cluster: &str,
        ecs_services: &[String],
    ) -> Result<Vec<(ServiceName, EcsService)>, CallError> {
        let mut found = Vec::new();
        // DescribeServices takes ten services.
        for names in ecs_services.chunks(10) {
            self.give_way().await;
            let described = self.call("DescribeServices", |account| {
                let names = names.iter().map(|ecs_service| ServiceName {
                    cluster: cluster.to_owned(),
                    ecs_service: ecs_service.clone(),
                });
                Ok(names
                    .filter_map(|name| {
                        let service = account.services.get(&name)?.clone();
                        Some((name, service))
                    })
                    .collect::<Vec<_>>())
            })?;
            found.extend(described);
        }
        Ok(found)
    }

    async fn service_deployment(
        &self,
        service: &ServiceName,
        task_definition: &str,
        since: DateTime<Utc>,
        known: Option<&str>,
    ) -> Result<Option<ServiceDeployment>, CallError> {
        self.give_way().await;
        let operation = match known {
            Some(_) => "DescribeServiceDeployments",
            None => "ListServiceDeployments",
        };
        self.call(operation, |account| {
            let newest = account.accounts.iter().rfind(|kept| {
                known.is_none_or(|known| kept.shown.arn == known)
                    && kept.service == *service
                    && kept.task_definition == task_definition
                    && kept.created_at >= since
            });
            Ok(newest
                .filter(|_| !account.keeps_no_accounts)
                .map(|kept| kept.shown.clone()))
        })
    }

    async fn run_task(&self, request: &TaskRequest) -> Result<String, CallError> {
        self.give_way().await;
        self.call("RunTask", |account| account.run_task(request))
    }

    async fn describe_task(
        &self,
        _cluster: &str,
        task: &str,
    ) -> Result<Option<TaskState>, CallError> {
        self.give_way().await;
        self.call("DescribeTasks", |account| Ok(account.one_off_task(task)))
    }

    async fn stop_task(&self, _cluster: &str, task: &str, reason: &str) -> Result<(), CallError> {
        self.give_way().await;
        self.call("StopTask", |account| {
            account.stop_one_off_task(task, reason);
            Ok(())
        })
    }

    async fn describe_service(&self, service: &ServiceName) -> Result<EcsService, CallError> {
        self.give_way().await;
        self.call("DescribeServices", |account| {
            account
                .services
                .get(service)
                .cloned()
                .ok_or_else(|| error("describe service", ErrorClass::NotFound))
        })
    }

    async fn describe_task_definition(&self, arn: &str) -> Result<TaskDefinition, CallError> {
        self.give_way().await;
        self.call("DescribeTaskDefinition", |account| {
            account
                .task_definitions
                .get(arn)
                .cloned()
                .ok_or_else(|| error("describe task definition", ErrorClass::Refused))
        })
    }

    async fn register_task_definition(&self, request: &Value) -> Result<String, CallError> {
        self.give_way().await;
        self.call("RegisterTaskDefinition", |account| {
            let family = request["family"].as_str().unwrap_or_default();
            let arn = account.next_arn(family);
            let mut document = request.clone();
            document["taskDefinitionArn"] = Value::String(arn.clone());
            let tags: Vec<Tag> =
                serde_json::from_value(document["tags"].take()).unwrap_or_default();
            account
                .task_definitions
                .insert(arn.clone(), TaskDefinition { document, tags });
            Ok(arn)
        })
    }

    async fn update_service(
        &self,
        service: &ServiceName,
        task_definition: &str,
        desired_count: Option<u32>,
    ) -> Result<String, CallError> {
        self.give_way().await;
        self.call("UpdateService", |account| {
            let at = account.now.unwrap_or(noon(0));
            let id = account
                .begin(service, task_definition, at)
                .ok_or_else(|| error("update service", ErrorClass::NotFound))?;
            if let Some(desired_count) = desired_count
                && let Some(service) = account.services.get_mut(service)
            {
                service.desired_count = i32::try_from(desired_count).unwrap_or(i32::MAX);
            }
            account.updates.push((
                service.ecs_service.clone(),
                task_definition.to_owned(),
                id.clone(),
            ));
            Ok(id)
        })
    }

    async fn stopped_tasks(
        &self,
        _: &ServiceName,
        deployment_id: &str,
    ) -> Result<Vec<TaskFailure>, CallError> {
        self.give_way().await;
        self.call("ListTasks", |account| {
            Ok(account
                .stopped_tasks
                .iter()
                .filter(|(started_by, _)| started_by == deployment_id)
                .map(|(_, failure)| failure.clone())
                .collect())
        })
    }
}

impl ServiceScaler for FakeCloud {
    async fn scales_itself(&self, service: &ServiceName) -> Result<bool, CallError> {
        self.give_way().await;
        self.call("DescribeScalableTargets", |account| {
            Ok(account.scaling.contains(service))
        })
    }

    async fn set_desired_count(&self, service: &ServiceName, count: u32) -> Result<(), CallError> {
        self.give_way().await;
        self.call("UpdateService", |account| {
            let service = account.services.get_mut(service);
            let service = service.ok_or_else(|| error("update service", ErrorClass::NotFound))?;
            service.desired_count = i32::try_from(count).unwrap_or(i32::MAX);
            Ok(())
        })
    }
}

impl TaskLogs for FakeCloud {
    async fn log_lines(
        &self,
        log_group: &str,
        log_stream: &str,
        lines: u32,
    ) -> Result<Option<Vec<LogLine>>, CallError> {
        self.give_way().await;
        self.call("GetLogEvents", |account| {
            let stream = (log_group.to_owned(), log_stream.to_owned());
            Ok(account.logs.get(&stream).map(|written| {
                let lines = usize::try_from(lines).unwrap_or(usize::MAX);
                written[written.len().saturating_sub(lines)..].to_vec()
            }))
        })
    }

    async fn lines_since(
        &self,
        log_group: &str,
        stream_prefix: &str,
        since: DateTime<Utc>,
    ) -> Result<Option<Vec<StreamLine>>, CallError> {
        self.give_way().await;
        self.call("FilterLogEvents", |account| {
            let mut streams = account
                .logs
                .iter()
                .filter(|((group, _), _)| group == log_group)
                .peekable();
            if streams.peek().is_none() {
                return Ok(None);
            }
            let mut lines = Vec::new();
            for ((_, stream), written) in streams {
                if !stream.starts_with(stream_prefix) {
                    continue;
                }
                let since = written
                    .iter()
                    .enumerate()
                    .filter(|(_, line)| line.at >= since);
                lines.extend(since.map(|(number, line)| StreamLine {
                    id: format!("{stream}/{number}"),
                    log_stream: stream.clone(),
                    line: line.clone(),
                }));
            }
            lines.sort_by_key(|line| line.line.at);
            Ok(Some(lines))
        })
    }
}

impl TaskSchedules for FakeCloud {
    async fn scheduled_task(
        &self,
        _: &str,
        schedule_name: &str,
    ) -> Result<Option<ScheduledTask>, CallError> {
        self.give_way().await;
        self.call("GetSchedule", |account| {
            Ok(account.schedules.get(schedule_name).cloned())
        })
    }
}

impl ProcessMemory for FakeCloud {
    fn last_route(&self, repository: &str) -> Option<Route> {
        self.inner.borrow().last_routes.get(repository).cloned()
    }

    fn route_was_read(&self, repository: &str, route: Option<&Route>) {
        let last_routes = &mut self.inner.borrow_mut().last_routes;
        match route {
            Some(route) => drop(last_routes.insert(repository.to_owned(), route.clone())),
            None => drop(last_routes.remove(repository)),
        }
    }

    fn last_push(&self, repository: &str) -> Option<DateTime<Utc>> {
        self.inner.borrow().last_pushes.get(repository).copied()
    }

    fn was_pushed(&self, repository: &str, at: DateTime<Utc>) {
        let last_pushes = &mut self.inner.borrow_mut().last_pushes;
        let last = last_pushes.entry(repository.to_owned()).or_insert(at);
        *last = at.max(*last);
    }
}

impl DocumentStore for FakeCloud {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        self.give_way().await;
        self.call(&operation("GetObject", &address.key), |account| {
            Ok(account.objects.read(address))
        })
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        self.give_way().await;
        self.call(&operation("PutObject", &address.key), |account| {
            account.objects.write(address, body, condition)
        })
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        self.give_way().await;
        self.call(&operation("ListObjectsV2", prefix), |account| {
            Ok(account.objects.keys(prefix))
        })
    }
}

impl DocumentListing for FakeCloud {
    async fn list_with_tags(
        &self,
        prefix: &str,
        apart: Option<&str>,
    ) -> Result<Vec<ListedDocument>, CallError> {
        self.give_way().await;
        self.call(&operation("ListObjectsV2", prefix), |account| {
            Ok(account.objects.listed(prefix, apart))
        })
    }
}

impl DocumentVersions for FakeCloud {
    async fn list_versions(&self, key: &str) -> Result<Vec<StoredVersion>, CallError> {
        self.give_way().await;
        self.call(&operation("ListObjectVersions", key), |account| {
            Ok(account.objects.versions(key))
        })
    }

    async fn read_version(&self, key: &str, version_id: &str) -> Result<Vec<u8>, CallError> {
        self.give_way().await;
        self.call(&operation("GetObjectVersion", key), |account| {
            account
                .objects
                .read_version(key, version_id)
                .ok_or_else(|| error("read version", ErrorClass::NotFound))
        })
    }
}

impl StackObserver for FakeCloud {
    /// By name, a stack that is deleted is not found; by its ARN it is.
    async fn describe_stack(&self, stack: &str) -> Result<Option<ObservedStack>, CallError> {
        self.give_way().await;
        self.call("DescribeStacks", |account| {
            if let Some(observed) = account.observed_stacks.get(stack) {
                return Ok(Some(observed.clone()));
            }
            Ok(account
                .observed_stacks
                .values()
                .find(|observed| {
                    observed.stack_id.contains(&format!(":stack/{stack}/"))
                        && !observed.status.is_deleted()
                })
                .cloned())
        })
    }

    async fn first_failure(
        &self,
        stack_id: &str,
        _: Option<&str>,
    ) -> Result<Option<FailedResource>, CallError> {
        self.give_way().await;
        self.call("DescribeStackEvents", |account| {
            Ok(account.first_failures.get(stack_id).cloned())
        })
    }
}

impl ReleaseStore for FakeCloud {
    async fn release(&self, file: &ReleaseFile) -> Result<Vec<u8>, CallError> {
        self.give_way().await;
        self.call("GetObject releases", |account| {
            account
                .releases
                .get(&file.key)
                .cloned()
                .ok_or_else(|| error("read release file", ErrorClass::NotFound))
        })
    }
}

impl EventPublisher for FakeCloud {
    async fn publish(&self, events: &[LongshoreEvent]) -> Result<(), CallError> {
        self.give_way().await;
        self.call("PutEvents", |account| {
            account.published.extend_from_slice(events);
            Ok(())
        })
    }
}
