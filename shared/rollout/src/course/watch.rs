//! Watching: from what ECS says to the outcome of a deployment.
//!
//! An event is a wake-up. What has become of a deployment is decided from the record and from what
//! ECS shows.

use chrono::TimeDelta;
use longshore_events::arn::ServiceName;
use longshore_events::ecs::{DeploymentStateChange, TaskStateChange};
use longshore_events::longshore::{ContainerLog, TaskFailure};
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, ErrorClass, Version, Worker, change, decide_again, load};

use super::outcome::WatchOutcome;
use super::tasks;
use crate::decide::{Evidence, Fact, Settlement, Verdict, is_about_to_end, needs_account, verdict};
use crate::documents::{RecordKey, RecordStore, RouteStore, StackKey, StackRecordStore};
use crate::history::log_streams;
use crate::outbox::flush;
use crate::ports::{Cloud, EcsService, ServiceDeployment, TaskDefinition, TaskLogs};
use crate::record::{Deployment, Record, State};
use crate::stack_record::{self, DeadTask, LINE_KEPT, LINES_KEPT, LOGS_KEPT, Operation};

/// How far the clock that dated the beginning of a deployment may be before ECS's own.
const CLOCKS: TimeDelta = TimeDelta::minutes(5);

/// Takes in that a deployment of a service went on.
///
/// # Errors
/// [`CallError`]; trying again may help.
pub async fn deployment_changed<C: Cloud>(
    cloud: &C,
    service_name: &ServiceName,
    change: &DeploymentStateChange,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let fact = Fact {
        deployment_id: change.deployment_id.clone(),
        name: change.event_name,
        reason: change.reason.clone(),
    };
    let Some(service_id) = cloud.service_id(service_name).await? else {
        return Ok(WatchOutcome::Ignored);
    };
    decide_again(&RecordKey(&service_id), async || {
        let Some((mut record, version)) = cloud.load(&service_id).await? else {
            return Ok(WatchOutcome::Ignored);
        };
        if !record.deployment.state.is_open() {
            flush(cloud, record, version, worker).await?;
            return Ok(WatchOutcome::Ignored);
        }
        if record.deployment.is_claimed_after(Some(change.updated_at)) {
            return Ok(WatchOutcome::Ignored);
        }
        let service = cloud.describe_service(service_name).await?;
        let before = record.clone();
        if record.deployment.state == State::Claimed
            && !adopt(cloud, &mut record, &service, &fact.deployment_id, worker).await?
        {
            return Ok(WatchOutcome::Ignored);
        }
        close(
            cloud,
            &before,
            record,
            version,
            &service,
            Some(&fact),
            worker,
        )
        .await
    })
    .await
}

/// Takes in that a task of a service stopped: keeps why, when it died of the deployment, or of a change of the stack.
///
/// # Errors
/// [`CallError`]; trying again may help.
pub async fn task_stopped<C: Cloud + TaskLogs>(
    cloud: &C,
    service_name: &ServiceName,
    change: &TaskStateChange,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let (Some(failure), Some(started_by)) = (failure_of(change), change.started_by.clone()) else {
        return Ok(WatchOutcome::Ignored);
    };
    let dead = DeadTask {
        service_name: service_name.clone(),
        ecs_deployment_id: started_by,
        task_definition: change.task_definition_arn.clone(),
        created_at: change.created_at,
        failure,
    };
    let service_id = cloud.service_id(service_name).await?;
    let noted = match &service_id {
        Some(service_id) => died_of_deployment(cloud, service_id, &dead, worker).await?,
        None => None,
    };
    match noted {
        Some(outcome) => Ok(outcome),
        None => died_of_change(cloud, service_id.map(|id| id.stack), &dead, worker).await,
    }
}

/// Keeps what a task died of, if it is one of the record's deployment; `None` where it is of another one, which a
/// change of the stack may have begun.
async fn died_of_deployment<C: Cloud + TaskLogs>(
    cloud: &C,
    service_id: &ServiceId,
    dead: &DeadTask,
    worker: &Worker,
) -> Result<Option<WatchOutcome>, CallError> {
    decide_again(&RecordKey(service_id), async || {
        let Some((mut record, version)) = cloud.load(service_id).await? else {
            return Ok(None);
        };
        if record.deployment.is_claimed_after(dead.created_at) {
            return Ok(None);
        }
        if record.deployment.state == State::Claimed {
            let service = cloud.describe_service(&dead.service_name).await?;
            if !adopt(
                cloud,
                &mut record,
                &service,
                &dead.ecs_deployment_id,
                worker,
            )
            .await?
            {
                return Ok(None);
            }
        }
        if record.deployment.ecs_deployment_id.as_ref() != Some(&dead.ecs_deployment_id) {
            return Ok(None);
        }
        // A deployment that succeeded has done its work: what dies of it later dies of something else.
        if matches!(
            record.deployment.state,
            State::Succeeded | State::Superseded
        ) || !record.add_failure(dead.failure.clone())
        {
            return Ok(Some(WatchOutcome::Ignored));
        }
        if let Some(described) = cloud.find_task_definition(&dead.task_definition).await? {
            let logs = last_lines(cloud, &service_id.stack, &described, dead).await?;
            record.add_logs(&logs);
        }
        let version = cloud.save(&record, Some(&version)).await?;
        flush(cloud, record, version, worker).await?;
        Ok(Some(WatchOutcome::Noted))
    })
    .await
}

