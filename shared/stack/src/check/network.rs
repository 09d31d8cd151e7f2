//! Where things are: VPC, subnets, security groups.

use std::collections::BTreeSet;

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_id, is_ipv4_range, is_ipv6_range, is_open};
use crate::path::Path;
use crate::spec::{SecurityGroupRule, Stack};

/// A network interface has at most this many security groups.
const MOST_SECURITY_GROUPS: usize = 5;

/// The most subnets for the tasks of a service: the Amazon ECS API Reference, AwsVpcConfiguration.
const MOST_SUBNETS: usize = 16;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    let path = Path::default().key("network");
    let network = &stack.network;
    if !is_id(&network.vpc_id, "vpc-") {
        findings.error(
            path.key("vpc_id"),
            &network.vpc_id,
            "this is not an id of a VPC, expected one such as vpc-0a1b2c3d4e5f67890",
        );
    }
    let path = path.key("subnet_ids");
    let distinct = check_subnets(&path, &network.subnet_ids, findings);
    let mut services = stack.services.values();
    if services.any(|service| service.subnet_ids.is_none()) {
        check_number_of_subnets(&path, &network.subnet_ids, findings);
    }
    if distinct == 1 {
        findings.warning(
            &path,
            network.subnet_ids.join(", "),
            "one subnet is one availability zone, whose failure stops everything; name subnets in at \
             least two zones",
        );
    }
}

/// Checks how many subnets there are for the tasks of a service.
fn check_number_of_subnets(path: &Path, subnets: &[String], findings: &mut Findings) {
    if subnets.len() > MOST_SUBNETS {
        findings.error(
            path,
            subnets.len(),
            format!(
                "these are too many subnets for the tasks of a service, expected at most {MOST_SUBNETS}, which \
                 ECS takes"
            ),
        );
    }
}

/// Checks a list of subnets and returns how many different ones there are.
pub(super) fn check_subnets(path: &Path, subnets: &[String], findings: &mut Findings) -> usize {
    if subnets.is_empty() {
        findings.error_without_value(
            path,
            "there is no subnet in the list, expected at least one",
        );
    }
    let mut seen = BTreeSet::new();
    for (index, subnet) in subnets.iter().enumerate() {
        let path = path.index(index);
        if !is_id(subnet, "subnet-") {
            findings.error(
                &path,
                subnet,
                "this is not an id of a subnet, expected one such as subnet-0a1b2c3d4e5f67890",
            );
        }
        if !seen.insert(subnet) {
            findings.error(
                &path,
                subnet,
                format!("{subnet} is in the list twice; keep one of them"),
            );
        }
    }
    seen.len()
}

/// Checks ids of security groups; `own` are those that the stack makes besides.
pub(super) fn check_security_groups(
    path: &Path,
    groups: &[String],
    own: usize,
    findings: &mut Findings,
) {
    for (index, group) in groups.iter().enumerate() {
        if !is_id(group, "sg-") {
            findings.error(
                path.index(index),
                group,
                "this is not an id of a security group, expected one such as sg-0a1b2c3d4e5f67890",
            );
        }
    }
    if groups.len() + own > MOST_SECURITY_GROUPS {
        findings.error(
            path,
            groups.len() + own,
            format!(
                "too many security groups, expected at most {MOST_SECURITY_GROUPS}; {own} of them is \
                 the stack's own"
            ),
        );
    }
}

pub(super) fn check_service(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    if let Some(subnets) = &spec.subnet_ids {
        let path = service.at("subnet_ids");
        check_subnets(&path, subnets, findings);
        check_number_of_subnets(&path, subnets, findings);
    }
    let own = usize::from(spec.security_group.is_some());
    check_security_groups(
        &service.at("security_group_ids"),
        &spec.security_group_ids,
        own,
        findings,
    );
    if spec.assign_public_ip && !service.spec.is_on_fargate() {
        findings.error(
            service.at("assign_public_ip"),
            true,
            "only tasks on Fargate can have public addresses; leave it out, or run the service on Fargate",
        );
    }
    let Some(group) = &spec.security_group else {
        return;
    };
    let path = service.at("security_group");
    for (index, rule) in group.ingress.iter().enumerate() {
        let path = path.key("ingress").index(index);
        check_rule(&path, rule, findings);
        check_peer(service, &path, rule, findings);
        if rule.from_port.is_none() && spec.container_port.is_none() && has_ports(rule) {
            findings.error_without_value(
                &path,
                "the rule does not name a port, and the service has no `container_port`; add `from_port`",
            );
        }
        for (field, range, all) in [
            ("cidr_ip", &rule.cidr_ip, "0.0.0.0/0"),
            ("cidr_ipv6", &rule.cidr_ipv6, "::/0"),
        ] {
            if range.as_deref() != Some(all) {
                continue;
            }
            findings.warning(
                path.key(field),
                all,
                "everybody may connect to the tasks; name who it is meant for, such as a load balancer's \
                 `security_group_id`",
            );
        }
    }
    for (index, rule) in group.egress.iter().flatten().enumerate() {
        let path = path.key("egress").index(index);
        check_rule(&path, rule, findings);
        check_peer(service, &path, rule, findings);
        let of_peer = rule.service.as_ref();
        let of_peer = of_peer.and_then(|peer| service.stack.services.get(peer)?.container_port);
        if rule.from_port.is_none() && of_peer.is_none() && has_ports(rule) {
            findings.error_without_value(
                &path,
                "the rule does not name a port; add `from_port`, or `ip_protocol: \"-1\"` for everything",
            );
        }
    }
}

