//! What the pages say, made from documents: pure, and without HTML.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_bottles::sync::SyncStatus;
use longshore_events::longshore::{ContainerLog, OperationKind, TaskFailure, WaitReason};
use longshore_policy::route::ServiceId;
use longshore_provisioning::drift::DriftReport;
use longshore_report::words::{
    Asker, causes, counted, duration, image_name, minute, rollout_progress, second, short_name,
    skipped,
};
use longshore_rollout::figures::{Outcomes, lead_time, median};
use longshore_rollout::ports::EcsService;
use longshore_rollout::record::{Deployment, Record, State};
use longshore_rollout::stack_record::{OperationState, StackRecord};
use longshore_rollout::status::RunningTasks;

use super::address::{Act, Verb};
use crate::failures::why;
use crate::outcome::{waits_for, with_note};
use crate::status::{state_of, tasks};

/// How something is, so that it is seen at a glance. It is said in words as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    /// It goes on.
    Busy,
    /// It waits, or is held.
    Waits,
    Bad,
    /// It is over, and neither good nor bad.
    Calm,
}

/// Something to be said, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    pub tone: Tone,
    pub text: String,
}

impl Saying {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

/// A service among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    pub service_id: ServiceId,
    /// `shop/api:v3`.
    pub runs: String,
    pub since: Option<DateTime<Utc>>,
    /// The number of the last deployment.
    pub number: Option<u32>,
    /// How the last deployment is.
    pub state: Saying,
    /// What waits and why, what holds it, what was not deployed.
    pub notes: Vec<Saying>,
}

impl ServiceRow {
    /// Whether somebody who looks for trouble, or for what goes on, wants to see it.
    pub fn is_news(&self) -> bool {
        let tones = self.notes.iter().chain([&self.state]);
        tones
            .into_iter()
            .any(|saying| matches!(saying.tone, Tone::Busy | Tone::Waits | Tone::Bad))
    }

    /// Of a service whose record cannot be read.
    pub fn unreadable(service_id: &ServiceId, problem: &str) -> Self {
        Self {
            service_id: service_id.clone(),
            runs: "-".to_owned(),
            since: None,
            number: None,
            state: Saying::new(Tone::Bad, format!("its record cannot be read: {problem}")),
            notes: Vec::new(),
        }
    }

    pub fn of(record: &Record, now: DateTime<Utc>) -> Self {
        let deployment = &record.deployment;
        let (runs, since) = runs(deployment);
        Self {
            service_id: deployment.service_id(),
            runs,
            since,
            number: Some(deployment.number),
            state: Saying::new(tone(deployment.state), state_of(deployment)),
            notes: notes(record, now),
        }
    }
}

/// What a service runs, and since when, as far as its last deployment says.
fn runs(deployment: &Deployment) -> (String, Option<DateTime<Utc>>) {
    let is_there = match deployment.state {
        State::Succeeded | State::Verifying => true,
        State::Claimed
        | State::Preparing
        | State::Deploying
        | State::RollingBack
        | State::Failed
        | State::RolledBack
        | State::Superseded => false,
    };
    match is_there {
        true => (
            image_name(&deployment.image),
            deployment.finished_at.or(deployment.started_at),
        ),
        false => (short_name(&deployment.previous_image), None),
    }
}

pub fn tone(state: State) -> Tone {
    match state {
        State::Claimed | State::Preparing | State::Deploying | State::Verifying => Tone::Busy,
        State::RollingBack | State::Failed | State::RolledBack => Tone::Bad,
        State::Succeeded => Tone::Good,
        State::Superseded => Tone::Calm,
    }
}

