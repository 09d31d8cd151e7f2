//! What is shown to somebody who waits for a rollout: a terminal is drawn on again and again, whatever else reads it gets
//! lines, each once.

use std::collections::BTreeSet;
use std::io::{self, Write};

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::RolloutProgress;
use longshore_report::words::short_name;
use longshore_rollout::history::failure_logs;
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::record::Deployment;
use longshore_rollout::service_view::{ServiceView, ServiceViews};
use longshore_rollout::status::RunningTasks;

use crate::failures::why;
use crate::live::{Moment, frame, last_lines, said, waiting_frame};
use crate::paint;
use crate::screen::Screen;
use crate::status::{state_now, tasks};
use crate::terminal;

/// How many of the last lines of a task that died are shown at once.
const LINES: u32 = 5;

/// Of how many tasks: the next ones mostly die of the same.
const WITH_LINES: usize = 3;

/// What tells the time.
type Clock = Box<dyn Fn() -> DateTime<Utc>>;

/// What tells how many columns and lines a terminal has now.
type Size = Box<dyn Fn() -> (u16, u16)>;

/// What was shown of a request.
pub struct Progress {
    clock: Clock,
    /// The terminal that is drawn on; nothing where lines are printed.
    terminal: Option<Terminal>,
    /// The last line that was printed.
    last: String,
    /// The tasks that died and were shown.
    tasks: BTreeSet<String>,
    /// The messages of ECS that were shown.
    messages: BTreeSet<String>,
    /// What is waited for, and since when.
    waits: Option<(String, DateTime<Utc>)>,
}

struct Terminal {
    screen: Screen<Box<dyn Write>>,
    size: Size,
    has_colours: bool,
}

/// A deployment under way, with what ECS does.
#[derive(Debug, Clone, Copy)]
pub struct UnderWay<'a> {
    pub deployment: &'a Deployment,
    pub running: Option<&'a RunningTasks>,
    pub progress: Option<&'a RolloutProgress>,
}

impl Progress {
    /// For whoever sits at this terminal, or reads what is written to standard error.
    pub fn here() -> Self {
        let size = terminal::size_of_notes();
        let terminal = size.map(|first| Terminal {
            screen: Screen::new(Box::new(io::stderr()) as Box<dyn Write>),
            // It may be made larger or smaller at any time.
            size: Box::new(move || terminal::size_of_notes().unwrap_or(first)),
            has_colours: paint::is_wanted(std::env::var("NO_COLOR").ok().as_deref()),
        });
        Self::of(Box::new(Utc::now), terminal)
    }

    fn of(clock: Clock, terminal: Option<Terminal>) -> Self {
        Self {
            clock,
            terminal,
            last: String::new(),
            tasks: BTreeSet::new(),
            messages: BTreeSet::new(),
            waits: None,
        }
    }

    /// That a line is so now; the same one is said once.
    pub fn say(&mut self, line: &str) {
        if self.last != line {
            self.print((self.clock)(), line);
            line.clone_into(&mut self.last);
        }
    }

    /// That nothing has begun yet.
    pub fn waits(&mut self, name: &str, what: &str) {
        let now = (self.clock)();
        let Some(terminal) = &mut self.terminal else {
            return self.say(what);
        };
        let since = match &self.waits {
            Some((before, since)) if before == what => *since,
            _ => now,
        };
        self.waits = Some((what.to_owned(), since));
        let (width, _) = (terminal.size)();
        terminal
            .screen
            .draw(&waiting_frame(name, what, since, now, width));
    }

    /// How far a deployment is, and what its tasks died of.
    pub async fn goes_on<C: Cloud + TaskLogs + ServiceViews>(
        &mut self,
        cloud: &C,
        under_way: UnderWay<'_>,
    ) {
        let UnderWay {
            deployment,
            running,
            progress,
        } = under_way;
        self.failures(cloud, deployment).await;
        if self.terminal.is_none() {
            if deployment.state.is_open() {
                self.say(&format!(
                    "{}; tasks: {}",
                    state_now(deployment, progress),
                    tasks(Some(deployment), running)
                ));
            }
            return;
        }
        let started = deployment.ecs_deployment_id.as_deref();
        let seen = cloud
            .view_service(&deployment.service_name(), started)
            .await;
        let view = match seen {
            Ok(view) => Some(view),
            // The outcome is what somebody waits for, whether or not the tasks can be seen.
            Err(error) => {
                self.say(&format!("its tasks cannot be seen now: {error}"));
                None
            }
        };
        if let (Some(terminal), Some(view)) = (&mut self.terminal, &view) {
            let (width, _) = (terminal.size)();
            for text in news(&mut self.messages, view, deployment, width) {
                terminal.screen.say(&text);
            }
        }
        self.draw(deployment, progress, view.as_ref());
    }

    /// On a terminal, how a deployment is at this moment.
    fn draw(
        &mut self,
        deployment: &Deployment,
        progress: Option<&RolloutProgress>,
        view: Option<&ServiceView>,
    ) {
        let now = (self.clock)();
        if let Some(terminal) = &mut self.terminal {
            let (width, height) = (terminal.size)();
            let moment = Moment {
                deployment,
                progress,
                view,
                now,
            };
            let has_colours = terminal.has_colours;
            let paint = |frame: &str| match has_colours {
                true => paint::painted(frame, deployment),
                false => frame.to_owned(),
            };
            terminal
                .screen
                .draw_painted(&frame(moment, width, height), paint);
        }
    }

