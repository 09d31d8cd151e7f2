//! How deployments go: their order, tasks before and after them, when none begins.

use std::collections::{BTreeSet, HashSet};

use chrono::DateTime;
use longshore_events::ecs::{
    LONGEST_OVERRIDES, LONGEST_STARTED_BY, length_of_overrides, started_by_deploy,
};
use longshore_policy::settings::OneOffTask;

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_label, is_open};
use super::image::{Origin, origin};
use crate::path::Path;
use crate::render::settings;
use crate::spec::Stack;

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    let rollout = &service.spec.rollout;
    let path = service.at("rollout");
    if let Some(deadline) = rollout.deadline_minutes {
        let path = path.key("deadline_minutes");
        let waiting = service.spec.deployment_configuration.waiting_minutes();
        if deadline <= waiting {
            findings.error(
                path,
                deadline,
                format!(
                    "the bake times alone take {waiting} minutes, so that no deployment would succeed; \
                     expected more"
                ),
            );
        }
    }
    check_after(service, &path.key("after"), findings);
    check_tasks(service, &path, findings);
    check_windows(service, &path, findings);
}

fn check_after(service: &Checked<'_>, path: &Path, findings: &mut Findings) {
    let after = &service.spec.rollout.after;
    let own = repository(&service.spec.image);
    let mut seen = BTreeSet::new();
    let mut come_first = HashSet::new();
    for (index, name) in after.iter().enumerate() {
        let path = path.index(index);
        if !seen.insert(name) {
            findings.error(
                &path,
                name,
                "this service is in the list twice; keep one of them",
            );
            continue;
        }
        if name == service.name {
            findings.error(&path, name, "a service cannot come after itself");
            continue;
        }
        let Some(other) = service.stack.services.get(name) else {
            findings.error(
                &path,
                name,
                format!(
                    "the stack has no service `{name}`; {}",
                    findings.advice(
                        name,
                        service.stack.services.keys().map(String::as_str),
                        "add it"
                    )
                ),
            );
            continue;
        };
        if own.is_none() || repository(&other.image) != own {
            findings.error(
                &path,
                name,
                format!(
                    "`{name}` and this service are not deployed by the same pushes, expected images of one \
                     repository of this account's ECR"
                ),
            );
        } else if !other.image_policy.follows() {
            findings.error(
                &path,
                name,
                format!(
                    "`{name}` follows no pushes, so this service would wait for ever; leave one of the two out"
                ),
            );
        } else if other.image_policy != service.spec.image_policy {
            findings.warning(
                &path,
                name,
                format!(
                    "`{name}` has another `image_policy`, and for an image that it does not follow this \
                     service waits in vain; let both be the same"
                ),
            );
        } else if comes_after(service.stack, name, service.name, &mut come_first) {
            // One circle at a time: with the next name all of it would be walked again.
            return findings.error(
                &path,
                name,
                format!(
                    "`{name}` comes after this service itself, so neither would ever be deployed"
                ),
            );
        }
    }
}

/// Whether the service `name` waits for `other`, or for one that does. Those of `seen` do not; the services that
/// `name` waits for become some of them.
fn comes_after<'a>(
    stack: &'a Stack,
    name: &'a str,
    other: &str,
    seen: &mut HashSet<&'a str>,
) -> bool {
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        if name == other {
            return true;
        }
        if seen.insert(name)
            && let Some(service) = stack.services.get(name)
        {
            let unseen = service.rollout.after.iter().map(String::as_str);
            open.extend(unseen.filter(|name| !seen.contains(name)));
        }
    }
    false
}

fn repository(image: &str) -> Option<String> {
    match origin(image) {
        Ok(Origin::Own(reference)) => Some(reference.repository),
        _ => None,
    }
}