/// A rule that names another service of the stack.
fn check_peer(
    service: &Checked<'_>,
    path: &Path,
    rule: &SecurityGroupRule,
    findings: &mut Findings,
) {
    let Some(peer) = &rule.service else {
        return;
    };
    let services = &service.stack.services;
    if !services.contains_key(peer) {
        let advice = findings.advice(peer, services.keys().map(String::as_str), "");
        findings.error(
            path.key("service"),
            peer,
            format!("there is no service `{peer}` in this stack; {advice}"),
        );
    }
    if rule.ip_protocol.starts_with("icmp") {
        findings.error(
            path.key("ip_protocol"),
            &rule.ip_protocol,
            "services send each other tcp or udp, or \"-1\" for all; expected one of these",
        );
    }
}

fn has_ports(rule: &SecurityGroupRule) -> bool {
    matches!(rule.ip_protocol.as_str(), "tcp" | "udp")
}

fn check_rule(path: &Path, rule: &SecurityGroupRule, findings: &mut Findings) {
    let protocol = rule.ip_protocol.as_str();
    if !["tcp", "udp", "icmp", "icmpv6", "-1"].contains(&protocol) {
        findings.error(
            path.key("ip_protocol"),
            protocol,
            "this is not a protocol, expected tcp, udp, icmp, icmpv6 or \"-1\" for all",
        );
    }
    let said = [
        &rule.cidr_ip,
        &rule.cidr_ipv6,
        &rule.prefix_list_id,
        &rule.security_group_id,
        &rule.service,
    ];
    let peers = said.iter().filter(|peer| peer.is_some()).count();
    if peers != 1 {
        findings.error(
            path,
            peers,
            "the rule must say who is at the other end, expected exactly one of `cidr_ip`, `cidr_ipv6`, \
             `prefix_list_id`, `security_group_id` and `service`",
        );
    }
    if let Some(range) = &rule.cidr_ipv6
        && !is_ipv6_range(range)
    {
        findings.error(
            path.key("cidr_ipv6"),
            range,
            "this is not an IPv6 range, expected one such as 2001:db8::/32",
        );
    }
    if let Some(range) = &rule.cidr_ip
        && !is_ipv4_range(range)
    {
        findings.error(
            path.key("cidr_ip"),
            range,
            "this is not an IPv4 range, expected one such as 10.0.0.0/16",
        );
    }
    for (field, value, prefix) in [
        ("prefix_list_id", &rule.prefix_list_id, "pl-"),
        ("security_group_id", &rule.security_group_id, "sg-"),
    ] {
        if let Some(value) = value
            && !is_id(value, prefix)
        {
            findings.error(
                path.key(field),
                value,
                format!("this is not such an id, expected one such as {prefix}0a1b2c3d4e5f67890"),
            );
        }
    }
    match (rule.from_port, rule.to_port) {
        (Some(from), Some(to)) if from > to => findings.error(
            path.key("to_port"),
            to,
            format!("the last port is before the first one, expected {from} or more"),
        ),
        (Some(port), _) | (_, Some(port)) if protocol == "-1" => findings.error(
            path,
            port,
            "all protocols have no ports; leave the ports out, or name the protocol",
        ),
        (None, Some(to)) => findings.error(
            path.key("to_port"),
            to,
            "there is a last port but no first one; add `from_port`",
        ),
        _ => {}
    }
    if let Some(description) = &rule.description
        && !is_open(description)
    {
        let is_allowed = description.chars().all(|character| {
            character.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(character)
        });
        if !is_allowed || description.len() > 255 {
            findings.error(
                path.key("description"),
                description,
                "EC2 takes at most 255 letters of English, digits, spaces and `._-:/()#,@[]+=&;{}!$*` here",
            );
        }
    }
}
