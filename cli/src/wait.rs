//! `--wait`: a request is followed to its outcome.

use std::future::Future;
use std::time::Duration;

use longshore_events::image::Digest;
use longshore_events::longshore::{SkipReason, WaitReason};
use longshore_policy::route::ServiceId;
use longshore_report::words::{duration, image_name};
use longshore_rollout::documents::{RecordStore, StackRecordStore};
use longshore_rollout::engine::{Outcome, ServiceOutcome};
use longshore_rollout::history::{ServiceLogs, logs};
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::service_view::ServiceViews;
use longshore_rollout::whereabouts::{Whereabouts, last_with, whereabouts};
use longshore_state::{CallError, ErrorClass};
use serde::Serialize;
use tokio::time::Instant;

use crate::answer::{Answer, Status};
use crate::arguments::WaitArguments;
use crate::outcome::{self, waits_for};
use crate::output::Output;
use crate::progress::{Progress, UnderWay};

/// How long lies between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// How many lines of each container that failed are shown.
const LINES: u32 = 20;

/// What shells make of a program that somebody ended with Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What became of a request that somebody waited for.
#[derive(Debug, Serialize)]
pub struct End {
    /// A state of deployments, or `waiting`, `timed_out`, `gone`, `interrupted`.
    end: &'static str,
    /// Its deployment, where it has one.
    deployment: Option<Deployment>,
    #[serde(skip)]
    pub text: String,
    #[serde(skip)]
    pub status: Status,
}

/// What is printed of it in JSON.
#[derive(Serialize)]
struct Waited<'a> {
    #[serde(flatten)]
    asked: &'a ServiceOutcome,
    #[serde(flatten)]
    end: &'a End,
}

/// Somebody who waits: for how long, and what is shown meanwhile.
pub struct Waiter {
    until: Instant,
    timeout: Duration,
    progress: Progress,
}

impl Waiter {
    /// Whoever sits at this terminal, or reads what is written to standard error.
    pub fn here(arguments: WaitArguments) -> Self {
        Self::with(arguments, Progress::here())
    }

    fn with(arguments: WaitArguments, progress: Progress) -> Self {
        let timeout = Duration::from_secs(u64::from(arguments.timeout_minutes) * 60);
        Self {
            until: Instant::now() + timeout,
            timeout,
            progress,
        }
    }

    /// Follows the request with this id to its end, until the time has passed, or until it is interrupted.
    pub async fn follow<C: Cloud + TaskLogs + ServiceViews, E: Into<anyhow::Error>>(
        &mut self,
        cloud: &C,
        service_id: &ServiceId,
        id: String,
        interrupted: impl Future<Output = Result<(), E>>,
    ) -> anyhow::Result<End> {
        let name = format!("{}/{}", service_id.stack, service_id.service);
        tokio::select! {
            end = follow(cloud, service_id, id, self) => end,
            interrupted = interrupted => {
                interrupted.map_err(Into::into)?;
                Ok(End {
                    end: "interrupted",
                    deployment: None,
                    text: format!(
                        "{name} is not waited for any longer, and the deployment goes on; see: longshore status {name}"
                    ),
                    status: Status::Ended(INTERRUPTED),
                })
            }
        }
    }
}

/// What came of asking for `what`, or what became of it in the end where somebody waits for that. `id` is the request's.
pub async fn answer<C: Cloud + TaskLogs + ServiceViews>(
    cloud: &C,
    asked: &ServiceOutcome,
    id: &str,
    what: &impl std::fmt::Display,
    arguments: WaitArguments,
    output: Output,
) -> anyhow::Result<Answer> {
    let waiter = arguments.wait.then(|| Waiter::here(arguments));
    let interrupted = tokio::signal::ctrl_c();
    answer_to(cloud, asked, id, what, waiter, interrupted, output).await
}

