//! What becomes of the services of a stack that has settled again: what waited goes out, and what
//! CloudFormation took back is restored.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use longshore_events::image::Image;
use longshore_events::longshore::{OperationKind, Source, StackSource};
use longshore_events::sequence::Sequence;
use longshore_policy::route::Subscriber;
use longshore_state::{CallError, ErrorClass, Version, Worker, change, decide_again, load};
use serde::Serialize;

use super::follow::{Wake, follow as follow_policy};
use super::named::baseline;
use super::payload::deploy;
use super::reading::Reading;
use crate::course::watch::{account, close};
use crate::decide::{Evidence, Settled, has_failed, settled};
use crate::documents::{RecordKey, RecordStore, StackKey, StackRecordStore};
use crate::engine::{
    DeployError, Engine, Outcome, Shown, Stop, Written, publish_refusal, refused_or_failed,
};
use crate::outbox;
use crate::ports::Cloud;
use crate::record::{Deployment, Record, Request, Running, State, refusal};
use crate::stack_record::{Operation, PendingPush, Preserved, STACK_RECORDS, StackRecord, flush};

/// How many stacks a reconcile looks at side by side.
const SIDE_BY_SIDE: usize = 8;

/// What came of a stack that is said to have settled.
#[derive(Debug)]
pub struct SettledStack {
    pub stack: String,
    /// Its services that were reconciled. What fails for one does not keep the others back; whatever
    /// failed is tried again the next time.
    pub services: Vec<Result<SettledService, DeployError>>,
}

/// What came of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettledService {
    pub service: String,
    /// What came of the requests that waited: of one for each container at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waited: Vec<Outcome>,
    /// What was done besides.
    #[serde(flatten)]
    pub done: Done,
}

/// What was done about a service, besides what waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "settled", rename_all = "snake_case")]
pub enum Done {
    Nothing,
    /// There is no such service.
    Gone,
    /// The open deployment goes on as CloudFormation's, which runs the same image.
    Followed,
    /// What CloudFormation deployed was written down as the stack's deployment.
    Adopted {
        /// The image that runs.
        image: Image,
    },
    /// The image that ran, or was asked for since, is being restored.
    Restore {
        /// Longshore's id of the deployment.
        deployment_id: String,
    },
    /// The image should be restored, and ECS does not take it; that is published.
    NotRestored {
        /// In the words of what refused it.
        reason: String,
    },
    /// The tasks run that come before its update: the reconcile reconciles it when they have ended.
    Later,
    /// The stack is being changed again: it will be reconciled when that is over.
    Changing,
}

/// Reconciles the services of a stack whose change is over. Harmless twice, at any time, and for stacks
/// that are none of Longshore's.
///
/// # Errors
/// When the stack's record cannot be read or written. What fails for one service is in its own result.
pub async fn stack_settled<C: Cloud>(
    cloud: &C,
    stack: &str,
    worker: &Worker,
) -> Result<SettledStack, CallError> {
    let stored = cloud.load_stack(stack).await?;
    stack_loaded(cloud, stack, stored, worker).await
}

async fn stack_loaded<C: Cloud>(
    cloud: &C,
    stack: &str,
    stored: Option<(StackRecord, Version)>,
    worker: &Worker,
) -> Result<SettledStack, CallError> {
    let mut answer = SettledStack {
        stack: stack.to_owned(),
        services: Vec::new(),
    };
    let Some((record, version)) = stored else {
        return Ok(answer);
    };
    flush(cloud, record.clone(), version, worker).await?;
    if !needs_looking_after(&record) {
        return Ok(answer);
    }
    let operation = &record.operation;
    answer.services = join_all(services(&record).map(|(preserved, pending)| async move {
        look_after(cloud, operation, &preserved, pending, worker).await
    }))
    .await;
    write_down(cloud, &record, &answer.services).await?;
    Ok(answer)
}

/// What a reconcile of stacks found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReconciledStacks {
    /// Stacks looked at.
    pub stacks: usize,
    /// Stacks whose services were reconciled, because no event had led to that.
    pub reconciled_services: usize,
    /// Stacks or services that could not be reconciled, with the reason.
    pub failures: Vec<String>,
}