/// What keeps the next deployment back, and what was not deployed.
fn notes(record: &Record, now: DateTime<Utc>) -> Vec<Saying> {
    let hold = record.holds(now).map(|hold| {
        let until = hold.until.map(|until| format!(" until {}", minute(until)));
        let note = with_note(hold.note.as_deref());
        Saying::new(
            Tone::Waits,
            format!(
                "held since {}{}{note}",
                minute(hold.since),
                until.unwrap_or_default()
            ),
        )
    });
    let waiting = record.waiting.values().map(|waiting| {
        let image = image_name(&waiting.request.image);
        let text = match waiting.given_up_at() {
            None => format!(
                "{image} waits for {}",
                waits_for(&waiting.why, waiting.until)
            ),
            Some(end) => format!(
                "{image} waits in vain: no route names the service any more; it is given up at {}",
                minute(end)
            ),
        };
        Saying::new(Tone::Waits, text)
    });
    let passed_over = record.passed_over.values().filter(|it| it.is_missed());
    let passed_over = passed_over.map(|passed_over| {
        let why = skipped(passed_over.reason);
        let text = format!(
            "{} of {} was not deployed: {}",
            image_name(&passed_over.image),
            minute(passed_over.at),
            why.split("; ").next().unwrap_or(why),
        );
        Saying::new(Tone::Calm, text)
    });
    let missing = (!record.missing.is_empty()).then(|| {
        let text = format!(
            "{} missing from ECR",
            counted(record.missing.len(), "image")
        );
        Saying::new(Tone::Bad, text)
    });
    let all = hold.into_iter().chain(waiting).chain(missing);
    all.chain(passed_over).collect()
}

/// What can be done to a service: each with what it is called.
pub fn acts(record: &Record, now: DateTime<Utc>) -> Vec<(&'static str, Act)> {
    let ServiceId { stack, service } = record.deployment.service_id();
    let act = |verb| Act {
        verb,
        stack: stack.clone(),
        service: Some(service.clone()),
    };
    let waits_for_approval = record
        .waiting
        .values()
        .any(|waiting| waiting.why == WaitReason::Approval);
    let mut acts = Vec::new();
    if waits_for_approval {
        acts.push(("Approve", act(Verb::Approve)));
    }
    match record.holds(now) {
        Some(_) => acts.push(("Resume", act(Verb::Resume))),
        None => acts.push(("Hold", act(Verb::Hold))),
    }
    acts.push(("Roll back", act(Verb::RollBack)));
    acts
}

/// A step of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub at: DateTime<Utc>,
    pub says: Saying,
}

/// What has happened to a deployment, in order.
pub fn timeline(deployment: &Deployment) -> Vec<Step> {
    let step = |at, tone, text: String| Step {
        at,
        says: Saying::new(tone, text),
    };
    let who = deployment.source.in_words(str::to_owned);
    let asked_at = deployment.asked_at();
    let mut steps = vec![step(
        asked_at,
        Tone::Calm,
        format!("asked for by {who}{}", with_note(deployment.source.note())),
    )];
    if deployment.claimed_at > asked_at {
        steps.push(step(
            deployment.claimed_at,
            Tone::Calm,
            "begun by Longshore".to_owned(),
        ));
    }
    if let Some(task) = &deployment.task {
        let text = format!("task {} started ({})", task.name, short_name(&task.task));
        steps.push(step(task.started_at, Tone::Busy, text));
    }
    if let Some(started_at) = deployment.started_at {
        let text = match &deployment.task_definition {
            Some(task_definition) => format!("the service got {}", short_name(task_definition)),
            None => "the service was updated".to_owned(),
        };
        steps.push(step(started_at, Tone::Busy, text));
    }
    for failure in &deployment.failures {
        let at = failure.stopped_at.or(deployment.finished_at);
        steps.push(step(
            at.unwrap_or(deployment.claimed_at),
            Tone::Bad,
            format!("task {} died: {}", short_name(&failure.task), died(failure)),
        ));
    }
    if let Some(finished_at) = deployment.finished_at {
        let tone = tone(deployment.state);
        steps.push(step(finished_at, tone, state_of(deployment)));
    }
    steps.sort_by_key(|step| step.at);
    steps
}

/// Why a task died, without when: that stands beside it.
fn died(failure: &TaskFailure) -> String {
    why(&TaskFailure {
        stopped_at: None,
        ..failure.clone()
    })
}

