//! The private DNS namespace in which services find each other.

use serde::Serialize;

use super::frame::{Frame, Member};
use super::names::{Kind, Singleton};
use super::template::{Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Namespace {
    name: Value,
    vpc: Value,
    tags: Option<Vec<Tag>>,
}

impl Properties for Namespace {
    const TYPE: &'static str = "AWS::ServiceDiscovery::PrivateDnsNamespace";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    name: &'a str,
    namespace_id: Value,
    dns_config: DnsConfig,
    health_check_custom_config: CustomHealth,
    tags: Option<Vec<Tag>>,
}

impl Properties for Entry<'_> {
    const TYPE: &'static str = "AWS::ServiceDiscovery::Service";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DnsConfig {
    routing_policy: &'static str,
    dns_records: [Record; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    r#type: &'static str,
    #[serde(rename = "TTL")]
    ttl: String,
}

/// ECS tells which tasks are healthy.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomHealth {
    failure_threshold: u32,
}

pub(super) fn render(frame: &Frame, template: &mut Template) {
    let Some(discovery) = &frame.stack.service_discovery else {
        return;
    };
    let namespace = Namespace {
        name: Value::written(&discovery.namespace),
        vpc: Value::written(&frame.stack.network.vpc_id),
        tags: frame.tags(),
    };
    template.add_one(Singleton::DiscoveryNamespace, &namespace);
    for member in frame.members().filter(|member| is_found(frame, *member)) {
        let entry = Entry {
            name: member.name,
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
            tags: frame.tags(),
        };
        template.add(Kind::DiscoveryEntry, &[member.name], &entry);
    }
}

fn is_found(frame: &Frame, member: Member) -> bool {
    let asked = member.spec.service_discovery;
    frame.stack.service_discovery.is_some() && asked.unwrap_or(member.spec.container_port.is_some())
}

/// Where the service's tasks are registered.
pub(super) fn registry_arn(frame: &Frame, member: Member) -> Option<Value> {
    is_found(frame, member).then(|| Value::GetAtt(Kind::DiscoveryEntry.id(&[member.name]), "Arn"))
}