/// Looks at every stack that has a record, and after the services of those that have settled and were not
/// reconciled yet.
///
/// # Errors
/// When the stacks cannot be listed. What fails for one stack is in the answer.
pub async fn reconcile_settled_stacks<C: Cloud>(
    cloud: &C,
    worker: &Worker,
) -> Result<ReconciledStacks, CallError> {
    let reading = Reading::begin(cloud, "stacks".to_owned(), &[STACK_RECORDS]).await?;
    let stacks = reading.stacks().await?;
    let mut answer = ReconciledStacks {
        stacks: stacks.len(),
        ..ReconciledStacks::default()
    };
    let read = &reading;
    let mut results = stream::iter(stacks)
        .map(|stack| async move {
            let settled = match read.load_stack(&stack).await {
                Ok(stored) => stack_loaded(cloud, &stack, stored, worker).await,
                Err(error) => Err(error),
            };
            (settled, stack)
        })
        .buffer_unordered(SIDE_BY_SIDE);
    while let Some((result, stack)) = results.next().await {
        match result {
            Ok(settled) => {
                answer.reconciled_services += usize::from(!settled.services.is_empty());
                let errors = settled.services.into_iter().filter_map(Result::err);
                answer
                    .failures
                    .extend(errors.map(|error| error.to_string()));
            }
            Err(error) => answer.failures.push(format!("stack {stack}: {error}")),
        }
    }
    drop(results);
    reading.end().await;
    Ok(answer)
}

fn needs_looking_after(record: &StackRecord) -> bool {
    !record.operation.is_changing()
        && (!record.operation.settled || !record.pending_pushes.is_empty())
}

/// The services of the stack's last change that were not reconciled yet, and those that something waits for,
/// each with what waits.
fn services(record: &StackRecord) -> impl Iterator<Item = (Preserved, Vec<&PendingPush>)> {
    let preserved = &record.operation.services;
    let mut others: Vec<Preserved> = Vec::new();
    for pending in record.pending_pushes.values() {
        let is_of =
            |preserved: &Preserved| preserved.subscriber.service == pending.subscriber.service;
        if !preserved.iter().any(is_of) && !others.iter().any(is_of) {
            others.push(Preserved {
                subscriber: pending.subscriber.clone(),
                image: None,
                also: BTreeMap::new(),
                is_named: false,
            });
        }
    }
    let all = preserved.iter().cloned().chain(others);
    all.filter_map(|preserved| {
        let service = &preserved.subscriber.service;
        let pending = record
            .pending_pushes
            .values()
            .filter(|pending| pending.subscriber.service == *service);
        let pending: Vec<_> = pending.collect();
        let is_due = !pending.is_empty() || !record.operation.reconciled_services.contains(service);
        is_due.then_some((preserved, pending))
    })
}

async fn look_after<C: Cloud>(
    cloud: &C,
    operation: &Operation,
    preserved: &Preserved,
    pending: Vec<&PendingPush>,
    worker: &Worker,
) -> Result<SettledService, DeployError> {
    let subscriber = &preserved.subscriber;
    let mut waited = Vec::new();
    for pending in pending {
        waited.push(pursue(cloud, pending, worker).await?);
    }
    // What was started takes the place of whatever ECS runs.
    let is_started = waited
        .iter()
        .any(|outcome| matches!(outcome, Outcome::Started { .. }));
    let done = if waited.contains(&Outcome::Pending) {
        Done::Changing
    } else if is_started {
        Done::Nothing
    } else {
        let service_id = subscriber.service_id();
        let engine = Engine::new(cloud, subscriber, worker);
        match Box::pin(settle(&engine, operation, preserved)).await {
            Ok(done) => done,
            Err(Stop::Refused(reason)) => Done::NotRestored { reason },
            Err(Stop::Call(error)) => {
                return Err(DeployError::Settled {
                    service_id,
                    source: error,
                });
            }
        }
    };
    Ok(SettledService {
        service: subscriber.service.clone(),
        waited,
        done,
    })
}

/// Does what waited for the end of the change. Of what an image policy named, only the wake-up has waited:
/// the policy is asked again. Nobody waits for an answer, so a refusal is published as a failure.
async fn pursue<C: Cloud>(
    cloud: &C,
    pending: &PendingPush,
    worker: &Worker,
) -> Result<Outcome, DeployError> {
    let PendingPush {
        request,
        subscriber,
    } = pending;
    let outcome = if request.is_explicit() {
        deploy(cloud, subscriber, &[subscriber], request, worker).await
    } else {
        let repository = &request.image.repository;
        follow_policy(
            cloud,
            repository,
            subscriber,
            Wake::Settled(request),
            worker,
        )
        .await
    };
    match outcome {
        Ok(outcome) => Ok(outcome.outcome),
        Err(DeployError::Refused { reason, .. }) => {
            let service_id = subscriber.service_id();
            let given_up = async {
                let record = cloud.load(&service_id).await?.map(|(record, _)| record);
                let container = &subscriber.container;
                if record.is_some_and(|it| it.waits_already(&request.id, container).is_some()) {
                    let engine = Engine::new(cloud, subscriber, worker);
                    return engine.give_up_waiting(request, reason).await;
                }
                give_up(cloud, pending, &reason, worker).await?;
                Ok(Outcome::Failed { reason })
            };
            given_up
                .await
                .map_err(|stop| refused_or_failed(&service_id, &request.image, stop))
        }
        Err(error) => Err(error),
    }
}

