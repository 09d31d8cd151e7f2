//! Security groups, and the VPC's flow logs.

use serde::Serialize;

use crate::spec::{IpAddressType, SecurityGroupRule, TrafficType};

use super::iam::{InlinePolicy, Statement};
use super::logs;
use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::role::Role;
use super::template::{Properties, Tag, Template, Value, part_of_sub};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SecurityGroup {
    group_description: String,
    #[serde(skip)]
    is_dualstack: bool,
    security_group_egress: Vec<Rule>,
    security_group_ingress: Option<Vec<Rule>>,
    tags: Option<Vec<Tag>>,
    vpc_id: Value,
}

impl Properties for SecurityGroup {
    const TYPE: &'static str = "AWS::EC2::SecurityGroup";
}

impl SecurityGroup {
    /// One that lets nothing in and nothing out.
    pub(super) fn new(named_stack: &NamedStack, group_description: String) -> Self {
        Self {
            group_description,
            vpc_id: Value::written(&named_stack.stack.network.vpc_id),
            security_group_ingress: None,
            // Without any rule, EC2 would let everything out. This one lets out what nobody sends.
            security_group_egress: vec![Rule {
                cidr_ip: Some("255.255.255.255/32".into()),
                from_port: Some(252),
                to_port: Some(86),
                description: Some("Nothing".into()),
                ..Rule::of("icmp")
            }],
            tags: named_stack.tags(),
            is_dualstack: named_stack.stack.network.ip_address_type == IpAddressType::Dualstack,
        }
    }

    pub(super) fn with_all_egress(self) -> Self {
        let rules = everywhere(self.is_dualstack).map(|range| Rule {
            description: Some("Everything".into()),
            ..Rule::of("-1").at(range)
        });
        let rules = rules.collect();
        self.with_egress(rules)
    }

    /// Lets out what the rules say.
    pub(super) fn with_egress(mut self, rules: Vec<Rule>) -> Self {
        if !rules.is_empty() {
            self.security_group_egress = rules;
        }
        self
    }

    /// Lets in what the rules say.
    pub(super) fn with_ingress(mut self, rules: Vec<Rule>) -> Self {
        if !rules.is_empty() {
            self.security_group_ingress = Some(rules);
        }
        self
    }
}

/// All addresses.
pub(super) fn everywhere(is_dualstack: bool) -> impl Iterator<Item = &'static str> {
    let ranges = ["0.0.0.0/0"].into_iter();
    ranges.chain(is_dualstack.then_some("::/0"))
}

/// A rule within a security group, or the properties of one beside it.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Rule {
    pub(super) cidr_ip: Option<Value>,
    pub(super) cidr_ipv6: Option<Value>,
    pub(super) description: Option<Value>,
    pub(super) destination_prefix_list_id: Option<Value>,
    pub(super) destination_security_group_id: Option<Value>,
    pub(super) from_port: Option<i32>,
    pub(super) ip_protocol: Option<Value>,
    pub(super) source_prefix_list_id: Option<Value>,
    pub(super) source_security_group_id: Option<Value>,
    pub(super) to_port: Option<i32>,
}

impl Rule {
    pub(super) fn of(ip_protocol: &str) -> Self {
        Self {
            ip_protocol: Some(Value::from(ip_protocol)),
            ..Self::default()
        }
    }

    /// One port of TCP.
    pub(super) fn tcp(port: u16) -> Self {
        Self::port("tcp", port)
    }

    /// One port.
    pub(super) fn port(ip_protocol: &str, port: u16) -> Self {
        Self {
            from_port: Some(port.into()),
            to_port: Some(port.into()),
            ..Self::of(ip_protocol)
        }
    }

    /// With this range at the other end, IPv6 or IPv4.
    pub(super) fn at(self, range: &str) -> Self {
        let value = Some(Value::written(range));
        if is_ipv6(range) {
            Self {
                cidr_ipv6: value,
                ..self
            }
        } else {
            Self {
                cidr_ip: value,
                ..self
            }
        }
    }

