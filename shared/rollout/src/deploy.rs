//! Deploying: from a request to an updated service.

use chrono::{DateTime, Utc};
use futures_util::future::{join, join_all, try_join};
use longshore_events::incoming::Push;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentSkipped, DeploymentSummary, LongshoreEvent, OperationKind,
    SkipReason, Source,
};
use longshore_events::manual::DeployPayload;
use serde::Serialize;

use crate::decide::{Decision, decide};
use crate::outbox::{RACES, flush, lost_races};
use crate::ports::{CallError, Cloud, EcsService, ErrorClass, RecordVersion, TaskDefinition};
use crate::record::{Deployment, Record, Request, Running, State, Worker};
use crate::route::{Follower, Owner};
use crate::sequence::Sequence;
use crate::stack_record::{Operation, OperationState, StackRecord};
use crate::task_definition::NextRevisionError;

/// What came of a request for one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceOutcome {
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// What was done.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The service was updated.
    Started {
        /// Longshore's id of the deployment.
        deployment_id: String,
        /// The ARN of the task definition that is rolled out.
        task_definition: String,
    },
    /// Nothing was done.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// The service's stack is being changed. The request is remembered, and carried out when the stack is
    /// at rest.
    Pending,
    /// ECS refused it; that is told.
    Failed {
        /// In the words of what refused it.
        reason: String,
    },
}

/// Why a request for a service led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The route, the image or the service is not as it must be. Trying again does not help.
    #[error("deploy {image} to {owner}: {reason}")]
    Refused {
        /// The service.
        owner: Owner,
        /// What was asked for.
        image: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A call failed. Trying again may help.
    #[error("deploy {image} to {owner}: {source}")]
    Call {
        /// The service.
        owner: Owner,
        /// What was asked for.
        image: String,
        /// The call.
        source: CallError,
    },
    /// A call failed while a service of a stack that is at rest was looked after. Trying again may help.
    #[error("look after {owner}, whose stack is at rest: {source}")]
    AtRest {
        /// The service.
        owner: Owner,
        /// The call.
        source: CallError,
    },
}

/// Deploys a pushed image to every service that follows its repository and tag, side by side.
///
/// # Errors
/// When the route cannot be read. What fails for one service is in its own result and does not keep
/// the others back.
pub async fn deploy_push<C: Cloud>(
    cloud: &C,
    push: &Push,
    worker: &Worker,
) -> Result<Vec<Result<ServiceOutcome, DeployError>>, CallError> {
    let Some(route) = cloud.route(&push.image.repository).await? else {
        tracing::debug!(
            repository = push.image.repository,
            "no route: nobody follows this repository"
        );
        return Ok(Vec::new());
    };
    let tag = push.image.tag.as_deref().unwrap_or_default();
    let request = Request {
        id: push.event_id.clone(),
        at: push.at,
        sequence: Sequence::of_tag(tag),
        image: push.image.clone(),
        source: Source::Push,
        replaced_requests: Vec::new(),
    };
    let followers: Vec<&Follower> = route.followers_of(tag).collect();
    if followers.is_empty() {
        tracing::debug!(
            repository = push.image.repository,
            tag,
            "nobody follows this tag"
        );
    }
    let deployments = followers
        .into_iter()
        .map(|follower| deploy_followed(cloud, follower, &request, worker));
    Ok(join_all(deployments).await)
}

/// Deploys to a follower. Nobody waits for an answer to a push, so a refusal is told as a failure.
pub(crate) async fn deploy_followed<C: Cloud>(
    cloud: &C,
    follower: &Follower,
    request: &Request,
    worker: &Worker,
) -> Result<ServiceOutcome, DeployError> {
    match deploy(cloud, follower, request, worker).await {
        Err(DeployError::Refused {
            owner,
            image,
            reason,
        }) => match tell_refusal(cloud, request.summary(follower), &reason, worker).await {
            Ok(()) => Ok(ServiceOutcome {
                stack: owner.stack,
                service: owner.service,
                outcome: Outcome::Failed { reason },
            }),
            Err(source) => Err(DeployError::Call {
                owner,
                image,
                source,
            }),
        },
        other => other,
    }
}

/// Tells that a deployment was refused before anything was written down.
pub(crate) async fn tell_refusal<C: Cloud>(
    cloud: &C,
    deployment: DeploymentSummary,
    reason: &str,
    worker: &Worker,
) -> Result<(), CallError> {
    let failed = LongshoreEvent::DeploymentFailed(DeploymentFailed {
        deployment,
        finished_at: worker.now,
        reason: reason.to_owned(),
        failures: Vec::new(),
        rolling_back: false,
    });
    cloud.publish(&[failed]).await
}

/// Who asked for a deployment, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The id of the event or invocation; duplicates and retries share it.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Where the request stands among those of its second.
    pub sequence: Sequence,
    /// Who or what.
    pub source: Source,
}

