//! The load balancer, and how requests come to services.

use std::collections::{BTreeMap, BTreeSet};

use super::checked::{Checked, target_groups};
use super::findings::Findings;
use super::forms::{is_arn, is_ipv4_range, is_ipv6_range, is_label, is_open};
use super::network::{check_security_groups, check_subnets};
use crate::path::Path;
use crate::spec::{
    Authenticate, ClientSecret, DeploymentStrategy, Dns, HealthProtocol, ListenerProtocol,
    LoadBalancer, LoadBalancerType, ProtocolVersion, Scheme, Stack, TargetGroup, TargetHealthCheck,
};

/// Elastic Load Balancing's limits for a rule, and for a load balancer.
const MOST_CONDITIONS: usize = 5;
const MOST_WILDCARDS: usize = 6;
const MOST_SERVICES: usize = 100;

/// Elastic Load Balancing's limit for the listeners of a Network Load Balancer.
const MOST_LISTENERS: usize = 50;

/// ECS's limit for a service: the Amazon ECS Developer Guide, "Registering multiple target groups with an Amazon ECS
/// service".
const MOST_TARGET_GROUPS: usize = 5;

/// What an Application Load Balancer has where nothing is said.
const IDLE_TIMEOUT: u32 = 60;

/// What a target group has where nothing is said.
const DEREGISTRATION_DELAY: u32 = 30;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    check_places(stack, findings);
    let Some(load_balancer) = &stack.load_balancer else {
        return;
    };
    let path = Path::default().key("load_balancer");
    check_load_balancer(&path, stack, load_balancer, findings);
    let behind = behind(stack).filter(|one| one.group.listener_arn.is_none());
    let services = behind.count();
    if services == 0 {
        findings.warning_without_value(
            &path,
            "no service is behind the load balancer, which costs all the same; add `target_group` to one",
        );
    }
    let most = match load_balancer.r#type {
        LoadBalancerType::Application => MOST_SERVICES,
        LoadBalancerType::Network => MOST_LISTENERS,
    };
    if services > most {
        findings.error(
            &path,
            services,
            format!("too many target groups behind one load balancer, expected at most {most}"),
        );
    }
}

/// A target group of a service's own.
struct Behind<'a> {
    service: &'a str,
    path: Path,
    group: &'a TargetGroup,
}

/// The target groups that are services' own.
fn behind(stack: &Stack) -> impl Iterator<Item = Behind<'_>> {
    let services = stack.services.iter();
    let groups = services.flat_map(|(service, spec)| {
        let path = Path::default().key("services").key(service);
        target_groups(&path, spec).map(move |(path, group)| Behind {
            service,
            path,
            group,
        })
    });
    groups.filter(|one| one.group.target_group_arn.is_none())
}

/// Checks that no two target groups have the same place: among the rules of a listener, or at a port.
fn check_places(stack: &Stack, findings: &mut Findings) {
    let mut priorities: BTreeMap<(Option<&str>, u32), &str> = BTreeMap::new();
    let mut ports: BTreeMap<u16, &str> = BTreeMap::new();
    let mut default: Option<&str> = None;
    for one in behind(stack) {
        let Behind {
            service,
            path,
            group,
        } = one;
        let whose = |other: &str| {
            if other == service {
                "another target group of this service".to_owned()
            } else {
                format!("service `{other}`")
            }
        };
        let listener = group.listener_arn.as_deref();
        if let Some(priority) = group.priority
            && let Some(other) = priorities.insert((listener, priority), service)
        {
            findings.error(
                path.key("priority"),
                priority,
                format!(
                    "{} has this priority already, expected priorities that differ",
                    whose(other)
                ),
            );
        }
        if listener.is_some() || stack.load_balancer.is_none() {
            continue;
        }
        if stack.has_network_load_balancer() {
            if let Some(port) = group.listener_port
                && let Some(other) = ports.insert(port, service)
            {
                findings.error(
                    path.key("listener_port"),
                    port,
                    format!(
                        "{} is at this port already, expected ports that differ; one service has TCP and UDP at \
                         one port with `listener_protocol: TCP_UDP`",
                        whose(other)
                    ),
                );
            }
        } else if !group.is_conditional()
            && let Some(other) = default.replace(service)
        {
            let both = if other == service {
                format!("two target groups of `{service}`")
            } else {
                format!("services `{other}` and `{service}`")
            };
            findings.error_without_value(
                &path,
                format!(
                    "{both} would both get what no other service gets; add `path_patterns` or `host_headers` to one of \
                     them"
                ),
            );
        }
    }
}

