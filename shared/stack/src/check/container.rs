//! Containers: their environments, their secrets, their health checks.

use super::forms::{is_arn, is_open};
use super::{Checked, Findings};
use crate::read::Path;
use crate::spec::{Container, Secret, TargetGroup};

/// Set by ECS in every container.
const OF_ECS: [&str; 5] = [
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_EXECUTION_ENV",
    "ECS_AGENT_URI",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
];

/// The AWS CloudFormation User Guide, "Understand CloudFormation quotas": the value of a parameter, in bytes.
const LONGEST_VALUE: usize = 4096;

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    for (path, container) in service.containers() {
        check_container(&path, &container, findings);
    }
    check_what_is_made(service, findings);
    check_vault(service, findings);
    check_grace_period(service, findings);
    check_shell(service, findings);
}

fn check_container(path: &Path, container: &Container<'_>, findings: &mut Findings) {
    check_variables(path, container, findings);
    for (name, secret) in container.secrets {
        check_secret(&path.key("secrets").key(name), secret, findings);
    }
    check_health(path, container, findings);
    if let Some(directory) = container.working_directory
        && !directory.starts_with('/')
        && !is_open(directory)
    {
        findings.error(
            path.key("working_directory"),
            directory,
            "this is not an absolute path, expected one that begins with /",
        );
    }
    if let Some(user) = container.user {
        let is_part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        };
        if user.split(':').count() > 2 || !user.split(':').all(is_part) {
            findings.error(
                path.key("user"),
                user,
                "this is not a user, expected <uid> or <uid>:<gid>, such as 1000:1000",
            );
        }
    }
}

fn check_variables(path: &Path, container: &Container<'_>, findings: &mut Findings) {
    let (environment, secrets) = (container.environment, container.secrets);
    for (field, name) in (environment.keys().map(|name| ("environment", name)))
        .chain(secrets.keys().map(|name| ("secrets", name)))
    {
        let path = path.key(field).key(name);
        if name.is_empty() || name.contains(['=', '\0']) || name.contains(char::is_whitespace) {
            findings.error(
                &path,
                name,
                "no environment variable can be named so, expected a name without spaces and `=`",
            );
        } else if !is_variable(name) {
            findings.warning(
                &path,
                name,
                "shells cannot read a variable of this name, expected letters, digits and underscores",
            );
        } else if OF_ECS.contains(&name.as_str()) {
            findings.warning(
                &path,
                name,
                "ECS sets this variable itself, and the AWS SDKs read it; leave it out",
            );
        }
        if field == "secrets" && environment.contains_key(name) {
            findings.error(
                &path,
                name,
                format!("`{name}` is in `environment` too, which ECS refuses; keep one of them"),
            );
        }
    }
    if let (Some(port), Some(written)) = (container.container_port, environment.get("PORT"))
        && written
            .as_str()
            .parse()
            .is_ok_and(|written: u16| written != port)
    {
        findings.warning(
            path.key("environment").key("PORT"),
            written.as_str(),
            format!("requests come to `container_port`, {port}; the container is told to listen elsewhere"),
        );
    }
}

