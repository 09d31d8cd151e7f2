//! `longshore status`.

use std::time::Duration;

use chrono::Utc;
use longshore_events::image::Image;
use longshore_events::longshore::RolloutProgress;
use longshore_policy::route::ServiceId;
use longshore_report::words::{image_name, minute, rollout_progress, second, short_name, skipped};
use longshore_rollout::ports::Cloud;
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::status::{RunningTasks, ServiceStatus, known_services, status};
use longshore_stack::nearest::nearest;

use crate::arguments::{Output, StatusArguments};
use crate::failures::{briefly, why};
use crate::outcome::{waits_for, with_note};
use crate::terminal;

/// How long lies between two looks of somebody who watches.
const PAUSE: Duration = Duration::from_secs(2);

/// Shows the last deployment of every service that the filter lets through: once, or with `--watch` again whenever it
/// changes, for ever.
pub async fn run<C: Cloud>(cloud: &C, arguments: &StatusArguments) -> anyhow::Result<String> {
    if !arguments.watch {
        return shown(cloud, arguments).await;
    }
    let mut before = shown(cloud, arguments).await?;
    terminal::page(&before);
    loop {
        tokio::time::sleep(PAUSE).await;
        match shown(cloud, arguments).await {
            Ok(now) if now != before => {
                terminal::page(&now);
                before = now;
            }
            Ok(_) => {}
            // Nobody stops watching because one call failed.
            Err(error) => terminal::note(&format!("{error:#}; looking again")),
        }
    }
}

async fn shown<C: Cloud>(cloud: &C, arguments: &StatusArguments) -> anyhow::Result<String> {
    let filter = arguments.filter.as_deref();
    let statuses = status(
        cloud,
        |service_id| is_wanted(service_id, filter),
        Utc::now(),
    )
    .await?;
    if arguments.output == Output::Json {
        return Ok(serde_json::to_string_pretty(&statuses)?);
    }
    if statuses.is_empty() {
        return Ok(match filter {
            Some(filter) => unknown(cloud, filter).await?,
            None => "nothing was deployed yet".to_owned(),
        });
    }
    Ok(table(&statuses))
}

/// What is said of a stack or service that no record names, with the nearest that one does.
async fn unknown<C: Cloud>(cloud: &C, filter: &str) -> anyhow::Result<String> {
    let names: Vec<String> = known_services(cloud)
        .await?
        .into_iter()
        .map(|service_id| match filter.contains('/') {
            true => name_of(&service_id),
            false => service_id.stack,
        })
        .collect();
    let nothing = format!("nothing was deployed to {filter} yet");
    Ok(match nearest(filter, names.iter().map(String::as_str)) {
        Some(known) => format!("{nothing}; did you mean {known}?"),
        None => nothing,
    })
}

fn is_wanted(service_id: &ServiceId, filter: Option<&str>) -> bool {
    filter.is_none_or(|filter| match filter.split_once('/') {
        Some((stack, service)) => service_id.stack == stack && service_id.service == service,
        None => service_id.stack == filter,
    })
}

fn table(statuses: &[ServiceStatus]) -> String {
    let headings = [
        "service",
        "number",
        "deployment",
        "image",
        "asked for",
        "tasks",
        "next",
    ];
    let rows = statuses.iter().map(|status| {
        let name = name_of(&status.service_id);
        match &status.deployment {
            Some(deployment) => [
                name,
                deployment.number.to_string(),
                state_now(deployment, status.progress.as_ref()),
                tag_or_digest(&deployment.image),
                second(deployment.asked_at()),
                tasks_of(status),
                next(status),
            ],
            None => [
                name,
                "-".to_owned(),
                first_start(status).to_owned(),
                "-".to_owned(),
                status
                    .failed_change
                    .as_ref()
                    .map_or_else(|| "-".to_owned(), |change| second(change.requested_at)),
                tasks_of(status),
                next(status),
            ],
        }
    });
    terminal::table(headings, rows)
}

/// `shop/api:v3`, or `shop/api@333333333333` where no tag is known: people know images by their tags.
pub fn tag_or_digest(image: &Image) -> String {
    match &image.tag {
        Some(_) => image_name(image),
        None => format!("{}@{}", image.repository, image.digest.short()),
    }
}

/// As people name a service.
fn name_of(service_id: &ServiceId) -> String {
    format!("{}/{}", service_id.stack, service_id.service)
}