fn check_load_balancer(
    path: &Path,
    stack: &Stack,
    load_balancer: &LoadBalancer,
    findings: &mut Findings,
) {
    let subnets = path.key("subnet_ids");
    if check_subnets(&subnets, &load_balancer.subnet_ids, findings) == 1 {
        findings.error(
            &subnets,
            load_balancer.subnet_ids.join(", "),
            "a load balancer needs subnets in at least two availability zones, expected two subnets or more",
        );
    }
    let groups = &load_balancer.security_group_ids;
    check_security_groups(&path.key("security_group_ids"), groups, 0, findings);
    let ranges = load_balancer.ingress_cidr_ips.as_deref();
    for (index, range) in ranges.unwrap_or_default().iter().enumerate() {
        if is_ipv6_range(range) && !is_open(range) {
            if !stack.load_balancer_is_dualstack() {
                findings.error(
                    path.key("ingress_cidr_ips").index(index),
                    range,
                    "the load balancer has no IPv6 addresses; add `ip_address_type: dualstack`, or leave the range out",
                );
            }
        } else if !is_ipv4_range(range) {
            findings.error(
                path.key("ingress_cidr_ips").index(index),
                range,
                "this is not an IPv4 range, expected one such as 10.0.0.0/16",
            );
        }
    }
    if load_balancer.r#type == LoadBalancerType::Network
        && load_balancer.idle_timeout != IDLE_TIMEOUT
    {
        findings.error(
            path.key("idle_timeout"),
            load_balancer.idle_timeout,
            "a Network Load Balancer has no such timeout of its own, and closes a quiet connection of TCP after 350 \
             seconds; leave it out",
        );
    }
    if let Some(dns) = &load_balancer.dns {
        check_dns(&path.key("dns"), dns, findings);
    }
    if !groups.is_empty() && ranges.is_some() {
        findings.error_without_value(
            path.key("ingress_cidr_ips"),
            "who may connect is said for the security group of the load balancer's own, but groups that \
             exist are named; add the ranges to those, or leave `security_group_ids` out",
        );
    }
    if load_balancer.scheme == Scheme::Internal
        && groups.is_empty()
        && ranges.is_none_or(<[String]>::is_empty)
    {
        findings.warning_without_value(
            path,
            "nobody may connect to this internal load balancer; say who in `ingress_cidr_ips` or \
             `security_group_ids`",
        );
    }
    let mut seen = BTreeSet::new();
    for (index, certificate) in load_balancer.certificate_arns.iter().enumerate() {
        let path = path.key("certificate_arns").index(index);
        let is_certificate = is_arn(certificate, "acm", "certificate/")
            || is_arn(certificate, "iam", "server-certificate/");
        if !is_certificate {
            findings.error(
                &path,
                certificate,
                "this is not an ARN of a certificate, expected one such as \
                 arn:aws:acm:eu-west-1:111122223333:certificate/<id>",
            );
        }
        if !seen.insert(certificate) {
            findings.error(
                &path,
                certificate,
                "this certificate is in the list twice; keep one of them",
            );
        }
    }
    if load_balancer.r#type == LoadBalancerType::Application
        && load_balancer.scheme == Scheme::InternetFacing
        && load_balancer.certificate_arns.is_empty()
    {
        findings.warning_without_value(
            path,
            "what goes over the internet to this load balancer is not encrypted; add `certificate_arns`",
        );
    }
    if !load_balancer.ssl_policy.starts_with("ELBSecurityPolicy-")
        && !is_open(&load_balancer.ssl_policy)
    {
        findings.error(
            path.key("ssl_policy"),
            &load_balancer.ssl_policy,
            "this is not a policy of Elastic Load Balancing, expected one such as \
             ELBSecurityPolicy-TLS13-1-2-2021-06",
        );
    }
    if let Some(bucket) = &load_balancer.access_logs_bucket {
        let is_bucket = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
            });
        if !is_bucket && !is_open(bucket) {
            findings.error(
                path.key("access_logs_bucket"),
                bucket,
                "this is not a name of a bucket, expected 3 to 63 lowercase letters, digits, dots and hyphens",
            );
        }
    }
}