async fn answer_to<C: Cloud + TaskLogs + ServiceViews, E: Into<anyhow::Error>>(
    cloud: &C,
    asked: &ServiceOutcome,
    id: &str,
    what: &impl std::fmt::Display,
    waiter: Option<Waiter>,
    interrupted: impl Future<Output = Result<(), E>>,
    output: Output,
) -> anyhow::Result<Answer> {
    let answer = outcome::answer(asked, what, output)?;
    let Some(mut waiter) = waiter else {
        return Ok(answer);
    };
    let service_id = ServiceId {
        stack: asked.stack.clone(),
        service: asked.service.clone(),
    };
    let followed = match &asked.outcome {
        Outcome::Started { deployment_id, .. } => Some(deployment_id.clone()),
        Outcome::Pending
        | Outcome::Waiting {
            reason: WaitReason::Predecessors { .. },
            ..
        } => Some(id.to_owned()),
        // Somebody else may have begun it at the same moment.
        Outcome::Nothing => match whereabouts(cloud, &service_id, id).await? {
            Whereabouts::Gone => None,
            _ => Some(id.to_owned()),
        },
        Outcome::Skipped {
            reason: SkipReason::AlreadyDeploying,
        } => cloud
            .load(&service_id)
            .await?
            .map(|(record, _)| record.deployment.id.clone()),
        Outcome::Waiting { .. } | Outcome::Skipped { .. } | Outcome::Failed { .. } => None,
    };
    let Some(followed) = followed else {
        return Ok(Answer {
            status: status_of(&asked.outcome),
            ..answer
        });
    };
    let end = waiter
        .follow(cloud, &service_id, followed, interrupted)
        .await?;
    Ok(Answer {
        text: match output {
            Output::Text => end.text.clone(),
            Output::Json => serde_json::to_string_pretty(&Waited { asked, end: &end })?,
        },
        status: end.status,
    })
}

/// What is to be followed of the requests of a service that had waited, by what came of them when they were looked at
/// again: their ids, each once.
pub async fn followed<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    outcomes: &[Outcome],
) -> Result<Vec<String>, CallError> {
    let mut ids = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Started { deployment_id, .. } => ids.push(deployment_id.clone()),
            Outcome::Pending => {
                let stack = cloud.load_stack(&service_id.stack).await?;
                let pending = stack.iter().flat_map(|(stack, _)| {
                    let pending = stack.pending_pushes.values();
                    pending.filter(|pending| pending.subscriber.service_id() == *service_id)
                });
                ids.extend(pending.map(|pending| pending.request.id.clone()));
            }
            Outcome::Waiting {
                reason: WaitReason::Predecessors { .. },
                ..
            } => {
                let record = cloud.load(service_id).await?;
                let waiting = record
                    .iter()
                    .flat_map(|(record, _)| record.waiting.values())
                    .filter(|waiting| matches!(waiting.why, WaitReason::Predecessors { .. }));
                ids.extend(waiting.map(|waiting| waiting.request.id.clone()));
            }
            _ => {}
        }
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// What the exit status says to somebody who waits, where there is nothing to wait for.
pub fn status_of(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::Waiting { .. } | Outcome::Pending => Status::Waits,
        Outcome::Nothing
        | Outcome::Started { .. }
        | Outcome::Skipped {
            reason: SkipReason::AlreadyRunning | SkipReason::AlreadyDeploying,
        } => Status::Good,
        Outcome::Skipped { .. } | Outcome::Failed { .. } => Status::Bad,
    }
}

