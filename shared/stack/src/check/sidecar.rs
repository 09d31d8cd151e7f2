//! Containers that run beside a service's own.

use std::collections::{BTreeMap, BTreeSet};

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_name, listed};
use crate::spec::{Container, ContainerCondition, LogRouter};

/// ECS's limit for names of containers.
const LONGEST_NAME: usize = 255;

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    check_names(service, findings);
    check_ports(service, findings);
    check_shares(service, findings);
    check_dependencies(service, findings);
    check_log_router(service, findings);
    for (path, group) in service.target_groups() {
        let Some(name) = &group.container_name else {
            continue;
        };
        let path = path.key("container_name");
        match container(service, name) {
            None => findings.error(path, name, no_such(service, name)),
            // Another port is checked by itself.
            Some(container)
                if container.container_port.is_none() && group.container_port.is_none() =>
            {
                findings.error(
                    path,
                    name,
                    "requests need a port to go to; add `container_port` to this container",
                )
            }
            Some(_) => {}
        }
    }
}

fn container<'a>(service: &'a Checked<'_>, name: &str) -> Option<Container<'a>> {
    let mut containers = service.spec.containers(service.name);
    containers.find(|container| container.name == name)
}

fn no_such(service: &Checked<'_>, name: &str) -> String {
    let names = service.spec.containers(service.name);
    let names: Vec<&str> = names.map(|container| container.name).collect();
    format!(
        "the task has no container `{name}`, expected one of `{}`",
        names.join("`, `")
    )
}

fn check_names(service: &Checked<'_>, findings: &mut Findings) {
    let sidecars = &service.spec.sidecars;
    let own = service.spec.container_name.as_deref();
    let own = own.unwrap_or(service.name);
    for name in sidecars.keys() {
        let path = service.at("sidecars").key(name);
        if !is_name(name) || name.len() > LONGEST_NAME {
            findings.error(
                &path,
                name,
                format!(
                    "this is not a name of a container, expected letters, digits, hyphens and underscores, at \
                     most {LONGEST_NAME}"
                ),
            );
        }
        if name == own {
            findings.error(
                &path,
                name,
                "this is the name of the service's own container; choose another one, or set \
                 `container_name`",
            );
        }
    }
}

/// Containers of a task share its network.
fn check_ports(service: &Checked<'_>, findings: &mut Findings) {
    let mut ports: BTreeMap<u16, &str> = BTreeMap::new();
    for (path, container) in service.containers() {
        let own = container.container_port.into_iter();
        let own = own.map(|port| (path.key("container_port"), port));
        let additional = container
            .details
            .additional_container_ports
            .iter()
            .enumerate();
        let additional = additional
            .map(|(index, port)| (path.key("additional_container_ports").index(index), *port));
        for (path, port) in own.chain(additional) {
            if let Some(other) = ports.insert(port, container.name) {
                findings.error(
                    &path,
                    port,
                    format!(
                        "container `{other}` listens there, and the containers of a task share their ports; \
                         expected ports that differ"
                    ),
                );
            }
        }
    }
}

/// What is reserved for sidecars is the task's.
fn check_shares(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    let (mut cpu, mut memory) = (0_u64, 0_u64);
    for (name, sidecar) in &spec.sidecars {
        let path = service.at("sidecars").key(name);
        cpu += u64::from(sidecar.cpu.unwrap_or(0));
        let reserved = sidecar.memory_reservation.or(sidecar.memory);
        memory += u64::from(reserved.unwrap_or(0));
        for (field, mebibytes) in [
            ("memory", sidecar.memory),
            ("memory_reservation", sidecar.memory_reservation),
        ] {
            if let Some(mebibytes) = mebibytes.filter(|mebibytes| *mebibytes < 6) {
                findings.error(
                    path.key(field),
                    mebibytes,
                    "Docker starts nothing with less, expected 6 or more",
                );
            }
        }
        if let (Some(reserved), Some(most)) = (sidecar.memory_reservation, sidecar.memory)
            && reserved >= most
        {
            findings.error(
                path.key("memory_reservation"),
                reserved,
                format!("more is reserved than it may use, expected less than `memory`, {most}"),
            );
        }
        if let Some(most) = sidecar.memory.filter(|most| *most > spec.memory) {
            findings.error(
                path.key("memory"),
                most,
                format!(
                    "the whole task has less, expected at most `memory` of the service, {}",
                    spec.memory
                ),
            );
        }
    }
    for (field, reserved, all, unit) in [
        ("cpu", cpu, spec.cpu, "CPU units"),
        ("memory", memory, spec.memory, "MiB"),
    ] {
        if reserved >= u64::from(all) && reserved > 0 {
            findings.error(
                service.at(field),
                all,
                format!(
                    "{reserved} {unit} are reserved for the sidecars, so that nothing is left for the service's own \
                     container; expected more"
                ),
            );
        }
    }
}