fn check_dns(path: &Path, dns: &Dns, findings: &mut Findings) {
    let zone = &dns.hosted_zone_id;
    let is_zone = zone.len() <= 32
        && zone.starts_with('Z')
        && zone
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !is_zone && !is_open(zone) {
        findings.error(
            path.key("hosted_zone_id"),
            zone,
            "this is not an id of a hosted zone, expected one such as Z0123456789ABCDEFGHIJ",
        );
    }
    if dns.names.is_empty() {
        findings.error_without_value(
            path.key("names"),
            "there is no name in the list, expected at least one, such as shop.example.com",
        );
    }
    let mut seen = BTreeSet::new();
    for (index, name) in dns.names.iter().enumerate() {
        let path = path.key("names").index(index);
        let labels = name.strip_prefix("*.").unwrap_or(name);
        let is_name = name.len() <= 253
            && labels.contains('.')
            && labels
                .split('.')
                .all(|label| is_label(&label.replace('_', "x")));
        if !is_name && !is_open(name) {
            findings.error(
                &path,
                name,
                "this is not a DNS name, expected one such as shop.example.com or *.shop.example.com, without a dot \
                 at its end",
            );
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            findings.error(
                &path,
                name,
                "this name is in the list twice; keep one of them",
            );
        }
    }
}

pub(super) fn check_target_groups(service: &Checked<'_>, findings: &mut Findings) {
    check_list(service, findings);
    check_requests(service, findings);
    for (path, group) in service.target_groups() {
        check_target_group(service, &path, group, findings);
    }
}

/// Checks that the ways in which requests come to a service are different ones, and are said in one place.
fn check_list(service: &Checked<'_>, findings: &mut Findings) {
    let groups = &service.spec.target_groups;
    let path = service.at("target_groups");
    if service.spec.target_group.is_some() && !groups.is_empty() {
        findings.error_without_value(
            &path,
            "how requests come to the service is said twice; move `target_group` into this list, as its first item, which \
             replaces nothing",
        );
    }
    if groups.len() > MOST_TARGET_GROUPS {
        findings.error(
            &path,
            groups.len(),
            format!(
                "ECS does not take so many target groups of one service, expected at most {MOST_TARGET_GROUPS}"
            ),
        );
    }
    let mut existing = BTreeSet::new();
    for (index, group) in groups.iter().enumerate() {
        if let Some(arn) = &group.target_group_arn
            && !existing.insert(arn)
        {
            findings.error(
                path.index(index).key("target_group_arn"),
                arn,
                "another target group of this service is this one already; keep one of them",
            );
        }
    }
}

/// Checks that the requests which scaling counts are counted.
fn check_requests(service: &Checked<'_>, findings: &mut Findings) {
    let scaling = service.spec.scaling.as_ref();
    let Some(requests) = scaling.and_then(|scaling| scaling.target_requests_per_task) else {
        return;
    };
    let message = match service.spec.all_target_groups().next() {
        None => "only the stack's load balancer counts requests; add `target_group`",
        Some(group) if group.target_group_arn.is_some() => {
            "requests are counted only behind the stack's own load balancer, not behind `target_group_arn`; use \
             `custom_metrics`"
        }
        Some(group) if is_behind_network(service, group) => {
            "a Network Load Balancer does not count requests; use another metric"
        }
        Some(_) => return,
    };
    findings.error(
        service.at("scaling").key("target_requests_per_task"),
        requests,
        message,
    );
}

