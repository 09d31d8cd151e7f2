//! Containers: their environments, their health checks.

use super::checked::Checked;
use super::findings::Findings;
use super::forms::is_open;
use super::secret::{check_secret, check_vault};

use crate::path::Path;
use crate::spec::Container;

/// Set by ECS in every container.
const OF_ECS: [&str; 5] = [
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_EXECUTION_ENV",
    "ECS_AGENT_URI",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
];

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
            format!("requests come to `container_port`, {port}; the variable makes the container listen elsewhere"),
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
        && service.spec.all_target_groups().next().is_some()
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