    fn written(rule: &SecurityGroupRule, direction: Direction, default_port: Option<u16>) -> Self {
        let (from_port, to_port) = ports(rule, default_port);
        let peer = |id: &Option<String>, wanted| {
            let id = id.as_ref().filter(|_| direction == wanted)?;
            Some(Value::written(id))
        };
        Self {
            ip_protocol: Some(Value::written(&rule.ip_protocol)),
            from_port,
            to_port,
            cidr_ip: rule.cidr_ip.as_deref().map(Value::written),
            cidr_ipv6: rule.cidr_ipv6.as_deref().map(Value::written),
            source_prefix_list_id: peer(&rule.prefix_list_id, Direction::In),
            source_security_group_id: peer(&rule.security_group_id, Direction::In),
            destination_prefix_list_id: peer(&rule.prefix_list_id, Direction::Out),
            destination_security_group_id: peer(&rule.security_group_id, Direction::Out),
            description: Some(match &rule.description {
                Some(description) => Value::written(description),
                None => Value::from("As the stack file says"),
            }),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

/// Whether a range is one of IPv6.
fn is_ipv6(range: &str) -> bool {
    !range.contains("${") && range.contains(':')
}

/// The ports of a rule; all of them where none is said.
pub(super) fn ports(
    rule: &SecurityGroupRule,
    default_port: Option<u16>,
) -> (Option<i32>, Option<i32>) {
    let said = rule.from_port.or(default_port);
    match rule.ip_protocol.as_str() {
        "-1" => (None, None),
        "icmp" | "icmpv6" => {
            let said = rule.from_port.map_or(-1, i32::from);
            (Some(said), Some(rule.to_port.map_or(-1, i32::from)))
        }
        _ => match said {
            Some(from) => {
                let to = rule.to_port.unwrap_or(from);
                (Some(from.into()), Some(to.into()))
            }
            None => (Some(0), Some(rule.to_port.unwrap_or(u16::MAX).into())),
        },
    }
}

/// A rule beside a security group. Rules between two groups of the stack are made so, because each group
/// would otherwise wait for the other one.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Ingress {
    pub(super) group_id: Value,
    #[serde(flatten)]
    pub(super) rule: Rule,
}

impl Properties for Ingress {
    const TYPE: &'static str = "AWS::EC2::SecurityGroupIngress";
}

/// As [`Ingress`], for what goes out.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Egress {
    pub(super) group_id: Value,
    #[serde(flatten)]
    pub(super) rule: Rule,
}

impl Properties for Egress {
    const TYPE: &'static str = "AWS::EC2::SecurityGroupEgress";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FlowLog {
    deliver_logs_permission_arn: Value,
    log_destination_type: &'static str,
    log_group_name: Value,
    resource_id: Value,
    resource_type: &'static str,
    tags: Option<Vec<Tag>>,
    traffic_type: &'static str,
}

impl Properties for FlowLog {
    const TYPE: &'static str = "AWS::EC2::FlowLog";
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for named_service in named_stack.members() {
        if named_service.has_own_security_group() {
            service_group(named_stack, template, named_service);
        }
    }
    flow_logs(named_stack, template);
}

fn service_group(named_stack: &NamedStack, template: &mut Template, named_service: NamedService) {
    let spec = named_service.spec;
    let written = spec.security_group.as_ref();
    // Rules between services are made beside the groups.
    let mut ingress: Vec<Rule> = written
        .iter()
        .flat_map(|group| &group.ingress)
        .filter(|rule| rule.service.is_none())
        .map(|rule| Rule::written(rule, Direction::In, spec.container_port))
        .collect();
    let mut in_front = Vec::new();
    for target_group in named_stack.own_target_groups(named_service) {
        for group in named_stack.groups_in_front(&target_group) {
            for (protocol, port) in target_group.ports() {
                let from = (group.clone(), protocol, port);
                // Several target groups may be behind one load balancer.
                if !in_front.contains(&from) {
                    in_front.push(from);
                }
            }
        }
    }
    ingress.extend(in_front.into_iter().map(|(group, protocol, port)| Rule {
        source_security_group_id: Some(group),
        description: Some("The load balancer".into()),
        ..Rule::port(protocol, port)
    }));
    let description = format!(
        "Tasks of {} of {}",
        named_service.name, named_stack.stack_name
    );
    let group = SecurityGroup::new(named_stack, description).with_ingress(ingress);
    let group = match written.and_then(|group| group.egress.as_ref()) {
        Some(rules) => group.with_egress(
            rules
                .iter()
                .filter(|rule| rule.service.is_none())
                .map(|rule| Rule::written(rule, Direction::Out, None))
                .collect(),
        ),
        None => group.with_all_egress(),
    };
    template.add(Kind::SecurityGroup, &[named_service.name], &group);
}

fn flow_logs(named_stack: &NamedStack, template: &mut Template) {
    let Some(flow_logs) = &named_stack.stack.network.flow_logs else {
        return;
    };
    let name = format!("/longshore/{}/flow-logs", named_stack.stack_name);
    let streams = Value::sub(format!(
        "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{}:*",
        part_of_sub(&name)
    ));
    logs::add_group(
        named_stack,
        template,
        logs::Name::One(Singleton::FlowLogsLogGroup),
        name,
        flow_logs.retention_in_days,
    );
    let role = Role {
        policies: InlinePolicy::of(
            "flow-logs",
            vec![
                Statement::allow(
                    "Write",
                    [
                        "logs:CreateLogStream",
                        "logs:DescribeLogStreams",
                        "logs:PutLogEvents",
                    ],
                    [streams],
                ),
                // Which cannot be asked for one of them alone.
                Statement::allow("Find", ["logs:DescribeLogGroups"], ["*".into()]),
            ],
        ),
        ..Role::new(named_stack, &["vpc-flow-logs.amazonaws.com"])
    };
    template.add_one(Singleton::FlowLogsRole, &role);
    let flow_log = FlowLog {
        resource_id: Value::written(&named_stack.stack.network.vpc_id),
        resource_type: "VPC",
        traffic_type: match flow_logs.traffic_type {
            TrafficType::Accept => "ACCEPT",
            TrafficType::Reject => "REJECT",
            TrafficType::All => "ALL",
        },
        log_destination_type: "cloud-watch-logs",
        log_group_name: Value::Ref(Singleton::FlowLogsLogGroup.as_str().to_owned()),
        deliver_logs_permission_arn: Value::GetAtt(
            Singleton::FlowLogsRole.as_str().to_owned(),
            "Arn",
        ),
        tags: named_stack.tags(),
    };
    template.add_one(Singleton::FlowLog, &flow_log);
}
