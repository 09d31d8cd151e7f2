//! Services as other tools made them.

use longshore_events::arn::ServiceName;
use longshore_policy::route::Subscriber;
use longshore_provisioning::ports::{ServiceInspector, ServiceSettings};
use longshore_rollout::ports::Tag;
use longshore_state::{CallError, ErrorClass};
use serde_json::Value;

use crate::fake_cloud::FakeCloud;

impl FakeCloud {
    /// Changes the task definition that a service runs, as if it had been so from the beginning.
    pub fn change_task_definition(&self, subscriber: &Subscriber, change: impl FnOnce(&mut Value)) {
        let mut account = self.inner.borrow_mut();
        let arn = account
            .services
            .get(&subscriber.service_name())
            .map(|service| service.task_definition.clone());
        if let Some(definition) = arn.and_then(|arn| account.task_definitions.get_mut(&arn)) {
            change(&mut definition.document);
        }
    }

    /// Gives the task definition that a service runs a tag, as CloudFormation does.
    pub fn tag_task_definition(&self, subscriber: &Subscriber, key: &str, value: &str) {
        let mut account = self.inner.borrow_mut();
        let arn = account
            .services
            .get(&subscriber.service_name())
            .map(|service| service.task_definition.clone());
        if let Some(definition) = arn.and_then(|arn| account.task_definitions.get_mut(&arn)) {
            definition.tags.push(Tag {
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
    }

    /// Changes a service's settings; without that it has a circuit breaker that rolls back.
    pub fn change_service_settings(
        &self,
        subscriber: &Subscriber,
        change: impl FnOnce(&mut ServiceSettings),
    ) {
        let name = subscriber.service_name();
        let mut account = self.inner.borrow_mut();
        let Some(service) = account.services.get(&name) else {
            return;
        };
        let mut settings = usual(&service.task_definition);
        change(&mut settings);
        account.service_settings.insert(name, settings);
    }
}

impl ServiceInspector for FakeCloud {
    async fn service_settings(&self, service: &ServiceName) -> Result<ServiceSettings, CallError> {
        self.call("DescribeServices settings", |account| {
            let Some(found) = account.services.get(service) else {
                return Err(CallError {
                    operation: format!(
                        "describe service {} of cluster {}",
                        service.ecs_service, service.cluster
                    ),
                    class: ErrorClass::NotFound,
                    code: None,
                    message: "the cluster does not have this service".to_owned(),
                });
            };
            let settings = account.service_settings.get(service).cloned();
            Ok(settings.unwrap_or_else(|| usual(&found.task_definition)))
        })
    }
}

fn usual(task_definition: &str) -> ServiceSettings {
    ServiceSettings {
        task_definition: task_definition.to_owned(),
        controller: "ECS".to_owned(),
        circuit_breaker: true,
        rolls_back: true,
    }
}