/// Publishes that what waited was refused, and takes it out with the same write: whatever fails for its service
/// afterwards, it is not published again.
async fn give_up<C: Cloud>(
    cloud: &C,
    pending: &PendingPush,
    reason: &str,
    worker: &Worker,
) -> Result<(), CallError> {
    let PendingPush {
        request,
        subscriber,
    } = pending;
    let key = StackKey(&subscriber.stack);
    let Some(stored) = load(cloud, &key).await? else {
        return Ok(());
    };
    let refused = refusal(request.summary(subscriber), reason, worker);
    let written = change(cloud, &key, stored, |record| {
        record.waited_in_vain(pending, refused.clone(), worker);
    })
    .await?;
    match written {
        Some((record, version)) => flush(cloud, record, version, worker).await,
        None => Ok(()),
    }
}

/// Compares what the record says of a service and what ECS runs.
async fn settle<C: Cloud>(
    engine: &Engine<'_, C>,
    operation: &Operation,
    preserved: &Preserved,
) -> Result<Done, Stop> {
    decide_again(&RecordKey(&engine.service_id), async || {
        let (written, shown) = engine.look().await?;
        if written.is_changing() {
            return Ok(Done::Changing);
        }
        match shown {
            Ok(shown) => settle_shown(engine, operation, preserved, written, &shown).await,
            Err(Stop::Call(error)) if error.class == ErrorClass::NotFound => {
                close_gone(engine, operation, written).await
            }
            Err(stop) => Err(stop),
        }
    })
    .await
}

/// Settles a service that is there.
async fn settle_shown<C: Cloud>(
    engine: &Engine<'_, C>,
    operation: &Operation,
    preserved: &Preserved,
    written: Written,
    shown: &Shown,
) -> Result<Done, Stop> {
    let worker = engine.worker;
    if let Some((record, version)) = &written.stored
        && has_failed_by_now(engine, &record.deployment, shown).await?
    {
        // What ECS gave up is not restored. Then it is looked at again.
        let (record, version) = (record.clone(), version.clone());
        close(
            engine.cloud,
            &record.clone(),
            record,
            version,
            &shown.service,
            None,
            worker,
        )
        .await?;
        return Err(CallError::lost_race(&RecordKey(&engine.service_id)).into());
    }
    let images = shown.task_definition.images();
    let last = written.last();
    match settled(operation, preserved, last, &shown.running, &images, worker) {
        Settled::Nothing => {
            if let Some((record, version)) = written.stored {
                outbox::flush(engine.cloud, record, version, worker).await?;
            }
            Ok(Done::Nothing)
        }
        Settled::Wait => Err(Stop::Call(engine.claimed_already())),
        Settled::Later => Ok(Done::Later),
        Settled::Resume => match written.last() {
            Some(last) => {
                let resumed = last.resumed(worker);
                restore(engine, &written, shown, resumed).await
            }
            None => Ok(Done::Nothing),
        },
        Settled::Follow => follow(engine, written, shown).await,
        Settled::Adopt(container, image) => {
            let request = request(operation, preserved, last, image, false);
            let subscriber = of_container(engine.subscriber, last, &container);
            adopt(
                engine,
                &subscriber,
                operation,
                preserved,
                &written,
                shown,
                &request,
            )
            .await
        }
        Settled::Restore(mut images) => {
            let main = &engine.subscriber.container;
            let container = match images.contains_key(main) {
                true => Some(main.clone()),
                false => images.keys().next().cloned(),
            };
            let Some((container, image)) = container.and_then(|name| images.remove_entry(&name))
            else {
                return Ok(Done::Nothing);
            };
            let request = request(operation, preserved, last, image, true);
            let subscriber = of_container(engine.subscriber, None, &container);
            let running = Running {
                image: shown.task_definition.image_of(&container)?.to_owned(),
                ..shown.running.clone()
            };
            let deployment = Deployment::claim(last, &subscriber, &request, &running, worker)
                .also_deploying(images);
            restore(engine, &written, shown, deployment).await
        }
    }
}