/// Variables of the service's own container that follow from the rest of the file.
fn check_what_is_made(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    let said_twice = [("LOG_LEVEL", spec.log_level.as_deref(), "log_level")]
        .into_iter()
        .chain(spec.vault.iter().flat_map(|vault| {
            [
                ("VAULT_ADDR", Some(vault.address.as_str()), "vault.address"),
                ("VAULT_ROLE", Some(vault.role.as_str()), "vault.role"),
            ]
        }));
    for (variable, value, field) in said_twice {
        let path = service.at("environment").key(variable);
        if let (Some(written), Some(value)) = (spec.environment.get(variable), value)
            && written.as_str() != value
        {
            findings.error(
                &path,
                written.as_str(),
                format!("`{field}` says `{value}`; say it in one place"),
            );
        }
    }
    let made = [
        ("LOG_LEVEL", spec.log_level.is_some(), "log_level"),
        ("VAULT_ADDR", spec.vault.is_some(), "vault"),
        ("VAULT_ROLE", spec.vault.is_some(), "vault"),
        ("VAULT_SECRET_PATHS", spec.vault.is_some(), "vault"),
    ];
    for (variable, is_made, field) in made {
        if is_made && spec.secrets.contains_key(variable) {
            findings.error(
                service.at("secrets").key(variable),
                variable,
                format!("`{field}` sets this variable too; say it in one place"),
            );
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn check_secret(path: &Path, secret: &Secret, findings: &mut Findings) {
    match (&secret.value_from, &secret.value) {
        (Some(_), Some(_)) => findings.error_without_value(
            path,
            "there are two sources, expected exactly one of `value_from` and `value`",
        ),
        (None, None) => findings.error_without_value(
            path,
            "there is no source, expected exactly one of `value_from`, a secret of Secrets Manager, and \
             `value`",
        ),
        _ => {}
    }
    if let (Some(value), None) = (&secret.value, &secret.value_from)
        && value.reveal().is_empty()
    {
        findings.error_without_value(
            path.key("value"),
            "the value is empty, which Secrets Manager does not take",
        );
    }
    if let Some(value) = &secret.value
        && value.reveal().len() > LONGEST_VALUE
    {
        findings.error_without_value(
            path.key("value"),
            format!(
                "the value has {} bytes, and it goes through a parameter of CloudFormation's, which takes at \
                 most {LONGEST_VALUE}; put it into Secrets Manager yourself, and name it with `value_from`",
                value.reveal().len()
            ),
        );
    }
    if let Some(key) = &secret.kms_key_arn
        && (!is_arn(key, "kms", "key/") || has_wildcard(key))
    {
        findings.error(
            path.key("kms_key_arn"),
            key,
            "this is not an ARN of a KMS key, expected one such as \
             arn:aws:kms:eu-west-1:111122223333:key/<id>",
        );
    }
    let Some(source) = &secret.value_from else {
        if let Some(key) = &secret.json_key {
            findings.error(
                path.key("json_key"),
                key,
                "a key is taken out of a secret that `value_from` names; add that, or leave the key out",
            );
        }
        return;
    };
    let path_of_source = path.key("value_from");
    if has_wildcard(source) {
        findings.error(
            path_of_source,
            source,
            "this would let the service read every secret that matches it, expected the name or the ARN of one \
             secret, without `*` and `?`",
        );
    } else if source.starts_with("arn:") {
        let is_secret = is_arn(source, "secretsmanager", "secret:");
        let is_parameter = is_arn(source, "ssm", "parameter/");
        if !is_secret && !is_parameter {
            findings.error(
                path_of_source,
                source,
                "this is not an ARN of a secret of Secrets Manager or of an SSM parameter",
            );
        } else if is_parameter && !is_open(source) && secret.json_key.is_some() {
            findings.error(
                path.key("json_key"),
                secret.json_key.as_deref().unwrap_or_default(),
                "ECS takes keys only out of secrets of Secrets Manager, not out of SSM parameters",
            );
        } else if is_secret && !is_open(source) && source.matches(':').count() > 6 {
            findings.error(
                path_of_source,
                source,
                "the ARN goes on after the secret's name; write the key into `json_key`",
            );
        }
    } else {
        let is_name = !source.is_empty()
            && source
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte));
        if !is_name && !is_open(source) {
            findings.error_without_value(
                path_of_source,
                "this is not a name of a secret, expected letters, digits and `/_+=.@-`; a value itself \
                 belongs into `value`",
            );
        }
    }
    if let Some(key) = &secret.json_key
        && (key.is_empty() || key.contains(':'))
    {
        findings.error(
            path.key("json_key"),
            key,
            "ECS does not allow this key, expected one without colons",
        );
    }
}

/// Whether IAM would take this for more than one resource: the name also stands in a policy, which lets the service
/// read it.
fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn check_vault(service: &Checked<'_>, findings: &mut Findings) {
    let Some(vault) = &service.spec.vault else {
        return;
    };
    let path = service.at("vault");
    let address = &vault.address;
    if address.starts_with("http://") {
        findings.warning(
            path.key("address"),
            address,
            "secrets would travel without encryption; use https",
        );
    } else if !address.starts_with("https://") && !is_open(address) {
        findings.error(
            path.key("address"),
            address,
            "this is not a URL, expected one such as https://vault.shop.local:8200",
        );
    }
    if vault.role.is_empty() {
        findings.error_without_value(
            path.key("role"),
            "the role is empty, expected that of Vault's AWS method",
        );
    }
}

fn check_health(path: &Path, container: &Container<'_>, findings: &mut Findings) {
    let Some(health) = container.health_check else {
        return;
    };
    let path = path.key("health_check");
    let command: Vec<&str> = health.command.iter().map(String::as_str).collect();
    match command.as_slice() {
        ["NONE"] | ["CMD", _, ..] | ["CMD-SHELL", _] => {}
        ["CMD-SHELL", _, ..] => findings.error(
            path.key("command"),
            command.join(" "),
            "`CMD-SHELL` takes one text with the whole command; join the rest, or write `CMD`",
        ),
        _ => findings.error(
            path.key("command"),
            command.join(" "),
            "ECS does not know how to run this, expected [\"CMD-SHELL\", \"<command>\"] or \
             [\"CMD\", \"<program>\", …]",
        ),
    }
    findings.range(
        path.key("interval"),
        health.interval,
        5,
        300,
        "ECS does not allow this interval",
    );
    findings.range(
        path.key("timeout"),
        health.timeout,
        2,
        60,
        "ECS does not allow this timeout",
    );
    findings.range(
        path.key("retries"),
        health.retries,
        1,
        10,
        "ECS does not allow this number of retries",
    );
    if let Some(start) = health.start_period {
        findings.range(
            path.key("start_period"),
            start,
            0,
            300,
            "ECS does not allow this start period",
        );
    }
    let asked = port_asked_for(&command.join(" "));
    if let (Some(asked), Some(port)) = (asked, container.container_port)
        && asked != port
    {
        findings.warning(
            path.key("command"),
            command.join(" "),
            format!(
                "the check asks port {asked}, but the container listens on `container_port`, {port}"
            ),
        );
    }
}

fn check_grace_period(service: &Checked<'_>, findings: &mut Findings) {
    let Some(health) = &service.spec.health_check else {
        return;
    };
    if let Some(grace) = service.spec.health_check_grace_period_seconds
        && let Some(TargetGroup { .. }) = &service.spec.target_group
        && health.start_period.is_some_and(|start| start > grace)
    {
        findings.warning(
            service.at("health_check_grace_period_seconds"),
            grace,
            "the container may still be starting when the load balancer's checks begin to count, expected \
             at least the health check's `start_period`",
        );
    }
}

/// The port of the container itself that a command speaks to.
fn port_asked_for(command: &str) -> Option<u16> {
    let rest = ["localhost:", "127.0.0.1:"]
        .iter()
        .find_map(|host| command.split_once(host))?
        .1;
    let end = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// ECS Exec writes into the container's root.
fn check_shell(service: &Checked<'_>, findings: &mut Findings) {
    let mut containers = service.spec.containers(service.name);
    if service.spec.enable_execute_command
        && containers.all(|container| container.readonly_root_filesystem)
    {
        findings.error(
            service.at("enable_execute_command"),
            true,
            "ECS Exec does not work with a read-only root file system; turn one of the two off",
        );
    }
}
