//! Rolling back by hand: the images of an earlier deployment go out once more.
//!
//! Only images go back. The rest of the task definition stays what it is now: that belongs to the stack file,
//! or to whoever else makes the service.

use std::collections::{BTreeMap, BTreeSet};

use longshore_events::image::{Digest, Image, ImageReference, Selector};
use longshore_events::longshore::{SkipReason, Source};
use longshore_events::manual::RollbackPayload;
use longshore_events::sequence::Sequence;
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::{ServiceId, Subscriber};
use longshore_state::{CallError, ErrorClass, Worker, decide_again};
use serde::Serialize;

use super::named::baseline;
use crate::decide::{Attempt, attempt, goes_back_from, is_candidate, nothing_to_roll_back};
use crate::documents::{RecordKey, RecordStore, RouteStore};
use crate::engine::{Engine, Outcome, ServiceOutcome, Shown, Stop, Written};
use crate::history::Past;
use crate::outbox::flush;
use crate::ports::Cloud;
use crate::record::{Deployment, Record, Request, Running, State};
use crate::task_definition::{is_pinned_to, pinned_image};

/// How many deployments are looked through, newest first, for one that can be gone back to.
const LOOKED_THROUGH: usize = 200;

/// How many deployments are read side by side.
const SIDE_BY_SIDE: usize = 8;

/// Why nothing was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// There is nothing to go back to, or it cannot be done. Trying again does not help.
    #[error("roll {service_id} back: {reason}")]
    Refused {
        service_id: ServiceId,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A call failed. Trying again may help.
    #[error("roll {service_id} back: {source}")]
    Call {
        service_id: ServiceId,
        /// The call.
        source: CallError,
    },
}

/// Goes back to an earlier deployment of a service: the one that is named, or the last that succeeded with other
/// images than those that run, or are being rolled out, and that nobody went back from. It waits for nothing, runs
/// no tasks, and takes the place of a deployment that is open. What it goes back from is deployed by no image
/// policy any more.
///
/// # Errors
/// [`RollbackError`].
pub async fn rollback<C: Cloud>(
    cloud: &C,
    payload: &RollbackPayload,
    worker: &Worker,
) -> Result<ServiceOutcome, RollbackError> {
    let service_id = ServiceId {
        stack: payload.stack.clone(),
        service: payload.service.clone(),
    };
    let outcome = roll_back(cloud, &service_id, payload, worker).await;
    outcome
        .map(|outcome| ServiceOutcome {
            stack: service_id.stack.clone(),
            service: service_id.service.clone(),
            outcome,
        })
        .map_err(|stop| error(&service_id, stop))
}

/// Where a rollback goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WayBack {
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// What runs, or is being rolled out.
    pub from: Stage,
    /// What takes its place.
    pub to: Stage,
}

/// A deployment on the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// The deployment's number.
    pub number: u32,
    /// The image of its main container.
    pub image: Image,
}

/// Where [`rollback`] would go now. `None` where the service is there already; nothing is changed.
///
/// # Errors
/// As [`rollback`].
pub async fn way_back<C: Cloud>(
    cloud: &C,
    payload: &RollbackPayload,
    worker: &Worker,
) -> Result<Option<WayBack>, RollbackError> {
    let service_id = ServiceId {
        stack: payload.stack.clone(),
        service: payload.service.clone(),
    };
    let found = async {
        let Some((record, _)) = cloud.load(&service_id).await? else {
            return Err(nothing_deployed());
        };
        let known = record.deployment.subscriber();
        let (written, shown) = Engine::new(cloud, &known, worker).look().await?;
        let record = written.record().unwrap_or(&record);
        Ok(match choose(cloud, record, &shown?, payload.to).await? {
            Choice::Current(_) => None,
            Choice::Target(target) => Some(WayBack {
                stack: service_id.stack.clone(),
                service: service_id.service.clone(),
                // Where the last one failed, ECS went back to an earlier one by itself.
                from: match target.runs {
                    Some(runs) if !record.deployment.state.is_open() => runs,
                    _ => Stage::of(&record.deployment),
                },
                to: Stage::of(&target.deployment),
            }),
        })
    };
    found.await.map_err(|stop| error(&service_id, stop))
}