/// Which options a log router takes: the Amazon ECS API Reference, FirelensConfiguration.
const ROUTER_OPTIONS: [&str; 3] = [
    "config-file-type",
    "config-file-value",
    "enable-ecs-log-metadata",
];

fn check_log_router(service: &Checked<'_>, findings: &mut Findings) {
    let sidecars = service.spec.sidecars.iter();
    let mut routers = sidecars.filter_map(|(name, sidecar)| {
        let router = sidecar.firelens_configuration.as_ref()?;
        Some((name, router))
    });
    let Some((first, router)) = routers.next() else {
        if !service.spec.log_options.is_empty() {
            findings.error_without_value(
                service.at("log_options"),
                "no sidecar is a log router; add one with `firelens_configuration`, or leave this out",
            );
        }
        return;
    };
    let at = |name: &str| {
        let path = service.at("sidecars").key(name);
        path.key("firelens_configuration")
    };
    for (name, _) in routers {
        findings.error_without_value(
            at(name),
            format!("`{first}` is the task's log router already, and there can be one"),
        );
    }
    check_log_options(service, router.r#type, findings);
    for (option, value) in &router.options {
        let path = at(first).key("options").key(option);
        if !ROUTER_OPTIONS.contains(&option.as_str()) {
            findings.error(
                path,
                option,
                format!(
                    "ECS does not allow this option, expected {}",
                    listed(&ROUTER_OPTIONS)
                ),
            );
        } else if option == "config-file-type"
            && value.as_str() == "s3"
            && service.spec.is_on_fargate()
        {
            findings.error(
                path,
                "s3",
                "tasks on Fargate take a file of the image only, expected file",
            );
        }
    }
}

/// ECS's agent cannot start a task whose options go to no output; two of them are filters of its own (the agent's
/// source, `firelensconfig_unix.go`).
fn check_log_options(service: &Checked<'_>, router: LogRouter, findings: &mut Findings) {
    let output = match router {
        LogRouter::Fluentbit => "Name",
        LogRouter::Fluentd => "@type",
    };
    let options = &service.spec.log_options;
    let has_settings = options
        .keys()
        .any(|option| !["include-pattern", "exclude-pattern"].contains(&option.as_str()));
    if !has_settings || options.contains_key(output) {
        return;
    }
    let path = service.at("log_options");
    let meant = options
        .keys()
        .find(|option| option.eq_ignore_ascii_case(output));
    match meant {
        Some(meant) => findings.error(
            path.key(meant),
            meant,
            format!(
                "ECS could not start a task: {} needs `{output}`, written so",
                router.as_str()
            ),
        ),
        None => findings.error_without_value(
            path,
            format!(
                "ECS could not start a task: {} needs `{output}`, which names the destination of the logs",
                router.as_str()
            ),
        ),
    }
}

fn check_dependencies(service: &Checked<'_>, findings: &mut Findings) {
    for (path, container_of) in service.containers() {
        let mut circular: BTreeMap<&str, bool> = BTreeMap::new();
        for (index, dependency) in container_of.depends_on.iter().enumerate() {
            let path = path.key("depends_on").index(index);
            let name = &dependency.container_name;
            let Some(other) = container(service, name) else {
                findings.error(path.key("container_name"), name, no_such(service, name));
                continue;
            };
            let condition = dependency.condition;
            let is_circular = *circular
                .entry(name)
                .or_insert_with(|| reaches(service, name, container_of.name));
            if other.name == container_of.name || is_circular {
                findings.error(
                    path.key("container_name"),
                    name,
                    "the two would wait for each other, so neither would ever start",
                );
            } else if condition == ContainerCondition::Healthy && other.health_check.is_none() {
                findings.error(
                    path.key("condition"),
                    condition.as_str(),
                    format!("nothing says when `{name}` is healthy; add a `health_check` to it"),
                );
            } else if matches!(
                condition,
                ContainerCondition::Complete | ContainerCondition::Success
            ) && other.essential
            {
                findings.error(
                    path.key("condition"),
                    condition.as_str(),
                    format!(
                        "the task ends with `{name}`, so nothing can start after that; let it be `essential: \
                         false`"
                    ),
                );
            }
        }
    }
}

/// Whether the container `from` waits for `to`, or for one that does.
fn reaches(service: &Checked<'_>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        let Some(container) = container(service, &name).filter(|_| seen.insert(name.clone()))
        else {
            continue;
        };
        for dependency in container.depends_on {
            if dependency.container_name == to {
                return true;
            }
            open.push(dependency.container_name.clone());
        }
    }
    false
}
