//! A service as it is worked on: what is written of it, and what ECS shows of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::future::{join, try_join};
use longshore_events::image::Image;
use longshore_events::longshore::SkipReason;
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_state::{CallError, ErrorClass, Version, Worker};

use super::outcome::Stop;
use crate::decide::{Fit, fit};
use crate::documents::{RecordStore, StackRecordStore};
use crate::ports::{Cloud, EcsService, ImageContents, TaskDefinition};
use crate::record::{Deployment, Record, Request, Running, Survey};
use crate::stack_record::StackRecord;

/// Works on one service.
pub(crate) struct Engine<'a, C> {
    pub(crate) cloud: &'a C,
    pub(crate) subscriber: &'a Subscriber,
    pub(crate) service_id: ServiceId,
    pub(crate) worker: &'a Worker,
    /// What was asked ahead, for the first that needs it: whoever decides again asks again.
    ahead: Cell<Option<Ahead>>,
    /// What an image says of itself, where that was asked ahead. It never says anything else.
    inspected: Option<Inspected>,
    /// To be written down with what is followed.
    survey: RefCell<Option<Survey>>,
}

/// What was asked for a service at the same time as the registry, before it was known whether it would be needed.
pub(crate) struct Ahead {
    pub(crate) stack: Result<Option<(StackRecord, Version)>, CallError>,
    pub(crate) shown: Result<Shown, Stop>,
}

/// What an image says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Inspected {
    pub(crate) image: Image,
    pub(crate) contents: Result<ImageContents, CallError>,
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
            ahead: Cell::new(None),
            inspected: None,
            survey: RefCell::new(None),
        }
    }

    /// The same, with what was asked ahead.
    pub(crate) fn knowing(self, ahead: Option<Ahead>, inspected: Option<Inspected>) -> Self {
        self.ahead.set(ahead);
        Self { inspected, ..self }
    }

    /// What was asked ahead, once.
    pub(crate) fn take_ahead(&self) -> Option<Ahead> {
        self.ahead.take()
    }

    /// What is to be written down of the repository with what is followed next.
    pub(crate) fn survey_is(&self, survey: Option<Survey>) {
        self.survey.replace(survey);
    }

    pub(crate) fn has_survey(&self) -> bool {
        self.survey.borrow().is_some()
    }

    /// Writes down what came of listing the repository.
    pub(crate) fn note_survey(&self, record: &mut Record) {
        if let Some(survey) = &*self.survey.borrow() {
            record.surveyed(&self.subscriber.container, survey);
        }
    }

    /// What the image of a request says of itself, or why the request is skipped: the service's tasks cannot run the
    /// image. Where somebody waits for an answer, that is refused.
    pub(crate) async fn inspect(
        &self,
        request: &Request,
    ) -> Result<Result<ImageContents, SkipReason>, Stop> {
        let is_meant = |inspected: &&Inspected| {
            let image = &request.image;
            inspected.image.digest == image.digest && inspected.image.repository == image.repository
        };
        let contents = match self.inspected.as_ref().filter(is_meant) {
            Some(inspected) => inspected.contents.clone(),
            None => self.cloud.inspect(&request.image).await,
        };
        let contents = contents.map_err(|error| match error.class {
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

    /// Looks at what a deployment would need besides the record.
    pub(crate) async fn look_ahead(&self, record: Option<&Record>) -> Ahead {
        let expected = record.and_then(|record| record.deployment.running_task_definition());
        let (stack, shown) = join(
            self.cloud.load_stack(&self.service_id.stack),
            self.look_at_service_expecting(expected),
        )
        .await;
        Ahead { stack, shown }
    }

    pub(crate) async fn look_at_service(&self) -> Result<Shown, Stop> {
        self.look_at_service_expecting(None).await
    }

    /// The same. A task definition that is expected to run is asked for at the same time as the service: what a revision
    /// holds never changes.
    async fn look_at_service_expecting(&self, expected: Option<&str>) -> Result<Shown, Stop> {
        let service_name = self.subscriber.service_name();
        let described = async {
            match expected {
                Some(expected) => Some(self.cloud.describe_task_definition(expected).await),
                None => None,
            }
        };
        let (service, described) =
            join(self.cloud.describe_service(&service_name), described).await;
        let service = service?;
        let task_definition = match described {
            Some(described) if expected == Some(service.task_definition.as_str()) => described?,
            _ => {
                self.cloud
                    .describe_task_definition(&service.task_definition)
                    .await?
            }
        };
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