impl Stage {
    fn of(deployment: &Deployment) -> Self {
        Self {
            number: deployment.number,
            image: deployment.image.clone(),
        }
    }
}

fn nothing_deployed() -> Stop {
    Stop::Refused("Longshore has deployed nothing to it yet".to_owned())
}

fn error(service_id: &ServiceId, stop: Stop) -> RollbackError {
    let service_id = service_id.clone();
    match stop.refusal() {
        Ok(reason) => RollbackError::Refused { service_id, reason },
        Err(source) => RollbackError::Call { service_id, source },
    }
}

async fn roll_back<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    payload: &RollbackPayload,
    worker: &Worker,
) -> Result<Outcome, Stop> {
    decide_again(&RecordKey(service_id), async || {
        let Some((record, _)) = cloud.load(service_id).await? else {
            return Err(nothing_deployed());
        };
        let known = record.deployment.subscriber();
        let engine = Engine::new(cloud, &known, worker);
        let (written, shown) = engine.look().await?;
        let record = written.record();
        let record = record.ok_or_else(|| CallError::lost_race(&RecordKey(service_id)))?;
        if written.is_changing() {
            return Err(Stop::Refused(
                "its stack is being changed: roll back when that is over".to_owned(),
            ));
        }
        let shown = shown?;
        if let Some(outcome) = repeated(&engine, record, &written, &shown).await? {
            return Ok(outcome);
        }
        let last = &record.deployment;
        if let Some(from) = payload.from.filter(|from| *from != last.number) {
            return match last.source {
                // Somebody else went back already, or the same person twice.
                Source::Rollback { .. } => Ok(Outcome::Skipped {
                    reason: nothing_to_roll_back(last),
                }),
                _ => Err(Stop::Refused(format!(
                    "deployment {}, of {}, came after deployment {from}: look at it first",
                    last.number, last.image
                ))),
            };
        }
        let target = match choose(cloud, record, &shown, payload.to).await? {
            Choice::Target(target) => target,
            Choice::Current(reason) => return Ok(Outcome::Skipped { reason }),
        };
        go_back(&engine, &written, &shown, target, payload).await
    })
    .await
}

/// What comes of an attempt at a rollback or a restart that is not the first; `None` of the first.
pub(super) async fn repeated<C: Cloud>(
    engine: &Engine<'_, C>,
    record: &Record,
    written: &Written,
    shown: &Shown,
) -> Result<Option<Outcome>, Stop> {
    match attempt(record, engine.worker) {
        Attempt::First => Ok(None),
        Attempt::Started => already_started(engine, written).await.map(Some),
        Attempt::Resume => engine.resume(written, shown).await.map(Some),
        Attempt::ComeAgain => Err(Stop::Call(engine.claimed_already())),
        Attempt::Skip(reason) => Ok(Some(Outcome::Skipped { reason })),
    }
}

/// An attempt before this one has done it, and perhaps not published all.
async fn already_started<C: Cloud>(
    engine: &Engine<'_, C>,
    written: &Written,
) -> Result<Outcome, Stop> {
    let stored = written.stored.clone();
    let (record, version) =
        stored.ok_or_else(|| CallError::lost_race(&RecordKey(&engine.service_id)))?;
    let last = &record.deployment;
    let started = Outcome::Started {
        deployment_id: last.id.clone(),
        task_definition: last.task_definition.clone().unwrap_or_default(),
    };
    flush(engine.cloud, record, version, engine.worker).await?;
    Ok(started)
}

/// A deployment to go back to.
struct Target {
    deployment: Deployment,
    /// What ran with it, by container.
    images: BTreeMap<String, Image>,
    /// What it goes back from: what runs or is being rolled out now, as far as it is other images.
    from: Vec<Image>,
    /// The last deployment that succeeded with what runs, where one was looked at.
    runs: Option<Stage>,
}

enum Choice {
    Target(Box<Target>),
    /// What is named runs, or is being rolled out.
    Current(SkipReason),
}