/// A deployment in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub number: u32,
    pub image: String,
    pub digest: String,
    pub commit: Option<String>,
    pub asked_by: String,
    pub requested_at: DateTime<Utc>,
    /// How it went.
    pub state: Saying,
    pub outcome: State,
    /// From the request to the end; `None` while it is open.
    pub lead_time: Option<TimeDelta>,
}

impl Past {
    pub fn of(deployment: &Deployment) -> Self {
        let who = deployment.source.in_words(str::to_owned);
        Self {
            number: deployment.number,
            image: image_name(&deployment.image),
            digest: deployment.image.digest.short().to_owned(),
            commit: deployment
                .commit
                .as_deref()
                .map(|commit| commit.chars().take(12).collect()),
            asked_by: format!("{who}{}", with_note(deployment.source.note())),
            requested_at: deployment.asked_at(),
            state: Saying::new(tone(deployment.state), state_of(deployment)),
            outcome: deployment.state,
            lead_time: lead_time(deployment),
        }
    }

    /// The lead time in words.
    pub fn took(&self) -> String {
        self.lead_time.map_or_else(
            || "-".to_owned(),
            |took| duration(self.requested_at, self.requested_at + took),
        )
    }
}

/// What a history comes to: how many went well, and how long they took.
pub fn summary(past: &[Past]) -> String {
    if past.is_empty() {
        return "no deployments yet".to_owned();
    }
    let Outcomes { succeeded, failed } = Outcomes::of(past.iter().map(|past| past.outcome));
    let good = past.iter().filter(|past| past.outcome == State::Succeeded);
    let median = median(good.filter_map(|past| past.lead_time)).map(|median| {
        let now = DateTime::UNIX_EPOCH;
        format!(
            "; half of these took at most {}",
            duration(now, now + median)
        )
    });
    format!(
        "{}: {succeeded} succeeded, {failed} failed or went back{}",
        counted(past.len(), "deployment"),
        median.unwrap_or_default()
    )
}

/// What tasks died of, and how many.
pub fn deaths(failures: &[TaskFailure]) -> Vec<String> {
    causes(failures)
        .iter()
        .map(|cause| format!("{} × {}", cause.count, why(cause.last)))
        .collect()
}

/// The page of a service.
#[derive(Debug, Clone)]
pub struct ServicePage {
    pub row: ServiceRow,
    /// What ECS runs now.
    pub ecs: Saying,
    /// What ECS said last of an open deployment.
    pub messages: Vec<String>,
    /// How far ECS is, where its strategy shifts requests.
    pub progress: Option<String>,
    pub is_open: bool,
    pub deaths: Vec<String>,
    pub acts: Vec<(&'static str, Act)>,
    /// Newest first.
    pub history: Vec<Past>,
    /// The number before which older ones are shown.
    pub older: Option<u32>,
    pub newer: bool,
}

/// How many messages of ECS are shown.
const MESSAGES: usize = 3;

impl ServicePage {
    pub fn of(
        record: &Record,
        ecs: Result<Option<EcsService>, String>,
        history: &[Past],
        now: DateTime<Utc>,
    ) -> Self {
        let deployment = &record.deployment;
        let is_open = deployment.state.is_open();
        let (ecs, messages) = match ecs {
            Ok(Some(service)) => {
                let running = RunningTasks {
                    task_definition: service.task_definition,
                    desired_count: service.desired_count,
                    running_count: service.running_count,
                };
                let tone = match running.running_count >= running.desired_count {
                    true => Tone::Good,
                    false => Tone::Busy,
                };
                let text = format!(
                    "{} tasks run",
                    tasks(Some(deployment), Some(&running)).replace('/', " of ")
                );
                let shown = if is_open { MESSAGES } else { 0 };
                let messages = service.messages.into_iter().take(shown).collect();
                (Saying::new(tone, text), messages)
            }
            Ok(None) => (
                Saying::new(Tone::Bad, "ECS does not have this service any more"),
                Vec::new(),
            ),
            Err(problem) => (
                Saying::new(Tone::Bad, format!("ECS cannot be asked: {problem}")),
                Vec::new(),
            ),
        };
        let progress = deployment.progress.as_ref().filter(|_| is_open);
        let oldest = history.last().map(|past| past.number);
        let newest = history.first().map(|past| past.number);
        Self {
            row: ServiceRow::of(record, now),
            ecs,
            messages,
            progress: progress.map(rollout_progress),
            is_open,
            deaths: deaths(&deployment.failures),
            acts: acts(record, now),
            history: history.to_vec(),
            older: oldest.filter(|number| *number > 1),
            newer: newest.is_some_and(|newest| newest < deployment.number),
        }
    }
}

/// The page of a deployment.
#[derive(Debug, Clone)]
pub struct DeploymentPage {
    pub service_id: ServiceId,
    pub past: Past,
    pub is_open: bool,
    /// What ran before.
    pub previous: String,
    /// The ARN of the task definition that was rolled out, in short.
    pub task_definition: Option<String>,
    pub steps: Vec<Step>,
    pub deaths: Vec<String>,
    pub logs: Logs,
    /// Goes back to it, where that can be.
    pub back: Option<Act>,
}

/// What tasks wrote that died.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    pub of: Vec<ContainerLog>,
    /// Why there is none, or not all.
    pub problem: Option<String>,
}