/// Whether ECS gave the open deployment up.
async fn has_failed_by_now<C: Cloud>(
    engine: &Engine<'_, C>,
    deployment: &Deployment,
    shown: &Shown,
) -> Result<bool, CallError> {
    if deployment.state != State::Deploying {
        return Ok(false);
    }
    let account = account(engine.cloud, deployment).await?;
    let evidence = Evidence {
        service: &shown.service,
        account: account.as_ref(),
        fact: None,
    };
    Ok(has_failed(deployment, &evidence))
}

/// The subscriber as one of the container in question: the service's main one with all that run the same
/// image, or another one alone, or as the last deployment had it.
fn of_container(subscriber: &Subscriber, last: Option<&Deployment>, container: &str) -> Subscriber {
    if subscriber.container == container {
        return subscriber.clone();
    }
    let last = last.filter(|last| last.container == container);
    Subscriber {
        container: container.to_owned(),
        other_containers: last.map_or_else(Vec::new, |last| last.other_containers.clone()),
        ..subscriber.clone()
    }
}

/// What a deployment that follows from the change of a stack is written down as. Nobody asked anew for an
/// image that ran already: the deployment keeps the place of the request that had asked for it, so that
/// what was asked for since, and is heard of late, still comes after it.
fn request(
    operation: &Operation,
    preserved: &Preserved,
    last: Option<&Deployment>,
    image: Image,
    restored: bool,
) -> Request {
    let is_asked_for = preserved.is_named && preserved.image.as_ref() == Some(&image);
    let (at, sequence) = match last {
        Some(last) if restored || !is_asked_for => (last.requested_at, last.sequence.clone()),
        last => {
            let asked_at = operation.requested_at;
            let at = last.map_or(asked_at, |last| last.requested_at.max(asked_at));
            (at, Sequence::of_time(at))
        }
    };
    let (note, by) = match &operation.source {
        StackSource::Manual { note, by } => (note.clone(), by.clone()),
        StackSource::File { .. } | StackSource::CloudFormation => (None, None),
    };
    Request {
        id: operation.deployment_id(&preserved.subscriber.service),
        at,
        sequence,
        image,
        source: Source::Stack {
            operation_id: operation.id.clone(),
            restored,
            note,
            by,
        },
        replaced_requests: Vec::new(),
    }
}

async fn restore<C: Cloud>(
    engine: &Engine<'_, C>,
    written: &Written,
    shown: &Shown,
    deployment: Deployment,
) -> Result<Done, Stop> {
    let summary = deployment.summary();
    let taken = engine.take(written, shown, deployment, |_| ()).await;
    Ok(match taken {
        Err(Stop::Refused(reason)) => {
            // Nobody waits for an answer.
            publish_refusal(engine.cloud, summary, &reason, engine.worker).await?;
            Done::NotRestored { reason }
        }
        taken => match taken? {
            Outcome::Started { deployment_id, .. } => Done::Restore { deployment_id },
            Outcome::Failed { reason } => Done::NotRestored { reason },
            Outcome::Nothing | Outcome::Skipped { .. } | Outcome::Waiting { .. } => Done::Nothing,
            Outcome::Pending => Done::Changing,
        },
    })
}

/// Writes down that the open deployment goes on as CloudFormation's, and closes it if that is stable.
async fn follow<C: Cloud>(
    engine: &Engine<'_, C>,
    written: Written,
    shown: &Shown,
) -> Result<Done, Stop> {
    let Some((mut record, version)) = written.stored else {
        return Ok(Done::Nothing);
    };
    let before = record.clone();
    let primary = shown.service.primary();
    record.follow(
        &shown.running.task_definition,
        shown.running.ecs_deployment_id.as_deref(),
        primary
            .and_then(|primary| primary.created_at)
            .unwrap_or(engine.worker.now),
    );
    close(
        engine.cloud,
        &before,
        record,
        version,
        &shown.service,
        None,
        engine.worker,
    )
    .await?;
    Ok(Done::Followed)
}

