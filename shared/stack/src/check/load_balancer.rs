//! The load balancer, and how requests come to services.

use std::collections::{BTreeMap, BTreeSet};

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_arn, is_ipv4_range, is_open};
use super::network::{check_security_groups, check_subnets};
use crate::path::Path;
use crate::spec::{LoadBalancer, Scheme, Stack, TargetGroup, TargetHealthCheck};

/// Elastic Load Balancing's limits for a rule, and for a load balancer.
const MOST_CONDITIONS: usize = 5;
const MOST_WILDCARDS: usize = 6;
const MOST_SERVICES: usize = 100;

/// What a target group has where nothing is said.
const DEREGISTRATION_DELAY: u32 = 30;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    let Some(load_balancer) = &stack.load_balancer else {
        return;
    };
    let path = Path::default().key("load_balancer");
    check_load_balancer(&path, load_balancer, findings);
    let services: Vec<(&String, &TargetGroup)> = stack
        .services
        .iter()
        .filter_map(|(name, service)| Some((name, service.target_group.as_ref()?)))
        .filter(|(_, group)| group.target_group_arn.is_none())
        .collect();
    if services.is_empty() {
        findings.warning_without_value(
            &path,
            "no service is behind the load balancer, which costs all the same; add `target_group` to one",
        );
    }
    if services.len() > MOST_SERVICES {
        findings.error(
            &path,
            services.len(),
            format!("too many services behind one load balancer, expected at most {MOST_SERVICES}"),
        );
    }
    let mut priorities: BTreeMap<u32, &str> = BTreeMap::new();
    let mut default: Option<&str> = None;
    for (name, group) in services {
        let path = Path::default()
            .key("services")
            .key(name)
            .key("target_group");
        if let Some(priority) = group.priority
            && let Some(other) = priorities.insert(priority, name)
        {
            findings.error(
                path.key("priority"),
                priority,
                format!(
                    "service `{other}` has this priority already, expected priorities that differ"
                ),
            );
        }
        let gets_the_rest = group.path_patterns.is_empty() && group.host_headers.is_empty();
        if gets_the_rest && let Some(other) = default.replace(name) {
            findings.error_without_value(
                &path,
                format!(
                    "services `{other}` and `{name}` would both get what no other service gets; add \
                     `path_patterns` or `host_headers` to one of them"
                ),
            );
        }
    }
}

fn check_load_balancer(path: &Path, load_balancer: &LoadBalancer, findings: &mut Findings) {
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
        if !is_ipv4_range(range) {
            findings.error(
                path.key("ingress_cidr_ips").index(index),
                range,
                "this is not an IPv4 range, expected one such as 10.0.0.0/16",
            );
        }
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
    if load_balancer.scheme == Scheme::InternetFacing && load_balancer.certificate_arns.is_empty() {
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
    findings.range(
        path.key("idle_timeout"),
        load_balancer.idle_timeout,
        1,
        4000,
        "the load balancer does not allow this timeout",
    );
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

pub(super) fn check_target_group(service: &Checked<'_>, findings: &mut Findings) {
    let Some(group) = &service.spec.target_group else {
        if let Some(requests) = service
            .spec
            .scaling
            .as_ref()
            .and_then(|one| one.target_requests_per_task)
        {
            findings.error(
                service.at("scaling").key("target_requests_per_task"),
                requests,
                "only the stack's load balancer counts requests; add `target_group`",
            );
        }
        return;
    };
    let path = service.at("target_group");
    if group.container_name.is_none() && service.spec.container_port.is_none() {
        findings.error_without_value(
            &path,
            "requests need a port to go to; add `container_port` to the service",
        );
    }
    if let Some(arn) = &group.target_group_arn {
        check_existing(service, &path, arn, group, findings);
        return;
    }
    if service.stack.load_balancer.is_none() {
        findings.error_without_value(
            &path,
            "the stack has no `load_balancer`; add it, or name a `target_group_arn` that exists",
        );
    }
    check_conditions(&path, group, findings);
    check_health(&path.key("health_check"), &group.health_check, findings);
    findings.range(
        path.key("deregistration_delay"),
        group.deregistration_delay,
        0,
        3600,
        "the load balancer does not wait this many seconds",
    );
    if let Some(seconds) = group.stickiness_duration {
        findings.range(
            path.key("stickiness_duration"),
            seconds,
            1,
            604_800,
            "the load balancer's cookies do not last this many seconds",
        );
    }
}

fn check_existing(
    service: &Checked<'_>,
    path: &Path,
    arn: &str,
    group: &TargetGroup,
    findings: &mut Findings,
) {
    if !is_arn(arn, "elasticloadbalancing", "targetgroup/") {
        findings.error(
            path.key("target_group_arn"),
            arn,
            "this is not an ARN of a target group, expected one such as \
             arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/<name>/<id>",
        );
    }
    let said = [
        ("path_patterns", !group.path_patterns.is_empty()),
        ("host_headers", !group.host_headers.is_empty()),
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
    for (field, _) in said.into_iter().filter(|(_, is_said)| *is_said) {
        findings.error_without_value(
            path.key(field),
            "the target group exists, so its settings are not this stack's; leave this or \
             `target_group_arn` out",
        );
    }
    if let Some(scaling) = &service.spec.scaling
        && let Some(requests) = scaling.target_requests_per_task
    {
        findings.error(
            service.at("scaling").key("target_requests_per_task"),
            requests,
            "requests are counted only behind the stack's own load balancer, not behind \
             `target_group_arn`; use `custom_metrics`",
        );
    }
}

fn check_conditions(path: &Path, group: &TargetGroup, findings: &mut Findings) {
    let conditions = group.path_patterns.len() + group.host_headers.len();
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
        Some(priority) => findings.range(
            path.key("priority"),
            priority,
            1,
            50_000,
            "the load balancer does not allow this priority",
        ),
        None => {}
    }
    if conditions > MOST_CONDITIONS {
        findings.error(
            path,
            conditions,
            format!("too many paths and hosts for one rule, expected at most {MOST_CONDITIONS}"),
        );
    }
    let all = group.path_patterns.iter().chain(&group.host_headers);
    let wildcards: usize = all.map(|text| text.matches(['*', '?']).count()).sum();
    if wildcards > MOST_WILDCARDS {
        findings.error(
            path,
            wildcards,
            format!("too many `*` and `?` for one rule, expected at most {MOST_WILDCARDS}"),
        );
    }
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

fn check_health(path: &Path, health: &TargetHealthCheck, findings: &mut Findings) {
    if !health.path.starts_with('/') || health.path.len() > 1024 {
        findings.error(
            path.key("path"),
            &health.path,
            "this is not a path, expected one that begins with /, such as /health",
        );
    }
    findings.range(
        path.key("interval_seconds"),
        health.interval_seconds,
        5,
        300,
        "the load balancer does not allow this interval",
    );
    findings.range(
        path.key("timeout_seconds"),
        health.timeout_seconds,
        2,
        120,
        "the load balancer does not allow this timeout",
    );
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
    for (field, count) in [
        ("healthy_threshold_count", health.healthy_threshold_count),
        (
            "unhealthy_threshold_count",
            health.unhealthy_threshold_count,
        ),
    ] {
        findings.range(
            path.key(field),
            count,
            2,
            10,
            "the load balancer does not allow this threshold",
        );
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