fn is_behind_network(service: &Checked<'_>, group: &TargetGroup) -> bool {
    service.stack.has_network_load_balancer() && group.listener_arn.is_none()
}

fn check_target_group(
    service: &Checked<'_>,
    path: &Path,
    group: &TargetGroup,
    findings: &mut Findings,
) {
    check_target(service, path, group, findings);
    if let Some(arn) = &group.target_group_arn {
        check_existing(path, arn, group, findings);
        return;
    }
    match &group.listener_arn {
        Some(listener) => check_listener(path, listener, group, findings),
        None => {
            if !group.load_balancer_security_group_ids.is_empty() {
                findings.error_without_value(
                    path.key("load_balancer_security_group_ids"),
                    "these are the security groups of a load balancer that exists; add its `listener_arn`, or leave \
                     them out",
                );
            }
            if service.stack.load_balancer.is_none() {
                findings.error_without_value(
                    path,
                    "the stack has no `load_balancer`; add it, or name a `listener_arn` or a `target_group_arn` that \
                     exists",
                );
            }
        }
    }
    let is_behind_network = is_behind_network(service, group);
    if is_behind_network {
        check_behind_network(service, path, group, findings);
    } else {
        check_behind_application(service, path, group, findings);
        check_conditions(path, group, findings);
    }
    check_health(
        &path.key("health_check"),
        group,
        is_behind_network,
        findings,
    );
}

/// The container and the port that requests come to.
fn check_target(service: &Checked<'_>, path: &Path, group: &TargetGroup, findings: &mut Findings) {
    let mut containers = service.spec.containers(service.name);
    let wanted = group.container_name.as_deref();
    // One that is not there is found where containers are checked.
    let Some(container) = containers.find(|one| wanted.is_none_or(|name| name == one.name)) else {
        return;
    };
    let additional = container.details.additional_container_ports.iter();
    let ports: Vec<u16> = container
        .container_port
        .into_iter()
        .chain(additional.copied())
        .collect();
    match group.container_port {
        None if wanted.is_none() && container.container_port.is_none() => findings
            .error_without_value(
                path,
                "requests need a port to go to; add `container_port` to the service",
            ),
        Some(port) if !ports.contains(&port) => {
            let advice = if ports.is_empty() {
                "add `container_port` to it".to_owned()
            } else {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                format!(
                    "expected {}, or add it to its `additional_container_ports`",
                    ports.join(" or ")
                )
            };
            findings.error(
                path.key("container_port"),
                port,
                format!(
                    "container `{}` does not listen on this port; {advice}",
                    container.name
                ),
            );
        }
        _ => {}
    }
}

/// A listener of an Application Load Balancer that exists.
fn check_listener(path: &Path, listener: &str, group: &TargetGroup, findings: &mut Findings) {
    // `arn:aws:elasticloadbalancing:<region>:<account>:listener/app/<name>/<id>/<listener>`
    let parts = listener.split_once(":listener/app/").map(|(_, rest)| rest);
    let is_listener = is_arn(listener, "elasticloadbalancing", "listener/app/")
        && parts.is_some_and(|rest| {
            rest.split('/').count() == 3
                && !is_open(rest)
                && rest.split('/').all(|part| !part.is_empty())
        });
    if !is_listener {
        findings.error(
            path.key("listener_arn"),
            listener,
            "this is not an ARN of a listener of an Application Load Balancer, expected one such as \
             arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/<name>/<id>/<id>",
        );
    }
    if !group.is_conditional() {
        findings.error_without_value(
            path,
            "the listener is not this stack's, so what no rule is for is not this service's either; say which requests \
             are, with `host_headers`, `path_patterns` or another condition, and `priority`",
        );
    }
    let groups = path.key("load_balancer_security_group_ids");
    check_security_groups(
        &groups,
        &group.load_balancer_security_group_ids,
        0,
        findings,
    );
    if group.load_balancer_security_group_ids.is_empty() {
        findings.warning_without_value(
            groups,
            "the service's own security group lets the load balancer in only if its security groups are named here",
        );
    }
}