/// Writes down what CloudFormation deployed. That the stack is ready is published; its deployments are not
/// published one by one. Where the stack file asked for the image, or made the service, the image policy has
/// nothing to say until something newer is pushed.
async fn adopt<C: Cloud>(
    engine: &Engine<'_, C>,
    subscriber: &Subscriber,
    operation: &Operation,
    preserved: &Preserved,
    written: &Written,
    shown: &Shown,
    request: &Request,
) -> Result<Done, Stop> {
    let worker = engine.worker;
    let running = &shown.running;
    let is_named = preserved.is_named && preserved.image.as_ref() == Some(&request.image);
    let followed = if is_named || written.record().is_none() {
        let repository = &request.image.repository;
        let at = operation.requested_at;
        baseline(engine.cloud, repository, &[engine.subscriber], at, worker).await?
    } else {
        BTreeMap::new()
    };
    let named = followed.get(&engine.subscriber.container);
    let named = named.map(|named| named.in_repository(&request.image.repository));
    let request = &Request {
        image: request.image.clone().with_tag_of(named.as_ref()),
        ..request.clone()
    };
    let change = |record: &mut Record| {
        if is_named {
            record.goes_out(request, engine.subscriber.containers(), &followed, worker);
        } else {
            record.follows(&followed);
        }
    };
    let created_at = shown
        .service
        .primary()
        .and_then(|primary| primary.created_at);
    let mut deployment = Deployment::claim(written.last(), subscriber, request, running, worker)
        .found_running(running, created_at, worker);
    if deployment.commit.is_none() {
        // What an image says of itself is for people: it must not keep anybody from knowing what runs.
        match engine.cloud.inspect(&request.image).await {
            Ok(contents) => deployment = deployment.built_from(contents),
            Err(error) if error.class == ErrorClass::Transient => return Err(error.into()),
            Err(error) => tracing::warn!(
                stack = subscriber.stack,
                service = subscriber.service,
                %error,
                "the commit of the image that runs is not known"
            ),
        }
    }
    if let Some(last) = written.last() {
        deployment = deployment.found_after(last);
    }
    let (record, version) = engine.claim(written, deployment, change).await?;
    outbox::flush(engine.cloud, record, version, worker).await?;
    Ok(Done::Adopted {
        image: request.image.clone(),
    })
}

/// Closes the open deployment of a service that went with its stack. The record stays, as history.
async fn close_gone<C: Cloud>(
    engine: &Engine<'_, C>,
    operation: &Operation,
    written: Written,
) -> Result<Done, Stop> {
    let Some((mut record, version)) = written.stored else {
        return Ok(Done::Gone);
    };
    let state = record.deployment.state;
    let is_open = state.is_open() && state != State::Claimed;
    if operation.kind != OperationKind::Destroy || !is_open {
        outbox::flush(engine.cloud, record, version, engine.worker).await?;
        return Ok(Done::Gone);
    }
    record.superseded("the destruction of its stack", engine.worker);
    save(engine, record, version, Done::Gone).await
}

/// Writes the record and publishes what is in its outbox.
async fn save<C: Cloud>(
    engine: &Engine<'_, C>,
    record: Record,
    version: Version,
    done: Done,
) -> Result<Done, Stop> {
    let version = engine.cloud.save(&record, Some(&version)).await?;
    outbox::flush(engine.cloud, record, version, engine.worker).await?;
    Ok(done)
}

/// Takes what was handled out of the stack's record, and keeps what came in between.
async fn write_down<C: Cloud>(
    cloud: &C,
    handled: &StackRecord,
    services: &[Result<SettledService, DeployError>],
) -> Result<(), CallError> {
    let taken_in: Vec<&SettledService> = services
        .iter()
        .flatten()
        .filter(|service| service.done != Done::Changing)
        .collect();
    let done: Vec<&SettledService> = taken_in
        .iter()
        .copied()
        .filter(|service| service.done != Done::Later)
        .collect();
    let is_settled = done.len() == services.len();
    let key = StackKey(&handled.stack);
    let Some(stored) = load(cloud, &key).await? else {
        return Ok(());
    };
    change(cloud, &key, stored, |record| {
        record.pending_pushes.retain(|key, pending| {
            // What had waited was taken in, whatever else its service is looked at for.
            let is_taken_in = taken_in
                .iter()
                .any(|service| service.service == pending.subscriber.service);
            !is_taken_in || handled.pending_pushes.get(key) != Some(pending)
        });
        if record.operation.id == handled.operation.id {
            let done = done.iter().map(|service| service.service.clone());
            record.operation.reconciled_services.extend(done);
            if is_settled {
                record.operation.settled = true;
                record.operation.reconciled_services.clear();
            }
        }
    })
    .await
    .map(drop)
}