/// Keeps what a task died of that a change of the stack started: there is no record of its deployment, which is
/// CloudFormation's own, and the service and its log may be gone soon. Of a service that nothing was deployed to yet,
/// only the tags of the task definition say which stack it belongs to.
async fn died_of_change<C: Cloud + TaskLogs>(
    cloud: &C,
    stack: Option<String>,
    dead: &DeadTask,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let mut described = None;
    let stack = match stack {
        Some(stack) => stack,
        None => {
            described = cloud.find_task_definition(&dead.task_definition).await?;
            match described.as_ref().and_then(TaskDefinition::stack) {
                Some(stack) => stack.to_owned(),
                None => return Ok(WatchOutcome::Ignored),
            }
        }
    };
    let key = StackKey(&stack);
    let Some(stored) = load(cloud, &key).await? else {
        return Ok(WatchOutcome::Ignored);
    };
    if stored.0.operation.service_of(dead).is_none() {
        return Ok(WatchOutcome::Ignored);
    }
    if is_of_before(cloud, &stored.0.operation, dead).await? {
        return Ok(WatchOutcome::Ignored);
    }
    if described.is_none() {
        described = cloud.find_task_definition(&dead.task_definition).await?;
    }
    let logs = match &described {
        Some(task_definition) => last_lines(cloud, &stack, task_definition, dead).await?,
        None => Vec::new(),
    };
    let kept = change(cloud, &key, stored, |record| {
        record.add_failure(dead, &logs);
    })
    .await?;
    let Some((record, version)) = kept else {
        return Ok(WatchOutcome::Ignored);
    };
    stack_record::flush(cloud, record, version, worker).await?;
    Ok(WatchOutcome::Noted)
}

