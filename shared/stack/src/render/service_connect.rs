//! ECS Service Connect.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::ServiceConnect;

use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::template::Value;

/// By what the streams of the proxies begin in a service's log group.
const STREAMS: &str = "service-connect";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Configuration {
    enabled: bool,
    log_configuration: ProxyLog,
    namespace: Option<Value>,
    services: Option<[Server; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    client_aliases: [Alias; 1],
    discovery_name: Option<Value>,
    port_name: Value,
    timeout: Option<Timeout>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Alias {
    dns_name: Value,
    port: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Timeout {
    idle_timeout_seconds: Option<u32>,
    per_request_timeout_seconds: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProxyLog {
    log_driver: &'static str,
    options: BTreeMap<&'static str, Value>,
}

/// The name of the port by which others call the service, and what it speaks there.
pub(super) fn port(named_service: NamedService<'_>) -> Option<(&str, Option<&'static str>)> {
    let spec = server(named_service)?;
    let name = spec.port_name.as_deref().unwrap_or(named_service.name);
    Some((name, spec.app_protocol.map(|protocol| protocol.as_str())))
}

/// What is said of a service that others call.
fn server(named_service: NamedService<'_>) -> Option<&ServiceConnect> {
    let spec = named_service.spec.service_connect.as_ref()?;
    (named_service.spec.container_port.is_some() && !spec.client_only).then_some(spec)
}

pub(super) fn render(
    named_stack: &NamedStack,
    named_service: NamedService,
) -> Option<Configuration> {
    let spec = named_service.spec.service_connect.as_ref()?;
    let own = named_stack.stack.service_discovery.as_ref().map(|_| {
        let namespace = Singleton::DiscoveryNamespace.as_str().to_owned();
        Value::GetAtt(namespace, "Arn")
    });
    let services = server(named_service).zip(named_service.spec.container_port);
    let services = services.map(|(spec, container_port)| {
        let (name, _) = port(named_service).unwrap_or((named_service.name, None));
        let timeouts = (spec.idle_timeout_seconds, spec.per_request_timeout_seconds);
        let alias = &spec.client_alias;
        [Server {
            port_name: Value::written(name),
            discovery_name: spec.discovery_name.as_deref().map(Value::written),
            client_aliases: [Alias {
                dns_name: Value::written(alias.dns_name.as_deref().unwrap_or(named_service.name)),
                port: alias.port.unwrap_or(container_port),
            }],
            timeout: (timeouts != (None, None)).then_some(Timeout {
                idle_timeout_seconds: timeouts.0,
                per_request_timeout_seconds: timeouts.1,
            }),
        }]
    });
    Some(Configuration {
        enabled: true,
        namespace: spec.namespace.as_deref().map(Value::written).or(own),
        services,
        log_configuration: ProxyLog {
            log_driver: "awslogs",
            options: BTreeMap::from([
                (
                    "awslogs-group",
                    Value::Ref(Kind::LogGroup.id(&[named_service.name])),
                ),
                ("awslogs-region", Value::Ref("AWS::Region".to_owned())),
                ("awslogs-stream-prefix", STREAMS.into()),
            ]),
        },
    })
}
