//! Details of containers: what ECS takes, and where.

use std::collections::BTreeSet;

use super::checked::Checked;
use super::findings::Findings;
use super::forms::is_arn;
use super::image::{Origin, origin};
use super::secret::check_key;
use crate::path::Path;
use crate::spec::{Container, LogMode, UlimitName};

/// ECS's limits: the Amazon ECS API Reference, `ContainerDefinition` and `ContainerRestartPolicy`; the Amazon ECS
/// Developer Guide, "Pass environment variables to an Amazon ECS container".
const MOST_ENVIRONMENT_FILES: usize = 10;
const MOST_EXIT_CODES: usize = 50;
const MOST_NOFILE_ON_FARGATE: i64 = 1_048_576;

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    for (path, container) in service.containers() {
        check_ulimits(service, &path, &container, findings);
        check_machine(service, &path, &container, findings);
        check_environment_files(&path, &container, findings);
        check_start_and_restart(service, &path, &container, findings);
        check_log_delivery(service, &path, &container, findings);
        check_credentials(&path, &container, findings);
    }
}

fn check_ulimits(
    service: &Checked<'_>,
    path: &Path,
    container: &Container<'_>,
    findings: &mut Findings,
) {
    let mut seen = BTreeSet::new();
    for (index, ulimit) in container.details.ulimits.iter().enumerate() {
        let path = path.key("ulimits").index(index);
        let name = ulimit.name.as_str();
        if !seen.insert(ulimit.name) {
            findings.error(
                path.key("name"),
                name,
                "this limit is there twice; keep one of them",
            );
        }
        let (soft, hard) = (ulimit.soft_limit, ulimit.hard_limit);
        if hard >= 0 && (soft < 0 || soft > hard) {
            findings.error(
                path.key("soft_limit"),
                soft,
                format!("it is above `hard_limit` ({hard}), expected at most that"),
            );
        }
        if !service.spec.is_on_fargate() {
            continue;
        }
        if ulimit.name != UlimitName::Nofile {
            findings.warning(
                path.key("name"),
                name,
                "on Fargate only `nofile` has an effect",
            );
        } else if !(0..=MOST_NOFILE_ON_FARGATE).contains(&hard) {
            findings.error(
                path.key("hard_limit"),
                hard,
                format!("this is too much on Fargate, expected 0 to {MOST_NOFILE_ON_FARGATE}"),
            );
        }
    }
}

/// What only instances have.
fn check_machine(
    service: &Checked<'_>,
    path: &Path,
    container: &Container<'_>,
    findings: &mut Findings,
) {
    let details = &container.details;
    let of_instances = [
        (
            path.key("linux_parameters").key("shared_memory_size"),
            details.linux_parameters.shared_memory_size,
            "shared memory of another size",
        ),
        (path.key("gpu"), details.gpu, "GPUs"),
    ];
    for (path, value, what) in of_instances {
        let Some(value) = value else { continue };
        if service.spec.is_on_fargate() {
            findings.error(
                &path,
                value,
                format!("Fargate does not have {what}; use `capacity` and `capacity_provider_strategy`, or leave it out"),
            );
        }
    }
}

fn check_environment_files(path: &Path, container: &Container<'_>, findings: &mut Findings) {
    let files = container.details.environment_files;
    let key = container.details.environment_files_kms_key_arn;
    let path_of_key = path.key("environment_files_kms_key_arn");
    if let (Some(key), true) = (key, files.is_empty()) {
        findings.error(
            path_of_key,
            key,
            "there are no files that it encrypts; leave it out, or add `environment_files`",
        );
    } else {
        check_key(path_of_key, key, findings);
    }
    let path = path.key("environment_files");
    if files.len() > MOST_ENVIRONMENT_FILES {
        findings.error(
            &path,
            files.len(),
            format!("these are too many files, expected at most {MOST_ENVIRONMENT_FILES}"),
        );
    }
    for (index, file) in files.iter().enumerate() {
        let is_object = is_arn(file, "s3", "") && file.contains('/') && !file.contains(['*', '?']);
        if !is_object || !file.ends_with(".env") {
            findings.error(
                path.index(index),
                file,
                "expected the ARN of an object in S3 whose name ends in `.env`, such as \
                 arn:aws:s3:::shop-settings/api.env",
            );
        }
    }
}

fn check_start_and_restart(
    service: &Checked<'_>,
    path: &Path,
    container: &Container<'_>,
    findings: &mut Findings,
) {
    if let Some(timeout) = container.details.start_timeout {
        let path = path.key("start_timeout");
        let most = if service.spec.is_on_fargate() {
            120
        } else {
            u32::MAX
        };
        findings.range(
            &path,
            timeout,
            2,
            most,
            "this is not a time for a container to start",
        );
        if container.depends_on.is_empty() {
            findings.warning(
                &path,
                timeout,
                "it counts while the container waits for others, and `depends_on` names none",
            );
        }
    }
    if let Some(policy) = container.details.restart_policy {
        let path = path.key("restart_policy");
        if policy.ignored_exit_codes.len() > MOST_EXIT_CODES {
            findings.error(
                path.key("ignored_exit_codes"),
                policy.ignored_exit_codes.len(),
                format!("these are too many exit codes, expected at most {MOST_EXIT_CODES}"),
            );
        }
    }
}

fn check_log_delivery(
    service: &Checked<'_>,
    path: &Path,
    container: &Container<'_>,
    findings: &mut Findings,
) {
    let delivery = container.details.log_delivery;
    let path = path.key("log_delivery");
    let mut sidecars = service.spec.sidecars.values();
    let is_routed = container.sidecar.is_none()
        && sidecars.any(|sidecar| sidecar.firelens_configuration.is_some());
    if is_routed && *delivery != crate::spec::LogDelivery::default() {
        findings.error_without_value(
            &path,
            "this container writes to the log router; use `log_options`",
        );
        return;
    }
    if let Some(size) = &delivery.max_buffer_size {
        let path = path.key("max_buffer_size");
        let number = size.trim_end_matches(['k', 'm', 'g']);
        let is_size =
            size.len() - number.len() <= 1 && number.parse::<u32>().is_ok_and(|number| number > 0);
        if !is_size {
            findings.error(&path, size, "this is not a size, expected one such as 25m");
        } else if delivery.mode != Some(LogMode::NonBlocking) {
            findings.error(
                &path,
                size,
                "there is a buffer with `mode: non-blocking` only; say that, too",
            );
        }
    }
    if let (Some(_), Some(format)) = (&delivery.multiline_pattern, &delivery.datetime_format) {
        findings.error(
            path.key("datetime_format"),
            format,
            "`multiline_pattern` says where messages begin, too; keep one of them",
        );
    }
}

fn check_credentials(path: &Path, container: &Container<'_>, findings: &mut Findings) {
    let Some(credentials) = container.details.repository_credentials else {
        return;
    };
    let path = path.key("repository_credentials");
    check_key(
        path.key("kms_key_arn"),
        credentials.kms_key_arn.as_deref(),
        findings,
    );
    let name = &credentials.credentials_parameter;
    if let Ok(Origin::Own(_)) = origin(container.image) {
        findings.error(
            &path,
            container.image,
            "an image of ECR is pulled with the execution role's rights; leave it out",
        );
    } else if (name.starts_with("arn:") && !is_arn(name, "secretsmanager", "secret:"))
        || name.contains(['*', '?'])
    {
        findings.error(
            path.key("credentials_parameter"),
            name,
            "this is not a secret of Secrets Manager, expected its ARN or, in this account and region, its name",
        );
    }
}