fn check_behind_application(
    service: &Checked<'_>,
    path: &Path,
    group: &TargetGroup,
    findings: &mut Findings,
) {
    for (field, is_said) in [
        ("listener_port", group.listener_port.is_some()),
        ("listener_protocol", group.listener_protocol.is_some()),
        ("preserve_client_ip", group.preserve_client_ip.is_some()),
    ] {
        if is_said {
            findings.error_without_value(
                path.key(field),
                "only a Network Load Balancer has this; leave it out, or let the stack have a `load_balancer` with \
                 `type: network`",
            );
        }
    }
    let has_certificate = match &service.stack.load_balancer {
        Some(own) if group.listener_arn.is_none() => !own.certificate_arns.is_empty(),
        // Of a listener that exists, AWS knows.
        _ => true,
    };
    let needs_https = [
        (
            "protocol_version",
            matches!(
                group.protocol_version,
                Some(ProtocolVersion::Http2 | ProtocolVersion::Grpc)
            ),
        ),
        ("authenticate", group.authenticate.is_some()),
    ];
    for (field, is_said) in needs_https {
        if is_said && !has_certificate {
            findings.error_without_value(
                path.key(field),
                "Elastic Load Balancing takes this on a listener of HTTPS only; add `certificate_arns` to the \
                 `load_balancer`",
            );
        }
    }
    if let Some(authenticate) = &group.authenticate {
        check_authenticate(service, &path.key("authenticate"), authenticate, findings);
    }
}

fn check_behind_network(
    service: &Checked<'_>,
    path: &Path,
    group: &TargetGroup,
    findings: &mut Findings,
) {
    let said = [
        ("priority", group.priority.is_some()),
        ("protocol_version", group.protocol_version.is_some()),
        ("authenticate", group.authenticate.is_some()),
        ("stickiness_duration", group.stickiness_duration.is_some()),
    ];
    let said = group.conditions().into_iter().chain(said);
    for (field, _) in said.filter(|(_, is_said)| *is_said) {
        findings.error_without_value(
            path.key(field),
            "a Network Load Balancer does not look into what it hands on; leave it out",
        );
    }
    match group.listener_port {
        None => findings.error_without_value(
            path,
            "the stack's Network Load Balancer needs a port at which the service is reached; add `listener_port`",
        ),
        Some(0) => findings.error(path.key("listener_port"), 0, "there is no port 0, expected 1 to 65535"),
        Some(_) => {}
    }
    let protocol = group.listener_protocol.unwrap_or_default();
    let load_balancer = service.stack.load_balancer.as_ref();
    if protocol == ListenerProtocol::Tls
        && load_balancer.is_some_and(|own| own.certificate_arns.is_empty())
    {
        findings.error(
            path.key("listener_protocol"),
            protocol.as_str(),
            "TLS ends at the load balancer, which needs a certificate for that; add `certificate_arns` to the \
             `load_balancer`, or let it hand on TCP",
        );
    }
    if protocol.has_datagrams() {
        if group.preserve_client_ip == Some(false) {
            findings.error(
                path.key("preserve_client_ip"),
                false,
                "tasks behind UDP always see the addresses of clients, also of TCP_UDP; leave it out",
            );
        }
        if protocol == ListenerProtocol::Udp && group.health_check.port.is_none() {
            findings.error_without_value(
                path.key("health_check"),
                "whether a task is healthy cannot be asked by UDP; add `port`, at which the container listens to TCP",
            );
        }
        if service.stack.load_balancer_is_dualstack() {
            findings.error(
                path.key("listener_protocol"),
                protocol.as_str(),
                "a load balancer with `dualstack` takes UDP only with prefixes for source NAT, which are not supported; \
                 let `ip_address_type` of the `load_balancer` be ipv4",
            );
        }
    }
    if service.spec.deployment_configuration.strategy != DeploymentStrategy::Rolling {
        findings.error(
            service.at("deployment_configuration").key("strategy"),
            service.spec.deployment_configuration.strategy.as_str(),
            "Longshore lets ECS shift requests by a rule, which a Network Load Balancer does not have; shifting its \
             connections is not supported, expected ROLLING",
        );
    }
}

