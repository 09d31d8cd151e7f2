//! The load balancer, its listeners and rules, and the services' target groups.

use serde::Serialize;

use crate::spec::{LoadBalancer, Scheme, TargetGroup};

use super::named::{NamedService, NamedStack, group_id};
use super::names::{Kind, Singleton};
use super::network::{Egress, Rule, SecurityGroup};
use super::template::{Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ApplicationLoadBalancer {
    r#type: &'static str,
    scheme: &'static str,
    subnets: Vec<Value>,
    security_groups: Vec<Value>,
    load_balancer_attributes: Vec<Attribute>,
    tags: Option<Vec<Tag>>,
}

impl Properties for ApplicationLoadBalancer {
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
    load_balancer_arn: Value,
    port: u16,
    protocol: &'static str,
    ssl_policy: Option<Value>,
    certificates: Option<Vec<Certificate>>,
    default_actions: [Action; 1],
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
    listener_arn: Value,
    certificates: Vec<Certificate>,
}

impl Properties for ListenerCertificates {
    const TYPE: &'static str = "AWS::ElasticLoadBalancingV2::ListenerCertificate";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListenerRule {
    listener_arn: Value,
    priority: Option<u32>,
    conditions: Vec<Condition>,
    actions: [Action; 1],
    tags: Option<Vec<Tag>>,
}

impl Properties for ListenerRule {
    const TYPE: &'static str = "AWS::ElasticLoadBalancingV2::ListenerRule";
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Action {
    r#type: &'static str,
    target_group_arn: Option<Value>,
    forward_config: Option<Forward>,
    redirect_config: Option<Redirect>,
    fixed_response_config: Option<FixedResponse>,
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
    protocol: &'static str,
    port: &'static str,
    status_code: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FixedResponse {
    status_code: &'static str,
    content_type: &'static str,
    message_body: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    field: &'static str,
    path_pattern_config: Option<Values>,
    host_header_config: Option<Values>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Values {
    values: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Targets {
    vpc_id: Value,
    target_type: &'static str,
    protocol: &'static str,
    port: u16,
    health_check_enabled: bool,
    health_check_protocol: &'static str,
    health_check_path: Value,
    health_check_interval_seconds: u32,
    health_check_timeout_seconds: u32,
    healthy_threshold_count: u32,
    unhealthy_threshold_count: u32,
    matcher: Matcher,
    target_group_attributes: Vec<Attribute>,
    tags: Option<Vec<Tag>>,
}

impl Properties for Targets {
    const TYPE: &'static str = "AWS::ElasticLoadBalancingV2::TargetGroup";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Matcher {
    http_code: Value,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    let Some(load_balancer) = &named_stack.stack.load_balancer else {
        return;
    };
    if load_balancer.security_group_ids.is_empty() {
        add_security_group(named_stack, template, load_balancer);
    }
    add_load_balancer(named_stack, template, load_balancer);
    add_listeners(named_stack, template, load_balancer);
    for named_service in named_stack.members() {
        if let Some(target_group) = named_stack.own_target_group(named_service) {
            for kind in named_stack.own_target_groups(named_service) {
                add_target_group(
                    named_stack,
                    template,
                    load_balancer,
                    named_service,
                    target_group,
                    *kind,
                );
            }
            add_rule(named_stack, template, named_service, target_group);
            add_egress(named_stack, template, named_service);
        }
    }
}

fn add_security_group(
    named_stack: &NamedStack,
    template: &mut Template,
    load_balancer: &LoadBalancer,
) {
    let everybody = ["0.0.0.0/0".to_owned()];
    let cidrs = match (&load_balancer.ingress_cidr_ips, load_balancer.scheme) {
        (Some(cidrs), _) => cidrs.as_slice(),
        (None, Scheme::InternetFacing) => &everybody,
        (None, Scheme::Internal) => &[],
    };
    let ports: &[u16] = if load_balancer.certificate_arns.is_empty() {
        &[80]
    } else {
        &[80, 443]
    };
    let ingress = cidrs.iter().flat_map(|cidr| {
        ports.iter().map(|port| Rule {
            cidr_ip: Some(Value::written(cidr)),
            description: Some("Clients".into()),
            ..Rule::tcp(*port)
        })
    });
    let description = format!("The load balancer of {}", named_stack.stack_name);
    let group = SecurityGroup::new(named_stack, description).with_ingress(ingress.collect());
    let resource = template.add_one(Singleton::LoadBalancerSecurityGroup, &group);
    if cidrs.iter().any(|cidr| cidr == "0.0.0.0/0") {
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
    let mut attributes = vec![
        attribute("idle_timeout.timeout_seconds", spec.idle_timeout),
        attribute("deletion_protection.enabled", protected),
        attribute("routing.http.drop_invalid_header_fields.enabled", true),
    ];
    if let Some(bucket) = &spec.access_logs_bucket {
        attributes.push(attribute("access_logs.s3.enabled", true));
        attributes.push(Attribute {
            key: "access_logs.s3.bucket",
            value: Value::written(bucket),
        });
        attributes.push(attribute("access_logs.s3.prefix", &named_stack.stack_name));
    }
    let load_balancer = ApplicationLoadBalancer {
        r#type: "application",
        scheme: match spec.scheme {
            Scheme::Internal => "internal",
            Scheme::InternetFacing => "internet-facing",
        },
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

fn add_listeners(named_stack: &NamedStack, template: &mut Template, spec: &LoadBalancer) {
    let load_balancer_arn = || Value::Ref(Singleton::LoadBalancer.as_str().to_owned());
    let certificate = |arn: &String| Certificate {
        certificate_arn: Value::written(arn),
    };
    let listener = |port, protocol, action| Listener {
        load_balancer_arn: load_balancer_arn(),
        port,
        protocol,
        ssl_policy: None,
        certificates: None,
        default_actions: [action],
        tags: named_stack.tags(),
    };
    let Some((first, others)) = spec.certificate_arns.split_first() else {
        template
            .add_one(
                Singleton::HttpListener,
                &listener(80, "HTTP", default_action(named_stack)),
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
    template.add_one(Singleton::HttpListener, &listener(80, "HTTP", redirect));
    let https = Listener {
        ssl_policy: Some(Value::written(&spec.ssl_policy)),
        certificates: Some(vec![certificate(first)]),
        ..listener(443, "HTTPS", default_action(named_stack))
    };
    template.add_one(Singleton::HttpsListener, &https);
    if !others.is_empty() {
        let more = ListenerCertificates {
            listener_arn: Value::Ref(Singleton::HttpsListener.as_str().to_owned()),
            certificates: others.iter().map(certificate).collect(),
        };
        template.add_one(Singleton::HttpsListenerCertificates, &more);
    }
}

/// What becomes of requests that no rule is for.
fn default_action(named_stack: &NamedStack) -> Action {
    let default = named_stack.members().find(|named_service| {
        let target_group = named_stack.own_target_group(*named_service);
        target_group.is_some_and(|target_group| !is_conditional(target_group))
    });
    match default {
        Some(named_service) => forward(named_service),
        None => Action {
            r#type: "fixed-response",
            fixed_response_config: Some(FixedResponse {
                status_code: "404",
                content_type: "text/plain",
                message_body: "Not found",
            }),
            ..Action::default()
        },
    }
}

fn is_conditional(target_group: &TargetGroup) -> bool {
    !target_group.path_patterns.is_empty() || !target_group.host_headers.is_empty()
}

fn forward(named_service: NamedService) -> Action {
    Action {
        r#type: "forward",
        target_group_arn: Some(Value::Ref(Kind::TargetGroup.id(&[named_service.name]))),
        ..Action::default()
    }
}

/// To the target group that serves: the first one of a new service, and from then on the one that ECS says.
fn forward_to_one_of_two(named_stack: &NamedStack, named_service: NamedService) -> Action {
    let on_alternate = &named_stack.context.on_alternate;
    let serving = if on_alternate.contains(named_service.name) {
        Kind::AlternateTargetGroup
    } else {
        Kind::TargetGroup
    };
    let to = |kind: Kind| WeightedTargets {
        target_group_arn: Value::Ref(kind.id(&[named_service.name])),
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
    load_balancer: &LoadBalancer,
    named_service: NamedService,
    spec: &TargetGroup,
    kind: Kind,
) {
    let check = &spec.health_check;
    let mut attributes = vec![
        attribute(
            "deregistration_delay.timeout_seconds",
            spec.deregistration_delay,
        ),
        attribute(
            "load_balancing.cross_zone.enabled",
            load_balancer.cross_zone,
        ),
        attribute("stickiness.enabled", spec.stickiness_duration.is_some()),
    ];
    if let Some(duration) = spec.stickiness_duration {
        attributes.push(attribute("stickiness.type", "lb_cookie"));
        attributes.push(attribute("stickiness.lb_cookie.duration_seconds", duration));
    }
    let targets = Targets {
        vpc_id: Value::written(&named_stack.stack.network.vpc_id),
        target_type: "ip",
        protocol: "HTTP",
        port: named_service.port(),
        health_check_enabled: true,
        health_check_protocol: "HTTP",
        health_check_path: Value::written(&check.path),
        health_check_interval_seconds: check.interval_seconds,
        health_check_timeout_seconds: check.timeout_seconds,
        healthy_threshold_count: check.healthy_threshold_count,
        unhealthy_threshold_count: check.unhealthy_threshold_count,
        matcher: Matcher {
            http_code: Value::written(&check.matcher),
        },
        target_group_attributes: attributes,
        tags: named_stack.tags(),
    };
    template.add(kind, &[named_service.name], &targets);
}

/// The last place among a listener's rules.
pub(crate) const LAST_PRIORITY: u32 = 50_000;

/// Whether the service's requests come by a rule. Where ECS moves requests, it changes a rule, and the
/// listener's default is none that it takes: what no other service gets comes by the last rule, then.
fn has_rule(named_service: NamedService, spec: &TargetGroup) -> bool {
    is_conditional(spec) || named_service.shifts_requests()
}

fn add_rule(
    named_stack: &NamedStack,
    template: &mut Template,
    named_service: NamedService,
    spec: &TargetGroup,
) {
    let Some(listener) = named_stack
        .listener()
        .filter(|_| has_rule(named_service, spec))
    else {
        return;
    };
    let everything = Values {
        values: vec!["/*".into()],
    };
    let values = |texts: &[String]| Value::all_written(texts).map(|values| Values { values });
    let paths = values(&spec.path_patterns).or((!is_conditional(spec)).then_some(everything));
    let paths = paths.map(|values| Condition {
        field: "path-pattern",
        path_pattern_config: Some(values),
        host_header_config: None,
    });
    let hosts = values(&spec.host_headers).map(|values| Condition {
        field: "host-header",
        path_pattern_config: None,
        host_header_config: Some(values),
    });
    let rule = ListenerRule {
        listener_arn: Value::Ref(listener.as_str().to_owned()),
        priority: spec.priority.or(Some(LAST_PRIORITY)),
        conditions: paths.into_iter().chain(hosts).collect(),
        actions: [if named_service.shifts_requests() {
            forward_to_one_of_two(named_stack, named_service)
        } else {
            forward(named_service)
        }],
        tags: named_stack.tags(),
    };
    template.add(Kind::ListenerRule, &[named_service.name], &rule);
}

/// Lets the load balancer reach the service.
fn add_egress(named_stack: &NamedStack, template: &mut Template, named_service: NamedService) {
    let Some(group) = named_stack.load_balancer_security_group() else {
        return;
    };
    let existing = named_service.spec.security_group_ids.iter();
    let existing = existing.map(|id| (vec![named_service.name, id.as_str()], Value::written(id)));
    let own = named_service.has_own_security_group().then(|| {
        let id = group_id(Kind::SecurityGroup.id(&[named_service.name]));
        (vec![named_service.name], id)
    });
    for (names, destination) in existing.chain(own) {
        let egress = Egress {
            group_id: group.clone(),
            rule: Rule {
                destination_security_group_id: Some(destination),
                description: Some(Value::text(format!("Tasks of {}", named_service.name))),
                ..Rule::tcp(named_service.port())
            },
        };
        template.add(Kind::LoadBalancerEgress, &names, &egress);
    }
}

/// What must be there before the service's first task can be reached.
pub(super) fn dependencies(named_stack: &NamedStack, named_service: NamedService) -> Vec<String> {
    let (Some(target_group), Some(listener)) = (
        named_stack.own_target_group(named_service),
        named_stack.listener(),
    ) else {
        return Vec::new();
    };
    // A target group can be used only once a listener sends to it.
    let mut ids = vec![listener.as_str().to_owned()];
    // Where ECS changes the rule, the service itself names it.
    if is_conditional(target_group) && !named_service.shifts_requests() {
        ids.push(Kind::ListenerRule.id(&[named_service.name]));
    }
    if named_stack.load_balancer_security_group().is_some() {
        let existing = named_service.spec.security_group_ids.iter();
        ids.extend(existing.map(|id| Kind::LoadBalancerEgress.id(&[named_service.name, id])));
        if named_service.has_own_security_group() {
            ids.push(Kind::LoadBalancerEgress.id(&[named_service.name]));
        }
    }
    ids
}