/// Deploys the image that a person or a pipeline named to the service that they named.
///
/// The image is resolved and the route is read before anything is changed.
///
/// # Errors
/// [`DeployError`].
pub async fn deploy_explicitly<C: Cloud>(
    cloud: &C,
    payload: &DeployPayload,
    asked: Asked,
    worker: &Worker,
) -> Result<ServiceOutcome, DeployError> {
    let owner = Owner {
        stack: payload.stack.clone(),
        service: payload.service.clone(),
    };
    let repository = &payload.image.repository;
    let (route, image) = try_join(cloud.route(repository), cloud.resolve(&payload.image))
        .await
        .map_err(|error| call_failed(&owner, &payload.image, error))?;
    let follower = route
        .as_ref()
        .and_then(|route| route.follower(&owner.stack, &owner.service))
        .ok_or_else(|| DeployError::Refused {
            image: payload.image.to_string(),
            reason: format!(
                "routes/{repository}.json names no such service: add it there, or name an image of a \
                 repository that the service follows"
            ),
            owner,
        })?;
    let request = Request {
        id: asked.id,
        at: asked.at,
        sequence: asked.sequence,
        image,
        source: asked.source,
        replaced_requests: Vec::new(),
    };
    deploy(cloud, follower, &request, worker).await
}

/// Deploys to one service.
async fn deploy<C: Cloud>(
    cloud: &C,
    follower: &Follower,
    request: &Request,
    worker: &Worker,
) -> Result<ServiceOutcome, DeployError> {
    let owner = follower.owner();
    let engine = Engine {
        cloud,
        follower,
        owner: &owner,
        worker,
    };
    match engine.run(request).await {
        Ok(outcome) => Ok(ServiceOutcome {
            stack: owner.stack,
            service: owner.service,
            outcome,
        }),
        Err(Stop::Refused(reason)) => Err(DeployError::Refused {
            owner,
            image: request.image.to_string(),
            reason,
        }),
        Err(Stop::Call(error)) => Err(call_failed(&owner, &request.image, error)),
    }
}

fn call_failed(owner: &Owner, image: &impl ToString, error: CallError) -> DeployError {
    let owner = owner.clone();
    let image = image.to_string();
    match error.class {
        ErrorClass::NotFound | ErrorClass::Refused => DeployError::Refused {
            owner,
            image,
            reason: error.to_string(),
        },
        ErrorClass::LostRace | ErrorClass::Denied | ErrorClass::Transient => DeployError::Call {
            owner,
            image,
            source: error,
        },
    }
}