/// How far a service is that nothing was deployed to yet.
fn first_start(status: &ServiceStatus) -> &'static str {
    match &status.failed_change {
        Some(change) if change.finished_at.is_some() => "first start failed",
        _ => "first start goes on",
    }
}

/// How far the last deployment is, with what ECS is doing where its strategy shifts requests.
pub fn state_now(deployment: &Deployment, progress: Option<&RolloutProgress>) -> String {
    let state = state_of(deployment);
    match progress {
        Some(progress) => format!("{state}: {}", rollout_progress(progress)),
        None => state,
    }
}

fn tasks_of(status: &ServiceStatus) -> String {
    tasks(status.deployment.as_ref(), status.running.as_ref())
}

/// How many tasks run of how many, and of what, where it is not the deployment's image.
pub fn tasks(deployment: Option<&Deployment>, running: Option<&RunningTasks>) -> String {
    let Some(running) = running else {
        return "service is gone".to_owned();
    };
    let count = format!("{}/{}", running.running_count, running.desired_count);
    let Some(deployment) = deployment else {
        return count;
    };
    if deployment.task_definition.as_ref() == Some(&running.task_definition) {
        return count;
    }
    let what = if deployment.previous_task_definition == running.task_definition {
        &deployment.previous_image
    } else {
        &running.task_definition
    };
    format!("{count} of {}", short_name(what))
}

/// What comes next, what keeps it back, and what of the service fails by the clock.
fn next(status: &ServiceStatus) -> String {
    let hold = status.hold.as_ref().map(|hold| {
        let until = hold.until.map(|until| format!(" until {}", minute(until)));
        format!(
            "held{}{}",
            until.unwrap_or_default(),
            with_note(hold.note.as_deref())
        )
    });
    let waiting = status.waiting.iter().map(|waiting| {
        let image = &waiting.request.image;
        let name = tag_or_digest(image);
        match waiting.given_up_at() {
            None => format!(
                "{name} waits for {}",
                waits_for(&waiting.why, waiting.until)
            ),
            Some(end) => format!(
                "{name} waits in vain: routes/{}.json does not name the service any more; it is given up at \
                 {}",
                image.repository,
                minute(end)
            ),
        }
    });
    let failed = status.failed_schedules.iter().map(|failed| {
        format!(
            "schedule {} failed{}: {}",
            failed.schedule,
            match failed.in_a_row {
                1 => String::new(),
                in_a_row => format!(" {in_a_row} times in a row"),
            },
            why(&failed.failure)
        )
    });
    let passed_over = status.passed_over.iter().filter(|it| it.is_missed());
    let passed_over = passed_over.map(|passed_over| {
        let why = skipped(passed_over.reason);
        let selected = passed_over.selected.as_deref();
        format!(
            "{} {} of {} was not deployed: {}{}",
            image_name(&passed_over.image),
            passed_over.image.digest.short(),
            second(passed_over.at),
            why.split("; ").next().unwrap_or(why),
            selected.map_or_else(String::new, |tag| format!(": {tag}"))
        )
    });
    let died = status.failed_change.iter().map(|change| {
        let (briefly, name) = (briefly(change), name_of(&status.service_id));
        format!("tasks died of the stack's change: {briefly}; see: longshore logs {name}")
    });
    let next = died
        .chain(hold)
        .chain(waiting)
        .chain(passed_over)
        .chain(failed);
    let next: Vec<String> = next.collect();
    if next.is_empty() {
        "-".to_owned()
    } else {
        next.join("; ")
    }
}

/// How far a deployment is, and why it failed.
pub fn state_of(deployment: &Deployment) -> String {
    let state = match (deployment.state, &deployment.task) {
        (State::Preparing | State::Verifying, Some(task)) => {
            format!("{}: task {}", in_words(deployment.state), task.name)
        }
        (state, _) => in_words(state).to_owned(),
    };
    match &deployment.reason {
        Some(reason) => format!("{state}: {reason}"),
        None => state,
    }
}

fn in_words(state: State) -> &'static str {
    match state {
        State::Claimed => "starting",
        State::Preparing => "preparing",
        State::Verifying => "verifying",
        State::Deploying => "deploying",
        State::RollingBack => "rolling back",
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::RolledBack => "rolled back",
        State::Superseded => "superseded",
    }
}

