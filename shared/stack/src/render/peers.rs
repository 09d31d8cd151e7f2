//! Rules between services of the stack.

use std::collections::BTreeMap;

use crate::spec::SecurityGroupRule;

use super::named::{NamedService, NamedStack, group_id};
use super::names::Kind;
use super::network::{Egress, Ingress, Rule, ports};
use super::template::{Template, Value};

/// What one service sends to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Traffic<'a> {
    client: &'a str,
    server: &'a str,
    protocol: &'a str,
    from_port: Option<i32>,
    to_port: Option<i32>,
}

impl<'a> Traffic<'a> {
    fn of(rule: &'a SecurityGroupRule, client: &'a str, server: NamedService<'a>) -> Self {
        let (from_port, to_port) = ports(rule, server.spec.container_port);
        Self {
            client,
            server: server.name,
            protocol: &rule.ip_protocol,
            from_port,
            to_port,
        }
    }

    fn rule(&self, description: Value) -> Rule {
        Rule {
            from_port: self.from_port,
            to_port: self.to_port,
            description: Some(description),
            ..Rule::of(self.protocol)
        }
    }

    /// The part of a logical id that says which ports.
    fn ports(&self) -> String {
        let protocol = match self.protocol {
            "-1" => "all",
            protocol => protocol,
        };
        match (self.from_port, self.to_port) {
            (Some(from), Some(to)) if from != to => format!("{protocol}{from}to{to}"),
            (Some(from), _) => format!("{protocol}{from}"),
            _ => protocol.to_owned(),
        }
    }
}

/// What comes in and what goes out by rules that name a service, each with what it is for.
#[derive(Default)]
struct Peers<'a> {
    ingress: BTreeMap<Traffic<'a>, Value>,
    egress: BTreeMap<Traffic<'a>, Value>,
}

impl<'a> Peers<'a> {
    fn of(named_stack: &NamedStack<'a>) -> Self {
        let mut peers = Self::default();
        let find = |name: &str| named_stack.member(name);
        for named_service in named_stack.members() {
            let Some(group) = &named_service.spec.security_group else {
                continue;
            };
            for rule in &group.ingress {
                let Some(client) = rule.service.as_deref().and_then(find) else {
                    continue;
                };
                let traffic = Traffic::of(rule, client.name, named_service);
                let described = |otherwise: String| match &rule.description {
                    Some(description) => Value::written(description),
                    None => Value::Text(otherwise),
                };
                // Where only what is said goes out, the one rule says both.
                if client.restricts_egress() {
                    let to = described(format!("To {}", named_service.name));
                    peers.egress.entry(traffic.clone()).or_insert(to);
                }
                let from = described(format!("From {}", client.name));
                peers.ingress.insert(traffic, from);
            }
            for rule in group.egress.iter().flatten() {
                let Some(server) = rule.service.as_deref().and_then(find) else {
                    continue;
                };
                let to = match &rule.description {
                    Some(description) => Value::written(description),
                    None => Value::Text(format!("To {}", server.name)),
                };
                let traffic = Traffic::of(rule, named_service.name, server);
                peers.egress.insert(traffic, to);
            }
        }
        peers
    }
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    let peers = Peers::of(named_stack);
    let own = |name: &str| group_id(Kind::SecurityGroup.id(&[name]));
    for (traffic, description) in &peers.ingress {
        for (names, client) in groups(named_stack, traffic.client) {
            let ingress = Ingress {
                group_id: own(traffic.server),
                rule: Rule {
                    source_security_group_id: Some(client),
                    ..traffic.rule(description.clone())
                },
            };
            let ports = traffic.ports();
            let mut all = vec![traffic.server];
            all.extend(names);
            all.push(&ports);
            template.add(Kind::PeerIngress, &all, &ingress);
        }
    }
    for (traffic, description) in &peers.egress {
        for (names, server) in groups(named_stack, traffic.server) {
            let egress = Egress {
                group_id: own(traffic.client),
                rule: Rule {
                    destination_security_group_id: Some(server),
                    ..traffic.rule(description.clone())
                },
            };
            let ports = traffic.ports();
            let mut all = vec![traffic.client];
            all.extend(names);
            all.push(&ports);
            template.add(Kind::PeerEgress, &all, &egress);
        }
    }
}

fn groups<'a>(named_stack: &NamedStack<'a>, service: &str) -> Vec<(Vec<&'a str>, Value)> {
    let member = named_stack.member(service);
    member.map_or_else(Vec::new, NamedService::named_security_groups)
}

/// What must be there before the service's first task calls others.
pub(super) fn dependencies(named_stack: &NamedStack, named_service: NamedService) -> Vec<String> {
    let peers = Peers::of(named_stack);
    let mut ids = Vec::new();
    for (kind, all) in [
        (Kind::PeerIngress, &peers.ingress),
        (Kind::PeerEgress, &peers.egress),
    ] {
        for traffic in all.keys() {
            if traffic.client != named_service.name {
                continue;
            }
            let (first, second) = match kind {
                Kind::PeerIngress => (traffic.server, traffic.client),
                _ => (traffic.client, traffic.server),
            };
            let ports = traffic.ports();
            for (names, _) in groups(named_stack, second) {
                let mut all = vec![first];
                all.extend(names);
                all.push(&ports);
                ids.push(kind.id(&all));
            }
        }
    }
    ids
}