fn check_authenticate(
    service: &Checked<'_>,
    path: &Path,
    authenticate: &Authenticate,
    findings: &mut Findings,
) {
    match (&authenticate.cognito, &authenticate.oidc) {
        (Some(cognito), None) => {
            if !is_arn(&cognito.user_pool_arn, "cognito-idp", "userpool/") {
                findings.error(
                    path.key("cognito").key("user_pool_arn"),
                    &cognito.user_pool_arn,
                    "this is not an ARN of a user pool, expected one such as \
                     arn:aws:cognito-idp:eu-west-1:111122223333:userpool/<id>",
                );
            }
        }
        (None, Some(oidc)) => {
            let path = path.key("oidc");
            for (field, url) in [
                ("issuer", &oidc.issuer),
                ("authorization_endpoint", &oidc.authorization_endpoint),
                ("token_endpoint", &oidc.token_endpoint),
                ("user_info_endpoint", &oidc.user_info_endpoint),
            ] {
                if !url.starts_with("https://") && !is_open(url) {
                    findings.error(
                        path.key(field),
                        url,
                        "this is not a URL of HTTPS, expected one that begins with https://",
                    );
                }
            }
            check_client_secret(
                service,
                &path.key("client_secret"),
                &oidc.client_secret,
                findings,
            );
        }
        (both, _) => findings.error(
            path,
            if both.is_some() { 2 } else { 0 },
            "it must say with whom people log in, expected exactly one of `cognito` and `oidc`",
        ),
    }
}

/// CloudFormation reads the secret with a role that all stacks share, so that the name says whose the secret is.
fn check_client_secret(
    service: &Checked<'_>,
    path: &Path,
    secret: &ClientSecret,
    findings: &mut Findings,
) {
    let stack = service.stack.stack_name();
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_+=.@-".contains(&byte))
    };
    let mut parts = secret.value_from.split('/');
    let is_own = parts.next() == Some(stack.as_str());
    let parts: Vec<&str> = parts.collect();
    if !is_own || parts.len() < 2 || !parts.into_iter().all(is_word) {
        findings.error(
            path.key("value_from"),
            &secret.value_from,
            format!(
                "this is not a name of a secret of this stack, expected {stack}/<service>/<name>, as CloudFormation's role \
                 would read those of all stacks"
            ),
        );
    }
    if let Some(key) = &secret.json_key
        && !is_word(key)
    {
        findings.error(
            path.key("json_key"),
            key,
            "this is not a key, expected letters, digits and `_+=.@-`",
        );
    }
}

fn check_existing(path: &Path, arn: &str, group: &TargetGroup, findings: &mut Findings) {
    if !is_arn(arn, "elasticloadbalancing", "targetgroup/") {
        findings.error(
            path.key("target_group_arn"),
            arn,
            "this is not an ARN of a target group, expected one such as \
             arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/<name>/<id>",
        );
    }
    let said = [
        ("listener_arn", group.listener_arn.is_some()),
        (
            "load_balancer_security_group_ids",
            !group.load_balancer_security_group_ids.is_empty(),
        ),
        ("listener_port", group.listener_port.is_some()),
        ("listener_protocol", group.listener_protocol.is_some()),
        ("preserve_client_ip", group.preserve_client_ip.is_some()),
        ("protocol_version", group.protocol_version.is_some()),
        ("authenticate", group.authenticate.is_some()),
        ("priority", group.priority.is_some()),
        (
            "health_check",
            group.health_check != TargetHealthCheck::default(),
        ),
        (
            "deregistration_delay",
            group.deregistration_delay != DEREGISTRATION_DELAY,
        ),
        ("stickiness_duration", group.stickiness_duration.is_some()),
    ];
    let said = said.into_iter().chain(group.conditions());
    for (field, _) in said.filter(|(_, is_said)| *is_said) {
        findings.error_without_value(
            path.key(field),
            "the target group exists, so its settings are not this stack's; leave this or \
             `target_group_arn` out",
        );
    }
}

