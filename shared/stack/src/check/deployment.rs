//! How ECS replaces tasks.

use std::collections::BTreeSet;

use super::checked::{Checked, target_groups};
use super::findings::Findings;
use super::forms::is_open;
use crate::path::Path;
use crate::render::LAST_PRIORITY;
use crate::spec::{DeploymentConfiguration, DeploymentStrategy, TargetGroup};

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    let deployment = &service.spec.deployment_configuration;
    let path = service.at("deployment_configuration");
    if deployment.strategy == DeploymentStrategy::Rolling {
        check_limits(service, &path, findings);
    } else {
        check_shift(service, &path, findings);
    }
    check_steps(deployment, &path, findings);
    check_alarms(service, &path, findings);
    check_circuit_breaker(deployment, &path, findings);
    check_rebalancing(service, findings);
}

fn check_circuit_breaker(
    deployment: &DeploymentConfiguration,
    path: &Path,
    findings: &mut Findings,
) {
    let settings = deployment.deployment_circuit_breaker.settings();
    let path = path.key("deployment_circuit_breaker");
    if settings.threshold_configuration.is_some() && !settings.enable {
        findings.error_without_value(
            path.key("threshold_configuration"),
            "no failed task is counted while the circuit breaker is off; leave this out, or turn it on",
        );
    }
    if settings.enable && !settings.rollback {
        findings.warning(
            path.key("rollback"),
            false,
            "the tasks of a deployment that is given up stay as they are, and nothing goes back; leave it out, \
             or roll back by hand",
        );
    }
}

/// ECS starts a task in one zone before it stops one in another: the Amazon ECS Developer Guide, "Balancing an
/// Amazon ECS service across Availability Zones".
fn check_rebalancing(service: &Checked<'_>, findings: &mut Findings) {
    let most = service.spec.maximum_percent();
    if service.spec.availability_zone_rebalancing == Some(true)
        && most <= 100
        && !service.spec.is_daemon()
    {
        findings.error(
            service.at("availability_zone_rebalancing"),
            true,
            format!(
                "ECS starts a task before it stops another one for this, and `maximum_percent`, {most}, leaves \
                 no room for it; leave this out, or let `maximum_percent` be more than 100"
            ),
        );
    }
}

/// On each instance the old task stops before the new one starts.
fn check_limits_of_daemon(service: &Checked<'_>, path: &Path, findings: &mut Findings) {
    let most = service.spec.deployment_configuration.maximum_percent;
    if most != 100 && most != DeploymentConfiguration::default().maximum_percent {
        findings.error(
            path.key("maximum_percent"),
            most,
            "ECS runs one task on each instance with `scheduling_strategy: DAEMON`; expected 100, or leave it out",
        );
    }
}

/// How many tasks a rolling deployment keeps and starts.
fn check_limits(service: &Checked<'_>, path: &Path, findings: &mut Findings) {
    let spec = service.spec;
    let deployment = &spec.deployment_configuration;
    let (least, most) = (
        deployment.minimum_healthy_percent,
        deployment.maximum_percent,
    );
    if spec.is_daemon() {
        return check_limits_of_daemon(service, path, findings);
    }
    if least >= most {
        findings.error(
            path.key("maximum_percent"),
            most,
            format!(
                "no task could be stopped before its successor runs, and none started before, expected \
                 more than `minimum_healthy_percent`, {least}"
            ),
        );
        return;
    }
    // ECS rounds the least up and the most down.
    let running = u64::from(spec.first_tasks().max(1));
    let at_least = (running * u64::from(least)).div_ceil(100);
    let at_most = running * u64::from(most) / 100;
    if at_most <= at_least {
        findings.warning(
            path,
            format!("{least} to {most} percent"),
            format!(
                "with {running} tasks this means at least {at_least} and at most {at_most}, so that none \
                 can be replaced; let `maximum_percent` be larger or `minimum_healthy_percent` smaller"
            ),
        );
    }
}

/// What ECS needs to start all new tasks beside the old ones and move the requests.
fn check_shift(service: &Checked<'_>, path: &Path, findings: &mut Findings) {
    let spec = service.spec;
    let deployment = &spec.deployment_configuration;
    let strategy = deployment.strategy.as_str();
    let rolling = DeploymentConfiguration::default();
    for (field, percent, default) in [
        (
            "minimum_healthy_percent",
            deployment.minimum_healthy_percent,
            rolling.minimum_healthy_percent,
        ),
        (
            "maximum_percent",
            deployment.maximum_percent,
            rolling.maximum_percent,
        ),
    ] {
        if percent != default {
            findings.error(
                path.key(field),
                percent,
                format!(
                    "with {strategy} all new tasks are started beside the old ones; leave it out, or let \
                     `strategy` be ROLLING"
                ),
            );
        }
    }
    if spec.target_groups.len() > 1 {
        findings.error(
            service.at("target_groups"),
            spec.target_groups.len(),
            format!(
                "with {strategy} ECS moves the requests of one target group; of several, some would reach new tasks while \
                 others do not. Keep one, or let `strategy` be ROLLING"
            ),
        );
    }
    match service.target_groups().next() {
        None if deployment.strategy != DeploymentStrategy::BlueGreen => findings.error(
            path.key("strategy"),
            strategy,
            "requests go to the new tasks step by step, but none come through a load balancer; add \
             `target_group`, or let `strategy` be BLUE_GREEN or ROLLING",
        ),
        None => {}
        Some((
            path,
            TargetGroup {
                target_group_arn: Some(arn),
                ..
            },
        )) => findings.error(
            path.key("target_group_arn"),
            arn,
            format!(
                "{strategy} needs a second target group and a rule of the listener that ECS changes, which \
                 are not this stack's; use the stack's own `load_balancer`, or let `strategy` be ROLLING"
            ),
        ),
        Some((_, group)) => check_last_rule(service, group, findings),
    }
    if let Some(requests) = spec
        .scaling
        .as_ref()
        .and_then(|scaling| scaling.target_requests_per_task)
    {
        findings.error(
            service.at("scaling").key("target_requests_per_task"),
            requests,
            format!(
                "requests are counted for one target group, and with {strategy} they go to two by turns; \
                 use another metric, or let `strategy` be ROLLING"
            ),
        );
    }
}

