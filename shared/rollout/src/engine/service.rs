//! A service as it is worked on: what is written of it, and what ECS shows of it.

use std::collections::BTreeMap;

use futures_util::future::{join, try_join};
use longshore_events::longshore::SkipReason;
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_state::{CallError, ErrorClass, Version, Worker};

use super::outcome::Stop;
use crate::decide::{Fit, fit};
use crate::documents::{RecordStore, StackRecordStore};
use crate::ports::{Cloud, EcsService, ImageContents, TaskDefinition};
use crate::record::{Deployment, Record, Request, Running};
use crate::stack_record::StackRecord;

/// Works on one service.
pub(crate) struct Engine<'a, C> {
    pub(crate) cloud: &'a C,
    pub(crate) subscriber: &'a Subscriber,
    pub(crate) service_id: ServiceId,
    pub(crate) worker: &'a Worker,
}

/// What is written of a service.
pub(crate) struct Written {
    pub(crate) stored: Option<(Record, Version)>,
    pub(crate) stack: Option<(StackRecord, Version)>,
}

/// What ECS shows of a service.
pub(crate) struct Shown {
    pub(crate) service: EcsService,
    pub(crate) running: Running,
    pub(crate) task_definition: TaskDefinition,
}

impl Written {
    pub(crate) fn record(&self) -> Option<&Record> {
        self.stored.as_ref().map(|(record, _)| record)
    }

    pub(crate) fn last(&self) -> Option<&Deployment> {
        self.record().map(|record| &record.deployment)
    }

    /// Whether any of these was not taken in yet as what its policy named.
    pub(crate) fn has_not_followed(&self, named: &BTreeMap<String, RegistryImage>) -> bool {
        let followed = self.record().map(|record| &record.followed);
        named.iter().any(|(container, image)| {
            followed.and_then(|followed| followed.get(container)) != Some(image)
        })
    }

    pub(crate) fn is_changing(&self) -> bool {
        self.stack
            .as_ref()
            .is_some_and(|(record, _)| record.operation.is_changing())
    }
}

impl<'a, C: Cloud> Engine<'a, C> {
    pub(crate) fn new(cloud: &'a C, subscriber: &'a Subscriber, worker: &'a Worker) -> Self {
        Self {
            cloud,
            subscriber,
            service_id: subscriber.service_id(),
            worker,
        }
    }

    /// What the image of a request says of itself, or why the request is skipped: the service's tasks cannot run the
    /// image. Where somebody waits for an answer, that is refused.
    pub(crate) async fn inspect(
        &self,
        request: &Request,
    ) -> Result<Result<ImageContents, SkipReason>, Stop> {
        let contents =
            self.cloud
                .inspect(&request.image)
                .await
                .map_err(|error| match error.class {
                    ErrorClass::NotFound => Stop::Refused(error.to_string()),
                    _ => Stop::Call(error),
                })?;
        match fit(&contents, self.subscriber.cpu_architecture, request) {
            Fit::Fits => Ok(Ok(contents)),
            Fit::Skip(reason) => Ok(Err(reason)),
            Fit::Refuse(reason) => Err(Stop::Refused(reason)),
        }
    }

    /// Looks at all that is written of the service and at what ECS shows of it, at the same time. What
    /// ECS does not show matters only when the stack has settled: while it is made, its services are not
    /// there yet.
    pub(crate) async fn look(&self) -> Result<(Written, Result<Shown, Stop>), Stop> {
        let (written, shown) = join(
            try_join(
                self.cloud.load(&self.service_id),
                self.cloud.load_stack(&self.service_id.stack),
            ),
            self.look_at_service(),
        )
        .await;
        let (stored, stack) = written?;
        Ok((Written { stored, stack }, shown))
    }

    pub(crate) async fn look_at_service(&self) -> Result<Shown, Stop> {
        let service = self
            .cloud
            .describe_service(&self.subscriber.service_name())
            .await?;
        let task_definition = self
            .cloud
            .describe_task_definition(&service.task_definition)
            .await?;
        let running = Running {
            image: task_definition
                .image_of(&self.subscriber.container)?
                .to_owned(),
            deployment_id: task_definition.deployment_id().map(str::to_owned),
            ecs_deployment_id: service.primary().map(|primary| primary.id.clone()),
            task_definition: service.task_definition.clone(),
        };
        Ok(Shown {
            service,
            running,
            task_definition,
        })
    }

    pub(crate) fn claimed_already(&self) -> CallError {
        claimed_already(&self.service_id)
    }
}

/// An earlier attempt of the same invocation is at work, or has died: come again.
pub(crate) fn claimed_already(service_id: &ServiceId) -> CallError {
    CallError {
        operation: format!("claim the deployment record of {service_id}"),
        class: ErrorClass::Transient,
        code: None,
        message: "an earlier attempt has the claim and may still run".to_owned(),
    }
}