fn check_tasks(service: &Checked<'_>, path: &Path, findings: &mut Findings) {
    let rollout = &service.spec.rollout;
    let started_by = started_by_deploy(&service.stack.stack_name(), service.name);
    let has_tasks = !(rollout.before_tasks.is_empty() && rollout.after_tasks.is_empty());
    if has_tasks && started_by.len() > LONGEST_STARTED_BY {
        findings.error(
            path,
            &started_by,
            format!(
                "its tasks would be started by this name, which has {} characters, and ECS takes at most \
                 {LONGEST_STARTED_BY}; give the stack or the service a shorter name",
                started_by.len()
            ),
        );
    }
    let mut names = BTreeSet::new();
    for (field, tasks) in [
        ("before_tasks", &rollout.before_tasks),
        ("after_tasks", &rollout.after_tasks),
    ] {
        for (index, task) in tasks.iter().enumerate() {
            let path = path.key(field).index(index);
            check_task(&path, task, findings);
            check_overrides(service, &path, task, findings);
            if !names.insert(task.name.as_str()) {
                findings.error(
                    path.key("name"),
                    &task.name,
                    "another task of this service has this name, expected names that differ",
                );
            }
        }
    }
}

/// What a task gets besides the task definition, in the words of a route.
fn check_overrides(service: &Checked<'_>, path: &Path, task: &OneOffTask, findings: &mut Findings) {
    let settings = settings(service.spec);
    let mut tasks = settings.before_tasks.iter().chain(&settings.after_tasks);
    let Some(task_of_route) = tasks.find(|task_of_route| task_of_route.name == task.name) else {
        return;
    };
    let container = service.spec.container_name.as_deref();
    let length = length_of_overrides(
        container.unwrap_or(service.name),
        &task_of_route.command,
        &task_of_route.environment,
    );
    if length > LONGEST_OVERRIDES {
        findings.error(path, length, too_long(length));
    }
}

/// What is wrong with overrides of this length in characters.
pub(super) fn too_long(length: usize) -> String {
    format!(
        "command and environment have {length} characters as ECS gets them, with the JSON around them, \
         expected at most {LONGEST_OVERRIDES}; put a script into the image, or values into the container's own \
         `environment`"
    )
}

fn check_task(path: &Path, task: &OneOffTask, findings: &mut Findings) {
    let is_name = is_label(&task.name)
        && !task
            .name
            .contains(|character: char| character.is_ascii_uppercase());
    if !is_name {
        findings.error(
            path.key("name"),
            &task.name,
            "this is not a name of a task, expected lowercase letters, digits and hyphens between them, at most 63",
        );
    }
    if task.command.is_empty() {
        findings.error_without_value(
            path.key("command"),
            "the task would do what the service does, and not end; expected a command",
        );
    }
    let words = task.command.iter().enumerate();
    let words = words.map(|(index, word)| (path.key("command").index(index), word.as_str()));
    let values = task.environment.iter();
    let values = values.map(|(name, value)| (path.key("environment").key(name), value.as_str()));
    for (path, text) in words.chain(values) {
        if is_open(text) {
            findings.error(
                path,
                text,
                "CloudFormation does not see tasks of deployments, so it fills nothing in; write it out, or \
                 let the container have it in its `environment`",
            );
        }
    }
    for name in task.environment.keys() {
        if name.is_empty() || name.contains(['=', '\0']) || name.contains(char::is_whitespace) {
            findings.error(
                path.key("environment").key(name),
                name,
                "no environment variable can be named so, expected a name without spaces and `=`",
            );
        }
    }
}

/// The windows as the engine reads them.
fn check_windows(service: &Checked<'_>, path: &Path, findings: &mut Findings) {
    let path = path.key("freeze_windows");
    let settings = settings(service.spec);
    let invalid = settings.invalid_windows();
    for invalid in &invalid {
        findings.error_without_value(
            path.index(invalid.index).key(invalid.field),
            &invalid.reason,
        );
    }
    // Services often have the same windows, and a pause takes time to find: reported once.
    let services = service.stack.services.iter();
    let is_known = services
        .take_while(|(name, _)| *name != service.name)
        .any(|(_, other)| other.rollout.freeze_windows == service.spec.rollout.freeze_windows);
    if invalid.is_empty()
        && !is_known
        && let Err(invalid) = settings.frozen_until(DateTime::UNIX_EPOCH)
    {
        findings.error_without_value(path, invalid.reason);
    }
}
