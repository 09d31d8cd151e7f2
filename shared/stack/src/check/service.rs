//! The task: its size, its images and its roles.

use longshore_events::image::Selector;
use longshore_events::registry::ImageName;

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_arn, is_open, listed};
use super::image::{Origin, is_image, origin};
use crate::path::Path;
use crate::spec::{Effect, PolicyStatement};

/// What Fargate has: CPU units, the least and the most MiB of memory with them, and the step between.
const FARGATE_SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// The smallest size of a Fargate task with at least these CPU units and MiB of memory, or the largest one that there is.
pub fn fargate_size(cpu: u32, memory: u32) -> (u32, u32) {
    let fitting = FARGATE_SIZES
        .into_iter()
        .find(|(units, _, most, _)| *units >= cpu && *most >= memory);
    let Some((units, least, _, step)) = fitting else {
        let [.., (units, _, most, _)] = FARGATE_SIZES;
        return (units, most);
    };
    let memory = match memory {
        ..=512 if units == 256 => 512,
        _ => memory.div_ceil(step).saturating_mul(step).max(least),
    };
    (units, memory)
}

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    if service.spec.is_on_fargate() {
        check_fargate_size(
            &service.path,
            service.spec.cpu,
            service.spec.memory,
            findings,
        );
        findings_of_fargate(service, findings);
    } else {
        let spec = service.spec;
        check_ec2_size(&service.path, spec.cpu, spec.memory, findings);
        if let Some(size) = spec.ephemeral_storage_size_in_gib {
            findings.error(
                service.at("ephemeral_storage_size_in_gib"),
                size,
                "only tasks on Fargate have storage of their own; set `volume_size` of the capacity instead",
            );
        }
    }
    for (path, container) in service.containers() {
        check_image(&path.key("image"), container.image, findings);
    }
    check_roles(service, findings);
}

/// Checks the size of a task on Fargate, whose fields are at `path`.
pub(super) fn check_fargate_size(path: &Path, cpu: u32, memory: u32, findings: &mut Findings) {
    let Some((_, least, most, step)) = FARGATE_SIZES.into_iter().find(|size| size.0 == cpu) else {
        let sizes = FARGATE_SIZES.map(|size| size.0);
        findings.error(
            path.key("cpu"),
            cpu,
            format!(
                "Fargate does not offer tasks with {cpu} CPU units, expected {}",
                listed(&sizes)
            ),
        );
        return;
    };
    // The smallest size has 512 as well, which is not a step of its others.
    let is_step = memory.is_multiple_of(step) || (cpu == 256 && memory == 512);
    if !(least..=most).contains(&memory) || !is_step {
        let expected = if cpu == 256 {
            "512, 1024 or 2048".to_owned()
        } else {
            format!("{least} to {most} in steps of {step}")
        };
        findings.error(
            path.key("memory"),
            memory,
            format!(
                "Fargate does not offer tasks with {memory} MiB and {cpu} CPU units, expected {expected}"
            ),
        );
    }
}

fn findings_of_fargate(service: &Checked<'_>, findings: &mut Findings) {
    for (path, container) in service.containers() {
        findings.range(
            path.key("stop_timeout"),
            container.stop_timeout,
            0,
            120,
            "Fargate does not wait this many seconds",
        );
    }
}

/// Checks the size of a task on instances, whose fields are at `path`.
pub(super) fn check_ec2_size(path: &Path, cpu: u32, memory: u32, findings: &mut Findings) {
    findings.range(
        path.key("cpu"),
        cpu,
        128,
        196_608,
        "ECS does not run tasks with this many CPU units",
    );
    if memory < 6 {
        findings.error(
            path.key("memory"),
            memory,
            "Docker starts nothing with less, expected 6 or more",
        );
    }
}

fn check_image(path: &Path, image: &str, findings: &mut Findings) {
    let tag = match origin(image) {
        Err(error) => {
            let note = match image.rsplit_once('/').map_or(image, |(_, last)| last) {
                last if !last.contains(':') => {
                    "; an image of another registry begins with it, such as docker.io/library/nginx:1.29"
                }
                _ => "",
            };
            findings.error(path, image, format!("{error}{note}"));
            return;
        }
        Ok(Origin::Own(reference)) => match reference.selector {
            Selector::Tag(tag) => Some(tag),
            Selector::Digest(_) => return,
        },
        Ok(Origin::Elsewhere) if !is_image(image) => {
            findings.error(
                path,
                image,
                "this is not an image, expected <registry>/<repository>:<tag> or \
                 <registry>/<repository>@sha256:<digest>",
            );
            return;
        }
        Ok(Origin::Elsewhere) => match ImageName::of(image) {
            ImageName {
                digest: Some(_), ..
            } => return,
            name => name.tag.map(str::to_owned),
        },
    };
    let moves = "another image after every push, so that what is deployed depends on the time, and a \
                 rollback of the stack file restores nothing; name a version";
    match tag.as_deref() {
        None => findings.warning(
            path,
            image,
            format!("no tag means `latest`, which is {moves}"),
        ),
        Some("latest") => findings.warning(path, image, format!("`latest` is {moves}")),
        Some(_) => {}
    }
}

