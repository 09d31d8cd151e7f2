//! What a terminal shows of a rollout while somebody waits for it: drawn from what is known, and from nothing else.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use longshore_events::longshore::{ContainerLog, RolloutProgress};
use longshore_events::words::more;
use longshore_report::words::{counted, duration, rollout_progress, short_name};
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::service_view::{ServiceTask, ServiceView};

use crate::logs::headline;
use crate::status::tag_or_digest;
use crate::terminal::{table_within, wrapped_to};

/// How much of a task's id tells it from the others to somebody who reads.
const TASK: usize = 8;

/// How many tasks that have stopped are in the table: the last ones. What they died of is said beside it.
const STOPPED: usize = 3;

/// How far lines go in that belong to what was said: below what follows the time.
const HANGING: usize = 9;

/// What is known of a rollout at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    pub deployment: &'a Deployment,
    /// What ECS is doing, where its strategy shifts requests.
    pub progress: Option<&'a RolloutProgress>,
    /// The service; nothing where it cannot be seen.
    pub view: Option<&'a ServiceView>,
    pub now: DateTime<Utc>,
}

/// A rollout at a moment: how far it is, and its tasks. No line is wider than `width`, and there are fewer lines than
/// `height`.
pub fn frame(moment: Moment<'_>, width: u16, height: u16) -> String {
    let mut above = vec![headline(moment.deployment)];
    above.extend(strategy(moment));
    above.push(count(moment));
    let above = above
        .iter()
        .map(|line| wrapped_to(line, 2, Some(width)))
        .collect::<Vec<String>>()
        .join("\n");
    let tasks = moment
        .view
        .map_or_else(Vec::new, |view| shown(moment, &view.tasks));
    let rows: Vec<[String; 6]> = tasks.iter().map(|task| row(moment, task)).collect();
    let lower = usize::from(height).saturating_sub(1);
    let whole = (1..=rows.len()).rev().find_map(|number| {
        let text = with_rows(&above, &rows, number, width);
        (text.lines().count() <= lower).then_some(text)
    });
    let text = whole.unwrap_or(above);
    let fitting = text.lines().take(lower).map(|line| cut(line, width));
    fitting.collect::<Vec<String>>().join("\n")
}

/// What is waited for before a rollout begins.
pub fn waiting_frame(
    name: &str,
    what: &str,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    width: u16,
) -> String {
    let line = format!("{name} {what}, {}", duration(since, now));
    wrapped_to(&line, 2, Some(width))
}

/// What was said, with when: its next lines begin below the first word after the time.
pub fn said(at: DateTime<Utc>, text: &str, width: Option<u16>) -> String {
    wrapped_to(&format!("{} {text}", at.format("%H:%M:%S")), HANGING, width)
}

/// The last lines that the containers of a task wrote that died, below what it died of.
pub fn last_lines(logs: &[ContainerLog], width: u16) -> Vec<String> {
    let written = logs.iter().flat_map(|log| {
        let lines = log.lines.iter().flatten();
        lines.map(|line| (&log.stream.container, line))
    });
    written
        .map(|(container, line)| {
            let at = line.at.format("%H:%M:%S");
            let text = line.message.trim_end();
            let line = format!("{:HANGING$}{container} {at}  {text}", "");
            wrapped_to(&line, 2, Some(width))
        })
        .collect()
}

/// `strategy: canary: production traffic shift, 10% of the requests go to the new tasks`.
fn strategy(moment: Moment<'_>) -> Option<String> {
    let strategy = moment.view?.strategy.as_ref()?;
    let name = match strategy.as_str() {
        "BLUE_GREEN" => "blue/green".to_owned(),
        other => other.to_lowercase().replace('_', " "),
    };
    let stage = moment.progress.map(rollout_progress);
    let stage = stage.map_or_else(String::new, |stage| format!(": {stage}"));
    Some(format!("strategy: {name}{stage}"))
}

/// `1 of 2 tasks run shop-api:42, 1 min 20 s`.
fn count(moment: Moment<'_>) -> String {
    let Moment {
        deployment,
        view,
        now,
        ..
    } = moment;
    let took = duration(deployment.claimed_at, deployment.finished_at.unwrap_or(now));
    let (Some(view), Some(target)) = (view, target(deployment)) else {
        return took;
    };
    let tasks = view.tasks.iter();
    let working = tasks.filter(|task| task.works() && task.task_definition == target);
    let wanted = usize::try_from(view.desired_count).unwrap_or_default();
    format!(
        "{} of {} run {}, {took}",
        working.count(),
        counted(wanted, "task"),
        short_name(target)
    )
}

/// The task definition that ECS works towards.
fn target(deployment: &Deployment) -> Option<&str> {
    match deployment.state {
        State::RollingBack | State::RolledBack => Some(&deployment.previous_task_definition),
        _ => deployment.task_definition.as_deref(),
    }
}