/// Whether a task belongs to a deployment of ECS that began before the change: ECS replaces its tasks that die until
/// CloudFormation has come to the service.
async fn is_of_before<C: Cloud>(
    cloud: &C,
    operation: &Operation,
    dead: &DeadTask,
) -> Result<bool, CallError> {
    match cloud.describe_service(&dead.service_name).await {
        Ok(service) => Ok(service
            .deployment(&dead.ecs_deployment_id)
            .and_then(|deployment| deployment.created_at)
            .is_some_and(|created_at| created_at < operation.requested_at)),
        // CloudFormation has deleted it again.
        Err(error) if error.class == ErrorClass::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the containers of a task wrote last, as much as is kept of it. A right that is missing must not keep anybody
/// from hearing what the task died of.
async fn last_lines<C: TaskLogs>(
    cloud: &C,
    stack: &str,
    task_definition: &TaskDefinition,
    dead: &DeadTask,
) -> Result<Vec<ContainerLog>, CallError> {
    let mut logs = Vec::new();
    for stream in log_streams(task_definition, &dead.failure) {
        let read = cloud
            .log_lines(&stream.log_group, &stream.log_stream, LINES_KEPT)
            .await;
        let mut lines = match read {
            Ok(Some(lines)) if !lines.is_empty() => lines,
            Ok(_) => continue,
            Err(error) if error.class == ErrorClass::Transient => return Err(error),
            Err(error) => {
                tracing::warn!(stack, %error, "what a task wrote before it died cannot be read");
                continue;
            }
        };
        for line in &mut lines {
            line.message = shortened(&line.message);
        }
        logs.push(ContainerLog {
            stream,
            lines: Some(lines),
        });
        if logs.len() == LOGS_KEPT {
            break;
        }
    }
    Ok(logs)
}

/// As much of a line as is kept, counted as JSON writes it: a control character takes six bytes there.
fn shortened(line: &str) -> String {
    let mut room = LINE_KEPT;
    line.chars()
        .take_while(|character| {
            let taken = match character {
                character if character.is_control() => 6,
                '"' | '\\' => 2,
                character => character.len_utf8(),
            };
            let is_left = taken <= room;
            room = room.saturating_sub(taken);
            is_left
        })
        .collect()
}

/// What was loaded of a service, and what ECS showed then, if it has such a service.
pub(crate) struct Seen {
    pub(crate) stored: (Record, Version),
    pub(crate) service: Option<EcsService>,
}

/// Reconciles the open deployment of a service: goes on with it or closes it, where its events were lost or
/// its time is over, and publishes what is still to be published. `seen` spares the calls for what is known already.
///
/// # Errors
/// [`CallError`]; trying again may help.
pub(crate) async fn look_after<C: Cloud>(
    cloud: &C,
    service_name: &ServiceName,
    service_id: &ServiceId,
    mut seen: Option<Seen>,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    decide_again(&RecordKey(service_id), async || {
        let (stored, service) = match seen.take() {
            Some(seen) => (Some(seen.stored), Some(seen.service)),
            None => (cloud.load(service_id).await?, None),
        };
        let Some((record, version)) = stored else {
            return Ok(WatchOutcome::Ignored);
        };
        let deployment = &record.deployment;
        if deployment.waits_for_tasks(worker.now) && deployment.overdue(worker.now).is_none() {
            return tasks::go_on(cloud, service_id, worker).await;
        }
        let service = match service {
            _ if !record.deployment.needs_ecs(worker.now) => None,
            Some(service) => service,
            None => match cloud.describe_service(service_name).await {
                Ok(service) => Some(service),
                Err(error) if error.class == ErrorClass::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        look_at(cloud, record, version, service, worker).await
    })
    .await
}

async fn look_at<C: Cloud>(
    cloud: &C,
    mut record: Record,
    version: Version,
    service: Option<EcsService>,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    let fail = async |mut record: Record, reason: &str| {
        record.failed(reason, false, worker);
        let version = cloud.save(&record, Some(&version)).await?;
        flush(cloud, record, version, worker).await?;
        Ok(WatchOutcome::Failed)
    };
    if record.deployment.tasks_over_at().is_some() {
        let reason = "the tasks of the deployment have not ended in the time that they may take";
        return fail(record, reason).await;
    }
    if !record.deployment.needs_ecs(worker.now) {
        flush(cloud, record, version, worker).await?;
        return Ok(WatchOutcome::Ignored);
    }
    let Some(service) = service else {
        if is_unsettled(cloud, &record.deployment.service_id()).await? {
            return Ok(WatchOutcome::Noted);
        }
        let deployment = &record.deployment;
        let reason = format!(
            "service {} of cluster {} is not there or not active",
            deployment.ecs_service, deployment.cluster
        );
        return fail(record, &reason).await;
    };
    let before = record.clone();
    if record.deployment.state == State::Claimed
        && let Some(primary) = service.primary()
    {
        let id = primary.id.clone();
        adopt(cloud, &mut record, &service, &id, worker).await?;
    }
    close(cloud, &before, record, version, &service, None, worker).await
}

/// Matches a claim whose invocation has not written ECS's deployment id yet, by the tag of the task
/// definition that the deployment runs. Whether `ecs_deployment_id` is ours.
async fn adopt<C: Cloud>(
    cloud: &C,
    record: &mut Record,
    service: &EcsService,
    ecs_deployment_id: &str,
    worker: &Worker,
) -> Result<bool, CallError> {
    let Some(shown) = service.deployment(ecs_deployment_id) else {
        // Not shown any more, or not yet. While a claim is open it may be ours, so it is not dropped.
        return Err(CallError {
            operation: format!(
                "match ECS deployment {ecs_deployment_id} with the claim of {}",
                record.deployment.service_id()
            ),
            class: ErrorClass::Transient,
            code: None,
            message: "ECS does not show the deployment, and its id is not stored yet".to_owned(),
        });
    };
    let task_definition = cloud
        .describe_task_definition(&shown.task_definition)
        .await?;
    if task_definition.deployment_id() != Some(record.deployment.id.as_str()) {
        return Ok(false);
    }
    record.started(
        &shown.task_definition,
        ecs_deployment_id,
        shown.created_at.unwrap_or(worker.now),
        worker,
    );
    Ok(true)
}

/// Decides what has become of the record's deployment, writes it down and publishes it. `before` is the
/// record of that version: nothing is published that is not written down.
pub(crate) async fn close<C: Cloud>(
    cloud: &C,
    before: &Record,
    mut record: Record,
    version: Version,
    service: &EcsService,
    fact: Option<&Fact>,
    worker: &Worker,
) -> Result<WatchOutcome, CallError> {
    follow(&mut record, service);
    let account = match needs_account(&record.deployment, service, fact) {
        true => account(cloud, &record.deployment).await?,
        false => None,
    };
    let evidence = Evidence {
        service,
        account: account.as_ref(),
        fact,
    };
    let Verdict {
        mut settlement,
        is_doubtful,
        blocks_image,
    } = verdict(&record.deployment, &evidence, worker.now);
    if is_doubtful && is_unsettled(cloud, &record.deployment.service_id()).await? {
        settlement = Settlement::Open;
    }
    if settlement.has_failed() {
        add_stopped_tasks(cloud, &mut record).await?;
        if blocks_image {
            let digest = record.deployment.image.digest.clone();
            record.block(&digest);
        }
    }
    let outcome = match settlement {
        Settlement::Open => {
            if is_about_to_end(&record.deployment, &evidence) {
                return Err(about_to_end(&record.deployment));
            }
            if let Some(account) = account {
                record.accounted(account, worker);
            }
            WatchOutcome::Noted
        }
        Settlement::Succeeded => {
            record.completed(worker);
            match record.deployment.state {
                State::Verifying => WatchOutcome::Verifying,
                _ => WatchOutcome::Succeeded,
            }
        }
        Settlement::Failed {
            reason,
            rolling_back,
        } => {
            record.failed(&reason, rolling_back, worker);
            WatchOutcome::Failed
        }
        Settlement::RolledBack {
            reason,
            running_task_definition,
        } => {
            record.rolled_back(&reason, &running_task_definition, worker);
            WatchOutcome::RolledBack
        }
        Settlement::Superseded { by } => {
            record.superseded(&by, worker);
            WatchOutcome::Superseded
        }
    };
    let version = if record == *before {
        version
    } else {
        cloud.save(&record, Some(&version)).await?
    };
    flush(cloud, record, version, worker).await?;
    Ok(outcome)
}

/// ECS's own account of a deployment, where it keeps one and shows it. A right that is missing must not keep a
/// deployment open for ever: then the state of the service decides.
pub(crate) async fn account<C: Cloud>(
    cloud: &C,
    deployment: &Deployment,
) -> Result<Option<ServiceDeployment>, CallError> {
    let Some((task_definition, started_at)) = deployment
        .task_definition
        .as_deref()
        .zip(deployment.started_at)
    else {
        return Ok(None);
    };
    let found = cloud
        .service_deployment(
            &deployment.service_name(),
            task_definition,
            started_at - CLOCKS,
            deployment.service_deployment.as_deref(),
        )
        .await;
    match found {
        Err(error) if error.class != ErrorClass::Transient => {
            tracing::warn!(
                stack = deployment.stack,
                service = deployment.service,
                %error,
                "ECS's account of the deployment cannot be read; the state of the service decides"
            );
            Ok(None)
        }
        found => found,
    }
}

fn about_to_end(deployment: &Deployment) -> CallError {
    CallError {
        operation: format!(
            "see how the deployment of {} ended",
            deployment.service_id()
        ),
        class: ErrorClass::Transient,
        code: None,
        message: "ECS has said that it ended, and its service deployment is still in progress"
            .to_owned(),
    }
}

/// Whether the stack of a service is changing, or has just changed: then `settled` decides.
pub(crate) async fn is_unsettled<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
) -> Result<bool, CallError> {
    let stored = cloud.load_stack(&service_id.stack).await?;
    Ok(stored.is_some_and(|(record, _)| record.operation.is_unsettled()))
}

/// The revision that we registered for a deployment belongs to it alone. Where the service was pointed
/// at it once more, ECS works towards it under another id, and nobody may have come to write that down.
fn follow(record: &mut Record, service: &EcsService) {
    let deployment = &record.deployment;
    if deployment.state == State::Deploying
        && let Some(primary) = service.primary()
        && deployment.task_definition.as_ref() == Some(&primary.task_definition)
    {
        record.pointed_again(&primary.id);
    }
}

/// The events of the tasks that died may come later than the failure that they caused, or never.
async fn add_stopped_tasks<C: Cloud>(cloud: &C, record: &mut Record) -> Result<(), CallError> {
    let Some(ecs_deployment_id) = record.deployment.ecs_deployment_id.clone() else {
        return Ok(());
    };
    let service_name = record.deployment.service_name();
    for failure in cloud
        .stopped_tasks(&service_name, &ecs_deployment_id)
        .await?
    {
        record.add_failure(failure);
    }
    Ok(())
}

/// Why a task died, unless it was stopped because somebody wanted fewer or other tasks.
fn failure_of(change: &TaskStateChange) -> Option<TaskFailure> {
    Some(change.failure()).filter(is_death)
}

/// Whether a stopped task died rather than was stopped on purpose.
///
/// The scheduler stops tasks both when a service shrinks ("Scaling activity initiated by ...") and
/// when they are unhealthy ("Task failed ELB health checks in ..."): Amazon ECS Developer Guide,
/// "Amazon ECS stopped tasks error messages".
pub fn is_death(failure: &TaskFailure) -> bool {
    let reason = failure.stopped_reason.as_deref().unwrap_or_default();
    match failure.stop_code.as_deref() {
        Some("UserInitiated") => false,
        Some("ServiceSchedulerInitiated") => reason.contains("failed"),
        _ => true,
    }
}
