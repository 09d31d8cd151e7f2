//! On which instances tasks are placed.

use super::checked::Checked;
use super::findings::Findings;
use crate::path::Path;
use crate::spec::{
    DeploymentStrategy, PlacementConstraintType, PlacementStrategy, PlacementStrategyType,
};

/// ECS's limits: the Amazon ECS API Reference, CreateService.
const MOST_STRATEGIES: usize = 5;
const MOST_CONSTRAINTS: usize = 10;

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    if service.spec.is_daemon() {
        check_daemon(service, findings);
    }
    check_strategies(service, findings);
    check_constraints(service, findings);
}

/// What ECS takes with `DAEMON`: the Amazon ECS Developer Guide, "Amazon ECS service deployment controllers and
/// strategies", and what CreateService answers otherwise ("Specifying a capacity provider strategy is not supported when
/// you create a service using the DAEMON scheduling strategy", "does not support values above 100 for maximumPercent",
/// "does not support placement strategies").
fn check_daemon(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    let path = service.at("scheduling_strategy");
    if service.stack.capacity.is_empty() {
        findings.error(
            &path,
            "DAEMON",
            "one task runs on each EC2 instance of the stack, and it has none; add `capacity`, or a container \
             among the `sidecars` of services on Fargate",
        );
    }
    let deployment = &spec.deployment_configuration;
    for (is_said, field, why) in [
        (
            !spec.capacity_provider_strategy.is_empty(),
            "capacity_provider_strategy",
            "its tasks run on all instances of the stack; use `placement_constraints` for some of them",
        ),
        (
            spec.desired_count.is_some(),
            "desired_count",
            "there are as many tasks as instances",
        ),
        (
            spec.scaling.is_some(),
            "scaling",
            "there are as many tasks as instances",
        ),
        (
            !spec.placement_strategies.is_empty(),
            "placement_strategies",
            "one task runs on each instance; use `placement_constraints`",
        ),
        (
            spec.availability_zone_rebalancing == Some(true),
            "availability_zone_rebalancing",
            "tasks are where the instances are",
        ),
        (
            !spec.schedules.is_empty(),
            "schedules",
            "a run by the clock needs a `capacity_provider_strategy`; describe it as a service of its own with \
             `desired_count: 0`",
        ),
    ] {
        if is_said {
            findings.error_without_value(
                service.at(field),
                format!(
                    "ECS does not take this with `scheduling_strategy: DAEMON`: {why}; leave it out"
                ),
            );
        }
    }
    if deployment.strategy != DeploymentStrategy::Rolling {
        findings.error(
            service.at("deployment_configuration").key("strategy"),
            deployment.strategy.as_str(),
            "new tasks would run beside the old ones, and with `scheduling_strategy: DAEMON` one task runs on each \
             instance; expected ROLLING",
        );
    }
}

fn check_strategies(service: &Checked<'_>, findings: &mut Findings) {
    let strategies = &service.spec.placement_strategies;
    let path = service.at("placement_strategies");
    check_number(service, &path, strategies.len(), MOST_STRATEGIES, findings);
    for (index, strategy) in strategies.iter().enumerate() {
        check_field(&path.index(index), strategy, findings);
    }
    if service.spec.availability_zone_rebalancing == Some(true)
        && !service.spec.is_daemon()
        && !service.spec.spreads_over_zones()
    {
        findings.error(
            service.at("availability_zone_rebalancing"),
            true,
            "ECS evens tasks out among zones only where the first of `placement_strategies` spreads them over \
             `attribute:ecs.availability-zone`, and none of `placement_constraints` names zones; leave this out, \
             or change them",
        );
    }
}

/// How many there are, and that there are instances to choose from.
fn check_number(
    service: &Checked<'_>,
    path: &Path,
    number: usize,
    most: usize,
    findings: &mut Findings,
) {
    if number > most {
        findings.error(
            path,
            number,
            format!("these are too many, expected at most {most}"),
        );
    }
    if number > 0 && service.spec.is_on_fargate() {
        findings.error_without_value(
            path,
            "Fargate has no instances to choose from; leave it out, or name a `capacity` in \
             `capacity_provider_strategy`",
        );
    }
}

fn check_field(path: &Path, strategy: &PlacementStrategy, findings: &mut Findings) {
    let field = strategy.field.as_deref();
    let path = path.key("field");
    let expected = match strategy.r#type {
        PlacementStrategyType::Random if field.is_some() => {
            "`random` does not look at anything; leave it out"
        }
        PlacementStrategyType::Binpack if !matches!(field, Some("cpu" | "memory")) => {
            "expected what the instance has least left of, `cpu` or `memory`"
        }
        PlacementStrategyType::Spread if !field.is_some_and(is_spread_field) => {
            "expected what tasks are spread over, `instanceId` or an attribute such as \
             `attribute:ecs.availability-zone`"
        }
        _ => return,
    };
    match field {
        Some(field) => findings.error(path, field, expected),
        None => findings.error_without_value(path, expected),
    }
}

fn is_spread_field(field: &str) -> bool {
    let attribute = field.strip_prefix("attribute:");
    matches!(field, "instanceId" | "host") || attribute.is_some_and(|name| !name.is_empty())
}

fn check_constraints(service: &Checked<'_>, findings: &mut Findings) {
    let constraints = &service.spec.placement_constraints;
    let path = service.at("placement_constraints");
    check_number(
        service,
        &path,
        constraints.len(),
        MOST_CONSTRAINTS,
        findings,
    );
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        match (constraint.r#type, constraint.expression.as_deref()) {
            (PlacementConstraintType::DistinctInstance, Some(expression)) => findings.error(
                path.key("expression"),
                expression,
                "`distinctInstance` takes none; leave it out, or let `type` be memberOf",
            ),
            (PlacementConstraintType::DistinctInstance, None) if service.spec.is_daemon() => findings
                .error(
                    path.key("type"),
                    "distinctInstance",
                    "with `scheduling_strategy: DAEMON` each task has an instance of its own anyway; leave it out",
                ),
            (PlacementConstraintType::MemberOf, None | Some("")) => findings.error_without_value(
                path.key("expression"),
                "there is nothing that instances must be, expected an expression such as \
                 `attribute:ecs.instance-type =~ g4dn.*`",
            ),
            (PlacementConstraintType::MemberOf, Some(expression)) if expression.len() > 2000 => {
                findings.error(
                    path.key("expression"),
                    expression.len(),
                    "it is too long for ECS, expected at most 2,000 characters",
                );
            }
            _ => {}
        }
    }
}
