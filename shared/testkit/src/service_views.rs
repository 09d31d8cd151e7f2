//! Services as somebody sees them who looks on.

use longshore_events::arn::ServiceName;
use longshore_policy::route::Subscriber;
use longshore_rollout::service_view::{ServiceMessage, ServiceTask, ServiceView, ServiceViews};
use longshore_state::{CallError, ErrorClass};

use crate::builders::noon;
use crate::fake_cloud::FakeCloud;
use crate::faults::error;

impl FakeCloud {
    /// Changes what somebody sees of a service who looks on.
    pub fn change_view(&self, subscriber: &Subscriber, change: impl FnOnce(&mut ServiceView)) {
        let mut account = self.inner.borrow_mut();
        change(account.views.entry(subscriber.service_name()).or_default());
    }

    /// A task of a service, of the revision of its family with this number, is in this state from then on. What it was
    /// before is forgotten.
    pub fn show_task(
        &self,
        subscriber: &Subscriber,
        id: &str,
        revision: u32,
        status: &str,
        health: Option<&str>,
        seconds: i64,
    ) {
        let task = ServiceTask {
            arn: format!(
                "arn:aws:ecs:eu-west-1:111122223333:task/{}/{id}",
                subscriber.cluster
            ),
            task_definition: format!(
                "arn:aws:ecs:eu-west-1:111122223333:task-definition/{}:{revision}",
                subscriber.ecs_service
            ),
            status: status.to_owned(),
            health: health.map(str::to_owned),
            since: Some(noon(seconds)),
        };
        self.change_view(subscriber, |view| {
            view.tasks.retain(|known| known.arn != task.arn);
            view.tasks.push(task);
        });
    }

    /// ECS says something of a service.
    pub fn say(&self, subscriber: &Subscriber, text: &str, seconds: i64) {
        self.change_view(subscriber, |view| {
            view.messages.push(ServiceMessage {
                id: format!("message-{}", view.messages.len()),
                at: noon(seconds),
                text: text.to_owned(),
            });
        });
    }
}

impl ServiceViews for FakeCloud {
    async fn view_service(
        &self,
        service: &ServiceName,
        _: Option<&str>,
    ) -> Result<ServiceView, CallError> {
        self.call("ViewService", |account| {
            let shown = account.services.get(service);
            let shown = shown.ok_or_else(|| error("view service", ErrorClass::NotFound))?;
            let view = account.views.get(service).cloned().unwrap_or_default();
            Ok(ServiceView {
                desired_count: shown.desired_count,
                ..view
            })
        })
    }
}
