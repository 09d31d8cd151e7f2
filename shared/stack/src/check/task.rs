//! The task: its size, its image, its roles, and how it is replaced.

use longshore_events::image::Selector;

use super::forms::{is_arn, is_open, listed};
use super::image::{Origin, is_image, origin, tag_of};
use super::observation::expected;
use super::{Checked, Findings};
use crate::read::Path;
use crate::spec::{Effect, PolicyStatement, Service};

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

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    if service.is_on_fargate() {
        check_fargate_size(service, findings);
        findings_of_fargate(service, findings);
    } else {
        check_ec2_size(service, findings);
    }
    check_image(service, findings);
    check_follow_tags(service, findings);
    check_roles(service, findings);
    check_deployment(service, findings);
    expected(
        &service.at("expected_task_count"),
        service.spec.expected_task_count,
        findings,
    );
}

fn check_fargate_size(service: &Checked<'_>, findings: &mut Findings) {
    let Service { cpu, memory, .. } = *service.spec;
    let Some((_, least, most, step)) = FARGATE_SIZES.into_iter().find(|size| size.0 == cpu) else {
        let sizes = FARGATE_SIZES.map(|size| size.0);
        findings.error(
            service.at("cpu"),
            cpu,
            format!(
                "Fargate has no tasks with {cpu} CPU units, expected {}",
                listed(&sizes)
            ),
        );
        return;
    };
    // The smallest size has 512 as well, which is no step of its others.
    let is_step = memory % step == 0 || (cpu == 256 && memory == 512);
    if !(least..=most).contains(&memory) || !is_step {
        let expected = if cpu == 256 {
            "512, 1024 or 2048".to_owned()
        } else {
            format!("{least} to {most} in steps of {step}")
        };
        findings.error(
            service.at("memory"),
            memory,
            format!(
                "Fargate has no tasks with {memory} MiB and {cpu} CPU units, expected {expected}"
            ),
        );
    }
}

fn findings_of_fargate(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    if let Some(size) = spec.ephemeral_storage_size_in_gib {
        findings.range(
            service.at("ephemeral_storage_size_in_gib"),
            size,
            21,
            200,
            "Fargate has no such storage; 20 GiB are free when it is left out",
        );
    }
    findings.range(
        service.at("stop_timeout"),
        spec.stop_timeout,
        0,
        120,
        "Fargate does not wait so many seconds",
    );
}

fn check_ec2_size(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    findings.range(
        service.at("cpu"),
        spec.cpu,
        128,
        196_608,
        "ECS has no tasks with so many CPU units",
    );
    if spec.memory < 6 {
        findings.error(
            service.at("memory"),
            spec.memory,
            "Docker starts nothing with less, expected 6 or more",
        );
    }
    if let Some(size) = spec.ephemeral_storage_size_in_gib {
        findings.error(
            service.at("ephemeral_storage_size_in_gib"),
            size,
            "only tasks on Fargate have storage of their own; set `volume_size` of the capacity instead",
        );
    }
}

fn check_image(service: &Checked<'_>, findings: &mut Findings) {
    let image = service.spec.image.as_str();
    let path = service.at("image");
    let tag = match origin(image) {
        Err(error) => {
            let note = match image.rsplit_once('/').map_or(image, |(_, last)| last) {
                last if !last.contains(':') => {
                    "; an image of another registry begins with it, such as docker.io/library/nginx:1.29"
                }
                _ => "",
            };
            findings.error(&path, image, format!("{error}{note}"));
            return;
        }
        Ok(Origin::Own(reference)) => match reference.selector {
            Selector::Tag(tag) => Some(tag),
            Selector::Digest(_) => return,
        },
        Ok(Origin::Elsewhere) if !is_image(image) => {
            findings.error(
                &path,
                image,
                "this is no image, expected <registry>/<repository>:<tag> or \
                 <registry>/<repository>@sha256:<digest>",
            );
            return;
        }
        Ok(Origin::Elsewhere) if image.contains('@') => return,
        Ok(Origin::Elsewhere) => tag_of(image).map(str::to_owned),
    };
    let moves = "another image after every push, so that what is deployed depends on the time, and a \
                 rollback of the stack file brings nothing back; name a version";
    match tag.as_deref() {
        None => findings.warning(
            &path,
            image,
            format!("no tag means `latest`, which is {moves}"),
        ),
        Some("latest") => findings.warning(&path, image, format!("`latest` is {moves}")),
        Some(_) => {}
    }
}

fn check_follow_tags(service: &Checked<'_>, findings: &mut Findings) {
    let patterns = &service.spec.follow_tags;
    let path = service.at("follow_tags");
    for (index, pattern) in patterns.iter().enumerate() {
        let is_pattern = (1..=128).contains(&pattern.len())
            && pattern
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-*?".contains(&byte));
        if !is_pattern {
            findings.error(
                path.index(index),
                pattern,
                "no tag can be like this, expected letters, digits and `_.-`, with `*` for any of them \
                 and `?` for one",
            );
        }
    }
    let is_default = matches!(patterns.as_slice(), [all] if all == "*");
    if matches!(origin(&service.spec.image), Ok(Origin::Elsewhere))
        && !patterns.is_empty()
        && !is_default
    {
        findings.warning(
            &path,
            patterns.join(", "),
            "pushes to other registries are not heard of, so no tag is followed; the image must be in this \
             account's ECR, named without its registry",
        );
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
                "this is no ARN of a role, expected one such as arn:aws:iam::111122223333:role/tasks",
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
                    "this is no ARN of a policy, expected one such as arn:aws:iam::aws:policy/<name>",
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
                "this is no action, expected one such as s3:GetObject",
            );
        }
    }
    for (index, resource) in statement.resources.iter().enumerate() {
        if resource != "*" && !resource.starts_with("arn:") && !is_open(resource) {
            findings.error(
                path.key("resources").index(index),
                resource,
                "this is no ARN, expected one such as arn:aws:s3:::<bucket>/*",
            );
        }
    }
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

fn check_deployment(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    let deployment = &spec.deployment_configuration;
    let path = service.at("deployment_configuration");
    let (least, most) = (
        deployment.minimum_healthy_percent,
        deployment.maximum_percent,
    );
    let before = findings.0.len();
    findings.range(
        path.key("minimum_healthy_percent"),
        least,
        0,
        100,
        "this is no share of the wanted tasks",
    );
    findings.range(
        path.key("maximum_percent"),
        most,
        100,
        200,
        "ECS has no such share of the wanted tasks",
    );
    if findings.0.len() > before {
        return;
    }
    if least >= most {
        findings.error(
            path.key("maximum_percent"),
            most,
            format!(
                "no task could be stopped before its successor runs, and none started before, expected \
                 more than `minimum_healthy_percent`, {least}"
            ),
        );
        return;
    }
    let tasks = match &spec.scaling {
        Some(scaling) => scaling.min_capacity,
        None => spec.desired_count,
    };
    // ECS rounds the least up and the most down.
    let running = u64::from(tasks.max(1));
    let at_least = (running * u64::from(least)).div_ceil(100);
    let at_most = running * u64::from(most) / 100;
    if at_most <= at_least {
        findings.warning(
            &path,
            format!("{least} to {most} percent"),
            format!(
                "with {running} tasks this means at least {at_least} and at most {at_most}, so that none \
                 can be replaced; let `maximum_percent` be larger or `minimum_healthy_percent` smaller"
            ),
        );
    }
}
