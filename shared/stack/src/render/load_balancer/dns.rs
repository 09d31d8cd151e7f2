//! Names that lead to the load balancer.

use serde::Serialize;

use crate::spec::LoadBalancer;

use super::super::named::NamedStack;
use super::super::names::{Kind, Singleton};
use super::super::template::{Properties, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    hosted_zone_id: Value,
    name: Value,
    r#type: &'static str,
    alias_target: Alias,
}

impl Properties for Record {
    const TYPE: &'static str = "AWS::Route53::RecordSet";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Alias {
    #[serde(rename = "DNSName")]
    dns_name: Value,
    hosted_zone_id: Value,
    evaluate_target_health: bool,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template, spec: &LoadBalancer) {
    let Some(dns) = &spec.dns else {
        return;
    };
    let of = |attribute| Value::GetAtt(Singleton::LoadBalancer.as_str().to_owned(), attribute);
    let is_dualstack = named_stack.stack.load_balancer_is_dualstack();
    let kinds = [(Kind::DnsRecord, "A"), (Kind::Ipv6DnsRecord, "AAAA")];
    for name in &dns.names {
        for (kind, r#type) in kinds.iter().take(1 + usize::from(is_dualstack)) {
            let record = Record {
                hosted_zone_id: Value::written(&dns.hosted_zone_id),
                name: Value::written(name),
                r#type,
                alias_target: Alias {
                    dns_name: of("DNSName"),
                    hosted_zone_id: of("CanonicalHostedZoneID"),
                    evaluate_target_health: true,
                },
            };
            // A logical id has no asterisk.
            template.add(*kind, &[&name.replace('*', "any")], &record);
        }
    }
}
