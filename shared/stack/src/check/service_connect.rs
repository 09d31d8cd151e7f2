//! ECS Service Connect.

use std::collections::BTreeMap;

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_arn, is_label, is_open};
use crate::path::Path;
use crate::spec::{ServiceConnect, Stack};

/// The names and ports by which services are called, which differ within a namespace.
pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    let mut names: BTreeMap<(Option<&str>, &str), &str> = BTreeMap::new();
    let mut aliases: BTreeMap<(Option<&str>, &str, u16), &str> = BTreeMap::new();
    for (name, service) in &stack.services {
        let (Some(spec), Some(port)) = (&service.service_connect, service.container_port) else {
            continue;
        };
        if spec.client_only {
            continue;
        }
        let path = Path::default()
            .key("services")
            .key(name)
            .key("service_connect");
        let namespace = spec.namespace.as_deref();
        let discovery_name = discovery_name(spec, name);
        if let Some(other) = names.insert((namespace, discovery_name), name) {
            findings.error(
                &path,
                discovery_name,
                format!("service `{other}` is called so in the namespace already; give a `discovery_name` that differs"),
            );
        }
        let alias = &spec.client_alias;
        let dns_name = alias.dns_name.as_deref().unwrap_or(name);
        let port = alias.port.unwrap_or(port);
        if let Some(other) = aliases.insert((namespace, dns_name, port), name) {
            findings.error(
                path.key("client_alias"),
                format!("{dns_name}:{port}"),
                format!(
                    "service `{other}` is called by this name and port already; give another one"
                ),
            );
        }
    }
}

fn discovery_name<'a>(spec: &'a ServiceConnect, service: &'a str) -> &'a str {
    let name = spec.discovery_name.as_deref();
    name.or(spec.port_name.as_deref()).unwrap_or(service)
}

pub(super) fn check_service(service: &Checked<'_>, findings: &mut Findings) {
    let Some(spec) = &service.spec.service_connect else {
        return;
    };
    let path = service.at("service_connect");
    match &spec.namespace {
        Some(namespace) => {
            let is_name = !namespace.is_empty() && namespace.split('.').all(is_label);
            if !is_name && !is_arn(namespace, "servicediscovery", "namespace/") {
                findings.error(
                    path.key("namespace"),
                    namespace,
                    "this is neither a name nor an ARN of a namespace, expected one such as shop.local",
                );
            }
        }
        None if service.stack.service_discovery.is_none() => findings.error_without_value(
            &path,
            "there is no namespace in which services find each other; add `service_discovery` to the stack, or a \
             `namespace` that exists",
        ),
        None => {}
    }
    let of_server = [
        ("port_name", spec.port_name.is_some()),
        ("app_protocol", spec.app_protocol.is_some()),
        ("discovery_name", spec.discovery_name.is_some()),
        ("client_alias", spec.client_alias != Default::default()),
        ("idle_timeout_seconds", spec.idle_timeout_seconds.is_some()),
        (
            "per_request_timeout_seconds",
            spec.per_request_timeout_seconds.is_some(),
        ),
    ];
    if spec.client_only || service.spec.container_port.is_none() {
        let why = if spec.client_only {
            "`client_only` says that nobody calls the service"
        } else {
            "nobody can call a service without a `container_port`"
        };
        for (field, _) in of_server.into_iter().filter(|(_, is_said)| *is_said) {
            findings
                .error_without_value(path.key(field), format!("{why}; leave this out, or that"));
        }
        return;
    }
    // The Amazon ECS API Reference, PortMapping and ServiceConnectService.
    let is_word = |text: &str| {
        (1..=64).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte)
            })
    };
    let name = discovery_name(spec, service.name);
    if !is_word(name) || spec.port_name.as_deref().is_some_and(|name| !is_word(name)) {
        findings.error(
            &path,
            name,
            "ECS takes at most 64 lowercase letters, digits, hyphens and underscores for names here; add `port_name`, and \
             `discovery_name` if it is to differ",
        );
    }
    if let Some(name) = &spec.client_alias.dns_name
        && !(name.len() <= 127 && name.split('.').all(is_label))
        && !is_open(name)
    {
        findings.error(
            path.key("client_alias").key("dns_name"),
            name,
            "this is not a DNS name, expected one such as api or api.shop.local",
        );
    }
}