fn check_conditions(path: &Path, group: &TargetGroup, findings: &mut Findings) {
    let of_headers = group.http_headers.values().map(Vec::len);
    let conditions = group.path_patterns.len()
        + group.host_headers.len()
        + of_headers.sum::<usize>()
        + group.http_request_methods.len()
        + group.query_strings.len()
        + group.source_ips.len();
    match group.priority {
        None if conditions > 0 => findings.error_without_value(
            path,
            "a rule with `path_patterns` or `host_headers` needs its place among the rules; add `priority`",
        ),
        Some(priority) if conditions == 0 => findings.error(
            path.key("priority"),
            priority,
            "the service gets what no other service gets, which has no priority; leave it out, or add \
             `path_patterns` or `host_headers`",
        ),
        _ => {}
    }
    if conditions > MOST_CONDITIONS {
        findings.error(
            path,
            conditions,
            format!("too many paths and hosts for one rule, expected at most {MOST_CONDITIONS}"),
        );
    }
    let of_headers = group.http_headers.values().flatten();
    let all = group.path_patterns.iter().chain(&group.host_headers);
    let all = all.chain(of_headers).chain(&group.query_strings);
    let wildcards: usize = all.map(|text| text.matches(['*', '?']).count()).sum();
    if wildcards > MOST_WILDCARDS {
        findings.error(
            path,
            wildcards,
            format!("too many `*` and `?` for one rule, expected at most {MOST_WILDCARDS}"),
        );
    }
    check_further_conditions(path, group, findings);
    for (index, pattern) in group.path_patterns.iter().enumerate() {
        let is_pattern = (pattern.starts_with('/') || pattern.starts_with('*'))
            && pattern.len() <= 128
            && pattern
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.$/~\"'@:+&*?".contains(&byte));
        if !is_pattern && !is_open(pattern) {
            findings.error(
                path.key("path_patterns").index(index),
                pattern,
                "this is not a pattern of paths, expected one that begins with /, such as /api/*, without \
                 query and blanks, at most 128 characters",
            );
        }
    }
    for (index, host) in group.host_headers.iter().enumerate() {
        let is_host = (1..=128).contains(&host.len())
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-.*?".contains(&byte));
        // The Elastic Load Balancing API Reference, HostHeaderConditionConfig.
        let ends_in_letters = host.rsplit_once('.').is_some_and(|(_, end)| {
            !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_alphabetic())
        });
        if is_open(host) {
            continue;
        }
        if !is_host {
            findings.error(
                path.key("host_headers").index(index),
                host,
                "this is not a host, expected one such as api.shop.example or *.shop.example, without scheme, \
                 port and path",
            );
        } else if !ends_in_letters {
            findings.error(
                path.key("host_headers").index(index),
                host,
                "the load balancer takes only hosts with a dot, and after the last one only letters, expected \
                 one such as api.shop.example or *.shop.example",
            );
        }
    }
}

/// The Elastic Load Balancing API Reference, RuleCondition.
fn check_further_conditions(path: &Path, group: &TargetGroup, findings: &mut Findings) {
    for (name, values) in &group.http_headers {
        let path = path.key("http_headers").key(name);
        let is_header = (1..=40).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !is_header {
            findings.error(
                &path,
                name,
                "this is not a name of a header, expected at most 40 letters, digits and hyphens, such as X-Version",
            );
        } else if name.eq_ignore_ascii_case("host") {
            findings.error(
                &path,
                name,
                "hosts have a key of their own; use `host_headers`",
            );
        }
        if values.is_empty()
            || values
                .iter()
                .any(|value| value.is_empty() || value.len() > 128)
        {
            findings.error_without_value(
                &path,
                "a header needs values to be compared with, expected at least one, of 1 to 128 characters each",
            );
        }
    }
    for (index, method) in group.http_request_methods.iter().enumerate() {
        let is_method = (1..=40).contains(&method.len())
            && method
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || b"-_".contains(&byte));
        if !is_method {
            findings.error(
                path.key("http_request_methods").index(index),
                method,
                "this is not a method of HTTP, expected capital letters, such as POST",
            );
        }
    }
    for (index, parameter) in group.query_strings.iter().enumerate() {
        let (key, value) = parameter.split_once('=').unwrap_or(("x", parameter));
        if key.is_empty() || value.is_empty() || key.len() > 128 || value.len() > 128 {
            findings.error(
                path.key("query_strings").index(index),
                parameter,
                "this is not a parameter, expected `<key>=<value>` or `<value>`, of at most 128 characters each",
            );
        }
    }
    for (index, range) in group.source_ips.iter().enumerate() {
        if !is_ipv4_range(range) && !is_ipv6_range(range) {
            findings.error(
                path.key("source_ips").index(index),
                range,
                "this is not a range of addresses, expected one such as 192.0.2.0/24 or 2001:db8::/32",
            );
        }
    }
}

