//! Deploying: from a request to an updated service.

use chrono::{DateTime, Utc};
use futures_util::future::{join_all, try_join};
use longshore_events::incoming::Push;
use longshore_events::longshore::{
    DeploymentFailed, DeploymentSkipped, LongshoreEvent, SkipReason, Source,
};
use longshore_events::manual::DeployPayload;
use serde::Serialize;
use serde_json::Value;

use crate::decide::{Decision, decide};
use crate::outbox::{RACES, flush, lost_races};
use crate::ports::{CallError, Cloud, ErrorClass, RecordVersion, TaskDefinition};
use crate::record::{Deployment, LEASE, Record, Request, Running, State, Worker};
use crate::route::{Follower, Owner};
use crate::sequence::Sequence;
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
async fn deploy_followed<C: Cloud>(
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
        }) => {
            let failed = LongshoreEvent::DeploymentFailed(DeploymentFailed {
                deployment: request.summary(follower),
                finished_at: worker.now,
                reason: reason.clone(),
                failures: Vec::new(),
                rolling_back: false,
            });
            match cloud.publish(&[failed]).await {
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
            }
        }
        other => other,
    }
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
        request,
        worker,
    };
    match engine.run().await {
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

enum Stop {
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

struct Engine<'a, C> {
    cloud: &'a C,
    follower: &'a Follower,
    owner: &'a Owner,
    request: &'a Request,
    worker: &'a Worker,
}

/// What is known before anything is done.
struct Seen {
    stored: Option<(Record, RecordVersion)>,
    running: Running,
    task_definition: TaskDefinition,
}

impl<C: Cloud> Engine<'_, C> {
    async fn run(&self) -> Result<Outcome, Stop> {
        for _ in 0..RACES {
            let seen = self.look().await?;
            let last = seen.stored.as_ref().map(|(record, _)| &record.deployment);
            let deployment = match decide(last, self.request, &seen.running, self.worker) {
                Decision::Skip(reason) => return self.skip(reason, seen.stored).await,
                Decision::Wait => return Err(Stop::Call(self.claimed_already())),
                Decision::Resume => last.cloned().map(|last| Deployment {
                    claimed_by: self.worker.id.clone(),
                    lease_until: self.worker.now + LEASE,
                    ..last
                }),
                Decision::Deploy => None,
            }
            .unwrap_or_else(|| {
                Deployment::claim(
                    last,
                    self.follower,
                    self.request,
                    &seen.running,
                    self.worker,
                )
            });
            // Made before the claim: what cannot be deployed is refused with nothing changed.
            let revision = seen.task_definition.next_revision(
                &deployment.container,
                &deployment.image,
                &deployment.id,
            )?;
            let raced = last
                .filter(|last| last.state == State::Claimed && last.id != deployment.id)
                .map(|last| last.id.clone());
            match self.claim(&seen, deployment).await {
                Ok((record, version)) => {
                    return self
                        .carry_out(record, version, &seen.running, &revision, raced.as_deref())
                        .await;
                }
                Err(error) if error.class == ErrorClass::LostRace => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Stop::Call(lost_races(self.owner)))
    }

    async fn look(&self) -> Result<Seen, Stop> {
        let service_name = self.follower.service_name();
        let (stored, (service, task_definition)) = try_join(self.cloud.load(self.owner), async {
            let service = self.cloud.describe_service(&service_name).await?;
            let task_definition = self
                .cloud
                .describe_task_definition(&service.task_definition)
                .await?;
            Ok((service, task_definition))
        })
        .await?;
        let running = Running {
            image: task_definition
                .image_of(&self.follower.container)?
                .to_owned(),
            deployment_id: task_definition.deployment_id().map(str::to_owned),
            ecs_deployment_id: service.primary().map(|primary| primary.id.clone()),
            task_definition: service.task_definition,
        };
        Ok(Seen {
            stored,
            running,
            task_definition,
        })
    }

    async fn claim(
        &self,
        seen: &Seen,
        deployment: Deployment,
    ) -> Result<(Record, RecordVersion), CallError> {
        let (before, version) = match &seen.stored {
            Some((record, version)) => (Some(record), Some(version)),
            None => {
                // Only a service's first deployment needs this: `watch` finds the record by it.
                self.cloud
                    .set_owner(&self.follower.service_name(), self.owner)
                    .await?;
                (None, None)
            }
        };
        let record = Record::claim(before, deployment, self.worker);
        let version = self.cloud.save(&record, version).await?;
        Ok((record, version))
    }

    async fn carry_out(
        &self,
        mut record: Record,
        version: RecordVersion,
        running: &Running,
        revision: &Value,
        raced: Option<&str>,
    ) -> Result<Outcome, Stop> {
        let is_updated = running.deployment_id.as_deref() == Some(record.deployment.id.as_str());
        let updated = match (is_updated, &running.ecs_deployment_id) {
            (true, Some(ecs_deployment_id)) => {
                Ok((running.task_definition.clone(), ecs_deployment_id.clone()))
            }
            _ => self.update(revision).await,
        };
        let (task_definition, ecs_deployment_id) = match updated {
            Ok(updated) => updated,
            Err(error) => return self.give_up(record, version, error).await,
        };
        let deployment_id = record.deployment.id.clone();
        record.started(
            &task_definition,
            &ecs_deployment_id,
            self.worker.now,
            self.worker,
        );
        self.write_started(record, version, &task_definition, &ecs_deployment_id)
            .await?;
        if let Some(raced) = raced {
            self.restore(raced).await?;
        }
        Ok(Outcome::Started {
            deployment_id,
            task_definition,
        })
    }

    async fn update(&self, revision: &Value) -> Result<(String, String), CallError> {
        let task_definition = self.cloud.register_task_definition(revision).await?;
        let ecs_deployment_id = self
            .cloud
            .update_service(&self.follower.service_name(), &task_definition)
            .await?;
        Ok((task_definition, ecs_deployment_id))
    }

    /// Writes that the service was updated. `watch` may have been woken by ECS meanwhile and have
    /// written it already; another deployment may have been claimed over ours.
    async fn write_started(
        &self,
        mut record: Record,
        mut version: RecordVersion,
        task_definition: &str,
        ecs_deployment_id: &str,
    ) -> Result<(), CallError> {
        let ours = record.deployment.id.clone();
        for _ in 0..RACES {
            match self.cloud.save(&record, Some(&version)).await {
                Ok(version) => return flush(self.cloud, record, version, self.worker).await,
                Err(error) if error.class == ErrorClass::LostRace => {}
                Err(error) => return Err(error),
            }
            let Some((current, current_version)) = self.cloud.load(self.owner).await? else {
                return Ok(());
            };
            if current.deployment.id != ours {
                flush(self.cloud, current, current_version, self.worker).await?;
                return self.restore(&ours).await;
            }
            if current.deployment.state != State::Claimed {
                return flush(self.cloud, current, current_version, self.worker).await;
            }
            (record, version) = (current, current_version);
            record.started(
                task_definition,
                ecs_deployment_id,
                self.worker.now,
                self.worker,
            );
        }
        Err(lost_races(self.owner))
    }

    /// Two invocations claimed one after the other, and nobody knows whose UpdateService came last.
    /// When the superseded deployment's did, the service is pointed again at what the record says.
    async fn restore(&self, superseded: &str) -> Result<(), CallError> {
        let Some((mut record, version)) = self.cloud.load(self.owner).await? else {
            return Ok(());
        };
        let (State::Deploying, Some(task_definition)) = (
            record.deployment.state,
            record.deployment.task_definition.clone(),
        ) else {
            // Its own invocation has not updated the service yet, or it is over.
            return Ok(());
        };
        let service_name = self.follower.service_name();
        let service = self.cloud.describe_service(&service_name).await?;
        if service.task_definition == task_definition {
            return Ok(());
        }
        let shown = self
            .cloud
            .describe_task_definition(&service.task_definition)
            .await?;
        if shown.deployment_id() != Some(superseded) {
            return Ok(());
        }
        let ecs_deployment_id = self
            .cloud
            .update_service(&service_name, &task_definition)
            .await?;
        record.deployment.ecs_deployment_id = Some(ecs_deployment_id);
        match self.cloud.save(&record, Some(&version)).await {
            // Whoever wrote first sees the new id in ECS as soon as it looks.
            Err(error) if error.class == ErrorClass::LostRace => Ok(()),
            other => other.map(drop),
        }
    }

    /// Closes what ECS refused; frees what may work later.
    async fn give_up(
        &self,
        mut record: Record,
        version: RecordVersion,
        error: CallError,
    ) -> Result<Outcome, Stop> {
        if matches!(error.class, ErrorClass::Refused | ErrorClass::NotFound) {
            let reason = error.to_string();
            record.failed(&reason, false, self.worker);
            let version = self.cloud.save(&record, Some(&version)).await?;
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(Outcome::Failed { reason });
        }
        record.deployment.lease_until = self.worker.now;
        if let Err(lease_error) = self.cloud.save(&record, Some(&version)).await {
            tracing::warn!(
                stack = self.owner.stack,
                service = self.owner.service,
                error = %lease_error,
                "the claim could not be freed and ends by itself"
            );
        }
        Err(Stop::Call(error))
    }

    async fn skip(
        &self,
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
                    image: self.request.image.clone(),
                    source: self.request.source.clone(),
                    requested_at: self.request.at,
                    reason,
                })])
                .await?;
        }
        Ok(Outcome::Skipped { reason })
    }

    fn claimed_already(&self) -> CallError {
        CallError {
            operation: format!("claim the deployment record of {}", self.owner),
            class: ErrorClass::Transient,
            code: None,
            message: "an earlier attempt of this invocation has the claim and may still run"
                .to_owned(),
        }
    }
}