/// The tasks in the order in which they matter: what is deployed first, and what has stopped last.
fn shown<'a>(moment: Moment<'_>, tasks: &'a [ServiceTask]) -> Vec<&'a ServiceTask> {
    let ours = moment.deployment.task_definition.as_deref();
    let has_stopped = |task: &ServiceTask| task.status == "STOPPED";
    let mut going: Vec<&ServiceTask> = tasks.iter().filter(|task| !has_stopped(task)).collect();
    going.sort_by_key(|task| {
        let is_ours = Some(task.task_definition.as_str()) == ours;
        (!is_ours, Reverse(task.since), &task.arn)
    });
    let mut stopped: Vec<&ServiceTask> = tasks.iter().filter(|task| has_stopped(task)).collect();
    stopped.sort_by_key(|task| (Reverse(task.since), &task.arn));
    stopped.truncate(STOPPED);
    going.extend(stopped);
    going
}

fn row(moment: Moment<'_>, task: &ServiceTask) -> [String; 6] {
    let Moment { deployment, .. } = moment;
    let definition = task.task_definition.as_str();
    let image = if deployment.task_definition.as_deref() == Some(definition) {
        tag_or_digest(&deployment.image)
    } else if deployment.previous_task_definition == definition {
        short_name(&deployment.previous_image)
    } else {
        "-".to_owned()
    };
    let since = task.since.map(|since| since.format("%H:%M:%S").to_string());
    let health = task.health.as_ref().map(|health| health.to_lowercase());
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        short_name(&task.arn).chars().take(TASK).collect(),
        short_name(definition),
        image,
        task.status.to_lowercase(),
        or_none(health),
        or_none(since),
    ]
}

fn with_rows(above: &str, rows: &[[String; 6]], number: usize, width: u16) -> String {
    let headings = ["task", "revision", "image", "state", "health", "since"];
    let shown = rows.get(..number).unwrap_or(rows);
    let table = table_within(headings, shown, Some(width));
    match rows.len() - shown.len() {
        0 => format!("{above}\n{table}"),
        left => format!("{above}\n{table}\n{}", more(left, "task")),
    }
}

/// A line that the terminal does not break: a broken one would be two.
fn cut(line: &str, width: u16) -> String {
    line.chars().take(width.into()).collect()
}

#[cfg(test)]
mod tests {
    use longshore_testkit::{altered, noon};
    use serde_json::json;

    use super::*;
    use crate::status::tests::deployment;

    fn task(number: usize, definition: &str, status: &str, health: Option<&str>) -> ServiceTask {
        ServiceTask {
            arn: format!("arn:aws:ecs:eu-west-1:111122223333:task/shop/{number:08}ffff"),
            task_definition: definition.to_owned(),
            status: status.to_owned(),
            health: health.map(str::to_owned),
            since: Some(noon(i64::try_from(number).unwrap())),
        }
    }

    /// A deployment that ECS carries out, of a service with these tasks.
    fn drawn(tasks: Vec<ServiceTask>, strategy: Option<&str>, width: u16, height: u16) -> String {
        let deployment = altered(
            &deployment(42, State::Deploying),
            &json!({"task_definition": "shop-api:42", "claimed_at": noon(0)}),
        );
        let view = ServiceView {
            strategy: strategy.map(str::to_owned),
            desired_count: 3,
            messages: Vec::new(),
            tasks,
        };
        let moment = Moment {
            deployment: &deployment,
            progress: None,
            view: Some(&view),
            now: noon(80),
        };
        frame(moment, width, height)
    }

    #[test]
    fn what_is_deployed_comes_first_and_what_has_stopped_last() {
        let tasks = vec![
            task(1, "shop-api:41", "RUNNING", Some("HEALTHY")),
            task(2, "shop-api:42", "STOPPED", None),
            task(3, "shop-api:42", "PENDING", None),
            task(4, "shop-api:40", "DEACTIVATING", None),
            task(5, "shop-api:42", "RUNNING", Some("UNHEALTHY")),
            task(6, "shop-api:42", "RUNNING", Some("HEALTHY")),
        ];
        for width in [80, 120] {
            let text = drawn(tasks.clone(), Some("BLUE_GREEN"), width, 40);
            insta::assert_snapshot!(format!("frame-{width}"), text);
        }
    }

    #[test]
    fn a_frame_is_lower_than_the_terminal_and_says_what_is_left_out() {
        let tasks: Vec<ServiceTask> = (0..40)
            .map(|number| task(number, "shop-api:42", "RUNNING", None))
            .collect();
        for (width, height) in [(80, 24), (80, 12), (120, 24), (60, 14)] {
            let text = drawn(tasks.clone(), Some("ROLLING"), width, height);
            assert!(text.lines().count() < height.into(), "{text}");
            assert!(text.contains("more tasks"), "{text}");
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width.into()), "{text}");
        }
        let none = drawn(tasks, Some("ROLLING"), 80, 5);
        assert!(none.contains("40 of 3 tasks run shop-api:42"), "{none}");
        assert_eq!(none.lines().count(), 3);
    }

    #[test]
    fn a_strategy_that_ecs_does_not_name_is_not_guessed() {
        let text = drawn(Vec::new(), None, 80, 24);
        assert!(!text.contains("strategy"), "{text}");
        assert!(
            text.contains("0 of 3 tasks run shop-api:42, 1 min 20 s"),
            "{text}"
        );
    }
}