#[cfg(test)]
pub mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use longshore_events::image::Image;
    use longshore_events::longshore::{
        ContainerFailure, SkipReason, Source, TaskFailure, WaitReason,
    };
    use longshore_events::sequence::Sequence;
    use longshore_rollout::history::FailedChange;
    use longshore_rollout::record::{Hold, PassedOver, Request, Running, RunningTask, Waiting};
    use longshore_rollout::status::{FailedSchedule, RunningTasks};
    use longshore_state::Worker;
    use longshore_testkit::{altered, digest, subscriber};
    use serde_json::json;

    use super::*;
    use crate::failures::tests::crashed;

    fn at(seconds: i64) -> DateTime<Utc> {
        let noon: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        noon + TimeDelta::seconds(seconds)
    }

    fn request(tag: &str) -> Request {
        Request {
            id: format!("push-{tag}"),
            at: at(0),
            sequence: Sequence::of_tag(tag),
            image: Image {
                repository: "shop/api".to_owned(),
                tag: Some(tag.to_owned()),
                digest: digest('3'),
            },
            source: Source::Push,
            replaced_requests: Vec::new(),
        }
    }

    /// A deployment of `v3` that took a minute and a half.
    pub fn deployment(number: u32, state: State) -> Deployment {
        let running = Running {
            task_definition: "shop-api:41".to_owned(),
            image: "shop/api:v2".to_owned(),
            deployment_id: None,
            ecs_deployment_id: None,
        };
        let worker = Worker {
            id: "one".to_owned(),
            now: at(10),
        };
        let claimed =
            Deployment::claim(None, &subscriber("api"), &request("v3"), &running, &worker);
        let finished_at = (!state.is_open()).then(|| at(100));
        altered(
            &claimed,
            &json!({"number": number, "state": state, "finished_at": finished_at}),
        )
    }

    fn status(deployment: Deployment) -> ServiceStatus {
        ServiceStatus {
            service_id: deployment.service_id(),
            deployment: Some(deployment),
            failed_change: None,
            hold: None,
            scaled: None,
            waiting: Vec::new(),
            passed_over: Vec::new(),
            blocked: Vec::new(),
            failed_schedules: Vec::new(),
            progress: None,
            running: Some(RunningTasks {
                task_definition: "shop-api:42".to_owned(),
                desired_count: 2,
                running_count: 1,
            }),
        }
    }

    #[test]
    fn a_service_is_shown_with_its_deployment_and_its_tasks() {
        let table = table(&[status(deployment(42, State::Deploying))]);
        let row = table.lines().nth(3).unwrap();
        for expected in ["shop/api", "42", "deploying", "shop/api:v3", "1/2"] {
            assert!(row.contains(expected), "{table}");
        }
        assert!(!table.contains("333333333333"), "{table}");
    }

    #[test]
    fn an_image_without_a_tag_is_known_by_its_digest() {
        let mut image = deployment(42, State::Deploying).image.clone();
        image.tag = None;
        assert_eq!(tag_or_digest(&image), "shop/api@333333333333");
    }

    #[test]
    fn a_service_whose_first_start_failed_is_shown_with_the_reason() {
        let mut first = status(deployment(1, State::Claimed));
        first.deployment = None;
        first.running = None;
        first.failed_change = Some(crashed());
        assert_eq!(first_start(&first), "first start failed");
        assert_eq!(tasks_of(&first), "service is gone");
        assert_eq!(
            next(&first),
            "tasks died of the stack's change: api exited with 1, at 2026-11-21 12:00:00 UTC; see: longshore logs shop/api"
        );
        let shown = table(std::slice::from_ref(&first));
        for expected in ["shop/api", "first start failed", "2026-11-21 11:58:00 UTC"] {
            assert!(shown.contains(expected), "{shown}");
        }
        first.failed_change = first.failed_change.map(|change| FailedChange {
            finished_at: None,
            ..change
        });
        assert_eq!(first_start(&first), "first start goes on");
    }

    #[test]
    fn what_runs_is_named_where_it_is_not_what_was_deployed_last() {
        let digest = digest('2');
        let registry = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
        for (ran_before, expected) in [
            (
                format!("{registry}/shop/api@{digest}"),
                "1/2 of shop/api@222222222222",
            ),
            (format!("{registry}/shop/api:v2"), "1/2 of shop/api:v2"),
        ] {
            let mut back = status(deployment(42, State::RolledBack));
            back.deployment = Some(altered(
                &deployment(42, State::RolledBack),
                &json!({"task_definition": "shop-api:42", "previous_image": ran_before}),
            ));
            assert_eq!(tasks_of(&back), "1/2");
            let mut running = back.running.clone().unwrap();
            running.task_definition = "shop-api:41".to_owned();
            back.running = Some(running);
            assert_eq!(tasks_of(&back), expected);
        }
        let mut elsewhere = status(deployment(42, State::Succeeded));
        let mut running = elsewhere.running.clone().unwrap();
        running.task_definition =
            "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:77".to_owned();
        elsewhere.running = Some(running);
        assert_eq!(tasks_of(&elsewhere), "1/2 of shop-api:77");
        elsewhere.running = None;
        assert_eq!(tasks_of(&elsewhere), "service is gone");
    }

    #[test]
    fn what_is_held_and_what_waits_are_shown() {
        let mut held = status(deployment(42, State::Succeeded));
        held.hold = Some(Hold {
            note: Some("the sale".to_owned()),
            since: at(0),
            until: Some(at(7_200)),
            by: None,
        });
        held.waiting.push(Waiting {
            request: request("v4"),
            container: "app".to_owned(),
            why: WaitReason::Held {
                note: Some("the sale".to_owned()),
                by: None,
            },
            since: at(0),
            until: Some(at(7_200)),
            approve_by: None,
            approved: false,
            approved_by: None,
            told: Vec::new(),
            unrouted_since: None,
        });
        assert_eq!(
            next(&held),
            "held until 2026-11-21 14:00 UTC (the sale); shop/api:v4 waits for the end of a \
             hold, at 2026-11-21 14:00 UTC (the sale)"
        );
        held.hold = None;
        held.waiting[0].unrouted_since = Some(at(60));
        assert_eq!(
            next(&held),
            "shop/api:v4 waits in vain: routes/shop/api.json does not name the service any more; it is \
             given up at 2026-11-21 13:01 UTC"
        );
        assert_eq!(next(&status(deployment(42, State::Succeeded))), "-");
    }

    #[test]
    fn a_push_that_the_policy_allows_and_that_was_not_deployed_is_shown_with_the_reason() {
        let mut passed = status(deployment(42, State::Succeeded));
        let request = request("v1.9.9");
        passed.passed_over.push(PassedOver {
            image: request.image,
            at: at(0),
            reason: SkipReason::AnotherSelected,
            selected: Some("v1.10.0".to_owned()),
        });
        assert_eq!(
            next(&passed),
            "shop/api:v1.9.9 333333333333 of 2026-11-21 12:00:00 UTC was not deployed: the image policy selects \
             another image, which is newer or higher: v1.10.0"
        );
        passed.passed_over[0].reason = SkipReason::FailedBefore;
        passed.passed_over[0].selected = None;
        assert_eq!(
            next(&passed),
            "shop/api:v1.9.9 333333333333 of 2026-11-21 12:00:00 UTC was not deployed: this image failed on the \
             service before, or somebody rolled it back"
        );
        let shown = serde_json::to_value(&passed).unwrap();
        assert_eq!(shown["passed_over"][0]["reason"], "failed_before");
        passed.passed_over[0].reason = SkipReason::AlreadyRunning;
        assert_eq!(next(&passed), "-");
    }

    #[test]
    fn a_schedule_whose_last_tasks_failed_is_shown_with_the_reason() {
        let mut failing = status(deployment(42, State::Succeeded));
        failing.failed_schedules.push(FailedSchedule {
            schedule: "nightly".to_owned(),
            in_a_row: 3,
            failure: TaskFailure {
                task: "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1".to_owned(),
                stop_code: Some("EssentialContainerExited".to_owned()),
                stopped_reason: Some("Essential container in task exited".to_owned()),
                containers: vec![ContainerFailure {
                    name: "app".to_owned(),
                    exit_code: Some(3),
                    reason: None,
                }],
                stopped_at: Some(at(0)),
            },
        });
        assert_eq!(
            next(&failing),
            "schedule nightly failed 3 times in a row: app exited with 3; Essential container in task exited, at \
             2026-11-21 12:00:00 UTC"
        );
    }

    #[test]
    fn a_deployment_that_waits_for_a_task_names_it() {
        let task = RunningTask {
            name: "migrate".to_owned(),
            task: "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1".to_owned(),
            started_at: at(10),
        };
        let preparing = altered(&deployment(42, State::Preparing), &json!({"task": task}));
        assert_eq!(state_of(&preparing), "preparing: task migrate");
    }
}