fn check_roles(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    for (field, role) in [
        ("execution_role_arn", &spec.execution_role_arn),
        ("task_role_arn", &spec.task_role_arn),
    ] {
        if let Some(role) = role
            && !is_arn(role, "iam", "role/")
        {
            findings.error(
                service.at(field),
                role,
                "this is not an ARN of a role, expected one such as arn:aws:iam::111122223333:role/tasks",
            );
        } else if let Some(role) = role
            && is_of_another_stack(role, &service.stack.stack_name())
        {
            findings.warning(
                service.at(field),
                role,
                "this is a role of another stack, so that the service may do whatever that stack's may; leave it out \
                 for a role of its own, or make a role for both and add it to `stack_role_arns` of Longshore's Terraform",
            );
        }
    }
    for (role, field, policies) in [
        (
            &spec.execution_role_arn,
            "execution_role_policy_arns",
            &spec.execution_role_policy_arns,
        ),
        (
            &spec.task_role_arn,
            "task_role_policy_arns",
            &spec.task_role_policy_arns,
        ),
    ] {
        if role.is_some() && !policies.is_empty() {
            findings.error_without_value(
                service.at(field),
                "policies are attached to the stack's own role, but a role that exists is named; attach \
                 them to that one, or leave its ARN out",
            );
        }
        for (index, policy) in policies.iter().enumerate() {
            if !is_arn(policy, "iam", "policy/") {
                findings.error(
                    service.at(field).index(index),
                    policy,
                    "this is not an ARN of a policy, expected one such as arn:aws:iam::aws:policy/<name>",
                );
            }
        }
    }
    if spec.task_role_arn.is_some() && !spec.task_role_statements.is_empty() {
        findings.error_without_value(
            service.at("task_role_statements"),
            "statements are for the stack's own role, but a role that exists is named; add them to that \
             one, or leave `task_role_arn` out",
        );
    }
    for (index, statement) in spec.task_role_statements.iter().enumerate() {
        let path = service.at("task_role_statements").index(index);
        check_statement(&path, statement, findings);
    }
}

/// Roles that templates make have a path of their own, and CloudFormation begins their names with the stack's.
fn is_of_another_stack(role: &str, stack: &str) -> bool {
    role.split_once(":role/longshore/")
        .is_some_and(|(_, name)| !name.starts_with(&format!("{stack}-")))
}

fn check_statement(path: &Path, statement: &PolicyStatement, findings: &mut Findings) {
    for (field, values) in [
        ("actions", &statement.actions),
        ("resources", &statement.resources),
    ] {
        if values.is_empty() {
            findings.error_without_value(
                path.key(field),
                format!("a statement without {field} says nothing, expected at least one"),
            );
        }
    }
    for (index, action) in statement.actions.iter().enumerate() {
        let is_action = action == "*"
            || action.split_once(':').is_some_and(|(service, name)| {
                !service.is_empty()
                    && !name.is_empty()
                    && service
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"*?".contains(&byte))
            });
        if !is_action {
            findings.error(
                path.key("actions").index(index),
                action,
                "this is not an action, expected one such as s3:GetObject",
            );
        }
    }
    for (index, resource) in statement.resources.iter().enumerate() {
        if resource != "*" && !resource.starts_with("arn:") && !is_open(resource) {
            findings.error(
                path.key("resources").index(index),
                resource,
                "this is not an ARN, expected one such as arn:aws:s3:::<bucket>/*",
            );
        }
    }
    check_conditions(&path.key("conditions"), statement, findings);
    let everything = |values: &[String]| values.iter().any(|value| value == "*");
    if statement.effect == Effect::Allow
        && everything(&statement.actions)
        && everything(&statement.resources)
    {
        findings.warning_without_value(
            path,
            "the container may do everything with everything; name actions and resources",
        );
    }
}

/// The operators of conditions: the IAM User Guide, "IAM JSON policy elements: Condition operators".
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

fn check_conditions(path: &Path, statement: &PolicyStatement, findings: &mut Findings) {
    for (operator, keys) in &statement.conditions {
        let path = path.key(operator);
        let plain = operator
            .strip_prefix("ForAllValues:")
            .or_else(|| operator.strip_prefix("ForAnyValue:"))
            .unwrap_or(operator);
        let plain = plain.strip_suffix("IfExists").unwrap_or(plain);
        if !OPERATORS.contains(&plain) {
            let advice = findings.advice(plain, OPERATORS.into_iter(), "");
            findings.error(
                &path,
                operator,
                format!("IAM has no such operator of conditions; {advice}"),
            );
        }
        if keys.is_empty() {
            findings.error_without_value(
                &path,
                "a condition without keys says nothing, expected at least one such as aws:RequestedRegion",
            );
        }
        for (key, values) in keys {
            let path = path.key(key);
            let is_key = key
                .split_once(':')
                .is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
            if !is_key {
                findings.error(
                    &path,
                    key,
                    "this is not a key of a condition, expected one such as aws:RequestedRegion",
                );
            }
            if values.is_empty() {
                findings.error_without_value(
                    &path,
                    "a key without values is never true, expected at least one value",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_task_of_fargate_has_at_least_what_is_asked_for() {
        for (asked, expected) in [
            ((0, 0), (256, 512)),
            ((256, 512), (256, 512)),
            ((256, 513), (256, 1024)),
            ((300, 700), (512, 1024)),
            ((256, 3000), (512, 3072)),
            ((1024, 512), (1024, 2048)),
            ((8192, 17_000), (8192, 20_480)),
            ((99_999, 1), (16_384, 122_880)),
        ] {
            assert_eq!(fargate_size(asked.0, asked.1), expected, "{asked:?}");
        }
    }
}