async fn go_back<C: Cloud>(
    engine: &Engine<'_, C>,
    written: &Written,
    shown: &Shown,
    target: Box<Target>,
    payload: &RollbackPayload,
) -> Result<Outcome, Stop> {
    let worker = engine.worker;
    let subscriber = Subscriber {
        container: target.deployment.container.clone(),
        other_containers: target.deployment.other_containers.clone(),
        ..engine.subscriber.clone()
    };
    let request = Request {
        id: worker.id.clone(),
        at: worker.now,
        sequence: Sequence::of_time(worker.now),
        image: target.deployment.image.clone(),
        source: Source::Rollback {
            to: target.deployment.number,
            note: payload.note.clone(),
            by: payload.by.clone(),
        },
        replaced_requests: Vec::new(),
    };
    let running = Running {
        image: shown
            .task_definition
            .image_of(&subscriber.container)?
            .to_owned(),
        ..shown.running.clone()
    };
    let deployment = Deployment::claim(written.last(), &subscriber, &request, &running, worker)
        .only_deploying(target.images.clone())
        .built_as(&target.deployment);
    let followed = followed(engine, &target.images).await?;
    let change = |record: &mut Record| {
        let containers = target.images.keys().map(String::as_str);
        record.goes_out(&request, containers, &followed, worker);
        for image in &target.from {
            record.block(&image.digest);
        }
        let is_wanted =
            |digest: &Digest| target.images.values().any(|image| image.digest == *digest);
        record.unblock(is_wanted);
    };
    engine.take(written, shown, deployment, change).await
}

/// What the policies of the service name now: that is not to undo what a person has asked for.
async fn followed<C: Cloud>(
    engine: &Engine<'_, C>,
    images: &BTreeMap<String, Image>,
) -> Result<BTreeMap<String, RegistryImage>, CallError> {
    let repositories: BTreeSet<&str> = images
        .values()
        .map(|image| image.repository.as_str())
        .collect();
    let mut followed = BTreeMap::new();
    for repository in repositories {
        let Some(route) = engine.cloud.route(repository).await? else {
            continue;
        };
        let subscribers: Vec<&Subscriber> = route
            .subscribers
            .iter()
            .filter(|subscriber| subscriber.service_id() == engine.service_id)
            .collect();
        let now = engine.worker.now;
        followed
            .extend(baseline(engine.cloud, repository, &subscribers, now, engine.worker).await?);
    }
    Ok(followed)
}

/// Chooses where to go back to.
async fn choose<C: Cloud>(
    cloud: &C,
    record: &Record,
    shown: &Shown,
    to: Option<u32>,
) -> Result<Choice, Stop> {
    let last = &record.deployment;
    let service_id = last.service_id();
    let past = Past::of(cloud, &service_id, Some(record)).await?;
    let numbers: Vec<u32> = past.numbers().collect();
    if let Some(to) = to.filter(|to| !numbers.contains(to)) {
        let first = numbers.last().copied().unwrap_or_default();
        return Err(Stop::Refused(format!(
            "it has no deployment {to}: its history goes from {first} to {}",
            last.number
        )));
    }
    let newer = numbers
        .iter()
        .filter(|number| to.is_some_and(|to| **number > to));
    let looked_through = newer.count() + LOOKED_THROUGH;
    let mut search = Search {
        cloud,
        record,
        shown,
        to,
        changed: BTreeSet::new(),
        runs: None,
        gone: None,
    };
    for numbers in numbers[..looked_through.min(numbers.len())].chunks(SIDE_BY_SIDE) {
        for deployment in past.deployments(numbers).await? {
            if let Some(choice) = search.consider(deployment).await? {
                return Ok(choice);
            }
        }
    }
    Err(Stop::Refused(match search.gone {
        Some(gone) => format!("{}, and no other can take its place", is_gone(&gone)),
        None => format!(
            "no deployment before this one succeeded with another image; deployment {} took the place of {}",
            last.number, last.previous_image
        ),
    }))
}