    /// That another deployment took its place: what runs is not its own any more.
    pub async fn is_past<C: Cloud + TaskLogs>(&mut self, cloud: &C, deployment: &Deployment) {
        self.failures(cloud, deployment).await;
        self.draw(deployment, None, None);
    }

    /// The tasks that died since the last look; on a terminal with what they wrote last. Elsewhere that follows at the end.
    pub async fn failures<C: Cloud + TaskLogs>(&mut self, cloud: &C, deployment: &Deployment) {
        for failure in &deployment.failures {
            if !self.tasks.insert(failure.task.clone()) {
                continue;
            }
            let task = short_name(&failure.task);
            self.print(
                (self.clock)(),
                &format!("task {task} stopped: {}", why(failure)),
            );
            let Some(terminal) = &mut self.terminal else {
                continue;
            };
            if let Some(definition) = &deployment.task_definition
                && self.tasks.len() <= WITH_LINES
                && let Ok(logs) = failure_logs(cloud, definition, failure, LINES).await
            {
                let (width, _) = (terminal.size)();
                for line in last_lines(&logs, width) {
                    terminal.screen.say(&line);
                }
            }
        }
    }

    fn print(&mut self, at: DateTime<Utc>, line: &str) {
        match &mut self.terminal {
            Some(terminal) => {
                let (width, _) = (terminal.size)();
                terminal.screen.say(&said(at, line, Some(width)));
            }
            None => terminal::note(&said(at, line, terminal::width())),
        }
    }
}

/// What ECS said since the deployment began and the last look.
fn news(
    shown: &mut BTreeSet<String>,
    view: &ServiceView,
    deployment: &Deployment,
    width: u16,
) -> Vec<String> {
    // What was said shortly before belongs to what ran before; ECS's clock and ours may differ a little.
    let since = deployment.claimed_at - TimeDelta::seconds(1);
    let messages = view.messages.iter();
    let new = messages.filter(|message| message.at >= since && shown.insert(message.id.clone()));
    new.map(|new| said(new.at, &new.text, Some(width)))
        .collect()
}

#[cfg(test)]
pub mod tests {
    use longshore_rollout::record::State;
    use longshore_testkit::{FakeCloud, altered};
    use serde_json::json;

    use super::*;
    use crate::screen::tests::Seen;
    use crate::status::tests::deployment;

    /// Somebody at a terminal of this size, and what is seen on it.
    pub fn at_a_terminal(clock: Clock, width: u16, height: u16) -> (Progress, Seen) {
        at_one(clock, width, height, false)
    }

    fn at_one(clock: Clock, width: u16, height: u16, has_colours: bool) -> (Progress, Seen) {
        let seen = Seen::default();
        let terminal = Terminal {
            screen: Screen::new(Box::new(seen.clone()) as Box<dyn Write>),
            size: Box::new(move || (width, height)),
            has_colours,
        };
        (Progress::of(clock, Some(terminal)), seen)
    }

    /// Somebody who reads lines.
    pub fn elsewhere() -> Progress {
        Progress::of(Box::new(Utc::now), None)
    }

    #[tokio::test]
    async fn only_a_terminal_with_colours_is_sent_any_and_nobody_elses_text_brings_its_own() {
        let deployment = altered(
            &deployment(1, State::Failed),
            &json!({"reason": "\x1b[2Jgone"}),
        );
        let now = || -> Clock { Box::new(|| DateTime::UNIX_EPOCH) };
        let (mut plain, seen) = at_one(now(), 120, 24, false);
        plain.draw(&deployment, None, None);
        assert!(!seen.written().contains('\x1b'), "{:?}", seen.written());
        let (mut coloured, seen) = at_one(now(), 120, 24, true);
        coloured.draw(&deployment, None, None);
        let written = seen.written();
        assert!(
            written.contains("\x1b[31mfailed: [U+001B][2Jgone\x1b[0m"),
            "{written:?}"
        );
        assert_eq!(written.matches('\x1b').count(), 2, "{written:?}");
    }

    #[tokio::test]
    async fn each_task_that_stopped_is_shown_once_in_whatever_order_it_is_heard_of() {
        let failures = |tasks: &[&str]| {
            let failures = tasks
                .iter()
                .map(|task| json!({"task": task, "stopped_reason": "gone", "containers": []}));
            let failures: Vec<serde_json::Value> = failures.collect();
            altered(
                &deployment(1, State::Deploying),
                &json!({ "failures": failures }),
            )
        };
        let cloud = FakeCloud::default();
        let (mut progress, seen) = at_a_terminal(Box::new(|| DateTime::UNIX_EPOCH), 80, 24);
        progress.failures(&cloud, &failures(&["late"])).await;
        progress
            .failures(&cloud, &failures(&["early", "late"]))
            .await;
        assert_eq!(
            seen.lines(),
            [
                "00:00:00 task late stopped: gone",
                "00:00:00 task early stopped: gone"
            ]
        );
    }
}
