//! Deploying: from a request to an updated service.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::{join, join3, try_join};
use longshore_events::longshore::{
    DeploymentSummary, OperationKind, SkipReason, Source, WaitReason,
};
use longshore_events::manual::DeployPayload;
use longshore_events::sequence::Sequence;
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::{Follower, Owner};
use longshore_state::{CallError, ErrorClass, Race, Version, Worker, decide_again};
use serde::Serialize;

use crate::decide::{Decision, Situation, decide};
use crate::documents::{RecordKey, RecordStore, RouteStore, StackRecordStore};
use crate::follow::{baseline, only_news};
use crate::ports::{Cloud, EcsService, ImageContents, TaskDefinition};
use crate::record::{Deployment, Record, Request, Running, State, refusal};
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
    /// There was nothing to do: what the image policy names was asked for before.
    Nothing,
    /// Nothing was done about what was asked for, and nothing will be.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// It may not go out yet. That is written down, and it goes out as soon as it may.
    Waiting {
        /// What it waits for.
        reason: WaitReason,
        /// When that ends, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
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

impl Outcome {
    /// As the outcome of a request for this service.
    pub(crate) fn of(self, follower: &Follower) -> ServiceOutcome {
        ServiceOutcome {
            stack: follower.stack.clone(),
            service: follower.service.clone(),
            outcome: self,
        }
    }
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
    #[error("reconcile {owner} after its stack changed: {source}")]
    AtRest {
        /// The service.
        owner: Owner,
        /// The call.
        source: CallError,
    },
}

/// Tells that a deployment was refused before anything was written down.
pub(crate) async fn tell_refusal<C: Cloud>(
    cloud: &C,
    deployment: DeploymentSummary,
    reason: &str,
    worker: &Worker,
) -> Result<(), CallError> {
    cloud.publish(&[refusal(deployment, reason, worker)]).await
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
    let followers: Vec<&Follower> = route
        .iter()
        .flat_map(|route| &route.followers)
        .filter(|follower| follower.owner() == owner)
        .collect();
    let Some(follower) = together(&followers) else {
        return Err(DeployError::Refused {
            image: payload.image.to_string(),
            reason: format!(
                "routes/{repository}.json names no such service: add it there, or name an image of a \
                 repository that the service follows"
            ),
            owner,
        });
    };
    let request = Request {
        id: asked.id,
        at: asked.at,
        sequence: asked.sequence,
        image,
        source: asked.source,
        replaced_requests: Vec::new(),
    };
    deploy(cloud, &follower, &followers, &request, worker).await
}

/// The followers of one service in one route, as one that brings an image to the containers of all.
fn together(followers: &[&Follower]) -> Option<Follower> {
    let (first, others) = followers.split_first()?;
    let mut together = (*first).clone();
    for other in others {
        for container in other.containers() {
            if !together.containers().any(|known| known == container) {
                together.other_containers.push(container.to_owned());
            }
        }
    }
    Some(together)
}

/// Deploys what a person or a pipeline chose to one service; `followers` are those whose policies are not to
/// undo that.
pub(crate) async fn deploy<C: Cloud>(
    cloud: &C,
    follower: &Follower,
    followers: &[&Follower],
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
    engine
        .ask(request, followers)
        .await
        .map(|outcome| outcome.of(follower))
        .map_err(|stop| refused_or_failed(&owner, &request.image, stop))
}

pub(crate) fn refused_or_failed(owner: &Owner, image: &impl ToString, stop: Stop) -> DeployError {
    match stop {
        Stop::Refused(reason) => DeployError::Refused {
            owner: owner.clone(),
            image: image.to_string(),
            reason,
        },
        Stop::Call(error) => call_failed(owner, image, error),
    }
}

pub(crate) fn call_failed(owner: &Owner, image: &impl ToString, error: CallError) -> DeployError {
    let owner = owner.clone();
    let image = image.to_string();
    match error.class {
        ErrorClass::NotFound | ErrorClass::Refused => DeployError::Refused {
            owner,
            image,
            reason: error.to_string(),
        },
        _ => DeployError::Call {
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

impl Race for Stop {
    fn is_lost(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_lost())
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

    pub(crate) fn is_changing(&self) -> bool {
        self.stack
            .as_ref()
            .is_some_and(|(record, _)| record.operation.is_changing())
    }
}

impl<C: Cloud> Engine<'_, C> {
    /// Does what a person or a pipeline asks for.
    async fn ask(&self, request: &Request, followers: &[&Follower]) -> Result<Outcome, Stop> {
        decide_again(&RecordKey(self.owner), async || {
            let stored = self.cloud.load(self.owner).await?;
            let repository = &request.image.repository;
            let mut followed =
                baseline(self.cloud, repository, followers, request.at, self.worker).await?;
            if let Some((record, _)) = &stored {
                only_news(&mut followed, record, followers);
            }
            Box::pin(self.pursue(stored, request, &followed)).await
        })
        .await
    }

    /// Decides about `request` and does what is decided. `followed` is what the policies of these containers are to count as followed with that.
    pub(crate) async fn pursue(
        &self,
        stored: Option<(Record, Version)>,
        request: &Request,
        followed: &BTreeMap<String, RegistryImage>,
    ) -> Result<Outcome, Stop> {
        let (stack, predecessors, shown) = join3(
            self.cloud.load_stack(&self.owner.stack),
            self.predecessors(request),
            self.look_at_service(),
        )
        .await;
        let written = Written {
            stored,
            stack: stack?,
        };
        if written.is_changing() {
            return self.remember(request, written).await;
        }
        let shown = shown.map_err(|stop| explain(stop, &written))?;
        let rollout = &self.follower.rollout;
        let decision = decide(&Situation {
            record: written.record(),
            request,
            container: &self.follower.container,
            running: &shown.running,
            rollout,
            frozen_until: rollout
                .frozen_until(self.worker.now)
                .map_err(|invalid| Stop::Refused(invalid.to_string()))?,
            predecessors: &predecessors?,
            worker: self.worker,
        });
        match decision {
            Decision::Skip(reason) => self.skip(written, &shown, request, followed, reason).await,
            Decision::ComeAgain => Err(Stop::Call(self.claimed_already())),
            Decision::Later if request.is_explicit() => Err(Stop::Call(self.is_busy())),
            Decision::Later => Ok(Outcome::Nothing),
            Decision::Resume => self.resume(&written, &shown).await,
            Decision::Wait(wait) => self.wait(written, &shown, request, followed, wait).await,
            Decision::Deploy => {
                let Some(contents) = self.inspect(request).await? else {
                    let reason = SkipReason::ArchitectureMissing;
                    return self.skip(written, &shown, request, followed, reason).await;
                };
                let last = written.last();
                let claim =
                    Deployment::claim(last, self.follower, request, &shown.running, self.worker);
                let deployment = claim.built_from(contents.commit);
                let change = |record: &mut Record| {
                    let containers = self.follower.containers();
                    record.goes_out(request, containers, followed, self.worker);
                };
                self.take(&written, &shown, deployment, change).await
            }
        }
    }

    /// Takes up the record's own deployment.
    pub(crate) async fn resume(&self, written: &Written, shown: &Shown) -> Result<Outcome, Stop> {
        match written.last() {
            Some(last) => {
                let resumed = last.resumed(self.worker);
                self.take(written, shown, resumed, |_| ()).await
            }
            None => Ok(Outcome::Nothing),
        }
    }

    /// What the image says of itself; `None` when it lacks the service's architecture and nobody waits for
    /// an answer.
    pub(crate) async fn inspect(&self, request: &Request) -> Result<Option<ImageContents>, Stop> {
        let contents =
            self.cloud
                .inspect(&request.image)
                .await
                .map_err(|error| match error.class {
                    ErrorClass::NotFound => Stop::Refused(error.to_string()),
                    _ => Stop::Call(error),
                })?;
        let needed = match self.follower.cpu_architecture {
            Some(needed) if !contents.architectures.contains(&needed) => needed,
            _ => return Ok(Some(contents)),
        };
        if !request.is_explicit() {
            return Ok(None);
        }
        let found: Vec<String> = contents
            .architectures
            .iter()
            .map(ToString::to_string)
            .collect();
        let found = match found.as_slice() {
            [] => "nothing that ECS has".to_owned(),
            found => found.join(" and "),
        };
        Err(Stop::Refused(format!(
            "the image was built for {found}, and the service's tasks run on {needed}: build it for that"
        )))
    }

    /// Claims the record for `deployment` and carries it out. What the record is to say besides, `change` puts into the
    /// same write.
    pub(crate) async fn take(
        &self,
        written: &Written,
        shown: &Shown,
        deployment: Deployment,
        change: impl FnOnce(&mut Record),
    ) -> Result<Outcome, Stop> {
        // Made before the claim: what cannot be deployed is refused with nothing changed.
        let revision = shown.task_definition.next_revision_of(&deployment)?;
        let raced = written
            .last()
            .filter(|last| last.state == State::Claimed && last.id != deployment.id)
            .map(|last| last.id.clone());
        let (record, version) = self.claim(written, deployment, change).await?;
        // On the heap, as the other long ways are: what an invocation may come to do is large for a stack.
        Box::pin(self.carry_out(record, version, &shown.running, &revision, raced.as_deref())).await
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

    pub(crate) async fn look_at_service(&self) -> Result<Shown, Stop> {
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

    /// Writes down that the request waits for the end of the stack's change. Of what a policy names only the wake-up
    /// waits: the policy is asked again.
    async fn remember(&self, request: &Request, written: Written) -> Result<Outcome, Stop> {
        let last = written.last();
        // Decided as at rest, and for good: the record only ever moves on to newer requests.
        let record = written.record();
        let container = &self.follower.container;
        if record.is_some_and(|record| record.is_outdated(request, container)) {
            let reason = SkipReason::NewerRequested;
            return self.tell_skipped(written, request, reason).await;
        }
        let last = last.cloned();
        if let Some((mut record, version)) = written.stack
            && record.remember(self.follower, request, last.as_ref())
        {
            self.cloud.save_stack(&record, Some(&version)).await?;
        }
        Ok(Outcome::Pending)
    }

    /// Writes that `deployment` has the record.
    pub(crate) async fn claim(
        &self,
        written: &Written,
        deployment: Deployment,
        change: impl FnOnce(&mut Record),
    ) -> Result<(Record, Version), CallError> {
        let before = written.stored.as_ref();
        if before.is_none() {
            // Only a service's first deployment needs this: `watch` finds the record by it.
            self.cloud
                .set_owner(&self.follower.service_name(), self.owner)
                .await?;
        }
        let mut record = Record::claim(before.map(|(record, _)| record), deployment, self.worker);
        change(&mut record);
        let version = self
            .cloud
            .save(&record, before.map(|(_, version)| version))
            .await?;
        Ok((record, version))
    }

    fn is_busy(&self) -> CallError {
        CallError {
            operation: format!("deploy to container {} of {}", self.follower.container, self.owner),
            class: ErrorClass::Transient,
            code: None,
            message: "a deployment of other containers is under way that has one-off tasks: try again when \
                      it has ended"
                .to_owned(),
        }
    }

    pub(crate) fn claimed_already(&self) -> CallError {
        claimed_already(self.owner)
    }
}

/// An earlier attempt of the same invocation is at work, or has died: come again.
pub(crate) fn claimed_already(owner: &Owner) -> CallError {
    CallError {
        operation: format!("claim the deployment record of {owner}"),
        class: ErrorClass::Transient,
        code: None,
        message: "an earlier attempt has the claim and may still run".to_owned(),
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