/// Goes through the deployments of a service, the newest first.
struct Search<'a, C> {
    cloud: &'a C,
    record: &'a Record,
    shown: &'a Shown,
    to: Option<u32>,
    /// The containers that got other images since the deployment that is looked at.
    changed: BTreeSet<String>,
    /// The newest that succeeded with what runs.
    runs: Option<Stage>,
    /// What would have been chosen if it were still there. Nobody goes anywhere else unasked, but the next that
    /// would do is named.
    gone: Option<Deployment>,
}

impl<C: Cloud> Search<'_, C> {
    async fn consider(&mut self, deployment: Deployment) -> Result<Option<Choice>, Stop> {
        let containers = deployment
            .images()
            .map(|(container, _)| container.to_owned());
        self.changed.extend(containers);
        if self.runs.is_none() && self.runs_with(&deployment) {
            self.runs = Some(Stage::of(&deployment));
        }
        let is_named = self.to == Some(deployment.number);
        if !is_candidate(&deployment, self.record, self.to).map_err(Stop::Refused)? {
            return Ok(None);
        }
        let Some(images) = images_at(self.cloud, &deployment, &self.changed).await? else {
            self.gone = self.gone.take().or(Some(deployment).filter(|_| is_named));
            return Ok(None);
        };
        let last = &self.record.deployment;
        let Some(from) = goes_back_from(last, &self.shown.task_definition, &images) else {
            return Ok(is_named.then(|| Choice::Current(nothing_to_roll_back(last))));
        };
        if !are_there(self.cloud, &images).await? {
            self.gone.get_or_insert(deployment);
            return Ok(None);
        }
        match &self.gone {
            None => Ok(Some(Choice::Target(Box::new(Target {
                deployment,
                images,
                from,
                runs: self.runs.take(),
            })))),
            Some(gone) => Err(Stop::Refused(format!(
                "{}; the next that can take its place is deployment {} with {}: name it in `to`",
                is_gone(gone),
                deployment.number,
                deployment.image
            ))),
        }
    }
}

impl<C> Search<'_, C> {
    /// Whether its own containers run what they ran when it had succeeded.
    fn runs_with(&self, deployment: &Deployment) -> bool {
        deployment.state == State::Succeeded
            && deployment.images().all(|(container, image)| {
                let runs = self.shown.task_definition.image_of(container);
                runs.is_ok_and(|runs| is_pinned_to(runs, image))
            })
    }
}

fn is_gone(deployment: &Deployment) -> String {
    format!(
        "the image of deployment {} is gone: {}",
        deployment.number, deployment.image
    )
}

/// What ran with a deployment in these containers; `None` when that cannot be found out any more. Of others than its
/// own ECS is asked, which keeps every revision.
async fn images_at<C: Cloud>(
    cloud: &C,
    deployment: &Deployment,
    containers: &BTreeSet<String>,
) -> Result<Option<BTreeMap<String, Image>>, CallError> {
    let mut images: BTreeMap<String, Image> = deployment
        .images()
        .map(|(container, image)| (container.to_owned(), image.clone()))
        .collect();
    let mut others = containers
        .iter()
        .filter(|container| !images.contains_key(*container))
        .peekable();
    if others.peek().is_none() {
        return Ok(Some(images));
    }
    let Some(task_definition) = &deployment.task_definition else {
        return Ok(None);
    };
    let Some(task_definition) = cloud.find_task_definition(task_definition).await? else {
        return Ok(None);
    };
    let others: Vec<(String, Image)> = others
        .filter_map(|container| {
            let image = pinned_image(task_definition.image_of(container).ok()?)?;
            Some((container.clone(), image))
        })
        .collect();
    images.extend(others);
    Ok(Some(images))
}

/// Whether the registry still has all of these images.
async fn are_there<C: Cloud>(
    cloud: &C,
    images: &BTreeMap<String, Image>,
) -> Result<bool, CallError> {
    let distinct: BTreeMap<&str, &Image> = images
        .values()
        .map(|image| (image.digest.as_str(), image))
        .collect();
    for image in distinct.values() {
        let reference = ImageReference {
            repository: image.repository.clone(),
            selector: Selector::Digest(image.digest.clone()),
        };
        match cloud.resolve(&reference).await {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(false),
            resolved => resolved.map(drop)?,
        }
    }
    Ok(true)
}
