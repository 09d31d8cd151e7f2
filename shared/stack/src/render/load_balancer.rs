//! The load balancer, its listeners and rules, and the services' target groups.

mod authenticate;
mod conditions;
mod dns;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::spec::{
    HealthProtocol, ListenerProtocol, LoadBalancer, LoadBalancerType, ProtocolVersion, Scheme,
    TargetGroup, TargetHealthCheck,
};

use super::named::{NamedGroup, NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::network::{Egress, Rule, SecurityGroup, everywhere};
use super::template::{Properties, Tag, Template, Value};
use authenticate::Login;
use conditions::Condition;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Balancer {
    ip_address_type: Option<&'static str>,
    load_balancer_attributes: Vec<Attribute>,
    scheme: &'static str,
    security_groups: Vec<Value>,
    subnets: Vec<Value>,
    tags: Option<Vec<Tag>>,
    r#type: &'static str,
}

impl Properties for Balancer {
    const TYPE: &'static str = "AWS::ElasticLoadBalancingV2::LoadBalancer";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    key: &'static str,
    value: Value,
}

fn attribute(key: &'static str, value: impl ToString) -> Attribute {
    Attribute {
        key,
        value: Value::Text(value.to_string()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listener {
    certificates: Option<Vec<Certificate>>,
    default_actions: Vec<Action>,
    load_balancer_arn: Value,
    port: u16,
    protocol: &'static str,
    ssl_policy: Option<Value>,
    tags: Option<Vec<Tag>>,
}

impl Properties for Listener {
    const TYPE: &'static str = "AWS::ElasticLoadBalancingV2::Listener";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Certificate {
    certificate_arn: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListenerCertificates {
    certificates: Vec<Certificate>,
    listener_arn: Value,
}

impl Properties for ListenerCertificates {
    const TYPE: &'static str = "AWS::ElasticLoadBalancingV2::ListenerCertificate";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListenerRule {
    actions: Vec<Action>,
    conditions: Vec<Condition>,
    listener_arn: Value,
    priority: Option<u32>,
    tags: Option<Vec<Tag>>,
}

impl Properties for ListenerRule {
    const TYPE: &'static str = "AWS::ElasticLoadBalancingV2::ListenerRule";
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Action {
    fixed_response_config: Option<FixedResponse>,
    forward_config: Option<Forward>,
    order: Option<u32>,
    redirect_config: Option<Redirect>,
    target_group_arn: Option<Value>,
    r#type: &'static str,
    #[serde(flatten)]
    login: Option<Login>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Forward {
    target_groups: [WeightedTargets; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WeightedTargets {
    target_group_arn: Value,
    weight: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Redirect {
    port: &'static str,
    protocol: &'static str,
    status_code: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FixedResponse {
    content_type: &'static str,
    message_body: &'static str,
    status_code: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Targets {
    health_check_enabled: bool,
    health_check_interval_seconds: u32,
    health_check_path: Option<Value>,
    health_check_port: Option<String>,
    health_check_protocol: &'static str,
    health_check_timeout_seconds: u32,
    healthy_threshold_count: u32,
    matcher: Option<Matcher>,
    port: u16,
    protocol: &'static str,
    protocol_version: Option<&'static str>,
    tags: Option<Vec<Tag>>,
    target_group_attributes: Vec<Attribute>,
    target_type: &'static str,
    unhealthy_threshold_count: u32,
    vpc_id: Value,
}

impl Properties for Targets {
    const TYPE: &'static str = "AWS::ElasticLoadBalancingV2::TargetGroup";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Matcher {
    grpc_code: Option<Value>,
    http_code: Option<Value>,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    if let Some(load_balancer) = &named_stack.stack.load_balancer {
        if load_balancer.security_group_ids.is_empty() {
            add_security_group(named_stack, template, load_balancer);
        }
        add_load_balancer(named_stack, template, load_balancer);
        if load_balancer.r#type == LoadBalancerType::Application {
            add_listeners(named_stack, template, load_balancer);
        }
        dns::render(named_stack, template, load_balancer);
    }
    for named_service in named_stack.members() {
        for group in named_stack.own_target_groups(named_service) {
            for kind in group.kinds() {
                add_target_group(named_stack, template, &group, *kind);
            }
            if named_stack.is_behind_network(&group) {
                add_port_listener(named_stack, template, &group);
            } else {
                add_rule(named_stack, template, &group);
            }
        }
        add_egress(named_stack, template, named_service);
    }
}

/// The target groups behind the stack's own load balancer.
fn behind_own<'a>(named_stack: &NamedStack<'a>) -> impl Iterator<Item = NamedGroup<'a>> {
    let members = named_stack.members();
    members.flat_map(|named_service| named_stack.target_groups_behind_own(named_service))
}

/// The ports at which the stack's own load balancer listens, with their protocols.
fn listened(named_stack: &NamedStack, load_balancer: &LoadBalancer) -> Vec<(&'static str, u16)> {
    match load_balancer.r#type {
        LoadBalancerType::Network => {
            let ports = behind_own(named_stack).flat_map(|group| {
                let protocol = group.spec.listener_protocol.unwrap_or_default();
                let port = group.spec.listener_port.into_iter();
                port.flat_map(move |port| protocol.transports().iter().map(move |one| (*one, port)))
            });
            // Two services at one port are refused when the file is checked.
            let ports: BTreeSet<(&'static str, u16)> = ports.collect();
            ports.into_iter().collect()
        }
        LoadBalancerType::Application if load_balancer.certificate_arns.is_empty() => {
            vec![("tcp", 80)]
        }
        LoadBalancerType::Application => vec![("tcp", 80), ("tcp", 443)],
    }
}

/// What a container speaks at a port: datagrams where a Network Load Balancer sends some there.
pub(super) fn transports(
    named_stack: &NamedStack,
    named_service: NamedService,
    container: &str,
    port: u16,
) -> &'static [&'static str] {
    let groups = named_stack.own_target_groups(named_service);
    let groups = groups.filter(|group| group.target() == (container, port));
    let mut protocols = groups.map(|group| group.spec.listener_protocol.unwrap_or_default());
    let first = protocols.next().unwrap_or_default();
    let transports = first.transports();
    // Connections and datagrams may come by listeners of their own.
    if protocols.all(|other| other.transports() == transports) {
        transports
    } else {
        ListenerProtocol::TcpUdp.transports()
    }
}

fn add_security_group(
    named_stack: &NamedStack,
    template: &mut Template,
    load_balancer: &LoadBalancer,
) {
    let is_dualstack = named_stack.stack.load_balancer_is_dualstack();
    let cidrs: Vec<&str> = match (&load_balancer.ingress_cidr_ips, load_balancer.scheme) {
        (Some(cidrs), _) => cidrs.iter().map(String::as_str).collect(),
        (None, Scheme::InternetFacing) => everywhere(is_dualstack).collect(),
        (None, Scheme::Internal) => Vec::new(),
    };
    let ports = listened(named_stack, load_balancer);
    let ingress = cidrs.iter().flat_map(|cidr| {
        ports.iter().map(|(protocol, port)| Rule {
            description: Some("Clients".into()),
            ..Rule::port(protocol, *port).at(cidr)
        })
    });
    // The load balancer itself asks the provider who has logged in.
    let logs_in = behind_own(named_stack).any(|group| group.spec.authenticate.is_some());
    let egress = everywhere(is_dualstack).map(|range| Rule {
        description: Some("Providers of logins".into()),
        ..Rule::tcp(443).at(range)
    });
    let egress = egress.filter(|_| logs_in).collect();
    let description = format!("The load balancer of {}", named_stack.stack_name);
    let group = SecurityGroup::new(named_stack, description)
        .with_ingress(ingress.collect())
        .with_egress(egress);
    let resource = template.add_one(Singleton::LoadBalancerSecurityGroup, &group);
    if ports.contains(&("tcp", 80))
        && cidrs
            .iter()
            .any(|cidr| everywhere(true).any(|all| all == *cidr))
    {
        resource.unchecked(
            "CKV_AWS_260",
            "an internet-facing load balancer is there for everybody, and redirects HTTP if it can",
        );
    }
}

fn add_load_balancer(named_stack: &NamedStack, template: &mut Template, spec: &LoadBalancer) {
    let existing = spec.security_group_ids.iter();
    let existing = existing.map(|id| Value::written(id));
    let protected = spec
        .deletion_protection
        .unwrap_or_else(|| named_stack.stack.is_protected());
    let mut attributes = match spec.r#type {
        LoadBalancerType::Application => vec![
            attribute("idle_timeout.timeout_seconds", spec.idle_timeout),
            attribute("deletion_protection.enabled", protected),
            attribute("routing.http.drop_invalid_header_fields.enabled", true),
        ],
        LoadBalancerType::Network => vec![
            attribute("deletion_protection.enabled", protected),
            attribute("load_balancing.cross_zone.enabled", spec.cross_zone),
        ],
    };
    if let Some(bucket) = &spec.access_logs_bucket {
        attributes.push(attribute("access_logs.s3.enabled", true));
        attributes.push(Attribute {
            key: "access_logs.s3.bucket",
            value: Value::written(bucket),
        });
        attributes.push(attribute("access_logs.s3.prefix", &named_stack.stack_name));
    }
    let load_balancer = Balancer {
        r#type: match spec.r#type {
            LoadBalancerType::Application => "application",
            LoadBalancerType::Network => "network",
        },
        scheme: match spec.scheme {
            Scheme::Internal => "internal",
            Scheme::InternetFacing => "internet-facing",
        },
        ip_address_type: named_stack
            .stack
            .load_balancer_is_dualstack()
            .then_some("dualstack"),
        subnets: spec
            .subnet_ids
            .iter()
            .map(|id| Value::written(id))
            .collect(),
        security_groups: existing
            .chain(named_stack.load_balancer_security_group())
            .collect(),
        load_balancer_attributes: attributes,
        tags: named_stack.tags(),
    };
    let resource = template.add_one(Singleton::LoadBalancer, &load_balancer);
    if spec.access_logs_bucket.is_none() {
        resource.unchecked(
            "CKV_AWS_91",
            "the stack file does not name a bucket for access logs",
        );
    }
}

fn load_balancer_arn() -> Value {
    Value::Ref(Singleton::LoadBalancer.as_str().to_owned())
}

fn certificate(arn: &str) -> Certificate {
    Certificate {
        certificate_arn: Value::written(arn),
    }
}

fn add_listeners(named_stack: &NamedStack, template: &mut Template, spec: &LoadBalancer) {
    let listener = |port, protocol, actions| Listener {
        load_balancer_arn: load_balancer_arn(),
        port,
        protocol,
        ssl_policy: None,
        certificates: None,
        default_actions: actions,
        tags: named_stack.tags(),
    };
    let Some((first, others)) = spec.certificate_arns.split_first() else {
        template
            .add_one(
                Singleton::HttpListener,
                &listener(80, "HTTP", default_actions(named_stack)),
            )
            .unchecked("CKV_AWS_2", "the stack file does not name a certificate")
            .unchecked("CKV_AWS_103", "the stack file does not name a certificate");
        return;
    };
    let redirect = Action {
        r#type: "redirect",
        redirect_config: Some(Redirect {
            protocol: "HTTPS",
            port: "443",
            status_code: "HTTP_301",
        }),
        ..Action::default()
    };
    template.add_one(
        Singleton::HttpListener,
        &listener(80, "HTTP", vec![redirect]),
    );
    let https = Listener {
        ssl_policy: Some(Value::written(&spec.ssl_policy)),
        certificates: Some(vec![certificate(first)]),
        ..listener(443, "HTTPS", default_actions(named_stack))
    };
    template.add_one(Singleton::HttpsListener, &https);
    if !others.is_empty() {
        let more = ListenerCertificates {
            listener_arn: Value::Ref(Singleton::HttpsListener.as_str().to_owned()),
            certificates: others.iter().map(|arn| certificate(arn)).collect(),
        };
        template.add_one(Singleton::HttpsListenerCertificates, &more);
    }
}

/// The listener of a Network Load Balancer for one target group.
fn add_port_listener(named_stack: &NamedStack, template: &mut Template, group: &NamedGroup) {
    // Both are there in a checked stack.
    let (Some(load_balancer), Some(port)) =
        (&named_stack.stack.load_balancer, group.spec.listener_port)
    else {
        return;
    };
    let protocol = group.spec.listener_protocol.unwrap_or_default();
    let first = load_balancer.certificate_arns.first();
    let first = first.filter(|_| protocol == ListenerProtocol::Tls);
    let listener = Listener {
        load_balancer_arn: load_balancer_arn(),
        port,
        protocol: protocol.as_str(),
        ssl_policy: first.map(|_| Value::written(&load_balancer.ssl_policy)),
        certificates: first.map(|first| vec![certificate(first)]),
        default_actions: vec![forward(group)],
        tags: named_stack.tags(),
    };
    let resource = template.add(Kind::PortListener, &group.all_names(), &listener);
    if protocol != ListenerProtocol::Tls {
        resource
            .unchecked(
                "CKV_AWS_2",
                "the stack file asks for a port that is handed on as it comes",
            )
            .unchecked(
                "CKV_AWS_103",
                "the stack file asks for a port that is handed on as it comes",
            );
    }
}

/// What becomes of requests that no rule is for.
fn default_actions(named_stack: &NamedStack) -> Vec<Action> {
    let mut behind = behind_own(named_stack);
    match behind.find(|group| !group.spec.is_conditional()) {
        Some(group) => after_login(group.spec, forward(&group)),
        None => vec![Action {
            r#type: "fixed-response",
            fixed_response_config: Some(FixedResponse {
                status_code: "404",
                content_type: "text/plain",
                message_body: "Not found",
            }),
            ..Action::default()
        }],
    }
}

/// An action, and before it the login that it needs.
fn after_login(target_group: &TargetGroup, action: Action) -> Vec<Action> {
    let Some((r#type, login)) = target_group.authenticate.as_ref().and_then(Login::of) else {
        return vec![action];
    };
    let login = Action {
        r#type,
        order: Some(1),
        login: Some(login),
        ..Action::default()
    };
    let action = Action {
        order: Some(2),
        ..action
    };
    vec![login, action]
}

fn forward(group: &NamedGroup) -> Action {
    Action {
        r#type: "forward",
        target_group_arn: Some(Value::Ref(group.id(Kind::TargetGroup))),
        ..Action::default()
    }
}

/// To the target group that serves: the first one of a new service, and from then on the one that ECS says.
fn forward_to_one_of_two(named_stack: &NamedStack, group: &NamedGroup) -> Action {
    let on_alternate = &named_stack.context.on_alternate;
    let serving = if on_alternate.contains(group.named_service.name) {
        Kind::AlternateTargetGroup
    } else {
        Kind::TargetGroup
    };
    let to = |kind: Kind| WeightedTargets {
        target_group_arn: Value::Ref(group.id(kind)),
        weight: u32::from(kind == serving),
    };
    Action {
        r#type: "forward",
        forward_config: Some(Forward {
            target_groups: [to(Kind::TargetGroup), to(Kind::AlternateTargetGroup)],
        }),
        ..Action::default()
    }
}

fn add_target_group(
    named_stack: &NamedStack,
    template: &mut Template,
    group: &NamedGroup,
    kind: Kind,
) {
    let spec = group.spec;
    let check = &spec.health_check;
    let is_behind_network = named_stack.is_behind_network(group);
    let is_grpc = spec.protocol_version == Some(ProtocolVersion::Grpc);
    let by_request = match check.protocol {
        Some(protocol) => protocol == HealthProtocol::Http,
        None => !is_behind_network,
    };
    let default = TargetHealthCheck::default();
    let path = match &check.path {
        path if is_grpc && *path == default.path => "/AWS.ALB/healthcheck",
        path => path,
    };
    let code = match &check.matcher {
        matcher if is_grpc && *matcher == default.matcher => "12",
        matcher => matcher,
    };
    let code = Value::written(code);
    let matcher = if is_grpc {
        Matcher {
            http_code: None,
            grpc_code: Some(code),
        }
    } else {
        Matcher {
            http_code: Some(code),
            grpc_code: None,
        }
    };
    let protocol = spec.listener_protocol.unwrap_or_default();
    let targets = Targets {
        vpc_id: Value::written(&named_stack.stack.network.vpc_id),
        target_type: "ip",
        protocol: if is_behind_network {
            protocol.of_targets()
        } else {
            "HTTP"
        },
        protocol_version: spec.protocol_version.map(ProtocolVersion::as_str),
        port: group.target().1,
        health_check_enabled: true,
        health_check_protocol: if by_request { "HTTP" } else { "TCP" },
        health_check_port: check.port.map(|port| port.to_string()),
        health_check_path: by_request.then(|| Value::written(path)),
        health_check_interval_seconds: check.interval_seconds,
        health_check_timeout_seconds: check.timeout_seconds,
        healthy_threshold_count: check.healthy_threshold_count,
        unhealthy_threshold_count: check.unhealthy_threshold_count,
        matcher: by_request.then_some(matcher),
        target_group_attributes: target_group_attributes(named_stack, group),
        tags: named_stack.tags(),
    };
    template.add(kind, &group.all_names(), &targets);
}

fn target_group_attributes(named_stack: &NamedStack, group: &NamedGroup) -> Vec<Attribute> {
    let spec = group.spec;
    let mut attributes = vec![attribute(
        "deregistration_delay.timeout_seconds",
        spec.deregistration_delay,
    )];
    // Where the load balancer is another stack's, it says so for all.
    let own = named_stack.stack.load_balancer.as_ref();
    if let Some(own) = own.filter(|_| spec.listener_arn.is_none()) {
        attributes.push(attribute(
            "load_balancing.cross_zone.enabled",
            own.cross_zone,
        ));
    }
    attributes.push(attribute(
        "stickiness.enabled",
        spec.stickiness_duration.is_some(),
    ));
    if let Some(duration) = spec.stickiness_duration {
        attributes.push(attribute("stickiness.type", "lb_cookie"));
        attributes.push(attribute("stickiness.lb_cookie.duration_seconds", duration));
    }
    if named_stack.is_behind_network(group) {
        // With datagrams they always do.
        let protocol = spec.listener_protocol.unwrap_or_default();
        let is_preserved = protocol.has_datagrams() || spec.preserve_client_ip.unwrap_or(false);
        attributes.push(attribute("preserve_client_ip.enabled", is_preserved));
    }
    attributes
}

/// The last place among a listener's rules.
pub(crate) const LAST_PRIORITY: u32 = 50_000;

fn add_rule(named_stack: &NamedStack, template: &mut Template, group: &NamedGroup) {
    let spec = group.spec;
    let own = named_stack.listener();
    let own = own.map(|listener| Value::Ref(listener.as_str().to_owned()));
    let existing = spec.listener_arn.as_deref().map(Value::written);
    let Some(listener_arn) = existing.or(own).filter(|_| group.has_rule()) else {
        return;
    };
    let action = if group.named_service.shifts_requests() {
        forward_to_one_of_two(named_stack, group)
    } else {
        forward(group)
    };
    let rule = ListenerRule {
        listener_arn,
        priority: spec.priority.or(Some(LAST_PRIORITY)),
        conditions: conditions::of(spec),
        actions: after_login(spec, action),
        tags: named_stack.tags(),
    };
    template.add(Kind::ListenerRule, &group.all_names(), &rule);
}

/// A port of a service that the stack's load balancer reaches, with what tells its rule from others in logical ids.
struct Reached {
    protocol: &'static str,
    port: u16,
    further: Option<String>,
}

/// The ports of the service that the stack's load balancer reaches, each once.
fn reached(named_stack: &NamedStack, named_service: NamedService) -> Vec<Reached> {
    let mut all: Vec<Reached> = Vec::new();
    for group in named_stack.target_groups_behind_own(named_service) {
        for (index, (protocol, port)) in group.ports().into_iter().enumerate() {
            let mut known = all.iter();
            if known.any(|known| (known.protocol, known.port) == (protocol, port)) {
                continue;
            }
            // The port of requests of the first target group comes first. Behind it come the same one for datagrams, and that of
            // health checks.
            let further = match (group.is_first(), index, protocol) {
                (true, 0, _) => None,
                (true, _, "udp") => Some("datagrams".to_owned()),
                (true, ..) => Some("health".to_owned()),
                (false, ..) => Some(format!("{protocol}{port}")),
            };
            all.push(Reached {
                protocol,
                port,
                further,
            });
        }
    }
    all
}

/// Lets the load balancer reach the service.
fn add_egress(named_stack: &NamedStack, template: &mut Template, named_service: NamedService) {
    let Some(group) = named_stack.load_balancer_security_group() else {
        return;
    };
    for reached in reached(named_stack, named_service) {
        for (names, destination) in named_service.named_security_groups() {
            let egress = Egress {
                group_id: group.clone(),
                rule: Rule {
                    destination_security_group_id: Some(destination),
                    description: Some(Value::text(format!("Tasks of {}", named_service.name))),
                    ..Rule::port(reached.protocol, reached.port)
                },
            };
            let names: Vec<&str> = names
                .into_iter()
                .chain(reached.further.as_deref())
                .collect();
            template.add(Kind::LoadBalancerEgress, &names, &egress);
        }
    }
}

/// What must be there before the service's first task can be reached.
pub(super) fn dependencies(named_stack: &NamedStack, named_service: NamedService) -> Vec<String> {
    let mut ids = Vec::new();
    for group in named_stack.own_target_groups(named_service) {
        // ECS takes a target group only once a listener sends to it.
        if named_stack.is_behind_network(&group) {
            ids.push(group.id(Kind::PortListener));
            continue;
        }
        let own = named_stack.listener();
        let own = own.filter(|_| group.spec.listener_arn.is_none());
        ids.extend(own.map(|listener| listener.as_str().to_owned()));
        // Where ECS changes the rule, the service itself names it.
        let has_own_rule = group.spec.is_conditional() || group.spec.listener_arn.is_some();
        if has_own_rule && !named_service.shifts_requests() {
            ids.push(group.id(Kind::ListenerRule));
        }
    }
    if named_stack.load_balancer_security_group().is_some() {
        for reached in reached(named_stack, named_service) {
            for (names, _) in named_service.named_security_groups() {
                let names: Vec<&str> = names
                    .into_iter()
                    .chain(reached.further.as_deref())
                    .collect();
                ids.push(Kind::LoadBalancerEgress.id(&names));
            }
        }
    }
    ids
}