fn check_health(
    path: &Path,
    group: &TargetGroup,
    is_behind_network: bool,
    findings: &mut Findings,
) {
    let health = &group.health_check;
    let default = TargetHealthCheck::default();
    if health.protocol == Some(HealthProtocol::Tcp) && !is_behind_network {
        findings.error(
            path.key("protocol"),
            "TCP",
            "an Application Load Balancer asks by HTTP; leave it out",
        );
    }
    if is_behind_network && health.protocol != Some(HealthProtocol::Http) {
        for (field, is_said) in [
            ("path", health.path != default.path),
            ("matcher", health.matcher != default.matcher),
        ] {
            if is_said {
                findings.error_without_value(
                    path.key(field),
                    "a connection alone has no path and no status code; add `protocol: HTTP`, or leave it out",
                );
            }
        }
    }
    if health.port == Some(0) {
        findings.error(
            path.key("port"),
            0,
            "there is no port 0, expected 1 to 65535",
        );
    }
    if !health.path.starts_with('/') || health.path.len() > 1024 {
        findings.error(
            path.key("path"),
            &health.path,
            "this is not a path, expected one that begins with /, such as /health",
        );
    }
    if health.timeout_seconds >= health.interval_seconds {
        findings.error(
            path.key("timeout_seconds"),
            health.timeout_seconds,
            format!(
                "the answer may come after the next question, expected less than `interval_seconds`, {}",
                health.interval_seconds
            ),
        );
    }
    if group.protocol_version == Some(ProtocolVersion::Grpc) {
        check_codes_of_grpc(path, &health.matcher, findings);
        return;
    }
    let is_code = |code: &str| {
        code.len() == 3
            && code
                .parse()
                .is_ok_and(|code: u16| (200..=499).contains(&code))
    };
    let is_matcher = health
        .matcher
        .split(',')
        .all(|part| match part.split_once('-') {
            Some((first, last)) => is_code(first) && is_code(last) && first <= last,
            None => is_code(part),
        });
    if !is_matcher {
        findings.error(
            path.key("matcher"),
            &health.matcher,
            "these are not status codes, expected codes from 200 to 499, such as \"200\", \"200,204\" or \
             \"200-299\"",
        );
    }
}

/// The codes of gRPC that are good. The default is one of HTTP, in whose place the code of gRPC comes.
fn check_codes_of_grpc(path: &Path, matcher: &str, findings: &mut Findings) {
    if matcher == TargetHealthCheck::default().matcher {
        return;
    }
    let code = |code: &str| code.parse::<u8>().ok().filter(|code| *code <= 99);
    let is_matcher = matcher.split(',').all(|part| match part.split_once('-') {
        Some((first, last)) => code(first)
            .zip(code(last))
            .is_some_and(|(first, last)| first <= last),
        None => code(part).is_some(),
    });
    if !is_matcher {
        findings.error(
            path.key("matcher"),
            matcher,
            "these are not status codes of gRPC, expected codes from 0 to 99, such as \"0\", \"0,12\" or \"0-99\"",
        );
    }
}
