//! The private DNS namespace in which services find each other.

use serde::Serialize;

use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::template::{Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Namespace {
    name: Value,
    tags: Option<Vec<Tag>>,
    vpc: Value,
}

impl Properties for Namespace {
    const TYPE: &'static str = "AWS::ServiceDiscovery::PrivateDnsNamespace";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    dns_config: DnsConfig,
    health_check_custom_config: CustomHealth,
    name: &'a str,
    namespace_id: Value,
    tags: Option<Vec<Tag>>,
}

impl Properties for Entry<'_> {
    const TYPE: &'static str = "AWS::ServiceDiscovery::Service";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DnsConfig {
    dns_records: [Record; 1],
    routing_policy: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    #[serde(rename = "TTL")]
    ttl: String,
    r#type: &'static str,
}

/// ECS reports which tasks are healthy.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomHealth {
    failure_threshold: u32,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    let Some(discovery) = &named_stack.stack.service_discovery else {
        return;
    };
    let namespace = Namespace {
        name: Value::written(&discovery.namespace),
        vpc: Value::written(&named_stack.stack.network.vpc_id),
        tags: named_stack.tags(),
    };
    if discovery.namespace_id.is_none() {
        template.add_one(Singleton::DiscoveryNamespace, &namespace);
    }
    for named_service in named_stack
        .members()
        .filter(|named_service| is_found(named_stack, *named_service))
    {
        let entry = Entry {
            name: named_service.name,
            namespace_id: Value::GetAtt(Singleton::DiscoveryNamespace.as_str().to_owned(), "Id"),
            dns_config: DnsConfig {
                routing_policy: "MULTIVALUE",
                dns_records: [Record {
                    r#type: "A",
                    ttl: discovery.ttl.to_string(),
                }],
            },
            health_check_custom_config: CustomHealth {
                failure_threshold: 1,
            },
            tags: named_stack.tags(),
        };
        template.add(Kind::DiscoveryEntry, &[named_service.name], &entry);
    }
}

fn is_found(named_stack: &NamedStack, named_service: NamedService) -> bool {
    let asked = named_service.spec.service_discovery;
    named_stack.stack.service_discovery.is_some()
        && asked.unwrap_or(named_service.spec.container_port.is_some())
}

/// Where the service's tasks are registered.
pub(super) fn registry_arn(named_stack: &NamedStack, named_service: NamedService) -> Option<Value> {
    is_found(named_stack, named_service)
        .then(|| Value::GetAtt(Kind::DiscoveryEntry.id(&[named_service.name]), "Arn"))
}