/// Shows how far a request is, until its outcome is known or the time has passed.
async fn follow<C: Cloud + TaskLogs + ServiceViews>(
    cloud: &C,
    service_id: &ServiceId,
    mut id: String,
    waiter: &mut Waiter,
) -> anyhow::Result<End> {
    let name = format!("{}/{}", service_id.stack, service_id.service);
    let Waiter {
        until,
        timeout,
        progress: shown,
    } = waiter;
    let mut was_gone = false;
    // What the request brings, as far as it was seen.
    let mut digests = Vec::new();
    loop {
        let found = whereabouts(cloud, service_id, &id).await;
        let is_gone = matches!(found, Ok(Whereabouts::Gone));
        match found {
            Ok(Whereabouts::StackChanging(image)) => {
                digests = vec![image.digest];
                shown.waits(&name, "waits for the end of the stack's change");
            }
            Ok(Whereabouts::Waiting(waiting)) => {
                digests = vec![waiting.request.image.digest.clone()];
                let waits = format!("waits for {}", waits_for(&waiting.why, waiting.until));
                if !matches!(waiting.why, WaitReason::Predecessors { .. }) {
                    let image = image_name(&waiting.request.image);
                    return Ok(End {
                        end: "waiting",
                        deployment: None,
                        text: format!("deployment of {image} to {name} {waits}"),
                        status: Status::Waits,
                    });
                }
                shown.waits(&name, &waits);
            }
            Ok(Whereabouts::Deployment {
                deployment,
                running,
                progress,
            }) => {
                let under_way = UnderWay {
                    deployment: &deployment,
                    running: running.as_ref(),
                    progress: progress.as_ref(),
                };
                shown.goes_on(cloud, under_way).await;
                if !deployment.state.is_open() {
                    return Ok(ended(cloud, service_id, *deployment).await);
                }
            }
            Ok(Whereabouts::Past(deployment)) => {
                shown.is_past(cloud, &deployment).await;
                let images = deployment.images().map(|(_, image)| image.digest.clone());
                let images: Vec<Digest> = images.collect();
                if deployment.state == State::Superseded
                    && let Some(last) = last_with(cloud, service_id, &images).await?
                {
                    shown.say(&format!("goes on as deployment {}", last.number));
                    id = last.id.clone();
                    continue;
                }
                return Ok(ended(cloud, service_id, *deployment).await);
            }
            // What a stack's change held back is written to the service's record before it leaves the stack's: whoever
            // reads them in between finds it in neither.
            Ok(Whereabouts::Gone) if was_gone => {
                if !digests.is_empty()
                    && let Some(last) = last_with(cloud, service_id, &digests).await?
                {
                    id = last.id.clone();
                    continue;
                }
                return Ok(End {
                    end: "gone",
                    deployment: None,
                    text: format!(
                        "the request was not deployed to {name}: a newer one took its place, or it was given up; \
                         see: longshore history {name}"
                    ),
                    status: Status::Bad,
                });
            }
            Ok(Whereabouts::Gone) => {}
            Err(error) if error.class == ErrorClass::Transient => {
                shown.say(&format!("cannot be seen now, asking again: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        was_gone = is_gone;
        if Instant::now() >= *until {
            return Ok(End {
                end: "timed_out",
                deployment: None,
                text: format!(
                    "{name}: the outcome is not known after {} min, and the deployment goes on; see: longshore \
                     status {name}",
                    timeout.as_secs() / 60
                ),
                status: Status::TimedOut,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is to be said of a deployment that has ended; of one that failed, what its tasks wrote.
async fn ended<C: Cloud + TaskLogs>(
    cloud: &C,
    service_id: &ServiceId,
    deployment: Deployment,
) -> End {
    let state = deployment.state;
    let is_good = state == State::Succeeded;
    let text = if is_good {
        let end = deployment.finished_at.unwrap_or(deployment.claimed_at);
        let took = duration(deployment.claimed_at, end);
        format!("{}, in {took}", crate::logs::headline(&deployment))
    } else {
        match logs(cloud, service_id, Some(deployment.number), LINES).await {
            Ok(Some(ServiceLogs::Deployment(found))) => crate::logs::text(&found),
            Ok(_) => crate::logs::headline(&deployment),
            // The outcome is what somebody waits for, whether or not the lines can be read.
            Err(error) => format!(
                "{}\nwhat its tasks wrote cannot be read: {error}",
                crate::logs::headline(&deployment)
            ),
        }
    };
    End {
        end: match state {
            State::Succeeded => "succeeded",
            State::RolledBack => "rolled_back",
            State::Superseded => "superseded",
            _ => "failed",
        },
        deployment: Some(deployment),
        text,
        status: Status::of(is_good),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use longshore_events::image::ImageReference;
    use longshore_events::longshore::{
        OperationKind, RolloutProgress, Source, StackSource, TaskFailure,
    };
    use longshore_events::manual::DeployPayload;
    use longshore_events::sequence::Sequence;
    use longshore_policy::route::Subscriber;
    use longshore_policy::settings::Approval;
    use longshore_rollout::ports::LogLine;
    use longshore_rollout::stack_record::{Operation, OperationState, StackRecord};
    use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
    use longshore_rollout::triggers::push::deploy_push;
    use longshore_rollout::triggers::reconcile::reconcile;
    use longshore_testkit::{FakeCloud, Fault, digest, noon, push, subscriber, worker};
    use serde_json::json;

    use super::*;
    use crate::progress::tests::{at_a_terminal, elsewhere};
    use crate::screen::tests::Seen;

    const WAIT: WaitArguments = WaitArguments {
        wait: true,
        timeout_minutes: 60,
    };

    async fn ask(cloud: &FakeCloud, tag: &str, output: Output) -> Answer {
        let never = std::future::pending();
        ask_with(cloud, tag, output, elsewhere(), never).await
    }

    async fn ask_with(
        cloud: &FakeCloud,
        tag: &str,
        output: Output,
        progress: Progress,
        interrupted: impl Future<Output = std::io::Result<()>>,
    ) -> Answer {
        let image: ImageReference = format!("shop/api:{tag}").parse().unwrap();
        let payload = DeployPayload::new("shop", "api", image.clone(), None);
        let asked = Asked {
            id: tag.to_owned(),
            at: noon(10),
            sequence: Sequence::of_time(noon(10)),
            source: Source::Manual {
                note: None,
                by: None,
            },
        };
        let outcome = deploy_explicitly(cloud, &payload, asked, &worker(tag, 10)).await;
        let outcome = outcome.unwrap();
        let waiter = Waiter::with(WAIT, progress);
        answer_to(
            cloud,
            &outcome,
            tag,
            &image,
            Some(waiter),
            interrupted,
            output,
        )
        .await
        .unwrap()
    }

    /// A terminal of this width at which the time goes on with the test, from when `v2` is asked for.
    fn terminal(width: u16) -> (Progress, Seen) {
        let start = Instant::now();
        let clock = move || noon(10) + TimeDelta::from_std(start.elapsed()).unwrap();
        at_a_terminal(Box::new(clock), width, 24)
    }

    const WIDTHS: [u16; 2] = [80, 120];

    /// What is seen in the end on a terminal of either width, and what is answered.
    fn shows(name: &str, width: u16, seen: &Seen, answer: &Answer) {
        let lines = seen.lines();
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() <= width.into()),
            "{lines:#?}"
        );
        let answered = format!(
            "{}\n--- {:?}\n{}",
            lines.join("\n"),
            answer.status,
            answer.text
        );
        insta::assert_snapshot!(format!("{name}-{width}"), answered);
    }

    /// What somebody sees on a terminal of either width who asks for `v2` while this happens, and how that ends.
    async fn at_either_width(
        name: &str,
        made: impl Fn() -> FakeCloud,
        happens: impl AsyncFn(&FakeCloud, &Seen),
        status: Status,
    ) {
        for width in WIDTHS {
            let cloud = made();
            let (progress, seen) = terminal(width);
            let (answer, ()) = tokio::join!(
                ask_with(&cloud, "v2", Output::Text, progress, never()),
                happens(&cloud, &seen)
            );
            shows(name, width, &seen, &answer);
            assert_eq!(answer.status, status);
        }
    }

    /// A service, and an image `v2` that nobody asked for yet.
    fn cloud(api: &Subscriber) -> FakeCloud {
        let cloud = FakeCloud::with_services(std::slice::from_ref(api));
        cloud.push("v2", digest('2'), noon(0));
        cloud.set_now(noon(10));
        cloud
    }

    /// A while later ECS has done what it works towards, and the schedule sees it.
    async fn completed(cloud: &FakeCloud, api: &Subscriber) {
        tokio::time::sleep(PAUSE * 3).await;
        cloud.complete(api);
        reconciled_at(cloud, 100).await;
    }

    async fn reconciled_at(cloud: &FakeCloud, seconds: i64) {
        cloud.set_now(noon(seconds));
        let id = format!("reconcile-{seconds}");
        reconcile(cloud, &worker(&id, seconds)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_that_succeeds_ends_the_wait_with_0() {
        let api = subscriber("api");
        let cloud = cloud(&api);
        let (answer, ()) = tokio::join!(ask(&cloud, "v2", Output::Text), async {
            completed(&cloud, &api).await;
        });
        assert_eq!(answer.status, Status::Good);
        assert_eq!(
            answer.text,
            "deployment 1 of shop/api:v2 to shop/api: succeeded, in 1 min 30 s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_that_ecs_rolls_back_ends_the_wait_with_1_and_the_reason() {
        let api = subscriber("api");
        for output in [Output::Text, Output::Json] {
            let cloud = cloud(&api);
            let (answer, ()) = tokio::join!(ask(&cloud, "v2", output), async {
                tokio::time::sleep(PAUSE * 3).await;
                cloud.add_stopped_task(&cloud.primary_id(&api), died());
                cloud.roll_back(&api, 150);
                reconciled_at(&cloud, 160).await;
                tokio::time::sleep(PAUSE * 3).await;
                cloud.complete(&api);
                reconciled_at(&cloud, 170).await;
            });
            assert_eq!(answer.status, Status::Bad);
            let expected = match output {
                Output::Text => "deployment 1 of shop/api:v2 to shop/api: rolled back: ",
                Output::Json => "\"end\": \"rolled_back\"",
            };
            assert!(answer.text.contains(expected), "{}", answer.text);
        }
    }

    fn died() -> TaskFailure {
        TaskFailure {
            task: "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1".to_owned(),
            stop_code: Some("EssentialContainerExited".to_owned()),
            stopped_reason: Some("Essential container in task exited".to_owned()),
            containers: Vec::new(),
            stopped_at: Some(noon(120)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_person_ends_the_wait_with_3_at_once() {
        let mut api = subscriber("api");
        api.rollout.approval = Some(Approval {
            expires_after_minutes: 60,
        });
        let cloud = cloud(&api);
        let start = Instant::now();
        let answer = ask(&cloud, "v2", Output::Text).await;
        assert_eq!(answer.status, Status::Waits);
        assert!(
            answer.text.contains("waits for approval"),
            "{}",
            answer.text
        );
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_without_an_outcome_ends_the_wait_with_4_and_goes_on() {
        let api = subscriber("api");
        let cloud = cloud(&api);
        let answer = ask(&cloud, "v2", Output::Text).await;
        assert_eq!(answer.status, Status::TimedOut);
        assert!(
            answer
                .text
                .contains("after 60 min, and the deployment goes on")
        );
        assert_eq!(cloud.updates(&api), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_push_that_takes_over_ends_the_wait_with_1() {
        let api = subscriber("api");
        let cloud = cloud(&api);
        let (answer, ()) = tokio::join!(ask(&cloud, "v2", Output::Text), async {
            tokio::time::sleep(PAUSE * 3).await;
            let push = cloud.push("v3", digest('3'), noon(60));
            cloud.set_now(noon(60));
            deploy_push(&cloud, &push, &worker("newer", 60))
                .await
                .unwrap();
        });
        assert_eq!(answer.status, Status::Bad);
        assert!(answer.text.contains("superseded"), "{}", answer.text);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_what_is_being_deployed_waits_for_that_deployment() {
        let api = subscriber("api");
        let cloud = cloud(&api);
        let (first, second, ()) = tokio::join!(
            ask(&cloud, "v2", Output::Text),
            async {
                tokio::time::sleep(PAUSE).await;
                cloud.push("also", digest('2'), noon(0));
                ask(&cloud, "also", Output::Text).await
            },
            async {
                completed(&cloud, &api).await;
            }
        );
        assert_eq!(second.text, first.text);
        assert_eq!(second.status, Status::Good);
        let again = ask(&cloud, "also", Output::Text).await;
        assert_eq!(again.status, Status::Good);
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_for_another_container_takes_the_image_along_and_the_wait_goes_on() {
        let api = subscriber("api");
        let mut proxy = subscriber("api");
        "proxy".clone_into(&mut proxy.container);
        let cloud = cloud(&api);
        cloud.add_container(&api, "proxy", "shop/proxy:v1");
        cloud.set_route("shop/proxy", vec![proxy]);
        let (answer, ()) = tokio::join!(ask(&cloud, "v2", Output::Text), async {
            tokio::time::sleep(PAUSE * 3).await;
            cloud.set_now(noon(60));
            cloud.push_to("shop/proxy", "v9", digest('9'), noon(60));
            let mut newer = push("v9", digest('9'), noon(60));
            "shop/proxy".clone_into(&mut newer.image.repository);
            deploy_push(&cloud, &newer, &worker("newer", 60))
                .await
                .unwrap();
            completed(&cloud, &api).await;
        });
        assert_eq!(answer.status, Status::Good, "{}", answer.text);
        assert!(answer.text.contains("deployment 2"), "{}", answer.text);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_until_the_stack_has_settled_and_runs_then_ends_the_wait_with_0() {
        let api = subscriber("api");
        let cloud = cloud(&api);
        let operation = Operation::begin(
            "change-1",
            OperationKind::Apply,
            StackSource::Manual {
                note: None,
                by: None,
            },
            noon(5),
        );
        cloud.set_stack_record(StackRecord::follow("shop", None, operation));
        let (answer, ()) = tokio::join!(ask(&cloud, "v2", Output::Text), async {
            tokio::time::sleep(PAUSE * 3).await;
            // Somebody deploys the same image the moment that the stack has settled.
            let mut record = cloud.stack_record("shop").unwrap();
            record.pending_pushes.clear();
            record.operation.state = OperationState::Ready;
            record.operation.settled = true;
            cloud.set_stack_record(record);
            let push = cloud.push("v2", digest('2'), noon(60));
            cloud.set_now(noon(60));
            deploy_push(&cloud, &push, &worker("other", 60))
                .await
                .unwrap();
            completed(&cloud, &api).await;
        });
        assert_eq!(answer.status, Status::Good, "{}", answer.text);
    }

    const OLD: u32 = 1;
    const NEW: u32 = 2;

    /// Two tasks run, and ECS has started a third one, of what is deployed.
    fn begun(cloud: &FakeCloud, api: &Subscriber, strategy: &str) {
        cloud.change_view(api, |view| view.strategy = Some(strategy.to_owned()));
        cloud.show_task(api, "old-one", OLD, "RUNNING", Some("HEALTHY"), -3_600);
        cloud.show_task(api, "old-two", OLD, "RUNNING", Some("HEALTHY"), -3_600);
        cloud.show_task(api, "0f3c1a2b3c4d5e6f", NEW, "PENDING", None, 12);
        cloud.say(api, "(service api) has reached a steady state.", -600);
        cloud.say(
            api,
            "(service api) has started 1 tasks: (task 0f3c1a2b3c4d5e6f).",
            12,
        );
    }

    /// Its log, where that service writes to CloudWatch.
    fn writes(cloud: &FakeCloud, api: &Subscriber, stream: &str, message: &str) {
        cloud.change_task_definition(api, |definition| {
            definition["containerDefinitions"][0]["logConfiguration"] = json!({
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/ecs/shop/api", "awslogs-stream-prefix": "api"},
            });
        });
        let line = LogLine {
            at: noon(20),
            message: message.to_owned(),
        };
        cloud.add_log_line("/ecs/shop/api", stream, line);
    }

    fn never() -> std::future::Pending<std::io::Result<()>> {
        std::future::pending()
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_shows_a_success_with_its_tasks_and_what_ecs_says() {
        let api = subscriber("api");
        let happens = async |cloud: &FakeCloud, seen: &Seen| {
            begun(cloud, &api, "ROLLING");
            tokio::time::sleep(PAUSE * 3).await;
            let shown = seen.lines().join("\n");
            for expected in ["0 of 2 tasks run api:2", "pending", "strategy: rolling"] {
                assert!(shown.contains(expected), "{shown}");
            }
            cloud.show_task(&api, "0f3c1a2b3c4d5e6f", NEW, "RUNNING", None, 15);
            cloud.show_task(&api, "77777777777", NEW, "RUNNING", Some("HEALTHY"), 40);
            cloud.show_task(&api, "old-one", OLD, "DEACTIVATING", None, 41);
            cloud.change_view(&api, |view| {
                view.tasks.retain(|task| !task.arn.ends_with("old-two"));
            });
            cloud.say(&api, "(service api) has reached a steady state.", 60);
            completed(cloud, &api).await;
        };
        at_either_width("success", || cloud(&api), happens, Status::Good).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_shows_what_tasks_of_a_failing_rollout_die_of_with_their_last_lines() {
        let api = subscriber("api");
        let happens = async |cloud: &FakeCloud, _: &Seen| {
            begun(cloud, &api, "ROLLING");
            tokio::time::sleep(PAUSE * 3).await;
            cloud.show_task(&api, "0f3c1a2b3c4d5e6f", NEW, "STOPPED", None, 20);
            cloud.add_stopped_task(&cloud.primary_id(&api), died());
            cloud.roll_back(&api, 150);
            reconciled_at(cloud, 160).await;
            tokio::time::sleep(PAUSE * 3).await;
            cloud.complete(&api);
            reconciled_at(cloud, 170).await;
        };
        at_either_width(
            "failing",
            || {
                let cloud = cloud(&api);
                writes(&cloud, &api, "api/app/0f3c1", "no DATABASE_URL");
                cloud
            },
            happens,
            Status::Bad,
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_shows_the_stage_of_a_canary_and_its_rollback_by_an_alarm() {
        let api = subscriber("api");
        let happens = async |cloud: &FakeCloud, seen: &Seen| {
            tokio::time::sleep(PAUSE).await;
            begun(cloud, &api, "CANARY");
            cloud.show_task(&api, "0f3c1a2b3c4d5e6f", NEW, "RUNNING", None, 15);
            cloud.change_account(&api, |account| {
                account.progress = Some(RolloutProgress {
                    stage: "PRODUCTION_TRAFFIC_SHIFT".to_owned(),
                    shifted_percent: Some(10),
                });
            });
            tokio::time::sleep(PAUSE * 3).await;
            let shown = seen.lines().join("\n");
            assert!(
                shown.contains("strategy: canary: production traffic shift, 10%"),
                "{shown}"
            );
            cloud.roll_back(&api, 150);
            cloud.change_account(&api, |account| {
                account.reason =
                    "Service deployment rolled back because of 1 alarm in state ALARM: \
                                      [shop-errors]"
                        .to_owned();
            });
            cloud.say(&api, "(service api) rolls back: alarm shop-errors.", 150);
            reconciled_at(cloud, 160).await;
            tokio::time::sleep(PAUSE * 3).await;
            cloud.complete(&api);
            reconciled_at(cloud, 170).await;
        };
        at_either_width("alarm", || cloud(&api), happens, Status::Bad).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_shows_nothing_of_what_waits_for_approval_and_the_answer_says_it() {
        let mut api = subscriber("api");
        api.rollout.approval = Some(Approval {
            expires_after_minutes: 60,
        });
        for width in WIDTHS {
            let cloud = cloud(&api);
            let (progress, seen) = terminal(width);
            let answer = ask_with(&cloud, "v2", Output::Text, progress, never()).await;
            shows("approval", width, &seen, &answer);
            assert_eq!(answer.status, Status::Waits);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_shows_that_a_newer_push_took_over() {
        let api = subscriber("api");
        let happens = async |cloud: &FakeCloud, _: &Seen| {
            begun(cloud, &api, "ROLLING");
            tokio::time::sleep(PAUSE * 3).await;
            let push = cloud.push("v3", digest('3'), noon(60));
            cloud.set_now(noon(60));
            deploy_push(cloud, &push, &worker("newer", 60))
                .await
                .unwrap();
        };
        at_either_width("superseded", || cloud(&api), happens, Status::Bad).await;
    }

    #[tokio::test(start_paused = true)]
    async fn ctrl_c_ends_the_waiting_only_with_the_status_that_shells_know() {
        let api = subscriber("api");
        for width in WIDTHS {
            let cloud = cloud(&api);
            let (progress, seen) = terminal(width);
            begun(&cloud, &api, "BLUE_GREEN");
            let interrupted = async {
                tokio::time::sleep(PAUSE * 3 + PAUSE / 2).await;
                Ok(())
            };
            let answer = ask_with(&cloud, "v2", Output::Text, progress, interrupted).await;
            shows("interrupted", width, &seen, &answer);
            assert_eq!(answer.status, Status::Ended(INTERRUPTED));
            assert!(cloud.record(&api).unwrap().deployment.state.is_open());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_may_not_see_the_tasks_still_gets_the_outcome() {
        let api = subscriber("api");
        let cloud = cloud(&api);
        cloud.inject_at("ViewService", Fault::Fails(ErrorClass::Denied));
        let (progress, seen) = terminal(80);
        let (answer, ()) = tokio::join!(
            ask_with(&cloud, "v2", Output::Text, progress, never()),
            async {
                completed(&cloud, &api).await;
            }
        );
        assert_eq!(answer.status, Status::Good);
        let shown = seen.lines().join("\n");
        assert!(shown.contains("its tasks cannot be seen now"), "{shown}");
    }
}
