//! What a schedule of a stack runs, as the stack's template says.

use std::collections::BTreeMap;

use longshore_events::ecs::{RUN_LIMITS, group_of_scheduled, schedule_of};
use serde::Deserialize;
use serde_json::Value;

/// What is different in a run of a schedule from the task of its service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduledRun {
    /// Empty: the container's own.
    pub command: Vec<String>,
    /// Environment variables besides the container's own.
    pub environment: BTreeMap<String, String>,
    /// CPU units of the task.
    pub cpu: Option<u32>,
    /// MiB of memory of the task.
    pub memory: Option<u32>,
}

/// Why it is not known what a schedule runs.
#[derive(Debug, thiserror::Error)]
pub enum ScheduledRunError {
    /// The template is not JSON.
    #[error("read the template of stack {stack}: {source}")]
    Template {
        stack: String,
        source: serde_json::Error,
    },
    /// The service has no such schedule.
    #[error("service {service} of stack {stack} has no schedule `{schedule}`; {}", there(.names))]
    Unknown {
        stack: String,
        service: String,
        schedule: String,
        /// Those that it has.
        names: Vec<String>,
    },
    /// Only CloudFormation knows what the run is given, or `overrides` replaced it.
    #[error(
        "schedule `{schedule}` of {stack}/{service} has a command or an environment that cannot be read from the \
         template, such as one with `${{AWS::Region}}`; give the command after `--`"
    )]
    Unreadable {
        stack: String,
        service: String,
        schedule: String,
    },
}

fn there(names: &[String]) -> String {
    if names.is_empty() {
        return "it has none".to_owned();
    }
    format!("it has {}", names.join(", "))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Input {
    container_overrides: Vec<Container>,
    cpu: Option<String>,
    memory: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    command: Vec<String>,
    environment: Vec<Variable>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: String,
}

/// What a run of this schedule is given.
///
/// # Errors
/// [`ScheduledRunError`].
pub fn scheduled_run(
    template: &str,
    stack: &str,
    service: &str,
    schedule: &str,
) -> Result<ScheduledRun, ScheduledRunError> {
    let template: Value =
        serde_json::from_str(template).map_err(|source| ScheduledRunError::Template {
            stack: stack.to_owned(),
            source,
        })?;
    let targets = || {
        let resources = template["Resources"].as_object().into_iter().flatten();
        resources.filter_map(|(_, resource)| resource.pointer("/Properties/Target"))
    };
    let group = |target: &Value| {
        let group = target.pointer("/EcsParameters/Group");
        group.and_then(Value::as_str).map(str::to_owned)
    };
    let wanted = group_of_scheduled(stack, service, schedule);
    let Some(target) = targets().find(|target| group(target).as_ref() == Some(&wanted)) else {
        let groups: Vec<String> = targets().filter_map(group).collect();
        let names = groups.iter().filter_map(|group| schedule_of(group));
        return Err(ScheduledRunError::Unknown {
            stack: stack.to_owned(),
            service: service.to_owned(),
            schedule: schedule.to_owned(),
            names: names
                .filter(|(_, other, _)| *other == service)
                .map(|(_, _, name)| name.to_owned())
                .collect(),
        });
    };
    let run = match &target["Input"] {
        Value::Null => Some(ScheduledRun::default()),
        Value::String(input) => serde_json::from_str(input).ok().and_then(run_of),
        _ => None,
    };
    run.ok_or_else(|| ScheduledRunError::Unreadable {
        stack: stack.to_owned(),
        service: service.to_owned(),
        schedule: schedule.to_owned(),
    })
}

fn run_of(input: Input) -> Option<ScheduledRun> {
    let number = |text: Option<String>| text.map(|text| text.parse()).transpose().ok();
    let container = input.container_overrides.into_iter().next();
    let container = container.unwrap_or_default();
    let variables = container.environment.into_iter();
    Some(ScheduledRun {
        command: container.command,
        environment: variables
            // A run by hand has somebody who follows it.
            .filter(|variable| variable.name != RUN_LIMITS)
            .map(|variable| (variable.name, variable.value))
            .collect(),
        cpu: number(input.cpu)?,
        memory: number(input.memory)?,
    })
}