/// Why nothing more can be done for a service.
pub(crate) enum Stop {
    Refused(String),
    Call(CallError),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<NextRevisionError> for Stop {
    fn from(error: NextRevisionError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Works on one service.
pub(crate) struct Engine<'a, C> {
    pub(crate) cloud: &'a C,
    pub(crate) follower: &'a Follower,
    pub(crate) owner: &'a Owner,
    pub(crate) worker: &'a Worker,
}

/// What is written of a service.
pub(crate) struct Written {
    pub(crate) stored: Option<(Record, RecordVersion)>,
    pub(crate) stack: Option<(StackRecord, RecordVersion)>,
}

/// What ECS shows of a service.
pub(crate) struct Shown {
    pub(crate) service: EcsService,
    pub(crate) running: Running,
    pub(crate) task_definition: TaskDefinition,
}

impl Written {
    pub(crate) fn last(&self) -> Option<&Deployment> {
        self.stored.as_ref().map(|(record, _)| &record.deployment)
    }

    pub(crate) fn is_changing(&self) -> bool {
        self.stack
            .as_ref()
            .is_some_and(|(record, _)| record.operation.is_changing())
    }
}

impl<C: Cloud> Engine<'_, C> {
    async fn run(&self, request: &Request) -> Result<Outcome, Stop> {
        for _ in 0..RACES {
            let (written, shown) = self.look().await?;
            if written.is_changing() {
                match self.remember(request, written).await? {
                    Some(outcome) => return Ok(outcome),
                    None => continue,
                }
            }
            let shown = shown.map_err(|stop| explain(stop, &written))?;
            let last = written.last();
            let deployment = match decide(last, request, &shown.running, self.worker) {
                Decision::Skip(reason) => {
                    return self.skip(request, reason, written.stored).await;
                }
                Decision::Wait => return Err(Stop::Call(self.claimed_already())),
                Decision::Resume => last.map(|last| last.resumed(self.worker)),
                Decision::Deploy => None,
            }
            .unwrap_or_else(|| {
                Deployment::claim(last, self.follower, request, &shown.running, self.worker)
            });
            if let Some(outcome) = self.take(&written, &shown, deployment).await? {
                return Ok(outcome);
            }
        }
        Err(Stop::Call(lost_races(self.owner)))
    }

    /// Claims the record for `deployment` and carries it out; `None` when somebody else wrote the record
    /// first.
    pub(crate) async fn take(
        &self,
        written: &Written,
        shown: &Shown,
        deployment: Deployment,
    ) -> Result<Option<Outcome>, Stop> {
        // Made before the claim: what cannot be deployed is refused with nothing changed.
        let revision = shown.task_definition.next_revision(
            &deployment.container,
            &deployment.image,
            &deployment.id,
        )?;
        let raced = written
            .last()
            .filter(|last| last.state == State::Claimed && last.id != deployment.id)
            .map(|last| last.id.clone());
        let (record, version) = match self.claim(written, deployment).await {
            Err(error) if error.class == ErrorClass::LostRace => return Ok(None),
            claimed => claimed?,
        };
        self.carry_out(record, version, &shown.running, &revision, raced.as_deref())
            .await
            .map(Some)
    }

    /// Looks at all that is written of the service and at what ECS shows of it, at the same time. What
    /// ECS does not show matters only when the stack is at rest: while it is made, its services are not
    /// there yet.
    pub(crate) async fn look(&self) -> Result<(Written, Result<Shown, Stop>), Stop> {
        let (written, shown) = join(
            try_join(
                self.cloud.load(self.owner),
                self.cloud.load_stack(&self.owner.stack),
            ),
            self.look_at_service(),
        )
        .await;
        let (stored, stack) = written?;
        Ok((Written { stored, stack }, shown))
    }

    async fn look_at_service(&self) -> Result<Shown, Stop> {
        let service = self
            .cloud
            .describe_service(&self.follower.service_name())
            .await?;
        let task_definition = self
            .cloud
            .describe_task_definition(&service.task_definition)
            .await?;
        let running = Running {
            image: task_definition
                .image_of(&self.follower.container)?
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

    /// Writes down that the request waits for the end of the stack's change; `None` when somebody else
    /// wrote the stack's record first.
    async fn remember(&self, request: &Request, written: Written) -> Result<Option<Outcome>, Stop> {
        // Decided as at rest, and for good: the record only ever moves on to newer requests.
        if written.last().is_some_and(|last| request.is_before(last)) {
            return self
                .skip(request, SkipReason::NewerRequested, written.stored)
                .await
                .map(Some);
        }
        let last = written.last().cloned();
        if let Some((mut record, version)) = written.stack
            && record.remember(self.follower, request, last.as_ref())
        {
            match self.cloud.save_stack(&record, Some(&version)).await {
                Err(error) if error.class == ErrorClass::LostRace => return Ok(None),
                saved => saved?,
            };
        }
        Ok(Some(Outcome::Pending))
    }

    /// Writes that `deployment` has the record.
    pub(crate) async fn claim(
        &self,
        written: &Written,
        deployment: Deployment,
    ) -> Result<(Record, RecordVersion), CallError> {
        let before = written.stored.as_ref();
        if before.is_none() {
            // Only a service's first deployment needs this: `watch` finds the record by it.
            self.cloud
                .set_owner(&self.follower.service_name(), self.owner)
                .await?;
        }
        let record = Record::claim(before.map(|(record, _)| record), deployment, self.worker);
        let version = self
            .cloud
            .save(&record, before.map(|(_, version)| version))
            .await?;
        Ok((record, version))
    }

    async fn skip(
        &self,
        request: &Request,
        reason: SkipReason,
        stored: Option<(Record, RecordVersion)>,
    ) -> Result<Outcome, Stop> {
        if let Some((record, version)) = stored {
            flush(self.cloud, record, version, self.worker).await?;
        }
        // Of a deployment that is under way everybody has heard already.
        if reason != SkipReason::AlreadyDeploying {
            self.cloud
                .publish(&[LongshoreEvent::DeploymentSkipped(DeploymentSkipped {
                    stack: self.owner.stack.clone(),
                    service: self.owner.service.clone(),
                    image: request.image.clone(),
                    source: request.source.clone(),
                    requested_at: request.at,
                    reason,
                })])
                .await?;
        }
        Ok(Outcome::Skipped { reason })
    }

    pub(crate) fn claimed_already(&self) -> CallError {
        CallError {
            operation: format!("claim the deployment record of {}", self.owner),
            class: ErrorClass::Transient,
            code: None,
            message: "an earlier attempt has the claim and may still run".to_owned(),
        }
    }
}

/// A service that is not there is missing for a reason that the stack's record may know.
fn explain(stop: Stop, written: &Written) -> Stop {
    let (Stop::Call(error), Some((record, _))) = (&stop, &written.stack) else {
        return stop;
    };
    if error.class != ErrorClass::NotFound {
        return stop;
    }
    match absence(&record.operation) {
        Some(reason) => Stop::Refused(format!("{error}; {reason}")),
        None => stop,
    }
}

/// Why a service of a stack may not be there, by the stack's last change.
fn absence(operation: &Operation) -> Option<String> {
    match (operation.kind, operation.state) {
        (OperationKind::Destroy, OperationState::Ready) => {
            Some("its stack was destroyed: apply the stack file again first".to_owned())
        }
        (_, OperationState::Failed) => Some(format!(
            "the last change of its stack failed: {}",
            operation.reason.as_deref().unwrap_or("for no known reason")
        )),
        _ => None,
    }
}