impl DeploymentPage {
    pub fn of(deployment: &Deployment, newest: u32, logs: Logs) -> Self {
        let service_id = deployment.service_id();
        let can_go_back = deployment.number < newest && deployment.state == State::Succeeded;
        Self {
            past: Past::of(deployment),
            is_open: deployment.state.is_open(),
            previous: short_name(&deployment.previous_image),
            task_definition: deployment.task_definition.as_deref().map(short_name),
            steps: timeline(deployment),
            deaths: deaths(&deployment.failures),
            logs,
            back: can_go_back.then(|| Act {
                verb: Verb::RollBack,
                stack: service_id.stack.clone(),
                service: Some(service_id.service.clone()),
            }),
            service_id,
        }
    }
}

/// The last change of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackChange {
    pub stack: String,
    pub state: Saying,
    pub requested_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub asked_by: String,
    pub is_open: bool,
    /// Whether nothing is left of the stack.
    pub is_destroyed: bool,
    /// The resource that failed first, and why.
    pub failed_resource: Option<String>,
    /// What waits until it is over.
    pub waiting: Vec<String>,
}

impl StackChange {
    pub fn of(record: &StackRecord) -> Self {
        let operation = &record.operation;
        let kind = match operation.kind {
            OperationKind::Apply => "change",
            OperationKind::Destroy => "deletion",
        };
        let (tone, state) = match operation.state {
            OperationState::Changing => (Tone::Busy, "goes on"),
            OperationState::Ready => (Tone::Good, "succeeded"),
            OperationState::Failed => (Tone::Bad, "failed"),
        };
        let reason = operation.reason.as_ref();
        let reason = reason.map(|reason| format!(": {reason}"));
        let failed = operation.failed_resource.as_ref();
        let pushes = record.pending_pushes.values().map(|pending| {
            format!(
                "{} waits for {} to be done",
                image_name(&pending.request.image),
                pending.subscriber.service
            )
        });
        let file = record.pending_file.iter();
        let files = file.map(|file| format!("{} of {} waits", file.key, second(file.at)));
        Self {
            stack: record.stack.clone(),
            state: Saying::new(
                tone,
                format!("{kind} {state}{}", reason.unwrap_or_default()),
            ),
            requested_at: operation.requested_at,
            finished_at: operation.finished_at,
            asked_by: format!(
                "{}{}",
                operation.source.in_words(str::to_owned),
                with_note(operation.source.note())
            ),
            is_open: operation.is_changing(),
            is_destroyed: operation.kind == OperationKind::Destroy
                && operation.state == OperationState::Ready,
            failed_resource: failed.map(|failed| {
                format!(
                    "{} ({}): {}",
                    failed.logical_id, failed.resource_type, failed.reason
                )
            }),
            waiting: pushes.chain(files).collect(),
        }
    }