/// A service that gets what no other service gets has the last rule, since ECS cannot change a default.
fn check_last_rule(service: &Checked<'_>, group: &TargetGroup, findings: &mut Findings) {
    if group.is_conditional() {
        return;
    }
    for (name, other) in &service.stack.services {
        let path = Path::default().key("services").key(name);
        let others = target_groups(&path, other);
        let mut others = others.filter(|(_, other)| other.listener_arn == group.listener_arn);
        if let Some((path, _)) = others.find(|(_, other)| other.priority == Some(LAST_PRIORITY)) {
            findings.error(
                path.key("priority"),
                LAST_PRIORITY,
                format!(
                    "service `{}` has this place among the rules, since it gets what no other service \
                     gets and ECS moves its requests; expected less",
                    service.name
                ),
            );
        }
    }
}

fn check_steps(deployment: &DeploymentConfiguration, path: &Path, findings: &mut Findings) {
    if let Some(minutes) = deployment.bake_time_in_minutes {
        let path = path.key("bake_time_in_minutes");
        if deployment.strategy == DeploymentStrategy::Rolling {
            findings.error(
                path,
                minutes,
                "a rolling deployment keeps no old tasks; leave it out, or let `strategy` be BLUE_GREEN, \
                 LINEAR or CANARY",
            );
        }
    }
    for (field, is_said, strategy) in [
        (
            "linear",
            deployment.linear.is_some(),
            DeploymentStrategy::Linear,
        ),
        (
            "canary",
            deployment.canary.is_some(),
            DeploymentStrategy::Canary,
        ),
    ] {
        if is_said && deployment.strategy != strategy {
            findings.error_without_value(
                path.key(field),
                format!(
                    "these are the steps of `strategy: {}`, but it is {}; leave them out, or change it",
                    strategy.as_str(),
                    deployment.strategy.as_str()
                ),
            );
        }
    }
    if let Some(linear) = &deployment.linear {
        let path = path.key("linear");
        share(path.key("step_percent"), linear.step_percent, 3.0, findings);
    }
    if let Some(canary) = &deployment.canary {
        let path = path.key("canary");
        share(path.key("percent"), canary.percent, 0.1, findings);
    }
}

/// A share of the requests: the Amazon ECS API Reference, LinearConfiguration and CanaryConfiguration.
fn share(path: Path, percent: f64, least: f64, findings: &mut Findings) {
    let tenths = percent * 10.0;
    if !(least..=100.0).contains(&percent) || (tenths - tenths.round()).abs() > 1e-6 {
        findings.error(
            path,
            percent,
            format!("ECS does not move this share, expected {least:.1} to 100.0 in steps of 0.1"),
        );
    }
}

fn check_alarms(service: &Checked<'_>, path: &Path, findings: &mut Findings) {
    let alarms = &service.spec.deployment_configuration.alarms;
    let mut seen = BTreeSet::new();
    for (index, alarm) in alarms.iter().enumerate() {
        let path = path.key("alarms").index(index);
        if !seen.insert(alarm) {
            findings.error(
                &path,
                alarm,
                "this alarm is in the list twice; keep one of them",
            );
        }
        if alarm == DeploymentConfiguration::TARGET_ERRORS {
            let own =
                service.stack.load_balancer.is_some() && !service.stack.has_network_load_balancer();
            let mut groups = service.spec.all_target_groups();
            let is_behind_own = groups.any(|group| {
                group.target_group_arn.is_none() && (own || group.listener_arn.is_some())
            });
            if service.stack.alarms.is_none() || !is_behind_own {
                findings.error(
                    &path,
                    alarm,
                    "this is the stack's own alarm for errors behind its load balancer, and it is not \
                     made; add `alarms` to the stack and `target_group` to the service",
                );
            }
        } else if alarm.is_empty()
            || alarm.len() > 255
            || alarm.chars().any(char::is_control)
            || (alarm.starts_with("arn:") && !is_open(alarm))
        {
            findings.error(
                &path,
                alarm,
                "this is not a name of a CloudWatch alarm, expected its name, not its ARN, at most 255 \
                 characters",
            );
        }
    }
}
