//! `--wait`: a request is followed to its outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use longshore_events::image::Digest;
use longshore_events::longshore::{SkipReason, WaitReason};
use longshore_policy::route::ServiceId;
use longshore_report::words::{duration, image_name, short_name};
use longshore_rollout::documents::RecordStore;
use longshore_rollout::engine::{Outcome, ServiceOutcome};
use longshore_rollout::history::{ServiceLogs, logs};
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::whereabouts::{Whereabouts, last_with, whereabouts};
use longshore_state::ErrorClass;
use serde::Serialize;

use crate::answer::{Answer, Status};
use crate::arguments::WaitArguments;
use crate::failures::why;
use crate::outcome::{self, waits_for};
use crate::output::Output;
use crate::status::{state_now, tasks};
use crate::terminal;

/// How long lies between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// How many lines of each container that failed are shown.
const LINES: u32 = 20;

/// What became of a request that somebody waited for.
#[derive(Debug, Serialize)]
struct End {
    /// A state of deployments, or `waiting`, `timed_out`, `gone`.
    end: &'static str,
    /// Its deployment, where it has one.
    deployment: Option<Deployment>,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    status: Status,
}

/// What is printed of it in JSON.
#[derive(Serialize)]
struct Waited<'a> {
    #[serde(flatten)]
    asked: &'a ServiceOutcome,
    #[serde(flatten)]
    end: &'a End,
}

/// What came of asking for `what`, or what became of it in the end where somebody waits for that. `id` is the request's.
pub async fn answer<C: Cloud + TaskLogs>(
    cloud: &C,
    asked: &ServiceOutcome,
    id: &str,
    what: &impl std::fmt::Display,
    arguments: WaitArguments,
    output: Output,
) -> anyhow::Result<Answer> {
    let answer = outcome::answer(asked, what, output)?;
    if !arguments.wait {
        return Ok(answer);
    }
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
    let timeout = Duration::from_secs(u64::from(arguments.timeout_minutes) * 60);
    let end = follow(cloud, &service_id, followed, timeout).await?;
    Ok(Answer {
        text: match output {
            Output::Text => end.text.clone(),
            Output::Json => serde_json::to_string_pretty(&Waited { asked, end: &end })?,
        },
        status: end.status,
    })
}

/// What the exit status says to somebody who waits, where there is nothing to wait for.
fn status_of(outcome: &Outcome) -> Status {
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

/// Prints how far a request is, until its outcome is known or `timeout` has passed.
async fn follow<C: Cloud + TaskLogs>(
    cloud: &C,
    service_id: &ServiceId,
    mut id: String,
    timeout: Duration,
) -> anyhow::Result<End> {
    let name = format!("{}/{}", service_id.stack, service_id.service);
    let end = tokio::time::Instant::now() + timeout;
    let mut terminal = Progress::default();
    let mut was_gone = false;
    // What the request brings, as far as it was seen.
    let mut digests = Vec::new();
    loop {
        let found = whereabouts(cloud, service_id, &id).await;
        let is_gone = matches!(found, Ok(Whereabouts::Gone));
        match found {
            Ok(Whereabouts::StackChanging(image)) => {
                digests = vec![image.digest];
                terminal.show("waits for the end of the stack's change");
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
                terminal.show(&waits);
            }
            Ok(Whereabouts::Deployment {
                deployment,
                running,
                progress,
            }) => {
                terminal.show_failures(&deployment);
                if !deployment.state.is_open() {
                    return Ok(ended(cloud, service_id, *deployment).await);
                }
                terminal.show(&format!(
                    "{}; tasks: {}",
                    state_now(&deployment, progress.as_ref()),
                    tasks(Some(&deployment), running.as_ref())
                ));
            }
            Ok(Whereabouts::Past(deployment)) => {
                terminal.show_failures(&deployment);
                let images = deployment.images().map(|(_, image)| image.digest.clone());
                let images: Vec<Digest> = images.collect();
                if deployment.state == State::Superseded
                    && let Some(last) = last_with(cloud, service_id, &images).await?
                {
                    terminal.show(&format!("goes on as deployment {}", last.number));
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
                terminal.show(&format!("cannot be seen now, asking again: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        was_gone = is_gone;
        if tokio::time::Instant::now() >= end {
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

/// What was shown of a request.
#[derive(Default)]
struct Progress {
    last: String,
    tasks: BTreeSet<String>,
}

impl Progress {
    fn show(&mut self, line: &str) {
        if self.last != line {
            print(Utc::now(), line);
            line.clone_into(&mut self.last);
        }
    }

    /// The tasks that died since the last look.
    fn show_failures(&mut self, deployment: &Deployment) {
        for failure in &deployment.failures {
            if self.tasks.insert(failure.task.clone()) {
                let task = short_name(&failure.task);
                let why = why(failure);
                print(Utc::now(), &format!("task {task} stopped: {why}"));
            }
        }
    }
}

fn print(at: DateTime<Utc>, line: &str) {
    // The next lines begin below the first word after the time.
    let line = format!("{} {line}", at.format("%H:%M:%S"));
    terminal::note(&terminal::wrapped(&line, 9));
}

#[cfg(test)]
mod tests {
    use longshore_events::image::ImageReference;
    use longshore_events::longshore::{OperationKind, Source, StackSource, TaskFailure};
    use longshore_events::manual::DeployPayload;
    use longshore_events::sequence::Sequence;
    use longshore_policy::route::Subscriber;
    use longshore_policy::settings::Approval;
    use longshore_rollout::stack_record::{Operation, OperationState, StackRecord};
    use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};
    use longshore_rollout::triggers::push::deploy_push;
    use longshore_rollout::triggers::reconcile::reconcile;
    use longshore_testkit::{FakeCloud, altered, digest, noon, push, subscriber, worker};
    use serde_json::json;

    use super::*;
    use crate::status::tests::deployment;

    const WAIT: WaitArguments = WaitArguments {
        wait: true,
        timeout_minutes: 60,
    };

    async fn ask(cloud: &FakeCloud, tag: &str, output: Output) -> Answer {
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
        answer(cloud, &outcome.unwrap(), tag, &image, WAIT, output)
            .await
            .unwrap()
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
        let start = tokio::time::Instant::now();
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

    #[test]
    fn each_task_that_stopped_is_shown_once_in_whatever_order_it_is_heard_of() {
        let failures = |tasks: &[&str]| {
            let failures = tasks.iter().map(|task| TaskFailure {
                task: (*task).to_owned(),
                ..died()
            });
            let failures: Vec<TaskFailure> = failures.collect();
            altered(
                &deployment(1, State::Deploying),
                &json!({ "failures": failures }),
            )
        };
        let mut progress = Progress::default();
        progress.show_failures(&failures(&["late"]));
        progress.show_failures(&failures(&["early", "late"]));
        assert_eq!(progress.tasks, ["early", "late"].map(str::to_owned).into());
    }
}