    pub fn is_news(&self) -> bool {
        !self.is_destroyed && self.state.tone != Tone::Good
    }
}

/// What tasks of a service died of in the last change of its stack.
#[derive(Debug, Clone)]
pub struct FirstStart {
    pub service: String,
    pub deaths: Vec<String>,
    pub logs: Logs,
}

/// Those of a stack.
pub fn first_starts(record: &StackRecord) -> Vec<FirstStart> {
    let operation = &record.operation;
    let failed = operation.failed_services.iter();
    failed
        .filter(|failed| operation.failed_service(&failed.service).is_some())
        .map(|failed| FirstStart {
            service: failed.service.clone(),
            deaths: deaths(&failed.failures),
            logs: Logs {
                of: failed.logs.clone(),
                problem: None,
            },
        })
        .collect()
}

/// How a stack compares with its template, and when it was compared.
#[derive(Debug, Clone)]
pub struct Compared {
    pub at: DateTime<Utc>,
    pub report: Result<DriftReport, String>,
}

/// The page of a stack.
#[derive(Debug, Clone)]
pub struct StackPage {
    pub stack: String,
    pub change: Option<StackChange>,
    pub first_starts: Vec<FirstStart>,
    pub services: Vec<ServiceRow>,
    pub drift: Option<Compared>,
    pub has_mirror: bool,
}

/// A stack with its services, on a sheet of the overview.
#[derive(Debug, Clone)]
pub struct StackGroup {
    pub stack: String,
    pub change: Option<StackChange>,
    pub services: Vec<ServiceRow>,
}

/// The overview.
#[derive(Debug, Clone)]
pub struct Overview {
    pub groups: Vec<StackGroup>,
    pub services: usize,
    pub stacks: usize,
    pub mirrors: Vec<String>,
    /// From 1.
    pub sheet: usize,
    pub sheets: usize,
    /// What was looked for.
    pub filter: Option<String>,
    /// What goes on, waits or has failed, where all of it was read already.
    pub now: Option<News>,
    /// How many records have names that Longshore does not allow.
    pub unnamed: usize,
}

/// What goes on, waits or has failed.
#[derive(Debug, Clone, Default)]
pub struct News {
    pub stacks: Vec<StackChange>,
    pub services: Vec<ServiceRow>,
    /// How many more there are.
    pub more: usize,
}

impl News {
    pub fn is_open(&self) -> bool {
        self.stacks.iter().any(|stack| stack.is_open)
            || self.services.iter().any(|row| row.state.tone == Tone::Busy)
    }

    /// In a line, which a screen reader says when it changes.
    pub fn summary(&self) -> String {
        let rows = |tone| {
            let rows = self.services.iter();
            rows.filter(|row| row.state.tone == tone).count()
        };
        let waits = self
            .services
            .iter()
            .filter(|row| row.notes.iter().any(|note| note.tone == Tone::Waits))
            .count();
        let stacks = self.stacks.iter().filter(|stack| stack.is_open).count();
        format!(
            "{} under way, {waits} wait or are held, {} failed, {} changing",
            counted(rows(Tone::Busy), "deployment"),
            rows(Tone::Bad),
            counted(stacks, "stack"),
        )
    }
}

/// The page of a mirror.
#[derive(Debug, Clone)]
pub struct MirrorPage {
    pub stack: String,
    pub status: Result<SyncStatus, String>,
}

impl MirrorPage {
    pub fn is_open(&self) -> bool {
        let sync = self
            .status
            .as_ref()
            .ok()
            .and_then(|status| status.sync.as_ref());
        sync.is_some_and(|sync| sync.state.is_open())
    }
}

/// A question before something is done.
#[derive(Debug, Clone)]
pub struct Question {
    pub act: Act,
    /// What would come of it, or why it cannot be done.
    pub would: Result<String, String>,
    /// What goes with the request, so that what is done is what was shown.
    pub fixed: Vec<(&'static str, String)>,
}
